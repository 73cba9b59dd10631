//! taxii-sync.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod content;
pub mod observe;
pub mod peer;
pub mod poll;
pub mod push;
pub mod store;
pub mod taxii;
pub mod wire;
pub mod xml;
