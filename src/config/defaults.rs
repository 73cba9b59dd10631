//! The default of every key that has one.

use std::path::PathBuf;
use std::time::Duration;

use super::model::{Config, Drop, Feed, Inbox, Log, LogFormat, Precision, Schedule, Server, Start, Tls};
use crate::taxii::Version;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MIB: u64 = 1 << 20;

/// What an empty file means: nothing is polled and nothing is pushed.
impl Default for Config {
    fn default() -> Self {
        Config {
            state_dir: PathBuf::from("/var/lib/taxii-sync"),
            log: Log::default(),
            metrics_textfile: None,
            servers: Default::default(),
            feeds: Default::default(),
            inboxes: Default::default(),
            drops: Default::default(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// A server of which no address is known yet.
impl Default for Server {
    fn default() -> Self {
        Server {
            taxii: Version::V11,
            discovery: None,
            poll: None,
            inbox: None,
            collections: None,
            auth: None,
            headers: Vec::new(),
            tls: Tls::default(),
            proxy: None,
            connect_timeout: 10 * SECOND,
            idle_timeout: 180 * SECOND,
            total_timeout: HOUR,
            timestamp_precision: Precision::Micros,
            max_response: 4096 * MIB,
            max_content_block: 256 * MIB,
            trusted_origins: Vec::new(),
            plaintext_credentials: false,
        }
    }
}

/// A feed whose `server`, `collection` and `output` are still empty: those have no default.
impl Default for Feed {
    fn default() -> Self {
        Feed {
            server: String::new(),
            collection: String::new(),
            schedule: Schedule::Every(15 * MINUTE),
            start: Start::Ago(30 * DAY),
            output: PathBuf::new(),
            content_bindings: Vec::new(),
            subscription_id: None,
            asynchronous: true,
            lag: MINUTE,
            window: DAY,
            overlap: Duration::ZERO,
            query_file: None,
            metadata: true,
            file_mode: 0o640,
            group: None,
            min_free: 256 * MIB,
            max_unread: 0,
            remember: 365 * DAY,
        }
    }
}

/// An inbox whose `server` is still empty: it has no default.
impl Default for Inbox {
    fn default() -> Self {
        Inbox { server: String::new(), collections: Vec::new(), max_batch: 1, connections: 1 }
    }
}

/// A drop directory whose `path` and `inboxes` are still empty: those have no default.
impl Default for Drop {
    fn default() -> Self {
        Drop {
            path: PathBuf::new(),
            inboxes: Vec::new(),
            include: vec!["*".to_owned()],
            settle: 2 * SECOND,
            rescan: MINUTE,
            keep_sent: 30 * DAY,
            give_up: 30 * DAY,
            max_file: 256 * MIB,
            resend_duplicates: false,
            content_binding: None,
        }
    }
}
