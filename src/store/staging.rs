//! One part of a result being staged: its blocks are written, made durable together and committed.

use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::disk::{Dir, FileWriter};
use super::durable::Unsynced;
use super::ledger::{After, FeedId, Key, Ledger, NewBlock, PartId, Place};
use super::output::Output;
use super::{Result, StoreError};

/// Contents up to this size are written with one call, once it is known that they are to be written at all.
const HELD: usize = 256 << 10;

/// Rows go to the ledger in batches of this many blocks.
const BATCH: usize = 4096;

/// A part being staged.
#[derive(Debug)]
pub struct PartWriter {
    ledger: Arc<Ledger>,
    feed: FeedId,
    staging: Dir,
    /// Opened before the first write, so that it reports every write that fails.
    flush: Dir,
    /// The permission bits and the group of what is staged.
    mode: u32,
    group: Option<u32>,
    began: DateTime<Utc>,
    part: Option<PartId>,
    next: i64,
    batch: Vec<NewBlock>,
    unsynced: Unsynced,
    content: Open,
    digest: Sha256,
    completed: u64,
}

/// The content being written.
#[derive(Debug, Default)]
struct Open {
    held: Vec<u8>,
    file: Option<FileWriter>,
    hasher: Sha256,
    size: u64,
}

/// A content that is complete but not yet on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Length in bytes.
    pub size: u64,
}

/// Where a content goes, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its final name.
    pub name: String,
    /// Where it goes.
    pub place: Place,
    /// What makes it known.
    pub key: Key,
    /// The metadata or reason file that goes before it.
    pub beside: Option<Vec<u8>>,
}

/// The name of a staged file.
pub(super) fn staged_name(part: PartId, seq: i64) -> String {
    format!("{part}-{seq}")
}

/// The name of the file staged beside it.
pub(super) fn beside_name(part: PartId, seq: i64) -> String {
    format!("{part}-{seq}.meta")
}

impl PartWriter {
    pub(super) fn new(output: &Output, began: DateTime<Utc>) -> Result<PartWriter> {
        Ok(PartWriter {
            ledger: output.ledger.clone(),
            feed: output.feed,
            staging: output.staging.clone(),
            flush: output.staging.reopen()?,
            mode: output.mode,
            group: output.group,
            began,
            part: None,
            next: 0,
            batch: Vec::new(),
            unsynced: Unsynced::default(),
            content: Open::default(),
            digest: Sha256::new(),
            completed: 0,
        })
    }

    /// Takes the next bytes of the current content.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.content.size += bytes.len() as u64;
        if self.content.file.is_none() {
            if self.content.held.len() + bytes.len() <= HELD {
                self.content.held.extend_from_slice(bytes);
                return Ok(());
            }
            let file = self.create()?;
            self.content.file = Some(file);
            let held = std::mem::take(&mut self.content.held);
            self.append(&held)?;
        }
        self.append(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.content.hasher.update(bytes);
        if let Some(file) = &mut self.content.file {
            file.write(bytes)?;
        }
        Ok(())
    }

    fn create(&mut self) -> Result<FileWriter> {
        let part = match self.part {
            Some(part) => part,
            None => *self.part.insert(self.ledger.begin_part(self.feed)?),
        };
        self.create_as(&staged_name(part, self.next))
    }

    fn create_as(&self, name: &str) -> Result<FileWriter> {
        let file = self.staging.create(name, self.mode)?;
        if let Some(group) = self.group {
            file.set_group(group)?;
        }
        Ok(file)
    }

    /// Takes back a range of what was written for the current content.
    pub fn cut(&mut self, range: Range<u64>) -> Result<()> {
        let range = range.start.min(self.content.size)..range.end.min(self.content.size);
        if range.is_empty() {
            return Ok(());
        }
        self.content.size -= range.end - range.start;
        let Some(part) = self.part.filter(|_| self.content.file.is_some()) else {
            self.content.held.drain(range.start as usize..range.end as usize);
            return Ok(());
        };
        let (name, fresh) = (staged_name(part, self.next), format!("{}.cut", staged_name(part, self.next)));
        let Some(source) = self.staging.read(&name)? else {
            return Err(StoreError::Replaced(self.staging.path().to_owned()));
        };
        self.content.file = Some(self.create_as(&fresh)?);
        self.content.hasher = Sha256::new();
        let mut buffer = vec![0; HELD];
        let mut at = 0;
        loop {
            let count = source.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            let here = at..at + count as u64;
            let before = range.start.clamp(here.start, here.end) - here.start;
            let after = range.end.clamp(here.start, here.end) - here.start;
            self.append(&buffer[..before as usize])?;
            self.append(&buffer[after as usize..count])?;
            at = here.end;
        }
        self.staging.replace(&fresh, &name)?;
        Ok(())
    }

    /// The current content is complete.
    pub fn complete(&mut self) -> Written {
        let hasher = std::mem::take(&mut self.content.hasher).chain_update(&self.content.held);
        let sha256: [u8; 32] = hasher.finalize().into();
        self.digest.update(sha256);
        self.completed += 1;
        Written { sha256, size: self.content.size }
    }

    /// A digest of all contents completed so far, in order: two parts with the same one brought the same. `None`:
    /// there was no content.
    pub fn digest(&self) -> Option<[u8; 32]> {
        (self.completed > 0).then(|| self.digest.clone().finalize().into())
    }

    /// Whether a content was handed over before (or stands on this part's list already).
    pub fn known(&self, key: &Key, content_upto: Option<DateTime<Utc>>) -> Result<bool> {
        Ok(self.ledger.known(self.feed, key, content_upto)?)
    }

    /// The completed content is not wanted.
    pub fn discard(&mut self) -> Result<()> {
        if self.content.file.take().is_some()
            && let Some(part) = self.part
        {
            self.staging.remove(staged_name(part, self.next))?;
        }
        self.content = Open { held: emptied(std::mem::take(&mut self.content.held)), ..Open::default() };
        Ok(())
    }

    /// The completed content goes on the part's list.
    pub fn keep(&mut self, destination: Destination) -> Result<()> {
        let file = match self.content.file.take() {
            Some(file) => file,
            None => {
                let mut file = self.create()?;
                file.write(&self.content.held)?;
                file
            }
        };
        self.unsynced.add(file);
        let beside = destination.beside.is_some();
        if let (Some(bytes), Some(part)) = (destination.beside, self.part) {
            let mut file = self.create_as(&beside_name(part, self.next))?;
            file.write(&bytes)?;
            self.unsynced.add(file);
        }
        let Destination { name, place, key, .. } = destination;
        self.batch.push(NewBlock { seq: self.next, name, place, beside, key, size: self.content.size });
        self.next += 1;
        self.content = Open { held: emptied(std::mem::take(&mut self.content.held)), ..Open::default() };
        if self.batch.len() >= BATCH { self.list() } else { Ok(()) }
    }

    /// Puts the batch on the ledger's list, and removes what turns out to stand there already.
    fn list(&mut self) -> Result<()> {
        let Some(part) = self.part.filter(|_| !self.batch.is_empty()) else {
            return Ok(());
        };
        let known = self.ledger.add_blocks(self.feed, part, &self.batch, self.began)?;
        for seq in known {
            self.staging.remove(staged_name(part, seq))?;
            self.staging.remove(beside_name(part, seq))?;
        }
        self.batch.clear();
        Ok(())
    }

    /// Fails where less than `floor` bytes are free.
    pub fn need_free(&self, floor: u64) -> Result<()> {
        need_free(&self.staging, floor)
    }

    /// Makes everything staged durable and commits the part: from here on it is ours. `None`: it had no block.
    pub(super) fn commit(mut self, after: &After, recent_upto: Option<DateTime<Utc>>) -> Result<Option<PartId>> {
        self.list()?;
        let Some(part) = self.part else {
            return Ok(None);
        };
        self.unsynced.sync(&self.flush)?;
        self.ledger.commit_part(part, after, recent_upto)?;
        Ok(Some(part))
    }
}

/// Fails where less than `floor` bytes are free below a directory.
pub(super) fn need_free(dir: &Dir, floor: u64) -> Result<()> {
    let free = dir.free_space()?;
    if free < floor { Err(StoreError::TooFull { path: dir.path().to_owned(), free, floor }) } else { Ok(()) }
}

/// The buffer, kept for the next content; it never grows beyond [`HELD`].
fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer
}
