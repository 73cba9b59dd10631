//! Sending what one inbox is owed.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::blocking;
use super::leave::Drops;
use super::message::{Block, MessageError, assemble};
use super::watch::Bell;
use crate::clock::Clock;
use crate::config;
use crate::observe::lines;
use crate::peer::{Nothing, Patience, Peer, PeerError, Trouble, class_of, show_remote};
use crate::store::Result;
use crate::store::ledger::{Due, FileId, FileRow, Ledger, Outcome, Owed, Settled};
use crate::taxii::message::{Header, ServiceType};
use crate::taxii::status::{ADMIN_PACE, Class, Judgement, Verdict, backoff, judge_push};
use crate::taxii::time::later;

/// So many files are looked up at once.
const LOOKED_UP: u32 = 64;

/// After so many messages in a row that failed for passing reasons it is the inbox that is taken to be down, not the
/// files.
const DOWN: u32 = 2;

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
    /// Files that did not get there.
    pub failed: u64,
    /// Why the last of them did not.
    pub reason: Option<String>,
}

/// What an attempt came to.
struct Attempted {
    settled: Vec<Settled>,
    /// The inbox could not be reached, or has trouble of its own.
    passing: bool,
    /// Until when the whole inbox is left alone, and why.
    pause: Option<(DateTime<Utc>, String)>,
}

/// How this pass treats trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The ledger says when to try again.
    Forever,
    /// What fails for a passing reason is tried again at once a few times, everything is tried, then it is over.
    Once,
}

impl InboxWalk {
    /// Sends what is owed whenever it is due, until the agent stops.
    pub async fn run(self) {
        let mut down = 0;
        while !self.stop.is_cancelled() {
            match self.pass(Mode::Forever, &mut down).await {
                Ok(_) => {}
                Err(error) => {
                    lines::inbox_trouble(&self.name, &error.to_string(), error.hint());
                    self.pause(Duration::from_secs(10)).await;
                }
            }
            self.wait_for_work().await;
        }
    }

    /// Tries everything that is owed, whatever pause the agent had chosen itself.
    pub async fn run_once(self) -> Result<Delivered> {
        self.pass(Mode::Once, &mut 0).await
    }

    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn wait_for_work(&self) {
        let (ledger, name) = (self.ledger.clone(), self.name.clone());
        let next = blocking(move || Ok(ledger.next_try(&name)?)).await;
        let pause = match next {
            Ok(Some(at)) => (at - self.clock.now()).to_std().unwrap_or(Duration::from_millis(50)),
            Ok(None) => Duration::from_secs(3600),
            Err(_) => Duration::from_secs(10),
        };
        // A clock that jumps back must not make this wait for ever.
        let pause = pause.min(Duration::from_secs(3600));
        tokio::select! {
            () = self.bell.wait() => {}
            () = tokio::time::sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Sends everything that is due now, `connections` messages at a time.
    async fn pass(&self, mode: Mode, down: &mut u32) -> Result<Delivered> {
        let mut flying: JoinSet<(Vec<FileId>, Result<Attempted>)> = JoinSet::new();
        let mut taken: HashSet<FileId> = HashSet::new();
        let mut queue: VecDeque<Owed> = VecDeque::new();
        let mut delivered = Delivered::default();
        loop {
            let may_send = !self.stop.is_cancelled() && (mode == Mode::Once && *down < DOWN || mode == Mode::Forever);
            while may_send && flying.len() < self.settings.connections as usize {
                if queue.is_empty() {
                    queue = self.due(mode, &taken).await?;
                }
                let batch = self.next_batch(&mut queue);
                if batch.is_empty() {
                    break;
                }
                taken.extend(batch.iter().map(|owed| owed.file.id));
                let walk = self.clone();
                flying.spawn(async move {
                    let files = batch.iter().map(|owed| owed.file.id).collect();
                    let attempted = walk.deliver(batch, mode).await;
                    (files, attempted)
                });
            }
            let Some(first) = flying.join_next().await else {
                delivered.failed += self.left_over(mode, &taken).await?;
                return Ok(delivered);
            };
            let mut landed = vec![first];
            while let Some(more) = flying.try_join_next() {
                landed.push(more);
            }
            let landed: Vec<_> = landed.into_iter().filter_map(joined).collect();
            self.land(landed, mode, &mut taken, down, &mut delivered, &mut queue).await?;
        }
    }

    /// What has come back: recorded in one transaction.
    async fn land(
        &self,
        landed: Vec<(Vec<FileId>, Result<Attempted>)>,
        mode: Mode,
        taken: &mut HashSet<FileId>,
        down: &mut u32,
        delivered: &mut Delivered,
        queue: &mut VecDeque<Owed>,
    ) -> Result<()> {
        let (mut settled, mut pause) = (Vec::new(), None);
        for (files, attempted) in landed {
            let attempted = attempted?;
            *down = if attempted.passing { *down + 1 } else { 0 };
            pause = attempted.pause.or(pause);
            for one in &attempted.settled {
                // What was sent in a batch in vain is sent again singly, in this pass too.
                let again = one.outcome.is_none() && one.alone;
                let good = one.outcome.is_some_and(Outcome::is_good);
                if good {
                    delivered.accepted += 1;
                } else if one.outcome.is_some() || (mode == Mode::Once && !again) {
                    delivered.failed += 1;
                    delivered.reason = one.message.clone().or(delivered.reason.take());
                }
                if mode == Mode::Forever || again {
                    taken.remove(&one.file);
                }
            }
            // What was not tried after all is still due.
            let untried = |file: &FileId| !attempted.settled.iter().any(|one| one.file == *file);
            for file in files.iter().filter(|file| mode == Mode::Forever || untried(file)) {
                taken.remove(file);
            }
            settled.extend(attempted.settled);
        }
        if *down >= DOWN && pause.is_none() && mode == Mode::Forever {
            let words = settled.iter().rev().find_map(|one| one.message.clone()).unwrap_or_default();
            pause = Some((later(self.clock.now(), backoff(*down, fastrand::u64(..))), words));
        }
        if pause.is_some() {
            queue.clear();
        }
        self.record(settled, pause.filter(|_| mode == Mode::Forever)).await
    }

    async fn record(&self, settled: Vec<Settled>, pause: Option<(DateTime<Utc>, String)>) -> Result<()> {
        let (ledger, drops, name, now) = (self.ledger.clone(), self.drops.clone(), self.name.clone(), self.clock.now());
        blocking(move || {
            let finished = ledger.record(&settled, now)?;
            if let Some((until, words)) = pause {
                ledger.postpone(&name, until, &words, now)?;
                lines::inbox_paused(&name, until, &words);
            }
            drops.let_leave(&ledger, &finished)
        })
        .await
    }

    async fn due(&self, mode: Mode, taken: &HashSet<FileId>) -> Result<VecDeque<Owed>> {
        let (ledger, name, now) = (self.ledger.clone(), self.name.clone(), self.clock.now());
        let limit = LOOKED_UP + u32::try_from(taken.len()).unwrap_or(u32::MAX / 2);
        let owed =
            blocking(move || Ok(ledger.due(Due { inbox: &name, now, hurry: mode == Mode::Once, after: 0, limit })?))
                .await?;
        let mut owed: VecDeque<Owed> = owed.into_iter().filter(|owed| !taken.contains(&owed.file.id)).collect();
        for one in &mut owed {
            one.duplicate &= !self.drops.get(one.file.directory).is_some_and(|open| open.resend_duplicates);
        }
        Ok(owed)
    }

    /// The next files for one message.
    fn next_batch(&self, queue: &mut VecDeque<Owed>) -> Vec<Owed> {
        let single = |owed: &Owed| owed.alone || owed.duplicate;
        let mut batch: Vec<Owed> = queue.pop_front().into_iter().collect();
        if batch.first().is_some_and(single) {
            return batch;
        }
        while batch.len() < self.settings.max_batch as usize && queue.front().is_some_and(|next| !single(next)) {
            batch.extend(queue.pop_front());
        }
        batch
    }

    /// Files that are still owed and were not tried: they wait because a server asked for it, or because the inbox is
    /// down.
    async fn left_over(&self, mode: Mode, taken: &HashSet<FileId>) -> Result<u64> {
        if mode == Mode::Forever {
            return Ok(0);
        }
        let (ledger, name) = (self.ledger.clone(), self.name.clone());
        let limit = u32::try_from(taken.len()).unwrap_or(u32::MAX / 2).saturating_add(1_000_000);
        let all = blocking(move || {
            Ok(ledger.due(Due { inbox: &name, now: DateTime::<Utc>::MAX_UTC, hurry: true, after: 0, limit })?)
        })
        .await?;
        Ok(all.iter().filter(|owed| !taken.contains(&owed.file.id)).count() as u64)
    }

    /// One message, tried as often as the mode wants.
    async fn deliver(&self, batch: Vec<Owed>, mode: Mode) -> Result<Attempted> {
        let patience = Patience::default();
        let began = self.clock.moment();
        let mut tries = 0;
        let mut batch = batch;
        loop {
            let attempted = self.attempt(&batch).await?;
            tries += 1;
            let waits = |one: &Settled| one.outcome.is_none() && !one.alone;
            if mode == Mode::Forever || !attempted.settled.iter().any(waits) {
                return Ok(attempted);
            }
            let now = self.clock.now();
            let until = attempted.settled.iter().filter_map(|one| one.next_try).max();
            let asked = attempted.settled.iter().any(|one| one.asked);
            let left = patience.within.saturating_sub(self.clock.since(began));
            let wait = until.map(|until| (until - now).to_std().unwrap_or_default()).unwrap_or_default();
            let wait = if asked { wait } else { wait.min(left / 2) };
            let patient = if asked { wait <= patience.longest_wait } else { attempted.passing && !left.is_zero() };
            if !patient || tries > patience.retries || self.stop.is_cancelled() {
                return Ok(attempted);
            }
            for (owed, one) in batch.iter_mut().zip(&attempted.settled) {
                owed.attempts += 1;
                owed.refusals += u32::from(one.refusal);
            }
            self.record(attempted.settled, None).await?;
            self.pause(wait).await;
        }
    }

    /// Sends one message and judges the answer.
    async fn attempt(&self, batch: &[Owed]) -> Result<Attempted> {
        if let Some(settled) = self.without_sending(batch) {
            return Ok(Attempted { settled, passing: false, pause: None });
        }
        let address =
            match self.peer.address(ServiceType::Inbox, self.settings.collections.first().map(String::as_str)).await {
                Ok(found) => found.url,
                Err(error) => return Ok(self.not_found(batch, &error)),
            };
        let header = self.peer.header();
        let body = {
            let (walk, header) = (self.clone(), header.clone());
            let files: Vec<FileRow> = batch.iter().map(|owed| owed.file.clone()).collect();
            blocking(move || Ok(walk.prepare(&files, &header))).await?
        };
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                let settled = self.all(batch, |one| one.message = Some(error.to_string()), Class::Retry { wait: None });
                return Ok(Attempted { settled, passing: false, pause: None });
            }
        };
        lines::message_sent(&self.name, &header.message_id, batch.len(), body.len());
        let answered = self.peer.exchange(&address, body, Nothing).await;
        Ok(match answered {
            Ok(exchanged) => {
                let judged: Vec<Judgement> =
                    batch.iter().map(|owed| judge_push(&exchanged.answer(self.clock.now()), owed.refusals)).collect();
                self.judged(batch, judged)
            }
            Err(Trouble::Wire(error)) => {
                let words =
                    if error.hint().is_empty() { error.to_string() } else { format!("{error} ({})", error.hint()) };
                self.unanswered(batch, words, class_of(&error), error.outcome_unknown())
            }
            Err(Trouble::Unreadable { url, what }) => {
                self.unanswered(batch, format!("{url}: {what}"), Class::Retry { wait: None }, true)
            }
            Err(Trouble::Sink(never)) => match never {},
        })
    }

    /// Contents that the inbox has already, and files that are pending for too long.
    fn without_sending(&self, batch: &[Owed]) -> Option<Vec<Settled>> {
        let now = self.clock.now();
        let outcome = |owed: &Owed| {
            let give_up = self.drops.get(owed.file.directory).map(|open| open.give_up);
            if owed.duplicate {
                Some(Outcome::Duplicate)
            } else if give_up.is_some_and(|give_up| later(owed.file.pending_since, give_up) <= now) {
                Some(Outcome::Expired)
            } else {
                None
            }
        };
        let settled: Vec<Settled> = batch
            .iter()
            .filter_map(|owed| outcome(owed).map(|outcome| Settled { outcome: Some(outcome), ..self.open(owed) }))
            .collect();
        // The others are still due, and come again without these.
        (!settled.is_empty()).then_some(settled)
    }

    fn prepare(&self, files: &[FileRow], header: &Header) -> std::result::Result<crate::wire::Body, MessageError> {
        let mut blocks = Vec::with_capacity(files.len());
        for file in files {
            let open = self.drops.get(file.directory);
            let open = open.ok_or_else(|| crate::store::StoreError::Replaced("the drop directory".into()))?;
            let binding = file.binding.clone().unwrap_or_default();
            blocks.push(Block { binding, content: open.dir.body(file)?, range: file.body.clone() });
        }
        let ids: Vec<FileId> = files.iter().map(|file| file.id).collect();
        let body = assemble(&self.peer, header, &self.settings.collections, &blocks)?;
        self.ledger.start_attempt(&self.name, &ids, &header.message_id).map_err(crate::store::StoreError::from)?;
        Ok(body)
    }

    /// Nothing settled yet.
    fn open(&self, owed: &Owed) -> Settled {
        Settled {
            file: owed.file.id,
            inbox: self.name.clone(),
            outcome: None,
            status_type: None,
            message: None,
            next_try: None,
            asked: false,
            refusal: false,
            alone: false,
            unknown: false,
        }
    }

    /// The same for every file of a batch, and a next attempt that grows with the number of attempts.
    fn all(&self, batch: &[Owed], fill: impl Fn(&mut Settled), class: Class) -> Vec<Settled> {
        let settled = batch.iter().map(|owed| {
            let wait = match class {
                Class::Retry { wait: Some(wait) } => wait,
                Class::Retry { wait: None } | Class::Stop => backoff(owed.attempts + 1, fastrand::u64(..)),
                Class::Admin => ADMIN_PACE,
            };
            let mut one = self.open(owed);
            one.next_try = Some(later(self.clock.now(), wait));
            one.asked = matches!(class, Class::Retry { wait: Some(_) });
            fill(&mut one);
            one
        });
        settled.collect()
    }

    fn not_found(&self, batch: &[Owed], error: &PeerError) -> Attempted {
        let hint = error.hint();
        let words = if hint.is_empty() { error.to_string() } else { format!("{error} ({hint})") };
        self.unanswered(batch, words, error.class(), false)
    }

    fn unanswered(&self, batch: &[Owed], words: String, class: Class, unknown: bool) -> Attempted {
        let fill = |one: &mut Settled| {
            one.message = Some(words.clone());
            one.unknown = unknown;
        };
        let settled = self.all(batch, fill, class);
        let pause = (class == Class::Admin).then(|| (later(self.clock.now(), ADMIN_PACE), words.clone()));
        lines::delivery_failed(&self.name, &words, unknown);
        Attempted { settled, passing: class != Class::Admin, pause }
    }

    fn judged(&self, batch: &[Owed], judged: Vec<Judgement>) -> Attempted {
        let many = batch.len() > 1;
        let mut attempted = Attempted { settled: Vec::with_capacity(batch.len()), passing: false, pause: None };
        for (owed, judgement) in batch.iter().zip(judged) {
            let words = self.shown(&judgement.words);
            let mut one = Settled {
                status_type: judgement.status_type.as_deref().map(|text| self.shown(text)),
                message: judgement.message.as_deref().map(|text| self.shown(text)),
                ..self.open(owed)
            };
            self.settle(&mut one, owed, judgement.verdict, many, &words, &mut attempted);
            // A receipt holds what the server said; `status` shows what it means.
            if !one.outcome.is_some_and(Outcome::is_good) && (one.outcome.is_none() || one.message.is_none()) {
                one.message = Some(words);
            }
            attempted.settled.push(one);
        }
        attempted
    }

    /// What a verdict means for one file.
    fn settle(
        &self,
        one: &mut Settled,
        owed: &Owed,
        verdict: Verdict,
        many: bool,
        words: &str,
        attempted: &mut Attempted,
    ) {
        let now = self.clock.now();
        let again =
            |wait: Option<Duration>| later(now, wait.unwrap_or_else(|| backoff(owed.attempts + 1, fastrand::u64(..))));
        // A batch that is not accepted says nothing about any single file of it.
        one.alone = many && verdict != Verdict::Accepted;
        match verdict {
            Verdict::Accepted => one.outcome = Some(Outcome::Accepted),
            Verdict::Refused | Verdict::Failing { .. } if many => one.next_try = Some(now),
            Verdict::Refused => one.outcome = Some(Outcome::Refused),
            Verdict::Failing { wait } => {
                (one.next_try, one.asked, one.refusal) = (Some(again(wait)), wait.is_some(), true);
                attempted.passing = true;
            }
            Verdict::Later { wait } => {
                (one.next_try, one.asked) = (Some(again(wait)), wait.is_some());
                attempted.passing = true;
                if let Some(wait) = wait {
                    attempted.pause = Some((later(now, wait), words.to_owned()));
                }
            }
            Verdict::Admin => {
                one.next_try = Some(later(now, ADMIN_PACE));
                attempted.pause = Some((later(now, ADMIN_PACE), words.to_owned()));
            }
        }
        lines::verdict(&self.name, &owed.file.name, one, words);
    }

    fn shown(&self, text: &str) -> String {
        show_remote(&self.peer.redact(text))
    }
}

/// A panic of a delivery goes on here; one that was aborted belongs to nobody.
fn joined<T>(result: std::result::Result<T, tokio::task::JoinError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}
