//! What can go wrong on the way to a server and back.

use std::time::Duration;

use super::SecretError;

/// Why an exchange failed: a phrase that can follow "cannot …".
///
/// Addresses in it never show user information or the query, and server text in it is escaped, truncated and free of
/// known secrets.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Something in the settings cannot be used: a header name, a certificate, a key.
    #[error("{0}")]
    Settings(String),
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The address is at an origin that is neither configured nor trusted, or has user information in it.
    #[error("{url} is not an address requests may go to: {reason}")]
    Origin {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Credentials would travel readable by everyone.
    #[error("credentials are not sent over plain http to {url}")]
    Plaintext {
        /// The address.
        url: String,
    },
    /// The server sends us elsewhere.
    #[error("{url} answered with HTTP {status}, a redirect to {target}: {reason}")]
    Redirect {
        /// The address that answered.
        url: String,
        /// The HTTP status code.
        status: u16,
        /// Where to.
        target: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// The login for a token failed.
    #[error("the login at {url} failed: {reason}")]
    Login {
        /// The login address.
        url: String,
        /// What happened.
        reason: String,
        /// Whether another try may help.
        class: Class,
    },
    /// No connection: the name, the network or the proxy. The request was not sent.
    #[error("no connection to {url}: {reason}")]
    Connect {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The two ends do not trust or understand one another. The request was not acted on.
    #[error("no secure connection to {url}: {reason}")]
    Tls {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
        /// What to do about it.
        hint: String,
        /// Whether another try may help.
        class: Class,
    },
    /// A time-out passed.
    #[error("{url}: {limit} of {value:?} passed")]
    Timeout {
        /// The address.
        url: String,
        /// Which one.
        limit: Limit,
        /// How long it is.
        value: Duration,
        /// Whether the server may have acted on the request.
        unknown: bool,
    },
    /// The connection broke, or what came back is not HTTP.
    #[error("{url}: {reason}")]
    Broken {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
        /// Whether the server may have acted on the request.
        unknown: bool,
    },
    /// The body ended before its announced end.
    #[error("the reply of {url} was cut short after {read} bytes: {reason}")]
    CutShort {
        /// The address.
        url: String,
        /// Decoded bytes read until then.
        read: u64,
        /// What happened.
        reason: String,
    },
    /// The body is longer than `max_response`.
    #[error("the reply of {url} is longer than max_response ({limit} bytes)")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The body is compressed in a way we did not ask for, or its compression is damaged.
    #[error("the reply of {url} cannot be decompressed: {reason}")]
    Encoding {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A file of the request's body cannot be read, or became shorter.
    #[error("the file being sent to {url}: {reason}")]
    File {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
    },
}

/// Whether another try may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Yes: it may pass by itself.
    Transient,
    /// No: somebody has to change something.
    Admin,
}

/// The limits of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `connect_timeout`.
    Connect,
    /// `idle_timeout`.
    Idle,
    /// `total_timeout`.
    Total,
    /// 1 KiB/s over five minutes.
    Pace,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Limit::Connect => "connect_timeout",
            Limit::Idle => "idle_timeout",
            Limit::Total => "total_timeout",
            Limit::Pace => "the lowest pace",
        })
    }
}

impl WireError {
    /// Whether another try may help.
    pub fn class(&self) -> Class {
        Class::Transient
    }

    /// What to do about it; empty where there is nothing but waiting.
    pub fn hint(&self) -> String {
        String::new()
    }

    /// Whether the server may have acted on the request although no verdict was read.
    pub fn outcome_unknown(&self) -> bool {
        false
    }
}
