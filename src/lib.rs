//! taxii-sync.
#![forbid(unsafe_code)]

pub mod config;
pub mod content;
pub mod store;
pub mod taxii;
pub mod wire;
pub mod xml;
