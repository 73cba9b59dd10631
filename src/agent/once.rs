//! `run --once`: every feed up to now, every dropped file, then the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::left_out::LeftOut;
use super::look::Looker;
use super::{Agent, AgentError, POLLS, Parts};
use crate::config::{self, Config};
use crate::observe::metrics::Up;
use crate::observe::{Standing, files, lines};
use crate::poll::{Ended, Feed};
use crate::push::{Delivered, Looked};
use crate::store::StoreError;
use crate::store::disk::show;

/// Why files are not tried, where no server asked for that.
const UNTRIED: &str = "not tried yet: a file is sent once its original is out of the drop directory";

/// What `run --once` came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Feeds that are up to date.
    pub feeds: u64,
    /// Feeds that failed, why, and what can be done.
    pub failed_feeds: Vec<(String, String, String)>,
    /// Feeds with blocks that were put into quarantine, and how many.
    pub quarantined: Vec<(String, u64)>,
    /// Files that were taken in.
    pub admitted: u64,
    /// Drop directories with files that cannot be sent at all, and how many.
    pub refused: Vec<(String, u64)>,
    /// Deliveries that were made, or had been made before.
    pub delivered: u64,
    /// Inboxes with deliveries that failed for good: how many, and why the last of them did.
    pub failed: Vec<(String, u64, String)>,
    /// Inboxes with deliveries that are still owed: how many, and why the last of them is.
    pub pending: Vec<(String, u64, String)>,
    /// Drop directories and inboxes that could not be worked with, why, and what can be done.
    pub trouble: Vec<(String, String, String)>,
}

impl Summary {
    /// Whether all of it worked.
    pub fn is_good(&self) -> bool {
        self.failed_feeds.is_empty()
            && self.trouble.is_empty()
            && self.failed.is_empty()
            && self.pending.is_empty()
            && self.quarantined.is_empty()
            && self.refused.is_empty()
    }
}

impl Agent {
    /// Polls every feed up to now and sends every dropped file, whatever pause the agent had chosen itself.
    pub async fn run_once(&self, config: &Config) -> Result<Summary, AgentError> {
        let stop = CancellationToken::new();
        let (parts, feeds, left_out) = self.prepare(config, Parts::default());
        let left_out = left_out.unless_everything(config)?;
        let feeds = feeds.into_values().collect();
        let (polled, mut pushed) = tokio::join!(poll_all(feeds), self.push_all(config, &parts, &stop));
        pushed.feeds = polled.feeds;
        pushed.failed_feeds = polled.failed_feeds;
        pushed.quarantined = polled.quarantined;
        pushed.add_left_out(config, &left_out);
        // By now the ledger knows every inbox that is owed something.
        self.note_left_out(config, &left_out).await;
        let (mut looker, config) = (Looker::new(self.clock.clone(), self.drops.clone()), Arc::new(config.clone()));
        // A look that panics has nothing to write; the summary stands.
        let _ = spawn_blocking(move || looker.look(&config, Up::Once)).await;
        Ok(pushed)
    }

    async fn push_all(&self, config: &Config, parts: &Parts, stop: &CancellationToken) -> Summary {
        let mut summary = Summary::default();
        let (mut drops, mut opening) = (JoinSet::new(), Vec::new());
        for (name, settings) in &config.drops {
            let (name, walk) = (name.clone(), self.drop_walk(name, settings, parts, stop));
            let (open, is_open) = oneshot::channel();
            drops.spawn(async move { (name, walk.run_once(open).await) });
            opening.push(is_open);
        }
        // What is pending from before is read from there. Who cannot open it has dropped the other end.
        for is_open in opening {
            let _ = is_open.await;
        }
        let (taken_in, mut inboxes) = (CancellationToken::new(), JoinSet::new());
        for (name, settings) in &config.inboxes {
            if let Some(walk) = self.inbox(name, settings, parts, stop) {
                let (name, taken_in) = (name.clone(), taken_in.clone());
                inboxes.spawn(async move { (name, walk.run_once(taken_in).await) });
            }
        }
        for (name, looked) in drops.join_all().await {
            match looked {
                Ok(looked) => summary.add_looked(&name, &config.drops[&name], looked),
                Err(error) => {
                    lines::drop_trouble(&name, &error);
                    let (words, hint) = (format!("cannot {error}"), error.hint().to_owned());
                    summary.trouble.push((format!("drop directory `{name}`"), words, hint));
                }
            }
        }
        taken_in.cancel();
        for (name, delivered) in inboxes.join_all().await {
            let untried = self.untried(&name).await;
            summary.add_deliveries(&name, untried, delivered);
        }
        summary.trouble.extend(self.left_behind(config).await.words());
        summary
    }
}

impl Summary {
    fn add_looked(&mut self, name: &str, settings: &config::Drop, looked: Looked) {
        let Looked { admitted, refused, unreadable, unreadable_words, stuck, stuck_words, expired, .. } = looked;
        let Looked { too_big, too_big_words, .. } = looked;
        self.admitted += admitted;
        if refused > 0 {
            self.refused.push((name.to_owned(), refused));
        }
        let what = format!("drop directory `{name}`");
        if let Some(words) = unreadable_words {
            let words = format!("{} cannot be read: cannot {words}", files(unreadable));
            self.trouble.push((what.clone(), words, "let the agent's group read it: chmod g+r".to_owned()));
        }
        if let Some(words) = too_big_words {
            let words = format!("there is no room for copies of {}: cannot {words}", files(too_big));
            self.trouble.push((what.clone(), words, "free some space in the drop directory's file system".to_owned()));
        }
        if let Some(words) = stuck_words {
            let words = format!("{} cannot be taken away, and not sent before that: cannot {words}", files(stuck));
            let hint = "the agent must be able to remove files from the drop directory".to_owned();
            self.trouble.push((what.clone(), words, hint));
        }
        if expired > 0 {
            let words = format!("{} expired, owed to inboxes that it no longer names", files(expired));
            let failed = show(settings.path.join("failed"));
            self.trouble.push((what, words, format!("see {failed}: each has its receipt beside it")));
        }
    }

    fn add_left_out(&mut self, config: &Config, left_out: &LeftOut) {
        for (name, settings) in &config.feeds {
            if let Some(error) = left_out.of_feed(name, settings) {
                self.failed_feeds.push((name.clone(), error.to_string(), error.hint()));
            }
        }
        for (name, settings) in &config.inboxes {
            if let Some(error) = left_out.of_inbox(settings) {
                self.trouble.push((format!("inbox `{name}`"), error.to_string(), error.hint()));
            }
        }
    }

    /// `untried`: why files may not have been tried at all.
    fn add_deliveries(&mut self, name: &str, untried: &str, delivered: Result<Delivered, StoreError>) {
        match delivered {
            Ok(Delivered { accepted, failed, failed_because, pending, pending_because, trouble }) => {
                self.delivered += accepted;
                if let Some((words, hint)) = trouble {
                    let words = format!("what is delivered cannot leave sending/: cannot {words}");
                    self.trouble.push((format!("inbox `{name}`"), words, hint.to_owned()));
                }
                if failed > 0 {
                    self.failed.push((name.to_owned(), failed, failed_because.unwrap_or_default()));
                }
                if pending > 0 {
                    let because = pending_because.unwrap_or_else(|| untried.to_owned());
                    self.pending.push((name.to_owned(), pending, because));
                }
            }
            Err(error) => {
                lines::inbox_trouble(name, &error.to_string(), error.hint());
                self.trouble.push((format!("inbox `{name}`"), format!("cannot {error}"), error.hint().to_owned()));
            }
        }
    }
}

impl Agent {
    /// Why an inbox was not tried with what it is owed.
    async fn untried(&self, inbox: &str) -> &'static str {
        let (ledger, inbox, now) = (self.ledger.clone(), inbox.to_owned(), self.clock.now());
        match spawn_blocking(move || ledger.asked_until(&inbox, now)).await {
            Ok(Ok(Some(_))) => "the server asked for a pause",
            _ => UNTRIED,
        }
    }
}

/// Feeds of one server one after the other, servers side by side.
async fn poll_all(feeds: Vec<Feed>) -> Summary {
    let mut by_server: BTreeMap<String, Arc<Semaphore>> = BTreeMap::new();
    let (mut polls, all) = (JoinSet::new(), Arc::new(Semaphore::new(POLLS)));
    for feed in feeds {
        let one = by_server.entry(feed.settings.server.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
        let all = all.clone();
        polls.spawn(async move {
            // The semaphores are never closed; without a permit the poll is merely not held back.
            let _permits = (one.acquire_owned().await, all.acquire_owned().await);
            let before = feed.quarantined().await.unwrap_or_default();
            let ended = feed.poll_and_tell(&mut Standing::default()).await;
            let after = feed.quarantined().await.unwrap_or(before);
            (feed.name, ended, after.saturating_sub(before))
        });
    }
    let mut summary = Summary::default();
    for (name, ended, quarantined) in polls.join_all().await {
        if quarantined > 0 {
            summary.quarantined.push((name.clone(), quarantined));
        }
        match ended {
            Ended::UpToDate | Ended::Stopped => summary.feeds += 1,
            Ended::Failed(failure) => summary.failed_feeds.push((name, failure.words, failure.hint)),
        }
    }
    summary.failed_feeds.sort();
    summary.quarantined.sort();
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_stays_is_named_with_what_can_be_done() {
        let mut summary = Summary::default();
        let unreadable_words = Some("open /drop/a.xml: Permission denied".to_owned());
        let stuck_words = Some("rename /drop/b.xml: Operation not permitted".to_owned());
        let looked = Looked { unreadable: 1, unreadable_words, stuck: 2, stuck_words, ..Looked::default() };
        summary.add_looked("d", &config::Drop::default(), looked);
        let words: Vec<&str> = summary.trouble.iter().map(|(_, words, _)| words.as_str()).collect();
        assert_eq!(
            words,
            [
                "1 file cannot be read: cannot open /drop/a.xml: Permission denied",
                "2 files cannot be taken away, and not sent before that: cannot rename /drop/b.xml: Operation not permitted",
            ]
        );
        assert!(!summary.is_good() && summary.trouble.iter().all(|(_, _, hint)| !hint.is_empty()));
    }

    #[test]
    fn a_file_that_expires_because_nobody_sends_it_counts() {
        let mut summary = Summary::default();
        let settings = config::Drop { path: "/drop".into(), ..config::Drop::default() };
        summary.add_looked("d", &settings, Looked { expired: 1, ..Looked::default() });
        assert!(!summary.is_good());
        assert_eq!(summary.trouble[0].1, "1 file expired, owed to inboxes that it no longer names");
        assert_eq!(summary.trouble[0].2, "see /drop/failed: each has its receipt beside it");
    }

    #[test]
    fn a_pause_is_spoken_of_only_where_one_was_asked_for() {
        let mut summary = Summary::default();
        let delivered = |because: Option<&str>| {
            Ok(Delivered { pending: 1, pending_because: because.map(str::to_owned), ..Delivered::default() })
        };
        summary.add_deliveries("a", UNTRIED, delivered(None));
        summary.add_deliveries("b", UNTRIED, delivered(Some("HTTP 503")));
        let reasons: Vec<&str> = summary.pending.iter().map(|(_, _, reason)| reason.as_str()).collect();
        assert_eq!(reasons, [UNTRIED, "HTTP 503"]);
    }
}
