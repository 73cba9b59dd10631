//! Parts and blocks: the hand-over list and the fingerprints.

use chrono::{DateTime, Utc};
use rusqlite::types::Type;
use rusqlite::{Error, OptionalExtension, Transaction, named_params, params};

use super::feeds::{Cursor, FeedId, nanos, set_cursor};
use super::rows::Rows;
use super::{Ledger, LedgerError, Result};

/// So many blocks are inserted with one statement.
const MANY: usize = 32;

/// A part's number in the ledger. It grows for ever, so a staged file's name is never used twice.
pub type PartId = i64;

/// What makes a block the one that was handed over before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Timestamp Label in microseconds since 1970; `None`: the content alone decides.
    pub label: Option<i64>,
    /// First 16 bytes of the SHA-256 of the file's bytes.
    pub hash: [u8; 16],
}

impl Key {
    /// The label as it is kept.
    pub(super) fn label(&self) -> i64 {
        self.label.unwrap_or(i64::MIN)
    }
}

/// Where a block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The output directory.
    Output,
    /// `.quarantine/`.
    Quarantine,
}

/// A staged block that is to go on the hand-over list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBlock {
    /// Its number in the part; with the part's it is the name of the staged file.
    pub seq: i64,
    /// Its final name.
    pub name: String,
    /// Where it goes.
    pub place: Place,
    /// Whether a metadata or reason file goes first.
    pub beside: bool,
    /// What makes it known.
    pub key: Key,
    /// Its length in bytes.
    pub size: u64,
}

/// A line of the hand-over list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Its number in the part.
    pub seq: i64,
    /// Its final name.
    pub name: String,
    /// Where it goes.
    pub place: Place,
    /// Whether a metadata or reason file goes first.
    pub beside: bool,
}

/// What finishing a part does to its feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct After {
    /// The new cursor; `None` leaves it where it is.
    pub cursor: Option<Cursor>,
    /// The end that was asked for. Where the cursor stops short of it, that is how far the result came; what came in
    /// other results stays remembered as before. `None`: that of all results.
    pub asked_end: Option<DateTime<Utc>>,
    /// The result set under way from then on (JSON).
    pub result: Option<String>,
    /// Contents that came in results up to this instant cannot come again under another label.
    pub forget_recent_upto: Option<DateTime<Utc>>,
    /// Blocks of the part that had no content.
    pub empty: u64,
}

/// What a part brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Content files handed over.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks put into quarantine.
    pub quarantined: u64,
}

impl Ledger {
    /// Whether a block with this key was handed over (or stands on a list). With `content_upto`, the content alone
    /// decides among what came in results that were asked up to that instant.
    pub fn known(&self, feed: FeedId, key: &Key, content_upto: Option<DateTime<Utc>>) -> Result<bool> {
        self.read(|c| {
            let exact = c
                .prepare_cached("SELECT 1 FROM fingerprint WHERE feed = ?1 AND label = ?2 AND hash = ?3")?
                .exists(params![feed, key.label(), key.hash])?;
            match content_upto {
                Some(upto) if !exact => c
                    .prepare_cached("SELECT 1 FROM recent WHERE feed = ?1 AND hash = ?2 AND upto <= ?3")?
                    .exists(params![feed, key.hash, nanos(upto)]),
                _ => Ok(exact),
            }
        })
    }

    /// Whether anything came in a result that was asked further than this (`None`: at all) and is not complete: the
    /// cursor would have passed it. It comes again, perhaps under other labels.
    pub fn comes_again(&self, feed: FeedId, after: Option<DateTime<Utc>>) -> Result<bool> {
        self.read(|c| {
            c.prepare_cached("SELECT 1 FROM recent WHERE feed = ?1 AND upto > ?2 LIMIT 1")?
                .exists(params![feed, after.map_or(i64::MIN, nanos)])
        })
    }

    /// The first `count` fingerprints (label in microseconds and hash) in the order of their labels, from a label on.
    pub fn fingerprints_from(&self, feed: FeedId, label: i64, count: u32) -> Result<Vec<(i64, [u8; 16])>> {
        self.read(|c| {
            let sql =
                "SELECT label, hash FROM fingerprint WHERE feed = ?1 AND label >= ?2 ORDER BY label, hash LIMIT ?3";
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map(params![feed, label, count], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Begins a part.
    pub fn begin_part(&self, feed: FeedId) -> Result<PartId> {
        self.write_relaxed(|t| {
            t.execute("INSERT INTO part (feed) VALUES (?1)", [feed])?;
            Ok(t.last_insert_rowid())
        })
    }

    /// Puts staged blocks on an uncommitted part's list. Gives the numbers of those whose fingerprint was there
    /// already: they are not on the list, and their staged files are to be removed.
    ///
    /// A part that was given up takes no more blocks (a writer may outlive the poll it belonged to): their
    /// fingerprints would make them known although nobody hands them over.
    pub fn add_blocks(&self, feed: FeedId, part: PartId, blocks: &[NewBlock], at: DateTime<Utc>) -> Result<Vec<i64>> {
        // Hardly ever is one known here. Where one is, they are put there one by one, so that it shows which.
        match self.add(feed, part, blocks, at, MANY) {
            Err(LedgerError::Sqlite { source: Error::StatementChangedRows(_), .. }) => {
                self.add(feed, part, blocks, at, 1)
            }
            added => added,
        }
    }

    /// The same, so many with one statement; an error where one of those is known.
    fn add(&self, feed: FeedId, part: PartId, blocks: &[NewBlock], at: DateTime<Utc>, many: usize) -> Result<Vec<i64>> {
        let (whole, rest) = blocks.split_at(blocks.len() - blocks.len() % many);
        self.write_relaxed(|t| {
            if !t.prepare_cached("SELECT 1 FROM part WHERE id = ?1 AND committed = 0")?.exists([part])? {
                return Err(Error::QueryReturnedNoRows);
            }
            let mut known = Vec::new();
            for (blocks, count) in [(whole, many), (rest, 1)] {
                if blocks.is_empty() {
                    continue;
                }
                let mut rows = Rows::prepare(t, count)?;
                for blocks in blocks.chunks(count) {
                    match rows.remember(feed, at, blocks)? {
                        new if new == count => rows.list(part, blocks)?,
                        _ if count == 1 => known.extend(blocks.iter().map(|block| block.seq)),
                        new => return Err(Error::StatementChangedRows(new)),
                    }
                }
            }
            Ok(known)
        })
    }

    /// From here on the part is ours: it is handed over without asking the server again. With `recent_upto` its
    /// contents are also remembered by themselves, as what came in a result asked up to that instant.
    pub fn commit_part(&self, part: PartId, after: &After, recent_upto: Option<DateTime<Utc>>) -> Result<()> {
        self.write(|t| {
            let after = serde_json::to_string(after).map_err(|error| Error::ToSqlConversionFailure(error.into()))?;
            let upto = recent_upto.map(nanos);
            if upto.is_some() {
                t.execute(
                    "INSERT OR IGNORE INTO recent (feed, hash, upto)
                     SELECT part.feed, block.hash, ?2 FROM block JOIN part ON part.id = block.part WHERE part.id = ?1",
                    params![part, upto],
                )?;
            }
            let sql = "UPDATE part SET committed = 1, upto = ?2, after = ?3 WHERE id = ?1 AND committed = 0";
            match t.execute(sql, params![part, upto, after])? {
                1 => Ok(()),
                _ => Err(Error::QueryReturnedNoRows),
            }
        })
    }

    /// The feed's part that is not finished, and whether it is committed.
    pub fn unfinished_part(&self, feed: FeedId) -> Result<Option<(PartId, bool)>> {
        self.read(|c| {
            c.query_row("SELECT id, committed FROM part WHERE feed = ?1 ORDER BY id LIMIT 1", [feed], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
        })
    }

    /// The next lines of a part's hand-over list.
    pub fn blocks(&self, part: PartId, after_seq: i64, limit: u32) -> Result<Vec<BlockRow>> {
        self.read(|c| {
            let mut statement = c.prepare_cached(
                "SELECT seq, name, place, beside FROM block WHERE part = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            )?;
            let rows = statement.query_map(params![part, after_seq, limit], |row| {
                let place = if row.get::<_, i64>(2)? == 0 { Place::Output } else { Place::Quarantine };
                Ok(BlockRow { seq: row.get(0)?, name: row.get(1)?, place, beside: row.get(3)? })
            })?;
            rows.collect()
        })
    }

    /// Every file of a committed part is in place and durable: clears its list and does what was to come after.
    pub fn finish_part(&self, feed: FeedId, part: PartId, at: DateTime<Utc>) -> Result<Totals> {
        self.write(|t| {
            let after: Option<String> =
                t.query_row("SELECT after FROM part WHERE id = ?1 AND committed = 1", [part], |row| row.get(0))?;
            let stands = after.is_some();
            let after: After = match after {
                Some(text) => serde_json::from_str(&text)
                    .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, error.into()))?,
                None => After::default(),
            };
            let totals = totals(t, part)?;
            t.execute(
                "UPDATE feed SET files_total = files_total + :files, bytes_total = bytes_total + :bytes,
                 quarantined_total = quarantined_total + :quarantined, empty_total = empty_total + :empty,
                 last_content = CASE WHEN :files > 0 THEN :at ELSE last_content END WHERE id = :feed",
                named_params! {
                    ":feed": feed, ":files": totals.files, ":bytes": totals.bytes,
                    ":quarantined": totals.quarantined, ":empty": after.empty, ":at": at.timestamp_millis(),
                },
            )?;
            remove_part(t, part)?;
            // After a change of the feed's identity, or of its cursor by hand, the part says nothing about it any more.
            if stands {
                apply(t, feed, &after)?;
            }
            Ok(totals)
        })
    }

    /// A reply that brought no block: only the feed moves.
    pub fn advance(&self, feed: FeedId, after: &After) -> Result<()> {
        self.write(|t| {
            t.execute("UPDATE feed SET empty_total = empty_total + ?2 WHERE id = ?1", params![feed, after.empty])?;
            apply(t, feed, after)
        })
    }

    /// Gives up a part: its list and the fingerprints it made are gone. `handed_over` names the blocks (by number)
    /// that were handed over all the same; their fingerprints stay.
    pub fn abandon_part(&self, feed: FeedId, part: PartId, handed_over: &[i64]) -> Result<()> {
        self.write(|t| {
            let mut keep = t.prepare_cached("DELETE FROM block WHERE part = ?1 AND seq = ?2")?;
            for seq in handed_over {
                keep.execute(params![part, seq])?;
            }
            t.execute(
                "DELETE FROM fingerprint WHERE feed = ?1 AND (label, hash) IN
                 (SELECT label, hash FROM block WHERE part = ?2)",
                params![feed, part],
            )?;
            t.execute(
                "DELETE FROM recent WHERE feed = ?1 AND hash IN (SELECT hash FROM block WHERE part = ?2)
                 AND upto = (SELECT upto FROM part WHERE id = ?2)",
                params![feed, part],
            )?;
            remove_part(t, part)
        })
    }

    /// Looks at the next `count` fingerprints after `after` (in the order of their keys) and forgets those made before
    /// an instant. Gives where it stopped; `None`: at the end. A feed may have millions of them: all at once would
    /// hold up everybody else.
    pub fn forget_fingerprints(
        &self,
        feed: FeedId,
        before: DateTime<Utc>,
        after: Option<Key>,
        count: u32,
    ) -> Result<Option<Key>> {
        let from = after.map_or((i64::MIN, Vec::new()), |key| (key.label(), key.hash.to_vec()));
        self.write_relaxed(|t| {
            let last: Option<(i64, [u8; 16])> = t
                .prepare_cached(
                    "SELECT label, hash FROM fingerprint WHERE feed = ?1 AND (label, hash) > (?2, ?3)
                     ORDER BY label, hash LIMIT 1 OFFSET ?4",
                )?
                .query_row(params![feed, from.0, from.1, count.saturating_sub(1)], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let upto = last.unwrap_or((i64::MAX, [0xff; 16]));
            t.prepare_cached(
                "DELETE FROM fingerprint WHERE feed = ?1 AND (label, hash) > (?2, ?3) AND (label, hash) <= (?4, ?5)
                 AND at < ?6",
            )?
            .execute(params![feed, from.0, from.1, upto.0, upto.1, before.timestamp_millis()])?;
            Ok(last.map(|(label, hash)| Key { label: (label != i64::MIN).then_some(label), hash }))
        })
    }
}

fn totals(transaction: &Transaction<'_>, part: PartId) -> rusqlite::Result<Totals> {
    transaction.query_row(
        "SELECT coalesce(sum(place = 0), 0), coalesce(sum(CASE WHEN place = 0 THEN size ELSE 0 END), 0),
         coalesce(sum(place = 1), 0) FROM block WHERE part = ?1",
        [part],
        |row| Ok(Totals { files: row.get(0)?, bytes: row.get(1)?, quarantined: row.get(2)? }),
    )
}

fn remove_part(transaction: &Transaction<'_>, part: PartId) -> rusqlite::Result<()> {
    // With all rows at once SQLite does not look at each.
    let others = transaction.prepare_cached("SELECT 1 FROM part WHERE id <> ?1")?.exists([part])?;
    match others {
        true => transaction.execute("DELETE FROM block WHERE part = ?1", [part])?,
        false => transaction.execute("DELETE FROM block", [])?,
    };
    transaction.execute("DELETE FROM part WHERE id = ?1", [part])?;
    Ok(())
}

fn apply(transaction: &Transaction<'_>, feed: FeedId, after: &After) -> rusqlite::Result<()> {
    transaction.execute("UPDATE feed SET result = ?2 WHERE id = ?1", params![feed, after.result])?;
    if let Some(cursor) = &after.cursor {
        set_cursor(transaction, feed, Some(cursor))?;
        // A server may end a result before what was asked: what came in it came up to there.
        transaction.execute(
            "UPDATE OR REPLACE recent SET upto = ?2 WHERE feed = ?1 AND upto > ?2 AND (?3 IS NULL OR upto = ?3)",
            params![feed, nanos(cursor.at), after.asked_end.map(nanos)],
        )?;
    }
    if let Some(upto) = after.forget_recent_upto {
        transaction.execute("DELETE FROM recent WHERE feed = ?1 AND upto <= ?2", params![feed, nanos(upto)])?;
    }
    Ok(())
}
