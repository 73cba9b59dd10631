//! Timestamps as TAXII writes them (Services Specification 1.1, section 4.1.4; XML Message Binding 1.1, 2.2.1), and
//! the dates of HTTP.

mod lexical;

use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

use lexical::{in_range, read};

/// The first instant that a timestamp can name: the beginning of the year 1.
const FIRST: DateTime<Utc> = instant(-62_135_596_800, 0);
/// The last instant that a timestamp can name, at the end of the year 9999.
const LAST: DateTime<Utc> = instant(253_402_300_799, 999_999_999);

/// An instant with the text it was received as.
///
/// Two timestamps are compared as instants ([`at`](Timestamp::at)), never as text.
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
    /// Writes an instant in UTC with exactly the digits of a precision, rounded down: some servers choke on more
    /// digits, others on fewer, and rounding a begin up would lose content. Years outside 1 to 9999, which no
    /// timestamp can hold, become the nearest that it can.
    pub fn new(at: DateTime<Utc>, precision: Precision) -> Timestamp {
        let at = precision.floor(at.clamp(FIRST, LAST));
        let format = match precision {
            Precision::Micros => "%Y-%m-%dT%H:%M:%S%.6fZ",
            Precision::Millis => "%Y-%m-%dT%H:%M:%S%.3fZ",
            Precision::Seconds | Precision::Minutes => "%Y-%m-%dT%H:%M:%SZ",
        };
        Timestamp { text: at.format(format).to_string(), at }
    }

    /// Reads what servers write, which is more than the schema allows: any number of fraction digits (nine of them
    /// count), no zone (UTC), a date alone (midnight UTC), `t`, `z` or a space, `+0200`, the basic format, `24:00:00`
    /// and the leap second, which is the next minute. `None` for anything else; then the field counts as absent.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let text = text.trim();
        let at = read(text)?.at;
        Some(Timestamp { text: text.to_owned(), at })
    }

    /// Whether the sender left out the zone, so that UTC was assumed.
    pub fn assumed_zone(&self) -> bool {
        read(&self.text).is_some_and(|reading| !reading.zoned)
    }

    /// For showing: as received where that is RFC 3339, else normalised.
    pub fn rfc3339(&self) -> String {
        match read(&self.text) {
            Some(reading) if reading.rfc3339 => self.text.clone(),
            _ => self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        }
    }

    /// For a file's name: `20141219T120000.000000Z`, rounded down.
    pub fn label_for_name(&self) -> String {
        label_for_name(self.at)
    }
}

/// An instant for a file's name: `20141219T120000.000000Z`, rounded down.
pub fn label_for_name(at: DateTime<Utc>) -> String {
    let at = Precision::Micros.floor(at.clamp(FIRST, LAST));
    let (date, time) = (at.year() as u32 * 10_000 + at.month() * 100 + at.day(), at.time());
    let time_of_day = time.hour() * 10_000 + time.minute() * 100 + time.second();
    // One of these is made for every block: the formatting machinery takes many times as long.
    let mut label = String::with_capacity(NAME_LENGTH);
    for (mut number, count, after) in [(date, 8, "T"), (time_of_day, 6, "."), (at.timestamp_subsec_micros(), 6, "Z")] {
        let mut digits = [0; 8];
        for digit in digits.iter_mut().take(count).rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        label.push_str(std::str::from_utf8(&digits[..count]).unwrap_or_default());
        label.push_str(after);
    }
    label
}

/// Room for a file's name that begins with an instant: `20141219T120000.000000Z-` and 16 digits with an extension.
const NAME_LENGTH: usize = 48;

impl Precision {
    /// The latest instant of this precision that is not later than `at`.
    pub fn floor(self, at: DateTime<Utc>) -> DateTime<Utc> {
        // A leap second counts a whole second of nanoseconds more; it is not kept.
        let (seconds, nanos) = (at.timestamp(), at.timestamp_subsec_nanos().min(999_999_999));
        match self {
            Precision::Micros => instant(seconds, nanos - nanos % 1_000),
            Precision::Millis => instant(seconds, nanos - nanos % 1_000_000),
            Precision::Seconds => instant(seconds, 0),
            Precision::Minutes => instant(seconds - seconds.rem_euclid(60), 0),
        }
    }

    /// The shortest distance between two instants of this precision.
    pub fn unit(self) -> Duration {
        match self {
            Precision::Micros => Duration::from_micros(1),
            Precision::Millis => Duration::from_millis(1),
            Precision::Seconds => Duration::from_secs(1),
            Precision::Minutes => Duration::from_secs(60),
        }
    }
}

/// An instant later by a duration; as late as can be where that is too far.
pub fn later(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by).ok().and_then(|by| at.checked_add_signed(by)).map_or(LAST, |at| at.min(LAST))
}

/// An instant earlier by a duration; as early as can be where that is too far.
pub fn earlier(at: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by).ok().and_then(|by| at.checked_sub_signed(by)).map_or(FIRST, |at| at.max(FIRST))
}

/// The instant so many seconds and nanoseconds after 1970, all of which are in range where this is called.
const fn instant(seconds: i64, nanos: u32) -> DateTime<Utc> {
    match DateTime::from_timestamp(seconds, nanos) {
        Some(at) => at,
        None => DateTime::UNIX_EPOCH,
    }
}

/// A text that is not a timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read {0:?} as a timestamp")]
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
    /// How long that is from `now` on, by the server's clock; zero where the instant has passed.
    pub fn counted_from(self, now: DateTime<Utc>) -> Duration {
        match self {
            Wait::For(wait) => wait,
            Wait::Until(at) => (at - now).to_std().unwrap_or(Duration::ZERO),
        }
    }
}

/// Reads an HTTP date (RFC 9110, section 5.6.7) in any of its three forms. The name of the day is not looked at.
pub fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let at = match text.split_once(',') {
        Some((_, rest)) => {
            let rest = rest.trim().strip_suffix("GMT")?.trim_end();
            NaiveDateTime::parse_from_str(rest, "%d %b %Y %H:%M:%S")
                .or_else(|_| NaiveDateTime::parse_from_str(rest, "%d-%b-%y %H:%M:%S"))
        }
        None => NaiveDateTime::parse_from_str(text.split_once(' ')?.1, "%b %e %H:%M:%S %Y"),
    };
    in_range(at.ok()?).map(|at| Precision::Seconds.floor(at))
}

/// Reads a Retry-After header (RFC 9110, section 10.2.3): seconds, or a date. It is not clamped, and may be absurd.
pub fn retry_after(text: &str) -> Option<Wait> {
    seconds(text).or_else(|| http_date(text).map(Wait::Until))
}

/// Reads a whole number of seconds. One that is too large for the type is still a very long wait.
pub(super) fn seconds(text: &str) -> Option<Wait> {
    let text = text.trim();
    let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| Wait::For(Duration::from_secs(text.parse().unwrap_or(u64::MAX))))
}

#[cfg(test)]
mod tests;
