//! What is answered to a request: what the act says, or the truth.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::taxii::Version;
use crate::taxii::encode::encode;
use crate::taxii::message::{Body as MessageBody, Header, Message};
use crate::taxii::names::{MEDIA_TYPE, Scheme};

use super::acts::{Act, Answer, Service};
use super::delivery::{Body, Reply};
use super::http::Head;
use super::page::escaped;
use super::reply::{PollReply, write_poll};
use super::seen::kind;
use super::server::Server;
use super::services::{Call, Route, Said, skeleton};
use super::sink::Pushed;
use super::status::{StatusReply, write_status};
use super::strict::{Refusal, said_version};

/// The longest login request.
const MAX_LOGIN: u64 = 4 << 10;

/// A request as it was received.
pub(super) struct Heard {
    pub(super) head: Head,
    pub(super) route: Option<Route>,
    pub(super) body_length: u64,
    pub(super) body_start: Bytes,
    /// The message with its blocks, if the body was one.
    pub(super) message: Option<(Message, Vec<Pushed>)>,
    /// Why it gets no further.
    pub(super) refusal: Option<Refusal>,
}

impl Heard {
    /// A request of which only the head was read.
    pub(super) fn begun(head: Head, route: Option<Route>) -> Self {
        Self { head, route, body_length: 0, body_start: Bytes::new(), message: None, refusal: None }
    }

    pub(super) fn message(&self) -> Option<&Message> {
        self.message.as_ref().map(|(message, _)| message)
    }

    pub(super) fn service(&self) -> Option<Service> {
        self.route.and_then(|route| route.service(self.message()))
    }

    pub(super) fn version(&self) -> Version {
        self.message().map_or_else(|| said_version(&self.head), |message| message.version)
    }

    /// The id of the request for an answer; `0` where it is not known, as OpenTAXII has it.
    pub(super) fn request_id(&self) -> &str {
        self.message().map_or("0", |message| message.header.message_id.as_str())
    }
}

impl Server {
    /// The answer, before anything happens to it on the way.
    pub(super) fn answer(&self, heard: &Heard, act: &Act) -> Reply {
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
        if heard.route == Some(Route::Service(Service::Login)) {
            return self.login(heard);
        }
        match &heard.refusal {
            Some(Refusal::Http(status, text)) => return html(*status, text),
            Some(Refusal::Status(status)) => {
                let mut reply = self.status(status, heard, act);
                if &*status.status_type == "UNAUTHORIZED" {
                    reply.status = self.options.unauthorized_status;
                }
                return reply;
            }
            None => {}
        }
        let (Some((message, blocks)), Some(route)) = (&heard.message, heard.route) else {
            return html(500, "an early answer knows no message");
        };
        let said = {
            let (options, origin, now) = (&self.options, self.origin.as_str(), self.now());
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
        let fits = heard.body_length <= MAX_LOGIN && heard.head.method == "POST";
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
                format!("Inbox_Message with {} for {}", counted(inbox.blocks), inbox.destinations.join(", "))
            }
            MessageBody::SubscriptionRequest(request) => {
                format!("{} for {}", request.action.name(), request.collection)
            }
            _ => kind(&message.body).to_owned(),
        };
        let answer = match said {
            Said::Message(body) => kind(body).to_owned(),
            Said::Poll(reply) => counted(reply.blocks.len() as u64),
            Said::Status(status) => status.status_type.clone().into(),
        };
        observer(&format!("{request}: {answer}"));
    }
}

fn counted(blocks: u64) -> String {
    format!("{blocks} {}", if blocks == 1 { "block" } else { "blocks" })
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
pub(super) fn html(status: u16, text: &str) -> Reply {
    let mut headers = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned())];
    if status == 405 {
        headers.push(("Allow".to_owned(), "POST".to_owned()));
    }
    let body = format!("<!doctype html>\n<html><body><p>{}</p></body></html>\n", escaped(text));
    Reply { status, headers, body: Body::Whole(body.into()) }
}
