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

    /// Notes where a feed is polled, and why there. Gives whether that is news.
    pub fn note_feed_address(&self, feed: FeedId, address: &str) -> Result<bool> {
        let known = self.read(|c| {
            c.prepare_cached("SELECT 1 FROM feed WHERE id = ?1 AND address = ?2")?.exists(params![feed, address])
        })?;
        if !known {
            self.write_relaxed(|t| t.execute("UPDATE feed SET address = ?2 WHERE id = ?1", params![feed, address]))?;
        }
        Ok(!known)
    }

    /// Notes where an inbox is sent to, and why there. Gives whether that is news.
    pub fn note_inbox_address(&self, inbox: &str, address: &str) -> Result<bool> {
        let other = self.read(|c| {
            c.prepare_cached("SELECT 1 FROM inbox_total WHERE inbox = ?1 AND address IS NOT ?2")?
                .exists([inbox, address])
        })?;
        if other {
            self.write_relaxed(|t| {
                t.execute("UPDATE inbox_total SET address = ?2 WHERE inbox = ?1", [inbox, address])
            })?;
        }
        Ok(other)
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
