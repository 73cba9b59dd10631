//! Credentials: tokens that run out, secrets that change, secrets that cannot be read.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use taxii_sync::practice::{Act, Auth, BlockSpec, Options, Service, StatusReply};

use super::lab::{Lab, SECRET, USER, each, options, watch};

/// A feed at a server that wants this kind of credentials.
fn locked(auth: Auth, unauthorized_status: u16) -> Lab {
    let users = vec![(USER.to_owned(), SECRET.to_owned())];
    let mut lab = Lab::with(Options { auth, users, unauthorized_status, ..options() });
    lab.feed = Some(String::new());
    lab
}

/// The same with a login for a token.
fn with_login(unauthorized_status: u16) -> Lab {
    let mut lab = locked(Auth::Jwt, unauthorized_status);
    let login = format!("type = \"jwt\", login = {:?}", lab.practice.url("login"));
    lab.server = lab.server.replace("type = \"basic\"", &login);
    lab
}

/// The tokens that were sent, and how often there was a login.
fn tokens(lab: &Lab) -> (Vec<String>, usize) {
    let requests = lab.practice.requests();
    let tokens =
        requests.iter().filter_map(|seen| Some(seen.header("Authorization")?.strip_prefix("Bearer ")?.to_owned()));
    (tokens.collect(), requests.iter().filter(|seen| seen.service == Some(Service::Login)).count())
}

#[test]
fn a_login_is_made_once_and_its_token_used_for_everything_and_shown_nowhere() {
    for status in [200, 401] {
        let mut lab = with_login(status);
        lab.server += &format!("collections = {:?}\n", lab.practice.url("collections"));
        lab.practice.add_block("default", BlockSpec::new("urn:x", "<a/>"));
        let ended = lab.run(&["run", "--once"]);
        assert_eq!(ended.code(), 0, "{}", ended.err);
        let (tokens, logins) = tokens(&lab);
        assert_eq!(logins, 1);
        assert_eq!(tokens.len(), 2);
        lab.secrets.push(tokens[0].clone());
        lab.holds(&ended);
    }
}

#[test]
fn a_token_that_has_run_out_is_renewed_once() {
    // The token that the server has forgotten is refused with HTTP 401, or with UNAUTHORIZED in HTTP 200.
    each(vec![200, 401], |status| {
        let lab = with_login(status);
        let lab = &lab;
        let mut feed = lab.command(&["run"]);
        feed.env("RUST_BACKTRACE", "0");
        let child = feed.spawn().unwrap();
        let id = child.id();
        assert!(until(|| lab.practice.requests().iter().any(|seen| seen.poll().is_some())), "it polls at start");
        assert!(until(|| lab.cursor().is_string()));
        lab.practice.expire_tokens();
        let before = lab.practice.requests().len();
        signal(id, "USR1");
        assert!(until(|| lab.practice.requests().len() >= before + 3), "{:?}", lab.practice.requests().len());
        std::thread::sleep(Duration::from_millis(500));
        signal(id, "TERM");
        let ended = watch(child, Duration::from_secs(30));
        assert_eq!(ended.code(), 0, "{}", ended.err);
        assert_eq!(tokens(lab).1, 2, "one login at start, one because the token had run out");
        assert_eq!(lab.practice.requests().len(), before + 3, "refused, logged in, polled");
        assert!(!ended.err.contains("poll failed"), "{}", ended.err);
    });
}

#[test]
fn a_server_that_never_accepts_the_token_is_not_asked_for_ever() {
    let unauthorized = || Act::status(StatusReply::new("UNAUTHORIZED").message(SECRET));
    each(vec![unauthorized(), unauthorized().code(401), Act::http(401, "text/html", "no")], |act| {
        let lab = with_login(200);
        lab.practice.forever(Service::Poll, act);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1);
        let (_, logins) = tokens(&lab);
        assert!(logins <= 2, "{logins} logins");
        assert!(lab.practice.requests().len() <= 4, "{} requests", lab.practice.requests().len());
        lab.nothing_came();
    });
}

#[test]
fn a_login_that_fails_in_any_way_ends_the_poll_and_says_so() {
    let long = format!("{{\"token\": \"{}\"}}", "x".repeat(1 << 20));
    let acts = vec![
        Act::http(403, "application/json", format!("{{\"error\": {SECRET:?}}}")),
        Act::http(200, "application/json", "{}"),
        Act::http(200, "application/json", format!("{{\"token\": \"{SECRET}\r\nX: y\"")),
        Act::http(200, "application/json", "{\"token\": \"a\\r\\nX-Evil: b\"}"),
        Act::http(200, "application/json", long),
        Act::http(200, "text/html", "\u{1b}[31m"),
        Act::redirect(302, "http://127.0.0.1:1/login"),
        Act::silence(),
    ];
    each(acts, |act| {
        let lab = with_login(200);
        lab.practice.forever(Service::Login, act);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{}", ended.err);
        assert!(ended.complaint().contains("login"), "{}", ended.complaint());
        assert!(lab.practice.requests().iter().all(|seen| seen.service == Some(Service::Login)));
        lab.nothing_came();
    });
}

#[test]
fn a_bearer_token_and_a_key_are_sent_and_not_shown() {
    let mut lab = Lab::feed();
    for (name, value) in [("token", "tok-123456"), ("key", "key-123456")] {
        std::fs::write(lab.path(name), format!("{value}\n")).unwrap();
        lab.secrets.push(value.to_owned());
    }
    let (start, rest) = lab.server.split_once('\n').unwrap();
    assert!(start.starts_with("auth = "));
    let auth = format!("auth = {{ type = \"bearer\", token_file = {:?} }}\n", lab.path("token"));
    let key = format!(
        "headers = {{ \"X-Api-Key\" = {{ file = {:?} }}, \"X-More\" = {{ env = \"MORE\" }} }}\n",
        lab.path("key")
    );
    lab.server = auth + &key + rest;
    lab.secrets.push("more-123456".to_owned());
    lab.environment.push(("MORE".to_owned(), "more-123456".to_owned()));
    lab.practice.script(
        Service::Poll,
        vec![Act::status(StatusReply::new("FAILURE").message("tok-123456 key-123456 more-123456"))],
    );
    lab.run_once();
    assert_eq!(lab.run_once().code(), 0);
    let requests = lab.practice.requests();
    let sent = requests.last().unwrap();
    assert_eq!(sent.header("Authorization"), Some("Bearer tok-123456"));
    assert_eq!((sent.header("X-Api-Key"), sent.header("X-More")), (Some("key-123456"), Some("more-123456")));
}

#[test]
fn a_password_that_was_changed_is_used_without_a_restart() {
    let lab = locked(Auth::Basic, 200);
    std::fs::write(lab.path("password"), "old password").unwrap();
    let child = lab.command(&["run"]).spawn().unwrap();
    let id = child.id();
    assert!(until(|| lab.status()["feeds"]["feed"]["last_error"].is_string()), "the old password is refused");
    std::fs::write(lab.path("new"), SECRET).unwrap();
    std::fs::rename(lab.path("new"), lab.path("password")).unwrap();
    signal(id, "USR1");
    assert!(until(|| lab.cursor().is_string()), "the new one is not");
    signal(id, "TERM");
    assert_eq!(watch(child, Duration::from_secs(30)).code(), 0);
}

#[test]
fn a_secret_that_cannot_be_read_is_named_and_what_happens_next_is_said() {
    type Case = (&'static str, fn(&Lab));
    let cases: Vec<Case> = vec![
        ("password", |lab| std::fs::remove_file(lab.path("password")).unwrap()),
        ("password", |lab| std::fs::write(lab.path("password"), b"\xff\xfe").unwrap()),
        ("password", |lab| std::fs::write(lab.path("password"), vec![b'x'; 2 << 20]).unwrap()),
        ("password", |lab| {
            std::fs::remove_file(lab.path("password")).unwrap();
            std::fs::create_dir(lab.path("password")).unwrap();
        }),
        ("password", |lab| {
            std::fs::remove_file(lab.path("password")).unwrap();
            assert!(Command::new("mkfifo").arg(lab.path("password")).status().unwrap().success());
        }),
    ];
    each(cases, |(word, damage)| {
        let lab = Lab::feed();
        damage(&lab);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{}", ended.err);
        let said = ended.complaint();
        assert!(said.contains(&lab.path(word).display().to_string()), "{said}");
        assert!(said.contains("tried"), "what happens next is not said: {said}");
        assert_eq!(lab.practice.requests().len(), 0);
        lab.nothing_came();
    });
}

#[test]
fn a_secret_in_the_configuration_that_others_can_read_is_warned_about() {
    // N27.
    let mut lab = Lab::feed();
    let password = format!("password_file = {:?}", lab.path("password"));
    lab.server = lab.server.replace(&password, "password = \"in the clear\"");
    lab.secrets.push("in the clear".to_owned());
    let mode = |mode| std::fs::set_permissions(lab.path("config.toml"), std::fs::Permissions::from_mode(mode)).unwrap();
    drop(lab.command(&["check"]));
    for (bits, warned) in [(0o644, true), (0o600, false)] {
        mode(bits);
        let ended = lab.run(&["run", "--once"]);
        assert_eq!(ended.err.contains("password"), warned, "{bits:o}: {}", ended.err);
        lab.is_fit_to_be_shown("standard error", &ended.err);
    }
}

fn until(condition: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// Sends a signal to a process that a test started.
fn signal(id: u32, name: &str) {
    let signal = match name {
        "USR1" => rustix::process::Signal::USR1,
        _ => rustix::process::Signal::TERM,
    };
    rustix::process::kill_process(rustix::process::Pid::from_raw(id as i32).unwrap(), signal).unwrap();
}
