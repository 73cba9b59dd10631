//! Writing behind: contents that are complete are written in batches, each on a thread of its own that lives no longer,
//! while the next ones are parsed. At most one batch is being written and one gathered, whatever comes.

use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use chrono::{DateTime, Utc};

use super::Result;
use super::disk::{Bits, Dir, FileWriter};
use super::durable::Unsynced;
use super::ledger::{FeedId, Ledger, NewBlock, PartId};
use super::staging::{beside_name, staged_name};

/// A batch is written once it has so many bytes …
const BYTES: usize = 256 << 10;

/// … or blocks.
const BLOCKS: usize = 256;

/// Rows go to the ledger this many at a time, at least.
const ROWS: usize = 2048;

/// Contents that are complete, one after the other, and behind them the one that is not.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    blocks: Vec<Complete>,
    beside: usize,
}

/// A content that is to go on the part's list.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) content: Content,
    /// The metadata or reason file that goes before it.
    pub(super) beside: Option<Vec<u8>>,
    pub(super) row: NewBlock,
}

/// Where the bytes of a content are.
#[derive(Debug)]
pub(super) enum Content {
    /// In the batch.
    Held(Range<usize>),
    /// In its file already: it was too long to be held.
    Written(FileWriter),
}

impl Batch {
    pub(super) fn push(&mut self, complete: Complete) {
        self.beside += complete.beside.as_ref().map_or(0, Vec::len);
        self.blocks.push(complete);
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() + self.beside >= BYTES || self.blocks.len() >= BLOCKS
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.blocks.clear();
        self.beside = 0;
    }
}

/// Makes staged files, and puts them on the part's list.
#[derive(Debug)]
pub(super) struct Stager {
    pub(super) ledger: Arc<Ledger>,
    pub(super) feed: FeedId,
    pub(super) staging: Dir,
    /// The permission bits and the group of what is staged.
    pub(super) bits: Bits,
    pub(super) group: Option<u32>,
    /// When the poll began.
    pub(super) began: DateTime<Utc>,
}

/// What is staged so far.
#[derive(Debug, Default)]
struct Staged {
    batch: Batch,
    rows: Vec<NewBlock>,
    unsynced: Unsynced,
}

/// A thread that writes a batch.
type Writing = JoinHandle<Result<()>>;

/// Writes batches of one part.
#[derive(Debug)]
pub(super) struct Behind {
    stager: Arc<Stager>,
    staged: Arc<Mutex<Staged>>,
    writing: Option<Writing>,
}

impl Stager {
    pub(super) fn create(&self, name: &str) -> Result<FileWriter> {
        let file = self.staging.create_with(name, &self.bits)?;
        if let Some(group) = self.group {
            file.set_group(group)?;
        }
        Ok(file)
    }

    fn write(&self, part: PartId, staged: &mut Staged) -> Result<()> {
        let Staged { batch, rows, unsynced } = staged;
        for Complete { content, beside, row } in batch.blocks.drain(..) {
            unsynced.add(match content {
                Content::Written(file) => file,
                Content::Held(range) => self.put(&staged_name(part, row.seq), &batch.bytes[range])?,
            });
            if let Some(bytes) = beside {
                unsynced.add(self.put(&beside_name(part, row.seq), &bytes)?);
            }
            rows.push(row);
        }
        batch.clear();
        if rows.len() >= ROWS { self.list(part, rows) } else { Ok(()) }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<FileWriter> {
        let mut file = self.create(name)?;
        file.write(bytes)?;
        Ok(file)
    }

    /// Puts rows on the ledger's list, and removes what turns out to stand there already.
    fn list(&self, part: PartId, rows: &mut Vec<NewBlock>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for seq in self.ledger.add_blocks(self.feed, part, rows, self.began)? {
            self.staging.remove(staged_name(part, seq))?;
            self.staging.remove(beside_name(part, seq))?;
        }
        rows.clear();
        Ok(())
    }
}

impl Behind {
    pub(super) fn new(stager: Stager) -> Behind {
        Behind { stager: Arc::new(stager), staged: Arc::default(), writing: None }
    }

    pub(super) fn stager(&self) -> &Stager {
        &self.stager
    }

    /// Begins to write the batch, once the one before it is written. The batch is then an empty one.
    pub(super) fn take(&mut self, part: PartId, batch: &mut Batch) -> Result<()> {
        self.wait()?;
        mem::swap(&mut lock(&self.staged).batch, batch);
        let (stager, staged) = (self.stager.clone(), self.staged.clone());
        let write = move || stager.write(part, &mut lock(&staged));
        match Builder::new().name("stage".to_owned()).spawn(write) {
            Ok(writing) => self.writing = Some(writing),
            // No thread is to be had just now: it is slower without.
            Err(_) => self.stager.write(part, &mut lock(&self.staged))?,
        }
        Ok(())
    }

    /// Writes what is left, and gives what is to be made durable.
    pub(super) fn finish(mut self, part: PartId, batch: Batch) -> Result<Unsynced> {
        self.wait()?;
        let mut staged = lock(&self.staged);
        staged.batch = batch;
        self.stager.write(part, &mut staged)?;
        self.stager.list(part, &mut staged.rows)?;
        Ok(mem::take(&mut staged.unsynced))
    }

    /// Waits until nothing is being written.
    pub(super) fn wait(&mut self) -> Result<()> {
        match self.writing.take().map(Writing::join) {
            Some(Ok(written)) => written,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Behind {
    /// Whoever gives a part up sweeps what is staged of it: nobody must write any more by then. What went wrong in a part
    /// that is given up does not matter.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.join();
        }
    }
}

/// A panic while it was locked goes on in [`Behind::wait`].
fn lock(staged: &Mutex<Staged>) -> MutexGuard<'_, Staged> {
    staged.lock().unwrap_or_else(PoisonError::into_inner)
}
