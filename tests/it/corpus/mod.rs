//! The documents and the sample exchanges that stand beside the project, through the binary; where they are missing
//! the tests say so and compare nothing.

mod pushed;
mod seeds;

use std::path::{Path, PathBuf};

/// The directory with the shared material.
fn shared(directory: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = std::env::var_os("TAXII_SYNC_SHARED").map_or_else(beside, PathBuf::from).join(directory);
    if !path.is_dir() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(path)
}
