//! How long trouble is put up with in the middle of a poll.

use std::time::{Duration, Instant};

use super::{Failure, Feed, put_off};
use crate::observe::lines;
use crate::taxii::status::{Class, backoff};
use crate::taxii::time::later;

/// With less patience left than this there is no pause worth the name, and so no further attempt.
const LEAST: Duration = Duration::from_secs(1);

/// After the last of them, the half of a range is not asked for faster than this.
const BREATH: Duration = Duration::from_millis(100);

pub(super) fn with_hint(words: String, hint: &str) -> String {
    if hint.is_empty() { words } else { format!("{words} ({hint})") }
}

/// How often a request was sent in vain.
pub(super) struct Tries {
    failed: u32,
    since: Instant,
}

impl Tries {
    pub(super) fn new(feed: &Feed) -> Tries {
        Tries { failed: 0, since: feed.clock.moment() }
    }

    pub(super) async fn again(&mut self, feed: &Feed, words: &str) -> Result<(), Failure> {
        self.after(feed, Class::Retry { wait: None }, words.to_owned(), "").await
    }

    /// Waits before the next attempt, or fails where patience has run out.
    pub(super) async fn after(&mut self, feed: &Feed, class: Class, words: String, hint: &str) -> Result<(), Failure> {
        self.failed += 1;
        let admin = class == Class::Admin;
        let failure = || Failure { words: words.clone(), hint: hint.to_owned(), not_before: None, admin };
        let Class::Retry { wait } = class else {
            return Err(failure());
        };
        if let Some(wait) = wait.filter(|wait| *wait > feed.patience.longest_wait) {
            return Err(put_off(later(feed.clock.now(), wait), &words));
        }
        let left = feed.patience.within.saturating_sub(feed.clock.since(self.since));
        let pause = wait.unwrap_or_else(|| backoff(self.failed, fastrand::u64(..)).min(left / 2));
        if self.failed > feed.patience.retries || left.is_zero() {
            return Err(failure());
        }
        lines::trying_again(&feed.name, &words, pause);
        feed.pause(pause).await;
        Ok(())
    }
}

/// Replies that broke off, since one came whole. A range is not given up as unreadable before it was cut as often as
/// any other request may fail; but all ranges that are cut, one half after the other, share one patience.
#[derive(Default)]
pub(super) struct Cuts {
    of_this_range: u32,
    since: Option<Instant>,
}

impl Cuts {
    /// Waits before the same is asked for again. False: it was asked for often enough.
    pub(super) async fn again(&mut self, feed: &Feed, words: &str) -> bool {
        let since = *self.since.get_or_insert_with(|| feed.clock.moment());
        let left = feed.patience.within.saturating_sub(feed.clock.since(since));
        self.of_this_range += 1;
        if self.of_this_range > feed.patience.retries || left < LEAST {
            self.of_this_range = 0;
            feed.pause(BREATH).await;
            return false;
        }
        let pause = backoff(self.of_this_range, fastrand::u64(..)).min(left / 2);
        lines::trying_again(&feed.name, words, pause);
        feed.pause(pause).await;
        true
    }
}
