//! One message there and back.

use std::convert::Infallible;
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::{Peer, PeerError};
use crate::observe::lines;
use crate::taxii::decode::{BlockSink, DecodeError, Decoder};
use crate::taxii::encode::{self, EncodeError};
use crate::taxii::exchange::skew;
use crate::taxii::message::{Body, ContentBlock, Header, Message};
use crate::taxii::status::{self, Answer};
use crate::taxii::time::Wait;
use crate::wire::{self, Response, TokenUse, WireError, is_deceptive};

/// Pieces of a reply between the network and the parser, at most; …
const PIECES: usize = 64;

/// … and so many bytes of them: two pieces as the connection gives them where the server is fast; …
const BYTES: usize = 1 << 20;

/// … and of all replies that come in at the same time.
const BYTES_IN_ALL: usize = 4 << 20;

/// What is free of that.
static ROOM: Semaphore = Semaphore::const_new(BYTES_IN_ALL);

/// A reply longer than this takes some MiB, for buffers and for what is not on the disk yet. …
const LONG: usize = 128 << 10;

/// … So many of them come in at the same time …
static LONG_ONES: Semaphore = Semaphore::const_new(4);

/// … unless one has waited for so long: its server would not have the patience.
const TURN: Duration = Duration::from_secs(15);

/// Remote text that people are shown is cut at this many characters.
const SHOWN: usize = 300;

/// They and the next one have at most so many bytes.
pub(super) const MOST_SHOWN: usize = (SHOWN + 1) * 4;

/// An answer.
#[derive(Debug)]
pub struct Exchanged<S> {
    /// HTTP status code.
    pub http: u16,
    /// The address that answered.
    pub url: Url,
    /// The server's clock.
    pub date: Option<DateTime<Utc>>,
    /// Retry-After.
    pub retry_after: Option<Wait>,
    /// The message with the sink that took its blocks, or why the body is not a TAXII message.
    pub body: Result<(Message, S), String>,
}

impl<S> Exchanged<S> {
    /// The answer as the rules of the protocol take it.
    pub fn answer(&self, now: DateTime<Utc>) -> Answer<'_> {
        let message = self.body.as_ref().ok().map(|(message, _)| message);
        let instead = self.body.as_ref().err().map(String::as_str);
        Answer { http: self.http, message, instead, date: self.date, retry_after: self.retry_after, now }
    }
}

/// No answer, or one that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Trouble<E> {
    /// On the way.
    #[error("{0}")]
    Wire(WireError),
    /// A reply that the server ended too early, that is too long or damaged, or whose blocks cannot be told apart.
    #[error("{url}: {what}")]
    Unreadable {
        /// The address, as people may see it.
        url: String,
        /// Why.
        what: String,
    },
    /// The blocks cannot be kept.
    #[error("{0}")]
    Sink(E),
}

/// A sink for messages without blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl BlockSink for Nothing {
    type Error = Infallible;
    const WAITS: bool = false;

    fn write(&mut self, _bytes: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn replace(&mut self, _range: Range<u64>, _by: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn block(&mut self, _block: ContentBlock) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Remote text for people: one line, control characters escaped, not too long.
pub fn show_remote(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        match character {
            _ if count == SHOWN => {
                shown.push('…');
                break;
            }
            '\n' | '\r' | '\t' => shown.push(' '),
            // Escape sequences, and what turns the direction of writing around.
            c if is_deceptive(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

impl Peer {
    /// A header for a new message.
    pub fn header(&self) -> Header {
        Header { message_id: encode::message_id(fastrand::u64(..)), ..Header::default() }
    }

    /// Encodes a message of ours.
    pub fn encode(&self, body: Body) -> Result<Vec<u8>, EncodeError> {
        encode::encode(&Message { version: self.version, header: self.header(), body })
    }

    /// Sends a message and reads the answer as it arrives, whatever its HTTP status and headers are. Where the
    /// server says UNAUTHORIZED to the token of a login, it is logged in again, once. No trouble tells a secret.
    pub async fn exchange<S>(&self, url: &Url, body: wire::Body, sink: S) -> Result<Exchanged<S>, Trouble<S::Error>>
    where
        S: BlockSink + Send + 'static,
        S::Error: Display + Send,
    {
        self.send(url, body, sink).await.map_err(|trouble| match trouble {
            Trouble::Wire(error) => Trouble::Wire(self.client.clean(error)),
            Trouble::Unreadable { url, what } => Trouble::Unreadable { url, what: self.redact(&what) },
            Trouble::Sink(error) => Trouble::Sink(error),
        })
    }

    async fn send<S>(&self, url: &Url, body: wire::Body, sink: S) -> Result<Exchanged<S>, Trouble<S::Error>>
    where
        S: BlockSink + Send + 'static,
        S::Error: Display + Send,
    {
        let (exchanged, token) = self.once(url, body.clone(), sink, false).await?;
        let unauthorized = exchanged.answer(self.clock.now()).is_unauthorized();
        if !unauthorized || !self.client.forget_token(token) {
            return Ok(exchanged);
        }
        let Ok((_, sink)) = exchanged.body else {
            return Ok(exchanged);
        };
        Ok(self.once(url, body, sink, true).await?.0)
    }

    /// Sends a message, and tells the log of it. `again`: because a login token was refused. The one that was used comes
    /// with the answer.
    async fn once<S>(
        &self,
        url: &Url,
        body: wire::Body,
        sink: S,
        again: bool,
    ) -> Result<(Exchanged<S>, Option<TokenUse>), Trouble<S::Error>>
    where
        S: BlockSink + Send + 'static,
        S::Error: Display + Send,
    {
        let (began, mut read) = (self.clock.moment(), 0);
        let response = match again {
            false => self.client.post(url, self.version, body).await,
            true => self.client.post_again(url, self.version, body).await,
        };
        let outcome = match response {
            Ok(response) => {
                let token = response.token;
                self.receive(response, sink, &mut read).await.map(|exchanged| (exchanged, token))
            }
            Err(error) => Err(Trouble::Wire(error)),
        };
        let took = self.clock.since(began);
        match &outcome {
            Ok((exchanged, _)) => {
                lines::exchanged(&self.name, &self.shown_url(&exchanged.url), exchanged.http, read, took);
            }
            Err(trouble) => {
                let reason = self.shown(&trouble.to_string());
                lines::not_exchanged(&self.name, &self.shown_url(url), &reason, read, took);
            }
        }
        outcome
    }

    /// Reads an answer. `read` becomes the number of its bytes, decompressed, as far as they were looked at.
    async fn receive<S>(&self, response: Response, sink: S, read: &mut u64) -> Result<Exchanged<S>, Trouble<S::Error>>
    where
        S: BlockSink + Send + 'static,
        S::Error: Display + Send,
    {
        let (http, url, date, retry_after) =
            (response.status, response.url.clone(), response.date, response.retry_after);
        if let Some(date) = date {
            self.learnt().skew = Some(skew(date, self.clock.now()));
        }
        let decoder = Decoder::new(self.limits, response.charset.as_deref(), sink);
        let body = match self.decode(response, decoder, read).await {
            Ok(decoded) => Ok(decoded),
            // Who refuses a request before all of it has come often resets the connection, and with it the page that
            // says so; and an error page may not be what its headers say. The status has been read all the same.
            Err(Decoding::Wire(error)) if http != 200 && is_of_body(&error) => Err(error.to_string()),
            Err(Decoding::Wire(error)) => return Err(unreadable_or_broken(error, || self.shown_url(&url))),
            Err(Decoding::Message(DecodeError::Sink(error))) => return Err(Trouble::Sink(error)),
            // An error page is often no XML at all; what counts then is the HTTP status.
            Err(Decoding::Message(DecodeError::NotTaxii { found })) => Err(format!("the body is {found}")),
            Err(Decoding::Message(error)) if http != 200 => Err(error.to_string()),
            Err(Decoding::Message(error @ (DecodeError::UnsupportedVersion { .. } | DecodeError::Encoding(_)))) => {
                let (url, reason) = (self.shown_url(&url), error.to_string());
                return Err(Trouble::Wire(WireError::Foreign { url, reason }));
            }
            Err(Decoding::Message(error)) => {
                return Err(Trouble::Unreadable { url: self.shown_url(&url), what: error.to_string() });
            }
        };
        Ok(Exchanged { http, url, date, retry_after, body })
    }

    /// The network, the parser and the disk each wait for none of the others, up to the bound of the channel. No
    /// thread is held while the server is slow; and none is needed where nothing is kept.
    async fn decode<S>(
        &self,
        mut response: Response,
        mut decoder: Decoder<S>,
        read: &mut u64,
    ) -> Result<(Message, S), Decoding<S::Error>>
    where
        S: BlockSink + Send + 'static,
        S::Error: Display + Send,
    {
        if !S::WAITS {
            while let Some(piece) = response.chunk().await.map_err(Decoding::Wire)? {
                *read += piece.len() as u64;
                decoder.feed(&piece).map_err(Decoding::Message)?;
            }
            return decoder.finish().map_err(Decoding::Message);
        }
        type Room = (OwnedSemaphorePermit, SemaphorePermit<'static>);
        let (sender, mut pieces) = mpsc::channel::<(Bytes, Room)>(PIECES);
        let reading = AbortOnDropHandle::new(tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(BYTES));
            let (mut read, mut turn) = (0, None);
            while let Some(piece) = response.chunk().await? {
                read += piece.len();
                if read > LONG && turn.is_none() {
                    turn = Some(timeout(TURN, LONG_ONES.acquire()).await);
                }
                let bytes = piece.len().min(BYTES) as u32;
                // The semaphores are never closed.
                let Ok(own) = room.clone().acquire_many_owned(bytes).await else { break };
                let Ok(shared) = ROOM.acquire_many(bytes).await else { break };
                let taken = (own, shared);
                if sender.send((piece, taken)).await.is_err() {
                    break;
                }
            }
            Ok::<(), WireError>(())
        }));
        let mut batch = Vec::with_capacity(PIECES);
        while pieces.recv_many(&mut batch, PIECES).await > 0 {
            let pieces = std::mem::take(&mut batch);
            *read += pieces.iter().map(|(piece, _)| piece.len() as u64).sum::<u64>();
            decoder = self
                .blocking(move || {
                    pieces.into_iter().try_for_each(|(piece, _taken)| decoder.feed(&piece))?;
                    Ok(decoder)
                })
                .await
                .map_err(Decoding::Message)?;
        }
        match reading.await {
            Ok(ended) => ended.map_err(Decoding::Wire)?,
            Err(stopped) => resume(stopped).await,
        }
        self.blocking(move || decoder.finish()).await.map_err(Decoding::Message)
    }

    /// Runs blocking work on one of a bounded number of threads.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        // The semaphore is never closed; without a permit the work is merely not held back.
        let permit = self.workers.clone().acquire_owned().await;
        let done = spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match done.await {
            Ok(value) => value,
            Err(stopped) => resume(stopped).await,
        }
    }

    /// Asks a question whose answer has no blocks.
    pub async fn ask(&self, url: &Url, question: Body) -> Result<(Message, Url), PeerError> {
        let unreadable = |what: String| PeerError::Unreadable { url: self.shown_url(url), what };
        let request = self.encode(question).map_err(|error| unreadable(error.to_string()))?;
        let exchanged = match self.exchange(url, request.into(), Nothing).await {
            Ok(exchanged) => exchanged,
            Err(Trouble::Wire(error)) => return Err(error.into()),
            Err(Trouble::Unreadable { url, what }) => return Err(PeerError::Unreadable { url, what }),
            Err(Trouble::Sink(never)) => match never {},
        };
        match exchanged.body {
            Ok((message, _)) if !matches!(message.body, Body::Status(_)) => Ok((message, exchanged.url)),
            _ => Err(self.refused(&exchanged)),
        }
    }

    /// An answer that is not the one wanted.
    pub fn refused<S>(&self, exchanged: &Exchanged<S>) -> PeerError {
        let answer = exchanged.answer(self.clock.now());
        let (reaction, url) = (status::react(&answer), self.shown_url(&exchanged.url));
        PeerError::Refused { url, words: self.shown(&reaction.words), hint: answer.hint(), class: reaction.class }
    }
}

enum Decoding<E> {
    Wire(WireError),
    Message(DecodeError<E>),
}

/// A panic of a task goes on here, where it belongs. A task is aborted only when the runtime ends, and we with it.
async fn resume<T>(stopped: tokio::task::JoinError) -> T {
    match stopped.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => std::future::pending().await,
    }
}

/// Whether nothing went wrong before the body.
fn is_of_body(error: &WireError) -> bool {
    use WireError as E;
    matches!(error, E::CutShort { .. } | E::Encoding { .. } | E::Foreign { .. } | E::TooLarge { .. })
}

/// A body that was cut short by the server, is too long or damaged says something about the range that was asked. A
/// connection that broke, be it in the middle of the body, does not by itself.
fn unreadable_or_broken<E>(error: WireError, url: impl FnOnce() -> String) -> Trouble<E> {
    match error {
        WireError::CutShort { ended: true, .. } | WireError::TooLarge { .. } | WireError::Encoding { .. } => {
            let what = match error.hint() {
                "" => error.to_string(),
                hint => format!("{error} ({hint})"),
            };
            Trouble::Unreadable { url: url(), what }
        }
        other => Trouble::Wire(other),
    }
}
