//! Dropped files and what each inbox is owed.

use std::ops::Range;

use chrono::{DateTime, Utc};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use super::feeds::instant;
use super::{Ledger, Result};

/// A file's number in the ledger; files are numbered in the order of their admission.
pub type FileId = i64;

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The inbox accepted it.
    Accepted,
    /// The inbox refused it for good.
    Refused,
    /// The inbox had accepted the same content before; it was not sent again.
    Duplicate,
    /// It was pending for too long.
    Expired,
}

impl Outcome {
    /// The word of receipts and of the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Refused => "refused",
            Outcome::Duplicate => "duplicate",
            Outcome::Expired => "expired",
        }
    }

    /// Whether the inbox has the content.
    pub fn is_good(self) -> bool {
        matches!(self, Outcome::Accepted | Outcome::Duplicate)
    }
}

impl ToSql for Outcome {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.word().into())
    }
}

impl FromSql for Outcome {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "accepted" => Ok(Outcome::Accepted),
            "refused" => Ok(Outcome::Refused),
            "duplicate" => Ok(Outcome::Duplicate),
            "expired" => Ok(Outcome::Expired),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

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
    /// Device and inode of the original: what may be removed once the copy is durable.
    pub original: (u64, u64),
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
    /// Device and inode of the original.
    pub original: (u64, u64),
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

/// A file that an inbox is owed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The file.
    pub file: FileRow,
    /// Attempts so far.
    pub attempts: u32,
    /// Attempts so far that ended in FAILURE or an unknown status.
    pub refusals: u32,
    /// Not to be sent in a batch again.
    pub alone: bool,
    /// The inbox has accepted the same content before.
    pub duplicate: bool,
}

/// What [`Ledger::due`] looks for.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    /// The inbox.
    pub inbox: &'a str,
    /// Only deliveries whose next attempt is due by then.
    pub now: DateTime<Utc>,
    /// Also those that wait because the agent chose to, not because the server asked.
    pub hurry: bool,
    /// Only files after this one, so that what is under way is not taken twice.
    pub after: FileId,
    /// At most so many.
    pub limit: u32,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The file.
    pub file: FileId,
    /// The inbox.
    pub inbox: String,
    /// How the delivery ended, or nothing yet.
    pub outcome: Option<Outcome>,
    /// The Status Type of the answer, where there was one.
    pub status_type: Option<String>,
    /// What the server or the network said.
    pub message: Option<String>,
    /// When to try again, where nothing is settled yet.
    pub next_try: Option<DateTime<Utc>>,
    /// Whether the server asked for that wait.
    pub asked: bool,
    /// Whether this counts towards the limit of FAILUREs.
    pub refusal: bool,
    /// Whether it is not to be sent in a batch again.
    pub alone: bool,
    /// Whether it is unknown what became of the message.
    pub unknown: bool,
}

/// A delivery as a receipt shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The inbox.
    pub inbox: String,
    /// How it ended, if it has.
    pub outcome: Option<Outcome>,
    /// Attempts.
    pub attempts: u32,
    /// The last message's id.
    pub message_id: Option<String>,
    /// The last answer's Status Type.
    pub status_type: Option<String>,
    /// What the server or the network said.
    pub message: Option<String>,
    /// When.
    pub at: Option<DateTime<Utc>>,
}

/// Counters of one inbox for one drop directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxTotals {
    /// Files accepted.
    pub accepted: u64,
    /// Files refused for good.
    pub refused: u64,
    /// Messages whose answer never came.
    pub unknown: u64,
    /// The last error.
    pub last_error: Option<String>,
}

const FILE_COLUMNS: &str = "file.id, file.directory, file.token, file.name, file.sha256, file.size, file.mode, \
     file.modified, file.device, file.inode, file.binding, file.wire, file.body_start, file.body_end, file.refusal, \
     file.dropped_at, file.pending_since, file.leaving, file.leaving_as";

fn read_file(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let time = |column: &str| -> rusqlite::Result<DateTime<Utc>> { Ok(instant(row.get(column)?).unwrap_or_default()) };
    let place: Option<String> = row.get("leaving")?;
    let leaving_as: Option<Vec<u8>> = row.get("leaving_as")?;
    Ok(FileRow {
        id: row.get("id")?,
        directory: row.get("directory")?,
        token: row.get("token")?,
        name: row.get("name")?,
        sha256: row.get("sha256")?,
        size: row.get("size")?,
        mode: row.get("mode")?,
        modified: row.get("modified")?,
        // SQLite's integers are signed; the bits are what counts.
        original: (row.get::<_, i64>("device")? as u64, row.get::<_, i64>("inode")? as u64),
        binding: row.get("binding")?,
        wire: row.get("wire")?,
        body: row.get("body_start")?..row.get("body_end")?,
        refusal: row.get("refusal")?,
        dropped_at: time("dropped_at")?,
        pending_since: time("pending_since")?,
        leaving: place.zip(leaving_as).map(|(place, name)| Leaving { place, name }),
    })
}

fn files(connection: &Connection, rest: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<Vec<FileRow>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {FILE_COLUMNS} FROM file {rest}"))?;
    statement.query_map(parameters, read_file)?.collect()
}

impl Ledger {
    /// The number of the drop directory of this name, and the identity of its `sending/` as last seen.
    pub fn drop_directory(&self, name: &str) -> Result<(i64, Option<String>)> {
        self.write(|t| {
            t.execute("INSERT INTO drop_directory (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", [name])?;
            t.query_row("SELECT id, sending FROM drop_directory WHERE name = ?1", [name], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
        })
    }

    /// Notes the identity of a drop directory's `sending/`.
    pub fn set_sending(&self, directory: i64, identity: &str) -> Result<()> {
        self.write(|t| t.execute("UPDATE drop_directory SET sending = ?2 WHERE id = ?1", params![directory, identity]))
            .map(drop)
    }

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

    /// Whether a file of this name in `sending/` is ours.
    pub fn knows_token(&self, token: &str) -> Result<bool> {
        self.read(|c| c.prepare_cached("SELECT 1 FROM file WHERE token = ?1")?.exists([token]))
    }

    /// Whether an inbox has accepted this content before.
    pub fn has_accepted(&self, inbox: &str, sha256: &[u8; 32]) -> Result<bool> {
        self.read(|c| {
            c.prepare_cached("SELECT 1 FROM accepted WHERE inbox = ?1 AND sha256 = ?2")?.exists(params![inbox, sha256])
        })
    }

    /// What an inbox is owed and may be tried now, oldest first.
    pub fn due(&self, due: Due<'_>) -> Result<Vec<Owed>> {
        self.read(|c| {
            let mut statement = c.prepare_cached(&format!(
                "SELECT {FILE_COLUMNS}, delivery.attempts, delivery.refusals, delivery.alone,
                 EXISTS (SELECT 1 FROM accepted a WHERE a.inbox = delivery.inbox AND a.sha256 = file.sha256) AS duplicate
                 FROM delivery JOIN file ON file.id = delivery.file
                 WHERE delivery.inbox = :inbox AND delivery.outcome IS NULL AND delivery.file > :after
                 AND file.claimed = 1 AND (delivery.next_try <= :now OR (:hurry AND NOT delivery.asked))
                 ORDER BY delivery.file LIMIT :limit"
            ))?;
            let rows = statement.query_map(
                named_params! {
                    ":inbox": due.inbox, ":after": due.after, ":now": due.now.timestamp_millis(),
                    ":hurry": due.hurry, ":limit": due.limit,
                },
                |row| {
                    Ok(Owed {
                        file: read_file(row)?,
                        attempts: row.get("attempts")?,
                        refusals: row.get("refusals")?,
                        alone: row.get("alone")?,
                        duplicate: row.get("duplicate")?,
                    })
                },
            )?;
            rows.collect()
        })
    }

    /// When an inbox is to be tried next, if it is owed anything.
    pub fn next_try(&self, inbox: &str) -> Result<Option<DateTime<Utc>>> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT min(delivery.next_try) FROM delivery JOIN file ON file.id = delivery.file
                 WHERE inbox = ?1 AND outcome IS NULL AND file.claimed = 1",
            )?
            .query_row([inbox], |row| Ok(instant(row.get(0)?)))
        })
    }

    /// A message with these files goes out now. Survives the end of the process, not a power cut: after that one the
    /// attempt is not counted, and the message is sent again as any other.
    pub fn start_attempt(&self, inbox: &str, sent: &[FileId], message_id: &str) -> Result<()> {
        self.write_relaxed(|t| {
            let mut statement = t.prepare_cached(
                "UPDATE delivery SET under_way = 1, attempts = attempts + 1, message_id = ?3 WHERE file = ?1 AND inbox = ?2",
            )?;
            sent.iter().try_for_each(|id| statement.execute(params![id, inbox, message_id]).map(drop))
        })
    }

    /// Messages that were under way when the agent ended: their outcome is unknown. Gives how many files they held.
    pub fn sweep_under_way(&self) -> Result<usize> {
        self.write(|t| {
            t.execute(
                "UPDATE inbox_total SET unknown = unknown + (SELECT count(*) FROM delivery d JOIN file f ON f.id = d.file
                 WHERE d.under_way = 1 AND d.inbox = inbox_total.inbox AND f.directory = inbox_total.directory)",
                [],
            )?;
            t.execute("UPDATE delivery SET under_way = 0 WHERE under_way = 1", [])
        })
    }

    /// Records what attempts came to, in one transaction. Gives the files that are owed to nobody any more.
    pub fn record(&self, settled: &[Settled], at: DateTime<Utc>) -> Result<Vec<FileId>> {
        self.write(|t| {
            let mut done = Vec::new();
            for one in settled {
                record(t, one, at)?;
                let open = t
                    .prepare_cached("SELECT 1 FROM delivery WHERE file = ?1 AND outcome IS NULL")?
                    .exists([one.file])?;
                if !open && !done.contains(&one.file) {
                    done.push(one.file);
                }
            }
            Ok(done)
        })
    }

    /// Files of a drop directory that are owed to nobody (any more) and are still in `sending/`.
    pub fn finished_files(&self, directory: i64, limit: u32) -> Result<Vec<FileRow>> {
        self.read(|c| {
            files(
                c,
                "WHERE directory = ?1 AND claimed = 1 AND NOT EXISTS
                 (SELECT 1 FROM delivery d WHERE d.file = file.id AND d.outcome IS NULL) ORDER BY id LIMIT ?2",
                params![directory, limit],
            )
        })
    }

    /// A file by its number.
    pub fn file(&self, id: FileId) -> Result<Option<FileRow>> {
        self.read(|c| files(c, "WHERE id = ?1", [id]).map(|mut rows| rows.pop()))
    }

    /// The deliveries of a file, for its receipt.
    pub fn deliveries(&self, file: FileId) -> Result<Vec<Claim>> {
        self.read(|c| {
            let mut statement = c.prepare_cached(
                "SELECT inbox, outcome, attempts, message_id, status_type, message, at FROM delivery WHERE file = ?1 ORDER BY inbox",
            )?;
            let rows = statement.query_map([file], |row| {
                Ok(Claim {
                    inbox: row.get(0)?,
                    outcome: row.get(1)?,
                    attempts: row.get(2)?,
                    message_id: row.get(3)?,
                    status_type: row.get(4)?,
                    message: row.get(5)?,
                    at: instant(row.get(6)?),
                })
            })?;
            rows.collect()
        })
    }

    /// Notes where a file ends, before anything is put there.
    pub fn set_leaving(&self, file: FileId, leaving: &Leaving) -> Result<()> {
        self.write_relaxed(|t| {
            t.execute(
                "UPDATE file SET leaving = ?2, leaving_as = ?3 WHERE id = ?1",
                params![file, leaving.place, leaving.name],
            )
        })
        .map(drop)
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

    /// Notes why an inbox cannot be reached, without an attempt.
    pub fn postpone(&self, inbox: &str, until: DateTime<Utc>, error: &str, at: DateTime<Utc>) -> Result<()> {
        self.write(|t| {
            t.execute(
                "UPDATE inbox_total SET last_error = ?2, last_error_at = ?3 WHERE inbox = ?1",
                params![inbox, error, at.timestamp_millis()],
            )?;
            t.execute(
                "UPDATE delivery SET next_try = ?2, asked = 0 WHERE inbox = ?1 AND outcome IS NULL AND next_try < ?2",
                params![inbox, until.timestamp_millis()],
            )
        })
        .map(drop)
    }

    /// Deliveries that are owed to inboxes which no drop directory names any more are settled as nothing: the
    /// inboxes that a file is owed to follow the configuration.
    pub fn totals(&self, directory: i64, inbox: &str) -> Result<InboxTotals> {
        self.read(|c| {
            c.query_row(
                "SELECT accepted, refused, unknown, last_error FROM inbox_total WHERE directory = ?1 AND inbox = ?2",
                params![directory, inbox],
                |row| {
                    Ok(InboxTotals {
                        accepted: row.get(0)?,
                        refused: row.get(1)?,
                        unknown: row.get(2)?,
                        last_error: row.get(3)?,
                    })
                },
            )
            .optional()
            .map(Option::unwrap_or_default)
        })
    }
}

fn admit(t: &Transaction<'_>, directory: i64, new: &Admission) -> rusqlite::Result<FileId> {
    t.prepare_cached(
        "INSERT INTO file (directory, token, name, sha256, size, mode, modified, device, inode, binding, wire,
         body_start, body_end, refusal, dropped_at, pending_since)
         VALUES (:directory, :token, :name, :sha256, :size, :mode, :modified, :device, :inode, :binding, :wire,
         :body_start, :body_end, :refusal, :dropped_at, :dropped_at)",
    )?
    .execute(named_params! {
        ":directory": directory, ":token": new.token, ":name": new.name, ":sha256": new.sha256, ":size": new.size,
        ":mode": new.mode, ":modified": new.modified, ":device": new.original.0 as i64, ":inode": new.original.1 as i64,
        ":binding": new.binding, ":wire": new.wire, ":body_start": new.body.start, ":body_end": new.body.end,
        ":refusal": new.refusal, ":dropped_at": new.dropped_at.timestamp_millis(),
    })?;
    let id = t.last_insert_rowid();
    super::retried::forget(t, directory, new.original.1)?;
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

fn record(t: &Transaction<'_>, one: &Settled, at: DateTime<Utc>) -> rusqlite::Result<()> {
    let at = at.timestamp_millis();
    t.prepare_cached(
        "UPDATE delivery SET under_way = 0, outcome = :outcome, status_type = :status_type, message = :message, at = :at,
         next_try = coalesce(:next_try, next_try), asked = :asked, refusals = refusals + :refusal, alone = alone OR :alone
         WHERE file = :file AND inbox = :inbox",
    )?
    .execute(named_params! {
        ":outcome": one.outcome, ":status_type": one.status_type, ":message": one.message, ":at": at,
        ":next_try": one.next_try.map(|next| next.timestamp_millis()), ":asked": one.asked, ":refusal": one.refusal,
        ":alone": one.alone, ":file": one.file, ":inbox": one.inbox,
    })?;
    if one.outcome == Some(Outcome::Accepted) {
        t.prepare_cached(
            "INSERT OR REPLACE INTO accepted (inbox, sha256, at) SELECT ?2, sha256, ?3 FROM file WHERE id = ?1",
        )?
        .execute(params![one.file, one.inbox, at])?;
    }
    // A good outcome is good news about the inbox; a bad one, or none yet, is what an operator wants to read.
    let trouble = if one.outcome.is_some_and(Outcome::is_good) { None } else { one.message.as_ref() };
    t.prepare_cached(
        "UPDATE inbox_total SET accepted = accepted + :accepted, refused = refused + :refused, unknown = unknown + :unknown,
         last_error = :error, last_error_at = :at WHERE inbox = :inbox AND directory = (SELECT directory FROM file WHERE id = :file)",
    )?
    .execute(named_params! {
        ":accepted": one.outcome == Some(Outcome::Accepted), ":refused": one.outcome == Some(Outcome::Refused),
        ":unknown": one.unknown, ":error": trouble, ":at": at, ":inbox": one.inbox, ":file": one.file,
    })?;
    Ok(())
}
