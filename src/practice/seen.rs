//! The requests that a practice server saw.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::taxii::message::{Body, InboxMessage, Message, PollFulfillment, PollRequest};

use super::acts::Service;

/// One request that the server read.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When, by the server's clock.
    pub at: DateTime<Utc>,
    /// The number of its connection, from 1: equal numbers mean that it was kept alive.
    pub connection: u64,
    /// The service it was sent to; `None` for an unknown address.
    pub service: Option<Service>,
    /// Method.
    pub method: String,
    /// Request target.
    pub path: String,
    /// Headers in order, names as they were sent.
    pub headers: Vec<(String, String)>,
    /// Length of the body in bytes, without its framing.
    pub body_length: u64,
    /// The first 8 KiB of the body.
    pub body_start: Bytes,
    /// The message, if the body was one.
    pub message: Option<Message>,
}

impl Seen {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The kind of the message: the name of its root element in TAXII 1.1, or `none`.
    pub fn kind(&self) -> &'static str {
        self.message.as_ref().map_or("none", |message| kind(&message.body))
    }

    /// The Poll_Request, if it was one.
    pub fn poll(&self) -> Option<&PollRequest> {
        match &self.message.as_ref()?.body {
            Body::PollRequest(request) => Some(request),
            _ => None,
        }
    }

    /// The Poll_Fulfillment, if it was one.
    pub fn fulfilment(&self) -> Option<&PollFulfillment> {
        match &self.message.as_ref()?.body {
            Body::PollFulfillment(request) => Some(request),
            _ => None,
        }
    }

    /// The Inbox_Message, if it was one.
    pub fn inbox(&self) -> Option<&InboxMessage> {
        match &self.message.as_ref()?.body {
            Body::InboxMessage(message) => Some(message),
            _ => None,
        }
    }
}

/// The name of a message's root element in TAXII 1.1.
pub(super) fn kind(body: &Body) -> &'static str {
    match body {
        Body::DiscoveryRequest => "Discovery_Request",
        Body::DiscoveryResponse(_) => "Discovery_Response",
        Body::CollectionInformationRequest => "Collection_Information_Request",
        Body::CollectionInformationResponse(_) => "Collection_Information_Response",
        Body::SubscriptionRequest(_) => "Subscription_Management_Request",
        Body::SubscriptionResponse(_) => "Subscription_Management_Response",
        Body::PollRequest(_) => "Poll_Request",
        Body::PollFulfillment(_) => "Poll_Fulfillment",
        Body::PollResponse(_) => "Poll_Response",
        Body::InboxMessage(_) => "Inbox_Message",
        Body::Status(_) => "Status_Message",
    }
}
