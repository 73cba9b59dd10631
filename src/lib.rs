//! taxii-sync moves cyber threat intelligence between TAXII 1.1 (and 1.0) servers and a file system, and never loses
//! or repeats a file. This page is the architecture: the idea, the two walks, the rooms and their walls.
//!
//! # One idea
//!
//! **Nothing is true until it is durable, and every change of state is one atomic step: a rename or a transaction.**
//!
//! - A file's directory is its state: a drop directory, `sending/`, `sent/`, `failed/`; `.staging/`, then the output
//!   directory. `ls` is the first status command.
//! - What cannot be a file's place (cursors, deliveries, fingerprints, a result half fetched) stands in one ledger:
//!   SQLite in WAL mode below `state_dir`. `status` reads it while the agent writes it.
//! - The process remembers nothing that a restart would miss. Recovery is the ordinary start-up path: opening an
//!   output directory or a drop directory *is* mending it.
//! - **The protocol is a value.** Encoding, decoding, the poll exchange and the meaning of a status are plain functions
//!   and state machines without a socket, a clock or a file, so every rule is a table test.
//!
//! # Two walks
//!
//! Each is readable top to bottom, and neither knows the other.
//!
//! **A content block, from the wire to a reader** ([`poll`]): the cursor, or a result under way, comes from the ledger;
//! a range is chosen by the server's clock ([`taxii::exchange`]); the reply is decoded as it arrives, each content cut
//! out as the bytes that were sent ([`taxii::decode`]), hashed and staged ([`store::staging`]); a part is flushed once
//! and committed in one transaction; its files are renamed to their final names and a second transaction clears the
//! list and, after the last part, moves the cursor ([`store::output`]).
//!
//! **A dropped file, from the directory to an acknowledged push** ([`push`]): the bell only means *look*; the listing
//! tells the truth. A settled file is copied to `sending/`, hashed and checked while it streams past ([`content`]),
//! made durable, admitted with one delivery per inbox, and only then its original leaves ([`store::drops`]). Each
//! inbox has its own worker; the message is assembled around the file's own bytes, the answer becomes a verdict
//! ([`taxii::status`]), the verdict a transaction, and a file that is owed to nobody leaves with its receipt.
//!
//! The steps of both, and what a crash between any two of them leaves, are the documentation of [`store`].
//!
//! # Rooms
//!
//! | room | what it is | may name |
//! |---|---|---|
//! | [`xml`] | what XML is: a strict, streaming, bounded scanner | nothing of ours |
//! | [`taxii`] | what we say: names, messages, encoding, decoding, exchanges, verdicts | `xml` |
//! | [`content`] | what a dropped file is: content binding, version, form | `xml`, the messages |
//! | [`config`] | TOML to [`config::Config`], every mistake at once | values of `taxii` |
//! | [`wire`] | how we are heard: the one user of reqwest; TLS, credentials, proxies, limits, time-outs | `taxii` |
//! | [`store`] | what we keep: the one user of the file system and of SQLite | values of `taxii` |
//! | [`clock`] | the one place that reads the time | nothing of ours |
//! | [`peer`] | one server: its client, its addresses, one message there and back | `taxii`, `wire`, `clock`, the lines of the log |
//! | [`poll`] | walk 1 | all above but `push` |
//! | [`push`] | walk 2 | all above but `poll` |
//! | [`observe`] | what an operator reads: every line of the log, status, metrics | `store`, `taxii`, `config` |
//! | [`agent`] | a task per feed, drop directory and inbox; schedules, signals, systemd | everything but `cli` |
//! | [`practice`] | a small TAXII server for `demo` and for tests; it misbehaves on request | `taxii`, `xml` |
//! | [`cli`] | a file per command, and what people see on a terminal | anything; nobody names it |
//!
//! The walls are checked, not asked for: `clippy.toml` forbids the calls (files outside `store::disk`, the clock
//! outside [`clock`], reqwest outside [`wire`]) and `tests/it/walls` reads the names off the source.
//!
//! # Threads and memory
//!
//! Network work is asynchronous; parsing, hashing, files and SQLite run on a bounded number of blocking threads, fed
//! through bounded channels ([`peer`]). A slow server pins no thread. What is staged is written behind the parser, by
//! batches. A reply of any length passes through about 3 MiB: text is scanned in pieces, contents are staged as they
//! come, lists live in the ledger.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests make the situations the code is tested in"))]

pub mod agent;
pub mod cli;
pub mod clock;
pub mod config;
pub mod content;
pub mod observe;
pub mod peer;
pub mod poll;
pub mod practice;
pub mod push;
pub mod store;
pub mod taxii;
pub mod wire;
pub mod xml;
