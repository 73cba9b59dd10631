//! What an operator reads: the lines of the log, status, metrics.

pub mod lines;
mod log;
pub mod metrics;
pub mod status;

pub use log::start_log;
