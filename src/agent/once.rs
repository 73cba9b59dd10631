//! `run --once`: every feed up to now, every dropped file, then the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::look::Looker;
use super::{Agent, AgentError, Parts};
use crate::config::Config;
use crate::observe::metrics::Up;
use crate::observe::{Standing, lines};
use crate::poll::{Ended, Feed};
use crate::push::{Delivered, DropWalk, Looked};
use crate::store::StoreError;

/// What `run --once` came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Feeds that are up to date.
    pub feeds: u64,
    /// Feeds that failed, and why.
    pub failed_feeds: Vec<(String, String)>,
    /// Blocks that were put into quarantine.
    pub quarantined: u64,
    /// Files that were taken in.
    pub admitted: u64,
    /// Files that cannot be sent at all.
    pub refused: u64,
    /// Deliveries that were made, or had been made before.
    pub delivered: u64,
    /// Inboxes with deliveries that failed, or are still owed: how many, and why the last of them did.
    pub undelivered: Vec<(String, u64, String)>,
    /// Drop directories and inboxes that could not be worked with, why, and what can be done.
    pub trouble: Vec<(String, String, String)>,
}

impl Summary {
    /// Whether all of it worked.
    pub fn is_good(&self) -> bool {
        self.failed_feeds.is_empty()
            && self.trouble.is_empty()
            && self.undelivered.is_empty()
            && self.quarantined + self.refused == 0
    }
}

impl Agent {
    /// Polls every feed up to now and sends every dropped file, whatever pause the agent had chosen itself.
    pub async fn run_once(&self, config: &Config) -> Result<Summary, AgentError> {
        let stop = CancellationToken::new();
        let parts = self.parts(config, Parts::default())?;
        let mut feeds = Vec::new();
        for (name, settings) in &config.feeds {
            feeds.extend(self.feed(name, settings, &parts, &stop)?);
        }
        let (polled, mut pushed) = tokio::join!(poll_all(feeds), self.push_all(config, &parts, &stop));
        pushed.feeds = polled.feeds;
        pushed.failed_feeds = polled.failed_feeds;
        pushed.quarantined = polled.quarantined;
        let (mut looker, config) = (Looker::new(self.clock.clone()), config.clone());
        // A look that panics has nothing to write; the summary stands.
        let _ = spawn_blocking(move || looker.look(&config, Up::Once)).await;
        Ok(pushed)
    }

    async fn push_all(&self, config: &Config, parts: &Parts, stop: &CancellationToken) -> Summary {
        let mut summary = Summary::default();
        let mut drops = JoinSet::new();
        for (name, settings) in &config.drops {
            let (name, walk) = (name.clone(), self.drop_walk(name, settings, parts, stop));
            drops.spawn(async move { (name, DropWalk::run_once(walk).await) });
        }
        for (name, looked) in drops.join_all().await {
            match looked {
                Ok(Looked { admitted, refused, unreadable, stuck, .. }) => {
                    summary.admitted += admitted;
                    summary.refused += refused;
                    if unreadable + stuck > 0 {
                        let words = format!("{} files cannot be read or taken away", unreadable + stuck);
                        summary.trouble.push((format!("drop directory `{name}`"), words, String::new()));
                    }
                }
                Err(error) => {
                    lines::drop_trouble(&name, &error);
                    let (words, hint) = (format!("cannot {error}"), error.hint().to_owned());
                    summary.trouble.push((format!("drop directory `{name}`"), words, hint));
                }
            }
        }
        let mut inboxes = JoinSet::new();
        for (name, settings) in &config.inboxes {
            if let Some(walk) = self.inbox(name, settings, parts, stop) {
                let name = name.clone();
                inboxes.spawn(async move { (name, walk.run_once().await) });
            }
        }
        for (name, delivered) in inboxes.join_all().await {
            summary.add_deliveries(&name, delivered);
        }
        summary.trouble.extend(self.left_behind(config).await.words());
        summary
    }
}

impl Summary {
    fn add_deliveries(&mut self, name: &str, delivered: Result<Delivered, StoreError>) {
        match delivered {
            Ok(Delivered { accepted, failed, reason }) => {
                self.delivered += accepted;
                if failed > 0 {
                    let reason = reason.unwrap_or_else(|| "the server asked for a pause".to_owned());
                    self.undelivered.push((name.to_owned(), failed, reason));
                }
            }
            Err(error) => {
                lines::inbox_trouble(name, &error.to_string(), error.hint());
                self.trouble.push((format!("inbox `{name}`"), format!("cannot {error}"), error.hint().to_owned()));
            }
        }
    }
}

/// Feeds of one server one after the other, servers side by side.
async fn poll_all(feeds: Vec<Feed>) -> Summary {
    let mut by_server: BTreeMap<String, Arc<Semaphore>> = BTreeMap::new();
    let mut polls = JoinSet::new();
    for feed in feeds {
        let one = by_server.entry(feed.settings.server.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
        polls.spawn(async move {
            // The semaphore is never closed; without a permit the poll is merely not held back.
            let _permit = one.acquire_owned().await;
            let before = feed.quarantined().await.unwrap_or_default();
            let ended = feed.poll_and_tell(&mut Standing::default()).await;
            let after = feed.quarantined().await.unwrap_or(before);
            (feed.name, ended, after.saturating_sub(before))
        });
    }
    let mut summary = Summary::default();
    for (name, ended, quarantined) in polls.join_all().await {
        summary.quarantined += quarantined;
        match ended {
            Ended::UpToDate | Ended::Stopped => summary.feeds += 1,
            Ended::Failed(failure) => summary.failed_feeds.push((name, failure.to_string())),
        }
    }
    summary.failed_feeds.sort();
    summary
}
