//! A range whose reply cannot be read is asked for in halves, down to one second.

use super::result::Why;
use super::{Failure, Feed, Setting};
use crate::observe::lines;
use crate::taxii::exchange::Range;

/// A range whose reply could not be read, and why.
pub(super) struct Unreadable {
    pub(super) range: Range,
    pub(super) why: Why,
}

impl Feed {
    /// The half to ask for instead.
    pub(super) fn halve(&self, unreadable: &Unreadable, setting: &Setting) -> Result<Range, Failure> {
        let Unreadable { range, why } = unreadable;
        match range.half(&setting.pace) {
            Some(half) => {
                if self.told.first("halved") {
                    lines::window_halved(&self.name, &why.words, &half.end.text);
                }
                Ok(half)
            }
            None => Err(self.cannot_be_halved(unreadable)),
        }
    }

    /// A connection that breaks every time says nothing about the content: to step past that would lose it.
    fn cannot_be_halved(&self, unreadable: &Unreadable) -> Failure {
        let Unreadable { range, why } = unreadable;
        let hint = if why.cut {
            "the connection breaks within every reply: look at the network, and at the proxies on the way".to_owned()
        } else {
            format!("step past it with `taxii-sync cursor set {} {}`", self.name, range.end.text)
        };
        let words = format!("{} (also when asked for one second alone, up to {})", why.words, range.end.text);
        Failure { words, hint, not_before: None, admin: !why.cut }
    }
}
