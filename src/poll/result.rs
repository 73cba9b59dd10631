//! One result: asked for, fetched part by part, each part ours before the next one is asked for.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use super::intake::{Facts, Intake};
use super::tries::{Cuts, Tries, with_hint};
use super::{Brought, Failure, Feed, Setting, blocking, put_off, saved};
use crate::observe::lines;
use crate::peer::{Exchanged, Trouble, class_of};
use crate::store::ledger::After;
use crate::taxii::exchange::{CursorMove, Phase, Poll, Reply, Step};
use crate::taxii::message::{Body, PollResponse};
use crate::taxii::time::earlier;
use crate::wire::WireError;

/// A reply that comes in when the agent is told to stop has this long to be complete.
const GRACE: Duration = Duration::from_secs(5);

/// How a result ended.
pub(super) enum Outcome {
    /// All of it is in place.
    Moved {
        /// `None` for a DATA_SET, which has no cursor.
        cursor: Option<CursorMove>,
        /// There was nothing in it.
        empty: bool,
    },
    /// The server has nothing to report.
    Nothing,
    /// It cannot be read: a smaller range may.
    Halve(Why),
    /// The agent stops.
    Stopped,
}

/// Why a result cannot be read.
pub(super) struct Why {
    pub(super) words: String,
    /// The connection broke in the middle of it, each time.
    pub(super) cut: bool,
}

/// Which part was stored.
#[derive(Clone, Copy)]
struct Stored {
    number: u32,
    last: bool,
}

/// One attempt at one part.
struct Attempt {
    step: Step,
    /// The part that came, where there was one.
    part: Option<Intake>,
    /// What the operator can do about an answer that is not the one wanted.
    hint: &'static str,
}

impl Feed {
    /// Asks for a result and brings all of it in place. `cuts` goes from one range to the next.
    pub(super) async fn result(
        &self,
        setting: &Setting,
        mut poll: Poll,
        address: &Url,
        cuts: &mut Cuts,
    ) -> Result<Outcome, Failure> {
        let mut brought = Brought::default();
        let mut tries = Tries::new(self);
        let mut waited = Duration::ZERO;
        loop {
            if self.stop.is_cancelled() {
                return Ok(Outcome::Stopped);
            }
            let number = poll.part();
            let attempt = tokio::select! {
                attempt = self.attempt(setting, &mut poll, address) => attempt?,
                () = self.stopped_for_long() => return Ok(Outcome::Stopped),
            };
            let Attempt { step, part, hint } = attempt;
            match (step, part) {
                (Step::Store { last }, Some(part)) => {
                    self.store(setting, &poll, part, Stored { number, last }, &mut brought).await?;
                    tries = Tries::new(self);
                    *cuts = Cuts::default();
                    if last {
                        lines::result_complete(&self.name, &poll, &brought.totals, brought.parts, brought.empty);
                        return Ok(Outcome::Moved { cursor: poll.cursor(), empty: brought.is_nothing() });
                    }
                    self.look_at_room(setting).await?;
                }
                (Step::Store { .. } | Step::Refetch { .. }, _) => {
                    tries.again(self, "the server sent another part").await?
                }
                (Step::Wait { until, words }, _) => {
                    let words = self.shown(&words);
                    self.save(setting, &poll).await?;
                    if waited >= self.patience.waits {
                        return Err(put_off(until, &words));
                    }
                    waited += self.wait_until(until, &words).await?;
                }
                (Step::Nothing { words }, _) => {
                    lines::nothing_to_report(&self.name, &self.shown(&words));
                    return Ok(Outcome::Nothing);
                }
                (Step::Abandon { at_once, words }, _) => {
                    let words = self.shown(&words);
                    if self.told.first("abandoned") {
                        lines::result_abandoned(&self.name, &words);
                    }
                    self.forget(setting).await?;
                    if !at_once {
                        return Err(Failure { words, hint: String::new(), not_before: None, admin: false });
                    }
                }
                (Step::Halve { words }, _) => {
                    self.forget(setting).await?;
                    return Ok(Outcome::Halve(Why { words: self.shown(&words), cut: false }));
                }
                (Step::Retry { words }, _) => {
                    let words = self.shown(&words);
                    if !cuts.again(self, &words).await {
                        poll.refuse();
                        self.forget(setting).await?;
                        return Ok(Outcome::Halve(Why { words, cut: true }));
                    }
                }
                (Step::Fail { class, words }, _) => {
                    if let Err(failure) = tries.after(self, class, self.shown(&words), hint).await {
                        // How often it failed counts over restarts: some servers never say that a result is lost.
                        self.save_if_fetching(setting, &poll).await?;
                        return Err(failure);
                    }
                }
            }
        }
    }

    /// The agent stops, and a reply that comes in had its time. What is staged of it is swept at the next start.
    pub(super) async fn stopped_for_long(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    }

    pub(super) fn shown(&self, words: &str) -> String {
        self.peer.shown(words)
    }

    /// Sends the next request and stages what comes.
    async fn attempt(&self, setting: &Setting, poll: &mut Poll, address: &Url) -> Result<Attempt, Failure> {
        let url = poll
            .progress()
            .address
            .as_deref()
            .and_then(|text| Url::parse(text).ok())
            .unwrap_or_else(|| address.clone());
        let request = self.peer.encode(poll.request()).map_err(|error| Failure {
            words: error.to_string(),
            hint: "check `collection`, `subscription_id`, `content_bindings` and `query_file`".to_owned(),
            not_before: None,
            admin: true,
        })?;
        let (output, began) = (setting.output.clone(), poll.progress().began);
        let writer = blocking(move || {
            output.abandon()?;
            output.part(began)
        })
        .await?;
        let intake = Intake::new(self.facts(setting, poll), self.peer.clone(), writer);
        let now = self.clock.now();
        match self.peer.exchange(&url, request.into(), intake).await {
            Ok(exchanged) => Ok(self.take(poll, exchanged, now)),
            Err(Trouble::Wire(error)) => {
                let (class, words) = (class_of(&error), with_hint(error.to_string(), error.hint()));
                let reply = match error {
                    WireError::CutShort { .. } => Reply::Cut(words),
                    _ => Reply::Failed { class, words },
                };
                Ok(Attempt { step: poll.on_reply(reply, now), part: None, hint: "" })
            }
            Err(Trouble::Unreadable { what, .. }) => {
                Ok(Attempt { step: poll.on_reply(Reply::Unreadable(what), now), part: None, hint: "" })
            }
            Err(Trouble::Sink(error)) => {
                // What was staged may be what fills the disk; the next poll would remove it, but that may be long.
                let output = setting.output.clone();
                let _ = blocking(move || output.abandon()).await;
                Err(Failure::from(error))
            }
        }
    }

    fn take(&self, poll: &mut Poll, exchanged: Exchanged<Intake>, now: DateTime<Utc>) -> Attempt {
        let digest = exchanged.body.as_ref().ok().and_then(|(_, intake)| intake.digest());
        let is_part = matches!(&exchanged.body, Ok((message, _)) if matches!(message.body, Body::PollResponse(_)));
        if is_part {
            poll.answered_at(exchanged.url.as_str());
        }
        let hint = exchanged.answer(now).hint();
        let step = match poll.on_reply(Reply::Answer { answer: exchanged.answer(now), digest }, now) {
            // Who answers without a TAXII message may not be who was meant.
            Step::Fail { class, words } if exchanged.answer(now).message.is_none() => {
                Step::Fail { class, words: format!("{}: {words}", self.peer.shown_url(&exchanged.url)) }
            }
            step => step,
        };
        let part = match exchanged.body {
            Ok((message, intake)) if is_part => {
                if let Body::PollResponse(reply) = &message.body {
                    self.remark(reply, &step);
                }
                for header in &message.header.extended {
                    lines::extended_header(&self.name, header, |text| self.shown(text));
                }
                Some(intake)
            }
            _ => None,
        };
        Attempt { step, part, hint }
    }

    fn remark(&self, reply: &PollResponse, step: &Step) {
        if let Some(message) = &reply.message {
            lines::server_says(&self.name, &self.shown(message));
        }
        if let Some(end) = &reply.unreadable_end
            && self.told.first("unreadable end")
        {
            lines::unreadable_end(&self.name, &self.shown(end));
        }
        if let Some(more) = &reply.unreadable_more
            && *step == (Step::Store { last: true })
            && self.told.first("unreadable more")
        {
            lines::unreadable_more(&self.name, &self.shown(more));
        }
    }

    fn facts(&self, setting: &Setting, poll: &Poll) -> Facts {
        let progress = poll.progress();
        let range = progress.range.as_ref();
        let cursor = range.and_then(|range| range.cursor.as_ref()).map(|cursor| cursor.at);
        // A range that is asked for again may bring what it brought before under other labels, and so may a part of it.
        let again = progress.again.then_some(DateTime::<Utc>::MAX_UTC);
        let overlapping = !setting.pace.overlap.is_zero();
        Facts {
            server: self.settings.server.clone(),
            collection: self.settings.collection.clone(),
            subscription_id: self.settings.subscription_id.clone(),
            result_id: match &progress.phase {
                Phase::Fetch { result_id, .. } => Some(result_id.clone()),
                Phase::Ask | Phase::Stored { .. } => None,
            },
            part: poll.part(),
            began: progress.began,
            metadata: self.settings.metadata,
            set: setting.set,
            by_content_upto: again.or(cursor.filter(|_| overlapping)),
            came_upto: again.or(cursor),
            min_free: self.settings.min_free,
        }
    }

    /// The part becomes ours, is handed over, and the feed moves with it.
    async fn store(
        &self,
        setting: &Setting,
        poll: &Poll,
        intake: Intake,
        stored: Stored,
        brought: &mut Brought,
    ) -> Result<(), Failure> {
        let Stored { number, last } = stored;
        let after = self.after(setting, poll, &intake, last)?;
        let end = poll.progress().range.as_ref().map(|range| range.end.at);
        // Parts may be asked for again after the server has lost the result; what an overlap brings again is known.
        let recent_upto = end.filter(|_| !last || number > 1 || !setting.pace.overlap.is_zero());
        let (output, now, empty) = (setting.output.clone(), self.clock.now(), after.empty);
        let totals = blocking(move || output.commit(intake.into_writer(), &after, recent_upto, now)).await?;
        brought.totals.files += totals.files;
        brought.totals.bytes += totals.bytes;
        brought.totals.quarantined += totals.quarantined;
        brought.empty += empty;
        brought.parts += 1;
        lines::part_stored(&self.name, number, &totals);
        Ok(())
    }

    fn after(&self, setting: &Setting, poll: &Poll, intake: &Intake, last: bool) -> Result<After, Failure> {
        let empty = intake.empty();
        if !last {
            return Ok(After { result: Some(progress_text(poll)?), empty, ..After::default() });
        }
        let cursor = match poll.cursor() {
            Some(CursorMove::To { cursor, .. }) => Some(cursor),
            _ => None,
        };
        let forget_recent_upto = cursor.as_ref().map(|cursor| earlier(cursor.at, setting.pace.overlap));
        let asked_end = poll.progress().range.as_ref().map(|range| range.end.at);
        Ok(After { cursor: cursor.as_ref().map(saved), asked_end, result: None, forget_recent_upto, empty })
    }

    async fn save_if_fetching(&self, setting: &Setting, poll: &Poll) -> Result<(), Failure> {
        match poll.progress().phase {
            Phase::Fetch { .. } => self.save(setting, poll).await,
            Phase::Ask | Phase::Stored { .. } => Ok(()),
        }
    }

    async fn save(&self, setting: &Setting, poll: &Poll) -> Result<(), Failure> {
        let (ledger, id, text) = (self.ledger.clone(), setting.row.id, progress_text(poll)?);
        Ok(blocking(move || Ok(ledger.set_result(id, Some(&text))?)).await?)
    }

    pub(super) async fn forget(&self, setting: &Setting) -> Result<(), Failure> {
        let (ledger, id, output) = (self.ledger.clone(), setting.row.id, Arc::clone(&setting.output));
        let forgotten = blocking(move || {
            output.abandon()?;
            Ok(ledger.set_result(id, None)?)
        });
        Ok(forgotten.await?)
    }
}

fn progress_text(poll: &Poll) -> Result<String, Failure> {
    serde_json::to_string(poll.progress()).map_err(|error| Failure {
        words: format!("the progress of the poll cannot be written down: {error}"),
        hint: String::new(),
        not_before: None,
        admin: true,
    })
}
