//! What a look at a drop directory came to.

use std::ffi::OsString;
use std::time::Duration;

/// What a look at the directory came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Files taken in.
    pub admitted: u64,
    /// Those of them that cannot be sent at all.
    pub refused: u64,
    /// Files that are not settled yet.
    pub unsettled: u64,
    /// The last of them.
    pub unsettled_name: Option<OsString>,
    /// Files that cannot be read, and stay where they are.
    pub unreadable: u64,
    /// Files that were taken in but cannot be taken away: they are not sent before that.
    pub stuck: u64,
    /// When the first of them may be.
    pub again_in: Option<Duration>,
}
