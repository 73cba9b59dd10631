//! Times as people give them on the command line.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::config::units;
use crate::taxii::time::{Precision, Timestamp, earlier};

/// A time, or how long ago it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// An instant.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        if let Ok(ago) = units::parse_duration(text) {
            return Ok(When::Ago(ago));
        }
        Timestamp::parse(text).map(When::At).ok_or_else(|| {
            "neither a time (RFC 3339) such as 2024-03-01T00:00:00Z nor how long ago, a whole number and one of \
             ms s m h d w, such as 12h"
                .to_owned()
        })
    }
}

impl When {
    /// The instant, where it is `now`; text that was given is kept.
    pub(super) fn timestamp(&self, now: DateTime<Utc>) -> Timestamp {
        match self {
            When::At(at) => at.clone(),
            When::Ago(ago) => Timestamp::new(earlier(now, *ago), Precision::Micros),
        }
    }

    /// The instant, where it is `now`.
    pub(super) fn instant(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.timestamp(now).at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_how_long_ago_is_read() {
        let now = DateTime::parse_from_rfc3339("2024-03-02T00:00:00Z").unwrap().to_utc();
        for (text, instant) in [
            ("2024-03-01T00:00:00Z", "2024-03-01T00:00:00+00:00"),
            ("2024-03-01T01:00:00.5+01:00", "2024-03-01T00:00:00.500+00:00"),
            ("2024-03-01", "2024-03-01T00:00:00+00:00"),
            ("1d", "2024-03-01T00:00:00+00:00"),
            ("90m", "2024-03-01T22:30:00+00:00"),
        ] {
            let when: When = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(when.instant(now).to_rfc3339(), instant, "{text}");
        }
        for text in ["", "yesterday", "1", "1y", "-1d", "2024-13-01T00:00:00Z"] {
            assert!(text.parse::<When>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_time_keeps_the_text_it_was_given_as() {
        let when: When = "2024-03-01T01:00:00+01:00".parse().unwrap();
        assert_eq!(when.timestamp(DateTime::UNIX_EPOCH).text, "2024-03-01T01:00:00+01:00");
    }
}
