//! The commands: the real binary against a practice server in this process.

mod arguments;
mod asking;
mod checking;
mod cursors;
mod demo;
mod documents;
mod exchanges;
mod habits;
mod polling;
mod pushing;
mod retrying;
mod secure;
mod subscribing;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use taxii_sync::practice::samples::SAMPLES;
use taxii_sync::practice::{BlockSpec, Options, Practice};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scratch directory with a configuration, a practice server, and the binary.
struct Bench {
    practice: Practice,
    dir: TempDir,
    runtime: Runtime,
}

/// What a run of the binary came to.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(|_| {})
    }

    /// A bench whose server is set up in its own way.
    fn with(change: impl FnOnce(&mut Options)) -> Bench {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut options = Options::new(Arc::new(Utc::now));
        change(&mut options);
        let practice = runtime.block_on(Practice::start(options)).unwrap();
        let bench = Bench { practice, dir: TempDir::new().unwrap(), runtime };
        bench.configure("", "");
        bench
    }

    /// Writes a configuration with the server `hub`, the feed `indicators`, the inbox `partner` and the drop directory
    /// `outgoing`; further keys of the feed, and further sections.
    fn configure(&self, feed: &str, more: &str) {
        let text = format!(
            "state_dir = {state:?}\n[log]\nlevel = \"warn\"\n[servers.hub]\ndiscovery = {discovery:?}\n\
             [feeds.indicators]\nserver = \"hub\"\ncollection = \"default\"\noutput = {output:?}\nstart = \"1h\"\nlag = \"0s\"\n{feed}\n\
             [inboxes.partner]\nserver = \"hub\"\n\
             [drops.outgoing]\npath = {drop:?}\ninboxes = [\"partner\"]\n{more}\n",
            state = self.path("state"),
            discovery = self.practice.url("discovery"),
            output = self.path("output"),
            drop = self.path("outgoing"),
        );
        std::fs::write(self.path("config.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file below the bench.
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The names in a directory that are not hidden, in order.
    fn listed(&self, name: &str) -> Vec<String> {
        names(&self.path(name)).into_iter().filter(|name| !name.starts_with('.')).collect()
    }

    /// Puts samples into a collection, as of a few seconds ago: a server tells its time in whole seconds, and what
    /// comes in the present one is not asked for yet.
    fn publish(&self, collection: &str, count: usize) {
        for (sample, seconds) in SAMPLES.iter().take(count).zip(5..) {
            let label = Some(Utc::now() - TimeDelta::seconds(seconds));
            let block = BlockSpec { label, ..BlockSpec::new(sample.binding, sample.markup()) };
            assert!(self.practice.add_block(collection, block));
        }
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taxii-sync"));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env_remove("TAXII_SYNC_CONFIG").env_remove("NOTIFY_SOCKET");
        command
    }

    /// Runs the binary without any configuration.
    fn bare<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs the binary with the configuration.
    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        let mut all = vec!["--config".into(), self.path("config.toml").into_os_string()];
        all.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self.bare(all)
    }

    /// Starts the agent, and waits until it works.
    fn agent(&self) -> Agent {
        let mut command = self.command(["run", "--config", "config.toml"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let agent = Agent(child);
        let lock = self.path("state");
        until("the agent holds the lock", || taxii_sync::agent::lock(&lock).is_err());
        agent
    }

    /// How many messages of this kind the server got.
    fn asked(&self, kind: &str) -> usize {
        self.practice.requests().iter().filter(|seen| seen.kind() == kind).count()
    }
}

impl Ran {
    /// It ended with this code.
    #[track_caller]
    fn ended(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        self
    }

    /// It says this to standard error.
    #[track_caller]
    fn complained(self, words: &str) -> Ran {
        assert!(self.err.contains(words), "nothing of `{words}` in:\n{}", self.err);
        self
    }

    /// It says this to standard output.
    #[track_caller]
    fn said(self, words: &str) -> Ran {
        assert!(self.out.contains(words), "nothing of `{words}` in:\n{}", self.out);
        self
    }

    /// Its one JSON document, and nothing else on standard output.
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in:\n{}", self.out))
    }
}

/// A running agent; it is killed when this is dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn names(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
