//! taxii-sync.
#![forbid(unsafe_code)]

pub mod config;
pub mod taxii;
pub mod wire;
pub mod xml;
pub mod store;
