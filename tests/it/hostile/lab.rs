//! One agent and one practice server: what a hostile world is let loose on, and what has to hold whatever it does.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use chrono::Utc;
use serde_json::Value;
use taxii_sync::practice::{Options, Practice};
use tokio::runtime::Runtime;

/// What the agent must never show. Its characters are those that XML, percent-encoding and JSON write otherwise.
pub(super) const SECRET: &str = "hunter2&<Zw\u{f6}lf>/+\"x";
/// A document that is sent as it is.
pub(super) const STIX: &str =
    "<s:STIX_Package xmlns:s=\"http://stix.mitre.org/stix-1\" version=\"1.2\"><s:Indicators/></s:STIX_Package>";
/// The name that goes with it; it is no secret.
pub(super) const USER: &str = "sensor";
/// SURFACE, section 4: whatever a server sends and whatever is dropped.
pub(super) const MOST_MEMORY: u64 = 64 << 20;
/// What may be left on the disk by a hostile server: the ledger and its log, mostly.
pub(super) const MOST_DISK: u64 = 24 << 20;

/// The runtime of all practice servers.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// A practice server with one collection, one inbox and this machine's time.
pub(super) fn options() -> Options {
    Options::new(Arc::new(Utc::now))
}

/// Starts a practice server.
pub(super) fn practice(options: Options) -> Practice {
    runtime().block_on(Practice::start(options)).unwrap()
}

/// A directory with a configuration in it.
pub(super) struct Lab {
    directory: tempfile::TempDir,
    pub(super) practice: Practice,
    /// The lines of `[servers.hub]`.
    pub(super) server: String,
    /// More lines of `[feeds.feed]`; without a feed this is `None`.
    pub(super) feed: Option<String>,
    /// More lines of `[drops.drop]`; without a drop directory this is `None`.
    pub(super) drop: Option<String>,
    /// More environment.
    pub(super) environment: Vec<(String, String)>,
    /// What no output may hold, besides the secret.
    pub(super) secrets: Vec<String>,
}

/// How a run of the binary ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) out: String,
    pub(super) err: String,
    pub(super) peak: u64,
    pub(super) wall: Duration,
}

impl Ended {
    pub(super) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// What the agent itself says, in the end.
    pub(super) fn complaint(&self) -> String {
        let complaints = self.err.lines().skip_while(|line| !line.starts_with("taxii-sync: "));
        complaints.collect::<Vec<_>>().join("\n")
    }
}

impl Lab {
    /// A feed at an open server that is not honest any more when it is told so.
    pub(super) fn feed() -> Lab {
        let lab = Lab::with(options());
        Lab { feed: Some(String::new()), ..lab }
    }

    /// A drop directory at an open server.
    pub(super) fn drop() -> Lab {
        let lab = Lab::with(options());
        Lab { drop: Some(String::new()), ..lab }
    }

    /// Neither; for the tests that say themselves what there is.
    pub(super) fn with(options: Options) -> Lab {
        let directory = tempfile::tempdir().unwrap();
        let practice = practice(options);
        std::fs::write(directory.path().join("password"), SECRET).unwrap();
        std::fs::create_dir(directory.path().join("drop")).unwrap();
        let password = directory.path().join("password");
        let auth = format!(
            "auth = {{ type = \"basic\", username = \"{USER}\", password_file = {password:?} }}\n\
             connect_timeout = \"20s\"\nidle_timeout = \"30s\"\ntotal_timeout = \"90s\"\nmax_response = \"8MiB\"\n\
             max_content_block = \"1MiB\"\n"
        );
        let addresses = ["poll", "inbox"].map(|name| format!("{name} = {:?}\n", practice.url(name))).concat();
        Lab {
            directory,
            practice,
            server: auth + &addresses,
            feed: None,
            drop: None,
            environment: Vec::new(),
            secrets: Vec::new(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(super) fn dropped(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path("drop").join(name)
    }

    /// The configuration as it is now.
    pub(super) fn config(&self) -> String {
        let root = self.root().display();
        let mut text =
            format!("state_dir = \"{root}/state\"\n[log]\nlevel = \"trace\"\n[servers.hub]\n{}", self.server);
        if let Some(feed) = &self.feed {
            let or = |key: &str, line: &'static str| if feed.contains(key) { "" } else { line };
            let (start, room) = (or("start =", "start = \"2s\"\n"), or("min_free =", "min_free = \"1MiB\"\n"));
            text += &format!(
                "[feeds.feed]\nserver = \"hub\"\ncollection = \"default\"\noutput = \"{root}/output\"\nlag = \"0s\"\n{start}{room}{feed}"
            );
        }
        if let Some(drop) = &self.drop {
            let settle = if drop.contains("settle =") { "" } else { "settle = \"50ms\"\n" };
            text += &format!(
                "[inboxes.inbox]\nserver = \"hub\"\n[drops.drop]\npath = \"{root}/drop\"\ninboxes = [\"inbox\"]\n\
                 {settle}{drop}"
            );
        }
        text
    }

    /// The binary, with the configuration as it is now.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        std::fs::write(self.path("config.toml"), self.config()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_taxii-sync"));
        command.arg("--config").arg(self.path("config.toml")).args(arguments).current_dir(self.root());
        command.env_clear().envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Shorter time-outs, for a server that makes use of them; the others are long enough for a busy machine.
    pub(super) fn hurry(&mut self) {
        self.server =
            self.server.replace("\"20s\"", "\"2s\"").replace("\"30s\"", "\"1s\"").replace("\"90s\"", "\"3s\"");
    }

    /// Runs the binary to its end, two minutes at most.
    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        watch(self.command(arguments).spawn().unwrap(), Duration::from_secs(120))
    }

    /// `run --once`, and all that has to hold whatever the world did.
    pub(super) fn run_once(&self) -> Ended {
        let ended = self.run(&["run", "--once"]);
        self.holds(&ended);
        ended
    }

    /// Nothing is too large, nothing tells a secret, nothing shows what it should not.
    pub(super) fn holds(&self, ended: &Ended) {
        let Ended { peak, err, .. } = ended;
        assert!(*peak < MOST_MEMORY, "the agent took {} KiB of memory:\n{err}", peak / 1024);
        let kept = self.kept_bytes();
        assert!(kept < MOST_DISK, "{kept} bytes are on the disk");
        let (status, json) = (self.run(&["status"]), self.run(&["status", "--json"]));
        let check = self.run(&["check"]);
        for (what, text) in [
            ("standard error", &ended.err),
            ("standard output", &ended.out),
            ("status", &status.out),
            ("status --json", &json.out),
            ("check", &check.out),
            ("what check says", &check.err),
        ] {
            self.is_fit_to_be_shown(what, text);
        }
        for file in self.files() {
            let name = file.file_name().unwrap();
            let Some(text) = name.to_str() else { continue };
            if text.ends_with(".json") && !file.starts_with(self.path("drop").join("sending")) {
                let bytes = std::fs::read(&file).unwrap();
                self.has_no_secret(text, &String::from_utf8_lossy(&bytes));
                assert!(!bytes.contains(&0x1b), "an escape sequence in {}", file.display());
            }
        }
    }

    /// No terminal escape, no line of somebody else's, no secret in any form.
    pub(super) fn is_fit_to_be_shown(&self, what: &str, text: &str) {
        for (number, line) in text.lines().enumerate() {
            let strange = |c: char| {
                c.is_control()
                    || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!line.contains(strange), "{what}, line {}: {line:?}", number + 1);
            assert!(!line.starts_with("FORGED"), "a line of {what} was written by the server: {line:?}");
            assert!(line.len() < 16 << 10, "a line of {what} has {} bytes", line.len());
        }
        self.has_no_secret(what, text);
    }

    pub(super) fn has_no_secret(&self, what: &str, text: &str) {
        let secrets = std::iter::once(SECRET).chain(self.secrets.iter().map(String::as_str));
        for form in secrets.flat_map(forms) {
            assert!(!text.contains(&form), "{what} tells the secret as {form}:\n{text}");
        }
    }

    pub(super) fn status(&self) -> Value {
        let ended = self.run(&["status", "--json"]);
        assert_eq!(ended.code(), 0, "{}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }

    pub(super) fn cursor(&self) -> Value {
        self.status()["feeds"]["feed"]["cursor"].clone()
    }

    /// The content files that were handed over.
    pub(super) fn handed_over(&self) -> Vec<PathBuf> {
        let mut files = list(&self.path("output"));
        files.retain(|path| path.is_file() && !path.to_string_lossy().ends_with(".meta.json"));
        files
    }

    pub(super) fn quarantined(&self) -> Vec<PathBuf> {
        list(&self.path("output/.quarantine"))
    }

    /// Nothing was handed over, nothing lies about, and the feed stands where it stood.
    pub(super) fn nothing_came(&self) {
        assert_eq!(self.handed_over(), Vec::<PathBuf>::new());
        assert_eq!(self.quarantined(), Vec::<PathBuf>::new());
        assert_eq!(self.cursor(), Value::Null);
    }

    /// Everything below the directory; links are not followed.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut open) = (Vec::new(), vec![self.root().to_owned()]);
        while let Some(directory) = open.pop() {
            for path in list(&directory) {
                let kind = path.symlink_metadata().unwrap().file_type();
                if kind.is_dir() {
                    open.push(path);
                } else if kind.is_file() {
                    files.push(path);
                }
            }
        }
        files
    }

    /// What the agent keeps: all but what was dropped.
    fn kept_bytes(&self) -> u64 {
        let ours = |path: &PathBuf| path.starts_with(self.path("output")) || path.starts_with(self.path("state"));
        self.files().iter().filter(|path| ours(path)).map(|path| path.metadata().map_or(0, |found| found.len())).sum()
    }
}

/// What is in a directory, sorted; nothing where there is none.
pub(super) fn list(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    paths
}

/// The forms in which a secret may be repeated by a server, or be in a header.
pub(super) fn forms(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned(), STANDARD.encode(secret), URL_SAFE.encode(secret).replace('=', "")];
    forms.push(STANDARD.encode(format!("{USER}:{secret}")));
    forms.push(secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    forms.push(secret.replace('&', "&#38;").replace('<', "&#x3C;").replace('"', "&quot;"));
    forms.push(url::form_urlencoded::byte_serialize(secret.as_bytes()).collect());
    forms.push(percent(secret));
    forms.push(secret.bytes().map(|byte| format!("%{byte:02x}")).collect());
    forms.push(secret.escape_debug().to_string());
    forms.push(serde_json::to_string(secret).unwrap().trim_matches('"').to_owned());
    forms
}

/// Everything but letters and digits percent-encoded.
pub(super) fn percent(text: &str) -> String {
    let encode =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// Waits for a process, and looks at its memory while it runs.
pub(super) fn watch(mut child: Child, longest: Duration) -> Ended {
    let begun = Instant::now();
    let (out, err) = (reader(child.stdout.take().unwrap()), reader(child.stderr.take().unwrap()));
    let file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        peak = peak.max(high_water(&file).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > longest {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it still ran after {longest:?}:\n{}\n{}", out.join().unwrap(), err.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ended { status, out: out.join().unwrap(), err: err.join().unwrap(), peak, wall: begun.elapsed() }
}

/// The most resident memory of the agent so far, in bytes. A process that is over has none; one that has not begun to be
/// the agent still shows what this process has.
pub(super) fn high_water(status_file: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status_file).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("Name:")? != "taxii-sync" {
        return None;
    }
    Some(field("VmHWM:")?.trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8(bytes).expect("what the agent says is UTF-8")
    })
}

/// Does the same with many things, a few at once, for most of a test here is waiting; fails after all of them.
pub(super) fn each<T: Send>(things: Vec<T>, work: impl Fn(T) + Sync) {
    let (queue, work) = (Mutex::new(things.into_iter()), AssertUnwindSafe(work));
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let work = &work;
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(thing) = next else { return };
                    if catch_unwind(AssertUnwindSafe(|| work(thing))).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner(), 0, "some of them failed, see above");
}
