//! Answers that are not the one wanted.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use taxii_sync::practice::{Act, Close, Service, StatusReply};
use taxii_sync::taxii::Version;

use crate::common::{World, for_each, minutes_ago, numbered};

fn one_block() -> World {
    let world = World::new().feed("");
    world.add(minutes_ago(10), &numbered(1));
    world
}

fn html(status: u16) -> Act {
    Act::http(status, "text/html", "<!DOCTYPE html><html><body>Please log in<br></body></html>")
}

/// Nothing came, nothing moved, and people are told.
#[track_caller]
fn assert_nothing(world: &World) {
    assert_eq!((world.files().len(), world.quarantine().len()), (0, 0));
    let status = world.feed_status();
    assert_eq!(status["cursor"], serde_json::Value::Null);
    assert!(status["last_error"].is_string(), "{status}");
}

#[test]
fn what_needs_somebody_to_act_is_not_tried_again_at_once() {
    let statuses = ["UNAUTHORIZED", "DENIED", "NOT_FOUND", "BAD_MESSAGE", "UNSUPPORTED_MESSAGE", "UNSUPPORTED_CONTENT"];
    let mut cases: Vec<(Act, &str)> = statuses.iter().map(|status| (Act::status(*status), *status)).collect();
    cases.extend(
        [401, 403, 404, 405, 406, 407, 415, 400]
            .map(|http| (html(http), Box::leak(format!("HTTP {http}").into_boxed_str()) as &str)),
    );
    for_each(cases, |(act, said)| {
        let world = one_block();
        world.practice.forever(Service::Poll, act);
        world.run_once().ended(1).said(said);
        assert_eq!(world.practice.requests().len(), 1, "{said}");
        assert_nothing(&world);
        world.practice.honest(Service::Poll);
        world.run_once().ended(0);
        assert_eq!(world.texts(), [numbered(1)], "{said}");
    });
}

#[test]
fn what_may_pass_is_tried_twice_more_within_15_seconds() {
    let cases = [
        (Act::status("FAILURE"), "FAILURE"),
        (Act::status("urn:example.org:busy"), "urn:example.org:busy"),
        (Act::status("NETWORK_ERROR"), "NETWORK_ERROR"),
        (html(200), "HTTP 200"),
        (Act::bytes(""), ""),
        (html(500), "HTTP 500"),
        (html(502), "HTTP 502"),
        (html(503), "HTTP 503"),
        (html(504), "HTTP 504"),
        (html(408), "HTTP 408"),
        (html(429), "HTTP 429"),
        (Act::closed(Close::Reset), ""),
        (Act::closed(Close::Fin), ""),
    ];
    for_each(cases, |(act, said)| {
        let world = one_block();
        world.practice.forever(Service::Poll, act);
        let since = Instant::now();
        world.run_once().ended(1).said(said);
        assert!(since.elapsed() < Duration::from_secs(17), "{said}: {:?}", since.elapsed());
        assert_eq!(world.practice.requests().len(), 3, "{said}");
        assert_nothing(&world);
    });
}

#[test]
fn trouble_that_passes_within_the_run_is_no_failure() {
    for_each([html(503), html(200), Act::status("FAILURE"), Act::closed(Close::Reset)], |act| {
        let world = one_block();
        world.script(Service::Poll, vec![act]);
        world.run_once().ended(0);
        assert_eq!(world.texts(), [numbered(1)]);
        assert_eq!(world.feed_status()["last_error"], serde_json::Value::Null);
    });
}

#[test]
fn a_short_wait_that_the_server_asks_for_is_honoured() {
    let cases = [
        html(503).header("Retry-After", "3"),
        html(429).header("Retry-After", "3"),
        Act::status(StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "3")),
    ];
    for_each(cases, |act| {
        let world = one_block();
        world.script(Service::Poll, vec![act]);
        world.run_once().ended(0);
        assert_eq!(world.texts(), [numbered(1)]);
        let seen = world.practice.requests();
        assert_eq!(seen.len(), 2);
        assert!((seen[1].at - seen[0].at).num_milliseconds() >= 2900, "{}", seen[1].at - seen[0].at);
    });
}

#[test]
fn a_long_wait_that_the_server_asks_for_is_saved_and_counts_as_failed() {
    let cases = [
        html(503).header("Retry-After", "600"),
        html(429).header("Retry-After", "600"),
        Act::status(StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "600")),
    ];
    for_each(cases, |act| {
        let world = one_block();
        world.script(Service::Poll, vec![act]);
        world.run_once().ended(1).said("the next attempt is at 20");
        assert_nothing(&world);
        assert!(world.feed_status()["last_error"].as_str().unwrap().contains("the next attempt is at 20"));
        world.run_once().ended(1);
        assert_eq!(world.practice.requests().len(), 1, "the server is left alone until then");
    });
}

#[test]
fn who_asks_for_a_poll_during_a_pause_is_told_when_it_comes() {
    let world = one_block();
    world.practice.forever(Service::Poll, html(503).header("Retry-After", "600"));
    let mut agent = world.start();
    agent.until_said("the poll failed");
    agent.signal(Signal::USR1);
    agent.until_said("the feed is polled after the pause that the server asked for");
    assert_eq!(world.practice.requests().len(), 1);
    agent.terminate();
}

#[test]
fn redirects_that_turn_a_post_into_something_else_are_errors() {
    for_each([301, 302, 303], |http| {
        let world = one_block();
        let to = world.practice.url("data");
        world.practice.forever(Service::Poll, Act::redirect(http, &to));
        world.run_once().ended(1).said(&http.to_string());
        assert!(world.practice.requests().iter().all(|seen| seen.service == Some(Service::Poll)));
        assert_nothing(&world);
    });
}

#[test]
fn redirects_that_keep_the_request_are_followed_within_the_origin() {
    for_each([307, 308], |http| {
        let world = one_block();
        let to = format!("{}?again", world.practice.url("poll"));
        world.script(Service::Poll, vec![Act::redirect(http, &to)]);
        world.run_once().ended(0);
        let seen = world.practice.requests();
        assert_eq!((seen.len(), seen[1].kind()), (2, "Poll_Request"));
        assert_eq!(seen[0].body_start, seen[1].body_start);
        assert_eq!(world.texts(), [numbered(1)]);
    });
}

#[test]
fn a_redirect_to_another_origin_is_not_followed() {
    let elsewhere = World::new();
    let world = one_block();
    world.practice.forever(Service::Poll, Act::redirect(307, &elsewhere.practice.url("poll")));
    world.run_once().ended(1);
    assert_eq!(elsewhere.practice.requests().len(), 0);
    assert_nothing(&world);
}

#[test]
fn a_redirect_to_itself_ends() {
    let world = one_block();
    let here = world.practice.url("poll");
    world.practice.forever(Service::Poll, Act::redirect(307, &here));
    world.run_once().ended(1);
    assert!(world.practice.requests().len() <= 12, "{}", world.practice.requests().len());
    assert_nothing(&world);
}

#[test]
fn a_status_of_taxii_1_0_is_understood_though_1_1_was_asked() {
    let world = one_block();
    let status = StatusReply::new("DENIED").version(Version::V10).message("not for you").in_response_to(None);
    world.practice.forever(Service::Poll, Act::status(status));
    world.run_once().ended(1).said("DENIED").said("not for you");
    assert_nothing(&world);
}

#[test]
fn a_taxii_error_counts_whatever_the_http_status_and_the_headers_say() {
    let world = one_block();
    let denied = Act::status("DENIED").code(503).without_header("X-TAXII-Content-Type").header("Retry-After", "1");
    world.practice.forever(Service::Poll, denied);
    world.run_once().ended(1).said("DENIED");
    assert_eq!(world.practice.requests().len(), 1);
}

#[test]
fn a_reply_counts_whatever_the_http_status_and_the_headers_say() {
    let bare = |act: Act| {
        ["X-TAXII-Content-Type", "X-TAXII-Services", "X-TAXII-Protocol"]
            .iter()
            .fold(act, |act, name| act.without_header(name))
    };
    let cases = [
        bare(Act::honest()),
        Act::honest().header("Content-Type", "text/html"),
        Act::honest().header("X-TAXII-Content-Type", "urn:taxii.mitre.org:message:xml:1.0"),
        Act::honest().code(500),
        Act::change(|reply| reply.in_response_to = Some("0".to_owned())),
        Act::change(|reply| reply.in_response_to = None),
        Act::change(|reply| reply.version = Version::V10),
    ];
    for_each(cases, |act| {
        let world = one_block();
        world.practice.forever(Service::Poll, act.clone());
        world.run_once().ended(0);
        assert_eq!(world.texts(), [numbered(1)], "{act:?}");
    });
}

#[test]
fn remote_text_is_shown_on_one_line_without_control_characters_and_cut() {
    let world = one_block();
    let nasty = format!("first\nsecond \u{202e} {}", "long ".repeat(500));
    world.practice.forever(Service::Poll, Act::status(StatusReply::new("DENIED").message(&nasty)));
    let ran = world.run_once();
    ran.ended(1).said("first second");
    assert!(!ran.stderr.contains('\u{202e}'));
    let error = world.feed_status()["last_error"].as_str().unwrap().to_owned();
    assert!(error.len() < 700 && !error.contains(['\n', '\u{202e}']), "{error}");
}
