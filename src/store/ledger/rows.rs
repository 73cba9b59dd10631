//! What a part's list gets: rows inserted many with one statement. SQLite then begins to look for the place of each where
//! the one before went, and mostly they come in order.

use chrono::{DateTime, Utc};
use rusqlite::{CachedStatement, Result, ToSql, Transaction};

use super::feeds::FeedId;
use super::parts::{NewBlock, PartId, Place};

/// Inserts so many blocks at once.
pub(super) struct Rows<'a> {
    fingerprints: CachedStatement<'a>,
    list: CachedStatement<'a>,
}

impl<'a> Rows<'a> {
    /// For this number of blocks, and no other.
    pub(super) fn prepare(transaction: &'a Transaction<'_>, count: usize) -> Result<Rows<'a>> {
        let fingerprints = "INSERT OR IGNORE INTO fingerprint (feed, at, label, hash) VALUES ";
        let list = "INSERT INTO block (part, seq, name, place, beside, label, hash, size) VALUES ";
        Ok(Rows {
            fingerprints: transaction.prepare_cached(&statement(fingerprints, 2, 2, count))?,
            list: transaction.prepare_cached(&statement(list, 1, 7, count))?,
        })
    }

    /// Makes the blocks known. Gives how many were not.
    pub(super) fn remember(&mut self, feed: FeedId, at: DateTime<Utc>, blocks: &[NewBlock]) -> Result<usize> {
        let mut binding = Binding::of(&mut self.fingerprints);
        binding.next(feed)?;
        binding.next(at.timestamp_millis())?;
        for NewBlock { key, .. } in blocks {
            binding.next(key.label())?;
            binding.next(key.hash)?;
        }
        self.fingerprints.raw_execute()
    }

    /// Puts the blocks on a part's list.
    pub(super) fn list(&mut self, part: PartId, blocks: &[NewBlock]) -> Result<()> {
        let mut binding = Binding::of(&mut self.list);
        binding.next(part)?;
        for NewBlock { seq, name, place, beside, key, size } in blocks {
            binding.next(seq)?;
            binding.next(name)?;
            binding.next(i64::from(*place == Place::Quarantine))?;
            binding.next(beside)?;
            binding.next(key.label())?;
            binding.next(key.hash)?;
            binding.next(size)?;
        }
        self.list.raw_execute().map(drop)
    }
}

/// An `INSERT` of `count` rows, each of which has the `common` parameters and after them so many of its `own`.
fn statement(insert: &str, common: usize, own: usize, count: usize) -> String {
    let numbered = |numbers: std::ops::Range<usize>| numbers.map(|number| format!("?{}", number + 1));
    let row = |row: usize| {
        let first = common + row * own;
        let parameters: Vec<_> = numbered(0..common).chain(numbered(first..first + own)).collect();
        format!("({})", parameters.join(", "))
    };
    let rows: Vec<_> = (0..count).map(row).collect();
    format!("{insert}{}", rows.join(", "))
}

/// Gives a statement its parameters, one after the other.
struct Binding<'s, 'c> {
    statement: &'s mut CachedStatement<'c>,
    bound: usize,
}

impl<'s, 'c> Binding<'s, 'c> {
    fn of(statement: &'s mut CachedStatement<'c>) -> Self {
        Binding { statement, bound: 0 }
    }

    fn next(&mut self, value: impl ToSql) -> Result<()> {
        self.bound += 1;
        self.statement.raw_bind_parameter(self.bound, value)
    }
}
