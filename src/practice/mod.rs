//! A small TAXII 1.1 and 1.0 server, in memory and on loopback addresses only: for `demo`, and for tests.
//!
//! Left alone it is honest and strict: it holds requests against the published schemas and the HTTP binding, gives
//! labels that only grow, cuts results into parts, and tells bounds as the specification has them. On request it
//! misbehaves: a script of [`Act`]s per [`Service`] says what happens to the next requests, down to single bytes. It
//! makes its own HTTP, because bytes that no library would send are the point.
//!
//! An act is a value, and acts compose:
//!
//! | what a server does | act |
//! |---|---|
//! | stores the message, but never says so | `Act::closed(Close::Fin).performed()` |
//! | answers PENDING twice, then the result in parts | `Act::pending(5)`, `Act::pending(5)` |
//! | forgets the result at part 3 | `Act::honest()`, `Act::honest()`, `Act::status("NOT_FOUND")` |
//! | leaves out End and labels | `Act::poll(Quirk::NoEnd).quirk(Quirk::NoLabels)` |
//! | cuts a chunked, compressed answer short | `Act::honest().gzip().framing(Framing::Chunked).cut(100, Close::Fin)` |
//! | is busy | `Act::http(503, "text/html", "busy").header("Retry-After", "7")` |
//! | puts ITEM into an extended header | `Act::status(StatusReply::new("NOT_FOUND").extended("ITEM", "x"))` |
//! | sends two gigabytes | `Act::big(BigResponse::new(700_000, 3_000, Style::Element))` |
//! | sends anything else in a Poll_Response | `Act::change(\|reply\| …)` |
//! | sends anything else at all | `Act::raw(…)` |
//!
//! Everything is capped: connections, heads and bodies of requests, contents, blocks, results, and what is remembered
//! of requests. Nothing outlives the server.

mod acts;
mod answer;
mod big;
mod delivery;
mod envelope;
mod http;
mod options;
mod page;
mod quirks;
mod reading;
mod reply;
pub mod samples;
mod schema;
mod seen;
mod server;
mod services;
mod sink;
mod status;
mod store;
mod strict;

pub use acts::{Act, Chunks, Service};
pub use big::{BigResponse, Style};
pub use delivery::{Close, Framing};
pub use envelope::Envelope;
pub use options::{
    Addresses, Advertised, Asynchronous, Auth, Clock, CollectionSpec, Destinations, InboxSpec, Observer, Options,
};
pub use quirks::{Change, Quirk};
pub use reply::{BlockReply, PollReply};
pub use seen::Seen;
pub use status::StatusReply;
pub use store::{BlockSpec, Stored};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use server::Server;

#[cfg(test)]
mod tests;

/// A running practice server; it stops when this is dropped.
#[derive(Debug)]
pub struct Practice {
    address: SocketAddr,
    server: Arc<Server>,
    running: JoinHandle<()>,
}

impl Practice {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    /// The address is not a loopback address, or cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = server::listen(&options).await?;
        let address = listener.local_addr()?;
        let server = Arc::new(Server::new(options, format!("http://{address}")));
        let running = tokio::spawn(Arc::clone(&server).run(listener));
        Ok(Self { address, server, running })
    }

    /// Stops listening and ends every connection.
    pub async fn stop(mut self) {
        self.running.abort();
        // The error says that it was aborted.
        let _ = (&mut self.running).await;
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a service: `discovery`, `collections`, `poll`, `inbox`, `inbox/NAME` or `login`; and of `data`, which
    /// takes the messages of all services.
    pub fn url(&self, service: &str) -> String {
        match service {
            "data" => format!("{}{}", self.server.origin, services::ONE_URL),
            _ => format!("{}{}{service}", self.server.origin, services::BASE),
        }
    }

    /// Adds a collection, or replaces one of the same name together with its blocks.
    pub fn add_collection(&self, collection: CollectionSpec) {
        self.server.state().add_collection(collection);
    }

    /// Puts a block into a collection; false if there is no such collection, or no room.
    pub fn add_block(&self, collection: &str, block: BlockSpec) -> bool {
        let now = self.server.now();
        self.server.state().add_block(collection, block, now)
    }

    /// The blocks of a collection in the order of their labels; empty for an unknown one.
    pub fn stored(&self, collection: &str) -> Vec<Stored> {
        let mut state = self.server.state();
        state
            .shelf(collection)
            .map(|shelf| shelf.blocks.iter().map(|block| (**block).clone()).collect())
            .unwrap_or_default()
    }

    /// The requests so far, oldest first; the last ten thousand of them.
    pub fn requests(&self) -> Vec<Seen> {
        self.server.state().seen().to_vec()
    }

    /// Waits until the requests satisfy a condition; false when `limit` passed before. The server stands still while
    /// the condition is looked at, so it must not call this server.
    pub async fn until(&self, limit: Duration, condition: impl Fn(&[Seen]) -> bool) -> bool {
        let mut changes = self.server.seen.subscribe();
        let reached = async {
            while !condition(self.server.state().seen()) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(limit, reached).await.unwrap_or(false)
    }

    /// Appends acts for the next requests of a service; after them it is honest again, unless
    /// [`forever`](Self::forever) says otherwise.
    pub fn script(&self, service: Service, acts: Vec<Act>) {
        self.server.state().script(service, acts);
    }

    /// What is done to every request of a service after its script.
    pub fn forever(&self, service: Service, act: Act) {
        self.server.state().then(service, act);
    }

    /// Forgets the script of a service.
    pub fn honest(&self, service: Service) {
        self.server.state().forget_script(service);
    }

    /// Forgets every bearer token, as if they had expired.
    pub fn expire_tokens(&self) {
        self.server.state().forget_tokens();
    }

    /// Forgets every result: the next Poll_Fulfillment gets NOT_FOUND.
    pub fn expire_results(&self) {
        self.server.state().forget_results();
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        self.running.abort();
    }
}
