//! `check`: what the configuration means.

use std::path::Path;

use super::output::{Say, json};
use super::{End, Result, load};
use crate::config;

/// Prints what the configuration means.
pub(super) fn check(file: &Path, online: bool, as_json: bool) -> Result<End> {
    let loaded = load(file)?;
    let errors = Say::new(true);
    for warning in &loaded.warnings {
        errors.line(&format!("warning: {}:{warning}", file.display()));
    }
    let _ = online;
    if as_json {
        json(&config::explain_json(&loaded.config));
    } else {
        Say::new(false).line(config::explain(&loaded.config).trim_end());
    }
    Ok(End::Good)
}
