//! A drop directory: taking files in, and letting them out to `sent/` and `failed/`.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::disk::{Dir, FileReader, FileWriter, Kind, Renamed, Stat};
use super::ledger::{Admission, FileId, FileRow, Leaving, Ledger};
use super::{IDENTITY, Result, StoreError, give_identity, has_identity, names, random_name};

/// Bytes read at once.
const PIECE: usize = 128 << 10;

/// So many copies are made durable one by one; with more of them one flush of the file system is cheaper.
const SYNCED_SINGLY: usize = 8;

/// A drop directory, open.
#[derive(Debug)]
pub struct DropDirectory {
    ledger: Arc<Ledger>,
    id: i64,
    dir: Dir,
    sending: Dir,
    sent: Dir,
    failed: Dir,
}

/// A name in the directory that may be a dropped file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: OsString,
    /// What it was when it was looked at.
    pub stat: Stat,
}

/// A copy in `sending/` that nobody knows yet.
#[derive(Debug)]
pub struct Copied {
    /// Its name in `sending/`.
    pub token: String,
    /// What the original was, before and after it was read.
    pub original: Stat,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    file: FileWriter,
}

/// How an attempt to copy a file ended.
#[derive(Debug)]
pub enum Copying {
    /// There is a copy.
    Done(Copied),
    /// The file vanished, changed while it was read, or is no regular file: it is looked at again.
    NotYet,
}

/// Which of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A file that has its final place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which end.
    pub end: End,
    /// Its final name.
    pub name: OsString,
}

impl DropDirectory {
    /// Opens the directory, making it where it is missing, and tidies `sending/`: copies nobody knows are removed
    /// (their originals are still there), originals on their way out are removed or put back.
    pub fn open(ledger: Arc<Ledger>, name: &str, path: &Path) -> Result<DropDirectory> {
        let dir = Dir::make(path, 0o770)?;
        let (id, identity) = ledger.drop_directory(name)?;
        let sending = dir.sub("sending", 0o700)?;
        let (sent, failed) = (dir.sub("sent", 0o755)?, dir.sub("failed", 0o755)?);
        let drops = DropDirectory { ledger, id, dir, sending, sent, failed };
        let ours = match &identity {
            Some(identity) => has_identity(&drops.sending, identity)?,
            None => false,
        };
        drops.tidy(ours)?;
        if !ours {
            drops.ledger.set_sending(id, &give_identity(&drops.sending)?)?;
        }
        drops.claim_unclaimed()?;
        Ok(drops)
    }

    /// Its number in the ledger.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Whether its path still leads to it.
    pub fn in_place(&self) -> Result<bool> {
        Ok(self.dir.in_place()? && self.sending.own_stat()?.links > 0)
    }

    /// What tells this directory from another one under the same path.
    pub fn identity(&self) -> Result<(u64, u64)> {
        let stat = self.dir.own_stat()?;
        Ok((stat.device, stat.inode))
    }

    /// `sending/` after an end at any moment. Where the ledger does not know this directory (it is new, or was put
    /// back from a backup), a copy may be all there is of a file: it is dropped again instead of being removed.
    fn tidy(&self, ours: bool) -> Result<()> {
        for name in self.sending.list()? {
            let name = name?;
            let Some(text) = name.to_str().filter(|text| *text != IDENTITY) else {
                continue;
            };
            let (token, rest) = text.split_once('.').unwrap_or((text, ""));
            let known = self.ledger.knows_token(token)?;
            match rest {
                "orig" => {}
                _ if known => {}
                "" if !ours => self.drop_again(&name, &OsString::from(format!("recovered-{token}.xml")))?,
                _ => self.sending.remove(&name).map(drop)?,
            }
        }
        Ok(())
    }

    /// Puts a file from `sending/` back into the drop directory, under its name or the next free one.
    fn drop_again(&self, from: &OsStr, name: &OsStr) -> Result<()> {
        for number in 0.. {
            match self.sending.rename(from, &self.dir, names::numbered(name, number))? {
                Renamed::Done => return Ok(self.dir.sync()?),
                Renamed::SourceAbsent => return Ok(()),
                Renamed::TargetExists => {}
            }
        }
        Ok(())
    }

    /// Lists the directory in batches, each oldest first, and gives every regular file that `wanted` names.
    pub fn candidates(
        &self,
        wanted: &dyn Fn(&OsStr) -> bool,
        mut each: impl FnMut(Vec<Candidate>) -> Result<bool>,
    ) -> Result<()> {
        const LISTED: usize = 4096;
        let unclaimed: HashSet<Vec<u8>> = self.ledger.unclaimed(self.id)?.into_iter().map(|file| file.name).collect();
        let mut batch = Vec::new();
        let mut names = self.dir.list()?;
        loop {
            let name = names.next().transpose()?;
            let end = name.is_none();
            if let Some(name) = name
                && wanted(&name)
                && !unclaimed.contains(name.as_bytes())
                && let Some(stat) = self.dir.stat(&name)?
                && stat.kind == Kind::File
            {
                batch.push(Candidate { name, stat });
            }
            if batch.len() >= LISTED || (end && !batch.is_empty()) {
                batch.sort_by(|a, b| (a.stat.modified, &a.name).cmp(&(b.stat.modified, &b.name)));
                if !each(std::mem::take(&mut batch))? {
                    return Ok(());
                }
            }
            if end {
                return Ok(());
            }
        }
    }

    /// Copies a file into `sending/`, telling `inspect` its bytes.
    pub fn copy(&self, candidate: &Candidate, inspect: &mut dyn FnMut(&[u8])) -> Result<Copying> {
        let Some(source) = self.dir.read(&candidate.name)? else {
            return Ok(Copying::NotYet);
        };
        if !source.stat().same_file_and_bytes(&candidate.stat) {
            return Ok(Copying::NotYet);
        }
        let token = random_name();
        let mut file = self.sending.create(&token, 0o600)?;
        let copied = self.copy_bytes(&source, &token, &mut file, inspect);
        let unchanged = copied.is_ok() && source.stat_now()?.same_file_and_bytes(source.stat());
        match copied {
            Ok((sha256, size)) if unchanged && size == source.stat().size => {
                Ok(Copying::Done(Copied { token, original: *source.stat(), sha256, file }))
            }
            other => {
                self.sending.remove(&token)?;
                other.map(|_| Copying::NotYet)
            }
        }
    }

    fn copy_bytes(
        &self,
        source: &FileReader,
        token: &str,
        file: &mut FileWriter,
        inspect: &mut dyn FnMut(&[u8]),
    ) -> Result<([u8; 32], u64)> {
        // Where the file system shares the blocks, our copy is what is read: nobody can change it any more.
        let cloned = if file.clone_from(source) { self.sending.read(token)? } else { None };
        let (mut hasher, mut size) = (Sha256::new(), 0);
        let mut buffer = vec![0; PIECE.min(source.stat().size as usize + 1)];
        loop {
            let count = cloned.as_ref().unwrap_or(source).read(&mut buffer)?;
            if count == 0 {
                return Ok((hasher.finalize().into(), size));
            }
            size += count as u64;
            let piece = &buffer[..count];
            hasher.update(piece);
            inspect(piece);
            if cloned.is_none() {
                file.write(piece)?;
            }
        }
    }

    /// A name in `sending/` for a file that is admitted without a copy: it is too large to be read only to be
    /// refused, and is renamed when it is claimed.
    pub fn token() -> String {
        random_name()
    }

    /// Removes copies that were not admitted after all. One that the ledger knows stays.
    pub fn forget(&self, tokens: &[String]) -> Result<()> {
        for token in tokens {
            if !self.ledger.knows_token(token)? {
                self.sending.remove(token)?;
                self.sending.remove(format!("{token}.wire"))?;
            }
        }
        Ok(())
    }

    /// Writes what is sent of a file that cannot be sent as it is; `write` is given the copy and the new file.
    /// Gives its length.
    pub fn write_wire<E: From<StoreError>>(
        &self,
        token: &str,
        write: impl FnOnce(&FileReader, &mut FileWriter) -> Result<u64, E>,
    ) -> Result<(FileWriter, u64), E> {
        let source = self.sending.read(token).map_err(StoreError::from)?;
        let source = source.ok_or_else(|| StoreError::Replaced(self.sending.path().to_owned()))?;
        let mut file = self.sending.create(format!("{token}.wire"), 0o600).map_err(StoreError::from)?;
        let length = write(&source, &mut file)?;
        Ok((file, length))
    }

    /// Makes copies durable, admits them in one transaction, and removes their originals where they still are the
    /// files that were copied. What could not be claimed yet is tried again by [`DropDirectory::claim_unclaimed`].
    pub fn admit(&self, copies: Vec<FileWriter>, admissions: &[Admission]) -> Result<Vec<FileId>> {
        if copies.len() <= SYNCED_SINGLY {
            copies.iter().try_for_each(FileWriter::sync)?;
        } else {
            self.sending.sync_file_system()?;
        }
        self.sending.sync()?;
        let admitted = self.ledger.admit(self.id, admissions)?;
        self.claim_unclaimed()?;
        Ok(admitted)
    }

    /// The writers of a batch, for [`DropDirectory::admit`].
    pub fn writers(copies: Vec<Copied>) -> Vec<FileWriter> {
        copies.into_iter().map(|copied| copied.file).collect()
    }

    /// Removes the originals of admitted files that may still be there; from then on they may be sent. The first
    /// original that cannot be removed ends it with an error; its file waits.
    pub fn claim_unclaimed(&self) -> Result<()> {
        let mut claimed = Vec::new();
        let mut trouble = None;
        for file in self.ledger.unclaimed(self.id)? {
            match self.remove_original(&file) {
                Ok(()) => claimed.push(file.id),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        if !claimed.is_empty() {
            self.dir.sync()?;
            self.sending.sync()?;
            self.ledger.claim(&claimed)?;
        }
        trouble.map_or(Ok(()), Err)
    }

    /// The original is renamed first and looked at then: nobody can change which file it is in between.
    fn remove_original(&self, file: &FileRow) -> Result<()> {
        let name = OsStr::from_bytes(&file.name);
        if file.sha256.is_none() {
            return self.take_original(file, name);
        }
        let away = format!("{}.orig", file.token);
        if self.sending.stat(&away)?.is_none() {
            match self.dir.stat(name)? {
                Some(stat) if is_original(&stat, file) => {
                    self.dir.rename(name, &self.sending, &away)?;
                }
                _ => return Ok(()),
            }
        }
        match self.sending.stat(&away)? {
            Some(stat) if is_original(&stat, file) => self.sending.remove(&away).map(drop)?,
            Some(_) => self.drop_again(OsStr::new(&away), name)?,
            None => {}
        }
        Ok(())
    }

    /// A file without a copy comes in by a rename. Where it has changed meanwhile it is a new file.
    fn take_original(&self, file: &FileRow, name: &OsStr) -> Result<()> {
        if self.sending.stat(&file.token)?.is_some() {
            return Ok(());
        }
        match self.dir.stat(name)? {
            Some(stat) if is_original(&stat, file) => self.dir.rename(name, &self.sending, &file.token).map(drop)?,
            _ => self.ledger.remove_files(&[file.id])?,
        }
        Ok(())
    }

    /// Opens what is sent of a file.
    pub fn body(&self, file: &FileRow) -> Result<FileReader> {
        let name = if file.wire { format!("{}.wire", file.token) } else { file.token.clone() };
        self.sending.read(&name)?.ok_or_else(|| StoreError::Replaced(self.sending.path().join(name)))
    }

    /// Takes a file to its end under a free name, its receipt before it. `receipt` makes the receipt's bytes.
    /// The names are durable after [`DropDirectory::leave_all`].
    pub fn leave(&self, file: &FileRow, end: End, receipt: &[u8]) -> Result<Left> {
        let place = match end {
            End::Sent => &self.sent,
            End::Failed => &self.failed,
        };
        let mut number = 0;
        let mut noted = file.leaving.clone().filter(|leaving| leaving.place == end.word());
        loop {
            let leaving = match noted.take() {
                Some(leaving) => leaving,
                None => self.choose(place, file, end, &mut number)?,
            };
            let name = OsString::from_vec(leaving.name);
            if self.move_out(place, file, &name, receipt)? {
                return Ok(Left { end, name });
            }
        }
    }

    fn choose(&self, place: &Dir, file: &FileRow, end: End, number: &mut u32) -> Result<Leaving> {
        loop {
            let name = names::numbered(OsStr::from_bytes(&file.name), *number);
            *number += 1;
            if place.stat(&name)?.is_none() && place.stat(names::receipt(&name))?.is_none() {
                let leaving = Leaving { place: end.word().to_owned(), name: name.into_vec() };
                self.ledger.set_leaving(file.id, &leaving)?;
                return Ok(leaving);
            }
        }
    }

    /// Every step can be done again after a crash. `false`: somebody else took the name meanwhile.
    fn move_out(&self, place: &Dir, file: &FileRow, name: &OsStr, receipt: &[u8]) -> Result<bool> {
        let Some(copy) = self.sending.stat(&file.token)? else {
            return Ok(true);
        };
        if place.stat(name)?.is_some() {
            return Ok(false);
        }
        let writing = format!("{}.receipt", file.token);
        self.sending.remove(&writing)?;
        let mut out = self.sending.create(&writing, 0o644)?;
        out.write(receipt)?;
        out.sync()?;
        let receipt_name = names::receipt(name);
        if self.sending.rename(&writing, place, &receipt_name)? == Renamed::TargetExists {
            self.sending.remove(&writing)?;
        }
        if copy.mode != file.mode || copy.modified != file.modified {
            self.sending.restore(&file.token, file.mode, file.modified)?;
        }
        match self.sending.rename(&file.token, place, name)? {
            Renamed::Done | Renamed::SourceAbsent => {}
            Renamed::TargetExists => {
                place.remove(&receipt_name)?;
                return Ok(false);
            }
        }
        self.sending.remove(format!("{}.wire", file.token))?;
        Ok(true)
    }

    /// Files have left: makes their names durable and forgets them.
    pub fn leave_all(&self, left: &[FileId]) -> Result<()> {
        if left.is_empty() {
            return Ok(());
        }
        self.sent.sync()?;
        self.failed.sync()?;
        self.sending.sync()?;
        Ok(self.ledger.remove_files(left)?)
    }

    /// A sent file that is not to be kept.
    pub fn delete(&self, file: &FileRow) -> Result<()> {
        self.sending.remove(&file.token)?;
        self.sending.remove(format!("{}.wire", file.token))?;
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

fn is_original(stat: &Stat, file: &FileRow) -> bool {
    stat.kind == Kind::File
        && (stat.device, stat.inode) == file.original
        && stat.size == file.size
        && stat.modified == file.modified
}
