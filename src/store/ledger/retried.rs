//! Failed files that were put back, and the inboxes that have them already.

use rusqlite::{Transaction, params};

use super::{Ledger, Result};

impl Ledger {
    /// Notes which inboxes have accepted a file that is about to be put back into its drop directory. The file is
    /// known by its inode, which a rename keeps, and by its content.
    pub fn note_settled_before(&self, directory: i64, inode: u64, sha256: &[u8; 32], inboxes: &[String]) -> Result<()> {
        self.write(|t| {
            forget(t, directory, inode)?;
            let mut insert = t.prepare_cached(
                "INSERT OR IGNORE INTO settled_before (directory, inode, sha256, inbox) VALUES (?1, ?2, ?3, ?4)",
            )?;
            // SQLite's integers are signed; the bits are what counts.
            inboxes
                .iter()
                .try_for_each(|inbox| insert.execute(params![directory, inode as i64, sha256, inbox]).map(drop))
        })
    }

    /// The inboxes that have accepted a file before it was put back.
    pub fn settled_before(&self, directory: i64, inode: u64, sha256: &[u8; 32]) -> Result<Vec<String>> {
        self.read(|c| {
            c.prepare_cached("SELECT inbox FROM settled_before WHERE directory = ?1 AND inode = ?2 AND sha256 = ?3")?
                .query_map(params![directory, inode as i64, sha256], |row| row.get(0))?
                .collect()
        })
    }
}

/// The file is admitted, or another one has its inode now.
pub(super) fn forget(transaction: &Transaction<'_>, directory: i64, inode: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM settled_before WHERE directory = ?1 AND inode = ?2")?
        .execute(params![directory, inode as i64])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_inbox_has_is_known_of_that_file_alone() {
        let ledger = Ledger::open_temporary().unwrap();
        let (one, other) = ([1; 32], [2; 32]);
        ledger.note_settled_before(7, u64::MAX, &one, &["a".into(), "b".into()]).unwrap();
        assert_eq!(ledger.settled_before(7, u64::MAX, &one).unwrap(), ["a", "b"]);
        assert_eq!(ledger.settled_before(7, u64::MAX, &other).unwrap(), [""; 0], "its content has changed");
        assert_eq!(ledger.settled_before(7, 5, &one).unwrap(), [""; 0], "another file");
        assert_eq!(ledger.settled_before(8, u64::MAX, &one).unwrap(), [""; 0], "another directory");
        ledger.note_settled_before(7, u64::MAX, &other, &[]).unwrap();
        assert_eq!(ledger.settled_before(7, u64::MAX, &one).unwrap(), [""; 0], "another file has its inode now");
    }
}
