//! What is no failure, and yet an operator would want to know of a feed: each is in the status, in the log when it begins
//! and when it ends, and behind a metric.

use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;

use crate::config::{Feed, Schedule};
use crate::store::ledger::FeedReport;
use crate::taxii::exchange::believed;

/// A feed that brings nothing new is worth a word after so many polls: a day, at a quarter of an hour.
const QUIET: u32 = 100;

/// Clocks that differ by more than this are worth a word, though polls follow the server's.
const SKEW: Duration = Duration::from_secs(60);

/// A cursor is late when it is further behind than this many intervals …
const INTERVALS: u32 = 10;

/// … and than this.
const LATE: Duration = Duration::from_secs(3600);

/// Without an interval a day is taken for one.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// One thing worth knowing of a feed that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// It answers, and brings nothing new.
    Quiet {
        /// Polls in a row.
        polls: u32,
    },
    /// The server's clock is not ours.
    Skew {
        /// The server's minus ours, in seconds.
        seconds: i64,
    },
    /// The cursor is far behind the server's clock, though polls succeed.
    Late {
        /// How far, in seconds.
        seconds: i64,
    },
}

impl Concern {
    /// The word for it, the same for as long as it goes on.
    pub fn word(&self) -> &'static str {
        match self {
            Concern::Quiet { .. } => "quiet",
            Concern::Skew { .. } => "clock",
            Concern::Late { .. } => "late",
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Concern::Quiet { polls } => write!(f, "the server answers, but the last {polls} polls brought nothing new"),
            Concern::Skew { seconds } => {
                let way = if seconds > 0 { "ahead of" } else { "behind" };
                write!(f, "the server's clock is {} {way} ours", span(seconds.saturating_abs()))?;
                match believed(TimeDelta::seconds(seconds)).is_zero() {
                    true => f.write_str(", too far to be believed: polls follow ours"),
                    false => Ok(()),
                }
            }
            Concern::Late { seconds } => write!(f, "the cursor is {} behind the server's clock", span(seconds)),
        }
    }
}

/// What is worth knowing of a feed. `lag`: how far its cursor is behind the server's clock, in seconds.
pub(super) fn concerns(settings: &Feed, row: &FeedReport, lag: Option<i64>) -> Vec<Concern> {
    let mut found = Vec::new();
    let seconds = row.skew / 1000;
    if seconds.unsigned_abs() > SKEW.as_secs() {
        found.push(Concern::Skew { seconds });
    }
    // Before the first success there is an error, or the first poll is still on its way from far back.
    if row.last_success.is_none() {
        return found;
    }
    if row.quiet_polls >= QUIET {
        found.push(Concern::Quiet { polls: row.quiet_polls });
    }
    let every = match &settings.schedule {
        Schedule::Every(every) => *every,
        Schedule::Cron(_) => DAY,
    };
    let late = every.saturating_mul(INTERVALS).max(LATE).saturating_add(settings.lag);
    if let Some(seconds) = lag.filter(|lag| u64::try_from(*lag).is_ok_and(|lag| lag > late.as_secs())) {
        found.push(Concern::Late { seconds });
    }
    found
}

/// Seconds in the two largest units that say enough.
pub fn span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::config::Config;

    fn words(row: FeedReport, lag: i64) -> Vec<&'static str> {
        let text = "[servers.hub]\npoll = \"https://hub.example/poll\"\n[feeds.f]\nserver = \"hub\"\ncollection = \"c\"\noutput = \"/f\"\n";
        let config = Config::parse(text, "config.toml").unwrap().config;
        concerns(&config.feeds["f"], &row, Some(lag)).iter().map(Concern::word).collect()
    }

    #[test]
    fn a_feed_that_works_is_of_no_concern_until_a_limit_is_passed() {
        let fine = FeedReport { last_success: Some(DateTime::UNIX_EPOCH), ..FeedReport::default() };
        assert_eq!(words(fine.clone(), 60), [""; 0]);
        assert_eq!(words(FeedReport { quiet_polls: QUIET - 1, skew: 60_999, ..fine.clone() }, 9060), [""; 0]);
        assert_eq!(words(FeedReport { quiet_polls: QUIET, ..fine.clone() }, 60), ["quiet"]);
        assert_eq!(words(FeedReport { skew: -61_000, ..fine.clone() }, 60), ["clock"]);
        assert_eq!(words(fine, 9061), ["late"], "ten intervals of 15 min, and the lag");
    }

    #[test]
    fn a_feed_that_never_worked_is_neither_quiet_nor_late() {
        let row = FeedReport { quiet_polls: QUIET, skew: 100_000, ..FeedReport::default() };
        assert_eq!(words(row, 1_000_000), ["clock"], "which may be why");
    }

    #[test]
    fn a_concern_is_worded_for_people() {
        assert_eq!(Concern::Skew { seconds: -3600 }.to_string(), "the server's clock is 60 min behind ours");
        let wrong = "the server's clock is 2 d 0 h ahead of ours, too far to be believed: polls follow ours";
        assert_eq!(Concern::Skew { seconds: 172_800 }.to_string(), wrong);
        assert_eq!(Concern::Late { seconds: 200_000 }.to_string(), "the cursor is 2 d 7 h behind the server's clock");
    }
}
