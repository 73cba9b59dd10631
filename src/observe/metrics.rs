//! The metrics: the status once more, in the text format of Prometheus, for the textfile collector of node_exporter.
//!
//! Names and labels are an interface: dashboards and alert rules are written against them (`docs/`). A sample that has
//! no value yet, such as the cursor of a feed that was never polled, is left out; its name is there all the same.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::status::{self, Status, seconds_since};
use crate::config::Config;
use crate::store::disk::{Dir, DiskError, show};
use crate::store::ledger::{FeedReport, InboxReport};

/// node_exporter reads it as another user.
const MODE: u32 = 0o644;

/// How a metric changes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, also over restarts: the ledger keeps it.
    Counter,
}

/// One metric of a feed or an inbox: its name, what it is, and how it is read off.
type Metric<T> = (&'static str, Kind, &'static str, fn(&Status, &T) -> Option<f64>);

const FEED: &[Metric<FeedReport>] = &[
    ("healthy", Kind::Gauge, "1 unless the last poll failed.", |_, feed| Some(flag(feed.last_error.is_none()))),
    ("failures", Kind::Gauge, "Polls that failed in a row.", |_, feed| Some(f64::from(feed.failures))),
    ("cursor_timestamp_seconds", Kind::Gauge, "The saved cursor, by the server's clock.", |_, feed| {
        feed.cursor.as_ref().map(|cursor| seconds(cursor.at))
    }),
    ("lag_seconds", Kind::Gauge, "How far the cursor is behind the server's clock.", |status, feed| {
        status.lag(feed).map(|lag| lag as f64)
    }),
    ("last_success_timestamp_seconds", Kind::Gauge, "When a poll last succeeded.", |_, feed| {
        feed.last_success.map(seconds)
    }),
    ("last_content_timestamp_seconds", Kind::Gauge, "When content was last handed over.", |_, feed| {
        feed.last_content.map(seconds)
    }),
    ("quiet_polls", Kind::Gauge, "Polls in a row that succeeded and brought nothing new.", |_, feed| {
        Some(f64::from(feed.quiet_polls))
    }),
    ("next_poll_timestamp_seconds", Kind::Gauge, "When the collection is polled next.", |_, feed| {
        feed.next_poll.map(seconds)
    }),
    ("clock_skew_seconds", Kind::Gauge, "The server's clock minus ours, at the last answer.", |_, feed| {
        (feed.last_success.is_some() || feed.skew != 0).then_some(feed.skew as f64 / 1000.0)
    }),
    ("files_total", Kind::Counter, "Content files handed over.", |_, feed| Some(feed.files_total as f64)),
    ("bytes_total", Kind::Counter, "Bytes of content handed over.", |_, feed| Some(feed.bytes_total as f64)),
    ("quarantined_total", Kind::Counter, "Content blocks put into quarantine.", |_, feed| {
        Some(feed.quarantined_total as f64)
    }),
    ("empty_total", Kind::Counter, "Content blocks without content.", |_, feed| Some(feed.empty_total as f64)),
];

const INBOX: &[Metric<InboxReport>] = &[
    ("healthy", Kind::Gauge, "1 unless files do not get there.", |_, inbox| Some(flag(inbox.failing_since.is_none()))),
    ("pending", Kind::Gauge, "Files not settled yet.", |_, inbox| Some(inbox.pending as f64)),
    (
        "oldest_pending_seconds",
        Kind::Gauge,
        "How long the oldest of them is pending; 0 without any.",
        |status, inbox| Some(inbox.oldest_pending.map_or(0.0, |at| seconds_since(at, status.now) as f64)),
    ),
    ("next_try_timestamp_seconds", Kind::Gauge, "The earliest next attempt, while files are pending.", |_, inbox| {
        inbox.next_try.filter(|_| inbox.pending > 0).map(seconds)
    }),
    ("accepted_total", Kind::Counter, "Files accepted.", |_, inbox| Some(inbox.accepted as f64)),
    ("refused_total", Kind::Counter, "Files refused for good.", |_, inbox| Some(inbox.refused as f64)),
    ("expired_total", Kind::Counter, "Files pending for longer than give_up.", |_, inbox| Some(inbox.expired as f64)),
    ("unknown_outcomes_total", Kind::Counter, "Messages whose answer never came.", |_, inbox| {
        Some(inbox.unknown as f64)
    }),
];

/// Whether the agent goes on after the metrics were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Up {
    /// `run` is at work.
    Yes,
    /// `run` has ended.
    No,
    /// This was `run --once`, which is not expected to be there all the time.
    Once,
}

/// The text of the metrics: what is configured, and what is not any more but still owed.
pub fn render(config: &Config, status: &Status, up: Up) -> String {
    let mut page = Page(String::new());
    page.family("taxii_sync_build_info", Kind::Gauge, "The version; always 1.");
    page.sample("taxii_sync_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    page.family(
        "taxii_sync_up",
        Kind::Gauge,
        "1 while `run` is at work, 0 once it has ended; not there after `run --once`.",
    );
    if up != Up::Once {
        page.sample("taxii_sync_up", &[], flag(up == Up::Yes));
    }
    page.family("taxii_sync_healthy", Kind::Gauge, "1 unless a feed, a drop directory or an inbox is in trouble.");
    page.sample("taxii_sync_healthy", &[], flag(status.is_healthy()));
    page.family("taxii_sync_written_timestamp_seconds", Kind::Gauge, "When this file was written.");
    page.sample("taxii_sync_written_timestamp_seconds", &[], seconds(status.now));

    page.family("taxii_sync_feed_info", Kind::Gauge, "What a feed polls; always 1.");
    for (name, feed) in &config.feeds {
        let labels = [("feed", name.as_str()), ("server", &feed.server), ("collection", &feed.collection)];
        page.sample("taxii_sync_feed_info", &labels, 1.0);
    }
    let feeds: BTreeMap<_, _> = status.feeds.iter().filter(|(_, feed)| feed.configured).collect();
    for (name, kind, help, read) in FEED {
        let metric = format!("taxii_sync_feed_{name}");
        page.family(&metric, *kind, help);
        for (feed, status::Feed { row, .. }) in &feeds {
            if let Some(value) = read(status, row) {
                page.sample(&metric, &[("feed", feed)], value);
            }
        }
    }
    let inboxes = inboxes(config, status);
    for (name, kind, help, read) in INBOX {
        let metric = format!("taxii_sync_inbox_{name}");
        page.family(&metric, *kind, help);
        for (drop, inbox, row) in &inboxes {
            if let Some(value) = read(status, row) {
                page.sample(&metric, &[("drop", drop), ("inbox", inbox)], value);
            }
        }
    }
    page.0
}

/// The inboxes of each drop directory that are configured, or still owed something.
fn inboxes<'a>(config: &Config, status: &'a Status) -> Vec<(&'a str, &'a str, &'a InboxReport)> {
    let configured =
        |drop: &str, inbox: &String| config.drops.get(drop).is_some_and(|settings| settings.inboxes.contains(inbox));
    let mut found = Vec::new();
    for (drop, status::Drop { inboxes, .. }) in &status.drops {
        let wanted = inboxes.iter().filter(|(name, inbox)| configured(drop, name) || inbox.row.pending > 0);
        found.extend(wanted.map(|(name, inbox)| (drop.as_str(), name.as_str(), &inbox.row)));
    }
    found
}

/// The metrics could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The configured path cannot be the name of a file.
    #[error("write the metrics to {}: it is not the name of a file", show(.0))]
    Name(PathBuf),
    /// The file system refuses.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Puts the text in place in one step. The temporary name begins with a dot and does not end in `.prom`, so that
/// node_exporter leaves it alone.
pub fn write(textfile: &Path, text: &str) -> Result<(), MetricsError> {
    let name = textfile.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| MetricsError::Name(textfile.to_owned()))?;
    let parent = textfile.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Dir::open(parent)?.put(name, text.as_bytes(), MODE)?)
}

struct Page(String);

impl Page {
    fn family(&mut self, metric: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {metric} {help}\n# TYPE {metric} {kind}");
    }

    fn sample(&mut self, metric: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(metric);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// A label's value: the format gives a meaning to three characters.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// Seconds since 1970, to the millisecond.
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_millis() as f64 / 1000.0
}
