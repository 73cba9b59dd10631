//! What an operator reads: the lines of the log, metrics, status.

pub mod lines;
