//! Logging in for a token (reference: cabby and OpenTAXII), and keeping it while it is good.

use std::sync::{Mutex, PoisonError};

use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::client::{Client, Request};
use super::error::{Limit, shown};
use super::origin::shown_url;
use super::{Body, Class, Secret, WireError};

/// A reply to a login is a few hundred bytes; this is more than any.
const LONGEST_REPLY: usize = 64 * 1024;

/// Where a client logs in, and what came of it.
pub(super) struct Login {
    pub(super) url: Url,
    pub(super) username: String,
    pub(super) password: Secret,
    token: Mutex<Token>,
    /// Held while logging in, so that several requests share one login.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Token {
    header: Option<HeaderValue>,
    /// Which login it is from.
    login: u64,
}

/// Which login's token a request carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenUse {
    login: u64,
    /// It took the place of one that was refused in the same exchange.
    again: bool,
}

impl TokenUse {
    /// The same, and whether a token was refused in the exchange before.
    pub(super) fn after(self, again: bool) -> TokenUse {
        TokenUse { again, ..self }
    }
}

impl Login {
    pub(super) fn new(url: Url, username: String, password: Secret) -> Login {
        Login { url, username, password, token: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    fn current(&self) -> Option<(HeaderValue, TokenUse)> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        Some((token.header.clone()?, TokenUse { login: token.login, again: false }))
    }

    fn keep(&self, header: HeaderValue) {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        *token = Token { header: Some(header), login: token.login + 1 };
    }

    /// Forgets the token that was used, unless a newer one took its place. True where another try makes sense: once in
    /// an exchange, also where the token was new, for servers that take a while to know it.
    pub(super) fn forget(&self, used: TokenUse) -> bool {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if token.login == used.login {
            token.header = None;
        }
        !used.again
    }
}

impl Client {
    /// The token to send, fetched first if there is none.
    pub(super) async fn token(&self, login: &Login, started: Instant) -> Result<(HeaderValue, TokenUse), WireError> {
        if let Some(token) = login.current() {
            return Ok(token);
        }
        let total = self.inner.bounds.total_timeout;
        let Ok(_turn) = timeout_at(started + total, login.turn.lock()).await else {
            let url = shown_url(&login.url);
            return Err(WireError::Timeout { url, limit: Limit::Total, value: total, unknown: false });
        };
        if let Some(token) = login.current() {
            return Ok(token);
        }
        let header = self.log_in(login, started).await.map_err(|error| refused(login, error))?;
        login.keep(header);
        login.current().ok_or_else(|| failed(login, "its token was refused meanwhile", Class::Transient))
    }

    async fn log_in(&self, login: &Login, started: Instant) -> Result<HeaderValue, WireError> {
        let password = self.read(&login.password)?;
        let credentials = json!({ "username": login.username, "password": password }).to_string();
        let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
        let body = Body::from(credentials);
        let request = Request { headers: &headers, authorization: None, body, started, is_login: true };
        let mut reply = self.exchange(&login.url, &request).await?;
        match reply.status {
            200..=299 => {}
            408 | 425 | 429 | 500.. => {
                return Err(failed(login, &format!("HTTP {}", reply.status), Class::Transient));
            }
            status => return Err(failed(login, &format!("HTTP {status}"), Class::Admin)),
        }
        let mut text = Vec::new();
        while let Some(chunk) = reply.chunk().await? {
            text.extend_from_slice(&chunk);
            if text.len() > LONGEST_REPLY {
                return Err(failed(login, "the reply is longer than 64 KiB", Class::Admin));
            }
        }
        let reply: Value = serde_json::from_slice(&text).unwrap_or_default();
        let token = reply.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| failed(login, "the reply is no JSON object with a token", Class::Admin))?;
        self.bearer(token)
            .ok_or_else(|| failed(login, "the token has characters that no header can carry", Class::Admin))
    }
}

fn failed(login: &Login, reason: &str, class: Class) -> WireError {
    WireError::Login { url: shown_url(&login.url), reason: reason.to_owned(), class }
}

/// An error of the exchange that was to fetch a token says nothing about the message: that was not sent.
fn refused(login: &Login, error: WireError) -> WireError {
    match error.outcome_unknown() {
        true => failed(login, &shown(&error.to_string()), error.class()),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_forgotten_once_and_a_second_one_is_the_last_of_an_exchange() {
        let login = Login::new(Url::parse("https://hub.example/login").unwrap(), String::new(), Secret::from(""));
        login.keep(HeaderValue::from_static("Bearer 1"));
        let (_, first) = login.current().unwrap();
        assert!(login.forget(first));
        assert!(login.current().is_none());
        login.keep(HeaderValue::from_static("Bearer 2"));
        assert!(login.forget(first), "another request has logged in meanwhile");
        let (_, second) = login.current().unwrap();
        assert!(!login.forget(second.after(true)));
        assert!(login.current().is_none());
    }
}
