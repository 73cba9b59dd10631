//! Which range of Timestamp Labels to ask for, and where the cursor goes afterwards.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::taxii::time::{Precision, Timestamp, earlier, later};

/// How often at most a range is asked for again at once because the server shortened it. A server whose clock is
/// behind would otherwise let the end creep forward with real time for ever.
const MOST_ROUNDS: u32 = 1000;
/// A server whose clock is further ahead of ours is not believed: an end or a cursor by such a clock would leave out
/// all that comes before its time.
const BELIEVED: TimeDelta = TimeDelta::days(1);
/// No range is halved below this.
const SHORTEST: Duration = Duration::from_secs(1);
/// After so many unreadable parts of an overlap the rest of it is passed over as well: it is not the content then.
const MOST_PASSED_OVER: u32 = 4;

/// How a feed is walked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How far behind the server's clock the asked end stays.
    pub lag: Duration,
    /// The longest range asked for at once.
    pub window: Duration,
    /// What is asked for again before the cursor, once in a cycle.
    pub overlap: Duration,
    /// What the server can read.
    pub precision: Precision,
}

/// A range of Timestamp Labels, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The cursor (or the configured start) it follows on; `None` at the beginning of the collection.
    pub cursor: Option<Timestamp>,
    /// Exclusive_Begin_Timestamp as sent: the cursor, less the overlap or what is left of it, rounded down.
    pub begin: Option<Timestamp>,
    /// Inclusive_End_Timestamp as sent.
    pub end: Timestamp,
    /// How often the server shortened it so far.
    pub rounds: u32,
    /// The end of a longer range whose reply could not be read, when this is a part of that.
    pub unreadable_to: Option<Timestamp>,
    /// The end of the range whose overlap, or a part of it, this is: that could not be read as a whole.
    #[serde(default)]
    pub overlap_of: Option<Timestamp>,
    /// How many parts of the overlap were passed over so far.
    #[serde(default)]
    pub passed_over: u32,
}

/// The server's clock minus ours, from the Date header of a reply.
///
/// A Date has no fractions of a second: one that our clock is within says that the clocks agree. To take it for the
/// instant it begins with would keep the asked end up to a second behind what the server has.
pub fn skew(date: DateTime<Utc>, local: DateTime<Utc>) -> TimeDelta {
    let skew = date - local;
    let agree = -TimeDelta::seconds(1) < skew && skew <= TimeDelta::zero();
    if agree { TimeDelta::zero() } else { skew }
}

/// The skew that is followed: none, where the server claims to be more than a day ahead of us.
pub fn believed(skew: TimeDelta) -> TimeDelta {
    if skew > BELIEVED { TimeDelta::zero() } else { skew }
}

/// The same, where it is known that a clock stood at `latest` already: ours may have been put back since, and then the
/// server's is the better one.
pub fn believed_after(skew: TimeDelta, local: DateTime<Utc>, latest: Option<DateTime<Utc>>) -> TimeDelta {
    match latest.filter(|latest| *latest > local) {
        Some(latest) if server_now(local, skew) - latest <= BELIEVED => skew,
        _ => believed(skew),
    }
}

/// The server's present time, as far as we can know it.
pub fn server_now(local: DateTime<Utc>, skew: TimeDelta) -> DateTime<Utc> {
    local.checked_add_signed(skew).unwrap_or(local)
}

/// The first range of a cycle; `None` when there is nothing to ask for yet.
///
/// It ends `lag` before `now`, the server's time, and is at most `window` long. Without a cursor it begins at
/// `start`; without either at the beginning of the collection, and then it is as long as that takes. The end is
/// counted from the cursor, not from the overlap before it, so that an overlap longer than the window stops nothing.
pub fn ask(cursor: Option<&Timestamp>, start: Option<DateTime<Utc>>, now: DateTime<Utc>, pace: &Pace) -> Option<Range> {
    let precision = pace.precision;
    let cursor = cursor.cloned().or_else(|| start.map(|start| Timestamp::new(start, precision)));
    let end = pace.end_after(cursor.as_ref(), now)?;
    let begin = cursor.as_ref().map(|cursor| Timestamp::new(earlier(cursor.at, pace.overlap), precision));
    Some(Range::new(cursor, begin, end))
}

impl Pace {
    /// The end of the range after a cursor, if it is later than the cursor.
    fn end_after(&self, cursor: Option<&Timestamp>, now: DateTime<Utc>) -> Option<Timestamp> {
        let mut end = earlier(now, self.lag);
        if let Some(cursor) = cursor {
            // A window shorter than the precision would never get anywhere.
            end = end.min(later(cursor.at, self.window.max(self.precision.unit())));
        }
        let end = Timestamp::new(end, self.precision);
        cursor.is_none_or(|cursor| cursor.at < end.at).then_some(end)
    }
}

impl Range {
    /// A range that is asked for the first time.
    pub fn new(cursor: Option<Timestamp>, begin: Option<Timestamp>, end: Timestamp) -> Range {
        Range { cursor, begin, end, rounds: 0, unreadable_to: None, overlap_of: None, passed_over: 0 }
    }

    /// The next range to ask for at once, after the cursor moved. `now` is the one that the cycle began with; a later
    /// one would make the cycle endless. `None` ends the cycle.
    ///
    /// - A range that the server shortened is asked for again from the new cursor to the same end, unless less than
    ///   `lag` of it is left, or it was done a thousand times. Where the server's clock turned out to be behind what we
    ///   thought, the end comes down with it: a server never gets to an end that lies in its future.
    /// - Of a range whose reply could not be read the next half is asked for, of its overlap as well.
    /// - Otherwise the next window is.
    pub fn follow(&self, moved: &CursorMove, now: DateTime<Utc>, pace: &Pace) -> Option<Range> {
        if let Some(all) = &self.overlap_of {
            let rest = Range { begin: Some(self.end.clone()), unreadable_to: None, ..self.clone() };
            let beyond = Range { end: all.clone(), overlap_of: None, ..rest.clone() };
            return Some(self.rest_of_unreadable(&self.end, rest, pace).unwrap_or(beyond));
        }
        let asked = self.not_after(now, pace);
        let cursor = match moved {
            CursorMove::To { cursor, shortened: true } if asked.is_worth_asking_from(cursor, pace) => {
                return Some(asked.rest(cursor, pace));
            }
            CursorMove::To { cursor, .. } => cursor,
            CursorMove::Unchanged { within_overlap } => {
                return if *within_overlap { self.without_overlap(pace) } else { None };
            }
        };
        let rest = Range { unreadable_to: None, ..self.rest(cursor, pace) };
        if let Some(half) = self.rest_of_unreadable(cursor, rest.clone(), pace) {
            return Some(half);
        }
        let end = pace.end_after(Some(cursor), now).filter(|end| self.end.at < end.at)?;
        Some(Range { end, rounds: 0, ..rest })
    }

    /// Where this was a part of a range that could not be read: the next half of what is left of that from `reached` on.
    fn rest_of_unreadable(&self, reached: &Timestamp, rest: Range, pace: &Pace) -> Option<Range> {
        let bad = self.unreadable_to.clone().filter(|bad| reached.at < bad.at)?;
        let rest = Range { end: bad, ..rest };
        Some(rest.half(pace).unwrap_or(rest))
    }

    /// Whether some of the range is left, and was asked for often enough.
    pub fn is_worn_out(&self, moved: &CursorMove, now: DateTime<Utc>, pace: &Pace) -> bool {
        let fresh = Range { rounds: 0, ..self.not_after(now, pace) };
        let CursorMove::To { cursor, shortened: true } = moved else { return false };
        self.rounds >= MOST_ROUNDS && fresh.is_worth_asking_from(cursor, pace)
    }

    /// Whether the server merely keeps pace with the time: its reply ends later than the one before by the time that
    /// has `passed` between them, or hardly more. It never gets to the end that is asked for, and the next poll is early
    /// enough for what it leaves out. Only a reply that brought nothing tells that; one that is full may be short of room.
    /// How far behind the server's clock such an end stays says nothing: some clocks are hours off.
    pub fn creeps(&self, moved: &CursorMove, passed: Duration) -> bool {
        match (moved, &self.cursor) {
            (CursorMove::To { cursor, shortened: true }, Some(before)) if self.rounds > 0 => {
                (cursor.at - before.at).to_std().is_ok_and(|advance| advance <= passed * 5 / 4)
            }
            _ => false,
        }
    }

    /// Whether it is too short for a cursor to move in it: a Date, which no cursor goes beyond, tells whole seconds.
    pub fn is_within_a_second(&self) -> bool {
        self.cursor.as_ref().is_some_and(|cursor| self.end.at - cursor.at < TimeDelta::seconds(1))
    }

    /// The first part of a range whose reply could not be read, so as to get at what lies before the fault and at last
    /// around it; `None` when it is down to a second. An overlap is apart from what is new, and is asked for first.
    pub fn half(&self, pace: &Pace) -> Option<Range> {
        let low = self.begin.as_ref().map_or(DateTime::UNIX_EPOCH, |begin| begin.at);
        if let Some(end) = self.rounded_cursor(pace).filter(|cursor| low < cursor.at && cursor.at < self.end.at) {
            let overlap_of = Some(self.end.clone());
            return Some(Range { end, unreadable_to: None, overlap_of, ..self.clone() });
        }
        let half = (self.end.at - low).to_std().ok()? / 2;
        let end = Timestamp::new(later(low, half.max(SHORTEST)), pace.precision);
        let is_part = low < end.at && end.at < self.end.at;
        is_part.then(|| Range { end, unreadable_to: Some(self.end.clone()), ..self.clone() })
    }

    /// What comes after a part of the overlap that cannot be read, however small it is. The cursor is beyond it already,
    /// so that only what the server added late is missed there. `None`: it is no part of an overlap.
    pub fn pass_over(&self, pace: &Pace) -> Option<Range> {
        let end = self.overlap_of.clone()?;
        let passed_over = self.passed_over + 1;
        let begin = if passed_over < MOST_PASSED_OVER { Some(self.end.clone()) } else { self.rounded_cursor(pace) };
        Some(Range { begin, end, unreadable_to: None, overlap_of: None, passed_over, ..self.clone() })
    }

    /// Where the cursor stays though the server shortened the range, because the precision rounds it down to before
    /// where the reply ended: what is later than the cursor as far as it can be said. Where the server goes on there, it
    /// puts less into one reply than lies within the rounding, and no request gets any further.
    pub fn beyond_rounding(&self, moved: &CursorMove, now: DateTime<Utc>, pace: &Pace) -> Option<Range> {
        let stays = *moved == CursorMove::Unchanged { within_overlap: true } && self.overlap_of.is_none();
        let (asked, cursor) = (self.not_after(now, pace), self.cursor.as_ref().filter(|_| stays)?);
        let rounded = self.rounded_cursor(pace).filter(|rounded| self.begin.as_ref() == Some(rounded))?;
        let begin = Timestamp::new(later(rounded.at, pace.precision.unit()), pace.precision);
        let is_left = asked.is_worth_asking_from(cursor, pace) && begin.at < asked.end.at;
        is_left.then_some(Range { begin: Some(begin), ..asked })
    }

    fn rounded_cursor(&self, pace: &Pace) -> Option<Timestamp> {
        self.cursor.as_ref().map(|cursor| Timestamp::new(cursor.at, pace.precision))
    }

    /// The same range, ending `lag` before `now` at the latest.
    fn not_after(&self, now: DateTime<Utc>, pace: &Pace) -> Range {
        let latest = Timestamp::new(earlier(now, pace.lag), pace.precision);
        let end = if latest.at < self.end.at { latest } else { self.end.clone() };
        Range { end, ..self.clone() }
    }

    /// What is left of this range after a cursor. There is no overlap: this cycle has asked for it already.
    fn rest(&self, cursor: &Timestamp, pace: &Pace) -> Range {
        let begin = Some(Timestamp::new(cursor.at, pace.precision));
        Range { cursor: Some(cursor.clone()), begin, rounds: self.rounds + 1, ..self.clone() }
    }

    fn is_worth_asking_from(&self, cursor: &Timestamp, pace: &Pace) -> bool {
        let left = (self.end.at - cursor.at).to_std().unwrap_or(Duration::ZERO);
        left >= pace.lag.max(SHORTEST) && self.rounds < MOST_ROUNDS
    }

    /// The same range from the cursor itself on, if that is a different request: a server that shortens the range to
    /// less than the overlap would keep the cursor where it is for ever.
    fn without_overlap(&self, pace: &Pace) -> Option<Range> {
        let cursor = self.cursor.as_ref()?;
        let rest = self.rest(cursor, pace);
        (self.begin.as_ref()?.at < rest.begin.as_ref()?.at).then_some(rest)
    }
}

/// What a complete result does to the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorMove {
    /// It moves.
    To {
        /// To here.
        cursor: Timestamp,
        /// The server shortened the range: it ended before what was asked for.
        shortened: bool,
    },
    /// It stays, since the reply ended at the cursor or before it: something an operator should know.
    Unchanged {
        /// The reply ended later than the request began; only the overlap keeps the cursor from moving.
        within_overlap: bool,
    },
}

/// Where the cursor goes after a complete result.
///
/// `end` is the Inclusive_End_Timestamp of the last part (`None` where absent or unreadable); `date` the Date header
/// of its reply, or our clock where there was none. The cursor never moves backwards, never beyond what was asked for
/// (content there may not have been looked at) and never beyond `date` (content may still get such labels).
pub fn next_cursor(asked: &Range, end: Option<&Timestamp>, date: DateTime<Utc>) -> CursorMove {
    let (stated, shortened) = match end {
        Some(end) if end.at < asked.end.at => (end, true),
        Some(end) if end.at == asked.end.at => (end, false),
        _ => (&asked.end, false),
    };
    let cursor = if stated.at > date { Timestamp::new(date, Precision::Micros) } else { stated.clone() };
    if asked.cursor.as_ref().is_none_or(|old| old.at < cursor.at) {
        return CursorMove::To { cursor, shortened };
    }
    let within_overlap = asked.overlap_of.is_some() || asked.begin.as_ref().is_some_and(|begin| begin.at < cursor.at);
    CursorMove::Unchanged { within_overlap }
}

#[cfg(test)]
mod tests;
