//! What time it is at the server, and where a feed begins by it.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use url::Url;

use super::{Failure, Feed, Setting};
use crate::config::Start;
use crate::observe::span;
use crate::taxii::Version;
use crate::taxii::exchange::{Range, believed_after, server_now};
use crate::taxii::message::ResponseType;
use crate::taxii::time::{Timestamp, earlier};

/// A Date header tells the time no better than this.
const WRONG: TimeDelta = TimeDelta::seconds(2);

/// A cursor that is further ahead of the server's clock than this was not left there by a slow or hasty Date.
const AHEAD: TimeDelta = TimeDelta::seconds(60);

impl Feed {
    /// The server's clock minus ours, from its latest reply or, before the first one, from the last poll; none where it
    /// is not believed.
    pub(super) fn skew(&self, setting: &Setting) -> TimeDelta {
        let skew = self.peer.skew().unwrap_or_else(|| TimeDelta::milliseconds(setting.row.skew));
        let cursor = setting.row.cursor.as_ref().map(|cursor| cursor.at);
        believed_after(skew, self.clock.now(), cursor.max(setting.row.last_success))
    }

    /// Where a feed without a cursor begins; `None`: at the beginning of the collection.
    ///
    /// A duration is counted from the first attempt, not from now: what is published while polls fail, or before there
    /// is anything to ask for, would be left behind by a begin that moves on with the time.
    pub(super) fn start(&self, setting: &Setting) -> Option<DateTime<Utc>> {
        let first = setting.row.first_try.unwrap_or_else(|| self.clock.now());
        match &self.settings.start {
            Start::Ago(ago) => Some(earlier(self.until.unwrap_or_else(|| server_now(first, self.skew(setting))), *ago)),
            Start::At(at) => Some(*at),
            Start::Beginning => None,
        }
    }

    /// Before ranges are chosen. Where the feed would go on at an instant that has not come yet, nothing can be asked
    /// for, and so nothing would ever tell that the server's clock is another one by now: it is asked for the time.
    pub(super) async fn look_at_the_clock(
        &self,
        cursor: Option<&Timestamp>,
        setting: &Setting,
        address: &Url,
    ) -> Result<(), Failure> {
        let begin = cursor.map(|cursor| cursor.at).or_else(|| self.start(setting));
        if let Some(begin) = begin.filter(|begin| self.ahead(*begin, setting).is_some()) {
            self.ask_the_time(begin, setting, address).await;
        }
        self.not_ahead(cursor, setting)
    }

    /// A cursor in the server's future asks for nothing until its time comes, and what is published before is never
    /// asked for: that is no success.
    pub(super) fn not_ahead(&self, cursor: Option<&Timestamp>, setting: &Setting) -> Result<(), Failure> {
        let Some(ahead) = cursor.and_then(|cursor| self.ahead(cursor.at, setting)) else { return Ok(()) };
        // When a poll last worked the clock was not put right yet. What came since is handed over, what came before is
        // known.
        let last = setting.row.last_success.map(|at| earlier(server_now(at, self.skew(setting)), self.settings.lag));
        let to = last.map_or_else(|| "T".to_owned(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        Err(Failure {
            words: format!(
                "the cursor is {} ahead of the server's clock: nothing is asked for until then",
                span(ahead.num_seconds())
            ),
            hint: format!(
                "if the server's clock was put right, move it back with `taxii-sync cursor set {} {to}`",
                self.name
            ),
            not_before: None,
            admin: false,
        })
    }

    /// How far an instant is ahead of the server's clock, where that is too far. By hand nothing is ahead: who names
    /// an end has a reason.
    fn ahead(&self, at: DateTime<Utc>, setting: &Setting) -> Option<TimeDelta> {
        let ahead = at - server_now(self.clock.now(), self.skew(setting));
        Some(ahead).filter(|ahead| *ahead > AHEAD && self.until.is_none())
    }

    /// Sends a request for the sake of the Date in its answer, whatever else that is. It asks for little.
    async fn ask_the_time(&self, at: DateTime<Utc>, setting: &Setting, address: &Url) {
        let precision = setting.pace.precision;
        let before = earlier(at, precision.unit().max(Duration::from_secs(1)));
        let mut plan = setting.plan.clone();
        if self.peer.version == Version::V11 {
            plan.parameters.response_type = ResponseType::CountOnly;
        }
        let (begin, end) = (Some(Timestamp::new(before, precision)), Timestamp::new(at, precision));
        self.glance(plan, Range::new(None, begin, end), address).await;
    }
}

/// The instant that a cycle goes up to, once the first reply has told what the server's clock really is. An end in
/// its future would be chased for ever; one far in its past would leave the rest for the next cycle.
pub(super) fn corrected(now: DateTime<Utc>, thought: TimeDelta, learnt: TimeDelta) -> DateTime<Utc> {
    let off = learnt - thought;
    if off.abs() > WRONG { now.checked_add_signed(off).unwrap_or(now) } else { now }
}
