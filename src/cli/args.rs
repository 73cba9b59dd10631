//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use url::Url;

use super::exchanges::{self, Exchanges};
use super::times::When;
use super::{address, default_config, examples};
use crate::taxii::Version;
use crate::taxii::message::SubscriptionAction;

/// Moves cyber threat intelligence between TAXII 1.x servers and a file system, and never loses a file.
#[derive(Debug, Parser)]
#[command(name = "taxii-sync", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = examples::PROGRAM)]
pub(super) struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, env = "TAXII_SYNC_CONFIG", value_name = "FILE", default_value_os_t = default_config())]
    pub(super) config: PathBuf,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The agent: polls feeds on their schedules and pushes dropped files, until SIGTERM or SIGINT.
    #[command(after_help = examples::RUN)]
    Run {
        /// Poll every feed up to now and push every dropped file, then exit.
        #[arg(long)]
        once: bool,
    },
    /// Reads the configuration and prints what it means.
    #[command(after_help = examples::CHECK)]
    Check {
        /// Also ask each server, and say what would not work.
        #[arg(long)]
        online: bool,
        /// Save every request and its response, without secrets, as files in DIR, to show them to somebody else. It is
        /// made where it is missing.
        #[arg(long, value_name = "DIR", requires = "online")]
        #[arg(value_parser = exchanges::parser(), value_hint = ValueHint::DirPath)]
        save_exchanges: Option<Arc<Exchanges>>,
        #[command(flatten)]
        output: Output,
    },
    /// Cursors, lag, next polls, backlogs and failed files; works while the agent runs and while it does not.
    #[command(after_help = examples::STATUS)]
    Status {
        #[command(flatten)]
        output: Output,
    },
    /// Shows a push and a poll happening against a practice server inside this process.
    #[command(after_help = examples::DEMO)]
    Demo {
        /// Where the files are left.
        #[arg(long, value_name = "DIR", default_value = "taxii-sync-demo")]
        dir: PathBuf,
    },
    /// Asks a server which services it has.
    #[command(after_help = examples::DISCOVER)]
    Discover(Question),
    /// Asks a server which collections it has.
    #[command(after_help = examples::COLLECTIONS)]
    Collections(Question),
    /// Polls once, now, by hand, into a directory; never moves the saved cursor.
    #[command(after_help = examples::POLL)]
    Poll(PollArguments),
    /// Sends files to an inbox now, with one line of result for each.
    #[command(after_help = examples::PUSH, override_usage = examples::PUSH_USAGE)]
    Push(PushArguments),
    /// Subscribes to the collection of a feed, or asks about or changes a subscription.
    #[command(after_help = examples::SUBSCRIPTION)]
    Subscription(SubscriptionArguments),
    /// Reads or moves the saved cursors of feeds.
    #[command(after_help = examples::CURSOR)]
    Cursor {
        #[command(subcommand)]
        command: CursorCommand,
    },
    /// Puts failed files back into their drop directory.
    #[command(after_help = examples::RETRY)]
    Retry(RetryArguments),
    /// Prints the completions for a shell.
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the manual page of the program and of each command, one after the other.
    #[command(after_help = examples::MAN)]
    Man,
    /// Prints the JSON Schema of the configuration.
    #[command(after_help = examples::CONFIG_SCHEMA)]
    ConfigSchema,
}

impl Command {
    /// Whether `--json` was given.
    pub(super) fn is_for_machines(&self) -> bool {
        match self {
            Command::Check { output, .. }
            | Command::Status { output }
            | Command::Cursor { command: CursorCommand::Show { output, .. } } => output.json,
            Command::Discover(question) | Command::Collections(question) => question.output.json,
            Command::Poll(arguments) => arguments.output.json,
            Command::Push(arguments) => arguments.output.json,
            Command::Subscription(arguments) => arguments.output.json,
            _ => false,
        }
    }
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Output {
    /// Print one JSON document on standard output, and words for people on standard error.
    #[arg(long)]
    pub(super) json: bool,
}

/// What is kept for somebody else to look at.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Keep {
    /// Save every request and its response, without secrets, as files in DIR, to show them to somebody else. It is made
    /// where it is missing.
    #[arg(long, value_name = "DIR", value_parser = exchanges::parser(), value_hint = ValueHint::DirPath)]
    pub(super) save_exchanges: Option<Arc<Exchanges>>,
}

/// `discover` and `collections`.
#[derive(Debug, Args)]
pub(super) struct Question {
    /// The name of a server of the configuration, or the URL of a server.
    pub(super) server: String,
    #[command(flatten)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) keep: Keep,
    #[command(flatten)]
    pub(super) access: Access,
}

/// How a server is reached that is given by its URL.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options for a server given by its URL")]
pub(super) struct Access {
    /// User name for HTTP Basic.
    #[arg(long, value_name = "NAME", requires = "password_file", value_parser = NonEmptyStringValueParser::new())]
    pub(super) username: Option<String>,
    /// A file whose first line is the password.
    #[arg(long, value_name = "FILE", requires = "username")]
    pub(super) password_file: Option<PathBuf>,
    /// Client certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(super) cert: Option<PathBuf>,
    /// Private key of the client certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(super) key: Option<PathBuf>,
    /// Certificates of a private authority (PEM), instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The proxy: an http, socks5 or socks5h URL.
    #[arg(long, value_name = "URL", value_parser = address::proxy)]
    pub(super) proxy: Option<Url>,
    /// The version of TAXII that is spoken [default: 1.1].
    #[arg(long, value_name = "VERSION")]
    pub(super) taxii: Option<Spoken>,
}

impl Access {
    /// The first option that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--username", self.username.is_some()),
            ("--cert", self.cert.is_some()),
            ("--ca", self.ca.is_some()),
            ("--proxy", self.proxy.is_some()),
            ("--taxii", self.taxii.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

/// `--taxii`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Spoken {
    /// TAXII 1.0.
    #[value(name = "1.0")]
    V10,
    /// TAXII 1.1.
    #[value(name = "1.1")]
    V11,
}

impl From<Spoken> for Version {
    fn from(spoken: Spoken) -> Version {
        match spoken {
            Spoken::V10 => Version::V10,
            Spoken::V11 => Version::V11,
        }
    }
}

/// `poll`.
#[derive(Debug, Args)]
pub(super) struct PollArguments {
    /// The feed, as the configuration names it.
    #[arg(required_unless_present = "url", conflicts_with = "url")]
    pub(super) feed: Option<String>,
    /// Poll this Poll Service instead, without a configuration.
    #[arg(long, value_name = "URL", requires = "collection", value_parser = address::service)]
    pub(super) url: Option<Url>,
    /// The collection that is polled at the URL.
    #[arg(long, value_name = "NAME", requires = "url", conflicts_with = "feed")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(super) collection: Option<String>,
    /// From here on, exclusive: a time (RFC 3339) or how long ago, such as 12h or 30d [default: the saved cursor of
    /// the feed, else its `start`; with --url: the beginning of the collection].
    #[arg(long, value_name = "T")]
    pub(super) since: Option<When>,
    /// Up to here, inclusive [default: now].
    #[arg(long, value_name = "T")]
    pub(super) until: Option<When>,
    /// Ask only how many content blocks there are.
    #[arg(long, conflicts_with = "to")]
    pub(super) count: bool,
    /// The directory for the content files; it is made where it is missing.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) to: PathBuf,
    #[command(flatten)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) keep: Keep,
    #[command(flatten)]
    pub(super) access: Access,
}

/// `push`.
#[derive(Debug, Args)]
pub(super) struct PushArguments {
    /// The inbox, as the configuration names it (not with --url), and the files.
    #[arg(value_name = "INBOX FILE", required = true)]
    pub(super) names: Vec<OsString>,
    /// Send to this Inbox Service instead, without a configuration.
    #[arg(long, value_name = "URL", value_parser = address::service)]
    pub(super) url: Option<Url>,
    /// The collection that the files are meant for at the URL (Destination_Collection_Name).
    #[arg(long, value_name = "NAME", requires = "url", value_parser = NonEmptyStringValueParser::new())]
    pub(super) collection: Option<String>,
    /// The Content Binding of the files, instead of the one that is detected.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) binding: Option<String>,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) keep: Keep,
    #[command(flatten)]
    pub(super) access: Access,
}

/// `subscription`.
#[derive(Debug, Args)]
pub(super) struct SubscriptionArguments {
    /// What to do.
    pub(super) action: Action,
    /// The feed, as the configuration names it.
    pub(super) feed: String,
    /// The subscription that is meant [default: `subscription_id` of the feed, or the only one there is].
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) keep: Keep,
}

/// What is done to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Action {
    /// Make one, unless there is one for the same content already.
    Subscribe,
    /// End it.
    Unsubscribe,
    /// Pause it.
    Pause,
    /// Resume it after a pause.
    Resume,
    /// Ask about it, or about all of the collection.
    Status,
}

impl From<Action> for SubscriptionAction {
    fn from(action: Action) -> SubscriptionAction {
        match action {
            Action::Subscribe => SubscriptionAction::Subscribe,
            Action::Unsubscribe => SubscriptionAction::Unsubscribe,
            Action::Pause => SubscriptionAction::Pause,
            Action::Resume => SubscriptionAction::Resume,
            Action::Status => SubscriptionAction::Status,
        }
    }
}

/// `cursor`.
#[derive(Debug, Subcommand)]
pub(super) enum CursorCommand {
    /// Prints the saved cursors, also while the agent runs.
    #[command(after_help = examples::CURSOR_SHOW)]
    Show {
        /// Only this feed's.
        feed: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Moves a saved cursor; the agent must not be running.
    #[command(after_help = examples::CURSOR_SET)]
    Set {
        /// The feed.
        feed: String,
        /// Where to: a time (RFC 3339), or how long ago, such as 12h or 30d.
        #[arg(value_name = "T")]
        to: When,
        /// Also forget what was handed over later than T, so that it is handed over again.
        #[arg(long)]
        again: bool,
    },
    /// Forgets a saved cursor, so that the next poll begins at `start`; the agent must not be running.
    #[command(after_help = examples::CURSOR_CLEAR)]
    Clear {
        /// The feed.
        feed: String,
        /// Also forget what was handed over, so that it is handed over again.
        #[arg(long)]
        again: bool,
    },
}

/// `retry`.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct RetryArguments {
    /// Names of files in the failed/ directory of any drop directory, or their paths.
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<OsString>,
    /// Put back every failed file.
    #[arg(long)]
    pub(super) all: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_put_together_without_contradiction() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_that_are_accepted() {
        let mut command = Arguments::command();
        command.build();
        let mut shown = 0;
        every(&command, &mut |command| {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.lines().all(|line| line.chars().count() <= 80), "wider than a terminal: {help}");
            let help = help.replace("\\\n", " ");
            let examples: Vec<_> = help.lines().filter_map(|line| line.trim().strip_prefix("taxii-sync")).collect();
            assert!(!examples.is_empty() || command.get_name() == "help", "{} has no example", command.get_name());
            for example in examples {
                let words = example.split(['#', '>', '|']).next().unwrap_or_default();
                let words = std::iter::once("taxii-sync").chain(words.split_whitespace());
                Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
                shown += 1;
            }
        });
        assert!(shown > 20, "{shown}");
    }

    fn every(command: &clap::Command, look: &mut impl FnMut(&clap::Command)) {
        look(command);
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            every(sub, look);
        }
    }
}
