//! What an operator reads: the lines of the log, status, metrics.

pub mod concerns;
pub mod lines;
mod log;
pub mod metrics;
mod queue;
pub mod status;
mod told;

pub use concerns::span;
pub use log::start_log;
pub use queue::{Beside, write_beside};
pub use status::files;
pub use told::{Standing, Told, Trouble};
