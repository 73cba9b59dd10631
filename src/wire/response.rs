//! A reply: its header at once, its body chunk by chunk.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use tokio::time::Instant;
use url::Url;

use super::WireError;
use super::body::Sent;
use super::error::shown;
use super::incoming::{Incoming, Wire};
use super::login::TokenUse;
use super::record::Recording;
use crate::taxii::time::{Wait, http_date, retry_after};

/// A reply whose header has been read and whose body has not.
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The address that answered, after redirects.
    pub url: Url,
    /// `Date`: the server's clock when it answered.
    pub date: Option<DateTime<Utc>>,
    /// `Retry-After`, where it can be read, as it was sent: the caller bounds it.
    pub retry_after: Option<Wait>,
    /// `Content-Type` without its parameters, in lower case.
    pub content_type: Option<String>,
    /// The `charset` parameter of `Content-Type`, in lower case.
    pub charset: Option<String>,
    /// `X-TAXII-Content-Type`.
    pub taxii_content_type: Option<String>,
    /// The login token the request carried, for [`Client::forget_token`](super::Client::forget_token).
    pub token: Option<TokenUse>,
    body: Incoming,
    shown: String,
    read: u64,
    announced: Option<u64>,
    max_response: u64,
    started: Instant,
    pub(super) recording: Option<Box<Recording>>,
    /// While the reply is read, a request that is still being sent goes on.
    _sent: Sent,
}

/// What bounds an exchange.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) idle_timeout: Duration,
    pub(super) total_timeout: Duration,
    /// The time over which the lowest pace is looked at.
    pub(super) pace_window: Duration,
    pub(super) max_response: u64,
}

impl Response {
    pub(super) fn new(
        reply: reqwest::Response,
        shown: String,
        bounds: Bounds,
        started: Instant,
        sent: Sent,
    ) -> Response {
        let headers = reply.headers();
        let content_type = text(headers, CONTENT_TYPE);
        let encoding = text(headers, CONTENT_ENCODING).map(|encoding| encoding.trim().to_ascii_lowercase());
        Response {
            status: reply.status().as_u16(),
            url: reply.url().clone(),
            date: text(headers, DATE).and_then(|date| http_date(&date)),
            retry_after: text(headers, RETRY_AFTER).and_then(|value| retry_after(&value)),
            charset: content_type.as_deref().and_then(charset),
            content_type: content_type.as_deref().and_then(|value| value.split(';').next()).map(lower),
            taxii_content_type: text(headers, HeaderName::from_static("x-taxii-content-type")),
            token: None,
            read: 0,
            announced: reply.content_length().filter(|_| encoding.is_none()),
            max_response: bounds.max_response,
            started,
            body: Incoming::new(Wire::new(reply, shown.clone(), bounds, started), encoding.as_deref()),
            shown,
            recording: None,
            _sent: sent,
        }
    }

    /// The next bytes of the body, decompressed, at most some tens of KiB; `None` at its end.
    ///
    /// # Errors
    ///
    /// When a time-out passes, the body is longer than `max_response`, or it ends before its announced end. A body
    /// that ends by closing the connection and announced no length ends with `None` wherever it was cut.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, WireError> {
        let chunk = self.next().await;
        if let Some(recording) = &mut self.recording {
            recording.received(&chunk);
        }
        chunk
    }

    async fn next(&mut self) -> Result<Option<Bytes>, WireError> {
        if self.announced.is_some_and(|length| length > self.max_response) {
            return Err(self.too_large());
        }
        let chunk = self.body.next(&self.shown, self.read).await?;
        self.read += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.read > self.max_response {
            return Err(self.too_large());
        }
        Ok(chunk)
    }

    /// How long ago the exchange began, its login and redirects included.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn too_large(&self) -> WireError {
        WireError::TooLarge { url: self.shown.clone(), limit: self.max_response }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("url", &self.shown).finish_non_exhaustive()
    }
}

/// A header as text; what is not ASCII in it becomes U+FFFD, and more than anybody needs is cut.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| shown(&String::from_utf8_lossy(value.as_bytes())))
}

fn lower(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}

fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| lower(value.trim().trim_matches('"')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_found_among_the_parameters() {
        assert_eq!(charset("application/xml; version=1; Charset=\"UTF-16\"").as_deref(), Some("utf-16"));
        assert_eq!(charset("application/xml;charset"), None);
        assert_eq!(charset("text/xml"), None);
    }
}
