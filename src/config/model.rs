//! The configuration as values: every key of the file, read, checked and with its default filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use url::Url;

use crate::taxii::Version;
pub use crate::taxii::time::Precision;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `state_dir`: where the ledger is.
    pub state_dir: PathBuf,
    /// `[log]`.
    pub log: Log,
    /// `[metrics] textfile`.
    pub metrics_textfile: Option<PathBuf>,
    /// `[servers.NAME]`.
    pub servers: BTreeMap<String, Server>,
    /// `[feeds.NAME]`.
    pub feeds: BTreeMap<String, Feed>,
    /// `[inboxes.NAME]`.
    pub inboxes: BTreeMap<String, Inbox>,
    /// `[drops.NAME]`.
    pub drops: BTreeMap<String, Drop>,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or an EnvFilter string.
    pub level: String,
    /// How a line is written.
    pub format: LogFormat,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
    /// To journald, with fields.
    Journald,
}

/// `[servers.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// The version spoken.
    pub taxii: Version,
    /// Pinned or starting addresses.
    pub discovery: Option<Url>,
    /// Pinned Poll Service.
    pub poll: Option<Url>,
    /// Pinned Inbox Service.
    pub inbox: Option<Url>,
    /// Pinned Collection Management Service.
    pub collections: Option<Url>,
    /// How the agent says who it is.
    pub auth: Option<Auth>,
    /// Additional request headers.
    pub headers: Vec<(String, Secret)>,
    /// Transport security.
    pub tls: Tls,
    /// The proxy requests go through.
    pub proxy: Option<Proxy>,
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// From the end of the request to the whole reply header; then between two bytes.
    pub idle_timeout: Duration,
    /// One request with its whole reply.
    pub total_timeout: Duration,
    /// What this server can read in a timestamp.
    pub timestamp_precision: Precision,
    /// Bytes of one reply, after decompression.
    pub max_response: u64,
    /// Bytes of one block's content.
    pub max_content_block: u64,
    /// Other origins that this server may advertise and that get credentials and content. Only scheme, host and port.
    pub trusted_origins: Vec<Url>,
    /// Credentials over plain http to other than a loopback address are allowed.
    pub plaintext_credentials: bool,
}

/// How the agent says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// HTTP Basic.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A token fetched by logging in with a user name and a password.
    Jwt {
        /// Where the token is fetched.
        login: Url,
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A token that the operator was given.
    Bearer {
        /// The token.
        token: Secret,
    },
}

/// Where a secret is. Its `Debug` never shows a literal.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Written in the configuration itself.
    Literal(String),
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// A file of `$CREDENTIALS_DIRECTORY` (systemd).
    Credential(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Secret::Literal(_) => f.write_str("Literal(…)"),
            Secret::File(path) => f.debug_tuple("File").field(path).finish(),
            Secret::Env(name) => f.debug_tuple("Env").field(name).finish(),
            Secret::Credential(name) => f.debug_tuple("Credential").field(name).finish(),
        }
    }
}

/// Transport security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of a private authority (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Client certificate chain (PEM).
    pub cert_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub key_file: Option<PathBuf>,
    /// The password of an encrypted key.
    pub key_password: Option<Secret>,
    /// Whether the server's certificate is checked; true unless the operator says otherwise.
    pub verify: bool,
    /// SHA-256 of the server's public key (SPKI), instead of a chain.
    pub pin_sha256: Option<[u8; 32]>,
}

impl Default for Tls {
    fn default() -> Self {
        Tls { ca_file: None, cert_file: None, key_file: None, key_password: None, verify: true, pin_sha256: None }
    }
}

/// The proxy requests go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `http`, `socks5` or `socks5h` URL.
    pub url: Url,
    /// User name for the proxy.
    pub username: Option<String>,
    /// Password for the proxy.
    pub password: Option<Secret>,
    /// Hosts, suffixes and networks reached directly.
    pub no_proxy: Vec<String>,
}

/// When a feed is polled.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Every so long.
    Every(Duration),
    /// At the times of a cron expression (five fields, local time).
    Cron(Box<croner::Cron>),
}

/// How far back the first poll reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// So long before the first poll.
    Ago(Duration),
    /// An instant.
    At(DateTime<Utc>),
    /// The beginning of the collection.
    Beginning,
}

/// `[feeds.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// Name of the server.
    pub server: String,
    /// Collection name.
    pub collection: String,
    /// When it is polled.
    pub schedule: Schedule,
    /// How far back the first poll reaches.
    pub start: Start,
    /// Where the content files go.
    pub output: PathBuf,
    /// Content filter; empty means none.
    pub content_bindings: Vec<String>,
    /// Sent instead of poll parameters.
    pub subscription_id: Option<String>,
    /// Accept PENDING answers.
    pub asynchronous: bool,
    /// How far behind the server's clock the asked end stays.
    pub lag: Duration,
    /// The longest range asked for at once.
    pub window: Duration,
    /// Asked again before the cursor.
    pub overlap: Duration,
    /// A Default_Query document.
    pub query_file: Option<PathBuf>,
    /// Write NAME.meta.json.
    pub metadata: bool,
    /// Permission bits of what is handed over.
    pub file_mode: u32,
    /// Group of what is handed over.
    pub group: Option<String>,
    /// Below this free space (bytes) the feed pauses.
    pub min_free: u64,
    /// Pause while this many content files wait; 0: no limit.
    pub max_unread: u64,
    /// How long what was handed over is known.
    pub remember: Duration,
}

/// `[inboxes.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbox {
    /// Name of the server.
    pub server: String,
    /// Destination_Collection_Name.
    pub collections: Vec<String>,
    /// Content blocks per Inbox_Message.
    pub max_batch: u32,
    /// Messages under way at once.
    pub connections: u32,
}

/// `[drops.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Drop {
    /// The drop directory.
    pub path: PathBuf,
    /// Names of the inboxes every file goes to.
    pub inboxes: Vec<String>,
    /// Glob patterns of the names taken.
    pub include: Vec<String>,
    /// Unchanged this long means complete.
    pub settle: Duration,
    /// How often the directory is listed whatever the watcher says.
    pub rescan: Duration,
    /// How long files stay in `sent/`; zero deletes at once.
    pub keep_sent: Duration,
    /// Pending this long: failed, outcome `expired`.
    pub give_up: Duration,
    /// Longest file (bytes).
    pub max_file: u64,
    /// Send content again that the inbox accepted before.
    pub resend_duplicates: bool,
    /// Overrides detection.
    pub content_binding: Option<String>,
}
