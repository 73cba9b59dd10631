//! Batches, several inboxes, duplicates.

use std::time::{Duration, Instant};

use taxii_sync::practice::{Act, Close, InboxSpec, Options, Service};
use taxii_sync::taxii::message::{Body, ContentBinding};

use super::{document, world};
use crate::common::{STIX, World, eventually, for_each};

const DEAD: &str = "[servers.dead]\ninbox = \"http://127.0.0.1:9/inbox\"\n";

/// How many blocks each message held.
fn blocks(world: &World) -> Vec<u64> {
    let messages = world.pushes().into_iter().filter_map(|seen| seen.message);
    messages
        .filter_map(|message| if let Body::InboxMessage(it) = message.body { Some(it.blocks) } else { None })
        .collect()
}

fn drop_many(world: &World, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|number| format!("{number:04}.xml")).collect();
    for (number, name) in names.iter().enumerate() {
        world.drop_file(name, document(number));
    }
    names
}

#[test]
fn files_go_out_in_the_order_of_dropping_one_to_a_message() {
    let world = world();
    // Dropped in the order opposite to that of their names, with times that say otherwise, as `cp -p` leaves them.
    for number in (0..12).rev() {
        let path = world.drop_file(format!("{number:04}.xml"), document(number));
        let at = std::time::SystemTime::now() - Duration::from_secs(3600 - 60 * number as u64);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        // Longer than the file system's clock takes for a step.
        std::thread::sleep(Duration::from_millis(20));
    }
    world.run_once().ended(0);
    assert_eq!(world.sent().len(), 12);
    assert_eq!(blocks(&world), [1; 12]);
    let stored = world.practice.stored("default");
    let got: Vec<String> = stored.iter().map(|block| String::from_utf8_lossy(&block.content).into_owned()).collect();
    assert_eq!(got, (0..12).rev().map(document).collect::<Vec<_>>());
}

#[test]
fn a_batch_carries_several_files() {
    let world = World::new().inbox("max_batch = 4").drop_directory("");
    let names = drop_many(&world, 10);
    world.run_once().ended(0);
    assert_eq!((world.sent(), blocks(&world)), (names, vec![4, 4, 2]));
    assert_eq!(world.practice.stored("default").len(), 10);
}

#[test]
fn a_batch_that_is_not_accepted_is_sent_again_singly() {
    for status in ["BAD_MESSAGE", "FAILURE", "UNSUPPORTED_CONTENT"] {
        let world = World::new().inbox("max_batch = 3").drop_directory("");
        let names = drop_many(&world, 3);
        world.script(Service::Inbox, vec![Act::status(status)]);
        world.run_once().ended(0);
        assert_eq!((world.sent(), blocks(&world)), (names, vec![3, 1, 1, 1]), "{status}");
        assert_eq!(world.receipt("sent", "0000.xml")["inboxes"][0]["attempts"], 2);
    }
}

#[test]
fn a_batch_that_gets_no_readable_answer_is_sent_again_singly() {
    let cases = [Act::closed(Close::Reset), Act::bytes("<!DOCTYPE a><a/>"), Act::status("SUCCESS").cut(10, Close::Fin)];
    for_each(cases, |act| {
        let world = World::new().inbox("max_batch = 3").drop_directory("");
        let names = drop_many(&world, 3);
        world.script(Service::Inbox, vec![act.clone()]);
        world.run_once().ended(0);
        assert_eq!((world.sent(), blocks(&world)), (names, vec![3, 1, 1, 1]), "{act:?}");
    });
}

#[test]
fn one_bad_file_of_a_batch_fails_alone() {
    let world = World::with(|options: &mut Options| {
        let bindings = vec![ContentBinding { id: STIX.to_owned(), subtypes: Vec::new() }];
        options.inboxes = vec![InboxSpec { content_bindings: bindings, ..InboxSpec::default() }];
    });
    let world = world.inbox("max_batch = 5").drop_directory("");
    world.drop_file("a.xml", document(1));
    world.drop_file("b.json", "{\"type\":\"bundle\",\"spec_version\":\"2.0\"}");
    world.drop_file("c.xml", document(3));
    world.run_once().ended(1);
    assert_eq!(
        (world.sent(), world.failed()),
        (vec!["a.xml".to_owned(), "c.xml".to_owned()], vec!["b.json".to_owned()])
    );
}

#[test]
fn an_inbox_that_is_down_does_not_delay_the_other_and_the_file_leaves_when_both_are_final() {
    let both = "inboxes = [\"partner\", \"second\"]";
    let world = World::new().section(DEAD).inbox("").inbox_named("second", "server = \"dead\"").drop_directory(both);
    let names = drop_many(&world, 3);
    let ran = world.run_once();
    ran.ended(1).said("inbox `second`");
    assert_eq!((world.pushes().len(), world.sent().len(), world.left_over().len()), (3, 0, 0));
    let status = world.status()["drops"]["outgoing"]["inboxes"].clone();
    assert_eq!((&status["partner"]["accepted_total"], &status["partner"]["pending"]), (&3.into(), &0.into()));
    assert_eq!((&status["second"]["accepted_total"], &status["second"]["pending"]), (&0.into(), &3.into()));
    let world = world.reconfigured().inbox("").inbox_named("second", "").drop_directory(both);
    world.run_once().ended(0);
    assert_eq!(world.sent(), names);
    let receipt = world.receipt("sent", &names[0]);
    let outcomes: Vec<_> = receipt["inboxes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["inbox"].clone(), one["outcome"].clone()))
        .collect();
    assert_eq!(outcomes, [("partner".into(), "accepted".into()), ("second".into(), "accepted".into())]);
    assert_eq!(world.pushes().len(), 6, "the first inbox does not get it again");
}

#[test]
fn a_running_agent_serves_one_inbox_while_the_other_says_nothing() {
    let silent = World::new();
    silent.practice.forever(Service::Inbox, Act::silence());
    let other = format!("[servers.silent]\ninbox = \"{}\"\n", silent.practice.url("inbox"));
    let world = World::new().section(&other).inbox("").inbox_named("second", "server = \"silent\"");
    let world = world.drop_directory("inboxes = [\"partner\", \"second\"]");
    let agent = world.start();
    agent.until_said("started");
    for number in 0..5 {
        world.rename_into_place(&format!("{number}.xml"), document(number));
    }
    world.until_seen(|seen| seen.len() == 5);
    eventually(|| world.inbox_status()["accepted_total"] == 5);
    silent.until_seen(|seen| !seen.is_empty());
    assert_eq!(silent.practice.requests().len(), 1);
}

#[test]
fn a_file_that_one_inbox_refuses_fails_though_the_other_has_it() {
    let world = World::with(|options| {
        let second = InboxSpec { name: "second".to_owned(), ..InboxSpec::default() };
        let bindings = vec![ContentBinding { id: "urn:x".to_owned(), subtypes: Vec::new() }];
        options.inboxes = vec![InboxSpec::default(), InboxSpec { content_bindings: bindings, ..second }];
    });
    let other = format!("[servers.other]\ninbox = \"{}\"\n", world.practice.url("inbox/second"));
    let world = world.section(&other).inbox("").inbox_named("second", "server = \"other\"");
    let world = world.drop_directory("inboxes = [\"partner\", \"second\"]");
    world.drop_file("a.xml", document(1));
    world.run_once().ended(1);
    assert_eq!((world.sent().len(), world.failed()), (0, vec!["a.xml".to_owned()]));
    let receipt = world.receipt("failed", "a.xml");
    assert_eq!(
        (&receipt["inboxes"][0]["outcome"], &receipt["inboxes"][1]["outcome"]),
        (&"accepted".into(), &"refused".into())
    );
}

#[test]
fn content_that_an_inbox_has_already_is_not_sent_to_it_again() {
    let world = world();
    world.drop_file("a.xml", document(1));
    world.run_once().ended(0);
    world.drop_file("b.xml", document(1));
    world.run_once().ended(0);
    assert_eq!((world.sent().len(), world.pushes().len()), (2, 1));
    let entry = world.receipt("sent", "b.xml")["inboxes"][0].clone();
    assert_eq!((&entry["outcome"], &entry["attempts"]), (&"duplicate".into(), &0.into()));
    assert_eq!(world.inbox_status()["accepted_total"], 1);
}

#[test]
fn the_same_content_dropped_twice_at_once_is_sent_once() {
    let world = world();
    world.drop_file("a.xml", document(1));
    world.drop_file("b.xml", document(1));
    world.run_once().ended(0);
    assert_eq!((world.sent().len(), world.pushes().len()), (2, 1));
    assert_eq!(world.receipt("sent", "b.xml")["inboxes"][0]["outcome"], "duplicate");
}

#[test]
fn the_same_content_waits_for_what_becomes_of_the_first_where_several_messages_are_under_way() {
    let same = |first: Act| {
        let world = World::new().inbox("connections = 4").drop_directory("");
        for name in ["a.xml", "b.xml", "c.xml"] {
            world.drop_file(name, document(1));
        }
        world.drop_file("other.xml", document(2));
        let late = Duration::from_millis(300);
        world.script(Service::Inbox, vec![first.delay(late), Act::honest().delay(late), Act::honest().delay(late)]);
        world.run_once();
        world
    };
    let world = same(Act::honest());
    assert_eq!((world.sent().len(), world.pushes().len()), (4, 2));
    let (mut accepted, mut duplicate) = (0, 0);
    for name in ["a.xml", "b.xml", "c.xml"] {
        match world.receipt("sent", name)["inboxes"][0]["outcome"].as_str() {
            Some("accepted") => accepted += 1,
            Some("duplicate") => duplicate += 1,
            other => panic!("{name}: {other:?}"),
        }
    }
    assert_eq!((accepted, duplicate), (1, 2));
    let world = same(Act::status("BAD_MESSAGE"));
    assert_eq!((world.sent().len(), world.failed().len()), (3, 1), "a refusal is no reason not to send the next");
}

#[test]
fn duplicates_are_sent_where_the_configuration_says_so() {
    let world = World::new().inbox("").drop_directory("resend_duplicates = true");
    for name in ["a.xml", "b.xml"] {
        world.drop_file(name, document(1));
    }
    world.run_once().ended(0);
    world.drop_file("c.xml", document(1));
    world.run_once().ended(0);
    assert_eq!((world.sent().len(), world.pushes().len()), (3, 3));
    for name in ["a.xml", "b.xml", "c.xml"] {
        assert_eq!(world.receipt("sent", name)["inboxes"][0]["outcome"], "accepted", "{name}");
    }
}

#[test]
fn a_thousand_files_dropped_at_once_are_all_sent() {
    let world = World::new().inbox("connections = 4").drop_directory("");
    let names = drop_many(&world, 1000);
    let since = Instant::now();
    world.run_once().ended(0);
    assert!(since.elapsed() < Duration::from_secs(120), "{:?}", since.elapsed());
    assert_eq!(world.sent().len(), names.len());
    assert_eq!(world.pushes().len(), 1000);
    assert_eq!(world.inbox_status()["accepted_total"], 1000);
    assert_eq!(crate::common::names(&world.outgoing().join("sending")), Vec::<String>::new());
}
