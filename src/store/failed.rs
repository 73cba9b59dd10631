//! `failed/` of a drop directory, looked at by a command while an agent may be at work there.
//!
//! Nothing here opens or tidies `sending/`, which is the agent's own business. A file that goes back is only renamed,
//! so it is one file in one place at every moment, and its inode tells the agent which file it is.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde_json::Value;

use super::disk::{Dir, Kind, Renamed};
use super::{Result, names};

/// No receipt that is read is longer, in bytes. One of ours takes some hundreds for each inbox, and a few thousand where
/// a server says as much as is kept of it; what others put there is not worth more memory.
const LONGEST_RECEIPT: usize = 256 << 10;

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

    /// The names of the files, without their receipts, in order. A receipt whose file somebody took away, or that a
    /// crash within [`Failed::put_back`] left behind, is no failed file either: it must never be sent.
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
        let mut files = Vec::with_capacity(all.len());
        for name in all {
            if !self.is_receipt(&name)? {
                files.push(name);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Whether this is a receipt of ours, by its name and by what it says.
    fn is_receipt(&self, name: &OsStr) -> Result<bool> {
        Ok(names::is_receipt(name) && self.read(name)?.is_some_and(|bytes| says_what_a_receipt_says(&bytes)))
    }

    /// The inode of a file; the one who takes it in sees the same.
    pub fn inode(&self, name: &OsStr) -> Result<Option<u64>> {
        Ok(self.failed.stat(name)?.map(|stat| stat.inode))
    }

    /// The bytes of a file's receipt, where there is one of sensible length.
    pub fn receipt(&self, name: &OsStr) -> Result<Option<Vec<u8>>> {
        self.read(&names::receipt(name))
    }

    /// The first bytes of a file, as many as a receipt may have.
    fn read(&self, name: &OsStr) -> Result<Option<Vec<u8>>> {
        let Some(receipt) = self.failed.read(name)? else { return Ok(None) };
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

    /// Puts a file back into the drop directory, under its name or the next free one, and removes its receipt, also
    /// where a crash between these two left an older one behind. Gives the name; `None`: the file is gone.
    pub fn put_back(&self, name: &OsStr) -> Result<Option<OsString>> {
        let mut number = 0;
        let back = loop {
            let back = names::numbered(name, number).into_owned();
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

fn says_what_a_receipt_says(bytes: &[u8]) -> bool {
    let Ok(Value::Object(receipt)) = serde_json::from_slice(bytes) else { return false };
    receipt.get("file").is_some_and(Value::is_string)
        && receipt.contains_key("sha256")
        && receipt.get("inboxes").is_some_and(Value::is_array)
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
    fn a_receipt_without_its_file_is_no_failed_file_whoever_took_the_file() {
        let receipt = r#"{"file":"b.xml","sha256":null,"size":1,"inboxes":[]}"#;
        let (drop, failed) = failed_files(&["b.xml", "b.xml.receipt.json", "mine.receipt.json", "list.receipt.json"]);
        let write = |name: &str, text: &str| std::fs::write(drop.path().join("failed").join(name), text).unwrap();
        write("b.xml.receipt.json", receipt);
        write("mine.receipt.json", r#"{"file":"b.xml"}"#);
        write("list.receipt.json", "[]");
        write("like-a-receipt.xml", receipt);
        let others = ["like-a-receipt.xml", "list.receipt.json", "mine.receipt.json"];
        assert_eq!(failed.names().unwrap(), [&["b.xml"], &others[..]].concat());
        std::fs::remove_file(drop.path().join("failed/b.xml")).unwrap();
        assert_eq!(failed.names().unwrap(), others);
        assert!(drop.path().join("failed/b.xml.receipt.json").exists(), "it is left to whoever took the file");
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
