//! Broken configurations: in each, `▸` stands before the place that the one mistake must name, and the words must
//! appear in what is said about it.

use super::*;

const SERVER: &str = "[servers.hub]\ndiscovery = \"https://hub.example/d\"\n";
const FEED: &str = "[feeds.f]\nserver = \"hub\"\ncollection = \"c\"\noutput = \"/out\"\n";
const INBOX: &str = "[inboxes.i]\nserver = \"hub\"\n";
const DROP: &str = "[drops.d]\npath = \"/drop\"\ninboxes = [\"i\"]\n";

type Case = (&'static str, &'static [&'static str]);

fn assert_each(before: &str, cases: &[Case]) {
    for (broken, words) in cases {
        let marked = format!("{before}{broken}");
        let at = marked.find('▸').unwrap_or_else(|| panic!("no mark in {broken}"));
        let text = marked.replace('▸', "");
        let line = marked[..at].matches('\n').count() + 1;
        let column = marked[..at].rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let list = mistakes(&text);
        let [mistake] = list.iter().as_slice() else { panic!("not one mistake:\n{list}\nin\n{text}") };
        assert_eq!((mistake.line, mistake.column), (line, column), "{list}\nin\n{text}");
        let said = list.to_string();
        assert!(said.starts_with(&format!("config.toml:{line}:{column}: ")), "{said}");
        for word in *words {
            assert!(said.lines().next().unwrap().contains(word), "{word:?} is not in\n{said}");
        }
        // Where a line is quoted, the carets begin at the column, unless something before it is not shown.
        if let [_, line, carets] = said.lines().collect::<Vec<_>>()[..] {
            let caret = carets.find('^').unwrap();
            let is_whole = !line.chars().take(caret).any(|c| c == '…');
            assert!(!is_whole || caret == line.find(" | ").unwrap() + 3 + column - 1, "{said}");
        }
    }
}

#[test]
fn broken_files() {
    assert_each(
        "",
        &[
            (
                "▸stat_dir = \"/x\"",
                &["stat_dir: unknown key", "did you mean state_dir?", "log, metrics, servers, feeds"],
            ),
            ("[▸sever.hub]\n", &["sever: unknown key", "did you mean servers?"]),
            ("state_dir = ▸5", &["state_dir: found 5", "allowed: a path"]),
            ("state_dir = ▸\"\"", &["state_dir: found \"\" (empty)"]),
            ("state_dir = ▸\"/a\\u0000b\"", &["state_dir", "control character"]),
            ("log = ▸\"debug\"", &["log: found", "not a table", "allowed: a table"]),
            ("[log]\nlevel = ▸\"verbose\"", &["log.level: found \"verbose\"", "off, error, warn, info, debug, trace"]),
            ("[log]\nlevel = ▸\"inof\"", &["log.level", "did you mean \"info\"?"]),
            ("[log]\nlevel = ▸\"info,x=loud\"", &["log.level", "EnvFilter"]),
            ("[log]\nformat = ▸\"xml\"", &["log.format: found \"xml\"", "\"text\", \"json\" or \"journald\""]),
            ("[log]\nformat = ▸true", &["log.format: found true", "not a text"]),
            ("[log]\n▸colour = true", &["log.colour: unknown key", "level or format"]),
            ("[metrics]\ntextfile = ▸[1]", &["metrics.textfile: found a list", "a path"]),
            ("[metrics]\n▸port = 9100", &["metrics.port: unknown key", "allowed: textfile"]),
            ("servers = ▸5", &["servers: found", "a table of tables"]),
            ("▸[[servers]]\n", &["servers: found a list", "not a table"]),
            ("[servers]\nhub = ▸\"https://hub.example\"", &["servers.hub: found", "not a table"]),
            ("[servers.▸\"a b\"]", &["servers.\"a b\"", "found the name \"a b\"", "1 to 64 of A-Z a-z 0-9 _ . -"]),
            ("[servers.▸\"../x\"]", &["found the name \"../x\""]),
            ("[feeds]\n[servers.▸-x]", &["found the name \"-x\"", "not beginning with . or -"]),
            ("[servers.▸\"\"]", &["servers.\"\"", "found the name \"\""]),
            ("[servers.▸\"ää\"]", &["found the name \"ää\""]),
        ],
    );
}

#[test]
fn broken_toml() {
    assert_each(
        "",
        &[
            ("[feeds.a▸\n", &["not TOML", "`]`"]),
            ("state_dir▸\n", &["not TOML", "`=`"]),
            ("state_dir = ▸\n", &["state_dir: not TOML"]),
            ("state_dir = \"/x▸\n", &["state_dir: not TOML", "`\"`"]),
            ("[log]\nlevel = ▸info\n", &["level: not TOML", "quotes"]),
            ("[feeds.a]\nevery = ▸15m\n", &["every: not TOML", "quoted"]),
            ("[feeds.a]\nfile_mode = ▸0640\n", &["file_mode: not TOML", "leading zero"]),
            ("state_dir = \"/a\"\n▸state_dir = \"/b\"\n", &["state_dir: found twice"]),
            ("[servers.a]\n[servers.▸a]\n", &["servers.a: found twice"]),
            ("[log]\n[▸log]\n", &["log: found twice"]),
            ("feeds.a.server = \"x\"\nfeeds.▸a = {}\n", &["feeds.a: found twice"]),
            ("state_dir = \"/a\" ▸\"/b\"\n", &["not TOML", "newline"]),
            ("a = {▸", &["not TOML"]),
        ],
    );
}

#[test]
fn broken_servers() {
    assert_each(
        SERVER,
        &[
            ("taxii = ▸1.1", &["servers.hub.taxii: found 1.1", "\"1.1\" or \"1.0\""]),
            ("taxii = ▸\"2.1\"", &["servers.hub.taxii: found \"2.1\"", "\"1.1\" or \"1.0\""]),
            (
                "poll = ▸\"ftp://hub.example/p\"",
                &["servers.hub.poll: found \"ftp://hub.example/p\"", "another scheme", "http"],
            ),
            ("poll = ▸\"hub.example/p\"", &["servers.hub.poll", "does not begin with a scheme"]),
            ("poll = ▸\"https:/hub.example/p\"", &["servers.hub.poll", "does not begin with a scheme"]),
            ("poll = ▸\"https:///p\"", &["servers.hub.poll", "host"]),
            ("poll = ▸\"https://hub example/p\"", &["servers.hub.poll", "space"]),
            ("poll = ▸\"https://hub.example\\\\p\"", &["servers.hub.poll", "backslash"]),
            ("poll = ▸\"https://hub.example:99999/p\"", &["servers.hub.poll", "invalid port"]),
            ("poll = ▸\"https://hub.example/p#top\"", &["servers.hub.poll", "fragment"]),
            ("poll = ▸\"https://u:p@hub.example/p\"", &["servers.hub.poll", "user name or password"]),
            ("poll = ▸\"https://@hub.example/p\"", &["servers.hub.poll", "user name or password"]),
            ("poll = ▸\"\"", &["servers.hub.poll: found \"\"", "empty"]),
            ("auth = ▸\"basic\"", &["servers.hub.auth: found", "not a table", "\"basic\", \"jwt\" or \"bearer\""]),
            ("auth = ▸{ username = \"u\" }", &["servers.hub.auth.type: missing", "\"basic\", \"jwt\" or \"bearer\""]),
            ("auth = { type = ▸\"digest\" }", &["servers.hub.auth.type: found \"digest\""]),
            ("auth = { type = ▸\"baisc\" }", &["servers.hub.auth.type", "did you mean \"basic\"?"]),
            (
                "auth = ▸{ type = \"basic\", username = \"u\" }",
                &["servers.hub.auth.password: missing", "password_file, password_env, password_credential or password"],
            ),
            ("auth = ▸{ type = \"basic\", password_env = \"P\" }", &["servers.hub.auth.username: missing"]),
            (
                "auth = { type = \"basic\", username = ▸\"a:b\", password_env = \"P\" }",
                &["auth.username: found \"a:b\"", "colon"],
            ),
            (
                "auth = { type = \"basic\", username = \"u\", password_env = ▸\"a b\" }",
                &["auth.password_env", "environment variable"],
            ),
            (
                "auth = { type = \"basic\", username = \"u\", password_credential = ▸\"a/b\" }",
                &["auth.password_credential", "file name"],
            ),
            ("auth = { type = \"basic\", username = \"u\", password_file = ▸\"\" }", &["auth.password_file", "empty"]),
            ("auth = { type = \"basic\", username = \"u\", password = ▸\"\" }", &["auth.password", "empty"]),
            (
                "auth = { type = \"basic\", username = \"u\", password_file = \"f\", password_env = ▸\"P\" }",
                &["auth.password_env: found beside password_file", "one of the two"],
            ),
            (
                "auth = { type = \"basic\", ▸login = \"https://a/\", username = \"u\", password_env = \"P\" }",
                &["auth.login: unknown key"],
            ),
            (
                "auth = ▸{ type = \"jwt\", username = \"u\", password_env = \"P\" }",
                &["auth.login: missing", "http or https"],
            ),
            ("auth = ▸{ type = \"bearer\" }", &["auth.token: missing", "token_file"]),
            ("headers = ▸[\"a\"]", &["servers.hub.headers: found a list", "table"]),
            ("headers = { ▸\"X Y\" = \"v\" }", &["headers.\"X Y\": found the name \"X Y\"", "letters, digits and -"]),
            ("headers = { ▸Content-Type = \"v\" }", &["headers.Content-Type", "the agent writes"]),
            ("headers = { ▸x-taxii-services = \"v\" }", &["headers.x-taxii-services", "the agent writes"]),
            ("headers = { X-A = \"1\", ▸x-a = \"2\" }", &["headers.x-a", "found twice"]),
            ("headers = { X-A = ▸\"a\\r\\nX-B: b\" }", &["headers.X-A", "control character"]),
            ("headers = { X-A = ▸5 }", &["headers.X-A: found", "not a text"]),
            (
                "auth = { type = \"bearer\", token_env = \"T\" }\nheaders = { Authorization = ▸{ env = \"A\" } }",
                &["servers.hub.headers.Authorization: found beside auth"],
            ),
            ("headers = { X-A = ▸{ } }", &["headers.X-A: found 0 keys", "file, env or credential"]),
            ("headers = { X-A = ▸{ file = \"f\", env = \"E\" } }", &["headers.X-A: found 2 keys"]),
            ("headers = { X-A = { ▸value = \"f\" } }", &["headers.X-A.value: unknown key", "file, env or credential"]),
            ("tls = { cert_file = ▸\"c\" }", &["tls.key_file: missing beside cert_file"]),
            ("tls = { key_file = ▸\"k\" }", &["tls.cert_file: missing beside key_file"]),
            ("tls = { key_password_file = ▸\"k\" }", &["tls.key_file: missing beside key_password_file"]),
            ("tls = { verify = ▸\"no\" }", &["tls.verify: found \"no\"", "true or false"]),
            ("tls = { pin_sha256 = ▸\"abc\" }", &["tls.pin_sha256: found \"abc\" (3 digits)", "64 hexadecimal digits"]),
            ("tls = { pin_sha256 = ▸\"sha256:abc\" }", &["tls.pin_sha256", "hexadecimal"]),
            ("tls.▸cafile = \"x\"", &["tls.cafile: unknown key", "did you mean ca_file?"]),
            ("proxy = ▸{ username = \"u\" }", &["servers.hub.proxy.url: missing", "socks5h://HOST:PORT"]),
            (
                "proxy = { url = ▸\"https://proxy:1\" }",
                &["proxy.url: found \"https://proxy:1\"", "http://HOST:PORT, socks5://HOST:PORT"],
            ),
            ("proxy = { url = ▸\"http://u:p@proxy:1\" }", &["proxy.url", "user name or password"]),
            ("proxy = { url = ▸\"socks5://proxy:1/path\" }", &["proxy.url", "path"]),
            (
                "proxy = { url = \"http://proxy:1\", password_env = ▸\"P\" }",
                &["proxy.username: missing beside password_env"],
            ),
            ("proxy = { url = \"http://proxy:1\", no_proxy = ▸\"a\" }", &["proxy.no_proxy: found \"a\"", "list"]),
            (
                "proxy = { url = \"http://proxy:1\", no_proxy = [\"a\", ▸\"10.0.0.0/33\"] }",
                &["proxy.no_proxy[1]: found \"10.0.0.0/33\"", "0 to 32"],
            ),
            ("proxy = { url = \"http://proxy:1\", no_proxy = [▸\"http://a\"] }", &["proxy.no_proxy[0]"]),
            ("proxy = { url = \"http://proxy:1\", no_proxy = [▸\".\"] }", &["proxy.no_proxy[0]", "host name"]),
            ("proxy = { url = \"http://proxy:1\", no_proxy = [▸\"a b\"] }", &["proxy.no_proxy[0]", "host name"]),
            ("connect_timeout = ▸10", &["connect_timeout: found 10 (a number without a unit)", "ms s m h d w"]),
            ("connect_timeout = ▸\"10\"", &["connect_timeout: found \"10\" (a number without a unit)"]),
            ("idle_timeout = ▸\"0s\"", &["idle_timeout: found \"0s\" (too short)"]),
            ("total_timeout = ▸\"-1h\"", &["total_timeout: found \"-1h\" (negative)"]),
            ("total_timeout = ▸\"1y\"", &["total_timeout", "not a unit"]),
            ("total_timeout = ▸\"99999999999999999999w\"", &["total_timeout", "hundred years"]),
            (
                "timestamp_precision = ▸\"nanos\"",
                &["timestamp_precision", "\"micros\", \"millis\", \"seconds\" or \"minutes\""],
            ),
            ("max_response = ▸1048576", &["max_response: found 1048576 (a number without a unit)", "KiB MiB GiB"]),
            ("max_response = ▸\"4GB\"", &["max_response: found \"4GB\" (not a unit"]),
            ("max_response = ▸\"0MiB\"", &["max_response", "too small", "at least 1KiB"]),
            ("max_content_block = ▸\"99999999999GiB\"", &["max_content_block", "more than can be held"]),
            ("trusted_origins = ▸\"https://a.example\"", &["trusted_origins", "not a list"]),
            ("trusted_origins = [\"https://a.example\", ▸\"https://b.example/x\"]", &["trusted_origins[1]", "path"]),
            ("plaintext_credentials = ▸1", &["plaintext_credentials: found 1", "true or false"]),
        ],
    );
}

#[test]
fn broken_feeds() {
    let missing = |rest: &str| format!("{SERVER}▸[feeds.f]\n{rest}");
    for (rest, word) in [
        ("collection = \"c\"\noutput = \"/o\"\n", "feeds.f.server: missing"),
        ("server = \"hub\"\noutput = \"/o\"\n", "feeds.f.collection: missing"),
        ("server = \"hub\"\ncollection = \"c\"\n", "feeds.f.output: missing"),
    ] {
        let said = mistakes(&missing(rest).replace('▸', "")).to_string();
        assert!(said.starts_with(&format!("config.toml:3:1: {word}; needed: ")), "{said}");
    }
    assert_each(
        &format!("{SERVER}{FEED}"),
        &[
            ("▸intervall = \"5m\"", &["feeds.f.intervall: unknown key", "every"]),
            ("▸evrey = \"5m\"", &["feeds.f.evrey: unknown key", "did you mean every?"]),
            ("every = ▸\"29s\"", &["feeds.f.every: found \"29s\" (too short)", "at least 30s"]),
            ("every = ▸900", &["feeds.f.every: found 900 (a number without a unit)"]),
            ("every = ▸\"15 m\"", &["feeds.f.every: found \"15 m\""]),
            ("every = ▸\"1.5h\"", &["feeds.f.every: found \"1.5h\" (not a whole number and a unit)"]),
            ("every = \"15m\"\ncron = ▸\"*/15 * * * *\"", &["feeds.f.cron: found beside every", "one of the two"]),
            ("cron = ▸\"* * * *\"", &["feeds.f.cron: found \"* * * *\" (4 fields)", "five fields"]),
            ("cron = ▸\"0 */15 * * * *\"", &["feeds.f.cron", "6 fields"]),
            ("cron = ▸\"@hourly\"", &["feeds.f.cron", "1 field)"]),
            ("cron = ▸\"61 * * * *\"", &["feeds.f.cron", "five fields"]),
            ("cron = ▸\"0 0 30 2 *\"", &["feeds.f.cron", "never comes"]),
            ("cron = ▸\"\"", &["feeds.f.cron", "empty"]),
            ("start = ▸\"yesterday\"", &["feeds.f.start: found \"yesterday\"", "\"beginning\""]),
            ("start = ▸\"2024-01-31\"", &["feeds.f.start: found \"2024-01-31\"", "RFC 3339"]),
            ("start = ▸\"2024-01-31T00:00:00\"", &["feeds.f.start", "RFC 3339"]),
            ("start = ▸\"2024-13-31T00:00:00Z\"", &["feeds.f.start", "RFC 3339"]),
            ("start = ▸2024-01-31T00:00:00", &["feeds.f.start: found 2024-01-31T00:00:00 (a time without an offset"]),
            ("start = ▸30", &["feeds.f.start: found 30 (a number without a unit)"]),
            ("start = ▸\"-30d\"", &["feeds.f.start", "negative"]),
            ("start = ▸\"30\"", &["feeds.f.start", "without a unit"]),
            ("start = ▸\"9999999d\"", &["feeds.f.start", "hundred years"]),
            ("content_bindings = ▸\"urn:x\"", &["feeds.f.content_bindings: found \"urn:x\" (not a list"]),
            ("content_bindings = [\"urn:x\", ▸\"\"]", &["feeds.f.content_bindings[1]: found \"\" (empty)"]),
            ("subscription_id = ▸7", &["feeds.f.subscription_id: found 7"]),
            ("asynchronous = ▸\"true\"", &["feeds.f.asynchronous: found \"true\"", "true or false"]),
            ("lag = ▸-60", &["feeds.f.lag: found -60"]),
            ("window = ▸\"500ms\"", &["feeds.f.window", "at least 1s"]),
            ("overlap = ▸\"1d\"", &["feeds.f.overlap: found \"1d\"", "less than window, 1d"]),
            ("metadata = ▸\"no\"", &["feeds.f.metadata: found \"no\""]),
            ("file_mode = ▸640", &["feeds.f.file_mode: found 640", "octal"]),
            ("file_mode = ▸0o640", &["feeds.f.file_mode: found 0o640"]),
            ("file_mode = ▸\"0888\"", &["feeds.f.file_mode: found \"0888\""]),
            ("file_mode = ▸\"4755\"", &["feeds.f.file_mode: found \"4755\" (more than permission bits)"]),
            ("file_mode = ▸\"rw-r-----\"", &["feeds.f.file_mode"]),
            ("file_mode = ▸\"+64\"", &["feeds.f.file_mode"]),
            ("group = ▸100", &["feeds.f.group: found 100"]),
            ("min_free = ▸0", &["feeds.f.min_free: found 0 (a number without a unit)"]),
            ("min_free = ▸\"-1MiB\"", &["feeds.f.min_free", "negative"]),
            ("max_unread = ▸\"10\"", &["feeds.f.max_unread: found \"10\" (not a whole number)"]),
            ("max_unread = ▸-1", &["feeds.f.max_unread: found -1 (negative)", "at least 0"]),
            ("max_unread = ▸1.5", &["feeds.f.max_unread: found 1.5"]),
            ("max_unread = ▸99999999999999999999", &["feeds.f.max_unread", "too large"]),
            ("remember = ▸\"0s\"", &["feeds.f.remember", "too short"]),
            (
                "[feeds.g]\nserver = ▸\"hbu\"\ncollection = \"c\"\noutput = \"/g\"",
                &["feeds.g.server: found \"hbu\"", "did you mean \"hub\"?"],
            ),
            ("[feeds.g]\nserver = ▸\"\"\ncollection = \"c\"\noutput = \"/g\"", &["feeds.g.server: found \"\" (empty)"]),
            (
                "[feeds.g]\nserver = \"hub\"\ncollection = ▸\"a\\nb\"\noutput = \"/g\"",
                &["feeds.g.collection", "control character"],
            ),
            (
                "[servers.old]\ntaxii = \"1.0\"\ndiscovery = \"https://a/\"\n[feeds.g]\nserver = \"old\"\ncollection = \"c\"\noutput = \"/g\"\nquery_file = ▸\"q\"",
                &["feeds.g.query_file", "TAXII 1.1"],
            ),
            (
                "[servers.bare]\ninbox = \"https://a/\"\n[feeds.g]\nserver = ▸\"bare\"\ncollection = \"c\"\noutput = \"/g\"",
                &["feeds.g.server: found \"bare\"", "servers.bare.discovery or servers.bare.poll"],
            ),
        ],
    );
}

#[test]
fn broken_inboxes_and_drop_directories() {
    assert_each(
        &format!("{SERVER}{INBOX}{DROP}"),
        &[
            ("▸[inboxes.j]", &["inboxes.j.server: missing"]),
            ("[inboxes.j]\nserver = ▸\"other\"", &["inboxes.j.server: found \"other\"", "allowed: \"hub\""]),
            (
                "[servers.bare]\npoll = \"https://a/\"\n[inboxes.j]\nserver = ▸\"bare\"",
                &["inboxes.j.server", "servers.bare.discovery or servers.bare.inbox"],
            ),
            (
                "[inboxes.j]\nserver = \"hub\"\nmax_batch = ▸0",
                &["inboxes.j.max_batch: found 0 (too small)", "from 1 to"],
            ),
            ("[inboxes.j]\nserver = \"hub\"\nmax_batch = ▸99999999", &["inboxes.j.max_batch", "too large"]),
            ("[inboxes.j]\nserver = \"hub\"\nconnections = ▸-3", &["inboxes.j.connections: found -3 (negative)"]),
            (
                "[inboxes.j]\nserver = \"hub\"\ncollections = ▸\"c\"",
                &["inboxes.j.collections: found \"c\" (not a list"],
            ),
            ("▸[drops.e]\ninboxes = [\"i\"]", &["drops.e.path: missing"]),
            ("▸[drops.e]\npath = \"/e\"", &["drops.e.inboxes: missing"]),
            ("[drops.e]\npath = \"/e\"\ninboxes = ▸[]", &["drops.e.inboxes: found a list (too short)", "at least 1"]),
            ("[drops.e]\npath = \"/e\"\ninboxes = ▸\"i\"", &["drops.e.inboxes: found \"i\" (not a list"]),
            ("[drops.e]\npath = \"/e\"\ninboxes = [\"i\", ▸\"i\"]", &["drops.e.inboxes[1]: found \"i\" twice"]),
            (
                "[drops.e]\npath = \"/e\"\ninboxes = [▸\"partner\"]",
                &["drops.e.inboxes[0]: found \"partner\"", "no inbox"],
            ),
            ("include = ▸[]", &["drops.d.include", "too short"]),
            ("include = [\"*.xml\", ▸\"[a\"]", &["drops.d.include[1]: found \"[a\"", "glob pattern"]),
            ("settle = ▸2", &["drops.d.settle: found 2"]),
            ("rescan = ▸\"0s\"", &["drops.d.rescan", "too short"]),
            ("keep_sent = ▸0", &["drops.d.keep_sent: found 0 (a number without a unit)"]),
            ("give_up = ▸\"0s\"", &["drops.d.give_up", "too short"]),
            ("max_file = ▸\"256M\"", &["drops.d.max_file", "not a unit"]),
            ("resend_duplicates = ▸\"false\"", &["drops.d.resend_duplicates"]),
        ],
    );
}

#[test]
fn broken_directories() {
    let feed = "[feeds.g]\nserver = \"hub\"\ncollection = \"c\"\noutput = ";
    for (output, words) in [
        ("\"/out\"", "(the same directory as feeds.f.output)"),
        ("\"/out/\"", "(the same directory as feeds.f.output)"),
        ("\"/x/../out/.\"", "(the same directory as feeds.f.output)"),
        ("\"/out/g\"", "(inside feeds.f.output)"),
        ("\"/drop/sent\"", "(inside drops.d.path)"),
        ("\"/drop\"", "the same directory as"),
        ("\"/state/x\"", "(inside state_dir)"),
        ("\"/\"", "(inside feeds.g.output)"),
    ] {
        let text = format!("state_dir = \"/state\"\n{SERVER}{FEED}{INBOX}{DROP}{feed}{output}\n");
        let said = mistakes(&text).to_string();
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    assert_each(
        &format!("{SERVER}{FEED}"),
        &[
            (
                "[feeds.g]\nserver = \"hub\"\ncollection = \"c\"\noutput = ▸\"/var/lib\"",
                &["feeds.g.output: found with state_dir, by default \"/var/lib/taxii-sync\", inside it"],
            ),
            (
                "[feeds.g]\nserver = \"hub\"\ncollection = \"c\"\noutput = ▸\"/var/lib/taxii-sync/out\"",
                &["feeds.g.output", "(inside state_dir)"],
            ),
            ("[metrics]\ntextfile = ▸\"/out/metrics.prom\"", &["metrics.textfile", "(inside feeds.f.output)"]),
            ("[metrics]\ntextfile = ▸\"/out/\"", &["metrics.textfile", "(the same path as feeds.f.output)"]),
            (
                "[metrics]\ntextfile = ▸\"/var/lib/taxii-sync/ledger.db-wal\"",
                &["metrics.textfile", "(a file of the agent's own in state_dir)"],
            ),
        ],
    );
}

#[test]
fn credentials_over_plain_http() {
    let auth = "auth = { type = \"basic\", username = \"u\", password_env = \"P\" }\n";
    assert_each(
        &format!("[servers.a]\n{auth}"),
        &[
            (
                "poll = ▸\"http://far.example/p\"",
                &[
                    "servers.a.poll: found \"http://far.example/p\"",
                    "plain http",
                    "https",
                    "loopback",
                    "plaintext_credentials = true",
                ],
            ),
            ("discovery = ▸\"http://10.0.0.1/\"", &["servers.a.discovery", "plain http"]),
            (
                "trusted_origins = [\"https://a.example\", ▸\"http://b.example\"]",
                &["servers.a.trusted_origins[1]", "plain http"],
            ),
        ],
    );
    assert_each(
        "[servers.a]\n",
        &[
            (
                "headers = { X-Api-Key = { env = \"K\" } }\ninbox = ▸\"http://far.example/p\"",
                &["servers.a.inbox", "plain http"],
            ),
            (
                "auth = { type = \"jwt\", login = ▸\"http://far.example/login\", username = \"u\", password_env = \"P\" }",
                &["servers.a.auth.login", "plain http"],
            ),
        ],
    );
}

#[test]
fn all_mistakes_are_told_at_once_and_in_the_order_of_the_file() {
    let text = "\
state_dir = 1
[servers.hub]
discovery = \"nowhere\"
tls = { verfy = true, verify = 0 }
[feeds.b]
server = \"hbu\"
every = \"1s\"
output = \"/x\"
[feeds.a]
server = \"hub\"
collection = \"c\"
output = \"/x/y\"
file_mode = \"9\"
[drops.d]
path = \"/x\"
inboxes = [1, \"i\", \"j\"]
";
    let list = mistakes(text);
    let found: Vec<(usize, &str)> = list.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
    assert_eq!(
        found,
        [
            (1, "state_dir"),
            (3, "servers.hub.discovery"),
            (4, "servers.hub.tls.verfy"),
            (4, "servers.hub.tls.verify"),
            (5, "feeds.b.collection"),
            (6, "feeds.b.server"),
            (7, "feeds.b.every"),
            (12, "feeds.a.output"),
            (13, "feeds.a.file_mode"),
            (15, "drops.d.path"),
            (16, "drops.d.inboxes[0]"),
            (16, "drops.d.inboxes[1]"),
            (16, "drops.d.inboxes[2]"),
        ]
    );
    assert_eq!(list.to_string().matches("config.toml:").count(), found.len());
    assert!(list.to_string().contains("\n  7 | every = \"1s\"\n    |         ^^^^\n"), "{list}");
}

#[test]
fn mistakes_beside_broken_toml_are_told_too() {
    let text = "[log]\nlevel = info\nformat = \"xml\"\n[feeds.a]\nevery = \"1s\"\noutput = \"/x\n";
    let list = mistakes(text);
    let found: Vec<(usize, &str)> = list.iter().map(|mistake| (mistake.line, mistake.key.as_str())).collect();
    // Nothing is said to be missing: it may be in what TOML could not read.
    assert_eq!(found, [(2, "level"), (3, "log.format"), (5, "feeds.a.every"), (6, "output")]);
    // Behind a broken header nobody knows which table a key belongs to.
    let list = mistakes("[log]\nformat = \"xml\"\n[feeds.a\nevery = \"1s\"\n");
    let lines: Vec<usize> = list.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [2, 3]);
}

#[test]
fn a_long_value_is_cut_and_its_line_not_quoted() {
    let text = format!("[log]\nformat = \"{}\"\n", "x".repeat(100_000));
    assert!(mistakes(&text).to_string().len() < 300);
    assert!(mistakes("[log]\nformat = \"\\u001b[2J\"").to_string().contains("\\u{1b}[2J"));
}
