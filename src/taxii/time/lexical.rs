//! Reading the text of a timestamp, as the schema wants it and as servers write it.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};

use super::{FIRST, LAST};

/// No timestamp is longer than this; what is longer is not one. It leaves room for 40 fraction digits.
const LONGEST: usize = 64;

/// What a timestamp's text says.
pub(super) struct Reading {
    pub(super) at: DateTime<Utc>,
    /// It has a zone.
    pub(super) zoned: bool,
    /// It is RFC 3339, with capital `T` and `Z`.
    pub(super) rfc3339: bool,
}

/// Reads a trimmed timestamp.
pub(super) fn read(text: &str) -> Option<Reading> {
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
pub(super) fn in_range(at: NaiveDateTime) -> Option<DateTime<Utc>> {
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
