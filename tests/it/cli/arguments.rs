//! The command line itself: help, mistakes, exit codes, pipes.

use std::process::Stdio;

use super::Bench;

const COMMANDS: [&str; 14] = [
    "run",
    "check",
    "status",
    "demo",
    "discover",
    "collections",
    "poll",
    "push",
    "subscription",
    "cursor",
    "retry",
    "completions",
    "man",
    "config-schema",
];

#[test]
fn every_command_has_help_with_examples() {
    let bench = Bench::new();
    let whole = bench.bare(["--help"]).ended(0);
    for command in COMMANDS {
        assert!(whole.out.contains(&format!("  {command} ")), "{command} is not in the help");
        bench.bare([command, "--help"]).ended(0).said("Examples:").said(&format!("taxii-sync {command}"));
    }
    for command in ["show", "set", "clear"] {
        bench.bare(["cursor", command, "--help"]).ended(0).said("Examples:");
    }
}

#[test]
fn a_mistyped_command_or_option_is_answered_with_the_one_that_was_meant() {
    let bench = Bench::new();
    bench.bare(["discovr"]).ended(2).complained("discover");
    bench.bare(["poll", "x", "--sinc", "1d"]).ended(2).complained("--since");
    bench.bare(["subscription", "pauze", "x"]).ended(2).complained("pause");
    bench.bare([""; 0]).ended(2).complained("Usage");
}

#[test]
fn a_name_that_is_not_configured_is_answered_with_the_nearest_one() {
    let bench = Bench::new();
    for arguments in [
        &["poll", "indicator"][..],
        &["subscription", "status", "indicator"],
        &["cursor", "show", "indicator"],
        &["cursor", "set", "indicator", "1d"],
        &["cursor", "clear", "indicator"],
    ] {
        bench.run(arguments).ended(2).complained("did you mean `indicators`?");
    }
    bench.run(["push", "partnr", "a.xml"]).ended(2).complained("did you mean `partner`?");
    bench.run(["discover", "hubb"]).ended(2).complained("did you mean `hub`?");
    bench.run(["collections", "elsewhere"]).ended(2).complained("there are hub");
    assert_eq!(bench.practice.requests().len(), 0);
}

#[test]
fn a_value_that_is_empty_is_none() {
    let bench = Bench::new();
    bench.put("a.xml", "<a/>");
    let (poll, inbox) = (bench.practice.url("poll"), bench.practice.url("inbox"));
    for (option, arguments) in [
        ("--collection", &["poll", "--url", &poll][..]),
        ("--username", &["discover", &poll, "--password-file", "password"]),
        ("--collection", &["push", "--url", &inbox, "a.xml"]),
        ("--binding", &["push", "--url", &inbox, "a.xml"]),
        ("--id", &["subscription", "status", "indicators"]),
        ("--config", &["status"]),
    ] {
        bench.bare([arguments, &[option, ""]].concat()).ended(2).complained(option);
    }
    assert_eq!(bench.practice.requests().len(), 0);
}

#[test]
fn a_configuration_that_is_missing_or_wrong_is_exit_code_2() {
    let bench = Bench::new();
    for arguments in [
        &["status"][..],
        &["check", "--online"],
        &["discover", "hub"],
        &["poll", "indicators"],
        &["push", "partner", "a.xml"],
        &["subscription", "status", "indicators"],
        &["cursor", "show"],
        &["retry", "--all"],
        &["run", "--once"],
    ] {
        let missing = [arguments, &["--config", "missing.toml"]].concat();
        bench.bare(&missing).ended(2).complained("missing.toml");
        bench.put("wrong.toml", "feeds = 7");
        let wrong = [arguments, &["--config", "wrong.toml"]].concat();
        bench.bare(&wrong).ended(2).complained("wrong.toml:1");
    }
}

#[test]
fn what_needs_no_configuration_reads_none() {
    let bench = Bench::new();
    bench.put("wrong.toml", "feeds = 7");
    let (discovery, poll) = (bench.practice.url("discovery"), bench.practice.url("poll"));
    for arguments in [
        &["discover", discovery.as_str()][..],
        &["collections", &discovery],
        &["poll", "--url", &poll, "--collection", "default"],
        &["man"],
        &["config-schema"],
        &["completions", "bash"],
    ] {
        bench.bare([arguments, &["--config", "wrong.toml"]].concat()).ended(0);
    }
}

#[test]
fn options_of_how_to_reach_a_server_belong_to_a_url() {
    let bench = Bench::new();
    bench.run(["discover", "hub", "--taxii", "1.0"]).ended(2).complained("--taxii");
    bench.run(["poll", "indicators", "--proxy", "http://127.0.0.1:1"]).ended(2).complained("--proxy");
    bench.run(["push", "partner", "a.xml", "--ca", "ca.pem"]).ended(2).complained("--ca");
    let url = bench.practice.url("discovery");
    bench.bare(["discover", &url, "--username", "sensor"]).ended(2).complained("--password-file");
    bench.bare(["discover", &url, "--cert", "a.pem"]).ended(2).complained("--key");
    bench.bare(["discover", &url, "--taxii", "2.0"]).ended(2).complained("1.1");
    bench.bare(["discover", &url, "--proxy", "proxy:3128"]).ended(2).complained("http://");
    bench.bare(["discover", "ftp://x/"]).ended(2).complained("https://");
    bench.bare(["poll", "--url", &url]).ended(2).complained("--collection");
    bench.bare(["poll", "indicators", "--url", &url, "--collection", "x"]).ended(2).complained("--url");
    bench.run(["poll", "indicators", "--collection", "x"]).ended(2).complained("--collection");
    bench.run(["push", "partner", "a.xml", "--collection", "x"]).ended(2).complained("--url");
    bench.bare(["discover", "127.0.0.1:18431"]).ended(2).complained("http://127.0.0.1:18431");
    bench.bare(["collections", "taxii.example.org/services"]).ended(2).complained("http://");
    bench.bare(["discover", "taxii.example.org", "--config", "missing.toml"]).ended(2).complained("http://");
    for arguments in [
        &["discover", "http://sensor:hunter2@127.0.0.1/"][..],
        &["poll", "--url", "http://sensor:hunter2@127.0.0.1/", "--collection", "default"],
        &["push", "--url", "http://sensor:hunter2@127.0.0.1/", "a.xml"],
    ] {
        let ran = bench.bare(arguments).ended(2).complained("--password-file");
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
    let ran = bench.bare(["discover", &url, "--proxy", "http://sensor:hunter2@127.0.0.1:1"]).ended(2);
    let ran = ran.complained("the proxy 127.0.0.1").complained("proxy.username and proxy.password_file");
    assert!(!ran.err.contains("hunter2") && !ran.err.contains("--username"), "{}", ran.err);
    assert_eq!(bench.practice.requests().len(), 0);
}

#[test]
fn an_address_with_a_password_that_cannot_be_used_is_not_repeated() {
    let bench = Bench::new();
    let url = bench.practice.url("discovery");
    for arguments in [
        &["discover", &url, "--proxy", "https://sensor:hunter2@proxy:3128"][..],
        &["discover", &url, "--proxy", "sensor:hunter2@proxy:3128"],
        &["discover", &url, "--proxy", "http://sensor:hunter2@proxy:port"],
        &["discover", &url, "--proxy", "http://sensor:hunter2@proxy:3128/path"],
        &["discover", &url, "http://sensor:hunter2@x/"],
        &["discover", "ftp://sensor:hunter2@x/"],
        &["discover", "https:sensor:hunter2@x/"],
        &["collections", "sensor:hunter2@x", "--json"],
        &["poll", "--url", "ftp://sensor:hunter2@x/", "--collection", "c"],
        &["poll", "sensor:hunter2@x"],
        &["push", "--url", "//sensor:hunter2@x/", "a.xml"],
        &["push", "sensor:hunter2@x", "a.xml"],
        &["subscription", "status", "sensor:hunter2@x"],
        &["cursor", "set", "sensor:hunter2@x", "1d"],
        &["poll", "indicators", "--since", "http://sensor:hunter2@x/"],
        &["http://sensor:hunter2@x/"],
        &["discover", "hub", "--http://sensor:hunter2@x/"],
    ] {
        let ran = bench.run(arguments).ended(2);
        assert!(!ran.err.contains("hunter2") && !ran.out.contains("hunter2"), "{}{}", ran.err, ran.out);
    }
    bench.bare(["discover", "ftp://sensor:hunter2@x/"]).ended(2).complained("https://");
    bench.bare(["discover", &url, "--proxy", "https://sensor:hunter2@proxy"]).ended(2).complained("socks5://");
    assert_eq!(bench.practice.requests().len(), 0);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let bench = Bench::new();
    for arguments in
        [&["man"][..], &["config-schema"], &["completions", "zsh"], &["--help"], &["check", "--config", "config.toml"]]
    {
        let mut child = bench.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn no_colour_is_shown_where_none_is_wanted() {
    let bench = Bench::new();
    let coloured = bench.command(["--help"]).env("CLICOLOR_FORCE", "1").output().unwrap().stdout;
    let plain = bench.command(["--help"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap().stdout;
    assert!(coloured.contains(&0x1b), "this test would not notice colours");
    assert!(!plain.contains(&0x1b));
}

#[test]
fn who_asks_for_a_document_gets_one_also_when_the_command_fails() {
    let bench = Bench::new();
    for (arguments, code) in [
        (&["discover", "http://127.0.0.1:1/", "--json"][..], 1),
        (&["collections", "nobody", "--json"], 2),
        (&["poll", "nobody", "--json"], 2),
        (&["poll", "--url", "http://127.0.0.1:1/", "--collection", "c", "--count", "--json"], 1),
        (&["push", "nobody", "x", "--json"], 2),
        (&["cursor", "show", "nobody", "--json"], 2),
    ] {
        let ran = bench.run(arguments).ended(code);
        assert!(ran.json().is_object(), "{arguments:?} printed {}", ran.out);
    }
}
