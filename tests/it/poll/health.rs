//! Pauses, identities, and feeds beside each other.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use taxii_sync::practice::{Act, CollectionSpec, Service};

use crate::common::{World, all_numbered, contents_of, eventually, minutes_ago, numbered};

#[test]
fn a_feed_without_enough_free_space_pauses_and_says_so() {
    let world = World::new().feed("min_free = \"900000GiB\"");
    world.add_numbered(2);
    world.run_once().ended(1).said("min_free");
    assert_eq!((world.files().len(), world.cursor()), (0, None));
    assert_eq!(world.practice.requests().len(), 0, "nothing is asked for that cannot be kept");
    let world = world.reconfigured().feed("");
    world.run_once().ended(0);
    assert_eq!(world.texts(), all_numbered(2));
}

#[test]
fn a_feed_with_too_many_unread_files_pauses_between_parts_and_goes_on_where_it_was() {
    let world = World::with(|options| options.max_result_size = 2).feed("max_unread = 3");
    world.add_numbered(7);
    world.run_once().ended(1).said("max_unread");
    assert_eq!(world.texts(), all_numbered(4), "the part that was asked for is handed over");
    assert_eq!(world.cursor(), None);
    world.run_once().ended(1).said("at least 3 files waiting in");
    for name in world.files() {
        fs::remove_file(world.output("indicators").join(name)).unwrap();
    }
    world.run_once().ended(0);
    assert_eq!(world.texts(), all_numbered(7)[4..]);
    let polls = world.polls();
    assert!(polls[1..].iter().all(|poll| poll.begin == polls[0].end), "the result goes on");
}

#[test]
fn metadata_files_are_not_unread_content() {
    let world = World::new().feed("max_unread = 3");
    world.add_numbered(2);
    world.run_once().ended(0);
    world.run_once().ended(0);
}

#[test]
fn directories_of_readers_are_not_unread_content() {
    let world = World::new().feed("max_unread = 1");
    fs::create_dir_all(world.output("indicators").join("archive")).unwrap();
    world.add_numbered(1);
    world.run_once().ended(0);
    assert_eq!(world.polls().len(), 1, "it is asked");
}

#[test]
fn another_collection_starts_afresh() {
    let world = World::with(|options| options.collections.push(CollectionSpec::feed("other"))).feed("");
    world.add_numbered(1);
    world.add_to("other", minutes_ago(40), &numbered(7));
    world.run_once().ended(0);
    let world = world.reconfigured().feed("collection = \"other\"");
    world.run_once().ended(0);
    let begins: Vec<_> = world.polls().iter().map(|poll| poll.begin.clone().unwrap().at).collect();
    assert!(begins[1] - begins[0] < chrono::TimeDelta::seconds(30), "it begins at `start` again");
    assert_eq!(world.texts(), [numbered(7), numbered(0)]);
}

#[test]
fn what_does_not_belong_to_the_identity_keeps_the_cursor() {
    let world = World::new().feed("lag = \"0s\"");
    world.run_once().ended(0);
    let cursor = world.cursor().unwrap();
    let world = world.reconfigured().feed("lag = \"0s\"\nwindow = \"2h\"\nmetadata = false\nstart = \"5h\"");
    world.run_once().ended(0);
    assert_eq!(world.polls()[1].begin.as_ref().unwrap().at, cursor);
}

#[test]
fn a_feed_that_is_no_longer_configured_keeps_its_cursor_in_the_status() {
    let world = World::new().feed("lag = \"0s\"");
    world.run_once().ended(0);
    let cursor = world.cursor();
    let world = world.reconfigured().feed_named("other", "");
    let status = world.status();
    assert_eq!(status["feeds"]["indicators"]["configured"], false);
    assert_eq!(world.cursor(), cursor);
    assert_eq!(status["feeds"]["other"]["configured"], true);
    assert_eq!(status["feeds"]["other"]["cursor"], Value::Null);
    world.run_once().ended(0);
    let world = world.reconfigured().feed("lag = \"0s\"");
    world.run_once().ended(0);
    assert_eq!(world.polls().last().unwrap().begin.as_ref().map(|begin| begin.at), cursor);
}

#[test]
fn one_feed_that_fails_does_not_stop_the_others() {
    let world = World::new();
    let dead = "[servers.dead]\npoll = \"http://127.0.0.1:9/poll\"\n";
    let world = world.section(dead).feed("").feed_named("broken", "collection = \"nowhere\"");
    let world = world.feed_named("unreachable", "server = \"dead\"");
    world.add_numbered(2);
    let ran = world.run_once();
    ran.ended(1).said("feed `broken` failed").said("feed `unreachable` failed");
    assert!(!ran.stderr.contains("feed `indicators`"), "{}", ran.stderr);
    assert_eq!(world.texts(), all_numbered(2));
    let status = world.status();
    assert!(status["feeds"]["broken"]["last_error"].is_string());
    assert_eq!(status["feeds"]["indicators"]["last_error"], Value::Null);
}

#[test]
fn a_server_gets_one_poll_at_a_time() {
    let world = World::new().feed("").feed_named("second", "").feed_named("third", "");
    world.practice.forever(Service::Poll, Act::honest().delay(Duration::from_millis(200)));
    world.run_once().ended(0);
    let seen = world.practice.requests();
    for pair in seen.windows(2) {
        assert!((pair[1].at - pair[0].at).num_milliseconds() >= 190, "polls overlap");
    }
}

#[test]
fn the_status_before_anything_ran_is_nulls_and_zeros_and_makes_nothing() {
    let world = World::new().feed("").inbox("").drop_directory("");
    let before = crate::common::names(&world.path(""));
    let status = world.status();
    let feed = &status["feeds"]["indicators"];
    for key in ["cursor", "last_success", "last_error", "next_poll", "lag_seconds"] {
        assert_eq!(feed.get(key), Some(&Value::Null), "{key}");
    }
    for key in ["files_total", "bytes_total", "quarantined_total"] {
        assert_eq!(feed[key], 0, "{key}");
    }
    let inbox = &status["drops"]["outgoing"]["inboxes"]["partner"];
    for key in ["pending", "accepted_total", "refused_total"] {
        assert_eq!(inbox[key], 0, "{key}");
    }
    for key in ["oldest_pending_seconds", "last_error"] {
        assert_eq!(inbox.get(key), Some(&Value::Null), "{key}");
    }
    let mut after = crate::common::names(&world.path(""));
    after.retain(|name| name != "config.toml");
    assert_eq!(after, before);
    assert!(!world.path("state").exists());
    assert_eq!(contents_of(&world.outgoing()), Vec::<String>::new());
}

#[test]
fn the_agent_polls_at_start_and_says_when_it_polls_next() {
    let world = World::new().feed("every = \"1h\"");
    world.add_numbered(2);
    let mut agent = world.start();
    eventually(|| world.files().len() == 2);
    eventually(|| world.feed_status()["next_poll"].is_string());
    let next = crate::common::time(world.feed_status()["next_poll"].as_str().unwrap());
    let minutes = (next - chrono::Utc::now()).num_minutes();
    assert!((53..=66).contains(&minutes), "{minutes}");
    agent.terminate();
    // What is not due is not polled at the next start.
    let mut agent = world.start();
    agent.until_said("started");
    std::thread::sleep(Duration::from_millis(300));
    agent.terminate();
    assert_eq!(world.polls().len(), 1);
}

#[test]
fn sigusr1_polls_now() {
    let world = World::new().feed("every = \"1h\"\nlag = \"0s\"");
    let agent = world.start();
    world.until_seen(|seen| seen.len() == 1);
    eventually(|| world.feed_status()["next_poll"].is_string());
    world.add(chrono::Utc::now(), &numbered(1));
    agent.signal(Signal::USR1);
    world.until_seen(|seen| seen.len() == 2);
    eventually(|| world.files().len() == 1);
}

#[test]
fn sigterm_in_the_middle_of_a_slow_reply_ends_within_20_seconds() {
    let world = World::new().feed("");
    world.add(minutes_ago(10), &format!("<n>{}</n>", "x".repeat(100_000)));
    world.practice.forever(Service::Poll, Act::honest().drip(100, Duration::from_millis(100)));
    let mut agent = world.start();
    world.until_seen(|seen| !seen.is_empty());
    let since = Instant::now();
    agent.terminate();
    assert!(since.elapsed() < Duration::from_secs(20));
    assert_eq!((world.files().len(), world.cursor()), (0, None));
}

#[test]
fn a_first_poll_that_fails_by_the_server_s_clock_leaves_what_it_learnt_to_the_next() {
    let world = World::off_by(chrono::TimeDelta::hours(-2)).feed("start = \"1h\"");
    world.run_once().ended(1).said("the server's clock is 2 h 0 min behind ours");
    world.run_once().ended(0);
}

/// An agent whose feed has a month to catch up with, and three days of that behind it.
fn catching_up(world: &World) -> crate::common::Agent {
    world.practice.forever(Service::Poll, Act::honest().delay(Duration::from_millis(200)));
    let agent = world.start();
    world.until_seen(|seen| seen.len() == 3);
    agent
}

#[test]
fn a_poll_that_was_stopped_goes_on_at_the_next_start() {
    let world = World::new().feed("every = \"1h\"\nstart = \"30d\"");
    catching_up(&world).terminate();
    let before = world.polls().len();
    let _agent = world.start();
    world.until_seen(|seen| seen.len() > before + 2);
}

#[test]
fn a_poll_that_was_stopped_by_a_reload_goes_on_after_it() {
    let world = World::new().feed("every = \"1h\"\nstart = \"30d\"");
    let agent = catching_up(&world);
    let world = world.reconfigured().feed("every = \"1h\"\nstart = \"30d\"\nmetadata = false");
    world.write_config();
    agent.signal(Signal::HUP);
    agent.until_said("the configuration was read again");
    let before = world.polls().len();
    world.until_seen(|seen| seen.len() > before + 2);
}

#[test]
fn a_failure_without_a_hint_of_its_own_names_the_address_and_what_can_be_done() {
    let world = World::new().feed("");
    let url = world.practice.url("poll");
    let answers = [(404, "check the address; it is tried again"), (500, "`taxii-sync check --online` asks the server")];
    for (http, hint) in answers {
        world.practice.forever(Service::Poll, Act::http(http, "text/html", "gone"));
        let ran = world.run_once();
        ran.ended(1).said(&format!("feed `indicators` failed: {url}: the server answered HTTP {http}")).said(hint);
    }
}

#[test]
fn a_pause_that_is_not_over_is_no_second_failure() {
    let world = World::new().feed("");
    world.practice.forever(Service::Poll, Act::http(503, "text/html", "busy").header("Retry-After", "600"));
    world.run_once().ended(1);
    let told = || (world.feed_status()["failures"].clone(), world.feed_status()["last_error"].clone());
    let before = told();
    assert!(before.0 == 1 && before.1.as_str().unwrap().contains("HTTP 503"), "{before:?}");
    world.run_once().ended(1).said("the server asked for a pause");
    assert_eq!(told(), before, "the server was not asked again");
    assert_eq!(world.practice.requests().len(), 1);
}

#[test]
fn a_credential_that_is_missing_here_is_no_silence_of_the_server() {
    let auth = "auth = { type = \"basic\", username = \"sensor\", password_credential = \"hub\" }";
    let world = World::new().server(auth).discovered().feed("");
    let mut command = world.command(&["run", "--once"]);
    let ran = command.env_remove("CREDENTIALS_DIRECTORY").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.contains("CREDENTIALS_DIRECTORY is not set"), "{said}");
    assert!(!said.contains("does not describe its collections"), "{said}");
    assert_eq!(world.practice.requests().len(), 0);
}
