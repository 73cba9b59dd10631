//! A range whose reply cannot be read is asked for in halves, down to one second. What is down to that and lies within the
//! overlap is passed over: a cursor was beyond it already, or somebody stepped past it.

use super::result::Why;
use super::{Failure, Feed, Setting};
use crate::observe::lines;
use crate::store::output::Staging;
use crate::taxii::exchange::Range;
use crate::taxii::time::Timestamp;

/// A range whose reply could not be read, and why.
pub(super) struct Unreadable {
    pub(super) range: Range,
    pub(super) why: Why,
}

impl Feed {
    /// What to ask for instead.
    pub(super) fn halve(&self, unreadable: &Unreadable, setting: &Setting) -> Result<Range, Failure> {
        let Unreadable { range, why } = unreadable;
        if let Some(half) = range.half(&setting.pace) {
            if self.told.first("halved") {
                lines::window_halved(&self.name, &why.words, &half.end.text);
            }
            return Ok(half);
        }
        let Some(rest) = range.pass_over(&setting.pace) else { return Err(self.cannot_be_halved(unreadable)) };
        if self.told.first("overlap passed over") {
            let text = |at: &Option<Timestamp>| at.as_ref().map(|at| at.text.clone()).unwrap_or_default();
            lines::overlap_passed_over(&self.name, &why.words, &text(&range.begin), &text(&rest.begin));
        }
        Ok(rest)
    }

    /// A connection that breaks every time says nothing about the content: to step past that would lose it. A poll by
    /// hand has a range of its own: to move the saved cursor there would lose what lies between.
    fn cannot_be_halved(&self, unreadable: &Unreadable) -> Failure {
        let Unreadable { range, why } = unreadable;
        let hint = if why.cut {
            "the connection breaks within every reply: look at the network, and at the proxies on the way".to_owned()
        } else if self.manner.staging != Staging::Kept {
            format!("leave it out: poll up to it with --until, and from behind it with --since {}", range.end.text)
        } else {
            format!("step past it with `taxii-sync cursor set {} {}`", self.name, range.end.text)
        };
        let words = format!("{} (also when asked for one second alone, up to {})", why.words, range.end.text);
        Failure { words, hint, not_before: None, admin: !why.cut }
    }
}
