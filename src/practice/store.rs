//! What a practice server remembers: blocks, requests, results and subscriptions. All of it is capped.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::taxii::message::{Body, ContentBinding, Message};

use super::acts::Service;

/// A block to be put into a collection.
#[derive(Clone, Debug, Default)]
pub struct BlockSpec {
    /// Its Timestamp_Label; `None` lets the server give it the next one.
    pub label: Option<DateTime<Utc>>,
    /// Content_Binding.
    pub binding: String,
    /// Its Subtype.
    pub subtypes: Vec<String>,
    /// What stands between the tags of Content, as it is.
    pub content: Bytes,
    /// Message.
    pub message: Option<String>,
}

impl BlockSpec {
    /// A block with the next label and this markup between the tags of Content.
    pub fn new(binding: &str, markup: impl Into<Bytes>) -> Self {
        Self { binding: binding.to_owned(), content: markup.into(), ..Self::default() }
    }
}

/// A block in a collection.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its Timestamp_Label.
    pub label: DateTime<Utc>,
    /// Content_Binding.
    pub binding: ContentBinding,
    /// The content: what the decoder made of a pushed one, or as it was added. Empty if it was too large to keep.
    pub content: Bytes,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Message.
    pub message: Option<String>,
    /// How the content goes between the tags of Content.
    pub(super) form: Form,
}

/// How a content goes between the tags of Content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Markup,
    /// Escaped.
    Text,
    /// As base64.
    Base64,
}

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
    /// The first 64 KiB of the body.
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
        match self.message.as_ref().map(|message| &message.body) {
            None => "none",
            Some(Body::DiscoveryRequest) => "Discovery_Request",
            Some(Body::DiscoveryResponse(_)) => "Discovery_Response",
            Some(Body::CollectionInformationRequest) => "Collection_Information_Request",
            Some(Body::CollectionInformationResponse(_)) => "Collection_Information_Response",
            Some(Body::SubscriptionRequest(_)) => "Subscription_Management_Request",
            Some(Body::SubscriptionResponse(_)) => "Subscription_Management_Response",
            Some(Body::PollRequest(_)) => "Poll_Request",
            Some(Body::PollFulfillment(_)) => "Poll_Fulfillment",
            Some(Body::PollResponse(_)) => "Poll_Response",
            Some(Body::InboxMessage(_)) => "Inbox_Message",
            Some(Body::Status(_)) => "Status_Message",
        }
    }
}
