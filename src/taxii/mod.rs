//! What we say: the names, messages and rules of TAXII 1.1 and 1.0 as plain values and functions.
//!
//! Nothing here opens a socket, a file or a clock. Bytes, replies and instants come in as arguments, so every rule
//! is a table test.

pub mod decode;
pub mod encode;
pub mod exchange;
pub mod message;
pub mod names;
#[doc(hidden)]
pub mod samples;
pub mod services;
pub mod status;
pub mod time;

pub use message::Version;
