//! The poll exchange as values: which range to ask for, what to make of each reply, where the cursor goes
//! (Services Specification 1.1, sections 3.6 and 5.2.2).
//!
//! A cycle is `ask`, then a [`Poll`] for each range, then [`next_cursor`] (through [`Poll::cursor`]), then
//! [`Range::follow`] until that says there is no more to ask for at once.

mod poll;
mod range;

pub use poll::{Phase, Plan, Poll, Progress, Reply, Step, UNLABELLED};
pub use range::{CursorMove, Pace, Range, ask, believed, believed_after, next_cursor, server_now, skew};
