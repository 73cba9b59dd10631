//! `demo`.

use std::path::Path;

use super::{End, Result};

pub(super) fn demo(_dir: &Path) -> Result<End> {
    Ok(End::Failed)
}
