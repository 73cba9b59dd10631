//! The commands, a file each, and what people see on a terminal.

mod address;
mod apart;
mod args;
mod check;
mod collections;
mod confine;
mod cursor;
mod demo;
mod discover;
mod documents;
mod examples;
mod exchanges;
mod output;
mod poll;
mod progress;
mod push;
mod retry;
mod run;
mod services;
mod status;
mod subscription;
mod target;
mod times;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::agent::AgentError;
use crate::config::{Config, Loaded};
use crate::observe;
use crate::store::StoreError;
use crate::store::disk;
use crate::store::ledger::LedgerError;

use args::{Arguments, Command};
pub use output::Say;

/// No configuration is longer.
const LONGEST: u64 = 1 << 20;

/// How a command ended: the exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of it worked.
    Good,
    /// Something failed, and was said.
    Failed,
    /// The command line or the configuration is wrong.
    Wrong,
}

impl From<End> for ExitCode {
    fn from(end: End) -> ExitCode {
        ExitCode::from(match end {
            End::Good => 0,
            End::Failed => 1,
            End::Wrong => 2,
        })
    }
}

/// A command that could not do its work.
#[derive(Debug)]
pub struct Trouble {
    words: String,
    hint: String,
    end: End,
}

impl Trouble {
    /// Something failed.
    pub fn failed(words: impl Into<String>, hint: impl Into<String>) -> Trouble {
        Trouble { words: words.into(), hint: hint.into(), end: End::Failed }
    }

    /// The command line or the configuration is wrong.
    pub fn wrong(words: impl Into<String>) -> Trouble {
        Trouble { words: words.into(), hint: String::new(), end: End::Wrong }
    }
}

impl From<AgentError> for Trouble {
    fn from(error: AgentError) -> Trouble {
        let words = match &error {
            AgentError::Store(_) | AgentError::System { .. } => format!("cannot {error}"),
            // These begin with the table of the configuration.
            AgentError::Connect(_) | AgentError::Group { .. } | AgentError::Query { .. } => error.to_string(),
        };
        Trouble::failed(words, error.hint())
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::failed(format!("cannot {error}"), error.hint())
    }
}

impl From<LedgerError> for Trouble {
    fn from(error: LedgerError) -> Trouble {
        Trouble::failed(format!("cannot {error}"), error.hint())
    }
}

/// What a command gives.
pub type Result<T, E = Trouble> = std::result::Result<T, E>;

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = address::without_secrets(error);
            // Help and version go to standard output and are no error; clap knows which is which. A reader that went
            // away is none either.
            let _ = error.print();
            return if error.use_stderr() { End::Wrong.into() } else { End::Good.into() };
        }
    };
    let as_json = arguments.command.is_for_machines();
    let end = dispatch(arguments).unwrap_or_else(|trouble| {
        // Who asked for a document gets one, whatever happened.
        if as_json {
            output::json(&serde_json::json!({ "error": trouble.words, "hint": trouble.hint }));
        }
        output::complain(&trouble.words, &trouble.hint);
        trouble.end
    });
    match output::lost() {
        Some(error) => {
            let hint = "what was printed is not complete: free some space there, or print it elsewhere";
            output::complain(&format!("cannot write to standard output: {error}"), hint);
            if end == End::Good { End::Failed.into() } else { end.into() }
        }
        None => end.into(),
    }
}

fn dispatch(arguments: Arguments) -> Result<End> {
    let file = arguments.config;
    match arguments.command {
        Command::Run { once } => run::run(&file, once),
        Command::Check { online, output, save_exchanges } => {
            check::check(&file, online, output.json, save_exchanges.as_ref())
        }
        Command::Status { output } => status::status(&file, output.json),
        Command::Demo { dir } => demo::demo(&dir),
        Command::Discover(question) => discover::discover(&file, &question),
        Command::Collections(question) => collections::collections(&file, &question),
        Command::Poll(arguments) => poll::poll(&file, &arguments),
        Command::Push(arguments) => push::push(&file, &arguments),
        Command::Subscription(arguments) => subscription::subscription(&file, &arguments),
        Command::Cursor { command } => cursor::cursor(&file, &command),
        Command::Retry(arguments) => retry::retry(&file, &arguments.names, arguments.all),
        Command::Completions { shell } => documents::completions(shell),
        Command::Man => documents::man(),
        Command::ConfigSchema => documents::config_schema(),
    }
}

/// Reads the configuration; relative paths in it count from the current directory.
fn load(file: &Path) -> Result<Loaded> {
    read_config(file).map_err(Trouble::wrong)
}

fn read_config(file: &Path) -> Result<Loaded, String> {
    let bytes = disk::read_small(file, LONGEST)
        .map_err(|error| format!("cannot {error}; name another file with --config FILE or TAXII_SYNC_CONFIG"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8 text", file.display()))?;
    Config::parse_and_look(&text, &file.display().to_string(), apart::clashes).map_err(|mistakes| mistakes.to_string())
}

/// What is worth a word in a configuration, with its place. A literal secret is, where others can read the file.
fn warnings(file: &Path, loaded: &Loaded) -> Vec<String> {
    let readable_by_others = disk::mode_of(file).is_ok_and(|mode| mode & 0o044 != 0);
    let worth = loaded.warnings.iter().filter(|warning| !warning.literal_secret || readable_by_others);
    worth.map(|warning| format!("{}:{warning}", file.display())).collect()
}

/// Says it in the log.
fn warn(file: &Path, loaded: &Loaded) {
    warnings(file, loaded).iter().for_each(|warning| observe::lines::configuration_warning(warning));
}

/// Threads for steps that may block: every poll that may be at its disk, and some for all the rest.
const BLOCKING: usize = 40;

/// A runtime for a command that talks to servers.
fn runtime() -> Result<tokio::runtime::Runtime> {
    allow_open_files();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .map_err(|error| Trouble::failed(format!("cannot start: {error}"), ""))
}

/// As many open files as the system allows at all: a shell and cron allow 1,024, which many connections may need.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where it stays as it is, what does not fit waits, and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// The configuration file, unless another one is named.
fn default_config() -> PathBuf {
    PathBuf::from("/etc/taxii-sync/config.toml")
}
