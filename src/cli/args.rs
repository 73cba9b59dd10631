//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::default_config;

/// Moves cyber threat intelligence between TAXII 1.x servers and a file system, and never loses or repeats a file.
#[derive(Debug, Parser)]
#[command(name = "taxii-sync", version, propagate_version = true, arg_required_else_help = true)]
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
    Run {
        /// Poll every feed up to now and push every dropped file, then exit.
        #[arg(long)]
        once: bool,
    },
    /// Reads the configuration and prints what it means.
    Check {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Cursors, lag, next polls, backlogs and failed files; works while the agent runs and while it does not.
    Status {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Shows a push and a poll happening against a practice server inside this process.
    Demo {
        /// Where the files are left.
        #[arg(long, value_name = "DIR", default_value = "taxii-sync-demo")]
        dir: PathBuf,
    },
}
