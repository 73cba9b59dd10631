//! The lines of the log on their way to standard error.
//!
//! Whoever is behind it may stop reading. A pipe that is full would hold up who writes the line, and with it the agent:
//! [`write_beside`] has a thread of its own write the lines. What it is behind with is bounded; a line that has no place is
//! lost, which is told as soon as there is one again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::lines;

/// So many bytes may wait to be written.
const MOST: usize = 1 << 20;

/// A line waits this long for a place. After one that waited in vain nobody waits until something was written.
const PATIENCE: Duration = Duration::from_millis(250);

/// At the end all lines are waited for this long.
const LAST: Duration = Duration::from_secs(2);

/// A line is put together in it when some were lost.
const STACK: usize = 256 << 10;

static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// While this is there, a thread of its own writes the log; when it goes, what was logged is written, unless nobody reads.
#[derive(Debug)]
pub struct Beside(());

/// From now on a thread of its own writes the log.
pub fn write_beside() -> Beside {
    let queue = Arc::new(Queue::default());
    let writing = queue.clone();
    let write = move || writing.write_to(&mut io::stderr(), lines::lines_lost);
    if thread::Builder::new().name("log".to_owned()).stack_size(STACK).spawn(write).is_ok() {
        let _ = QUEUE.set(queue);
    }
    Beside(())
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Some(queue) = QUEUE.get() {
            queue.flush();
        }
    }
}

/// One line: it is gathered, and goes on its way as a whole.
#[derive(Debug, Default)]
pub(super) struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.0);
        match QUEUE.get() {
            Some(queue) => queue.put(line),
            // There is nobody to tell.
            None => drop(io::stderr().write_all(&line)),
        }
    }
}

/// What the thread does next.
enum Next {
    Line(Vec<u8>),
    Lost(u64),
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// A line is being written.
    writing: bool,
    /// Somebody has waited in vain.
    stuck: bool,
    /// How many lines were lost, and nobody was told.
    lost: u64,
}

impl Waiting {
    fn has_place(&self, line: &[u8]) -> bool {
        self.lines.is_empty() || self.bytes + line.len() <= MOST
    }
}

impl Queue {
    fn put(&self, line: Vec<u8>) {
        let mut waiting = self.waiting();
        let in_vain = |waiting: &mut Waiting| !waiting.has_place(&line) && !waiting.stuck;
        if in_vain(&mut waiting) {
            let waited = self.changed.wait_timeout_while(waiting, PATIENCE, in_vain);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if waiting.has_place(&line) {
            waiting.bytes += line.len();
            waiting.lines.push_back(line);
        } else {
            waiting.stuck = true;
            waiting.lost += 1;
        }
        self.changed.notify_all();
    }

    /// Writes what comes, for ever, and tells how many lines were lost once all others are written.
    fn write_to(&self, to: &mut impl Write, tell: impl Fn(u64)) {
        loop {
            match self.next() {
                Next::Line(line) => {
                    let _ = to.write_all(&line);
                    let mut waiting = self.waiting();
                    (waiting.writing, waiting.stuck) = (false, false);
                    self.changed.notify_all();
                }
                Next::Lost(lines) => tell(lines),
            }
        }
    }

    fn next(&self) -> Next {
        let mut waiting = self.waiting();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                waiting.bytes -= line.len();
                waiting.writing = true;
                return Next::Line(line);
            }
            if waiting.lost > 0 {
                return Next::Lost(std::mem::take(&mut waiting.lost));
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn flush(&self) {
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        let _ = self.changed.wait_timeout_while(self.waiting(), LAST, busy);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    /// Somebody who reads a line when told to.
    struct Reader {
        go_on: mpsc::Receiver<()>,
        read: mpsc::Sender<String>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go_on.recv();
            let _ = self.read.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    fn a_reader_who_stops_holds_nobody_up_and_loses_no_more_than_has_no_place() {
        let queue = Arc::new(Queue::default());
        let (go, go_on) = mpsc::channel();
        let (read, lines) = mpsc::channel();
        let lost = read.clone();
        let writing = queue.clone();
        let tell = move |number| drop(lost.send(format!("lost {number}")));
        thread::spawn(move || writing.write_to(&mut Reader { go_on, read }, tell));
        let line = |number: usize| format!("{number:0>1000}\n").into_bytes();
        let (began, all) = (Instant::now(), 3 * MOST / 1001);
        (0..all).for_each(|number| queue.put(line(number)));
        assert!(began.elapsed() < 8 * PATIENCE, "{:?}", began.elapsed());
        queue.flush();
        drop(go);
        let mut kept = 0;
        let told = lines.iter().inspect(|_| kept += 1).find(|line| line.starts_with("lost")).unwrap();
        assert_eq!(told, format!("lost {}", all - (kept - 1)));
        assert!((MOST / 1001..MOST / 1001 + 3).contains(&(kept - 1)), "{kept}");
        queue.put(line(7));
        queue.flush();
        assert_eq!(lines.try_recv().unwrap().into_bytes(), line(7));
    }
}
