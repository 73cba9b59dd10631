//! When a feed is polled next.

use std::time::Duration;

use chrono::{DateTime, Local, TimeZone, Utc};

use crate::config::Schedule;
use crate::poll::{Due, Ended};
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

/// How long to wait for a poll that is due. A time that the schedule does not give is that of another schedule, or of a
/// clock that was ahead: then one interval is waited, or until the calendar says.
pub(super) fn wait(schedule: &Schedule, due: Due, now: DateTime<Utc>) -> Duration {
    let longest = match schedule {
        Schedule::Every(every) => every.saturating_add(*every / 10),
        Schedule::Cron(_) => until(scheduled(schedule, now, 0), now),
    };
    let wait = until(due.at, now);
    let allowed = if due.failed { longest.max(ADMIN_PACE) } else { longest };
    if wait > allowed { longest } else { wait }
}

/// How long it is until `due`; nothing where that is over.
pub(super) fn until(due: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (due - now).to_std().unwrap_or_default()
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

    fn due(at: DateTime<Utc>) -> Due {
        Due { at, failed: false }
    }

    #[test]
    fn a_clock_that_was_set_back_delays_no_poll_beyond_one_interval() {
        let every = Schedule::Every(Duration::from_secs(900));
        let far = later(NOW, Duration::from_secs(10 * 365 * 24 * 3600));
        for failed in [false, true] {
            assert_eq!(wait(&every, Due { at: far, failed }, NOW), Duration::from_secs(990));
        }
        assert_eq!(wait(&every, due(NOW), far), Duration::ZERO);
        let cron = daily();
        let next = next(&cron, &Ended::UpToDate, NOW, 7);
        assert_eq!(wait(&cron, due(far), NOW), until(next, NOW));
    }

    /// Once a day, twelve hours from `NOW`, wherever we are.
    fn daily() -> Schedule {
        let at = Local.from_utc_datetime(&later(NOW, Duration::from_secs(12 * 3600)).naive_utc());
        Schedule::Cron(Box::new(at.format("%-M %-H * * *").to_string().parse().unwrap()))
    }

    #[test]
    fn the_calendar_alone_says_when_a_feed_with_cron_is_due() {
        let at = next(&daily(), &Ended::UpToDate, NOW, 7);
        assert_eq!(at, later(NOW, Duration::from_secs(12 * 3600)));
        assert_eq!(wait(&daily(), due(at), NOW), Duration::from_secs(12 * 3600));
    }

    #[test]
    fn what_needs_an_administrator_waits_longer_than_its_interval() {
        for seconds in [30, 900] {
            let every = Schedule::Every(Duration::from_secs(seconds));
            let at = next(&every, &failed(None, true), NOW, 7);
            assert_eq!(wait(&every, Due { at, failed: true }, NOW), ADMIN_PACE);
        }
    }

    #[test]
    fn an_interval_that_was_made_shorter_counts_at_once() {
        let at = next(&Schedule::Every(Duration::from_secs(900)), &Ended::UpToDate, NOW, 7);
        let every = Schedule::Every(Duration::from_secs(30));
        assert_eq!(wait(&every, due(at), NOW), Duration::from_secs(33));
    }
}
