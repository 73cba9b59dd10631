//! One server as the configuration names it: its client, the addresses of its services, one message there and back.
//!
//! Both walks and the commands talk to servers through a [`Peer`], so that what is tolerated in a reply, and what an
//! answer without a TAXII message means, is decided once.

mod addresses;
mod exchange;
mod memory;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Semaphore;
use url::Url;

use crate::clock::Clock;
use crate::taxii::decode::Limits;
use crate::taxii::message::Collection;
use crate::taxii::time::Precision;
use crate::taxii::{Version, status};
use crate::wire::{self, Validity, WireError};

pub use addresses::{Found, Source};
pub use exchange::{Exchanged, Nothing, Trouble, show_remote};
pub use memory::{Memory, Word};

/// One server.
#[derive(Debug)]
pub struct Peer {
    /// Its name in the configuration.
    pub name: String,
    /// The version spoken.
    pub version: Version,
    /// How timestamps are written for it.
    pub precision: Precision,
    client: wire::Client,
    pinned: Pinned,
    limits: Limits,
    clock: Clock,
    workers: Arc<Semaphore>,
    learnt: Mutex<Learnt>,
    memory: Option<Arc<dyn Memory>>,
}

/// The addresses of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    /// Discovery Service.
    pub discovery: Option<Url>,
    /// Poll Service.
    pub poll: Option<Url>,
    /// Inbox Service.
    pub inbox: Option<Url>,
    /// Collection Management Service.
    pub collections: Option<Url>,
}

/// What a peer is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its name in the configuration.
    pub name: String,
    /// The version spoken.
    pub version: Version,
    /// How timestamps are written for it.
    pub precision: Precision,
    /// The way to it.
    pub client: wire::Client,
    /// The addresses of the configuration.
    pub pinned: Pinned,
    /// What is read at most.
    pub limits: Limits,
    /// Our clock.
    pub clock: Clock,
    /// How many replies are parsed at once, over all servers.
    pub workers: Arc<Semaphore>,
}

/// What the server told us, until it is asked again.
#[derive(Debug, Default)]
struct Learnt {
    skew: Option<TimeDelta>,
    services: Option<addresses::Services>,
    collections: Option<addresses::Collections>,
}

/// How long trouble is put up with by whoever waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A request that fails for a passing reason is sent again this often at most …
    pub retries: u32,
    /// … within this time.
    pub within: Duration,
    /// A wait the server asks for is honoured at once up to this long; a longer one ends the poll.
    pub longest_wait: Duration,
    /// For how long one result is waited for, however often the server asks for that.
    pub waits: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        let (within, longest_wait) = (Duration::from_secs(15), Duration::from_secs(10));
        Patience { retries: 2, within, longest_wait, waits: Duration::from_secs(60) }
    }
}

/// A question to a server that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// On the way there or back.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The reply cannot be read.
    #[error("{url}: {what}")]
    Unreadable {
        /// The address.
        url: String,
        /// Why.
        what: String,
    },
    /// The server said no.
    #[error("{url}: {words}")]
    Refused {
        /// The address.
        url: String,
        /// What it said.
        words: String,
        /// What the operator can do; empty where that is not known.
        hint: &'static str,
        /// What to do about it.
        class: status::Class,
    },
    /// The server has no such service, or none that can be used.
    #[error("{service} of server `{server}` cannot be found: {why}")]
    NoService {
        /// Which service.
        service: &'static str,
        /// The server's name.
        server: String,
        /// Why.
        why: String,
        /// Whether it was asked where its services are.
        asked: bool,
    },
}

impl PeerError {
    /// What to do about it.
    pub fn class(&self) -> status::Class {
        match self {
            PeerError::Wire(error) => class_of(error),
            PeerError::Unreadable { .. } => status::Class::Stop,
            PeerError::Refused { class, .. } => *class,
            PeerError::NoService { .. } => status::Class::Admin,
        }
    }

    /// What the operator can do; empty where there is nothing but waiting.
    pub fn hint(&self) -> String {
        match self {
            PeerError::Wire(error) => error.hint().to_owned(),
            PeerError::Unreadable { .. } => "check that the address is that of a TAXII service".to_owned(),
            PeerError::Refused { hint, .. } => (*hint).to_owned(),
            PeerError::NoService { asked: true, .. } => "pin its address in the configuration".to_owned(),
            PeerError::NoService { .. } => "pin its address in the configuration, or set `discovery`".to_owned(),
        }
    }
}

/// What to do about a failure of the wire.
pub fn class_of(error: &WireError) -> status::Class {
    match error.class() {
        wire::Class::Transient => status::Class::Retry { wait: None },
        wire::Class::Admin => status::Class::Admin,
    }
}

impl Peer {
    /// A peer; nothing is sent.
    pub fn new(parts: Parts) -> Peer {
        let Parts { name, version, precision, client, pinned, limits, clock, workers } = parts;
        let (learnt, memory) = (Mutex::default(), None);
        Peer { name, version, precision, client, pinned, limits, clock, workers, learnt, memory }
    }

    /// The same peer; this keeps its exchanges.
    #[must_use]
    pub fn recorded(mut self, recorder: Arc<dyn wire::Recorder>) -> Peer {
        self.client = self.client.recorded(recorder);
        self
    }

    /// What tells this server from another one of the same name: its name and the hosts of the configuration.
    pub fn whereabouts(&self) -> String {
        let Pinned { discovery, poll, inbox, collections } = &self.pinned;
        let hosts = [discovery, poll, inbox, collections].into_iter().flatten();
        let hosts = hosts.map(|url| url.origin().ascii_serialization());
        std::iter::once(self.name.clone()).chain(hosts).collect::<Vec<_>>().join(" ")
    }

    fn learnt(&self) -> std::sync::MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The server's clock minus ours, from its latest reply.
    pub fn skew(&self) -> Option<TimeDelta> {
        self.learnt().skew
    }

    /// The certificates that it has shown so far, by the names of its hosts.
    pub fn server_certificates(&self) -> BTreeMap<String, Validity> {
        self.client.server_certificates()
    }

    /// The client certificate, where there is one.
    pub fn own_certificate(&self) -> Option<Validity> {
        self.client.own_certificate()
    }

    /// The address of its Discovery Service, where the configuration has it.
    pub fn discovery(&self) -> Option<&Url> {
        self.pinned.discovery.as_ref()
    }

    /// Remote text without any secret of this server in it.
    pub fn redact(&self, text: &str) -> String {
        self.client.redact(text)
    }

    /// Remote text for people, without any secret of this server: one line, and not too long. That is cheap however long
    /// the text is.
    pub fn shown(&self, text: &str) -> String {
        show_remote(&self.client.redact_beginning(text, exchange::MOST_SHOWN))
    }

    /// An address for people. Whatever was in an answer may be in it, too.
    pub fn shown_url(&self, url: &Url) -> String {
        self.client.shown_url(url)
    }

    /// Whether requests may go to this address; the error names the remedies.
    pub fn allows(&self, url: &Url) -> Result<(), WireError> {
        self.client.allows(url).map_err(|error| self.client.clean(error))
    }

    /// Forgets for how long the server's answers about itself stand: it is asked again before the next request. What
    /// fails may be an address that has moved.
    pub fn forget_addresses(&self) {
        let mut learnt = self.learnt();
        learnt.services = None;
        learnt.collections = None;
    }

    /// The collection as the server describes it. `None`: it does not, or has no Collection Management Service.
    pub async fn collection(&self, name: &str) -> Result<Option<Collection>, PeerError> {
        let all = self.collections().await?.unwrap_or_default();
        Ok(all.into_iter().find(|collection| collection.name == name.trim()))
    }
}
