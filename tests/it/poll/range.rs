//! Which ranges are asked for.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use taxii_sync::practice::{Act, CollectionSpec, Quirk, Service};

use crate::common::{World, all_numbered, for_each, minutes_ago, numbered, time};

/// An instant lies in this range, give or take the milliseconds of the two clocks.
#[track_caller]
fn assert_within(at: DateTime<Utc>, from: DateTime<Utc>, to: DateTime<Utc>) {
    let slack = TimeDelta::milliseconds(1500);
    assert!(from - slack <= at && at <= to + slack, "{at} is not between {from} and {to}");
}

#[test]
fn the_asked_end_stays_lag_behind_the_servers_clock_however_far_that_is_off() {
    for_each([-5, 0, 5], |hours| {
        let skew = TimeDelta::hours(hours);
        let world = World::off_by(skew).feed("lag = \"90s\"");
        let collections = format!("collections = \"{}\"", world.practice.url("collections"));
        let world = world.server(&collections);
        let before = Utc::now() + skew;
        world.run_once().ended(0);
        let polls = world.polls();
        let asked = polls[0].end.as_ref().unwrap().at;
        let lag = TimeDelta::seconds(90);
        assert_within(asked, before - lag, Utc::now() + skew - lag);
        assert_eq!(world.cursor(), Some(asked));
        let lag = world.feed_status()["lag_seconds"].as_i64().unwrap();
        assert!((89..100).contains(&lag), "{lag}");
    });
}

#[test]
fn a_server_that_was_met_before_is_asked_by_its_own_clock() {
    for_each([-5, 5], |hours| {
        let skew = TimeDelta::hours(hours);
        let world = World::off_by(skew).feed("start = \"12h\"");
        world.run_once().ended(0);
        assert!(world.cursor().unwrap() <= Utc::now() + skew, "the cursor is ahead of the server's clock");
        let before = Utc::now() + skew;
        world.run_once().ended(0);
        let polls = world.polls();
        let lag = TimeDelta::seconds(60);
        if let Some(second) = polls.get(1) {
            assert_within(second.end.as_ref().unwrap().at, before - lag, Utc::now() + skew - lag);
        }
    });
}

#[test]
fn the_cursor_is_never_ahead_of_the_clock_of_the_server_that_echoes_an_end_in_its_future() {
    let behind = TimeDelta::hours(-2);
    let world = World::new().feed("start = \"12h\"");
    world.script(Service::Poll, vec![Act::poll(Quirk::EchoEnd).skew(behind)]);
    let before = Utc::now() + behind;
    world.run_once().ended(0);
    assert_within(world.cursor().unwrap(), before, Utc::now() + behind);
}

#[test]
fn a_long_range_is_asked_for_in_windows_that_touch() {
    let world = World::new().feed("start = \"60h\"\nwindow = \"1d\"");
    for hours in [50, 30, 2] {
        world.add(minutes_ago(hours * 60), &numbered(hours));
    }
    world.run_once().ended(0);
    let polls = world.polls();
    assert_eq!(polls.len(), 3);
    for pair in polls.windows(2) {
        assert_eq!(pair[0].end.as_ref().unwrap().at, pair[1].begin.as_ref().unwrap().at);
    }
    for poll in &polls {
        assert!(poll.end.as_ref().unwrap().at - poll.begin.as_ref().unwrap().at <= TimeDelta::days(1));
    }
    assert_eq!(world.texts(), [numbered(50), numbered(30), numbered(2)]);
    assert_eq!(world.cursor(), Some(polls[2].end.as_ref().unwrap().at));
}

#[test]
fn a_duration_says_how_far_back_the_first_poll_reaches() {
    let world = World::new().feed("start = \"90m\"\nlag = \"0s\"");
    let before = Utc::now();
    world.run_once().ended(0);
    let begin = world.polls()[0].begin.clone().unwrap().at;
    assert_within(begin, before - TimeDelta::minutes(90), Utc::now() - TimeDelta::minutes(90));
}

#[test]
fn a_time_says_how_far_back_the_first_poll_reaches() {
    let since = minutes_ago(77);
    let world = World::new().feed(&format!("start = \"{}\"", since.to_rfc3339()));
    world.run_once().ended(0);
    assert_eq!(world.polls()[0].begin.as_ref().unwrap().at, since);
}

#[test]
fn a_poll_from_the_beginning_has_no_begin_and_windows_start_after_it() {
    let world = World::new().feed("start = \"beginning\"\nwindow = \"1h\"\nlag = \"1s\"");
    world.add(minutes_ago(60 * 24 * 4000), &numbered(1));
    world.run_once().ended(0);
    let polls = world.polls();
    assert_eq!(polls.len(), 1);
    assert_eq!(polls[0].begin, None);
    assert_eq!(world.texts(), [numbered(1)]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world.run_once().ended(0);
    assert_eq!(world.polls()[1].begin.as_ref().unwrap().at, polls[0].end.as_ref().unwrap().at);
}

#[test]
fn the_next_poll_begins_where_the_cursor_is() {
    let world = World::new().feed("lag = \"0s\"");
    world.run_once().ended(0);
    let cursor = world.cursor().unwrap();
    world.run_once().ended(0);
    let polls = world.polls();
    assert_eq!(polls[1].begin.as_ref().unwrap().at, cursor);
    assert!(polls[1].end.as_ref().unwrap().at > cursor);
}

#[test]
fn nothing_is_asked_while_the_cursor_is_less_than_lag_behind() {
    let world = World::new().feed("lag = \"10m\"");
    world.run_once().ended(0);
    let cursor = world.cursor();
    world.run_once().ended(0);
    let polls = world.polls();
    assert!(polls.iter().all(|poll| poll.begin.as_ref().unwrap().at < poll.end.as_ref().unwrap().at));
    assert!(world.cursor() >= cursor);
}

#[test]
fn timestamps_are_rounded_down_to_what_the_server_can_read() {
    let cases = [("micros", 27), ("millis", 24), ("seconds", 20), ("minutes", 20)];
    for_each(cases, |(precision, length)| {
        let keys = format!("timestamp_precision = \"{precision}\"");
        let world = World::new().server(&keys).feed("lag = \"0s\"");
        let before = Utc::now();
        world.run_once().ended(0);
        world.run_once().ended(0);
        for poll in world.polls() {
            for text in [poll.begin.unwrap(), poll.end.unwrap()].map(|bound| bound.text) {
                assert_eq!(text.len(), length, "{text}");
                assert!(text.ends_with('Z') && (precision != "minutes" || text.ends_with(":00Z")), "{text}");
            }
        }
        let end = world.polls()[0].end.clone().unwrap().at;
        assert!(end <= Utc::now() && before - end < TimeDelta::seconds(61));
    });
}

#[test]
fn a_begin_is_rounded_down_so_that_nothing_is_skipped() {
    // The cursor is finer than what can be asked: the block after it must not fall into the gap.
    let world = World::new().server("timestamp_precision = \"seconds\"").feed("lag = \"0s\"");
    let end = minutes_ago(20) + TimeDelta::milliseconds(400);
    let text = end.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    world.script(Service::Poll, vec![Act::poll(Quirk::EndText(text.clone()))]);
    world.run_once().ended(0);
    let second = world.polls()[1].begin.clone().unwrap();
    assert_eq!(second.at, end.trunc_subsecs(0), "asked for again from {}", second.text);
}

#[test]
fn an_overlap_is_asked_for_again_and_what_it_repeats_is_dropped_by_content() {
    let world = World::new().feed("overlap = \"30m\"\nlag = \"0s\"");
    world.add(minutes_ago(10), &numbered(1));
    world.run_once().ended(0);
    let cursor = world.cursor().unwrap();
    // A server that labels anew whatever it is asked: the same bytes under another label.
    world.practice.add_collection(CollectionSpec::feed("default"));
    world.add(minutes_ago(5), &numbered(1));
    world.add(minutes_ago(5), &numbered(2));
    world.run_once().ended(0);
    let second = world.polls()[1].clone();
    assert_eq!(second.begin.unwrap().at, cursor - TimeDelta::minutes(30));
    assert_eq!(world.texts(), [numbered(1), numbered(2)]);
}

#[test]
fn a_block_that_comes_late_is_found_in_the_overlap() {
    let world = World::new().feed("overlap = \"30m\"\nlag = \"0s\"");
    world.add(minutes_ago(10), &numbered(1));
    world.run_once().ended(0);
    world.add(minutes_ago(20), &numbered(2));
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(2), numbered(1)]);
}

#[test]
fn a_fault_in_the_overlap_hides_neither_what_comes_late_nor_what_is_new() {
    let world = World::new().feed("overlap = \"1h\"\nlag = \"0s\"");
    let bad = minutes_ago(30);
    world.add(minutes_ago(40), &numbered(1));
    world.add(bad, "<a><b></a>");
    world.add(minutes_ago(20), &numbered(2));
    world.run_once().ended(1).said("cursor set");
    world.run(&["cursor", "set", "indicators", &(bad + TimeDelta::seconds(1)).to_rfc3339()]).ended(0);
    world.run_once().ended(0).said("a part of the overlap cannot be read");
    assert_eq!(world.texts(), [numbered(1), numbered(2)]);
    let before = world.polls().len();
    world.add(minutes_ago(35), &numbered(3));
    world.add(minutes_ago(25), &numbered(4));
    world.add(Utc::now(), &numbered(5));
    // What is new lies within a second.
    world.run_once().ended(0);
    assert_eq!(world.texts(), [1, 3, 4, 2, 5].map(numbered));
    assert!(world.polls().len() - before < 40, "{} requests", world.polls().len() - before);
}

/// A server that reads seconds, and writes milliseconds.
fn reads_seconds(keys: &str) -> World {
    let seconds = format!("timestamp_precision = \"seconds\"\n{keys}");
    World::with(|options| options.max_result_size = 2).server(&seconds).feed("")
}

#[test]
fn more_within_the_rounding_than_one_reply_holds_is_told_as_a_failure() {
    let world = reads_seconds("taxii = \"1.0\"");
    let burst = minutes_ago(30).trunc_subsecs(0);
    for number in 0..5 {
        world.add(burst + TimeDelta::milliseconds(100 * (number + 1)), &numbered(number));
    }
    world.add(minutes_ago(20), &numbered(5));
    for _ in 0..2 {
        world.run_once().ended(1).said("no request gets past").said("timestamp_precision");
        assert_eq!(world.texts(), all_numbered(2));
        assert_eq!(world.cursor(), Some(burst + TimeDelta::milliseconds(200)));
        assert!(world.feed_status()["last_error"].is_string());
    }
    let world = world.server("taxii = \"1.0\"");
    world.run_once().ended(0);
    assert_eq!(world.texts(), all_numbered(6));
}

#[test]
fn a_server_whose_replies_end_at_its_last_label_is_merely_quiet() {
    let world = reads_seconds("");
    let last = minutes_ago(30).trunc_subsecs(0) + TimeDelta::milliseconds(75);
    world.add(last, &numbered(1));
    world.practice.forever(Service::Poll, Act::change(move |reply| reply.end = Some(last.to_rfc3339())));
    for _ in 0..2 {
        world.run_once().ended(0);
        assert_eq!(world.cursor(), Some(last));
    }
    assert_eq!(world.texts(), [numbered(1)]);
}

#[test]
fn a_page_of_taxii_1_0_is_followed_to_its_end() {
    // TAXII 1.0 has no parts: a server that cannot give everything says so with an earlier end.
    let world = World::with(|options| options.max_result_size = 2).server("taxii = \"1.0\"").feed("");
    world.add_numbered(5);
    world.run_once().ended(0);
    assert_eq!(world.texts(), all_numbered(5));
    assert!(world.polls().len() >= 3);
    assert_eq!(time(world.feed_status()["cursor"].as_str().unwrap()), world.polls()[0].end.clone().unwrap().at);
}

#[test]
fn a_start_that_is_not_longer_than_the_lag_is_asked_from_as_soon_as_it_can_be() {
    let world = World::new().feed("start = \"0s\"\nlag = \"2s\"");
    let first = Utc::now();
    world.run_once().ended(0);
    assert_eq!((world.polls().len(), world.cursor()), (0, None), "there is nothing to ask for yet");
    world.add(Utc::now(), &numbered(1));
    std::thread::sleep(std::time::Duration::from_millis(3200));
    world.run_once().ended(0);
    assert_within(world.polls()[0].begin.as_ref().unwrap().at, first, first + TimeDelta::seconds(1));
    assert_eq!(world.texts(), [numbered(1)]);
}

#[test]
fn a_start_is_counted_from_the_first_attempt_until_a_poll_has_worked() {
    let world = World::new().feed("start = \"1m\"");
    world.script(Service::Poll, vec![Act::status("DENIED"), Act::status("DENIED")]);
    world.run_once().ended(1);
    std::thread::sleep(std::time::Duration::from_secs(4));
    let first = Utc::now() - TimeDelta::seconds(4);
    let world = world.reconfigured().feed("start = \"10m\"");
    world.run_once().ended(1);
    world.run_once().ended(0);
    let begin = |poll: usize| world.polls()[poll].begin.as_ref().unwrap().at;
    for poll in [1, 2] {
        let wanted = first - TimeDelta::minutes(10);
        assert_within(begin(poll), wanted, wanted);
    }
}

#[test]
fn a_clock_that_is_absurdly_ahead_is_not_believed() {
    let world = World::new().feed("lag = \"1s\"");
    world.practice.forever(Service::Poll, Act::honest().skew(TimeDelta::days(3000)));
    for _ in 0..2 {
        world.run_once().ended(0).said("too far to be believed");
    }
    assert!(world.polls().len() <= 2, "{}", world.polls().len());
    assert!(world.cursor().unwrap() <= Utc::now());
    let lag = world.feed_status()["lag_seconds"].as_i64().unwrap();
    assert!(lag < 60, "{lag}");
}
