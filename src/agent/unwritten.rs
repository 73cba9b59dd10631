//! What is wrong with feeds and may not be in the ledger: because that cannot be written, or does not know the feed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::poll::{Ended, Feed};
use crate::store::StoreError;

/// By the names of the feeds; for those who look at the ledger. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Unwritten(Arc<Mutex<Troubles>>);

#[derive(Debug, Default)]
struct Troubles {
    polled: BTreeMap<String, String>,
    left_out: BTreeMap<String, String>,
}

impl Unwritten {
    /// All of it.
    pub(super) fn troubles(&self) -> BTreeMap<String, String> {
        let troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = troubles.polled.iter().chain(&troubles.left_out);
        all.map(|(feed, words)| (feed.clone(), words.clone())).collect()
    }

    /// Notes the feeds that are not polled at all, and why; all others are.
    pub(super) fn set_left_out(&self, left_out: BTreeMap<String, String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).left_out = left_out;
    }

    /// Notes how a poll ended, where the ledger does not know it. `kept`: whether the time of the next one was noted.
    pub(super) async fn note(&self, feed: &Feed, ended: &Ended, kept: Result<(), &StoreError>) {
        let words = match (ended, kept) {
            (_, Err(error)) => Some(error.to_string()),
            (Ended::Failed(failure), Ok(())) if !is_known_to_fail(feed).await => Some(failure.to_string()),
            _ => None,
        };
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match words {
            Some(words) => troubles.polled.insert(feed.name.clone(), words),
            None => troubles.polled.remove(&feed.name),
        };
    }
}

/// Whether the ledger says that the last poll failed.
pub(super) async fn is_known_to_fail(feed: &Feed) -> bool {
    feed.next_poll(false).await.is_ok_and(|due| due.is_some_and(|due| due.failed))
}
