//! Timestamps as TAXII writes them (Services Specification 1.1, section 4.1.4; XML Message Binding 1.1, 2.2.1).

use chrono::{DateTime, Utc};

/// An instant with the text it was received as.
///
/// Two timestamps are compared as instants, never as text.
#[derive(Clone, Debug, PartialEq, Eq)]
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
