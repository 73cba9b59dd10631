//! A configuration as JSON, in the notation of the file.

use std::path::Path;

use serde_json::{Map, Value, json};
use url::Url;

use super::model::{Auth, Config, Drop, Feed, Inbox, Proxy, Schedule, Secret, Server, Start, Tls};
use super::tables::{FORMATS, PRECISIONS, VERSIONS};
use super::units::{show_duration, show_size};

/// What stands for a secret that is written in the file itself.
const NOT_SHOWN: &str = "(not shown)";

/// The configuration as JSON: the keys and the notation of the file, with every default filled in and null where
/// there is none. It says where secrets come from, never what they are.
pub fn explain_json(config: &Config) -> Value {
    let named = |tables: Vec<(&String, Value)>| -> Value {
        tables.into_iter().map(|(name, value)| (name.clone(), value)).collect::<Map<_, _>>().into()
    };
    json!({
        "state_dir": path(&config.state_dir),
        "log": { "level": config.log.level, "format": word(&FORMATS, config.log.format) },
        "metrics": { "textfile": config.metrics_textfile.as_deref().map(path) },
        "servers": named(config.servers.iter().map(|(name, it)| (name, server(it))).collect()),
        "feeds": named(config.feeds.iter().map(|(name, it)| (name, feed(it))).collect()),
        "inboxes": named(config.inboxes.iter().map(|(name, it)| (name, inbox(it))).collect()),
        "drops": named(config.drops.iter().map(|(name, it)| (name, drop_directory(it))).collect()),
    })
}

pub(super) fn server(server: &Server) -> Value {
    let headers: Map<String, Value> =
        server.headers.iter().map(|(name, secret)| (name.clone(), header(secret))).collect();
    json!({
        "taxii": word(&VERSIONS, server.taxii),
        "discovery": server.discovery.as_ref().map(address),
        "poll": server.poll.as_ref().map(address),
        "inbox": server.inbox.as_ref().map(address),
        "collections": server.collections.as_ref().map(address),
        "auth": server.auth.as_ref().map(auth),
        "headers": headers,
        "tls": tls(&server.tls),
        "proxy": server.proxy.as_ref().map(proxy),
        "connect_timeout": show_duration(server.connect_timeout),
        "idle_timeout": show_duration(server.idle_timeout),
        "total_timeout": show_duration(server.total_timeout),
        "timestamp_precision": word(&PRECISIONS, server.timestamp_precision),
        "max_response": show_size(server.max_response),
        "max_content_block": show_size(server.max_content_block),
        "trusted_origins": server.trusted_origins.iter().map(address).collect::<Vec<_>>(),
        "plaintext_credentials": server.plaintext_credentials,
    })
}

fn auth(auth: &Auth) -> Value {
    match auth {
        Auth::Basic { username, password } => {
            with_secret(json!({ "type": "basic", "username": username }), "password", Some(password))
        }
        Auth::Jwt { login, username, password } => {
            let auth = json!({ "type": "jwt", "login": address(login), "username": username });
            with_secret(auth, "password", Some(password))
        }
        Auth::Bearer { token } => with_secret(json!({ "type": "bearer" }), "token", Some(token)),
    }
}

fn tls(tls: &Tls) -> Value {
    let table = json!({
        "ca_file": tls.ca_file.as_deref().map(path),
        "cert_file": tls.cert_file.as_deref().map(path),
        "key_file": tls.key_file.as_deref().map(path),
        "verify": tls.verify,
        "pin_sha256": tls.pin_sha256.map(|pin| hexadecimal(&pin)),
    });
    with_secret(table, "key_password", tls.key_password.as_ref())
}

fn proxy(proxy: &Proxy) -> Value {
    let table = json!({ "url": address(&proxy.url), "username": proxy.username, "no_proxy": proxy.no_proxy });
    with_secret(table, "password", proxy.password.as_ref())
}

pub(super) fn feed(feed: &Feed) -> Value {
    let (every, cron) = match &feed.schedule {
        Schedule::Every(pause) => (Some(show_duration(*pause)), None),
        Schedule::Cron(cron) => (None, Some(cron.as_str())),
    };
    json!({
        "server": feed.server,
        "collection": feed.collection,
        "every": every,
        "cron": cron,
        "start": start_word(&feed.start),
        "output": path(&feed.output),
        "content_bindings": feed.content_bindings,
        "subscription_id": feed.subscription_id.as_deref().unwrap_or_default(),
        "asynchronous": feed.asynchronous,
        "lag": show_duration(feed.lag),
        "window": show_duration(feed.window),
        "overlap": show_duration(feed.overlap),
        "query_file": feed.query_file.as_deref().map(path).unwrap_or_default(),
        "metadata": feed.metadata,
        "file_mode": file_mode(feed.file_mode),
        "group": feed.group.as_deref().unwrap_or_default(),
        "min_free": show_size(feed.min_free),
        "max_unread": feed.max_unread,
        "remember": show_duration(feed.remember),
    })
}

pub(super) fn inbox(inbox: &Inbox) -> Value {
    json!({
        "server": inbox.server,
        "collections": inbox.collections,
        "max_batch": inbox.max_batch,
        "connections": inbox.connections,
    })
}

pub(super) fn drop_directory(drop: &Drop) -> Value {
    json!({
        "path": path(&drop.path),
        "inboxes": drop.inboxes,
        "include": drop.include,
        "settle": show_duration(drop.settle),
        "rescan": show_duration(drop.rescan),
        "keep_sent": show_duration(drop.keep_sent),
        "give_up": show_duration(drop.give_up),
        "max_file": show_size(drop.max_file),
        "resend_duplicates": drop.resend_duplicates,
        "content_binding": drop.content_binding.as_deref().unwrap_or_default(),
    })
}

/// Adds the one key that says where the secret is.
fn with_secret(mut table: Value, name: &str, secret: Option<&Secret>) -> Value {
    if let Some(secret) = secret {
        let (form, from) = form(secret);
        let key = if form.is_empty() { name.to_owned() } else { format!("{name}_{form}") };
        table[key] = json!(from);
    }
    table
}

fn header(secret: &Secret) -> Value {
    match form(secret) {
        ("", from) => json!(from),
        (form, from) => json!({ form: from }),
    }
}

fn form(secret: &Secret) -> (&'static str, String) {
    match secret {
        Secret::Literal(_) => ("", NOT_SHOWN.to_owned()),
        Secret::File(file) => ("file", path(file)),
        Secret::Env(name) => ("env", name.clone()),
        Secret::Credential(name) => ("credential", name.clone()),
    }
}

/// An address as people may see it: without user information, and with the query (it may hold a key) left out.
pub(super) fn address(url: &Url) -> String {
    let mut bare = url.clone();
    // Both fail only for addresses that cannot have user information at all.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_query(None);
    bare.set_fragment(None);
    if url.query().is_some() { format!("{bare}?…") } else { bare.into() }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `start` as the file writes it.
pub(super) fn start_word(start: &Start) -> String {
    match start {
        Start::Ago(duration) => show_duration(*duration),
        Start::At(instant) => instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        Start::Beginning => "beginning".to_owned(),
    }
}

/// Permission bits as the file writes them.
pub(super) fn file_mode(mode: u32) -> String {
    format!("{mode:04o}")
}

/// The word that the file has for a value.
pub(super) fn word<T: PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, meaning)| *meaning == value).map_or("", |(word, _)| word)
}
