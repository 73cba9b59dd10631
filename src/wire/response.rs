//! A reply: its header at once, its body chunk by chunk.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use url::Url;

use super::WireError;

/// A reply whose header has been read and whose body has not.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The address that answered, after redirects.
    pub url: Url,
    /// `Date`: the server's clock when it answered.
    pub date: Option<DateTime<Utc>>,
    /// `Retry-After`, where it can be read.
    pub retry_after: Option<RetryAfter>,
    /// `Content-Type` without its parameters, in lower case.
    pub content_type: Option<String>,
    /// The `charset` parameter of `Content-Type`.
    pub charset: Option<String>,
    /// `X-TAXII-Content-Type`.
    pub taxii_content_type: Option<String>,
    /// The login token the request carried, for [`Client::forget_token`](super::Client::forget_token).
    pub token: Option<TokenUse>,
}

/// What `Retry-After` says (RFC 9110, 10.2.3), as it was sent: the caller bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// So long after the reply.
    After(Duration),
    /// At this time of the server's clock.
    At(DateTime<Utc>),
}

/// Which login's token a request carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenUse {
    login: u64,
    fresh: bool,
}

impl Response {
    /// The next bytes of the body, decompressed, at most some tens of KiB; `None` at its end.
    ///
    /// # Errors
    ///
    /// When a time-out passes, the body is longer than `max_response`, or it ends before its announced end. A body
    /// that ends by closing the connection and announced no length ends with `None` wherever it was cut.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, WireError> {
        Ok(None)
    }

    /// How long ago the exchange began.
    pub fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}
