//! One task per feed, drop directory and inbox; schedules, signals, systemd.
//!
//! [`Agent::open`] takes the lock and opens the ledger. Then [`Agent::run`] goes on until a signal ends it, or
//! [`Agent::run_once`] does everything there is to do once.

mod connect;
mod held;
mod left_out;
mod look;
mod memory;
mod once;
mod pulse;
mod run;
mod schedule;
mod service;
mod tasks;
mod unwritten;
mod waiting;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config, Server};
use crate::content::{Finding, Form, Inspector, Options, Sendable};
use crate::observe::Told;
use crate::peer::{Patience, Peer};
use crate::poll::Feed;
use crate::push::{Bell, DropParts, DropWalk, Drops, InboxWalk};
use crate::store::StoreError;
use crate::store::disk::{self, Dir, Lock};
use crate::store::ledger::{self, Ledger};
use crate::store::output::{Manner, Staging};
use crate::taxii::message::Query;

pub use connect::{ConnectError, Loaded, WORKERS, load, peer, secret};
use held::Held;
use left_out::LeftOut;
use memory::LastWords;
pub use once::Summary;
pub use run::ReadConfig;

/// `format_id` of a Default_Query (Default Query 1.0, section 1.1.1).
const DEFAULT_QUERY: &str = "urn:taxii.mitre.org:query:default:1.0";

/// Polls at once, over all servers; each costs some hundreds of KiB while its reply comes in.
const POLLS: usize = 24;

/// No query is longer.
const LONGEST_QUERY: u64 = 1 << 20;

/// The agent cannot start, or a part of it cannot.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The state cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A server cannot be spoken to as it is configured.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// A group is not known to the system.
    #[error("feed `{feed}`: there is no group `{group}`")]
    Group {
        /// The feed.
        feed: String,
        /// The group.
        group: String,
    },
    /// A query cannot be read.
    #[error("feed `{feed}`: query_file: {error}")]
    Query {
        /// The feed.
        feed: String,
        /// What is wrong.
        error: String,
    },
    /// The operating system refuses something every process may do.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl AgentError {
    /// What the operator can do.
    pub fn hint(&self) -> String {
        match self {
            AgentError::Store(error) => error.hint().to_owned(),
            AgentError::Connect(ConnectError::Wire { error, .. }) => error.hint().to_owned(),
            AgentError::Connect(ConnectError::File { .. }) => "check the path and its permissions".to_owned(),
            AgentError::Group { .. } => "create the group, or name another one".to_owned(),
            AgentError::Query { .. } => {
                "it must be a file that the agent may read, with one Default_Query element in it".to_owned()
            }
            AgentError::System { .. } => String::new(),
        }
    }

    /// What happened, and what the operator can do.
    pub fn with_hint(&self) -> String {
        match self.hint().as_str() {
            "" => self.to_string(),
            hint => format!("{self} ({hint})"),
        }
    }
}

/// The agent: what all its tasks share.
#[derive(Debug)]
pub struct Agent {
    ledger: Arc<Ledger>,
    clock: Clock,
    drops: Drops,
    workers: Arc<Semaphore>,
    held: Arc<Held>,
    _lock: Lock,
}

/// Everything that a configuration names, ready to work.
#[derive(Debug, Default)]
struct Parts {
    peers: BTreeMap<String, (Loaded, Arc<Peer>)>,
    bells: BTreeMap<String, Bell>,
    drop_bells: BTreeMap<String, Bell>,
}

impl Parts {
    /// The configuration has checked that every server named in it is there.
    fn peer(&self, server: &str) -> Option<Arc<Peer>> {
        self.peers.get(server).map(|(_, peer)| peer.clone())
    }
}

impl Agent {
    /// Takes the lock of `state_dir` and opens the ledger, making both where they are missing.
    pub fn open(state_dir: &Path, clock: Clock) -> Result<Agent, AgentError> {
        let lock = lock(state_dir)?;
        let ledger = Arc::new(open_ledger(state_dir)?);
        ledger.sweep_under_way().map_err(StoreError::from)?;
        let workers = Arc::new(Semaphore::new(WORKERS));
        let held = Arc::new(Held::of(state_dir)?);
        Ok(Agent { ledger, clock, drops: Drops::default(), workers, held, _lock: lock })
    }

    fn feed(&self, name: &str, settings: &config::Feed, peer: Arc<Peer>) -> Result<Feed, AgentError> {
        let query = query(name, settings)?;
        let group = settings.group.as_deref().map(|group| group_number(name, group)).transpose()?;
        Ok(Feed {
            name: name.to_owned(),
            peer,
            ledger: self.ledger.clone(),
            settings: settings.clone(),
            query,
            manner: Manner { mode: settings.file_mode, group, staging: Staging::Kept },
            clock: self.clock.clone(),
            patience: Patience::default(),
            until: None,
            stop: CancellationToken::new(),
            told: Told::default(),
        })
    }

    fn inbox(
        &self,
        name: &str,
        settings: &config::Inbox,
        parts: &Parts,
        stop: &CancellationToken,
    ) -> Option<InboxWalk> {
        Some(InboxWalk {
            name: name.to_owned(),
            settings: settings.clone(),
            peer: parts.peer(&settings.server)?,
            ledger: self.ledger.clone(),
            drops: self.drops.clone(),
            bell: parts.bells.get(name).cloned().unwrap_or_default(),
            clock: self.clock.clone(),
            stop: stop.clone(),
        })
    }

    fn drop_walk(&self, name: &str, settings: &config::Drop, parts: &Parts, stop: &CancellationToken) -> DropWalk {
        DropWalk::new(DropParts {
            name: name.to_owned(),
            settings: settings.clone(),
            ledger: self.ledger.clone(),
            drops: self.drops.clone(),
            bell: parts.drop_bells.get(name).cloned().unwrap_or_default(),
            inboxes: settings.inboxes.iter().filter_map(|inbox| parts.bells.get(inbox).cloned()).collect(),
            clock: self.clock.clone(),
            stop: stop.clone(),
        })
    }

    /// What a configuration says: peers and bells, of which those of `before` that fit stay, its feeds, and what of it has
    /// to be left out.
    fn prepare(&self, config: &Config, before: Parts) -> (Parts, BTreeMap<String, Feed>, LeftOut) {
        let mut left_out = LeftOut::default();
        let parts = self.parts(config, before, &mut left_out);
        let feeds = self.feeds(config, &parts, &mut left_out, |_| true);
        (parts, feeds, left_out)
    }

    /// Peers and bells for a configuration; those of `before` that fit stay. A server that cannot be spoken to is left
    /// out.
    fn parts(&self, config: &Config, before: Parts, left_out: &mut LeftOut) -> Parts {
        let Parts { mut peers, mut bells, mut drop_bells } = before;
        let mut parts = Parts::default();
        for (name, server) in &config.servers {
            match self.connect(name, server, peers.remove(name)) {
                Ok(peer) => drop(parts.peers.insert(name.clone(), peer)),
                Err(error) => drop(left_out.servers.insert(name.clone(), error.into())),
            }
        }
        for name in config.inboxes.keys() {
            parts.bells.insert(name.clone(), bells.remove(name).unwrap_or_default());
        }
        for name in config.drops.keys() {
            parts.drop_bells.insert(name.clone(), drop_bells.remove(name).unwrap_or_default());
        }
        parts
    }

    /// The peer of a server, which is the one of `before` where nothing about it has changed.
    fn connect(
        &self,
        name: &str,
        server: &Server,
        before: Option<(Loaded, Arc<Peer>)>,
    ) -> Result<(Loaded, Arc<Peer>), ConnectError> {
        let loaded = load(name, server)?;
        if let Some((_, peer)) = before.filter(|(old, _)| *old == loaded) {
            return Ok((loaded, peer));
        }
        let peer = peer(name, &loaded, &self.clock, &self.workers)?;
        Ok((loaded, Arc::new(peer.with_memory(Arc::new(LastWords::new(&self.ledger))))))
    }

    /// The feeds for which `wanted` is true, but for those of a server that is left out, and those that have to be left
    /// out themselves.
    fn feeds(
        &self,
        config: &Config,
        parts: &Parts,
        left_out: &mut LeftOut,
        wanted: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, Feed> {
        let mut feeds = BTreeMap::new();
        for (name, settings) in config.feeds.iter().filter(|(name, _)| wanted(name)) {
            let Some(peer) = parts.peer(&settings.server) else { continue };
            match self.feed(name, settings, peer) {
                Ok(feed) => drop(feeds.insert(name.clone(), feed)),
                Err(error) => drop(left_out.feeds.insert(name.clone(), error)),
            }
        }
        feeds
    }
}

/// The file in `state_dir` that a running agent has locked.
const LOCK: &str = "lock";

/// Takes the lock of `state_dir`, which is made where it is missing: nobody else writes cursors meanwhile.
pub fn lock(state_dir: &Path) -> Result<Lock, StoreError> {
    let dir = Dir::make(state_dir, 0o700)?;
    Lock::take(&dir, LOCK)?.ok_or_else(|| StoreError::Locked(state_dir.to_owned()))
}

/// Whether an agent, or a command that writes cursors, is at work on `state_dir`. Nothing is made for it.
pub fn is_running(state_dir: &Path) -> Result<bool, StoreError> {
    match Dir::open_if_there(state_dir)? {
        Some(dir) => Ok(Lock::is_taken(&dir, LOCK)?),
        None => Ok(false),
    }
}

/// Opens the ledger for writing, and makes it where it is missing: only the agent's own user may read it.
pub fn open_ledger(state_dir: &Path) -> Result<Ledger, StoreError> {
    let dir = Dir::make(state_dir, 0o700)?;
    // SQLite would leave the mode to the umask.
    if dir.stat(ledger::FILE_NAME)?.is_none() {
        dir.create(ledger::FILE_NAME, 0o600)?;
    }
    Ok(Ledger::open(state_dir)?)
}

/// Reads the query of a feed, where it has one: the root element of the file, which stands alone.
pub fn query(feed: &str, settings: &config::Feed) -> Result<Option<Query>, AgentError> {
    settings.query_file.as_deref().map(|path| read_query(feed, path)).transpose()
}

fn read_query(feed: &str, path: &Path) -> Result<Query, AgentError> {
    let failed = |error: String| AgentError::Query { feed: feed.to_owned(), error };
    let bytes = disk::read_small(path, LONGEST_QUERY).map_err(|error| failed(format!("cannot {error}")))?;
    let mut inspector = Inspector::new(Options { content_binding: Some(DEFAULT_QUERY.to_owned()) });
    inspector.feed(&bytes);
    let form = match inspector.finish() {
        Finding::Sendable(Sendable { form: form @ (Form::Verbatim { .. } | Form::Transcoded { .. }), .. }) => form,
        Finding::Sendable(_) => return Err(failed(format!("{} is not XML", path.display()))),
        Finding::Refused(refusal) => return Err(failed(format!("{}: {refusal}", path.display()))),
    };
    let mut root = form.writer(Vec::new());
    let written = root.write_all(&bytes).and_then(|()| root.finish()).map_err(|error| failed(error.to_string()))?;
    let xml = String::from_utf8(written).map_err(|error| failed(error.to_string()))?;
    Ok(Query { format_id: DEFAULT_QUERY.to_owned(), xml })
}

/// The number of a group, for a feed.
pub fn group_number(feed: &str, group: &str) -> Result<u32, AgentError> {
    match nix::unistd::Group::from_name(group) {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        Ok(None) => Err(AgentError::Group { feed: feed.to_owned(), group: group.to_owned() }),
        Err(error) => Err(AgentError::System { what: "look up a group", source: error.into() }),
    }
}
