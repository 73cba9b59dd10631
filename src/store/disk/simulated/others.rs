//! What producers and readers do on the simulated disk: durable at once.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use fastrand::Rng;

use super::{Kind, MOUNTED, State};

impl State {
    /// The names in a directory, for others.
    pub(crate) fn names(&self, path: &str) -> Vec<OsString> {
        let path = Path::new(MOUNTED).join(path);
        self.find(&path).map(|dir| self.nodes[dir].names.keys().cloned().collect()).unwrap_or_default()
    }

    /// A file's bytes, for others; `None`: it is not there, or no file.
    pub(crate) fn bytes(&self, path: &str) -> Option<&[u8]> {
        let inode = self.find(&Path::new(MOUNTED).join(path)).ok()?;
        (self.nodes[inode].kind == Kind::File).then(|| self.nodes[inode].bytes.as_slice())
    }

    /// Somebody else takes a file away, for good: they sync what they did.
    pub(crate) fn take(&mut self, dir: &str, name: &OsStr) {
        let Ok(dir) = self.find(&Path::new(MOUNTED).join(dir)) else { return };
        let Some(inode) = self.nodes[dir].names.get(name).copied() else { return };
        self.change(inode, Some((dir, name.to_owned())), None);
        self.settle(|change| change.inode == inode);
    }

    /// Somebody else leaves a file, durable, under a name that may be taken already.
    pub(crate) fn leave(&mut self, dir: &str, name: &str, bytes: &[u8]) {
        let Ok(dir) = self.find(&Path::new(MOUNTED).join(dir)) else { return };
        let name = OsStr::new(name);
        if let Some(old) = self.nodes[dir].names.get(name).copied() {
            self.change(old, Some((dir, name.to_owned())), None);
            self.settle(|change| change.inode == old);
        }
        if let Ok(inode) = self.make(dir, name, Kind::File) {
            self.nodes[inode].bytes = bytes.to_vec();
            self.sync_bytes(inode);
            self.settle(|change| change.inode == inode);
        }
    }

    /// Somebody else makes a directory, durable.
    pub(crate) fn make_dir(&mut self, name: &str) {
        if self.make(0, OsStr::new(name), Kind::Directory).is_ok() {
            self.settle(|_| true);
        }
    }

    /// A random number generator of the same seed, for others.
    pub(crate) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }
}
