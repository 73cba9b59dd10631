//! The services: each answers a message honestly, in its own file.

mod collections;
mod discovery;
mod inbox;
mod poll;

pub(super) use poll::skeleton;

use chrono::{DateTime, Utc};

use crate::taxii::Version;
use crate::taxii::message::{Body, Contact, ContentBinding, Message, ServiceType};
use crate::taxii::names::Scheme;

use super::acts::{Act, Service};
use super::options::{Addresses, CollectionSpec, InboxSpec, Options};
use super::reply::PollReply;
use super::sink::Pushed;
use super::status::StatusReply;
use super::store::State;

/// The path of the one address for all services.
pub(super) const ONE_URL: &str = "/taxii-data";
/// What the paths of the services begin with.
pub(super) const BASE: &str = "/services/";

/// Where a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To a service with one address.
    Service(Service),
    /// To the inbox with this index.
    Inbox(usize),
    /// To the address of all services.
    Any,
}

impl Route {
    /// Where a request target leads. A trailing slash counts, as it does for OpenTAXII.
    pub(super) fn of(target: &str, options: &Options) -> Option<Self> {
        let path = target.split('?').next().unwrap_or_default();
        if path == ONE_URL {
            return Some(Self::Any);
        }
        match path.strip_prefix(BASE)? {
            "discovery" => Some(Self::Service(Service::Discovery)),
            "collections" => Some(Self::Service(Service::Collections)),
            "poll" => Some(Self::Service(Service::Poll)),
            "login" => Some(Self::Service(Service::Login)),
            inbox => options.inboxes.iter().position(|spec| spec.path() == inbox).map(Self::Inbox),
        }
    }

    /// The service, which the message tells where the address does not.
    pub(super) fn service(self, message: Option<&Message>) -> Option<Service> {
        match self {
            Self::Service(service) => Some(service),
            Self::Inbox(_) => Some(Service::Inbox),
            Self::Any => message.and_then(|message| service_for(&message.body)),
        }
    }
}

/// The service that a request is for.
fn service_for(body: &Body) -> Option<Service> {
    match body {
        Body::DiscoveryRequest => Some(Service::Discovery),
        Body::CollectionInformationRequest | Body::SubscriptionRequest(_) => Some(Service::Collections),
        Body::PollRequest(_) | Body::PollFulfillment(_) => Some(Service::Poll),
        Body::InboxMessage(_) => Some(Service::Inbox),
        _ => None,
    }
}

/// What a service says.
#[derive(Debug)]
pub(super) enum Said {
    /// A message that the TAXII room writes.
    Message(Body),
    /// A Poll_Response.
    Poll(Box<PollReply>),
    /// A Status_Message.
    Status(StatusReply),
}

/// One request that is being answered.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) options: &'a Options,
    /// `http://127.0.0.1:PORT`
    pub(super) origin: &'a str,
    pub(super) now: DateTime<Utc>,
    pub(super) message: &'a Message,
    /// The blocks of an Inbox_Message.
    pub(super) blocks: &'a [Pushed],
    pub(super) route: Route,
    pub(super) act: &'a Act,
}

impl Call<'_> {
    /// Answers the request.
    pub(super) fn answer(mut self) -> Said {
        if self.route.service(Some(self.message)) != service_for(&self.message.body) {
            return Said::Status(
                StatusReply::new("FAILURE").message("this service does not take messages of this type"),
            );
        }
        let said = match &self.message.body {
            Body::DiscoveryRequest => Ok(self.discovery()),
            Body::CollectionInformationRequest => Ok(self.collection_information()),
            Body::SubscriptionRequest(request) => self.subscription(request),
            Body::PollRequest(request) => self.poll(request).map(|reply| Said::Poll(Box::new(reply))),
            Body::PollFulfillment(request) => self.fulfil(request).map(|reply| Said::Poll(Box::new(reply))),
            Body::InboxMessage(message) => self.inbox(message).map(|()| Said::Status("SUCCESS".into())),
            _ => Err(StatusReply::new("FAILURE").message("this is not a request")),
        };
        said.unwrap_or_else(Said::Status)
    }

    fn version(&self) -> Version {
        self.message.version
    }

    /// The collection of a request, which has to exist and to be available.
    fn collection(&mut self, name: &str) -> Result<CollectionSpec, StatusReply> {
        let Some(shelf) = self.state.shelf(name) else { return Err(not_found(name)) };
        if !shelf.spec.available {
            return Err(StatusReply::new("FAILURE").detail("ITEM", name).message("the collection is not available"));
        }
        Ok(shelf.spec.clone())
    }

    /// Where a service is reached, as it is advertised.
    fn contact(&self, service: ServiceType, inbox: Option<&InboxSpec>) -> Contact {
        self.contact_as(&self.options.advertised.addresses, service, inbox)
    }

    fn contact_as(&self, addresses: &Addresses, service: ServiceType, inbox: Option<&InboxSpec>) -> Contact {
        let path = match service {
            _ if self.options.advertised.one_url => ONE_URL.to_owned(),
            ServiceType::Discovery => format!("{BASE}discovery"),
            ServiceType::CollectionManagement => format!("{BASE}collections"),
            ServiceType::Poll => format!("{BASE}poll"),
            ServiceType::Inbox => format!("{BASE}{}", inbox.map_or("inbox".to_owned(), InboxSpec::path)),
        };
        let (origin, scheme) = match addresses {
            Addresses::Absolute => (self.origin, Scheme::Http),
            Addresses::Relative => ("", Scheme::Http),
            Addresses::Origin(origin) if origin.starts_with("https:") => (origin.as_str(), Scheme::Https),
            Addresses::Origin(origin) => (origin.as_str(), Scheme::Http),
        };
        let stated = self.options.advertised.protocol_binding.clone();
        Contact {
            protocol_binding: stated.unwrap_or_else(|| scheme.protocol_id().to_owned()),
            address: format!("{origin}{path}"),
            message_bindings: [Version::V11, Version::V10].map(|v| v.message_binding().to_owned()).to_vec(),
        }
    }
}

impl InboxSpec {
    /// Its path behind `/services/`.
    pub(super) fn path(&self) -> String {
        if self.name.is_empty() { "inbox".to_owned() } else { format!("inbox/{}", self.name) }
    }
}

fn not_found(what: &str) -> StatusReply {
    StatusReply::new("NOT_FOUND").detail("ITEM", what)
}

/// UNSUPPORTED_CONTENT, naming what is supported.
fn unsupported_content(supported: &[ContentBinding]) -> StatusReply {
    let status = StatusReply::new("UNSUPPORTED_CONTENT");
    supported.iter().fold(status, |status, binding| status.detail("SUPPORTED_CONTENT", &binding.id))
}

/// Whether a block's binding is among those listed; an empty list means all. Of a nesting expression the outermost
/// format counts (Services Specification 1.1, section 5.3).
fn is_among(binding: &ContentBinding, listed: &[ContentBinding]) -> bool {
    let outermost = binding.id.split('|').next().unwrap_or_default();
    listed.is_empty()
        || listed.iter().any(|listed| {
            (listed.id == binding.id || listed.id == outermost)
                && (listed.subtypes.is_empty() || listed.subtypes.iter().any(|one| binding.subtypes.contains(one)))
        })
}
