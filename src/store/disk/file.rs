//! Open files.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::stat::{Kind, Stat};
use super::system::{OpenDir, OpenFile};
use super::{DiskError, Result};

/// A file being written: nobody else knows it yet.
#[derive(Debug)]
pub struct FileWriter {
    file: OpenFile,
    path: PathBuf,
}

/// The permission bits that new files of one directory shall have.
///
/// The process's umask, or an access list of the directory, may take some of them away when a file is made; then they are
/// set apart. Either does the same to all files, so only the first one is looked at.
#[derive(Debug)]
pub struct Bits {
    mode: u32,
    /// Whether a file has them as soon as it is made.
    given: OnceLock<bool>,
}

impl Bits {
    /// The bits of a mode.
    pub fn new(mode: u32) -> Bits {
        // What is for the owner alone is left alone by both.
        let given = if mode == 0o600 { OnceLock::from(true) } else { OnceLock::new() };
        Bits { mode, given }
    }

    fn are_given_to(&self, file: &FileWriter) -> Result<bool> {
        if let Some(given) = self.given.get() {
            return Ok(*given);
        }
        let stat = file.file.stat().map_err(|error| file.error("look at", error))?;
        Ok(*self.given.get_or_init(|| stat.mode == self.mode))
    }
}

impl FileWriter {
    /// Makes a new file. A name that exists is an error.
    pub(super) fn create(dir: &OpenDir, name: &OsStr, path: PathBuf, bits: &Bits) -> Result<FileWriter> {
        let file = dir.create(name, bits.mode).map_err(|error| DiskError::new("create", &path, error))?;
        let file = FileWriter { file, path };
        if !bits.are_given_to(&file)? {
            file.file.set_mode(bits.mode).map_err(|error| file.error("set the mode of", error))?;
        }
        Ok(file)
    }

    /// A file without a name, or one that somebody else made.
    pub(super) fn of(file: OpenFile, path: PathBuf) -> FileWriter {
        FileWriter { file, path }
    }

    /// What was written, for reading it from the beginning.
    pub fn into_reader(self) -> Result<FileReader> {
        let FileWriter { file, path } = self;
        let stat = file.stat().map_err(|error| DiskError::new("look at", &path, error))?;
        let reader = FileReader { file, path, stat };
        reader.rewind()?;
        Ok(reader)
    }

    fn error(&self, what: &'static str, source: impl Into<io::Error>) -> DiskError {
        DiskError::new(what, &self.path, source)
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|error| self.error("write", error))
    }

    /// Makes the bytes durable. To be called once: after an error the file is to be given up.
    pub fn sync(&self) -> Result<()> {
        self.file.sync().map_err(|error| self.error("sync", error))
    }

    /// Gives the file to a group.
    pub fn set_group(&self, group: u32) -> Result<()> {
        self.file.set_group(group).map_err(|error| self.error(super::SET_GROUP, error))
    }

    /// Becomes a copy-on-write copy of `source`, where the file system can. `false`: it cannot; nothing was written.
    pub fn clone_from(&self, source: &FileReader) -> bool {
        self.file.clone_from(&source.file).is_ok()
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
    file: OpenFile,
    path: PathBuf,
    stat: Stat,
}

impl FileReader {
    /// Takes an open file that is a regular one; else `None`.
    pub(super) fn of(file: OpenFile, path: PathBuf) -> Result<Option<FileReader>> {
        let stat = file.stat().map_err(|error| DiskError::new("look at", &path, error))?;
        Ok((stat.kind == Kind::File).then_some(FileReader { file, path, stat }))
    }

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
        self.file.stat().map_err(|error| DiskError::new("look at", &self.path, error))
    }

    /// Reads on from where the last reading ended; 0 at the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.file.read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::new("read", &self.path, error)),
            }
        }
    }

    /// Reads until the buffer is full or the file ends.
    pub fn read_full(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// The same file, for reading it from the beginning once more.
    pub fn rewind(&self) -> Result<()> {
        self.file.rewind().map_err(|error| DiskError::new("read", &self.path, error))
    }

    /// The open file itself, for sending a range of it.
    pub fn shared(&self) -> Arc<File> {
        self.file.shared()
    }
}
