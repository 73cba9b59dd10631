//! What servers said about themselves, and where feeds and inboxes were found.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::{FeedId, Ledger, Result};

/// The last answer of a server about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWord {
    /// The address that answered.
    pub base: String,
    /// The answer, as a TAXII message.
    pub message: Vec<u8>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What is new of an address that was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    Nothing,
    /// Why it is the one.
    Reason,
    /// It is another one, or the first.
    Address,
}

impl Ledger {
    /// Keeps what a server said when it was asked at an address; what it said there before is forgotten.
    pub fn keep_last_word(&self, server: &str, asked: &str, word: &LastWord) -> Result<()> {
        self.write_relaxed(|t| {
            t.execute(
                "INSERT OR REPLACE INTO last_word (server, asked, base, message, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![server, asked, word.base, word.message, word.at.timestamp_millis()],
            )
        })
        .map(drop)
    }

    /// What a server said when it was last asked at an address.
    pub fn last_word(&self, server: &str, asked: &str) -> Result<Option<LastWord>> {
        self.read(|c| {
            c.query_row(
                "SELECT base, message, at FROM last_word WHERE server = ?1 AND asked = ?2",
                [server, asked],
                |row| {
                    let at = DateTime::from_timestamp_millis(row.get(2)?).unwrap_or_default();
                    Ok(LastWord { base: row.get(0)?, message: row.get(1)?, at })
                },
            )
            .optional()
        })
    }

    /// Notes where a feed is polled, and why there.
    pub fn note_feed_address(&self, feed: FeedId, address: &str) -> Result<News> {
        let known = self.read(|c| {
            c.prepare_cached("SELECT address FROM feed WHERE id = ?1")?
                .query_map([feed], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<Option<String>>>>()
        })?;
        let news = news(&known, address);
        if news != News::Nothing {
            self.write_relaxed(|t| t.execute("UPDATE feed SET address = ?2 WHERE id = ?1", params![feed, address]))?;
        }
        Ok(news)
    }

    /// Notes where an inbox is sent to, and why there.
    pub fn note_inbox_address(&self, inbox: &str, address: &str) -> Result<News> {
        let known = self.read(|c| {
            c.prepare_cached("SELECT address FROM inbox_total WHERE inbox = ?1")?
                .query_map([inbox], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<Option<String>>>>()
        })?;
        let news = news(&known, address);
        if news != News::Nothing {
            self.write_relaxed(|t| {
                t.execute("UPDATE inbox_total SET address = ?2 WHERE inbox = ?1", [inbox, address])
            })?;
        }
        Ok(news)
    }

    /// Notes the server that an inbox is at. What is owed waits for no other server.
    pub fn note_inbox_server(&self, inbox: &str, server: &str) -> Result<()> {
        let other = self.read(|c| {
            c.prepare_cached("SELECT 1 FROM inbox_total WHERE inbox = ?1 AND server IS NOT ?2")?.exists([inbox, server])
        })?;
        if !other {
            return Ok(());
        }
        self.write_relaxed(|t| {
            t.execute(
                "UPDATE delivery SET next_try = 0, asked = 0 WHERE inbox = ?1 AND outcome IS NULL
                 AND EXISTS (SELECT 1 FROM inbox_total total WHERE total.inbox = ?1 AND total.server <> ?2)",
                [inbox, server],
            )?;
            t.execute("UPDATE inbox_total SET server = ?2 WHERE inbox = ?1", [inbox, server])
        })
        .map(drop)
    }
}

/// What is new of an address, which is followed by the reason why it is the one.
fn news(known: &[Option<String>], address: &str) -> News {
    let place = |address: &str| address.split(' ').next().map(str::to_owned);
    let differs = |known: &Option<String>| known.as_deref() != Some(address);
    let moved = |known: &Option<String>| known.as_deref().and_then(place) != place(address);
    match known {
        known if known.iter().any(moved) => News::Address,
        known if known.iter().any(differs) => News::Reason,
        _ => News::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_reason_for_the_same_address_is_no_other_address() {
        let ledger = Ledger::open_temporary().unwrap();
        let feed = ledger.feed("f", "one").unwrap().id;
        let note = |address| ledger.note_feed_address(feed, address).unwrap();
        assert_eq!(note("https://hub.example/poll (as discovery says)"), News::Address, "for the first time");
        assert_eq!(note("https://hub.example/poll (as discovery says)"), News::Nothing);
        assert_eq!(note("https://hub.example/poll (pinned in the configuration)"), News::Reason);
        assert_eq!(note("https://hub.example/poll2 (pinned in the configuration)"), News::Address);
    }
}
