//! The secrets that were used, so that no text which repeats one is ever shown.

use std::sync::{Mutex, PoisonError};

/// How many values are remembered: more than one server's settings have, even while they are being rotated.
const REMEMBERED: usize = 64;

/// The values of the secrets read so far.
#[derive(Default)]
pub(super) struct Known(Mutex<Vec<String>>);

impl Known {
    /// Remembers a value. The newest is kept longest.
    pub(super) fn add(&self, value: &str) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if value.is_empty() || values.last().is_some_and(|last| last == value) {
            return;
        }
        values.retain(|known| known != value);
        values.push(value.to_owned());
        if values.len() > REMEMBERED {
            values.remove(0);
        }
    }

    /// `text` with every remembered value replaced, the longest first: one secret may be part of another.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.iter().fold(text.to_owned(), |text, value| text.replace(value, "[secret]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_secret_goes_first() {
        let known = Known::default();
        known.add("abc");
        known.add("abcdef");
        known.add("");
        assert_eq!(known.redact("x abcdef abc y"), "x [secret] [secret] y");
    }

    #[test]
    fn a_rotated_secret_is_still_known_and_the_memory_is_bounded() {
        let known = Known::default();
        for n in 0..REMEMBERED + 10 {
            known.add(&format!("token-{n:03}"));
        }
        assert_eq!(known.redact("token-073 token-072 token-000"), "[secret] [secret] token-000");
    }
}
