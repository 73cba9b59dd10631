//! Making many new files durable at once.

use super::Result;
use super::disk::{Dir, FileWriter};

/// So many files are made durable one by one; with more of them one flush of the file system is cheaper, and they
/// need not stay open until then.
const SINGLY: usize = 8;

/// New files that are not durable yet.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    open: Vec<FileWriter>,
    count: usize,
}

impl Unsynced {
    /// A file that is written to its end.
    pub(super) fn add(&mut self, file: FileWriter) {
        self.count += 1;
        if self.count <= SINGLY {
            self.open.push(file);
        } else {
            self.open.clear();
        }
    }

    /// The same of all of them.
    pub(super) fn append(&mut self, mut others: Unsynced) {
        self.open.append(&mut others.open);
        self.count += others.count;
        if self.count > SINGLY {
            self.open.clear();
        }
    }

    /// Makes the bytes of all of them durable, and their names in `dir`, which was opened before the first of them
    /// was written: so it reports every write that failed.
    pub(super) fn sync(&mut self, dir: &Dir) -> Result<()> {
        let Unsynced { open, count } = std::mem::take(self);
        if count <= SINGLY {
            open.iter().try_for_each(FileWriter::sync)?;
            Ok(dir.sync()?)
        } else {
            Ok(dir.sync_file_system()?)
        }
    }
}
