//! Walk 1: a content block, from the wire to a reader.
//!
//! [`Feed::poll`] reads from top to bottom: the output directory is opened (and an
//! earlier end mended), the ledger gives the cursor or a result under way, ranges are asked for one after the other up
//! to one instant of the server's clock, and each result is fetched part by part. A part is staged while it arrives,
//! made durable, committed and handed over before the next one is asked for; the cursor moves with the last.

mod intake;
mod opening;
mod place;
mod result;
mod rounding;
mod time;
mod tries;
mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use url::Url;

use crate::clock::Clock;
use crate::config;
use crate::observe::{Standing, Told, Trouble, files, lines};
use crate::peer::{Patience, Peer, PeerError};
use crate::store::ledger::{Cursor, FeedRow, Ledger, Totals};
use crate::store::output::{Manner, Output, Staging};
use crate::store::{Result, StoreError};
use crate::taxii::exchange::{self, CursorMove, Pace, Plan, Poll};
use crate::taxii::message::Query;
use crate::taxii::status::{Class, still_waits};
use crate::taxii::time::{Timestamp, earlier};

use result::Outcome;
use tries::Cuts;
use unreadable::Unreadable;

/// A PENDING result is given up after this long.
const PENDING: Duration = Duration::from_secs(24 * 3600);

/// One feed, ready to be polled.
#[derive(Debug)]
pub struct Feed {
    /// Its name in the configuration.
    pub name: String,
    /// Its server.
    pub peer: Arc<Peer>,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// Its configuration.
    pub settings: config::Feed,
    /// The query, read from `query_file`.
    pub query: Option<Query>,
    /// How what is handed over shall be.
    pub manner: Manner,
    /// Our clock.
    pub clock: Clock,
    /// How long trouble is put up with before the poll fails.
    pub patience: Patience,
    /// Up to here, by the server's clock; `None`: up to now.
    pub until: Option<DateTime<Utc>>,
    /// Set when the agent stops: the poll ends at the next step that can be taken up again.
    pub stop: CancellationToken,
    /// What the log holds already.
    pub told: Told,
}

/// When a feed is polled next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The time, as it was chosen after the poll before.
    pub at: DateTime<Utc>,
    /// That poll failed: it may be a wait for an administrator, or one that the server asked for.
    pub failed: bool,
}

/// How a poll ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything up to the asked instant is in place.
    UpToDate,
    /// The agent stops.
    Stopped,
    /// It failed; what is in place stays, and the next poll goes on from there.
    Failed(Failure),
}

impl Ended {
    /// Tells of it in the log: one line per change of health, not one per poll.
    fn tell(&self, feed: &str, standing: &mut Standing) {
        match self {
            Ended::Failed(failure) => {
                let trouble = if failure.admin { Trouble::Admin } else { Trouble::Passing };
                match standing.begins(trouble) {
                    true => lines::poll_failed(feed, &failure.words, &failure.hint),
                    false => lines::poll_failed_again(feed, &failure.words),
                }
            }
            Ended::UpToDate if standing.ends() => lines::poll_works_again(feed),
            Ended::UpToDate | Ended::Stopped => {}
        }
    }
}

/// Why a poll failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, for the operator.
    pub words: String,
    /// What the operator can do; empty where there is nothing but waiting.
    pub hint: String,
    /// Not to be polled before, because the server asked for it.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether somebody has to do something.
    pub admin: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.hint.as_str() {
            "" => f.write_str(&self.words),
            hint => write!(f, "{} ({hint})", self.words),
        }
    }
}

impl Failure {
    fn of_store(error: &StoreError) -> Failure {
        Failure { words: error.to_string(), hint: error.hint().to_owned(), not_before: None, admin: false }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::of_store(&error)
    }
}

impl From<PeerError> for Failure {
    fn from(error: PeerError) -> Failure {
        let admin = error.class() == Class::Admin;
        Failure { words: error.to_string(), hint: error.hint(), not_before: None, admin }
    }
}

/// What the rest of a poll needs to know.
struct Setting {
    output: Arc<Output>,
    row: FeedRow,
    plan: Plan,
    pace: Pace,
    /// A DATA_SET: it is asked for whole and has no cursor.
    set: bool,
}

/// What the cursor of a feed belongs to: with another identity it starts afresh.
pub fn identity(settings: &config::Feed, query: Option<&Query>) -> String {
    let query = query.map(|query| &query.xml);
    // JSON keeps the parts apart whatever they hold.
    serde_json::json!([
        settings.server,
        settings.collection,
        settings.subscription_id,
        settings.content_bindings,
        query
    ])
    .to_string()
}

impl Feed {
    fn identity(&self) -> String {
        identity(&self.settings, self.query.as_ref())
    }

    /// Polls, and tells in the log how it ended. All lines about one poll bear the same id.
    pub async fn poll_and_tell(&self, standing: &mut Standing) -> Ended {
        let poll = async {
            let ended = self.poll().await;
            ended.tell(&self.name, standing);
            self.told.turn();
            ended
        };
        // What a poll holds is many times what a feed holds that waits for the next one.
        Box::pin(poll.instrument(lines::poll_span())).await
    }

    /// Polls up to now, and notes in the ledger how it ended.
    pub async fn poll(&self) -> Ended {
        let ended = match self.walk().await {
            Ok(ended) => ended,
            Err(failure) => Ended::Failed(failure),
        };
        if ended == Ended::UpToDate
            && let Err(error) = self.forget_what_is_old().await
        {
            lines::ledger_trouble(&self.name, &error);
        }
        if matches!(ended, Ended::Failed(_)) {
            self.peer.forget_addresses();
        }
        let noted = self.note(ended.clone()).await;
        match noted {
            Ok(()) => ended,
            Err(error) => Ended::Failed(Failure::of_store(&error)),
        }
    }

    /// When the feed is to be polled next, as the ledger has it; `None`: now. A feed that failed is due when the agent
    /// starts (somebody may have mended it), unless the server asked for a pause.
    pub async fn next_poll(&self, starting: bool) -> Result<Option<Due>> {
        // What is noted of a feed with another identity is not about this one.
        let Some(row) = self.row().await?.filter(|row| row.identity == self.identity()) else { return Ok(None) };
        let (failed, now) = (row.last_error.is_some(), self.clock.now());
        let asked = row.not_before.filter(|until| still_waits(*until, now));
        let at = if starting && failed { asked } else { row.next_poll };
        Ok(at.map(|at| Due { at, failed }))
    }

    /// Notes when the feed is to be polled next.
    pub async fn set_next_poll(&self, at: DateTime<Utc>) -> Result<()> {
        let (ledger, name, identity) = (self.ledger.clone(), self.name.clone(), self.identity());
        blocking(move || Ok(ledger.set_next_poll(ledger.feed(&name, &identity)?.id, at)?)).await
    }

    /// Blocks that were ever put into quarantine.
    pub async fn quarantined(&self) -> Result<u64> {
        Ok(self.row().await?.map_or(0, |row| row.quarantined_total))
    }

    async fn row(&self) -> Result<Option<FeedRow>> {
        let (ledger, name) = (self.ledger.clone(), self.name.clone());
        blocking(move || Ok(ledger.feed_by_name(&name)?)).await
    }

    /// What was handed over is known for `remember`.
    async fn forget_what_is_old(&self) -> Result<()> {
        let (ledger, name, now) = (self.ledger.clone(), self.name.clone(), self.clock.now());
        let before = earlier(now, self.settings.remember);
        blocking(move || match ledger.feed_by_name(&name)? {
            Some(row) => Ok(ledger.forget_handed_over(row.id, before, now)?),
            None => Ok(()),
        })
        .await
    }

    async fn note(&self, ended: Ended) -> Result<()> {
        let (ledger, name, identity) = (self.ledger.clone(), self.name.clone(), self.identity());
        let (now, skew) = (self.clock.now(), self.peer.skew());
        blocking(move || {
            let row = ledger.feed(&name, &identity)?;
            let skew = skew.map_or(row.skew, |skew| skew.num_milliseconds());
            match ended {
                Ended::UpToDate => ledger.note_success(row.id, now, skew)?,
                Ended::Stopped => {}
                // It was not asked again: what it said before stands.
                Ended::Failed(failure) if failure.not_before.is_some() && failure.not_before == row.not_before => {}
                Ended::Failed(failure) => {
                    ledger.note_error(row.id, now, &failure.to_string(), failure.not_before, skew)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn walk(&self) -> Result<Ended, Failure> {
        let mut setting = self.set_up().await?;
        self.look_at_room(&setting).await?;
        if let Some(until) = setting.row.not_before {
            self.wait_until(until, "the server asked for a pause").await?;
        }
        let (set, found) = self.place().await?;
        let address = self.note_address(&setting, found).await?;
        setting.set = set;
        self.note_kind(&setting, set).await?;
        let mut cuts = Cuts::default();
        if let Some(progress) = self.under_way(&setting).await? {
            let range = progress.range.clone();
            let poll = Poll::resume(setting.plan.clone(), progress);
            lines::poll_resumed(&self.name, poll.part());
            if let Some(until) = poll.progress().not_before {
                self.wait_until(until, "the server is still at work on the result").await?;
            }
            match (self.result(&setting, poll, &address, &mut cuts).await?, range) {
                (Outcome::Stopped, _) => return Ok(Ended::Stopped),
                (Outcome::Halve(why), Some(range)) => {
                    return self.windows(&setting, &address, &mut cuts, Some(Unreadable { range, why })).await;
                }
                _ => {}
            }
        }
        if setting.set {
            return self.whole_set(&setting, &address, &mut cuts).await;
        }
        self.windows(&setting, &address, &mut cuts, None).await
    }

    /// A DATA_SET is asked for whole, each time.
    async fn whole_set(&self, setting: &Setting, address: &Url, cuts: &mut Cuts) -> Result<Ended, Failure> {
        let poll = Poll::new(setting.plan.clone(), None, self.clock.now());
        match self.result(setting, poll, address, cuts).await? {
            Outcome::Moved { .. } | Outcome::Nothing => Ok(Ended::UpToDate),
            Outcome::Stopped => Ok(Ended::Stopped),
            // There is no range that could be halved.
            Outcome::Halve(why) => {
                Err(Failure { words: why.words, hint: String::new(), not_before: None, admin: false })
            }
        }
    }

    /// Free space, and files that nobody has read.
    async fn look_at_room(&self, setting: &Setting) -> Result<(), Failure> {
        let (output, floor, limit) = (setting.output.clone(), self.settings.min_free, self.settings.max_unread);
        let unread = blocking(move || {
            output.need_free(floor)?;
            if limit == 0 { Ok(0) } else { output.unread(limit) }
        })
        .await?;
        if limit > 0 && unread >= limit {
            // Nobody counts further than to the limit.
            let (files, output) = (files(unread), self.settings.output.display());
            let words = format!("at least {files} waiting in {output}, max_unread is {limit}");
            let hint = "the feed goes on when readers have taken some".to_owned();
            return Err(Failure { words, hint, not_before: None, admin: false });
        }
        Ok(())
    }

    /// Range after range, all up to the same instant of the server's clock. `unreadable`: what was under way before
    /// turned out to be unreadable; it is asked for in halves.
    async fn windows(
        &self,
        setting: &Setting,
        address: &Url,
        cuts: &mut Cuts,
        unreadable: Option<Unreadable>,
    ) -> Result<Ended, Failure> {
        let cursor = self.cursor().await?;
        self.look_at_the_clock(cursor.as_ref(), setting, address).await?;
        let skew = self.skew(setting);
        let mut now = self.until.unwrap_or_else(|| exchange::server_now(self.clock.now(), skew));
        // An instant that somebody chose is not ours to correct.
        let mut thought = self.until.is_none().then_some(skew);
        let mut next = match unreadable {
            Some(unreadable) => Some(self.halve(&unreadable, setting)?),
            None => exchange::ask(cursor.as_ref(), self.start(setting), now, &setting.pace),
        };
        let mut last = None;
        while let Some(range) = next {
            let again = self.comes_again(setting, &range).await?;
            let poll = Poll::new(setting.plan.clone(), Some(range.clone()), self.clock.now()).again(again);
            next = match self.result(setting, poll, address, cuts).await? {
                Outcome::Moved { cursor: Some(moved), empty } => {
                    let passed = last.replace(self.clock.moment()).map(|last| self.clock.since(last));
                    if empty && passed.is_some_and(|passed| range.creeps(&moved, passed)) {
                        break;
                    }
                    let stays = matches!(moved, CursorMove::Unchanged { within_overlap: false });
                    // A poll by hand has no cursor that could stay.
                    let kept = self.manner.staging == Staging::Kept;
                    if stays && kept && !range.is_within_a_second() && self.told.first("cursor stays") {
                        lines::cursor_stays(&self.name, &range.end.text);
                    }
                    if let Some(skew) = thought.take() {
                        now = time::corrected(now, skew, self.skew(setting));
                    }
                    if range.is_worn_out(&moved, now, &setting.pace) {
                        let words =
                            "the server shortens the range again and again: the rest is asked for by the next poll";
                        let words = words.to_owned();
                        return Err(Failure { words, hint: String::new(), not_before: None, admin: false });
                    }
                    if let Some(beyond) = range.beyond_rounding(&moved, now, &setting.pace) {
                        self.gets_past(beyond, setting, address).await?;
                    }
                    range.follow(&moved, now, &setting.pace)
                }
                Outcome::Moved { cursor: None, .. } | Outcome::Nothing => None,
                Outcome::Stopped => return Ok(Ended::Stopped),
                Outcome::Halve(why) => Some(self.halve(&Unreadable { range, why }, setting)?),
            };
            if next.is_some() {
                self.look_at_room(setting).await?;
            }
        }
        // The replies may have told that the server's clock was put back.
        self.not_ahead(self.cursor().await?.as_ref(), setting)?;
        Ok(Ended::UpToDate)
    }

    async fn cursor(&self) -> Result<Option<Timestamp>, Failure> {
        let (ledger, name, identity) = (self.ledger.clone(), self.name.clone(), self.identity());
        let row = blocking(move || Ok(ledger.feed(&name, &identity)?)).await?;
        Ok(row.cursor.map(|cursor| Timestamp { text: cursor.text, at: cursor.at }))
    }

    /// Waits as long as a server asked for, where that is not too long. Gives how long that was.
    async fn wait_until(&self, until: DateTime<Utc>, words: &str) -> Result<Duration, Failure> {
        let now = self.clock.now();
        if !still_waits(until, now) {
            return Ok(Duration::ZERO);
        }
        let wait = (until - now).to_std().unwrap_or_default();
        if wait > self.patience.longest_wait {
            return Err(put_off(until, words));
        }
        self.pause(wait).await;
        Ok(wait)
    }

    /// Waits, or less where the agent stops.
    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// The poll ends here, and goes on when the server said.
fn put_off(until: DateTime<Utc>, words: &str) -> Failure {
    Failure {
        words: format!("{words}; the next attempt is at {}", until.format("%Y-%m-%dT%H:%M:%SZ")),
        hint: String::new(),
        not_before: Some(until),
        admin: false,
    }
}

fn saved(cursor: &Timestamp) -> Cursor {
    Cursor { text: cursor.rfc3339(), at: cursor.at }
}

/// Runs blocking work of the store.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and we with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// What a poll brought, for its last line in the log.
#[derive(Clone, Copy, Debug, Default)]
struct Brought {
    totals: Totals,
    empty: u64,
    parts: u32,
}

impl Brought {
    fn is_nothing(&self) -> bool {
        self.totals.files + self.totals.quarantined + self.empty == 0
    }
}
