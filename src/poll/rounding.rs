//! A cursor that no request gets past, since the server reads timestamps less exactly than it writes them.

use url::Url;

use super::{Failure, Feed, Setting};
use crate::observe::lines;
use crate::peer::{Exchanged, Nothing};
use crate::taxii::exchange::{Plan, Poll, Range};
use crate::taxii::message::{Body, Message, PollResponse};
use crate::taxii::time::Precision;

impl Feed {
    /// The reply ended within what the rounding of the cursor asks for again. That may be all the server has. Where it
    /// goes on `beyond`, though, the same request would bring the same reply for ever.
    pub(super) async fn gets_past(&self, beyond: Range, setting: &Setting, address: &Url) -> Result<(), Failure> {
        let Range { cursor, begin, end, .. } = beyond.clone();
        match self.glance(setting.plan.clone(), beyond, address).await {
            Some(reply) if reply.end.as_ref().zip(begin).is_some_and(|(end, begin)| end.at <= begin.at) => Ok(()),
            Some(_) => Err(stands_still(&cursor.map(|cursor| cursor.text).unwrap_or_default(), setting.pace.precision)),
            None => {
                if self.told.first("cursor stays") {
                    lines::cursor_stays(&self.name, &end.text);
                }
                Ok(())
            }
        }
    }

    /// Sends a request for the sake of what stands around the content of its answer. What comes is not kept: the feed
    /// has it, or will ask for it.
    pub(super) async fn glance(&self, mut plan: Plan, range: Range, address: &Url) -> Option<PollResponse> {
        plan.asynchronous = false;
        let poll = Poll::new(plan, Some(range), self.clock.now());
        let request = self.peer.encode(poll.request()).ok()?;
        let answer = tokio::select! {
            answer = self.peer.exchange(address, request.into(), Nothing) => answer.ok()?,
            () = self.stopped_for_long() => return None,
        };
        match answer {
            Exchanged { body: Ok((Message { body: Body::PollResponse(reply), .. }, _)), .. } => Some(reply),
            _ => None,
        }
    }
}

fn stands_still(cursor: &str, precision: Precision) -> Failure {
    let unit = precision.unit();
    let hint = if precision == Precision::Micros {
        "ask its administrator for more blocks in one reply"
    } else {
        "set a finer `timestamp_precision` for the server if it can read that; otherwise ask its administrator for more \
         blocks in one reply"
    };
    Failure {
        words: format!(
            "no request gets past {cursor}: the server puts less into one reply than it has within the {unit:?} that \
             `timestamp_precision` rounds down to"
        ),
        hint: hint.to_owned(),
        not_before: None,
        admin: false,
    }
}
