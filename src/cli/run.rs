//! `run` and `run --once`.

use std::path::{Path, PathBuf};

use super::confine::Confined;
use super::output::complain;
use super::{End, Result, Trouble, load, read_config, runtime, warn};
use crate::agent::{Agent, ReadConfig, Summary};
use crate::clock::Clock;
use crate::config::Config;
use crate::observe;

struct Again {
    file: PathBuf,
    confined: Confined,
}

impl ReadConfig for Again {
    fn read(&self) -> Result<Config, String> {
        let loaded = read_config(&self.file)?;
        warn(&self.file, &loaded);
        self.confined.check(&loaded.config)?;
        Ok(loaded.config)
    }
}

/// Runs the agent.
pub(super) fn run(file: &Path, once: bool) -> Result<End> {
    let loaded = load(file)?;
    observe::start_log(&loaded.config.log).map_err(Trouble::wrong)?;
    warn(file, &loaded);
    let config = loaded.config;
    let agent = Agent::open(&config.state_dir, Clock::system())?;
    // Before there is a second thread, which would stay outside.
    let confined = Confined::enter(file, &config);
    // Whoever stops reading the log does not stop the agent.
    let beside = observe::write_beside();
    let runtime = runtime()?;
    let end = if once {
        let summary = runtime.block_on(agent.run_once(&config))?;
        drop(beside);
        say(&summary);
        if summary.is_good() { End::Good } else { End::Failed }
    } else {
        let again = Again { file: file.to_owned(), confined };
        let ended = runtime.block_on(agent.run(config, &again));
        drop(beside);
        ended?;
        End::Good
    };
    // A blocking step that is still at it has been given its time.
    runtime.shutdown_background();
    Ok(end)
}

/// What failed, where, and what to do about it. What worked is in the log.
fn say(summary: &Summary) {
    for (feed, words) in &summary.failed_feeds {
        complain(&format!("feed `{feed}` failed: {words}"), "");
    }
    for (what, words, hint) in &summary.trouble {
        complain(&format!("{what}: {words}"), hint);
    }
    if summary.quarantined > 0 {
        complain(
            &format!("{} content blocks were put into quarantine", summary.quarantined),
            "see OUTPUT/.quarantine: each has its reason beside it",
        );
    }
    if summary.refused > 0 {
        complain(
            &format!("{} that were dropped cannot be sent", observe::files(summary.refused)),
            "see DROP/failed: each has its receipt beside it",
        );
    }
    for (inbox, files, reason) in &summary.undelivered {
        complain(
            &format!("inbox `{inbox}`: {} failed or still pending: {reason}", observe::files(*files)),
            "see `taxii-sync status`; what is pending is tried again by the next run",
        );
    }
}
