//! The metrics: what the program writes is what Prometheus reads, and what `docs/` uses is what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A site with a feed and an inbox at a server that is not there, and a file to send.
struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    fn new() -> Site {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().display();
        let outgoing = directory.path().join("outgoing");
        std::fs::create_dir(&outgoing).unwrap();
        let report = r#"<s:STIX_Package xmlns:s="http://stix.mitre.org/stix-1" version="1.2"/>"#;
        std::fs::write(outgoing.join("report.xml"), report).unwrap();
        // Nobody listens on port 1.
        let config = format!(
            r#"
            state_dir = "{root}/state"
            [metrics]
            textfile = "{root}/taxii-sync.prom"
            [servers.hub]
            poll = "http://127.0.0.1:1/poll"
            inbox = "http://127.0.0.1:1/inbox"
            [feeds.indicators]
            server = "hub"
            collection = 'a "quoted" \ collection'
            output = "{root}/indicators"
            [inboxes.partner]
            server = "hub"
            [drops.outgoing]
            path = "{root}/outgoing"
            inboxes = ["partner"]
            settle = "1ms"
            "#
        );
        std::fs::write(directory.path().join("config.toml"), config).unwrap();
        Site { directory }
    }

    fn textfile(&self) -> PathBuf {
        self.directory.path().join("taxii-sync.prom")
    }

    fn agent(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taxii-sync"));
        command.arg("--config").arg(self.directory.path().join("config.toml")).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The metrics, once they are as they should be.
    fn metrics_when(&self, wanted: impl Fn(&Metrics) -> bool) -> Metrics {
        let begun = Instant::now();
        loop {
            let text = std::fs::read_to_string(self.textfile()).unwrap_or_default();
            let metrics = Metrics::read(&text);
            if wanted(&metrics) {
                return metrics;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "after 30 s the metrics were\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A page of metrics: every family with its type, every sample with its labels as written.
#[derive(Debug, Default)]
struct Metrics {
    families: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    /// Reads the text format, strictly: a help and a type line first, then the samples of this family and no other.
    fn read(text: &str) -> Metrics {
        let mut metrics = Metrics::default();
        let mut family = String::new();
        let mut help = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                help = rest.split_once(' ').unwrap().0.to_owned();
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, help, "the help stands before the type");
                family = name.to_owned();
                assert!(metrics.families.insert(family.clone(), kind.to_owned()).is_none(), "{family} comes twice");
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(sample.split('{').next(), Some(family.as_str()), "a sample outside its family: {line}");
                let value = value.parse().unwrap();
                assert!(metrics.samples.insert(sample.to_owned(), value).is_none(), "{sample} comes twice");
            }
        }
        metrics
    }

    fn value(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }
}

#[test]
fn run_once_leaves_the_metrics_of_how_it_ended() {
    let site = Site::new();
    assert_eq!(site.agent(&["run", "--once"]).wait().unwrap().code(), Some(1), "no server was there");
    let text = std::fs::read_to_string(site.textfile()).unwrap();
    let metrics = Metrics::read(&text);
    assert_eq!(metrics.value("taxii_sync_healthy"), Some(0.0));
    assert_eq!(metrics.value("taxii_sync_up"), None, "nobody expects `run --once` to stay");
    assert_eq!(metrics.value(r#"taxii_sync_feed_failures{feed="indicators"}"#), Some(1.0));
    assert_eq!(metrics.value(r#"taxii_sync_feed_files_total{feed="indicators"}"#), Some(0.0));
    assert_eq!(metrics.value(r#"taxii_sync_feed_cursor_timestamp_seconds{feed="indicators"}"#), None);
    assert_eq!(metrics.value(r#"taxii_sync_inbox_pending{drop="outgoing",inbox="partner"}"#), Some(1.0));
    assert_eq!(metrics.value(r#"taxii_sync_inbox_accepted_total{drop="outgoing",inbox="partner"}"#), Some(0.0));
    let labels = r#"{feed="indicators",server="hub",collection="a \"quoted\" \\ collection"}"#;
    assert_eq!(metrics.value(&format!("taxii_sync_feed_info{labels}")), Some(1.0), "{text}");
    for (family, kind) in &metrics.families {
        assert_eq!(family.ends_with("_total"), kind == "counter", "{family} is a {kind}");
    }
    prometheus_accepts(&text);
}

/// Prometheus's own check, where it is installed.
fn prometheus_accepts(text: &str) {
    let started =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = started else {
        println!("skipped: promtool is not installed, the metrics were checked by this test alone");
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_metrics_say_when_the_agent_is_up_and_when_it_has_ended() {
    let site = Site::new();
    let mut agent = site.agent(&["run"]);
    // The first look may come before the first failure; a change of health is written without waiting for its turn.
    let metrics = site.metrics_when(|metrics| metrics.value("taxii_sync_healthy") == Some(0.0));
    assert_eq!(metrics.value("taxii_sync_up"), Some(1.0));
    kill_process(Pid::from_child(&agent), Signal::TERM).unwrap();
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    let metrics = site.metrics_when(|_| true);
    assert_eq!(metrics.value("taxii_sync_up"), Some(0.0));
    let left: Vec<_> =
        std::fs::read_dir(site.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
}

/// The names of our metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("taxii_sync_")).collect()
}

#[test]
fn dashboard_and_alert_rules_use_metrics_that_exist() {
    let site = Site::new();
    site.agent(&["run", "--once"]).wait().unwrap();
    let there = Metrics::read(&std::fs::read_to_string(site.textfile()).unwrap()).families;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for file in ["grafana-dashboard.json", "alerts.yml", "metrics.md"] {
        let text = std::fs::read_to_string(docs.join(file)).unwrap();
        let used = names(&text);
        assert!(used.len() > 5, "{file} uses {used:?}");
        let missing: Vec<_> = used.iter().filter(|name| !there.contains_key(**name)).collect();
        assert!(missing.is_empty(), "{file} uses metrics that are not there: {missing:?}");
        if file == "metrics.md" {
            let untold: Vec<_> = there.keys().filter(|name| !used.contains(name.as_str())).collect();
            assert!(untold.is_empty(), "docs/metrics.md does not mention {untold:?}");
        }
    }
}
