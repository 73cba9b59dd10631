//! The body of a reply on its way in: time-outs on the bytes of the wire, then decompression.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use async_compression::tokio::bufread::{DeflateDecoder, GzipDecoder, ZlibDecoder};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use reqwest::header::TRANSFER_ENCODING;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};
use tokio_util::io::StreamReader;

use super::cause;
use super::error::{Limit, WireError, shown};
use super::response::Bounds;

/// How much is decompressed at once.
const CHUNK: usize = 16 * 1024;
/// The first byte of every gzip member.
const GZIP: u8 = 0x1f;
/// The lowest pace, in bytes per second, over a window of time.
const LOWEST_PACE: u64 = 1024;

/// The body as it comes from the connection.
pub(super) struct Wire {
    reply: reqwest::Response,
    url: String,
    bounds: Bounds,
    started: Instant,
    pace: Pace,
    received: u64,
    /// The body ends where the connection does.
    until_closed: bool,
}

impl Wire {
    pub(super) fn new(reply: reqwest::Response, url: String, bounds: Bounds, started: Instant) -> Wire {
        let until_closed = reply.content_length().is_none() && !reply.headers().contains_key(TRANSFER_ENCODING);
        let pace = Pace { window: bounds.pace_window, ..Pace::default() };
        Wire { reply, url, bounds, started, pace, received: 0, until_closed }
    }

    /// The next bytes. Only the time spent here counts: a caller that takes its time does not make a server slow.
    async fn next(&mut self) -> Result<Option<Bytes>, WireError> {
        let idle = Instant::now() + self.bounds.idle_timeout;
        let total = self.started + self.bounds.total_timeout;
        loop {
            let asked = Instant::now();
            let until = idle.min(total).min(asked + self.pace.left());
            let chunk = timeout_at(until, self.reply.chunk()).await;
            let now = Instant::now();
            let bytes = chunk.as_ref().ok().and_then(|chunk| chunk.as_ref().ok()?.as_ref()).map_or(0, Bytes::len);
            self.received += bytes as u64;
            if self.pace.too_slow(now - asked, bytes as u64) {
                return Err(self.passed(Limit::Pace, self.bounds.pace_window));
            }
            match chunk {
                Ok(Ok(chunk)) => return Ok(chunk),
                // Many servers close TLS connections without saying so. Such a body may have been cut at that place,
                // as any body that ends where the connection does: whoever reads it has to see for himself.
                Ok(Err(error)) if self.until_closed && cause::is_eof(&error) => return Ok(None),
                Ok(Err(error)) => {
                    let reason = cause::of(&error).text;
                    let (url, read) = (self.url.clone(), self.received);
                    return Err(WireError::CutShort { url, read, reason, ended: cause::is_eof(&error) });
                }
                Err(_) if now >= total => return Err(self.passed(Limit::Total, self.bounds.total_timeout)),
                Err(_) if now >= idle => return Err(self.passed(Limit::Idle, self.bounds.idle_timeout)),
                Err(_) => {}
            }
        }
    }

    fn passed(&self, limit: Limit, value: Duration) -> WireError {
        WireError::Timeout { url: self.url.clone(), limit, value, unknown: true }
    }
}

/// Bytes over windows of time: an idle time-out alone would never end a body that drips.
#[derive(Default)]
struct Pace {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// How long until the window ends.
    fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// Counts a wait and what it brought. True at the end of a window that brought too little.
    fn too_slow(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.window {
            return false;
        }
        let slow = (self.bytes as f64) < LOWEST_PACE as f64 * self.waited.as_secs_f64();
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        slow
    }
}

type Raw = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;
type Reader = Pin<Box<dyn AsyncRead + Send>>;

/// The body as the caller gets it.
pub(super) enum Incoming {
    Plain(Box<Wire>),
    /// Compressed with something called deflate; which one shows at its first byte.
    Deflate(Option<StreamReader<Raw, Bytes>>),
    Decoded {
        reader: Reader,
        buffer: BytesMut,
    },
    Gzip(Box<Gzip>),
    Unknown(String),
}

impl Incoming {
    pub(super) fn new(wire: Wire, encoding: Option<&str>) -> Incoming {
        match encoding {
            None | Some("" | "identity") => Incoming::Plain(Box::new(wire)),
            Some("gzip" | "x-gzip") => Incoming::Gzip(Box::new(Gzip::Start(StreamReader::new(stream(wire))))),
            Some("deflate") => Incoming::Deflate(Some(StreamReader::new(stream(wire)))),
            Some(other) => Incoming::Unknown(shown(other)),
        }
    }

    fn decoded(reader: impl AsyncRead + Send + 'static) -> Incoming {
        Incoming::Decoded { reader: Box::pin(reader), buffer: BytesMut::new() }
    }

    /// The next bytes, when `read` bytes were got before.
    pub(super) async fn next(&mut self, url: &str, read: u64) -> Result<Option<Bytes>, WireError> {
        let failed = |error| decoding(error, url, read);
        if let Incoming::Deflate(raw) = self
            && let Some(mut raw) = raw.take()
        {
            // The name means the zlib format (RFC 9110, 8.4.1.2), but some servers send bare deflate data. The low
            // half of the first byte is 8 in the former, and never in the latter as compressors write it.
            let zlib = raw.fill_buf().await.map_err(failed)?.first().is_none_or(|first| first & 0x0f == 8);
            *self = match zlib {
                true => Incoming::decoded(ZlibDecoder::new(raw)),
                false => Incoming::decoded(DeflateDecoder::new(raw)),
            };
        }
        match self {
            Incoming::Plain(wire) => wire.next().await,
            Incoming::Decoded { reader, buffer } => {
                buffer.reserve(CHUNK);
                let count = reader.read_buf(buffer).await.map_err(failed)?;
                Ok((count > 0).then(|| buffer.split().freeze()))
            }
            Incoming::Gzip(gzip) => gzip.next().await.map_err(failed),
            Incoming::Deflate(_) => Ok(None),
            Incoming::Unknown(encoding) => Err(WireError::Foreign {
                url: url.to_owned(),
                reason: format!("its Content-Encoding is {encoding:?}, and only gzip and deflate were asked for"),
            }),
        }
    }
}

/// What is called gzip: one member or several (RFC 1952, 2.2), since stopping after the first would lose the rest without a
/// word, and perhaps zeros after them. Some servers label what they do not compress: an error page, or nothing at all.
pub(super) enum Gzip {
    Start(StreamReader<Raw, Bytes>),
    Member(GzipDecoder<StreamReader<Raw, Bytes>>, BytesMut),
    Between(StreamReader<Raw, Bytes>),
    Plain(StreamReader<Raw, Bytes>),
    End,
}

impl Gzip {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            *self = match std::mem::replace(self, Gzip::End) {
                Gzip::Start(mut raw) => match raw.fill_buf().await?.first() {
                    None => Gzip::End,
                    Some(&GZIP) => Gzip::Member(GzipDecoder::new(raw), BytesMut::new()),
                    Some(_) => Gzip::Plain(raw),
                },
                Gzip::Member(mut decoder, mut buffer) => {
                    buffer.reserve(CHUNK);
                    if decoder.read_buf(&mut buffer).await? > 0 {
                        let piece = buffer.split().freeze();
                        *self = Gzip::Member(decoder, buffer);
                        return Ok(Some(piece));
                    }
                    Gzip::Between(decoder.into_inner())
                }
                Gzip::Between(mut raw) => match raw.fill_buf().await? {
                    [] => Gzip::End,
                    [GZIP, ..] => Gzip::Member(GzipDecoder::new(raw), BytesMut::new()),
                    rest if rest.iter().all(|byte| *byte == 0) => {
                        let zeros = rest.len();
                        raw.consume(zeros);
                        Gzip::Between(raw)
                    }
                    _ => return Err(io::Error::other("something else follows the compressed data")),
                },
                Gzip::Plain(mut raw) => {
                    let piece = Bytes::copy_from_slice(raw.fill_buf().await?);
                    if piece.is_empty() {
                        return Ok(None);
                    }
                    raw.consume(piece.len());
                    *self = Gzip::Plain(raw);
                    return Ok(Some(piece));
                }
                Gzip::End => return Ok(None),
            };
        }
    }
}

fn stream(wire: Wire) -> Raw {
    Box::pin(try_unfold(wire, |mut wire| async {
        match wire.next().await {
            Ok(chunk) => Ok(chunk.map(|chunk| (chunk, wire))),
            Err(error) => Err(io::Error::other(error)),
        }
    }))
}

/// What went wrong below or in a decoder.
fn decoding(error: io::Error, url: &str, read: u64) -> WireError {
    let url = url.to_owned();
    match error.downcast::<WireError>() {
        Ok(error) => error,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let reason = "the compressed data ends too early".to_owned();
            WireError::CutShort { url, read, reason, ended: true }
        }
        Err(error) => WireError::Encoding { url, reason: shown(&error.to_string()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drip_is_too_slow_at_the_end_of_the_window_and_a_burst_is_not() {
        let window = Duration::from_secs(300);
        let mut pace = Pace { window, ..Pace::default() };
        for _ in 0..599 {
            assert!(!pace.too_slow(Duration::from_millis(500), 1));
        }
        assert_eq!(pace.left(), Duration::from_millis(500));
        assert!(pace.too_slow(Duration::from_millis(500), 1));
        assert_eq!(pace.left(), window);
        assert!(!pace.too_slow(Duration::from_secs(299), 0));
        assert!(!pace.too_slow(Duration::from_secs(1), 300 * 1024));
    }
}
