//! Timestamps as TAXII writes them (Services Specification 1.1, section 4.1.4; XML Message Binding 1.1, 2.2.1), and
//! the dates of HTTP.

use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// No timestamp is longer than this; what is longer is not one. It leaves room for 40 fraction digits.
const LONGEST: usize = 64;

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
    Precision::Micros.floor(at.clamp(FIRST, LAST)).format("%Y%m%dT%H%M%S%.6fZ").to_string()
}

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

/// What a timestamp's text says.
struct Reading {
    at: DateTime<Utc>,
    /// It has a zone.
    zoned: bool,
    /// It is RFC 3339, with capital `T` and `Z`.
    rfc3339: bool,
}

/// Reads a trimmed timestamp.
fn read(text: &str) -> Option<Reading> {
    if text.len() > LONGEST {
        return None;
    }
    let mut scan = Scan(text.as_bytes());
    let (date, dashed) = scan.date()?;
    if scan.0.is_empty() {
        return in_range(date).map(|at| Reading { at, zoned: false, rfc3339: false });
    }
    let separator = scan.any_of(b"Tt ")?;
    let time = scan.time()?;
    let zone = scan.zone()?;
    if !scan.0.is_empty() {
        return None;
    }
    let shift = TimeDelta::seconds(time.seconds - zone.seconds) + TimeDelta::nanoseconds(time.nanos);
    let at = in_range(date.checked_add_signed(shift)?)?;
    // A leap second can only be the last second of a month in UTC (RFC 3339, section 5.7).
    let real = !time.leap || (at.day() == 1 && at.num_seconds_from_midnight() == 0);
    let rfc3339 = dashed && separator == b'T' && time.strict && zone.strict && real;
    Some(Reading { at, zoned: zone.given, rfc3339 })
}

/// The instant, if its year is one that a timestamp can name.
fn in_range(at: NaiveDateTime) -> Option<DateTime<Utc>> {
    Some(at.and_utc()).filter(|at| (FIRST..=LAST).contains(at))
}

/// The time of day as it is written.
struct Time {
    seconds: i64,
    nanos: i64,
    leap: bool,
    strict: bool,
}

/// The zone as it is written.
struct Zone {
    seconds: i64,
    given: bool,
    strict: bool,
}

/// What is left to read.
struct Scan<'a>(&'a [u8]);

impl Scan<'_> {
    fn any_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        wanted.contains(&first).then(|| {
            self.0 = rest;
            first
        })
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
    }

    /// Midnight of `YYYY-MM-DD` or `YYYYMMDD`, and whether there were dashes.
    fn date(&mut self) -> Option<(NaiveDateTime, bool)> {
        let year = i32::try_from(self.number(4)?).ok()?;
        let dashed = self.any_of(b"-").is_some();
        let month = self.number(2)?;
        if dashed {
            self.any_of(b"-")?;
        }
        let date = NaiveDate::from_ymd_opt(year, month, self.number(2)?)?;
        Some((date.and_hms_opt(0, 0, 0)?, dashed))
    }

    /// `hh:mm:ss` or `hhmmss`, with a fraction or without.
    fn time(&mut self) -> Option<Time> {
        let hour = self.number(2)?;
        let colons = self.any_of(b":").is_some();
        let minute = self.number(2)?;
        if colons {
            self.any_of(b":")?;
        }
        let second = self.number(2)?;
        let nanos = self.fraction()?;
        let midnight = hour == 24 && minute == 0 && second == 0 && nanos == 0;
        if (hour > 23 && !midnight) || minute > 59 || second > 60 {
            return None;
        }
        let leap = second == 60;
        Some(Time {
            seconds: i64::from(hour * 3600 + minute * 60 + second),
            // The leap second is the next minute; what is behind its point would be later still, and a cursor that
            // is too late loses content.
            nanos: if leap { 0 } else { nanos },
            leap,
            strict: colons && hour < 24,
        })
    }

    /// Nanoseconds of `.` and at least one digit, or of nothing.
    fn fraction(&mut self) -> Option<i64> {
        if self.any_of(b".").is_none() {
            return Some(0);
        }
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (fraction, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let nine = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        (digits > 0).then(|| nine.fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
    }

    /// `Z`, `+hh:mm`, `+hhmm`, `+hh`, or nothing, which means UTC.
    fn zone(&mut self) -> Option<Zone> {
        if self.0.is_empty() {
            return Some(Zone { seconds: 0, given: false, strict: false });
        }
        let sign = match self.any_of(b"Zz+-")? {
            b'Z' => return Some(Zone { seconds: 0, given: true, strict: true }),
            b'z' => return Some(Zone { seconds: 0, given: true, strict: false }),
            b'+' => 1,
            _ => -1,
        };
        let hours = self.number(2)?;
        let colon = self.any_of(b":").is_some();
        let minutes = if colon || !self.0.is_empty() { self.number(2)? } else { 0 };
        let seconds = sign * i64::from(hours * 3600 + minutes * 60);
        (hours < 24 && minutes < 60).then_some(Zone { seconds, given: true, strict: colon })
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
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn what_servers_write_is_read() {
        // As received, the instant, as shown, whether the zone was assumed.
        #[rustfmt::skip]
        let table = [
            ("2024-03-01T12:00:00Z",              "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
            ("2024-03-01T12:00:00.1Z",            "2024-03-01T12:00:00.1Z",         "2024-03-01T12:00:00.1Z", false),
            ("2024-03-01T12:00:00.123456+02:00",  "2024-03-01T10:00:00.123456Z",    "2024-03-01T12:00:00.123456+02:00", false),
            ("2024-03-01T12:00:00+14:00",         "2024-02-29T22:00:00Z",           "2024-03-01T12:00:00+14:00", false),
            ("2024-03-01T12:00:00-00:00",         "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00-00:00", false),
            (" \n2024-03-01T12:00:00Z\t ",        "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
            ("2024-03-01T12:00:00.1234567Z",      "2024-03-01T12:00:00.1234567Z",   "2024-03-01T12:00:00.1234567Z", false),
            ("2024-03-01T12:00:00.123456789012Z", "2024-03-01T12:00:00.123456789Z", "2024-03-01T12:00:00.123456789012Z", false),
            ("2024-03-01T12:00:00",               "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", true),
            ("2024-03-01T12:00:00.5",             "2024-03-01T12:00:00.5Z",         "2024-03-01T12:00:00.500Z", true),
            ("2024-03-01",                        "2024-03-01T00:00:00Z",           "2024-03-01T00:00:00Z", true),
            ("2024-03-01T12:00:00z",              "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
            ("2024-03-01t12:00:00Z",              "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
            ("2024-03-01 12:00:00Z",              "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
            ("2024-03-01T12:00:00+0200",          "2024-03-01T10:00:00Z",           "2024-03-01T10:00:00Z", false),
            ("2024-03-01T12:00:00+02",            "2024-03-01T10:00:00Z",           "2024-03-01T10:00:00Z", false),
            ("20240301T120000Z",                  "2024-03-01T12:00:00Z",           "2024-03-01T12:00:00Z", false),
            ("20240301T120000.25+0530",           "2024-03-01T06:30:00.25Z",        "2024-03-01T06:30:00.250Z", false),
            ("2024-03-01T12:00:00+14:30",         "2024-02-29T21:30:00Z",           "2024-03-01T12:00:00+14:30", false),
            ("2024-03-01T24:00:00Z",              "2024-03-02T00:00:00Z",           "2024-03-02T00:00:00Z", false),
            ("2024-02-28T24:00:00.000Z",          "2024-02-29T00:00:00Z",           "2024-02-29T00:00:00Z", false),
            ("2016-12-31T23:59:60Z",              "2017-01-01T00:00:00Z",           "2016-12-31T23:59:60Z", false),
            ("2017-01-01T00:59:60+01:00",         "2017-01-01T00:00:00Z",           "2017-01-01T00:59:60+01:00", false),
            ("2024-03-01T12:00:60.9Z",            "2024-03-01T12:01:00Z",           "2024-03-01T12:01:00Z", false),
            ("0001-01-01T00:00:00Z",              "0001-01-01T00:00:00Z",           "0001-01-01T00:00:00Z", false),
            ("9999-12-31T23:59:59.999999999Z",    "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z", false),
        ];
        for (text, instant, shown, assumed) in table {
            let read = Timestamp::parse(text).unwrap_or_else(|| panic!("{text} was not read"));
            assert_eq!(read.at, at(instant), "{text}");
            assert_eq!(read.text, text.trim(), "{text}");
            assert_eq!(read.rfc3339(), shown, "{text}");
            assert_eq!(read.assumed_zone(), assumed, "{text}");
        }
    }

    #[test]
    fn what_is_not_an_instant_is_not_read() {
        let table = [
            "",
            " ",
            "T",
            "2024",
            "2024-03",
            "2024-03-01T",
            "2024-03-01Z",
            "2024-03-01T12:00Z",
            "2024-03-01T12:00:00.Z",
            "2017-1-1T00:00:00Z",
            "2024-0301T12:00:00Z",
            "202403-01T12:00:00Z",
            "2024-03-01T12:0000Z",
            "2024-13-01T12:00:00Z",
            "2023-02-29T12:00:00Z",
            "2024-03-00T12:00:00Z",
            "2024-03-01T25:00:00Z",
            "2024-03-01T24:00:01Z",
            "2024-03-01T24:00:00.1Z",
            "2024-03-01T12:60:00Z",
            "2024-03-01T12:00:61Z",
            "2024-03-01T12:00:00+24:00",
            "2024-03-01T12:00:00+02:60",
            "2024-03-01T12:00:00+2",
            "2024-03-01T12:00:00+020",
            "2024-03-01T12:00:00ZZ",
            "2024-03-01T12:00:00 Z",
            "2024-03-01T12:00:00+02:",
            "2024-03-01T12:00:00,5Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T24:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:00-00:01",
            "10000-01-01T00:00:00Z",
            "-2024-03-01T12:00:00Z",
            "+2024-03-01T12:00:00Z",
            "yesterday",
            "２０２４-03-01T12:00:00Z",
            "2024-03-01T12:00:00\u{0}Z",
            "2024-03-01é12:00:00Z",
        ];
        for text in table {
            assert_eq!(Timestamp::parse(text), None, "{text:?}");
        }
        assert_eq!(Timestamp::parse(&format!("2024-03-01T12:00:00.{}Z", "1".repeat(100))), None);
    }

    #[test]
    fn no_cut_or_changed_byte_makes_the_reader_panic() {
        let whole = "2024-03-01T12:00:00.1234567+02:00";
        for end in 0..=whole.len() {
            let _ = Timestamp::parse(&whole[..end]);
            for other in ["", "-", "9", "Z", "é", "\u{0}", "🦀"] {
                let _ = Timestamp::parse(&format!("{}{other}{}", &whole[..end], &whole[end..]));
            }
        }
    }

    #[test]
    fn a_timestamp_is_written_with_exactly_the_digits_wanted_and_rounded_down() {
        let table = [
            ("2024-03-01T12:34:56.987654999Z", Precision::Micros, "2024-03-01T12:34:56.987654Z"),
            ("2024-03-01T12:34:56.987654999Z", Precision::Millis, "2024-03-01T12:34:56.987Z"),
            ("2024-03-01T12:34:56.987654999Z", Precision::Seconds, "2024-03-01T12:34:56Z"),
            ("2024-03-01T12:34:56.987654999Z", Precision::Minutes, "2024-03-01T12:34:00Z"),
            ("2024-03-01T12:00:00Z", Precision::Micros, "2024-03-01T12:00:00.000000Z"),
            ("1969-12-31T23:59:59.9999999Z", Precision::Micros, "1969-12-31T23:59:59.999999Z"),
            ("1969-12-31T23:59:59.5Z", Precision::Seconds, "1969-12-31T23:59:59Z"),
            ("1969-12-31T23:59:59.5Z", Precision::Minutes, "1969-12-31T23:59:00Z"),
            ("0001-01-01T00:00:30Z", Precision::Minutes, "0001-01-01T00:00:00Z"),
        ];
        for (instant, precision, text) in table {
            let written = Timestamp::new(at(instant), precision);
            assert_eq!(written.text, text);
            assert_eq!(written.at, at(text), "the instant is that of the text");
            assert_eq!(Timestamp::parse(text), Some(written), "and is read back");
        }
        let far = Timestamp::new(DateTime::<Utc>::MAX_UTC, Precision::Seconds);
        assert_eq!(far.text, "9999-12-31T23:59:59Z");
        assert_eq!(Timestamp::new(DateTime::<Utc>::MIN_UTC, Precision::Seconds).text, "0001-01-01T00:00:00Z");
    }

    #[test]
    fn a_label_in_a_name_has_six_digits_rounded_down_in_utc() {
        let label = |text| Timestamp::parse(text).unwrap().label_for_name();
        assert_eq!(label("2014-12-19T12:00:00Z"), "20141219T120000.000000Z");
        assert_eq!(label("2014-12-19T14:00:00.9999999+02:00"), "20141219T120000.999999Z");
        assert_eq!(label_for_name(DateTime::<Utc>::MAX_UTC), "99991231T235959.999999Z");
    }

    #[test]
    fn a_timestamp_is_stored_as_its_text() {
        let label = Timestamp::parse("2014-12-19T14:00:00.9999999+02:00").unwrap();
        let stored = serde_json::to_string(&label).unwrap();
        assert_eq!(stored, "\"2014-12-19T14:00:00.9999999+02:00\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&stored).unwrap(), label);
        let error = serde_json::from_str::<Timestamp>("\"soon\"").unwrap_err().to_string();
        assert!(error.contains("soon"), "{error}");
    }

    #[test]
    fn an_http_date_is_read_in_its_three_forms() {
        let wanted = Some(at("1994-11-06T08:49:37Z"));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), wanted);
        assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), wanted);
        assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), wanted);
        assert_eq!(http_date(" Mon, 06 Nov 1994 08:49:37 GMT "), wanted, "the day's name is not looked at");
        assert_eq!(http_date("Fri, 31 Dec 1999 23:59:60 GMT"), Some(at("1999-12-31T23:59:59Z")));
        for text in ["", ",", "Sun,", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994"]
        {
            assert_eq!(http_date(text), None, "{text:?}");
        }
        assert_eq!(http_date("Sun, 06 Nov +262142 08:49:37 GMT"), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = at("2024-03-01T12:00:00Z");
        let wait = |text| retry_after(text).map(|wait| wait.counted_from(now));
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait(" 0 "), Some(Duration::ZERO));
        assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)), "absurd, but a wait");
        assert_eq!(wait("Fri, 01 Mar 2024 12:02:00 GMT"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        for text in ["", "-1", "1.5", "soon", "+5"] {
            assert_eq!(wait(text), None, "{text:?}");
        }
    }

    #[test]
    fn moving_an_instant_too_far_stops_at_the_end_of_time() {
        assert_eq!(later(at("2024-03-01T12:00:00Z"), Duration::MAX), LAST);
        assert_eq!(earlier(at("2024-03-01T12:00:00Z"), Duration::from_secs(1 << 40)), FIRST);
        assert_eq!(earlier(at("2024-03-01T12:00:01Z"), Duration::from_secs(1)), at("2024-03-01T12:00:00Z"));
    }
}
