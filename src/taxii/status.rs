//! What a reply means: status types, their details, and the verdicts (Services Specification 1.1, section 4.4.1).

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::message::Message;
use super::time::Wait;

/// How many FAILURE (or unknown) answers refuse a file.
pub const FAILURES_UNTIL_REFUSED: u32 = 5;
/// How often something is tried that waits for an administrator.
pub const ADMIN_PACE: Duration = Duration::from_secs(3600);

/// `status_type`: the 17 of the XML Message Binding 1.1 and the 3 of the Default Query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusType {
    /// SUCCESS.
    Success,
    /// FAILURE.
    Failure,
    /// BAD_MESSAGE.
    BadMessage,
    /// DENIED.
    Denied,
    /// NOT_FOUND.
    NotFound,
    /// POLLING_UNSUPPORTED.
    PollingUnsupported,
    /// RETRY.
    Retry,
    /// UNAUTHORIZED.
    Unauthorized,
    /// UNSUPPORTED_MESSAGE.
    UnsupportedMessage,
    /// UNSUPPORTED_CONTENT.
    UnsupportedContent,
    /// UNSUPPORTED_PROTOCOL.
    UnsupportedProtocol,
    /// UNSUPPORTED_QUERY.
    UnsupportedQuery,
    /// PENDING.
    Pending,
    /// INVALID_RESPONSE_PART.
    InvalidResponsePart,
    /// ASYNCHRONOUS_POLL_ERROR.
    AsynchronousPollError,
    /// DESTINATION_COLLECTION_ERROR.
    DestinationCollectionError,
    /// NETWORK_ERROR.
    NetworkError,
    /// UNSUPPORTED_CAPABILITY_MODULE (Default Query).
    UnsupportedCapabilityModule,
    /// UNSUPPORTED_TARGETING_EXPRESSION (Default Query).
    UnsupportedTargetingExpression,
    /// UNSUPPORTED_TARGETING_EXPRESSION_ID (Default Query).
    UnsupportedTargetingExpressionId,
    /// Anything else: treated as FAILURE (Services Specification 1.1, section 4.4.1.1).
    Other,
}

impl StatusType {
    /// Reads a `status_type` in any case and with white space around it.
    pub fn of(_text: &str) -> StatusType {
        StatusType::Other
    }
}

/// The Status_Detail of a message, each part optional wherever it should have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// ESTIMATED_WAIT: seconds, or an instant in 1.0.
    pub estimated_wait: Option<Wait>,
    /// RESULT_ID.
    pub result_id: Option<String>,
    /// WILL_PUSH.
    pub will_push: Option<bool>,
    /// MAX_PART_NUMBER.
    pub max_part_number: Option<u32>,
    /// ITEM.
    pub item: Option<String>,
    /// ACCEPTABLE_DESTINATION.
    pub acceptable_destinations: Vec<String>,
    /// SUPPORTED_BINDING, SUPPORTED_CONTENT, SUPPORTED_PROTOCOL or SUPPORTED_QUERY, whichever the status type has.
    pub supported: Vec<String>,
}

impl Details {
    /// Reads the details of a Status_Message, from Status_Detail or from Extended_Headers, where some servers put them.
    pub fn of(_message: &Message) -> Details {
        Details::default()
    }
}

/// An HTTP answer as far as it decides anything.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// HTTP status code.
    pub http: u16,
    /// The TAXII message in the body, whatever the status code was.
    pub message: Option<&'a Message>,
    /// The Date header.
    pub date: Option<DateTime<Utc>>,
    /// The Retry-After header.
    pub retry_after: Option<Wait>,
    /// Our clock.
    pub now: DateTime<Utc>,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server said SUCCESS.
    Accepted,
    /// Refused for good.
    Refused,
    /// FAILURE or an unknown status: tried again, and refused after [`FAILURES_UNTIL_REFUSED`] of these.
    Failing {
        /// What the server asked for, clamped.
        wait: Option<Duration>,
    },
    /// To be tried again.
    Later {
        /// What the server asked for, clamped.
        wait: Option<Duration>,
    },
    /// To be tried again at [`ADMIN_PACE`]: somebody has to do something.
    Admin,
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of the delivery.
    pub verdict: Verdict,
    /// `status_type` as the server wrote it, where there was a Status_Message.
    pub status_type: Option<String>,
    /// The Message of the Status_Message: remote text, to be escaped and truncated where it is shown.
    pub message: Option<String>,
    /// What happened, for the operator: holds remote text too.
    pub words: String,
}

/// Judges the answer to an Inbox_Message. `failures` is how often this delivery was [`Verdict::Failing`] before.
pub fn judge_push(answer: &Answer<'_>, _failures: u32) -> Judgement {
    Judgement {
        verdict: Verdict::Later { wait: None },
        status_type: None,
        message: None,
        words: format!("HTTP {}", answer.http),
    }
}

/// What to do about a request that did not get what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same request again, after the wait the server asked for, or a backoff. A few times, then as `Stop`.
    Retry {
        /// What the server asked for, clamped.
        wait: Option<Duration>,
    },
    /// Not before the next scheduled time.
    Stop,
    /// At [`ADMIN_PACE`]: somebody has to do something.
    Admin,
}

/// The reaction to an answer that is not the one wanted, on polls and information requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// What to do.
    pub class: Class,
    /// What happened, for the operator: holds remote text.
    pub words: String,
}

/// How to react to an answer that is not the one wanted: an error status, an HTTP status, or another message.
pub fn react(answer: &Answer<'_>) -> Reaction {
    Reaction { class: Class::Stop, words: format!("HTTP {}", answer.http) }
}

/// The pause before attempt `attempt` + 1 (counted from 1): base 5 s, factor 2, full jitter, at most 15 min.
/// `random` is any number, evenly distributed.
pub fn backoff(_attempt: u32, _random: u64) -> Duration {
    Duration::from_secs(5)
}
