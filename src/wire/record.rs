//! Exchanges kept for people: what was sent and what came back, with no secret in it.
//!
//! Where nobody asked for that there is no [`Recording`], and nothing is copied.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderName, LOCATION};
use serde_json::Value;
use url::{Position, Url};

use super::client::{Client, Request};
use super::error::{WireError, is_deceptive};
use super::redact::{BEYOND, REPLACEMENT};

/// So much of a body is kept, in bytes, and what is to be looked at of the rest.
const MOST: usize = 1 << 20;

/// A header with one of these in its name is a secret, whoever sends it.
const TELLING: [&str; 8] = ["authorization", "cookie", "token", "secret", "session", "password", "api-key", "apikey"];

/// Keeps exchanges. What it is given may be shown to anybody.
pub trait Recorder: fmt::Debug + Send + Sync {
    /// An exchange begins, with this request line and these headers. `None`: it cannot be kept.
    fn begin(&self, head: &str) -> Option<Box<dyn Record>>;
}

/// An exchange that is kept.
pub trait Record: Send {
    /// It is over: the body of the request, and the whole response with how it ended.
    fn end(self: Box<Self>, request: &str, response: &str);
}

/// An exchange under way. It is kept as far as it got when this is dropped: every secret is known by then.
pub(super) struct Recording {
    client: Client,
    record: Option<Box<dyn Record>>,
    /// The answer has a secret in it that nobody has seen before.
    is_login: bool,
    /// The length of the request's body.
    length: u64,
    request: Arc<Mutex<Kept>>,
    /// Status line and headers.
    head: Option<String>,
    /// Whether the status is 2xx.
    success: bool,
    announced: Option<u64>,
    response: Kept,
    end: End,
}

/// How a response ended.
enum End {
    Open,
    Whole,
    Failed(String),
}

impl Client {
    /// The same client; this keeps its exchanges.
    #[must_use]
    pub fn recorded(mut self, recorder: Arc<dyn Recorder>) -> Client {
        self.recorder = Some(recorder);
        self
    }

    /// Begins to record an exchange where that is wanted.
    pub(super) fn record(&self, url: &Url, headers: &HeaderMap, request: &Request<'_>) -> Option<Box<Recording>> {
        let recorder = self.recorder.as_ref()?;
        let query = url.query().map_or(String::new(), |_| format!("?{REPLACEMENT}"));
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let first = format!("POST {}{query} HTTP/1.1\nhost: {host}", url.path());
        let record = recorder.begin(&format!("{}\n", self.shown_head(first, headers)))?;
        Some(Box::new(Recording {
            client: self.clone(),
            record: Some(record),
            is_login: request.is_login,
            length: request.body.len(),
            request: Arc::default(),
            head: None,
            success: false,
            announced: None,
            response: Kept::default(),
            end: End::Open,
        }))
    }

    /// A first line and headers without the values that are nobody's business.
    fn shown_head(&self, first: String, headers: &HeaderMap) -> String {
        let is_secret = |name: &HeaderName| {
            TELLING.iter().any(|part| name.as_str().contains(part))
                || self.inner.headers.iter().any(|(own, _)| own == name)
        };
        let mut head = first + "\n";
        for (name, value) in headers {
            let mut text = decoded(value.as_bytes());
            if value.is_sensitive() || is_secret(name) {
                REPLACEMENT.clone_into(&mut text);
            } else if *name == LOCATION
                && let Some(query) = text.find('?')
            {
                text.replace_range(query + 1.., REPLACEMENT);
            }
            head += &format!("{name}: {text}\n");
        }
        printable(&self.redact(&head))
    }
}

impl Recording {
    /// The body to send: what the connection takes of it is kept.
    pub(super) fn watched(&self, body: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> reqwest::Body {
        let kept = self.request.clone();
        reqwest::Body::wrap_stream(body.inspect_ok(move |piece| locked(&kept).take(piece)))
    }

    /// The header of the response came, or did not.
    pub(super) fn answered(&mut self, answer: &Result<reqwest::Response, WireError>) {
        match answer {
            Ok(reply) => {
                let (headers, status) = (reply.headers(), reply.status());
                self.head = Some(self.client.shown_head(format!("{:?} {status}", reply.version()), headers));
                self.success = status.is_success();
                // A compressed body is longer than that.
                self.announced = reply.content_length().filter(|_| !headers.contains_key(CONTENT_ENCODING));
            }
            Err(error) => self.end = End::Failed(error.to_string()),
        }
    }

    /// More of the response's body, decompressed, or its end.
    pub(super) fn received(&mut self, chunk: &Result<Option<Bytes>, WireError>) {
        match chunk {
            Ok(Some(piece)) => self.response.take(piece),
            Ok(None) => self.end = End::Whole,
            Err(error) => self.end = End::Failed(error.to_string()),
        }
    }

    fn shown_request(&self) -> String {
        let kept = locked(&self.request);
        let mut text = kept.shown(&self.client, Some(self.length));
        if kept.length < self.length {
            note(&mut text, &format!("{} of {} bytes were sent", kept.length, self.length));
        }
        text
    }

    fn shown_response(&self) -> String {
        let Kept { length, .. } = self.response;
        let mut text = match &self.head {
            None => String::new(),
            Some(head) if self.is_login && self.success => {
                format!("{head}\n{}", without_values(&self.response.bytes))
            }
            Some(head) => {
                let whole = if matches!(self.end, End::Whole) { Some(length) } else { self.announced };
                format!("{head}\n{}", self.response.shown(&self.client, whole))
            }
        };
        match (&self.end, &self.head) {
            (End::Whole, _) => {}
            (End::Failed(why), None) => note(&mut text, &format!("no response: {}", self.client.redact(why))),
            (End::Failed(why), Some(_)) => {
                note(&mut text, &format!("it failed after {length} bytes: {}", self.client.redact(why)));
            }
            (End::Open, None) => note(&mut text, "given up before there was a response"),
            (End::Open, Some(_)) => note(&mut text, &format!("read no further than this, {length} bytes")),
        }
        text
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            record.end(&self.shown_request(), &self.shown_response());
        }
    }
}

/// The beginning of a body.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    /// How long the body was so far.
    length: u64,
}

impl Kept {
    fn take(&mut self, piece: &[u8]) {
        let room = MOST + BEYOND - self.bytes.len();
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        self.length += piece.len() as u64;
    }

    /// What people may see of it, when `whole` is its length.
    fn shown(&self, client: &Client, whole: Option<u64>) -> String {
        let mut text = decoded(&self.bytes);
        let upto = if self.bytes.len() > MOST { decoded(&self.bytes[..MOST]).len() } else { text.len() };
        // Whoever ended it, by whatever accident: its end may be the beginning of a secret.
        text.push('…');
        let mut shown = printable(&client.inner.known.redact_upto(&text, upto));
        if self.bytes.len() > MOST || shown.len() > MOST {
            let end = (0..=MOST.min(shown.len())).rev().find(|end| shown.is_char_boundary(*end));
            shown.truncate(end.unwrap_or_default());
            let whole = whole.map_or("a length that is not known".to_owned(), |whole| format!("{whole} bytes"));
            note(&mut shown, &format!("cut here, after 1 MiB of {whole}"));
        }
        shown
    }
}

fn locked(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a line of ours.
fn note(text: &mut String, words: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("[taxii-sync: {words}]\n"));
}

/// Bytes as text in which every secret can be found, in whatever encoding it was repeated: UTF-8 and UTF-16 are read,
/// and what is neither is taken for ISO 8859-1. NUL is left out.
fn decoded(bytes: &[u8]) -> String {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks().0.iter().map(|unit| read(*unit));
        char::decode_utf16(units).map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    let mut text: String = match bytes {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, b'<', ..] => wide(u16::from_be_bytes),
        _ => {
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|byte| char::from(*byte)));
            }
            text
        }
    };
    text.retain(|character| character != '\0');
    text
}

/// Text that does nothing to a terminal but to be shown there.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\n' | '\t' => shown.push(character),
            '\r' if rest.peek() == Some(&'\n') => shown.push(character),
            _ if is_deceptive(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}

/// The reply to a login: its shape, and none of its texts. One of them is the token, under whatever name.
fn without_values(reply: &[u8]) -> String {
    fn hide(value: &mut Value) {
        match value {
            Value::String(text) => REPLACEMENT.clone_into(text),
            Value::Array(list) => list.iter_mut().for_each(hide),
            Value::Object(table) => table.values_mut().for_each(hide),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    match serde_json::from_slice(reply) {
        Ok(mut value) => {
            hide(&mut value);
            format!("{value}\n")
        }
        Err(_) => format!("{REPLACEMENT}\n"),
    }
}
