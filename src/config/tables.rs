//! The tables of the file, each made into its value of [`super::model`].

use super::model::{Auth, Config, Drop, Feed, Inbox, Log, LogFormat, Precision, Proxy, Schedule, Secret, Server, Tls};
use super::section::Section;
use super::values;
use crate::taxii::Version;

/// The words of `servers.NAME.taxii`.
pub(super) const VERSIONS: [(&str, Version); 2] = [("1.1", Version::V11), ("1.0", Version::V10)];

/// The words of `servers.NAME.timestamp_precision`.
pub(super) const PRECISIONS: [(&str, Precision); 4] = [
    ("micros", Precision::Micros),
    ("millis", Precision::Millis),
    ("seconds", Precision::Seconds),
    ("minutes", Precision::Minutes),
];

/// The words of `log.format`.
pub(super) const FORMATS: [(&str, LogFormat); 3] =
    [("text", LogFormat::Text), ("json", LogFormat::Json), ("journald", LogFormat::Journald)];

/// The whole file.
pub(super) fn config(section: &mut Section<'_, '_>) -> Config {
    let mut config = Config::default();
    section.read("state_dir", values::path, &mut config.state_dir);
    if let Some(mut section) = section.table("log") {
        log(&mut section, &mut config.log);
    }
    if let Some(mut section) = section.table("metrics") {
        section.maybe("textfile", values::path, &mut config.metrics_textfile);
    }
    config.servers = section.named("servers", server);
    config.feeds = section.named("feeds", feed);
    config.inboxes = section.named("inboxes", inbox);
    config.drops = section.named("drops", drop_directory);
    config
}

fn log(section: &mut Section<'_, '_>, log: &mut Log) {
    section.read("level", values::level, &mut log.level);
    section.word("format", &FORMATS, &mut log.format);
}

fn server(section: &mut Section<'_, '_>) -> Server {
    let mut server = Server::default();
    section.word("taxii", &VERSIONS, &mut server.taxii);
    section.maybe("discovery", values::url, &mut server.discovery);
    section.maybe("poll", values::url, &mut server.poll);
    section.maybe("inbox", values::url, &mut server.inbox);
    section.maybe("collections", values::url, &mut server.collections);
    if let Some((kind, mut section)) = section.tagged("auth") {
        server.auth = auth(kind, &mut section);
    }
    section.headers("headers", &mut server.headers);
    if let Some(mut section) = section.table("tls") {
        server.tls = tls(&mut section);
    }
    if let Some(mut section) = section.table("proxy") {
        server.proxy = proxy(&mut section);
    }
    section.read("connect_timeout", values::duration, &mut server.connect_timeout);
    section.read("idle_timeout", values::duration, &mut server.idle_timeout);
    section.read("total_timeout", values::duration, &mut server.total_timeout);
    section.word("timestamp_precision", &PRECISIONS, &mut server.timestamp_precision);
    section.read("max_response", values::size, &mut server.max_response);
    section.read("max_content_block", values::size, &mut server.max_content_block);
    section.list("trusted_origins", values::origin, &mut server.trusted_origins);
    section.read("plaintext_credentials", values::flag, &mut server.plaintext_credentials);
    server
}

/// None where something is missing or wrong, which was noted then.
fn auth(kind: &str, section: &mut Section<'_, '_>) -> Option<Auth> {
    let (mut username, mut login, mut secret): (String, _, Option<Secret>) = (String::new(), None, None);
    match kind {
        "basic" => {
            section.read("username", values::username, &mut username);
            section.secret("password", values::text, &mut secret);
            Some(Auth::Basic { username, password: secret? })
        }
        "jwt" => {
            section.maybe("login", values::url, &mut login);
            section.read("username", values::text, &mut username);
            section.secret("password", values::text, &mut secret);
            Some(Auth::Jwt { login: login?, username, password: secret? })
        }
        _ => {
            section.secret("token", values::header_value, &mut secret);
            Some(Auth::Bearer { token: secret? })
        }
    }
}

fn tls(section: &mut Section<'_, '_>) -> Tls {
    let mut tls = Tls::default();
    section.maybe("ca_file", values::path, &mut tls.ca_file);
    section.maybe("cert_file", values::path, &mut tls.cert_file);
    section.maybe("key_file", values::path, &mut tls.key_file);
    section.secret("key_password", values::text, &mut tls.key_password);
    section.read("verify", values::flag, &mut tls.verify);
    section.maybe("pin_sha256", values::fingerprint, &mut tls.pin_sha256);
    section.needs("cert_file", "key_file");
    section.needs("key_file", "cert_file");
    if section.written("cert_file").is_none() {
        section.needs("key_password", "key_file");
    }
    tls
}

fn proxy(section: &mut Section<'_, '_>) -> Option<Proxy> {
    let (mut url, mut username, mut password, mut no_proxy) = (None, None, None, Vec::new());
    section.maybe("url", values::proxy_url, &mut url);
    section.maybe("username", values::username, &mut username);
    section.secret("password", values::text, &mut password);
    section.list("no_proxy", values::direct, &mut no_proxy);
    section.needs("password", "username");
    Some(Proxy { url: url?, username, password, no_proxy })
}

fn feed(section: &mut Section<'_, '_>) -> Feed {
    let mut feed = Feed::default();
    section.read("server", values::text, &mut feed.server);
    section.read("collection", values::text, &mut feed.collection);
    schedule(section, &mut feed.schedule);
    section.read("start", values::start, &mut feed.start);
    section.read("output", values::path, &mut feed.output);
    section.list("content_bindings", values::text, &mut feed.content_bindings);
    section.maybe("subscription_id", values::text, &mut feed.subscription_id);
    section.read("asynchronous", values::flag, &mut feed.asynchronous);
    section.read("lag", values::duration, &mut feed.lag);
    section.read("window", values::duration, &mut feed.window);
    section.read("overlap", values::duration, &mut feed.overlap);
    section.maybe("query_file", values::path, &mut feed.query_file);
    section.read("metadata", values::flag, &mut feed.metadata);
    section.read("file_mode", values::file_mode, &mut feed.file_mode);
    section.maybe("group", values::text, &mut feed.group);
    section.read("min_free", values::size, &mut feed.min_free);
    section.read("max_unread", values::number, &mut feed.max_unread);
    section.read("remember", values::duration, &mut feed.remember);
    feed
}

fn schedule(section: &mut Section<'_, '_>, schedule: &mut Schedule) {
    section.read("every", values::every, schedule);
    section.read("cron", values::cron, schedule);
    if let (Some(_), Some(cron)) = (section.written("every"), section.written("cron")) {
        let key = section.key("cron");
        section.walk.mistake(cron.span(), &key, "found beside every; allowed: one of the two".to_owned());
    }
}

fn inbox(section: &mut Section<'_, '_>) -> Inbox {
    let mut inbox = Inbox::default();
    section.read("server", values::text, &mut inbox.server);
    section.list("collections", values::text, &mut inbox.collections);
    section.read("max_batch", values::small_number, &mut inbox.max_batch);
    section.read("connections", values::small_number, &mut inbox.connections);
    inbox
}

fn drop_directory(section: &mut Section<'_, '_>) -> Drop {
    let mut drop = Drop::default();
    section.read("path", values::path, &mut drop.path);
    section.list("inboxes", values::text, &mut drop.inboxes);
    section.list("include", values::glob, &mut drop.include);
    section.read("settle", values::duration, &mut drop.settle);
    section.read("rescan", values::duration, &mut drop.rescan);
    section.read("keep_sent", values::duration, &mut drop.keep_sent);
    section.read("give_up", values::duration, &mut drop.give_up);
    section.read("max_file", values::size, &mut drop.max_file);
    section.read("resend_duplicates", values::flag, &mut drop.resend_duplicates);
    section.maybe("content_binding", values::text, &mut drop.content_binding);
    drop
}
