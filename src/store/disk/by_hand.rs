//! What commands do with files that people name: any file is opened, and nothing is left behind.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::system::OpenFile;
use super::{DiskError, FileReader, FileWriter, Result};

/// Opens a regular file of the operator's for reading, following links as the operator made them. A pipe or a device
/// is an error, and is not waited for.
pub fn open(path: &Path) -> Result<FileReader> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = fs::open(path, flags, Mode::empty()).map_err(|error| DiskError::new("open", path, error))?;
    let opened = FileReader::of(OpenFile::Real(Arc::new(File::from(fd))), path.to_owned())?;
    opened
        .ok_or_else(|| DiskError::new("read", path, io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")))
}

/// The path behind one that people wrote: links are followed, and what is not there yet is taken as it is written.
pub fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) if parent.as_os_str().is_empty() => real(Path::new(".")).join(name),
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_owned(),
    }
}

/// A file without a name in the directory for temporary files: it is gone with its last user.
pub fn scratch() -> Result<FileWriter> {
    let path = std::env::temp_dir();
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let fd = match fs::open(&path, flags, Mode::from_raw_mode(0o600)) {
        // A file system that has no files without a name.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => create_and_unlink(&path),
        other => other,
    };
    let file = fd.map(File::from).map_err(|error| DiskError::new("make a temporary file in", &path, error))?;
    Ok(FileWriter::of(OpenFile::Real(Arc::new(file)), path))
}

fn create_and_unlink(directory: &Path) -> rustix::io::Result<std::os::fd::OwnedFd> {
    let path = directory.join(format!("taxii-sync-{:016x}", fastrand::u64(..)));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = fs::open(&path, flags, Mode::from_raw_mode(0o600))?;
    fs::unlink(&path)?;
    Ok(fd)
}
