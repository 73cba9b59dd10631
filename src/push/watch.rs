//! The bell: something happened in a drop directory. What happened is for the listing to say.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// So many names are remembered as renamed into place; beyond that `settle` decides.
const REMEMBERED: usize = 65_536;

/// A bell for one drop directory, rung by whoever knows that there may be something new.
#[derive(Clone, Debug, Default)]
pub struct Bell {
    ring: Arc<Notify>,
    hurry: Arc<AtomicBool>,
    renamed: Arc<Mutex<HashSet<OsString>>>,
}

impl Bell {
    /// Rings.
    pub fn ring(&self) {
        self.ring.notify_one();
    }

    /// Rings for somebody who shall not wait for what he had chosen to wait for.
    pub fn ring_to_hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
        self.ring();
    }

    /// Whether the last ring was to hurry.
    pub(super) fn take_hurry(&self) -> bool {
        self.hurry.swap(false, Ordering::Relaxed)
    }

    /// Waits for the next ring; one that came before counts.
    pub(super) async fn wait(&self) {
        self.ring.notified().await;
    }

    /// The names that were renamed into place since this was last asked.
    pub(super) fn take_renamed(&self) -> HashSet<OsString> {
        std::mem::take(&mut *self.renamed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_renamed(&self, path: Option<&Path>) {
        let Some(name) = path.and_then(Path::file_name) else { return };
        let mut renamed = self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
        if renamed.len() < REMEMBERED {
            renamed.insert(name.to_owned());
        }
    }

    /// Takes a watcher's event. It must not block: the watcher's thread runs it. What our own work causes (files
    /// that are read, originals that leave) does not ring.
    fn hear(&self, event: &Event) {
        let path = |index: usize| event.paths.get(index).map(|path| path.as_path());
        match event.kind {
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => self.note_renamed(path(0)),
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => self.note_renamed(path(1)),
            EventKind::Modify(ModifyKind::Name(RenameMode::From) | ModifyKind::Data(_) | ModifyKind::Metadata(_))
            | EventKind::Remove(RemoveKind::File) => return,
            EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write) => return,
            _ => {}
        }
        self.ring();
    }
}

/// A watch that lasts as long as this lives.
pub(super) struct Watch {
    _watcher: notify::RecommendedWatcher,
}

impl Watch {
    /// Watches a directory, without what is below it.
    pub(super) fn start(path: &Path, bell: &Bell) -> notify::Result<Watch> {
        let bell = bell.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            Ok(event) => bell.hear(&event),
            // Events were lost, or the watch is: the listing tells.
            Err(_) => bell.ring(),
        })?;
        watcher.watch(path, RecursiveMode::NonRecursive)?;
        Ok(Watch { _watcher: watcher })
    }
}
