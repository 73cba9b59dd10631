//! The server of the crash tests: a practice server in a process of its own, commanded by lines on standard input, each
//! answered by a line of JSON.
//!
//! | line | does |
//! |---|---|
//! | `start PART` | a fresh server whose results come in parts of PART blocks; gives its addresses |
//! | `add N` | puts N blocks into the collection `default`; gives the SHA-256 of each, oldest first |
//! | `old N`, `recent N` | the same, labelled an hour or ten minutes ago, a second apart |
//! | `count` | how often which content was pushed: by inbox, by SHA-256 |
//! | `cut N` | the next N accepted messages get no answer |
//! | `misbehave N` | the next N requests of each service are treated badly, at random |
//! | `honest` | and no more of that |
//! | `expire` | forgets the results that are half fetched |
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool of the tests, outside the walls")]

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use taxii_sync::practice::{
    Act, BlockSpec, Close, CollectionSpec, Framing, InboxSpec, Options, Practice, Quirk, Service,
};

/// The inboxes, each with a collection of its own.
const INBOXES: [&str; 2] = ["a", "b"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut practice = start(3).await?;
    let mut number = 0;
    let (lines, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || io::stdin().lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
    while let Some(line) = commands.recv().await {
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        let count: u64 = argument.parse().unwrap_or(0);
        let answer = match command {
            "start" => {
                practice.stop().await;
                practice = start(count as usize).await?;
                number = 0;
                ["discovery", "poll", "inbox/a", "inbox/b"].iter().map(|name| (*name, practice.url(name))).collect()
            }
            "add" => add(&practice, &mut number, count, None),
            "old" => add(&practice, &mut number, count, Some(Utc::now() - TimeDelta::hours(1))),
            "recent" => add(&practice, &mut number, count, Some(Utc::now() - TimeDelta::minutes(10))),
            "count" => pushed(&practice),
            "cut" => {
                let acts = (0..count).map(|_| Act::closed(Close::Fin).performed()).collect();
                practice.script(Service::Inbox, acts);
                json!(null)
            }
            "misbehave" => misbehave(&practice, count),
            "honest" => {
                practice.honest(Service::Poll);
                practice.honest(Service::Inbox);
                json!(null)
            }
            "expire" => {
                practice.expire_results();
                json!(null)
            }
            other => json!({ "error": format!("unknown command {other}") }),
        };
        println!("{answer}");
    }
    Ok(())
}

async fn start(part: usize) -> io::Result<Practice> {
    let collection = |name: &&str| CollectionSpec::feed(format!("pushed-{name}"));
    let inbox = |name: &&str| InboxSpec {
        name: (*name).to_owned(),
        collections: vec![format!("pushed-{name}")],
        ..InboxSpec::default()
    };
    Practice::start(Options {
        collections: INBOXES.iter().map(collection).chain([CollectionSpec::feed("default")]).collect(),
        inboxes: INBOXES.iter().map(inbox).collect(),
        max_result_size: part,
        // A soak of hours pushes more than a practice server takes.
        max_stored: u64::MAX,
        ..Options::new(Arc::new(Utc::now))
    })
    .await
}

/// Each block has bytes of its own; every fifth is too large to be held in memory by who stages it.
fn add(practice: &Practice, number: &mut u64, count: u64, since: Option<DateTime<Utc>>) -> Value {
    let published = (0..count).map(|_| {
        *number += 1;
        let filling = "filling ".repeat(if number.is_multiple_of(5) { 40_000 } else { 20 });
        let content = format!("<c:block xmlns:c=\"urn:example:crash\" n=\"{number}\">{filling}</c:block>");
        let label = since.map(|since| since + TimeDelta::seconds(*number as i64));
        let sha256: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        let taken = practice.add_block("default", BlockSpec { label, ..BlockSpec::new("urn:example:crash", content) });
        assert!(taken, "the practice server takes no more blocks");
        sha256
    });
    published.collect()
}

fn pushed(practice: &Practice) -> Value {
    let mut counts = BTreeMap::new();
    for inbox in INBOXES {
        let by_hash: &mut BTreeMap<String, u64> = counts.entry(inbox).or_default();
        for block in practice.stored(&format!("pushed-{inbox}")) {
            *by_hash.entry(block.sha256).or_default() += 1;
        }
    }
    json!(counts)
}

/// Everything a server did to somebody once, and how many of the acts leave the client in doubt whether its message
/// was taken.
///
/// What is left of earlier trouble is forgotten: a server that is never honest lets nobody get on.
fn misbehave(practice: &Practice, count: u64) -> Value {
    let mut doubtful = 0;
    practice.honest(Service::Poll);
    practice.honest(Service::Inbox);
    for _ in 0..count {
        let poll = match fastrand::u32(..12) {
            0 => Act::honest().cut(fastrand::u64(..4000), Close::Fin),
            1 => Act::honest().cut(fastrand::u64(..4000), Close::Reset),
            2 => Act::honest().framing(Framing::Chunked).cut(fastrand::u64(..4000), Close::Fin),
            3 => Act::honest().framing(Framing::UntilClose).cut(fastrand::u64(..4000), Close::Fin),
            4 => Act::http(503, "text/html", "busy").header("Retry-After", "1"),
            5 => Act::http(502, "text/html", "<html>no</html>"),
            6 => Act::status("NOT_FOUND"),
            7 => Act::poll(Quirk::RepeatPart),
            8 => Act::closed(Close::Reset),
            9 => Act::honest().drip(512, Duration::from_millis(5)),
            10 => Act::honest().gzip(),
            _ => Act::honest(),
        };
        let (inbox, unknown) = match fastrand::u32(..8) {
            0 => (Act::closed(Close::Fin).performed(), true),
            1 => (Act::honest().cut(fastrand::u64(..300), Close::Reset), true),
            2 => (Act::http(503, "text/html", "busy").header("Retry-After", "1"), false),
            3 => (Act::status("RETRY"), false),
            4 => (Act::closed(Close::Reset), false),
            5 => (Act::http(500, "text/html", "no"), false),
            _ => (Act::honest(), false),
        };
        doubtful += u64::from(unknown);
        practice.script(Service::Poll, vec![poll]);
        practice.script(Service::Inbox, vec![inbox]);
    }
    json!({ "doubtful": doubtful })
}
