//! How the end of a reply becomes the cursor: the table of the protocol reference, 14.2.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use taxii_sync::practice::{Act, Quirk, Service};
use taxii_sync::taxii::message::PollRequest;

use crate::common::{World, for_each, minutes_ago, numbered};

fn end(poll: &PollRequest) -> DateTime<Utc> {
    poll.end.as_ref().unwrap().at
}

/// A world that was polled once: a cursor half an hour ago, which is the end it had been told.
fn polled() -> (World, DateTime<Utc>) {
    let world = World::new().feed("");
    let cursor = minutes_ago(30);
    world.script(
        Service::Poll,
        vec![Act::poll(Quirk::EndText(cursor.to_rfc3339())), Act::poll(Quirk::EndText(cursor.to_rfc3339()))],
    );
    world.run_once().ended(0);
    assert_eq!(world.cursor(), Some(cursor));
    (world, cursor)
}

#[test]
fn an_end_that_is_the_asked_one_or_later_absent_or_unreadable_makes_the_asked_end_the_cursor() {
    let cases = [
        Quirk::EchoEnd,
        Quirk::ShiftEnd(TimeDelta::zero()),
        Quirk::ShiftEnd(TimeDelta::seconds(20)),
        Quirk::ShiftEnd(TimeDelta::days(9000)),
        Quirk::NoEnd,
        Quirk::EndText("2017-1-1T00:00:00Z".to_owned()),
        Quirk::EndText("yesterday".to_owned()),
        Quirk::EndText(String::new()),
        Quirk::SevenDigits,
        Quirk::NoZone,
        Quirk::BeginAfterEnd,
        Quirk::NoBegin,
        Quirk::LabelsAfterEnd,
    ];
    for_each(cases, |quirk| {
        let world = World::new().feed("");
        world.add(minutes_ago(10), &numbered(1));
        world.practice.forever(Service::Poll, Act::poll(quirk.clone()));
        world.run_once().ended(0);
        let polls = world.polls();
        assert_eq!(polls.len(), 1, "{quirk:?}");
        assert_eq!(world.cursor(), Some(end(&polls[0])), "{quirk:?}");
        assert_eq!(world.texts(), [numbered(1)], "{quirk:?}");
    });
}

#[test]
fn an_earlier_end_becomes_the_cursor_and_the_rest_is_asked_for_at_once() {
    let world = World::new().feed("");
    world.add_numbered(1);
    world.script(Service::Poll, vec![Act::poll(Quirk::ShiftEnd(TimeDelta::minutes(-10)))]);
    world.run_once().ended(0);
    let polls = world.polls();
    assert_eq!(polls.len(), 2);
    assert_eq!(polls[1].begin.as_ref().unwrap().at, end(&polls[0]) - TimeDelta::minutes(10));
    assert_eq!(end(&polls[1]), end(&polls[0]), "the asked end stays the same");
    assert_eq!(world.cursor(), Some(end(&polls[0])));
}

#[test]
fn a_server_that_lags_behind_a_little_is_not_asked_again_at_once() {
    let world = World::new().feed("lag = \"60s\"");
    world.practice.forever(Service::Poll, Act::poll(Quirk::ShiftEnd(TimeDelta::seconds(-5))));
    world.run_once().ended(0);
    let polls = world.polls();
    assert_eq!(polls.len(), 1);
    assert_eq!(world.cursor(), Some(end(&polls[0]) - TimeDelta::seconds(5)));
}

#[test]
fn an_end_that_never_comes_nearer_does_not_make_a_hot_loop() {
    let (world, cursor) = polled();
    let before = world.polls().len();
    world.practice.forever(Service::Poll, Act::poll(Quirk::EndText(cursor.to_rfc3339())));
    world.run_once().ended(0);
    assert_eq!(world.polls().len(), before + 1);
    assert_eq!(world.cursor(), Some(cursor));
}

#[test]
fn an_end_before_the_begin_leaves_the_cursor_where_it_is() {
    let (world, cursor) = polled();
    world.add(minutes_ago(10), &numbered(1));
    world.practice.forever(Service::Poll, Act::poll(Quirk::EndBeforeBegin(TimeDelta::hours(3))));
    let ran = world.run_once();
    ran.ended(0).said("cursor stays");
    assert_eq!(world.cursor(), Some(cursor));
    assert_eq!(world.texts(), [numbered(1)], "what came is handed over all the same");
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(1)]);
}

#[test]
fn an_end_before_the_begin_of_the_first_poll_leaves_no_cursor() {
    let world = World::new().feed("");
    world.practice.forever(Service::Poll, Act::poll(Quirk::EndBeforeBegin(TimeDelta::hours(3))));
    world.run_once().ended(0);
    assert_eq!(world.cursor(), None);
    assert_eq!(world.polls().len(), 1);
}

#[test]
fn the_cursor_is_shown_as_the_server_wrote_it() {
    let world = World::new().feed("");
    let asked = minutes_ago(30);
    let zone = chrono::FixedOffset::east_opt(7200).unwrap();
    let written = asked.with_timezone(&zone).to_rfc3339();
    assert!(written.ends_with("+02:00"));
    world.practice.forever(Service::Poll, Act::poll(Quirk::EndText(written.clone())));
    world.run_once().ended(0);
    assert_eq!(world.feed_status()["cursor"], written);
}

#[test]
fn a_cursor_that_was_not_written_as_rfc_3339_is_shown_normalised() {
    let at = minutes_ago(30);
    let cases = [
        at.format("%Y-%m-%dT%H:%M:%S").to_string(),
        at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        at.format("%Y-%m-%dT%H:%M:%S+0000").to_string(),
        at.format("%Y%m%dT%H%M%SZ").to_string(),
        at.format("  %Y-%m-%dT%H:%M:%SZ\n").to_string(),
    ];
    for_each(cases, |written| {
        let world = World::new().feed("");
        world.practice.forever(Service::Poll, Act::poll(Quirk::EndText(written.clone())));
        world.run_once().ended(0);
        let shown = world.feed_status()["cursor"].clone();
        assert_eq!(crate::common::time(shown.as_str().unwrap()), at, "{written}");
        assert!(shown.as_str().unwrap().contains('T'), "{shown}");
    });
}

#[test]
fn success_as_the_answer_to_a_poll_means_nothing_to_report() {
    let (world, cursor) = polled();
    world.practice.forever(Service::Poll, Act::status("SUCCESS"));
    world.run_once().ended(0);
    assert_eq!(world.cursor(), Some(cursor));
    assert_eq!(world.feed_status()["last_error"], serde_json::Value::Null);
}

#[test]
fn labels_after_the_end_are_no_cursor() {
    let world = World::new().feed("");
    world.add_numbered(3);
    world.practice.forever(Service::Poll, Act::poll(Quirk::LabelsAfterEnd));
    world.run_once().ended(0);
    assert_eq!(world.texts().len(), 3);
    assert_eq!(world.cursor(), Some(end(&world.polls()[0])));
}

#[test]
fn a_server_that_only_keeps_pace_with_the_time_is_not_chased() {
    let world = World::new().feed("");
    let behind = || (Utc::now() - TimeDelta::minutes(5)).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    world.practice.forever(Service::Poll, Act::change(move |reply| reply.end = Some(behind())));
    world.run_once().ended(0);
    assert!(world.polls().len() <= 4, "{}", world.polls().len());
    assert!(world.cursor().unwrap() > minutes_ago(6));
}

#[test]
fn a_label_of_any_time_is_no_cursor() {
    let world = World::new().feed("");
    world.add_numbered(2);
    let labels = ["2001-01-01T00:00:00Z", "2099-12-31T23:59:59Z"];
    world.practice.forever(
        Service::Poll,
        Act::change(move |reply| {
            for (block, label) in reply.blocks.iter_mut().zip(labels) {
                block.label = Some(label.to_owned());
            }
        }),
    );
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(0), numbered(1)]);
    assert_eq!(world.cursor(), Some(end(&world.polls()[0])));
}

#[test]
fn a_part_of_its_own_without_blocks_moves_the_cursor() {
    let world = World::new().feed("");
    world.run_once().ended(0);
    assert_eq!((world.files().len(), world.polls().len()), (0, 1));
    assert_eq!(world.cursor(), Some(end(&world.polls()[0])));
}

#[test]
fn a_cursor_ahead_of_a_clock_that_was_put_right_is_told_and_moved_back_by_hand() {
    let hours = Arc::new(AtomicI64::new(2));
    let theirs = hours.clone();
    let world = World::with(|options| {
        options.clock = Arc::new(move || Utc::now() + TimeDelta::hours(theirs.load(Ordering::Relaxed)));
    });
    let world = world.feed("lag = \"0s\"");
    world.run_once().ended(0);
    world.run_once().ended(0);
    let ahead = world.cursor().unwrap();
    assert!(ahead > Utc::now() + TimeDelta::minutes(110));
    hours.store(0, Ordering::Relaxed);
    world.add(Utc::now(), &numbered(1));
    for _ in 0..2 {
        let ran = world.run_once();
        ran.ended(1).said("ahead of the server's clock: nothing is asked for until then");
        assert_eq!(world.cursor(), Some(ahead));
    }
    let said = world.feed_status()["last_error"].as_str().unwrap().to_owned();
    let to = said.rsplit_once("cursor set indicators ").unwrap().1.trim_end_matches(['`', ')']);
    world.run(&["cursor", "set", "indicators", to]).ended(0);
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(1)], "published after the clock was put right");
}

#[test]
fn one_wrong_date_does_not_keep_a_feed_from_asking() {
    let world = World::new().feed("lag = \"0s\"");
    world.run_once().ended(0);
    world.script(Service::Poll, vec![Act::honest().skew(TimeDelta::hours(-2))]);
    world.run_once().ended(1).said("ahead of the server's clock");
    world.add(Utc::now(), &numbered(1));
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(1)]);
}
