//! What an answer means for a file.

use std::time::{Duration, Instant};

use taxii_sync::practice::{Act, Close, InboxSpec, Service, StatusReply};

use super::{document, world};
use crate::common::{STIX, World, for_each};

fn one_file() -> World {
    let world = world();
    world.drop_file("a.xml", document(1));
    world
}

fn html(status: u16) -> Act {
    Act::http(status, "text/html", "<html><body>no</body></html>")
}

/// It waits in `sending/`, and people are told why.
#[track_caller]
fn assert_pending(world: &World, what: &str) {
    assert_eq!((world.sent().len(), world.failed().len(), world.left_over().len()), (0, 0, 0), "{what}");
    let status = world.inbox_status();
    assert_eq!(
        (&status["pending"], &status["accepted_total"], &status["refused_total"]),
        (&1.into(), &0.into(), &0.into())
    );
    assert!(status["last_error"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {status}");
    assert!(status["oldest_pending_seconds"].is_u64(), "{what}: {status}");
}

#[test]
fn what_cannot_be_sent_at_all_fails_with_a_receipt_and_holds_up_nothing() {
    let large = format!("<a>{}</a>", "x".repeat(2000));
    let cases: [(&str, &[u8]); 8] = [
        ("not well formed", b"<a><b></a>"),
        ("cut", b"<a><b>"),
        ("doctype", b"<!DOCTYPE a><a/>"),
        ("unbound prefix", b"<x:a/>"),
        ("text", b"just some text"),
        ("bytes", b"\x00\x01\x02\xff"),
        ("empty", b""),
        ("too large", large.as_bytes()),
    ];
    for_each(cases, |(what, bytes)| {
        let world = World::new().inbox("").drop_directory("max_file = \"1KiB\"");
        world.drop_file("bad.xml", bytes);
        world.drop_file("good.xml", document(1));
        world.run_once().ended(1);
        assert_eq!((world.sent(), world.failed()), (vec!["good.xml".to_owned()], vec!["bad.xml".to_owned()]), "{what}");
        assert_eq!(world.left_over().len(), 0, "{what}");
        assert_eq!(std::fs::read(world.outgoing().join("failed/bad.xml")).unwrap(), bytes, "{what}");
        let receipt = world.receipt("failed", "bad.xml");
        assert_eq!(receipt["inboxes"][0]["outcome"], "refused", "{what}");
        assert!(receipt["inboxes"][0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {receipt}");
        assert_eq!(world.pushes().len(), 1, "{what}");
        world.run_once().ended(0);
    });
}

#[test]
fn success_is_success_whatever_the_http_status_and_the_headers_say() {
    let cases = [
        Act::honest(),
        Act::honest().code(500),
        Act::honest().header("Content-Type", "text/plain").without_header("X-TAXII-Content-Type"),
        Act::status(StatusReply::new("SUCCESS").version(taxii_sync::taxii::Version::V10)),
        Act::status(StatusReply::new(" success\n").in_response_to(Some("0"))),
    ];
    for_each(cases, |act| {
        let world = one_file();
        world.practice.forever(Service::Inbox, act.clone());
        world.run_once().ended(0);
        assert_eq!(world.sent(), ["a.xml"], "{act:?}");
        assert_eq!(world.inbox_status()["accepted_total"], 1);
    });
}

#[test]
fn what_is_refused_for_good_fails_at_once() {
    let cases = [
        (Act::status(StatusReply::new("BAD_MESSAGE").message("line 3")), "BAD_MESSAGE"),
        (Act::status(StatusReply::new("UNSUPPORTED_CONTENT").detail("SUPPORTED_CONTENT", STIX)), "UNSUPPORTED_CONTENT"),
        (html(413), ""),
        (html(413).header("Content-Encoding", "gzip"), ""),
        (html(413).header("Content-Encoding", "br"), ""),
        (Act::status("FAILURE").code(413), "FAILURE"),
    ];
    for_each(cases, |(act, status)| {
        let world = one_file();
        world.practice.forever(Service::Inbox, act);
        let ran = world.run_once();
        ran.ended(1);
        assert_eq!(world.failed(), ["a.xml"], "{status}: {}", ran.stderr);
        assert_eq!(world.pushes().len(), 1);
        let entry = world.receipt("failed", "a.xml")["inboxes"][0].clone();
        assert_eq!((&entry["outcome"], &entry["attempts"]), (&"refused".into(), &1.into()));
        assert_eq!(entry["status_type"].as_str().unwrap_or_default(), status);
        let status = world.inbox_status();
        assert_eq!((&status["refused_total"], &status["pending"]), (&1.into(), &0.into()));
        let said = entry["status_type"].as_str().unwrap_or("HTTP 413").to_owned();
        ran.said("inbox `partner`: 1 file failed: ").said(&said).said("outgoing/failed").said("taxii-sync retry");
        assert!(status["last_error"].as_str().unwrap().contains(&said), "{status}");
        let text = world.run(&["status"]).stdout;
        assert!(text.starts_with("healthy\n"), "the inbox works: {text}");
        assert!(text.lines().any(|line| line.contains("failed: a.xml: ") && line.contains(&said)), "{text}");
        assert!(ran.stderr.lines().any(|line| line.contains("ERROR") && line.contains(&said)), "{}", ran.stderr);
        world.run_once().ended(0);
        assert_eq!(world.pushes().len(), 1, "what failed before does not count");
    });
}

#[test]
fn what_waits_for_an_administrator_stays_pending_and_is_not_tried_twice_in_a_run() {
    let statuses = [
        "DENIED",
        "UNAUTHORIZED",
        "NOT_FOUND",
        "DESTINATION_COLLECTION_ERROR",
        "UNSUPPORTED_PROTOCOL",
        "UNSUPPORTED_MESSAGE",
    ];
    let mut cases: Vec<(Act, String)> = statuses.map(|status| (Act::status(status), status.to_owned())).to_vec();
    cases.extend([401, 403, 407].map(|http| (html(http), format!("HTTP {http}"))));
    cases.push((Act::status("FAILURE").code(401), "FAILURE".to_owned()));
    for_each(cases, |(act, said)| {
        let world = one_file();
        world.practice.forever(Service::Inbox, act);
        world.run_once().ended(1).said(&said);
        assert_eq!(world.pushes().len(), 1, "{said}");
        assert_pending(&world, &said);
        world.practice.honest(Service::Inbox);
        world.run_once().ended(0);
        assert_eq!(world.sent(), ["a.xml"], "{said}: a pause of our own does not hold up the next run");
        assert_eq!(world.inbox_status()["last_error"], serde_json::Value::Null);
    });
}

#[test]
fn what_may_pass_is_tried_twice_more_and_stays_pending() {
    let statuses = ["NETWORK_ERROR", "POLLING_UNSUPPORTED", "INVALID_RESPONSE_PART"];
    let mut cases: Vec<(Act, String)> = statuses.map(|status| (Act::status(status), status.to_owned())).to_vec();
    cases.extend(
        [200, 400, 404, 405, 406, 415, 408, 429, 500, 502, 503, 504].map(|http| (html(http), format!("HTTP {http}"))),
    );
    cases.extend([(Act::closed(Close::Reset), String::new()), (Act::bytes("<html>"), String::new())]);
    for_each(cases, |(act, said)| {
        let world = one_file();
        world.practice.forever(Service::Inbox, act);
        let since = Instant::now();
        let ran = world.run_once();
        ran.ended(1).said(&said).said("`taxii-sync check --online` asks the server").said("1 file pending");
        if said.starts_with("HTTP") {
            ran.said(&format!("{}: the server answered {said}", world.practice.url("inbox")));
        }
        assert!(since.elapsed() < Duration::from_secs(17), "{said}: {:?}", since.elapsed());
        assert_eq!(world.pushes().len(), 3, "{said}");
        assert_pending(&world, &said);
        world.practice.honest(Service::Inbox);
        world.run_once().ended(0);
        assert_eq!(world.sent(), ["a.xml"], "{said}");
        assert_eq!(world.receipt("sent", "a.xml")["inboxes"][0]["attempts"], 4, "{said}");
    });
}

#[test]
fn failure_and_unknown_statuses_refuse_a_file_after_five_attempts_counted_over_runs() {
    for_each(["FAILURE", "urn:example.org:odd", ""], |status| {
        let world = one_file();
        world.practice.forever(Service::Inbox, Act::status(status));
        world.run_once().ended(1);
        assert_eq!(world.pushes().len(), 3);
        assert_pending(&world, status);
        world.run_once().ended(1);
        assert_eq!(world.pushes().len(), 5);
        assert_eq!(world.failed(), ["a.xml"]);
        let entry = world.receipt("failed", "a.xml")["inboxes"][0].clone();
        assert_eq!((&entry["outcome"], &entry["attempts"]), (&"refused".into(), &5.into()));
        world.run_once().ended(0);
    });
}

#[test]
fn http_errors_and_cut_connections_do_not_count_towards_the_five_attempts() {
    let world = one_file();
    let failing = || Act::status("FAILURE");
    world.script(Service::Inbox, vec![html(500), failing(), html(502), failing(), html(503), Act::closed(Close::Fin)]);
    world.run_once().ended(1);
    world.run_once().ended(1);
    assert_eq!((world.pushes().len(), world.failed().len()), (6, 0));
    world.run_once().ended(0);
    assert_eq!(world.receipt("sent", "a.xml")["inboxes"][0]["attempts"], 7);
}

#[test]
fn a_short_wait_that_the_server_asks_for_is_honoured() {
    let cases = [
        Act::status(StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "3")),
        Act::status(StatusReply::new("FAILURE")).header("Retry-After", "3"),
        html(503).header("Retry-After", "3"),
    ];
    for_each(cases, |act| {
        let world = one_file();
        world.script(Service::Inbox, vec![act]);
        world.run_once().ended(0);
        let seen = world.pushes();
        assert_eq!(seen.len(), 2);
        assert!((seen[1].at - seen[0].at).num_milliseconds() >= 2900, "{}", seen[1].at - seen[0].at);
        assert_eq!(world.sent(), ["a.xml"]);
    });
}

#[test]
fn a_short_wait_that_the_server_asks_for_is_for_all_that_is_sent_at_once() {
    let world = World::new().inbox("connections = 4").drop_directory("");
    for number in 0..30 {
        world.drop_file(format!("{number:02}.xml"), document(number));
    }
    let retry = StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "3");
    world.script(Service::Inbox, vec![Act::status(retry)]);
    world.run_once().ended(0);
    let seen = world.pushes();
    let within = seen.iter().filter(|push| (push.at - seen[0].at).num_milliseconds() < 2900).count();
    assert!(within <= 8, "{within} messages, of which four were under way");
    assert_eq!((world.sent().len(), seen.len()), (30, 31));
}

#[test]
fn a_login_that_is_refused_is_not_tried_with_one_file_after_the_other() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::status("UNAUTHORIZED"));
    for number in 0..5 {
        world.drop_file(format!("{number}.xml"), document(number));
    }
    world.run_once().ended(1).said("UNAUTHORIZED");
    assert_eq!((world.pushes().len(), world.inbox_status()["pending"].as_i64()), (1, Some(5)));
}

#[test]
fn a_short_wait_after_a_batch_is_honoured_and_its_files_are_sent_singly() {
    let cases =
        [Act::status(StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "2")), html(503).header("Retry-After", "2")];
    for_each(cases, |act| {
        let world = World::new().inbox("max_batch = 4").drop_directory("");
        for (number, name) in ["a.xml", "b.xml", "c.xml"].into_iter().enumerate() {
            world.drop_file(name, document(number));
        }
        world.script(Service::Inbox, vec![act]);
        world.run_once().ended(0);
        let seen = world.pushes();
        assert_eq!(seen.len(), 4);
        assert!((seen[1].at - seen[0].at).num_milliseconds() >= 1900, "{}", seen[1].at - seen[0].at);
        assert_eq!(world.sent(), ["a.xml", "b.xml", "c.xml"]);
    });
}

#[test]
fn a_long_wait_that_the_server_asks_for_is_saved_for_the_whole_inbox() {
    let cases = [
        Act::status(StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "600")),
        html(503).header("Retry-After", "600"),
    ];
    for_each(cases, |act| {
        let world = one_file();
        world.practice.forever(Service::Inbox, act);
        world.run_once().ended(1);
        assert_pending(&world, "");
        world.run_once().ended(1);
        assert_eq!(world.pushes().len(), 1, "only waits that a server asked for count, and they do");
    });
}

#[test]
fn what_is_left_of_a_wait_is_for_the_whole_inbox_and_waited_for_where_it_is_short() {
    let world = one_file();
    world.drop_file("b.xml", document(2));
    let retry = StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "13");
    world.script(Service::Inbox, vec![Act::status(retry)]);
    world.run_once().ended(1);
    world.run_once().ended(1);
    assert_eq!(world.pushes().len(), 1, "the other file waits as well");
    std::thread::sleep(Duration::from_secs(4));
    world.run_once().ended(0);
    let seen = world.pushes();
    assert_eq!((world.sent().len(), seen.len()), (2, 3));
    assert!((seen[1].at - seen[0].at).num_milliseconds() >= 12_900, "{}", seen[1].at - seen[0].at);
}

#[test]
fn an_answer_that_never_comes_leaves_the_file_pending_and_it_is_sent_again() {
    let world = one_file();
    world.script(Service::Inbox, vec![Act::closed(Close::Fin).performed()]);
    world.run_once().ended(0);
    assert_eq!(world.pushes().len(), 2);
    assert_eq!(world.practice.stored("default").len(), 2, "the outcome was unknown: it is delivered at least once");
    let status = world.inbox_status();
    assert_eq!((&status["unknown_total"], &status["accepted_total"]), (&1.into(), &1.into()));
    assert_eq!(world.receipt("sent", "a.xml")["inboxes"][0]["attempts"], 2);
}

#[test]
fn the_inbox_says_which_content_it_takes() {
    let world = World::with(|options| {
        let bindings = vec![taxii_sync::taxii::message::ContentBinding { id: STIX.to_owned(), subtypes: Vec::new() }];
        options.inboxes = vec![InboxSpec { content_bindings: bindings, ..InboxSpec::default() }];
    });
    let world = world.inbox("").drop_directory("");
    world.drop_file("a.xml", document(1));
    world.drop_file("b.json", "{\"type\":\"bundle\",\"spec_version\":\"2.0\"}");
    world.run_once().ended(1);
    assert_eq!((world.sent(), world.failed()), (vec!["a.xml".to_owned()], vec!["b.json".to_owned()]));
}

#[test]
fn files_that_fail_do_not_keep_a_run_from_trying_those_behind_them() {
    let world = world();
    for number in 0..6 {
        world.drop_file(format!("{number}.xml"), document(number));
    }
    // Three attempts each at the first two; then the server is known to have trouble, and each gets one.
    world.script(Service::Inbox, (0..8).map(|_| Act::status("FAILURE")).collect());
    world.run_once().ended(1);
    assert_eq!(world.sent(), ["4.xml", "5.xml"]);
    assert_eq!(world.pushes().len(), 10);
    assert_eq!(world.inbox_status()["pending"], 4);
}

#[test]
fn files_that_get_no_readable_answer_do_not_keep_a_run_from_trying_those_behind_them() {
    let cases = [
        Act::closed(Close::Reset),
        Act::bytes("<!DOCTYPE a><a/>"),
        Act::honest().cut(10, Close::Fin),
        Act::honest().cut(10, Close::Reset),
    ];
    for_each(cases, |act| {
        let world = world();
        for number in 0..6 {
            world.drop_file(format!("{number}.xml"), document(number));
        }
        // Three attempts each at the first two, then one.
        world.script(Service::Inbox, vec![act.clone(); 7]);
        world.run_once().ended(1).said("3 files");
        assert_eq!(world.sent(), ["3.xml", "4.xml", "5.xml"], "{act:?}");
        assert_eq!(world.pushes().len(), 10, "{act:?}");
    });
}

#[test]
fn a_server_that_does_not_answer_in_time_is_not_tried_with_every_file() {
    let world = World::new().server("idle_timeout = \"1s\"").inbox("").drop_directory("");
    for number in 0..6 {
        world.drop_file(format!("{number}.xml"), document(number));
    }
    world.practice.forever(Service::Inbox, Act::silence());
    world.run_once().ended(1).said("6 files");
    assert_eq!(world.pushes().len(), 6, "three attempts each at the first two");
}

#[test]
fn a_server_that_asks_for_a_long_wait_is_not_sent_the_other_files() {
    let world = world();
    for number in 0..6 {
        world.drop_file(format!("{number}.xml"), document(number));
    }
    let retry = StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "600");
    world.practice.forever(Service::Inbox, Act::status(retry));
    world.run_once().ended(1).said("6 files");
    assert_eq!((world.pushes().len(), world.inbox_status()["pending"].as_u64()), (1, Some(6)));
}
