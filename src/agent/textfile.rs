//! Keeping the metrics fresh: every half minute, and soon after every change of health.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::observe::lines;
use crate::observe::metrics::{self, Up};
use crate::observe::status::Status;
use crate::store::ledger::Ledger;

/// How often it is looked whether the health has changed.
const LOOK: Duration = Duration::from_secs(5);

/// How often the file is written without a change.
const WRITE: Duration = Duration::from_secs(30);

/// A long backlog takes time to count: not more than this part of one core goes into it …
const SHARE: u32 = 20;

/// … unless that would make the file look stale.
const LONGEST: Duration = Duration::from_secs(60);

/// Writes the metrics, and remembers what it has written.
#[derive(Debug)]
pub(super) struct Writer {
    clock: Clock,
    /// A connection of its own, so that nobody waits for a look at everything.
    ledger: Option<Ledger>,
    written: Option<(Instant, bool)>,
    failed: bool,
}

impl Writer {
    /// A writer that has not written yet.
    pub(super) fn new(clock: Clock) -> Writer {
        Writer { clock, ledger: None, written: None, failed: false }
    }

    /// Looks at the ledger and writes the file where it is due. Trouble is one line when it begins and one when it
    /// ends. Blocks.
    pub(super) fn look(&mut self, config: &Config, up: Up) {
        let Some(textfile) = &config.metrics_textfile else { return };
        let tried = self.status(config).and_then(|status| {
            let health = status.is_healthy();
            let fresh = self.written.is_some_and(|(at, was)| was == health && self.clock.since(at) < WRITE);
            if !(fresh && up == Up::Yes) {
                metrics::write(textfile, &metrics::render(config, &status, up)).map_err(|error| error.to_string())?;
                self.written = Some((self.clock.moment(), health));
            }
            Ok(())
        });
        match &tried {
            Ok(()) if self.failed => lines::metrics_work_again(),
            Err(error) if !self.failed => lines::metrics_trouble(error),
            _ => {}
        }
        self.failed = tried.is_err();
    }

    fn status(&mut self, config: &Config) -> Result<Status, String> {
        if self.ledger.is_none() {
            self.ledger = Ledger::open_to_read(&config.state_dir).map_err(|error| error.to_string())?;
        }
        let report = self.ledger.as_ref().map(Ledger::report).transpose().map_err(|error| error.to_string());
        if report.is_err() {
            self.ledger = None;
        }
        Ok(Status::new(config, report?.unwrap_or_default(), self.clock.now()))
    }
}

/// Keeps the file fresh, whatever the configuration becomes, until `stop`. The last thing it says is that the agent
/// is gone.
pub(super) async fn keep_writing(mut config: watch::Receiver<Arc<Config>>, clock: Clock, stop: CancellationToken) {
    let mut writer = Writer::new(clock.clone());
    loop {
        let current = config.borrow_and_update().clone();
        let begun = clock.moment();
        let Some(back) = look(writer, current.clone(), Up::Yes).await else { return };
        writer = back;
        let pause = (clock.since(begun) * SHARE).clamp(LOOK, LONGEST);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = config.changed() => match changed {
                // A textfile that is given up must not go on saying that the agent is up.
                Ok(()) if config.borrow().metrics_textfile != current.metrics_textfile => {
                    let Some(back) = look(writer, current, Up::No).await else { return };
                    writer = back;
                }
                Ok(()) => {}
                Err(_) => break,
            },
            () = stop.cancelled() => break,
        }
    }
    let current = config.borrow().clone();
    look(writer, current, Up::No).await;
}

/// One look, on a thread that may block. `None`: it panicked, or the runtime ends.
async fn look(mut writer: Writer, config: Arc<Config>, up: Up) -> Option<Writer> {
    let looked = spawn_blocking(move || {
        writer.look(&config, up);
        writer
    });
    looked.await.ok()
}
