//! What is wrong with a drop directory: told when it begins, and kept where `status` and the metrics find it.

use std::sync::{Arc, Mutex, PoisonError};

use super::blocking;
use super::leave::Drops;
use crate::observe::{Told, lines};
use crate::store::StoreError;
use crate::store::ledger::Ledger;

/// Trouble with the directory itself, as [`Told`] has it.
const TROUBLE: &str = "trouble";

/// The trouble of one drop directory.
#[derive(Debug)]
pub(super) struct DropTrouble {
    drop: String,
    ledger: Arc<Ledger>,
    drops: Drops,
    told: Arc<Told>,
    /// What was met in the round that goes on.
    met: Mutex<Option<String>>,
    /// What the ledger holds, once that is known: an earlier life may have left something there.
    noted: Option<Option<String>>,
}

impl DropTrouble {
    pub(super) fn new(drop: &str, ledger: &Arc<Ledger>, drops: &Drops, told: &Arc<Told>) -> DropTrouble {
        let (drop, ledger, drops, told) = (drop.to_owned(), ledger.clone(), drops.clone(), told.clone());
        DropTrouble { drop, ledger, drops, told, met: Mutex::default(), noted: None }
    }

    /// Trouble goes on for a while: one line when it begins.
    pub(super) fn tell(&self, error: &StoreError) {
        if self.told.first(TROUBLE) {
            lines::drop_trouble(&self.drop, error);
        }
        self.note(format!("cannot {error}"));
    }

    /// The same without a line in the log.
    pub(super) fn note(&self, words: String) {
        *self.met.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
    }

    /// A round has ended: what was met in it is how the directory is. It is kept in the ledger for `status`, and in
    /// memory for the metrics: the ledger may be what the trouble is about.
    pub(super) async fn turn(&mut self) {
        if self.told.turn().contains(TROUBLE) {
            lines::drop_works_again(&self.drop);
        }
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.drops.note_trouble(&self.drop, met.clone());
        if self.noted.as_ref() == Some(&met) {
            return;
        }
        let (ledger, drop, words) = (self.ledger.clone(), self.drop.clone(), met.clone());
        let noted = blocking(move || Ok(ledger.note_drop_trouble(&drop, words.as_deref())?)).await;
        self.noted = noted.is_ok().then_some(met);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn trouble_that_cannot_be_written_down_is_known_in_the_process_all_the_same() {
        let state = tempfile::tempdir().unwrap();
        let written = Ledger::open(state.path()).unwrap();
        let (drops, told) = (Drops::default(), Arc::default());
        let ledger = Arc::new(Ledger::open_to_read(state.path()).unwrap().unwrap());
        let mut trouble = DropTrouble::new("d", &ledger, &drops, &told);
        trouble.note("cannot write".to_owned());
        trouble.turn().await;
        assert_eq!(drops.troubles().get("d").map(String::as_str), Some("cannot write"));
        assert_eq!(written.report().unwrap().drops, []);
        trouble.turn().await;
        assert!(drops.troubles().is_empty(), "it works again");
    }

    #[tokio::test]
    async fn trouble_of_an_earlier_life_is_taken_back() {
        let ledger = Arc::new(Ledger::open_temporary().unwrap());
        ledger.note_drop_trouble("d", Some("cannot write")).unwrap();
        DropTrouble::new("d", &ledger, &Drops::default(), &Arc::default()).turn().await;
        assert_eq!(ledger.report().unwrap().drops, []);
    }
}
