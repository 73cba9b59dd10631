//! Durations and sizes as the configuration writes them: a whole number and a unit, nothing else.

use std::time::Duration;

/// The longest duration that is read: a hundred years. It keeps every sum of an instant and a configured duration
/// inside what clocks and calendars can hold.
pub const LONGEST: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);

/// The largest size that is read, in bytes: what a signed 64-bit number holds, as the ledger does.
pub const LARGEST: u64 = i64::MAX as u64;

/// Units of time with their milliseconds, longest first.
const TIMES: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size with their bytes, largest first.
const SIZES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Why a text is no duration or size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAQuantity {
    /// Nothing stands there.
    #[error("empty")]
    Empty,
    /// There is a minus sign.
    #[error("negative")]
    Negative,
    /// There is a number alone.
    #[error("a number without a unit")]
    NoUnit,
    /// What follows the number is no unit of this kind.
    #[error("not a unit this agent knows")]
    UnknownUnit,
    /// It does not begin with a digit, or has a fraction.
    #[error("not a whole number and a unit")]
    NotANumber,
    /// It is more than [`LONGEST`] or [`LARGEST`].
    #[error("more than can be held")]
    TooLarge,
}

/// Reads a duration such as `15m`; the units are `ms`, `s`, `m`, `h`, `d` (24 hours) and `w`.
///
/// # Errors
/// Where it is not a whole number and a unit, or more than [`LONGEST`].
pub fn parse_duration(text: &str) -> Result<Duration, NotAQuantity> {
    let duration = Duration::from_millis(parse(text, &TIMES)?);
    if duration > LONGEST { Err(NotAQuantity::TooLarge) } else { Ok(duration) }
}

/// Reads a size such as `256MiB` as bytes; the units are `KiB`, `MiB` and `GiB`.
///
/// # Errors
/// Where it is not a whole number and a unit, or more than [`LARGEST`].
pub fn parse_size(text: &str) -> Result<u64, NotAQuantity> {
    let bytes = parse(text, &SIZES)?;
    if bytes > LARGEST { Err(NotAQuantity::TooLarge) } else { Ok(bytes) }
}

/// A duration as the configuration would write it, in the largest unit that leaves a whole number: `90s`, `30d`.
/// What is finer than a millisecond is left out.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (unit, one) = TIMES.iter().find(|(_, one)| millis.is_multiple_of(u128::from(*one))).unwrap_or(&("ms", 1));
    match millis {
        0 => "0s".to_owned(),
        _ => format!("{}{unit}", millis / u128::from(*one)),
    }
}

/// A size as the configuration would write it, in the largest unit that leaves a whole number: `256MiB`. What is no
/// whole number of KiB is given in bytes: `1500 bytes`.
pub fn show_size(bytes: u64) -> String {
    match SIZES.iter().find(|(_, one)| bytes.is_multiple_of(*one)) {
        Some(_) if bytes == 0 => "0KiB".to_owned(),
        Some((unit, one)) => format!("{}{unit}", bytes / one),
        None => format!("{bytes} bytes"),
    }
}

fn parse(text: &str, units: &[(&str, u64)]) -> Result<u64, NotAQuantity> {
    if text.is_empty() {
        return Err(NotAQuantity::Empty);
    }
    if text.starts_with('-') {
        return Err(NotAQuantity::Negative);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() || unit.starts_with(['.', ',']) {
        return Err(NotAQuantity::NotANumber);
    }
    if unit.is_empty() {
        return Err(NotAQuantity::NoUnit);
    }
    let (_, one) = units.iter().find(|(name, _)| *name == unit).ok_or(NotAQuantity::UnknownUnit)?;
    // Digits alone fail to parse only where there are too many of them.
    let number: u64 = number.parse().map_err(|_| NotAQuantity::TooLarge)?;
    number.checked_mul(*one).ok_or(NotAQuantity::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("0s", 0),
            ("90s", 90_000),
            ("15m", 900_000),
            ("1h", 3_600_000),
            ("30d", 2_592_000_000),
            ("2w", 1_209_600_000),
            ("007s", 7_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_told_apart() {
        for (text, why) in [
            ("", NotAQuantity::Empty),
            ("15", NotAQuantity::NoUnit),
            ("-1s", NotAQuantity::Negative),
            ("1.5h", NotAQuantity::NotANumber),
            ("s", NotAQuantity::NotANumber),
            (" 1s", NotAQuantity::NotANumber),
            ("+1s", NotAQuantity::NotANumber),
            ("٣s", NotAQuantity::NotANumber),
            ("1 s", NotAQuantity::UnknownUnit),
            ("1S", NotAQuantity::UnknownUnit),
            ("1y", NotAQuantity::UnknownUnit),
            ("1h30m", NotAQuantity::UnknownUnit),
            ("1KiB", NotAQuantity::UnknownUnit),
            ("36526d", NotAQuantity::TooLarge),
            ("18446744073709551615w", NotAQuantity::TooLarge),
            ("99999999999999999999999s", NotAQuantity::TooLarge),
        ] {
            assert_eq!(parse_duration(text), Err(why), "{text:?}");
        }
        assert_eq!(parse_duration("36525d"), Ok(LONGEST));
    }

    #[test]
    fn a_size_is_a_whole_number_and_a_binary_unit() {
        assert_eq!(parse_size("0KiB"), Ok(0));
        assert_eq!(parse_size("256MiB"), Ok(268_435_456));
        assert_eq!(parse_size("8589934591GiB"), Ok(LARGEST - (1 << 30) + 1));
        for (text, why) in [
            ("1024", NotAQuantity::NoUnit),
            ("1MB", NotAQuantity::UnknownUnit),
            ("1mib", NotAQuantity::UnknownUnit),
            ("1.5GiB", NotAQuantity::NotANumber),
            ("-1MiB", NotAQuantity::Negative),
            ("8589934592GiB", NotAQuantity::TooLarge),
            ("99999999999999GiB", NotAQuantity::TooLarge),
        ] {
            assert_eq!(parse_size(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again_as_the_same() {
        for text in ["250ms", "0s", "90s", "15m", "1h", "36h", "30d", "1w", "365d", "1500ms"] {
            assert_eq!(parse_duration(text).map(show_duration).as_deref(), Ok(text));
        }
        for text in ["0KiB", "1KiB", "1023MiB", "4GiB", "1025KiB"] {
            assert_eq!(parse_size(text).map(show_size).as_deref(), Ok(text));
        }
        assert_eq!(show_size(1500), "1500 bytes");
        assert_eq!(show_duration(Duration::from_micros(1_500)), "1ms");
        assert_eq!(show_duration(Duration::from_micros(5)), "0s");
    }
}
