//! A drop directory: a producer, the agent, and an inbox whose answers may never come.
//!
//! The agent makes the calls that `push/drop.rs`, `push/inbox.rs` and `push/leave.rs` make, in their order.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use fastrand::Rng;

use super::{Broken, Count, lives};
use crate::store::Result;
use crate::store::disk::Dir;
use crate::store::disk::simulated::{MOUNTED, Simulated, State};
use crate::store::drops::{Batch, Copying, DropDirectory, End, Finished};
use crate::store::ledger::{Admission, Due, FileRow, Ledger, NewDelivery, Outcome, Settled};

const DROP: &str = "drop";
const INBOX: &str = "inbox";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_000, 0).unwrap_or_default()
}

/// What the producer left, and what the inbox got of it.
#[derive(Debug, Default)]
struct Books {
    left: Vec<String>,
    received: HashMap<String, u64>,
    torn: u64,
}

impl Books {
    /// Leaves a file under a name that is free.
    fn produce(&mut self, disk: &mut State, most: usize) {
        let name = ["a.xml", "b.xml", "a.1.xml"][disk.rng().usize(..3)];
        if self.left.len() < most && disk.bytes(&format!("{DROP}/{name}")).is_none() {
            let text = format!("file {} {}", self.left.len(), "x".repeat(disk.rng().usize(..100)));
            disk.leave(DROP, name, text.as_bytes());
            self.left.push(text);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        match self.left.iter().find(|text| text.as_bytes() == bytes) {
            Some(text) => *self.received.entry(text.clone()).or_default() += 1,
            None => self.torn += 1,
        }
    }
}

struct Agent {
    ledger: Arc<Ledger>,
    disk: Simulated,
    books: Arc<Mutex<Books>>,
    broken: Broken,
    rng: Rng,
    /// Deliveries that may have been made twice: an answer or its record was lost.
    unknown: u64,
    most: usize,
}

pub(super) fn run(seed: u64, broken: Broken) -> Count {
    let mut rng = Rng::with_seed(seed);
    let disk = Simulated::mount(seed, seed.is_multiple_of(2), broken.faults());
    let ledger = Arc::new(Ledger::simulated(&disk));
    let books = Arc::new(Mutex::new(Books::default()));
    let (producer, pace, most) = (books.clone(), rng.u32(3..30), rng.usize(1..12));
    disk.state().make_dir(DROP);
    disk.share_with(move |disk| {
        if disk.rng().u32(..pace) == 0 {
            producer.lock().unwrap().produce(disk, most);
        }
    });
    let (clone, agents) = (disk.clone(), books.clone());
    let rng_of_agent = rng.fork();
    let mut agent =
        Agent { ledger: ledger.clone(), disk: clone, books: agents, broken, rng: rng_of_agent, unknown: 0, most };
    let mut count = lives(&disk, &ledger, &mut rng, || agent.live().unwrap_or(false));
    disk.share_with(|_| {});
    let (state, books) = (disk.state(), books.lock().unwrap());
    count.torn = books.torn;
    let mut sent: HashMap<&[u8], u64> = HashMap::new();
    for name in state.names(&format!("{DROP}/sent")) {
        let name = name.to_string_lossy();
        if name.ends_with(".receipt.json") {
            // Receipts and files match by name, both ways.
            let file = name.trim_end_matches(".receipt.json");
            count.torn += u64::from(state.bytes(&format!("{DROP}/sent/{file}")).is_none());
            continue;
        }
        let receipt = state.bytes(&format!("{DROP}/sent/{name}.receipt.json"));
        let bytes = state.bytes(&format!("{DROP}/sent/{name}")).unwrap_or_default();
        count.torn += u64::from(receipt.is_none_or(|receipt| receipt != bytes));
        *sent.entry(bytes).or_default() += 1;
    }
    for text in &books.left {
        let times = sent.remove(text.as_bytes()).unwrap_or_default();
        count.lost += u64::from(times == 0 || !books.received.contains_key(text));
        count.twice += u64::from(times > 1);
    }
    count.torn += sent.len() as u64;
    let received: u64 = books.received.values().sum();
    count.twice += received.saturating_sub(books.left.len() as u64 + agent.unknown);
    count
}

impl Agent {
    /// One life: looks, sends and lets leave until nothing is left to do. Whether everything is done.
    fn live(&mut self) -> Result<bool> {
        let drops = DropDirectory::open(self.ledger.clone(), "d", &Path::new(MOUNTED).join(DROP))?;
        self.ledger.sweep_under_way()?;
        self.let_leave(&drops)?;
        for _ in 0..100 {
            self.look(&drops)?;
            self.send(&drops)?;
            let nothing = self.ledger.report()?.inboxes.iter().all(|inbox| inbox.pending == 0);
            if nothing && self.books.lock().unwrap().left.len() == self.most && self.nothing_dropped() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn nothing_dropped(&self) -> bool {
        let state = self.disk.state();
        state.names(DROP).iter().all(|name| ["sending", "sent", "failed"].iter().any(|dir| name == dir))
    }

    fn look(&mut self, drops: &DropDirectory) -> Result<()> {
        drops.claim_unclaimed()?;
        let mut batch = drops.batch()?;
        drops.candidates(&|_| true, |candidates| {
            for candidate in candidates {
                if let Copying::Done(copied) = drops.copy(&candidate, &mut |_| {})? {
                    let admission = admission(&candidate, &copied.token, copied.sha256);
                    batch.add(Some(copied), admission);
                }
            }
            Ok(true)
        })?;
        if self.broken == Broken::SentBeforeClaimed {
            return self.admit_too_soon(drops, batch);
        }
        drops.admit(&mut batch).map(drop)
    }

    /// The originals go after the files may be sent, and nobody waits until that is durable.
    fn admit_too_soon(&self, drops: &DropDirectory, batch: Batch) -> Result<()> {
        let dir = Dir::open(&Path::new(MOUNTED).join(DROP))?;
        let sending = Dir::open(&Path::new(MOUNTED).join(DROP).join("sending"))?;
        sending.sync_file_system()?;
        let files = self.ledger.admit(drops.id(), batch.admissions())?;
        for admission in batch.admissions() {
            sending.rename(format!("{}.new", admission.token), &sending, &admission.token)?;
        }
        sending.sync()?;
        self.ledger.claim(&files)?;
        for admission in batch.admissions() {
            dir.remove(OsStr::from_bytes(&admission.name))?;
        }
        Ok(())
    }

    fn send(&mut self, drops: &DropDirectory) -> Result<()> {
        for owed in self.ledger.due(Due { inbox: INBOX, now: now(), hurry: true, after: 0, limit: 3 })? {
            let body = drops.body(&owed.file)?;
            let mut bytes = vec![0; 1_000];
            let count = body.read_full(&mut bytes)?;
            self.ledger.start_attempts(INBOX, &[(owed.file.id, "m")])?;
            // From here to the record it is unknown whether the inbox has it.
            self.unknown += 1;
            self.books.lock().unwrap().receive(&bytes[..count]);
            let answered = self.rng.u8(..6) > 0;
            self.ledger.record(&[settled(&owed.file, answered)], now())?;
            if answered {
                self.unknown -= 1;
            }
        }
        self.let_leave(drops)
    }

    fn let_leave(&self, drops: &DropDirectory) -> Result<()> {
        loop {
            let files = self.ledger.finished_files(drops.id(), 4)?;
            if files.is_empty() {
                return Ok(());
            }
            let mut finished = Vec::new();
            for file in files {
                // The receipt is the file's own bytes, so that a wrong pair shows.
                let receipt = match drops.body(&file) {
                    Ok(body) => {
                        let mut bytes = vec![0; 1_000];
                        let count = body.read_full(&mut bytes)?;
                        bytes.truncate(count);
                        bytes
                    }
                    Err(_) => self.text_of(&file),
                };
                finished.push(Finished { file, end: End::Sent, receipt });
            }
            if let Some(trouble) = drops.leave(&finished)?.trouble {
                return Err(trouble);
            }
        }
    }

    /// The bytes of a file that has left already, found by its digest.
    fn text_of(&self, file: &FileRow) -> Vec<u8> {
        let books = self.books.lock().unwrap();
        let digest = |text: &String| <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(text));
        books.left.iter().find(|text| Some(digest(text)) == file.sha256).cloned().unwrap_or_default().into_bytes()
    }
}

fn admission(candidate: &crate::store::drops::Candidate, token: &str, sha256: [u8; 32]) -> Admission {
    let stat = candidate.stat;
    Admission {
        token: token.to_owned(),
        name: candidate.name.as_bytes().to_vec(),
        sha256: Some(sha256),
        size: stat.size,
        mode: stat.mode,
        modified: stat.modified,
        inode: stat.inode,
        binding: None,
        wire: false,
        body: 0..stat.size,
        refusal: None,
        dropped_at: now(),
        deliveries: vec![NewDelivery { inbox: INBOX.to_owned(), outcome: None, message: None }],
    }
}

fn settled(file: &FileRow, answered: bool) -> Settled {
    Settled {
        file: file.id,
        inbox: INBOX.to_owned(),
        outcome: answered.then_some(Outcome::Accepted),
        status_type: None,
        message: None,
        next_try: None,
        asked: false,
        refusal: false,
        alone: false,
        unknown: !answered,
    }
}
