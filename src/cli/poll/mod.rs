//! `poll`: one poll by hand. It keeps nothing, so it works beside the agent.

mod content;
mod count;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::args::PollArguments;
use super::target::{self, Target};
use super::{End, Result, Trouble, load, progress, runtime};
use crate::agent;
use crate::clock::Clock;
use crate::config::{self, Config, LogFormat, Start};
use crate::observe;
use crate::poll;
use crate::store::ledger::Ledger;
use crate::taxii::exchange;
use crate::taxii::message::{CollectionType, Query, ServiceType};
use crate::taxii::time::{Precision, Timestamp, earlier, later};

/// Why from there.
const AS_ASKED: &str = "as asked";

/// What is polled, and how far.
struct Wanted {
    /// The feed's name in the configuration; `None` where the address was given.
    feed: Option<String>,
    target: Target,
    /// As the feed is configured, or as the command line has it.
    settings: config::Feed,
    query: Option<Query>,
    /// From here on; `None`: from the beginning of the collection.
    since: Option<Timestamp>,
    /// Why from there, for people.
    because: &'static str,
    until: Option<DateTime<Utc>>,
}

/// Polls once, or asks how much there is.
pub(super) fn poll(file: &Path, arguments: &PollArguments) -> Result<End> {
    let now = Clock::system().now();
    let wanted = match (&arguments.feed, &arguments.url) {
        (Some(feed), _) => Wanted::of_feed(file, feed, arguments, now)?,
        (None, Some(url)) => Wanted::at(url, arguments, now)?,
        (None, None) => return Err(Trouble::wrong("name a feed, or give --url and --collection")),
    };
    wanted.check(now)?;
    if let Some(option) = wanted.asked_times() {
        let words = || format!("asking {}", wanted.target.shown());
        if runtime()?.block_on(progress::shown(words, wanted.is_set())) {
            let words = format!("{} is a DATA_SET, which is asked for whole: leave out {option}", wanted.shown());
            return Err(Trouble::wrong(words));
        }
    }
    // What the walk remarks belongs to the answer, the rest of its log does not.
    let log = config::Log { level: "warn".to_owned(), format: LogFormat::Text };
    observe::start_log(&log).map_err(Trouble::wrong)?;
    if arguments.count { count::count(&wanted, now, arguments.output.json) } else { content::fetch(wanted, arguments) }
}

impl Wanted {
    fn of_feed(file: &Path, name: &str, arguments: &PollArguments, now: DateTime<Utc>) -> Result<Wanted> {
        target::by_name_alone(&arguments.access, "--url is given")?;
        let config = load(file)?.config;
        let settings = target::feed(&config, name, file)?.clone();
        let query = agent::query(name, &settings)?;
        let (since, because) = match &arguments.since {
            Some(since) => (Some(since.timestamp(now)), AS_ASKED),
            None => match saved_cursor(&config, name, &poll::identity(&settings, query.as_ref()))? {
                Some(cursor) => (Some(cursor), "the saved cursor"),
                None => (start(&settings.start, now), "`start` of the feed"),
            },
        };
        Ok(Wanted {
            feed: Some(name.to_owned()),
            target: target::server_of(&config, &settings.server, file, &arguments.keep)?,
            settings,
            query,
            since,
            because,
            until: arguments.until.as_ref().map(|until| until.instant(now)),
        })
    }

    fn at(url: &url::Url, arguments: &PollArguments, now: DateTime<Utc>) -> Result<Wanted> {
        let settings = config::Feed {
            server: target::host(url).to_owned(),
            collection: arguments.collection.clone().unwrap_or_default(),
            ..config::Feed::default()
        };
        Ok(Wanted {
            feed: None,
            target: Target::at(url, ServiceType::Poll, &arguments.access, &arguments.keep)?,
            settings,
            query: None,
            since: arguments.since.as_ref().map(|since| since.timestamp(now)),
            because: AS_ASKED,
            until: arguments.until.as_ref().map(|until| until.instant(now)),
        })
    }

    fn check(&self, now: DateTime<Utc>) -> Result<()> {
        let Some(since) = &self.since else { return Ok(()) };
        match self.until {
            Some(until) if until <= since.at => Err(Trouble::wrong(format!(
                "nothing lies between {} ({}) and {}: --until must be later",
                since.text,
                self.because,
                Timestamp::new(until, Precision::Micros).text
            ))),
            None if since.at >= now && self.because == AS_ASKED => {
                Err(Trouble::wrong(format!("--since {} is in the future", since.text)))
            }
            _ => Ok(()),
        }
    }

    /// The option that asks for a range.
    fn asked_times(&self) -> Option<&'static str> {
        let since = self.since.as_ref().filter(|_| self.because == AS_ASKED);
        since.map(|_| "--since").or(self.until.map(|_| "--until"))
    }

    /// Whether the collection is a DATA_SET. A server that does not describe it is asked for a range of it.
    async fn is_set(&self) -> bool {
        let described = self.target.peer.collection(&self.settings.collection).await.ok().flatten();
        described.is_some_and(|described| described.collection_type == CollectionType::DataSet)
    }

    /// Up to where by the server's clock, which tells whole seconds only: what came in the present one is wanted too.
    async fn end(&self) -> DateTime<Utc> {
        let peer = &self.target.peer;
        // Where there is something to ask first, the answer tells the time. What is wrong is told by who needs it.
        let _ = peer.address(ServiceType::Poll, Some(&self.settings.collection)).await;
        let now = exchange::server_now(Clock::system().now(), exchange::believed(peer.skew().unwrap_or_default()));
        let latest = later(now, std::time::Duration::from_secs(1));
        self.until.map_or(latest, |until| until.min(latest))
    }

    /// For people.
    fn shown(&self) -> String {
        match &self.feed {
            Some(feed) => format!("feed `{feed}`"),
            None => format!("collection `{}` of {}", self.settings.collection, self.target.shown()),
        }
    }

    fn from(&self) -> String {
        match &self.since {
            Some(since) => format!("{} ({})", since.text, self.because),
            None => "the beginning".to_owned(),
        }
    }
}

/// Where the agent would go on: read beside it, and left alone.
fn saved_cursor(config: &Config, name: &str, identity: &str) -> Result<Option<Timestamp>> {
    let Some(ledger) = Ledger::open_to_read(&config.state_dir)? else { return Ok(None) };
    let row = ledger.feed_by_name(name)?.filter(|row| row.identity == identity);
    Ok(row.and_then(|row| row.cursor).map(|cursor| Timestamp { text: cursor.text, at: cursor.at }))
}

fn start(start: &Start, now: DateTime<Utc>) -> Option<Timestamp> {
    let at = match start {
        Start::Ago(ago) => earlier(now, *ago),
        Start::At(at) => *at,
        Start::Beginning => return None,
    };
    Some(Timestamp::new(at, Precision::Micros))
}

/// A directory for people: `.` says little.
fn shown_directory(directory: &Path) -> PathBuf {
    std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned())
}
