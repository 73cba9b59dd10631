//! Sending an answer: headers, framing, compression, and everything that can go wrong on the way on purpose.

use std::io::{self, Write as _};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::acts::{Chunks, Generator};
use super::http::Connection;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// An orderly close.
    Fin,
    /// A reset.
    Reset,
}

/// How the end of a body is told to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// A Content-Length that is right (generated bodies: chunked).
    #[default]
    Honest,
    /// A Content-Length that is this many bytes off; the connection is closed after the body.
    LengthOff(i64),
    /// Two Content-Length headers that disagree by one.
    TwoLengths,
    /// Chunked transfer coding.
    Chunked,
    /// Chunked transfer coding without the last chunk.
    ChunkedOpen,
    /// Neither: the body ends with the connection.
    UntilClose,
}

/// How the bytes of an answer travel.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    pub(super) status: Option<u16>,
    /// Headers that are set; `None` takes a header away.
    pub(super) headers: Vec<(String, Option<String>)>,
    pub(super) framing: Framing,
    pub(super) gzip: bool,
    pub(super) drip: Option<Drip>,
    pub(super) cut: Option<Cut>,
    pub(super) close: bool,
    pub(super) skew: TimeDelta,
    pub(super) early: bool,
    /// Whether the body is the whole answer.
    pub(super) headless: bool,
}

/// How slowly an answer travels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drip {
    pub(super) bytes: usize,
    pub(super) pause: Duration,
    /// Whether the head drips too.
    pub(super) head: bool,
}

/// Where an answer breaks off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) at: u64,
    /// Whether `at` counts from the first byte of the body, or else of the whole answer.
    pub(super) body: bool,
    pub(super) how: Close,
}

/// An answer as it should be; a [`Delivery`] may change it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Whole(Bytes),
    Generated(Generator),
}

impl Body {
    fn chunks(&self) -> Chunks {
        match self {
            Self::Whole(bytes) => Box::new(std::iter::once(bytes.clone())),
            Self::Generated(generator) => (generator.0)(),
        }
    }
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// The next request is read.
    Next,
    /// It ends so.
    End(Close),
}

/// Sends an answer. `keep_alive` is what the client wants; `date` is the time for the `Date` header.
pub(super) async fn deliver(
    connection: &mut Connection,
    mut reply: Reply,
    delivery: &Delivery,
    keep_alive: bool,
    date: DateTime<Utc>,
) -> io::Result<After> {
    let body = reply.body.clone();
    let gzip = delivery.gzip;
    let chunks = move || if gzip { compressed(body.chunks()) } else { body.chunks() };
    if gzip {
        reply.headers.push(("Content-Encoding".to_owned(), "gzip".to_owned()));
    }
    let framing = match (&reply.body, delivery.framing) {
        (Body::Generated(_), Framing::Honest) => Framing::Chunked,
        (_, framing) => framing,
    };
    let ends = delivery.close || !keep_alive || !matches!(framing, Framing::Honest | Framing::Chunked);
    frame(&mut reply.headers, framing, || chunks().map(|chunk| chunk.len() as u64).sum());
    if !keep_alive {
        reply.headers.push(("Connection".to_owned(), "close".to_owned()));
    }
    let mut tap = Tap::new(connection, delivery);
    let head = if delivery.headless { Vec::new() } else { head(&reply, delivery, date) };
    if tap.head(&head).await? && tap.body(chunks(), framing).await? {
        return Ok(if ends { After::End(Close::Fin) } else { After::Next });
    }
    Ok(After::End(delivery.cut.map_or(Close::Fin, |cut| cut.how)))
}

/// Adds the headers that tell the end of the body.
fn frame(headers: &mut Vec<(String, String)>, framing: Framing, length: impl Fn() -> u64) {
    let mut said = |length: u64| headers.push(("Content-Length".to_owned(), length.to_string()));
    match framing {
        Framing::Honest => said(length()),
        Framing::LengthOff(by) => said(length().saturating_add_signed(by)),
        Framing::TwoLengths => {
            said(length());
            said(length() + 1);
        }
        Framing::Chunked | Framing::ChunkedOpen => {
            headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
        }
        Framing::UntilClose => {}
    }
}

/// The status line and the headers, after what the delivery sets and takes away.
fn head(reply: &Reply, delivery: &Delivery, date: DateTime<Utc>) -> Vec<u8> {
    let date = date + delivery.skew;
    let mut headers = vec![("Date".to_owned(), date.format("%a, %d %b %Y %H:%M:%S GMT").to_string())];
    headers.extend(reply.headers.iter().cloned());
    for (name, value) in &delivery.headers {
        headers.retain(|(there, _)| !there.eq_ignore_ascii_case(name));
        headers.extend(value.clone().map(|value| (name.clone(), value)));
    }
    let status = delivery.status.unwrap_or(reply.status);
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        head.push_str(&name);
        head.push_str(": ");
        head.push_str(&value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Practice",
    }
}

/// The way out to the client, which may be slow and may break off.
struct Tap<'a> {
    connection: &'a mut Connection,
    delivery: &'a Delivery,
    /// Bytes until the cut, once they are counted.
    left: Option<u64>,
}

impl<'a> Tap<'a> {
    fn new(connection: &'a mut Connection, delivery: &'a Delivery) -> Self {
        Self { connection, delivery, left: delivery.cut.filter(|cut| !cut.body).map(|cut| cut.at) }
    }

    /// Sends the head; false if the answer was cut in it.
    async fn head(&mut self, head: &[u8]) -> io::Result<bool> {
        let drip = self.delivery.drip.filter(|drip| drip.head);
        let whole = self.send(head, drip.map(|drip| (drip.bytes, drip.pause))).await?;
        if let Some(cut) = self.delivery.cut.filter(|cut| cut.body) {
            self.left = Some(cut.at);
        }
        Ok(whole)
    }

    /// Sends the body; false if the answer was cut in it. The cut counts the framing of chunks too.
    async fn body(&mut self, chunks: Chunks, framing: Framing) -> io::Result<bool> {
        let drip = self.delivery.drip.map(|drip| (drip.bytes, drip.pause));
        let chunked = matches!(framing, Framing::Chunked | Framing::ChunkedOpen);
        for chunk in chunks.filter(|chunk| !chunk.is_empty()) {
            let whole = if chunked {
                let mut framed = format!("{:x}\r\n", chunk.len()).into_bytes();
                framed.extend_from_slice(&chunk);
                framed.extend_from_slice(b"\r\n");
                self.send(&framed, drip).await?
            } else {
                self.send(&chunk, drip).await?
            };
            if !whole {
                return Ok(false);
            }
        }
        if framing == Framing::Chunked { self.send(b"0\r\n\r\n", None).await } else { Ok(true) }
    }

    async fn send(&mut self, bytes: &[u8], drip: Option<(usize, Duration)>) -> io::Result<bool> {
        let until_cut = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let sent = &bytes[..bytes.len().min(until_cut)];
        match drip {
            None => self.connection.write(sent).await?,
            Some((at_once, pause)) => {
                for piece in sent.chunks(at_once) {
                    self.connection.write(piece).await?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
        if let Some(left) = &mut self.left {
            *left -= sent.len() as u64;
        }
        Ok(sent.len() == bytes.len())
    }
}

/// The same chunks as one gzip stream.
fn compressed(chunks: Chunks) -> Chunks {
    let mut encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    // An empty chunk after the last stands for the end of the stream.
    let chunks = chunks.map(Some).chain(std::iter::once(None));
    Box::new(chunks.filter_map(move |chunk| match chunk {
        Some(chunk) => {
            let encoder = encoder.as_mut()?;
            encoder.write_all(&chunk).ok()?;
            Some(Bytes::from(std::mem::take(encoder.get_mut())))
        }
        None => encoder.take()?.finish().ok().map(Bytes::from),
    }))
}
