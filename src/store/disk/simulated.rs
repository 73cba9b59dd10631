//! A disk in memory that can lose its power: what is not synced may be there afterwards, or not, or in part.
//!
//! Two models of what a crash leaves of the names (RELIABILITY 5.1): *ordered* keeps a prefix of the changes, as a
//! journal does, and any sync keeps all of them; *unordered* keeps any subset, and only what a sync was asked for. The
//! bytes of a file that was not synced are the old ones, nothing, a beginning, zeros, or all of them.

mod others;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use rustix::io::Errno;

use super::stat::{Kind, Stat};

type Result<T, E = Errno> = std::result::Result<T, E>;
type Inode = usize;

/// Paths below this lead to the simulated disk of the thread, where there is one.
pub(crate) const MOUNTED: &str = "/simulated";

thread_local! {
    static DISK: RefCell<Option<Simulated>> = const { RefCell::new(None) };
}

/// What the disk does wrong, or what the code above it would do wrong: each has to be caught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Syncing a file does nothing.
    pub(crate) no_file_sync: bool,
    /// Syncing a directory does nothing.
    pub(crate) no_directory_sync: bool,
    /// An error reads as "not there".
    pub(crate) errors_read_as_absent: bool,
}

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Simulated(Arc<Mutex<State>>);

impl std::fmt::Debug for Simulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Simulated")
    }
}

/// An open file or directory.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    disk: Simulated,
    inode: Inode,
    at: Arc<AtomicUsize>,
}

/// Somebody else who works on the same disk between two steps of ours.
type Others = Box<dyn FnMut(&mut State) + Send>;

pub(crate) struct State {
    nodes: Vec<Content>,
    /// The names that a crash cannot take back.
    durable: Vec<BTreeMap<OsString, Inode>>,
    changes: Vec<Change>,
    ordered: bool,
    faults: Faults,
    rng: Rng,
    clock: i64,
    /// Steps until the process dies.
    fuel: u64,
    dead: bool,
    /// One in so many steps fails; 0: none.
    errors: u32,
    pub(crate) steps: u64,
    others: Option<Others>,
}

#[derive(Debug)]
struct Content {
    kind: Kind,
    names: BTreeMap<OsString, Inode>,
    bytes: Vec<u8>,
    durable: Vec<u8>,
    synced: bool,
    /// A sync failed: what was written until then is gone, and nobody is told again (fault F06).
    lost: bool,
    modified: i64,
    mode: u32,
}

/// A change of names that is not durable yet.
#[derive(Debug)]
struct Change {
    inode: Inode,
    from: Option<(Inode, OsString)>,
    to: Option<(Inode, OsString)>,
    /// Directories whose sync it waits for.
    waits_for: Vec<Inode>,
}

impl Content {
    fn new(kind: Kind, modified: i64) -> Content {
        let (bytes, durable) = (Vec::new(), Vec::new());
        Content { kind, names: BTreeMap::new(), bytes, durable, synced: false, lost: false, modified, mode: 0o600 }
    }
}

impl Simulated {
    /// An empty disk, mounted for this thread.
    pub(crate) fn mount(seed: u64, ordered: bool, faults: Faults) -> Simulated {
        let state = State {
            nodes: vec![Content::new(Kind::Directory, 0)],
            durable: vec![BTreeMap::new()],
            changes: Vec::new(),
            ordered,
            faults,
            rng: Rng::with_seed(seed),
            clock: 1_000_000_000,
            fuel: u64::MAX,
            dead: false,
            errors: 0,
            steps: 0,
            others: None,
        };
        let disk = Simulated(Arc::new(Mutex::new(state)));
        DISK.set(Some(disk.clone()));
        disk
    }

    pub(super) fn of(path: &Path) -> Option<Simulated> {
        if path.starts_with(MOUNTED) { DISK.with_borrow(Clone::clone) } else { None }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of the process; fails where it dies, or where the disk does not want to.
    pub(crate) fn step(&self) -> Result<()> {
        let mut state = self.state();
        // Others hold the disk while they are at it, and their own steps do not count.
        if let Some(mut others) = state.others.take() {
            others(&mut state);
            state.others = Some(others);
        }
        state.step()
    }

    /// From the next life on: it dies after so many steps, and one in `errors` steps fails.
    pub(crate) fn live(&self, fuel: u64, errors: u32) {
        let mut state = self.state();
        (state.fuel, state.errors, state.dead) = (fuel, errors, false);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Who else works here.
    pub(crate) fn share_with(&self, others: impl FnMut(&mut State) + Send + 'static) {
        self.state().others = Some(Box::new(others));
    }

    pub(super) fn open(&self, path: &Path) -> Result<Node> {
        self.step()?;
        let inode = self.state().find(path)?;
        Ok(self.node(inode))
    }

    fn node(&self, inode: Inode) -> Node {
        Node { disk: self.clone(), inode, at: Arc::default() }
    }
}

impl State {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        self.clock += 1_000;
        if self.fuel == 0 {
            self.dead = true;
        }
        if self.dead {
            return Err(self.read_as(Errno::IO));
        }
        self.fuel -= 1;
        if self.errors > 0 && self.rng.u32(..self.errors) == 0 {
            let error = [Errno::IO, Errno::NOSPC, Errno::MFILE, Errno::ACCESS, Errno::DQUOT][self.rng.usize(..5)];
            return Err(self.read_as(error));
        }
        Ok(())
    }

    fn read_as(&self, error: Errno) -> Errno {
        if self.faults.errors_read_as_absent { Errno::NOENT } else { error }
    }

    fn find(&self, path: &Path) -> Result<Inode> {
        let below = path.strip_prefix(MOUNTED).map_err(|_| Errno::NOENT)?;
        below.components().try_fold(0, |inode, component| match component {
            Component::Normal(name) => self.nodes[inode].names.get(name).copied().ok_or(Errno::NOENT),
            _ => Ok(inode),
        })
    }

    fn stat(&self, inode: Inode) -> Stat {
        let node = &self.nodes[inode];
        Stat {
            device: 1,
            inode: inode as u64,
            size: node.bytes.len() as u64,
            modified: node.modified,
            changed: node.modified,
            mode: node.mode,
            links: 1,
            kind: node.kind,
        }
    }

    fn child(&self, dir: Inode, name: &OsStr) -> Result<Inode> {
        if name == "." { Ok(dir) } else { self.nodes[dir].names.get(name).copied().ok_or(Errno::NOENT) }
    }

    fn make(&mut self, dir: Inode, name: &OsStr, kind: Kind) -> Result<Inode> {
        if self.nodes[dir].names.contains_key(name) {
            return Err(Errno::EXIST);
        }
        let inode = self.nodes.len();
        self.nodes.push(Content::new(kind, self.clock));
        self.durable.push(BTreeMap::new());
        self.change(inode, None, Some((dir, name.to_owned())));
        Ok(inode)
    }

    fn change(&mut self, inode: Inode, from: Option<(Inode, OsString)>, to: Option<(Inode, OsString)>) {
        let mut waits_for: Vec<Inode> = from.iter().chain(&to).map(|(dir, _)| *dir).collect();
        waits_for.dedup();
        let change = Change { inode, from, to, waits_for };
        apply(&change, &mut |dir, work| work(&mut self.nodes[dir].names));
        self.changes.push(change);
    }

    fn settle(&mut self, settled: impl Fn(&Change) -> bool) {
        let durable = &mut self.durable;
        self.changes.retain(|change| {
            let done = settled(change);
            if done {
                apply(change, &mut |dir, work| work(&mut durable[dir]));
            }
            !done
        });
    }

    fn sync_names(&mut self, dir: Inode) {
        if self.ordered {
            return self.settle(|_| true);
        }
        self.changes.iter_mut().for_each(|change| change.waits_for.retain(|other| *other != dir));
        // A change is durable no earlier than those before it that were made to the same file.
        let all = std::mem::take(&mut self.changes);
        let durable = |index: usize| {
            let inode = all[index].inode;
            all[index..].iter().any(|later| later.inode == inode && later.waits_for.is_empty())
        };
        let kept: Vec<bool> = (0..all.len()).map(|index| !durable(index)).collect();
        for (change, keep) in all.into_iter().zip(kept) {
            if keep {
                self.changes.push(change);
            } else {
                apply(&change, &mut |dir, work| work(&mut self.durable[dir]));
            }
        }
    }

    fn sync_bytes(&mut self, inode: Inode) {
        let node = &mut self.nodes[inode];
        if !node.lost {
            node.durable.clone_from(&node.bytes);
        }
        node.synced = true;
        if self.ordered {
            self.settle(|_| true);
        }
    }

    /// The process has died; with `power` off as well, the disk comes back with what was durable and some of the rest.
    pub(crate) fn crash(&mut self, power: bool) {
        if !power {
            return;
        }
        let changes = std::mem::take(&mut self.changes);
        let prefix = self.rng.usize(..=changes.len());
        let odds = [0.0, 0.2, 0.5, 0.8, 1.0][self.rng.usize(..5)];
        for (index, change) in changes.iter().enumerate() {
            if if self.ordered { index < prefix } else { self.rng.f64() < odds } {
                apply(change, &mut |dir, work| work(&mut self.durable[dir]));
            }
        }
        for (node, names) in self.nodes.iter_mut().zip(&self.durable) {
            node.names.clone_from(names);
            if node.kind == Kind::File && (!node.synced || node.lost) {
                node.bytes = match self.rng.u32(..5) {
                    0 => node.durable.clone(),
                    1 => Vec::new(),
                    2 => node.bytes[..self.rng.usize(..=node.bytes.len())].to_vec(),
                    3 => vec![0; node.bytes.len()],
                    _ if node.lost => node.durable.clone(),
                    _ => std::mem::take(&mut node.bytes),
                };
            }
            node.durable.clone_from(&node.bytes);
            (node.synced, node.lost) = (true, false);
        }
    }
}

/// Works on the names of a directory.
type Names<'a> = &'a mut dyn FnMut(Inode, &mut dyn FnMut(&mut BTreeMap<OsString, Inode>));

fn apply(change: &Change, names: Names<'_>) {
    if let Some((dir, name)) = &change.from {
        names(*dir, &mut |names| {
            if names.get(name) == Some(&change.inode) {
                names.remove(name);
            }
        });
    }
    if let Some((dir, name)) = &change.to {
        names(*dir, &mut |names| {
            names.insert(name.clone(), change.inode);
        });
    }
}

impl Node {
    fn begin(&self) -> Result<MutexGuard<'_, State>> {
        self.disk.step()?;
        Ok(self.disk.state())
    }

    pub(super) fn stat(&self) -> Result<Stat> {
        Ok(self.begin()?.stat(self.inode))
    }

    pub(super) fn stat_of(&self, name: &OsStr) -> Result<Stat> {
        let state = self.begin()?;
        Ok(state.stat(state.child(self.inode, name)?))
    }

    pub(super) fn open_dir(&self, name: &OsStr) -> Result<Node> {
        let state = self.begin()?;
        let inode = state.child(self.inode, name)?;
        if state.nodes[inode].kind == Kind::Directory { Ok(self.disk.node(inode)) } else { Err(Errno::NOTDIR) }
    }

    pub(super) fn open_file(&self, name: &OsStr) -> Result<Node> {
        let inode = self.begin()?.child(self.inode, name)?;
        Ok(self.disk.node(inode))
    }

    pub(super) fn make_dir(&self, name: &OsStr) -> Result<()> {
        self.begin()?.make(self.inode, name, Kind::Directory).map(drop)
    }

    pub(super) fn create(&self, name: &OsStr) -> Result<Node> {
        let inode = self.begin()?.make(self.inode, name, Kind::File)?;
        Ok(self.disk.node(inode))
    }

    pub(super) fn rename(&self, from: &OsStr, to: &Node, new: &OsStr, replace: bool) -> Result<()> {
        let mut state = self.begin()?;
        let inode = state.child(self.inode, from)?;
        if let Some(old) = state.nodes[to.inode].names.get(new).copied() {
            if !replace {
                return Err(Errno::EXIST);
            }
            state.change(old, Some((to.inode, new.to_owned())), None);
        }
        state.change(inode, Some((self.inode, from.to_owned())), Some((to.inode, new.to_owned())));
        Ok(())
    }

    pub(super) fn unlink(&self, name: &OsStr) -> Result<()> {
        let mut state = self.begin()?;
        let inode = state.child(self.inode, name)?;
        state.change(inode, Some((self.inode, name.to_owned())), None);
        Ok(())
    }

    pub(super) fn set_time(&self, name: &OsStr, modified: Option<i64>) -> Result<()> {
        let mut state = self.begin()?;
        let inode = state.child(self.inode, name)?;
        state.nodes[inode].modified = modified.unwrap_or(state.clock);
        Ok(())
    }

    pub(super) fn set_mode(&self, name: &OsStr, mode: u32) -> Result<()> {
        let mut state = self.begin()?;
        let inode = state.child(self.inode, name)?;
        state.nodes[inode].mode = mode;
        Ok(())
    }

    pub(super) fn list(&self) -> Result<Vec<OsString>> {
        Ok(self.begin()?.nodes[self.inode].names.keys().cloned().collect())
    }

    pub(super) fn sync(&self) -> Result<()> {
        let result = self.disk.step();
        let mut state = self.disk.state();
        let file = state.nodes[self.inode].kind == Kind::File;
        match result {
            Ok(()) if file && !state.faults.no_file_sync => state.sync_bytes(self.inode),
            Ok(()) if !file && !state.faults.no_directory_sync => state.sync_names(self.inode),
            Err(_) if file && !state.dead => state.nodes[self.inode].lost = true,
            _ => {}
        }
        result
    }

    pub(super) fn sync_file_system(&self) -> Result<()> {
        let result = self.disk.step();
        let mut state = self.disk.state();
        let Faults { no_file_sync, no_directory_sync, .. } = state.faults;
        for inode in 0..state.nodes.len() {
            match result {
                Ok(()) if state.nodes[inode].kind == Kind::File && !no_file_sync && !state.nodes[inode].synced => {
                    state.sync_bytes(inode);
                }
                Err(_) if !state.dead && !state.nodes[inode].synced => state.nodes[inode].lost = true,
                _ => {}
            }
        }
        if result.is_ok() && !no_directory_sync {
            state.settle(|_| true);
        }
        result
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize> {
        let mut state = self.begin()?;
        let clock = state.clock;
        let node = &mut state.nodes[self.inode];
        node.bytes.extend_from_slice(bytes);
        (node.synced, node.modified) = (false, clock);
        Ok(bytes.len())
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        let state = self.begin()?;
        let at = self.at.load(Ordering::Relaxed);
        let rest = state.nodes[self.inode].bytes.get(at..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at.store(at + count, Ordering::Relaxed);
        Ok(count)
    }

    /// A simulated file is not sent over a real socket.
    pub(super) fn as_file(&self) -> Arc<std::fs::File> {
        unreachable!("a simulated file has no descriptor")
    }
}
