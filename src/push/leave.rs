//! Files that are owed to nobody any more leave `sending/`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::receipt::receipt;
use crate::observe::lines;
use crate::store::Result;
use crate::store::disk::Stat;
use crate::store::drops::{DropDirectory, End, Finished};
use crate::store::ledger::{FileId, FileRow, Ledger, Outcome, Settled};
use crate::taxii::time::earlier;

/// So many files leave together.
const TOGETHER: u32 = 256;

/// One at a time.
pub(super) type Turn = Arc<Mutex<()>>;

/// The open drop directories, by their number in the ledger: what the inbox walks read bodies from, and send finished
/// files to.
#[derive(Clone, Debug, Default)]
pub struct Drops {
    open: Arc<Mutex<HashMap<i64, Arc<Open>>>>,
    taking: Arc<Mutex<HashMap<(u64, u64), Turn>>>,
    leaving: Arc<Mutex<HashMap<i64, Turn>>>,
    troubles: Arc<Mutex<BTreeMap<String, String>>>,
}

/// An open drop directory with what its files have to know.
#[derive(Debug)]
pub(super) struct Open {
    /// Its name in the configuration.
    pub(super) name: String,
    /// The directory.
    pub(super) dir: DropDirectory,
    /// `give_up`.
    pub(super) give_up: Duration,
    /// `keep_sent`.
    pub(super) keep_sent: Duration,
    /// `resend_duplicates`.
    pub(super) resend_duplicates: bool,
    /// Held while files are taken in.
    pub(super) taking: Turn,
    /// Held while files leave: the drop walk and each inbox walk may find the same file finished at the same time,
    /// also through a directory that was opened again meanwhile.
    pub(super) leaving: Turn,
}

impl Drops {
    fn map(&self) -> MutexGuard<'_, HashMap<i64, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is held while files are taken in from this directory, whatever its name in the configuration: whoever opens
    /// it tidies `sending/`, and two who look at it at the same time would take each other's copies for strangers.
    pub(super) fn taking(&self, directory: &Stat) -> Turn {
        let which = (directory.device, directory.inode);
        self.taking.lock().unwrap_or_else(PoisonError::into_inner).entry(which).or_default().clone()
    }

    /// What is held while files leave this directory, however often it is opened.
    pub(super) fn leaving(&self, directory: i64) -> Turn {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).entry(directory).or_default().clone()
    }

    pub(super) fn put(&self, open: Arc<Open>) {
        self.map().insert(open.dir.id(), open);
    }

    pub(super) fn get(&self, directory: i64) -> Option<Arc<Open>> {
        self.map().get(&directory).cloned()
    }

    /// What is wrong with drop directories, by their names.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what is wrong with a drop directory, or that nothing is.
    pub(super) fn note_trouble(&self, drop: &str, words: Option<String>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match words {
            Some(words) => troubles.insert(drop.to_owned(), words),
            None => troubles.remove(drop),
        };
    }

    /// Whether the drop directory of this number is open.
    pub fn is_open(&self, directory: i64) -> bool {
        self.map().contains_key(&directory)
    }

    /// What lies in `sending/` of a directory that had another name before goes on under its name of now. Blocks.
    pub(super) fn take_over(&self, ledger: &Ledger, name: &str, dir: &DropDirectory) -> Result<()> {
        ledger.note_place(dir.id(), dir.path())?;
        let mut taken = 0;
        dir.taken_in_elsewhere(|other, tokens| {
            // A file that is leaving under its old name leaves first.
            let leaving = self.leaving(other);
            let _alone = leaving.lock().unwrap_or_else(PoisonError::into_inner);
            taken += ledger.take_over(other, dir.id(), tokens)?;
            Ok(())
        })?;
        lines::files_taken_over(name, taken);
        Ok(())
    }

    /// A drop directory is gone.
    pub(super) fn remove(&self, gone: &Open) {
        self.map().remove(&gone.dir.id());
    }

    /// Lets these files leave; a directory that has trouble does not hold up the others. Blocks.
    pub(super) fn let_leave(&self, ledger: &Ledger, finished: &[FileId]) -> Result<()> {
        let mut trouble = Ok(());
        for some in finished.chunks(TOGETHER as usize) {
            for directory in ledger.directories_of(some)? {
                if let Some(open) = self.get(directory) {
                    trouble = trouble.and(open.let_these_leave(ledger, some));
                }
            }
        }
        trouble
    }
}

impl Open {
    /// Lets every file of this directory leave that is owed to nobody: at start, and after files were taken in that
    /// are owed to nobody from the beginning. Blocks.
    pub(super) fn let_all_leave(&self, ledger: &Ledger) -> Result<()> {
        let _alone = self.alone();
        loop {
            let files = ledger.finished_files(self.dir.id(), TOGETHER)?;
            if files.is_empty() {
                return Ok(());
            }
            self.let_leave(ledger, &files)?;
        }
    }

    /// A file that is owed to an inbox which is no longer named here would wait for ever: nobody sends to it. Gives
    /// how many there were. Blocks.
    pub(super) fn expire_for_others(&self, ledger: &Ledger, inboxes: &[String], now: DateTime<Utc>) -> Result<usize> {
        let owed = ledger.owed_to_others(self.dir.id(), inboxes, earlier(now, self.give_up))?;
        let files: HashSet<FileId> = owed.iter().map(|(file, _)| *file).collect();
        let settled: Vec<Settled> = owed.into_iter().map(|(file, inbox)| Settled::expired(file, inbox)).collect();
        ledger.record(&settled, now)?;
        self.let_all_leave(ledger)?;
        Ok(files.len())
    }

    /// Those of them that are of this directory, and have not left meanwhile.
    fn let_these_leave(&self, ledger: &Ledger, finished: &[FileId]) -> Result<()> {
        let _alone = self.alone();
        let mut files = ledger.files(finished)?;
        files.retain(|file| file.directory == self.dir.id());
        self.let_leave(ledger, &files)
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever calls this is [`alone`](Open::alone).
    fn let_leave(&self, ledger: &Ledger, files: &[FileRow]) -> Result<()> {
        let (mut leaving, mut deleted, mut told) = (Vec::new(), Vec::new(), HashMap::new());
        let ids: Vec<FileId> = files.iter().map(|file| file.id).collect();
        for (file, claims) in files.iter().zip(ledger.deliveries(&ids)?) {
            let good = file.refusal.is_none() && claims.iter().all(|claim| claim.outcome.is_some_and(Outcome::is_good));
            if good && self.keep_sent.is_zero() {
                deleted.push(file.clone());
                continue;
            }
            let end = if good { End::Sent } else { End::Failed };
            leaving.push(Finished { file: file.clone(), end, receipt: receipt(file, &claims) });
            told.insert(file.id, (file, claims));
        }
        self.dir.delete(&deleted)?;
        deleted.iter().for_each(|file| lines::file_sent_and_deleted(&self.name, file));
        let gone = self.dir.leave(&leaving)?;
        for (id, left) in &gone.left {
            if let Some((file, claims)) = told.get(id) {
                lines::file_left(&self.name, file, left, claims);
            }
        }
        for (id, end) in &gone.vanished {
            if let Some((file, _)) = told.get(id) {
                lines::file_vanished(&self.name, file, *end);
            }
        }
        gone.trouble.map_or(Ok(()), Err)
    }
}
