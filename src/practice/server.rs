//! Connections, and one exchange after the other on each.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::taxii::Version;
use crate::taxii::decode::{Decoder, Limits};
use crate::taxii::encode::encode;
use crate::taxii::message::{Body as MessageBody, Header, Message};
use crate::taxii::names::{MEDIA_TYPE, Scheme};

use super::acts::{Act, Answer, Close, Service, StatusReply};
use super::delivery::{After, Body, Reply, deliver};
use super::http::{Connection, Head, HttpError};
use super::options::Options;
use super::reply::{PollReply, write_poll, write_status};
use super::services::{Call, Route, Said, skeleton};
use super::sink::{Collector, Pushed};
use super::store::{Seen, State};
use super::strict::{Refusal, check_headers, check_message, check_user, said_version};

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 256;
/// How much of a request's body is remembered.
const BODY_START: usize = 64 << 10;
/// The longest login request.
const MAX_LOGIN: usize = 4 << 10;

/// What all connections share.
pub(super) struct Server {
    pub(super) options: Options,
    pub(super) origin: String,
    state: Mutex<State>,
    /// How many requests were seen.
    pub(super) seen: watch::Sender<u64>,
    connections: AtomicU64,
}

/// A request as it was received.
struct Heard {
    head: Head,
    route: Option<Route>,
    body_length: u64,
    body_start: Bytes,
    /// The message with its blocks, or why there is none.
    outcome: Result<(Message, Vec<Pushed>), Refusal>,
}

impl Heard {
    fn message(&self) -> Option<&Message> {
        self.outcome.as_ref().ok().map(|(message, _)| message)
    }

    fn service(&self) -> Option<Service> {
        self.route.and_then(|route| route.service(self.message()))
    }

    fn version(&self) -> Version {
        self.message().map_or_else(|| said_version(&self.head), |message| message.version)
    }

    /// The id of the request for an answer; `0` where it is not known, as OpenTAXII has it.
    fn request_id(&self) -> &str {
        self.message().map_or("0", |message| message.header.message_id.as_str())
    }
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
        let is_early = early.is_some();
        let heard = match early {
            Some(_) => {
                let outcome = Err(Refusal::Http(500, "an early answer knows no message"));
                Heard { head, route, body_length: 0, body_start: Bytes::new(), outcome }
            }
            None => self.hear(connection, head, route).await?,
        };
        let too_large = matches!(heard.outcome, Err(Refusal::Http(413, _)));
        self.remember(&heard, number);
        let act = early.or_else(|| heard.service().and_then(|service| self.state().act(service, |_| true)));
        let act = act.unwrap_or_default();
        let reply = self.answer(&heard, &act);
        tokio::time::sleep(act.delay).await;
        let after = match act.answer {
            Answer::Silence => {
                connection.until_closed().await;
                After::End(Close::Fin)
            }
            Answer::Closed(how) => After::End(how),
            _ => {
                let keep_alive = keep_alive && !is_early && !too_large;
                deliver(connection, reply, &act.delivery, keep_alive, self.now()).await?
            }
        };
        Ok(after)
    }

    /// Reads the body, and the message in it while it arrives.
    async fn hear(&self, connection: &mut Connection, head: Head, route: Option<Route>) -> Result<Heard, HttpError> {
        if head.expects_continue {
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut rest = head.rest;
        let (mut body_length, mut start) = (0, BytesMut::new());
        let room = self.options.max_stored.saturating_sub(self.state().kept_bytes());
        let limits = Limits { max_content_block: self.options.max_request, ..Limits::default() };
        let mut decoder = Decoder::new(limits, None, Collector::new(self.options.max_content, room));
        let mut failed = None;
        while let Some(piece) = connection.body(&mut rest).await? {
            body_length += piece.len() as u64;
            if body_length > self.options.max_request {
                let outcome = Err(Refusal::Http(413, "the request is too large"));
                return Ok(Heard { head, route, body_length, body_start: start.freeze(), outcome });
            }
            start.extend_from_slice(&piece[..piece.len().min(BODY_START - start.len())]);
            if failed.is_none() {
                failed = decoder.feed(&piece).err();
            }
        }
        let read = failed.map_or_else(|| decoder.finish(), Err);
        let outcome = self.judge(&head, route, read.map(|(message, sink)| (message, sink.blocks)));
        Ok(Heard { head, route, body_length, body_start: start.freeze(), outcome })
    }

    /// What a strict server makes of a request before its service sees it.
    fn judge<E: std::fmt::Display>(
        &self,
        head: &Head,
        route: Option<Route>,
        read: Result<(Message, Vec<Pushed>), E>,
    ) -> Result<(Message, Vec<Pushed>), Refusal> {
        if route.is_none() {
            return Err(Refusal::Http(404, "there is nothing at this address"));
        }
        if route == Some(Route::Service(Service::Login)) {
            return Err(Refusal::Http(401, "the user name or the password is wrong"));
        }
        check_headers(head)?;
        check_user(head, &self.options, &self.state())?;
        let (message, blocks) = read
            .map_err(|error| StatusReply::new("BAD_MESSAGE").message(&error.to_string()).in_response_to(Some("0")))?;
        check_message(head, &message)?;
        Ok((message, blocks))
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

    /// The answer, before anything happens to it on the way.
    fn answer(&self, heard: &Heard, act: &Act) -> Reply {
        let version = heard.version();
        let honest = || self.honest(heard, act);
        if act.performed {
            // Carried out for what it leaves behind; the client is told something else.
            let _ = honest();
        }
        match &act.answer {
            Answer::Honest | Answer::Pending(_) => honest(),
            Answer::Silence | Answer::Closed(_) => html(500, "this is never sent"),
            Answer::Status(status) => self.status(status, heard, act),
            Answer::Bytes(bytes) => taxii(version, Body::Whole(bytes.clone())),
            Answer::Generated(generator) => taxii(version, Body::Generated(generator.clone())),
            Answer::Big(big) => {
                let (reply, end) = self.big_head(heard);
                taxii(version, Body::Generated(big.generator(reply, end)))
            }
        }
    }

    fn honest(&self, heard: &Heard, act: &Act) -> Reply {
        let (message, blocks) = match &heard.outcome {
            _ if heard.route == Some(Route::Service(Service::Login)) => return self.login(heard),
            Err(Refusal::Http(status, text)) => return html(*status, text),
            Err(Refusal::Status(status)) => {
                let mut reply = self.status(status, heard, act);
                if status.status_type == "UNAUTHORIZED" {
                    reply.status = self.options.unauthorized_status;
                }
                return reply;
            }
            Ok(request) => request,
        };
        let said = {
            let (options, origin, now) = (&self.options, self.origin.as_str(), self.now());
            let Some(route) = heard.route else { return html(404, "there is nothing at this address") };
            let state = &mut *self.state();
            Call { state, options, origin, now, message, blocks, route, act }.answer()
        };
        self.observe(heard, &said);
        match said {
            Said::Status(status) => self.status(&status, heard, act),
            Said::Poll(reply) => taxii(reply.version, Body::Whole(act.envelope.write(write_poll(&reply)))),
            Said::Message(body) => self.message(heard, act, body),
        }
    }

    fn message(&self, heard: &Heard, act: &Act, body: MessageBody) -> Reply {
        let in_response_to = Some(heard.request_id().to_owned());
        let message_id = self.state().id();
        let header = Header { message_id, in_response_to, ..Header::default() };
        match encode(&Message { version: heard.version(), header, body }) {
            Ok(bytes) => taxii(heard.version(), Body::Whole(act.envelope.write(bytes))),
            Err(error) => self.status(&StatusReply::new("FAILURE").message(&error.to_string()), heard, act),
        }
    }

    fn status(&self, status: &StatusReply, heard: &Heard, act: &Act) -> Reply {
        let message_id = self.state().id();
        let bytes = write_status(status, (heard.version(), heard.request_id()), &message_id);
        taxii(status.version.unwrap_or(heard.version()), Body::Whole(act.envelope.write(bytes)))
    }

    /// A token for a user name and a password in JSON.
    fn login(&self, heard: &Heard) -> Reply {
        let json = |status, value: serde_json::Value| Reply {
            status,
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: Body::Whole(value.to_string().into()),
        };
        let fits = heard.body_length <= MAX_LOGIN as u64 && heard.head.method == "POST";
        let asked: serde_json::Value = serde_json::from_slice(&heard.body_start).unwrap_or_default();
        let text = |name: &str| asked.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        if fits && self.options.users.contains(&(text("username"), text("password"))) {
            json(200, serde_json::json!({ "token": self.state().token() }))
        } else {
            html(401, "the user name or the password is wrong")
        }
    }

    /// The head of a generated Poll_Response, with the bounds that were asked for, and its End.
    fn big_head(&self, heard: &Heard) -> (PollReply, DateTime<Utc>) {
        let now = self.now();
        let (collection, begin, end) = match heard.message().map(|message| &message.body) {
            Some(MessageBody::PollRequest(request)) => {
                (&request.collection, request.begin.clone(), request.end.clone())
            }
            Some(MessageBody::PollFulfillment(request)) => (&request.collection, None, None),
            _ => (&String::new(), None, None),
        };
        let mut reply = skeleton(heard.version(), heard.request_id(), collection);
        reply.begin = begin.map(|begin| begin.text);
        reply.end =
            Some(end.as_ref().map_or_else(|| now.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(), |end| end.text.clone()));
        (reply, end.map_or(now, |end| end.at))
    }

    /// Tells the observer about an exchange in a line.
    fn observe(&self, heard: &Heard, said: &Said) {
        let (Some(observer), Some(message)) = (&self.options.observer, heard.message()) else { return };
        let request = match &message.body {
            MessageBody::PollRequest(request) => format!("Poll_Request for {}", request.collection),
            MessageBody::PollFulfillment(request) => {
                format!("Poll_Fulfillment for {}, part {}", request.collection, request.part)
            }
            MessageBody::InboxMessage(inbox) => {
                format!("Inbox_Message with {} block(s) for {}", inbox.blocks, inbox.destinations.join(", "))
            }
            MessageBody::SubscriptionRequest(request) => {
                format!("{} for {}", request.action.name(), request.collection)
            }
            _ => super::store::kind(&message.body).to_owned(),
        };
        let answer = match said {
            Said::Message(body) => super::store::kind(body).to_owned(),
            Said::Poll(reply) => format!("{} block(s)", reply.blocks.len()),
            Said::Status(status) => status.status_type.clone(),
        };
        observer(&format!("{request}: {answer}"));
    }
}

/// An answer with the headers of TAXII (HTTP Protocol Binding 1.0, section 2.1).
fn taxii(version: Version, body: Body) -> Reply {
    let headers = [
        ("Content-Type", MEDIA_TYPE),
        ("X-TAXII-Content-Type", version.message_binding()),
        ("X-TAXII-Protocol", Scheme::Http.protocol_id()),
        ("X-TAXII-Services", version.services_id()),
    ];
    Reply { status: 200, headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(), body }
}

/// An answer for people.
fn html(status: u16, text: &str) -> Reply {
    let mut headers = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())];
    if status == 405 {
        headers.push(("Allow".to_owned(), "POST".to_owned()));
    }
    let body = format!("<!doctype html>\n<html><body><p>{}</p></body></html>\n", super::reply::escaped(text));
    Reply { status, headers, body: Body::Whole(body.into()) }
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
