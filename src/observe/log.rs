//! The log: to standard error, as text or JSON, or to journald.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Starts the log. An error is about `log.level`, or about journald not being there.
pub fn start_log(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("log.level: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let started = match log.format {
        LogFormat::Text => {
            let colour =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            registry.with(layer.with_ansi(colour)).try_init()
        }
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init(),
        LogFormat::Journald => {
            let journald = tracing_journald::layer()
                .map_err(|error| format!("log.format: journald cannot be reached: {error}"))?;
            registry.with(journald).try_init()
        }
    };
    started.map_err(|error| error.to_string())
}
