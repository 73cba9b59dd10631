//! How fast the rooms are that only compute, and the ledger: `cargo bench`.
#![allow(clippy::expect_used, reason = "a sample that is wrong ends the bench")]
#![allow(missing_docs, reason = "divan's entry points")]

mod samples;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use samples::Style;

fn main() {
    divan::main();
}

/// A message of about 2.7 MB: many small blocks, or few large ones.
#[divan::bench(args = [(1000, 3, Style::Inline), (1, 3000, Style::Inline), (1000, 3, Style::Escaped), (1, 3000, Style::Escaped)])]
fn decode(bencher: Bencher<'_, '_>, (blocks, indicators, style): (usize, usize, Style)) {
    let message = samples::poll_response(blocks, indicators, style);
    bencher.counter(BytesCount::of_slice(&message)).bench(|| samples::decode(black_box(&message)));
}

/// What a dropped file is.
#[divan::bench(args = [3, 3000])]
fn content(bencher: Bencher<'_, '_>, indicators: usize) {
    let file = samples::package(0, indicators).into_bytes();
    bencher.counter(BytesCount::of_slice(&file)).bench(|| samples::inspect(black_box(&file)));
}

/// A message around so many contents.
#[divan::bench(args = [1, 500])]
fn encode(bencher: Bencher<'_, '_>, count: usize) {
    let file = samples::package(0, 3).into_bytes();
    let contents = vec![file.as_slice(); count];
    bencher.counter(BytesCount::new(count * file.len())).bench(|| samples::encode(black_box(&contents)));
}

/// A part of 1,000 blocks, from the first look to its end, in a ledger that holds many fingerprints already.
#[divan::bench(args = [0, 100_000], sample_count = 20, sample_size = 1)]
fn ledger(bencher: Bencher<'_, '_>, known: i64) {
    const BLOCKS: i64 = 1000;
    let home = tempfile::tempdir().expect("a directory");
    let ledger = samples::ledger(home.path());
    if known > 0 {
        samples::part(&ledger, 0, known);
    }
    let next = std::sync::atomic::AtomicI64::new(known);
    bencher.counter(ItemsCount::new(BLOCKS as usize)).bench(|| {
        samples::part(&ledger, next.fetch_add(BLOCKS, std::sync::atomic::Ordering::Relaxed), BLOCKS);
    });
}
