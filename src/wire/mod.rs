//! How we are heard: the one user of reqwest.
//!
//! A [`Client`] is made from [`Settings`] and POSTs one TAXII message at a time to the origins it was given, and to
//! no other. Everything that can keep a message from arriving or a reply from being read whole becomes a [`WireError`]
//! that says what happened, to which address, whether the server may have acted on the request all the same, and what
//! can be done about it. No secret is ever part of it. Where a [`Recorder`] is set, it is handed every exchange, as it
//! may be shown to anybody.
//!
//! Time-outs are measured here, not by reqwest, so that an error can name the one that passed. `connect_timeout` is
//! the exception. Nothing is buffered but what is under way: a request is read from its files as the connection takes
//! it, and a reply is handed on chunk by chunk.

mod body;
mod cause;
mod client;
mod credentials;
mod error;
mod incoming;
mod keys;
mod login;
mod origin;
mod proxy;
mod record;
mod redact;
mod response;
mod settings;
mod tls;
mod validity;
mod verify;

#[cfg(test)]
mod tests;

pub use body::Body;
pub use client::Client;
pub use error::{Class, Limit, WireError, is_deceptive};
pub use login::TokenUse;
pub use origin::is_loopback;
pub use record::{Record, Recorder};
pub use response::Response;
pub use settings::{Auth, Identity, Proxy, Secret, SecretError, Settings, Tls, Trust};
pub use validity::Validity;
