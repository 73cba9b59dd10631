//! The integration tests: one binary of many small files, each about one thing.
//!
//! A test here looks at the crate from outside, as its users do. What the real peers say is in `tests/peers/`.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a test may stop at once, and it looks at the world from outside the walls"
)]

mod cli;
mod common;
mod corpus;
mod crash;
mod deviations;
mod docs;
mod fuzz_corpus;
mod hostile;
mod left_out;
mod metrics;
mod poll;
mod push;
mod readme;
mod sandbox;
mod service;
mod supply;
mod systemd;
mod walls;
