//! `demo`: a push and a poll, told as a story.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

use super::output::{Say, counted};
use super::{End, LONGEST, Result, Trouble, runtime};
use crate::agent::{Agent, Summary};
use crate::clock::Clock;
use crate::config::{Config, Log, LogFormat};
use crate::observe;
use crate::practice::samples::{SAMPLES, Sample};
use crate::practice::{BlockSpec, CollectionSpec, Options, Practice};
use crate::store::StoreError;
use crate::store::disk::{Dir, Kind, Renamed, read_small, real, show};

/// The configuration that the agent gets.
const CONFIG: &str = "config.toml";

/// The collection that is pushed to.
const PARTNER: &str = "from-our-sensors";

/// The collection that is polled, and the directory that its content goes to.
const INDICATORS: &str = "indicators";

/// Where the agent keeps what it knows.
const STATE: &str = "state";

/// The drop directory.
const OUTGOING: &str = "outgoing";

/// HTTP tells the server's time in whole seconds; a label of the present second is not asked for yet.
const A_SECOND: Duration = Duration::from_millis(1200);

/// Samples that lie in the collection from the beginning; the others are dropped.
const PUBLISHED: usize = 4;

/// Shows a push and a poll, and leaves the files in `dir`.
pub(super) fn demo(dir: &Path) -> Result<End> {
    // What is worth a warning belongs to the story; the rest would drown it.
    observe::start_log(&Log { level: "warn".to_owned(), format: LogFormat::Text }).map_err(Trouble::wrong)?;
    Dir::make(dir, 0o755).map_err(StoreError::from)?;
    // Whatever way it was named: the next demo knows the configuration by the paths in it.
    runtime()?.block_on(story(&real(dir)))
}

async fn story(dir: &Path) -> Result<End> {
    let say = Say::new(false);
    let (published, dropped) = SAMPLES.split_at(PUBLISHED);
    let (heard, places) = (Heard::default(), Places::below(dir));
    let practice = start(&heard).await?;
    refuse_what_is_not_ours(dir, &practice.url("discovery"), &places)?;
    let now = Clock::system().now().to_rfc3339();
    say.line("1. A practice TAXII 1.1 server starts inside this process.");
    say.line(&format!("   It listens on {} and is gone when the demo ends.", practice.url("discovery")));
    say.line(&format!("   Its collection `{INDICATORS}` holds {} content blocks of sample STIX.", published.len()));
    for sample in published {
        practice.add_block(INDICATORS, BlockSpec::new(sample.binding, fresh(sample.markup(), &now)));
    }

    let config = configuration(&practice.url("discovery"), &places);
    say.line("");
    say.line("2. The agent gets a configuration like one of yours:");
    put(dir, CONFIG, config.as_bytes())?;
    say.line(&format!("   {}", dir.join(CONFIG).display()));

    say.line("");
    say.line("3. Somebody drops files:");
    for sample in dropped {
        drop_file(&places.outgoing, sample, &now)?;
        say.line(&format!("   {}", places.outgoing.join(sample.name).display()));
    }

    tokio::time::sleep(A_SECOND).await;
    heard.forget();
    say.line("");
    say.line("4. The agent runs once: it pushes what was dropped and polls the collection.");
    let config = Config::parse(&config, CONFIG).map_err(|mistakes| Trouble::failed(mistakes.to_string(), ""))?.config;
    let agent = Agent::open(&config.state_dir, Clock::system())?;
    let summary = agent.run_once(&config).await?;
    for event in heard.all() {
        say.line(&format!("   the server: {event}"));
    }

    tell_push(&say, &practice, &places, dropped)?;
    tell_poll(&say, &places)?;
    tell_end(&say, dir, &summary);
    practice.stop().await;
    Ok(if summary.is_good() { End::Good } else { End::Failed })
}

fn tell_push(say: &Say, practice: &Practice, places: &Places, dropped: &[Sample]) -> Result<()> {
    let stored = practice.stored(PARTNER).len();
    say.line("");
    say.line(&format!("5. Pushed: the server's collection `{PARTNER}` now holds {stored} content blocks."));
    say.line("   Each file moved to sent/, with a receipt that says what the server answered:");
    for name in listed(&places.outgoing.join("sent"))? {
        say.line(&format!("   {}", places.outgoing.join("sent").join(name).display()));
    }
    if stored < dropped.len() {
        return Err(Trouble::failed(
            "the practice server did not get what was dropped",
            "this is a bug: please report it",
        ));
    }
    Ok(())
}

fn tell_poll(say: &Say, places: &Places) -> Result<()> {
    say.line("");
    say.line("6. Polled: every content block is a file of its own, complete under a name that never changes,");
    say.line("   with its metadata beside it:");
    for name in listed(&places.indicators)? {
        say.line(&format!("   {}", places.indicators.join(name).display()));
    }
    Ok(())
}

fn tell_end(say: &Say, dir: &Path, summary: &Summary) {
    say.line("");
    say.line(&format!(
        "7. {} pushed, {} up to date. What is polled is written once; what is dropped is sent until the server has it.",
        counted(summary.delivered, "file"),
        counted(summary.feeds, "feed")
    ));
    say.line(&format!("   Look around below {}, and ask:", dir.display()));
    say.line(&format!("   taxii-sync --config {} status", dir.join(CONFIG).display()));
}

/// Where the demo's files are.
struct Places {
    state: PathBuf,
    outgoing: PathBuf,
    indicators: PathBuf,
}

impl Places {
    fn below(dir: &Path) -> Places {
        Places { state: dir.join(STATE), outgoing: dir.join(OUTGOING), indicators: dir.join(INDICATORS) }
    }
}

/// Refuses a directory that somebody uses for something else: a configuration would be lost, and files that lie there be
/// taken for the demo's. Where an earlier demo was, this one goes on.
fn refuse_what_is_not_ours(dir: &Path, discovery: &str, places: &Places) -> Result<()> {
    let opened = Dir::open(dir).map_err(StoreError::from)?;
    let there = |name: &str| opened.stat(name).map_err(StoreError::from);
    if there(CONFIG)?.is_some_and(|stat| stat.kind == Kind::File) {
        let bytes = read_small(&dir.join(CONFIG), LONGEST).map_err(StoreError::from)?;
        if is_ours(&String::from_utf8_lossy(&bytes), discovery, places) {
            return Ok(());
        }
    }
    for name in [CONFIG, STATE, OUTGOING, INDICATORS] {
        if there(name)?.is_some() {
            return Err(Trouble::failed(
                format!(
                    "{} is there already and is not what the demo leaves: nothing was changed",
                    show(dir.join(name))
                ),
                "name a directory that is empty or not there yet with --dir",
            ));
        }
    }
    Ok(())
}

/// Whether a configuration is that of an earlier demo here. Its server listened on another port.
fn is_ours(text: &str, discovery: &str, places: &Places) -> bool {
    let theirs = text.lines().find_map(|line| line.strip_prefix("discovery = \"")?.strip_suffix('"'));
    theirs
        .is_some_and(|theirs| without_port(theirs) == without_port(discovery) && text == configuration(theirs, places))
}

fn without_port(url: &str) -> Option<Url> {
    let mut url = Url::parse(url).ok()?;
    url.set_port(None).ok()?;
    Some(url)
}

/// A sample as no demo before had it: what the agent knows already it neither sends nor hands over again.
fn fresh(sample: &str, now: &str) -> String {
    let (before, end) = sample.rsplit_once("</").unwrap_or((sample, ""));
    format!("{before}  <!-- taxii-sync demo, {now} -->\n</{end}")
}

/// What the server tells, in order.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

async fn start(heard: &Heard) -> Result<Practice> {
    let (clock, events) = (Clock::system(), heard.0.clone());
    let mut options = Options::new(Arc::new(move || clock.now()));
    options.collections = vec![CollectionSpec::feed(INDICATORS), CollectionSpec::feed(PARTNER)];
    // Two blocks a part: so small that a result of several parts can be watched.
    options.max_result_size = 2;
    options.observer = Some(Arc::new(move |event: &str| {
        events.lock().unwrap_or_else(PoisonError::into_inner).push(event.to_owned());
    }));
    Practice::start(options)
        .await
        .map_err(|error| Trouble::failed(format!("cannot start the practice server: {error}"), ""))
}

fn configuration(discovery: &str, places: &Places) -> String {
    let quoted = |path: &Path| toml::Value::from(path.display().to_string()).to_string();
    format!(
        r#"# What `taxii-sync demo` ran with. Its practice server is gone; put a real one here.
state_dir = {state}

[servers.practice]
discovery = "{discovery}"

[feeds.indicators]
server = "practice"
collection = "{INDICATORS}"
output = {indicators}
start = "1h"
lag = "0s"

[inboxes.partner]
server = "practice"
collections = ["{PARTNER}"]

[drops.outgoing]
path = {outgoing}
inboxes = ["partner"]
"#,
        state = quoted(&places.state),
        indicators = quoted(&places.indicators),
        outgoing = quoted(&places.outgoing),
    )
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let dir = Dir::open(dir).map_err(StoreError::from)?;
    Ok(dir.put(name, bytes, 0o644).map_err(StoreError::from)?)
}

/// As a careful producer does it: written under a temporary name, then renamed into place.
fn drop_file(outgoing: &Path, sample: &Sample, now: &str) -> Result<()> {
    let dropped = || -> Result<Renamed, StoreError> {
        let dir = Dir::make(outgoing, 0o755)?;
        let temporary = format!("{}.tmp", sample.name);
        dir.remove(&temporary)?;
        dir.create(&temporary, 0o644)?.write(fresh(sample.xml, now).as_bytes())?;
        Ok(dir.rename(&temporary, &dir, sample.name)?)
    };
    dropped()?;
    Ok(())
}

fn listed(dir: &Path) -> Result<Vec<String>> {
    let names = || -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for name in Dir::open(dir)?.list()? {
            names.push(name?.to_string_lossy().into_owned());
        }
        Ok(names)
    };
    let mut names = names()?;
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}
