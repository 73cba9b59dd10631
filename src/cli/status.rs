//! `status`: is it healthy, how far behind, what waits, what failed, what happens next.

use std::path::Path;

use serde_json::Value;

use super::output::{Say, json};
use super::{End, Result, cursor, load};
use crate::agent;
use crate::clock::Clock;
use crate::observe::status::{FailedFile, Status};
use crate::peer::show_remote;
use crate::store::StoreError;
use crate::store::disk::show;
use crate::store::failed::Failed;
use crate::store::ledger::{Ledger, words};

/// So many receipts are read.
const READ: usize = 10;

/// Prints the status.
pub(super) fn status(file: &Path, as_json: bool) -> Result<End> {
    let config = load(file)?.config;
    let mut report = match Ledger::open_to_read(&config.state_dir)? {
        Some(ledger) => ledger.report()?,
        None => Default::default(),
    };
    report.feeds = report.feeds.into_iter().map(|row| cursor::of_today(&config, row)).collect();
    let mut status = Status::new(&config, report, Clock::system().now());
    for (name, drop) in &config.drops {
        // One that cannot be looked into does not hide the others.
        match failed(&drop.path) {
            Ok(files) => status.add_failed(name, files),
            Err(error) => status.add_trouble(name, &format!("cannot {error}")),
        }
    }
    let running = agent::is_running(&config.state_dir)?;
    if as_json {
        json(&status.to_json(running));
    } else {
        Say::new(false).line(status.to_text(running).trim_end());
    }
    Ok(End::Good)
}

/// What lies in `failed/`, and why.
fn failed(drop: &Path) -> Result<Vec<FailedFile>, StoreError> {
    let Some(failed) = Failed::open(drop)? else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for name in failed.names()? {
        // The reasons of all of a long list would be read for nothing.
        let receipt = if files.len() < READ { failed.receipt(&name)? } else { None };
        files.push(FailedFile { name: show(&name), reason: receipt.as_deref().map(reason).unwrap_or_default() });
    }
    Ok(files)
}

/// The reason of a receipt: why the file cannot be sent, or what the first inbox that has not got it said. Whoever may
/// write to the drop directory may have written it: it is shown as a server's words are.
fn reason(receipt: &[u8]) -> String {
    let receipt: Value = serde_json::from_slice(receipt).unwrap_or_default();
    let bad = |entry: &&Value| !matches!(entry["outcome"].as_str(), Some("accepted" | "duplicate"));
    let entry = receipt["inboxes"].as_array().and_then(|inboxes| inboxes.iter().find(bad));
    let said = entry.and_then(|entry| {
        let words = words(entry["status_type"].as_str(), entry["message"].as_str())?;
        Some(format!("{}: {}", show_remote(entry["inbox"].as_str()?), show_remote(&words)))
    });
    receipt["reason"].as_str().map(show_remote).or(said).unwrap_or_default()
}
