//! A small world for one test: a scratch directory, a practice server, a configuration, and the real binary.
//!
//! A test looks at nothing but what users see: files, receipts, exit codes, `status --json`, and what the server saw.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use taxii_sync::practice::{Act, BlockSpec, Options, Practice, Seen, Service};
use taxii_sync::taxii::message::{Body, PollFulfillment, PollRequest};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// The binding of blocks where a test does not care.
pub(crate) const STIX: &str = "urn:stix.mitre.org:xml:1.2";

const BINARY: &str = env!("CARGO_BIN_EXE_taxii-sync");

/// How long a test waits for something that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A scratch directory, a practice server and a configuration that names it `hub`.
pub(crate) struct World {
    pub(crate) practice: Practice,
    runtime: Runtime,
    dir: TempDir,
    server: String,
    /// The services are found by discovery.
    discovered: bool,
    sections: String,
}

/// What a run of the binary came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stderr: String,
    pub(crate) stdout: String,
}

impl Ran {
    fn of(output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), stderr: text(&output.stderr), stdout: text(&output.stdout) }
    }

    /// It ended with this code; what it said is the explanation where it did not.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32) -> &Ran {
        assert_eq!(self.code, code, "standard error was:\n{}", self.stderr);
        self
    }

    /// It said this on standard error.
    #[track_caller]
    pub(crate) fn said(&self, words: &str) -> &Ran {
        assert!(self.stderr.contains(words), "nothing about `{words}` in:\n{}", self.stderr);
        self
    }
}

impl World {
    pub(crate) fn new() -> World {
        World::with(|_| {})
    }

    /// A world whose server is set up in its own way.
    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> World {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut options = Options::new(Arc::new(Utc::now));
        change(&mut options);
        let practice = runtime.block_on(Practice::start(options)).unwrap();
        let dir = TempDir::new().unwrap();
        World { practice, runtime, dir, server: String::new(), discovered: false, sections: String::new() }
    }

    /// A world whose server's clock is off by this much.
    pub(crate) fn off_by(skew: TimeDelta) -> World {
        World::with(|options| options.clock = Arc::new(move || Utc::now() + skew))
    }

    /// Further keys of the server.
    pub(crate) fn server(mut self, keys: &str) -> World {
        self.server = keys.to_owned();
        self
    }

    /// No address but that of the Discovery Service is configured.
    pub(crate) fn discovered(mut self) -> World {
        self.discovered = true;
        self
    }

    /// The feed `indicators` with further keys, or other values for the usual ones.
    pub(crate) fn feed(self, keys: &str) -> World {
        self.feed_named("indicators", keys)
    }

    pub(crate) fn feed_named(mut self, name: &str, keys: &str) -> World {
        let output = quoted(&self.output(name));
        let usual = [("server", "\"hub\""), ("collection", "\"default\""), ("output", &output), ("start", "\"1h\"")];
        self.sections += &section(&format!("feeds.{name}"), &usual, keys);
        self
    }

    /// The inbox `partner`.
    pub(crate) fn inbox(self, keys: &str) -> World {
        self.inbox_named("partner", keys)
    }

    pub(crate) fn inbox_named(mut self, name: &str, keys: &str) -> World {
        self.sections += &section(&format!("inboxes.{name}"), &[("server", "\"hub\"")], keys);
        self
    }

    /// The drop directory `outgoing`, for the inbox `partner`.
    pub(crate) fn drop_directory(mut self, keys: &str) -> World {
        let path = quoted(&self.outgoing());
        self.sections += &section("drops.outgoing", &[("path", &path), ("inboxes", "[\"partner\"]")], keys);
        fs::create_dir_all(self.outgoing()).unwrap();
        self
    }

    /// Any other section.
    pub(crate) fn section(mut self, text: &str) -> World {
        self.sections += text;
        self
    }

    /// Forgets the feeds, inboxes and drop directories: the next ones are another configuration of the same state.
    pub(crate) fn reconfigured(mut self) -> World {
        self.sections.clear();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn output(&self, feed: &str) -> PathBuf {
        self.path(&format!("out-{feed}"))
    }

    pub(crate) fn outgoing(&self) -> PathBuf {
        self.path("outgoing")
    }

    /// Writes the configuration; every run does it.
    pub(crate) fn write_config(&self) -> PathBuf {
        let path = self.path("config.toml");
        let pinned: &[&str] = if self.discovered { &["discovery"] } else { &["poll", "inbox"] };
        let urls = pinned.iter().map(|service| (*service, format!("\"{}\"", self.practice.url(service))));
        let urls: Vec<(&str, String)> = urls.collect();
        let usual: Vec<_> = urls.iter().map(|(service, url)| (*service, url.as_str())).collect();
        let state = quoted(&self.path("state"));
        let text = format!("state_dir = {state}\n{}{}", section("servers.hub", &usual, &self.server), self.sections);
        fs::write(&path, text).unwrap();
        path
    }

    /// The binary with this configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.arg("--config").arg(self.write_config()).args(arguments).stdin(Stdio::null());
        command.env_remove("TAXII_SYNC_CONFIG").env_remove("NOTIFY_SOCKET");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_once(&self) -> Ran {
        self.run(&["run", "--once"])
    }

    /// Starts `run`; it is killed when the test ends before it does.
    pub(crate) fn start(&self) -> Agent {
        self.start_with(|_| {})
    }

    pub(crate) fn start_with(&self, change: impl FnOnce(&mut Command)) -> Agent {
        let log = self.path("log");
        let mut command = self.command(&["run"]);
        command.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        change(&mut command);
        Agent { child: command.spawn().unwrap(), log }
    }

    pub(crate) fn status(&self) -> Value {
        let ran = self.run(&["status", "--json"]);
        ran.ended(0);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// The status of the feed `indicators`.
    pub(crate) fn feed_status(&self) -> Value {
        self.status()["feeds"]["indicators"].clone()
    }

    /// The status of the inbox `partner` for the drop directory `outgoing`.
    pub(crate) fn inbox_status(&self) -> Value {
        self.status()["drops"]["outgoing"]["inboxes"]["partner"].clone()
    }

    pub(crate) fn cursor(&self) -> Option<DateTime<Utc>> {
        self.feed_status()["cursor"].as_str().map(time)
    }

    pub(crate) fn add(&self, label: DateTime<Utc>, markup: &str) {
        self.add_to("default", label, markup);
    }

    pub(crate) fn add_to(&self, collection: &str, label: DateTime<Utc>, markup: &str) {
        self.add_bound(collection, label, STIX, markup);
    }

    pub(crate) fn add_bound(&self, collection: &str, label: DateTime<Utc>, binding: &str, markup: &str) {
        let block = BlockSpec { label: Some(label), ..BlockSpec::new(binding, markup.to_owned()) };
        assert!(self.practice.add_block(collection, block));
    }

    /// Puts `count` blocks `<n>0</n>`, `<n>1</n>` … into the collection `default`, a second apart, from half an hour
    /// ago on.
    pub(crate) fn add_numbered(&self, count: i64) {
        for number in 0..count {
            self.add(minutes_ago(30) + TimeDelta::seconds(number), &numbered(number));
        }
    }

    pub(crate) fn script(&self, service: Service, acts: Vec<Act>) {
        self.practice.script(service, acts);
    }

    /// Waits until the requests satisfy a condition.
    #[track_caller]
    pub(crate) fn until_seen(&self, condition: impl Fn(&[Seen]) -> bool) {
        assert!(self.runtime.block_on(self.practice.until(PATIENCE, condition)), "the requests never came");
    }

    pub(crate) fn polls(&self) -> Vec<PollRequest> {
        let polls = self.practice.requests().into_iter().filter_map(|seen| seen.message);
        polls.filter_map(|message| if let Body::PollRequest(poll) = message.body { Some(poll) } else { None }).collect()
    }

    pub(crate) fn fulfilments(&self) -> Vec<PollFulfillment> {
        let all = self.practice.requests().into_iter().filter_map(|seen| seen.message);
        all.filter_map(|message| if let Body::PollFulfillment(one) = message.body { Some(one) } else { None }).collect()
    }

    /// The requests to the Inbox Services.
    pub(crate) fn pushes(&self) -> Vec<Seen> {
        self.practice.requests().into_iter().filter(|seen| seen.service == Some(Service::Inbox)).collect()
    }

    /// The names of the content files of the feed `indicators`, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        contents_of(&self.output("indicators"))
    }

    /// The bytes of the content files, in the order of their names.
    pub(crate) fn texts(&self) -> Vec<String> {
        let read = |name: &String| fs::read(self.output("indicators").join(name)).unwrap();
        self.files().iter().map(|name| String::from_utf8_lossy(&read(name)).into_owned()).collect()
    }

    /// The one content file.
    #[track_caller]
    pub(crate) fn the_file(&self) -> (String, Vec<u8>) {
        let files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        let bytes = fs::read(self.output("indicators").join(&files[0])).unwrap();
        (files[0].clone(), bytes)
    }

    /// The metadata of a content file.
    pub(crate) fn metadata(&self, name: &str) -> Value {
        json(&self.output("indicators").join(format!("{name}.meta.json")))
    }

    /// The names in `.quarantine/`.
    pub(crate) fn quarantine(&self) -> Vec<String> {
        names(&self.output("indicators").join(".quarantine"))
    }

    /// Drops a file as it was an hour ago: settled.
    pub(crate) fn drop_file(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.outgoing().join(name);
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        path
    }

    /// Drops a file by renaming it into place.
    pub(crate) fn rename_into_place(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let temporary = self.path(&format!("{name}.being-written"));
        fs::write(&temporary, bytes).unwrap();
        fs::rename(temporary, self.outgoing().join(name)).unwrap();
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        contents_of(&self.outgoing().join("sent"))
    }

    pub(crate) fn failed(&self) -> Vec<String> {
        contents_of(&self.outgoing().join("failed"))
    }

    /// The receipt of a file in `sent` or `failed`.
    pub(crate) fn receipt(&self, end: &str, name: &str) -> Value {
        json(&self.outgoing().join(end).join(format!("{name}.receipt.json")))
    }

    /// The names left in the drop directory itself.
    pub(crate) fn left_over(&self) -> Vec<String> {
        names(&self.outgoing()).into_iter().filter(|name| !["sending", "sent", "failed"].contains(&&**name)).collect()
    }
}

/// A running agent.
pub(crate) struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until it has ended by itself; gives its exit code and how long that took.
    #[track_caller]
    pub(crate) fn end(&mut self) -> (Option<i32>, Duration) {
        let since = Instant::now();
        let mut code = None;
        eventually(|| {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        (code.unwrap().code(), since.elapsed())
    }

    #[track_caller]
    pub(crate) fn terminate(&mut self) {
        self.signal(Signal::TERM);
        let (code, took) = self.end();
        assert_eq!(code, Some(0), "{}", self.log());
        assert!(took < Duration::from_secs(20), "{took:?}");
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn until_said(&self, words: &str) {
        let since = Instant::now();
        while !self.log().contains(words) {
            assert!(since.elapsed() < PATIENCE, "nothing about `{words}` in:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually(mut so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < PATIENCE, "it did not happen within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a case for each of these, all at the same time: most of them wait most of the time.
pub(crate) fn for_each<T: Send>(cases: impl IntoIterator<Item = T>, case: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        let case = &case;
        let running: Vec<_> = cases.into_iter().map(|one| scope.spawn(move || case(one))).collect();
        for one in running {
            if let Err(panic) = one.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// All names in a directory, in order; none where it is missing.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let shown = |name: std::ffi::OsString| name.as_bytes().escape_ascii().to_string();
    let mut names: Vec<String> = entries.map(|entry| shown(entry.unwrap().file_name())).collect();
    names.sort();
    names
}

/// The names in a directory that are neither hidden nor metadata nor receipts.
pub(crate) fn contents_of(dir: &Path) -> Vec<String> {
    let about = [".meta.json", ".receipt.json"];
    let is_content = |name: &String| !name.starts_with('.') && !about.iter().any(|end| name.ends_with(end));
    names(dir).into_iter().filter(is_content).collect()
}

pub(crate) fn json(path: &Path) -> Value {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub(crate) fn minutes_ago(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp((Utc::now() - TimeDelta::minutes(minutes)).timestamp(), 0).unwrap()
}

pub(crate) fn numbered(number: i64) -> String {
    format!("<n>{number}</n>")
}

/// The contents that [`World::add_numbered`] puts into the collection.
pub(crate) fn all_numbered(count: i64) -> Vec<String> {
    (0..count).map(numbered).collect()
}

fn quoted(path: &Path) -> String {
    toml::Value::from(path.display().to_string()).to_string()
}

/// A section with its usual keys, where it does not have its own values for them.
fn section(head: &str, usual: &[(&str, &str)], keys: &str) -> String {
    let mut text = format!("[{head}]\n{keys}\n");
    let has =
        |key: &str| keys.lines().any(|line| line.trim_start().split_once([' ', '=']).is_some_and(|it| it.0 == key));
    for (key, value) in usual.iter().filter(|(key, _)| !has(key)) {
        text += &format!("{key} = {value}\n");
    }
    text
}
