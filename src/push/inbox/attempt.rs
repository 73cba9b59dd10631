//! One message: sent, and its answer judged.

use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use super::super::blocking;
use super::super::message::{Block, MessageError, assemble};
use super::{Attempted, InboxWalk, Pause};
use crate::observe::{self, lines};
use crate::peer::{Found, Nothing, PeerError, Trouble, class_of, show_remote};
use crate::store::Result;
use crate::store::ledger::{FileId, Outcome, Owed, Settled};
use crate::taxii::message::{Header, ServiceType};
use crate::taxii::status::{ADMIN_PACE, Class, Judgement, Verdict, backoff, judge_push};
use crate::taxii::time::later;

/// A message about to be sent, or why it is not.
enum Prepared {
    Message(crate::wire::Body),
    /// The inbox has some of it already.
    Known(Vec<Settled>),
    Failed(MessageError),
}

impl InboxWalk {
    /// Sends one message and judges the answer.
    pub(super) async fn attempt(&self, batch: &[Owed]) -> Result<Attempted> {
        if let Some(settled) = self.without_sending(batch) {
            return Ok(Attempted { settled, passing: false, answered: true, pause: None });
        }
        let address =
            match self.peer.address(ServiceType::Inbox, self.settings.collections.first().map(String::as_str)).await {
                Ok(found) => self.note_address(found).await?,
                Err(error) => return Ok(self.not_found(batch, &error)),
            };
        let header = self.peer.header();
        let prepared = {
            let (walk, header, batch) = (self.clone(), header.clone(), batch.to_vec());
            blocking(move || match walk.known_meanwhile(&batch)? {
                Some(settled) => Ok(Prepared::Known(settled)),
                None => Ok(walk.prepare(&batch, &header).map_or_else(Prepared::Failed, Prepared::Message)),
            })
            .await?
        };
        let body = match prepared {
            Prepared::Message(body) => body,
            Prepared::Known(settled) => {
                return Ok(Attempted { settled, passing: false, answered: true, pause: None });
            }
            Prepared::Failed(error) => {
                let settled = self.all(batch, |one| one.message = Some(error.to_string()), Class::Retry { wait: None });
                return Ok(Attempted { settled, passing: false, answered: true, pause: None });
            }
        };
        lines::message_sent(&self.name, &header.message_id, batch, body.len());
        let answered = self.peer.exchange(&address, body, Nothing).await;
        Ok(match answered {
            Ok(exchanged) => {
                let judged: Vec<Judgement> =
                    batch.iter().map(|owed| judge_push(&exchanged.answer(self.clock.now()), owed.refusals)).collect();
                self.judged(batch, judged)
            }
            Err(Trouble::Wire(error)) => {
                self.peer.forget_addresses();
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

    /// Notes for the operator where messages go, and tells what is news.
    async fn note_address(&self, found: Found) -> Result<Url> {
        let (ledger, name, text) = (self.ledger.clone(), self.name.clone(), self.shown(&found.to_string()));
        let noted = text.clone();
        if blocking(move || Ok(ledger.note_inbox_address(&name, &noted)?)).await? {
            lines::inbox_address(&self.name, &text);
            if found.old.is_some() {
                lines::address_of_before(&self.peer.name, &text);
            }
        }
        Ok(found.url)
    }

    /// Contents that the inbox has already, and files that are pending for too long.
    fn without_sending(&self, batch: &[Owed]) -> Option<Vec<Settled>> {
        let settle = |owed: &Owed| if owed.duplicate { Some(self.duplicate(owed)) } else { self.expired(owed) };
        let settled: Vec<Settled> = batch.iter().filter_map(settle).collect();
        // The others are still due, and come again without these.
        (!settled.is_empty()).then_some(settled)
    }

    /// Contents that the inbox has accepted since they were looked up. Blocks.
    fn known_meanwhile(&self, batch: &[Owed]) -> Result<Option<Vec<Settled>>> {
        let mut settled = Vec::new();
        for owed in batch {
            if let Some(content) = owed.file.sha256.filter(|_| !self.resends(owed))
                && self.ledger.has_accepted(&self.name, &content)?
            {
                settled.push(self.duplicate(owed));
            }
        }
        Ok((!settled.is_empty()).then_some(settled))
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
        let message = Some("pending for longer than give_up".to_owned());
        Some(Settled { outcome: Some(Outcome::Expired), message, ..self.open(owed) })
    }

    fn prepare(&self, batch: &[Owed], header: &Header) -> std::result::Result<crate::wire::Body, MessageError> {
        let mut blocks = Vec::with_capacity(batch.len());
        for file in batch.iter().map(|owed| &owed.file) {
            let open = self.drops.get(file.directory);
            let open = open.ok_or_else(|| crate::store::StoreError::Replaced("the drop directory".into()))?;
            let binding = file.binding.clone().unwrap_or_default();
            blocks.push(Block { binding, content: open.dir.body(file)?, range: file.body.clone() });
        }
        let ids: Vec<FileId> = batch.iter().map(|owed| owed.file.id).collect();
        let body = assemble(&self.peer, header, &self.settings.collections, &blocks)?.gathered()?;
        self.ledger.start_attempt(&self.name, &ids, &header.message_id).map_err(crate::store::StoreError::from)?;
        Ok(body)
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
        };
        let settled = self.all(batch, fill, class);
        let pause = (class == Class::Admin).then(|| self.until_mended(words.clone()));
        lines::delivery_failed(&self.name, batch, &words, unknown);
        Attempted { settled, passing: class != Class::Admin, answered: false, pause }
    }

    /// Somebody has to do something: until then it is tried at a slow pace.
    fn until_mended(&self, words: String) -> Pause {
        Pause { until: later(self.clock.now(), ADMIN_PACE), words, trouble: observe::Trouble::Admin }
    }

    fn judged(&self, batch: &[Owed], judged: Vec<Judgement>) -> Attempted {
        let many = batch.len() > 1;
        let settled = Vec::with_capacity(batch.len());
        let mut attempted = Attempted { settled, passing: false, answered: true, pause: None };
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
                    let (until, words) = (later(now, wait), words.to_owned());
                    attempted.pause = Some(Pause { until, words, trouble: observe::Trouble::Passing });
                }
            }
            Verdict::Admin => {
                one.next_try = Some(later(now, ADMIN_PACE));
                attempted.pause = Some(self.until_mended(words.to_owned()));
            }
        }
        lines::verdict(&self.name, &owed.file, one, words);
    }

    fn shown(&self, text: &str) -> String {
        show_remote(&self.peer.redact(text))
    }
}
