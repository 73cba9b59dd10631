//! One poll as a state machine: ask, fetch parts, wait, done.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::range::{CursorMove, Range};
use crate::taxii::message::{Body, Parameters, PollRequest};
use crate::taxii::status::{Answer, Class};
use crate::taxii::time::Timestamp;

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
    /// How long a PENDING result is waited for.
    pub patience: Duration,
}

/// Where a poll stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The Poll_Request is to be sent.
    Ask,
    /// The Poll_Fulfillment for the next part is to be sent.
    Fetch,
    /// All parts are stored; only the cursor is left to move.
    Stored {
        /// Inclusive_End_Timestamp of the last part.
        end: Option<Timestamp>,
        /// When the last part came, by the server's clock.
        date: DateTime<Utc>,
    },
}

/// What has to survive a restart in the middle of a poll. The ledger stores it as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The asked range; `None` for a DATA_SET, which is asked for whole.
    pub range: Option<Range>,
    /// When the poll began, by our clock.
    pub began: DateTime<Utc>,
    /// Where it stands.
    pub phase: Phase,
    /// `result_id` of a result in parts, or still being made.
    pub result_id: Option<String>,
    /// The part wanted next, from 1.
    pub part: u32,
    /// The address that answered; fulfilments go there.
    pub address: Option<String>,
    /// Not to be asked before, by our clock, because the server said so.
    pub not_before: Option<DateTime<Utc>>,
    /// A PENDING result is given up then.
    pub deadline: Option<DateTime<Utc>>,
    /// Fingerprint of the blocks of the part before.
    pub digest: Option<String>,
    /// Whether the last reply was a part that had not been asked for.
    pub misnumbered: bool,
    /// Failed attempts at the wanted part.
    pub failures: u32,
    /// How often the result was abandoned and the range asked for again.
    pub abandoned: u32,
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Reply<'a> {
    /// An HTTP answer, with a TAXII message or without.
    Answer {
        /// The answer.
        answer: Answer<'a>,
        /// A fingerprint of all the blocks of the part, in order; `None` where it held none.
        digest: Option<String>,
    },
    /// A reply whose blocks cannot be told apart: not well formed, or cut short.
    Unreadable(String),
    /// No answer at all.
    Failed {
        /// What to do about it.
        class: Class,
        /// What happened.
        words: String,
    },
}

/// What the walk has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the part durable, together with [`Poll::progress`]. Then send [`Poll::request`], or after the last part
    /// move the cursor ([`Poll::cursor`]).
    Store {
        /// It was the last part.
        last: bool,
    },
    /// Throw the part away and send [`Poll::request`] again: it was not the part asked for.
    Refetch {
        /// Why.
        words: String,
    },
    /// The server is still at work: save [`Poll::progress`], and send [`Poll::request`] then.
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
    /// The result is lost; throw away what is stored of it. The poll stands at its beginning again, with the same
    /// range.
    Abandon {
        /// Why.
        words: String,
    },
    /// The reply cannot be read: throw away the whole result and ask for [`Range::half`].
    Halve {
        /// Why.
        words: String,
    },
    /// The request failed. The poll stands where it stood.
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
    /// A new poll. `now` is our clock.
    pub fn new(plan: Plan, range: Option<Range>, now: DateTime<Utc>) -> Poll {
        let progress = Progress {
            range,
            began: now,
            phase: Phase::Ask,
            result_id: None,
            part: 1,
            address: None,
            not_before: None,
            deadline: None,
            digest: None,
            misnumbered: false,
            failures: 0,
            abandoned: 0,
        };
        Poll { plan, progress }
    }

    /// A poll that was under way before.
    pub fn resume(plan: Plan, progress: Progress) -> Poll {
        Poll { plan, progress }
    }

    /// Where it stands: what the ledger keeps.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Notes the address that answered; fulfilments go there.
    pub fn answered_at(&mut self, address: &str) {
        self.progress.address = Some(address.to_owned());
    }

    /// The message to send now.
    pub fn request(&self) -> Body {
        Body::PollRequest(PollRequest {
            collection: self.plan.collection.clone(),
            begin: None,
            end: None,
            subscription_id: None,
            asynchronous: false,
            parameters: Parameters::default(),
        })
    }

    /// Takes a reply in. `now` is our clock.
    pub fn on_reply(&mut self, _reply: Reply<'_>, _now: DateTime<Utc>) -> Step {
        Step::Store { last: true }
    }

    /// After the last part: where the cursor goes. `None` before, and for a DATA_SET, which has no cursor.
    pub fn cursor(&self) -> Option<CursorMove> {
        None
    }
}
