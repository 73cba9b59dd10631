//! What can go wrong on the way to a server and back.

use std::time::Duration;

use super::SecretError;

/// Why an exchange failed.
///
/// Addresses in it never show user information or a query, and server text in it is escaped, truncated and free of
/// known secrets. What to do about it is [`WireError::hint`].
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Something in the settings cannot be used: a header, a certificate, a key, the proxy.
    #[error("{what}")]
    Settings {
        /// What, and why not.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Requests do not go to this address.
    #[error("no request goes to {url}: {reason}")]
    Origin {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
        /// What to do about it.
        hint: String,
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
    /// The login for a token failed. The message was not sent.
    #[error("the login at {url} failed: {reason}")]
    Login {
        /// The login address.
        url: String,
        /// What happened.
        reason: String,
        /// Whether another try may help.
        class: Class,
    },
    /// No connection: the name, the network, the proxy or TLS. The server did not act on the request.
    #[error("no connection to {url}: {reason}")]
    Connect {
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
    #[error("{}", limit.phrase(url, *value))]
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
    #[error("no answer from {url}: {reason}")]
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
        /// Bytes read until then.
        read: u64,
        /// What happened.
        reason: String,
        /// The server ended it, and no connection broke: for the reader it is a reply that is not complete.
        ended: bool,
    },
    /// The body is longer than `max_response`.
    #[error("the reply of {url} is longer than max_response ({limit} bytes)")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The reply is in a version, an encoding or a compression that is not spoken here: so will the next one be.
    #[error("the reply of {url} cannot be read: {reason}")]
    Foreign {
        /// The address.
        url: String,
        /// What it is.
        reason: String,
    },
    /// The compression of the body is damaged.
    #[error("the reply of {url} cannot be decompressed: {reason}")]
    Encoding {
        /// The address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A file of the request's body cannot be read, or became shorter. What was sent of it is no whole message.
    #[error("the request to {url} cannot be read: {reason}")]
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
    /// Less than 1 KiB/s of a reply's body over this time.
    Pace,
}

impl Limit {
    fn phrase(self, url: &str, value: Duration) -> String {
        match self {
            Limit::Connect => format!("no connection to {url} within {value:?} (connect_timeout)"),
            Limit::Idle => format!("no progress with {url} for {value:?} (idle_timeout)"),
            Limit::Total => format!("the exchange with {url} took longer than {value:?} (total_timeout)"),
            Limit::Pace => format!("the reply of {url} came slower than 1 KiB/s over {value:?}"),
        }
    }
}

impl WireError {
    /// Whether another try may help.
    pub fn class(&self) -> Class {
        use WireError as E;
        match self {
            E::Settings { .. } | E::Secret(_) | E::Origin { .. } | E::Plaintext { .. } | E::Redirect { .. } => {
                Class::Admin
            }
            // The same reply will be as long tomorrow.
            E::TooLarge { .. } | E::Foreign { .. } => Class::Admin,
            E::Login { class, .. } | E::Connect { class, .. } => *class,
            E::Timeout { .. } | E::Broken { .. } | E::CutShort { .. } | E::Encoding { .. } | E::File { .. } => {
                Class::Transient
            }
        }
    }

    /// What to do about it; empty where there is nothing to do but wait.
    pub fn hint(&self) -> &str {
        use WireError as E;
        match self {
            E::Settings { hint, .. } | E::Origin { hint, .. } | E::Connect { hint, .. } => hint,
            E::Secret(_) => "put the secret there, readable by the agent",
            E::Plaintext { .. } => {
                "use https; or, if the network is trusted, a server in the configuration with plaintext_credentials = true"
            }
            E::Redirect { .. } => "if that is the right address, put it into the configuration",
            E::Login { class: Class::Admin, .. } => "check the user name, the password and the login address",
            E::Foreign { .. } => {
                "check the address and `taxii` of the server, and what proxies on the way do to its replies"
            }
            E::TooLarge { .. } => "raise max_response of the server, or shorten window of the feed",
            E::Timeout { limit: Limit::Connect, .. } => "check the address, the firewall and connect_timeout",
            E::Timeout { limit: Limit::Idle, .. } => "if the server is only slow, raise idle_timeout",
            E::Timeout { limit: Limit::Total, .. } => "raise total_timeout, or shorten window of the feed",
            _ => "",
        }
    }

    /// Whether the server may have acted on the request although its verdict was not read. False when it certainly
    /// did not get the whole request.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            WireError::Timeout { unknown, .. } | WireError::Broken { unknown, .. } => *unknown,
            WireError::CutShort { .. } | WireError::TooLarge { .. } => true,
            WireError::Encoding { .. } | WireError::Foreign { .. } => true,
            _ => false,
        }
    }

    /// The same error with each of its texts changed.
    pub(super) fn map_text(mut self, change: impl Fn(&str) -> String) -> WireError {
        use WireError as E;
        let texts: Vec<&mut String> = match &mut self {
            E::Settings { what, hint } => vec![what, hint],
            E::Secret(SecretError(what)) => vec![what],
            E::Origin { url, hint, .. } => vec![url, hint],
            E::Redirect { url, target, .. } => vec![url, target],
            E::Connect { url, reason, hint, .. } => vec![url, reason, hint],
            E::Login { url, reason, .. }
            | E::Broken { url, reason, .. }
            | E::CutShort { url, reason, .. }
            | E::Encoding { url, reason }
            | E::Foreign { url, reason }
            | E::File { url, reason } => vec![url, reason],
            E::Plaintext { url } | E::Timeout { url, .. } | E::TooLarge { url, .. } => vec![url],
        };
        texts.into_iter().for_each(|text| *text = change(text));
        self
    }

    pub(super) fn settings(what: impl Into<String>, hint: impl Into<String>) -> WireError {
        WireError::Settings { what: what.into(), hint: hint.into() }
    }
}

/// Text from outside is cut at this many characters; …
const LONGEST: usize = 200;

/// … and they and the next one have at most so many bytes.
pub(super) const MOST_SHOWN: usize = (LONGEST + 1) * 4;

/// Text from outside as people may see it: control characters escaped, at most 200 characters.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == LONGEST {
            out.push('…');
            break;
        }
        if is_deceptive(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Control and formatting characters (bidirectional overrides, zero width, tags) could make a line show what it does not
/// say.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}
