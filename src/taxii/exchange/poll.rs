//! One poll as a state machine: ask, fetch the parts, wait where the server says so, done (Services Specification
//! 1.1, section 3.6).

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::range::{CursorMove, Range, next_cursor};
use crate::taxii::message::{Body, Parameters, PollFulfillment, PollRequest, PollResponse, ResponseType};
use crate::taxii::status::{Answer, Class, Details, StatusType, pending_wait, react};
use crate::taxii::time::{Timestamp, later};

/// No result has more parts than this.
const MOST_PARTS: u32 = 10_000;
/// A part that failed so often in a row is taken for lost: some servers answer every request for a result that
/// expired with HTTP 500.
const MOST_FAILURES: u32 = 5;

/// What is asked for, apart from the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `collection_name`.
    pub collection: String,
    /// Subscription_ID, sent instead of the parameters.
    pub subscription_id: Option<String>,
    /// `allow_asynch`.
    pub asynchronous: bool,
    /// Poll_Parameters.
    pub parameters: Parameters,
    /// How long a result may take to make any progress before it is given up.
    pub patience: Duration,
}

/// Where a poll stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The Poll_Request is to be sent.
    Ask,
    /// A Poll_Fulfillment is to be sent.
    Fetch {
        /// `result_id`, byte-exact.
        result_id: String,
        /// The part wanted, from 1.
        part: u32,
        /// When the result is given up if nothing has come of it, by our clock.
        deadline: DateTime<Utc>,
    },
    /// All parts are stored; only the cursor is left to move.
    Stored {
        /// Inclusive_End_Timestamp of the last part; `None` where absent or unreadable.
        end: Option<Timestamp>,
        /// When the last part came, by the server's clock.
        date: DateTime<Utc>,
    },
}

/// So many digits of a part's fingerprint are kept: a result may have thousands of parts.
const DIGITS: usize = 16;
/// What the fingerprint of a part begins with where none of its blocks has a Timestamp_Label.
pub const UNLABELLED: char = '-';

/// What has to survive a restart in the middle of a poll. The ledger keeps it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The asked range; `None` for a DATA_SET, which is asked for whole.
    pub range: Option<Range>,
    /// When the poll began, by our clock.
    pub began: DateTime<Utc>,
    /// Where it stands.
    pub phase: Phase,
    /// The address that answered the Poll_Request; fulfilments go there.
    pub address: Option<String>,
    /// The server asked not to be bothered before, by our clock.
    pub not_before: Option<DateTime<Utc>>,
    /// What the blocks of each part so far came to, the first digits of it, part 1 first; empty for a part without blocks.
    /// A server that has lost count repeats one of them, and so does a cache before it.
    pub digests: Vec<String>,
    /// The last reply was a part that had not been asked for.
    pub misnumbered: bool,
    /// Failed attempts in a row.
    pub failures: u32,
    /// How often the result was lost and the range asked for again.
    pub abandoned: u32,
    /// What comes may have come before under other labels, in a result that was lost.
    #[serde(default)]
    pub again: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Reply<'a> {
    /// An HTTP answer, with a TAXII message or without.
    Answer {
        /// The answer.
        answer: Answer<'a>,
        /// A fingerprint of all the blocks of the part, in order, after [`UNLABELLED`] where none has a label; `None`
        /// where it held none.
        digest: Option<String>,
    },
    /// A reply whose blocks cannot be told apart: not well formed, or cut short though the transfer was complete.
    Unreadable(String),
    /// The connection broke in the middle of the reply.
    Cut(String),
    /// No answer.
    Failed {
        /// What to do about it.
        class: Class,
        /// What happened.
        words: String,
    },
}

/// What the walk has to do next. After each of them [`Poll::progress`] is what the ledger should keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the part durable together with the progress. Then send [`Poll::request`], or after the last part move
    /// the cursor ([`Poll::cursor`]).
    Store {
        /// It was the last part.
        last: bool,
    },
    /// Throw this part away and send [`Poll::request`] again: it was not the part asked for.
    Refetch {
        /// Why.
        words: String,
    },
    /// The server is still at work: send [`Poll::request`] then.
    Wait {
        /// By our clock.
        until: DateTime<Utc>,
        /// What the server said.
        words: String,
    },
    /// The server has nothing to report: the poll is over and the cursor stays.
    Nothing {
        /// What the server said.
        words: String,
    },
    /// The result is lost, and the poll stands at its beginning again, with the same range. What was stored of it
    /// stays: it is recognised when it comes again.
    Abandon {
        /// Send [`Poll::request`] at once; otherwise at the next scheduled time.
        at_once: bool,
        /// Why.
        words: String,
    },
    /// The reply cannot be read, so the result is refused as a whole: ask for [`Range::half`] instead.
    Halve {
        /// Why.
        words: String,
    },
    /// The reply broke off, which may be the network's fault: send [`Poll::request`] again. Where it breaks off however
    /// often it is asked for, [`Poll::refuse`] the result and ask for [`Range::half`] instead.
    Retry {
        /// What happened.
        words: String,
    },
    /// The request failed, and nothing of the reply may be stored.
    Fail {
        /// What to do about it.
        class: Class,
        /// What happened.
        words: String,
    },
}

/// A poll under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    plan: Plan,
    progress: Progress,
}

impl Poll {
    /// A new poll of a range, or of a whole DATA_SET. `now` is our clock.
    pub fn new(plan: Plan, range: Option<Range>, now: DateTime<Utc>) -> Poll {
        let progress = Progress {
            range,
            began: now,
            phase: Phase::Ask,
            address: None,
            not_before: None,
            digests: Vec::new(),
            misnumbered: false,
            failures: 0,
            abandoned: 0,
            again: false,
        };
        Poll { plan, progress }
    }

    /// The same poll; some of what it asks for may have come before, in a result that was lost.
    #[must_use]
    pub fn again(mut self, again: bool) -> Poll {
        self.progress.again = again;
        self
    }

    /// A poll that was under way before.
    pub fn resume(plan: Plan, progress: Progress) -> Poll {
        Poll { plan, progress }
    }

    /// Where it stands: what the ledger keeps.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The number of the part that the next reply should be.
    pub fn part(&self) -> u32 {
        match self.progress.phase {
            Phase::Fetch { part, .. } => part,
            Phase::Ask | Phase::Stored { .. } => 1,
        }
    }

    /// Notes the address that answered the Poll_Request.
    pub fn answered_at(&mut self, address: &str) {
        self.progress.address = Some(address.to_owned());
    }

    /// The message to send now.
    pub fn request(&self) -> Body {
        if let Phase::Fetch { result_id, part, .. } = &self.progress.phase {
            let collection = self.plan.collection.clone();
            return Body::PollFulfillment(PollFulfillment { collection, result_id: result_id.clone(), part: *part });
        }
        let range = self.progress.range.as_ref();
        Body::PollRequest(PollRequest {
            collection: self.plan.collection.clone(),
            begin: range.and_then(|range| range.begin.clone()),
            end: range.map(|range| range.end.clone()),
            subscription_id: self.plan.subscription_id.clone(),
            asynchronous: self.plan.asynchronous,
            parameters: self.plan.parameters.clone(),
        })
    }

    /// Takes in the reply to [`request`](Poll::request).
    pub fn on_reply(&mut self, reply: Reply<'_>, now: DateTime<Utc>) -> Step {
        self.progress.not_before = None;
        match reply {
            Reply::Unreadable(words) => {
                self.begin_again();
                Step::Halve { words }
            }
            Reply::Cut(words) => Step::Retry { words },
            Reply::Failed { class, words } => self.failed(class, words, now),
            Reply::Answer { answer, digest } => match answer.message.map(|message| &message.body) {
                Some(Body::PollResponse(response)) => self.on_part(response, &answer, digest, now),
                _ => self.on_other(&answer, now),
            },
        }
    }

    /// A part of the result cannot be had, and so the whole is refused: the poll stands at its beginning.
    pub fn refuse(&mut self) {
        self.begin_again();
    }

    /// After the last part: where the cursor goes. `None` before, and for a DATA_SET, which has no cursor.
    pub fn cursor(&self) -> Option<CursorMove> {
        match (&self.progress.phase, &self.progress.range) {
            (Phase::Stored { end, date }, Some(range)) => Some(next_cursor(range, end.as_ref(), *date)),
            _ => None,
        }
    }

    fn on_part(
        &mut self,
        response: &PollResponse,
        answer: &Answer<'_>,
        digest: Option<String>,
        now: DateTime<Utc>,
    ) -> Step {
        let wanted = self.part();
        // An attribute that was left out contradicts nothing.
        if !response.collection.is_empty() && response.collection != self.plan.collection.trim() {
            let words = format!("the server answered for the collection {}", response.collection);
            return self.failed(Class::Stop, words, now);
        }
        if let Some(other) = response.part.filter(|&part| part != wanted) {
            return self.on_wrong_part(wanted, other);
        }
        // A count is never followed up: some servers would deliver the content after all.
        let counted = self.plan.parameters.response_type == ResponseType::CountOnly;
        let result_id = response.result_id.clone().or_else(|| self.result_id());
        // A result ends where the server says so. What it says otherwise means more, if that can be asked for at all.
        let more = response.more || (response.unreadable_more.is_some() && result_id.is_some());
        if !more || counted {
            self.progress.phase = Phase::Stored { end: response.end.clone(), date: answer.server_time() };
            return Step::Store { last: true };
        }
        let Some(result_id) = result_id else {
            return self.stop("the server says that there is more, but not how to ask for it (no result_id)".into());
        };
        let digest: String = digest.unwrap_or_default().chars().take(DIGITS).collect();
        if let Some(before) = self.same_blocks(&digest) {
            return self.stop(format!("parts {before} and {wanted} hold the same blocks"));
        }
        if wanted >= MOST_PARTS {
            return self.stop(format!("the result has more than {MOST_PARTS} parts"));
        }
        self.progress.digests.push(digest);
        self.progress.misnumbered = false;
        self.progress.failures = 0;
        let deadline = later(now, self.plan.patience);
        self.progress.phase = Phase::Fetch { result_id, part: wanted + 1, deadline };
        Step::Store { last: false }
    }

    /// The part before that this one repeats under a number of its own: what it should have held would be lost. Blocks
    /// without a label may honestly come again later in a result; two such parts in a row are one that is repeated.
    fn same_blocks(&self, digest: &str) -> Option<usize> {
        let before = &self.progress.digests;
        let unlabelled = digest.starts_with(UNLABELLED);
        let first = if unlabelled { before.len().saturating_sub(1) } else { 0 };
        let same = before.iter().enumerate().skip(first).find(|(_, before)| *before == digest && !digest.is_empty());
        same.map(|(index, _)| index + 1)
    }

    /// One wrong part is thrown away and asked for again. A server that does it twice in a row does not count parts,
    /// and going on would skip some or never end.
    fn on_wrong_part(&mut self, wanted: u32, other: u32) -> Step {
        let words = format!("the server answered with part {other} when asked for part {wanted}");
        if self.progress.misnumbered {
            return self.stop(words);
        }
        self.progress.misnumbered = true;
        Step::Refetch { words }
    }

    /// Any reply but a Poll_Response.
    fn on_other(&mut self, answer: &Answer<'_>, now: DateTime<Utc>) -> Step {
        let reaction = react(answer);
        let Some(status) = answer.status().map(|status| StatusType::of(&status.status_type)) else {
            return self.failed(reaction.class, reaction.words, now);
        };
        let fetching = matches!(self.progress.phase, Phase::Fetch { .. });
        match status {
            StatusType::Pending => self.on_pending(answer, reaction.words, now),
            StatusType::Success if !fetching => Step::Nothing { words: reaction.words },
            // Credentials that are not accepted say nothing about the result.
            StatusType::Failure | StatusType::Other if reaction.class == Class::Admin => {
                self.failed(reaction.class, reaction.words, now)
            }
            StatusType::Success
            | StatusType::NotFound
            | StatusType::AsynchronousPollError
            | StatusType::InvalidResponsePart
            | StatusType::Denied
            | StatusType::Failure
            | StatusType::BadMessage
            | StatusType::Other
                if fetching =>
            {
                self.abandon(reaction.words)
            }
            _ => self.failed(reaction.class, reaction.words, now),
        }
    }

    /// PENDING is understood also where it was not allowed, as long as it says what to ask for later.
    fn on_pending(&mut self, answer: &Answer<'_>, words: String, now: DateTime<Utc>) -> Step {
        let stated = answer.message.and_then(|message| Details::of(message).result_id);
        let Some(result_id) = stated.or_else(|| self.result_id()) else {
            let wait = Some(pending_wait(answer));
            return self.failed(Class::Retry { wait }, format!("{words}, but not with which RESULT_ID"), now);
        };
        let (part, deadline) = match self.progress.phase {
            Phase::Fetch { part, deadline, .. } => (part, deadline),
            Phase::Ask | Phase::Stored { .. } => (1, later(now, self.plan.patience)),
        };
        if now >= deadline {
            return self.abandon(format!("{words}, and that for too long"));
        }
        let until = later(now, pending_wait(answer));
        self.progress.phase = Phase::Fetch { result_id, part, deadline };
        self.progress.not_before = Some(until);
        self.progress.failures = 0;
        Step::Wait { until, words }
    }

    fn result_id(&self) -> Option<String> {
        match &self.progress.phase {
            Phase::Fetch { result_id, .. } => Some(result_id.clone()),
            Phase::Ask | Phase::Stored { .. } => None,
        }
    }

    /// The request failed. A result of which nothing comes for long is given up.
    fn failed(&mut self, class: Class, words: String, now: DateTime<Utc>) -> Step {
        match class {
            Class::Retry { wait: Some(wait) } => self.progress.not_before = Some(later(now, wait)),
            Class::Retry { wait: None } | Class::Stop => {
                self.progress.failures = self.progress.failures.saturating_add(1)
            }
            Class::Admin => {}
        }
        match self.progress.phase {
            Phase::Fetch { deadline, .. } if self.progress.failures >= MOST_FAILURES || now >= deadline => {
                self.abandon(words)
            }
            _ => Step::Fail { class, words },
        }
    }

    /// The result is lost. The first time that is tried again at once, afterwards no faster than scheduled.
    fn abandon(&mut self, words: String) -> Step {
        self.begin_again();
        self.progress.abandoned = self.progress.abandoned.saturating_add(1);
        Step::Abandon { at_once: self.progress.abandoned == 1, words }
    }

    /// The server cannot be followed: the next poll of this range begins from its beginning.
    fn stop(&mut self, words: String) -> Step {
        self.begin_again();
        Step::Fail { class: Class::Stop, words }
    }

    fn begin_again(&mut self) {
        self.progress.again |= !self.progress.digests.is_empty();
        self.progress.phase = Phase::Ask;
        self.progress.address = None;
        self.progress.not_before = None;
        self.progress.digests.clear();
        self.progress.misnumbered = false;
        self.progress.failures = 0;
    }
}

#[cfg(test)]
mod tests;
