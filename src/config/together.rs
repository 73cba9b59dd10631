//! What no key can be told alone: names that must exist, directories that must keep apart, credentials that must not
//! be read on the way.
//!
//! Each check looks only at keys that were read without a mistake, so that one mistake is not told twice.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use url::{Host, Url};

use super::kind::{nearest, one_of};
use super::model::{Auth, Config, Feed, Server};
use super::units::show_duration;
use super::walk::{Walk, join, quoted};
use crate::taxii::Version;

/// The most names that a mistake lists as allowed.
const MOST_NAMES: usize = 10;

/// Checks everything that needs more than one key.
pub(super) fn check(walk: &mut Walk, config: &Config) {
    for (name, feed) in &config.feeds {
        let path = join("feeds", name);
        check_server(walk, config, &join(&path, "server"), &feed.server, "poll");
        check_feed(walk, &path, feed, config.servers.get(&feed.server));
    }
    for (name, inbox) in &config.inboxes {
        let path = join("inboxes", name);
        check_server(walk, config, &join(&path, "server"), &inbox.server, "inbox");
        let old = config.servers.get(&inbox.server).is_some_and(|server| server.taxii == Version::V10);
        if old && !inbox.collections.is_empty() {
            let what = "not sent: TAXII 1.0 has no Destination_Collection_Name";
            walk.warn(&join(&path, "collections"), what, false);
        }
    }
    for (name, drop) in &config.drops {
        check_inboxes(walk, config, &join(&join("drops", name), "inboxes"), &drop.inboxes);
    }
    for (name, server) in &config.servers {
        check_credentials(walk, &join("servers", name), server);
        check_authorization(walk, &join("servers", name), server);
        remark_tls(walk, &join(&join("servers", name), "tls"), server);
    }
    check_directories(walk, config);
    if config.metrics_textfile.as_ref().is_some_and(|file| !file.as_os_str().as_encoded_bytes().ends_with(b".prom")) {
        walk.warn("metrics.textfile", "node_exporter does not read it: its name does not end in .prom", false);
    }
}

/// A server must exist, and the service must be found: pinned, or through discovery.
fn check_server(walk: &mut Walk, config: &Config, key: &str, name: &str, service: &str) {
    let Some(span) = walk.sound(key) else { return };
    let server = join("servers", name);
    if !walk.is_written(&server) {
        let what = unknown(name, "server", "servers", &config.servers);
        return walk.mistake(span, key, what);
    }
    let (discovery, pinned) = (join(&server, "discovery"), join(&server, service));
    if config.servers.contains_key(name) && !walk.is_written(&discovery) && !walk.is_written(&pinned) {
        let what =
            format!("found {} (its {service} address is not known); needed: {discovery} or {pinned}", quoted(name));
        walk.mistake(span, key, what);
    }
}

fn check_feed(walk: &mut Walk, path: &str, feed: &Feed, server: Option<&Server>) {
    let key = join(path, "overlap");
    if let Some(span) = walk.sound(&key)
        && feed.overlap >= feed.window
    {
        // The asked range ends at most a window after its begin, which is an overlap before the cursor.
        let (overlap, window) = (show_duration(feed.overlap), show_duration(feed.window));
        let what = format!("found \"{overlap}\" (the cursor would never move); allowed: less than window, {window}");
        walk.mistake(span, &key, what);
    }
    let key = join(path, "query_file");
    if let Some(span) = walk.sound(&key)
        && feed.query_file.is_some()
        && server.is_some_and(|server| server.taxii == Version::V10)
    {
        walk.mistake(span, &key, "found with a TAXII 1.0 server; allowed: only with TAXII 1.1".to_owned());
    }
    if feed.subscription_id.is_some() {
        let what = "not sent: subscription_id stands instead of poll parameters";
        let unused =
            [("content_bindings", !feed.content_bindings.is_empty()), ("query_file", feed.query_file.is_some())];
        for (name, _) in unused.into_iter().filter(|(_, is_set)| *is_set) {
            walk.warn(&join(path, name), what, false);
        }
    }
}

fn check_inboxes(walk: &mut Walk, config: &Config, key: &str, inboxes: &[String]) {
    let mut seen: Vec<&str> = Vec::new();
    for ((key, span), name) in walk.sound_elements(key).into_iter().zip(inboxes) {
        if !walk.is_written(&join("inboxes", name)) {
            walk.mistake(span, &key, unknown(name, "inbox", "inboxes", &config.inboxes));
        } else if seen.contains(&name.as_str()) {
            walk.mistake(span, &key, format!("found {} twice; allowed: once", quoted(name)));
        }
        seen.push(name);
    }
}

fn unknown<T>(name: &str, what: &str, table: &str, known: &BTreeMap<String, T>) -> String {
    let found = quoted(name);
    if known.is_empty() {
        return format!("found {found} (no {what} of this file); needed: a table [{table}.{name}]");
    }
    let meant = nearest(name, known.keys().map(String::as_str));
    let meant = meant.map(|meant| format!("; did you mean {meant:?}?")).unwrap_or_default();
    let more = if known.len() > MOST_NAMES { ", …" } else { "" };
    let known = one_of(known.keys().take(MOST_NAMES).map(|name| format!("{name:?}")));
    format!("found {found} (no {what} of this file{meant}); allowed: {known}{more}")
}

/// Credentials are for https, for this very machine, or for whoever was told that they can be read on the way.
fn check_credentials(walk: &mut Walk, path: &str, server: &Server) {
    let exception = join(path, "plaintext_credentials");
    let is_allowed = server.plaintext_credentials || (walk.is_written(&exception) && walk.sound(&exception).is_none());
    let has_credentials = walk.is_written(&join(path, "auth")) || !server.headers.is_empty();
    if is_allowed || !has_credentials {
        return;
    }
    let origins = walk.sound_elements(&join(path, "trusted_origins"));
    let mut addresses: Vec<(String, &Url)> =
        origins.into_iter().map(|(key, _)| key).zip(&server.trusted_origins).collect();
    let services = [
        ("discovery", &server.discovery),
        ("poll", &server.poll),
        ("inbox", &server.inbox),
        ("collections", &server.collections),
    ];
    addresses.extend(services.into_iter().filter_map(|(name, url)| Some((join(path, name), url.as_ref()?))));
    if let Some(Auth::Jwt { login, .. }) = &server.auth {
        addresses.push((join(&join(path, "auth"), "login"), login));
    }
    for (key, url) in addresses {
        if url.scheme() == "http"
            && !is_loopback(url)
            && let Some(span) = walk.sound(&key)
        {
            let found = quoted(url.as_str());
            let allowed = "https, a loopback address, or plaintext_credentials = true";
            let what = format!("found {found} (credentials would go over plain http); allowed: {allowed}");
            walk.mistake(span, &key, what);
        }
    }
}

/// A request has one Authorization field (RFC 9110, section 11.6.2).
fn check_authorization(walk: &mut Walk, path: &str, server: &Server) {
    let field = server.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let Some((name, _)) = field
        && walk.is_written(&join(path, "auth"))
    {
        let key = join(&join(path, "headers"), name);
        if let Some(span) = walk.sound(&key) {
            walk.mistake(span, &key, "found beside auth; allowed: one of the two".to_owned());
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name.trim_end_matches('.') == "localhost",
        None => false,
    }
}

fn remark_tls(walk: &mut Walk, path: &str, server: &Server) {
    match server.tls.pin_sha256 {
        Some(_) => walk.warn(&join(path, "ca_file"), "not looked at: pin_sha256 stands instead of a chain", false),
        None if !server.tls.verify => {
            let what = "the server's certificate is not checked: whoever is on the way can read and change everything";
            walk.warn(&join(path, "verify"), what, false);
        }
        None => {}
    }
}

/// A directory of the configuration: its key, its path, and the path as it is compared.
struct Directory<'c> {
    key: String,
    path: &'c Path,
    compared: PathBuf,
}

/// No two directories are the same or inside one another: what one side writes the other would take for its own.
fn check_directories(walk: &mut Walk, config: &Config) {
    let directories = directories(walk, config);
    let mut known: HashMap<&Path, &str> = HashMap::new();
    for directory in &directories {
        match known.get(directory.compared.as_path()) {
            Some(other) => clash(walk, directory, other, "the same directory as"),
            None => drop(known.insert(&directory.compared, &directory.key)),
        }
    }
    let below = |walk: &mut Walk, directory: &Directory<'_>, allowed: Option<&str>| {
        for outer in directory.compared.ancestors().skip(1).filter(|outer| is_below(&directory.compared, outer)) {
            if let Some(other) = known.get(outer).filter(|other| Some(**other) != allowed) {
                clash(walk, directory, other, "inside");
            }
        }
    };
    for directory in &directories {
        below(walk, directory, None);
    }
    if let Some(path) = &config.metrics_textfile {
        let textfile = Directory { key: "metrics.textfile".to_owned(), path, compared: normal(path) };
        below(walk, &textfile, Some("state_dir"));
        if let Some(other) = known.get(textfile.compared.as_path()) {
            clash(walk, &textfile, other, "the same path as");
        }
        let ours = |name: &OsStr| name == "lock" || name.as_encoded_bytes().starts_with(b"ledger.db");
        let beside = textfile.compared.parent() == Some(&normal(&config.state_dir));
        if beside && textfile.compared.file_name().is_some_and(ours) {
            clash(walk, &textfile, "state_dir", "a file of the agent's own in");
        }
    }
}

fn directories<'c>(walk: &Walk, config: &'c Config) -> Vec<Directory<'c>> {
    let state_dir = ("state_dir".to_owned(), config.state_dir.as_path());
    let outputs = config.feeds.iter().map(|(name, feed)| (join(&join("feeds", name), "output"), feed.output.as_path()));
    let drops = config.drops.iter().map(|(name, drop)| (join(&join("drops", name), "path"), drop.path.as_path()));
    std::iter::once(state_dir)
        .chain(outputs)
        .chain(drops)
        .filter(|(key, _)| walk.sound(key).is_some() || (key == "state_dir" && !walk.is_written(key)))
        .map(|(key, path)| Directory { key, path, compared: normal(path) })
        .collect()
}

/// Notes a clash at the key that stands in the file; `state_dir` may be there only by default.
fn clash(walk: &mut Walk, directory: &Directory<'_>, other: &str, how: &str) {
    if let Some((span, key, what)) = told(walk, &directory.key, directory.path, other, how) {
        walk.mistake(span, key, what);
    }
}

/// Where a clash is told, and how.
fn told<'k>(
    walk: &Walk,
    key: &'k str,
    path: &Path,
    other: &'k str,
    how: &str,
) -> Option<(Range<usize>, &'k str, String)> {
    let path = quoted(&path.to_string_lossy());
    let allowed = "allowed: directories apart from each other";
    if let Some(span) = walk.sound(key) {
        return Some((span, key, format!("found {path} ({how} {other}); {allowed}")));
    }
    let span = walk.sound(other)?;
    Some((span, other, format!("found with {key}, by default {path}, {how} it; {allowed}")))
}

/// Two directories that are not apart from each other, which only a look at them tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The key of the one.
    pub key: String,
    /// Its path as it is written.
    pub path: PathBuf,
    /// The key of the other.
    pub other: String,
    /// How they clash, in words that the other's key can follow: "leads to /a/b, inside".
    pub how: String,
}

/// Notes all clashes of directories whose keys were read without a mistake so far.
pub(super) fn note_clashes(walk: &mut Walk, clashes: &[Clash]) {
    let counts = |key: &str| walk.sound(key).is_some() || (key == "state_dir" && !walk.is_written(key));
    let clashes = clashes.iter().filter(|clash| counts(&clash.key) && counts(&clash.other));
    let told: Vec<_> =
        clashes.filter_map(|clash| told(walk, &clash.key, &clash.path, &clash.other, &clash.how)).collect();
    for (span, key, what) in told {
        walk.mistake(span, key, what);
    }
}

/// A path without `.`, `..` (as far as that can be told without looking) and trailing slashes.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match (component, normal.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                normal.pop();
            }
            _ => normal.push(component),
        }
    }
    normal
}

/// Whether a path is below one that it begins with: `../a` begins with the current directory, but is not in it.
fn is_below(inner: &Path, outer: &Path) -> bool {
    inner.strip_prefix(outer).is_ok_and(|rest| matches!(rest.components().next(), Some(Component::Normal(_))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        for (path, as_compared) in [
            ("/a/b/", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("//a///b", "/a/b"),
            ("/../a", "/a"),
            ("./a", "a"),
            (".", ""),
            ("a/..", ""),
            ("../a", "../a"),
            ("../../a/..", "../.."),
            ("a/../../b", "../b"),
        ] {
            assert_eq!(normal(Path::new(path)), Path::new(as_compared), "{path}");
        }
        assert!(is_below(Path::new("a"), Path::new("")));
        assert!(!is_below(Path::new("../a"), Path::new("")));
        assert!(!is_below(Path::new("/ab"), Path::new("/a")));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:9000/x", true),
            ("http://127.8.7.6/", true),
            ("http://[::1]/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://LOCALHOST:1/", true),
            ("http://localhost./", true),
            ("http://localhost.example.org/", false),
            ("http://128.0.0.1/", false),
            ("http://127.0.0.1.example.org/", false),
            ("http://0.0.0.0/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
