//! Drop directories and inboxes that have another name in the configuration now, or none, while files are pending.

use rustix::process::Signal;
use taxii_sync::practice::{Act, Service};

use super::{document, world};
use crate::common::{World, eventually, names};

/// A world where `a.xml` is pending for `partner`; its configuration is empty now.
fn with_a_pending_file() -> World {
    let world = world();
    world.practice.forever(Service::Inbox, Act::http(503, "text/html", ""));
    world.drop_file("a.xml", document(1));
    world.run_once().ended(1);
    assert_eq!(world.inbox_status()["pending"], 1);
    world.practice.honest(Service::Inbox);
    world.reconfigured()
}

/// The drop directory under another name.
fn renamed(world: World, keys: &str) -> World {
    let path = world.outgoing();
    world.section(&format!("[drops.other]\npath = {:?}\ninboxes = [\"partner\"]\n{keys}\n", path))
}

#[test]
fn what_is_pending_goes_on_under_another_name_of_its_drop_directory() {
    let world = renamed(with_a_pending_file().inbox(""), "");
    world.run_once().ended(0).said("go on under this one");
    assert_eq!(world.sent(), ["a.xml"]);
    let status = world.status();
    assert_eq!(status["drops"]["other"]["inboxes"]["partner"]["accepted_total"], 1);
    let before = &status["drops"]["outgoing"]["inboxes"]["partner"];
    assert_eq!(before["pending"], 0);
    assert!(before["last_error"].is_null(), "nobody would take it back: {before}");
    assert!(world.run(&["status"]).stdout.starts_with("healthy\n"));
}

#[test]
fn what_is_pending_goes_on_under_another_name_after_a_reload() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::http(503, "text/html", ""));
    world.drop_file("a.xml", document(1));
    let mut agent = world.start();
    world.until_seen(|seen| !seen.is_empty());
    let world = renamed(world.reconfigured().inbox(""), "");
    world.write_config();
    agent.signal(Signal::HUP);
    agent.until_said("go on under this one");
    world.practice.honest(Service::Inbox);
    agent.signal(Signal::USR1);
    eventually(|| world.sent() == ["a.xml"]);
    agent.terminate();
}

#[test]
fn what_is_pending_expires_under_another_name() {
    let world = renamed(with_a_pending_file().inbox(""), "give_up = \"1s\"");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world.run_once().ended(1).said("pending for longer than give_up");
    assert_eq!(world.receipt("failed", "a.xml")["inboxes"][0]["outcome"], "expired");
}

#[test]
fn two_drop_directories_may_change_names() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::http(503, "text/html", ""));
    let second = world.path("second");
    let of = |first: &std::path::Path, second: &std::path::Path| {
        format!(
            "[drops.outgoing]\npath = {first:?}\ninboxes = [\"partner\"]\n[drops.second]\npath = {second:?}\n\
             inboxes = [\"partner\"]\n"
        )
    };
    let (one, other) = (of(&world.outgoing(), &second), of(&second, &world.outgoing()));
    let world = world.reconfigured().inbox("").section(&one);
    std::fs::create_dir_all(&second).unwrap();
    world.drop_file("a.xml", document(1));
    world.drop_file("../second/b.xml", document(2));
    world.run_once().ended(1);
    world.practice.honest(Service::Inbox);
    let world = world.reconfigured().inbox("").section(&other);
    world.run_once().ended(0);
    assert_eq!(world.sent(), ["a.xml"]);
    assert!(second.join("sent/b.xml").exists());
}

#[test]
fn what_is_pending_waits_where_it_is_while_its_drop_directory_is_not_configured() {
    let world = with_a_pending_file().inbox("");
    let sending = world.outgoing().join("sending");
    let told = format!("1 file waits still in {}", sending.display());
    for _ in 0..2 {
        world.run_once().ended(1).said(&told).said("put the drop directory back");
        assert!(!world.run_once().stderr.contains("replaced or emptied"));
    }
    assert_eq!(names(&sending).len(), 1);
    let mut agent = world.start();
    agent.until_said("started");
    agent.until_said("files still wait in a drop directory that is not configured");
    agent.terminate();
    assert_eq!(names(&sending).len(), 1);
    let world = renamed(world, "");
    world.run_once().ended(0);
    assert_eq!(world.sent(), ["a.xml"]);
}

#[test]
fn what_is_pending_for_an_inbox_that_is_not_configured_counts() {
    let world = with_a_pending_file().inbox_named("another", "").drop_directory("inboxes = [\"another\"]");
    world.run_once().ended(1).said("1 file waits for inbox `partner`, which is no longer in the configuration");
    let mut agent = world.start();
    agent.until_said("files still wait for an inbox that is not configured");
    agent.terminate();
    let world =
        world.reconfigured().inbox_named("another", "").drop_directory("inboxes = [\"another\"]\ngive_up = \"1s\"");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world
        .run_once()
        .ended(1)
        .said("drop directory `outgoing`: 1 file expired, owed to inboxes that it no longer names");
    assert_eq!(world.failed(), ["a.xml"]);
    world.run_once().ended(0);
}

#[test]
fn what_an_inbox_said_last_is_no_trouble_once_nothing_goes_there() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::status("BAD_MESSAGE"));
    world.drop_file("a.xml", document(1));
    world.run_once().ended(1);
    let last_error = |world: &World| world.status()["drops"]["outgoing"]["inboxes"]["partner"]["last_error"].clone();
    assert!(last_error(&world).as_str().is_some_and(|words| words.contains("BAD_MESSAGE")));
    let path = world.outgoing();
    let world = world.reconfigured().inbox_named("other", "");
    let world = world.section(&format!("[drops.outgoing]\npath = {path:?}\ninboxes = [\"other\"]\n"));
    assert!(world.run(&["status"]).stdout.starts_with("healthy\n"));
    assert!(last_error(&world).is_null());
}
