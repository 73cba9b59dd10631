//! taxii-sync.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make the situations the code is tested in"))]

pub mod agent;
pub mod cli;
pub mod clock;
pub mod config;
pub mod content;
pub mod observe;
pub mod peer;
pub mod poll;
pub mod practice;
pub mod push;
pub mod store;
pub mod taxii;
pub mod wire;
pub mod xml;
