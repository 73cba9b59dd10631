//! What each inbox is owed, and what became of it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Transaction, named_params, params};

use super::feeds::instant;
use super::files::{FILE_COLUMNS, FILE_COUNT, FileId, FileRow, read_file};
use super::{Ledger, Result};
use crate::taxii::status::LONGEST_WAIT;
use crate::taxii::time::later;

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
    /// What the last attempt came to.
    pub message: Option<String>,
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

impl Settled {
    /// Nothing settled yet.
    pub fn open(file: FileId, inbox: String) -> Settled {
        Settled {
            file,
            inbox,
            outcome: None,
            status_type: None,
            message: None,
            next_try: None,
            asked: false,
            refusal: false,
            alone: false,
            unknown: false,
        }
    }

    /// What came of it, in words.
    pub fn words(&self) -> Option<String> {
        words(self.status_type.as_deref(), self.message.as_deref())
    }

    /// Pending for too long, at an inbox that nobody sends to any more.
    pub fn expired(file: FileId, inbox: String) -> Settled {
        let message = Some("the drop directory no longer names this inbox".to_owned());
        Settled { outcome: Some(Outcome::Expired), message, ..Settled::open(file, inbox) }
    }
}

/// What a server said, with its Status Type before it where it does not name that itself.
pub fn words(status_type: Option<&str>, message: Option<&str>) -> Option<String> {
    match (status_type.filter(|status_type| !status_type.is_empty()), message) {
        (Some(status_type), Some(message)) if !message.contains(status_type) => {
            Some(format!("{status_type}: {message}"))
        }
        (status_type, message) => message.or(status_type).map(str::to_owned),
    }
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

impl Claim {
    /// What came of it, in words.
    pub fn words(&self) -> Option<String> {
        words(self.status_type.as_deref(), self.message.as_deref())
    }
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

impl Ledger {
    /// Which of these contents an inbox has accepted before.
    pub fn accepted_of(&self, inbox: &str, contents: Vec<[u8; 32]>) -> Result<HashSet<[u8; 32]>> {
        self.read_at_once(|c| {
            let mut accepted = c.prepare_cached("SELECT 1 FROM accepted WHERE inbox = ?1 AND sha256 = ?2")?;
            let mut known = HashSet::new();
            for content in contents {
                if accepted.exists(params![inbox, content])? {
                    known.insert(content);
                }
            }
            Ok(known)
        })
    }

    /// What an inbox is owed and may be tried now, oldest first.
    pub fn due(&self, due: Due<'_>) -> Result<Vec<Owed>> {
        self.read(|c| {
            let mut statement = c.prepare_cached(&format!(
                "SELECT {FILE_COLUMNS}, delivery.attempts, delivery.refusals, delivery.alone,
                 EXISTS (SELECT 1 FROM accepted a WHERE a.inbox = delivery.inbox AND a.sha256 = file.sha256) AS duplicate,
                 delivery.message
                 FROM delivery JOIN file ON file.id = delivery.file
                 WHERE delivery.inbox = :inbox AND delivery.outcome IS NULL AND delivery.file > :after
                 AND file.claimed = 1
                 AND (delivery.next_try NOT BETWEEN :now + 1 AND :latest OR (:hurry AND NOT delivery.asked))
                 ORDER BY delivery.file LIMIT :limit"
            ))?;
            let rows = statement.query_map(
                named_params! {
                    ":inbox": due.inbox, ":after": due.after, ":now": due.now.timestamp_millis(),
                    ":latest": latest(due.now), ":hurry": due.hurry, ":limit": due.limit,
                },
                |row| {
                    Ok(Owed {
                        file: read_file(row)?,
                        attempts: row.get(FILE_COUNT)?,
                        refusals: row.get(FILE_COUNT + 1)?,
                        alone: row.get(FILE_COUNT + 2)?,
                        duplicate: row.get(FILE_COUNT + 3)?,
                        message: row.get(FILE_COUNT + 4)?,
                    })
                },
            )?;
            rows.collect()
        })
    }

    /// When an inbox is to be tried next, if it is owed anything.
    pub fn next_try(&self, inbox: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT min(iif(delivery.next_try > ?2, 0, delivery.next_try)) FROM delivery
                 JOIN file ON file.id = delivery.file WHERE inbox = ?1 AND outcome IS NULL AND file.claimed = 1",
            )?
            .query_row(params![inbox, latest(now)], |row| Ok(instant(row.get(0)?)))
        })
    }

    /// Until when a server asked that an inbox waits, where that is still to come.
    pub fn asked_until(&self, inbox: &str, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>> {
        self.read(|c| {
            c.prepare_cached(
                "SELECT max(next_try) FROM delivery
                 WHERE inbox = ?1 AND outcome IS NULL AND asked = 1 AND next_try > ?2 AND next_try <= ?3",
            )?
            .query_row(params![inbox, now.timestamp_millis(), latest(now)], |row| Ok(instant(row.get(0)?)))
        })
    }

    /// Messages with these files go out now, each file with its message's id. Survives the end of the process, not a power
    /// cut: after that one the attempt is not counted, and the message is sent again as any other.
    pub fn start_attempts(&self, inbox: &str, sent: &[(FileId, &str)]) -> Result<()> {
        if sent.is_empty() {
            return Ok(());
        }
        self.write_relaxed(|t| {
            let mut statement = t.prepare_cached(
                "UPDATE delivery SET under_way = 1, attempts = attempts + 1, message_id = ?3 WHERE file = ?1 AND inbox = ?2",
            )?;
            sent.iter().try_for_each(|(file, message)| statement.execute(params![file, inbox, message]).map(drop))
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
                if record(t, one, at)? {
                    done.push(one.file);
                }
            }
            Ok(done)
        })
    }

    /// The deliveries of each of these files, for their receipts.
    pub fn deliveries(&self, files: &[FileId]) -> Result<Vec<Vec<Claim>>> {
        self.read_at_once(|c| {
            let mut statement = c.prepare_cached(
                "SELECT inbox, outcome, attempts, message_id, status_type, message, at FROM delivery WHERE file = ?1 ORDER BY inbox",
            )?;
            let claim = |row: &rusqlite::Row<'_>| {
                Ok(Claim {
                    inbox: row.get(0)?,
                    outcome: row.get(1)?,
                    attempts: row.get(2)?,
                    message_id: row.get(3)?,
                    status_type: row.get(4)?,
                    message: row.get(5)?,
                    at: instant(row.get(6)?),
                })
            };
            files.iter().map(|file| statement.query_map([file], claim)?.collect()).collect()
        })
    }

    /// Notes why an inbox is left alone, and until when. A wait that the server asked for stays what it is.
    pub fn postpone(&self, inbox: &str, until: DateTime<Utc>, error: &str, at: DateTime<Utc>) -> Result<()> {
        self.write(|t| {
            t.execute(
                "UPDATE inbox_total SET last_error = ?2, last_error_at = ?3, failing_since = coalesce(failing_since, ?3)
                 WHERE inbox = ?1",
                params![inbox, error, at.timestamp_millis()],
            )?;
            hold_back(t, inbox, until)
        })
        .map(drop)
    }

    /// What was dropped while an inbox is left alone is due when that is over, as `status` tells.
    pub fn hold_back(&self, inbox: &str, until: DateTime<Utc>) -> Result<()> {
        self.write_relaxed(|t| hold_back(t, inbox, until)).map(drop)
    }

    /// Whether deliveries did not get to an inbox when it was last tried.
    pub fn is_in_trouble(&self, inbox: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM inbox_total WHERE inbox = ?1 AND failing_since IS NOT NULL)";
        self.read(|c| c.query_row(sql, [inbox], |row| row.get(0)))
    }

    /// What kept an inbox from being tried is mended: nothing more is known against one that is owed nothing.
    pub fn note_mended(&self, inbox: &str) -> Result<()> {
        self.write_relaxed(|t| clear_if_nothing_is_owed(t, inbox)).map(drop)
    }

    /// The counters of one inbox for one drop directory.
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

/// What is put off to a later moment was put off by a clock that was ahead: it is due.
fn latest(now: DateTime<Utc>) -> i64 {
    later(now, LONGEST_WAIT).timestamp_millis()
}

fn hold_back(t: &Transaction<'_>, inbox: &str, until: DateTime<Utc>) -> rusqlite::Result<usize> {
    t.execute(
        "UPDATE delivery SET next_try = ?2 WHERE inbox = ?1 AND outcome IS NULL AND next_try < ?2 AND asked = 0",
        params![inbox, until.timestamp_millis()],
    )
}

/// Where nothing is owed, nothing fails to get there.
fn clear_if_nothing_is_owed(t: &Transaction<'_>, inbox: &str) -> rusqlite::Result<usize> {
    t.execute(
        "UPDATE inbox_total SET failing_since = NULL WHERE inbox = ?1 AND failing_since IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM delivery WHERE inbox = ?1 AND outcome IS NULL)",
        [inbox],
    )
}

/// Gives whether the file is owed to nobody any more because of this. A delivery that has an outcome keeps it.
fn record(t: &Transaction<'_>, one: &Settled, at: DateTime<Utc>) -> rusqlite::Result<bool> {
    let at = at.timestamp_millis();
    let changed = t
        .prepare_cached(
            "UPDATE delivery SET under_way = 0, outcome = :outcome, message = :message,
             status_type = CASE WHEN :outcome = 'expired' THEN status_type ELSE :status_type END,
             at = :at, next_try = coalesce(:next_try, next_try), asked = :asked, refusals = refusals + :refusal,
             alone = alone OR :alone WHERE file = :file AND inbox = :inbox AND outcome IS NULL",
        )?
        .execute(named_params! {
            ":outcome": one.outcome, ":status_type": one.status_type, ":message": one.message, ":at": at,
            ":next_try": one.next_try.map(|next| next.timestamp_millis()), ":asked": one.asked,
            ":refusal": one.refusal, ":alone": one.alone, ":file": one.file, ":inbox": one.inbox,
        })?;
    if changed == 0 {
        return Ok(false);
    }
    if one.outcome == Some(Outcome::Accepted) {
        t.prepare_cached(
            "INSERT INTO accepted (inbox, sha256, at)
             SELECT ?2, sha256, ?3 FROM file WHERE id = ?1 AND sha256 IS NOT NULL
             ON CONFLICT (inbox, sha256) DO UPDATE SET at = excluded.at",
        )?
        .execute(params![one.file, one.inbox, at])?;
    }
    count(t, one, at)?;
    if one.outcome.is_none() {
        return Ok(false);
    }
    // Not by RETURNING, for which SQLite makes a table each time.
    t.prepare_cached("UPDATE file SET owed = owed - 1 WHERE id = ?1")?.execute([one.file])?;
    t.prepare_cached("SELECT owed = 0 FROM file WHERE id = ?1")?.query_row([one.file], |row| row.get(0))
}

/// What came of it for the inbox. A good outcome is good news about it. A file that it refused is bad news about the file,
/// which lies in `failed/`: the inbox works. A file that expired tells nothing new.
fn count(t: &Transaction<'_>, one: &Settled, at: i64) -> rusqlite::Result<()> {
    if matches!(one.outcome, Some(Outcome::Accepted | Outcome::Refused)) {
        // For the other drop directories, too.
        let works =
            "UPDATE inbox_total SET failing_since = NULL, last_error = NULL WHERE inbox = ?1 AND failing_since > 0";
        t.prepare_cached(works)?.execute([&one.inbox])?;
    }
    t.prepare_cached(
        "UPDATE inbox_total SET accepted = accepted + :accepted, refused = refused + :refused,
         expired = expired + :expired, unknown = unknown + :unknown,
         last_error = CASE WHEN :expired THEN last_error ELSE :error END,
         last_error_at = CASE WHEN :expired THEN last_error_at ELSE :at END,
         failing_since = CASE WHEN :expired THEN failing_since WHEN :open THEN coalesce(failing_since, :at) END
         WHERE inbox = :inbox AND directory = (SELECT directory FROM file WHERE id = :file)",
    )?
    .execute(named_params! {
        ":accepted": one.outcome == Some(Outcome::Accepted), ":refused": one.outcome == Some(Outcome::Refused),
        ":expired": one.outcome == Some(Outcome::Expired), ":open": one.outcome.is_none(), ":unknown": one.unknown,
        ":error": if one.outcome.is_some_and(Outcome::is_good) { None } else { one.words() },
        ":at": at, ":inbox": one.inbox, ":file": one.file,
    })?;
    if one.outcome == Some(Outcome::Expired) {
        clear_if_nothing_is_owed(t, &one.inbox)?;
    }
    Ok(())
}
