//! A look at the ledger every few seconds, for those outside: the metrics file, systemd's status, and a line in the log
//! where something became worth knowing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::held::Held;
use super::pulse::Pulse;
use super::service;
use super::unwritten::Unwritten;
use crate::clock::Clock;
use crate::config::Config;
use crate::observe::lines;
use crate::observe::metrics::{self, Up};
use crate::observe::status::Status;
use crate::push::Drops;
use crate::store::ledger::Ledger;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(5);

/// How often the metrics are written without a change of health.
const WRITE: Duration = Duration::from_secs(30);

/// A long backlog takes time to count: not more than this part of one core goes into it …
const SHARE: u32 = 20;

/// … unless that would make the metrics look stale.
const LONGEST: Duration = Duration::from_secs(60);

/// What a look saw. As long as all of it stays, the next one would see the same, but for the time that passes.
#[derive(Debug)]
struct Seen {
    at: Instant,
    version: i64,
    config: Arc<Config>,
    troubles: [BTreeMap<String, String>; 2],
    line: String,
}

/// Looks, and remembers what it has told.
#[derive(Debug)]
pub(super) struct Looker {
    clock: Clock,
    /// What is wrong with them, also where that cannot be written down.
    drops: Drops,
    /// The same of feeds.
    unwritten: Unwritten,
    /// What must stay where it is, and how it is said that it has not.
    held: Option<(Arc<Held>, CancellationToken)>,
    /// A connection of its own, so that nobody waits for a look at everything.
    ledger: Option<Ledger>,
    written: Option<(Instant, bool)>,
    /// The metrics cannot be written, which was said.
    failed: bool,
    /// Feeds, and what of them was said.
    concerns: BTreeSet<(String, &'static str)>,
    seen: Option<Seen>,
}

impl Looker {
    /// One that has told nothing yet.
    pub(super) fn new(clock: Clock, drops: Drops) -> Looker {
        Looker {
            clock,
            drops,
            unwritten: Unwritten::default(),
            held: None,
            ledger: None,
            written: None,
            failed: false,
            concerns: BTreeSet::new(),
            seen: None,
        }
    }

    /// The same, beside an agent that goes on. `lost` is set once its state was removed or replaced.
    pub(super) fn beside(self, unwritten: Unwritten, held: Arc<Held>, lost: CancellationToken) -> Looker {
        Looker { unwritten, held: Some((held, lost)), ..self }
    }

    /// Looks at the ledger, writes the metrics where they are due, and tells of what has changed. Gives the status in a
    /// line, where there is one. Blocks.
    pub(super) fn look(&mut self, config: &Arc<Config>, up: Up) -> Option<String> {
        self.look_at_state();
        if up == Up::Yes
            && let Some(line) = self.unchanged(config)
        {
            return Some(line);
        }
        // What changes from here on is for the next look.
        let (at, troubles) = (self.clock.moment(), self.troubles());
        let version = self.ledger.as_ref().and_then(|ledger| ledger.version().ok());
        let status = self.status(config);
        if let Some(textfile) = &config.metrics_textfile {
            let written = match &status {
                Ok(status) => self.write(config, status, textfile, up),
                Err(error) => Err(error.clone()),
            };
            self.tell_of_metrics(written);
        }
        self.seen = None;
        let status = status.ok()?;
        self.tell_of_concerns(&status);
        let line = status.to_line();
        self.seen = version.map(|version| Seen { at, version, config: config.clone(), troubles, line: line.clone() });
        Some(line)
    }

    /// What of the state was removed or replaced is told once: the agent ends then.
    fn look_at_state(&self) {
        let Some((held, lost)) = self.held.as_ref().filter(|(_, lost)| !lost.is_cancelled()) else { return };
        if let Some(path) = held.lost() {
            lines::state_lost(&path);
            lost.cancel();
        }
    }

    /// What may not be in the ledger: of feeds, and of drop directories.
    fn troubles(&self) -> [BTreeMap<String, String>; 2] {
        [self.unwritten.troubles(), self.drops.troubles()]
    }

    /// The line of the last look, where there is nothing new and nothing to be written.
    fn unchanged(&self, config: &Arc<Config>) -> Option<String> {
        let (seen, ledger) = (self.seen.as_ref()?, self.ledger.as_ref()?);
        let due = config.metrics_textfile.is_some() && self.written.is_none_or(|(at, _)| self.clock.since(at) >= WRITE);
        let stays = !due
            && self.clock.since(seen.at) < LONGEST
            && Arc::ptr_eq(&seen.config, config)
            && seen.troubles == self.troubles()
            && ledger.version().is_ok_and(|version| version == seen.version);
        stays.then(|| seen.line.clone())
    }

    fn write(&mut self, config: &Config, status: &Status, textfile: &Path, up: Up) -> Result<(), String> {
        let health = status.is_healthy();
        let fresh = self.written.is_some_and(|(at, was)| was == health && self.clock.since(at) < WRITE);
        if fresh && up == Up::Yes {
            return Ok(());
        }
        metrics::write(textfile, &metrics::render(config, status, up)).map_err(|error| error.to_string())?;
        self.written = Some((self.clock.moment(), health));
        Ok(())
    }

    /// One line when trouble begins, and one when it ends.
    fn tell_of_metrics(&mut self, written: Result<(), String>) {
        match &written {
            Ok(()) if self.failed => lines::metrics_work_again(),
            Err(error) if !self.failed => lines::metrics_trouble(error),
            _ => {}
        }
        self.failed = written.is_err();
    }

    fn tell_of_concerns(&mut self, status: &Status) {
        let mut now = BTreeSet::new();
        for (feed, concern) in status.concerns() {
            let known = (feed.to_owned(), concern.word());
            if !self.concerns.contains(&known) {
                lines::concern_begins(feed, concern);
            }
            now.insert(known);
        }
        for (feed, concern) in self.concerns.difference(&now) {
            lines::concern_ends(feed, concern);
        }
        self.concerns = now;
    }

    fn status(&mut self, config: &Config) -> Result<Status, String> {
        if self.ledger.is_none() {
            self.ledger = Ledger::open_to_read(&config.state_dir).map_err(|error| error.to_string())?;
        }
        let report = self.ledger.as_ref().map(Ledger::report).transpose().map_err(|error| error.to_string());
        if report.is_err() {
            self.ledger = None;
        }
        let mut status = Status::new(config, report?.unwrap_or_default(), self.clock.now());
        let [feeds, drops] = self.troubles();
        feeds.iter().for_each(|(feed, words)| status.add_feed_trouble(feed, words));
        drops.iter().for_each(|(drop, words)| status.add_trouble(drop, words));
        Ok(status)
    }
}

/// Keeps looking, whatever the configuration becomes, until `stop`. The last thing the metrics say is that the agent is
/// gone.
pub(super) async fn keep_looking(
    mut config: watch::Receiver<Arc<Config>>,
    mut looker: Looker,
    pulse: Pulse,
    stop: CancellationToken,
) {
    let clock = looker.clock.clone();
    let mut told = String::new();
    // Nothing is in force yet.
    tokio::select! {
        _ = config.changed() => {}
        () = stop.cancelled() => return,
    }
    loop {
        let current = config.borrow_and_update().clone();
        let begun = clock.moment();
        let line;
        (looker, line) = look(looker, current.clone(), Up::Yes).await;
        pulse.looked();
        let polling: Vec<String> = pulse.polling().into_iter().collect();
        let line = match polling.as_slice() {
            [] => line,
            polling => line.map(|line| format!("{line}; polling {}", polling.join(", "))),
        };
        if let Some(line) = line.filter(|line| *line != told) {
            service::status(&line);
            told = line;
        }
        let pause = (clock.since(begun) * SHARE).clamp(LOOK, LONGEST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = config.changed() => match changed {
                // A textfile that is given up must not go on saying that the agent is up.
                Ok(()) if config.borrow().metrics_textfile != current.metrics_textfile => {
                    (looker, _) = look(looker, current, Up::No).await;
                }
                Ok(()) => {}
                Err(_) => break,
            },
            () = stop.cancelled() => break,
        }
    }
    let current = config.borrow().clone();
    look(looker, current, Up::No).await;
}

/// One look, on a thread that may block.
async fn look(mut looker: Looker, config: Arc<Config>, up: Up) -> (Looker, Option<String>) {
    let looked = spawn_blocking(move || {
        let line = looker.look(&config, up);
        (looker, line)
    });
    match looked.await {
        Ok(looked) => looked,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and we with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_change_is_not_looked_at_again_and_what_changes_is_seen_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let feed = ledger.feed("f", "one").unwrap().id;
        let text = format!(
            "state_dir = {:?}\n[servers.s]\npoll = \"http://127.0.0.1/\"\n\
             [feeds.f]\nserver = \"s\"\ncollection = \"c\"\noutput = \"/nowhere\"\n",
            dir.path()
        );
        let config = Arc::new(Config::parse(&text, "config").unwrap().config);
        let clock = Clock::system();
        let mut looker = Looker::new(clock.clone(), Drops::default());
        let mut look = |config| (looker.look(config, Up::Yes).unwrap(), looker.seen.as_ref().map(|seen| seen.at));
        look(&config);
        let (line, at) = look(&config);
        assert_eq!((line.as_str(), at.is_some()), ("healthy", true));
        assert_eq!(look(&config).1, at, "nothing has changed");
        ledger.note_error(feed, clock.now(), "no route", None, 0).unwrap();
        assert_eq!(look(&config).0, "trouble with feed f");
        let (_, at) = look(&config);
        assert_ne!(look(&Arc::new(Config::clone(&config))).1, at, "another configuration");
    }
}
