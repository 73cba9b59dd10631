//! Feeds: cursors, results under way, and what an operator wants to know about them.

use chrono::{DateTime, Utc};
use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use super::{Ledger, Result};

/// A feed's number in the ledger.
pub type FeedId = i64;

/// A saved cursor: the Exclusive Begin of the next Poll Request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// As the server wrote it, or as we asked for it.
    pub text: String,
    /// The instant.
    pub at: DateTime<Utc>,
}

/// All that the ledger knows about a feed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedRow {
    /// Its number.
    pub id: FeedId,
    /// Its name in the configuration.
    pub name: String,
    /// What its cursor belongs to.
    pub identity: String,
    /// The cursor.
    pub cursor: Option<Cursor>,
    /// A result set under way (JSON).
    pub result: Option<String>,
    /// Identity of `.staging/`.
    pub staging: Option<String>,
    /// When it is polled next.
    pub next_poll: Option<DateTime<Utc>>,
    /// Not polled before: a wait the server asked for.
    pub not_before: Option<DateTime<Utc>>,
    /// When a poll last succeeded.
    pub last_success: Option<DateTime<Utc>>,
    /// Why the last poll failed; `None` after a success.
    pub last_error: Option<String>,
    /// Failed polls in a row.
    pub failures: u32,
    /// The server's clock minus ours, in milliseconds.
    pub skew: i64,
    /// When content was last handed over.
    pub last_content: Option<DateTime<Utc>>,
    /// Polls in a row that succeeded and brought nothing new.
    pub quiet_polls: u32,
    /// Content files handed over.
    pub files_total: u64,
    /// Their bytes.
    pub bytes_total: u64,
    /// Blocks put into quarantine.
    pub quarantined_total: u64,
    /// Blocks without content.
    pub empty_total: u64,
    /// Where it was polled last, and why there.
    pub address: Option<String>,
    /// When it was first polled, by our clock, for as long as it has no cursor.
    pub first_try: Option<DateTime<Utc>>,
    /// Its collection is a DATA_SET, which has no cursor.
    pub data_set: bool,
}

pub(super) fn instant(millis: Option<i64>) -> Option<DateTime<Utc>> {
    millis.and_then(DateTime::from_timestamp_millis)
}

/// A column that came with a later format: a ledger that is only read may not have it yet.
fn newer<T: FromSql + Default>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    match row.get(column) {
        Err(rusqlite::Error::InvalidColumnName(_)) => Ok(T::default()),
        value => value,
    }
}

impl FeedRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<FeedRow> {
        let cursor_text: Option<String> = row.get("cursor")?;
        let cursor_ns: Option<i64> = row.get("cursor_ns")?;
        Ok(FeedRow {
            id: row.get("id")?,
            name: row.get("name")?,
            identity: row.get("identity")?,
            cursor: cursor_text
                .zip(cursor_ns)
                .map(|(text, ns)| Cursor { text, at: DateTime::from_timestamp_nanos(ns) }),
            result: row.get("result")?,
            staging: row.get("staging")?,
            next_poll: instant(row.get("next_poll")?),
            not_before: instant(row.get("not_before")?),
            last_success: instant(row.get("last_success")?),
            last_error: row.get("last_error")?,
            failures: row.get("failures")?,
            skew: row.get("skew")?,
            last_content: instant(row.get("last_content")?),
            quiet_polls: row.get("quiet_polls")?,
            files_total: row.get("files_total")?,
            bytes_total: row.get("bytes_total")?,
            quarantined_total: row.get("quarantined_total")?,
            empty_total: row.get("empty_total")?,
            address: row.get("address")?,
            first_try: instant(newer(row, "first_try")?),
            data_set: newer(row, "data_set")?,
        })
    }
}

/// Nanoseconds since 1970, at the ends of the range where an instant lies beyond it (years before 1677, after 2262).
pub(super) fn nanos(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or(if at.timestamp() < 0 { i64::MIN } else { i64::MAX })
}

pub(super) fn set_cursor(transaction: &Transaction<'_>, feed: FeedId, cursor: Option<&Cursor>) -> rusqlite::Result<()> {
    transaction.prepare_cached("UPDATE feed SET cursor = ?2, cursor_ns = ?3 WHERE id = ?1")?.execute(params![
        feed,
        cursor.map(|c| &c.text),
        cursor.map(|c| nanos(c.at))
    ])?;
    Ok(())
}

/// What is committed is handed over all the same, but it does not move the cursor any more.
fn nothing_after(transaction: &Transaction<'_>, feed: FeedId) -> rusqlite::Result<()> {
    transaction.execute("UPDATE part SET after = NULL WHERE feed = ?1", [feed]).map(drop)
}

impl Ledger {
    /// The feed of this name. With another identity than before its cursor and its result under way are gone; what
    /// was handed over stays known.
    pub fn feed(&self, name: &str, identity: &str) -> Result<FeedRow> {
        self.write(|t| {
            t.execute(
                "INSERT INTO feed (name, identity) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
                [name, identity],
            )?;
            let other = t.execute(
                "UPDATE feed SET identity = ?2, cursor = NULL, cursor_ns = NULL, result = NULL, not_before = NULL,
                 next_poll = NULL, address = NULL, first_try = NULL WHERE name = ?1 AND identity <> ?2",
                [name, identity],
            )? > 0;
            let row = t.query_row("SELECT * FROM feed WHERE name = ?1", [name], FeedRow::read)?;
            if other {
                nothing_after(t, row.id)?;
            }
            Ok(row)
        })
    }

    /// The feed of this name as it is, if it was ever polled.
    pub fn feed_by_name(&self, name: &str) -> Result<Option<FeedRow>> {
        self.read(|c| c.query_row("SELECT * FROM feed WHERE name = ?1", [name], FeedRow::read).optional())
    }

    /// The feed as it is now.
    pub fn feed_row(&self, feed: FeedId) -> Result<FeedRow> {
        self.read(|c| c.query_row("SELECT * FROM feed WHERE id = ?1", [feed], FeedRow::read))
    }

    /// Notes the identity of a feed's `.staging/`, or that what was there is not to be trusted.
    pub fn set_staging(&self, feed: FeedId, identity: Option<&str>) -> Result<()> {
        self.write(|t| t.execute("UPDATE feed SET staging = ?2 WHERE id = ?1", params![feed, identity])).map(drop)
    }

    /// Saves a result set under way, or that there is none.
    pub fn set_result(&self, feed: FeedId, result: Option<&str>) -> Result<()> {
        self.write(|t| t.execute("UPDATE feed SET result = ?2 WHERE id = ?1", params![feed, result])).map(drop)
    }

    /// Moves the cursor by hand. With `forget_later_than`, what was handed over under a later label, or without a
    /// label, is forgotten.
    pub fn move_cursor(
        &self,
        feed: FeedId,
        cursor: Option<&Cursor>,
        forget_later_than: Option<DateTime<Utc>>,
    ) -> Result<()> {
        self.write(|t| {
            set_cursor(t, feed, cursor)?;
            nothing_after(t, feed)?;
            t.execute(
                "UPDATE feed SET result = NULL, not_before = NULL, next_poll = NULL, first_try = NULL WHERE id = ?1",
                [feed],
            )?;
            if let Some(later_than) = forget_later_than {
                t.execute(
                    "DELETE FROM fingerprint WHERE feed = ?1 AND (label > ?2 OR label = ?3)",
                    params![feed, later_than.timestamp_micros(), i64::MIN],
                )?;
                t.execute("DELETE FROM recent WHERE feed = ?1", [feed])?;
            }
            Ok(())
        })
    }

    /// Notes that a poll brought everything up to its asked end.
    pub fn note_success(&self, feed: FeedId, at: DateTime<Utc>, skew: i64) -> Result<()> {
        self.write(|t| {
            t.execute(
                "UPDATE feed SET last_success = ?2, last_error = NULL, failures = 0, not_before = NULL, skew = ?3,
                 quiet_polls = CASE WHEN last_content >= coalesce(last_success, 0) THEN 0 ELSE quiet_polls + 1 END
                 WHERE id = ?1",
                params![feed, at.timestamp_millis(), skew],
            )
        })
        .map(drop)
    }

    /// Notes why a poll failed, and until when the server asked us to wait. The clock may be why: the next poll has to
    /// know it.
    pub fn note_error(
        &self,
        feed: FeedId,
        at: DateTime<Utc>,
        error: &str,
        not_before: Option<DateTime<Utc>>,
        skew: i64,
    ) -> Result<()> {
        self.write(|t| {
            t.execute(
                "UPDATE feed SET last_error = :error, last_error_at = :at, failures = failures + 1,
                 not_before = :not_before, skew = :skew WHERE id = :feed",
                named_params! {
                    ":feed": feed, ":error": error, ":at": at.timestamp_millis(), ":skew": skew,
                    ":not_before": not_before.map(|at| at.timestamp_millis()),
                },
            )
        })
        .map(drop)
    }

    /// Notes that a feed without a cursor is polled. The first time stays, unless it turns out to lie in the future.
    pub fn note_try(&self, feed: FeedId, at: DateTime<Utc>) -> Result<()> {
        self.write(|t| {
            t.execute(
                "UPDATE feed SET first_try = ?2 WHERE id = ?1 AND (first_try IS NULL OR first_try > ?2)",
                params![feed, at.timestamp_millis()],
            )
        })
        .map(drop)
    }

    /// Notes whether the collection is a DATA_SET.
    pub fn note_kind(&self, feed: FeedId, data_set: bool) -> Result<()> {
        self.write(|t| t.execute("UPDATE feed SET data_set = ?2 WHERE id = ?1", params![feed, data_set])).map(drop)
    }

    /// Notes when the feed is polled next.
    pub fn set_next_poll(&self, feed: FeedId, at: DateTime<Utc>) -> Result<()> {
        self.write_relaxed(|t| {
            t.execute("UPDATE feed SET next_poll = ?2 WHERE id = ?1", params![feed, at.timestamp_millis()])
        })
        .map(drop)
    }
}
