//! One part of a result being staged: its blocks are written, made durable together and committed.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::behind::{Batch, Behind, Complete, Content, Stager};
use super::disk::{Bits, Dir, FileWriter};
use super::ledger::{After, FeedId, Key, Ledger, NewBlock, PartId, Place};
use super::neighbours::Neighbours;
use super::output::Output;
use super::{Result, StoreError};

/// Contents up to this size are written with one call, once it is known that they are to be written at all.
const HELD: usize = 256 << 10;

/// Rows go to the ledger this many at a time, at least.
const ROWS: usize = 2048;

/// A part being staged.
#[derive(Debug)]
pub struct PartWriter {
    ledger: Arc<Ledger>,
    feed: FeedId,
    /// When the poll began.
    began: DateTime<Utc>,
    behind: Behind,
    /// Opened before the first write, so that it reports every write that fails.
    flush: Dir,
    part: Option<PartId>,
    next: i64,
    /// What is not on the ledger's list yet.
    rows: Vec<NewBlock>,
    /// What turned out to stand there already.
    double: Vec<i64>,
    neighbours: Neighbours,
    batch: Batch,
    content: Open,
}

/// The content being written.
#[derive(Debug, Default)]
struct Open {
    /// Where it begins in the batch, as long as it is held there.
    start: usize,
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
    // Made more than once for each block: the formatting machinery takes many times as long.
    let mut digits = itoa::Buffer::new();
    let mut name = String::with_capacity(32);
    name.push_str(digits.format(part));
    name.push('-');
    name.push_str(digits.format(seq));
    name
}

/// The name of the file staged beside it.
pub(super) fn beside_name(part: PartId, seq: i64) -> String {
    format!("{part}-{seq}.meta")
}

impl PartWriter {
    pub(super) fn new(output: &Output, began: DateTime<Utc>) -> Result<PartWriter> {
        let stager = Stager { staging: output.staging.clone(), bits: Bits::new(output.mode), group: output.group };
        Ok(PartWriter {
            ledger: output.ledger.clone(),
            feed: output.feed,
            began,
            behind: Behind::new(stager),
            flush: output.staging.reopen()?,
            part: None,
            next: 0,
            rows: Vec::new(),
            double: Vec::new(),
            neighbours: Neighbours::default(),
            batch: Batch::default(),
            content: Open::default(),
        })
    }

    /// Takes the next bytes of the current content.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.content.size += bytes.len() as u64;
        if self.content.file.is_none() {
            if self.held().len() + bytes.len() <= HELD {
                self.batch.bytes.extend_from_slice(bytes);
                return Ok(());
            }
            let file = self.create()?;
            self.content.file = Some(file);
            let held = self.batch.bytes.split_off(self.content.start);
            self.append(&held)?;
        }
        self.append(bytes)
    }

    /// Takes the next bytes of a current content that is not going to be kept: they count for its hash and its size.
    pub fn pass_over(&mut self, bytes: &[u8]) {
        if self.content.file.is_none() {
            self.content.hasher.update(&self.batch.bytes[self.content.start..]);
            self.batch.bytes.truncate(self.content.start);
        }
        self.content.hasher.update(bytes);
        self.content.size += bytes.len() as u64;
    }

    /// What is held of the current content.
    fn held(&self) -> &[u8] {
        &self.batch.bytes[self.content.start..]
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.content.hasher.update(bytes);
        if let Some(file) = &mut self.content.file {
            file.write(bytes)?;
        }
        Ok(())
    }

    fn stager(&self) -> &Stager {
        self.behind.stager()
    }

    fn part(&mut self) -> Result<PartId> {
        match self.part {
            Some(part) => Ok(part),
            None => Ok(*self.part.insert(self.ledger.begin_part(self.feed)?)),
        }
    }

    fn create(&mut self) -> Result<FileWriter> {
        let part = self.part()?;
        self.stager().create(&staged_name(part, self.next))
    }

    /// Puts other bytes in the place of a range of what was written for the current content.
    pub fn replace(&mut self, range: Range<u64>, by: &[u8]) -> Result<()> {
        let range = range.start.min(self.content.size)..range.end.min(self.content.size);
        if range.is_empty() {
            return Ok(());
        }
        self.content.size = self.content.size - (range.end - range.start) + by.len() as u64;
        let Some(part) = self.part.filter(|_| self.content.file.is_some()) else {
            let start = self.content.start;
            let range = start + range.start as usize..start + range.end as usize;
            self.batch.bytes.splice(range, by.iter().copied());
            return Ok(());
        };
        let (name, fresh) = (staged_name(part, self.next), format!("{}.cut", staged_name(part, self.next)));
        let Some(source) = self.stager().staging.read(&name)? else {
            return Err(StoreError::Replaced(self.stager().staging.path().to_owned()));
        };
        self.content.file = Some(self.stager().create(&fresh)?);
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
            if here.contains(&range.start) {
                self.append(by)?;
            }
            self.append(&buffer[after as usize..count])?;
            at = here.end;
        }
        self.stager().staging.replace(&fresh, &name)?;
        Ok(())
    }

    /// The current content is complete.
    pub fn complete(&mut self) -> Written {
        let hasher = mem::take(&mut self.content.hasher).chain_update(self.held());
        let sha256: [u8; 32] = hasher.finalize().into();
        Written { sha256, size: self.content.size }
    }

    /// Whether a content was handed over before. One that stands on this part's list already may not be known yet; it
    /// is found out when it is put there.
    pub fn known(&mut self, key: &Key, content_upto: Option<DateTime<Utc>>) -> Result<bool> {
        match content_upto {
            Some(_) => Ok(self.ledger.known(self.feed, key, content_upto)?),
            None => self.neighbours.hold(&self.ledger, self.feed, key),
        }
    }

    /// The completed content is not wanted.
    pub fn discard(&mut self) -> Result<()> {
        if self.content.file.take().is_some()
            && let Some(part) = self.part
        {
            self.stager().staging.remove(staged_name(part, self.next))?;
        }
        self.batch.bytes.truncate(self.content.start);
        self.next_content();
        Ok(())
    }

    /// The completed content goes on the part's list.
    pub fn keep(&mut self, destination: Destination) -> Result<()> {
        let part = self.part()?;
        let Destination { name, place, key, beside } = destination;
        let content = match self.content.file.take() {
            Some(file) => Content::Written(file),
            None => Content::Held(self.content.start..self.batch.bytes.len()),
        };
        let (seq, size) = (self.next, self.content.size);
        self.rows.push(NewBlock { seq, name, place, beside: beside.is_some(), key, size });
        self.batch.push(Complete { content, beside, seq });
        if self.batch.is_full() {
            self.behind.take(part, &mut self.batch)?;
        }
        self.next += 1;
        if self.rows.len() >= ROWS {
            self.list(part)?;
        }
        if self.double.len() >= ROWS {
            self.remove_double(part)?;
        }
        self.next_content();
        Ok(())
    }

    /// Puts rows on the ledger's list, whether their files are written yet or not.
    fn list(&mut self, part: PartId) -> Result<()> {
        if !self.rows.is_empty() {
            self.double.extend(self.ledger.add_blocks(self.feed, part, &self.rows, self.began)?);
            self.rows.clear();
        }
        Ok(())
    }

    /// Removes what is staged and not on the list: once it is written.
    fn remove_double(&mut self, part: PartId) -> Result<()> {
        if self.double.is_empty() {
            return Ok(());
        }
        self.behind.take(part, &mut self.batch)?;
        self.behind.wait()?;
        let staging = &self.behind.stager().staging;
        for seq in self.double.drain(..) {
            staging.remove(staged_name(part, seq))?;
            staging.remove(beside_name(part, seq))?;
        }
        Ok(())
    }

    /// Writes what is gathered, as if it were enough for that.
    #[cfg(test)]
    pub(super) fn write_now(&mut self) -> Result<()> {
        let part = self.part()?;
        self.behind.take(part, &mut self.batch)?;
        self.next_content();
        self.list(part)?;
        self.behind.wait()
    }

    fn next_content(&mut self) {
        self.content = Open { start: self.batch.bytes.len(), ..Open::default() };
    }

    /// Fails where less than `floor` bytes are free.
    pub fn need_free(&self, floor: u64) -> Result<()> {
        need_free(&self.stager().staging, floor)
    }

    /// Makes everything staged durable and commits the part: from here on it is ours. `None`: it had no block.
    pub(super) fn commit(mut self, after: &After, recent_upto: Option<DateTime<Utc>>) -> Result<Option<PartId>> {
        let Some(part) = self.part else {
            return Ok(None);
        };
        self.list(part)?;
        self.remove_double(part)?;
        self.behind.finish(part, self.batch)?.sync(&self.flush)?;
        self.ledger.commit_part(part, after, recent_upto)?;
        Ok(Some(part))
    }
}

/// Fails where less than `floor` bytes are free below a directory.
pub(super) fn need_free(dir: &Dir, floor: u64) -> Result<()> {
    let free = dir.free_space()?;
    if free < floor { Err(StoreError::TooFull { path: dir.path().to_owned(), free, floor }) } else { Ok(()) }
}
