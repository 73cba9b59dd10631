//! Tests of the poll exchange.

use super::*;
use crate::taxii::message::{Header, Message, StatusMessage, Version};

const HOUR: Duration = Duration::from_secs(3600);

fn at(text: &str) -> DateTime<Utc> {
    Timestamp::parse(text).unwrap().at
}

fn now() -> DateTime<Utc> {
    at("2024-03-10T12:00:00Z")
}

fn plan() -> Plan {
    Plan {
        collection: "default".into(),
        subscription_id: None,
        asynchronous: true,
        parameters: Parameters::default(),
        patience: 24 * HOUR,
    }
}

fn poll() -> Poll {
    let begin = Timestamp::parse("2024-03-09T00:00:00Z");
    let end = Timestamp::parse("2024-03-10T00:00:00Z").unwrap();
    Poll::new(plan(), Some(Range::new(begin.clone(), begin, end)), now())
}

/// Hands a message to the poll, with as many blocks as the digest stands for.
fn reply_at(poll: &mut Poll, body: Body, digest: Option<&str>, now: DateTime<Utc>) -> Step {
    let message = Message { version: Version::V11, header: Header::default(), body };
    let answer = Answer { http: 200, message: Some(&message), instead: None, date: None, retry_after: None, now };
    poll.on_reply(Reply::Answer { answer, digest: digest.map(str::to_owned) }, now)
}

fn reply(poll: &mut Poll, body: Body, digest: Option<&str>) -> Step {
    reply_at(poll, body, digest, now())
}

fn part(more: bool, result_id: Option<&str>, part: Option<u32>) -> Body {
    Body::PollResponse(PollResponse {
        collection: "default".into(),
        more,
        result_id: result_id.map(str::to_owned),
        part,
        end: Timestamp::parse("2024-03-10T00:00:00Z"),
        ..PollResponse::default()
    })
}

fn status(status_type: &str, details: &[(&str, &str)]) -> Body {
    let details = details.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Body::Status(StatusMessage { status_type: status_type.into(), details, message: None })
}

fn http(poll: &mut Poll, http: u16) -> Step {
    let answer = Answer { http, message: None, instead: None, date: None, retry_after: None, now: now() };
    poll.on_reply(Reply::Answer { answer, digest: None }, now())
}

fn fulfilment(result_id: &str, part: u32) -> Body {
    Body::PollFulfillment(PollFulfillment { collection: "default".into(), result_id: result_id.into(), part })
}

/// A poll that wants part 2 of the result `r`.
fn fetching() -> Poll {
    let mut poll = poll();
    assert_eq!(reply(&mut poll, part(true, Some("r"), None), Some("one")), Step::Store { last: false });
    assert_eq!(poll.request(), fulfilment("r", 2));
    poll
}

fn is_abandoned(poll: &Poll, step: &Step) -> bool {
    matches!(step, Step::Abandon { .. }) && poll.progress().phase == Phase::Ask
}

#[test]
fn the_request_holds_the_range_and_the_parameters() {
    let Body::PollRequest(request) = poll().request() else { panic!("a poll begins with a Poll_Request") };
    assert_eq!(request.begin, Timestamp::parse("2024-03-09T00:00:00Z"));
    assert_eq!(request.end, Timestamp::parse("2024-03-10T00:00:00Z"));
    assert_eq!((request.collection.as_str(), request.asynchronous), ("default", true));
    let set = Poll::new(Plan { subscription_id: Some("s".into()), ..plan() }, None, now());
    let Body::PollRequest(request) = set.request() else { panic!("a poll begins with a Poll_Request") };
    assert_eq!((request.begin, request.end), (None, None), "a DATA_SET is asked for whole");
    assert_eq!(request.subscription_id.as_deref(), Some("s"));
}

#[test]
fn one_part_is_stored_and_then_the_cursor_moves() {
    let mut poll = poll();
    assert_eq!(poll.cursor(), None);
    assert_eq!(reply(&mut poll, part(false, None, None), None), Step::Store { last: true });
    let cursor = Timestamp::parse("2024-03-10T00:00:00Z").unwrap();
    assert_eq!(poll.cursor(), Some(CursorMove::To { cursor, shortened: false }));
}

#[test]
fn the_cursor_is_held_back_by_the_date_of_the_last_reply() {
    let mut poll = poll();
    let message = Message { version: Version::V11, header: Header::default(), body: part(false, None, None) };
    let date = Some(at("2024-03-09T12:00:00Z"));
    let answer = Answer { http: 200, message: Some(&message), instead: None, date, retry_after: None, now: now() };
    poll.on_reply(Reply::Answer { answer, digest: None }, now());
    let Some(CursorMove::To { cursor, .. }) = poll.cursor() else { panic!("it moves") };
    assert_eq!(cursor.at, at("2024-03-09T12:00:00Z"));
}

#[test]
fn a_data_set_has_no_cursor() {
    let mut poll = Poll::new(plan(), None, now());
    assert_eq!(reply(&mut poll, part(false, None, None), None), Step::Store { last: true });
    assert_eq!(poll.cursor(), None);
}

#[test]
fn parts_are_fetched_until_there_is_no_more() {
    let mut poll = fetching();
    assert_eq!(reply(&mut poll, part(true, None, Some(2)), Some("two")), Step::Store { last: false });
    assert_eq!(poll.request(), fulfilment("r", 3), "an absent result_id keeps the old one");
    assert_eq!(reply(&mut poll, part(true, Some("q:1"), None), Some("three")), Step::Store { last: false });
    assert_eq!(poll.request(), fulfilment("q:1", 4), "a new one is followed");
    assert_eq!(poll.cursor(), None, "an intermediate end moves nothing");
    assert_eq!(reply(&mut poll, part(false, Some("q:1"), Some(4)), None), Step::Store { last: true });
    assert!(poll.cursor().is_some());
}

#[test]
fn an_empty_part_with_more_is_not_the_end() {
    let mut poll = fetching();
    for number in 2..=5 {
        assert_eq!(reply(&mut poll, part(true, Some("r"), Some(number)), None), Step::Store { last: false });
    }
    assert_eq!(poll.request(), fulfilment("r", 6));
}

#[test]
fn more_without_a_result_id_is_an_error_that_moves_nothing() {
    let mut poll = poll();
    let step = reply(&mut poll, part(true, None, None), Some("one"));
    assert!(matches!(&step, Step::Fail { class: Class::Stop, words } if words.contains("result_id")), "{step:?}");
    assert_eq!((poll.cursor(), &poll.progress().phase), (None, &Phase::Ask));
}

#[test]
fn space_around_the_name_of_a_collection_makes_it_no_other() {
    let range = poll().progress().range.clone();
    let mut spaced = Poll::new(Plan { collection: " default ".into(), ..plan() }, range, now());
    assert_eq!(reply(&mut spaced, part(false, None, None), None), Step::Store { last: true });
}

#[test]
fn a_reply_for_another_collection_is_refused() {
    let other = |name: &str| Body::PollResponse(PollResponse { collection: name.into(), ..PollResponse::default() });
    let step = reply(&mut poll(), other("Default"), None);
    assert!(matches!(&step, Step::Fail { class: Class::Stop, words } if words.contains("Default")), "{step:?}");
    assert_eq!(reply(&mut poll(), other(""), None), Step::Store { last: true }, "left out is not another");
}

#[test]
fn a_part_not_asked_for_is_asked_for_once_more_and_then_it_is_an_error() {
    let mut poll = fetching();
    let step = reply(&mut poll, part(true, Some("r"), Some(1)), Some("one"));
    assert!(matches!(step, Step::Refetch { .. }), "{step:?}");
    assert_eq!(poll.request(), fulfilment("r", 2));
    let mut lucky = poll.clone();
    assert_eq!(reply(&mut lucky, part(true, Some("r"), Some(2)), Some("two")), Step::Store { last: false });
    let step = reply(&mut lucky, part(true, Some("r"), Some(2)), Some("two"));
    assert!(matches!(step, Step::Refetch { .. }), "only twice in a row counts: {step:?}");
    let step = reply(&mut poll, part(true, Some("r"), Some(7)), Some("seven"));
    assert!(matches!(&step, Step::Fail { class: Class::Stop, words } if words.contains("part 7")), "{step:?}");
    assert_eq!(poll.progress().phase, Phase::Ask);
}

#[test]
fn two_successive_parts_with_the_same_blocks_are_an_error() {
    let mut poll = fetching();
    let step = reply(&mut poll, part(true, Some("r"), Some(2)), Some("one"));
    assert!(matches!(&step, Step::Fail { class: Class::Stop, words } if words.contains("same blocks")), "{step:?}");
    assert_eq!(poll.progress().phase, Phase::Ask);
    let mut last = fetching();
    assert_eq!(reply(&mut last, part(false, Some("r"), Some(2)), Some("one")), Step::Store { last: true });
}

#[test]
fn a_more_that_cannot_be_read_means_more_where_that_can_be_asked_for() {
    let unreadable = |result_id| {
        let Body::PollResponse(response) = part(false, result_id, None) else { panic!("a part") };
        Body::PollResponse(PollResponse { unreadable_more: Some("yes".into()), ..response })
    };
    let mut asked = poll();
    assert_eq!(reply(&mut asked, unreadable(Some("r")), None), Step::Store { last: false });
    assert_eq!(asked.request(), fulfilment("r", 2));
    assert_eq!(reply(&mut asked, unreadable(None), None), Step::Store { last: false }, "the id of before");
    assert_eq!(reply(&mut poll(), unreadable(None), None), Step::Store { last: true });
}

#[test]
fn what_is_asked_for_again_after_a_part_was_stored_may_come_under_other_labels() {
    let mut first = poll();
    first.refuse();
    assert!(!first.progress().again, "nothing was stored");
    let mut second = fetching();
    assert!(!second.progress().again);
    assert!(matches!(reply(&mut second, status("NOT_FOUND", &[]), None), Step::Abandon { .. }));
    assert!(second.progress().again);
    assert!(poll().again(true).progress().again);
}

#[test]
fn a_part_that_breaks_off_is_asked_for_again_until_its_result_is_refused() {
    let mut poll = fetching();
    for _ in 0..9 {
        let step = poll.on_reply(Reply::Cut("broke off".into()), now());
        assert_eq!(step, Step::Retry { words: "broke off".into() });
        assert_eq!(poll.request(), fulfilment("r", 2));
    }
    poll.refuse();
    assert_eq!((&poll.progress().phase, poll.part()), (&Phase::Ask, 1));
}

#[test]
fn a_part_without_labels_may_come_again_but_not_in_a_row() {
    let mut poll = fetching();
    for (number, blocks) in [(2, "-two"), (3, "-three"), (4, "-two"), (5, "-three")] {
        assert_eq!(reply(&mut poll, part(true, Some("r"), Some(number)), Some(blocks)), Step::Store { last: false });
    }
    let step = reply(&mut poll, part(true, Some("r"), Some(6)), Some("-three"));
    assert!(matches!(&step, Step::Fail { class: Class::Stop, words } if words.contains("parts 5 and 6")), "{step:?}");
}

#[test]
fn a_part_again_under_a_later_number_is_an_error_also_after_a_restart() {
    for (again, words) in [("one", "parts 1 and 5"), ("two", "parts 2 and 5"), ("four", "parts 4 and 5")] {
        let mut poll = fetching();
        for (number, blocks) in [(2, Some("two")), (3, None), (4, Some("four"))] {
            assert_eq!(reply(&mut poll, part(true, Some("r"), Some(number)), blocks), Step::Store { last: false });
        }
        let written = serde_json::to_string(poll.progress()).unwrap();
        let mut poll = Poll::resume(plan(), serde_json::from_str(&written).unwrap());
        let mut other = poll.clone();
        assert_eq!(reply(&mut other, part(true, Some("r"), Some(5)), None), Step::Store { last: false });
        let step = reply(&mut poll, part(true, Some("r"), Some(5)), Some(again));
        assert!(matches!(&step, Step::Fail { class: Class::Stop, words: said } if said.contains(words)), "{step:?}");
        assert_eq!(poll.progress().phase, Phase::Ask);
    }
}

#[test]
fn a_result_without_end_ends_after_ten_thousand_parts() {
    let mut poll = poll();
    let mut stored = 0;
    let step = loop {
        let number = poll.part();
        match reply(&mut poll, part(true, Some("r"), Some(number)), Some(&number.to_string())) {
            Step::Store { last: false } => stored += 1,
            other => break other,
        }
    };
    assert_eq!(stored, 9_999);
    assert!(matches!(&step, Step::Fail { class: Class::Stop, words } if words.contains("10000")), "{step:?}");
}

#[test]
fn success_to_a_poll_request_is_nothing_to_report() {
    let mut poll = poll();
    assert!(matches!(reply(&mut poll, status("SUCCESS", &[]), None), Step::Nothing { .. }));
    assert_eq!(poll.cursor(), None);
}

#[test]
fn a_lost_result_is_abandoned_and_the_same_range_asked_for_again() {
    let lost = [
        "NOT_FOUND",
        "ASYNCHRONOUS_POLL_ERROR",
        "INVALID_RESPONSE_PART",
        "DENIED",
        "FAILURE",
        "BAD_MESSAGE",
        "SUCCESS",
        "urn:example.org:odd",
    ];
    for status_type in lost {
        let mut lost = fetching();
        let before = lost.progress().range.clone();
        let step = reply(&mut lost, status(status_type, &[]), None);
        assert!(is_abandoned(&lost, &step), "{status_type}: {step:?}");
        assert!(matches!(step, Step::Abandon { at_once: true, .. }));
        assert_eq!(lost.request(), poll().request());
        assert_eq!(lost.progress().range, before);
        // The second time it waits for the schedule.
        reply(&mut lost, part(true, Some("r2"), None), Some("one"));
        let step = reply(&mut lost, status(status_type, &[]), None);
        assert!(matches!(step, Step::Abandon { at_once: false, .. }), "{status_type}: {step:?}");
    }
}

#[test]
fn a_failure_that_says_nothing_about_the_result_keeps_it() {
    for (status_type, class) in [
        ("RETRY", Class::Retry { wait: None }),
        ("NETWORK_ERROR", Class::Retry { wait: None }),
        ("UNAUTHORIZED", Class::Admin),
        ("UNSUPPORTED_MESSAGE", Class::Admin),
    ] {
        let mut poll = fetching();
        let step = reply(&mut poll, status(status_type, &[]), None);
        assert!(matches!(&step, Step::Fail { class: is, .. } if *is == class), "{status_type}: {step:?}");
        assert_eq!(poll.request(), fulfilment("r", 2), "{status_type}");
    }
    let mut poll = fetching();
    assert!(matches!(http(&mut poll, 403), Step::Fail { class: Class::Admin, .. }));
    assert_eq!(poll.request(), fulfilment("r", 2));
}

#[test]
fn a_part_that_fails_five_times_in_a_row_is_lost() {
    let mut poll = fetching();
    for _ in 0..4 {
        assert!(matches!(http(&mut poll, 500), Step::Fail { class: Class::Retry { wait: None }, .. }));
    }
    let mut lucky = poll.clone();
    reply(&mut lucky, part(true, Some("r"), Some(2)), Some("two"));
    assert_eq!(lucky.progress().failures, 0, "a part that comes ends the row");
    let step = http(&mut poll, 500);
    assert!(is_abandoned(&poll, &step), "{step:?}");
}

#[test]
fn an_error_to_a_poll_request_leaves_it_to_be_asked_again() {
    let mut poll = poll();
    for _ in 0..10 {
        let step = reply(&mut poll, status("FAILURE", &[]), None);
        assert!(matches!(step, Step::Fail { class: Class::Retry { wait: None }, .. }), "{step:?}");
    }
    assert_eq!(poll.progress().failures, 10, "the walk counts on this for its backoff");
    assert!(matches!(reply(&mut poll, status("NOT_FOUND", &[]), None), Step::Fail { class: Class::Admin, .. }));
    assert!(matches!(http(&mut poll, 404), Step::Fail { class: Class::Stop, .. }));
    assert!(matches!(reply(&mut poll, Body::DiscoveryRequest, None), Step::Fail { class: Class::Stop, .. }));
    assert_eq!(poll.progress().phase, Phase::Ask);
}

#[test]
fn a_failed_connection_is_tried_again_where_it_was() {
    let mut poll = fetching();
    let class = Class::Retry { wait: None };
    let step = poll.on_reply(Reply::Failed { class, words: "connection reset".into() }, now());
    assert_eq!(step, Step::Fail { class, words: "connection reset".into() });
    assert_eq!(poll.request(), fulfilment("r", 2));
}

#[test]
fn an_unreadable_part_refuses_the_whole_result() {
    let mut poll = fetching();
    let step = poll.on_reply(Reply::Unreadable("cut short".into()), now());
    assert_eq!(step, Step::Halve { words: "cut short".into() });
    assert_eq!(poll.progress().phase, Phase::Ask);
    assert_eq!(poll.cursor(), None);
}

#[test]
fn a_pending_result_is_waited_for_and_then_fetched() {
    let mut poll = poll();
    let pending = status("PENDING", &[("ESTIMATED_WAIT", "300"), ("RESULT_ID", "a:1"), ("WILL_PUSH", "false")]);
    let step = reply(&mut poll, pending, None);
    let until = at("2024-03-10T12:05:00Z");
    assert!(matches!(&step, Step::Wait { until: is, .. } if *is == until), "{step:?}");
    assert_eq!(poll.progress().not_before, Some(until));
    assert_eq!(poll.request(), fulfilment("a:1", 1));
    let again = reply(&mut poll, status("PENDING", &[]), None);
    let minute = at("2024-03-10T12:01:00Z");
    assert!(matches!(&again, Step::Wait { until, .. } if *until == minute), "{again:?}");
    assert_eq!(reply(&mut poll, part(true, None, Some(1)), Some("one")), Step::Store { last: false });
    assert_eq!(poll.progress().not_before, None);
    assert_eq!(poll.request(), fulfilment("a:1", 2));
}

#[test]
fn pending_without_a_result_id_is_asked_again_later() {
    let mut poll = poll();
    let step = reply(&mut poll, status("PENDING", &[("ESTIMATED_WAIT", "10")]), None);
    let class = Class::Retry { wait: Some(Duration::from_secs(10)) };
    assert!(matches!(&step, Step::Fail { class: is, .. } if *is == class), "{step:?}");
    assert_eq!(poll.progress().phase, Phase::Ask);
    assert_eq!(poll.progress().not_before, Some(at("2024-03-10T12:00:10Z")));
}

#[test]
fn a_result_that_stays_pending_for_a_day_is_given_up() {
    let pending = || status("PENDING", &[("RESULT_ID", "a")]);
    let mut poll = poll();
    reply_at(&mut poll, pending(), None, now());
    let almost = reply_at(&mut poll, pending(), None, now() + 23 * HOUR);
    assert!(matches!(almost, Step::Wait { .. }), "{almost:?}");
    let step = reply_at(&mut poll, pending(), None, now() + 24 * HOUR);
    assert!(is_abandoned(&poll, &step), "{step:?}");
    let mut silent = fetching();
    let class = Class::Retry { wait: Some(HOUR) };
    let step = silent.on_reply(Reply::Failed { class, words: "busy".into() }, now() + 25 * HOUR);
    assert!(is_abandoned(&silent, &step), "a server that only ever says later: {step:?}");
}

#[test]
fn a_wait_the_server_asks_for_is_kept_over_a_restart() {
    let mut poll = fetching();
    reply(&mut poll, status("RETRY", &[("ESTIMATED_WAIT", "900")]), None);
    assert_eq!(poll.progress().not_before, Some(at("2024-03-10T12:15:00Z")));
    poll.answered_at("https://taxii.example.org/poll");
    let stored = serde_json::to_string(poll.progress()).unwrap();
    let resumed = Poll::resume(plan(), serde_json::from_str(&stored).unwrap());
    assert_eq!(resumed, poll);
}

#[test]
fn a_stored_result_moves_the_cursor_after_a_restart() {
    let mut poll = fetching();
    reply(&mut poll, part(false, Some("r"), Some(2)), Some("two"));
    let stored = serde_json::to_string(poll.progress()).unwrap();
    let resumed = Poll::resume(plan(), serde_json::from_str(&stored).unwrap());
    assert_eq!(resumed.cursor(), poll.cursor());
    assert!(resumed.cursor().is_some());
}

#[test]
fn a_count_is_never_followed_up() {
    let parameters = Parameters { response_type: ResponseType::CountOnly, ..Parameters::default() };
    let mut poll = Poll::new(Plan { parameters, ..plan() }, None, now());
    assert_eq!(reply(&mut poll, part(true, Some("r"), None), None), Step::Store { last: true });
}
