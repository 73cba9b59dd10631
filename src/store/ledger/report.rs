//! What `status` reads: one consistent look at everything.

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::feeds::{FeedRow, instant};
use super::{Ledger, Result, schema};

/// Everything that `status` shows and that the ledger knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Every feed that was ever set up, by name.
    pub feeds: Vec<FeedReport>,
    /// Drop directories that cannot be worked with, and why.
    pub drops: Vec<(String, String)>,
    /// What each inbox is owed, by drop directory and inbox.
    pub inboxes: Vec<InboxReport>,
    /// Files on their way that cannot be sent at all, and are about to go to `failed/`.
    pub failing: Vec<FailedFile>,
}

/// A feed.
pub type FeedReport = FeedRow;

/// One inbox for one drop directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboxReport {
    /// The drop directory's name.
    pub directory: String,
    /// The inbox.
    pub inbox: String,
    /// Files not settled yet.
    pub pending: u64,
    /// Since when the oldest of them is pending.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// The earliest next attempt, where that is not at once.
    pub next_try: Option<DateTime<Utc>>,
    /// Files accepted.
    pub accepted: u64,
    /// Files refused for good.
    pub refused: u64,
    /// Files that were pending for too long.
    pub expired: u64,
    /// Messages whose answer never came.
    pub unknown: u64,
    /// The last error; `None` after a success.
    pub last_error: Option<String>,
    /// Since when deliveries do not get there; `None`: they do, though a file may have been refused.
    pub failing_since: Option<DateTime<Utc>>,
    /// Where the last message went, and why there.
    pub address: Option<String>,
}

/// A file that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedFile {
    /// The drop directory's name.
    pub directory: String,
    /// The file's name, as bytes.
    pub name: Vec<u8>,
    /// Why.
    pub refusal: String,
}

impl Ledger {
    /// A number that is another one once somebody else has changed the ledger.
    pub fn version(&self) -> Result<i64> {
        self.read(|c| c.pragma_query_value(None, "data_version", |row| row.get(0)))
    }

    /// Looks at everything, in one transaction.
    pub fn report(&self) -> Result<Report> {
        self.read(|c| {
            let look = c.unchecked_transaction()?;
            let (feeds, drops) = (feeds(&look)?, drops(&look)?);
            Ok(Report { feeds, drops, inboxes: inboxes(&look)?, failing: failing(&look)? })
        })
    }
}

fn feeds(c: &Connection) -> rusqlite::Result<Vec<FeedReport>> {
    let mut statement = c.prepare("SELECT * FROM feed ORDER BY name")?;
    // A DATA_SET has no cursor, though somebody may have set one by hand.
    let shown = |row: FeedRow| FeedRow { cursor: row.cursor.filter(|_| !row.data_set), ..row };
    statement.query_map([], FeedRow::read)?.map(|row| row.map(shown)).collect()
}

fn drops(c: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    // Who only reads does not bring an older ledger up to date.
    if schema::format(c)? < Some(schema::WITH_DROP_TROUBLE) {
        return Ok(Vec::new());
    }
    c.prepare("SELECT name, last_error FROM drop_directory WHERE last_error IS NOT NULL ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn inboxes(c: &Connection) -> rusqlite::Result<Vec<InboxReport>> {
    // An older ledger took every error for trouble of the inbox.
    let (expired, since) = match schema::format(c)? < Some(schema::WITH_FAILING) {
        true => ("0", "CASE WHEN t.last_error IS NOT NULL THEN t.last_error_at END"),
        false => ("t.expired", "t.failing_since"),
    };
    let mut statement = c.prepare(&format!(
        "WITH owed AS (
             SELECT f.directory, v.inbox, count(*) AS pending, min(f.pending_since) AS oldest, min(v.next_try) AS next
             FROM delivery v JOIN file f ON f.id = v.file WHERE v.outcome IS NULL GROUP BY f.directory, v.inbox)
         SELECT d.name, t.inbox, t.accepted, t.refused, t.unknown, t.last_error, coalesce(o.pending, 0), o.oldest,
                nullif(o.next, 0), t.address, {expired}, {since}
         FROM inbox_total t JOIN drop_directory d ON d.id = t.directory
         LEFT JOIN owed o ON o.directory = t.directory AND o.inbox = t.inbox ORDER BY d.name, t.inbox"
    ))?;
    let rows = statement.query_map([], |row| {
        Ok(InboxReport {
            directory: row.get(0)?,
            inbox: row.get(1)?,
            accepted: row.get(2)?,
            refused: row.get(3)?,
            unknown: row.get(4)?,
            last_error: row.get(5)?,
            pending: row.get(6)?,
            oldest_pending: instant(row.get(7)?),
            next_try: instant(row.get(8)?),
            address: row.get(9)?,
            expired: row.get(10)?,
            failing_since: instant(row.get(11)?),
        })
    })?;
    rows.collect()
}

fn failing(c: &Connection) -> rusqlite::Result<Vec<FailedFile>> {
    c.prepare(
        "SELECT d.name, f.name, f.refusal FROM file f JOIN drop_directory d ON d.id = f.directory
         WHERE f.refusal IS NOT NULL ORDER BY f.id LIMIT 1000",
    )?
    .query_map([], |row| Ok(FailedFile { directory: row.get(0)?, name: row.get(1)?, refusal: row.get(2)? }))?
    .collect()
}
