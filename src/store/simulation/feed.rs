//! A feed: a server with blocks in parts, the agent, and a reader that takes files away.
//!
//! The agent makes the calls that `poll/result.rs` makes, in its order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use fastrand::Rng;

use super::{Broken, Count, lives};
use crate::store::Result;
use crate::store::disk::Dir;
use crate::store::disk::simulated::{MOUNTED, Simulated, State};
use crate::store::ledger::{After, Cursor, FeedId, Key, Ledger, Place};
use crate::store::output::{Manner, Output, Staging};
use crate::store::staging::{Destination, PartWriter};

const OUT: &str = "out";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// A block on the server.
#[derive(Clone, Debug)]
struct Block {
    label: i64,
    bytes: Vec<u8>,
    faulty: bool,
}

impl Block {
    fn hash(&self) -> [u8; 16] {
        let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&self.bytes).into();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        hash
    }

    fn name(&self) -> String {
        let hash: String = self.hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{hash}.xml", self.label)
    }
}

struct Server {
    blocks: Vec<Block>,
    last: i64,
    window: i64,
    overlap: i64,
    per_part: usize,
}

impl Server {
    fn new(rng: &mut Rng) -> Server {
        let count = rng.i64(1..16);
        let mut blocks = Vec::new();
        for n in 0..count {
            let label = 1 + rng.i64(0..count);
            // Now and then the same bytes, under another label or under the same one.
            let text = format!("content {}", if rng.u8(..4) == 0 { rng.i64(0..3) } else { n });
            let bytes = if rng.u8(..12) == 0 { text.repeat(40_000) } else { text };
            blocks.push(Block { label, bytes: bytes.into_bytes(), faulty: rng.u8(..10) == 0 });
        }
        blocks.sort_by_key(|block| block.label);
        let (window, overlap) = (rng.i64(1..count + 2), if rng.bool() { 0 } else { rng.i64(0..3) });
        Server { blocks, last: count, window, overlap, per_part: rng.usize(1..6) }
    }

    /// The parts of a result.
    fn parts(&self, begin: i64, end: i64) -> Vec<&[Block]> {
        let from = self.blocks.partition_point(|block| block.label <= begin);
        let upto = self.blocks.partition_point(|block| block.label <= end);
        let mut parts: Vec<_> = self.blocks[from.min(upto)..upto].chunks(self.per_part).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        parts
    }
}

/// What readers saw.
#[derive(Debug, Default)]
struct Seen {
    expected: HashMap<String, Vec<u8>>,
    quarantined: HashSet<String>,
    taken: HashMap<String, u64>,
    metadata_taken: HashSet<OsString>,
    /// After a power cut a disk without order may show a file before its metadata, until the agent has put that right.
    metadata_later: bool,
    torn: u64,
}

impl Seen {
    /// Looks at a file that is visible.
    fn look(&mut self, disk: &State, name: &str) {
        let whole = self.expected.get(name).is_some_and(|bytes| disk.bytes(&format!("{OUT}/{name}")) == Some(bytes));
        let metadata = format!("{name}.meta.json");
        let metadata_missing = !self.metadata_later
            && disk.bytes(&format!("{OUT}/{metadata}")) != Some(b"about")
            && !self.metadata_taken.contains(&OsString::from(&metadata));
        if !whole || metadata_missing {
            self.torn += 1;
        }
    }

    /// A reader that takes one file in a while, with its metadata or without.
    fn reader(&mut self, disk: &mut State) {
        let names: Vec<String> = visible(disk, OUT);
        if names.is_empty() {
            return;
        }
        let name = &names[disk.rng().usize(..names.len())];
        self.look(disk, name);
        disk.take(OUT, name.as_ref());
        *self.taken.entry(name.clone()).or_default() += 1;
        if disk.rng().bool() {
            let metadata = OsString::from(format!("{name}.meta.json"));
            disk.take(OUT, &metadata);
            self.metadata_taken.insert(metadata);
        }
    }
}

fn visible(disk: &State, dir: &str) -> Vec<String> {
    let names = disk.names(dir).into_iter().filter_map(|name| name.into_string().ok());
    names.filter(|name| !name.starts_with('.') && name.ends_with(".xml")).collect()
}

/// The agent.
struct Agent<'a> {
    ledger: Arc<Ledger>,
    server: &'a Server,
    broken: Broken,
    rng: Rng,
}

pub(super) fn run(seed: u64, broken: Broken) -> Count {
    let mut rng = Rng::with_seed(seed);
    let disk = Simulated::mount(seed, seed.is_multiple_of(2), broken.faults());
    let ledger = Arc::new(Ledger::simulated(&disk));
    let server = Server::new(&mut rng);
    let (good, faulty): (Vec<_>, Vec<_>) = server.blocks.iter().cloned().partition(|block| !block.faulty);
    // The first one of the same label and bytes decides where it goes.
    let mut first = BTreeMap::new();
    for block in &server.blocks {
        first.entry(block.name()).or_insert(block.faulty);
    }
    let seen = Arc::new(Mutex::new(Seen {
        expected: good.iter().chain(&faulty).map(|block| (block.name(), block.bytes.clone())).collect(),
        quarantined: first.iter().filter(|(_, faulty)| **faulty).map(|(name, _)| name.clone()).collect(),
        metadata_later: !seed.is_multiple_of(2),
        ..Seen::default()
    }));
    let (reader, pace) = (seen.clone(), rng.u32(2..40));
    disk.share_with(move |disk| {
        if disk.rng().u32(..pace) == 0 {
            reader.lock().unwrap().reader(disk);
        }
    });
    let mut agent = Agent { ledger: ledger.clone(), server: &server, broken, rng: rng.fork() };
    let mut count = lives(&disk, &ledger, &mut rng, || agent.poll().is_ok());
    disk.share_with(|_| {});
    let state = disk.state();
    let mut seen = seen.lock().unwrap();
    seen.metadata_later = false;
    for name in visible(&state, OUT) {
        seen.look(&state, &name);
        *seen.taken.entry(name).or_default() += 1;
    }
    for (name, bytes) in &seen.expected {
        if seen.quarantined.contains(name) {
            let there = state.bytes(&format!("{OUT}/.quarantine/{name}"));
            count.lost += u64::from(there.is_none());
            count.torn += u64::from(there.is_some_and(|there| there != bytes));
        } else {
            count.lost += u64::from(!seen.taken.contains_key(name));
        }
    }
    count.twice = seen.taken.values().filter(|times| **times > 1).count() as u64;
    count.torn += seen.torn;
    count
}

impl Agent<'_> {
    fn cursor(&self, feed: FeedId) -> Result<i64> {
        Ok(self.ledger.feed_row(feed)?.cursor.map_or(0, |cursor| cursor.at.timestamp()))
    }

    /// Everything up to now.
    fn poll(&mut self) -> Result<()> {
        let feed = self.ledger.feed("f", "identity")?.id;
        let manner = Manner { mode: 0o640, group: None, staging: Staging::Kept };
        let path = Path::new(MOUNTED).join(OUT);
        let (output, _) = Output::open(self.ledger.clone(), feed, &path, manner, at(0))?;
        let mut first = true;
        while self.cursor(feed)? < self.server.last {
            // The overlap is asked for once in a cycle.
            let begin = if std::mem::take(&mut first) { self.server.overlap } else { 0 };
            self.result(feed, &output, begin)?;
        }
        Ok(())
    }

    /// One result, part by part.
    fn result(&mut self, feed: FeedId, output: &Output, overlap: i64) -> Result<()> {
        let cursor = self.cursor(feed)?;
        let end = (cursor + self.server.window).min(self.server.last);
        // A result under way says where it stands, and from where on it was asked for.
        let saved = self.ledger.feed_row(feed)?.result;
        let saved = saved.as_deref().and_then(|text| text.split_once(' '));
        let (mut part, begin) = saved.map_or((1, cursor - overlap), |(part, begin)| {
            (part.parse().unwrap_or(1), begin.parse().unwrap_or_default())
        });
        let parts = self.server.parts(begin, end);
        loop {
            output.abandon()?;
            if part > 1 && self.rng.u8(..8) == 0 {
                // The server has lost the result: the same range is asked for again.
                self.ledger.set_result(feed, None)?;
                part = 1;
            }
            let mut writer = output.part(at(cursor))?;
            let blocks = parts[(part - 1).min(parts.len() - 1)];
            let cut_short = self.rng.u8(..8) == 0;
            let come = if cut_short { self.rng.usize(..=blocks.len()) } else { blocks.len() };
            for block in &blocks[..come] {
                self.take_in(&mut writer, block)?;
            }
            if cut_short {
                continue;
            }
            let last = part >= parts.len();
            self.store(feed, output, writer, &self.after(last, part, begin, end), end)?;
            if last {
                return Ok(());
            }
            part += 1;
        }
    }

    fn after(&self, last: bool, part: usize, begin: i64, end: i64) -> After {
        let cursor = Cursor { text: end.to_string(), at: at(end) };
        match last {
            true => After {
                cursor: Some(cursor),
                forget_recent_upto: Some(at(end - self.server.overlap)),
                ..After::default()
            },
            false => After { result: Some(format!("{} {begin}", part + 1)), ..After::default() },
        }
    }

    fn take_in(&mut self, writer: &mut PartWriter, block: &Block) -> Result<()> {
        if self.broken == Broken::WrittenInPlace && !block.faulty {
            let out = Dir::open(&Path::new(MOUNTED).join(OUT))?;
            let _ = out.put(&format!("{}.meta.json", block.name()), b"about", 0o640);
            if let Ok(mut file) = out.create(block.name(), 0o640) {
                let (start, rest) = block.bytes.split_at(block.bytes.len() / 2);
                file.write(start)?;
                file.write(rest)?;
                file.sync()?;
            }
            return Ok(());
        }
        block.bytes.chunks(100_000).try_for_each(|piece| writer.write(piece))?;
        writer.complete();
        let key = Key { label: Some(block.label), hash: block.hash() };
        if writer.known(&key, None)? {
            return writer.discard();
        }
        let place = if block.faulty { Place::Quarantine } else { Place::Output };
        writer.keep(Destination { name: block.name(), place, key, beside: Some(b"about".to_vec()) })
    }

    fn store(&self, feed: FeedId, output: &Output, writer: PartWriter, after: &After, end: i64) -> Result<()> {
        match self.broken {
            Broken::CursorFirst => self.ledger.advance(feed, after)?,
            Broken::ListClearedFirst => return self.clear_first(feed, writer, after),
            Broken::SweptWithoutLooking => return self.sweep_first(output, writer, after, end),
            _ => {}
        }
        output.commit(writer, after, Some(at(end)), at(0))?;
        if self.broken == Broken::NoFingerprints {
            self.ledger.forget_fingerprints(feed, at(i64::from(u32::MAX)), None, 1000)?;
        }
        Ok(())
    }

    /// The part is done with before its files have their names: after a crash in between nobody looks for them.
    fn clear_first(&self, feed: FeedId, writer: PartWriter, after: &After) -> Result<()> {
        let Some(part) = writer.commit(after, None)? else { return Ok(self.ledger.advance(feed, after)?) };
        let blocks = self.ledger.blocks(part, -1, 1000)?;
        self.ledger.finish_part(feed, part, at(0))?;
        let out = Dir::open(&Path::new(MOUNTED).join(OUT))?;
        let staging = out.sub(".staging", 0o700)?;
        for block in blocks.iter().filter(|block| block.place == Place::Output) {
            staging.rename(format!("{part}-{}", block.seq), &out, &block.name)?;
        }
        Ok(())
    }

    /// What is staged is swept at start although a part of it is committed.
    fn sweep_first(&self, output: &Output, writer: PartWriter, after: &After, end: i64) -> Result<()> {
        let committed = output.commit(writer, after, Some(at(end)), at(0));
        if committed.is_err() {
            let staging = Dir::open(&Path::new(MOUNTED).join(OUT).join(".staging"))?;
            for name in staging.list()? {
                let name = name?;
                if name != "identity" {
                    staging.remove(name)?;
                }
            }
        }
        committed.map(drop)
    }
}
