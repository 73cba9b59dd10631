//! `status`: is it healthy, how far behind, what waits, what failed, what happens next.

use std::path::Path;

use super::output::{Say, json};
use super::{End, Result, load};
use crate::clock::Clock;
use crate::observe::status::Status;
use crate::store::ledger::Ledger;

/// Prints the status.
pub(super) fn status(file: &Path, as_json: bool) -> Result<End> {
    let config = load(file)?.config;
    let report = match Ledger::open_to_read(&config.state_dir)? {
        Some(ledger) => ledger.report()?,
        None => Default::default(),
    };
    let status = Status::new(&config, report, Clock::system().now());
    if as_json {
        json(&status.to_json());
    } else {
        Say::new(false).line(status.to_text().trim_end());
    }
    Ok(End::Good)
}
