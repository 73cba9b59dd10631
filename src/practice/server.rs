//! Connections, and one exchange after the other on each.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use chrono::{DateTime, Utc};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::acts::{Act, Answer};
use super::answer::{Heard, html};
use super::delivery::{After, Close, deliver};
use super::http::{Connection, HttpError, IDLE, Rest};
use super::options::Options;
use super::reading::Reading;
use super::seen::Seen;
use super::services::Route;
use super::status::StatusReply;
use super::store::State;
use super::strict::{Refusal, check_headers, check_message, check_user};

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 256;
/// How much of a request's body is remembered.
const BODY_START: usize = 8 << 10;

/// What all connections share.
pub(super) struct Server {
    pub(super) options: Options,
    pub(super) origin: String,
    state: Mutex<State>,
    /// How many requests were seen.
    pub(super) seen: watch::Sender<u64>,
    connections: AtomicU64,
}

impl Server {
    pub(super) fn new(options: Options, origin: String) -> Self {
        let mut state = State::default();
        options.collections.iter().for_each(|spec| state.add_collection(spec.clone()));
        let (state, seen) = (Mutex::new(state), watch::channel(0).0);
        Self { options, origin, state, seen, connections: AtomicU64::new(0) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        (self.options.clock)()
    }

    /// Accepts connections for ever; dropping this future ends all of them.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) {
        let mut open = JoinSet::new();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let server = Arc::clone(&self);
                    open.spawn(async move {
                        server.converse(stream).await;
                        drop(place);
                    });
                }
                // Out of file descriptors, usually: a moment later there may be some.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            while open.try_join_next().is_some() {}
        }
    }

    /// One connection, to its end.
    async fn converse(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let number = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let mut connection = Connection::new(stream);
        let how = loop {
            match self.exchange(&mut connection, number).await {
                Ok(After::Next) => {}
                Ok(After::End(how)) => break how,
                Err(HttpError::Io(_)) => return,
                Err(error @ HttpError::Bad(_)) => {
                    let reply = html(400, &error.to_string());
                    let _ = deliver(&mut connection, reply, &Act::default().delivery, false, self.now()).await;
                    break Close::Fin;
                }
            }
        };
        connection.close(how).await;
    }

    /// One request and its answer.
    async fn exchange(&self, connection: &mut Connection, number: u64) -> Result<After, HttpError> {
        let Some(head) = connection.head().await? else { return Ok(After::End(Close::Fin)) };
        let keep_alive = head.keep_alive;
        let route = Route::of(&head.target, &self.options);
        let early = route.and_then(|route| route.service(None));
        let early = early.and_then(|service| self.state().act(service, |act| act.delivery.early));
        let mut heard = Heard::begun(head, route);
        let unread = match early {
            Some(_) => true,
            None => !self.hear(connection, &mut heard).await?,
        };
        self.remember(&heard, number);
        let act = early.or_else(|| heard.service().and_then(|service| self.state().act(service, |_| true)));
        let act = act.unwrap_or_default();
        let reply = self.answer(&heard, &act);
        tokio::time::sleep(act.delay).await;
        let after = match act.answer {
            Answer::Silence => {
                // A body that was not read stays unread: the client finds out that nobody takes it.
                if unread {
                    tokio::time::sleep(IDLE).await
                } else {
                    connection.until_closed().await
                }
                After::End(Close::Fin)
            }
            Answer::Closed(how) => After::End(how),
            _ => {
                let keep_alive = keep_alive && !unread;
                deliver(connection, reply, &act.delivery, keep_alive, self.now()).await?
            }
        };
        Ok(after)
    }

    /// Reads the body, and the message in it while it arrives; false if the body is too large to be read.
    async fn hear(&self, connection: &mut Connection, heard: &mut Heard) -> Result<bool, HttpError> {
        let limit = self.options.max_request;
        let mut rest = heard.head.rest;
        let mut too_large = matches!(rest, Rest::Length(length) if length > limit);
        if heard.head.expects_continue && !too_large {
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let (mut start, mut reading) = (BytesMut::new(), Reading::new(&self.options, self.state().kept_bytes()));
        while !too_large && let Some(piece) = connection.body(&mut rest).await? {
            heard.body_length += piece.len() as u64;
            too_large = heard.body_length > limit;
            start.extend_from_slice(&piece[..piece.len().min(BODY_START - start.len())]);
            reading.feed(&piece);
        }
        heard.body_start = start.freeze();
        if too_large {
            heard.refusal = Some(Refusal::Http(413, "the request is too large"));
            return Ok(false);
        }
        let (message, complaint) = reading.finish();
        heard.message = message;
        heard.refusal = self.judge(heard, complaint).err();
        Ok(true)
    }

    /// What a strict server makes of a request before its service sees it.
    fn judge(&self, heard: &Heard, complaint: Option<String>) -> Result<(), Refusal> {
        if heard.route.is_none() {
            return Err(Refusal::Http(404, "there is nothing at this address"));
        }
        check_headers(&heard.head)?;
        check_user(&heard.head, &self.options, &self.state())?;
        match (complaint, heard.message()) {
            (None, Some(message)) => Ok(check_message(&heard.head, message)?),
            (text, _) => {
                let bad = StatusReply::new("BAD_MESSAGE").message(&text.unwrap_or_default());
                Err(bad.in_response_to(Some("0")).into())
            }
        }
    }

    fn remember(&self, heard: &Heard, connection: u64) {
        let seen = Seen {
            at: self.now(),
            connection,
            service: heard.service(),
            method: heard.head.method.clone(),
            path: heard.head.target.clone(),
            headers: heard.head.headers.clone(),
            body_length: heard.body_length,
            body_start: heard.body_start.clone(),
            message: heard.message().cloned(),
        };
        self.state().saw(seen);
        self.seen.send_modify(|count| *count += 1);
    }
}

/// Binds the listener of a server, on a loopback address only.
pub(super) async fn listen(options: &Options) -> io::Result<TcpListener> {
    if !options.address.ip().is_loopback() {
        let text = format!("{} is not a loopback address", options.address);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    TcpListener::bind(options.address).await
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("origin", &self.origin).finish_non_exhaustive()
    }
}
