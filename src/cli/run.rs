//! `run` and `run --once`.

use std::path::{Path, PathBuf};

use super::confine::Confined;
use super::output::{complain, counted};
use super::{End, Result, Trouble, load, read_config, runtime, warn};
use crate::agent::{Agent, ReadConfig, Summary};
use crate::clock::Clock;
use crate::config::{Config, Drop};
use crate::observe;
use crate::store::disk::show;

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
        say(&config, &summary);
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

/// What can be done where nobody knows better.
const ASK: &str = "`taxii-sync check --online` asks the server and says what would not work";

/// What failed, where, and what to do about it. What worked is in the log.
fn say(config: &Config, summary: &Summary) {
    for (feed, words, hint) in &summary.failed_feeds {
        let hint = if hint.is_empty() { ASK } else { hint };
        complain(&format!("feed `{feed}` failed: {words}"), &format!("{hint}; it is tried again by the next run"));
    }
    for (what, words, hint) in &summary.trouble {
        complain(&format!("{what}: {words}"), hint);
    }
    for (feed, blocks) in &summary.quarantined {
        let place = config.feeds.get(feed).map(|feed| show(feed.output.join(".quarantine"))).unwrap_or_default();
        let blocks = counted(*blocks, "content block");
        complain(
            &format!("feed `{feed}`: put into quarantine: {blocks}"),
            &format!("see {place}: each has its reason beside it"),
        );
    }
    for (drop, files) in &summary.refused {
        let place = failed_of(config, |name, _| name == drop);
        let files = counted(*files, "file");
        complain(
            &format!("drop directory `{drop}`: cannot be sent: {files}"),
            &format!("see {place}: each has its receipt beside it"),
        );
    }
    for (inbox, files, because) in &summary.failed {
        let place = failed_of(config, |_, drop| drop.inboxes.contains(inbox));
        complain(
            &format!("inbox `{inbox}`: {} failed: {because}", counted(*files, "file")),
            &format!(
                "see {place}: each has its receipt beside it; once the cause is gone, `taxii-sync retry` puts it back"
            ),
        );
    }
    for (inbox, files, because) in &summary.pending {
        complain(
            &format!("inbox `{inbox}`: {} pending: {because}", counted(*files, "file")),
            &format!("{ASK}; what is pending is tried again by the next run"),
        );
    }
}

/// Where the failed files of some drop directories lie.
fn failed_of(config: &Config, wanted: impl Fn(&str, &Drop) -> bool) -> String {
    let drops = config.drops.iter().filter(|(name, drop)| wanted(name, drop));
    drops.map(|(_, drop)| show(drop.path.join("failed"))).collect::<Vec<_>>().join(" and ")
}
