//! `poll --count`: how many content blocks there are, without fetching one.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Wanted;
use crate::cli::output::{Say, json as print};
use crate::cli::services::{headers_json, redacted, shown, tell_headers};
use crate::cli::{End, Result, Trouble, progress, runtime};
use crate::config::units;
use crate::peer::PeerError;
use crate::taxii::Version;
use crate::taxii::exchange::{self, Pace, Plan, Poll};
use crate::taxii::message::{
    Body, ContentBinding, Header, Parameters, PollResponse, RecordCount, ResponseType, ServiceType,
};

/// Asks with COUNT_ONLY. A server may leave the count out (Services Specification 1.1, section 4.4.9).
pub(super) fn count(wanted: &Wanted, now: DateTime<Utc>, as_json: bool) -> Result<End> {
    if wanted.target.peer.version == Version::V10 {
        return Err(Trouble::failed("TAXII 1.0 has no way to ask for a count", "poll without --count"));
    }
    let words = || format!("asking {}", wanted.target.shown());
    let (header, response, is_set) = runtime()?.block_on(progress::shown(words, ask(wanted, now)))?;
    let text = match response.record_count {
        Some(RecordCount { count, partial: false }) => count.to_string(),
        Some(RecordCount { count, partial: true }) => format!("at least {count}"),
        None => "count not provided".to_owned(),
    };
    let (say, peer) = (Say::new(as_json), &wanted.target.peer);
    say.line(&text);
    if let Some(message) = &response.message {
        say.line(&format!("the server says: {}", shown(peer, message)));
    }
    tell_headers(&say, peer, &header.extended);
    if as_json {
        let answer = json!({
            "feed": wanted.feed,
            "server": wanted.target.name,
            "collection": wanted.settings.collection,
            "since": wanted.since.as_ref().filter(|_| !is_set).map(|since| &since.text),
            "until": response.end_as_written(),
            "count": response.record_count.map(|record| record.count),
            "partial": response.record_count.is_some_and(|record| record.partial),
            "message": response.message,
            "extended_headers": headers_json(&header.extended),
        });
        print(&redacted(peer, answer));
    }
    Ok(End::Good)
}

async fn ask(wanted: &Wanted, now: DateTime<Utc>) -> Result<(Header, PollResponse, bool), PeerError> {
    let (peer, settings) = (&wanted.target.peer, &wanted.settings);
    let address = peer.address(ServiceType::Poll, Some(&settings.collection)).await?;
    let binding = |id: &String| ContentBinding { id: id.clone(), subtypes: Vec::new() };
    let plan = Plan {
        collection: settings.collection.clone(),
        // A poll by subscription has no place for COUNT_ONLY.
        subscription_id: None,
        asynchronous: false,
        parameters: Parameters {
            response_type: ResponseType::CountOnly,
            content_bindings: settings.content_bindings.iter().map(binding).collect(),
            query: wanted.query.clone(),
        },
        patience: std::time::Duration::ZERO,
    };
    let is_set = wanted.is_set().await;
    let range = if is_set { None } else { range(wanted).await };
    let (message, url) = peer.ask(&address.url, Poll::new(plan, range, now).request()).await?;
    match message.body {
        Body::PollResponse(response) => Ok((message.header, response, is_set)),
        other => {
            let what = format!("a {} where a count was asked for", other.name(message.version));
            Err(PeerError::Unreadable { url: peer.shown_url(&url), what })
        }
    }
}

async fn range(wanted: &Wanted) -> Option<exchange::Range> {
    let peer = &wanted.target.peer;
    let pace = Pace {
        lag: std::time::Duration::ZERO,
        window: units::LONGEST,
        overlap: std::time::Duration::ZERO,
        precision: peer.precision,
    };
    exchange::ask(None, wanted.since.as_ref().map(|since| since.at), wanted.end().await, &pace)
}
