//! Taking in the blocks of an Inbox_Message while it arrives.

use std::convert::Infallible;
use std::mem;
use std::ops::Range;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::taxii::decode::BlockSink;
use crate::taxii::message::ContentBlock;

use super::store::hex;

/// A block as it came in.
#[derive(Clone, Debug)]
pub(super) struct Pushed {
    pub(super) block: ContentBlock,
    /// Its content; empty if it was too large to keep.
    pub(super) content: Bytes,
    /// SHA-256 of the content, in hex; empty where it cannot be known.
    pub(super) sha256: String,
}

/// Collects the blocks of one message. Content over the limits is hashed and forgotten.
#[derive(Debug)]
pub(super) struct Collector {
    /// The blocks so far.
    pub(super) blocks: Vec<Pushed>,
    max_content: u64,
    /// How many more bytes may be kept in this message.
    room: u64,
    current: Current,
}

/// The content of the current block.
#[derive(Debug)]
enum Current {
    Kept(Vec<u8>),
    Hashed(Sha256),
    /// Hashed, and then a part of it was replaced.
    Lost,
}

impl Collector {
    pub(super) fn new(max_content: u64, room: u64) -> Self {
        Self { blocks: Vec::new(), max_content, room, current: Current::Kept(Vec::new()) }
    }
}

impl BlockSink for Collector {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        match &mut self.current {
            Current::Kept(kept) if (kept.len() + bytes.len()) as u64 <= self.max_content.min(self.room) => {
                kept.extend_from_slice(bytes);
            }
            Current::Kept(kept) => {
                let mut hash = Sha256::new_with_prefix(&*kept);
                hash.update(bytes);
                self.current = Current::Hashed(hash);
            }
            Current::Hashed(hash) => hash.update(bytes),
            Current::Lost => {}
        }
        Ok(())
    }

    fn replace(&mut self, range: Range<u64>, by: &[u8]) -> Result<(), Infallible> {
        match &mut self.current {
            Current::Kept(kept) => {
                let length = kept.len();
                let index = |at| usize::try_from(at).unwrap_or(usize::MAX).min(length);
                kept.splice(index(range.start)..index(range.end), by.iter().copied());
            }
            Current::Hashed(_) | Current::Lost => self.current = Current::Lost,
        }
        Ok(())
    }

    fn block(&mut self, block: ContentBlock) -> Result<(), Infallible> {
        let (content, sha256) = match mem::replace(&mut self.current, Current::Kept(Vec::new())) {
            Current::Kept(kept) => {
                self.room -= kept.len() as u64;
                let sha256 = hex(Sha256::digest(&kept));
                (Bytes::from(kept), sha256)
            }
            Current::Hashed(hash) => (Bytes::new(), hex(hash.finalize())),
            Current::Lost => (Bytes::new(), String::new()),
        };
        self.blocks.push(Pushed { block, content, sha256 });
        Ok(())
    }
}
