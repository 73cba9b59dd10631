//! Taking files in: copied, admitted, claimed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use sha2::{Digest, Sha256};

use super::{Candidate, DropDirectory, suffix};
use crate::store::disk::{Dir, FileReader, FileWriter, Kind, Renamed, Stat};
use crate::store::durable::Unsynced;
use crate::store::ledger::{Admission, FileId, FileRow};
use crate::store::{Result, StoreError, random_name};

/// Bytes read at once.
const PIECE: usize = 128 << 10;

/// A copy in `sending/` that nobody knows yet. It is removed when this is dropped, unless it was admitted.
#[derive(Debug)]
pub struct Copied {
    /// Its name in `sending/`.
    pub token: String,
    /// What the original was, before and after it was read.
    pub original: Stat,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    sending: Dir,
    files: Vec<FileWriter>,
    admitted: bool,
}

impl Drop for Copied {
    fn drop(&mut self) {
        if !self.admitted {
            // What stays behind all the same is swept at the next start.
            for suffix in [suffix::NEW, suffix::WIRE] {
                let _ = self.sending.remove(format!("{}{suffix}", self.token));
            }
        }
    }
}

/// How an attempt to copy a file ended.
#[derive(Debug)]
pub enum Copying {
    /// There is a copy.
    Done(Copied),
    /// The file vanished, changed while it was read, or is no regular file: it is looked at again.
    NotYet,
}

/// What became of an original whose copy is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Original {
    /// It is gone, or was changed and is another file now.
    Removed,
    /// It was not there any more.
    Absent,
}

/// Files that are admitted together.
#[derive(Debug)]
pub struct Batch {
    /// Opened before the first of them is copied, so that it reports every write that fails, and to nobody else.
    flush: Dir,
    copies: Vec<Copied>,
    unsynced: Unsynced,
    admissions: Vec<Admission>,
    bytes: u64,
}

impl Batch {
    /// Adds a file. One without a copy is too large to be read only to be refused: it is renamed when it is claimed.
    pub fn add(&mut self, copied: Option<Copied>, admission: Admission) {
        if let Some(mut copied) = copied {
            copied.files.drain(..).for_each(|file| self.unsynced.add(file));
            self.copies.push(copied);
            self.bytes += admission.size;
        }
        self.admissions.push(admission);
    }

    /// The files in it.
    pub fn admissions(&self) -> &[Admission] {
        &self.admissions
    }

    /// The same, to say what is owed of them.
    pub fn admissions_mut(&mut self) -> &mut [Admission] {
        &mut self.admissions
    }

    /// How many bytes were copied for it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl DropDirectory {
    /// A batch for files that are to be copied.
    pub fn batch(&self) -> Result<Batch> {
        let flush = self.sending.reopen()?;
        let (copies, unsynced, admissions) = (Vec::new(), Unsynced::default(), Vec::new());
        Ok(Batch { flush, copies, unsynced, admissions, bytes: 0 })
    }

    /// A name in `sending/` for a file that is admitted without a copy.
    pub fn token() -> String {
        random_name()
    }

    /// Copies a file into `sending/`, telling `inspect` its bytes.
    pub fn copy(&self, candidate: &Candidate, inspect: &mut dyn FnMut(&[u8])) -> Result<Copying> {
        let Some(source) = self.dir.read_file(&candidate.name)? else {
            return Ok(Copying::NotYet);
        };
        if !source.stat().same_file_and_bytes(&candidate.stat) {
            return Ok(Copying::NotYet);
        }
        let token = random_name();
        let file = self.sending.create(format!("{token}{}", suffix::NEW), 0o600)?;
        let original = *source.stat();
        let sending = self.sending.clone();
        let mut copied = Copied { token, original, sha256: [0; 32], sending, files: vec![file], admitted: false };
        match self.copy_bytes(&source, &mut copied, inspect)? {
            Some(sha256) if source.stat_now()?.same_file_and_bytes(&original) => {
                copied.sha256 = sha256;
                Ok(Copying::Done(copied))
            }
            _ => Ok(Copying::NotYet),
        }
    }

    /// Gives the SHA-256; `None`: the file is longer or shorter than it was.
    fn copy_bytes(
        &self,
        source: &FileReader,
        copied: &mut Copied,
        inspect: &mut dyn FnMut(&[u8]),
    ) -> Result<Option<[u8; 32]>> {
        let expected = source.stat().size;
        let Some(file) = copied.files.first_mut() else { return Ok(None) };
        // Where the file system shares the blocks, our copy is what is read: nobody can change it any more.
        let cloned = match file.clone_from(source) {
            true => self.sending.read_file(format!("{}{}", copied.token, suffix::NEW))?,
            false => None,
        };
        let (mut hasher, mut size) = (Sha256::new(), 0);
        let mut buffer = vec![0; PIECE.min(usize::try_from(expected).unwrap_or(PIECE) + 1)];
        loop {
            let count = cloned.as_ref().unwrap_or(source).read(&mut buffer)?;
            size += count as u64;
            if count == 0 || size > expected {
                return Ok((size == expected).then(|| hasher.finalize().into()));
            }
            let piece = &buffer[..count];
            hasher.update(piece);
            inspect(piece);
            if cloned.is_none() {
                file.write(piece)?;
                if size == expected {
                    // Whether there is more by now, the look at it afterwards says.
                    return Ok(Some(hasher.finalize().into()));
                }
            }
        }
    }

    /// Writes what is sent of a file that cannot be sent as it is; `write` is given the copy and the new file.
    /// Gives its length.
    pub fn write_wire<E: From<StoreError>>(
        &self,
        copied: &mut Copied,
        write: impl FnOnce(&FileReader, &mut FileWriter) -> Result<u64, E>,
    ) -> Result<u64, E> {
        let name = format!("{}{}", copied.token, suffix::NEW);
        let source = self.sending.read_file(name).map_err(StoreError::from)?;
        let source = source.ok_or_else(|| StoreError::Replaced(self.sending.path().to_owned()))?;
        let wire = format!("{}{}", copied.token, suffix::WIRE);
        let mut file = self.sending.create(wire, 0o600).map_err(StoreError::from)?;
        let length = write(&source, &mut file)?;
        copied.files.push(file);
        Ok(length)
    }

    /// Makes the copies durable, admits them in one transaction, and removes their originals where they still are the
    /// files that were copied. Gives what [`DropDirectory::claim_unclaimed`] does.
    pub fn admit(&self, batch: &mut Batch) -> Result<Vec<StoreError>> {
        batch.unsynced.sync(&batch.flush)?;
        let admitted = self.ledger.admit(self.id, &batch.admissions)?;
        batch.copies.iter_mut().for_each(|copied| copied.admitted = true);
        self.claim(&admitted.into_iter().collect())
    }

    /// Removes the originals of admitted files that may still be there; from then on they may be sent. An original
    /// that cannot be removed keeps its own file waiting, and no other: why is given for each of them.
    pub fn claim_unclaimed(&self) -> Result<Vec<StoreError>> {
        self.claim(&HashSet::new())
    }

    /// The same, where some were admitted a moment ago.
    fn claim(&self, just_admitted: &HashSet<FileId>) -> Result<Vec<StoreError>> {
        let (mut ours, mut stuck) = (Vec::new(), Vec::new());
        for file in self.ledger.unclaimed(self.id)? {
            match self.is_ours(&file) {
                Ok(true) => ours.push(file),
                // Somebody has emptied `sending/`: the original is looked at as if it were new.
                Ok(false) => self.ledger.remove_files(&[file.id])?,
                Err(StoreError::Disk(error)) => stuck.push(StoreError::Disk(error)),
                Err(error) => return Err(error),
            }
        }
        // Our names stand before an original goes.
        if !ours.is_empty() {
            self.sending.sync()?;
        }
        let mut claimed = Vec::new();
        for file in ours {
            match self.remove_original(&file) {
                // An earlier life of ours may have removed it; of one that was there a moment ago it was somebody else.
                Ok(Original::Absent) if just_admitted.contains(&file.id) => self.give_up(&file)?,
                Ok(_) => claimed.push(file.id),
                Err(StoreError::Disk(error)) => stuck.push(StoreError::Disk(error)),
                Err(error) => return Err(error),
            }
        }
        if !claimed.is_empty() {
            self.dir.sync()?;
            self.sending.sync()?;
            self.ledger.claim(&claimed)?;
        }
        Ok(stuck)
    }

    /// Gives an admitted copy its name. `false`: it is not there.
    fn is_ours(&self, file: &FileRow) -> Result<bool> {
        if file.sha256.is_none() {
            return self.take_original(file);
        }
        // Where it has its name already, this changes nothing.
        self.sending.rename(format!("{}{}", file.token, suffix::NEW), &self.sending, &file.token)?;
        let whole = self.sending.stat(&file.token)?.is_some_and(|stat| stat.size == file.size);
        Ok(whole && (!file.wire || self.sending.stat(format!("{}{}", file.token, suffix::WIRE))?.is_some()))
    }

    /// A file without a copy comes in by a rename. `false`: it has changed meanwhile, and is a new file.
    fn take_original(&self, file: &FileRow) -> Result<bool> {
        if self.sending.stat(&file.token)?.is_some() {
            return Ok(true);
        }
        let name = OsStr::from_bytes(&file.name);
        match self.dir.stat(name)? {
            Some(stat) if is_original(&stat, file) => {
                Ok(self.dir.rename(name, &self.sending, &file.token)? == Renamed::Done)
            }
            _ => Ok(false),
        }
    }

    /// Somebody else has taken the file, another agent for instance: it is theirs to send.
    fn give_up(&self, file: &FileRow) -> Result<()> {
        self.ledger.remove_files(&[file.id])?;
        self.sending.remove(&file.token)?;
        if file.wire {
            self.sending.remove(format!("{}{}", file.token, suffix::WIRE))?;
        }
        Ok(())
    }

    /// The original is renamed first and looked at then: nobody can change which file it is in between.
    fn remove_original(&self, file: &FileRow) -> Result<Original> {
        if file.sha256.is_none() {
            return Ok(Original::Removed);
        }
        let name = OsStr::from_bytes(&file.name);
        let away = format!("{}{}", file.token, suffix::ORIGINAL);
        // It may be on its way out already: then what has its name now is another file, and stays.
        let there = match self.dir.stat(name)? {
            Some(stat) if is_original(&stat, file) => {
                self.dir.rename(name, &self.sending, &away)? != Renamed::SourceAbsent
            }
            other => other.is_some(),
        };
        match self.sending.stat(&away)? {
            Some(stat) if is_original(&stat, file) => self.sending.remove(&away).map(drop)?,
            Some(_) => self.drop_again(OsStr::new(&away), name)?,
            None if !there => return Ok(Original::Absent),
            None => {}
        }
        Ok(Original::Removed)
    }
}

fn is_original(stat: &Stat, file: &FileRow) -> bool {
    stat.kind == Kind::File && (stat.inode, stat.size, stat.modified) == (file.inode, file.size, file.modified)
}
