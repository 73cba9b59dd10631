//! Failed files that were put back, and the inboxes that have them already.

use rusqlite::{Transaction, params};

use super::{Admission, Ledger, Result};

/// What an inbox has of a file that is about to be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Had {
    /// Neither the file nor its content.
    Nothing,
    /// It has accepted the same content.
    Content,
    /// It has accepted this very file, before that was put back.
    ThisFile,
}

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

    /// What each of these inboxes has of each of these files, file by file.
    pub fn had_before(&self, directory: i64, files: &[Admission], inboxes: &[String]) -> Result<Vec<Vec<Had>>> {
        self.read_at_once(|c| {
            let mut put_back = c.prepare_cached(
                "SELECT 1 FROM settled_before WHERE directory = ?1 AND inode = ?2 AND sha256 = ?3 AND inbox = ?4",
            )?;
            let mut accepted = c.prepare_cached("SELECT 1 FROM accepted WHERE inbox = ?1 AND sha256 = ?2")?;
            let mut had = |file: &Admission, inbox: &String| match file.sha256 {
                Some(sha256) if put_back.exists(params![directory, file.inode as i64, sha256, inbox])? => {
                    Ok(Had::ThisFile)
                }
                Some(sha256) if accepted.exists(params![inbox, sha256])? => Ok(Had::Content),
                _ => Ok(Had::Nothing),
            };
            files.iter().map(|file| inboxes.iter().map(|inbox| had(file, inbox)).collect()).collect()
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
