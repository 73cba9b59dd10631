//! taxii-sync.
#![forbid(unsafe_code)]

pub mod config;
pub mod practice;
pub mod taxii;
pub mod wire;
pub mod xml;
