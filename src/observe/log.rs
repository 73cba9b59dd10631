//! The log: to standard error, as text or JSON, or to journald.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::store::disk;

use super::queue::Line;

/// Starts the log. An error is about `log.level`, or about journald not being there.
pub fn start_log(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("log.level: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(Line::default).with_target(false);
    let started = match log.format {
        LogFormat::Text if is_journal() => {
            let format = Format::default().with_target(false).without_time();
            registry.with(layer.with_ansi(false).event_format(ForJournal(format))).try_init()
        }
        LogFormat::Text => {
            let colour =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            registry.with(layer.with_ansi(colour)).try_init()
        }
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_span_list(false)).try_init(),
        LogFormat::Journald => {
            let journald = tracing_journald::layer()
                .map_err(|error| format!("log.format: journald cannot be reached: {error}"))?;
            registry.with(journald.with_priority_mappings(priorities())).try_init()
        }
    };
    started.map_err(|error| error.to_string())
}

/// What the journal sorts lines by (syslog(3)).
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// The same for who writes to the journal itself.
fn priorities() -> PriorityMappings {
    PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    }
}

/// Whether standard error leads to the journal, as systemd.exec(5) has it.
fn is_journal() -> bool {
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| disk::is_file(std::io::stderr(), &stream))
}

/// Text for the journal, which has a clock of its own and takes the level off the beginning of a line (sd-daemon(3)), so
/// that `journalctl -p warning` finds what it should.
struct ForJournal(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for ForJournal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(to, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, to, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_priority_however_it_comes_to_the_journal() {
        let PriorityMappings { error, warn, info, debug, trace } = priorities();
        let journald = [error, warn, info, debug, trace].map(|priority| priority as u8 - b'0');
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        assert_eq!(levels.map(priority), journald);
    }
}
