//! The agent as a service: signals, systemd, its lock.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use taxii_sync::practice::{Act, Service, StatusReply};

use super::{document, world};
use crate::common::{PATIENCE, World, eventually, for_each};

/// What arrives on a notification socket, up to and with a line that is waited for.
fn heard(socket: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let since = Instant::now();
    while !lines.iter().any(|line| line == wanted) {
        assert!(since.elapsed() < PATIENCE, "{wanted} never came, only {lines:?}");
        let mut buffer = [0; 4096];
        if let Ok(count) = socket.recv(&mut buffer) {
            lines.extend(String::from_utf8_lossy(&buffer[..count]).lines().map(str::to_owned));
        }
    }
    lines
}

#[test]
fn systemd_is_told_that_the_agent_is_ready_alive_reloading_and_stopping() {
    let world = world();
    let path = world.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut agent = world.start_with(|command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    });
    heard(&socket, "READY=1");
    assert!(world.path("state/lock").exists());
    let since = Instant::now();
    for _ in 0..4 {
        heard(&socket, "WATCHDOG=1");
    }
    assert!(since.elapsed() < Duration::from_millis(3000), "{:?}", since.elapsed());
    agent.signal(Signal::HUP);
    let reload = heard(&socket, "RELOADING=1");
    assert!(!reload.iter().any(|line| line == "READY=1"));
    heard(&socket, "READY=1");
    agent.signal(Signal::TERM);
    heard(&socket, "STOPPING=1");
    assert_eq!(agent.end().0, Some(0));
}

#[test]
fn sigint_and_sigterm_end_the_agent_with_exit_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let world = world();
        let mut agent = world.start();
        agent.until_said("started");
        agent.signal(signal);
        let (code, took) = agent.end();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn sigterm_while_a_message_is_under_way_ends_within_20_seconds_and_the_file_stays_pending() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::silence());
    world.drop_file("a.xml", document(1));
    let mut agent = world.start();
    world.until_seen(|seen| seen.len() == 1);
    agent.terminate();
    assert_eq!(world.inbox_status()["pending"], 1);
    world.practice.honest(Service::Inbox);
    world.run_once().ended(0);
    assert_eq!(world.sent(), ["a.xml"]);
    assert_eq!(world.inbox_status()["unknown_total"], 1);
    assert_eq!(world.receipt("sent", "a.xml")["inboxes"][0]["attempts"], 2);
}

#[test]
fn what_is_taken_in_is_sent_while_the_listing_goes_on() {
    let world = world();
    for number in 0..4000 {
        world.drop_file(format!("{number}.xml"), document(number));
    }
    let agent = world.start();
    world.until_seen(|seen| !seen.is_empty());
    assert!(world.left_over().len() > 1000, "{} files are left", world.left_over().len());
    drop(agent);
}

#[test]
fn a_broken_configuration_is_refused_at_sighup_and_the_old_one_stays() {
    let world = world();
    let mut agent = world.start();
    agent.until_said("started");
    let config = world.path("config.toml");
    let good = fs::read_to_string(&config).unwrap();
    for broken in [good.replace("[drops.outgoing]", "[drops.outgoing]\nnonsense = 1"), "[[[".to_owned()] {
        fs::write(&config, broken).unwrap();
        let before = agent.log().matches("refused").count();
        agent.signal(Signal::HUP);
        eventually(|| agent.log().matches("refused").count() > before);
    }
    assert!(agent.log().contains("nonsense"), "{}", agent.log());
    world.rename_into_place("a.xml", document(1));
    eventually(|| world.sent() == ["a.xml"]);
    agent.terminate();
}

#[test]
fn a_new_configuration_is_in_force_after_sighup() {
    let world = world();
    let agent = world.start();
    agent.until_said("started");
    let world = world.feed("every = \"1h\"");
    world.add_numbered(3);
    world.write_config();
    agent.signal(Signal::HUP);
    eventually(|| world.files().len() == 3);
    let world = world.reconfigured().feed("every = \"1h\"").inbox("").drop_directory("include = [\"*.json\"]");
    world.write_config();
    agent.signal(Signal::HUP);
    eventually(|| agent.log().matches("read again").count() == 2);
    world.rename_into_place("a.xml", document(1));
    world.rename_into_place("b.json", "{\"type\":\"bundle\",\"spec_version\":\"2.0\"}");
    eventually(|| world.sent() == ["b.json"]);
    assert_eq!(world.left_over(), ["a.xml"]);
    assert_eq!(world.polls().len(), 1, "what did not change goes on undisturbed");
}

#[test]
fn sigusr1_looks_at_the_drop_directories_and_tries_what_waits_now() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::status("DENIED"));
    world.drop_file("a.xml", document(1));
    let agent = world.start();
    world.until_seen(|seen| seen.len() == 1);
    eventually(|| world.inbox_status()["last_error"].is_string());
    world.practice.honest(Service::Inbox);
    agent.signal(Signal::USR1);
    eventually(|| world.sent() == ["a.xml"]);
}

#[test]
fn a_running_agent_tries_again_after_a_wait_that_the_server_asked_for() {
    let world = world();
    let retry = StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "2");
    world.script(Service::Inbox, vec![Act::status(retry)]);
    world.drop_file("a.xml", document(1));
    let _agent = world.start();
    eventually(|| world.sent() == ["a.xml"]);
    let seen = world.pushes();
    assert!((seen[1].at - seen[0].at).num_milliseconds() >= 1900);
}

#[test]
fn a_wait_that_the_server_asked_for_holds_for_what_is_dropped_later_and_after_a_restart() {
    let cases = [
        Act::http(503, "text/plain", "busy").header("Retry-After", "9"),
        Act::status("FAILURE").header("Retry-After", "9"),
        Act::status(StatusReply::new("RETRY").detail("ESTIMATED_WAIT", "9")),
    ];
    for_each(cases, |act| {
        let world = world();
        world.script(Service::Inbox, vec![act]);
        let mut agent = world.start();
        agent.until_said("started");
        world.rename_into_place("a.xml", document(1));
        eventually(|| world.inbox_status()["last_error"].is_string());
        world.rename_into_place("b.xml", document(2));
        std::thread::sleep(Duration::from_millis(500));
        agent.signal(Signal::USR1);
        std::thread::sleep(Duration::from_millis(500));
        agent.terminate();
        let _agent = world.start();
        world.rename_into_place("c.xml", document(3));
        eventually(|| world.sent() == ["a.xml", "b.xml", "c.xml"]);
        let seen = world.pushes();
        assert_eq!(seen.len(), 4);
        assert!((seen[1].at - seen[0].at).num_milliseconds() >= 8900, "{}", seen[1].at - seen[0].at);
    });
}

#[test]
fn a_pause_that_the_agent_chose_holds_for_what_is_dropped_later_until_a_message_is_accepted() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::status("DENIED"));
    let agent = world.start();
    agent.until_said("started");
    world.rename_into_place("a.xml", document(1));
    eventually(|| world.inbox_status()["last_error"].is_string());
    world.rename_into_place("b.xml", document(2));
    eventually(|| world.inbox_status()["pending"] == 2);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(world.pushes().len(), 1);
    let next = crate::common::time(world.inbox_status()["next_try"].as_str().unwrap());
    assert!(next > world.pushes()[0].at, "{next}");
    world.practice.honest(Service::Inbox);
    agent.signal(Signal::USR1);
    eventually(|| world.sent() == ["a.xml", "b.xml"]);
    world.rename_into_place("c.xml", document(3));
    eventually(|| world.sent() == ["a.xml", "b.xml", "c.xml"]);
}

#[test]
fn files_that_fail_do_not_keep_those_behind_them_waiting() {
    // A pause is one second at least.
    for_each([("NETWORK_ERROR", 900), ("FAILURE", 0)], |(status, pause)| {
        let world = world();
        for number in 0..6 {
            world.drop_file(format!("{number}.xml"), document(number));
        }
        world.script(Service::Inbox, vec![Act::status(status); 2]);
        let _agent = world.start();
        eventually(|| world.practice.stored("default").len() == 6);
        let (seen, stored) = (world.pushes(), world.practice.stored("default"));
        let got: Vec<String> =
            stored.iter().map(|block| String::from_utf8_lossy(&block.content).into_owned()).collect();
        assert_eq!(got[..4], [2, 3, 4, 5].map(document), "{status}");
        let paused = (seen[2].at - seen[1].at).num_milliseconds();
        assert!(paused >= pause, "{status}: {paused} ms");
    });
}

#[test]
fn a_second_agent_on_the_same_state_is_refused() {
    let world = world();
    let agent = world.start();
    agent.until_said("started");
    for arguments in [&["run"][..], &["run", "--once"]] {
        world.run(arguments).ended(1).said("another taxii-sync");
    }
    let status = world.run(&["status"]);
    status.ended(0);
    drop(agent);
    world.run_once().ended(0);
}

#[test]
fn a_configuration_that_is_not_there_or_wrong_ends_with_2() {
    let world = World::new();
    let missing = world.path("missing.toml").display().to_string();
    for command in [&["run"][..], &["run", "--once"], &["status"], &["check"]] {
        let mut arguments = vec!["--config", missing.as_str()];
        arguments.extend(command);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_taxii-sync")).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("missing.toml"), "{command:?}");
    }
    let world = world.section("[feeds.x]\nserver = \"nowhere\"\n");
    let ran = world.run_once();
    ran.ended(2).said("nowhere").said("collection").said("output");
    assert!(!world.path("state").exists(), "nothing is made");
}

#[test]
fn an_empty_configuration_runs_and_does_nothing() {
    let world = World::new();
    world.run_once().ended(0);
    let mut agent = world.start();
    agent.until_said("started");
    agent.terminate();
    assert_eq!(world.practice.requests().len(), 0);
}
