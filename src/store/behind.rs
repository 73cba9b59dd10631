//! Writing behind: contents that are complete are written in batches, by a thread that lives as long as there are any,
//! while the next ones are parsed. Only a few batches wait for it: with more, the parser writes one itself.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::Result;
use super::disk::{Bits, Dir, FileWriter};
use super::durable::Unsynced;
use super::ledger::PartId;
use super::staging::{beside_name, staged_name};

/// A batch is written once it has so many bytes …
const BYTES: usize = 256 << 10;

/// … or blocks, …
const BLOCKS: usize = 256;

/// … or contents that are in their files already, which stay open.
const OPEN: usize = 8;

/// So many batches wait to be written, at most: the disk does not stand still for a moment of the parser's.
const WAITING: usize = 3;

/// So many wait in all parts that are staged at the same time, for the sake of memory.
const WAITING_IN_ALL: usize = 4;

/// What all parts share.
static SHARED_BY_ALL: ByAll = ByAll { waiting: AtomicUsize::new(0), empty: Mutex::new(Vec::new()) };

/// What parts share that are staged at the same time.
#[derive(Debug)]
struct ByAll {
    /// How many batches wait.
    waiting: AtomicUsize,
    /// Written ones, for their memory.
    empty: Mutex<Vec<Batch>>,
}

impl ByAll {
    fn empty(&self) -> Batch {
        lock(&self.empty).pop().unwrap_or_default()
    }

    /// Takes back one that is written; a few are enough.
    fn keep(&self, batch: Batch) {
        let mut empty = lock(&self.empty);
        if empty.len() < WAITING {
            empty.push(batch);
        }
    }
}

/// Contents that are complete, one after the other, and behind them the one that is not.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    blocks: Vec<Complete>,
    beside: usize,
    open: usize,
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
        self.open += usize::from(matches!(complete.content, Content::Written(_)));
        self.blocks.push(complete);
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() + self.beside >= BYTES || self.blocks.len() >= BLOCKS || self.open >= OPEN
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.blocks.clear();
        (self.beside, self.open) = (0, 0);
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
#[derive(Debug)]
struct Queue {
    full: VecDeque<Batch>,
    by_all: &'static ByAll,
    writer: Writer,
}

impl Queue {
    fn push(&mut self, batch: Batch) {
        self.by_all.waiting.fetch_add(1, Ordering::Relaxed);
        self.full.push_back(batch);
    }

    fn pop(&mut self) -> Option<Batch> {
        let batch = self.full.pop_front();
        self.by_all.waiting.fetch_sub(usize::from(batch.is_some()), Ordering::Relaxed);
        batch
    }

    fn is_too_long(&self) -> bool {
        self.full.len() > WAITING || self.by_all.waiting.load(Ordering::Relaxed) > WAITING_IN_ALL
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
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
        let by_all = lock(&self.queue).by_all;
        by_all.keep(batch);
        Ok(())
    }

    /// Puts a batch into the queue, and an empty one in its place. Says how the writer was: one that was gone has to be
    /// started; and gives what the queue has no room for.
    fn put(&self, batch: &mut Batch) -> (Writer, Option<Batch>) {
        let mut queue = lock(&self.queue);
        let empty = queue.by_all.empty();
        queue.push(mem::replace(batch, empty));
        let was = queue.writer;
        if was == Writer::Gone {
            queue.writer = Writer::There;
        }
        let over = if was == Writer::There && queue.is_too_long() { queue.pop() } else { None };
        (was, over)
    }

    /// The next batch; where there is none the writer is gone.
    fn next(&self) -> Option<Batch> {
        let mut queue = lock(&self.queue);
        let next = queue.pop();
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
        Behind::beside(stager, &SHARED_BY_ALL)
    }

    fn beside(stager: Stager, by_all: &'static ByAll) -> Behind {
        let queue = Queue { full: VecDeque::new(), by_all, writer: Writer::Gone };
        let shared = Shared { stager, unsynced: Mutex::default(), queue: Mutex::new(queue) };
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
        while lock(&self.shared.queue).pop().is_some() {}
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

    /// Parts that are staged at the same time, and whose writers are busy for ever.
    fn busy(parts: usize) -> (tempfile::TempDir, Vec<Behind>) {
        let site = tempfile::tempdir().unwrap();
        let by_all: &ByAll = Box::leak(Box::new(ByAll { waiting: AtomicUsize::new(0), empty: Mutex::default() }));
        let staging = Dir::open(site.path()).unwrap();
        let parts = (0..parts).map(|_| {
            let stager = Stager { staging: staging.clone(), bits: Bits::new(0o640), group: None };
            let behind = Behind::beside(stager, by_all);
            lock(&behind.shared.queue).writer = Writer::There;
            behind
        });
        let parts = parts.collect();
        (site, parts)
    }

    fn is_written(behind: &Behind, part: PartId, seq: i64) -> bool {
        behind.stager().staging.stat(staged_name(part, seq)).unwrap().is_some()
    }

    #[test]
    fn a_batch_that_there_is_no_room_for_is_written_by_whoever_brings_it() {
        let (_site, mut parts) = busy(1);
        for seq in 0..5 {
            parts[0].take(1, &mut batch(seq)).unwrap();
        }
        assert_eq!(lock(&parts[0].shared.queue).full.len(), WAITING);
        let written: Vec<bool> = (0..5).map(|seq| is_written(&parts[0], 1, seq)).collect();
        assert_eq!(written, [true, true, false, false, false]);
    }

    #[test]
    fn few_batches_wait_however_many_parts_are_staged() {
        let (_site, mut parts) = busy(WAITING_IN_ALL + 2);
        for (part, behind) in (1..).zip(&mut parts) {
            behind.take(part, &mut batch(0)).unwrap();
        }
        let waiting = parts.iter().map(|behind| lock(&behind.shared.queue).full.len()).sum::<usize>();
        assert_eq!(waiting, WAITING_IN_ALL);
        let last = WAITING_IN_ALL as PartId + 2;
        assert!(is_written(&parts[WAITING_IN_ALL + 1], last, 0) && !is_written(&parts[0], 1, 0));
        drop(parts.pop());
        drop(parts.pop());
        let by_all = lock(&parts[0].shared.queue).by_all;
        parts.clear();
        assert_eq!(by_all.waiting.load(Ordering::Relaxed), 0, "what is given up waits no longer");
    }

    #[test]
    fn contents_that_are_in_their_files_already_do_not_stay_open_for_long() {
        let (_site, parts) = busy(1);
        let mut batch = Batch::default();
        for seq in 0..OPEN as i64 {
            assert!(!batch.is_full());
            let file = parts[0].stager().create(&staged_name(1, seq)).unwrap();
            batch.push(Complete { content: Content::Written(file), beside: None, seq });
        }
        assert!(batch.is_full());
    }
}
