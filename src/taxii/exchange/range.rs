//! Which range of Timestamp Labels to ask for, and where the cursor goes afterwards.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::taxii::time::{Precision, Timestamp};

/// How a feed is walked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How far behind the server's clock the asked end stays.
    pub lag: Duration,
    /// The longest range asked for at once.
    pub window: Duration,
    /// What is asked for again before the cursor.
    pub overlap: Duration,
    /// What the server can read.
    pub precision: Precision,
}

/// A range of Timestamp Labels, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The cursor (or the configured start) it follows on; `None` at the beginning of the collection.
    pub cursor: Option<Timestamp>,
    /// Exclusive_Begin_Timestamp as sent: the cursor, less the overlap, rounded down.
    pub begin: Option<Timestamp>,
    /// Inclusive_End_Timestamp as sent.
    pub end: Timestamp,
}

/// The server's clock minus ours, from the Date header of a reply.
pub fn skew(date: DateTime<Utc>, local: DateTime<Utc>) -> TimeDelta {
    date - local
}

/// The server's present time, as far as we can know it.
pub fn server_now(local: DateTime<Utc>, _skew: TimeDelta) -> DateTime<Utc> {
    local
}

/// The next range to ask for; `None` when there is nothing to ask for yet.
///
/// `now` is the server's time at the start of the cycle and stays the same for all its windows; otherwise the end
/// would creep forward with real time for ever.
pub fn ask(
    _cursor: Option<&Timestamp>,
    _start: Option<DateTime<Utc>>,
    _now: DateTime<Utc>,
    _pace: &Pace,
) -> Option<Range> {
    None
}

impl Range {
    /// What is left of this range after the server shortened it: the same end, from the new cursor on. `None` when
    /// that is not worth a request at once (less than `lag` is left).
    pub fn rest(&self, _cursor: &Timestamp, _pace: &Pace) -> Option<Range> {
        None
    }

    /// The first half of a range whose reply could not be read; `None` when it is down to one second.
    pub fn half(&self, _pace: &Pace) -> Option<Range> {
        None
    }
}

/// What a complete result does to the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorMove {
    /// It moves.
    To {
        /// To here.
        cursor: Timestamp,
        /// The server shortened the range: [`Range::rest`] says what to ask for at once.
        shortened: bool,
    },
    /// It stays: the reply ended where the request began, or before.
    Unchanged,
}

/// Where the cursor goes after a complete result.
///
/// `end` is the Inclusive_End_Timestamp of the last part (`None` where absent or unreadable); `date` the Date header
/// of its reply, or our clock where there was none.
pub fn next_cursor(_asked: &Range, _end: Option<&Timestamp>, _date: DateTime<Utc>) -> CursorMove {
    CursorMove::Unchanged
}
