//! What a configuration means, in words and as JSON.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::taxii::Version;

const SERVER: &str = "[servers.hub]\ndiscovery = \"https://hub.example/d\"\n";

fn feed(lines: &str) -> Feed {
    let text = format!("{SERVER}[feeds.f]\nserver = \"hub\"\ncollection = \"c\"\noutput = \"/out\"\n{lines}");
    parse(&text).feeds.remove("f").unwrap()
}

fn server(lines: &str) -> Server {
    parse(&format!("{SERVER}{lines}")).servers.remove("hub").unwrap()
}

#[test]
fn an_empty_file_is_valid_and_does_nothing() {
    for text in ["", "\n", "# nothing\n", "[log]\n[metrics]\n[servers]\n[feeds]\n[inboxes]\n[drops]\n"] {
        assert_eq!(parse(text), Config::default());
    }
    assert!(explain(&Config::default()).contains("Nothing is polled"));
}

#[test]
fn the_required_keys_are_enough_and_all_else_is_the_default() {
    let defaults = Feed { server: "hub".into(), collection: "c".into(), output: "/out".into(), ..Feed::default() };
    assert_eq!(feed(""), defaults);
    assert_eq!(feed("").schedule, Schedule::Every(Duration::from_secs(900)));
    assert_eq!(feed("").file_mode, 0o640);
}

#[test]
fn a_start_is_a_duration_a_time_or_the_beginning() {
    assert_eq!(feed("start = \"2w\"").start, Start::Ago(Duration::from_secs(1_209_600)));
    assert_eq!(feed("start = \"0s\"").start, Start::Ago(Duration::ZERO));
    assert_eq!(feed("start = \"beginning\"").start, Start::Beginning);
    let instant = Start::At("2024-01-31T10:00:00.5Z".parse().unwrap());
    for start in ["\"2024-01-31T10:00:00.5Z\"", "\"2024-01-31T12:00:00.5+02:00\"", "2024-01-31T12:00:00.5+02:00"] {
        assert_eq!(feed(&format!("start = {start}")).start, instant, "{start}");
    }
}

#[test]
fn an_empty_text_means_none_where_it_may_be_empty() {
    let feed = feed("subscription_id = \"\"\nquery_file = \"\"\ngroup = \"\"\n");
    assert_eq!((feed.subscription_id, feed.query_file, feed.group), (None, None, None));
}

#[test]
fn metrics_that_nobody_would_read_are_worth_a_word() {
    let warned = |file: &str| {
        let text = format!("[metrics]\ntextfile = \"/metrics/{file}\"\n");
        Config::parse(&text, "config.toml").unwrap().warnings.iter().any(|one| one.key == "metrics.textfile")
    };
    assert_eq!(["taxii.prom", "taxii.txt", "taxii"].map(warned), [false, true, true]);
}

#[test]
fn a_server_of_plain_http_shows_no_certificate() {
    let meaning = |url: &str| explain(&parse(&format!("[servers.hub]\ndiscovery = \"{url}\"\n")));
    assert!(meaning("https://hub.example/d").contains("must lead to an authority"));
    let plain = meaning("http://hub.example/d");
    assert!(plain.contains("no certificate is looked at") && !plain.contains("authority"), "{plain}");
}

#[test]
fn file_modes_are_octal() {
    assert_eq!(feed("file_mode = \"0644\"").file_mode, 0o644);
    assert_eq!(feed("file_mode = \"600\"").file_mode, 0o600);
}

#[test]
fn cron_has_five_fields_and_local_time() {
    let Schedule::Cron(cron) = feed("cron = \"*/15 6-18 * * mon-fri\"").schedule else { panic!() };
    assert_eq!(
        cron.find_next_occurrence(&"2024-06-01T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap(), true)
            .unwrap()
            .to_rfc3339(),
        "2024-06-03T06:00:00+00:00"
    );
}

#[test]
fn credentials_come_from_where_the_key_says() {
    for (key, secret) in [
        ("password_file = \"/run/p\"", Secret::File("/run/p".into())),
        ("password_env = \"HUB_PASSWORD\"", Secret::Env("HUB_PASSWORD".into())),
        ("password_credential = \"hub-password\"", Secret::Credential("hub-password".into())),
        ("password = \"pässwörd\"", Secret::Literal("pässwörd".into())),
    ] {
        let basic = server(&format!("auth = {{ type = \"basic\", username = \"u\", {key} }}"));
        assert_eq!(basic.auth, Some(Auth::Basic { username: "u".into(), password: secret.clone() }));
        let login = "https://hub.example/login";
        let jwt = server(&format!("auth = {{ type = \"jwt\", login = \"{login}\", username = \"u\", {key} }}"));
        let expected = Auth::Jwt { login: login.parse().unwrap(), username: "u".into(), password: secret.clone() };
        assert_eq!(jwt.auth, Some(expected));
        let proxied = server(&format!("proxy = {{ url = \"socks5h://p:1080\", username = \"u\", {key} }}"));
        assert_eq!(proxied.proxy.unwrap().password, Some(secret));
    }
    let bearer = server("auth = { type = \"bearer\", token_env = \"T\" }");
    assert_eq!(bearer.auth, Some(Auth::Bearer { token: Secret::Env("T".into()) }));
}

#[test]
fn header_fields_are_texts_or_places() {
    let server = server(
        "headers = { X-Site = \"berlin\", \"X-Api-Key\" = { credential = \"key\" }, A = { file = \"f\" }, \
         Authorization = { env = \"TOKEN\" }, X-TAXII-Protocol = \"urn:taxii.mitre.org:protocol:https:1.0\" }",
    );
    let headers: Vec<(&str, &Secret)> = server.headers.iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(headers.len(), 5);
    assert!(headers.contains(&("X-Site", &Secret::Literal("berlin".into()))));
    assert!(headers.contains(&("X-Api-Key", &Secret::Credential("key".into()))));
    assert!(headers.contains(&("A", &Secret::File("f".into()))));
    assert!(headers.contains(&("Authorization", &Secret::Env("TOKEN".into()))));
}

#[test]
fn transport_security_is_read() {
    let server = server(&format!(
        "tls = {{ ca_file = \"ca\", cert_file = \"c\", key_file = \"k\", key_password_env = \"P\", verify = true }}\n\
         taxii = \"1.0\"\n[servers.pinned.tls]\npin_sha256 = \"{}\"",
        "0aF".repeat(21) + "1"
    ));
    assert_eq!(server.taxii, Version::V10);
    assert_eq!(server.tls.ca_file.as_deref(), Some(Path::new("ca")));
    assert_eq!(server.tls.key_password, Some(Secret::Env("P".into())));
    let pinned = parse(&format!("servers.a.tls.pin_sha256 = \"{}\"", "0aF1".repeat(16)));
    assert_eq!(pinned.servers["a"].tls.pin_sha256.unwrap()[..2], [0x0a, 0xf1]);
}

#[test]
fn plain_http_with_credentials_is_for_this_machine_or_for_who_asked() {
    let auth = "auth = { type = \"bearer\", token_env = \"T\" }\n";
    parse(&format!("[servers.a]\npoll = \"http://127.0.0.1:9/p\"\ninbox = \"http://[::1]/i\"\n{auth}"));
    parse(&format!("[servers.a]\npoll = \"http://far.example/p\"\nplaintext_credentials = true\n{auth}"));
    parse("[servers.a]\npoll = \"http://far.example/p\"\n");
}

#[test]
fn a_server_without_discovery_serves_what_it_pins() {
    let config = parse(
        "[servers.a]\npoll = \"https://a.example/p\"\n[feeds.f]\nserver = \"a\"\ncollection = \"c\"\noutput = \"o\"\n\
         [servers.b]\ninbox = \"https://b.example/i\"\n[inboxes.i]\nserver = \"b\"\n",
    );
    assert_eq!(config.feeds["f"].output, Path::new("o"));
}

#[test]
fn directories_may_lie_beside_one_another() {
    let text = format!(
        "state_dir = \"/srv/t/state\"\n[metrics]\ntextfile = \"/srv/t/metrics.prom\"\n{SERVER}\
         [inboxes.i]\nserver = \"hub\"\n[drops.d]\npath = \"/srv/t/out/\"\ninboxes = [\"i\"]\n\
         [feeds.f]\nserver = \"hub\"\ncollection = \"c\"\noutput = \"/srv/t/out2\"\n\
         [feeds.g]\nserver = \"hub\"\ncollection = \"c\"\noutput = \"/srv/t/out-2/../out3\"\n\
         [feeds.h]\nserver = \"hub\"\ncollection = \"c\"\noutput = \"srv/t/out\"\n"
    );
    assert_eq!(parse(&text).feeds.len(), 3);
}

#[test]
fn what_is_allowed_but_doubtful_is_a_warning() {
    let pin = "ab".repeat(32);
    let text = format!(
        "[servers.hub]\ntaxii = \"1.0\"\ndiscovery = \"https://hub.example/d\"\n\
         tls = {{ verify = false }}\n[inboxes.i]\nserver = \"hub\"\ncollections = [\"c\"]\n\
         [feeds.f]\nserver = \"hub\"\ncollection = \"c\"\noutput = \"/o\"\nsubscription_id = \"s\"\n\
         content_bindings = [\"urn:x\"]\n[servers.pin.tls]\nca_file = \"x\"\npin_sha256 = \"{pin}\"\n"
    );
    let warnings = Config::parse(&text, "config.toml").unwrap().warnings;
    let mut keys: Vec<(usize, &str)> = warnings.iter().map(|warning| (warning.line, warning.key.as_str())).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            (4, "servers.hub.tls.verify"),
            (7, "inboxes.i.collections"),
            (13, "feeds.f.content_bindings"),
            (15, "servers.pin.tls.ca_file")
        ]
    );
    assert!(warnings.iter().all(|warning| !warning.literal_secret));
}

#[test]
fn the_explanation_says_what_every_table_means() {
    let page = explain(&parse(&example_with_everything()));
    for words in [
        "The ledger is in /var/lib/taxii-sync.",
        "Server hub: TAXII 1.1",
        "Discovery at https://taxii.example.org/services/discovery",
        "Poll Service pinned at https://taxii.example.org/services/poll",
        "Signs in as sensor with HTTP Basic, password from the file /etc/taxii-sync/hub-password.",
        "at https://exchange.example.org:9000/management/auth for a token, password from the environment variable",
        "a token from the credential archive-token",
        "header field X-Api-Key, value from the file",
        "public key that is pinned",
        "Through the proxy http://proxy.example.org:3128/ as user sensor",
        "Feed indicators: collection default of server hub",
        "Polled every 15m.",
        "reaches 30d back",
        "Polled at the times */15 * * * * (local time).",
        "mode 0640",
        "Inbox partner: of server hub",
        "Drop directory outgoing: /var/spool/taxii-sync/outgoing",
    ] {
        assert!(page.contains(words), "{words}\nis not in\n{page}");
    }
    let other = explain(&parse(
        "[servers.a]\npoll = \"https://a.example/\"\ntls = { verify = false }\n[feeds.f]\nserver = \"a\"\n\
         collection = \"c\"\noutput = \"/o\"\nstart = \"2024-01-31T00:00:00+01:00\"\noverlap = \"5m\"\nmax_unread = 9\n",
    ));
    for words in
        ["NOT checked", "begins at 2024-01-30T23:00:00Z", "5m of it again", "while 9 content files", "No user name"]
    {
        assert!(other.contains(words), "{words}\nis not in\n{other}");
    }
}

#[test]
fn what_taxii_1_0_leaves_out_is_said_where_it_counts() {
    let page = |version: &str| {
        explain(&parse(&format!(
            "[servers.a]\ntaxii = \"{version}\"\ndiscovery = \"https://a.example/\"\n[feeds.f]\nserver = \"a\"\n\
             collection = \"c\"\noutput = \"/o\"\n[inboxes.i]\nserver = \"a\"\ncollections = [\"x\"]\n"
        )))
    };
    for words in ["`asynchronous` has no meaning here", "no destination collections: none is named"] {
        assert!(page("1.0").contains(words), "{words}\nis not in\n{}", page("1.0"));
        assert!(!page("1.1").contains(words), "{words}\nis in\n{}", page("1.1"));
    }
}
