//! Writes one of every message the agent can send into a directory: `dump_messages DIRECTORY`.
//!
//! `tests/peers/` checks them against TAXII's own schemas.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "an example writes where it is told")]

use std::path::PathBuf;
use std::{env, error, fs};

fn main() -> Result<(), Box<dyn error::Error>> {
    let directory = env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or("usage: dump_messages DIRECTORY")?;
    fs::create_dir_all(&directory)?;
    for (name, message) in taxii_sync::taxii::samples::every_variant()? {
        fs::write(directory.join(format!("{name}.xml")), message)?;
    }
    Ok(())
}
