//! What a name in a directory stands for.

use rustix::fs;

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
    /// Permission bits. Set-user-ID and its like are left out: a copy of ours must never carry them.
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
    pub(super) fn of(raw: &fs::Stat) -> Stat {
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
            mode: raw.st_mode & 0o777,
            links: raw.st_nlink,
            kind,
        }
    }

    /// Whether both are the same state of the same file: a rename changes the change time, nothing else.
    pub fn same_file_and_bytes(&self, other: &Stat) -> bool {
        (self.device, self.inode, self.size, self.modified) == (other.device, other.inode, other.size, other.modified)
    }
}
