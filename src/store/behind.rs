//! Writing behind: contents that are complete are written in batches, by a thread that lives as long as there are any,
//! while the next ones are parsed. Only a few batches wait for it: with more, the parser writes one itself.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::Result;
use super::disk::{Bits, Dir, FileWriter};
use super::durable::Unsynced;
use super::ledger::PartId;
use super::staging::{beside_name, staged_name};

/// A batch is written once it has so many bytes …
const BYTES: usize = 256 << 10;

/// … or blocks.
const BLOCKS: usize = 256;

/// So many batches wait to be written, at most: the disk does not stand still for a moment of the parser's.
const WAITING: usize = 3;

/// Contents that are complete, one after the other, and behind them the one that is not.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    blocks: Vec<Complete>,
    beside: usize,
}

/// A content that is to be staged.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) content: Content,
    /// The metadata or reason file that goes before it.
    pub(super) beside: Option<Vec<u8>>,
    /// Its number in the part.
    pub(super) seq: i64,
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

/// Makes staged files.
#[derive(Debug)]
pub(super) struct Stager {
    pub(super) staging: Dir,
    /// The permission bits and the group of what is staged.
    pub(super) bits: Bits,
    pub(super) group: Option<u32>,
}

/// What is to be staged.
#[derive(Debug, Default)]
struct Queue {
    full: VecDeque<Batch>,
    /// Written ones, for their memory.
    empty: Vec<Batch>,
    writer: Writer,
}

/// The thread that writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Writer {
    /// There is none, or it has ended but for its last words.
    #[default]
    Gone,
    /// It takes what is put into the queue.
    There,
    /// It ended because of trouble, and says so when it is joined.
    Failed,
}

#[derive(Debug)]
struct Shared {
    stager: Stager,
    unsynced: Mutex<Unsynced>,
    queue: Mutex<Queue>,
}

/// Writes the batches of one part.
#[derive(Debug)]
pub(super) struct Behind {
    shared: Arc<Shared>,
    writing: Option<JoinHandle<Result<()>>>,
}

impl Stager {
    pub(super) fn create(&self, name: &str) -> Result<FileWriter> {
        let file = self.staging.create_with(name, &self.bits)?;
        if let Some(group) = self.group {
            file.set_group(group)?;
        }
        Ok(file)
    }

    /// Writes a batch, and gives what is to be made durable.
    fn write(&self, part: PartId, batch: &mut Batch) -> Result<Unsynced> {
        let mut unsynced = Unsynced::default();
        for Complete { content, beside, seq } in batch.blocks.drain(..) {
            unsynced.add(match content {
                Content::Written(file) => file,
                Content::Held(range) => self.put(&staged_name(part, seq), &batch.bytes[range])?,
            });
            if let Some(bytes) = beside {
                unsynced.add(self.put(&beside_name(part, seq), &bytes)?);
            }
        }
        batch.clear();
        Ok(unsynced)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<FileWriter> {
        let mut file = self.create(name)?;
        file.write(bytes)?;
        Ok(file)
    }
}

impl Shared {
    /// Writes until nothing waits any more.
    fn run(&self, part: PartId) -> Result<()> {
        let failing = Failing(self);
        while let Some(batch) = self.next() {
            self.write(part, batch)?;
        }
        mem::forget(failing);
        Ok(())
    }

    fn write(&self, part: PartId, mut batch: Batch) -> Result<()> {
        let unsynced = self.stager.write(part, &mut batch)?;
        lock(&self.unsynced).append(unsynced);
        lock(&self.queue).empty.push(batch);
        Ok(())
    }

    /// Puts a batch into the queue, and an empty one in its place. Says how the writer was: one that was gone has to be
    /// started; and gives what the queue has no room for.
    fn put(&self, batch: &mut Batch) -> (Writer, Option<Batch>) {
        let mut queue = lock(&self.queue);
        let empty = queue.empty.pop().unwrap_or_default();
        queue.full.push_back(mem::replace(batch, empty));
        let was = queue.writer;
        if was == Writer::Gone {
            queue.writer = Writer::There;
        }
        let over = if was == Writer::There && queue.full.len() > WAITING { queue.full.pop_front() } else { None };
        (was, over)
    }

    /// The next batch; where there is none the writer is gone.
    fn next(&self) -> Option<Batch> {
        let mut queue = lock(&self.queue);
        let next = queue.full.pop_front();
        if next.is_none() {
            queue.writer = Writer::Gone;
        }
        next
    }
}

/// Marks that the writer came to nothing, by an error or by a panic.
struct Failing<'a>(&'a Shared);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).writer = Writer::Failed;
    }
}

impl Behind {
    pub(super) fn new(stager: Stager) -> Behind {
        let (unsynced, queue) = (Mutex::default(), Mutex::default());
        let shared = Shared { stager, unsynced, queue };
        Behind { shared: Arc::new(shared), writing: None }
    }

    pub(super) fn stager(&self) -> &Stager {
        &self.shared.stager
    }

    /// Has the batch written. It is then an empty one.
    pub(super) fn take(&mut self, part: PartId, batch: &mut Batch) -> Result<()> {
        let (writer, over) = self.shared.put(batch);
        if writer == Writer::There {
            return over.map_or(Ok(()), |batch| self.shared.write(part, batch));
        }
        // What went wrong comes out here.
        self.wait()?;
        let shared = self.shared.clone();
        match Builder::new().name("stage".to_owned()).spawn(move || shared.run(part)) {
            Ok(writing) => self.writing = Some(writing),
            // No thread is to be had just now: it is slower without.
            Err(_) => self.shared.run(part)?,
        }
        Ok(())
    }

    /// Writes what is left, and gives what is to be made durable.
    pub(super) fn finish(mut self, part: PartId, mut batch: Batch) -> Result<Unsynced> {
        self.wait()?;
        let last = self.shared.stager.write(part, &mut batch)?;
        let mut unsynced = mem::take(&mut *lock(&self.shared.unsynced));
        unsynced.append(last);
        Ok(unsynced)
    }

    /// Waits until everything taken is written.
    pub(super) fn wait(&mut self) -> Result<()> {
        match self.writing.take().map(JoinHandle::join) {
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
        lock(&self.shared.queue).full.clear();
        if let Some(writing) = self.writing.take() {
            let _ = writing.join();
        }
    }
}

/// A panic while it was locked goes on in [`Behind::wait`].
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(seq: i64) -> Batch {
        let mut batch = Batch { bytes: b"content".to_vec(), ..Batch::default() };
        batch.push(Complete { content: Content::Held(0..7), beside: None, seq });
        batch
    }

    #[test]
    fn a_batch_that_there_is_no_room_for_is_written_by_whoever_brings_it() {
        let site = tempfile::tempdir().unwrap();
        let staging = Dir::open(site.path()).unwrap();
        let stager = Stager { staging: staging.clone(), bits: Bits::new(0o640), group: None };
        let mut behind = Behind::new(stager);
        // One that is busy for ever.
        lock(&behind.shared.queue).writer = Writer::There;
        for seq in 0..5 {
            behind.take(1, &mut batch(seq)).unwrap();
        }
        assert_eq!(lock(&behind.shared.queue).full.len(), WAITING);
        let written = |seq: i64| staging.stat(staged_name(1, seq)).unwrap().is_some();
        assert_eq!((0..5).map(written).collect::<Vec<_>>(), [true, true, false, false, false]);
    }
}
