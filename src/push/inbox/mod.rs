//! Sending what one inbox is owed.

mod attempt;
mod pass;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::blocking;
use super::leave::Drops;
use super::watch::Bell;
use crate::clock::Clock;
use crate::config;
use crate::observe::{Standing, Trouble, lines};
use crate::peer::Peer;
use crate::store::Result;
use crate::store::ledger::{Due, FileId, Ledger, Owed, Settled};
use crate::taxii::status::still_waits;

use pass::Pass;

/// An inbox that is owed nothing is looked after this often; a clock that jumps back makes no wait longer.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// After trouble with the store.
const STORE_TROUBLE: Duration = Duration::from_secs(10);

/// One inbox, ready to be sent to.
#[derive(Clone, Debug)]
pub struct InboxWalk {
    /// Its name in the configuration.
    pub name: String,
    /// Its configuration.
    pub settings: config::Inbox,
    /// Its server.
    pub peer: Arc<Peer>,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// The open drop directories.
    pub drops: Drops,
    /// Rung when files were admitted.
    pub bell: Bell,
    /// Our clock.
    pub clock: Clock,
    /// Set when the agent stops.
    pub stop: CancellationToken,
}

/// What `run --once` came to at one inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Files it accepted, or had accepted before.
    pub accepted: u64,
    /// Files that will not get there: they lie in `failed/`.
    pub failed: u64,
    /// Why the last of them will not.
    pub failed_because: Option<String>,
    /// Files that it is still owed.
    pub pending: u64,
    /// Why the last one that was tried did not get there.
    pub pending_because: Option<String>,
    /// Why files that are owed to nobody any more could not leave, and what can be done.
    pub trouble: Option<(String, &'static str)>,
}

/// What an attempt came to.
struct Attempted {
    settled: Vec<Settled>,
    /// The inbox could not be reached, or has trouble of its own.
    passing: bool,
    /// The server was reached, whatever came back, or nothing was to be sent.
    reached: bool,
    /// It does not take our credentials.
    unauthorized: bool,
    /// Until when the whole inbox is left alone, and why.
    pause: Option<Pause>,
}

/// The inbox is left alone.
struct Pause {
    until: DateTime<Utc>,
    words: String,
    trouble: Trouble,
}

/// How an inbox is, over passes.
#[derive(Debug, Default)]
struct Condition {
    /// Messages in a row that failed for passing reasons, which are the inbox's as far as can be told.
    down: u32,
    /// Until when the agent sends nothing of its own accord; a message that is accepted ends it.
    pause: Option<DateTime<Utc>>,
    standing: Standing,
    /// It was in trouble before a reload or a restart, which somebody else has told.
    failed_before: bool,
}

impl Condition {
    /// Until when the agent sends nothing of its own accord, where that is still to come.
    fn paused(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.pause.filter(|until| still_waits(*until, now))
    }
}

/// What is tried, and how trouble is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// What is due, as the ledger says.
    Due,
    /// Also what waits because the agent chose to: something may have been mended.
    Hurry,
    /// As `Hurry`, and what fails for a passing reason is tried again at once a few times: there is no later.
    Once,
}

impl InboxWalk {
    /// Sends what is owed whenever it is due, until the agent stops.
    pub async fn run(self) {
        let mut condition = Condition { failed_before: self.is_known_to_fail().await, ..Condition::default() };
        let mut mode = Mode::Hurry;
        while !self.stop.is_cancelled() {
            // What a pass holds is many times what an inbox holds that waits for the next one.
            if let Err(error) = Box::pin(Pass::new(&self, mode, &mut condition).run()).await {
                if condition.standing.begins(Trouble::Passing) {
                    lines::inbox_trouble(&self.name, &error.to_string(), error.hint());
                }
                self.pause(STORE_TROUBLE).await;
            }
            self.wait_for_work(&condition).await;
            mode = if self.bell.take_hurry() { Mode::Hurry } else { Mode::Due };
        }
    }

    /// Tries everything that is owed, whatever pause the agent had chosen itself, and what is taken in meanwhile, until
    /// that is `over`.
    pub async fn run_once(self, over: CancellationToken) -> Result<Delivered> {
        Pass::new(&self, Mode::Once, &mut Condition::default()).run_until(Some(over)).await
    }

    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Whether the ledger says that nothing gets there. Trouble with the ledger is told by the first pass.
    async fn is_known_to_fail(&self) -> bool {
        let (ledger, name) = (self.ledger.clone(), self.name.clone());
        blocking(move || Ok(ledger.is_in_trouble(&name)?)).await.unwrap_or_default()
    }

    /// The files that are owed for longest, whatever they wait for.
    async fn oldest(&self, limit: u32) -> Result<Vec<Owed>> {
        let (ledger, inbox) = (self.ledger.clone(), self.name.clone());
        let now = DateTime::<Utc>::MAX_UTC;
        blocking(move || Ok(ledger.due(Due { inbox: &inbox, now, hurry: true, after: 0, limit })?)).await
    }

    /// Notes which server the inbox is at: what another one asked for does not count here.
    async fn note_server(&self) -> Result<()> {
        let (ledger, name, server) = (self.ledger.clone(), self.name.clone(), self.peer.whereabouts());
        blocking(move || Ok(ledger.note_inbox_server(&name, &server)?)).await
    }

    /// Until when the server asked that the whole inbox waits, in an earlier run too, where that is still to come.
    async fn asked_until(&self) -> Result<Option<DateTime<Utc>>> {
        let (ledger, name, now) = (self.ledger.clone(), self.name.clone(), self.clock.now());
        blocking(move || Ok(ledger.asked_until(&name, now)?)).await
    }

    /// Notes that what was dropped meanwhile waits too.
    async fn hold_back(&self, until: DateTime<Utc>) -> Result<()> {
        let (ledger, name) = (self.ledger.clone(), self.name.clone());
        blocking(move || Ok(ledger.hold_back(&name, until)?)).await
    }

    /// When there is something to do, if anything is owed. What was dropped during a pause is due when that is over.
    async fn next(&self, condition: &Condition) -> Result<Option<DateTime<Utc>>> {
        let (ledger, name, now) = (self.ledger.clone(), self.name.clone(), self.clock.now());
        let next = blocking(move || Ok(ledger.next_try(&name, now)?)).await?;
        let paused = self.asked_until().await?.max(condition.paused(now));
        let next = next.max(paused.filter(|_| next.is_some()));
        let expires = self.oldest(1).await?.first().and_then(|owed| self.expires(owed));
        Ok(next.map(|next| expires.map_or(next, |expires| next.min(expires))))
    }

    async fn wait_for_work(&self, condition: &Condition) {
        let pause = match self.next(condition).await {
            Ok(Some(at)) => (at - self.clock.now()).to_std().unwrap_or(Duration::from_millis(50)),
            Ok(None) => LONGEST_WAIT,
            Err(_) => STORE_TROUBLE,
        };
        tokio::select! {
            () = self.bell.wait() => {}
            () = self.pause(pause.min(LONGEST_WAIT)) => {}
        }
    }

    /// Records what attempts came to, and lets leave what is owed to nobody any more.
    async fn record(&self, settled: Vec<Settled>) -> Result<()> {
        let finished = self.write_down(settled, None).await?;
        self.let_leave(finished).await
    }

    /// Records what attempts came to, in one transaction; gives the files that are owed to nobody any more.
    async fn write_down(&self, settled: Vec<Settled>, pause: Option<Pause>) -> Result<Vec<FileId>> {
        let (ledger, name, now) = (self.ledger.clone(), self.name.clone(), self.clock.now());
        blocking(move || {
            let finished = ledger.record(&settled, now)?;
            if let Some(Pause { until, words, .. }) = pause {
                ledger.postpone(&name, until, &words, now)?;
            }
            Ok(finished)
        })
        .await
    }

    async fn let_leave(&self, finished: Vec<FileId>) -> Result<()> {
        let (ledger, drops) = (self.ledger.clone(), self.drops.clone());
        blocking(move || drops.let_leave(&ledger, &finished)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, F: Future>(_: impl Fn(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_inbox_that_waits_takes_little_memory() {
        let size = size_of_future(InboxWalk::run);
        assert!(size < 6 << 10, "{size} bytes for each inbox");
    }
}
