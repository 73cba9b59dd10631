//! The walls between the rooms, read off the source text: who may name whom, and which door leads outside.
//!
//! A wall that is only asked for is gone in a year. Clippy guards the calls (`clippy.toml`), this guards the names.

mod source;

use std::path::{Path, PathBuf};

use source::Named;

/// A room, and what of ours it may name. Everybody may name themselves.
const ROOMS: &[(&str, &[&str])] = &[
    ("xml", &[]),
    ("clock", &[]),
    ("taxii", &["xml"]),
    ("config", &["taxii"]),
    ("content", &["xml", "taxii::message"]),
    ("wire", &["taxii"]),
    ("peer", &["clock", "taxii", "wire", "observe::lines"]),
    ("store", &["taxii"]),
    ("observe", &["store", "taxii", "config"]),
    // The two walks never meet: neither names the other.
    ("poll", &["clock", "taxii", "wire", "peer", "store", "content", "observe", "config"]),
    ("push", &["clock", "taxii", "wire", "peer", "store", "content", "observe", "config"]),
    ("practice", &["taxii", "xml"]),
    // Nobody but main names the command line, and the agent names everything else.
    ("agent", &[EVERYTHING]),
    ("cli", &[EVERYTHING, "cli"]),
];

/// Every room but the command line.
const EVERYTHING: &str = "everything but cli";

/// What is not ours, and the only places below `src/` that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("std::fs", &["store/disk"]),
    // An open file is handed to the body that sends it, by position; nothing else can be done to it there.
    ("std::fs::File", &["store/disk", "wire/body.rs"]),
    ("rustix::fs", &["store/disk"]),
    ("tokio::fs", &[]),
    ("rusqlite", &["store"]),
    ("landlock", &["store/sandbox"]),
    ("reqwest", &["wire"]),
    ("std::time::SystemTime", &["clock", "store/disk"]),
    // What only computes needs no runtime.
    ("tokio", &["wire", "peer", "poll", "push", "agent", "practice", "observe", "cli", "main.rs"]),
    ("tracing", &["observe", "wire", "peer", "poll", "push", "agent", "practice", "store", "cli", "main.rs"]),
];

/// Files longer than [`LONGEST`] lines, each with the reason.
const LONG: &[(&str, &str)] = &[];

/// Past this many lines something wants to be two things.
const LONGEST: usize = 500;

/// A source file: its path below `src/`, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    /// `poll/walk.rs` is the module `["poll", "walk"]`, `poll/mod.rs` is `["poll"]`.
    fn module(&self) -> Vec<&str> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        stem.split('/').filter(|name| !matches!(*name, "mod" | "lib" | "main")).collect()
    }
}

#[test]
fn every_room_names_only_what_it_may() {
    assert_none(checked(&files(), wall));
}

#[test]
fn only_a_door_names_what_is_outside() {
    assert_none(checked(&files(), door));
}

#[test]
fn every_directory_below_src_is_a_room_with_a_wall() {
    for file in files() {
        let room = file.module().first().copied().unwrap_or_default().to_owned();
        assert!(room.is_empty() || ROOMS.iter().any(|(name, _)| *name == room), "{room} is no room: src/{}", file.path);
    }
}

#[test]
fn every_file_says_what_it_is() {
    assert_none(
        files()
            .iter()
            .filter(|file| !file.text.starts_with("//! "))
            .map(|file| format!("src/{} does not begin with a `//!` sentence", file.path)),
    );
}

#[test]
fn no_file_is_too_long_to_read() {
    let found = files();
    assert_none(found.iter().filter_map(|file| {
        let (lines, justified) = (file.text.lines().count(), LONG.iter().any(|(path, _)| *path == file.path));
        match (lines > LONGEST, justified) {
            (true, false) => Some(format!("src/{} has {lines} lines, {LONGEST} are allowed", file.path)),
            (false, true) => Some(format!("src/{} has {lines} lines and no longer needs to stand in LONG", file.path)),
            _ => None,
        }
    }));
    assert_none(
        LONG.iter()
            .filter(|(path, reason)| reason.is_empty() || !found.iter().any(|f| f.path == *path))
            .map(|(path, _)| format!("{path} stands in LONG without a reason or without a file")),
    );
}

#[test]
fn unsafe_code_is_forbidden_in_both_crates() {
    for root in ["lib.rs", "main.rs"] {
        let text = std::fs::read_to_string(src().join(root)).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "src/{root} does not forbid unsafe code");
    }
}

#[test]
fn a_wall_that_is_broken_is_named_with_its_file_and_line() {
    let broken = |path: &str, text: &str| checked(&[File { path: path.into(), text: text.into() }], wall);
    assert_eq!(
        broken("poll/part.rs", "//! x\nuse crate::{push::send, taxii};"),
        [
            "src/poll/part.rs:2: `crate::push::send`: poll may name clock, taxii, wire, peer, store, content, observe, config"
        ]
    );
    assert_eq!(
        broken("content/mod.rs", "use crate::taxii::{message::X, decode};"),
        ["src/content/mod.rs:1: `crate::taxii::decode`: content may name xml, taxii::message"]
    );
    assert_eq!(
        broken("xml/mod.rs", "use super::cli;"),
        ["src/xml/mod.rs:1: `crate::cli`: xml may name nothing of ours but itself"]
    );
    assert_eq!(
        broken("agent/mod.rs", "use crate::{cli::main, poll, push};"),
        ["src/agent/mod.rs:1: `crate::cli::main`: agent may name everything but cli"]
    );
    assert_eq!(broken("push/mod.rs", "use crate::push::x; use super::store; use crate::config::Inbox;"), [""; 0]);
}

#[test]
fn a_door_that_is_broken_is_named_with_its_file_and_line() {
    let broken = |path: &str, text: &str| checked(&[File { path: path.into(), text: text.into() }], door);
    assert_eq!(
        broken("poll/part.rs", "use std::{fs::File, io};"),
        ["src/poll/part.rs:1: `std::fs::File`: only store/disk, wire/body.rs may name std::fs::File"]
    );
    assert_eq!(
        broken("agent/mod.rs", "tokio::fs::read(p)"),
        ["src/agent/mod.rs:1: `tokio::fs::read`: nobody may name tokio::fs"]
    );
    assert_eq!(broken("store/disk/put.rs", "use std::fs::File; use rusqlite::X;"), [""; 0]);
    assert_eq!(broken("store/disk.rs", "use std::fs::File;"), [""; 0]);
    assert_eq!(broken("wire/mod.rs", "#[cfg(test)] mod tests { use std::fs; }"), [""; 0]);
}

/// What `check` says of every path that `files` name outside their tests.
fn checked(files: &[File], check: impl Fn(&File, &Named) -> Option<String>) -> Vec<String> {
    let read: Vec<_> = files.iter().map(|file| (file, source::read(&file.text, &file.module()))).collect();
    let for_tests = |file: &File| {
        read.iter().any(|(parent, (_, tests))| {
            let module = file.module();
            tests.iter().any(|name| module.starts_with(&[&parent.module()[..], &[name.as_str()]].concat()))
        })
    };
    let outside_tests = read.iter().filter(|(file, _)| !for_tests(file));
    outside_tests.flat_map(|(file, (named, _))| named.iter().filter_map(|path| check(file, path))).collect()
}

/// The complaint where a file names another room that it may not.
fn wall(file: &File, path: &Named) -> Option<String> {
    let room = file.module().first()?.to_string();
    let (_, may) = ROOMS.iter().find(|(name, _)| *name == room)?;
    let theirs = path.text().strip_prefix("crate::")?.to_owned();
    let names_a_room = theirs == "*" || ROOMS.iter().any(|(name, _)| path.is_within(&format!("crate::{name}")));
    let open = |prefix: &str| match prefix {
        EVERYTHING => theirs != "*" && !path.is_within("crate::cli"),
        prefix => path.is_within(&format!("crate::{prefix}")),
    };
    let allowed = !names_a_room || open(&room) || may.iter().any(|prefix| open(prefix));
    let list = if may.is_empty() { "nothing of ours but itself".to_owned() } else { may.join(", ") };
    (!allowed).then(|| format!("src/{}:{}: `{}`: {room} may name {list}", file.path, path.line, path.text()))
}

/// The complaint where a file names something outside that is not behind its door.
fn door(file: &File, path: &Named) -> Option<String> {
    let (outside, doors) = DOORS
        .iter()
        .filter(|(outside, _)| path.is_within(outside))
        // `tokio::fs` says more than `tokio`.
        .max_by_key(|(outside, _)| outside.len())?;
    let open = doors.iter().any(|door| {
        let below = file.path.strip_prefix(door);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
    });
    let who = if doors.is_empty() { "nobody".to_owned() } else { format!("only {}", doors.join(", ")) };
    (!open).then(|| format!("src/{}:{}: `{}`: {who} may name {outside}", file.path, path.line, path.text()))
}

fn assert_none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<_> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every `.rs` file below `src/`.
fn files() -> Vec<File> {
    let mut found = Vec::new();
    let mut directories = vec![src()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push(File { path: path.strip_prefix(src()).unwrap().display().to_string(), text });
            }
        }
    }
    assert!(found.len() > 10, "the walls look at the wrong place: {} files below src/", found.len());
    found
}
