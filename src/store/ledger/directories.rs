//! Drop directories, and the files that wait below one that has another name now, or none.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Ledger, Result};

/// Files in `sending/` of a drop directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub id: i64,
    /// Its name when they were taken in.
    pub directory: String,
    /// Where it was when it was opened last, where that is known.
    pub path: Option<PathBuf>,
    /// How many files.
    pub files: u64,
}

/// What an inbox is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unnamed {
    /// The drop directory's name.
    pub directory: String,
    /// The inbox.
    pub inbox: String,
    /// How many files.
    pub files: u64,
}

impl Ledger {
    /// The number of the drop directory of this name.
    pub fn drop_directory(&self, name: &str) -> Result<i64> {
        self.write(|t| drop_directory(t, name))
    }

    /// Notes where a drop directory is.
    pub fn note_place(&self, directory: i64, path: &Path) -> Result<()> {
        let path = path.as_os_str().as_bytes();
        let known = self.read(|c| {
            c.prepare_cached("SELECT 1 FROM drop_directory WHERE id = ?1 AND path = ?2")?
                .exists(params![directory, path])
        })?;
        if known {
            return Ok(());
        }
        self.write_relaxed(|t| t.execute("UPDATE drop_directory SET path = ?2 WHERE id = ?1", params![directory, path]))
            .map(drop)
    }

    /// Notes what is wrong with a drop directory, which may never have been opened; `None`: it works.
    pub fn note_drop_trouble(&self, name: &str, words: Option<&str>) -> Result<()> {
        let known: Option<String> = self.read(|c| {
            c.prepare_cached("SELECT last_error FROM drop_directory WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()
                .map(Option::flatten)
        })?;
        if known.as_deref() == words {
            return Ok(());
        }
        self.write_relaxed(|t| {
            let id = drop_directory(t, name)?;
            t.execute("UPDATE drop_directory SET last_error = ?2 WHERE id = ?1", params![id, words])
        })
        .map(drop)
    }

    /// The other drop directories that files with these tokens were taken in by.
    pub fn owners(&self, directory: i64, tokens: &[&str]) -> Result<Vec<i64>> {
        self.read_at_once(|c| {
            let mut owner = c.prepare_cached("SELECT directory FROM file WHERE token = ?1 AND directory <> ?2")?;
            let mut owners = Vec::new();
            for token in tokens {
                owners.extend(owner.query_row(params![token, directory], |row| row.get::<_, i64>(0)).optional()?);
            }
            owners.sort_unstable();
            owners.dedup();
            Ok(owners)
        })
    }

    /// Files of a drop directory are another one's from now on. Gives how many there were. What was said of their
    /// inboxes goes with them: nobody would take it back under the name that is no longer used.
    pub fn take_over(&self, from: i64, to: i64, tokens: &[&str]) -> Result<usize> {
        self.write(|t| {
            let mut taken = 0;
            for token in tokens {
                taken += take_over(t, from, to, token)?;
            }
            t.execute(
                "UPDATE inbox_total SET last_error = NULL, failing_since = NULL WHERE directory = ?1 AND NOT EXISTS
                 (SELECT 1 FROM file WHERE directory = ?1)",
                [from],
            )?;
            Ok(taken)
        })
    }

    /// How many files are in `sending/` of each drop directory.
    pub fn waiting(&self) -> Result<Vec<Waiting>> {
        self.read(|c| {
            c.prepare(
                "SELECT d.id, d.name, d.path, count(*) FROM file f JOIN drop_directory d ON d.id = f.directory
                 GROUP BY d.id ORDER BY d.name",
            )?
            .query_map([], |row| {
                let path: Option<Vec<u8>> = row.get(2)?;
                let path = path.map(|path| PathBuf::from(OsStr::from_bytes(&path)));
                Ok(Waiting { id: row.get(0)?, directory: row.get(1)?, path, files: row.get(3)? })
            })?
            .collect()
        })
    }

    /// What each inbox is owed, by drop directory, without the inboxes that are named here.
    pub fn owed_to_unnamed(&self, named: &dyn Fn(&str) -> bool) -> Result<Vec<Unnamed>> {
        let mut owed: Vec<Unnamed> = self.read(|c| {
            c.prepare(
                "SELECT d.name, v.inbox, count(*) FROM delivery v JOIN file f ON f.id = v.file
                 JOIN drop_directory d ON d.id = f.directory WHERE v.outcome IS NULL
                 GROUP BY d.name, v.inbox ORDER BY d.name, v.inbox",
            )?
            .query_map([], |row| Ok(Unnamed { directory: row.get(0)?, inbox: row.get(1)?, files: row.get(2)? }))?
            .collect()
        })?;
        owed.retain(|one| !named(&one.inbox));
        Ok(owed)
    }
}

fn drop_directory(t: &Transaction<'_>, name: &str) -> rusqlite::Result<i64> {
    t.execute("INSERT INTO drop_directory (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", [name])?;
    t.query_row("SELECT id FROM drop_directory WHERE name = ?1", [name], |row| row.get(0))
}

fn take_over(t: &Transaction<'_>, from: i64, to: i64, token: &str) -> rusqlite::Result<usize> {
    let id: Option<i64> = t
        .prepare_cached("UPDATE file SET directory = ?2 WHERE token = ?3 AND directory = ?1 RETURNING id")?
        .query_row(params![from, to, token], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(0) };
    // What has been counted stays with the name it was counted under.
    t.prepare_cached(
        "INSERT OR IGNORE INTO inbox_total (directory, inbox, last_error, last_error_at, failing_since, address)
         SELECT ?3, v.inbox, o.last_error, o.last_error_at, o.failing_since, o.address FROM delivery v
         LEFT JOIN inbox_total o ON o.directory = ?2 AND o.inbox = v.inbox WHERE v.file = ?1",
    )?
    .execute(params![id, from, to])?;
    Ok(1)
}
