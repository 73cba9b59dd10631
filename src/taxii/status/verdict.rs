//! What to do about an answer: the verdict on a push, the reaction to anything else that failed.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Details, StatusType};
use crate::taxii::message::{Body, Message, StatusMessage};
use crate::taxii::time::{Wait, later};

/// How many answers of FAILURE, or of an unknown status, refuse a file.
pub const FAILURES_UNTIL_REFUSED: u32 = 5;
/// How often something is tried that waits for an administrator.
pub const ADMIN_PACE: Duration = Duration::from_secs(3600);

const SECOND: Duration = Duration::from_secs(1);
/// Nothing that waits because of an answer waits longer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// The least and the usual wait for a PENDING result.
const PENDING_LEAST: Duration = Duration::from_secs(5);
const PENDING_USUAL: Duration = Duration::from_secs(60);

/// Whether something that waits until then still does. What is further away than any wait was put off by a clock that was
/// ahead: that wait is over.
pub fn still_waits(until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now < until && until <= later(now, LONGEST_WAIT)
}

/// An HTTP answer as far as it decides anything.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// HTTP status code.
    pub http: u16,
    /// The TAXII message in the body, whatever the status code and the headers were.
    pub message: Option<&'a Message>,
    /// What the body is instead, where it is no message and that is known.
    pub instead: Option<&'a str>,
    /// The Date header.
    pub date: Option<DateTime<Utc>>,
    /// The Retry-After header.
    pub retry_after: Option<Wait>,
    /// When it came, by our clock.
    pub now: DateTime<Utc>,
}

impl<'a> Answer<'a> {
    /// The Status_Message, if the answer is one.
    pub fn status(&self) -> Option<&'a StatusMessage> {
        match self.message.map(|message| &message.body) {
            Some(Body::Status(status)) => Some(status),
            _ => None,
        }
    }

    /// When the answer was made, by the server's clock, or ours where it does not say.
    pub fn server_time(&self) -> DateTime<Utc> {
        self.date.unwrap_or(self.now)
    }

    /// Whether the credentials were not accepted: a fresh token may help.
    pub fn is_unauthorized(&self) -> bool {
        match self.status().map(|status| StatusType::of(&status.status_type)) {
            Some(StatusType::Unauthorized) => true,
            Some(StatusType::Failure | StatusType::Other) => self.http == 401,
            Some(_) => false,
            None => self.message.is_none() && self.http == 401,
        }
    }

    /// What the operator can do about an answer that is not the one wanted; empty where that is nothing, or not known.
    pub fn hint(&self) -> &'static str {
        let status = self.status().map(|status| StatusType::of(&status.status_type));
        match (status, self.http) {
            (Some(StatusType::Unauthorized), _) | (Some(StatusType::Failure | StatusType::Other) | None, 401) => {
                "check the user name and the password, or the client certificate"
            }
            (Some(StatusType::Denied | StatusType::NotFound | StatusType::DestinationCollectionError), _)
            | (Some(StatusType::Failure | StatusType::Other) | None, 403) => {
                "check the collection, the credentials and what the server grants"
            }
            (None, 404 | 405) => "check the address",
            (None, 406 | 415) => "check the address and `taxii` of the server",
            (None, 407) => "check username and password_file of the proxy",
            _ => "",
        }
    }

    /// The wait that the server asks for: ESTIMATED_WAIT, else Retry-After; from a second to an hour.
    fn wait(&self) -> Option<Duration> {
        let estimated = self.message.and_then(|message| Details::of(message).estimated_wait);
        let wait = estimated.or(self.retry_after)?;
        Some(wait.counted_from(self.server_time()).clamp(SECOND, LONGEST_WAIT))
    }

    /// Whether the HTTP status says that credentials are missing, wrong or not enough.
    fn is_about_credentials(&self) -> bool {
        matches!(self.http, 401 | 403 | 407)
    }
}

/// How long to wait for a PENDING result: what the server estimates, from 5 seconds to an hour; else a minute.
pub fn pending_wait(answer: &Answer<'_>) -> Duration {
    answer.wait().unwrap_or(PENDING_USUAL).max(PENDING_LEAST)
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
///
/// A parsed SUCCESS is success whatever the HTTP status; nothing else is. `in_response_to` is not looked at: servers
/// leave it out or write `0`, and the HTTP exchange itself tells what is answered.
pub fn judge_push(answer: &Answer<'_>, failures: u32) -> Judgement {
    let status = answer.status();
    let verdict = match status {
        Some(status) => judge_status(StatusType::of(&status.status_type), answer, failures),
        None => judge_http(answer),
    };
    Judgement {
        verdict,
        status_type: status.map(|status| status.status_type.clone()),
        message: status.and_then(|status| status.message.clone()),
        words: words(answer),
    }
}

fn judge_status(status: StatusType, answer: &Answer<'_>, failures: u32) -> Verdict {
    let wait = answer.wait();
    match status {
        StatusType::Success => Verdict::Accepted,
        StatusType::BadMessage | StatusType::UnsupportedContent => Verdict::Refused,
        // FAILURE may mask anything; a telling HTTP status beside it unmasks it.
        StatusType::Failure | StatusType::Other => match answer.http {
            413 => Verdict::Refused,
            _ if answer.is_about_credentials() => Verdict::Admin,
            _ if failures.saturating_add(1) >= FAILURES_UNTIL_REFUSED => Verdict::Refused,
            _ => Verdict::Failing { wait },
        },
        StatusType::Denied
        | StatusType::Unauthorized
        | StatusType::NotFound
        | StatusType::DestinationCollectionError
        | StatusType::UnsupportedProtocol
        | StatusType::UnsupportedMessage => Verdict::Admin,
        StatusType::Pending => Verdict::Later { wait: Some(pending_wait(answer)) },
        StatusType::Retry
        | StatusType::NetworkError
        | StatusType::PollingUnsupported
        | StatusType::UnsupportedQuery
        | StatusType::InvalidResponsePart
        | StatusType::AsynchronousPollError
        | StatusType::UnsupportedCapabilityModule
        | StatusType::UnsupportedTargetingExpression
        | StatusType::UnsupportedTargetingExpressionId => Verdict::Later { wait },
    }
}

/// Without a Status_Message only 413 refuses a file: whatever else stands between us and the service may answer with
/// any HTTP status, and knows nothing about the file.
fn judge_http(answer: &Answer<'_>) -> Verdict {
    match answer.http {
        413 => Verdict::Refused,
        _ if answer.is_about_credentials() => Verdict::Admin,
        _ => Verdict::Later { wait: answer.wait() },
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

/// The reaction to an answer that is not the one wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// What to do.
    pub class: Class,
    /// What happened, for the operator: holds remote text.
    pub words: String,
}

/// How to react to an answer to a poll or an information request that is not the one wanted: an error status, an
/// HTTP status without a message, or another message.
pub fn react(answer: &Answer<'_>) -> Reaction {
    let class = match answer.status() {
        Some(status) => react_to_status(StatusType::of(&status.status_type), answer),
        None if answer.message.is_some() => Class::Stop,
        None => react_to_http(answer),
    };
    Reaction { class, words: words(answer) }
}

fn react_to_status(status: StatusType, answer: &Answer<'_>) -> Class {
    match status {
        StatusType::Retry | StatusType::NetworkError => Class::Retry { wait: answer.wait() },
        StatusType::Pending => Class::Retry { wait: Some(pending_wait(answer)) },
        StatusType::Failure | StatusType::Other if answer.is_about_credentials() => Class::Admin,
        StatusType::Failure | StatusType::Other => Class::Retry { wait: answer.wait() },
        StatusType::Success | StatusType::InvalidResponsePart | StatusType::AsynchronousPollError => Class::Stop,
        StatusType::BadMessage
        | StatusType::Denied
        | StatusType::NotFound
        | StatusType::PollingUnsupported
        | StatusType::Unauthorized
        | StatusType::UnsupportedMessage
        | StatusType::UnsupportedContent
        | StatusType::UnsupportedProtocol
        | StatusType::UnsupportedQuery
        | StatusType::DestinationCollectionError
        | StatusType::UnsupportedCapabilityModule
        | StatusType::UnsupportedTargetingExpression
        | StatusType::UnsupportedTargetingExpressionId => Class::Admin,
    }
}

/// HTTP Protocol Binding, section 5.1, table 2, and what proxies and gateways say.
fn react_to_http(answer: &Answer<'_>) -> Class {
    match answer.http {
        401 | 403 | 406 | 407 | 415 => Class::Admin,
        200..=299 | 408 | 425 | 429 | 500.. => Class::Retry { wait: answer.wait() },
        _ => Class::Stop,
    }
}

/// What happened, in words that can follow "cannot push NAME: ".
fn words(answer: &Answer<'_>) -> String {
    let Some(message) = answer.message else { return http_words(answer) };
    let Body::Status(status) = &message.body else {
        return format!("the server answered with a {} instead", message.body.name(message.version));
    };
    let mut words = match status.status_type.as_str() {
        "" => "the server answered with a Status_Message without a status_type".to_owned(),
        status_type => format!("the server answered {status_type}"),
    };
    if let Some(text) = status.message.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        words.push_str(": ");
        words.push_str(text);
    }
    let details = Details::of(message);
    let lists = [
        ("not found", details.item.as_slice()),
        ("acceptable destinations", &details.acceptable_destinations),
        ("supported", &details.supported),
    ];
    for (name, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
        words.push_str(&format!(" ({name}: {})", values.join(", ")));
    }
    words
}

fn http_words(answer: &Answer<'_>) -> String {
    let http = answer.http;
    let hint = match http {
        200..=299 => ": a login page, perhaps, or not the address of a TAXII service",
        300..=399 => ": it redirects to where this agent does not go",
        400 => ": it could not make sense of the request",
        401 => ": the credentials are missing or wrong",
        403 => ": the credentials are not enough",
        404 | 405 => ": the address is wrong, often by no more than a slash at its end",
        406 | 415 => ": it does not speak this version of TAXII at this address",
        407 => ": the proxy wants other credentials",
        413 => ": the message is too large for it",
        408 | 425 | 429 | 503 => ": it is busy",
        502 | 504 => ": what stands before the server does not reach it",
        _ => "",
    };
    // An error needs no page that says so.
    let found = answer.instead.filter(|_| matches!(http, 200..=299));
    let found = found.map(|found| format!(" ({found})")).unwrap_or_default();
    format!("the server answered HTTP {http} without a TAXII message{hint}{found}")
}

/// The pause after failed attempt number `attempt`, from 1: base 5 s, factor 2, full jitter, from 1 s to 15 min.
/// `random` is any number, evenly distributed.
pub fn backoff(attempt: u32, random: u64) -> Duration {
    const BASE_MS: u64 = 5_000;
    const CAP_MS: u64 = 15 * 60 * 1_000;
    let doublings = attempt.saturating_sub(1).min(16);
    let longest = (BASE_MS << doublings).min(CAP_MS);
    // The upper half of the random bits, as a fraction of the longest pause.
    let pause = (longest * (random >> 32)) >> 32;
    Duration::from_millis(pause).max(SECOND)
}

#[cfg(test)]
mod tests;
