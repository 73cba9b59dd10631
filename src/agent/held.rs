//! Whether what the agent has open below `state_dir` is what others find there: a file that was removed is written to
//! as before, and nobody will ever read it.

use std::path::{Path, PathBuf};

use super::LOCK;
use crate::store::StoreError;
use crate::store::disk::Dir;
use crate::store::ledger;

/// The directory and the files, as they were at the start. They are held open meanwhile, so that no other file gets
/// their inodes.
#[derive(Debug)]
pub(super) struct Held {
    dir: Dir,
    /// Each with its device and inode.
    files: Vec<(&'static str, u64, u64)>,
}

impl Held {
    /// What is there now: the lock is taken and the ledger open.
    pub(super) fn of(state_dir: &Path) -> Result<Held, StoreError> {
        let dir = Dir::open(state_dir)?;
        let mut files = Vec::new();
        for name in [LOCK, ledger::FILE_NAME] {
            files.extend(dir.stat(name)?.map(|stat| (name, stat.device, stat.inode)));
        }
        Ok(Held { dir, files })
    }

    /// What of it was removed or replaced. What cannot be looked at just now may be there all the same.
    pub(super) fn lost(&self) -> Option<PathBuf> {
        if self.dir.in_place().is_ok_and(|in_place| !in_place) {
            return Some(self.dir.path().to_owned());
        }
        let lost = self.files.iter().find(|(name, device, inode)| {
            let found = self.dir.stat(name);
            found.is_ok_and(|found| found.is_none_or(|stat| (stat.device, stat.inode) != (*device, *inode)))
        });
        lost.map(|(name, ..)| self.dir.path().join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_or_replaced_is_named() {
        let site = tempfile::tempdir().unwrap();
        let state = site.path().join("state");
        let held = || {
            let _ = std::fs::remove_dir_all(&state);
            std::fs::create_dir(&state).unwrap();
            for name in ["lock", "ledger.db"] {
                std::fs::write(state.join(name), "").unwrap();
            }
            Held::of(&state).unwrap()
        };
        for name in ["lock", "ledger.db"] {
            let held = held();
            assert_eq!(held.lost(), None);
            let before = std::fs::File::open(state.join(name)).unwrap();
            std::fs::remove_file(state.join(name)).unwrap();
            assert_eq!(held.lost(), Some(state.join(name)));
            std::fs::write(state.join(name), "").unwrap();
            assert_eq!(held.lost(), Some(state.join(name)), "another file of that name");
            drop(before);
        }
        let held = held();
        std::fs::rename(&state, site.path().join("away")).unwrap();
        assert_eq!(held.lost(), Some(state.clone()));
        std::fs::rename(site.path().join("away"), &state).unwrap();
        assert_eq!(held.lost(), None);
    }
}
