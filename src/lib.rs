//! taxii-sync.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests look over the walls"))]

pub mod clock;
pub mod config;
pub mod content;
pub mod peer;
pub mod practice;
pub mod store;
pub mod taxii;
pub mod wire;
pub mod xml;
