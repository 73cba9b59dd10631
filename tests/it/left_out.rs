//! What cannot be worked with as it is configured waits alone, and all the rest goes on.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::common::{PATIENCE, World, eventually, for_each};

const REPORT: &str = r#"<s:STIX_Package xmlns:s="http://stix.mitre.org/stix-1" version="1.2"/>"#;

/// A server that works, with a feed and an inbox, and one whose authorities are in a file that is not there.
fn half() -> World {
    let world = World::new().feed("").inbox("server = \"other\"").drop_directory("");
    let (poll, inbox) = (world.practice.url("poll"), world.practice.url("inbox"));
    let authorities = world.path("ca.pem");
    world.feed_named("beyond", "server = \"other\"").section(&format!(
        "[servers.other]\npoll = \"{poll}\"\ninbox = \"{inbox}\"\n[servers.other.tls]\nca_file = {authorities:?}\n"
    ))
}

fn mend(world: &World) {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(world.path("ca.pem"), certificate.cert.pem()).unwrap();
}

fn trouble_of(world: &World) -> (String, String) {
    let status = world.status();
    let words = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    (words(&status["feeds"]["beyond"]["last_error"]), words(&world.inbox_status()["last_error"]))
}

#[test]
fn a_server_whose_file_is_missing_holds_up_no_other_and_is_taken_up_when_it_is_there() {
    let world = half();
    world.add_numbered(2);
    world.drop_file("report.xml", REPORT);
    let mut agent = world.start();
    eventually(|| world.files().len() == 2);
    eventually(|| trouble_of(&world).0.contains("tls.ca_file: cannot read"));
    agent.until_said("its feeds and inboxes cannot be worked with as they are configured");
    let log = agent.log();
    assert!(log.contains("server=\"other\"") && log.matches("ca.pem").count() == 1, "{log}");
    eventually(|| world.left_over().is_empty());
    assert_eq!(world.sent(), [""; 0]);
    mend(&world);
    agent.signal(Signal::USR1);
    eventually(|| world.sent() == ["report.xml"]);
    eventually(|| fs::read_dir(world.output("beyond")).unwrap().count() > 2);
    agent.until_said("polling works again");
    eventually(|| trouble_of(&world) == (String::new(), String::new()));
    agent.terminate();
}

#[test]
fn what_is_mended_is_taken_up_within_a_minute_or_so() {
    let world = half();
    let mut agent = world.start();
    agent.until_said("its feeds and inboxes cannot be worked with as they are configured");
    mend(&world);
    let mended = Instant::now();
    while !agent.log().contains("its feeds and inboxes can be worked with now") {
        assert!(mended.elapsed() < Duration::from_secs(60) + PATIENCE, "{}", agent.log());
        thread::sleep(Duration::from_millis(200));
    }
    agent.terminate();
}

#[test]
fn a_reload_is_refused_for_what_is_newly_wrong_alone() {
    let world = half();
    let mut agent = world.start();
    agent.until_said("its feeds and inboxes cannot be worked with as they are configured");
    world.add_numbered(2);
    let world = world.feed_named("third", "");
    world.write_config();
    agent.signal(Signal::HUP);
    eventually(|| fs::read_dir(world.output("third")).is_ok_and(|files| files.count() > 2));
    let world = world.feed_named("fourth", "group = \"nobody-has-it\"");
    world.write_config();
    agent.signal(Signal::HUP);
    agent.until_said("the new configuration is refused");
    let log = agent.log();
    assert!(log.contains("feed `fourth`: there is no group") && log.matches("ca.pem").count() == 1, "{log}");
    agent.terminate();
}

#[test]
fn a_run_does_all_that_can_be_done_and_names_what_cannot() {
    let world = half();
    world.add_numbered(2);
    world.drop_file("report.xml", REPORT);
    let ran = world.run_once();
    ran.ended(1).said("feed `beyond` failed: server `other`: tls.ca_file: cannot read");
    ran.said("inbox `partner`: server `other`: tls.ca_file: cannot read");
    assert_eq!(world.files().len(), 2);
    assert!(trouble_of(&world).0.contains("tls.ca_file: cannot read"));
    assert!(trouble_of(&world).1.contains("tls.ca_file: cannot read"));
    mend(&world);
    world.run_once().ended(0);
    assert_eq!((world.sent(), trouble_of(&world)), (vec!["report.xml".to_owned()], (String::new(), String::new())));
    fs::remove_file(world.path("ca.pem")).unwrap();
    world.run_once().ended(1);
    let health = || world.run(&["status"]).stdout.lines().next().unwrap_or_default().to_owned();
    assert_eq!(health(), "trouble with drop directory outgoing, feed beyond");
    mend(&world);
    world.run_once().ended(0);
    assert_eq!(health(), "healthy", "though there was nothing to send");
}

#[test]
fn a_feed_without_its_group_or_query_holds_up_no_other_and_keeps_its_cursor() {
    let cases =
        [("group = \"nobody-has-it\"", "there is no group"), ("query_file = \"/nowhere\"", "query_file: cannot read")];
    for_each(cases, |(keys, words)| {
        let world = World::new().feed_named("beyond", "");
        world.add_numbered(2);
        world.run_once().ended(0);
        let of_beyond = |world: &World| world.status()["feeds"]["beyond"].clone();
        let cursor = of_beyond(&world)["cursor"].clone();
        let world = world.reconfigured().feed("").feed_named("beyond", keys);
        world.run_once().ended(1).said("feed `beyond` failed: feed `beyond`: ").said(words);
        assert_eq!((world.files().len(), of_beyond(&world)["cursor"].clone()), (2, cursor), "{keys}");
        assert!(of_beyond(&world)["last_error"].as_str().unwrap().contains(words), "{keys}");
    });
}

#[test]
fn an_agent_that_could_do_nothing_at_all_does_not_start() {
    let world = World::new().feed("group = \"no-such-group\"").feed_named("other", "query_file = \"/nowhere\"");
    world.run(&["run"]).ended(1).said("there is no group `no-such-group`");
    world.run_once().ended(1).said("there is no group `no-such-group`");
}

#[test]
fn a_check_names_what_this_machine_lacks() {
    let world = half().feed_named("third", "group = \"no-such-group\"");
    let ran = world.run(&["check"]);
    ran.ended(0)
        .said("warning: server `other`: tls.ca_file: cannot read")
        .said("warning: feed `third`: there is no group");
}

#[test]
fn a_query_that_was_edited_is_sent_after_a_reload() {
    let query = |target: &str| {
        format!(
            "<q:Default_Query xmlns:q=\"http://taxii.mitre.org/query/taxii_default_query-1\" targeting_expression_id=\"{target}\"/>"
        )
    };
    let world = World::new();
    let path = world.path("query.xml");
    fs::write(&path, query("urn:first")).unwrap();
    let world = world.feed(&format!("query_file = {path:?}"));
    let mut agent = world.start();
    world.until_seen(|seen| seen.iter().any(|one| String::from_utf8_lossy(&one.body_start).contains("urn:first")));
    fs::write(&path, query("urn:second")).unwrap();
    agent.signal(Signal::HUP);
    world.until_seen(|seen| seen.iter().any(|one| String::from_utf8_lossy(&one.body_start).contains("urn:second")));
    agent.terminate();
}
