//! No secret is ever shown.

use super::*;

const SECRETS: [&str; 5] = ["hunter2pw", "hunter2tk", "hunter2hd", "hunter2kp", "hunter2px"];

/// A valid configuration whose secrets all stand in the file.
const LITERAL: &str = "\
[servers.hub]
discovery = \"https://hub.example/d\"
auth = { type = \"basic\", username = \"sensor\", password = \"hunter2pw\" }
headers = { X-Api-Key = \"hunter2hd\" }
tls = { cert_file = \"c\", key_file = \"k\", key_password = \"hunter2kp\" }

[servers.hub.proxy]
url = \"http://proxy:3128\"
username = \"u\"
password = \"hunter2px\"

[servers.other]
discovery = \"https://other.example/d\"

[servers.other.auth]
type = \"bearer\"
token = \"hunter2tk\"
";

fn assert_shows_none(text: &str, of: &str) {
    for secret in SECRETS {
        // Also not a part of it that would help.
        assert!(!text.contains(&secret[..7]), "{secret} is shown:\n{text}\nof\n{of}");
    }
}

#[test]
fn literal_secrets_are_allowed_and_told() {
    let loaded = Config::parse(LITERAL, "config.toml").unwrap();
    assert!(loaded.config.has_literal_secrets());
    let keys: Vec<&str> = loaded.warnings.iter().map(|warning| warning.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "servers.hub.auth.password",
            "servers.hub.headers.X-Api-Key",
            "servers.hub.tls.key_password",
            "servers.hub.proxy.password",
            "servers.other.auth.token"
        ]
    );
    assert!(loaded.warnings.iter().all(|warning| warning.literal_secret));
    assert_eq!((loaded.warnings[0].line, loaded.warnings[0].column), (3, 58));
    assert!(!parse(EXAMPLE).has_literal_secrets());
    assert!(!parse(&example_with_everything()).has_literal_secrets());
}

#[test]
fn no_explanation_and_no_debug_shows_a_secret() {
    let loaded = Config::parse(LITERAL, "config.toml").unwrap();
    assert_shows_none(&explain(&loaded.config), LITERAL);
    assert_shows_none(&explain_json(&loaded.config).to_string(), LITERAL);
    assert_shows_none(&format!("{loaded:?}"), LITERAL);
    for warning in &loaded.warnings {
        assert_shows_none(&warning.to_string(), LITERAL);
    }
    assert!(explain(&loaded.config).contains("password in the configuration itself"));
}

#[test]
fn no_mistake_shows_a_secret_wherever_it_was_put() {
    for (from, to) in [
        ("password = \"hunter2pw\"", "passwrod = \"hunter2pw\""),
        ("password = \"hunter2pw\"", "password = [\"hunter2pw\"]"),
        ("password = \"hunter2pw\"", "password = { x = \"hunter2pw\" }"),
        ("password = \"hunter2pw\"", "password_env = \"hunter2pw!\""),
        ("password = \"hunter2pw\"", "password_credential = \"a/hunter2pw\""),
        ("password = \"hunter2pw\"", "password = \"hunter2pw\", password_env = \"P\""),
        ("password = \"hunter2pw\"", "password = \"hunter2pw\\u0000\""),
        ("password = \"hunter2pw\"", "password = \"hunter2pw\", usrname = 1"),
        ("password = \"hunter2pw\"", "password = 'hunter2pw', usrname = 1"),
        ("password = \"hunter2pw\"", "password = \"\"\"hunter2pw\nhunter2pw\"\"\", usrname = 1"),
        ("type = \"basic\"", "type = \"digest\""),
        ("auth = { type = \"basic\", username", "auth = { username"),
        ("auth = { type = \"basic\", username = \"sensor\", password = \"hunter2pw\" }", "auth = \"hunter2pw\""),
        ("auth = { type = \"basic\", username = \"sensor\", password = \"hunter2pw\" }", "auth = [\"hunter2pw\"]"),
        ("headers = { X-Api-Key = \"hunter2hd\" }", "headers = \"hunter2hd\""),
        ("X-Api-Key = \"hunter2hd\"", "X-Api-Key = \"hunter2hd\\n\""),
        ("X-Api-Key = \"hunter2hd\"", "\"X Api Key\" = \"hunter2hd\""),
        ("X-Api-Key = \"hunter2hd\"", "Host = \"hunter2hd\""),
        ("X-Api-Key = \"hunter2hd\"", "X-Api-Key = { value = \"hunter2hd\" }"),
        ("X-Api-Key = \"hunter2hd\"", "X-Api-Key = [\"hunter2hd\"]"),
        ("https://hub.example/d", "https://sensor:hunter2pw@hub.example/d"),
        ("https://hub.example/d", "https://hunter2pw@hub.example/d"),
        ("https://hub.example/d", "ftp://sensor:hunter2pw@hub.example/d"),
        ("https://hub.example/d", "https:sensor:hunter2pw@hub.example/d"),
        ("https://hub.example/d", "//sensor:hunter2pw@hub.example/d"),
        ("https://hub.example/d", "https//sensor:hunter2pw@hub.example/d"),
        ("http://proxy:3128", "http://u:hunter2px@proxy:3128"),
        ("http://proxy:3128", "u:hunter2px@proxy:3128"),
        ("http://proxy:3128", "https://u:hunter2px@proxy:3128"),
        ("http://proxy:3128", "proxy"),
        ("username = \"u\"\n", ""),
        ("token = \"hunter2tk\"", "token = \"hunter2tk€\""),
        ("token = \"hunter2tk\"", "tokn = \"hunter2tk\""),
        ("[servers.other.auth]", "[servers.other.ath]"),
        ("[servers.other.auth]", "[servres.other.auth]"),
        ("https://hub.example/d", "http://hub.example/d"),
        // Broken as TOML.
        ("password = \"hunter2pw\"", "password = \"hunter2pw"),
        ("password = \"hunter2pw\"", "password = hunter2pw"),
        ("password = \"hunter2pw\"", "password \"hunter2pw\""),
        ("password = \"hunter2px\"", "password =\nhunter2px"),
        ("password = \"hunter2px\"", "password = hunter2px"),
        ("password = \"hunter2px\"", "password = \"hunter2px"),
        ("password = \"hunter2px\"", "password: \"hunter2px\""),
        ("password = \"hunter2px\"", "hunter2px = "),
        ("password = \"hunter2px\"", "password = \"a\" \"hunter2px\""),
        ("password = \"hunter2px\"", "password = \"\"\"hunter2px"),
        ("password = \"hunter2px\"", "password = \"hunter2px\"\npassword = \"hunter2px\""),
    ] {
        assert_eq!(LITERAL.matches(from).count(), 1, "{from}");
        let text = LITERAL.replace(from, to);
        let mistakes = mistakes(&text);
        assert_shows_none(&mistakes.to_string(), &text);
        assert_shows_none(&format!("{mistakes:?}"), &text);
    }
}

#[test]
fn no_mistake_shows_a_secret_however_the_file_is_damaged() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..3_000 {
        let mut bytes = LITERAL.as_bytes().to_vec();
        let at = random.usize(..bytes.len());
        match random.u8(..4) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, random.choice(b"\"'=[]{}#,.\n\\ 0-@:".iter().copied()).unwrap()),
            2 => bytes.truncate(at),
            _ => bytes[at] = random.choice(b"\"'=[]{}#,.\n\\ 0-@:".iter().copied()).unwrap(),
        }
        let text = String::from_utf8(bytes).unwrap();
        if let Err(mistakes) = Config::parse(&text, "config.toml") {
            assert_shows_none(&mistakes.to_string(), &text);
        }
    }
}
