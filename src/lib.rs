//! taxii-sync.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod content;
pub mod peer;
pub mod store;
pub mod taxii;
pub mod wire;
pub mod xml;
