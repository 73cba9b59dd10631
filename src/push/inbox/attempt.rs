//! One message: sent, and its answer judged.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::time::sleep_until;
use url::Url;

use super::super::blocking;
use super::super::message::{Block, MessageError, assemble};
use super::{Attempted, InboxWalk, Mode, Pause};
use crate::clock::Clock;
use crate::observe::{self, lines, span};
use crate::peer::{Found, Nothing, Patience, PeerError, Trouble, class_of};
use crate::store::Result;
use crate::store::ledger::{FileId, News, Outcome, Owed, Settled};
use crate::taxii::message::{Header, ServiceType};
use crate::taxii::status::{ADMIN_PACE, Class, Judgement, Verdict, backoff, judge_push};
use crate::taxii::time::later;
use crate::wire::WireError;

/// The SHA-256 of a file.
pub(super) type Hash = [u8; 32];

/// Files for one message, and what is known before it is sent.
pub(super) struct Ready {
    pub(super) batch: Vec<Owed>,
    start: Start,
}

/// Until when nothing is sent in `run --once`: a wait that the server asks for is for the whole inbox.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<Instant>>);

impl Hold {
    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn extend(&self, until: Instant) {
        let mut held = self.until();
        *held = (*held).max(Some(until));
    }

    async fn over(&self, clock: &Clock) {
        loop {
            let until = self.until().filter(|until| *until > clock.moment());
            let Some(until) = until else { return };
            sleep_until(until.into()).await;
        }
    }
}

/// A message about to be sent, or why there is none.
enum Start {
    Message { address: Url, header: Header, body: crate::wire::Body },
    Settled(Attempted),
}

impl Attempted {
    /// What needs no message.
    fn without_sending(settled: Vec<Settled>) -> Attempted {
        Attempted { settled, passing: false, reached: true, unauthorized: false, pause: None }
    }

    /// The wait that the server asked for is over: what was in the batch may be sent again, singly.
    fn waited(&mut self, now: DateTime<Utc>) {
        self.pause = None;
        for one in &mut self.settled {
            (one.asked, one.next_try) = (false, Some(now));
        }
    }
}

impl Ready {
    /// The files of a message, each with the message's id.
    fn under_way(&self) -> impl Iterator<Item = (FileId, &str)> {
        let id = match &self.start {
            Start::Message { header, .. } => Some(header.message_id.as_str()),
            Start::Settled(_) => None,
        };
        id.into_iter().flat_map(|id| self.batch.iter().map(move |owed| (owed.file.id, id)))
    }
}

impl InboxWalk {
    /// Makes messages ready, and notes in one transaction that they go out now.
    pub(super) async fn ready(&self, batches: Vec<Vec<Owed>>) -> Result<Vec<Ready>> {
        let settled = |batch: Vec<Owed>, attempted| Ready { batch, start: Start::Settled(attempted) };
        let (mut ready, mut wanted) = (Vec::new(), Vec::new());
        for batch in batches {
            match self.without_sending(&batch) {
                Some(known) => ready.push(settled(batch, Attempted::without_sending(known))),
                None => wanted.push(batch),
            }
        }
        if wanted.is_empty() {
            return Ok(ready);
        }
        let collection = self.settings.collections.first().map(String::as_str);
        let found = match self.peer.address(ServiceType::Inbox, collection).await {
            Ok(found) => found,
            Err(error) => {
                let not_found = |batch: Vec<Owed>| {
                    let attempted = self.not_found(&batch, &error);
                    settled(batch, attempted)
                };
                ready.extend(wanted.into_iter().map(not_found));
                return Ok(ready);
            }
        };
        let walk = self.clone();
        ready.extend(blocking(move || walk.prepare(wanted, &found)).await?);
        Ok(ready)
    }

    /// One message, tried as often as the mode wants.
    pub(super) async fn deliver(&self, mut ready: Ready, mode: Mode, hold: &Hold) -> Result<Attempted> {
        let patience = Patience::default();
        hold.over(&self.clock).await;
        let began = self.clock.moment();
        let mut batch = ready.batch.clone();
        let mut tries = 0;
        loop {
            let mut attempted = self.attempt(ready).await;
            tries += 1;
            if mode != Mode::Once || attempted.settled.iter().all(|one| one.outcome.is_some()) {
                return Ok(attempted);
            }
            let asked = attempted.settled.iter().any(|one| one.asked);
            let left = patience.within.saturating_sub(self.clock.since(began));
            let wait =
                next_try(&attempted.settled).map(|until| (until - self.clock.now()).to_std().unwrap_or_default());
            let wait = wait.unwrap_or_default();
            let wait = if asked { wait } else { wait.min(left / 2) };
            let patient = if asked { wait <= patience.longest_wait } else { attempted.passing && !left.is_zero() };
            if asked && patient {
                hold.extend(self.clock.moment() + wait);
            }
            let singly = attempted.settled.iter().any(|one| one.alone);
            if singly && asked && patient {
                self.pause(wait).await;
                attempted.waited(self.clock.now());
            }
            if singly || !patient || tries > patience.retries || self.stop.is_cancelled() {
                return Ok(attempted);
            }
            for (owed, one) in batch.iter_mut().zip(&attempted.settled) {
                owed.attempts += 1;
                owed.refusals += u32::from(one.refusal);
            }
            self.record(attempted.settled).await?;
            self.pause(wait).await;
            hold.over(&self.clock).await;
            // As many come back as are given.
            ready = self.ready(vec![batch.clone()]).await?.swap_remove(0);
        }
    }

    /// Sends a message that is ready, and judges the answer.
    async fn attempt(&self, ready: Ready) -> Attempted {
        let Ready { batch, start } = ready;
        let (address, header, body) = match start {
            Start::Message { address, header, body } => (address, header, body),
            Start::Settled(attempted) => return attempted,
        };
        lines::message_sent(&self.name, &header.message_id, &batch, body.len());
        match self.peer.exchange(&address, body, Nothing).await {
            Ok(exchanged) => {
                let now = self.clock.now();
                let unauthorized = exchanged.answer(now).is_unauthorized();
                let judge = |owed: &Owed| judge_push(&exchanged.answer(now), owed.refusals);
                Attempted { unauthorized, ..self.judged(&batch, judge, &exchanged.url) }
            }
            Err(Trouble::Wire(error)) => {
                self.peer.forget_addresses();
                let words =
                    if error.hint().is_empty() { error.to_string() } else { format!("{error} ({})", error.hint()) };
                let attempted = self.unanswered(&batch, words, class_of(&error), error.outcome_unknown());
                let unauthorized = matches!(error, WireError::Login { .. }) && class_of(&error) == Class::Admin;
                Attempted { reached: is_reached(&error), unauthorized, ..attempted }
            }
            Err(Trouble::Unreadable { url, what }) => {
                let attempted = self.unanswered(&batch, format!("{url}: {what}"), Class::Retry { wait: None }, true);
                Attempted { reached: true, ..attempted }
            }
            Err(Trouble::Sink(never)) => match never {},
        }
    }

    /// Notes for the operator where messages go, and tells what is news. Blocks.
    fn note_address(&self, found: &Found) -> Result<()> {
        let text = self.shown(&found.to_string());
        let news = self.ledger.note_inbox_address(&self.name, &text)?;
        if news == News::Address {
            lines::inbox_address(&self.name, &text);
        }
        if news != News::Nothing {
            if found.old.is_some() {
                lines::address_of_before(&self.peer.name, &text);
            }
            found.remarks.iter().for_each(|remark| lines::address_remark(&self.peer.name, &self.shown(remark)));
        }
        Ok(())
    }

    /// Contents that the inbox has already, and files that are pending for too long.
    fn without_sending(&self, batch: &[Owed]) -> Option<Vec<Settled>> {
        let settle = |owed: &Owed| if owed.duplicate { Some(self.duplicate(owed)) } else { self.expired(owed) };
        let settled: Vec<Settled> = batch.iter().filter_map(settle).collect();
        // The others are still due, and come again without these.
        (!settled.is_empty()).then_some(settled)
    }

    /// The files of a batch whose contents the inbox has accepted since they were looked up.
    fn known_meanwhile(&self, batch: &[Owed], accepted: &HashSet<Hash>) -> Option<Vec<Settled>> {
        let known = |owed: &&Owed| owed.file.sha256.is_some_and(|hash| accepted.contains(&hash)) && !self.resends(owed);
        let settled: Vec<Settled> = batch.iter().filter(known).map(|owed| self.duplicate(owed)).collect();
        (!settled.is_empty()).then_some(settled)
    }

    fn duplicate(&self, owed: &Owed) -> Settled {
        Settled { outcome: Some(Outcome::Duplicate), ..self.open(owed) }
    }

    /// Whether what the inbox has already is sent to it again.
    pub(super) fn resends(&self, owed: &Owed) -> bool {
        self.drops.get(owed.file.directory).is_some_and(|open| open.resend_duplicates)
    }

    /// When a delivery is given up.
    pub(super) fn expires(&self, owed: &Owed) -> Option<DateTime<Utc>> {
        self.drops.get(owed.file.directory).map(|open| later(owed.file.pending_since, open.give_up))
    }

    /// The end of a delivery that is pending for too long.
    pub(super) fn expired(&self, owed: &Owed) -> Option<Settled> {
        self.expires(owed).filter(|at| *at <= self.clock.now())?;
        let give_up = self.drops.get(owed.file.directory).map(|open| span(open.give_up.as_secs() as i64))?;
        let last = match &owed.message {
            Some(words) => format!("the last attempt: {words}"),
            None => "it was never tried".to_owned(),
        };
        let message = Some(format!("pending for longer than give_up ({give_up}); {last}"));
        Some(Settled { outcome: Some(Outcome::Expired), message, ..self.open(owed) })
    }

    /// The messages for some batches, all noted as under way. Blocks.
    fn prepare(&self, batches: Vec<Vec<Owed>>, found: &Found) -> Result<Vec<Ready>> {
        self.note_address(found)?;
        let contents = batches.iter().flatten().filter_map(|owed| owed.file.sha256).collect();
        let accepted = self.ledger.accepted_of(&self.name, contents)?;
        let ready = batches.into_iter().map(|batch| {
            let start = match self.known_meanwhile(&batch, &accepted) {
                Some(known) => Start::Settled(Attempted::without_sending(known)),
                None => self.message(&batch, found),
            };
            Ready { batch, start }
        });
        let ready: Vec<Ready> = ready.collect();
        let under_way: Vec<(FileId, &str)> = ready.iter().flat_map(Ready::under_way).collect();
        self.ledger.start_attempts(&self.name, &under_way)?;
        Ok(ready)
    }

    /// The message with these files. A file that cannot be opened is tried again later.
    fn message(&self, batch: &[Owed], found: &Found) -> Start {
        let header = self.peer.header();
        match self.assembled(batch, &header) {
            Ok(body) => Start::Message { address: found.url.clone(), header, body },
            Err(error) => {
                let settled = self.all(batch, |one| one.message = Some(error.to_string()), Class::Retry { wait: None });
                Start::Settled(Attempted::without_sending(settled))
            }
        }
    }

    fn assembled(&self, batch: &[Owed], header: &Header) -> std::result::Result<crate::wire::Body, MessageError> {
        let mut blocks = Vec::with_capacity(batch.len());
        for file in batch.iter().map(|owed| &owed.file) {
            let open = self.drops.get(file.directory);
            let open = open.ok_or(crate::store::StoreError::NotOpen)?;
            let binding = file.binding.clone().unwrap_or_default();
            blocks.push(Block { binding, content: open.dir.body(file)?, range: file.body.clone() });
        }
        Ok(assemble(&self.peer, header, &self.settings.collections, &blocks)?.gathered()?)
    }

    /// Nothing settled yet.
    fn open(&self, owed: &Owed) -> Settled {
        Settled::open(owed.file.id, self.name.clone())
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
            // One file of the batch may be what the server cannot take.
            one.alone = unknown && batch.len() > 1;
        };
        let settled = self.all(batch, fill, class);
        let pause = match class {
            Class::Admin => Some(self.until_mended(words.clone())),
            Class::Retry { wait } => wait.map(|wait| self.as_asked(wait, &words)),
            Class::Stop => None,
        };
        lines::delivery_failed(&self.name, batch, &words, unknown);
        Attempted { settled, passing: class != Class::Admin, reached: false, unauthorized: false, pause }
    }

    /// Somebody has to do something: until then it is tried at a slow pace.
    fn until_mended(&self, words: String) -> Pause {
        Pause { until: later(self.clock.now(), ADMIN_PACE), words, trouble: observe::Trouble::Admin }
    }

    /// The server asked for a wait, which is for the whole inbox.
    fn as_asked(&self, wait: Duration, words: &str) -> Pause {
        let (until, words) = (later(self.clock.now(), wait), words.to_owned());
        Pause { until, words, trouble: observe::Trouble::Passing }
    }

    fn judged(&self, batch: &[Owed], judge: impl Fn(&Owed) -> Judgement, url: &Url) -> Attempted {
        let many = batch.len() > 1;
        let settled = Vec::with_capacity(batch.len());
        let mut attempted = Attempted { settled, passing: false, reached: true, unauthorized: false, pause: None };
        for owed in batch {
            let judgement = judge(owed);
            let words = self.shown(&judgement.words);
            // Who answers without a TAXII message may not be who was meant.
            let words = match judgement.status_type {
                Some(_) => words,
                None => format!("{}: {words}", self.peer.shown_url(url)),
            };
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
            Verdict::Refused | Verdict::Failing { wait: None } if many => one.next_try = Some(now),
            Verdict::Refused => one.outcome = Some(Outcome::Refused),
            Verdict::Failing { wait } => {
                (one.next_try, one.asked, one.refusal) = (Some(again(wait)), wait.is_some(), !many);
                attempted.passing = true;
                attempted.pause = wait.map(|wait| self.as_asked(wait, words));
            }
            Verdict::Later { wait } => {
                (one.next_try, one.asked) = (Some(again(wait)), wait.is_some());
                attempted.passing = true;
                attempted.pause = wait.map(|wait| self.as_asked(wait, words));
            }
            Verdict::Admin => {
                one.next_try = Some(later(now, ADMIN_PACE));
                attempted.pause = Some(self.until_mended(words.to_owned()));
            }
        }
        lines::verdict(&self.name, &owed.file, one, words);
    }

    fn shown(&self, text: &str) -> String {
        self.peer.shown(text)
    }
}

/// Whether the server was there, and may be for the next message.
fn is_reached(error: &WireError) -> bool {
    !matches!(error, WireError::Connect { .. } | WireError::Timeout { .. } | WireError::Login { .. })
}

fn next_try(settled: &[Settled]) -> Option<DateTime<Utc>> {
    settled.iter().filter_map(|one| one.next_try).max()
}
