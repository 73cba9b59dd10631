//! Receipts, and files that were pending for too long.

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use taxii_sync::practice::{Act, Service, StatusReply};

use super::{document, world};
use crate::common::{World, time};

#[test]
fn a_receipt_says_what_became_of_a_file() {
    let world = world();
    let before = chrono::Utc::now() - chrono::TimeDelta::seconds(1);
    world.drop_file("a.xml", document(1));
    world.script(Service::Inbox, vec![Act::status(StatusReply::new("SUCCESS").message("thank you"))]);
    world.run_once().ended(0);
    let receipt = world.receipt("sent", "a.xml");
    let hash: String = Sha256::digest(document(1)).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(receipt["file"], "a.xml");
    assert_eq!(receipt["sha256"], hash);
    assert_eq!(receipt["size"], document(1).len());
    assert_eq!(receipt["content_binding"], "urn:stix.mitre.org:xml:1.2");
    assert!((before..chrono::Utc::now()).contains(&time(receipt["dropped_at"].as_str().unwrap())));
    let entries = receipt["inboxes"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(
        (&entry["inbox"], &entry["outcome"], &entry["attempts"]),
        (&"partner".into(), &"accepted".into(), &1.into())
    );
    assert_eq!((&entry["status_type"], &entry["message"]), (&"SUCCESS".into(), &"thank you".into()));
    assert_eq!(entry["message_id"], world.pushes()[0].message.as_ref().unwrap().header.message_id.as_str());
    assert!((before..chrono::Utc::now()).contains(&time(entry["at"].as_str().unwrap())));
}

#[test]
fn a_receipt_of_a_file_that_was_never_sent_says_why() {
    let world = world();
    world.drop_file("a.xml", "<!DOCTYPE a><a/>");
    world.run_once().ended(1);
    let receipt = world.receipt("failed", "a.xml");
    let entry = &receipt["inboxes"][0];
    assert!(entry["message"].as_str().unwrap().contains("DOCTYPE"), "{receipt}");
    for key in ["message_id", "status_type"] {
        assert_eq!(entry.get(key), Some(&Value::Null), "{key}");
    }
    assert_eq!(entry["attempts"], 0);
    assert!(receipt["sha256"].is_string(), "{receipt}");
}

#[test]
fn a_file_that_is_pending_longer_than_give_up_has_expired() {
    let world = World::new().inbox("").drop_directory("give_up = \"3s\"");
    world.practice.forever(Service::Inbox, Act::status("DENIED"));
    world.drop_file("a.xml", document(1));
    world.run_once().ended(1);
    assert_eq!(world.failed().len(), 0);
    std::thread::sleep(Duration::from_secs(3));
    let words = "pending for longer than give_up (3 s); the last attempt: the server answered DENIED";
    world.run_once().ended(1).said(&format!("inbox `partner`: 1 file failed: {words}"));
    let status = world.inbox_status();
    assert_eq!((&status["expired_total"], &status["refused_total"]), (&1.into(), &0.into()));
    assert!(world.run(&["status"]).stdout.starts_with("healthy\n"), "nothing is owed that does not get there");
    assert_eq!(world.failed(), ["a.xml"]);
    let entry = world.receipt("failed", "a.xml")["inboxes"][0].clone();
    assert_eq!((&entry["outcome"], &entry["attempts"]), (&"expired".into(), &1.into()));
    assert_eq!(entry["status_type"], "DENIED", "the last answer is kept");
    assert_eq!(entry["message"], words);
    assert_eq!(world.pushes().len(), 1);
    world.run_once().ended(0);
}

#[test]
fn a_file_expires_also_while_the_server_asks_for_a_long_wait() {
    let world = World::new().inbox("").drop_directory("give_up = \"3s\"");
    world.practice.forever(Service::Inbox, Act::status(StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "3000")));
    world.drop_file("a.xml", document(1));
    world.run_once().ended(1);
    std::thread::sleep(Duration::from_secs(3));
    world.run_once().ended(1);
    assert_eq!(world.failed(), ["a.xml"]);
    assert_eq!(world.receipt("failed", "a.xml")["inboxes"][0]["outcome"], "expired");
}

#[test]
fn remote_text_in_a_receipt_is_one_line_without_control_characters() {
    let world = world();
    let nasty = format!("a\nb \u{202e} {}", "long ".repeat(1000));
    world.practice.forever(Service::Inbox, Act::status(StatusReply::new("BAD_MESSAGE").message(&nasty)));
    world.drop_file("a.xml", document(1));
    world.run_once().ended(1);
    let message = world.receipt("failed", "a.xml")["inboxes"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("a b") && message.len() < 700 && !message.contains('\u{202e}'), "{message}");
}

#[test]
fn the_status_counts_what_waits_and_since_when() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::status("DENIED"));
    for number in 0..3 {
        world.drop_file(format!("{number}.xml"), document(number));
    }
    world.run_once().ended(1).said("DENIED");
    std::thread::sleep(Duration::from_millis(1100));
    let status = world.inbox_status();
    assert_eq!(status["pending"], 3);
    assert!(status["oldest_pending_seconds"].as_i64().is_some_and(|seconds| (1..60).contains(&seconds)), "{status}");
    assert_eq!(world.pushes().len(), 3, "every pending file is tried in every run");
}
