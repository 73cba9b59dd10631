//! What shows that the agent is alive, for systemd's watchdog, and what it is at.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::service;
use crate::clock::Clock;
use crate::observe::lines;

/// The look at the ledger passes through all that every task needs: the runtime, a thread that may block, the disk. It
/// comes every few seconds, at the most every minute; when none has ended for this long, nothing moves any more.
const STUCK: Duration = Duration::from_secs(120);

/// Shared by all tasks.
#[derive(Clone, Debug)]
pub(super) struct Pulse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    looked: Mutex<Instant>,
    lost: AtomicBool,
    polling: Mutex<BTreeSet<String>>,
}

impl Pulse {
    pub(super) fn new(clock: Clock) -> Pulse {
        let looked = Mutex::new(clock.moment());
        Pulse(Arc::new(Shared { clock, looked, lost: AtomicBool::new(false), polling: Mutex::default() }))
    }

    /// Starts a task that goes on until `stop`. One that ends before then, in a panic, is lost.
    pub(super) fn spawn(
        &self,
        what: String,
        stop: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let guard = Guard { pulse: self.clone(), what, stop };
        tokio::spawn(async move {
            let _guard = guard;
            work.await;
        })
    }

    /// A look at the ledger has ended.
    pub(super) fn looked(&self) {
        *self.0.looked.lock().unwrap_or_else(PoisonError::into_inner) = self.0.clock.moment();
    }

    /// Whether every task is there, and something has moved lately.
    pub(super) fn is_sound(&self) -> bool {
        let looked = *self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        !self.0.lost.load(Ordering::Relaxed) && self.0.clock.since(looked) < STUCK
    }

    /// Feeds that are being polled.
    pub(super) fn polling(&self) -> BTreeSet<String> {
        self.0.polling.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A poll begins, or has ended.
    pub(super) fn set_polling(&self, feed: &str, begins: bool) {
        let mut polling = self.0.polling.lock().unwrap_or_else(PoisonError::into_inner);
        if begins {
            polling.insert(feed.to_owned());
        } else {
            polling.remove(feed);
        }
    }

    /// Does the work, and feeds the watchdog meanwhile.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            () = self.feed_the_watchdog() => std::future::pending().await,
        }
    }

    /// Ends only where no watchdog listens.
    async fn feed_the_watchdog(&self) {
        let Some(pace) = service::watchdog_pace() else { return std::future::pending().await };
        loop {
            if self.is_sound() {
                service::watchdog();
            }
            tokio::time::sleep(pace).await;
        }
    }
}

/// Tells when a task ends that was not told to.
struct Guard {
    pulse: Pulse,
    what: String,
    stop: CancellationToken,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            self.pulse.0.lost.store(true, Ordering::Relaxed);
            lines::task_lost(&self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_watchdog_is_fed_only_while_every_task_is_there() {
        let pulse = Pulse::new(Clock::system());
        let stop = CancellationToken::new();
        let told = pulse.spawn("a feed".to_owned(), stop.clone(), stop.clone().cancelled_owned());
        stop.cancel();
        told.await.unwrap();
        assert!(pulse.is_sound(), "it was told to end");
        let lost = pulse.spawn("a feed".to_owned(), CancellationToken::new(), async { panic!("a fault of ours") });
        assert!(lost.await.is_err());
        assert!(!pulse.is_sound());
    }
}
