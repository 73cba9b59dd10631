//! The body of a request: pieces in memory and ranges of open files, sent in order.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// How much of the body is handed over at once: as the pause bounds the pieces per second, this bounds the pace.
const PIECE: usize = 256 * 1024;
/// Bodies up to this size are small.
const GATHERED: u64 = 64 * 1024;
/// A pause before each piece but the first. A server may answer or refuse before the request has ended, and then
/// close. What it said is read between two pieces, and lost if a write finds the connection closed first.
const BREATH: Duration = Duration::from_millis(1);

/// The body of a request, of known length. Cloning it is cheap, and it can be sent any number of times, by several
/// senders at once: files are read by position.
#[derive(Clone, Debug, Default)]
pub struct Body {
    parts: VecDeque<Part>,
    len: u64,
}

#[derive(Clone, Debug)]
enum Part {
    Bytes(Bytes),
    File { file: Arc<File>, range: Range<u64> },
}

impl Body {
    /// A body without any part.
    pub fn new() -> Body {
        Body::default()
    }

    /// Adds bytes at the end.
    #[must_use]
    pub fn bytes(mut self, bytes: impl Into<Bytes>) -> Body {
        let bytes = bytes.into();
        self.len += bytes.len() as u64;
        self.parts.push_back(Part::Bytes(bytes));
        self
    }

    /// Adds a range of an open file at the end. A file that is shorter when it is sent is an error then.
    #[must_use]
    pub fn file(mut self, file: Arc<File>, range: Range<u64>) -> Body {
        self.len += range.end.saturating_sub(range.start);
        self.parts.push_back(Part::File { file, range });
        self
    }

    /// The same body with what it takes from files read already, if all of it is small: nobody waits for a disk then
    /// while it is sent.
    pub fn gathered(mut self) -> io::Result<Body> {
        if self.len <= GATHERED {
            let len = self.len;
            self = Body::new().bytes(fill(&mut self.parts)?);
            if self.len != len {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter meanwhile"));
            }
        }
        Ok(self)
    }

    /// How many bytes will be sent.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing will be sent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The body as a stream, and how far it has got.
    pub(super) fn send(self) -> (Sent, impl Stream<Item = io::Result<Bytes>> + Send + 'static) {
        let (report, progress) = watch::channel(Progress::default());
        let sent = Sent { progress, len: self.len };
        (sent, try_unfold((self.parts, report), |(parts, report)| next(parts, report)))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::new().bytes(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::new().bytes(text)
    }
}

type Rest = (VecDeque<Part>, watch::Sender<Progress>);

/// The next piece with what remains after it.
async fn next(parts: VecDeque<Part>, report: watch::Sender<Progress>) -> io::Result<Option<(Bytes, Rest)>> {
    if report.is_closed() {
        // The reply came early and was enough, or a time-out passed: sending the rest would be wasted.
        return Err(io::Error::other("the reply is no longer wanted"));
    }
    report.send_modify(|progress| progress.at = Some(Instant::now()));
    if report.borrow().taken > 0 {
        sleep(BREATH).await;
    }
    match piece(parts).await {
        Ok((piece, _)) if piece.is_empty() => Ok(None),
        Ok((piece, parts)) => {
            report.send_modify(|progress| {
                progress.at = Some(Instant::now());
                progress.taken += piece.len() as u64;
            });
            Ok(Some((piece, (parts, report))))
        }
        Err(error) => {
            report.send_modify(|progress| progress.failure = Some(error.to_string()));
            Err(error)
        }
    }
}

/// Takes the next piece off the parts, where reading files may block.
async fn piece(mut parts: VecDeque<Part>) -> io::Result<(Bytes, VecDeque<Part>)> {
    if parts.iter().all(|part| matches!(part, Part::Bytes(_))) {
        return Ok((fill(&mut parts)?, parts));
    }
    let fill = move || Ok((fill(&mut parts)?, parts));
    tokio::task::spawn_blocking(fill).await.map_err(io::Error::other)?
}

/// Takes as much as one piece can hold; nothing only at the end. A small message is one piece, and so one write.
fn fill(parts: &mut VecDeque<Part>) -> io::Result<Bytes> {
    let mut piece = Vec::new();
    while let Some(part) = parts.front_mut() {
        let room = PIECE - piece.len();
        if room == 0 {
            break;
        }
        match part {
            Part::Bytes(bytes) if !bytes.is_empty() => {
                piece.extend_from_slice(&bytes.split_to(bytes.len().min(room)));
            }
            Part::File { file, range } if !range.is_empty() => {
                let wanted = usize::try_from(range.end - range.start).map_or(room, |rest| rest.min(room));
                let start = piece.len();
                piece.resize(start + wanted, 0);
                let read = file.read_at(&mut piece[start..], range.start)?;
                if read == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter meanwhile"));
                }
                piece.truncate(start + read);
                range.start += read as u64;
            }
            _ => drop(parts.pop_front()),
        }
    }
    Ok(piece.into())
}

#[derive(Default)]
struct Progress {
    /// When the connection last took something. None until there is a connection.
    at: Option<Instant>,
    taken: u64,
    failure: Option<String>,
}

/// How far a request has been sent. Dropping it stops the sending.
pub(super) struct Sent {
    progress: watch::Receiver<Progress>,
    len: u64,
}

impl Sent {
    /// Whether the connection took the whole body, so that the server may have got it.
    pub(super) fn whole(&self) -> bool {
        let progress = self.progress.borrow();
        progress.at.is_some() && progress.taken == self.len
    }

    /// Whether the connection took anything of the body.
    pub(super) fn begun(&self) -> bool {
        self.progress.borrow().at.is_some()
    }

    /// Why the body could not be read, if that is what happened.
    pub(super) fn failure(&self) -> Option<String> {
        self.progress.borrow().failure.clone()
    }

    /// Returns when the connection has taken nothing for `idle`, be it in the middle or after the end. Does
    /// not return while there is no connection.
    pub(super) async fn stalled(&mut self, idle: Duration) {
        loop {
            let at = self.progress.borrow_and_update().at;
            let ended = match at {
                None => self.progress.changed().await.is_err(),
                Some(at) => match timeout_at(at + idle, self.progress.changed()).await {
                    Ok(changed) => changed.is_err(),
                    Err(_) => return,
                },
            };
            if ended {
                match at {
                    Some(at) => return sleep_until(at + idle).await,
                    None => std::future::pending::<()>().await,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use futures_util::TryStreamExt;

    use super::*;

    async fn collect(body: Body) -> io::Result<Vec<Bytes>> {
        let (_sent, stream) = body.send();
        stream.try_collect().await
    }

    fn file(content: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Arc::new(file)
    }

    #[tokio::test]
    async fn parts_come_in_order_in_pieces_and_as_often_as_wanted() {
        let content: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let body = Body::new().bytes("<a>").bytes("").file(file(&content), 10..150_010).bytes("</a>");
        assert_eq!(body.len(), 150_007);
        let mut expected = b"<a>".to_vec();
        expected.extend(&content[10..150_010]);
        expected.extend(b"</a>");
        for _ in 0..2 {
            let pieces = collect(body.clone()).await.unwrap();
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
            assert_eq!(pieces.concat(), expected);
        }
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_is_an_error_and_not_a_whole_body() {
        let body = Body::new().file(file(b"0123456789"), 0..11);
        let (sent, stream) = body.send();
        let result: io::Result<Vec<Bytes>> = stream.try_collect().await;
        assert!(result.is_err());
        assert!(!sent.whole());
        assert!(sent.failure().unwrap().contains("shorter"));
    }

    #[tokio::test]
    async fn nothing_is_read_when_nobody_waits_for_the_reply() {
        let (sent, stream) = Body::new().bytes("x").send();
        drop(sent);
        let result: io::Result<Vec<Bytes>> = stream.try_collect().await;
        assert!(result.is_err());
    }
}
