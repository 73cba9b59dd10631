//! `cursor`: the saved cursors of feeds, read and moved by hand.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::args::CursorCommand;
use super::output::{Say, json as print};
use super::times::When;
use super::{End, Result, Trouble, load, target};
use crate::agent;
use crate::clock::Clock;
use crate::config::Config;
use crate::poll;
use crate::store::StoreError;
use crate::store::ledger::{Cursor, FeedRow, Ledger};
use crate::taxii::exchange::{believed, server_now};
use crate::taxii::time::{Precision, Timestamp};

/// Reads or moves saved cursors.
pub(super) fn cursor(file: &Path, command: &CursorCommand) -> Result<End> {
    let config = load(file)?.config;
    match command {
        CursorCommand::Show { feed, output } => show(file, &config, feed.as_deref(), output.json),
        CursorCommand::Set { feed, to, again } => {
            let ours = Locked::take(file, &config, feed)?;
            let cursor = ours.wanted(to)?;
            let forget = again.then_some(cursor.at);
            ours.moved(Some(&cursor), forget)
        }
        CursorCommand::Clear { feed, again } => {
            let forget = again.then_some(DateTime::<Utc>::MIN_UTC);
            Locked::take(file, &config, feed)?.moved(None, forget)
        }
    }
}

fn show(file: &Path, config: &Config, only: Option<&str>, as_json: bool) -> Result<End> {
    let saved = match Ledger::open_to_read(&config.state_dir)? {
        Some(ledger) => ledger.report()?.feeds,
        None => Vec::new(),
    };
    let mut feeds: BTreeMap<String, Option<FeedRow>> = config.feeds.keys().map(|name| (name.clone(), None)).collect();
    feeds.extend(saved.into_iter().map(|row| (row.name.clone(), Some(of_today(config, row)))));
    if let Some(only) = only {
        target::named(&feeds, "feed", only, file)?;
        feeds.retain(|name, _| name == only);
    }
    if as_json {
        let feeds: Map<String, Value> =
            feeds.iter().map(|(name, row)| (name.clone(), row_json(config, name, row.as_ref()))).collect();
        print(&json!({ "feeds": feeds }));
        return Ok(End::Good);
    }
    let say = Say::new(false);
    for (name, row) in &feeds {
        let gone = if config.feeds.contains_key(name) { "" } else { " (no longer configured)" };
        let cursor = row.as_ref().and_then(|row| row.cursor.as_ref()).map_or("none", |cursor| cursor.text.as_str());
        say.line(&format!("{name}{gone}: {cursor}"));
    }
    Ok(End::Good)
}

/// A feed that was changed into another one since it was polled has no cursor any more: it starts afresh.
pub(super) fn of_today(config: &Config, row: FeedRow) -> FeedRow {
    let is_another = config.feeds.get(&row.name).is_some_and(|settings| {
        let query = agent::query(&row.name, settings);
        query.is_ok_and(|query| poll::identity(settings, query.as_ref()) != row.identity)
    });
    if is_another { FeedRow { cursor: None, result: None, ..row } } else { row }
}

fn row_json(config: &Config, name: &str, row: Option<&FeedRow>) -> Value {
    let cursor = row.and_then(|row| row.cursor.as_ref());
    json!({
        "configured": config.feeds.contains_key(name),
        "cursor": cursor.map(|cursor| &cursor.text),
        "result_under_way": row.is_some_and(|row| row.result.is_some()),
    })
}

/// A feed whose cursor nobody else moves meanwhile.
struct Locked {
    name: String,
    identity: String,
    ledger: Ledger,
    now: DateTime<Utc>,
    _lock: crate::store::disk::Lock,
}

impl Locked {
    fn take(file: &Path, config: &Config, name: &str) -> Result<Locked> {
        let settings = target::feed(config, name, file)?;
        let query = agent::query(name, settings)?;
        let lock = agent::lock(&config.state_dir).map_err(|error| match error {
            StoreError::Locked(_) => Trouble::failed(
                format!("cannot move the cursor of `{name}` while the agent runs: {error}"),
                "stop the agent (systemctl stop taxii-sync), move the cursor and start it again",
            ),
            error => error.into(),
        })?;
        let ledger = agent::open_ledger(&config.state_dir)?;
        let identity = poll::identity(settings, query.as_ref());
        Ok(Locked { name: name.to_owned(), identity, ledger, now: Clock::system().now(), _lock: lock })
    }

    /// A cursor is never ahead of the server's clock: what it skips might still come.
    fn wanted(&self, to: &When) -> Result<Cursor> {
        let wanted = to.timestamp(self.now);
        let skew = self.ledger.feed_by_name(&self.name)?.map_or(0, |row| row.skew);
        let latest = server_now(self.now, believed(TimeDelta::milliseconds(skew)));
        if wanted.at > latest {
            let latest = Timestamp::new(latest, Precision::Seconds).text;
            let words = format!("{} is ahead of the server's clock, which is at {latest}", wanted.text);
            return Err(Trouble::wrong(words));
        }
        Ok(Cursor { text: wanted.rfc3339(), at: wanted.at })
    }

    fn moved(&self, cursor: Option<&Cursor>, forget: Option<DateTime<Utc>>) -> Result<End> {
        // A feed that has become another one begins anew here; nothing may be wrong with the command any more.
        let row = self.ledger.feed(&self.name, &self.identity)?;
        self.ledger.move_cursor(row.id, cursor, forget)?;
        let text = |cursor: Option<&Cursor>| cursor.map_or("none", |cursor| cursor.text.as_str()).to_owned();
        let (before, after) = (text(row.cursor.as_ref()), text(cursor));
        let again = match (forget, cursor) {
            (None, _) => "what was handed over before is not handed over again",
            (Some(_), Some(_)) => "what was handed over later than that is handed over again",
            (Some(_), None) => "everything is handed over again",
        };
        Say::new(false).line(&format!("{}: {after} (before: {before}); {again}", self.name));
        if row.data_set {
            Say::new(true).line("its collection is a DATA_SET, which is asked for whole: the cursor has no effect");
        }
        Ok(End::Good)
    }
}
