//! `push`: files sent by hand.

use std::os::unix::ffi::OsStrExt;

use taxii_sync::practice::samples::SAMPLES;
use taxii_sync::practice::{Act, Close, Destinations, InboxSpec, Service, StatusReply};
use taxii_sync::taxii::message::Body;

use super::Bench;

/// A bench with three sample files.
fn with_files(bench: Bench) -> Bench {
    for (name, sample) in ["a.xml", "b.xml", "c.xml"].iter().zip(SAMPLES) {
        bench.put(name, sample.xml);
    }
    bench
}

fn destinations(bench: &Bench) -> Vec<String> {
    match bench.practice.requests().pop().unwrap().message.unwrap().body {
        Body::InboxMessage(message) => message.destinations,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_file_gets_one_line_of_result() {
    let bench = with_files(Bench::new());
    let ran = bench.run(["push", "partner", "a.xml", "b.xml"]).ended(0);
    assert_eq!(ran.out, "a.xml: accepted (SUCCESS)\nb.xml: accepted (SUCCESS)\n");
    let stored = bench.practice.stored("default");
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0].content, SAMPLES[0].markup());
    assert_eq!(stored[0].binding.id, SAMPLES[0].binding);
    assert!(bench.path("a.xml").exists(), "the files stay where they are");
    assert!(!bench.path("state").exists() && !bench.path("outgoing").exists());
}

#[test]
fn a_file_that_does_not_get_there_is_exit_code_1_and_the_others_are_tried() {
    let bench = with_files(Bench::new());
    bench.put("broken.xml", "<a><b></a>");
    bench.practice.script(
        Service::Inbox,
        vec![
            Act::status(StatusReply::new("BAD_MESSAGE").message("no thanks")),
            Act::status("FAILURE"),
            Act::http(503, "text/html", "busy"),
        ],
    );
    let ran = bench.run(["push", "partner", "broken.xml", "missing.xml", "a.xml", "b.xml", "c.xml", "a.xml"]).ended(1);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("broken.xml: refused: it cannot be sent: "), "{lines:#?}");
    assert!(
        lines[1].starts_with("missing.xml: failed: cannot open ") && lines[1].contains("No such file"),
        "{lines:#?}"
    );
    assert!(lines[2].starts_with("a.xml: refused (BAD_MESSAGE): ") && lines[2].contains("no thanks"), "{lines:#?}");
    assert!(lines[3].starts_with("b.xml: failed (FAILURE): "), "{lines:#?}");
    assert!(lines[4].starts_with("c.xml: failed: ") && lines[4].contains("503"), "{lines:#?}");
    assert_eq!(lines[5], "a.xml: accepted (SUCCESS)");
    let said: Vec<&str> = ran.err.lines().collect();
    assert_eq!(said[0], "taxii-sync: 5 of 6 files not accepted by inbox `partner`");
    assert!(said.len() == 2 && said[1].contains("push them again"), "what to do is said, and nothing twice: {said:#?}");
    assert_eq!(bench.asked("Inbox_Message"), 4, "what cannot be sent is not");
}

#[test]
fn what_no_file_can_get_past_is_told_once_and_not_tried_again() {
    let bench = with_files(Bench::new());
    bench.practice.forever(Service::Inbox, Act::status("UNAUTHORIZED"));
    let ran = bench.run(["push", "partner", "a.xml", "b.xml", "c.xml"]).ended(1);
    assert_eq!(ran.out.matches("not tried").count(), 2, "{}", ran.out);
    assert_eq!(bench.asked("Inbox_Message"), 1);
    let ran = bench.bare(["push", "--url", "http://127.0.0.1:1/inbox", "a.xml", "b.xml"]).ended(1);
    assert!(ran.out.contains("no connection") && ran.out.contains("not tried"), "{}", ran.out);
}

#[test]
fn an_answer_that_never_came_says_that_the_outcome_is_unknown() {
    let bench = with_files(Bench::new());
    bench.practice.script(Service::Inbox, vec![Act::closed(Close::Fin)]);
    bench.run(["push", "partner", "a.xml"]).ended(1).said("the server may have it all the same");
}

#[test]
fn a_dry_run_says_what_would_be_sent_and_sends_nothing() {
    let bench = with_files(Bench::new());
    bench.put("broken.xml", "<a>");
    let url = bench.practice.url("inbox");
    let ran = bench.run(["push", "partner", "a.xml", "--dry-run"]).ended(0);
    let bytes = SAMPLES[0].markup().len();
    assert_eq!(ran.out, format!("a.xml: would be sent as {}, {bytes} bytes, to {url}\n", SAMPLES[0].binding));
    let ran = bench.run(["push", "partner", "a.xml", "broken.xml", "--dry-run"]).ended(1).said("broken.xml: refused");
    ran.complained("1 of 2 files cannot be sent to inbox `partner`");
    assert_eq!(bench.asked("Inbox_Message"), 0);
    let before = bench.practice.requests().len();
    bench.bare(["push", "--url", &url, "--collection", "default", "--dry-run", "a.xml"]).ended(0).said("for default");
    assert_eq!(bench.practice.requests().len(), before, "where the address is known nobody is asked");
}

#[test]
fn a_message_of_version_1_0_names_no_collections() {
    let bench = with_files(Bench::new());
    let url = bench.practice.url("inbox");
    let arguments = ["push", "--url", &url, "--collection", "default", "--taxii", "1.0", "--dry-run", "a.xml"];
    let ran = bench.bare(arguments).ended(0).complained("no Destination_Collection_Name");
    assert!(ran.out.ends_with(&format!("to {url}\n")), "{}", ran.out);
    let answer = bench.bare([&arguments[..], &["--json"]].concat()).ended(0).json();
    assert_eq!(answer["collections"], serde_json::json!([]));
}

#[test]
fn a_url_needs_no_configuration() {
    let bench = with_files(Bench::with(|options| {
        options.inboxes = vec![InboxSpec { destinations: Destinations::Required, ..InboxSpec::default() }];
    }));
    let url = bench.practice.url("inbox");
    bench.bare(["push", "--url", &url, "a.xml"]).ended(1).said("DESTINATION_COLLECTION_ERROR").said("default");
    bench.bare(["push", "--url", &url, "--collection", "default", "a.xml", "b.xml"]).ended(0);
    assert_eq!(destinations(&bench), ["default"]);
    bench.bare(["push", "--url", &url, "--collection", "default", "--taxii", "1.0", "a.xml"]).ended(1);
}

#[test]
fn the_url_of_a_discovery_service_leads_to_its_inbox() {
    let bench = with_files(Bench::new());
    let url = bench.practice.url("discovery");
    let ran = bench.bare(["push", "--url", &url, "a.xml", "b.xml"]).ended(0).said("is a Discovery Service");
    assert_eq!(ran.out.matches("accepted").count(), 2);
    assert_eq!(bench.practice.stored("default").len(), 2);
}

#[test]
fn a_binding_of_the_operators_is_said_of_every_file() {
    let bench = Bench::new();
    bench.put("notes.txt", "fish & chips < 5");
    bench.put("picture.png", [0x89, b'P', b'N', b'G', 0, 255]);
    bench.run(["push", "partner", "notes.txt"]).ended(1).said("refused");
    bench.run(["push", "partner", "--binding", "urn:example:any", "notes.txt", "picture.png"]).ended(0);
    let stored = bench.practice.stored("default");
    assert_eq!(stored[0].binding.id, "urn:example:any");
    assert_eq!(stored[0].content, "fish & chips < 5", "text is escaped on its way");
    assert_eq!(stored[1].content, "iVBORwD/", "bytes go as base64");
}

#[test]
fn a_document_in_another_encoding_arrives_in_utf_8() {
    let bench = Bench::new();
    let utf16: Vec<u8> =
        "\u{feff}<stix:STIX_Package xmlns:stix=\"http://stix.mitre.org/stix-1\" id=\"ü\" version=\"1.2\"><a/></stix:STIX_Package>"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
    bench.put("wide.xml", utf16);
    bench.run(["push", "partner", "wide.xml"]).ended(0);
    let content = String::from_utf8(bench.practice.stored("default")[0].content.to_vec()).unwrap();
    assert!(content.contains("id=\"ü\""), "{content}");
}

#[test]
fn results_are_given_as_json() {
    let bench = with_files(Bench::new());
    bench.put("broken.xml", "<a>");
    let ran = bench.run(["push", "partner", "a.xml", "broken.xml", "--json"]).ended(1).complained("a.xml: accepted");
    let answer = ran.json();
    assert_eq!((&answer["inbox"], &answer["dry_run"]), (&"partner".into(), &false.into()));
    let files = answer["files"].as_array().unwrap();
    assert_eq!((&files[0]["file"], &files[0]["outcome"]), (&"a.xml".into(), &"accepted".into()));
    assert_eq!((&files[0]["status_type"], &files[0]["bytes"]), (&"SUCCESS".into(), &SAMPLES[0].markup().len().into()));
    assert_eq!(&files[1]["outcome"], "refused");
    ran.complained("taxii-sync: 1 of 2 files not accepted by inbox `partner`");
    assert!(files[1]["reason"].is_string());
}

#[test]
fn names_are_shown_and_never_obeyed() {
    let bench = Bench::new();
    let name = std::ffi::OsStr::from_bytes(b"-\x1b[2J\xff.xml");
    std::fs::write(bench.path("").join(name), SAMPLES[0].xml).unwrap();
    let ran = bench.run([std::ffi::OsStr::new("push"), "partner".as_ref(), "--".as_ref(), name]).ended(0);
    assert_eq!(ran.out, "-\\u{1b}[2J\\xFF.xml: accepted (SUCCESS)\n");
    std::fs::create_dir(bench.path("directory")).unwrap();
    bench.run(["push", "partner", "directory"]).ended(1).said("not a regular file");
    bench.run(["push", "partner"]).ended(2).complained("name the files");
}
