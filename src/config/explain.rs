//! A configuration in words: what `check` prints.

use std::fmt::Write as _;

use super::json::{address, file_mode, start_word, word};
use super::model::{Auth, Config, Drop, Feed, Inbox, LogFormat, Schedule, Secret, Server, Start};
use super::tables::{PRECISIONS, VERSIONS};
use super::units::{show_duration, show_size};
use crate::taxii::Version;

/// What the configuration means, in words: server by server, feed by feed, drop directory by drop directory. It says
/// where secrets come from, never what they are.
pub fn explain(config: &Config) -> String {
    let mut page = Page::default();
    page.line(format!("The ledger is in {}.", config.state_dir.display()));
    let form = match config.log.format {
        LogFormat::Text => "as text to standard error",
        LogFormat::Json => "as JSON to standard error",
        LogFormat::Journald => "to journald",
    };
    page.line(format!("Log lines of level {} go {form}.", config.log.level));
    if let Some(textfile) = &config.metrics_textfile {
        page.line(format!("Metrics are written to {}.", textfile.display()));
    }
    if config.feeds.is_empty() && config.drops.is_empty() {
        page.line("Nothing is polled and nothing is pushed: there is no feed and no drop directory.");
    }
    for (name, server) in &config.servers {
        page.title(format!("Server {name}: TAXII {}", word(&VERSIONS, server.taxii)));
        explain_server(&mut page, server);
    }
    let version = |server: &str| config.servers.get(server).map_or(Version::V11, |server| server.taxii);
    for (name, feed) in &config.feeds {
        page.title(format!("Feed {name}: collection {} of server {}", feed.collection, feed.server));
        explain_feed(&mut page, feed, version(&feed.server));
    }
    for (name, inbox) in &config.inboxes {
        page.title(format!("Inbox {name}: of server {}", inbox.server));
        explain_inbox(&mut page, inbox, version(&inbox.server));
    }
    for (name, drop) in &config.drops {
        page.title(format!("Drop directory {name}: {}", drop.path.display()));
        explain_drop(&mut page, drop);
    }
    page.text
}

/// Lines of text, indented under their titles.
#[derive(Default)]
struct Page {
    text: String,
    indent: &'static str,
}

impl Page {
    fn title(&mut self, title: String) {
        self.indent = "";
        self.line("");
        self.line(title);
        self.indent = "  ";
    }

    fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        let indent = if line.is_empty() { "" } else { self.indent };
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "{indent}{line}");
    }
}

fn explain_server(page: &mut Page, server: &Server) {
    if let Some(url) = &server.discovery {
        page.line(format!("Discovery at {}; addresses that are not pinned are asked for there.", address(url)));
    }
    let pinned = [("Poll", &server.poll), ("Inbox", &server.inbox), ("Collection Management", &server.collections)];
    for (service, url) in pinned {
        if let Some(url) = url {
            page.line(format!("{service} Service pinned at {}.", address(url)));
        }
    }
    if !server.trusted_origins.is_empty() {
        let origins: Vec<String> =
            server.trusted_origins.iter().map(|url| url.origin().ascii_serialization()).collect();
        page.line(format!("Addresses at {} are used too where the server advertises them.", origins.join(", ")));
    }
    explain_credentials(page, server);
    explain_tls(page, server);
    if let Some(proxy) = &server.proxy {
        let user = proxy.username.as_ref().map(|name| format!(" as user {name}")).unwrap_or_default();
        let secret = proxy.password.as_ref().map(|secret| format!(", password {}", source(secret))).unwrap_or_default();
        let direct =
            if proxy.no_proxy.is_empty() { String::new() } else { format!("; not for {}", proxy.no_proxy.join(", ")) };
        page.line(format!("Through the proxy {}{user}{secret}{direct}.", address(&proxy.url)));
    }
    page.line(format!(
        "Time limits: {} to connect, {} of silence, {} for a whole exchange.",
        show_duration(server.connect_timeout),
        show_duration(server.idle_timeout),
        show_duration(server.total_timeout)
    ));
    page.line(format!(
        "Size limits: {} for a reply, {} for a content block. Timestamps are sent in {}.",
        show_size(server.max_response),
        show_size(server.max_content_block),
        word(&PRECISIONS, server.timestamp_precision)
    ));
}

fn explain_credentials(page: &mut Page, server: &Server) {
    match &server.auth {
        None => page.line("No user name, password or token is sent."),
        Some(Auth::Basic { username, password }) => {
            page.line(format!("Signs in as {username} with HTTP Basic, password {}.", source(password)));
        }
        Some(Auth::Jwt { login, username, password }) => {
            let login = address(login);
            page.line(format!("Signs in as {username} at {login} for a token, password {}.", source(password)));
        }
        Some(Auth::Bearer { token }) => page.line(format!("Signs in with a token {}.", source(token))),
    }
    for (name, value) in &server.headers {
        page.line(format!("Sends the header field {name}, value {}.", source(value)));
    }
    if server.plaintext_credentials {
        page.line("Credentials may go over plain http, where anyone on the way can read them.");
    }
}

fn explain_tls(page: &mut Page, server: &Server) {
    let tls = &server.tls;
    let known = [&server.discovery, &server.poll, &server.inbox, &server.collections].into_iter().flatten();
    if known.chain(&server.trusted_origins).all(|url| url.scheme() == "http") {
        return page.line("Plain http: no certificate is looked at, and nothing is encrypted.");
    }
    page.line(match (&tls.pin_sha256, tls.verify, &tls.ca_file) {
        (Some(_), _, _) => "The server must have the public key that is pinned.".to_owned(),
        (None, false, _) => "The server's certificate is NOT checked.".to_owned(),
        (None, true, Some(file)) => {
            format!("The server's certificate must lead to an authority of {}.", file.display())
        }
        (None, true, None) => "The server's certificate must lead to an authority that this system trusts.".to_owned(),
    });
    if let (Some(certificate), Some(key)) = (&tls.cert_file, &tls.key_file) {
        let password = tls.key_password.as_ref().map(|secret| format!(", its password {}", source(secret)));
        let password = password.unwrap_or_default();
        page.line(format!("Shows the certificate {}, key {}{password}.", certificate.display(), key.display()));
    }
}

fn explain_feed(page: &mut Page, feed: &Feed, version: Version) {
    page.line(match &feed.schedule {
        Schedule::Every(pause) => format!("Polled every {}.", show_duration(*pause)),
        Schedule::Cron(cron) => format!("Polled at the times {} (local time).", cron.as_str()),
    });
    let first = match &feed.start {
        Start::Ago(duration) => format!("reaches {} back", show_duration(*duration)),
        Start::At(_) => format!("begins at {}", start_word(&feed.start)),
        Start::Beginning => "begins at the beginning of the collection".to_owned(),
    };
    page.line(format!(
        "The first poll {first}. Asked for in ranges of at most {}, up to {} before the server's time{}.",
        show_duration(feed.window),
        show_duration(feed.lag),
        if feed.overlap.is_zero() { String::new() } else { format!(", {} of it again", show_duration(feed.overlap)) }
    ));
    if let Some(id) = &feed.subscription_id {
        page.line(format!("Polled under the subscription {id}; no poll parameters are sent."));
    }
    if !feed.content_bindings.is_empty() {
        page.line(format!("Only content of {} is asked for.", feed.content_bindings.join(", ")));
    }
    if let Some(query) = &feed.query_file {
        page.line(format!("With the query in {}.", query.display()));
    }
    if version == Version::V10 {
        page.line(
            "TAXII 1.0 has no asynchronous answers, parts, counts or data sets: `asynchronous` has no meaning here. \
             Some servers cut a long answer off without a word; a shorter window helps.",
        );
    } else if !feed.asynchronous {
        page.line("Asynchronous answers (PENDING) are not accepted.");
    }
    let group = feed.group.as_ref().map(|group| format!(", group {group}")).unwrap_or_default();
    let metadata = if feed.metadata { ", each with a .meta.json" } else { "" };
    page.line(format!(
        "Content files go to {}, mode {}{group}{metadata}.",
        feed.output.display(),
        file_mode(feed.file_mode)
    ));
    if feed.min_free > 0 {
        page.line(format!("Pauses below {} of free space.", show_size(feed.min_free)));
    }
    if feed.max_unread > 0 {
        page.line(format!("Pauses while {} content files wait there.", feed.max_unread));
    }
    page.line(format!("What was handed over is known for {}.", show_duration(feed.remember)));
}

fn explain_inbox(page: &mut Page, inbox: &Inbox, version: Version) {
    page.line(match inbox.collections.as_slice() {
        _ if version == Version::V10 => "TAXII 1.0 has no destination collections: none is named.".to_owned(),
        [] => "No destination collection is named.".to_owned(),
        names => format!("Destination collections: {}.", names.join(", ")),
    });
    let order = if inbox.connections == 1 { "in the order of dropping" } else { "in no certain order" };
    let (blocks, messages) = (inbox.max_batch, inbox.connections);
    page.line(format!("Content blocks in a message: at most {blocks}. Messages at once: {messages}, {order}."));
}

fn explain_drop(page: &mut Page, drop: &Drop) {
    page.line(format!(
        "Files named {} up to {} go to {}.",
        drop.include.join(" or "),
        show_size(drop.max_file),
        drop.inboxes.join(", ")
    ));
    if let Some(binding) = &drop.content_binding {
        page.line(format!("Each is sent as {binding}."));
    }
    page.line(format!(
        "Taken once unchanged for {}; the directory is listed every {}.",
        show_duration(drop.settle),
        show_duration(drop.rescan)
    ));
    let kept = if drop.keep_sent.is_zero() {
        "deleted at once".to_owned()
    } else {
        format!("kept for {}", show_duration(drop.keep_sent))
    };
    page.line(format!("What was sent is {kept}; what is pending for {} has failed.", show_duration(drop.give_up)));
    if drop.resend_duplicates {
        page.line("Content that an inbox accepted before is sent again.");
    }
}

/// Where a secret comes from, as it follows its name.
fn source(secret: &Secret) -> String {
    match secret {
        Secret::Literal(_) => "in the configuration itself".to_owned(),
        Secret::File(path) => format!("from the file {}", path.display()),
        Secret::Env(name) => format!("from the environment variable {name}"),
        Secret::Credential(name) => format!("from the credential {name}"),
    }
}
