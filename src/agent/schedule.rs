//! When a feed is polled next.

use std::time::Duration;

use chrono::{DateTime, Local, TimeZone, Utc};

use crate::config::Schedule;
use crate::poll::Ended;
use crate::taxii::status::ADMIN_PACE;
use crate::taxii::time::later;

/// Where a cron expression never comes true again.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The time of the next poll after one that ended so at `now`. `random` is any number, evenly distributed.
pub(super) fn next(schedule: &Schedule, ended: &Ended, now: DateTime<Utc>, random: u64) -> DateTime<Utc> {
    let scheduled = scheduled(schedule, now, random);
    match ended {
        Ended::Failed(failure) => match failure.not_before {
            // The server said when: a result that it is still making is fetched then, not at the next full interval.
            Some(not_before) => not_before.max(now),
            None if failure.admin => scheduled.max(later(now, ADMIN_PACE)),
            None => scheduled,
        },
        Ended::UpToDate => scheduled,
        // It goes on where it was, at once: at the next start, or after the reload that ended it.
        Ended::Stopped => now,
    }
}

fn scheduled(schedule: &Schedule, now: DateTime<Utc>, random: u64) -> DateTime<Utc> {
    match schedule {
        Schedule::Every(every) => later(now, jittered(*every, random)),
        Schedule::Cron(cron) => {
            let next = cron.find_next_occurrence(&Local.from_utc_datetime(&now.naive_utc()), false);
            next.map_or_else(|_| later(now, NEVER), |at| at.to_utc())
        }
    }
}

/// 10 % either way, so that many feeds do not stay in step.
fn jittered(every: Duration, random: u64) -> Duration {
    let tenth = every / 10;
    let spread = u64::try_from(tenth.as_millis()).unwrap_or(u64::MAX).saturating_mul(2).max(1);
    (every - tenth).saturating_add(Duration::from_millis(random % spread))
}

/// How long to sleep before the time of the next poll is looked at again. The clock may be set back meanwhile: then
/// it is looked at after one interval all the same.
pub(super) fn sleep(schedule: &Schedule, due: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    let longest = match schedule {
        Schedule::Every(every) => every.saturating_add(*every / 10),
        Schedule::Cron(_) => Duration::from_secs(3600),
    };
    (due - now).to_std().unwrap_or_default().min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::Failure;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn failed(not_before: Option<DateTime<Utc>>, admin: bool) -> Ended {
        Ended::Failed(Failure { words: String::new(), hint: String::new(), not_before, admin })
    }

    #[test]
    fn an_interval_is_kept_within_a_tenth() {
        let every = Schedule::Every(Duration::from_secs(900));
        for random in [0, 1, 89_999, 123_456_789, u64::MAX] {
            let next = next(&every, &Ended::UpToDate, NOW, random) - NOW;
            assert!((810..=990).contains(&next.num_seconds()), "{next}");
        }
    }

    #[test]
    fn a_wait_the_server_asked_for_is_the_next_time() {
        let every = Schedule::Every(Duration::from_secs(900));
        let at = later(NOW, Duration::from_secs(42));
        assert_eq!(next(&every, &failed(Some(at), false), NOW, 7), at);
    }

    #[test]
    fn what_was_interrupted_is_due_at_once() {
        let every = Schedule::Every(Duration::from_secs(3600));
        assert_eq!(next(&every, &Ended::Stopped, NOW, 7), NOW);
    }

    #[test]
    fn what_needs_an_administrator_is_not_tried_more_than_hourly() {
        let every = Schedule::Every(Duration::from_secs(30));
        assert!(next(&every, &failed(None, true), NOW, 7) >= later(NOW, Duration::from_secs(3600)));
        assert!(next(&every, &failed(None, false), NOW, 7) < later(NOW, Duration::from_secs(60)));
    }

    #[test]
    fn a_clock_that_was_set_back_delays_no_poll_beyond_one_interval() {
        let every = Schedule::Every(Duration::from_secs(900));
        let due = later(NOW, Duration::from_secs(10 * 365 * 24 * 3600));
        assert_eq!(sleep(&every, due, NOW), Duration::from_secs(990));
        assert_eq!(sleep(&every, NOW, due), Duration::ZERO);
    }
}
