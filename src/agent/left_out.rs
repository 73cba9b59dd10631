//! What cannot be worked with as it is configured: a server whose certificates cannot be read, a feed whose group is not
//! there or whose query is none. It waits for somebody to mend it, and all the rest goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{Agent, AgentError, query};
use crate::config::{Config, Feed, Inbox};
use crate::observe::lines;
use crate::poll;
use crate::store::ledger::{FeedRow, Ledger, LedgerError};
use crate::taxii::time::later;

/// It is tried again this often.
pub(super) const AGAIN: Duration = Duration::from_secs(60);

/// Why, by name.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) servers: BTreeMap<String, AgentError>,
    pub(super) feeds: BTreeMap<String, AgentError>,
}

impl LeftOut {
    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.feeds.is_empty()
    }

    /// Gives itself, or what was found first where there is nothing beside it.
    pub(super) fn unless_everything(self, config: &Config) -> Result<LeftOut, AgentError> {
        let everything = config.feeds.iter().all(|(name, feed)| self.of_feed(name, feed).is_some())
            && config.inboxes.values().all(|inbox| self.of_inbox(inbox).is_some());
        if everything { self.unless_new(&LeftOut::default()) } else { Ok(self) }
    }

    /// Gives itself, or the first that was not left out `before`.
    pub(super) fn unless_new(mut self, before: &LeftOut) -> Result<LeftOut, AgentError> {
        let server = self.servers.keys().find(|name| !before.servers.contains_key(*name)).cloned();
        let feed = self.feeds.keys().find(|name| !before.feeds.contains_key(*name)).cloned();
        let server = server.and_then(|name| self.servers.remove(&name));
        let new = server.or_else(|| self.feeds.remove(&feed?));
        new.map_or(Ok(self), Err)
    }

    /// Why a feed is not polled.
    pub(super) fn of_feed(&self, name: &str, feed: &Feed) -> Option<&AgentError> {
        self.servers.get(&feed.server).or_else(|| self.feeds.get(name))
    }

    /// Why an inbox is not sent to.
    pub(super) fn of_inbox(&self, inbox: &Inbox) -> Option<&AgentError> {
        self.servers.get(&inbox.server)
    }

    /// One line in the log for each that was not left out `before`, or for another reason, and for each that is mended.
    pub(super) fn tell(&self, before: &LeftOut, config: &Config) {
        let servers = |name: &str| config.servers.contains_key(name);
        tell(&self.servers, &before.servers, servers, lines::server_left_out, lines::server_taken_up);
        let feeds = |name: &str| config.feeds.contains_key(name);
        tell(&self.feeds, &before.feeds, feeds, lines::feed_left_out, lines::feed_taken_up);
    }
}

fn tell(
    now: &BTreeMap<String, AgentError>,
    before: &BTreeMap<String, AgentError>,
    is_configured: impl Fn(&str) -> bool,
    left_out: impl Fn(&str, &str, &str),
    taken_up: impl Fn(&str),
) {
    for (name, error) in now {
        let words = error.to_string();
        if before.get(name).is_none_or(|before| before.to_string() != words) {
            left_out(name, &words, &error.hint());
        }
    }
    before.keys().filter(|name| !now.contains_key(*name) && is_configured(name)).for_each(|name| taken_up(name));
}

impl Agent {
    /// Notes what is left out where `status` looks, and what is not any more. Trouble with the ledger is told by those
    /// who work with it.
    pub(super) async fn note_left_out(&self, config: &Config, left_out: &LeftOut) {
        let now = self.clock.now();
        let until = later(now, AGAIN);
        let feeds = config.feeds.iter();
        let feeds = feeds
            .filter_map(|(name, feed)| Some((name.clone(), feed.clone(), left_out.of_feed(name, feed)?.with_hint())));
        let inboxes = config.inboxes.iter();
        let inboxes = inboxes.filter_map(|(name, inbox)| Some((name.clone(), left_out.of_inbox(inbox)?.with_hint())));
        let (feeds, inboxes): (Vec<_>, BTreeMap<_, _>) = (feeds.collect(), inboxes.collect());
        let mended = config.inboxes.keys().filter(|name| !inboxes.contains_key(*name));
        let mended: Vec<String> = mended.cloned().collect();
        let ledger = self.ledger.clone();
        let note = move || -> Result<(), LedgerError> {
            for (name, settings, words) in feeds {
                if let Some(row) = row(&ledger, &name, &settings)? {
                    ledger.note_error(row.id, now, &words, row.not_before, row.skew)?;
                    ledger.set_next_poll(row.id, until)?;
                }
            }
            for (name, words) in inboxes {
                ledger.postpone(&name, until, &words, now)?;
            }
            mended.iter().try_for_each(|name| ledger.note_mended(name))
        };
        let _ = spawn_blocking(note).await;
    }
}

/// What the ledger has of a feed. Which cursor is its own cannot be told without its query.
fn row(ledger: &Ledger, name: &str, settings: &Feed) -> Result<Option<FeedRow>, LedgerError> {
    match query(name, settings) {
        Ok(query) => ledger.feed(name, &poll::identity(settings, query.as_ref())).map(Some),
        Err(_) => ledger.feed_by_name(name),
    }
}
