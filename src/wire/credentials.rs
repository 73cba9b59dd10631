//! Who the agent says it is: the headers that say it, and what may be sent in the clear.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{self, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::client::Client;
use super::error::{WireError, shown};
use super::login::{Login, TokenUse};
use super::{Auth, Secret};

/// Headers that belong to the connection or to the body: setting them would break one or the other.
const OURS: [&str; 10] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// `auth` of a server, with the login it may lead to.
pub(super) enum Credentials {
    None,
    Basic { username: String, password: Secret },
    Bearer { token: Secret },
    Login(Login),
}

impl Credentials {
    pub(super) fn new(auth: Option<&Auth>) -> Result<Credentials, WireError> {
        Ok(match auth.cloned() {
            None => Credentials::None,
            Some(Auth::Basic { username, .. }) if username.contains(':') => {
                return Err(WireError::settings("a user name for HTTP Basic cannot have a colon in it", ""));
            }
            Some(Auth::Basic { username, password }) => Credentials::Basic { username, password },
            Some(Auth::Bearer { token }) => Credentials::Bearer { token },
            Some(Auth::Jwt { login, username, password }) => Credentials::Login(Login::new(login, username, password)),
        })
    }

    pub(super) fn login(&self) -> Option<&Login> {
        match self {
            Credentials::Login(login) => Some(login),
            _ => None,
        }
    }
}

impl Client {
    /// The Authorization header of a request that is part of an exchange begun at `started`.
    pub(super) async fn authorization(
        &self,
        started: Instant,
    ) -> Result<(Option<HeaderValue>, Option<TokenUse>), WireError> {
        match &self.inner.credentials {
            Credentials::None => Ok((None, None)),
            Credentials::Basic { username, password } => {
                let pair = STANDARD.encode(format!("{username}:{}", self.read(password)?));
                self.inner.known.add(&pair);
                Ok((sensitive(&format!("Basic {pair}")), None))
            }
            Credentials::Bearer { token } => match self.bearer(&self.read(token)?) {
                Some(header) => Ok((Some(header), None)),
                None => Err(WireError::settings("the token is empty or has characters that no header can carry", "")),
            },
            Credentials::Login(login) => {
                let (header, token) = self.token(login, started).await?;
                Ok((Some(header), Some(token)))
            }
        }
    }

    /// The header that carries a token; none where the token cannot stand in one.
    pub(super) fn bearer(&self, token: &str) -> Option<HeaderValue> {
        self.inner.known.add(token);
        if token.is_empty() { None } else { sensitive(&format!("Bearer {token}")) }
    }

    /// Whether requests carry something that nobody else may read.
    pub(super) fn has_credentials(&self) -> bool {
        // Headers that say how TAXII is spoken, or by whom, are no secrets.
        let secret = |name: &HeaderName| {
            !name.as_str().starts_with("x-taxii-") && *name != header::USER_AGENT && *name != header::ACCEPT
        };
        !matches!(self.inner.credentials, Credentials::None) || self.inner.headers.iter().any(|(name, _)| secret(name))
    }
}

/// An additional header of the settings, with its name checked.
pub(super) fn own_header((name, value): &(String, Secret)) -> Result<(HeaderName, Secret), WireError> {
    let unusable = |why| Err(WireError::settings(format!("the header {:?} {why}", shown(name)), ""));
    match HeaderName::try_from(name.as_str()) {
        Err(_) => unusable("has a name that no header can have"),
        Ok(name) if OURS.contains(&name.as_str()) => unusable("cannot be set: it belongs to the connection"),
        Ok(name) => Ok((name, value.clone())),
    }
}

/// A header value that is never shown; none where it holds a control character (CR and LF above all).
pub(super) fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
