//! The habits of a Poll Service that matter, seen from one question: how much is there of the last minutes? Whoever
//! counts hands nothing over and keeps no result.

use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use super::finding::About;
use crate::agent;
use crate::cli::services::shown;
use crate::clock::Clock;
use crate::config::{Feed, units};
use crate::peer::{Peer, PeerError, Trouble};
use crate::taxii::Version;
use crate::taxii::decode::BlockSink;
use crate::taxii::exchange::{believed, server_now};
use crate::taxii::message::{
    Body, ContentBinding, ContentBlock, Parameters, PollRequest, PollResponse, RecordCount, ResponseType, StatusMessage,
};
use crate::taxii::status::{self, Class, Reaction, StatusType};
use crate::taxii::time::{Timestamp, earlier};

/// The range that is asked for is this long: what it holds does not matter, and none of it is to cost the server much.
const RECENT: Duration = Duration::from_secs(300);

/// What to do about a server that does not count.
const NO_COUNT: &str = "nothing is needed, as the agent polls without counting; only `poll --count` does not work";

/// A feed whose Poll Service is asked.
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) feed: &'a Feed,
    pub(super) peer: &'a Peer,
    pub(super) url: &'a Url,
    /// A DATA_SET has no range.
    pub(super) is_set: bool,
}

/// The first content that comes although only a count was asked for ends the reading.
#[derive(Debug, thiserror::Error)]
#[error("content came where a count was asked for")]
struct Delivered;

struct NoContent;

impl BlockSink for NoContent {
    type Error = Delivered;
    const WAITS: bool = false;

    fn write(&mut self, _bytes: &[u8]) -> Result<(), Delivered> {
        Err(Delivered)
    }

    fn replace(&mut self, _range: Range<u64>, _by: &[u8]) -> Result<(), Delivered> {
        Err(Delivered)
    }

    fn block(&mut self, _block: ContentBlock) -> Result<(), Delivered> {
        Err(Delivered)
    }
}

/// Asks with COUNT_ONLY, and tells what the answer shows.
pub(super) async fn findings(about: &mut About, subject: &Subject<'_>) {
    let peer = subject.peer;
    if peer.version == Version::V10 {
        about.fine("counts, ends and parts are not looked at: TAXII 1.0 has no COUNT_ONLY");
        return;
    }
    let now = server_now(Clock::system().now(), believed(peer.skew().unwrap_or_default()));
    let request = match request(subject, now) {
        Ok(request) => request,
        Err(error) => return about.problem(error.to_string(), error.hint()),
    };
    let asked = request.end.clone();
    let begin = request.begin.clone();
    let encoded = match peer.encode(Body::PollRequest(request)) {
        Ok(encoded) => encoded,
        Err(error) => return about.problem(format!("cannot {error}"), ""),
    };
    let exchanged = match peer.exchange(subject.url, encoded.into(), NoContent).await {
        Ok(exchanged) => exchanged,
        Err(Trouble::Sink(Delivered)) => {
            return about.warning(
                "the Poll Service sends content where only a count is asked for: reading it was stopped",
                "nothing is needed, as the agent polls without counting; but `poll --count` fetches all of it in vain",
            );
        }
        Err(Trouble::Wire(error)) => return about.unanswered(&error.into()),
        Err(Trouble::Unreadable { url, what }) => return about.unanswered(&PeerError::Unreadable { url, what }),
    };
    let answer = exchanged.answer(now);
    let Reaction { class, words } = status::react(&answer);
    let words = shown(peer, &words);
    match exchanged.body.as_ref().map(|(message, _)| &message.body) {
        Ok(Body::PollResponse(response)) => {
            count(about, response, subject.is_set);
            if let (Some(end), Some(begin)) = (asked, begin) {
                let now = server_now(Clock::system().now(), believed(peer.skew().unwrap_or_default()));
                ends(about, peer, response, &Asked { begin, end, now });
            }
        }
        Ok(Body::Status(status)) if is_about_counting(status, class) => {
            about.warning(
                format!("the Poll Service refuses COUNT_ONLY: {words}"),
                format!("if its polls succeed, {NO_COUNT}"),
            );
        }
        Ok(Body::Status(_)) if matches!(class, Class::Retry { .. }) => {
            about.warning(format!("the Poll Service puts the question off: {words}"), "check again later");
        }
        _ => about.unanswered(&peer.refused(&exchanged)),
    }
}

/// Whether what is refused may be the count alone. Whatever else a server says it would say of a poll, too.
fn is_about_counting(status: &StatusMessage, class: Class) -> bool {
    match StatusType::of(&status.status_type) {
        StatusType::BadMessage => true,
        StatusType::Failure | StatusType::Other => class != Class::Admin,
        _ => false,
    }
}

fn request(subject: &Subject<'_>, now: DateTime<Utc>) -> Result<PollRequest, agent::AgentError> {
    let (feed, precision) = (subject.feed, subject.peer.precision);
    let end = earlier(now, feed.lag);
    let of_feed = |at| (!subject.is_set).then(|| Timestamp::new(at, precision));
    let binding = |id: &String| ContentBinding { id: id.clone(), subtypes: Vec::new() };
    Ok(PollRequest {
        collection: feed.collection.clone(),
        begin: of_feed(earlier(end, RECENT)),
        end: of_feed(end),
        // A poll by subscription has no place for COUNT_ONLY.
        subscription_id: None,
        asynchronous: false,
        parameters: Parameters {
            response_type: ResponseType::CountOnly,
            content_bindings: feed.content_bindings.iter().map(binding).collect(),
            query: agent::query(subject.name, feed)?,
        },
    })
}

fn count(about: &mut About, response: &PollResponse, is_set: bool) {
    let of = if is_set { "in all".to_owned() } else { format!("within {}", units::show_duration(RECENT)) };
    match response.record_count {
        Some(RecordCount { count, partial: false }) => {
            about.fine(format!("the Poll Service counts without sending: {count} {of}"))
        }
        Some(RecordCount { count, partial: true }) => {
            about.fine(format!("the Poll Service counts without sending, but not to the end: at least {count} {of}"));
        }
        None => {
            about.warning("the Poll Service does not count: the answer to COUNT_ONLY has no Record_Count", NO_COUNT)
        }
    }
    if response.more {
        let size = match response.record_count {
            Some(RecordCount { count, partial: true }) => format!(" of about {count}"),
            _ => String::new(),
        };
        about.fine(format!("the Poll Service sends results in parts{size} (`more`): they are fetched one by one"));
    }
}

/// What was asked for, and the server's time.
struct Asked {
    begin: Timestamp,
    end: Timestamp,
    now: DateTime<Utc>,
}

/// Where the answer says that it ends. The cursor follows that, within bounds.
fn ends(about: &mut About, peer: &Peer, response: &PollResponse, asked: &Asked) {
    const ASKED: &str = "nothing is needed: the cursor goes to the end that was asked for";
    let Some(end) = &response.end else {
        let what = match response.end_as_written() {
            Some(text) => {
                format!("the Poll Service says where an answer ends, but it cannot be read: `{}`", shown(peer, text))
            }
            None => "the Poll Service does not say where an answer ends (no Inclusive_End_Timestamp)".to_owned(),
        };
        return about.warning(what, ASKED);
    };
    let told = format!("{} was asked for, {} came", asked.end.text, shown(peer, &end.text));
    // Some servers keep whole seconds.
    if (end.at - asked.end.at).num_seconds() == 0 {
        about.fine("an answer ends where it was asked to (Inclusive_End_Timestamp)");
    } else if end.at > asked.now {
        about.warning(format!("the Poll Service says that an answer ends in the future: {told}"), ASKED);
    } else if end.at > asked.end.at {
        about.warning(format!("the Poll Service says that an answer ends later than it was asked to: {told}"), ASKED);
    } else if end.at > asked.begin.at {
        about.warning(
            format!("an answer ends earlier than it was asked to: {told}"),
            "nothing is needed: the cursor goes as far as the answer, and the rest is asked for again",
        );
    } else {
        about.warning(
            format!("an answer ends before what was asked for begins: {told}"),
            "ask the operator of the server: after such an answer the cursor stays, and the range is asked for again",
        );
    }
}
