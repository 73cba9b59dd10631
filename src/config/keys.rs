//! The table of keys: every key of the configuration file, what may stand there and what it is for.

use std::time::Duration;

use super::kind::{Key, Kind};

/// The most content blocks of one Inbox_Message.
const MOST_BATCH: u64 = 10_000;
/// The most messages under way to one inbox at once.
const MOST_CONNECTIONS: u64 = 100;
/// The largest number TOML can write.
const ANY: u64 = i64::MAX as u64;

const TEXT: Kind = Kind::Text { empty: false };
const MAYBE_TEXT: Kind = Kind::Text { empty: true };
const PATH: Kind = Kind::Path { empty: false };
const MAYBE_PATH: Kind = Kind::Path { empty: true };
const SIZE: Kind = Kind::Size { least: 1 << 10 };
const MAYBE_SIZE: Kind = Kind::Size { least: 0 };
const TEXTS: Kind = Kind::List { of: &TEXT, least: 0 };
const DURATION: Kind = at_least(0);
/// Shorter, and the agent would do nothing but count.
const SHORT: Kind = Kind::Duration { least: Duration::from_millis(100) };

const LEVEL: Kind = Kind::Form {
    allowed: "off, error, warn, info, debug, trace, or an EnvFilter string such as \"info,taxii_sync=debug\"",
    pattern: ".",
};
const CRON: Kind = Kind::Form {
    allowed: "a cron expression of five fields (minute, hour, day, month, weekday) such as \"*/15 * * * *\"",
    pattern: r"^\s*\S+(\s+\S+){4}\s*$",
};
const START: Kind = Kind::Form {
    allowed: "a duration such as \"30d\", an RFC 3339 time such as \"2024-01-31T00:00:00Z\", or \"beginning\"",
    pattern: r"^(beginning|[0-9]+(ms|s|m|h|d|w)|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].+)$",
};
const FILE_MODE: Kind = Kind::Form {
    allowed: "permission bits as three or four octal digits in quotes, from \"0000\" to \"0777\", such as \"0640\"",
    pattern: "^0?[0-7]{3}$",
};
const FINGERPRINT: Kind = Kind::Form {
    allowed: "the SHA-256 of the server's public key (SPKI) as 64 hexadecimal digits",
    pattern: "^[0-9A-Fa-f]{64}$",
};
const USERNAME: Kind =
    Kind::Form { allowed: "a user name that is not empty and has no colon, in quotes", pattern: "^[^:]+$" };
const GLOB: Kind = Kind::Form { allowed: "a glob pattern such as \"*.xml\"", pattern: "." };
const PROXY_URL: Kind = Kind::Form {
    allowed: "an address http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT; user name and password \
              stand beside it",
    pattern: "^(http|socks5|socks5h)://[^/?#@]+/?$",
};
const DIRECT: Kind = Kind::Form {
    allowed: "a host name, a suffix such as \".example.org\", an IP address, a network such as \"10.0.0.0/8\", or \"*\"",
    pattern: r"^[^\s,]+$",
};

/// The whole file.
pub(super) const FILE: &[Key] = &[
    key("state_dir", PATH, "Where the ledger is; one agent at a time."),
    key("log", Kind::Table(LOG), "What is logged, and how."),
    key("metrics", Kind::Table(METRICS), "Metrics for Prometheus."),
    key("servers", Kind::Named(SERVER), "The TAXII servers."),
    key("feeds", Kind::Named(FEED), "The collections that are polled."),
    key("inboxes", Kind::Named(INBOX), "The Inbox Services that files are pushed to."),
    key("drops", Kind::Named(DROP), "The directories that files are dropped into."),
];

const LOG: &[Key] = &[
    key("level", LEVEL, "A level, or an EnvFilter string."),
    key("format", Kind::Word(&["text", "json", "journald"]), "How a line is written."),
];

const METRICS: &[Key] =
    &[key("textfile", PATH, "A file for the textfile collector of node_exporter, written again and again.")];

const SERVER: &[Key] = &[
    key("taxii", Kind::Word(&["1.1", "1.0"]), "The version of TAXII that is spoken."),
    key("discovery", Kind::Url, "The Discovery Service, which names the others."),
    key("poll", Kind::Url, "The Poll Service; it wins over an advertised one."),
    key("inbox", Kind::Url, "The Inbox Service; it wins over an advertised one."),
    key("collections", Kind::Url, "The Collection Management Service; it wins over an advertised one."),
    key("auth", Kind::Tagged { tag: &AUTH_TYPE, shapes: AUTH }, "How the agent says who it is."),
    key("headers", Kind::Headers, "Header fields that every request carries besides the agent's own."),
    key("tls", Kind::Table(TLS), "Transport security."),
    key("proxy", Kind::Table(PROXY), "The proxy that requests go through."),
    key("connect_timeout", SHORT, "For the connection, TLS included."),
    key("idle_timeout", SHORT, "From the end of the request to the whole reply header; then between two bytes."),
    key("total_timeout", SHORT, "For one request with its whole reply."),
    key(
        "timestamp_precision",
        Kind::Word(&["micros", "millis", "seconds", "minutes"]),
        "What this server can read in a timestamp; finer digits are rounded down.",
    ),
    key("max_response", SIZE, "The longest reply, after decompression."),
    key("max_content_block", SIZE, "The longest content of one Content Block."),
    key(
        "trusted_origins",
        Kind::List { of: &Kind::Origin, least: 0 },
        "Other origins that this server may advertise and that get credentials and content.",
    ),
    key("plaintext_credentials", Kind::Flag, "Allows credentials over plain http to other than a loopback address."),
];

const AUTH: &[(&str, &[Key])] = &[
    ("basic", &[TYPE, required("username", USERNAME, "User name."), required("password", Kind::Secret, "Password.")]),
    (
        "jwt",
        &[
            TYPE,
            required("login", Kind::Url, "Where user name and password are exchanged for a token."),
            required("username", TEXT, "User name."),
            required("password", Kind::Secret, "Password."),
        ],
    ),
    ("bearer", &[TYPE, required("token", Kind::Secret, "The token.")]),
];
const AUTH_TYPE: Kind = Kind::Word(&["basic", "jwt", "bearer"]);
const TYPE: Key = required("type", AUTH_TYPE, "HTTP Basic, a login for a token, or a token that was given.");

const TLS: &[Key] = &[
    key("ca_file", PATH, "Certificates of a private authority (PEM), instead of the system's."),
    key("cert_file", PATH, "The client certificate with its chain (PEM)."),
    key("key_file", PATH, "The private key of the client certificate (PEM)."),
    key("key_password", Kind::Secret, "The password of an encrypted private key (PKCS#8)."),
    key("verify", Kind::Flag, "Whether the server's certificate is checked."),
    key("pin_sha256", FINGERPRINT, "The public key that the server must have, instead of a chain of certificates."),
];

const PROXY: &[Key] = &[
    required("url", PROXY_URL, "The proxy."),
    key("username", USERNAME, "User name for the proxy."),
    key("password", Kind::Secret, "Password for the proxy."),
    key("no_proxy", Kind::List { of: &DIRECT, least: 0 }, "What is reached directly."),
];

const FEED: &[Key] = &[
    required("server", TEXT, "The name of a server of this file."),
    required("collection", TEXT, "The Collection_Name."),
    key("every", at_least(30), "How often the collection is polled."),
    key("cron", CRON, "When the collection is polled, instead of every; local time."),
    key("start", START, "How far back the first poll reaches."),
    required("output", PATH, "The directory that the content files go to."),
    key("content_bindings", TEXTS, "Only content with one of these bindings is asked for; empty: no filter is sent."),
    key("subscription_id", MAYBE_TEXT, "Sent instead of poll parameters."),
    key("asynchronous", Kind::Flag, "Whether PENDING answers are accepted."),
    key("lag", DURATION, "How far behind the server's clock the asked end stays."),
    key("window", at_least(1), "The longest range that is asked for at once."),
    key("overlap", DURATION, "Asked for again before the cursor; shorter than window."),
    key("query_file", MAYBE_PATH, "A Default_Query document, sent as it is."),
    key("metadata", Kind::Flag, "Whether NAME.meta.json is written beside each content file."),
    key("file_mode", FILE_MODE, "The permissions of what is handed over."),
    key("group", MAYBE_TEXT, "The group of what is handed over."),
    key("min_free", MAYBE_SIZE, "Below this free space the feed pauses."),
    key(
        "max_unread",
        Kind::Number { least: 0, most: ANY },
        "The feed pauses while so many content files wait in output; 0: no limit.",
    ),
    key("remember", at_least(1), "How long what was handed over is known."),
];

const INBOX: &[Key] = &[
    required("server", TEXT, "The name of a server of this file."),
    key("collections", TEXTS, "Destination_Collection_Name; may be empty."),
    key("max_batch", Kind::Number { least: 1, most: MOST_BATCH }, "Content Blocks per Inbox_Message."),
    key(
        "connections",
        Kind::Number { least: 1, most: MOST_CONNECTIONS },
        "Messages under way at once; 1 keeps the order of dropping.",
    ),
];

const DROP: &[Key] = &[
    required("path", PATH, "The drop directory."),
    required("inboxes", Kind::List { of: &TEXT, least: 1 }, "Names of inboxes of this file; every file goes to each."),
    key("include", Kind::List { of: &GLOB, least: 1 }, "Glob patterns of the names that are taken."),
    key("settle", DURATION, "A file that did not change for so long is complete."),
    key("rescan", SHORT, "The directory is listed this often whatever the watcher says."),
    key("keep_sent", DURATION, "How long files stay in sent/; \"0s\" deletes at once."),
    key("give_up", at_least(1), "A file that is pending for so long goes to failed/ as expired."),
    key("max_file", SIZE, "The longest file that is sent."),
    key("resend_duplicates", Kind::Flag, "Whether content that an inbox accepted before is sent to it again."),
    key("content_binding", MAYBE_TEXT, "The content binding of every file, instead of what is detected."),
];

const fn key(name: &'static str, kind: Kind, says: &'static str) -> Key {
    Key { name, kind, required: false, says }
}

const fn required(name: &'static str, kind: Kind, says: &'static str) -> Key {
    Key { name, kind, required: true, says }
}

const fn at_least(seconds: u64) -> Kind {
    Kind::Duration { least: Duration::from_secs(seconds) }
}
