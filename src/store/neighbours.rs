//! What a feed has handed over around the labels that come: blocks come mostly in the order of their labels, so one look
//! into the ledger answers for many of them.

use std::collections::HashSet;

use super::Result;
use super::ledger::{FeedId, Key, Ledger};

/// So many fingerprints are read at first, and where the labels jump about; …
const FEW: u32 = 8;

/// … and as many at most where they ascend.
const MANY: u32 = 1024;

/// A page of a feed's fingerprints. What was added since it was read is not in it: [`Ledger::add_blocks`] has the last word.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// The labels for which all fingerprints are in `keys`, the first and the last.
    covered: Option<(i64, i64)>,
    keys: HashSet<(i64, [u8; 16])>,
    length: u32,
}

impl Neighbours {
    /// Whether a block with this key was handed over (or stands on a list).
    pub(super) fn hold(&mut self, ledger: &Ledger, feed: FeedId, key: &Key) -> Result<bool> {
        // All blocks without a label are neighbours.
        let Some(label) = key.label else { return Ok(ledger.known(feed, key, None)?) };
        if !self.covers(label) {
            self.turn_to(ledger, feed, label)?;
        }
        if self.covers(label) { Ok(self.keys.contains(&(label, key.hash))) } else { Ok(ledger.known(feed, key, None)?) }
    }

    fn covers(&self, label: i64) -> bool {
        self.covered.is_some_and(|(first, last)| (first..=last).contains(&label))
    }

    fn turn_to(&mut self, ledger: &Ledger, feed: FeedId, label: i64) -> Result<()> {
        let ascends = self.covered.is_some_and(|(_, last)| label > last);
        self.length = if ascends { (2 * self.length).min(MANY) } else { FEW };
        let page = ledger.fingerprints_from(feed, label, self.length)?;
        let whole = page.len() < self.length as usize;
        // There may be more of the last label.
        let last = if whole { i64::MAX } else { page.last().map_or(label, |(last, _)| last - 1) };
        self.covered = Some((label, last));
        self.keys.clear();
        self.keys.extend(page);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::{NewBlock, Place};
    use chrono::DateTime;

    fn key(label: i64, hash: u8) -> Key {
        Key { label: (label != i64::MIN).then_some(label), hash: [hash; 16] }
    }

    /// A ledger that knows these.
    fn ledger(known: &[(i64, u8)]) -> (tempfile::TempDir, Ledger, FeedId) {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let feed = ledger.feed("feed", "identity").unwrap().id;
        let part = ledger.begin_part(feed).unwrap();
        let row = |(seq, (label, hash)): (usize, &(i64, u8))| NewBlock {
            seq: seq as i64,
            name: String::new(),
            place: Place::Output,
            beside: false,
            key: key(*label, *hash),
            size: 0,
        };
        let rows: Vec<NewBlock> = known.iter().enumerate().map(row).collect();
        ledger.add_blocks(feed, part, &rows, DateTime::default()).unwrap();
        (dir, ledger, feed)
    }

    #[test]
    fn they_answer_as_the_ledger_does_in_whatever_order_they_are_asked() {
        let known: Vec<(i64, u8)> = (0..300).map(|n| (n / 7 * 3, n as u8)).chain([(i64::MIN, 1)]).collect();
        let (_dir, ledger, feed) = ledger(&known);
        let ascending: Vec<i64> = (-2..140).collect();
        let jumping: Vec<i64> = (0..400).map(|n| n * 61 % 140).chain([i64::MIN, 5]).collect();
        for labels in [ascending, jumping] {
            let mut neighbours = Neighbours::default();
            for label in labels {
                for hash in [0, 1, (label * 7 / 3) as u8, (label * 7 / 3 + 6) as u8] {
                    let key = key(label, hash);
                    let answer = neighbours.hold(&ledger, feed, &key).unwrap();
                    assert_eq!(answer, ledger.known(feed, &key, None).unwrap(), "{key:?}");
                }
            }
        }
    }

    #[test]
    fn labels_that_ascend_are_looked_up_many_at_a_time() {
        let known: Vec<(i64, u8)> = (0..2000).map(|n| (n, 1)).collect();
        let (_dir, ledger, feed) = ledger(&known);
        let mut neighbours = Neighbours::default();
        let mut pages = 0;
        for label in 0..3000 {
            pages += usize::from(!neighbours.covers(label));
            assert_eq!(neighbours.hold(&ledger, feed, &key(label, 1)).unwrap(), label < 2000);
        }
        assert!(pages <= 11, "{pages} pages");
    }
}
