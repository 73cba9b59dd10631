//! When a dropped file is complete: it was renamed into place, or has not changed for `settle`.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::store::disk::Stat;
use crate::store::drops::Candidate;

/// So many files are watched for changes at once; the others wait for their turn.
const WATCHED: usize = 65_536;

/// Files that are not settled yet, as they were when they were first seen in this state.
#[derive(Debug, Default)]
pub(super) struct Settling {
    seen: HashMap<OsString, Seen>,
    listing: u64,
}

#[derive(Debug)]
struct Seen {
    stat: Stat,
    /// `None`: it was complete as it is.
    since: Option<Instant>,
    listing: u64,
}

/// The moment of a listing, and how it judges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// A clock that never jumps.
    pub(super) monotonic: Instant,
    /// The clock that modification times are made of.
    pub(super) wall: DateTime<Utc>,
    /// `settle`.
    pub(super) settle: Duration,
    /// A modification time older than `settle` is enough: at start, and in `run --once`.
    pub(super) trust_times: bool,
}

impl Settling {
    /// A listing begins.
    pub(super) fn begin(&mut self) {
        self.listing += 1;
    }

    /// Whether a file is complete; else how long it has to stay as it is.
    pub(super) fn wait(
        &mut self,
        candidate: &Candidate,
        renamed: &HashSet<OsString>,
        moment: &Moment,
    ) -> Option<Duration> {
        let Candidate { name, stat } = candidate;
        let old = moment.trust_times && is_older(stat, moment);
        if old || moment.settle.is_zero() || renamed.contains(name) {
            self.seen.remove(name);
            return None;
        }
        let listing = self.listing;
        if let Some(seen) = self.seen.get_mut(name) {
            seen.listing = listing;
            if !unchanged(&seen.stat, stat) {
                (seen.stat, seen.since) = (*stat, Some(moment.monotonic));
            }
            let stayed = seen.since.map(|since| moment.monotonic.saturating_duration_since(since));
            let left = stayed.map_or(Duration::ZERO, |stayed| moment.settle.saturating_sub(stayed));
            if left.is_zero() {
                self.seen.remove(name);
                return None;
            }
            return Some(left);
        }
        if self.seen.len() < WATCHED {
            self.seen.insert(name.clone(), Seen { stat: *stat, since: Some(moment.monotonic), listing });
        }
        Some(moment.settle)
    }

    /// A listing is complete: what was not in it is gone.
    pub(super) fn end(&mut self) {
        let listing = self.listing;
        self.seen.retain(|_, seen| seen.listing == listing);
    }

    /// A complete file that could not be taken in is complete at the next listing, too, unless it has changed.
    pub(super) fn keep(&mut self, candidate: Candidate) {
        let Candidate { name, stat } = candidate;
        self.seen.insert(name, Seen { stat, since: None, listing: self.listing });
    }

    /// A file that was thought complete has changed after all.
    pub(super) fn forget(&mut self, name: &OsStr) {
        self.seen.remove(name);
    }
}

fn unchanged(before: &Stat, now: &Stat) -> bool {
    before.same_file_and_bytes(now)
}

fn is_older(stat: &Stat, moment: &Moment) -> bool {
    let settle = i64::try_from(moment.settle.as_nanos()).unwrap_or(i64::MAX);
    moment.wall.timestamp_nanos_opt().is_some_and(|now| stat.modified <= now.saturating_sub(settle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::Kind;

    fn candidate(size: u64, modified: i64) -> Candidate {
        let stat =
            Stat { device: 1, inode: 2, size, modified, changed: modified, mode: 0o644, links: 1, kind: Kind::File };
        Candidate { name: "a.xml".into(), stat }
    }

    fn moment(start: Instant, seconds: u64, trust_times: bool) -> Moment {
        Moment {
            monotonic: start + Duration::from_secs(seconds),
            wall: DateTime::from_timestamp(1_000_000 + seconds as i64, 0).unwrap(),
            settle: Duration::from_secs(2),
            trust_times,
        }
    }

    const NOW: i64 = 1_000_000 * 1_000_000_000;

    #[test]
    fn a_file_is_complete_once_it_has_not_changed_for_settle() {
        let (start, none) = (Instant::now(), HashSet::new());
        let mut settling = Settling::default();
        assert_eq!(settling.wait(&candidate(1, NOW), &none, &moment(start, 0, false)), Some(Duration::from_secs(2)));
        assert_eq!(settling.wait(&candidate(1, NOW), &none, &moment(start, 1, false)), Some(Duration::from_secs(1)));
        assert_eq!(settling.wait(&candidate(1, NOW), &none, &moment(start, 2, false)), None);
    }

    #[test]
    fn a_file_that_grows_starts_again() {
        let (start, none) = (Instant::now(), HashSet::new());
        let mut settling = Settling::default();
        settling.wait(&candidate(1, NOW), &none, &moment(start, 0, false));
        assert_eq!(settling.wait(&candidate(2, NOW), &none, &moment(start, 2, false)), Some(Duration::from_secs(2)));
        assert_eq!(settling.wait(&candidate(2, NOW), &none, &moment(start, 4, false)), None);
    }

    #[test]
    fn a_file_renamed_into_place_is_complete_at_once() {
        let renamed = HashSet::from(["a.xml".into()]);
        assert_eq!(Settling::default().wait(&candidate(1, NOW), &renamed, &moment(Instant::now(), 0, false)), None);
    }

    #[test]
    fn a_complete_file_that_could_not_be_taken_in_stays_complete_as_it_is() {
        let (start, none) = (Instant::now(), HashSet::new());
        let mut settling = Settling::default();
        settling.keep(candidate(1, NOW));
        assert_eq!(settling.wait(&candidate(1, NOW), &none, &moment(start, 0, false)), None);
        settling.keep(candidate(1, NOW));
        assert_eq!(settling.wait(&candidate(2, NOW), &none, &moment(start, 1, false)), Some(Duration::from_secs(2)));
    }

    #[test]
    fn an_old_modification_time_is_enough_at_start_only() {
        let (start, none) = (Instant::now(), HashSet::new());
        let old = candidate(1, NOW - 3_000_000_000);
        assert_eq!(Settling::default().wait(&old, &none, &moment(start, 0, true)), None);
        assert!(Settling::default().wait(&old, &none, &moment(start, 0, false)).is_some());
        assert!(Settling::default().wait(&candidate(1, NOW), &none, &moment(start, 0, true)).is_some());
    }

    #[test]
    fn a_clock_that_jumps_forward_completes_nothing_while_running() {
        let (start, none) = (Instant::now(), HashSet::new());
        let mut settling = Settling::default();
        settling.wait(&candidate(1, NOW), &none, &moment(start, 0, false));
        let jumped = Moment { wall: DateTime::from_timestamp(2_000_000_000, 0).unwrap(), ..moment(start, 1, false) };
        assert!(settling.wait(&candidate(1, NOW), &none, &jumped).is_some());
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (start, none) = (Instant::now(), HashSet::new());
        let mut settling = Settling::default();
        settling.begin();
        settling.wait(&candidate(1, NOW), &none, &moment(start, 0, false));
        settling.end();
        settling.begin();
        settling.end();
        assert!(settling.wait(&candidate(1, NOW), &none, &moment(start, 9, false)).is_some());
    }
}
