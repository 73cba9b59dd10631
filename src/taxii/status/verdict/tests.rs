//! Tests of what answers mean.

use super::*;
use crate::taxii::message::{Header, PollResponse, Version};
use crate::taxii::time::Timestamp;

const ALL: [&str; 20] = [
    "SUCCESS",
    "FAILURE",
    "BAD_MESSAGE",
    "DENIED",
    "NOT_FOUND",
    "POLLING_UNSUPPORTED",
    "RETRY",
    "UNAUTHORIZED",
    "UNSUPPORTED_MESSAGE",
    "UNSUPPORTED_CONTENT",
    "UNSUPPORTED_PROTOCOL",
    "UNSUPPORTED_QUERY",
    "PENDING",
    "INVALID_RESPONSE_PART",
    "ASYNCHRONOUS_POLL_ERROR",
    "DESTINATION_COLLECTION_ERROR",
    "NETWORK_ERROR",
    "UNSUPPORTED_CAPABILITY_MODULE",
    "UNSUPPORTED_TARGETING_EXPRESSION",
    "UNSUPPORTED_TARGETING_EXPRESSION_ID",
];

fn at(text: &str) -> DateTime<Utc> {
    Timestamp::parse(text).unwrap().at
}

fn status(status_type: &str, details: &[(&str, &str)]) -> Message {
    let details = details.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let body = Body::Status(StatusMessage { status_type: status_type.into(), details, message: None });
    Message { version: Version::V11, header: Header::default(), body }
}

fn answer(http: u16, message: Option<&Message>) -> Answer<'_> {
    Answer { http, message, instead: None, date: None, retry_after: None, now: at("2024-03-01T12:00:00Z") }
}

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn verdict(http: u16, status_type: &str) -> Verdict {
    judge_push(&answer(http, Some(&status(status_type, &[]))), 0).verdict
}

#[test]
fn each_status_type_has_its_verdict_on_a_push() {
    for name in ALL {
        let wanted = match name {
            "SUCCESS" => Verdict::Accepted,
            "BAD_MESSAGE" | "UNSUPPORTED_CONTENT" => Verdict::Refused,
            "FAILURE" => Verdict::Failing { wait: None },
            "DENIED"
            | "UNAUTHORIZED"
            | "NOT_FOUND"
            | "DESTINATION_COLLECTION_ERROR"
            | "UNSUPPORTED_PROTOCOL"
            | "UNSUPPORTED_MESSAGE" => Verdict::Admin,
            "PENDING" => Verdict::Later { wait: secs(60) },
            _ => Verdict::Later { wait: None },
        };
        assert_eq!(verdict(200, name), wanted, "{name}");
        assert_eq!(verdict(200, &format!(" {} ", name.to_lowercase())), wanted, "{name} in lower case");
    }
    assert_eq!(verdict(200, "urn:example.org:odd"), Verdict::Failing { wait: None });
    assert_eq!(verdict(200, ""), Verdict::Failing { wait: None });
}

#[test]
fn a_failure_refuses_a_file_the_fifth_time_only() {
    for status_type in ["FAILURE", "urn:example.org:odd"] {
        let message = status(status_type, &[]);
        let verdicts: Vec<_> =
            (0..6).map(|failures| judge_push(&answer(200, Some(&message)), failures).verdict).collect();
        let failing = Verdict::Failing { wait: None };
        assert_eq!(verdicts, [failing, failing, failing, failing, Verdict::Refused, Verdict::Refused]);
    }
    assert_eq!(judge_push(&answer(200, Some(&status("FAILURE", &[]))), u32::MAX).verdict, Verdict::Refused);
}

#[test]
fn success_is_what_a_status_message_says_and_nothing_else() {
    for http in [200, 202, 400, 401, 413, 500] {
        assert_eq!(verdict(http, "SUCCESS"), Verdict::Accepted, "{http}");
    }
    for http in [200, 201, 202, 204] {
        assert_eq!(judge_push(&answer(http, None), 0).verdict, Verdict::Later { wait: None }, "{http}");
    }
    let body = Body::PollResponse(PollResponse::default());
    let poll = Message { version: Version::V11, header: Header::default(), body };
    assert_eq!(judge_push(&answer(200, Some(&poll)), 0).verdict, Verdict::Later { wait: None });
}

#[test]
fn no_http_status_without_a_message_refuses_a_file_but_413() {
    for http in 100..=599 {
        let verdict = judge_push(&answer(http, None), 100).verdict;
        let wanted = match http {
            413 => Verdict::Refused,
            401 | 403 | 407 => Verdict::Admin,
            _ => Verdict::Later { wait: None },
        };
        assert_eq!(verdict, wanted, "{http}");
    }
}

#[test]
fn a_telling_http_status_unmasks_a_failure() {
    for http in [401, 403, 407] {
        assert_eq!(judge_push(&answer(http, Some(&status("FAILURE", &[]))), 9).verdict, Verdict::Admin, "{http}");
        assert_eq!(react(&answer(http, Some(&status("FAILURE", &[])))).class, Class::Admin, "{http}");
    }
    assert_eq!(verdict(413, "FAILURE"), Verdict::Refused);
    assert_eq!(verdict(413, "RETRY"), Verdict::Later { wait: None }, "but not what is said clearly");
    assert_eq!(verdict(401, "BAD_MESSAGE"), Verdict::Refused);
}

#[test]
fn a_wait_that_the_server_asks_for_is_clamped() {
    let later = |details: &[(&str, &str)], retry_after, date: Option<&str>| {
        let message = status("RETRY", details);
        let answer = Answer { retry_after, date: date.map(at), ..answer(200, Some(&message)) };
        let pushed = judge_push(&answer, 0).verdict;
        let Class::Retry { wait } = react(&answer).class else { panic!("RETRY means to try again") };
        assert_eq!(pushed, Verdict::Later { wait }, "a poll and a push wait alike");
        wait
    };
    let wait = |seconds: &str| later(&[("ESTIMATED_WAIT", seconds)], None, None);
    assert_eq!(wait("0"), secs(1));
    assert_eq!(wait("30"), secs(30));
    assert_eq!(wait("3601"), secs(3600));
    assert_eq!(wait("99999999999999999999"), secs(3600));
    assert_eq!(wait("soon"), None);
    let header = Some(Wait::For(Duration::from_secs(7)));
    assert_eq!(later(&[], header, None), secs(7));
    assert_eq!(later(&[("ESTIMATED_WAIT", "30")], header, None), secs(30), "the message wins");
    let until = [("", "2024-03-01T13:00:30Z")];
    assert_eq!(later(&until, None, Some("2024-03-01T13:00:00Z")), secs(30), "by the server's clock");
    assert_eq!(later(&until, None, None), secs(3600));
    assert_eq!(later(&until, None, Some("2024-03-02T13:00:00Z")), secs(1));
}

#[test]
fn retry_after_is_obeyed_without_a_message() {
    let busy = Answer { retry_after: Some(Wait::For(Duration::from_secs(90))), ..answer(503, None) };
    assert_eq!(judge_push(&busy, 0).verdict, Verdict::Later { wait: secs(90) });
    assert_eq!(react(&busy).class, Class::Retry { wait: secs(90) });
    let past = Answer { retry_after: Some(Wait::Until(at("1970-01-01T00:00:00Z"))), ..busy };
    assert_eq!(react(&past).class, Class::Retry { wait: secs(1) });
    let failing = status("FAILURE", &[]);
    let verdict = judge_push(&Answer { message: Some(&failing), ..busy }, 0).verdict;
    assert_eq!(verdict, Verdict::Failing { wait: secs(90) });
}

#[test]
fn a_pending_result_is_waited_for_five_seconds_to_an_hour() {
    let wait = |details: &[(&str, &str)]| pending_wait(&answer(200, Some(&status("PENDING", details))));
    assert_eq!(Some(wait(&[])), secs(60));
    assert_eq!(Some(wait(&[("ESTIMATED_WAIT", "never")])), secs(60));
    assert_eq!(Some(wait(&[("ESTIMATED_WAIT", "0")])), secs(5));
    assert_eq!(Some(wait(&[("ESTIMATED_WAIT", "300")])), secs(300));
    assert_eq!(Some(wait(&[("ESTIMATED_WAIT", "86400")])), secs(3600));
}

#[test]
fn each_status_type_has_its_reaction_on_a_poll() {
    for name in ALL {
        let wanted = match name {
            "FAILURE" | "RETRY" | "NETWORK_ERROR" => Class::Retry { wait: None },
            "PENDING" => Class::Retry { wait: secs(60) },
            "SUCCESS" | "INVALID_RESPONSE_PART" | "ASYNCHRONOUS_POLL_ERROR" => Class::Stop,
            _ => Class::Admin,
        };
        assert_eq!(react(&answer(200, Some(&status(name, &[])))).class, wanted, "{name}");
    }
    assert_eq!(react(&answer(200, Some(&status("odd", &[])))).class, Class::Retry { wait: None });
}

#[test]
fn each_http_status_without_a_message_has_its_reaction() {
    for http in [401, 403, 406, 407, 415] {
        assert_eq!(react(&answer(http, None)).class, Class::Admin, "{http}");
    }
    for http in [200, 204, 408, 425, 429, 500, 502, 503, 504, 599] {
        assert_eq!(react(&answer(http, None)).class, Class::Retry { wait: None }, "{http}");
    }
    for http in [100, 301, 302, 307, 400, 404, 405, 410, 413, 418] {
        assert_eq!(react(&answer(http, None)).class, Class::Stop, "{http}");
    }
    let request = Message { version: Version::V11, header: Header::default(), body: Body::DiscoveryRequest };
    assert_eq!(react(&answer(200, Some(&request))).class, Class::Stop);
}

#[test]
fn the_words_say_what_the_server_said() {
    let said = |message: &Message, http| react(&answer(http, Some(message))).words;
    let mut denied = status("DENIED", &[]);
    assert_eq!(said(&denied, 200), "the server answered DENIED");
    if let Body::Status(status) = &mut denied.body {
        status.message = Some("  not you \n".into());
    }
    assert_eq!(said(&denied, 403), "the server answered DENIED: not you");
    let destination = [("ACCEPTABLE_DESTINATION", "a"), ("ACCEPTABLE_DESTINATION", "b")];
    assert_eq!(
        said(&status("DESTINATION_COLLECTION_ERROR", &destination), 200),
        "the server answered DESTINATION_COLLECTION_ERROR (acceptable destinations: a, b)"
    );
    assert_eq!(
        said(&status("NOT_FOUND", &[("ITEM", "feed-x")]), 200),
        "the server answered NOT_FOUND (not found: feed-x)"
    );
    let body = Body::CollectionInformationRequest;
    let feeds = Message { version: Version::V10, header: Header::default(), body };
    assert_eq!(said(&feeds, 200), "the server answered with a Feed_Information_Request instead");
    let http = react(&answer(404, None)).words;
    assert!(http.starts_with("the server answered HTTP 404 without a TAXII message: the address"), "{http}");
}

#[test]
fn a_refusal_comes_with_a_hint_and_other_answers_do_not() {
    for (status_type, hint) in [
        ("UNAUTHORIZED", "the user name and the password"),
        ("DENIED", "what the server grants"),
        ("NOT_FOUND", "check the collection"),
    ] {
        let message = status(status_type, &[]);
        assert!(answer(200, Some(&message)).hint().contains(hint), "{status_type}");
    }
    for status_type in ["RETRY", "BAD_MESSAGE", "UNSUPPORTED_MESSAGE", "FAILURE", "SUCCESS"] {
        assert_eq!(answer(200, Some(&status(status_type, &[]))).hint(), "", "{status_type}");
    }
    for (http, hint) in [(401, "password"), (403, "grants"), (404, "address"), (406, "`taxii`"), (407, "proxy")] {
        assert!(answer(http, None).hint().contains(hint), "{http}");
    }
    for http in [200, 413, 503] {
        assert_eq!(answer(http, None).hint(), "", "{http}");
    }
    assert!(answer(401, Some(&status("FAILURE", &[]))).hint().contains("password"));
}

#[test]
fn what_came_instead_of_a_message_is_told_where_it_is_no_error() {
    let words = |http| react(&Answer { instead: Some("the body is empty"), ..answer(http, None) }).words;
    assert!(words(200).ends_with("or not the address of a TAXII service (the body is empty)"), "{}", words(200));
    assert!(!words(503).contains("the body"), "{}", words(503));
}

#[test]
fn only_an_answer_about_credentials_asks_for_a_fresh_token() {
    assert!(answer(200, Some(&status("UNAUTHORIZED", &[]))).is_unauthorized());
    assert!(answer(401, Some(&status("FAILURE", &[]))).is_unauthorized());
    assert!(answer(401, None).is_unauthorized());
    assert!(!answer(403, None).is_unauthorized());
    assert!(!answer(401, Some(&status("SUCCESS", &[]))).is_unauthorized(), "or it would be sent twice");
    assert!(!answer(200, Some(&status("DENIED", &[]))).is_unauthorized());
}

#[test]
fn a_judgement_keeps_what_a_receipt_tells() {
    let mut message = status(" success", &[]);
    if let Body::Status(status) = &mut message.body {
        status.message = Some("thanks".into());
    }
    let judgement = judge_push(&answer(200, Some(&message)), 0);
    assert_eq!(judgement.status_type.as_deref(), Some(" success"));
    assert_eq!(judgement.message.as_deref(), Some("thanks"));
    let none = judge_push(&answer(500, None), 0);
    assert_eq!((none.status_type, none.message), (None, None));
}

#[test]
fn the_backoff_doubles_from_five_seconds_to_a_quarter_of_an_hour_under_full_jitter() {
    let longest = |attempt| backoff(attempt, u64::MAX).as_millis();
    let near = |attempt, seconds: u128| {
        let wanted = seconds * 1_000;
        assert!((wanted - 1..=wanted).contains(&longest(attempt)), "attempt {attempt}: {}", longest(attempt));
    };
    for (attempt, seconds) in [(0, 5), (1, 5), (2, 10), (3, 20), (7, 320), (8, 640), (9, 900), (50, 900)] {
        near(attempt, seconds);
    }
    near(u32::MAX, 900);
    assert_eq!(backoff(9, 0), Duration::from_secs(1), "never at once");
    assert_eq!(backoff(9, 1 << 63), Duration::from_secs(450));
}
