//! A drop directory: taking files in, and letting them out to `sent/` and `failed/`.

mod intake;
mod leave;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Dir, FileReader, Kind, Renamed, Stat};
use super::ledger::{FileRow, Ledger};
use super::{Result, StoreError, names};

pub use intake::{Batch, Copied, Copying};
pub use leave::{End, Finished, Gone, Left};

/// Where a file or a copy in `sending/` is told apart by what follows its token.
///
/// A copy is `TOKEN.new` until a row stands in the ledger, and `TOKEN` before its original is touched: whatever
/// becomes of the ledger, a `TOKEN` may be all there is of a file, and a `TOKEN.new` never is.
mod suffix {
    /// A copy that is being made, or is not admitted yet.
    pub(super) const NEW: &str = ".new";
    /// What is sent, where that differs from the file.
    pub(super) const WIRE: &str = ".wire";
    /// The original on its way out.
    pub(super) const ORIGINAL: &str = ".orig";
    /// A receipt being written.
    pub(super) const RECEIPT: &str = ".receipt";
}

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

impl DropDirectory {
    /// The mode of a drop directory that is made.
    pub const MODE: u32 = 0o770;

    /// Makes the directories that are missing, and gives all that files are made in.
    pub fn make(path: &Path) -> Result<[PathBuf; 4]> {
        let dir = Dir::make(path, DropDirectory::MODE)?;
        let [sending, sent, failed] = DropDirectory::make_below(&dir)?;
        Ok([dir, sending, sent, failed].map(|dir| dir.path().to_owned()))
    }

    fn make_below(dir: &Dir) -> Result<[Dir; 3]> {
        Ok([dir.sub("sending", 0o700)?, dir.sub("sent", 0o755)?, dir.sub("failed", 0o755)?])
    }

    /// Opens the directory, making it where it is missing, and tidies `sending/`. Originals of admitted files are
    /// removed by [`DropDirectory::claim_unclaimed`].
    pub fn open(ledger: Arc<Ledger>, name: &str, path: &Path) -> Result<DropDirectory> {
        DropDirectory::inside(ledger, name, Dir::make(path, DropDirectory::MODE)?)
    }

    /// The same in a directory that is open already.
    pub fn inside(ledger: Arc<Ledger>, name: &str, dir: Dir) -> Result<DropDirectory> {
        let id = ledger.drop_directory(name)?;
        let [sending, sent, failed] = DropDirectory::make_below(&dir)?;
        // An earlier life may have ended between making a directory and making its name durable.
        dir.sync()?;
        let drops = DropDirectory { ledger, id, dir, sending, sent, failed };
        drops.tidy()?;
        Ok(drops)
    }

    /// Its number in the ledger.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Whether its path, and those of the directories below it, still lead to them.
    pub fn in_place(&self) -> Result<bool> {
        for dir in [&self.dir, &self.sending, &self.sent, &self.failed] {
            if !dir.in_place()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Files in `sending/` that were taken in under another name of this directory are its own: a token is random, and
    /// is in no other place. `take` is given their tokens, some at a time.
    pub fn taken_in_elsewhere(&self, mut take: impl FnMut(i64, &[&str]) -> Result<()>) -> Result<()> {
        self.names_in_sending(|names| {
            let tokens: Vec<&str> = names.iter().map(|name| token_and_suffix(name).0).collect();
            self.ledger.owners(self.id, &tokens)?.into_iter().try_for_each(|other| take(other, &tokens))
        })
    }

    /// What is in `sending/`, some at a time.
    fn names_in_sending(&self, mut each: impl FnMut(&[&str]) -> Result<()>) -> Result<()> {
        const LOOKED_UP: usize = 1024;
        let mut names = self.sending.list()?;
        loop {
            let names: Vec<OsString> = names.by_ref().take(LOOKED_UP).collect::<Result<_, _>>()?;
            if names.is_empty() {
                return Ok(());
            }
            each(&names.iter().filter_map(|name| name.to_str()).collect::<Vec<&str>>())?;
        }
    }

    /// `sending/` after an end at any moment, and after the ledger was lost or put back from a backup: then a file
    /// that the ledger does not know is dropped again.
    fn tidy(&self) -> Result<()> {
        self.names_in_sending(|names| {
            let tokens: Vec<&str> = names.iter().map(|name| token_and_suffix(name).0).collect();
            let strangers: HashSet<&str> = self.ledger.strangers(&tokens)?.into_iter().collect();
            let strange = names.iter().filter(|name| strangers.contains(token_and_suffix(name).0));
            strange.into_iter().try_for_each(|name| self.tidy_one(name))
        })
    }

    /// A name in `sending/` whose token the ledger does not know.
    fn tidy_one(&self, name: &str) -> Result<()> {
        if self.sending.stat(name)?.is_none_or(|stat| stat.kind != Kind::File) {
            return Ok(());
        }
        match token_and_suffix(name) {
            (token, "") => self.recover(token),
            (token, suffix::ORIGINAL) if self.sending.stat(token)?.is_some() => Ok(()),
            (token, suffix::ORIGINAL) => self.drop_again(OsStr::new(name), &recovered(token)),
            _ => Ok(self.sending.remove(name).map(drop)?),
        }
    }

    /// A file that the ledger does not know is dropped again; its original, if that is still on its way out, is the
    /// same file unless it was changed at the last moment.
    fn recover(&self, token: &str) -> Result<()> {
        let original = format!("{token}{}", suffix::ORIGINAL);
        if self.sending.same_bytes(token, &self.sending, &original)? {
            self.sending.remove(&original)?;
        } else {
            self.drop_again(OsStr::new(&original), &recovered(token))?;
        }
        self.drop_again(OsStr::new(token), &recovered(token))
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

    /// Lists the directory in batches, each in the order of dropping, and gives every regular file that `wanted` names.
    /// What was copied with its times is as old as it was elsewhere: the change time is that of the drop. An original
    /// that could not be removed yet was taken in already.
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
                batch.sort_by(|a, b| (a.stat.changed, &a.name).cmp(&(b.stat.changed, &b.name)));
                if !each(std::mem::take(&mut batch))? {
                    return Ok(());
                }
            }
            if end {
                return Ok(());
            }
        }
    }

    /// Opens what is sent of a file.
    pub fn body(&self, file: &FileRow) -> Result<FileReader> {
        let name = if file.wire { format!("{}{}", file.token, suffix::WIRE) } else { file.token.clone() };
        self.sending.read_file(&name)?.ok_or_else(|| StoreError::CopyGone(self.sending.path().join(name)))
    }
}

fn token_and_suffix(name: &str) -> (&str, &str) {
    name.split_at(name.find('.').unwrap_or(name.len()))
}

/// The name of a file whose own name was lost with the ledger.
fn recovered(token: &str) -> OsString {
    OsString::from(format!("recovered-{token}.xml"))
}
