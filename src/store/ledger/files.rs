//! Dropped files, from their admission to their end.

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use super::deliveries::Outcome;
use super::feeds::instant;
use super::{Ledger, Result};

/// A file's number in the ledger; files are numbered in the order of their admission.
pub type FileId = i64;

/// A checked copy in `sending/`, about to become ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Name of the copy in `sending/`.
    pub token: String,
    /// Name of the original, as bytes.
    pub name: Vec<u8>,
    /// SHA-256 of the file; `None` where it was too large to be read.
    pub sha256: Option<[u8; 32]>,
    /// Length in bytes.
    pub size: u64,
    /// Permission bits of the original.
    pub mode: u32,
    /// Modification time of the original (ns).
    pub modified: i64,
    /// Inode of the original: with size and modification time it says what may be removed once the copy is durable.
    /// Not the device, whose number may be another one after a restart of the machine.
    pub inode: u64,
    /// Content Binding, where the file can be sent.
    pub binding: Option<String>,
    /// Whether `TOKEN.wire` is sent instead of the file's own bytes.
    pub wire: bool,
    /// The range of the file (or of `TOKEN.wire`) that is sent.
    pub body: Range<u64>,
    /// Why it cannot be sent at all.
    pub refusal: Option<String>,
    /// When it was dropped.
    pub dropped_at: DateTime<Utc>,
    /// What each inbox is owed; nothing where it cannot be sent.
    pub deliveries: Vec<NewDelivery>,
}

/// What an inbox is owed when a file is admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The inbox.
    pub inbox: String,
    /// Set where it is settled already.
    pub outcome: Option<Outcome>,
    /// Why it is, for the receipt.
    pub message: Option<String>,
}

/// An admitted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRow {
    /// Its number.
    pub id: FileId,
    /// Its drop directory's number.
    pub directory: i64,
    /// Name of the copy in `sending/`.
    pub token: String,
    /// Name of the original, as bytes.
    pub name: Vec<u8>,
    /// SHA-256 of the file; `None` where it was too large to be read.
    pub sha256: Option<[u8; 32]>,
    /// Length in bytes.
    pub size: u64,
    /// Permission bits of the original.
    pub mode: u32,
    /// Modification time of the original (ns).
    pub modified: i64,
    /// Inode of the original.
    pub inode: u64,
    /// Content Binding.
    pub binding: Option<String>,
    /// Whether `TOKEN.wire` is sent.
    pub wire: bool,
    /// The range that is sent.
    pub body: Range<u64>,
    /// Why it cannot be sent at all.
    pub refusal: Option<String>,
    /// When it was dropped.
    pub dropped_at: DateTime<Utc>,
    /// Since when it is pending: its drop, or its `retry`.
    pub pending_since: DateTime<Utc>,
    /// Where it is going, once that was decided: `sent` or `failed`, and its final name.
    pub leaving: Option<Leaving>,
}

/// Where a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// `sent` or `failed`.
    pub place: String,
    /// Its final name, as bytes.
    pub name: Vec<u8>,
}

pub(super) const FILE_COLUMNS: &str = "file.id, file.directory, file.token, file.name, file.sha256, file.size, file.mode, \
     file.modified, file.inode, file.binding, file.wire, file.body_start, file.body_end, file.refusal, \
     file.dropped_at, file.pending_since, file.leaving, file.leaving_as";

/// How many they are: what a query adds begins at this index.
pub(super) const FILE_COUNT: usize = 18;

/// Reads [`FILE_COLUMNS`], by their indices: rows are many, and looking for a name in each takes as long as the rest.
pub(super) fn read_file(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let time = |index: usize| -> rusqlite::Result<DateTime<Utc>> { Ok(instant(row.get(index)?).unwrap_or_default()) };
    let (place, leaving_as): (Option<String>, Option<Vec<u8>>) = (row.get(16)?, row.get(17)?);
    Ok(FileRow {
        id: row.get(0)?,
        directory: row.get(1)?,
        token: row.get(2)?,
        name: row.get(3)?,
        sha256: row.get(4)?,
        size: row.get(5)?,
        mode: row.get(6)?,
        modified: row.get(7)?,
        // SQLite's integers are signed; the bits are what counts.
        inode: row.get::<_, i64>(8)? as u64,
        binding: row.get(9)?,
        wire: row.get(10)?,
        body: row.get(11)?..row.get(12)?,
        refusal: row.get(13)?,
        dropped_at: time(14)?,
        pending_since: time(15)?,
        leaving: place.zip(leaving_as).map(|(place, name)| Leaving { place, name }),
    })
}

fn files(connection: &Connection, rest: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<Vec<FileRow>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {FILE_COLUMNS} FROM file {rest}"))?;
    statement.query_map(parameters, read_file)?.collect()
}

impl Ledger {
    /// Admits a batch of copies that are durable. Their originals may be removed after this; nothing is sent before
    /// [`Ledger::claim`].
    pub fn admit(&self, directory: i64, admissions: &[Admission]) -> Result<Vec<FileId>> {
        self.write(|t| admissions.iter().map(|admission| admit(t, directory, admission)).collect())
    }

    /// Files whose originals may still be there.
    pub fn unclaimed(&self, directory: i64) -> Result<Vec<FileRow>> {
        self.read(|c| files(c, "WHERE directory = ?1 AND claimed = 0 ORDER BY id", [directory]))
    }

    /// The originals are gone for good: the files may be sent, or leave.
    pub fn claim(&self, claimed: &[FileId]) -> Result<()> {
        self.write(|t| {
            let mut statement = t.prepare_cached("UPDATE file SET claimed = 1 WHERE id = ?1")?;
            claimed.iter().try_for_each(|id| statement.execute([id]).map(drop))
        })
    }

    /// Files of a drop directory that are owed to nobody (any more) and are still in `sending/`.
    pub fn finished_files(&self, directory: i64, limit: u32) -> Result<Vec<FileRow>> {
        self.read(|c| {
            files(
                c,
                "WHERE directory = ?1 AND claimed = 1 AND owed = 0 ORDER BY id LIMIT ?2",
                params![directory, limit],
            )
        })
    }

    /// Files by their numbers; those that are there.
    pub fn files(&self, ids: &[FileId]) -> Result<Vec<FileRow>> {
        self.read_at_once(|c| {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                rows.extend(files(c, "WHERE id = ?1", [id])?);
            }
            Ok(rows)
        })
    }

    /// The drop directories of files; of those that are there.
    pub fn directories_of(&self, ids: &[FileId]) -> Result<BTreeSet<i64>> {
        self.read_at_once(|c| {
            let mut statement = c.prepare_cached("SELECT directory FROM file WHERE id = ?1")?;
            let mut directories = BTreeSet::new();
            for id in ids {
                directories.extend(statement.query_row([id], |row| row.get::<_, i64>(0)).optional()?);
            }
            Ok(directories)
        })
    }

    /// Which names in `sending/` are not ours.
    pub fn strangers<'a>(&self, tokens: &[&'a str]) -> Result<Vec<&'a str>> {
        self.read_at_once(|c| {
            let mut known = c.prepare_cached("SELECT 1 FROM file WHERE token = ?1")?;
            let mut strangers = Vec::new();
            for token in tokens {
                if !known.exists([token])? {
                    strangers.push(*token);
                }
            }
            Ok(strangers)
        })
    }

    /// Notes where files end, before anything is put there.
    pub fn set_leaving(&self, leaving: &[(FileId, Leaving)]) -> Result<()> {
        self.write(|t| {
            let mut statement = t.prepare_cached("UPDATE file SET leaving = ?2, leaving_as = ?3 WHERE id = ?1")?;
            leaving.iter().try_for_each(|(id, to)| statement.execute(params![id, to.place, to.name]).map(drop))
        })
    }

    /// Files have left `sending/` for good.
    pub fn remove_files(&self, left: &[FileId]) -> Result<()> {
        self.write(|t| {
            for id in left {
                t.prepare_cached("DELETE FROM delivery WHERE file = ?1")?.execute([id])?;
                t.prepare_cached("DELETE FROM file WHERE id = ?1")?.execute([id])?;
            }
            Ok(())
        })
    }
}

fn admit(t: &Transaction<'_>, directory: i64, new: &Admission) -> rusqlite::Result<FileId> {
    t.prepare_cached(
        "INSERT INTO file (directory, token, name, sha256, size, mode, modified, inode, binding, wire,
         body_start, body_end, refusal, dropped_at, pending_since, owed)
         VALUES (:directory, :token, :name, :sha256, :size, :mode, :modified, :inode, :binding, :wire,
         :body_start, :body_end, :refusal, :dropped_at, :dropped_at, :owed)",
    )?
    .execute(named_params! {
        ":directory": directory, ":token": new.token, ":name": new.name, ":sha256": new.sha256, ":size": new.size,
        ":mode": new.mode, ":modified": new.modified, ":inode": new.inode as i64,
        ":binding": new.binding, ":wire": new.wire, ":body_start": new.body.start, ":body_end": new.body.end,
        ":refusal": new.refusal, ":dropped_at": new.dropped_at.timestamp_millis(),
        ":owed": new.deliveries.iter().filter(|delivery| delivery.outcome.is_none()).count(),
    })?;
    let id = t.last_insert_rowid();
    super::retried::forget(t, directory, new.inode)?;
    let at = new.dropped_at.timestamp_millis();
    for delivery in &new.deliveries {
        t.prepare_cached("INSERT INTO delivery (file, inbox, outcome, message, at) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![id, delivery.inbox, delivery.outcome, delivery.message, delivery.outcome.map(|_| at)])?;
        t.prepare_cached(
            "INSERT INTO inbox_total (directory, inbox, refused) VALUES (?1, ?2, ?3)
             ON CONFLICT (directory, inbox) DO UPDATE SET refused = refused + excluded.refused",
        )?
        .execute(params![directory, delivery.inbox, delivery.outcome == Some(Outcome::Refused)])?;
    }
    Ok(id)
}
