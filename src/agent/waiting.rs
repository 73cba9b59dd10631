//! What waits and is nobody's business any more: files of a drop directory, or for an inbox, that the configuration no
//! longer names.

use tokio::task::spawn_blocking;

use super::Agent;
use crate::config::Config;
use crate::observe::lines;
use crate::store::StoreError;
use crate::store::disk::show;
use crate::store::ledger::{Unnamed, Waiting};

/// What waits.
#[derive(Debug, Default)]
pub(super) struct LeftBehind {
    /// Below drop directories that are not configured.
    directories: Vec<Waiting>,
    /// For inboxes that are not configured, in drop directories that are.
    inboxes: Vec<Unnamed>,
}

impl LeftBehind {
    /// One line in the log for each.
    pub(super) fn tell(&self) {
        for one in &self.directories {
            lines::files_left_behind(&one.directory, one.files, &place(one));
        }
        for one in &self.inboxes {
            lines::files_for_nobody(&one.directory, &one.inbox, one.files);
        }
    }

    /// What it is about, what is the matter, and what can be done.
    pub(super) fn words(&self) -> Vec<(String, String, String)> {
        let directories = self.directories.iter().map(|one| {
            (
                format!("drop directory `{}`", one.directory),
                format!("it is no longer in the configuration, and {} still in {}", files_wait(one.files), place(one)),
                "put the drop directory back, under any name, to have them sent".to_owned(),
            )
        });
        let inboxes = self.inboxes.iter().map(|one| {
            (
                format!("drop directory `{}`", one.directory),
                format!("{} for inbox `{}`, which is no longer in the configuration", files_wait(one.files), one.inbox),
                "put the inbox back to have them sent; else they expire after `give_up`".to_owned(),
            )
        });
        directories.chain(inboxes).collect()
    }
}

fn files_wait(files: u64) -> String {
    if files == 1 { "1 file waits".to_owned() } else { format!("{files} files wait") }
}

fn place(one: &Waiting) -> String {
    one.path.as_ref().map_or_else(|| "its sending/".to_owned(), |path| show(path.join("sending")))
}

impl Agent {
    /// What a configuration leaves behind. Trouble with the ledger is told by those who work with it.
    pub(super) async fn left_behind(&self, config: &Config) -> LeftBehind {
        let (ledger, drops, config) = (self.ledger.clone(), self.drops.clone(), config.clone());
        let found = spawn_blocking(move || -> Result<LeftBehind, StoreError> {
            let configured = |drop: &str| config.drops.contains_key(drop);
            let mut directories = ledger.waiting()?;
            directories.retain(|one| !configured(&one.directory) && !drops.is_open(one.id));
            let mut inboxes = ledger.owed_to_unnamed(&|inbox| config.inboxes.contains_key(inbox))?;
            inboxes.retain(|one| configured(&one.directory));
            Ok(LeftBehind { directories, inboxes })
        });
        found.await.ok().and_then(Result::ok).unwrap_or_default()
    }
}
