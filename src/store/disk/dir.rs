//! Open directories.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::file::{Bits, FileReader, FileWriter};
use super::stat::{Kind, Stat};
use super::system::{OpenDir, OpenFile};
use super::{DiskError, Result};

/// How a rename ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// The file has its new name.
    Done,
    /// There is no file of the old name, in a directory that still exists.
    SourceAbsent,
    /// There is a file of the new name already; nothing was changed.
    TargetExists,
}

/// An open directory.
#[derive(Clone, Debug)]
pub struct Dir {
    dir: OpenDir,
    path: PathBuf,
}

impl Dir {
    /// Opens an existing directory of the configuration. The operator may have made it a symbolic link: it is
    /// followed once, here.
    pub fn open(path: &Path) -> Result<Dir> {
        let dir = OpenDir::open(path).map_err(|error| DiskError::new("open directory", path, error))?;
        Ok(Dir { dir, path: path.to_owned() })
    }

    /// Opens a directory of the configuration, or says that there is none.
    pub fn open_if_there(path: &Path) -> Result<Option<Dir>> {
        match Dir::open(path) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a directory again by the path it [really had](super::real_path) before. Where a part of that is a
    /// symbolic link now, somebody has put it there, and it is not followed.
    pub fn open_again(path: &Path) -> Result<Option<Dir>> {
        match OpenDir::open_without_links(path) {
            Ok(dir) => Ok(Some(Dir { dir, path: path.to_owned() })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(DiskError::new("open directory", path, error)),
        }
    }

    /// Opens a directory of the configuration, making it and its parents where they are missing.
    pub fn make(path: &Path, mode: u32) -> Result<Dir> {
        Ok(Dir::make_for(path, mode, None)?.0)
    }

    /// The same; a directory that is made is given to a group, which may then write there. Says whether it was made.
    pub fn make_for(path: &Path, mode: u32, group: Option<u32>) -> Result<(Dir, bool)> {
        if let Some(dir) = Dir::open_if_there(path)? {
            return Ok((dir, false));
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(DiskError::new("make directory", path, Errno::NOENT));
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let parent = Dir::make(parent, mode)?;
        match parent.dir.make_dir(name, mode) {
            Ok(()) | Err(Errno::EXIST) => parent.sync()?,
            Err(error) => return Err(DiskError::new("make directory", path, error)),
        }
        let dir = Dir::open(path)?;
        if let Some(group) = group {
            let mode = mode | 0o070;
            dir.dir.set_mode_and_group(mode, group).map_err(|e| DiskError::new(super::SET_GROUP, path, e))?;
        }
        Ok((dir, true))
    }

    /// Opens the directory `name` below this one, making it where it is missing. A symbolic link is refused.
    pub fn sub(&self, name: &str, mode: u32) -> Result<Dir> {
        match self.dir.make_dir(OsStr::new(name), mode) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(self.error("make directory", name, error)),
        }
        self.existing_sub(name)?.ok_or_else(|| self.error("open directory", name, Errno::NOENT))
    }

    /// Opens the directory `name` below this one, if there is one.
    pub fn existing_sub(&self, name: &str) -> Result<Option<Dir>> {
        match self.dir.open_dir(OsStr::new(name)) {
            Ok(dir) => Ok(Some(Dir { dir, path: self.path.join(name) })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error("open directory", name, error)),
        }
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn error(&self, what: &'static str, name: impl AsRef<OsStr>, source: impl Into<io::Error>) -> DiskError {
        DiskError::new(what, self.path.join(name.as_ref()), source)
    }

    fn own_error(&self, what: &'static str, source: impl Into<io::Error>) -> DiskError {
        DiskError::new(what, &self.path, source)
    }

    /// Whether its path still leads to this very directory: `false` when it was renamed, replaced, unmounted or
    /// mounted over.
    pub fn in_place(&self) -> Result<bool> {
        let ours = self.own_stat()?;
        match OpenDir::stat_path(&self.path) {
            Ok(there) => Ok((there.device, there.inode) == (ours.device, ours.inode)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(self.own_error("look at", error)),
        }
    }

    /// What this directory is.
    pub fn own_stat(&self) -> Result<Stat> {
        self.dir.stat_self().map_err(|error| self.own_error("look at", error))
    }

    /// What `name` stands for; a symbolic link for itself.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>> {
        match self.dir.stat(name.as_ref()) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error("look at", name, error)),
        }
    }

    /// Makes a new file for writing. A name that exists is an error.
    pub fn create(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<FileWriter> {
        self.create_with(name, &Bits::new(mode))
    }

    /// The same, one of many with these permission bits.
    pub fn create_with(&self, name: impl AsRef<OsStr>, bits: &Bits) -> Result<FileWriter> {
        FileWriter::create(&self.dir, name.as_ref(), self.path.join(name.as_ref()), bits)
    }

    /// Opens a regular file for reading. `None`: not there, or not a regular file. That is looked at first, because
    /// opening a device can do something; and again afterwards, because the name may have changed hands.
    pub fn read(&self, name: impl AsRef<OsStr>) -> Result<Option<FileReader>> {
        let name = name.as_ref();
        if self.stat(name)?.is_none_or(|stat| stat.kind != Kind::File) {
            return Ok(None);
        }
        self.read_file(name)
    }

    /// The same for what was looked at before, or is only ever made by us.
    pub fn read_file(&self, name: impl AsRef<OsStr>) -> Result<Option<FileReader>> {
        let name = name.as_ref();
        match self.dir.open_file(name) {
            Ok(file) => FileReader::of(file, self.path.join(name)),
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => Ok(None),
            Err(error) => Err(self.error("open", name, error)),
        }
    }

    /// Gives a file another name, in this directory or another one. Never replaces a file.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: &Dir, new: impl AsRef<OsStr>) -> Result<Renamed> {
        match self.dir.rename(from.as_ref(), &to.dir, new.as_ref()) {
            Ok(()) => Ok(Renamed::Done),
            Err(Errno::EXIST) => Ok(Renamed::TargetExists),
            Err(Errno::NOENT) => self.why_not_renamed(from.as_ref(), to),
            Err(error) => Err(self.error("rename", from, error)),
        }
    }

    /// `ENOENT` of a rename has three causes, and only one of them means that the file is not there.
    fn why_not_renamed(&self, from: &OsStr, to: &Dir) -> Result<Renamed> {
        for directory in [self, to] {
            if directory.own_stat()?.links == 0 {
                return Err(directory.own_error("rename into or out of removed directory", Errno::NOENT));
            }
        }
        match self.stat(from)? {
            None => Ok(Renamed::SourceAbsent),
            Some(_) => Err(self.error("rename", from, Errno::NOENT)),
        }
    }

    /// Gives a file another name here, replacing what has that name.
    pub fn replace(&self, from: impl AsRef<OsStr>, new: impl AsRef<OsStr>) -> Result<()> {
        self.dir.replace(from.as_ref(), new.as_ref()).map_err(|error| self.error("rename", from, error))
    }

    /// Removes the directory `name` below this one. `false`: it is not there, or not empty.
    pub fn remove_empty_sub(&self, name: &str) -> Result<bool> {
        match self.dir.remove_dir(OsStr::new(name)) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(self.error("remove directory", name, error)),
        }
    }

    /// Removes a file. `false`: it was not there.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        match self.dir.unlink(name.as_ref()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.error("remove", name, error)),
        }
    }

    /// Sets a file's modification time to now. `false`: it is not there, in a directory that still exists.
    pub fn touch(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        match self.dir.set_time(name.as_ref(), None) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) if self.own_stat()?.links > 0 => Ok(false),
            Err(error) => Err(self.error("set the time of", name, error)),
        }
    }

    /// Sets a file's permission bits and its modification time (nanoseconds since 1970).
    pub fn restore(&self, name: impl AsRef<OsStr>, mode: u32, modified: i64) -> Result<()> {
        let file = name.as_ref();
        self.dir
            .set_mode(file, mode)
            .and_then(|()| self.dir.set_time(file, Some(modified)))
            .map_err(|error| self.error("set mode and time of", file, error))
    }

    /// The names in this directory, in no order, one system call for many of them. `.` and `..` are left out.
    pub fn list(&self) -> Result<impl Iterator<Item = Result<OsString>> + use<>> {
        let path = self.path.clone();
        let entries = self.dir.list().map_err(|error| self.own_error("list", error))?;
        Ok(entries.map(move |entry| entry.map_err(|error| DiskError::new("list", &path, error))))
    }

    /// Makes the names in this directory durable.
    pub fn sync(&self) -> Result<()> {
        self.dir.sync().map_err(|error| self.own_error("sync directory", error))
    }

    /// Makes everything written to this file system durable. On this descriptor the kernel (5.8 and later) reports
    /// every write that failed since the descriptor was opened or last asked.
    pub fn sync_file_system(&self) -> Result<()> {
        self.dir.sync_file_system().map_err(|error| self.own_error("sync the file system of", error))
    }

    /// Free bytes for us on its file system.
    pub fn free_space(&self) -> Result<u64> {
        self.dir.free_space().map_err(|error| self.own_error("ask for free space of", error))
    }

    /// Opens the same directory again: a descriptor of its own for [`Dir::sync_file_system`].
    pub fn reopen(&self) -> Result<Dir> {
        let dir = self.dir.open_dir(OsStr::new(".")).map_err(|error| self.own_error("open directory", error))?;
        Ok(Dir { dir, path: self.path.clone() })
    }

    /// Locks the directory against everybody who locks it too, as long as this or a clone of it lives. `false`:
    /// somebody else has the lock.
    pub fn lock(&self) -> Result<bool> {
        match self.dir.lock() {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(self.own_error("lock", error)),
        }
    }

    /// Makes a file where there is none, and locks it. `None`: somebody else has the lock.
    pub(super) fn lock_file(&self, name: &str) -> Result<Option<OpenFile>> {
        let lock = || self.dir.lock_file(OsStr::new(name));
        // Somebody may hold it for the instant in which they ask whether it is held.
        let locked = lock().or_else(|error| {
            std::thread::sleep(Duration::from_millis(20));
            if error == Errno::WOULDBLOCK { lock() } else { Err(error) }
        });
        match locked {
            Ok(file) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(self.error("lock", name, error)),
        }
    }

    /// Whether somebody has locked a file by [`Dir::lock_file`].
    pub(super) fn is_locked(&self, name: &str) -> Result<bool> {
        self.dir.is_locked(OsStr::new(name)).map_err(|error| self.error("look at the lock", name, error))
    }

    /// Writes a small file as one step: a temporary name, its bytes made durable, then a rename over `name`. The
    /// name itself is durable after [`Dir::sync`].
    pub fn put(&self, name: &str, bytes: &[u8], mode: u32) -> Result<()> {
        let temporary = format!(".{name}.new");
        self.remove(&temporary)?;
        let mut file = self.create(&temporary, mode)?;
        file.write(bytes)?;
        file.sync()?;
        self.replace(&temporary, name)
    }

    /// Whether `name` here and `other` there are files with the same bytes.
    pub fn same_bytes(&self, name: impl AsRef<OsStr>, there: &Dir, other: impl AsRef<OsStr>) -> Result<bool> {
        let (Some(one), Some(two)) = (self.read(name)?, there.read(other)?) else {
            return Ok(false);
        };
        if one.stat().size != two.stat().size {
            return Ok(false);
        }
        let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        loop {
            let (count, other) = (one.read_full(&mut left)?, two.read_full(&mut right)?);
            if left[..count] != right[..other] {
                return Ok(false);
            }
            if count == 0 {
                return Ok(true);
            }
        }
    }
}
