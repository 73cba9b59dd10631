//! `poll` into a directory: the agent's own walk, with a ledger that nobody keeps.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Wanted, shown_directory};
use crate::cli::args::PollArguments;
use crate::cli::output::{Say, complain, counted, json as print};
use crate::cli::services::redacted;
use crate::cli::target::{self, Target};
use crate::cli::{End, Result, Trouble, progress, runtime};
use crate::clock::Clock;
use crate::config::{self, Start};
use crate::peer::Patience;
use crate::poll::{Ended, Failure, Feed};
use crate::store::ledger::{FeedRow, Ledger};
use crate::store::output::{Manner, Staging, remove_own_staging};
use crate::taxii::message::ServiceType;
use crate::taxii::time::later;

/// Somebody waits, and a result that is not waited for is lost.
const PATIENCE: Patience = Patience {
    retries: 1,
    within: Duration::from_secs(15),
    longest_wait: Duration::from_secs(300),
    waits: Duration::from_secs(300),
};

/// A server's clock may be a little short of the end that is asked for: that is not asked for again and again. The end
/// itself lies later by as much, so that nothing is left out.
const SLACK: Duration = Duration::from_secs(2);

/// What a poll came to.
struct Fetched {
    ended: Ended,
    row: FeedRow,
}

/// Polls, and writes the content into a directory.
pub(super) fn fetch(mut wanted: Wanted, arguments: &PollArguments) -> Result<End> {
    let directory = arguments.to.as_path();
    let mut fetched = polled(&wanted, directory)?;
    if let Some(url) = arguments.url.as_ref().filter(|_| fetched.brought_nothing(&wanted)) {
        let found = runtime()?.block_on(advertised_at(url, &wanted, arguments))?;
        if let Some(target) = found {
            wanted.target = target;
            fetched = polled(&wanted, directory)?;
        }
    }
    Ok(tell(&wanted, &fetched, directory, arguments.output.json))
}

/// The address of a Discovery Service is often what people know: the Poll Service that it advertises is polled.
async fn advertised_at(url: &url::Url, wanted: &Wanted, arguments: &PollArguments) -> Result<Option<Target>> {
    let discovery = Target::at(url, ServiceType::Discovery, &arguments.access, &arguments.keep)?.peer;
    let Ok(found) = discovery.address(ServiceType::Poll, Some(&wanted.settings.collection)).await else {
        return Ok(None);
    };
    if found.url == *url {
        return Ok(None);
    }
    let (url, place) = (discovery.shown_url(url), discovery.shown_url(&found.url));
    Say::new(true).line(&format!("{url} is a Discovery Service: polling {place}"));
    Target::at(&found.url, ServiceType::Poll, &arguments.access, &arguments.keep).map(Some)
}

fn polled(wanted: &Wanted, directory: &Path) -> Result<Fetched> {
    let ledger = Arc::new(Ledger::open_temporary()?);
    let own = fastrand::u64(..);
    let mut feed = feed(wanted, ledger.clone(), directory, own);
    let name = feed.name.clone();
    let runtime = runtime()?;
    let words = || so_far(wanted, &ledger, &name);
    let poll = async {
        feed.until = Some(later(wanted.end().await, SLACK));
        feed.poll().await
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = progress::shown(words, poll) => Ok(ended),
            told = interrupted() => Err(told),
        }
    });
    // What still writes has to end before its directory goes.
    drop(runtime);
    let removed = remove_own_staging(directory, own);
    let ended = match ended {
        Ok(ended) => ended,
        Err(told) => {
            told?;
            return Err(Trouble::failed("interrupted", "what is in the directory is complete, but not all there is"));
        }
    };
    removed?;
    let row = ledger.feed_by_name(&name)?.unwrap_or_default();
    Ok(Fetched { ended, row })
}

async fn interrupted() -> Result<()> {
    let catch = |kind| signal(kind).map_err(|error| Trouble::failed(format!("cannot catch signals: {error}"), ""));
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// The feed as it is configured, but for what only makes sense for a poll that moves a cursor.
fn feed(wanted: &Wanted, ledger: Arc<Ledger>, directory: &Path, own: u64) -> Feed {
    let start = wanted.since.as_ref().map_or(Start::Beginning, |since| Start::At(since.at));
    Feed {
        name: wanted.feed.clone().unwrap_or_else(|| wanted.settings.collection.clone()),
        peer: wanted.target.peer.clone(),
        ledger,
        settings: config::Feed {
            start,
            output: directory.to_owned(),
            lag: SLACK,
            overlap: Duration::ZERO,
            max_unread: 0,
            ..wanted.settings.clone()
        },
        query: wanted.query.clone(),
        manner: Manner { mode: wanted.settings.file_mode, group: None, staging: Staging::Own(own) },
        clock: Clock::system(),
        patience: PATIENCE,
        until: None,
        stop: CancellationToken::new(),
        told: Default::default(),
    }
}

fn so_far(wanted: &Wanted, ledger: &Ledger, name: &str) -> String {
    let row = ledger.feed_by_name(name).ok().flatten().unwrap_or_default();
    let FeedRow { files_total, bytes_total, .. } = row;
    let files = counted(files_total, "file");
    format!("polling {}: {files}, {} so far", wanted.shown(), progress::bytes(bytes_total))
}

impl Fetched {
    /// Whether the server answered, but not with content.
    fn brought_nothing(&self, wanted: &Wanted) -> bool {
        let answered = wanted.target.peer.skew().is_some();
        matches!(self.ended, Ended::Failed(_)) && answered && self.row.files_total + self.row.quarantined_total == 0
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.ended {
            Ended::Failed(failure) => Some(failure),
            Ended::UpToDate | Ended::Stopped => None,
        }
    }
}

fn tell(wanted: &Wanted, fetched: &Fetched, directory: &Path, as_json: bool) -> End {
    let Fetched { row, .. } = fetched;
    let directory = shown_directory(directory);
    let upto = row.cursor.as_ref().map(|cursor| cursor.text.as_str());
    let say = Say::new(as_json);
    let (from, files, bytes) = (wanted.from(), counted(row.files_total, "file"), progress::bytes(row.bytes_total));
    let range = match upto {
        _ if row.data_set => "the whole DATA_SET".to_owned(),
        Some(upto) => format!("from {from} up to {upto}"),
        None => format!("from {from}"),
    };
    say.line(&format!("{}: {files}, {bytes} in {} ({range})", wanted.shown(), directory.display()));
    if row.empty_total > 0 {
        say.line(&format!("without content: {}", counted(row.empty_total, "content block")));
    }
    if row.quarantined_total > 0 {
        complain(
            &format!("put into quarantine: {}", counted(row.quarantined_total, "content block")),
            &format!("see {}: each has its reason beside it", directory.join(".quarantine").display()),
        );
    }
    if let Some(failure) = fetched.failure() {
        let hint = if failure.hint.is_empty() { target::CHECK } else { &failure.hint };
        complain(&format!("polling {} failed: {}", wanted.shown(), failure.words), hint);
    }
    if as_json {
        let answer = json!({
            "feed": wanted.feed,
            "server": wanted.target.name,
            "collection": wanted.settings.collection,
            "directory": directory.display().to_string(),
            "since": wanted.since.as_ref().filter(|_| !row.data_set).map(|since| &since.text),
            "until": upto,
            "files": row.files_total,
            "bytes": row.bytes_total,
            "quarantined": row.quarantined_total,
            "empty": row.empty_total,
            "error": fetched.failure().map(ToString::to_string),
        });
        print(&redacted(&wanted.target.peer, answer));
    }
    if fetched.failure().is_none() && row.quarantined_total == 0 { End::Good } else { End::Failed }
}
