//! HTTP/1.1 requests, read from a socket byte by byte under our own control.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::delivery::Close;

/// The longest head of a request, and the longest line inside a chunked body.
const MAX_HEAD: usize = 16 << 10;
const MAX_LINE: usize = 4 << 10;
const MAX_HEADERS: usize = 100;
/// How long a client may be silent in the middle of a request, or between two.
pub(super) const IDLE: Duration = Duration::from_secs(300);
/// How much is read from the socket at once.
const READ: usize = 64 << 10;

/// Why a request cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The socket failed, or the client went away or fell silent.
    #[error("cannot read from the client: {0}")]
    Io(#[from] io::Error),
    /// What came is not HTTP/1.1; it is answered with 400.
    #[error("the request is not HTTP/1.1: {0}")]
    Bad(&'static str),
}

/// The head of a request.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    /// Whether the client wants to go on using the connection.
    pub(super) keep_alive: bool,
    /// Whether it waits for `100 Continue`.
    pub(super) expects_continue: bool,
    pub(super) rest: Rest,
}

impl Head {
    /// The value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// What is still to be read of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// This many bytes.
    Length(u64),
    /// In a chunked body: this many bytes of the current chunk, then more chunks.
    Chunk(u64),
    /// In a chunked body: the first chunk has not begun.
    FirstChunk,
}

/// A client's connection, with what was read from it but not used yet.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Reads the head of the next request; `None` when the client closed the connection instead.
    pub(super) async fn head(&mut self) -> Result<Option<Head>, HttpError> {
        loop {
            if let Some((head, length)) = parse_head(&self.buffer)? {
                let _ = self.buffer.split_to(length);
                return Ok(Some(head));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(HttpError::Bad("its head is longer than 16 KiB"));
            }
            if self.fill().await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(closed_early().into()) };
            }
        }
    }

    /// Reads the next piece of a body; `None` at its end.
    pub(super) async fn body(&mut self, rest: &mut Rest) -> Result<Option<Bytes>, HttpError> {
        let left = match rest {
            Rest::Length(0) => return Ok(None),
            Rest::FirstChunk | Rest::Chunk(0) => {
                if *rest == Rest::Chunk(0) && !self.line().await?.is_empty() {
                    return Err(HttpError::Bad("a chunk is longer than it says"));
                }
                let size = chunk_size(&self.line().await?)?;
                if size == 0 {
                    while !self.line().await?.is_empty() {}
                    *rest = Rest::Length(0);
                    return Ok(None);
                }
                *rest = Rest::Chunk(size);
                size
            }
            Rest::Length(left) | Rest::Chunk(left) => *left,
        };
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Err(closed_early().into());
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        if let Rest::Length(left) | Rest::Chunk(left) = rest {
            *left -= take as u64;
        }
        Ok(Some(self.buffer.split_to(take).freeze()))
    }

    /// Reads a line of a chunked body, without its end.
    async fn line(&mut self) -> Result<Bytes, HttpError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let mut line = self.buffer.split_to(end + 1);
                line.truncate(end);
                if line.last() == Some(&b'\r') {
                    line.truncate(end - 1);
                }
                return Ok(line.freeze());
            }
            if self.buffer.len() > MAX_LINE {
                return Err(HttpError::Bad("a line of its chunked body is longer than 4 KiB"));
            }
            if self.fill().await? == 0 {
                return Err(closed_early().into());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ);
        timeout(IDLE, self.stream.read_buf(&mut self.buffer)).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Sends bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits until the client goes away.
    pub(super) async fn until_closed(&mut self) {
        while let Ok(1..) = self.fill().await {
            self.buffer.clear();
        }
    }

    /// Ends the connection.
    pub(super) async fn close(mut self, how: Close) {
        match how {
            // The kernel turns a close into a reset while unread bytes are waiting, so they are read first.
            Close::Fin => {
                if self.stream.shutdown().await.is_ok() {
                    let _ = timeout(Duration::from_secs(2), self.until_closed()).await;
                }
            }
            Close::Reset => {
                let _ = self.stream.set_zero_linger();
            }
        }
    }
}

fn closed_early() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

/// The head at the start of the buffer and its length, if all of it is there.
fn parse_head(buffer: &[u8]) -> Result<Option<(Head, usize)>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HttpError::Bad("its head cannot be parsed")),
    };
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let has = |name, token: &str| {
        find(&headers, name).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    };
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        keep_alive: request.version == Some(1) && !has("connection", "close"),
        expects_continue: has("expect", "100-continue"),
        rest: body_length(&headers, has("transfer-encoding", "chunked"))?,
        headers,
    };
    Ok(Some((head, length)))
}

fn body_length(headers: &[(String, String)], chunked: bool) -> Result<Rest, HttpError> {
    let mut lengths = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match (lengths.next(), lengths.next(), chunked) {
        (None, None, true) => Ok(Rest::FirstChunk),
        (None, None, false) => Ok(Rest::Length(0)),
        (Some((_, value)), None, false) => {
            value.trim().parse().map(Rest::Length).map_err(|_| HttpError::Bad("its Content-Length is not a number"))
        }
        _ => Err(HttpError::Bad("the length of its body is said twice")),
    }
}

/// The size in a chunk's first line; extensions are ignored.
fn chunk_size(line: &[u8]) -> Result<u64, HttpError> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    std::str::from_utf8(digits)
        .ok()
        .filter(|digits| !digits.starts_with('+'))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(HttpError::Bad("the size of a chunk is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn connection(sent: &'static [u8]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            // One byte at a time, so that every boundary is met.
            for byte in sent {
                client.write_all(std::slice::from_ref(byte)).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        Connection::new(server)
    }

    async fn whole_body(connection: &mut Connection, mut rest: Rest) -> Result<Vec<u8>, HttpError> {
        let mut whole = Vec::new();
        while let Some(piece) = connection.body(&mut rest).await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    #[tokio::test]
    async fn two_requests_follow_each_other_on_one_connection() {
        let mut connection = connection(
            b"POST /a HTTP/1.1\r\nContent-Length: 3\r\nX-A: b\r\n\r\nabc\
              POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n\
              2;x=y\r\nde\r\n1\r\nf\r\n0\r\nTrailer: t\r\n\r\n",
        )
        .await;
        let first = connection.head().await.unwrap().unwrap();
        assert_eq!((first.method.as_str(), first.target.as_str(), first.header("x-a")), ("POST", "/a", Some("b")));
        assert!(first.keep_alive && !first.expects_continue);
        assert_eq!(whole_body(&mut connection, first.rest).await.unwrap(), b"abc");
        let second = connection.head().await.unwrap().unwrap();
        assert!(second.expects_continue);
        assert_eq!(whole_body(&mut connection, second.rest).await.unwrap(), b"def");
        assert!(connection.head().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_a_body() {
        for sent in [
            b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc".as_slice(),
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            let mut connection = connection(sent).await;
            let head = connection.head().await.unwrap().unwrap();
            assert!(matches!(whole_body(&mut connection, head.rest).await, Err(HttpError::Io(_))));
        }
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        for sent in [
            b"hello\r\n\r\n".as_slice(),
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(matches!(connection(sent).await.head().await, Err(HttpError::Bad(_))));
        }
        let mut long = connection(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n").await;
        let head = long.head().await.unwrap().unwrap();
        assert!(matches!(whole_body(&mut long, head.rest).await, Err(HttpError::Bad(_))));
        assert!(chunk_size(b"+5").is_err() && chunk_size(b"").is_err() && chunk_size(b"fffffffffffffffff").is_err());
    }
}
