//! `run`: until a signal ends it.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::left_out::{AGAIN, LeftOut};
use super::look::Looker;
use super::pulse::Pulse;
use super::tasks::{OfFeed, Same, Task, Tasks};
use super::unwritten::{Unwritten, is_known_to_fail};
use super::{Agent, AgentError, POLLS, Parts, look, schedule, service, tasks};
use crate::config::Config;
use crate::observe::{Standing, Trouble, lines};
use crate::poll::{Ended, Failure, Feed};

/// A file system that hangs must not keep the metrics from ending.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Drop directories are watched within this time, or it goes on without.
const WATCHED: Duration = Duration::from_millis(1500);

/// A feed whose next poll cannot be noted waits this long: no hot loop.
const WITHOUT_LEDGER: Duration = Duration::from_secs(30);

/// How often a feed that waits looks at the clock, which somebody may have set.
const GLANCE: Duration = Duration::from_secs(300);

/// The bounds all feeds share.
#[derive(Debug)]
struct Bounds {
    polls: Arc<Semaphore>,
    /// A server gets one poll at a time.
    by_server: BTreeMap<String, Arc<Semaphore>>,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
    look: Signal,
}

impl Signals {
    fn catch() -> Result<Signals, AgentError> {
        let catch = |kind| signal(kind).map_err(|source| AgentError::System { what: "catch signals", source });
        Ok(Signals {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            reload: catch(SignalKind::hangup())?,
            look: catch(SignalKind::user_defined1())?,
        })
    }
}

impl Signals {
    /// The agent is told to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Where a configuration is read again from.
pub trait ReadConfig {
    /// Reads it; the error is for the log, all of it.
    fn read(&self) -> Result<Config, String>;
}

impl Agent {
    /// Runs until SIGTERM or SIGINT, or until its state is gone, which is an error. SIGHUP reads the configuration
    /// again, SIGUSR1 polls and looks at the drop directories now.
    pub async fn run(self, config: Config, again: &dyn ReadConfig) -> Result<(), AgentError> {
        let mut signals = Signals::catch()?;
        let pulse = Pulse::new(self.clock.clone());
        let mut running = Running::new(self, pulse.clone());
        if let Err(error) = pulse.beside(running.start(config)).await {
            running.stop().await;
            return Err(error);
        }
        service::ready(&running.summary());
        lines::started(&running.summary());
        let ended = pulse.beside(running.until_told_to_end(&mut signals, again)).await;
        service::stopping();
        lines::stopping();
        pulse.beside(running.stop()).await;
        lines::stopped();
        ended
    }
}

struct Running {
    agent: Agent,
    /// What is in force; the writer of the metrics looks at it.
    config: watch::Sender<Arc<Config>>,
    look: Task<()>,
    /// The state was removed or replaced.
    lost: CancellationToken,
    unwritten: Unwritten,
    pulse: Pulse,
    parts: Parts,
    left_out: LeftOut,
    tasks: Tasks,
    bounds: Bounds,
    now: Arc<Notify>,
}

impl Running {
    fn new(agent: Agent, pulse: Pulse) -> Running {
        let bounds = Bounds { polls: Arc::new(Semaphore::new(POLLS)), by_server: BTreeMap::new() };
        let (config, current) = watch::channel(Arc::default());
        let (stop, lost, unwritten) = (CancellationToken::new(), CancellationToken::new(), Unwritten::default());
        let looker = Looker::new(agent.clock.clone(), agent.drops.clone());
        let looker = looker.beside(unwritten.clone(), agent.held.clone(), lost.clone());
        let looking = look::keep_looking(current, looker, pulse.clone(), stop.clone());
        let running = pulse.spawn("the look at the ledger".to_owned(), stop.clone(), looking);
        let look = Task { made_of: (), stop, running };
        let (parts, left_out, tasks) = (Parts::default(), LeftOut::default(), Tasks::default());
        Running { agent, config, look, lost, unwritten, pulse, parts, left_out, tasks, bounds, now: Arc::default() }
    }

    /// Handles signals. One that ends the agent is heard while the configuration is read again, too: what the reload
    /// was waiting for ends with all the rest.
    async fn until_told_to_end(&mut self, signals: &mut Signals, again: &dyn ReadConfig) -> Result<(), AgentError> {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                () = self.lost.cancelled() => return Err(state_lost()),
                _ = signals.look.recv() => {
                    self.try_what_was_left_out().await;
                    self.look_now();
                }
                () = tokio::time::sleep(AGAIN), if !self.left_out.is_empty() => self.try_what_was_left_out().await,
                _ = signals.reload.recv() => {
                    service::reloading();
                    tokio::select! {
                        () = self.reload(again) => {}
                        () = signals.end() => return Ok(()),
                    }
                    service::ready(&self.summary());
                }
            }
        }
    }

    fn summary(&self) -> String {
        let Tasks { feeds, inboxes, drops, .. } = &self.tasks;
        let directories = if drops.len() == 1 { "directory" } else { "directories" };
        format!("feeds: {}, drop {directories}: {}, inboxes: {}", feeds.len(), drops.len(), inboxes.len())
    }

    async fn reload(&mut self, again: &dyn ReadConfig) {
        let config = match again.read() {
            Ok(config) => config,
            Err(mistakes) => return lines::reload_refused(&mistakes),
        };
        if self.config.borrow().state_dir != config.state_dir {
            return lines::reload_refused("state_dir cannot change while the agent runs: restart it");
        }
        match self.apply(config).await {
            Ok(()) => lines::reloaded(&self.summary()),
            Err(error) => lines::reload_refused(&format!("{error}: {}", error.hint())),
        }
    }

    /// Starts what a configuration says. What cannot be worked with is left out for now, unless that is everything.
    async fn start(&mut self, config: Config) -> Result<(), AgentError> {
        let (parts, feeds, left_out) = self.agent.prepare(&config, Parts::default());
        let left_out = left_out.unless_everything(&config)?;
        self.parts = parts;
        self.enforce(config, feeds).await;
        self.note_left_out(left_out).await;
        Ok(())
    }

    /// Makes the tasks what a configuration says. Nothing changes where any of it cannot be done that was not left out
    /// already; what did not change goes on undisturbed.
    async fn apply(&mut self, config: Config) -> Result<(), AgentError> {
        let before = Parts {
            peers: self.parts.peers.clone(),
            bells: self.parts.bells.clone(),
            drop_bells: self.parts.drop_bells.clone(),
        };
        let (parts, feeds, left_out) = self.agent.prepare(&config, before);
        let left_out = left_out.unless_new(&self.left_out)?;
        self.parts = parts;
        self.enforce(config, feeds).await;
        self.note_left_out(left_out).await;
        Ok(())
    }

    async fn enforce(&mut self, config: Config, feeds: BTreeMap<String, Feed>) {
        self.end_what_changed(&config, &feeds).await;
        self.start_drops_and_inboxes(&config).await;
        self.agent.left_behind(&config).await.tell();
        self.start_feeds(feeds);
        self.config.send_replace(Arc::new(config));
    }

    /// Starts what was left out and can be worked with now. All the rest goes on undisturbed.
    async fn try_what_was_left_out(&mut self) {
        if self.left_out.is_empty() {
            return;
        }
        let config = self.config.borrow().clone();
        let mut left_out = LeftOut::default();
        for name in self.left_out.servers.keys() {
            let Some(server) = config.servers.get(name) else { continue };
            match self.agent.connect(name, server, None) {
                Ok(peer) => drop(self.parts.peers.insert(name.clone(), peer)),
                Err(error) => drop(left_out.servers.insert(name.clone(), error.into())),
            }
        }
        let is_new = |name: &str| !self.tasks.feeds.contains_key(name);
        let feeds = self.agent.feeds(&config, &self.parts, &mut left_out, is_new);
        self.start_drops_and_inboxes(&config).await;
        self.start_feeds(feeds);
        self.note_left_out(left_out).await;
    }

    /// Tells of what is left out, and notes it for those who look.
    async fn note_left_out(&mut self, left_out: LeftOut) {
        let config = self.config.borrow().clone();
        left_out.tell(&self.left_out, &config);
        let feeds = config.feeds.iter();
        let feeds = feeds.filter_map(|(name, feed)| Some((name.clone(), left_out.of_feed(name, feed)?.with_hint())));
        self.unwritten.set_left_out(feeds.collect());
        self.agent.note_left_out(&config, &left_out).await;
        self.left_out = left_out;
    }

    /// Ends what is not wanted any more, or not as it is, all at once.
    async fn end_what_changed(&mut self, config: &Config, wanted: &BTreeMap<String, Feed>) {
        let (tasks, parts) = (&mut self.tasks, &self.parts);
        tasks.end_drops(|name, made_of| config.drops.get(name) == Some(made_of));
        tasks.end_inboxes(|name, (settings, peer)| {
            config.inboxes.get(name) == Some(settings) && Same(parts.peer(&settings.server)) == *peer
        });
        tasks.end_feeds(|name, made_of| wanted.get(name).is_some_and(|feed| OfFeed::new(feed) == *made_of));
        tasks.gone().await;
    }

    async fn start_drops_and_inboxes(&mut self, config: &Config) {
        let mut watched = Vec::new();
        for (name, settings) in &config.drops {
            if self.tasks.drops.contains_key(name) {
                continue;
            }
            let stop = CancellationToken::new();
            let walk = self.agent.drop_walk(name, settings, &self.parts, &stop);
            let (watching, is_watched) = oneshot::channel();
            watched.push(is_watched);
            let running = self.pulse.spawn(format!("drop directory {name}"), stop.clone(), walk.run(watching));
            self.tasks.drops.insert(name.clone(), Task { made_of: settings.clone(), stop, running });
        }
        for (name, settings) in &config.inboxes {
            if self.tasks.inboxes.contains_key(name) {
                continue;
            }
            let stop = CancellationToken::new();
            let peer = Same(self.parts.peer(&settings.server));
            if let Some(walk) = self.agent.inbox(name, settings, &self.parts, &stop) {
                let running = self.pulse.spawn(format!("inbox {name}"), stop.clone(), walk.run());
                self.tasks.inboxes.insert(name.clone(), Task { made_of: (settings.clone(), peer), stop, running });
            }
        }
        // Who is told that the agent is ready may rename files into place. A directory that hangs holds up nothing else.
        let all = async {
            for one in watched {
                let _ = one.await;
            }
        };
        let _ = tokio::time::timeout(WATCHED, all).await;
    }

    fn start_feeds(&mut self, feeds: BTreeMap<String, Feed>) {
        for (name, mut feed) in feeds {
            if self.tasks.feeds.contains_key(&name) {
                continue;
            }
            let stop = CancellationToken::new();
            feed.stop = stop.clone();
            let made_of = OfFeed::new(&feed);
            let one = self.bounds.by_server.entry(feed.settings.server.clone());
            let one = one.or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
            let (polls, now, pulse) = (self.bounds.polls.clone(), self.now.clone(), self.pulse.clone());
            let polling = keep_polling(feed, polls, one, now, pulse, self.unwritten.clone());
            let running = self.pulse.spawn(format!("feed {name}"), stop.clone(), polling);
            self.tasks.feeds.insert(name, Task { made_of, stop, running });
        }
    }

    fn look_now(&self) {
        lines::looking_now();
        self.now.notify_waiters();
        self.parts.drop_bells.values().chain(self.parts.bells.values()).for_each(crate::push::Bell::ring_to_hurry);
    }

    async fn stop(mut self) {
        self.tasks.end_feeds(|_, _| false);
        self.tasks.end_drops(|_, _| false);
        self.tasks.end_inboxes(|_, _| false);
        if !self.tasks.gone().await {
            lines::abandoned_in_flight(tasks::GRACE);
        }
        // Last of all, so that the metrics say how it ended.
        self.look.stop.cancel();
        let _ = tokio::time::timeout(LAST_LOOK, self.look.running).await;
    }
}

fn state_lost() -> AgentError {
    AgentError::System {
        what: "go on",
        source: io::Error::other("state_dir, or a file in it, was removed or replaced"),
    }
}

/// One feed, whenever it is due.
async fn keep_polling(
    feed: Feed,
    polls: Arc<Semaphore>,
    one: Arc<Semaphore>,
    now: Arc<Notify>,
    pulse: Pulse,
    unwritten: Unwritten,
) {
    let (mut standing, mut ledger) = (Standing::default(), Standing::default());
    let mut starting = true;
    let mut hurry = Box::pin(now.notified());
    // It was told by another task, before a reload or a restart.
    let mut failed_before = is_known_to_fail(&feed).await;
    while !feed.stop.is_cancelled() {
        let hurried = wait_until_due(&feed, starting, hurry.as_mut()).await;
        // Who asks during a poll wants another one after it.
        hurry.set(now.notified());
        starting = false;
        if feed.stop.is_cancelled() {
            return;
        }
        let permits = async { (one.acquire().await, polls.acquire().await) };
        let _permits = tokio::select! {
            permits = permits => permits,
            () = feed.stop.cancelled() => return,
        };
        pulse.set_polling(&feed.name, true);
        let ended = feed.poll_and_tell(&mut standing).await;
        pulse.set_polling(&feed.name, false);
        if hurried && let Ended::Failed(Failure { not_before: Some(_), words, .. }) = &ended {
            lines::pause_stays(&feed.name, words);
        }
        if std::mem::take(&mut failed_before) && ended == Ended::UpToDate {
            lines::poll_works_again(&feed.name);
        }
        if !note(&feed, &ended, &unwritten, &mut ledger).await {
            tokio::select! {
                () = tokio::time::sleep(WITHOUT_LEDGER) => {}
                () = hurry.as_mut() => {}
                () = feed.stop.cancelled() => {}
            }
        }
    }
}

/// Notes when the feed is polled next, and what the ledger does not take; gives whether it took the time.
async fn note(feed: &Feed, ended: &Ended, unwritten: &Unwritten, standing: &mut Standing) -> bool {
    let next = schedule::next(&feed.settings.schedule, ended, feed.clock.now(), fastrand::u64(..));
    let kept = feed.set_next_poll(next).await;
    match &kept {
        Ok(()) if standing.ends() => lines::ledger_works_again(&feed.name),
        Err(error) if standing.begins(Trouble::Passing) => lines::ledger_trouble(&feed.name, error),
        _ => {}
    }
    unwritten.note(feed, ended, kept.as_ref().copied()).await;
    kept.is_ok()
}

/// True: somebody hurries.
async fn wait_until_due(feed: &Feed, starting: bool, mut hurry: Pin<&mut Notified<'_>>) -> bool {
    let due = match feed.next_poll(starting).await {
        Ok(Some(due)) => due,
        Ok(None) | Err(_) => return false,
    };
    let whole = schedule::wait(&feed.settings.schedule, due, feed.clock.now());
    let begun = feed.clock.moment();
    loop {
        // Whoever sets the clock meanwhile: a feed that became due is polled, and none waits longer than it was to.
        let left = schedule::until(due.at, feed.clock.now()).min(whole.saturating_sub(feed.clock.since(begun)));
        if left.is_zero() {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(left.min(GLANCE)) => {}
            () = hurry.as_mut() => return true,
            () = feed.stop.cancelled() => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, E, F, G: Future>(_: impl Fn(A, B, C, D, E, F) -> G) -> usize {
        size_of::<G>()
    }

    #[test]
    fn a_feed_that_waits_takes_little_memory() {
        let size = size_of_future(keep_polling);
        assert!(size < 6 << 10, "{size} bytes for each feed");
    }
}
