//! What commands print: results to standard output, everything else to standard error.

use std::io::{self, Write};

use serde_json::Value;

/// Where a command's words for people go: standard output, or standard error where standard output is for JSON.
#[derive(Clone, Copy, Debug)]
pub struct Say {
    to_error: bool,
}

impl Say {
    /// Words for people.
    pub fn new(json: bool) -> Say {
        Say { to_error: json }
    }

    /// Prints a line. A reader that went away (a closed pipe) is no error of ours.
    pub fn line(&self, text: &str) {
        let _ = if self.to_error { writeln!(io::stderr(), "{text}") } else { writeln!(io::stdout(), "{text}") };
    }
}

/// Prints the one JSON document of a command.
pub(super) fn json(value: &Value) {
    let _ = writeln!(io::stdout(), "{value:#}");
}

/// Prints a document as it is.
pub(super) fn bytes(document: &[u8]) {
    let mut out = io::stdout();
    let _ = out.write_all(document).and_then(|()| out.flush());
}

/// So many of something: `1 file`, `2 files`.
pub(super) fn counted(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

/// Says what went wrong and what to do about it.
pub(super) fn complain(words: &str, hint: &str) {
    let _ = writeln!(io::stderr(), "taxii-sync: {words}");
    if !hint.is_empty() {
        let _ = writeln!(io::stderr(), "  {hint}");
    }
}
