//! The ledger as the memory of peers.

use std::sync::Arc;

use crate::observe::lines;
use crate::peer::{Memory, Word};
use crate::store::ledger::{LastWord, Ledger};

/// Keeps in the ledger what servers said about themselves.
#[derive(Debug)]
pub(super) struct LastWords(pub(super) Arc<Ledger>);

impl Memory for LastWords {
    fn keep(&self, server: &str, word: &Word) {
        let Word { asked, base, message, at } = word.clone();
        if let Err(error) = self.0.keep_last_word(server, &asked, &LastWord { base, message, at }) {
            lines::last_word_not_kept(server, &error.into());
        }
    }

    fn recall(&self, server: &str, asked: &str) -> Option<Word> {
        let LastWord { base, message, at } = self.0.last_word(server, asked).ok()??;
        Some(Word { asked: asked.to_owned(), base, message, at })
    }
}
