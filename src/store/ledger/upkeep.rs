//! Counts and upkeep.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;

use super::{FeedId, FileId, Ledger, Result};

/// So many rows are looked at in one transaction: others want to write, too.
const CHUNK: u32 = 20_000;

/// Old fingerprints are looked for this often.
const OFTEN: TimeDelta = TimeDelta::days(1);

impl Ledger {
    /// How many files an inbox is owed.
    pub fn owed(&self, inbox: &str) -> Result<u64> {
        self.read(|c| {
            c.query_row("SELECT count(*) FROM delivery WHERE inbox = ?1 AND outcome IS NULL", [inbox], |row| row.get(0))
        })
    }

    /// Forgets, once a day, what was handed over before an instant.
    pub fn forget_handed_over(&self, feed: FeedId, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<()> {
        let looked: Option<i64> =
            self.read(|c| c.query_row("SELECT pruned FROM feed WHERE id = ?1", [feed], |row| row.get(0)))?;
        // A clock that was set back must not keep everything for ever.
        let today = (now - OFTEN).timestamp_millis() + 1..=now.timestamp_millis();
        match looked {
            Some(looked) if today.contains(&looked) => return Ok(()),
            Some(_) => {
                let mut after = None;
                while let Some(last) = self.forget_fingerprints(feed, before, after, CHUNK)? {
                    after = Some(last);
                }
            }
            // A new feed has nothing old.
            None => {}
        }
        self.write_relaxed(|t| {
            t.execute("UPDATE feed SET pruned = ?2 WHERE id = ?1", params![feed, now.timestamp_millis()])
        })
        .map(drop)
    }

    /// Files of a drop directory that are owed to inboxes it no longer names, and pending since before an instant.
    pub fn owed_to_others(
        &self,
        directory: i64,
        inboxes: &[String],
        before: DateTime<Utc>,
    ) -> Result<Vec<(FileId, String)>> {
        self.read(|c| {
            let mut statement = c.prepare_cached(
                "SELECT delivery.file, delivery.inbox FROM file JOIN delivery ON delivery.file = file.id
                 WHERE file.directory = ?1 AND file.pending_since < ?2 AND delivery.outcome IS NULL
                 ORDER BY delivery.file LIMIT 10000",
            )?;
            let rows = statement
                .query_map(params![directory, before.timestamp_millis()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut others: Vec<(FileId, String)> = rows.collect::<rusqlite::Result<_>>()?;
            others.retain(|(_, inbox)| !inboxes.contains(inbox));
            Ok(others)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Key, NewBlock, Place};
    use super::*;

    #[test]
    fn what_was_handed_over_is_forgotten_after_its_time_and_not_before() {
        let ledger = Ledger::open_temporary().unwrap();
        let feed = ledger.feed("feed", "identity").unwrap().id;
        let day = |day: i64| DateTime::from_timestamp(day * 86_400, 0).unwrap();
        for (seq, at) in [(0, day(10)), (1, day(20))] {
            let key = Key { label: Some(seq), hash: [seq as u8; 16] };
            let block = NewBlock { seq, name: seq.to_string(), place: Place::Output, beside: false, key, size: 1 };
            let part = ledger.begin_part(feed).unwrap();
            assert!(ledger.add_blocks(feed, part, &[block], at).unwrap().is_empty());
            ledger.commit_part(part, &Default::default(), None).unwrap();
            ledger.finish_part(feed, part, at).unwrap();
        }
        let known = |seq: u8| ledger.known(feed, &Key { label: Some(seq.into()), hash: [seq; 16] }, None).unwrap();
        ledger.forget_handed_over(feed, day(15), day(30)).unwrap();
        ledger.forget_handed_over(feed, day(15), day(30)).unwrap();
        assert!(known(0) && known(1), "it is looked once a day, and a new feed has nothing old");
        ledger.forget_handed_over(feed, day(15), day(31)).unwrap();
        assert!(!known(0) && known(1));
    }
}
