//! Counts and upkeep.

use super::{Ledger, Result};

impl Ledger {
    /// How many files an inbox is owed.
    pub fn owed(&self, inbox: &str) -> Result<u64> {
        self.read(|c| {
            c.query_row("SELECT count(*) FROM delivery WHERE inbox = ?1 AND outcome IS NULL", [inbox], |row| row.get(0))
        })
    }
}
