//! How we are heard: the one user of reqwest.
//!
//! A [`Client`] is made from [`Settings`] and POSTs one TAXII message at a time to the origins it was given, and to
//! no other. Everything that can keep a message from arriving or a reply from being read whole becomes a [`WireError`]
//! that says what happened, to which address, whether the server may have acted on the request all the same, and what
//! can be done about it. No secret is ever part of it.

mod body;
mod client;
mod error;
mod response;
mod settings;

pub use body::Body;
pub use client::Client;
pub use error::{Class, Limit, WireError};
pub use response::{Response, RetryAfter, TokenUse};
pub use settings::{Auth, Identity, Proxy, Secret, SecretError, Settings, Tls, Trust};
