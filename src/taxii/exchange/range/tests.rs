//! Tests of ranges and cursors.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const PACE: Pace = Pace { lag: MINUTE, window: DAY, overlap: Duration::ZERO, precision: Precision::Micros };

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is not a timestamp"))
}

fn at(text: &str) -> DateTime<Utc> {
    time(text).at
}

/// A range as (cursor, begin, end), as it is written.
fn shown(range: Option<Range>) -> Option<(String, String, String)> {
    let text = |time: Option<Timestamp>| time.map_or("none".to_owned(), |time| time.text);
    range.map(|range| (text(range.cursor), text(range.begin), range.end.text))
}

fn range(begin: &str, end: &str) -> Range {
    let begin = Some(time(begin));
    Range::new(begin.clone(), begin, time(end))
}

fn same(cursor: &str, begin: &str, end: &str) -> Option<(String, String, String)> {
    Some((cursor.to_owned(), begin.to_owned(), end.to_owned()))
}

#[test]
fn a_range_within_a_second_is_too_short_for_a_cursor_that_no_date_may_follow() {
    let begin = "2024-03-01T12:00:00.3Z";
    let asked = range(begin, "2024-03-01T12:00:00.9Z");
    let moved = next_cursor(&asked, Some(&asked.end), at("2024-03-01T12:00:00Z"));
    assert!(moved == CursorMove::Unchanged { within_overlap: false } && asked.is_within_a_second());
    assert!(!range(begin, "2024-03-01T12:00:01.3Z").is_within_a_second());
}

#[test]
fn the_servers_clock_is_ours_and_the_skew() {
    let (date, local) = (at("2024-03-01T12:05:00Z"), at("2024-03-01T12:00:00Z"));
    assert_eq!(server_now(at("2024-03-02T00:00:00Z"), skew(date, local)), at("2024-03-02T00:05:00Z"));
    assert_eq!(server_now(local, TimeDelta::MAX), local, "an absurd skew is none");
}

#[test]
fn a_range_ends_a_lag_before_now_or_a_window_after_the_cursor() {
    let now = at("2024-03-10T12:00:00.1234567Z");
    let ask = |cursor: &str| shown(ask(Some(&time(cursor)), None, now, &PACE));
    let near = "2024-03-10T11:00:00Z";
    assert_eq!(ask(near), same(near, "2024-03-10T11:00:00.000000Z", "2024-03-10T11:59:00.123456Z"));
    let far = "2024-03-01T00:00:00.9999999+02:00";
    assert_eq!(ask(far), same(far, "2024-02-29T22:00:00.999999Z", "2024-03-01T22:00:00.999999Z"));
    assert_eq!(ask("2024-03-10T11:59:00.123456Z"), None, "nothing to ask for yet");
    assert_eq!(ask("2024-03-10T11:59:00.1234565Z"), None, "the end is rounded down first");
    assert_eq!(ask("2051-01-01T00:00:00Z"), None, "a cursor in the future");
}

#[test]
fn without_a_cursor_a_range_begins_at_the_start_or_at_the_beginning() {
    let now = at("2024-03-10T12:00:00Z");
    let started = ask(None, Some(at("2024-02-09T12:00:00.5Z")), now, &Pace { overlap: Duration::ZERO, ..PACE });
    let begin = "2024-02-09T12:00:00.500000Z";
    assert_eq!(shown(started), same(begin, begin, "2024-02-10T12:00:00.500000Z"));
    let beginning = ask(None, None, now, &PACE);
    assert_eq!(shown(beginning), same("none", "none", "2024-03-10T11:59:00.000000Z"));
    let cursor = time("2024-03-10T00:00:00Z");
    let both = ask(Some(&cursor), Some(at("2024-02-09T12:00:00Z")), now, &PACE).unwrap();
    assert_eq!(both.cursor, Some(cursor), "the cursor wins");
}

#[test]
fn an_overlap_is_subtracted_from_the_begin_only() {
    let now = at("2024-03-10T12:00:00Z");
    let cursor = "2024-03-01T00:00:00Z";
    let pace = Pace { overlap: 3 * DAY, window: HOUR, ..PACE };
    let asked = ask(Some(&time(cursor)), None, now, &pace);
    let wanted = same(cursor, "2024-02-27T00:00:00.000000Z", "2024-03-01T01:00:00.000000Z");
    assert_eq!(shown(asked), wanted, "an overlap longer than the window stops nothing");
    let endless = ask(Some(&time(cursor)), None, now, &Pace { overlap: Duration::MAX, ..PACE }).unwrap();
    assert_eq!(endless.begin.unwrap().text, "0001-01-01T00:00:00.000000Z");
}

#[test]
fn both_bounds_are_rounded_down_to_what_the_server_can_read() {
    let now = at("2024-03-10T12:34:56.789Z");
    let cursor = "2024-03-10T12:00:59.999999Z";
    let table = [
        (Precision::Micros, "2024-03-10T12:00:59.999999Z", "2024-03-10T12:33:56.789000Z"),
        (Precision::Millis, "2024-03-10T12:00:59.999Z", "2024-03-10T12:33:56.789Z"),
        (Precision::Seconds, "2024-03-10T12:00:59Z", "2024-03-10T12:33:56Z"),
        (Precision::Minutes, "2024-03-10T12:00:00Z", "2024-03-10T12:33:00Z"),
    ];
    for (precision, begin, end) in table {
        let asked = ask(Some(&time(cursor)), None, now, &Pace { precision, ..PACE });
        assert_eq!(shown(asked), same(cursor, begin, end));
    }
}

#[test]
fn a_window_shorter_than_the_precision_still_gets_on() {
    let pace = Pace { window: Duration::from_secs(1), precision: Precision::Minutes, ..PACE };
    let asked = ask(Some(&time("2024-03-01T12:00:30Z")), None, at("2024-03-10T12:00:00Z"), &pace).unwrap();
    assert_eq!(asked.end.text, "2024-03-01T12:01:00Z");
}

#[test]
fn the_cursor_follows_the_table() {
    let asked = range("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z");
    let late = at("2024-03-05T00:00:00Z");
    let to = |text: &str, shortened| CursorMove::To { cursor: time(text), shortened };
    let stays = CursorMove::Unchanged { within_overlap: false };
    // The end stated, the Date of the reply, the move.
    let table = [
        (Some("2024-03-02T00:00:00Z"), late, to("2024-03-02T00:00:00Z", false)),
        (Some("2024-03-02T02:00:00.0+02:00"), late, to("2024-03-02T02:00:00.0+02:00", false)),
        (Some("2024-03-01T12:00:00.1234567Z"), late, to("2024-03-01T12:00:00.1234567Z", true)),
        (Some("2024-03-02T00:00:00.000001Z"), late, to("2024-03-02T00:00:00Z", false)),
        (Some("2051-01-01T00:00:00Z"), late, to("2024-03-02T00:00:00Z", false)),
        (None, late, to("2024-03-02T00:00:00Z", false)),
        (Some("2024-03-01T00:00:00Z"), late, stays.clone()),
        (Some("2023-03-01T00:00:00Z"), late, stays.clone()),
        // Never later than the reply itself.
        (Some("2024-03-02T00:00:00Z"), at("2024-03-01T18:00:00Z"), to("2024-03-01T18:00:00.000000Z", false)),
        (None, at("2024-03-01T18:00:00Z"), to("2024-03-01T18:00:00.000000Z", false)),
        (Some("2051-01-01T00:00:00Z"), at("2024-03-01T18:00:00Z"), to("2024-03-01T18:00:00.000000Z", false)),
        (Some("2024-03-01T12:00:00Z"), at("2024-03-01T06:00:00Z"), to("2024-03-01T06:00:00.000000Z", true)),
        (None, at("2024-03-01T00:00:00Z"), stays.clone()),
        (None, at("1970-01-01T00:00:00Z"), stays),
    ];
    for (end, date, wanted) in table {
        let end = end.map(time);
        assert_eq!(next_cursor(&asked, end.as_ref(), date), wanted, "{end:?} at {date}");
    }
}

#[test]
fn from_the_beginning_any_end_is_progress() {
    let asked = Range { cursor: None, begin: None, ..range("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z") };
    let end = time("2001-01-01T00:00:00Z");
    let wanted = CursorMove::To { cursor: end.clone(), shortened: true };
    assert_eq!(next_cursor(&asked, Some(&end), at("2024-03-05T00:00:00Z")), wanted);
}

#[test]
fn the_cursor_never_moves_back_into_the_overlap() {
    let asked =
        Range { begin: Some(time("2024-02-29T00:00:00Z")), ..range("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z") };
    let moved = |end: &str| next_cursor(&asked, Some(&time(end)), at("2024-03-05T00:00:00Z"));
    assert_eq!(moved("2024-02-29T12:00:00Z"), CursorMove::Unchanged { within_overlap: true });
    assert_eq!(moved("2024-02-29T00:00:00Z"), CursorMove::Unchanged { within_overlap: false });
}

#[test]
fn a_server_that_shortens_the_range_to_less_than_the_overlap_is_asked_without_it() {
    let pace = Pace { overlap: HOUR, ..PACE };
    let now = at("2024-03-10T12:00:00Z");
    let asked = ask(Some(&time("2024-03-10T00:00:00Z")), None, now, &pace).unwrap();
    let short = next_cursor(&asked, Some(&time("2024-03-09T23:30:00Z")), now);
    let again = asked.follow(&short, now, &pace).unwrap();
    assert_eq!(again.begin.as_ref().unwrap().text, "2024-03-10T00:00:00.000000Z");
    assert_eq!(again.end, asked.end);
    let still = next_cursor(&again, Some(&time("2024-03-09T23:30:00Z")), now);
    assert_eq!(again.follow(&still, now, &pace), None, "and that only once");
    assert_eq!(again.follow(&CursorMove::Unchanged { within_overlap: true }, now, &pace), None);
}

#[test]
fn a_shortened_range_is_asked_for_again_to_the_same_end_without_overlap() {
    let pace = Pace { overlap: HOUR, ..PACE };
    let now = at("2024-03-10T12:00:00Z");
    let asked = ask(Some(&time("2024-03-10T00:00:00Z")), None, now, &pace).unwrap();
    let moved = next_cursor(&asked, Some(&time("2024-03-10T06:00:00Z")), now);
    let rest = asked.follow(&moved, now, &pace);
    assert_eq!(shown(rest), same("2024-03-10T06:00:00Z", "2024-03-10T06:00:00.000000Z", &asked.end.text));
}

#[test]
fn a_server_clock_behind_ours_makes_no_hot_loop() {
    // The server caps the end to its own time, a little later each time, which never reaches what we ask for.
    let now = at("2024-03-10T12:00:00Z");
    let near = |pace: &Pace| {
        let asked = ask(Some(&time("2024-03-10T11:00:00Z")), None, now, pace).unwrap();
        let end = Timestamp::new(earlier(asked.end.at, MINUTE / 2), Precision::Micros);
        asked.follow(&next_cursor(&asked, Some(&end), now), now, pace)
    };
    assert_eq!(near(&PACE), None, "less than the lag is left");
    let mut asked = ask(Some(&time("2024-03-10T00:00:00Z")), None, now, &PACE);
    let mut polls = 0;
    while let Some(range) = asked {
        polls += 1;
        let end = Timestamp::new(later(range.cursor.as_ref().unwrap().at, Duration::from_secs(1)), Precision::Micros);
        asked = range.follow(&next_cursor(&range, Some(&end), now), now, &PACE);
    }
    assert_eq!(polls, 1001, "an end that creeps stops after a thousand rounds");
}

#[test]
fn windows_follow_one_another_up_to_the_end_fixed_at_the_start() {
    let now = at("2024-03-10T12:00:00Z");
    let mut asked = ask(None, Some(at("2024-03-08T00:00:00Z")), now, &PACE);
    let mut ends = Vec::new();
    while let Some(range) = asked {
        ends.push(range.end.text.clone());
        asked = range.follow(&next_cursor(&range, None, now), now, &PACE);
    }
    assert_eq!(ends, ["2024-03-09T00:00:00.000000Z", "2024-03-10T00:00:00.000000Z", "2024-03-10T11:59:00.000000Z"]);
}

#[test]
fn a_window_shortened_by_less_than_the_lag_is_no_end_of_the_cycle() {
    let now = at("2024-03-10T12:00:00Z");
    let asked = ask(None, Some(at("2024-03-08T00:00:00Z")), now, &PACE).unwrap();
    let end = time("2024-03-08T23:59:30Z");
    let next = asked.follow(&next_cursor(&asked, Some(&end), now), now, &PACE);
    assert_eq!(shown(next), same(&end.text, "2024-03-08T23:59:30.000000Z", "2024-03-09T23:59:30.000000Z"));
}

#[test]
fn a_reply_that_moves_nothing_ends_the_cycle() {
    let now = at("2024-03-10T12:00:00Z");
    let asked = ask(None, Some(at("2024-03-08T00:00:00Z")), now, &PACE).unwrap();
    assert_eq!(asked.follow(&CursorMove::Unchanged { within_overlap: false }, now, &PACE), None);
}

#[test]
fn halving_gets_at_everything_but_one_second() {
    // One unreadable block sits at this label; every range that holds it is refused.
    let bad = at("2024-03-10T03:45:17.25Z");
    let now = at("2024-03-10T12:00:00Z");
    let mut cursor = time("2024-03-09T00:00:00Z");
    let mut asked = ask(Some(&cursor), None, now, &PACE);
    let mut requests = Vec::new();
    while let Some(range) = asked {
        requests.push((range.begin.clone().unwrap().text, range.end.text.clone()));
        let from = range.cursor.as_ref().unwrap().at;
        assert_eq!(from, cursor.at, "nothing is left out");
        if from < bad && bad <= range.end.at {
            asked = range.half(&PACE);
        } else {
            cursor = range.end.clone();
            let moved = next_cursor(&range, Some(&cursor), now);
            asked = range.follow(&moved, now, &PACE);
        }
    }
    assert!(cursor.at < bad && bad - cursor.at <= TimeDelta::seconds(1), "stopped at {}", cursor.text);
    assert!(requests.len() < 50, "{} requests", requests.len());
    let count = requests.len();
    requests.sort();
    requests.dedup();
    assert_eq!(requests.len(), count, "no range is asked for twice");
}

#[test]
fn a_range_of_a_second_is_not_halved() {
    let half = |end: &str| range("2024-03-01T00:00:00Z", end).half(&PACE).map(|half| half.end.text);
    assert_eq!(half("2024-03-01T00:00:01Z"), None);
    assert_eq!(half("2024-03-01T00:00:00.5Z"), None);
    assert_eq!(half("2024-03-01T00:00:01.5Z"), Some("2024-03-01T00:00:01.000000Z".into()));
    assert_eq!(half("2024-03-01T00:00:02Z"), Some("2024-03-01T00:00:01.000000Z".into()));
    let minutes = Pace { precision: Precision::Minutes, ..PACE };
    assert_eq!(range("2024-03-01T00:00:00Z", "2024-03-01T00:01:00Z").half(&minutes), None);
    let beginning = Range { cursor: None, begin: None, ..range("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z") };
    assert_eq!(beginning.half(&PACE).unwrap().end.text, "1997-01-31T00:00:00.000000Z");
    let early = Range { end: time("1960-01-01T00:00:00Z"), ..beginning };
    assert_eq!(early.half(&PACE), None);
}

#[test]
fn what_can_be_read_of_an_overlap_with_a_fault_is_read_and_the_fault_is_passed_over() {
    let bad = at("2024-03-10T10:40:17.25Z");
    let cursor = time("2024-03-10T11:00:00.5Z");
    for (precision, new) in [(Precision::Micros, HOUR), (Precision::Seconds, HOUR), (Precision::Micros, MINUTE / 100)] {
        let pace = Pace { overlap: HOUR, precision, ..PACE };
        let now = later(cursor.at, MINUTE + new);
        let (mut requests, mut read, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
        let mut asked = ask(Some(&cursor), None, now, &pace);
        let first = asked.clone().unwrap();
        let mut reached = CursorMove::Unchanged { within_overlap: true };
        while let Some(range) = asked {
            let bounds = (range.begin.as_ref().unwrap().at, range.end.at);
            requests.push(bounds);
            if bounds.0 < bad && bad <= bounds.1 {
                asked = range.half(&pace).or_else(|| {
                    passed_over.push(bounds);
                    range.pass_over(&pace)
                });
            } else {
                read.push(bounds);
                reached = next_cursor(&range, Some(&range.end), now);
                asked = range.follow(&reached, now, &pace);
            }
        }
        assert_eq!(reached, CursorMove::To { cursor: first.end.clone(), shortened: false });
        assert!(
            passed_over.len() == 1 && passed_over[0].1 - passed_over[0].0 <= TimeDelta::seconds(1),
            "{passed_over:?}"
        );
        read.extend(passed_over);
        read.sort();
        assert_eq!((read[0].0, read[read.len() - 1].1), (first.begin.unwrap().at, first.end.at));
        assert!(read.windows(2).all(|pair| pair[0].1 == pair[1].0), "nothing is left out: {read:?}");
        let count = requests.len();
        assert!(count < 40, "{count} requests");
        requests.sort();
        requests.dedup();
        assert_eq!(requests.len(), count, "no range is asked for twice");
    }
}

#[test]
fn where_nothing_can_be_read_an_overlap_is_soon_given_up() {
    let pace = Pace { overlap: DAY, ..PACE };
    let cursor = time("2024-03-10T00:00:00Z");
    let mut range = ask(Some(&cursor), None, at("2024-03-10T12:00:00Z"), &pace).unwrap();
    let mut requests = 1;
    while let Some(next) = range.half(&pace).or_else(|| range.pass_over(&pace)) {
        (range, requests) = (next, requests + 1);
    }
    assert_eq!(range.begin.unwrap().at, cursor.at, "at last what is new is asked for");
    assert_eq!(range.overlap_of, None);
    assert!(requests < 100, "{requests} requests");
}

#[test]
fn a_fault_in_what_is_new_is_no_fault_of_the_overlap() {
    let pace = Pace { overlap: HOUR, ..PACE };
    let now = at("2024-03-10T12:01:00Z");
    let asked = ask(Some(&time("2024-03-10T10:00:00Z")), None, now, &pace).unwrap();
    let overlap = asked.half(&pace).unwrap();
    let cursor = "2024-03-10T10:00:00Z";
    let at_cursor = "2024-03-10T10:00:00.000000Z";
    assert_eq!(shown(Some(overlap.clone())), same(cursor, "2024-03-10T09:00:00.000000Z", at_cursor));
    for end in [None, Some("2024-03-10T10:00:00Z"), Some("2024-03-10T08:00:00Z"), Some("2051-01-01T00:00:00Z")] {
        let moved = next_cursor(&overlap, end.map(time).as_ref(), now);
        assert_eq!(moved, CursorMove::Unchanged { within_overlap: true }, "{end:?}");
        let new = overlap.follow(&moved, now, &pace).unwrap();
        assert_eq!(shown(Some(new.clone())), same(cursor, at_cursor, "2024-03-10T12:00:00.000000Z"));
        let half = new.half(&pace);
        assert_eq!(shown(half.clone()), same(cursor, at_cursor, "2024-03-10T11:00:00.000000Z"));
        assert_eq!(half.unwrap().pass_over(&pace), None, "nothing new is passed over");
    }
}

#[test]
fn where_the_rounding_holds_the_cursor_it_is_asked_what_is_beyond() {
    let seconds = Pace { precision: Precision::Seconds, ..PACE };
    let minutes = Pace { precision: Precision::Minutes, lag: Duration::ZERO, ..PACE };
    let stays = CursorMove::Unchanged { within_overlap: true };
    let now = at("2024-03-10T12:00:00Z");
    let asked = |cursor: &str, begin: &str, end: &str| Range::new(Some(time(cursor)), Some(time(begin)), time(end));
    let burst = asked("2024-03-10T11:00:05.075Z", "2024-03-10T11:00:05Z", "2024-03-10T11:59:00Z");
    let beyond = |range: &Range, pace: &Pace| {
        let beyond = range.beyond_rounding(&stays, now, pace);
        beyond.map(|range| (range.begin.unwrap().text, range.end.text))
    };
    assert_eq!(beyond(&burst, &seconds), Some(("2024-03-10T11:00:06Z".into(), "2024-03-10T11:59:00Z".into())));
    let fine = asked("2024-03-10T11:00:05.0000001Z", "2024-03-10T11:00:05.000000Z", "2024-03-10T11:59:00Z");
    assert_eq!(beyond(&fine, &PACE).unwrap().0, "2024-03-10T11:00:05.000001Z");
    let near = Range { end: time("2024-03-10T11:01:05Z"), ..burst.clone() };
    assert_eq!(beyond(&near, &seconds), None, "less than the lag is left");
    let unit = asked("2024-03-10T11:00:05Z", "2024-03-10T11:00:00Z", "2024-03-10T11:01:00Z");
    assert_eq!(beyond(&unit, &minutes), None, "there is nothing beyond that could be asked for");
    let overlap = Range { begin: Some(time("2024-03-10T10:00:05Z")), ..burst.clone() };
    assert_eq!(beyond(&overlap, &seconds), None, "it is asked without the overlap first");
    let moved = CursorMove::To { cursor: time("2024-03-10T11:00:07Z"), shortened: true };
    for moved in [moved, CursorMove::Unchanged { within_overlap: false }] {
        assert_eq!(burst.beyond_rounding(&moved, now, &seconds), None);
    }
}

#[test]
fn a_range_is_kept_as_it_was_sent() {
    let now = at("2024-03-10T12:00:00.1234567Z");
    let cursor = time("2024-03-01T00:00:00.1234567+02:00");
    let asked = ask(Some(&cursor), None, now, &PACE).unwrap().half(&PACE).unwrap();
    let stored = serde_json::to_string(&asked).unwrap();
    assert_eq!(serde_json::from_str::<Range>(&stored).unwrap(), asked);
}

#[test]
fn a_clock_within_the_second_of_a_date_header_agrees_with_it() {
    let date = at("2024-03-01T00:00:00Z");
    for millis in [0, 1, 999] {
        assert_eq!(skew(date, date + TimeDelta::milliseconds(millis)), TimeDelta::zero(), "{millis}");
    }
    assert_eq!(skew(date, date + TimeDelta::seconds(1)), TimeDelta::seconds(-1));
    assert_eq!(skew(date, date - TimeDelta::milliseconds(1)), TimeDelta::milliseconds(1));
}

#[test]
fn an_end_in_the_future_of_a_server_is_not_chased() {
    let thought = at("2024-03-01T12:00:00Z");
    let asked = ask(None, Some(at("2024-03-01T00:00:00Z")), thought, &PACE).unwrap();
    let really = at("2024-03-01T07:00:00Z");
    let short = Timestamp::parse("2024-03-01T07:00:00Z").unwrap();
    let moved = next_cursor(&asked, Some(&short), really);
    assert_eq!(asked.follow(&moved, really, &PACE), None);
    let half = Timestamp::parse("2024-03-01T03:00:00Z").unwrap();
    let rest = asked.follow(&next_cursor(&asked, Some(&half), really), really, &PACE).unwrap();
    assert_eq!(rest.end.at, earlier(really, PACE.lag));
}

#[test]
fn a_server_keeps_pace_when_an_empty_reply_ends_no_further_than_time_has_passed() {
    let moved = |end: &str, shortened| CursorMove::To { cursor: time(end), shortened };
    let mut asked = range("2024-03-10T11:00:00Z", "2024-03-10T12:00:00Z");
    let second = Duration::from_secs(1);
    let creeping = moved("2024-03-10T11:00:01Z", true);
    assert!(!asked.creeps(&creeping, second), "the first reply has nothing before it");
    asked.rounds = 1;
    let table = [
        (creeping.clone(), second, true),
        (moved("2024-03-10T11:00:01.2Z", true), second, true),
        // A slow server that shortens every range, and gets nearer all the same.
        (moved("2024-03-10T11:00:02Z", true), second, false),
        (moved("2024-03-10T11:10:00Z", true), second, false),
        (moved("2024-03-10T11:00:01Z", false), second, false),
        (CursorMove::Unchanged { within_overlap: true }, second, false),
        (creeping, Duration::from_millis(20), false),
    ];
    for (moved, passed, expected) in table {
        assert_eq!(asked.creeps(&moved, passed), expected, "{moved:?} {passed:?}");
    }
}

#[test]
fn a_server_that_is_more_than_a_day_ahead_is_not_believed() {
    let local = at("2024-03-10T12:00:00Z");
    let now = |skew| server_now(local, believed(skew));
    assert_eq!(now(TimeDelta::hours(23)), at("2024-03-11T11:00:00Z"));
    assert_eq!(now(TimeDelta::hours(25)), local);
    assert_eq!(now(TimeDelta::days(-3000)), local - TimeDelta::days(3000), "a cursor is never ahead of its clock");
}

#[test]
fn a_server_is_believed_where_our_own_clock_was_put_back() {
    let (local, before) = (at("2014-03-10T12:00:00Z"), at("2024-03-10T11:00:00Z"));
    let now = |skew| server_now(local, believed_after(skew, local, Some(before)));
    assert_eq!(now(TimeDelta::days(3653)), at("2024-03-10T12:00:00Z"));
    assert_eq!(now(TimeDelta::days(3655)), local, "nor is it then, a day ahead of what is known");
    assert_eq!(server_now(local, believed_after(TimeDelta::days(3653), local, None)), local);
}

#[test]
fn a_range_that_is_shortened_for_the_thousandth_time_is_worn_out_while_some_of_it_is_left() {
    let now = at("2024-03-10T12:00:00Z");
    let day = range("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z");
    let moved = |to: &str, shortened| CursorMove::To { cursor: time(to), shortened };
    let early = moved("2024-03-01T00:00:30Z", true);
    let worn = Range { rounds: MOST_ROUNDS, ..day.clone() };
    assert!(worn.is_worn_out(&early, now, &PACE));
    assert_eq!(worn.follow(&early, now, &PACE).map(|next| next.rounds), Some(0), "the next window would leave it out");
    assert!(!day.is_worn_out(&early, now, &PACE));
    assert!(!worn.is_worn_out(&moved("2024-03-01T23:59:30Z", true), now, &PACE));
    assert!(!worn.is_worn_out(&moved("2024-03-02T00:00:00Z", false), now, &PACE));
}
