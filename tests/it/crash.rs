//! A network that fails: replies that break off anywhere, servers that fall silent, uploads that are cut.
//!
//! What the system itself does to the agent (kills, errors, power cuts) is in `tests/crash/`, with commands of its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use taxii_sync::agent;
use taxii_sync::clock::Clock;
use taxii_sync::config::Config;
use taxii_sync::peer::Patience;
use taxii_sync::poll::{Ended, Feed};
use taxii_sync::practice::{Act, BlockSpec, Close, Framing, Service};
use taxii_sync::store::ledger::Ledger;
use taxii_sync::store::output::{Manner, Staging};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::common::{STIX, World};

/// A reply is cut after every so many bytes: a prime, so that no structure of the reply is always met at the same place.
const EVERY: usize = 97;

/// The content of the blocks: some kilobytes in all, so that a cut falls into each part of a reply.
fn contents() -> Vec<String> {
    let content = |number: usize| {
        let filling = "<y a='b'>text &amp; more</y>".repeat(20 * number);
        format!("<x:block xmlns:x=\"urn:example\" number=\"{number}\">{filling}</x:block>")
    };
    (1..=6).map(content).collect()
}

/// Long enough for a busy machine.
const PATIENT: &str = "60s";

/// A feed that gives up at the first trouble; what it is made of is what the agent makes.
fn feed(world: &World, state: &Path, total_timeout: &str) -> Feed {
    let config = format!(
        "[servers.hub]\npoll = \"{}\"\nidle_timeout = \"{total_timeout}\"\ntotal_timeout = \"{total_timeout}\"\n\
         [feeds.indicators]\nserver = \"hub\"\ncollection = \"default\"\nstart = \"1h\"\nlag = \"0s\"\noutput = {:?}\n",
        world.practice.url("poll"),
        world.output("indicators"),
    );
    let config = Config::parse(&config, "config.toml").unwrap().config;
    let (clock, settings) = (Clock::system(), config.feeds["indicators"].clone());
    std::fs::create_dir_all(state).unwrap();
    let loaded = agent::load("hub", &config.servers["hub"]).unwrap();
    Feed {
        name: "indicators".to_owned(),
        peer: Arc::new(agent::peer("hub", &loaded, &clock, &Arc::new(Semaphore::new(2))).unwrap()),
        ledger: Arc::new(Ledger::open(state).unwrap()),
        manner: Manner { mode: settings.file_mode, group: None, staging: Staging::Kept },
        settings,
        query: None,
        clock,
        patience: Patience { retries: 0, ..Patience::default() },
        until: None,
        stop: Default::default(),
        told: Default::default(),
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// The content files in the output directory.
fn handed_over(world: &World) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(world.output("indicators")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "xml"))
        .map(|p| std::fs::read_to_string(p).unwrap())
        .collect()
}

fn world_with_blocks() -> World {
    let world = World::new();
    let since = chrono::Utc::now() - chrono::TimeDelta::minutes(10);
    for (seconds, content) in (1..).zip(contents()) {
        let label = Some(since + chrono::TimeDelta::seconds(seconds));
        world.practice.add_block("default", BlockSpec { label, ..BlockSpec::new(STIX, content) });
    }
    world
}

/// Cuts the reply at every 97th byte until it is whole, and expects nothing of any cut one. Gives the number of cuts.
fn cut_everywhere(framing: Framing, how: Close) -> usize {
    let world = world_with_blocks();
    let feed = feed(&world, &world.path("state"), PATIENT);
    let runtime = runtime();
    let poll = || runtime.block_on(feed.poll());
    let mut cuts = 0;
    for at in (0..).step_by(EVERY) {
        world.practice.honest(Service::Poll);
        world.practice.script(Service::Poll, vec![Act::honest().framing(framing).cut(at, how)]);
        // Whatever is asked for after the cut gets no reply, so that what comes can only have come from the cut one.
        world.practice.forever(Service::Poll, Act::http(503, "text/plain", "busy"));
        if !matches!(poll(), Ended::Failed(_)) {
            break;
        }
        cuts += 1;
        assert_eq!(handed_over(&world), Vec::<String>::new(), "{framing:?} cut after {at} bytes");
        let cursor = feed.ledger.feed_by_name("indicators").unwrap().and_then(|row| row.cursor);
        assert_eq!(cursor, None, "{framing:?} cut after {at} bytes");
    }
    world.practice.honest(Service::Poll);
    assert_eq!(poll(), Ended::UpToDate);
    let files = handed_over(&world);
    assert_eq!(files.iter().cloned().collect::<BTreeSet<_>>(), contents().into_iter().collect());
    assert_eq!(files.len(), contents().len());
    cuts
}

#[test]
fn a_reply_of_known_length_that_is_cut_anywhere_hands_nothing_over_and_moves_nothing() {
    assert!(cut_everywhere(Framing::Honest, Close::Fin) > 100);
}

#[test]
fn a_chunked_reply_that_is_cut_anywhere_hands_nothing_over_and_moves_nothing() {
    assert!(cut_everywhere(Framing::Chunked, Close::Fin) > 100);
}

#[test]
fn a_reply_that_ends_with_the_connection_and_is_cut_anywhere_hands_nothing_over_and_moves_nothing() {
    assert!(cut_everywhere(Framing::UntilClose, Close::Fin) > 100);
}

#[test]
fn a_reply_that_is_reset_anywhere_hands_nothing_over_and_moves_nothing() {
    assert!(cut_everywhere(Framing::Chunked, Close::Reset) > 100);
}

#[test]
fn a_server_that_falls_silent_or_drips_ends_the_poll_and_moves_nothing() {
    let world = world_with_blocks();
    let feed = feed(&world, &world.path("state"), "2s");
    let runtime = runtime();
    let poll = || runtime.block_on(feed.poll());
    let bad = [
        Act::silence(),
        Act::closed(Close::Reset),
        Act::closed(Close::Fin),
        Act::honest().drip(1, Duration::from_millis(20)),
        Act::honest().drip_head(1, Duration::from_millis(20)),
    ];
    for act in bad {
        world.practice.honest(Service::Poll);
        world.practice.forever(Service::Poll, act.clone());
        assert!(matches!(poll(), Ended::Failed(_)), "{act:?}");
        assert_eq!(handed_over(&world), Vec::<String>::new(), "{act:?}");
        assert_eq!(feed.ledger.feed_by_name("indicators").unwrap().unwrap().cursor, None, "{act:?}");
    }
    world.practice.honest(Service::Poll);
    assert_eq!(poll(), Ended::UpToDate);
    assert_eq!(handed_over(&world).len(), contents().len());
}

#[test]
fn a_result_that_is_cut_in_its_second_part_hands_the_first_over_once() {
    let world = World::with(|options| options.max_result_size = 2);
    let since = chrono::Utc::now() - chrono::TimeDelta::minutes(10);
    for (seconds, content) in (1..).zip(contents()) {
        let label = Some(since + chrono::TimeDelta::seconds(seconds));
        world.practice.add_block("default", BlockSpec { label, ..BlockSpec::new(STIX, content) });
    }
    let feed = feed(&world, &world.path("state"), PATIENT);
    let runtime = runtime();
    let poll = || runtime.block_on(feed.poll());
    world.practice.script(Service::Poll, vec![Act::honest(), Act::honest().cut(500, Close::Reset)]);
    world.practice.forever(Service::Poll, Act::http(503, "text/plain", "busy"));
    assert!(matches!(poll(), Ended::Failed(_)));
    assert_eq!(handed_over(&world).len(), 2);
    assert_eq!(feed.ledger.feed_by_name("indicators").unwrap().unwrap().cursor, None);
    // A reader may take them: they do not come back.
    for entry in std::fs::read_dir(world.output("indicators")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::remove_file(path).unwrap();
        }
    }
    world.practice.honest(Service::Poll);
    assert_eq!(poll(), Ended::UpToDate);
    let files: BTreeSet<String> = handed_over(&world).into_iter().collect();
    assert_eq!(files, contents().into_iter().skip(2).collect());
}

#[test]
fn an_upload_that_is_cut_is_sent_again_and_arrives_once() {
    let world = World::new().inbox("").drop_directory("settle = \"1ms\"");
    let report = format!(
        "<s:STIX_Package xmlns:s=\"http://stix.mitre.org/stix-1\" version=\"1.2\">{}</s:STIX_Package>",
        " ".repeat(3 << 20)
    );
    std::fs::write(world.outgoing().join("report.xml"), report).unwrap();
    // The connection is reset when the headers have come, while the body is still being sent.
    world.practice.script(Service::Inbox, vec![Act::closed(Close::Reset).early()]);
    world.run_once().ended(0);
    assert_eq!(world.practice.stored("default").len(), 1);
    assert!(world.outgoing().join("sent/report.xml").exists());
}
