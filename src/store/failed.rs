//! `failed/` of a drop directory, looked at by a command while an agent may be at work there.
//!
//! Nothing here opens or tidies `sending/`, which is the agent's own business. A file that goes back is only renamed,
//! so it is one file in one place at every moment, and its inode tells the agent which file it is.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::disk::{Dir, Kind, Renamed};
use super::{Result, names};

/// No receipt that is read is longer, in bytes.
const LONGEST_RECEIPT: usize = 4 << 20;

/// The failed files of one drop directory.
#[derive(Debug)]
pub struct Failed {
    dir: Dir,
    failed: Dir,
}

impl Failed {
    /// Opens a drop directory. `None`: nothing was ever dropped there.
    pub fn open(path: &Path) -> Result<Option<Failed>> {
        let Some(dir) = Dir::open_if_there(path)? else { return Ok(None) };
        Ok(dir.existing_sub("failed")?.map(|failed| Failed { dir, failed }))
    }

    /// The names of the files, without their receipts, in order.
    pub fn names(&self) -> Result<Vec<OsString>> {
        let mut all = Vec::new();
        for name in self.failed.list()? {
            let name = name?;
            if self.failed.stat(&name)?.is_some_and(|stat| stat.kind == Kind::File) {
                all.push(name);
            }
        }
        let receipts: HashSet<OsString> = all.iter().map(|name| names::receipt(name)).collect();
        all.retain(|name| !receipts.contains(name));
        all.sort();
        Ok(all)
    }

    /// The inode of a file; the one who takes it in sees the same.
    pub fn inode(&self, name: &OsStr) -> Result<Option<u64>> {
        Ok(self.failed.stat(name)?.map(|stat| stat.inode))
    }

    /// The bytes of a file's receipt, where there is one of sensible length.
    pub fn receipt(&self, name: &OsStr) -> Result<Option<Vec<u8>>> {
        let Some(receipt) = self.failed.read(names::receipt(name))? else { return Ok(None) };
        let mut bytes = vec![0; (receipt.stat().size as usize).min(LONGEST_RECEIPT)];
        let mut read = 0;
        while read < bytes.len() {
            match receipt.read(&mut bytes[read..])? {
                0 => break,
                count => read += count,
            }
        }
        bytes.truncate(read);
        Ok(Some(bytes))
    }

    /// Puts a file back into the drop directory, under its name or the next free one, and removes its receipt. Gives
    /// the name; `None`: the file is gone.
    pub fn put_back(&self, name: &OsStr) -> Result<Option<OsString>> {
        let mut number = 0;
        let back = loop {
            let back = names::numbered(name, number);
            match self.failed.rename(name, &self.dir, &back)? {
                Renamed::Done => break back,
                Renamed::SourceAbsent => return Ok(None),
                Renamed::TargetExists => number += 1,
            }
        };
        self.dir.sync()?;
        self.failed.remove(names::receipt(name))?;
        self.failed.sync()?;
        Ok(Some(back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed_files(files: &[&str]) -> (tempfile::TempDir, Failed) {
        let drop = tempfile::tempdir().unwrap();
        std::fs::create_dir(drop.path().join("failed")).unwrap();
        for file in files {
            std::fs::write(drop.path().join("failed").join(file), file).unwrap();
        }
        let failed = Failed::open(drop.path()).unwrap().unwrap();
        (drop, failed)
    }

    #[test]
    fn receipts_are_no_failed_files() {
        let (_drop, failed) = failed_files(&["b.xml", "b.xml.receipt.json", "a.xml", "c.receipt.json"]);
        assert_eq!(failed.names().unwrap(), ["a.xml", "b.xml", "c.receipt.json"]);
        assert_eq!(failed.receipt(OsStr::new("b.xml")).unwrap().unwrap(), b"b.xml.receipt.json");
        assert_eq!(failed.receipt(OsStr::new("a.xml")).unwrap(), None);
    }

    #[test]
    fn a_file_goes_back_without_its_receipt_and_replaces_none() {
        let (drop, failed) = failed_files(&["a.xml", "a.xml.receipt.json"]);
        std::fs::write(drop.path().join("a.xml"), "another").unwrap();
        let inode = failed.inode(OsStr::new("a.xml")).unwrap();
        assert_eq!(failed.put_back(OsStr::new("a.xml")).unwrap().unwrap(), "a.1.xml");
        assert_eq!(std::fs::read_to_string(drop.path().join("a.xml")).unwrap(), "another");
        assert_eq!(std::fs::read_to_string(drop.path().join("a.1.xml")).unwrap(), "a.xml");
        assert_eq!(std::fs::read_dir(drop.path().join("failed")).unwrap().count(), 0);
        assert_eq!(failed.dir.stat("a.1.xml").unwrap().map(|stat| stat.inode), inode);
        assert_eq!(failed.put_back(OsStr::new("a.xml")).unwrap(), None);
    }

    #[test]
    fn a_directory_where_nothing_was_dropped_has_no_failed_files() {
        let drop = tempfile::tempdir().unwrap();
        assert!(Failed::open(drop.path()).unwrap().is_none());
        assert!(Failed::open(&drop.path().join("missing")).unwrap().is_none());
    }
}
