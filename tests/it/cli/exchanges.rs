//! `--save-exchanges`: what was sent and answered, kept without secrets.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use taxii_sync::practice::{Act, Auth, BlockSpec, Close, Service, StatusReply};

use super::Bench;

const SAVED: [&str; 2] = ["--save-exchanges", "saved"];
const MIB: usize = 1 << 20;

/// The text of a saved file.
fn saved(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.path("saved").join(name)).unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// A server that wants a login for a token, and knows `sensor` with `hunter2`.
fn with_login() -> Bench {
    let bench = Bench::with(|options| {
        options.auth = Auth::Jwt;
        options.users.push(("sensor".into(), "hunter2".into()));
    });
    let login = bench.practice.url("login");
    let auth = format!("{{ type = \"jwt\", login = {login:?}, username = \"sensor\", password = \"hunter2\" }}");
    let config = std::fs::read_to_string(bench.path("config.toml")).unwrap();
    let server = format!("[servers.hub]\nauth = {auth}\nheaders = {{ \"X-Api\" = \"opensesame\" }}");
    bench.put("config.toml", config.replace("[servers.hub]", &server));
    bench
}

#[test]
fn an_exchange_is_two_files_that_only_the_operator_can_read() {
    let bench = Bench::new();
    let plain = bench.run(["discover", "hub"]).ended(0);
    let ran = bench.run([&["discover", "hub"][..], &SAVED].concat()).ended(0);
    assert_eq!((ran.out, ran.err), (plain.out, plain.err), "saving changes nothing that is said");
    assert_eq!(bench.listed("saved"), ["0001-request.txt", "0001-response.txt"]);
    let request = saved(&bench, "0001-request.txt");
    assert!(request.starts_with("POST /services/discovery HTTP/1.1\nhost: 127.0.0.1:"), "{request}");
    assert!(request.contains("\nx-taxii-services: urn:taxii.mitre.org:services:1.1\n"), "{request}");
    let (_, body) = request.split_once("\n\n").unwrap();
    let seen = &bench.practice.requests()[1];
    assert_eq!(body.as_bytes(), seen.body_start, "the whole body and nothing else");
    let response = saved(&bench, "0001-response.txt");
    assert!(response.starts_with("HTTP/1.1 200 OK\n"), "{response}");
    let (head, body) = response.split_once("\n\n").unwrap();
    assert!(head.contains("\nx-taxii-content-type: urn:taxii.mitre.org:message:xml:1.1"), "{head}");
    assert!(body.contains("Discovery_Response>") && !body.contains("[taxii-sync"), "{body}");
    assert_eq!(mode(&bench.path("saved")), 0o700);
    bench.listed("saved").iter().for_each(|name| assert_eq!(mode(&bench.path("saved").join(name)), 0o600));
}

#[test]
fn numbers_go_on_after_the_files_that_are_there_and_nothing_is_overwritten() {
    let bench = Bench::new();
    let theirs =
        ["0007-response.txt", "0003-request.txt", "0099-notes.txt", "x-request.txt", "00000000099999-request.txt.bak"];
    theirs.iter().for_each(|name| drop(bench.put(&format!("saved/{name}"), "mine")));
    bench.run([&["collections", "hub"][..], &SAVED].concat()).ended(0);
    bench.run([&["poll", "indicators", "--to", "here"][..], &SAVED].concat()).ended(0);
    theirs.iter().for_each(|name| assert_eq!(saved(&bench, name), "mine"));
    let sent = bench.practice.requests();
    let numbers: Vec<String> = (8..8 + sent.len()).map(|number| format!("{number:04}-request.txt")).collect();
    assert!(sent.len() > 3);
    for (name, seen) in numbers.iter().zip(&sent) {
        assert!(saved(&bench, name).contains(seen.kind()), "{name} is not the {}", seen.kind());
        assert!(bench.path("saved").join(name.replace("request", "response")).exists());
    }
    assert_eq!(bench.listed("saved").len(), theirs.len() + 2 * sent.len());
}

#[test]
fn a_login_is_saved_without_what_it_is_for() {
    let bench = with_login();
    bench.run([&["discover", "hub"][..], &SAVED].concat()).ended(0);
    let token = bench.practice.requests()[1].header("Authorization").unwrap().replace("Bearer ", "");
    let all: Vec<String> = bench.listed("saved").iter().map(|name| saved(&bench, name)).collect();
    assert_eq!(all.len(), 4);
    for secret in ["hunter2", "opensesame", token.as_str()] {
        all.iter().for_each(|text| assert!(!text.contains(secret), "{secret} in {text}"));
    }
    assert!(all[0].starts_with("POST /management/auth HTTP/1.1\n") || all[0].starts_with("POST /"), "{}", all[0]);
    assert!(all[0].contains(r#""password":"[secret]""#) && all[0].contains("x-api: [secret]"), "{}", all[0]);
    assert!(all[1].contains(r#"{"token":"[secret]"}"#), "{}", all[1]);
    assert!(all[2].contains("\nauthorization: [secret]\n"), "{}", all[2]);
}

#[test]
fn a_token_under_another_name_or_in_no_json_is_not_saved_either() {
    for body in
        [r#"{"access_token": "a-new-token", "n": [7, ["a-new-token"]]}"#, "a-new-token", r#"{"token": "a-new-token"#]
    {
        let bench = with_login();
        let act = Act::http(200, "application/json", body).header("Set-Cookie", "a-new-token=a-new-token");
        bench.practice.forever(Service::Login, act.header("X-Auth-Token", "a-new-token"));
        bench.run([&["discover", "hub"][..], &SAVED].concat()).ended(1);
        let response = saved(&bench, "0001-response.txt");
        assert!(!response.contains("a-new-token"), "{response}");
        assert!(
            response.contains("set-cookie: [secret]\n") && response.contains("x-auth-token: [secret]\n"),
            "{response}"
        );
    }
}

#[test]
fn a_reply_is_saved_decompressed_and_cut_after_one_mebibyte() {
    let bench = with_login();
    let begin = "<t:Poll_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" message_id=\"1\" \
                 in_response_to=\"1\" collection_name=\"default\"><t:Content_Block><t:Content_Binding \
                 binding_id=\"urn:x\"/><t:Content>";
    let end = "</t:Content></t:Content_Block></t:Poll_Response>";
    // The password lies across the place of the cut; so does one in the spelling of XML.
    for password in ["hunter2", "&#104;&#x75;nter2"] {
        let before = begin.to_owned() + &"x".repeat(MIB - 3 - begin.len());
        let page = format!("{before}{password}{}{end}", "y".repeat(3 * MIB));
        bench.practice.forever(Service::Poll, Act::bytes(page.clone()).gzip());
        let _ = std::fs::remove_dir_all(bench.path("saved"));
        bench.run([&["poll", "indicators", "--to", "here"][..], &SAVED].concat());
        let files = bench.listed("saved");
        let last = files.iter().rev().map(|name| saved(&bench, name)).find(|text| text.starts_with("HTTP")).unwrap();
        let (head, body) = last.split_once("\n\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\n") && head.contains("content-encoding: gzip"), "{head}");
        let (kept, rest) = body.split_at(before.len());
        assert_eq!(kept, before);
        assert_eq!(rest, format!("[se\n[taxii-sync: cut here, after 1 MiB of {} bytes]\n", page.len()));
    }
}

#[test]
fn a_pushed_file_is_saved_up_to_one_mebibyte() {
    let bench = Bench::new();
    let text = format!("<a>{}</a>", "0123456789abcde\n".repeat(4 * MIB / 16));
    bench.put("big.xml", &text);
    bench.run([&["push", "partner", "big.xml", "--binding", "urn:x"][..], &SAVED].concat()).ended(0).said("accepted");
    assert_eq!(bench.asked("Inbox_Message"), 1);
    let requests = bench.listed("saved");
    let name = requests.iter().rev().find(|name| name.contains("request")).unwrap();
    let request = saved(&bench, name);
    let (_, body) = request.split_once("\n\n").unwrap();
    assert!(body.contains("Inbox_Message") && body.contains("<a>0123456789abcde\n"), "{}", &body[..500]);
    let inbox = bench.practice.requests().into_iter().find(|seen| seen.kind() == "Inbox_Message").unwrap();
    let (kept, last) = body.trim_end().rsplit_once('\n').unwrap();
    assert!(kept.len() <= MIB, "{}", kept.len());
    assert_eq!(last, format!("[taxii-sync: cut here, after 1 MiB of {} bytes]", inbox.body_length));
}

#[test]
fn an_exchange_that_fails_is_saved_as_far_as_it_got() {
    let bench = Bench::new();
    let ran = bench.bare([&["discover", "http://127.0.0.1:1/services"][..], &SAVED].concat()).ended(1);
    assert!(ran.err.contains("connection refused"), "{}", ran.err);
    let request = saved(&bench, "0001-request.txt");
    assert!(request.starts_with("POST /services HTTP/1.1\nhost: 127.0.0.1:1\n"), "{request}");
    assert!(request.contains("\n\n[taxii-sync: 0 of "), "{request}");
    let response = saved(&bench, "0001-response.txt");
    assert!(
        response.starts_with("[taxii-sync: no response: no connection to http://127.0.0.1:1/services: "),
        "{response}"
    );
    assert!(response.ends_with("]\n") && response.lines().count() == 1, "{response}");

    bench.practice.forever(Service::Discovery, Act::bytes("<a>half a word").cut(8, Close::Fin));
    bench.run([&["discover", "hub"][..], &SAVED].concat()).ended(1);
    let response = saved(&bench, "0002-response.txt");
    assert!(response.contains("\n\n<a>half \n[taxii-sync: it failed after 8 bytes: the reply of "), "{response}");

    bench.practice.forever(Service::Discovery, Act::redirect(302, "/elsewhere?key=of-the-house"));
    bench.run([&["discover", "hub"][..], &SAVED].concat()).ended(1);
    let response = saved(&bench, "0003-response.txt");
    assert!(response.contains("\nlocation: /elsewhere?[secret]\n"), "{response}");
    assert!(response.ends_with("\n\n[taxii-sync: read no further than this, 0 bytes]\n"), "{response}");
}

#[test]
fn a_directory_that_cannot_be_written_is_one_warning_and_changes_nothing() {
    let bench = Bench::new();
    bench.put("file", "");
    bench.publish("default", 2);
    let ran = bench.run(["poll", "indicators", "--to", "here", "--save-exchanges", "file"]).ended(0).said("2 files");
    assert_eq!(
        ran.err.matches("warning: no more exchanges are saved: cannot open directory file").count(),
        1,
        "{}",
        ran.err
    );
    let json = bench.run(["discover", "hub", "--json", "--save-exchanges", "file/below"]).ended(0).json();
    assert_eq!(json["server"], "hub");
}

#[test]
fn what_a_server_says_does_nothing_to_a_terminal_and_names_no_file() {
    let bench = Bench::new();
    let status = StatusReply::new("DENIED").message("\u{202e}and ../../etc/passwd");
    bench.practice.script(
        Service::Discovery,
        vec![
            Act::status(status).header("Content-Disposition", "attachment; filename=\"/../../evil\""),
            Act::http(500, "text/html; charset=iso-8859-1", &b"red \x1b[31m, caf\xe9\r\nand\rover\0"[..]),
        ],
    );
    for _ in 0..2 {
        bench.run([&["discover", "hub"][..], &SAVED].concat()).ended(1);
    }
    let names = ["0001-request.txt", "0001-response.txt", "0002-request.txt", "0002-response.txt"];
    assert_eq!(bench.listed("saved"), names);
    assert!(saved(&bench, names[1]).contains("\\u{202e}and ../../etc/passwd"));
    assert!(
        saved(&bench, names[3]).ends_with("\n\nred \\u{1b}[31m, café\r\nand\\u{d}over"),
        "{}",
        saved(&bench, names[3])
    );
}

#[test]
fn every_command_by_hand_saves_and_the_service_does_not() {
    let bench = Bench::new();
    bench.practice.add_block("default", BlockSpec::new("urn:x", "<a/>"));
    bench.put("a.xml", "<a/>");
    let poll = bench.practice.url("poll");
    for arguments in [
        &["subscription", "status", "indicators"][..],
        &["check", "--online"],
        &["poll", "indicators", "--count"],
        &["poll", "--url", &poll, "--collection", "default", "--to", "here"],
        &["push", "partner", "a.xml", "--binding", "urn:x"],
    ] {
        let (before, sent) = (bench.listed("saved").len(), bench.practice.requests().len());
        bench.run([arguments, &SAVED].concat()).ended(0);
        let sent = bench.practice.requests().len() - sent;
        assert!(sent > 0);
        assert_eq!(bench.listed("saved").len() - before, 2 * sent, "{arguments:?}");
    }
    bench.run([&["run", "--once"][..], &SAVED].concat()).ended(2).complained("--save-exchanges");
    bench.run([&["check"][..], &SAVED].concat()).ended(2).complained("--online");
    bench.bare(["run", "--help"]).ended(0).said("--save-exchanges");
}
