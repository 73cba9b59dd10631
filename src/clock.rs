//! The only place where the time is read.
//!
//! Instants come into every other room as arguments, so that a rule about time is a table test and a clock that
//! jumps is one line of a test.
#![expect(clippy::disallowed_methods, reason = "this is the one place where the time is read")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// Our clock. Clones read the same one.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Clock {
        Clock(Arc::new(Utc::now))
    }

    /// A clock of the caller's.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now))
    }

    /// The time, as the system has it: it may jump.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }

    /// A moment to measure from: it never jumps, and stands still while the machine sleeps.
    pub fn moment(&self) -> Instant {
        Instant::now()
    }

    /// How long ago a moment was.
    pub fn since(&self, moment: Instant) -> Duration {
        moment.elapsed()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
