//! The tasks that run: one per feed, drop directory and inbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::peer::Peer;
use crate::poll::Feed;
use crate::store::output::Manner;
use crate::taxii::message::Query;

/// What is in flight when a task is told to end has this long: less than the 20 seconds that are promised, so that
/// there is time to end.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A task with what it was made of; with the same it can stay when the configuration is read again.
#[derive(Debug)]
pub(super) struct Task<K> {
    pub(super) made_of: K,
    pub(super) stop: CancellationToken,
    pub(super) running: JoinHandle<()>,
}

/// All tasks, by name.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) feeds: BTreeMap<String, Task<OfFeed>>,
    pub(super) inboxes: BTreeMap<String, Task<(config::Inbox, Same)>>,
    pub(super) drops: BTreeMap<String, Task<config::Drop>>,
    /// Told to end, and not gone yet.
    ending: Vec<JoinHandle<()>>,
}

/// What the task of a feed was made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OfFeed {
    settings: config::Feed,
    query: Option<Query>,
    manner: Manner,
    peer: Same,
}

impl OfFeed {
    pub(super) fn new(feed: &Feed) -> OfFeed {
        let Feed { settings, query, manner, peer, .. } = feed;
        OfFeed { settings: settings.clone(), query: query.clone(), manner: *manner, peer: Same(Some(peer.clone())) }
    }
}

/// A peer, equal to itself alone.
#[derive(Clone, Debug)]
pub(super) struct Same(pub(super) Option<Arc<Peer>>);

impl PartialEq for Same {
    fn eq(&self, other: &Same) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Tasks {
    /// Tells feeds to end that are not wanted any more.
    pub(super) fn end_feeds(&mut self, wanted: impl Fn(&String, &OfFeed) -> bool) {
        end(&mut self.feeds, &mut self.ending, wanted);
    }

    /// Tells inboxes to end that are not wanted any more.
    pub(super) fn end_inboxes(&mut self, wanted: impl Fn(&String, &(config::Inbox, Same)) -> bool) {
        end(&mut self.inboxes, &mut self.ending, wanted);
    }

    /// Tells drop directories to end that are not wanted any more.
    pub(super) fn end_drops(&mut self, wanted: impl Fn(&String, &config::Drop) -> bool) {
        end(&mut self.drops, &mut self.ending, wanted);
    }

    /// Waits until all that were told to end are gone; `false`: some had to be abandoned. Who stops waiting may come
    /// again.
    pub(super) async fn gone(&mut self) -> bool {
        let until = Instant::now() + GRACE;
        let mut all = true;
        while let Some(running) = self.ending.last_mut() {
            if tokio::time::timeout_at(until, &mut *running).await.is_err() {
                running.abort();
                all = false;
            }
            self.ending.pop();
        }
        all
    }
}

fn end<K>(
    tasks: &mut BTreeMap<String, Task<K>>,
    ending: &mut Vec<JoinHandle<()>>,
    wanted: impl Fn(&String, &K) -> bool,
) {
    let unwanted: Vec<String> =
        tasks.iter().filter(|(name, task)| !wanted(name, &task.made_of)).map(|(name, _)| name.clone()).collect();
    for task in unwanted.iter().filter_map(|name| tasks.remove(name)) {
        task.stop.cancel();
        ending.push(task.running);
    }
}
