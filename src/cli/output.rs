//! What commands print: results to standard output, everything else to standard error.

use std::io::{self, Write};
use std::sync::OnceLock;

use serde_json::Value;

use crate::wire::is_deceptive;

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

    /// Prints a line.
    pub fn line(&self, text: &str) {
        if self.to_error {
            let _ = writeln!(io::stderr(), "{text}");
        } else {
            note(writeln!(io::stdout(), "{text}"));
        }
    }
}

/// Why standard output could not be written.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// A reader that went away (a closed pipe) is no error of ours.
fn note(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Why some of what a command printed is not where it should be; a full disk, say.
pub(super) fn lost() -> Option<&'static io::Error> {
    note(io::stdout().flush());
    LOST.get()
}

/// Prints the one JSON document of a command.
pub(super) fn json(value: &Value) {
    note(writeln!(io::stdout(), "{}", for_a_terminal(&format!("{value:#}"))));
}

/// JSON allows characters in its strings that would do something to a terminal. Outside of strings there are none of them
/// but the ends of lines.
fn for_a_terminal(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        match character {
            '\n' => shown.push(character),
            _ if is_deceptive(character) => {
                let mut units = [0; 2];
                let units = character.encode_utf16(&mut units).iter();
                shown.extend(units.map(|unit| format!("\\u{unit:04x}")));
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// Prints a document as it is.
pub(super) fn bytes(document: &[u8]) {
    note(io::stdout().write_all(document));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_the_same_without_what_a_terminal_would_obey() {
        let value = serde_json::json!({ "a\u{9b}31m": ["x\u{7f}\u{202e}\u{9d}\u{61c}\u{2060}\u{feff}\u{ad}\u{e0041}", "plain é 😀", "\u{1b}[2J\n"] });
        let shown = for_a_terminal(&format!("{value:#}"));
        assert!(shown.chars().all(|c| c == '\n' || !is_deceptive(c)), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }
}
