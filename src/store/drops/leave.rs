//! Letting files out: to `sent/` or `failed/`, each with its receipt.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{DropDirectory, suffix};
use crate::store::disk::{Dir, FileWriter, Kind, Renamed};
use crate::store::durable::Unsynced;
use crate::store::ledger::{FileId, FileRow, Leaving};
use crate::store::{Result, StoreError, names};

/// Which of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// `sent/`.
    Sent,
    /// `failed/`.
    Failed,
}

impl End {
    fn word(self) -> &'static str {
        match self {
            End::Sent => "sent",
            End::Failed => "failed",
        }
    }
}

/// A file that is owed to nobody any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The file.
    pub file: FileRow,
    /// Where it goes.
    pub end: End,
    /// Its receipt, the same bytes each time it is made.
    pub receipt: Vec<u8>,
}

/// A file that has its final place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which end.
    pub end: End,
    /// Its final name.
    pub name: OsString,
}

/// What became of files that were to leave.
#[derive(Debug, Default)]
pub struct Gone {
    /// Those that have left.
    pub left: Vec<(FileId, Left)>,
    /// Those whose copy in `sending/` somebody else has removed: there is nothing that could leave.
    pub vanished: Vec<(FileId, End)>,
    /// Why others have not; they are tried again later.
    pub trouble: Option<StoreError>,
}

/// How an attempt to move a file out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    /// It has its place.
    Done,
    /// Somebody else has the name.
    NameTaken,
    /// There is no copy, and it has not left.
    NoCopy,
}

impl DropDirectory {
    /// Takes files to their ends under free names, each receipt before its file, and forgets them. One that cannot
    /// leave does not hold up the others.
    pub fn leave(&self, finished: &[Finished]) -> Result<Gone> {
        let chosen = self.choose(finished)?;
        self.write_receipts(finished)?;
        let mut gone = Gone::default();
        for (one, name) in finished.iter().zip(chosen) {
            match self.let_one_leave(one, name) {
                Ok(Some(name)) => gone.left.push((one.file.id, Left { end: one.end, name })),
                Ok(None) => gone.vanished.push((one.file.id, one.end)),
                Err(StoreError::Disk(error)) => gone.trouble = gone.trouble.or(Some(StoreError::Disk(error))),
                Err(error) => return Err(error),
            }
        }
        let left = gone.left.iter().map(|(id, _)| *id);
        let left: Vec<FileId> = left.chain(gone.vanished.iter().map(|(id, _)| *id)).collect();
        self.forget(&left)?;
        Ok(gone)
    }

    /// Removes sent files that are not to be kept.
    pub fn delete(&self, files: &[FileRow]) -> Result<()> {
        for file in files {
            self.sending.remove(&file.token)?;
            if file.wire {
                self.sending.remove(format!("{}{}", file.token, suffix::WIRE))?;
            }
        }
        self.forget(&files.iter().map(|file| file.id).collect::<Vec<_>>())
    }

    /// The names are made durable before the rows go.
    fn forget(&self, left: &[FileId]) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        for dir in [&self.sent, &self.failed, &self.sending] {
            dir.sync()?;
        }
        Ok(self.ledger.remove_files(left)?)
    }

    fn place(&self, end: End) -> &Dir {
        match end {
            End::Sent => &self.sent,
            End::Failed => &self.failed,
        }
    }

    /// Final names: those that were noted before, and free ones that are noted now, in one transaction.
    fn choose(&self, finished: &[Finished]) -> Result<Vec<OsString>> {
        let (mut names, mut noted, mut taken) = (Vec::new(), Vec::new(), HashSet::new());
        for Finished { file, end, .. } in finished {
            let name = match &file.leaving {
                Some(leaving) if leaving.place == end.word() => OsString::from_vec(leaving.name.clone()),
                _ => {
                    let name = self.free_name(file, *end, &taken)?;
                    noted.push((file.id, leaving(*end, &name)));
                    name
                }
            };
            taken.insert((*end, name.clone()));
            names.push(name);
        }
        if !noted.is_empty() {
            self.ledger.set_leaving(&noted)?;
        }
        Ok(names)
    }

    fn free_name(&self, file: &FileRow, end: End, taken: &HashSet<(End, OsString)>) -> Result<OsString> {
        let place = self.place(end);
        let mut number = 0;
        loop {
            let name = names::numbered(OsStr::from_bytes(&file.name), number).into_owned();
            number += 1;
            if !taken.contains(&(end, name.clone()))
                && place.stat(&name)?.is_none()
                && place.stat(names::receipt(&name))?.is_none()
            {
                return Ok(name);
            }
        }
    }

    fn write_receipts(&self, finished: &[Finished]) -> Result<()> {
        // One of our own, so that it reports every write that fails, and to nobody else.
        let flush = self.sending.reopen()?;
        let mut unsynced = Unsynced::default();
        for one in finished {
            let mut file = self.new_receipt(&writing(&one.file))?;
            file.write(&one.receipt)?;
            unsynced.add(file);
        }
        unsynced.sync(&flush)
    }

    /// One that an earlier life had begun to write is written anew.
    fn new_receipt(&self, name: &str) -> Result<FileWriter> {
        match self.sending.create(name, 0o644) {
            Err(error) if error.source.kind() == io::ErrorKind::AlreadyExists => {
                self.sending.remove(name)?;
                Ok(self.sending.create(name, 0o644)?)
            }
            other => Ok(other?),
        }
    }

    /// Gives its final name; `None`: there is no copy.
    fn let_one_leave(&self, one: &Finished, mut name: OsString) -> Result<Option<OsString>> {
        let moved = loop {
            match self.move_out(one, &name)? {
                Moved::NameTaken => {
                    name = self.free_name(&one.file, one.end, &HashSet::new())?;
                    self.ledger.set_leaving(&[(one.file.id, leaving(one.end, &name))])?;
                }
                other => break other,
            }
        };
        if one.file.wire {
            self.sending.remove(format!("{}{}", one.file.token, suffix::WIRE))?;
        }
        Ok((moved == Moved::Done).then_some(name))
    }

    /// Every step can be done again after a crash.
    fn move_out(&self, one: &Finished, name: &OsStr) -> Result<Moved> {
        let (place, file, receipt) = (self.place(one.end), &one.file, names::receipt(name));
        let Some(copy) = self.sending.stat(&file.token)? else {
            // Nothing was put anywhere before its name was noted.
            if file.leaving.is_none() {
                self.sending.remove(writing(file))?;
                return Ok(Moved::NoCopy);
            }
            // It had left before. A crash may have kept its receipt behind; a reader may have taken both.
            if place.stat(name)?.is_none() || self.sending.rename(writing(file), place, &receipt)? != Renamed::Done {
                self.sending.remove(writing(file))?;
            }
            return Ok(Moved::Done);
        };
        if self.sending.rename(writing(file), place, &receipt)? == Renamed::TargetExists {
            if !self.sending.same_bytes(writing(file), place, &receipt)? {
                return Ok(Moved::NameTaken);
            }
            // It was put there before.
            self.sending.remove(writing(file))?;
        }
        if copy.mode != file.mode || copy.modified != file.modified {
            self.sending.restore(&file.token, file.mode, file.modified)?;
        }
        match self.sending.rename(&file.token, place, name)? {
            Renamed::Done | Renamed::SourceAbsent => Ok(Moved::Done),
            Renamed::TargetExists => {
                self.take_back(file, place, &receipt)?;
                Ok(Moved::NameTaken)
            }
        }
    }

    /// A receipt of ours that was put beside a name which somebody else has taken comes back. One that differs
    /// belongs to the file there.
    fn take_back(&self, file: &FileRow, place: &Dir, receipt: &OsStr) -> Result<()> {
        if self.sending.stat(writing(file))?.is_none() {
            place.rename(receipt, &self.sending, writing(file))?;
        } else if self.sending.same_bytes(writing(file), place, receipt)? {
            place.remove(receipt)?;
        }
        Ok(())
    }

    /// Removes from `sent/` what was put there longer ago than `keep`. Gives how many names are gone.
    pub fn sweep_sent(&self, keep: Duration, now: DateTime<Utc>) -> Result<u64> {
        // The rename into `sent/` set the change time; the modification time is the original's.
        let oldest = now
            .timestamp_nanos_opt()
            .unwrap_or(i64::MAX)
            .saturating_sub(i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX));
        let mut removed = 0;
        for name in self.sent.list()? {
            let name = name?;
            if let Some(stat) = self.sent.stat(&name)?
                && stat.kind == Kind::File
                && stat.changed < oldest
                && self.sent.remove(&name)?
            {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

pub(super) fn leaving(end: End, name: &OsStr) -> Leaving {
    Leaving { place: end.word().to_owned(), name: name.as_bytes().to_vec() }
}

/// The name of a receipt that is being written.
fn writing(file: &FileRow) -> String {
    format!("{}{}", file.token, suffix::RECEIPT)
}
