//! A drop directory that cannot be worked with: everybody who asks is told.

use std::fs;
use std::os::unix::fs::symlink;

use taxii_sync::practice::{Act, Service};

use super::{document, world};
use crate::common::{World, eventually};

fn error(world: &World) -> Option<String> {
    world.status()["drops"]["outgoing"]["last_error"].as_str().map(str::to_owned)
}

#[test]
fn a_drop_directory_that_cannot_be_worked_with_is_no_healthy_one() {
    let world = world();
    let metrics = world.path("metrics.prom");
    let world = world.section(&format!("[metrics]\ntextfile = {metrics:?}\n"));
    let measured = |line: &str| fs::read_to_string(&metrics).unwrap().lines().any(|one| one == line);
    world.drop_file("a.xml", document(1));
    symlink(world.path(""), world.outgoing().join("sent")).unwrap();
    world.run_once().ended(1).said("drop directory `outgoing`: cannot ");
    let said = error(&world).unwrap();
    assert!(said.contains("outgoing/sent"), "{said}");
    assert!(measured("taxii_sync_healthy 0"));
    let text = world.run(&["status"]).stdout;
    assert!(text.starts_with("trouble with drop directory outgoing\n") && text.contains(&said), "{text}");
    fs::remove_file(world.outgoing().join("sent")).unwrap();
    world.run_once().ended(0);
    assert_eq!(error(&world), None);
    assert!(measured("taxii_sync_healthy 1"));
    assert!(world.run(&["status"]).stdout.starts_with("healthy\n"));
}

#[test]
fn the_agent_notes_when_a_drop_directory_cannot_be_worked_with_and_when_it_can_again() {
    let world = World::new().inbox("").drop_directory("rescan = \"1s\"\nsettle = \"0s\"");
    let mut agent = world.start();
    agent.until_said("started");
    fs::rename(world.outgoing(), world.path("away")).unwrap();
    eventually(|| error(&world).is_some_and(|error| error.contains("renamed, removed or unmounted")));
    fs::rename(world.path("away"), world.outgoing()).unwrap();
    eventually(|| error(&world).is_none());
    agent.terminate();
}

#[test]
fn files_for_an_inbox_that_is_no_longer_configured_are_trouble_until_they_are_gone() {
    let world = world();
    let metrics = world.path("metrics.prom");
    world.practice.forever(Service::Inbox, Act::http(503, "text/html", "busy"));
    world.drop_file("a.xml", document(1));
    world.run_once().ended(1);
    let metrics_section = format!("[metrics]\ntextfile = {metrics:?}\n");
    let to_other = "inboxes = [\"other\"]";
    let world = world.reconfigured().section(&metrics_section).inbox_named("other", "").drop_directory(to_other);
    world.run_once().ended(1).said("put the inbox back");
    let text = world.run(&["status"]).stdout;
    assert!(text.starts_with("trouble with drop directory outgoing\n"), "{text}");
    assert!(text.contains("to partner (no longer configured): 1 pending"), "{text}");
    assert!(!text.contains("next attempt"), "nobody makes one: {text}");
    let status = world.inbox_status();
    assert_eq!((&status["configured"], &status["next_try"]), (&false.into(), &serde_json::Value::Null));
    let measured = fs::read_to_string(&metrics).unwrap();
    for sample in ["taxii_sync_healthy 0", "taxii_sync_inbox_healthy{drop=\"outgoing\",inbox=\"partner\"} 0"] {
        assert!(measured.lines().any(|line| line == sample), "{measured}");
    }
    let world = world.reconfigured().inbox("").drop_directory("");
    world.practice.honest(Service::Inbox);
    world.run_once().ended(0);
    assert!(world.run(&["status"]).stdout.starts_with("healthy\n"));
}
