//! Nothing lost, nothing torn, nothing twice: the store on a simulated disk that dies at any step.
//!
//! One seed is one run: lives of the agent, each ended by a kill, a power cut or an error at a random step, with
//! somebody else at work in the same directories, until a last life brings everything to its end. Then every block
//! and every file is counted. A seed replays exactly; `tests/simulate SEEDS FIRST` runs as many as one likes.

mod drop;
mod feed;

use crate::store::disk::simulated::{Faults, Simulated};
use crate::store::ledger::Ledger;

/// What is broken on purpose. Each of these has to be caught, or the simulation proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    NoFileSync,
    NoDirectorySync,
    ErrorsReadAsAbsent,
    CursorFirst,
    NoFingerprints,
    WrittenInPlace,
    ListClearedFirst,
    SentBeforeClaimed,
    SweptWithoutLooking,
}

impl Broken {
    fn faults(self) -> Faults {
        Faults {
            no_file_sync: self == Broken::NoFileSync,
            no_directory_sync: self == Broken::NoDirectorySync,
            errors_read_as_absent: self == Broken::ErrorsReadAsAbsent,
        }
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    lost: u64,
    torn: u64,
    twice: u64,
    /// The last life, in which nothing goes wrong, could not bring it to an end.
    stuck: u64,
    crashes: u64,
    steps: u64,
}

impl Count {
    fn is_good(&self) -> bool {
        (self.lost, self.torn, self.twice, self.stuck) == (0, 0, 0, 0)
    }

    fn add(&mut self, other: Count) {
        self.lost += other.lost;
        self.torn += other.torn;
        self.twice += other.twice;
        self.stuck += other.stuck;
        self.crashes += other.crashes;
        self.steps += other.steps;
    }
}

/// Lets the agent live, die and live again; `live` is one life, and says whether everything is done.
fn lives(disk: &Simulated, ledger: &Ledger, rng: &mut fastrand::Rng, mut live: impl FnMut() -> bool) -> Count {
    let mut count = Count::default();
    for _ in 0..rng.u32(2..16) {
        let errors = if rng.bool() { 0 } else { 30 };
        disk.live(rng.u64(1..120), errors);
        live();
        if disk.is_dead() {
            let power = rng.bool();
            disk.state().crash(power);
            ledger.after_crash(power);
            count.crashes += 1;
        }
    }
    disk.live(u64::MAX, 0);
    // An error of the life before may have left something for the first of these.
    count.stuck = u64::from(!(0..3).any(|_| live()));
    count.steps = disk.state().steps;
    count
}

/// Both walks, with the disk's order of changes kept or not.
fn run(seed: u64, broken: Broken) -> Count {
    fastrand::seed(seed);
    if seed.is_multiple_of(2) { feed::run(seed / 2, broken) } else { drop::run(seed / 2, broken) }
}

fn run_all(first: u64, seeds: u64) -> Count {
    let mut sum = Count::default();
    for seed in first..first + seeds {
        let count = run(seed, Broken::Nothing);
        assert!(count.is_good(), "seed {seed}: {count:?}\nreplay it with: tests/simulate 1 {seed}");
        sum.add(count);
    }
    sum
}

#[test]
fn nothing_is_lost_nothing_torn_and_nothing_twice() {
    let sum = run_all(0, 500);
    assert!(sum.crashes > 1_000, "{sum:?}");
}

#[test]
fn a_seed_replays() {
    for seed in [3, 4, 1_000_001] {
        assert_eq!(run(seed, Broken::Nothing), run(seed, Broken::Nothing));
    }
}

/// So many seeds at most until something that is broken has to show.
const ENOUGH: u64 = 2_000;

fn is_caught(broken: Broken, what: impl Fn(&Count) -> bool) {
    assert!((0..ENOUGH).any(|seed| what(&run(seed, broken))), "{broken:?} goes unnoticed");
}

#[test]
fn without_file_syncs_something_is_torn() {
    is_caught(Broken::NoFileSync, |count| count.torn > 0);
}

#[test]
fn without_directory_syncs_something_is_lost_or_twice() {
    is_caught(Broken::NoDirectorySync, |count| count.lost + count.twice > 0);
}

#[test]
fn errors_that_read_as_absent_lose_something() {
    is_caught(Broken::ErrorsReadAsAbsent, |count| count.lost > 0);
}

#[test]
fn a_cursor_that_moves_first_loses_something() {
    is_caught(Broken::CursorFirst, |count| count.lost > 0);
}

#[test]
fn without_fingerprints_something_comes_twice() {
    is_caught(Broken::NoFingerprints, |count| count.twice > 0);
}

#[test]
fn a_file_written_in_place_is_seen_torn() {
    is_caught(Broken::WrittenInPlace, |count| count.torn > 0);
}

#[test]
fn a_list_that_is_cleared_before_the_hand_over_loses_something() {
    is_caught(Broken::ListClearedFirst, |count| count.lost > 0);
}

#[test]
fn a_file_sent_before_it_is_claimed_is_sent_as_two() {
    is_caught(Broken::SentBeforeClaimed, |count| count.twice > 0);
}

#[test]
fn a_staging_directory_swept_without_looking_loses_something() {
    is_caught(Broken::SweptWithoutLooking, |count| count.lost > 0);
}

#[test]
#[ignore = "tests/simulate runs it, with as many seeds as it is given"]
fn as_many_seeds_as_one_likes() {
    let number =
        |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (first, seeds) = (number("FIRST", 0), number("SEEDS", 20_000));
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let share = seeds.div_ceil(threads);
    let sums = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let from = first + thread * share;
                scope.spawn(move || run_all(from, share.min((first + seeds).saturating_sub(from))))
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let mut sum = Count::default();
    sums.into_iter().for_each(|count| sum.add(count));
    println!("{seeds} seeds from {first}: {} crashes in {} steps, nothing lost, torn or twice", sum.crashes, sum.steps);
}
