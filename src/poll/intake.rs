//! From a decoded block to a staged file: its name, its metadata, whether it is known.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::content;
use crate::peer::Peer;
use crate::store::ledger::{Key, Place};
use crate::store::staging::{Destination, PartWriter, Written};
use crate::store::{Result, StoreError};
use crate::taxii::decode::BlockSink;
use crate::taxii::exchange::UNLABELLED;
use crate::taxii::message::{ContentBlock, Fault, Format};
use crate::taxii::time::label_for_name;

/// The free space is looked at again after this many bytes.
const LOOK_AGAIN: u64 = 16 << 20;

/// What is the same for all blocks of a part.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The server's name.
    pub(super) server: String,
    /// `collection_name`.
    pub(super) collection: String,
    /// Subscription_ID.
    pub(super) subscription_id: Option<String>,
    /// `result_id`, as it was asked for; what the reply says counts more.
    pub(super) result_id: Option<String>,
    /// The part asked for.
    pub(super) part: u32,
    /// When the poll began.
    pub(super) began: DateTime<Utc>,
    /// Whether metadata files are written.
    pub(super) metadata: bool,
    /// A DATA_SET: the content alone makes a block known.
    pub(super) set: bool,
    /// Content that came before under another label is known: all that is labelled up to here.
    pub(super) by_content_upto: Option<DateTime<Utc>>,
    /// Results asked up to here are what it may have come in.
    pub(super) came_upto: Option<DateTime<Utc>>,
    /// `min_free`, in bytes.
    pub(super) min_free: u64,
}

/// Takes the blocks of one part.
#[derive(Debug)]
pub(super) struct Intake {
    facts: Facts,
    peer: Arc<Peer>,
    writer: PartWriter,
    /// The labels and hashes of all blocks so far; `None` where there was no block with a content.
    blocks: Option<Sha256>,
    /// Whether any of them has a label.
    labelled: bool,
    empty: u64,
    unchecked: u64,
}

/// What stands beside a content file.
#[derive(Serialize)]
struct Metadata<'a> {
    server: &'a str,
    collection: &'a str,
    content_binding: String,
    subtypes: Vec<String>,
    timestamp_label: Option<&'a str>,
    message: Option<String>,
    subscription_id: Option<&'a str>,
    result_id: Option<String>,
    part: u32,
    polled_at: String,
    sha256: String,
    size: u64,
    stix_version: Option<String>,
    fragment: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    remarks: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Intake {
    pub(super) fn new(facts: Facts, peer: Arc<Peer>, writer: PartWriter) -> Intake {
        Intake { facts, peer, writer, blocks: None, labelled: false, empty: 0, unchecked: LOOK_AGAIN }
    }

    /// Blocks without content so far.
    pub(super) fn empty(&self) -> u64 {
        self.empty
    }

    /// A digest of the blocks, in order: two parts with the same one brought the same. It begins with [`UNLABELLED`]
    /// where no block has a label. `None`: there was no block with a content.
    pub(super) fn digest(&self) -> Option<String> {
        let digest = hex(&self.blocks.clone()?.finalize());
        Some(if self.labelled { digest } else { format!("{UNLABELLED}{digest}") })
    }

    /// The part, to be committed.
    pub(super) fn into_writer(self) -> PartWriter {
        self.writer
    }

    fn look_at_free_space(&mut self, more: u64) -> Result<()> {
        self.unchecked += more;
        if self.unchecked < LOOK_AGAIN {
            return Ok(());
        }
        self.unchecked = 0;
        self.writer.need_free(self.facts.min_free)
    }

    fn key(&self, block: &ContentBlock, written: &Written) -> Key {
        let mut hash = [0; 16];
        hash.copy_from_slice(&written.sha256[..16]);
        let label = block.label.as_ref().filter(|_| !self.facts.set);
        Key { label: label.map(|label| label.at.timestamp_micros()), hash }
    }

    fn known(&mut self, block: &ContentBlock, key: &Key) -> Result<bool> {
        let old = block.label.as_ref().zip(self.facts.by_content_upto).is_some_and(|(label, upto)| label.at <= upto);
        self.writer.known(key, self.facts.came_upto.filter(|_| old))
    }

    fn name(&self, block: &ContentBlock, written: &Written) -> String {
        let mut name =
            block.label.as_ref().map_or_else(|| label_for_name(self.facts.began), |label| label.label_for_name());
        let extension = match block.content.format {
            Format::Xml => "xml",
            Format::Json => "json",
            Format::Smime => "p7m",
            Format::Binary => "bin",
            Format::Text | Format::Empty => "txt",
        };
        name.push('-');
        push_hex(&mut name, &written.sha256[..8]);
        name.push('.');
        name.push_str(extension);
        name
    }

    fn metadata(&self, block: &ContentBlock, written: &Written) -> Vec<u8> {
        let facts = &self.facts;
        // What a server repeats of a secret is in no file of ours but the content itself, which is not changed.
        let clean = |text: &str| self.peer.redact(text);
        let metadata = Metadata {
            server: &facts.server,
            collection: &facts.collection,
            content_binding: clean(&block.binding.id),
            subtypes: block.binding.subtypes.iter().map(|subtype| clean(subtype)).collect(),
            timestamp_label: block.label.as_ref().map(|label| label.text.as_str()),
            message: block.message.as_deref().map(clean),
            subscription_id: facts.subscription_id.as_deref(),
            result_id: facts.result_id.as_deref().map(clean),
            part: facts.part,
            polled_at: facts.began.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            sha256: hex(&written.sha256),
            size: written.size,
            stix_version: block.content.root.as_ref().and_then(content::stix_version),
            fragment: block.content.fragment,
            remarks: &block.content.remarks,
            reason: block.content.fault.as_ref().map(|fault| clean(&fault.to_string())),
        };
        // Text and numbers always make JSON.
        let mut bytes = serde_json::to_vec(&metadata).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

impl Intake {
    /// The bytes of a content that is too large are not kept.
    fn keep_reason_alone(&mut self, block: &ContentBlock, written: &Written, key: Key) -> Result<()> {
        self.writer.discard()?;
        self.writer.write(&self.metadata(block, written))?;
        let name = format!("{}.reason.json", self.name(block, written));
        self.writer.keep(Destination { name, place: Place::Quarantine, key, beside: None })
    }
}

impl BlockSink for Intake {
    type Error = StoreError;

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.look_at_free_space(bytes.len() as u64)?;
        self.writer.write(bytes)
    }

    fn begins(&mut self, result_id: Option<&str>) {
        if let Some(id) = result_id {
            self.facts.result_id = Some(id.to_owned());
        }
    }

    fn beyond(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.pass_over(bytes);
        Ok(())
    }

    fn replace(&mut self, range: Range<u64>, by: &[u8]) -> Result<()> {
        self.writer.replace(range, by)
    }

    fn block(&mut self, block: ContentBlock) -> Result<()> {
        if block.content.format == Format::Empty && block.content.fault.is_none() {
            self.empty += 1;
            return self.writer.discard();
        }
        let written = self.writer.complete();
        let key = self.key(&block, &written);
        let label = block.label.as_ref().map_or(i64::MIN, |label| label.at.timestamp_micros());
        self.labelled |= block.label.is_some();
        let blocks = self.blocks.get_or_insert_with(Sha256::new);
        blocks.update(label.to_be_bytes());
        blocks.update(written.sha256);
        if self.known(&block, &key)? {
            return self.writer.discard();
        }
        if matches!(block.content.fault, Some(Fault::TooLarge(_))) {
            return self.keep_reason_alone(&block, &written, key);
        }
        let faulty = block.content.fault.is_some();
        let beside = (faulty || self.facts.metadata).then(|| self.metadata(&block, &written));
        let place = if faulty { Place::Quarantine } else { Place::Output };
        self.writer.keep(Destination { name: self.name(&block, &written), place, key, beside })
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    push_hex(&mut digits, bytes);
    digits
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.extend(
        bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])),
    );
}
