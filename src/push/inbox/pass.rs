//! One pass over what an inbox is owed, `connections` messages at a time: under way, or landed and not recorded yet, for
//! so many are sent again after a crash.
//!
//! What messages came to is recorded while others are under way: whatever lands during one transaction shares the next.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::super::blocking;
use super::attempt::{Hash, Hold, Ready};
use super::{Attempted, Condition, Delivered, InboxWalk, Mode, Pause};
use crate::observe::{Trouble, lines};
use crate::peer::Patience;
use crate::store::Result;
use crate::store::ledger::{Due, FileId, Outcome, Owed, Settled};
use crate::taxii::status::backoff;
use crate::taxii::time::later;

/// So many files are looked up at once.
const LOOKED_UP: u32 = 256;

/// Files leave together that are accepted within this time.
const GATHERED: Duration = Duration::from_millis(50);

/// Verdicts are recorded together that come in within this time, while others are under way …
const RECORDED: Duration = Duration::from_millis(1);

/// … or as soon as one in so many of those that may be under way has landed.
const ONE_IN: usize = 2;

/// After so many messages in a row that failed for passing reasons it is the inbox that is taken to be down, not the
/// files.
const DOWN: u32 = 2;

/// A message that has landed: the files it held, and what it came to.
type Landed = (Vec<Owed>, Result<Attempted>);

/// What has landed and is not recorded yet.
#[derive(Default)]
struct Verdicts {
    messages: usize,
    settled: Vec<Settled>,
    pause: Option<Pause>,
    /// Files that may be looked up again once this is recorded.
    again: Vec<FileId>,
    /// Contents that are under way until this is recorded.
    contents: Vec<Hash>,
}

/// What is recorded.
struct Recorded {
    again: Vec<FileId>,
    contents: Vec<Hash>,
    /// Files that are owed to nobody any more.
    finished: Vec<FileId>,
}

/// What goes on at once in a pass.
#[derive(Default)]
struct UnderWay {
    flying: JoinSet<Landed>,
    preparing: Option<JoinHandle<Result<Vec<Ready>>>>,
    recording: Option<JoinHandle<Result<Recorded>>>,
    leaving: Option<JoinHandle<Result<()>>>,
}

impl UnderWay {
    /// Whether files may soon be owed to nobody any more that still are.
    fn may_finish_more(&self) -> bool {
        !self.flying.is_empty() || self.preparing.is_some() || self.recording.is_some()
    }
}

/// One pass.
pub(super) struct Pass<'a> {
    walk: &'a InboxWalk,
    mode: Mode,
    condition: &'a mut Condition,
    /// Files that are not to be looked up: they are under way, or were tried and a second time is not wanted.
    taken: HashSet<FileId>,
    /// Contents that are under way: the same content in another file waits for what becomes of them.
    under_way: HashSet<Hash>,
    queue: VecDeque<Owed>,
    hold: Arc<Hold>,
    verdicts: Verdicts,
    /// How many messages are being recorded.
    recording: usize,
    /// What has landed is recorded from this moment on.
    record_at: Instant,
    /// Files that are to leave …
    finished: Vec<FileId>,
    /// … from this moment on.
    leave_at: Instant,
    delivered: Delivered,
    /// The inbox takes nothing just now.
    paused: bool,
    /// The last message reached the server: it is there.
    reached: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(walk: &'a InboxWalk, mode: Mode, condition: &'a mut Condition) -> Pass<'a> {
        Pass {
            walk,
            mode,
            condition,
            taken: HashSet::new(),
            under_way: HashSet::new(),
            queue: VecDeque::new(),
            hold: Arc::default(),
            verdicts: Verdicts::default(),
            recording: 0,
            record_at: walk.clock.moment(),
            finished: Vec::new(),
            leave_at: walk.clock.moment(),
            delivered: Delivered::default(),
            paused: false,
            reached: true,
        }
    }

    pub(super) async fn run(self) -> Result<Delivered> {
        self.run_until(None).await
    }

    /// The same, until no more files are taken in.
    pub(super) async fn run_until(mut self, mut over: Option<CancellationToken>) -> Result<Delivered> {
        self.walk.note_server().await?;
        self.give_up().await?;
        self.wait_as_asked().await?;
        let mut now = UnderWay::default();
        // Trouble with the store in one delivery does not lose what the others came to; and what cannot leave one drop
        // directory does not keep the files of others here.
        let (mut trouble, mut leaving) = (Ok(()), Ok(()));
        loop {
            if trouble.is_ok() {
                self.prepare(&mut now).await?;
            }
            let wake = earliest(self.record(&mut now), self.leave(&mut now));
            let waits = over.is_some() && trouble.is_ok();
            tokio::select! {
                ready = finished(&mut now.preparing), if now.preparing.is_some() => {
                    let launched = ready.map(|ready| self.launch(ready, &mut now.flying));
                    trouble = trouble.and(launched);
                }
                Some(first) = now.flying.join_next() => {
                    let more = std::iter::from_fn(|| now.flying.try_join_next());
                    let landed: Vec<Landed> = std::iter::once(first).chain(more).filter_map(joined).collect();
                    let landed = self.land(landed);
                    trouble = trouble.and(landed);
                }
                recorded = finished(&mut now.recording), if now.recording.is_some() => {
                    let recorded = recorded.map(|recorded| self.recorded(recorded));
                    trouble = trouble.and(recorded);
                }
                left = finished(&mut now.leaving), if now.leaving.is_some() => leaving = leaving.and(left),
                () = until(wake), if wake.is_some() => {}
                () = self.walk.bell.wait(), if waits => {}
                () = cancelled(over.as_ref()), if waits => over = None,
                else => break,
            }
        }
        trouble?;
        self.count_what_is_left().await?;
        self.delivered.trouble = leaving.err().map(|error| (error.to_string(), error.hint()));
        Ok(self.delivered)
    }

    /// Begins to make messages ready, where none are: what there is room for shares a transaction.
    async fn prepare(&mut self, now: &mut UnderWay) -> Result<()> {
        if now.preparing.is_some() {
            return Ok(());
        }
        let taken = now.flying.len() + self.verdicts.messages + self.recording;
        let room = (self.walk.settings.connections as usize).saturating_sub(taken);
        let batches = self.next_batches(room).await?;
        let walk = self.walk.clone();
        now.preparing = (!batches.is_empty()).then(|| tokio::spawn(Box::pin(async move { walk.ready(batches).await })));
        Ok(())
    }

    fn launch(&self, ready: Vec<Ready>, flying: &mut JoinSet<Landed>) {
        for ready in ready {
            let (walk, mode, batch) = (self.walk.clone(), self.patience(), ready.batch.clone());
            let hold = self.hold.clone();
            // A message under way takes much memory, which is not to be moved.
            flying.spawn(Box::pin(async move { (batch, walk.deliver(ready, mode, &hold).await) }));
        }
    }

    /// Begins to record what has landed, in one transaction; or says when to.
    fn record(&mut self, now: &mut UnderWay) -> Option<Instant> {
        if now.recording.is_some() || self.verdicts.messages == 0 {
            return None;
        }
        let enough = self.verdicts.messages * ONE_IN >= self.walk.settings.connections as usize;
        if !enough && !now.flying.is_empty() && self.record_at > self.walk.clock.moment() {
            return Some(self.record_at);
        }
        let Verdicts { messages, settled, pause, again, contents } = std::mem::take(&mut self.verdicts);
        self.recording = messages;
        let walk = self.walk.clone();
        now.recording = Some(tokio::spawn(async move {
            let finished = walk.write_down(settled, pause).await?;
            Ok(Recorded { again, contents, finished })
        }));
        None
    }

    fn recorded(&mut self, recorded: Recorded) {
        self.recording = 0;
        for file in recorded.again {
            self.taken.remove(&file);
        }
        for content in recorded.contents {
            self.under_way.remove(&content);
        }
        self.finished.extend(recorded.finished);
    }

    /// Begins to let leave what is owed to nobody any more, many files together, while others are sent; or says when to.
    fn leave(&mut self, now: &mut UnderWay) -> Option<Instant> {
        if now.leaving.is_some() || self.finished.is_empty() {
            return None;
        }
        if now.may_finish_more() && self.leave_at > self.walk.clock.moment() {
            return Some(self.leave_at);
        }
        self.leave_at = self.walk.clock.moment() + GATHERED;
        let (walk, finished) = (self.walk.clone(), std::mem::take(&mut self.finished));
        now.leaving = Some(tokio::spawn(async move { walk.let_leave(finished).await }));
        None
    }

    /// The next files for some messages, fewer where there are no more.
    async fn next_batches(&mut self, most: usize) -> Result<Vec<Vec<Owed>>> {
        let mut batches = Vec::new();
        while batches.len() < most {
            let batch = self.next_batch().await?;
            if batch.is_empty() {
                break;
            }
            self.taken.extend(batch.iter().map(|owed| owed.file.id));
            self.under_way.extend(batch.iter().filter_map(|owed| owed.file.sha256));
            batches.push(batch);
        }
        Ok(batches)
    }

    /// The next files for one message; none where there are none, or nothing is to be sent now.
    async fn next_batch(&mut self) -> Result<Vec<Owed>> {
        let given_up = self.mode == Mode::Once && self.condition.down >= DOWN && !self.reached;
        if self.walk.stop.is_cancelled() || given_up || self.paused {
            return Ok(Vec::new());
        }
        if self.queue.is_empty() {
            self.queue = self.due().await?;
        }
        let single = |owed: &Owed| owed.alone || owed.duplicate;
        let first = self.queue.iter().position(|owed| !self.waits(owed));
        let mut batch: Vec<Owed> = first.and_then(|first| self.queue.remove(first)).into_iter().collect();
        if batch.first().is_some_and(single) {
            return Ok(batch);
        }
        let most = self.walk.settings.max_batch as usize;
        while batch.len() < most
            && let Some(next) = self.queue.front()
            && !single(next)
            && !self.waits(next)
            && (self.walk.resends(next) || !batch.iter().any(|one| one.file.sha256 == next.file.sha256))
        {
            batch.extend(self.queue.pop_front());
        }
        Ok(batch)
    }

    /// Whether the same content is under way in another file, and is not to be sent twice.
    fn waits(&self, owed: &Owed) -> bool {
        owed.file.sha256.is_some_and(|content| self.under_way.contains(&content)) && !self.walk.resends(owed)
    }

    /// A wait that the server asked for is for the whole inbox, in a later run and for what is dropped later too; so is a
    /// pause that the agent chose, until it is in a hurry. In `run --once` what is left of the wait is waited for, where
    /// that is not long.
    async fn wait_as_asked(&mut self) -> Result<()> {
        let asked = self.walk.asked_until().await?;
        let chosen = self.condition.paused(self.walk.clock.now()).filter(|_| self.mode == Mode::Due);
        let Some(until) = asked.max(chosen) else { return Ok(()) };
        let wait = (until - self.walk.clock.now()).to_std().unwrap_or_default();
        if self.mode == Mode::Once && wait <= Patience::default().longest_wait {
            self.walk.pause(wait).await;
        } else if !wait.is_zero() {
            self.paused = true;
            self.walk.hold_back(until).await?;
        }
        Ok(())
    }

    /// What is pending for too long is given up, also where it waits because a server asked for it. The oldest come
    /// first.
    async fn give_up(&mut self) -> Result<()> {
        loop {
            let owed = self.walk.oldest(LOOKED_UP).await?;
            let expired: Vec<Settled> = owed.iter().filter_map(|owed| self.walk.expired(owed)).collect();
            let all = expired.len() == LOOKED_UP as usize;
            if let Some(last) = expired.last() {
                self.delivered.failed += expired.len() as u64;
                self.delivered.failed_because = last.words();
                self.walk.record(expired).await?;
            }
            if !all {
                return Ok(());
            }
        }
    }

    /// Every file is tried in `run --once` while the server can be reached at all, but not for long where it has trouble:
    /// what breaks the connection, or gets no answer that can be read, may be one file only.
    fn patience(&self) -> Mode {
        if self.mode == Mode::Once && self.condition.down >= DOWN { Mode::Hurry } else { self.mode }
    }

    async fn due(&self) -> Result<VecDeque<Owed>> {
        let (ledger, name, now) = (self.walk.ledger.clone(), self.walk.name.clone(), self.walk.clock.now());
        let limit = LOOKED_UP.saturating_add(u32::try_from(self.taken.len()).unwrap_or(u32::MAX));
        let hurry = self.mode != Mode::Due;
        let owed = blocking(move || Ok(ledger.due(Due { inbox: &name, now, hurry, after: 0, limit })?)).await?;
        let mut owed: VecDeque<Owed> = owed.into_iter().filter(|owed| !self.taken.contains(&owed.file.id)).collect();
        for one in &mut owed {
            one.duplicate &= !self.walk.resends(one);
        }
        // What has failed does not keep others waiting.
        owed.make_contiguous().sort_by_key(has_failed);
        Ok(owed)
    }

    /// What has come back: what it means for what is sent next, and what is to be recorded.
    fn land(&mut self, landed: Vec<Landed>) -> Result<()> {
        if self.verdicts.messages == 0 {
            self.record_at = self.walk.clock.moment() + RECORDED;
        }
        let (mut pause, mut words, mut accepted, mut trouble) = (None, None, false, Ok(()));
        for (batch, attempted) in landed {
            self.verdicts.contents.extend(batch.iter().filter_map(|owed| owed.file.sha256));
            let attempted = match attempted {
                Ok(attempted) => attempted,
                Err(error) => {
                    trouble = Err(error);
                    continue;
                }
            };
            self.count_trouble(&attempted);
            self.reached = attempted.reached;
            let asked = attempted.settled.iter().any(|one| one.asked);
            // A login that is refused with one file after the other may lock an account.
            self.paused |= self.mode == Mode::Once && (asked || attempted.unauthorized);
            pause = attempted.pause.or(pause);
            words = attempted.settled.iter().rev().find_map(|one| one.message.clone()).or(words);
            if attempted.settled.iter().any(|one| one.outcome == Some(Outcome::Accepted)) {
                (accepted, self.condition.pause) = (true, None);
            }
            self.count(&batch, &attempted.settled);
            self.verdicts.messages += 1;
            self.verdicts.settled.extend(attempted.settled);
        }
        if self.condition.down >= DOWN && pause.is_none() {
            let until = later(self.walk.clock.now(), backoff(self.condition.down, fastrand::u64(..)));
            pause = Some(Pause { until, words: words.unwrap_or_default(), trouble: Trouble::Passing });
        }
        if self.mode == Mode::Once {
            pause = None;
        }
        self.tell(accepted, pause.as_ref());
        self.paused |= pause.is_some();
        self.condition.pause = pause.as_ref().map(|pause| pause.until).or(self.condition.pause);
        self.verdicts.pause = pause.or(self.verdicts.pause.take());
        trouble
    }

    /// FAILURE says something about a file and not about the inbox; where there is no later it is not waited for long.
    fn count_trouble(&mut self, attempted: &Attempted) {
        let about_file = self.mode != Mode::Once && attempted.settled.iter().any(|one| one.refusal);
        self.condition.down = match attempted.passing {
            true if about_file => self.condition.down,
            true => self.condition.down + 1,
            false => 0,
        };
    }

    /// One line when trouble begins, and one when a file is accepted again.
    fn tell(&mut self, accepted: bool, pause: Option<&Pause>) {
        let name = &self.walk.name;
        let Condition { standing, failed_before, .. } = self.condition;
        match pause {
            Some(pause) if standing.begins(pause.trouble) => lines::inbox_paused(name, pause.until, &pause.words),
            Some(pause) => lines::inbox_paused_again(name, pause.until, &pause.words),
            // Both are over.
            None if accepted && (standing.ends() | std::mem::take(failed_before)) => lines::inbox_works_again(name),
            None => {}
        }
    }

    fn count(&mut self, batch: &[Owed], settled: &[Settled]) {
        for one in settled {
            // What was sent in a batch in vain is sent again singly, in this pass too.
            let again = one.outcome.is_none() && one.alone;
            let Delivered { accepted, failed, failed_because, pending_because, .. } = &mut self.delivered;
            match one.outcome {
                Some(outcome) if outcome.is_good() => *accepted += 1,
                Some(_) => {
                    *failed += 1;
                    *failed_because = one.words().or(failed_because.take());
                }
                None => *pending_because = one.words().or(pending_because.take()),
            }
            if self.mode == Mode::Due || again || one.outcome.is_some() {
                self.verdicts.again.push(one.file);
            }
        }
        // What was not tried after all is still due.
        let files = batch.iter().map(|owed| owed.file.id);
        self.verdicts.again.extend(files.filter(|file| !settled.iter().any(|one| one.file == *file)));
    }

    /// Files that were tried in vain, and those that were not: they wait because a server asked for it, or because the
    /// inbox is down.
    async fn count_what_is_left(&mut self) -> Result<()> {
        if self.mode != Mode::Once {
            return Ok(());
        }
        let (ledger, name) = (self.walk.ledger.clone(), self.walk.name.clone());
        self.delivered.pending = blocking(move || Ok(ledger.owed(&name)?)).await?;
        Ok(())
    }
}

/// Whether a file was tried in vain; being in a batch that failed says nothing about it.
fn has_failed(owed: &Owed) -> bool {
    owed.attempts > u32::from(owed.alone)
}

/// What became of what is under way; there may be none.
async fn finished<T>(under_way: &mut Option<JoinHandle<Result<T>>>) -> Result<T> {
    let Some(running) = under_way else { return std::future::pending().await };
    let result = running.await;
    *under_way = None;
    match joined(result) {
        Some(result) => result,
        None => std::future::pending().await,
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}

async fn cancelled(over: Option<&CancellationToken>) {
    if let Some(over) = over {
        over.cancelled().await;
    }
}

/// A panic of a delivery goes on here; one that was aborted belongs to nobody.
fn joined<T>(result: Result<T, JoinError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
