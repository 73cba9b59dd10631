//! H01 to H36: hostile HTTP servers.

use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use taxii_sync::practice::{
    Act, Addresses, Advertised, BigResponse, BlockSpec, Close, Framing, Options, Practice, Service, Style,
};

use super::lab::{Lab, SECRET, STIX, each, options, practice, runtime};

/// What a server does, and what the agent says of it.
struct Row(&'static str, Act, &'static [&'static str]);

/// Every one of them fails the poll: nothing is handed over, the cursor stays, the run says why.
fn fails(rows: Vec<Row>) {
    fails_in(rows, Lab::feed);
}

fn fails_in(rows: Vec<Row>, lab: impl Fn() -> Lab + Sync) {
    each(rows, |Row(id, act, words)| {
        let lab = lab();
        lab.practice.forever(Service::Poll, act);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{id}: {}", ended.err);
        let said = ended.complaint();
        for word in words {
            assert!(said.contains(word), "{id}: nothing about {word:?} in\n{said}");
        }
        // Three attempts and the pauses between them.
        assert!(ended.wall < Duration::from_secs(80), "{id} took {:?}", ended.wall);
        lab.nothing_came();
    });
}

fn endless(piece: &'static [u8]) -> Act {
    let piece = Bytes::from(piece.repeat((64 << 10) / piece.len()));
    Act::generated(move || Box::new(std::iter::repeat(piece.clone())))
}

fn drip() -> Duration {
    Duration::from_millis(300)
}

#[test]
fn a_body_without_end_is_ended_by_max_response() {
    let big = || Act::big(BigResponse::new(700_000, 3000, Style::Element));
    fails(vec![
        Row("H01", endless(b" ").gzip(), &["max_response", "8388608"]),
        Row("H01", big().gzip(), &["max_response", "8388608"]),
        Row("H02", endless(b"\n"), &["max_response", "8388608"]),
        Row("H02", endless(b"\n").framing(Framing::UntilClose), &["max_response", "8388608"]),
        Row("H02", big(), &["max_response", "8388608"]),
    ]);
}

#[test]
fn a_slow_answer_is_ended_by_a_time_out_that_is_named() {
    let rows = vec![
        Row("H03", Act::honest().drip_head(1, drip()), &["idle_timeout"]),
        Row("H04", Act::honest().drip(1, drip()), &["total_timeout"]),
        Row("H04", endless(b" ").drip(1, drip()).framing(Framing::UntilClose), &["total_timeout"]),
        Row("H05", Act::silence(), &["idle_timeout"]),
        Row("H05", Act::silence().early(), &["idle_timeout"]),
        Row(
            "H13",
            Act::raw_generated(|| Box::new(std::iter::repeat(Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"))))
                .drip_head(25, Duration::from_millis(20)),
            &["idle_timeout"],
        ),
    ];
    fails_in(rows, || {
        let mut lab = Lab::feed();
        lab.hurry();
        lab
    });
}

#[test]
fn a_server_that_takes_the_connection_and_never_speaks_tls_is_given_up() {
    // H06. H33 ends the same way: whatever a name resolves to, one limit covers looking it up and connecting.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept() {
            held.push(stream);
        }
    });
    let mut lab = Lab::feed();
    lab.hurry();
    lab.server = lab.server.replace(&lab.practice.url("poll"), &format!("https://{address}/poll"));
    let ended = lab.run_once();
    assert_eq!(ended.code(), 1);
    assert!(ended.complaint().contains("connect_timeout"), "{}", ended.complaint());
    lab.nothing_came();
}

#[test]
fn a_body_that_ends_elsewhere_than_it_said_is_refused() {
    let length = |by| Act::honest().framing(Framing::LengthOff(by));
    fails(vec![
        Row("H07", length(100), &["cut short"]),
        Row("H07", Act::honest().framing(Framing::Chunked).cut(100, Close::Fin), &["cut short"]),
        Row("H07", Act::honest().framing(Framing::ChunkedOpen), &[]),
        Row("H07", Act::honest().framing(Framing::Chunked).cut(100, Close::Reset), &[]),
        Row("H07", Act::honest().gzip().cut(60, Close::Fin).framing(Framing::Chunked), &["cut short"]),
        Row("H07", Act::honest().gzip().cut(60, Close::Fin).framing(Framing::UntilClose), &["cut short"]),
        Row("H08", Act::honest().framing(Framing::UntilClose).cut(200, Close::Fin), &["cut short"]),
        Row("H09", length(-30), &["cut short"]),
        Row("H10", Act::honest().framing(Framing::TwoLengths), &[]),
        Row("H24", Act::raw(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d".as_slice()), &["no answer"]),
        Row("H36", Act::honest().header("Content-Encoding", "br"), &["br"]),
    ]);
}

#[test]
fn an_error_page_that_is_not_what_its_headers_say_is_an_error_all_the_same() {
    let labelled = |status, coding: &str| Act::http(status, "text/html", "\u{1f}no").header("Content-Encoding", coding);
    fails(vec![
        Row("H36", labelled(503, "gzip").header("Retry-After", "3600"), &["HTTP 503", "it is busy"]),
        Row("H36", labelled(503, "br").header("Retry-After", "3600"), &["HTTP 503", "it is busy"]),
        Row("H36", labelled(401, "gzip"), &["HTTP 401", "the credentials are missing or wrong"]),
        Row("H36", Act::http(200, "text/html", "<html>").header("Content-Encoding", "gzip"), &["an HTML page"]),
        Row("H36", Act::http(200, "text/html", "").header("Content-Encoding", "gzip"), &["the body is empty"]),
    ]);
}

#[test]
fn an_error_is_not_looked_at_more_often_than_its_status_says() {
    let lab = Lab::feed();
    let busy = Act::http(503, "text/html", "\u{1f}no").header("Content-Encoding", "gzip").header("Retry-After", "3600");
    lab.practice.forever(Service::Poll, busy);
    let ended = lab.run_once();
    assert!(!ended.err.contains("step past it"), "{}", ended.err);
    assert_eq!(lab.practice.requests().len(), 1, "{}", ended.err);
}

#[test]
fn a_head_that_is_too_large_or_not_http_is_refused() {
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(10 << 20));
    let many: String = (0..5000).map(|n| format!("X-{n}: FORGED\r\n")).collect();
    fails(vec![
        Row("H12", Act::raw(large), &["no answer"]),
        Row("H12", Act::raw(format!("HTTP/1.1 200 OK\r\n{many}\r\n")), &["no answer"]),
        Row("H12", Act::raw("\u{1b}[31m\nFORGED\r\n\r\n"), &["no answer"]),
        Row(
            "H25",
            Act::http(200, "text/html", "<html><script>\u{1b}[31m</script></html>"),
            &["without a TAXII message"],
        ),
        Row("H25", Act::http(200, "text/plain", format!("hello {SECRET}")), &["without a TAXII message"]),
        Row("H34", Act::poll(taxii_sync::practice::Quirk::CollectionName("other\u{202e}".to_owned())), &["other"]),
    ]);
}

#[test]
fn length_and_chunks_together_are_taken_and_headers_decide_nothing() {
    // H11, and H26 with the protocol reference, 2.2: the body decides whether it is a message.
    let body = "<t:Poll_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" \
                message_id=\"1\" in_response_to=\"1\" collection_name=\"default\" more=\"false\"/>";
    let both = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let rows = vec![
        ("H11", Act::raw(both)),
        ("H26", Act::honest().without_header("X-TAXII-Content-Type").without_header("X-TAXII-Services")),
        ("H26", Act::honest().header("X-TAXII-Content-Type", "\u{fffd}").header("Content-Type", "text/html")),
        ("H36", Act::honest().header("Content-Encoding", "gzip")),
        ("H31", Act::honest().header("Set-Cookie", &format!("a={}; Path=/", "x".repeat(3000)))),
    ];
    each(rows, |(id, act)| {
        let lab = Lab::feed();
        lab.practice.forever(Service::Poll, act);
        for _ in 0..2 {
            let ended = lab.run_once();
            assert_eq!(ended.code(), 0, "{id}: {}", ended.err);
        }
        assert!(lab.practice.requests().iter().all(|seen| seen.header("Cookie").is_none()), "{id}");
        assert!(lab.cursor().is_string(), "{id}");
    });
}

/// A second server that nobody is meant to talk to.
fn elsewhere() -> Practice {
    practice(options())
}

#[test]
fn a_redirect_elsewhere_is_not_followed_and_nothing_goes_there() {
    let statuses = [301, 302, 303, 307, 308];
    each(statuses.into_iter().flat_map(|status| [(status, true), (status, false)]).collect(), |(status, polling)| {
        let other = elsewhere();
        let mut lab = if polling { Lab::feed() } else { Lab::drop() };
        lab.server += "headers = { \"X-Api-Key\" = { file = \"password-2\" } }\n";
        std::fs::write(lab.path("password-2"), "key-that-is-secret").unwrap();
        lab.secrets.push("key-that-is-secret".to_owned());
        std::fs::write(lab.dropped("a.xml"), STIX).unwrap();
        let service = if polling { Service::Poll } else { Service::Inbox };
        let target = other.url(if polling { "poll" } else { "inbox" });
        lab.practice.forever(service, Act::redirect(status, &target));
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{status}: {}", ended.err);
        for word in [target.as_str(), "redirect", &status.to_string()] {
            assert!(ended.complaint().contains(word), "{status}: nothing about {word:?} in {}", ended.complaint());
        }
        assert_eq!(other.requests().len(), 0, "HTTP {status}");
        assert_eq!(lab.practice.requests().len(), 1, "HTTP {status} is not asked for again at once");
    });
}

#[test]
fn redirects_within_the_origin_are_followed_three_times() {
    // H16, with SURFACE, section 2.
    let lab = Lab::feed();
    let again = || Act::redirect(307, &lab.practice.url("poll"));
    lab.practice.script(Service::Poll, vec![again(), again(), Act::redirect(308, "/services/poll")]);
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert!(lab.practice.requests().iter().all(|seen| seen.method == "POST" && seen.poll().is_some()));
    assert_eq!(lab.practice.requests().len(), 4);
    lab.practice.forever(Service::Poll, again());
    let ended = lab.run_once();
    assert_eq!(ended.code(), 1);
    assert!(ended.complaint().contains("fourth"), "{}", ended.complaint());
    for target in ["file:///etc/passwd", "http://", "//\u{1b}[31m", &format!("/{SECRET}\u{7}")] {
        lab.practice.forever(Service::Poll, Act::redirect(307, target));
        assert_eq!(lab.run_once().code(), 1, "{target}");
    }
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    // H18.
    let other = elsewhere();
    let mut lab = Lab::feed();
    let proxy = format!("http://{}", other.address());
    lab.environment = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        .map(|name| (name.to_owned(), proxy.clone()))
        .to_vec();
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert_eq!(other.requests().len(), 0);
}

fn advertising(addresses: Addresses) -> Lab {
    let options = Options { advertised: Advertised { addresses, ..Advertised::default() }, ..options() };
    let mut lab = Lab::with(options);
    let pins = ["poll", "inbox"].map(|name| format!("{name} = {:?}\n", lab.practice.url(name)));
    for pin in &pins {
        lab.server = lab.server.replace(pin, "");
    }
    lab.server += &format!("discovery = {:?}\n", lab.practice.url("discovery"));
    lab.feed = Some(String::new());
    lab
}

#[test]
fn an_advertised_address_elsewhere_is_not_used_and_the_error_names_both_remedies() {
    // H19, H20, H21.
    let other = elsewhere();
    let there = format!("http://{}", other.address());
    let with_user = format!("http://user:FORGED@{}", other.address());
    let origins = ["http://169.254.169.254", "http://localhost:1", "https://127.0.0.1", "file://", &there, &with_user];
    each(origins.to_vec(), |origin| {
        let lab = advertising(Addresses::Origin(origin.to_owned()));
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{origin}: {}", ended.err);
        let said = ended.complaint();
        assert!(said.contains("/services/poll"), "{origin}: the address is not named: {said}");
        assert!(!said.contains("FORGED"), "{origin}: {said}");
        if origin.starts_with("http") && !origin.contains('@') {
            assert!(said.contains("pin this address") && said.contains("trusted_origins"), "{origin}: {said}");
        }
        assert!(lab.practice.requests().iter().all(|seen| seen.poll().is_none()));
        lab.nothing_came();
    });
    assert_eq!(other.requests().len(), 0);
    let mut lab = advertising(Addresses::Origin(there.clone()));
    lab.server += &format!("trusted_origins = [{there:?}]\n");
    assert_eq!(lab.run_once().code(), 0, "a trusted origin is used");
    assert!(other.requests().iter().any(|seen| seen.poll().is_some()));
}

#[test]
fn an_address_or_a_header_that_would_smuggle_something_is_a_mistake() {
    let mistakes = [
        ("H19", "collections = \"http://user:pw@127.0.0.1:1/c\"\n", "collections"),
        ("H32", "headers = { \"X-A\" = \"a\\r\\nHost: b\" }\n", "X-A"),
        ("H32", "headers = { \"X\\r\\nA\" = \"a\" }\n", "headers"),
        ("plain", "collections = \"http://192.0.2.1/c\"\n", "plaintext_credentials"),
        ("not http", "collections = \"file:///etc/passwd\"\n", "collections"),
    ];
    for (id, line, word) in mistakes {
        let mut lab = Lab::feed();
        lab.server += line;
        let ended = lab.run(&["run", "--once"]);
        assert_eq!(ended.code(), 2, "{id}: {}", ended.err);
        assert!(ended.err.contains(word), "{id}: {}", ended.err);
        assert!(!ended.err.contains("user:pw"), "{id}: {}", ended.err);
        assert_eq!(lab.practice.requests().len(), 0, "{id}");
    }
}

#[test]
fn waits_that_a_server_asks_for_are_bounded() {
    // H27.
    let past = "Thu, 01 Jan 1970 00:00:00 GMT";
    let rows = ["99999999999", "999999999999999999999999", past, "garbage\u{fffd}", "-5", "0"];
    each(rows.to_vec(), |value| {
        let lab = Lab::feed();
        let act = Act::http(503, "text/html", "busy").header("Retry-After", value);
        lab.practice.forever(Service::Poll, act);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{value}: {}", ended.err);
        assert!(ended.wall < Duration::from_secs(25), "{value}: {:?}", ended.wall);
        let requests = lab.practice.requests().len();
        assert!((1..=3).contains(&requests), "{value}: {requests} requests");
        lab.nothing_came();
    });
}

#[test]
fn refusals_are_not_repeated_and_others_go_on() {
    // H28, H29.
    let lab = Lab::feed();
    for status in [401, 403] {
        lab.practice.forever(Service::Poll, Act::http(status, "text/html", "no"));
        let before = lab.practice.requests().len();
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1);
        assert!(ended.complaint().contains(&status.to_string()), "{}", ended.complaint());
        assert_eq!(lab.practice.requests().len() - before, 1, "HTTP {status} is not asked for again");
    }
    let other = elsewhere();
    runtime().block_on(async { assert!(other.add_block("default", BlockSpec::new("urn:x", "<a/>"))) });
    let mut lab = Lab::feed();
    lab.practice.forever(Service::Poll, Act::http(429, "text/html", "no"));
    let second = format!(
        "[servers.other]\npoll = {:?}\n[feeds.other]\nserver = \"other\"\ncollection = \"default\"\n\
         output = \"{}/other\"\nstart = \"1h\"\nlag = \"0s\"\nmin_free = \"1MiB\"\n",
        other.url("poll"),
        lab.root().display()
    );
    lab.feed = Some(format!("start = \"2s\"\n{second}"));
    let ended = lab.run_once();
    assert_eq!(ended.code(), 1);
    let status = lab.status();
    assert!(status["feeds"]["other"]["cursor"].is_string(), "{status:#}");
    assert_eq!(status["feeds"]["feed"]["cursor"], Value::Null);
    assert_eq!(
        super::lab::list(&lab.path("other")).iter().filter(|path| path.extension().is_some_and(|e| e == "xml")).count(),
        1
    );
}

#[test]
fn a_message_without_an_answer_is_sent_again() {
    // H30: nothing in TAXII tells the server that it is the same one.
    let lab = Lab::drop();
    std::fs::write(lab.dropped("a.xml"), STIX).unwrap();
    lab.practice.script(Service::Inbox, vec![Act::closed(Close::Fin).performed()]);
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert_eq!(lab.practice.requests().len(), 2);
    assert!(lab.dropped("sent/a.xml").exists());
}

#[test]
fn no_room_means_no_request() {
    // H35.
    let mut lab = Lab::feed();
    lab.feed = Some("min_free = \"4000000GiB\"\n".to_owned());
    let ended = lab.run_once();
    assert_eq!(ended.code(), 1, "{}", ended.err);
    assert!(ended.err.contains("min_free"), "{}", ended.err);
    assert_eq!(lab.practice.requests().len(), 0);
}

#[test]
fn a_reply_that_is_not_spoken_here_is_not_asked_for_in_halves() {
    let oasis = "<Status_Message xmlns=\"http://docs.oasis-open.org/cti/ns/taxii/xml/1.1.1\" message_id=\"1\"/>";
    let rows = [
        Act::honest().header("Content-Encoding", "br"),
        Act::bytes(oasis),
        Act::bytes("<?xml version=\"1.0\" encoding=\"GBK\"?><Poll_Response/>"),
    ];
    each(rows.to_vec(), |act| {
        let lab = Lab::feed();
        lab.practice.forever(Service::Poll, act);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{}", ended.err);
        assert_eq!(lab.practice.requests().len(), 1, "{}", ended.err);
        let said = ended.complaint();
        assert!(said.contains("cannot be read") && !said.contains("cursor set"), "{said}");
        lab.nothing_came();
    });
}
