//! What commands do with files that people name: any file is opened, and nothing is left behind.

use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{Dir, DiskError, FILE_READ, FileReader, FileWriter, Kind, Result, Stat};

/// Opens a regular file of the operator's for reading, following links as the operator made them. A pipe or a device
/// is an error, and is not waited for.
pub fn open(path: &Path) -> Result<FileReader> {
    let fd =
        fs::open(path, FILE_READ - OFlags::NOFOLLOW, Mode::empty()).map_err(|e| DiskError::new("open", path, e))?;
    let stat = fs::fstat(&fd).map(|raw| Stat::of(&raw)).map_err(|e| DiskError::new("look at", path, e))?;
    if stat.kind != Kind::File {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file");
        return Err(DiskError::new("read", path, error));
    }
    Ok(FileReader { file: Arc::new(std::fs::File::from(fd)), path: path.to_owned(), stat })
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
    let file = fd.map(std::fs::File::from).map_err(|e| DiskError::new("make a temporary file in", &path, e))?;
    Ok(FileWriter { file, path })
}

fn create_and_unlink(directory: &Path) -> rustix::io::Result<std::os::fd::OwnedFd> {
    let path = directory.join(format!("taxii-sync-{:016x}", fastrand::u64(..)));
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = fs::open(&path, flags, Mode::from_raw_mode(0o600))?;
    fs::unlink(&path)?;
    Ok(fd)
}

impl FileWriter {
    /// What was written, for reading it from the beginning.
    pub fn into_reader(self) -> Result<FileReader> {
        let FileWriter { file, path } = self;
        fs::seek(&file, fs::SeekFrom::Start(0)).map_err(|e| DiskError::new("read", &path, e))?;
        let stat = fs::fstat(&file).map(|raw| Stat::of(&raw)).map_err(|e| DiskError::new("look at", &path, e))?;
        Ok(FileReader { file: Arc::new(file), path, stat })
    }
}

impl FileReader {
    /// The same file, for reading it from the beginning once more.
    pub fn rewind(&self) -> Result<()> {
        fs::seek(&*self.file, fs::SeekFrom::Start(0)).map(drop).map_err(|e| DiskError::new("read", &self.path, e))
    }
}

impl Dir {
    /// Removes the directory `name` below this one. `false`: it is not there, or not empty.
    pub fn remove_empty_sub(&self, name: &str) -> Result<bool> {
        match fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(self.error("remove directory", name, error)),
        }
    }
}
