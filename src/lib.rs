//! taxii-sync.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests look over the walls"))]

pub mod config;
pub mod taxii;
pub mod wire;
pub mod xml;
