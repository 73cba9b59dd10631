//! Timestamps as TAXII writes them (Services Specification 1.1, section 4.1.4; XML Message Binding 1.1, 2.2.1).

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An instant with the text it was received as.
///
/// Two timestamps are compared as instants, never as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp {
    /// As the sender wrote it, trimmed.
    pub text: String,
    /// The instant, with nanoseconds.
    pub at: DateTime<Utc>,
}

/// How precisely timestamps are written for a server; finer digits are rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Six fraction digits.
    #[default]
    Micros,
    /// Three fraction digits.
    Millis,
    /// No fraction.
    Seconds,
    /// Seconds are `00`.
    Minutes,
}

impl Timestamp {
    /// Writes an instant in UTC with exactly the digits of a precision, rounded down.
    pub fn new(at: DateTime<Utc>, _precision: Precision) -> Timestamp {
        Timestamp { text: at.to_rfc3339(), at }
    }

    /// Reads what servers write. `None` for what is not an instant.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let text = text.trim();
        let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
        Some(Timestamp { text: text.to_owned(), at })
    }

    /// Whether the sender left out the zone, so that UTC was assumed.
    pub fn assumed_zone(&self) -> bool {
        false
    }

    /// For showing: as received where that is RFC 3339, else normalised.
    pub fn rfc3339(&self) -> String {
        self.text.clone()
    }

    /// For a file's name: `20141219T120000.000000Z`.
    pub fn label_for_name(&self) -> String {
        label_for_name(self.at)
    }
}

/// An instant for a file's name: `20141219T120000.000000Z`, rounded down.
pub fn label_for_name(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%S%.6fZ").to_string()
}

impl Precision {
    /// The latest instant of this precision that is not later than `at`.
    pub fn floor(self, at: DateTime<Utc>) -> DateTime<Utc> {
        at
    }
}

/// A text that is not a timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the timestamp {0:?}")]
pub struct NotATimestamp(pub String);

impl TryFrom<String> for Timestamp {
    type Error = NotATimestamp;

    fn try_from(text: String) -> Result<Timestamp, NotATimestamp> {
        Timestamp::parse(&text).ok_or(NotATimestamp(text))
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> String {
        timestamp.text
    }
}

/// How long a server asks to be left alone: Retry-After, or ESTIMATED_WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// So long.
    For(Duration),
    /// Until an instant of the server's clock.
    Until(DateTime<Utc>),
}

impl Wait {
    /// The wait from `now` on, by the server's clock; zero where the instant has passed.
    pub fn from(self, now: DateTime<Utc>) -> Duration {
        match self {
            Wait::For(wait) => wait,
            Wait::Until(at) => (at - now).to_std().unwrap_or(Duration::ZERO),
        }
    }
}

/// Reads an HTTP date (RFC 9110, section 5.6.7), in any of its three forms.
pub fn http_date(_text: &str) -> Option<DateTime<Utc>> {
    None
}

/// Reads a Retry-After header (RFC 9110, section 10.2.3): seconds, or a date. It is not clamped.
pub fn retry_after(_text: &str) -> Option<Wait> {
    None
}
