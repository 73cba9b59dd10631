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
    /// Why the last of them cannot.
    pub unreadable_words: Option<String>,
    /// Files whose copies find no room, and stay where they are.
    pub too_big: u64,
    /// Why the last of them does not.
    pub too_big_words: Option<String>,
    /// Files that were taken in but cannot be taken away: they are not sent before that.
    pub stuck: u64,
    /// Why the first of them cannot.
    pub stuck_words: Option<String>,
    /// When the first of them may be.
    pub again_in: Option<Duration>,
    /// Files that expired because nobody sends them any more.
    pub expired: u64,
}

/// What became of a settled file.
pub(super) enum Taken {
    /// It is in.
    Yes,
    /// It has changed after all.
    Changing,
    /// It cannot be read.
    Unreadable,
    /// There is no room for it.
    TooBig,
}
