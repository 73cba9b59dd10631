//! The one door to the file system.
//!
//! Everything is done relative to an open directory, never follows a symbolic link below it, and tells three cases
//! apart that must never be confused: it worked, it is not there (`ENOENT`, and nothing else), it failed.
//!
//! A write that failed to become durable is final: the kernel reports it once and forgets (RELIABILITY, fault F06).
//! Nobody here syncs a file twice; the caller gives up the file and starts a new one.
#![expect(clippy::disallowed_methods, reason = "this is the door to the file system")]

mod by_hand;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

pub use by_hand::{open, scratch};

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

/// What tells one file (or directory) from another, and one state of it from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stat {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    pub modified: i64,
    /// Change time, nanoseconds since 1970.
    pub changed: i64,
    /// Permission bits.
    pub mode: u32,
    /// Number of names.
    pub links: u64,
    /// What it is.
    pub kind: Kind,
}

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO, a socket, a device.
    Other,
}

impl Stat {
    fn of(raw: &fs::Stat) -> Stat {
        let kind = match fs::FileType::from_raw_mode(raw.st_mode) {
            fs::FileType::RegularFile => Kind::File,
            fs::FileType::Directory => Kind::Directory,
            fs::FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        };
        let nanos = |seconds: i64, part: u64| seconds.saturating_mul(1_000_000_000).saturating_add(part as i64);
        Stat {
            device: raw.st_dev,
            inode: raw.st_ino,
            size: raw.st_size.max(0) as u64,
            modified: nanos(raw.st_mtime, raw.st_mtime_nsec),
            changed: nanos(raw.st_ctime, raw.st_ctime_nsec),
            mode: raw.st_mode & 0o7777,
            links: raw.st_nlink,
            kind,
        }
    }

    /// Whether both are the same state of the same file: a rename changes the change time, nothing else.
    pub fn same_file_and_bytes(&self, other: &Stat) -> bool {
        (self.device, self.inode, self.size, self.modified) == (other.device, other.inode, other.size, other.modified)
    }
}

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
    fd: Arc<OwnedFd>,
    path: PathBuf,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::RDONLY);
const FILE_READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl Dir {
    /// Opens an existing directory of the configuration. The operator may have made it a symbolic link: it is
    /// followed once, here.
    pub fn open(path: &Path) -> Result<Dir> {
        let fd = fs::open(path, DIRECTORY, Mode::empty()).map_err(|e| DiskError::new("open directory", path, e))?;
        Ok(Dir { fd: Arc::new(fd), path: path.to_owned() })
    }

    /// Opens a directory of the configuration, or says that there is none.
    pub fn open_if_there(path: &Path) -> Result<Option<Dir>> {
        match Dir::open(path) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens a directory of the configuration, making it and its parents where they are missing.
    pub fn make(path: &Path, mode: u32) -> Result<Dir> {
        if let Some(dir) = Dir::open_if_there(path)? {
            return Ok(dir);
        }
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
        builder.recursive(true).create(path).map_err(|e| DiskError::new("make directory", path, e))?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Dir::open(parent)?.sync()?;
        }
        Dir::open(path)
    }

    /// Opens the directory `name` below this one, making it where it is missing. A symbolic link is refused.
    pub fn sub(&self, name: &str, mode: u32) -> Result<Dir> {
        match fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode)) {
            Ok(()) => self.sync()?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(self.error("make directory", name, error)),
        }
        self.existing_sub(name)?.ok_or_else(|| self.error("open directory", name, Errno::NOENT))
    }

    /// Opens the directory `name` below this one, if there is one.
    pub fn existing_sub(&self, name: &str) -> Result<Option<Dir>> {
        match fs::openat(&self.fd, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => Ok(Some(Dir { fd: Arc::new(fd), path: self.path.join(name) })),
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

    /// Whether its path still leads to this very directory: `false` when it was renamed, replaced, unmounted or
    /// mounted over.
    pub fn in_place(&self) -> Result<bool> {
        let ours = self.own_stat()?;
        match fs::stat(&self.path) {
            Ok(raw) => {
                let there = Stat::of(&raw);
                Ok((there.device, there.inode) == (ours.device, ours.inode))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(DiskError::new("look at", &self.path, error)),
        }
    }

    /// What this directory is.
    pub fn own_stat(&self) -> Result<Stat> {
        fs::fstat(&self.fd).map(|raw| Stat::of(&raw)).map_err(|e| DiskError::new("look at", &self.path, e))
    }

    /// What `name` stands for; a symbolic link for itself.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>> {
        let name = name.as_ref();
        match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(raw) => Ok(Some(Stat::of(&raw))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error("look at", name, error)),
        }
    }

    /// Makes a new file for writing. A name that exists is an error.
    pub fn create(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<FileWriter> {
        let name = name.as_ref();
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600)).map_err(|e| self.error("create", name, e))?;
        let file = FileWriter { file: std::fs::File::from(fd), path: self.path.join(name) };
        // The mode is set apart from the creation so that the process's umask has no say.
        if mode != 0o600 {
            file.set_mode(mode)?;
        }
        Ok(file)
    }

    /// Opens a regular file for reading. `None`: not there, or not a regular file (then never read, nor waited for).
    pub fn read(&self, name: impl AsRef<OsStr>) -> Result<Option<FileReader>> {
        let name = name.as_ref();
        let opened = fs::openat2(
            &self.fd,
            name,
            FILE_READ,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        );
        let opened = match opened {
            // A sandbox or an old kernel without openat2: the name has no slash, so O_NOFOLLOW says the same.
            Err(Errno::NOSYS | Errno::PERM) => fs::openat(&self.fd, name, FILE_READ, Mode::empty()),
            other => other,
        };
        let fd = match opened {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(self.error("open", name, error)),
        };
        let stat = fs::fstat(&fd).map(|raw| Stat::of(&raw)).map_err(|e| self.error("look at", name, e))?;
        if stat.kind != Kind::File {
            return Ok(None);
        }
        Ok(Some(FileReader { file: Arc::new(std::fs::File::from(fd)), path: self.path.join(name), stat }))
    }

    /// Gives a file another name, in this directory or another one. Never replaces a file.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: &Dir, new: impl AsRef<OsStr>) -> Result<Renamed> {
        let (from, new) = (from.as_ref(), new.as_ref());
        match fs::renameat_with(&self.fd, from, &to.fd, new, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(Renamed::Done),
            Err(Errno::EXIST) => Ok(Renamed::TargetExists),
            Err(Errno::NOENT) => self.why_not_renamed(from, to),
            Err(error) => Err(self.error("rename", from, error)),
        }
    }

    /// `ENOENT` of a rename has three causes, and only one of them means that the file is not there.
    fn why_not_renamed(&self, from: &OsStr, to: &Dir) -> Result<Renamed> {
        for directory in [self, to] {
            if directory.own_stat()?.links == 0 {
                return Err(DiskError::new("rename into or out of removed directory", &directory.path, Errno::NOENT));
            }
        }
        match self.stat(from)? {
            None => Ok(Renamed::SourceAbsent),
            Some(_) => Err(self.error("rename", from, Errno::NOENT)),
        }
    }

    /// Gives a file another name here, replacing what has that name.
    pub fn replace(&self, from: impl AsRef<OsStr>, new: impl AsRef<OsStr>) -> Result<()> {
        let from = from.as_ref();
        fs::renameat(&self.fd, from, &self.fd, new.as_ref()).map_err(|e| self.error("rename", from, e))
    }

    /// Removes a file. `false`: it was not there.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        let name = name.as_ref();
        match fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.error("remove", name, error)),
        }
    }

    /// Sets a file's modification time to now. `false`: it is not there.
    pub fn touch(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        let name = name.as_ref();
        let now = fs::Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW };
        let times = fs::Timestamps { last_access: now, last_modification: now };
        match fs::utimensat(&self.fd, name, &times, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) if self.own_stat()?.links > 0 => Ok(false),
            Err(error) => Err(self.error("set the time of", name, error)),
        }
    }

    /// Sets a file's permission bits and its modification time (nanoseconds since 1970).
    pub fn restore(&self, name: impl AsRef<OsStr>, mode: u32, modified: i64) -> Result<()> {
        let name = name.as_ref();
        let at =
            fs::Timespec { tv_sec: modified.div_euclid(1_000_000_000), tv_nsec: modified.rem_euclid(1_000_000_000) };
        let times = fs::Timestamps { last_access: at, last_modification: at };
        fs::chmodat(&self.fd, name, Mode::from_raw_mode(mode), AtFlags::empty())
            .and_then(|()| fs::utimensat(&self.fd, name, &times, AtFlags::SYMLINK_NOFOLLOW))
            .map_err(|e| self.error("set mode and time of", name, e))
    }

    /// The names in this directory, in no order, one system call for many of them. `.` and `..` are left out.
    pub fn list(&self) -> Result<impl Iterator<Item = Result<OsString>> + use<>> {
        let path = self.path.clone();
        let entries = fs::Dir::read_from(&self.fd).map_err(|e| DiskError::new("list", &self.path, e))?;
        Ok(entries.filter_map(move |entry| match entry {
            Ok(entry) => {
                let name = entry.file_name().to_bytes();
                (name != b"." && name != b"..").then(|| Ok(OsStr::from_bytes(name).to_owned()))
            }
            Err(error) => Some(Err(DiskError::new("list", &path, error))),
        }))
    }

    /// Makes the names in this directory durable.
    pub fn sync(&self) -> Result<()> {
        fs::fsync(&self.fd).map_err(|e| DiskError::new("sync directory", &self.path, e))
    }

    /// Makes everything written to this file system durable. On this descriptor the kernel (5.8 and later) reports
    /// every write that failed since the descriptor was opened or last asked.
    pub fn sync_file_system(&self) -> Result<()> {
        fs::syncfs(&self.fd).map_err(|e| DiskError::new("sync the file system of", &self.path, e))
    }

    /// Free bytes for us on its file system.
    pub fn free_space(&self) -> Result<u64> {
        let stat = fs::fstatvfs(&self.fd).map_err(|e| DiskError::new("ask for free space of", &self.path, e))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Opens the same directory again: a descriptor of its own for [`Dir::sync_file_system`].
    pub fn reopen(&self) -> Result<Dir> {
        let fd = fs::openat(&self.fd, ".", DIRECTORY, Mode::empty())
            .map_err(|e| DiskError::new("open directory", &self.path, e))?;
        Ok(Dir { fd: Arc::new(fd), path: self.path.clone() })
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
}

/// A file being written: nobody else knows it yet.
#[derive(Debug)]
pub struct FileWriter {
    file: std::fs::File,
    path: PathBuf,
}

impl FileWriter {
    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| DiskError::new("write", &self.path, e))
    }

    /// Makes the bytes durable. To be called once: after an error the file is to be given up.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|e| DiskError::new("sync", &self.path, e))
    }

    /// Sets the permission bits.
    pub fn set_mode(&self, mode: u32) -> Result<()> {
        fs::fchmod(self.file.as_fd(), Mode::from_raw_mode(mode))
            .map_err(|e| DiskError::new("set the mode of", &self.path, e))
    }

    /// Gives the file to a group.
    pub fn set_group(&self, group: u32) -> Result<()> {
        fs::fchown(self.file.as_fd(), None, Some(fs::Gid::from_raw(group)))
            .map_err(|e| DiskError::new("set the group of", &self.path, e))
    }

    /// Becomes a copy-on-write copy of `source`, where the file system can. `false`: it cannot; nothing was written.
    pub fn clone_from(&self, source: &FileReader) -> bool {
        fs::ioctl_ficlone(self.file.as_fd(), source.file.as_fd()).is_ok()
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An open file.
#[derive(Clone, Debug)]
pub struct FileReader {
    file: Arc<std::fs::File>,
    path: PathBuf,
    stat: Stat,
}

impl FileReader {
    /// What the file was when it was opened.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file is now.
    pub fn stat_now(&self) -> Result<Stat> {
        fs::fstat(self.file.as_fd()).map(|raw| Stat::of(&raw)).map_err(|e| DiskError::new("look at", &self.path, e))
    }

    /// Reads on from where the last reading ended; 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match (&*self.file).read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::new("read", &self.path, error)),
            }
        }
    }

    /// The open file itself, for sending a range of it.
    pub fn shared(&self) -> Arc<std::fs::File> {
        self.file.clone()
    }
}

/// Reads a small file of the operator's (a secret, a certificate, a query), following links as the operator made
/// them. More than `limit` bytes is an error.
pub fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| DiskError::new("read", path, e))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| DiskError::new("read", path, e))?;
    if bytes.len() as u64 > limit {
        let error = io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {limit} bytes"));
        return Err(DiskError::new("read", path, error));
    }
    Ok(bytes)
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

/// A lock on a file, held while this lives (and by nobody once the process is gone).
#[derive(Debug)]
pub struct Lock {
    _file: std::fs::File,
}

impl Lock {
    /// Takes the lock, or says that somebody else holds it.
    pub fn take(dir: &Dir, name: &str) -> Result<Option<Lock>> {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            fs::openat(&dir.fd, name, flags, Mode::from_raw_mode(0o600)).map_err(|e| dir.error("open", name, e))?;
        let file = std::fs::File::from(fd);
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(dir.error("lock", name, error)),
        }
    }
}
