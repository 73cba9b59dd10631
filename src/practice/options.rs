//! How a practice server is set up: its collections, inboxes, users and what it advertises.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::taxii::message::{CollectionType, ContentBinding, ServiceType};

/// Where the server takes the time from: timestamp labels, the `Date` header and the ends of polls.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Who is told, in one line each, what the server sees and does.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// How a practice server is set up. Start from [`Options::new`] and change what the case needs.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; a loopback address. Port 0 takes any free port.
    pub address: SocketAddr,
    /// The server's clock.
    pub clock: Clock,
    /// The collections at start; more can be added while it runs.
    pub collections: Vec<CollectionSpec>,
    /// The Inbox Services.
    pub inboxes: Vec<InboxSpec>,
    /// Which credentials are asked for.
    pub auth: Auth,
    /// User names and passwords.
    pub users: Vec<(String, String)>,
    /// The HTTP status of an UNAUTHORIZED Status_Message: 200 as OpenTAXII does it, or 401.
    pub unauthorized_status: u16,
    /// Content blocks in one part of a result.
    pub max_result_size: usize,
    /// Answer polls that allow it asynchronously.
    pub asynchronous: Option<Asynchronous>,
    /// Whether Poll_Response carries Record_Count (COUNT_ONLY answers always do).
    pub record_count: bool,
    /// What discovery and collection information say about addresses.
    pub advertised: Advertised,
    /// The longest request body, in bytes; longer ones get HTTP 413.
    pub max_request: u64,
    /// Content up to this many bytes is kept; longer content only as size and hash.
    pub max_content: u64,
    /// The most bytes of content kept at all; then the Inbox Service answers FAILURE.
    pub max_stored: u64,
    /// Who is told what happens.
    pub observer: Option<Observer>,
}

impl Options {
    /// An open server on a free loopback port with one DATA_FEED named `default` and one inbox.
    pub fn new(clock: Clock) -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock,
            collections: vec![CollectionSpec::feed("default")],
            inboxes: vec![InboxSpec::default()],
            auth: Auth::None,
            users: Vec::new(),
            unauthorized_status: 200,
            max_result_size: 100,
            asynchronous: None,
            record_count: true,
            advertised: Advertised::default(),
            max_request: 1 << 30,
            max_content: 16 << 20,
            max_stored: 256 << 20,
            observer: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("address", &self.address).finish_non_exhaustive()
    }
}

/// One collection as it is set up.
#[derive(Clone, Debug)]
pub struct CollectionSpec {
    /// `collection_name`.
    pub name: String,
    /// DATA_FEED or DATA_SET.
    pub collection_type: CollectionType,
    /// `available`: a poll of an unavailable collection gets FAILURE.
    pub available: bool,
    /// Description.
    pub description: String,
    /// The content bindings it holds; empty means any.
    pub content_bindings: Vec<ContentBinding>,
    /// Polls without a Subscription_ID get DENIED.
    pub subscription_required: bool,
}

impl CollectionSpec {
    /// An available DATA_FEED for any content.
    pub fn feed(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            collection_type: CollectionType::DataFeed,
            available: true,
            description: "A collection of the practice server".to_owned(),
            content_bindings: Vec::new(),
            subscription_required: false,
        }
    }

    /// An available DATA_SET for any content.
    pub fn set(name: impl Into<String>) -> Self {
        Self { collection_type: CollectionType::DataSet, ..Self::feed(name) }
    }
}

/// What an inbox says about Destination_Collection_Name (Services Specification 1.1, table 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Destinations {
    /// It may be given.
    #[default]
    Optional,
    /// It has to be given.
    Required,
    /// It must not be given.
    Prohibited,
}

/// One Inbox Service as it is set up.
#[derive(Clone, Debug, Default)]
pub struct InboxSpec {
    /// Its name in the address: `/services/inbox/NAME`; empty for `/services/inbox`.
    pub name: String,
    /// The rule for destinations.
    pub destinations: Destinations,
    /// The content bindings it accepts; empty means all. Anything else gets UNSUPPORTED_CONTENT.
    pub content_bindings: Vec<ContentBinding>,
    /// Where a message without destinations goes; empty means every collection.
    pub collections: Vec<String>,
}

/// Which credentials a server asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// None, and credentials that are sent are not looked at.
    #[default]
    None,
    /// HTTP Basic.
    Basic,
    /// A bearer token from the login address.
    Jwt,
}

/// How polls that allow it are answered asynchronously.
#[derive(Clone, Copy, Debug)]
pub struct Asynchronous {
    /// How many times PENDING is answered before the result.
    pub times: u32,
    /// ESTIMATED_WAIT, in seconds.
    pub wait: u32,
}

/// What discovery and collection information say about addresses.
#[derive(Clone, Debug, Default)]
pub struct Advertised {
    /// How addresses are written.
    pub addresses: Addresses,
    /// How discovery writes them, where it does otherwise.
    pub discovered: Option<Addresses>,
    /// One address for all services, as hailataxii had it; requests are told apart by their message.
    pub one_url: bool,
    /// Services that discovery does not mention, though they answer.
    pub hidden: Vec<ServiceType>,
    /// The Protocol_Binding that is stated; `None` for the true one.
    pub protocol_binding: Option<String>,
}

/// How advertised addresses are written.
#[derive(Clone, Debug, Default)]
pub enum Addresses {
    /// Absolute, with the server's own origin.
    #[default]
    Absolute,
    /// Only the path: `/services/poll`.
    Relative,
    /// With another origin, such as `http://localhost:9000` or a TLS proxy in front.
    Origin(String),
}
