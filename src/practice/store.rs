//! What a practice server remembers: blocks, requests, results and subscriptions. All of it is capped.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::taxii::message::{ContentBinding, Format, Parameters};

use super::acts::{Act, Service};
use super::options::CollectionSpec;
use super::seen::Seen;
use super::sink::Pushed;

/// Caps of what is remembered; the oldest goes first, but blocks and subscriptions are refused instead.
const MAX_SEEN: usize = 10_000;
const MAX_RESULTS: usize = 1_000;
const MAX_TOKENS: usize = 1_000;
const MAX_BLOCKS: usize = 500_000;
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// A block to be put into a collection.
#[derive(Clone, Debug, Default)]
pub struct BlockSpec {
    /// Its Timestamp_Label; `None` lets the server give it the next one.
    pub label: Option<DateTime<Utc>>,
    /// Content_Binding.
    pub binding: String,
    /// Its Subtype.
    pub subtypes: Vec<String>,
    /// What stands between the tags of Content, as it is.
    pub content: Bytes,
    /// Message.
    pub message: Option<String>,
}

impl BlockSpec {
    /// A block with the next label and this markup between the tags of Content.
    pub fn new(binding: &str, markup: impl Into<Bytes>) -> Self {
        Self { binding: binding.to_owned(), content: markup.into(), ..Self::default() }
    }
}

/// A block in a collection.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its Timestamp_Label.
    pub label: DateTime<Utc>,
    /// Content_Binding.
    pub binding: ContentBinding,
    /// The content: what the decoder made of a pushed one, or as it was added. Empty if it was too large to keep.
    pub content: Bytes,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hex; empty for a fragment that was too large to keep.
    pub sha256: String,
    /// Message.
    pub message: Option<String>,
    /// How the content goes between the tags of Content.
    pub(super) form: Form,
}

/// How a content goes between the tags of Content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Markup,
    /// Escaped.
    Text,
    /// As base64.
    Base64,
}

/// Everything that a practice server remembers.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) collections: Vec<Shelf>,
    pub(super) subscriptions: Vec<Subscribed>,
    results: VecDeque<ResultSet>,
    tokens: VecDeque<String>,
    seen: VecDeque<Seen>,
    scripts: HashMap<Service, Script>,
    kept_bytes: u64,
    kept_blocks: usize,
    last_id: u64,
}

/// A collection with its blocks, in the order of their labels.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) spec: CollectionSpec,
    pub(super) blocks: Vec<Arc<Stored>>,
    /// No label at or before this instant is given any more.
    floor: DateTime<Utc>,
}

/// A subscription.
#[derive(Clone, Debug)]
pub(super) struct Subscribed {
    pub(super) id: String,
    pub(super) collection: String,
    pub(super) parameters: Parameters,
    pub(super) status: &'static str,
}

/// The result of a poll, in parts: a snapshot.
#[derive(Clone, Debug)]
pub(super) struct ResultSet {
    pub(super) id: String,
    pub(super) collection: String,
    pub(super) subscription: Option<String>,
    /// The bounds as they are told; `None` for an open begin, and both for a DATA_SET.
    pub(super) begin: Option<DateTime<Utc>>,
    pub(super) end: Option<DateTime<Utc>>,
    /// The bounds as they were asked for.
    pub(super) asked: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    /// The blocks of each part; at least one part, perhaps without blocks.
    pub(super) parts: Vec<Vec<Arc<Stored>>>,
    /// How many times PENDING is still answered.
    pub(super) pending: u32,
}

/// What is done to the next requests of a service.
#[derive(Debug, Default)]
struct Script {
    acts: VecDeque<Act>,
    then: Option<Act>,
}

impl State {
    /// A fresh number: for messages, results and subscriptions.
    pub(super) fn id(&mut self) -> String {
        self.last_id += 1;
        self.last_id.to_string()
    }

    pub(super) fn add_collection(&mut self, spec: CollectionSpec) {
        self.collections.retain(|shelf| shelf.spec.name != spec.name);
        self.collections.push(Shelf { spec, blocks: Vec::new(), floor: DateTime::UNIX_EPOCH });
    }

    pub(super) fn shelf(&mut self, collection: &str) -> Option<&mut Shelf> {
        self.collections.iter_mut().find(|shelf| shelf.spec.name == collection)
    }

    /// Puts a block into a collection; false if there is no such collection, or no room.
    pub(super) fn add_block(&mut self, collection: &str, block: BlockSpec, now: DateTime<Utc>) -> bool {
        let size = block.content.len() as u64;
        let full = !self.has_room(1);
        let Some(shelf) = self.shelf(collection).filter(|_| !full) else { return false };
        let label = block.label.unwrap_or_else(|| shelf.next_label(now));
        shelf.put(Stored {
            label,
            binding: ContentBinding { id: block.binding, subtypes: block.subtypes },
            sha256: hex(Sha256::digest(&block.content)),
            content: block.content,
            size,
            message: block.message,
            form: Form::Markup,
        });
        self.count(1, size);
        true
    }

    /// Puts the blocks of one message into a collection that exists.
    pub(super) fn add_pushed(&mut self, collection: &str, blocks: &[Pushed], now: DateTime<Utc>) {
        let Some(shelf) = self.shelf(collection) else { return };
        for pushed in blocks {
            let label = shelf.next_label(now);
            shelf.put(Stored {
                label,
                binding: pushed.block.binding.clone(),
                content: pushed.content.clone(),
                size: pushed.block.content.size,
                sha256: pushed.sha256.clone(),
                message: pushed.block.message.clone(),
                form: Form::of(pushed.block.content.format, pushed.block.content.fragment),
            });
        }
        self.count(blocks.len(), blocks.iter().map(|block| block.content.len() as u64).sum());
    }

    fn count(&mut self, blocks: usize, bytes: u64) {
        self.kept_blocks += blocks;
        self.kept_bytes += bytes;
    }

    /// Whether so many more blocks may be kept.
    pub(super) fn has_room(&self, blocks: usize) -> bool {
        self.kept_blocks + blocks <= MAX_BLOCKS
    }

    /// The bytes of content that are kept.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    pub(super) fn subscribe(&mut self, collection: &str, parameters: Parameters) -> Option<Subscribed> {
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return None;
        }
        let id = self.id();
        let new = Subscribed { id, collection: collection.to_owned(), parameters, status: "ACTIVE" };
        self.subscriptions.push(new.clone());
        Some(new)
    }

    pub(super) fn keep_result(&mut self, result: ResultSet) {
        self.results.retain(|kept| kept.id != result.id);
        self.results.push_back(result);
        if self.results.len() > MAX_RESULTS {
            self.results.pop_front();
        }
    }

    pub(super) fn result(&mut self, id: &str, collection: &str) -> Option<&mut ResultSet> {
        self.results.iter_mut().find(|result| result.id == id && result.collection == collection)
    }

    pub(super) fn forget_results(&mut self) {
        self.results.clear();
    }

    /// A new bearer token.
    pub(super) fn token(&mut self) -> String {
        let token = format!("practice.{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        self.tokens.push_back(token.clone());
        if self.tokens.len() > MAX_TOKENS {
            self.tokens.pop_front();
        }
        token
    }

    pub(super) fn knows_token(&self, token: &str) -> bool {
        self.tokens.iter().any(|known| known == token)
    }

    pub(super) fn forget_tokens(&mut self) {
        self.tokens.clear();
    }

    pub(super) fn saw(&mut self, seen: Seen) {
        self.seen.push_back(seen);
        if self.seen.len() > MAX_SEEN {
            self.seen.pop_front();
        }
    }

    pub(super) fn seen(&mut self) -> &[Seen] {
        self.seen.make_contiguous()
    }

    pub(super) fn script(&mut self, service: Service, acts: Vec<Act>) {
        self.scripts.entry(service).or_default().acts.extend(acts);
    }

    pub(super) fn then(&mut self, service: Service, act: Act) {
        self.scripts.entry(service).or_default().then = Some(act);
    }

    pub(super) fn forget_script(&mut self, service: Service) {
        self.scripts.remove(&service);
    }

    /// Takes the act for the next request of a service, if it satisfies a condition.
    pub(super) fn act(&mut self, service: Service, wanted: impl Fn(&Act) -> bool) -> Option<Act> {
        let script = self.scripts.get_mut(&service)?;
        match script.acts.front() {
            Some(act) if wanted(act) => script.acts.pop_front(),
            Some(_) => None,
            None => script.then.clone().filter(wanted),
        }
    }
}

impl Shelf {
    /// A label later than every one before it and than every End that was told (Services Specification 1.1, 5.2.2.2).
    fn next_label(&mut self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.floor = micros(now).max(self.floor + TimeDelta::microseconds(1));
        self.floor
    }

    /// No label up to this instant is given any more, because a client was told that it has seen everything.
    pub(super) fn told_end(&mut self, end: DateTime<Utc>) {
        self.floor = self.floor.max(end);
    }

    /// The latest instant up to which a client may be told that it has seen everything.
    pub(super) fn latest_end(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        micros(now).max(self.floor)
    }

    fn put(&mut self, block: Stored) {
        let at = self.blocks.partition_point(|there| there.label <= block.label);
        self.blocks.insert(at, Arc::new(block));
    }
}

impl Form {
    fn of(format: Format, fragment: bool) -> Self {
        match format {
            Format::Xml => Self::Markup,
            Format::Text if fragment => Self::Markup,
            Format::Binary => Self::Base64,
            Format::Json | Format::Smime | Format::Text | Format::Empty => Self::Text,
        }
    }
}

/// Rounds down to what a Timestamp_Label can say.
fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
