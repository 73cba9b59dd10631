//! The ledger as the memory of peers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::observe::lines;
use crate::peer::{Memory, Word};
use crate::store::ledger::{LastWord, Ledger};

/// Keeps in the ledger what a server said about itself.
#[derive(Debug)]
pub(super) struct LastWords {
    ledger: Arc<Ledger>,
    /// It could not be kept the last time, which was said.
    failed: AtomicBool,
}

impl LastWords {
    pub(super) fn new(ledger: &Arc<Ledger>) -> LastWords {
        LastWords { ledger: ledger.clone(), failed: AtomicBool::new(false) }
    }

    /// Whether it is news that it could not be kept.
    fn is_news(&self, failed: bool) -> bool {
        self.failed.swap(failed, Ordering::Relaxed) != failed && failed
    }
}

impl Memory for LastWords {
    fn keep(&self, server: &str, word: &Word) {
        let Word { asked, base, message, at } = word.clone();
        let kept = self.ledger.keep_last_word(server, &asked, &LastWord { base, message, at });
        let is_news = self.is_news(kept.is_err());
        if let Err(error) = kept
            && is_news
        {
            lines::last_word_not_kept(server, &error.into());
        }
    }

    fn recall(&self, server: &str, asked: &str) -> Option<Word> {
        let LastWord { base, message, at } = self.ledger.last_word(server, asked).ok()??;
        Some(Word { asked: asked.to_owned(), base, message, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_cannot_be_kept_is_told_once_and_again_after_it_could_be() {
        let words = LastWords::new(&Arc::new(Ledger::open_temporary().unwrap()));
        let news = [true, true, false, true].map(|failed| words.is_news(failed));
        assert_eq!(news, [true, false, false, true]);
    }
}
