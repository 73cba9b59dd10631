//! The status: what the ledger says, seen through the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::concerns::{Concern, concerns, span};
use crate::config::Config;
use crate::store::ledger::{FeedReport, InboxReport, Report};
use crate::taxii::exchange::{believed, server_now};

/// A file in `failed/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedFile {
    /// Its name, fit to be shown.
    pub name: String,
    /// Why it is there, as its receipt says, fit to be shown.
    pub reason: String,
}

/// So many failed files are named.
const NAMED: usize = 10;

/// The status at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    pub(super) feeds: BTreeMap<String, Feed>,
    pub(super) drops: BTreeMap<String, Drop>,
    pub(super) now: DateTime<Utc>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Feed {
    pub(super) configured: bool,
    pub(super) row: FeedReport,
    concerns: Vec<Concern>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Drop {
    pub(super) configured: bool,
    /// Why it cannot be worked with.
    pub(super) last_error: Option<String>,
    /// What lies in `failed/`.
    failed: Vec<FailedFile>,
    pub(super) inboxes: BTreeMap<String, Inbox>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    pub(super) configured: bool,
    pub(super) row: InboxReport,
}

impl Drop {
    fn is_troubled(&self) -> bool {
        let own = self.configured && self.last_error.is_some();
        own || self.inboxes.values().any(|inbox| inbox.row.failing_since.is_some())
    }
}

impl Inbox {
    /// An inbox of a drop directory that is configured or not.
    fn new(config: &Config, mut row: InboxReport) -> Inbox {
        let configured = config.inboxes.contains_key(&row.inbox);
        let drop = config.drops.get(&row.directory);
        if row.pending > 0 && (!configured || drop.is_none()) {
            // They wait until somebody puts it back.
            let gone = if configured { "the drop directory" } else { "the inbox" };
            row.last_error = Some(format!("{gone} is no longer configured: put it back to have them sent"));
            (row.failing_since, row.next_try) = (row.oldest_pending, None);
        } else if row.pending == 0 && drop.is_none_or(|drop| !drop.inboxes.contains(&row.inbox)) {
            // What an inbox last said is of no use any more where nothing goes there.
            (row.failing_since, row.last_error) = (None, None);
        }
        Inbox { configured, row }
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// So many files, in words.
pub fn files(number: u64) -> String {
    if number == 1 { "1 file".to_owned() } else { format!("{number} files") }
}

/// How far the cursor is behind the server's clock, in seconds.
fn lag(row: &FeedReport, now: DateTime<Utc>) -> Option<i64> {
    let server_now = server_now(now, believed(TimeDelta::milliseconds(row.skew)));
    row.cursor.as_ref().map(|cursor| seconds_since(cursor.at, server_now))
}

/// Whole seconds from `at` to `now`, never negative.
pub(super) fn seconds_since(at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    (now - at).num_seconds().max(0)
}

impl Status {
    /// What is configured, whether it ever ran or not, and what the ledger still knows of what is not.
    pub fn new(config: &Config, report: Report, now: DateTime<Utc>) -> Status {
        let mut feeds: BTreeMap<String, Feed> = BTreeMap::new();
        for name in config.feeds.keys() {
            feeds.entry(name.clone()).or_default().configured = true;
        }
        for row in report.feeds {
            let feed = feeds.entry(row.name.clone()).or_default();
            if let Some(settings) = config.feeds.get(&row.name) {
                feed.concerns = concerns(settings, &row, lag(&row, now));
            }
            feed.row = row;
        }
        let mut drops: BTreeMap<String, Drop> = BTreeMap::new();
        for (name, settings) in &config.drops {
            let drop = drops.entry(name.clone()).or_default();
            drop.configured = true;
            let inbox = |inbox: &String| (inbox.clone(), Inbox { configured: true, row: InboxReport::default() });
            drop.inboxes = settings.inboxes.iter().map(inbox).collect();
        }
        for (name, words) in report.drops {
            if let Some(drop) = drops.get_mut(&name) {
                drop.last_error = Some(words);
            }
        }
        for row in report.inboxes {
            let drop = drops.entry(row.directory.clone()).or_default();
            drop.inboxes.insert(row.inbox.clone(), Inbox::new(config, row));
        }
        Status { feeds, drops, now }
    }

    /// What lies in `failed/` of a drop directory.
    pub fn add_failed(&mut self, drop: &str, failed: Vec<FailedFile>) {
        self.drops.entry(drop.to_owned()).or_default().failed = failed;
    }

    /// A drop directory cannot be worked with. What was said of it first is nearer to the cause.
    pub fn add_trouble(&mut self, drop: &str, words: &str) {
        self.drops.entry(drop.to_owned()).or_default().last_error.get_or_insert_with(|| words.to_owned());
    }

    /// A feed is in trouble, and the ledger may not know it. What it does know stays.
    pub fn add_feed_trouble(&mut self, feed: &str, words: &str) {
        if let Some(feed) = self.feeds.get_mut(feed) {
            feed.row.last_error.get_or_insert_with(|| words.to_owned());
        }
    }

    /// For machines. `running`: an agent is at work.
    pub fn to_json(&self, running: bool) -> Value {
        let feeds: Map<String, Value> =
            self.feeds.iter().map(|(name, feed)| (name.clone(), self.feed_json(feed))).collect();
        let drops: Map<String, Value> =
            self.drops.iter().map(|(name, drop)| (name.clone(), self.drop_json(drop))).collect();
        json!({ "running": running, "feeds": feeds, "drops": drops })
    }

    fn feed_json(&self, feed: &Feed) -> Value {
        let row = &feed.row;
        json!({
            "configured": feed.configured,
            "cursor": row.cursor.as_ref().map(|cursor| &cursor.text),
            "lag_seconds": self.lag(row),
            "last_success": row.last_success.map(time),
            "last_error": row.last_error,
            "failures": row.failures,
            "next_poll": row.next_poll.map(time),
            "last_content": row.last_content.map(time),
            "files_total": row.files_total,
            "bytes_total": row.bytes_total,
            "quarantined_total": row.quarantined_total,
            "empty_total": row.empty_total,
            "quiet_polls": row.quiet_polls,
            "clock_skew_seconds": row.skew as f64 / 1000.0,
            "concerns": feed.concerns.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "address": row.address,
        })
    }

    pub(super) fn lag(&self, row: &FeedReport) -> Option<i64> {
        lag(row, self.now)
    }

    /// What is worth knowing, with the feed it is about.
    pub fn concerns(&self) -> impl Iterator<Item = (&str, &Concern)> {
        self.feeds.iter().flat_map(|(name, feed)| feed.concerns.iter().map(move |concern| (name.as_str(), concern)))
    }

    /// For systemd: health and backlog in one line.
    pub fn to_line(&self) -> String {
        let troubled = self.troubled();
        let health = match troubled.is_empty() {
            true => "healthy".to_owned(),
            false => format!("trouble with {}", troubled.into_iter().collect::<Vec<_>>().join(", ")),
        };
        let deliveries = self.drops.values().flat_map(|drop| drop.inboxes.values());
        match deliveries.map(|inbox| inbox.row.pending).sum::<u64>() {
            0 => health,
            pending => format!("{health}; {pending} pending"),
        }
    }

    fn drop_json(&self, drop: &Drop) -> Value {
        let inboxes: Map<String, Value> =
            drop.inboxes.iter().map(|(name, inbox)| (name.clone(), self.inbox_json(inbox))).collect();
        let named = drop.failed.iter().take(NAMED).map(|file| json!({ "file": file.name, "reason": file.reason }));
        json!({
            "configured": drop.configured,
            "last_error": drop.last_error,
            "inboxes": inboxes,
            "failed": drop.failed.len(),
            "failed_files": named.collect::<Vec<_>>(),
        })
    }

    fn inbox_json(&self, inbox: &Inbox) -> Value {
        let Inbox { configured, row } = inbox;
        json!({
            "configured": configured,
            "pending": row.pending,
            "accepted_total": row.accepted,
            "refused_total": row.refused,
            "expired_total": row.expired,
            "unknown_total": row.unknown,
            "oldest_pending_seconds": row.oldest_pending.map(|at| seconds_since(at, self.now)),
            "next_try": row.next_try.map(time),
            "last_error": row.last_error,
            "failing_since": row.failing_since.map(time),
            "address": row.address,
        })
    }

    /// For people: one screen. `running`: an agent is at work.
    pub fn to_text(&self, running: bool) -> String {
        let mut text = String::new();
        let troubled = self.troubled();
        let _ = match troubled.is_empty() {
            true => writeln!(text, "healthy"),
            false => writeln!(text, "trouble with {}", troubled.into_iter().collect::<Vec<_>>().join(", ")),
        };
        text.push_str(match running {
            true => "the agent runs\n",
            false => "the agent does not run: nothing is polled or pushed\n",
        });
        for (name, feed) in &self.feeds {
            self.feed_text(&mut text, name, feed);
        }
        for (name, drop) in &self.drops {
            self.drop_text(&mut text, name, drop);
        }
        text
    }

    /// Whether no feed, no drop directory and no inbox is in trouble.
    pub fn is_healthy(&self) -> bool {
        self.troubled().is_empty()
    }

    /// The feeds whose last poll failed, and the drop directories that cannot be worked with, or files of which do not get
    /// to an inbox.
    fn troubled(&self) -> BTreeSet<String> {
        let feeds = self.feeds.iter().filter(|(_, feed)| feed.configured && feed.row.last_error.is_some());
        let drops = self.drops.iter().filter(|(_, drop)| drop.is_troubled());
        feeds
            .map(|(name, _)| format!("feed {name}"))
            .chain(drops.map(|(name, _)| format!("drop directory {name}")))
            .collect()
    }

    fn feed_text(&self, text: &mut String, name: &str, feed: &Feed) {
        let row = &feed.row;
        let gone = if feed.configured { "" } else { " (no longer configured)" };
        let cursor = match (&row.cursor, self.lag(row)) {
            (Some(cursor), Some(lag)) => format!("up to {}, {} behind", cursor.text, span(lag)),
            _ if row.data_set => "asked for whole each time".to_owned(),
            _ if row.last_success.is_some() => "no cursor yet".to_owned(),
            _ => "never polled".to_owned(),
        };
        let _ = writeln!(text, "feed {name}{gone}: {cursor}");
        let _ = writeln!(
            text,
            "  {}, {} bytes, {} put into quarantine so far",
            files(row.files_total),
            row.bytes_total,
            row.quarantined_total
        );
        if let Some(address) = &row.address {
            let _ = writeln!(text, "  polled at {address}");
        }
        if let Some(at) = row.last_success {
            let content = row.last_content.map(|at| format!("{} ago", span(seconds_since(at, self.now))));
            let content = content.unwrap_or_else(|| "never".to_owned());
            let _ = writeln!(text, "  last success {} ago, last content {content}", span(seconds_since(at, self.now)));
        }
        if let Some(error) = &row.last_error {
            let often = if row.failures > 1 { format!("{} times in a row", row.failures) } else { "once".to_owned() };
            let _ = writeln!(text, "  failed {often}: {error}");
        }
        for concern in &feed.concerns {
            let _ = writeln!(text, "  note: {concern}");
        }
        if let Some(at) = row.next_poll.filter(|_| feed.configured) {
            let _ = writeln!(text, "  next poll in {}", span((at - self.now).num_seconds().max(0)));
        }
    }

    fn drop_text(&self, text: &mut String, name: &str, drop: &Drop) {
        let gone = if drop.configured { "" } else { " (no longer configured)" };
        let _ = writeln!(text, "drop directory {name}{gone}");
        if let Some(error) = &drop.last_error {
            let _ = writeln!(text, "  {error}");
        }
        for (name, inbox) in &drop.inboxes {
            self.inbox_text(text, name, inbox);
        }
        for file in drop.failed.iter().take(NAMED) {
            let _ = writeln!(text, "  failed: {}: {}", file.name, file.reason);
        }
        if drop.failed.len() > NAMED {
            let _ = writeln!(text, "  and {} more in failed/", drop.failed.len() - NAMED);
        }
    }

    fn inbox_text(&self, text: &mut String, name: &str, Inbox { configured, row }: &Inbox) {
        let gone = if *configured { "" } else { " (no longer configured)" };
        let since = row.oldest_pending.map(|at| format!(", the oldest for {}", span(seconds_since(at, self.now))));
        let expired = if row.expired > 0 { format!(", {} expired", row.expired) } else { String::new() };
        let (pending, since) = (row.pending, since.unwrap_or_default());
        let (accepted, refused) = (row.accepted, row.refused);
        let _ = writeln!(
            text,
            "  to {name}{gone}: {pending} pending{since}, {accepted} accepted, {refused} refused{expired}"
        );
        if let Some(address) = &row.address {
            let _ = writeln!(text, "    at {address}");
        }
        let error = row.last_error.as_deref().unwrap_or_default();
        let _ = match row.failing_since {
            Some(at) => writeln!(text, "    failing for {}: {error}", span(seconds_since(at, self.now))),
            None if error.is_empty() => Ok(()),
            None => writeln!(text, "    last error: {error}"),
        };
        if let Some(at) = row.next_try.filter(|_| row.pending > 0) {
            let _ = writeln!(text, "    next attempt in {}", span((at - self.now).num_seconds().max(0)));
        }
    }
}
