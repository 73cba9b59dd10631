//! The three workloads whose instructions `benches/guard` counts: `guard decode|content|ledger`.
#![allow(clippy::expect_used, reason = "a sample that is wrong ends the count")]
#![allow(clippy::print_stderr, reason = "it has no log")]

mod samples;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("decode") => decode(),
        Some("content") => content(),
        Some("ledger") => ledger(),
        _ => {
            eprintln!("guard decode|content|ledger");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Two messages are read: one of markup and one of escaped text.
fn decode() {
    for style in [samples::Style::Inline, samples::Style::Escaped] {
        assert_eq!(samples::decode(&samples::poll_response(1000, 3, style)), 1000);
    }
}

/// A thousand small files and a large one are looked at, and put into messages.
fn content() {
    let small = samples::package(0, 3).into_bytes();
    let large = samples::package(1, 3000).into_bytes();
    for file in std::iter::repeat_n(&small, 1000).chain([&large]) {
        std::hint::black_box(samples::inspect(file));
        std::hint::black_box(samples::encode(&[file]));
    }
}

/// Ten parts of a thousand blocks each go through a ledger.
fn ledger() {
    let home = tempfile::tempdir().expect("a directory");
    let ledger = samples::ledger(home.path());
    for part in 0..10 {
        samples::part(&ledger, part * 1000, 1000);
    }
}
