//! The seam between what we do with files and who does it: the kernel, or in tests a simulated disk.
//!
//! One function is one system call, and its error is the kernel's. What an error means is decided above.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

#[cfg(test)]
use super::simulated::{Node, Simulated};
use super::stat::Stat;

type Result<T, E = Errno> = std::result::Result<T, E>;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::RDONLY);
const NEW_FILE: OFlags =
    OFlags::CREATE.union(OFlags::EXCL).union(OFlags::WRONLY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// An open directory.
#[derive(Clone, Debug)]
pub(super) enum OpenDir {
    /// The kernel's.
    Real(Arc<OwnedFd>),
    /// A directory of a simulated disk.
    #[cfg(test)]
    Simulated(Node),
}

/// An open file.
#[derive(Clone, Debug)]
pub(super) enum OpenFile {
    /// The kernel's.
    Real(Arc<File>),
    /// A file of a simulated disk.
    #[cfg(test)]
    Simulated(Node),
}

/// The same thing done by the kernel and by the simulated disk.
macro_rules! done_by {
    ($kind:ident, $of:expr, $real:pat => $kernel:expr, $simulated:pat => $test:expr) => {
        match $of {
            $kind::Real($real) => $kernel,
            #[cfg(test)]
            $kind::Simulated($simulated) => $test,
        }
    };
}

impl OpenDir {
    pub(super) fn open(path: &Path) -> Result<OpenDir> {
        #[cfg(test)]
        if let Some(disk) = Simulated::of(path) {
            return disk.open(path).map(OpenDir::Simulated);
        }
        fs::open(path, DIRECTORY, Mode::empty()).map(OpenDir::from)
    }

    /// Opens a path of which no part may be a symbolic link.
    pub(super) fn open_without_links(path: &Path) -> Result<OpenDir> {
        #[cfg(test)]
        if let Some(disk) = Simulated::of(path) {
            return disk.open(path).map(OpenDir::Simulated);
        }
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match fs::openat2(fs::CWD, path, DIRECTORY, Mode::empty(), resolve) {
            // A sandbox or an old kernel without openat2: what has been swapped is the last part, mostly.
            Err(Errno::NOSYS | Errno::PERM) => fs::open(path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()),
            other => other,
        }
        .map(OpenDir::from)
    }

    /// What a path leads to.
    pub(super) fn stat_path(path: &Path) -> Result<Stat> {
        #[cfg(test)]
        if let Some(disk) = Simulated::of(path) {
            return disk.open(path)?.stat();
        }
        fs::stat(path).map(|raw| Stat::of(&raw))
    }

    pub(super) fn open_dir(&self, name: &OsStr) -> Result<OpenDir> {
        done_by!(OpenDir, self,
            fd => fs::openat(fd, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map(OpenDir::from),
            node => node.open_dir(name).map(OpenDir::Simulated))
    }

    pub(super) fn make_dir(&self, name: &OsStr, mode: u32) -> Result<()> {
        done_by!(OpenDir, self,
            fd => fs::mkdirat(fd, name, Mode::from_raw_mode(mode)),
            node => node.make_dir(name))
    }

    /// What this directory is.
    pub(super) fn stat_self(&self) -> Result<Stat> {
        done_by!(OpenDir, self, fd => fs::fstat(fd).map(|raw| Stat::of(&raw)), node => node.stat())
    }

    /// What a name stands for; a symbolic link for itself.
    pub(super) fn stat(&self, name: &OsStr) -> Result<Stat> {
        done_by!(OpenDir, self,
            fd => fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).map(|raw| Stat::of(&raw)),
            node => node.stat_of(name))
    }

    /// Makes a file with a mode, from which the umask takes.
    pub(super) fn create(&self, name: &OsStr, mode: u32) -> Result<OpenFile> {
        done_by!(OpenDir, self,
            fd => fs::openat(fd, name, NEW_FILE, Mode::from_raw_mode(mode)).map(OpenFile::from),
            node => node.create(name).map(OpenFile::Simulated))
    }

    /// Opens what is a file; a symbolic link is an error, a FIFO is not waited for.
    pub(super) fn open_file(&self, name: &OsStr) -> Result<OpenFile> {
        done_by!(OpenDir, self,
            fd => {
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
                match fs::openat2(fd, name, FILE, Mode::empty(), resolve) {
                    // A sandbox or an old kernel without openat2: the name has no slash, so O_NOFOLLOW says the same.
                    Err(Errno::NOSYS | Errno::PERM) => fs::openat(fd, name, FILE, Mode::empty()),
                    other => other,
                }
                .map(OpenFile::from)
            },
            node => node.open_file(name).map(OpenFile::Simulated))
    }

    /// A rename that replaces nothing.
    pub(super) fn rename(&self, from: &OsStr, to: &OpenDir, new: &OsStr) -> Result<()> {
        match (self, to) {
            (OpenDir::Real(fd), OpenDir::Real(to)) => fs::renameat_with(fd, from, to, new, RenameFlags::NOREPLACE),
            #[cfg(test)]
            (OpenDir::Simulated(node), OpenDir::Simulated(to)) => node.rename(from, to, new, false),
            #[cfg(test)]
            _ => Err(Errno::XDEV),
        }
    }

    /// A rename within this directory that replaces what has the new name.
    pub(super) fn replace(&self, from: &OsStr, new: &OsStr) -> Result<()> {
        done_by!(OpenDir, self, fd => fs::renameat(fd, from, fd, new), node => node.rename(from, node, new, true))
    }

    pub(super) fn unlink(&self, name: &OsStr) -> Result<()> {
        done_by!(OpenDir, self, fd => fs::unlinkat(fd, name, AtFlags::empty()), node => node.unlink(name))
    }

    pub(super) fn remove_dir(&self, name: &OsStr) -> Result<()> {
        done_by!(OpenDir, self, fd => fs::unlinkat(fd, name, AtFlags::REMOVEDIR), _ => Err(Errno::OPNOTSUPP))
    }

    /// Sets access and modification time, to now where there is none.
    pub(super) fn set_time(&self, name: &OsStr, modified: Option<i64>) -> Result<()> {
        let at = modified.map_or(fs::Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW }, |nanos| fs::Timespec {
            tv_sec: nanos.div_euclid(1_000_000_000),
            tv_nsec: nanos.rem_euclid(1_000_000_000),
        });
        let times = fs::Timestamps { last_access: at, last_modification: at };
        done_by!(OpenDir, self,
            fd => fs::utimensat(fd, name, &times, AtFlags::SYMLINK_NOFOLLOW),
            node => node.set_time(name, modified))
    }

    pub(super) fn set_mode(&self, name: &OsStr, mode: u32) -> Result<()> {
        done_by!(OpenDir, self,
            fd => fs::chmodat(fd, name, Mode::from_raw_mode(mode), AtFlags::empty()),
            node => node.set_mode(name, mode))
    }

    pub(super) fn set_mode_and_group(&self, mode: u32, group: u32) -> Result<()> {
        done_by!(OpenDir, self,
            fd => fs::fchown(fd, None, Some(fs::Gid::from_raw(group)))
                .and_then(|()| fs::fchmod(fd, Mode::from_raw_mode(mode))),
            _ => Ok(()))
    }

    /// The names, in no order, without `.` and `..`.
    pub(super) fn list(&self) -> Result<Box<dyn Iterator<Item = Result<OsString>>>> {
        done_by!(OpenDir, self,
            fd => {
                let entries = fs::Dir::read_from(fd)?;
                Ok(Box::new(entries.filter_map(|entry| match entry {
                    Ok(entry) => {
                        let name = entry.file_name().to_bytes();
                        (name != b"." && name != b"..").then(|| Ok(OsStr::from_bytes(name).to_owned()))
                    }
                    Err(error) => Some(Err(error)),
                })))
            },
            node => Ok(Box::new(node.list()?.into_iter().map(Ok))))
    }

    pub(super) fn sync(&self) -> Result<()> {
        done_by!(OpenDir, self, fd => fs::fsync(fd), node => node.sync())
    }

    pub(super) fn sync_file_system(&self) -> Result<()> {
        done_by!(OpenDir, self, fd => fs::syncfs(fd), node => node.sync_file_system())
    }

    /// Free bytes for us.
    pub(super) fn free_space(&self) -> Result<u64> {
        done_by!(OpenDir, self,
            fd => fs::fstatvfs(fd).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize)),
            _ => Ok(u64::MAX))
    }

    /// Opens or makes a file and locks it. `WOULDBLOCK`: somebody else has the lock.
    pub(super) fn lock_file(&self, name: &OsStr) -> Result<OpenFile> {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        done_by!(OpenDir, self,
            fd => {
                let file = fs::openat(fd, name, flags, Mode::from_raw_mode(0o600))?;
                fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
                Ok(file.into())
            },
            _ => Err(Errno::NOSYS))
    }

    /// Whether somebody else has such a lock on a file. Asking for it takes a shared lock for an instant.
    pub(super) fn is_locked(&self, name: &OsStr) -> Result<bool> {
        done_by!(OpenDir, self,
            fd => {
                let file = match fs::openat(fd, name, FILE, Mode::empty()) {
                    Ok(file) => file,
                    Err(Errno::NOENT) => return Ok(false),
                    Err(error) => return Err(error),
                };
                match fs::flock(&file, FlockOperation::NonBlockingLockShared) {
                    Ok(()) => Ok(false),
                    Err(Errno::WOULDBLOCK) => Ok(true),
                    Err(error) => Err(error),
                }
            },
            _ => Err(Errno::NOSYS))
    }

    /// A lock that lasts as long as this descriptor and its clones. `WOULDBLOCK`: somebody else has it.
    pub(super) fn lock(&self) -> Result<()> {
        done_by!(OpenDir, self, fd => fs::flock(fd, FlockOperation::NonBlockingLockExclusive), _ => Ok(()))
    }
}

impl From<OwnedFd> for OpenDir {
    fn from(fd: OwnedFd) -> OpenDir {
        OpenDir::Real(Arc::new(fd))
    }
}

impl OpenFile {
    pub(super) fn stat(&self) -> Result<Stat> {
        done_by!(OpenFile, self, file => fs::fstat(file.as_fd()).map(|raw| Stat::of(&raw)), node => node.stat())
    }

    /// Appends some of the bytes, as `write` does.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        done_by!(OpenFile, self, file => io::Write::write(&mut &**file, bytes), node => Ok(node.write(bytes)?))
    }

    /// Reads on from where the last reading ended; 0 at the end.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        done_by!(OpenFile, self, file => io::Read::read(&mut &**file, buffer), node => Ok(node.read(buffer)?))
    }

    pub(super) fn sync(&self) -> Result<()> {
        done_by!(OpenFile, self, file => fs::fsync(file.as_fd()), node => node.sync())
    }

    pub(super) fn set_mode(&self, mode: u32) -> Result<()> {
        done_by!(OpenFile, self, file => fs::fchmod(file.as_fd(), Mode::from_raw_mode(mode)), _ => Ok(()))
    }

    pub(super) fn set_group(&self, group: u32) -> Result<()> {
        done_by!(OpenFile, self,
            file => fs::fchown(file.as_fd(), None, Some(fs::Gid::from_raw(group))),
            _ => Ok(()))
    }

    /// Shares the blocks of `source`, where the file system can.
    pub(super) fn clone_from(&self, source: &OpenFile) -> Result<()> {
        match (self, source) {
            (OpenFile::Real(file), OpenFile::Real(source)) => fs::ioctl_ficlone(file.as_fd(), source.as_fd()),
            #[cfg(test)]
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// Reads from the beginning again.
    pub(super) fn rewind(&self) -> Result<()> {
        done_by!(OpenFile, self,
            file => fs::seek(file.as_fd(), fs::SeekFrom::Start(0)).map(drop),
            _ => Err(Errno::OPNOTSUPP))
    }

    /// The open file itself.
    pub(super) fn shared(&self) -> Arc<File> {
        done_by!(OpenFile, self, file => file.clone(), node => node.as_file())
    }
}

impl From<OwnedFd> for OpenFile {
    fn from(fd: OwnedFd) -> OpenFile {
        OpenFile::Real(Arc::new(File::from(fd)))
    }
}
