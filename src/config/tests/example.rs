//! The example configuration is the parser's own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::config::kind::{Key, Kind};

#[test]
fn the_example_is_valid_as_it_is_shipped() {
    let loaded = Config::parse(EXAMPLE, "config.example.toml").unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.feeds.len(), 2);
}

#[test]
fn the_example_is_valid_with_every_commented_key_turned_on() {
    let text = example_with_everything();
    assert!(text.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count() > 70);
    let loaded = Config::parse(&text, "config.example.toml").unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(matches!(loaded.config.servers["exchange"].auth, Some(Auth::Jwt { .. })));
    assert!(matches!(loaded.config.feeds["archive"].schedule, Schedule::Cron(_)));
}

#[test]
fn the_example_holds_every_key_with_a_sentence_above_it() {
    let keys = |keys: &[Key]| -> Vec<String> { keys.iter().flat_map(Key::written_as).collect() };
    let mut wanted = Vec::new();
    for key in keys::FILE {
        match &key.kind {
            Kind::Table(inner) => wanted.extend(keys(inner)),
            Kind::Named(inner) => wanted.extend(inner.iter().flat_map(|key| {
                match &key.kind {
                    Kind::Table(inner) => inner.iter().map(|inner| format!("{}.{}", key.name, inner.name)).collect(),
                    Kind::Tagged { shapes, .. } => shapes
                        .iter()
                        .flat_map(|(_, inner)| inner.iter().map(|inner| format!("{}.{}", key.name, inner.name)))
                        .collect(),
                    _ => vec![key.name.to_owned()],
                }
            })),
            _ => wanted.push(key.name.to_owned()),
        }
    }
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    for name in wanted {
        // Of a secret the example shows one of the forms, of header fields one with a name.
        let at = lines.iter().position(|line| line.trim_start_matches('#').starts_with(&name));
        let at = at.unwrap_or_else(|| panic!("the example lacks {name}"));
        assert!(lines[at].contains(" = "), "{name}");
        assert!(lines[at - 1].starts_with("# ") || lines[at - 1].starts_with('['), "{name} has no sentence");
    }
}

#[test]
fn the_example_shows_the_default_of_every_key_that_has_one() {
    let (given, default) = (explain_json(&parse(&example_with_everything())), explain_json(&Config::default()));
    for key in ["state_dir", "log"] {
        assert_eq!(given[key], default[key]);
    }
    for (given, default) in [
        (&given["servers"]["hub"], json::server(&Server::default())),
        (&given["feeds"]["indicators"], json::feed(&Feed::default())),
        (&given["inboxes"]["partner"], json::inbox(&Inbox::default())),
        (&given["drops"]["outgoing"], json::drop_directory(&Drop::default())),
    ] {
        let own = ["server", "collection", "output", "path", "inboxes", "discovery", "headers", "tls"];
        for (key, default) in default.as_object().unwrap() {
            if !default.is_null() && !own.contains(&key.as_str()) {
                assert_eq!(&given[key], default, "{key}");
            }
        }
    }
    assert_eq!(given["servers"]["hub"]["tls"]["verify"], true);
}

#[test]
fn a_configuration_explained_as_json_is_read_again_as_the_same() {
    let config = parse(&example_with_everything());
    let again = toml::to_string(&without_nulls(explain_json(&config))).unwrap();
    assert_eq!(parse(&again), config);
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(table) => table
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        other => other,
    }
}

/// The paths of all keys in a schema, `*` for a name of the operator's choice.
fn schema_keys(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        into.insert(format!("{path}{name}"));
        schema_keys(property, &format!("{path}{name}."), into);
    }
    if schema["additionalProperties"].is_object() && schema["propertyNames"].is_object() {
        schema_keys(&schema["additionalProperties"], &format!("{path}*."), into);
    }
    for shape in schema["oneOf"].as_array().into_iter().flatten() {
        schema_keys(shape, path, into);
    }
}

#[test]
fn every_key_of_the_schema_is_known_to_the_parser_and_no_other() {
    let mut keys = BTreeSet::new();
    schema_keys(&schema(), "", &mut keys);
    assert!(keys.len() > 80, "{}", keys.len());
    for key in &keys {
        let text = format!("{} = 5.5\n", key.replace('*', "x"));
        let found = Config::parse(&text, "config.toml").map_or_else(|mistakes| mistakes.to_string(), |_| String::new());
        assert!(!found.contains("unknown key"), "{found}");
    }
    // What the parser lists as allowed is what the schema has.
    for (text, path) in [
        ("x = 1", ""),
        ("[log]\nx = 1", "log."),
        ("[metrics]\nx = 1", "metrics."),
        ("[servers.a]\nx = 1", "servers.*."),
        ("[servers.a.tls]\nx = 1", "servers.*.tls."),
        ("[servers.a.proxy]\nx = 1", "servers.*.proxy."),
        ("[feeds.a]\nx = 1", "feeds.*."),
        ("[inboxes.a]\nx = 1", "inboxes.*."),
        ("[drops.a]\nx = 1", "drops.*."),
    ] {
        let list = mistakes(text);
        let what = &list.iter().find(|mistake| mistake.what.contains("unknown key")).unwrap().what;
        let allowed: BTreeSet<String> =
            what.split_once("allowed: ").unwrap().1.replace(" or ", ", ").split(", ").map(str::to_owned).collect();
        let in_schema: BTreeSet<String> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(path))
            .filter(|key| !key.contains('.'))
            .map(str::to_owned)
            .collect();
        assert_eq!(allowed, in_schema, "{path}");
    }
}

#[test]
fn every_default_in_the_schema_is_the_default_of_the_parser() {
    let schema = schema();
    let required = "[servers.a]\ndiscovery = \"https://a.example/\"\n[feeds.f]\nserver = \"a\"\ncollection = \"c\"\n\
                    output = \"/o\"\n[inboxes.i]\nserver = \"a\"\n[drops.d]\npath = \"/d\"\ninboxes = [\"i\"]\n";
    let expected = parse(required);
    let mut tried = 0;
    for (table, name) in [("servers", "a"), ("feeds", "f"), ("inboxes", "i"), ("drops", "d")] {
        let keys = &schema["properties"][table]["additionalProperties"]["properties"];
        for (key, property) in keys.as_object().unwrap() {
            let Some(default) = property.get("default") else { continue };
            let header = format!("[{table}.{name}]\n");
            let text = required.replace(&header, &format!("{header}{key} = {default}\n"));
            assert_eq!(parse(&text), expected, "{text}");
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried}");
    assert_eq!(schema["properties"]["state_dir"]["default"], "/var/lib/taxii-sync");
    assert_eq!(schema["properties"]["log"]["properties"]["format"]["default"], "text");
}

#[test]
fn every_key_of_the_example_changes_something_or_is_a_default() {
    // Turning one key on changes the configuration unless it writes a default: a key that is checked but not used
    // would slip through every other test.
    let everything = example_with_everything();
    let (shipped, full) = (explain_json(&parse(EXAMPLE)), explain_json(&parse(&everything)));
    assert_ne!(shipped, full);
    for (from, to) in [
        ("taxii = \"1.1\"", "taxii = \"1.0\""),
        ("verify = true", "verify = false"),
        ("no_proxy = []", "no_proxy = [\"10.0.0.0/8\"]"),
        ("connect_timeout = \"10s\"", "connect_timeout = \"11s\""),
        ("idle_timeout = \"180s\"", "idle_timeout = \"11s\""),
        ("total_timeout = \"1h\"", "total_timeout = \"11s\""),
        ("\"micros\"\n", "\"minutes\"\n"),
        ("max_response = \"4GiB\"", "max_response = \"5GiB\""),
        ("max_content_block = \"256MiB\"", "max_content_block = \"5GiB\""),
        ("trusted_origins = []", "trusted_origins = [\"https://b.example\"]"),
        ("plaintext_credentials = false", "plaintext_credentials = true"),
        ("level = \"info\"\n", "level = \"debug\"\n"),
        ("format = \"text\"\n", "format = \"json\"\n"),
        ("every = \"15m\"", "every = \"16m\""),
        ("start = \"30d\"", "start = \"beginning\""),
        ("content_bindings = []", "content_bindings = [\"urn:x\"]"),
        ("subscription_id = \"\"", "subscription_id = \"s\""),
        ("asynchronous = true", "asynchronous = false"),
        ("lag = \"60s\"", "lag = \"61s\""),
        ("window = \"1d\"", "window = \"2d\""),
        ("overlap = \"0s\"", "overlap = \"1s\""),
        ("query_file = \"\"", "query_file = \"q\""),
        ("metadata = true", "metadata = false"),
        ("file_mode = \"0640\"", "file_mode = \"0644\""),
        ("group = \"\"", "group = \"siem\""),
        ("min_free = \"256MiB\"", "min_free = \"0KiB\""),
        ("max_unread = 0", "max_unread = 7"),
        ("remember = \"365d\"", "remember = \"1d\""),
        ("collections = []", "collections = [\"c\"]"),
        ("max_batch = 1\n", "max_batch = 2\n"),
        ("connections = 1\n", "connections = 2\n"),
        ("include = [\"*\"]", "include = [\"*.xml\"]"),
        ("settle = \"2s\"", "settle = \"3s\""),
        ("rescan = \"1m\"", "rescan = \"2m\""),
        ("keep_sent = \"30d\"", "keep_sent = \"0s\""),
        ("give_up = \"30d\"", "give_up = \"31d\""),
        ("max_file = \"256MiB\"", "max_file = \"1MiB\""),
        ("resend_duplicates = false", "resend_duplicates = true"),
        ("content_binding = \"\"", "content_binding = \"urn:x\""),
    ] {
        assert_eq!(everything.matches(from).count(), 1, "{from}");
        let changed = parse(&everything.replacen(from, to, 1));
        assert_ne!(explain_json(&changed), full, "{to}");
    }
}
