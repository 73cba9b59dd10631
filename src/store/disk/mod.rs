//! The one door to the file system.
//!
//! Everything is done relative to an open directory, never follows a symbolic link below it, and tells three cases
//! apart that must never be confused: it worked, it is not there (`ENOENT`, and nothing else), it failed.
//!
//! A write that failed to become durable is final: the kernel reports it once and forgets (RELIABILITY, fault F06).
//! Nobody here syncs a file twice; the caller gives up the file and starts a new one.
#![expect(clippy::disallowed_methods, reason = "this is the door to the file system")]

mod by_hand;
mod dir;
mod file;
#[cfg(test)]
pub(crate) mod simulated;
mod stat;
mod system;

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

pub use by_hand::{open, real, scratch};
pub use dir::{Dir, Renamed};
pub use file::{Bits, FileReader, FileWriter};
pub use stat::{Kind, Stat};

/// What is said to have failed where a file cannot be given to a group.
const SET_GROUP: &str = "set the group of";

/// A file-system operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{what} {path}: {source}", path = show(.path))]
pub struct DiskError {
    /// What was tried, as a verb: `open`, `rename` …
    pub what: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl DiskError {
    fn new(what: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> DiskError {
        DiskError { what, path: path.into(), source: source.into() }
    }

    /// Whether a file cannot be given to the configured group.
    pub fn is_about_group(&self) -> bool {
        self.what == SET_GROUP
    }

    /// Whether the disk is full (or the quota used up).
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// What this room's operations give.
pub type Result<T, E = DiskError> = std::result::Result<T, E>;

/// A path or name as text for people: control characters and bytes that are not UTF-8 escaped.
pub fn show(path: impl AsRef<OsStr>) -> String {
    let mut text = String::new();
    for chunk in path.as_ref().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character) {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

/// Reads a small file of the operator's (a secret, a certificate, a query), following links as the operator made
/// them. More than `limit` bytes is an error.
pub fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>> {
    // A FIFO that nobody writes to would be waited for without end; once it is open it has an end.
    let file = fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| fs::fcntl_setfl(&file, OFlags::empty()).map(|()| std::fs::File::from(file)))
        .map_err(|e| DiskError::new("read", path, e))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| DiskError::new("read", path, e))?;
    if bytes.len() as u64 > limit {
        let error = io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {limit} bytes"));
        return Err(DiskError::new("read", path, error));
    }
    Ok(bytes)
}

/// A path without symbolic links that leads where this one leads now.
pub fn real_path(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|error| DiskError::new("look at", path, error))
}

/// Whether there is anything under this path.
pub fn is_there(path: &Path) -> Result<bool> {
    match fs::stat(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(DiskError::new("look at", path, error)),
    }
}

/// Permission bits of a file of the operator's.
pub fn mode_of(path: &Path) -> Result<u32> {
    fs::stat(path).map(|raw| Stat::of(&raw).mode).map_err(|e| DiskError::new("look at", path, e))
}

/// Whether something open is the file with this device and inode (`DEVICE:INODE`).
pub fn is_file(open: impl AsFd, device_and_inode: &str) -> bool {
    fs::fstat(open).is_ok_and(|stat| format!("{}:{}", stat.st_dev, stat.st_ino) == device_and_inode)
}

/// A lock on a file, held while this lives (and by nobody once the process is gone).
#[derive(Debug)]
pub struct Lock {
    _file: system::OpenFile,
}

impl Lock {
    /// Takes the lock, or says that somebody else holds it.
    pub fn take(dir: &Dir, name: &str) -> Result<Option<Lock>> {
        Ok(dir.lock_file(name)?.map(|file| Lock { _file: file }))
    }

    /// Whether somebody holds the lock. Nothing is made for it.
    pub fn is_taken(dir: &Dir, name: &str) -> Result<bool> {
        dir.is_locked(name)
    }
}

#[cfg(test)]
mod tests;
