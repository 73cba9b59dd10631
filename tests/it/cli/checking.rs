//! `check`, with and without `--online`.

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use taxii_sync::practice::{Act, Auth, CollectionSpec, InboxSpec, Service};
use taxii_sync::taxii::message::{CollectionType, ContentBinding, ServiceType};

use super::Bench;

pub(super) fn findings(bench: &Bench, code: i32) -> Vec<Value> {
    let ran = bench.run(["check", "--online", "--json"]).ended(code);
    ran.json()["online"]["findings"].as_array().unwrap().clone()
}

/// Whether something was found about something, with this verdict.
fn found(findings: &[Value], about: &str, verdict: &str, what: &str) -> bool {
    findings
        .iter()
        .any(|one| one["about"] == about && one["verdict"] == verdict && one["what"].as_str().unwrap().contains(what))
}

#[track_caller]
pub(super) fn assert_found(findings: &[Value], about: &str, verdict: &str, what: &str) {
    assert!(found(findings, about, verdict, what), "no {verdict} of {about} with `{what}` in {findings:#?}");
}

pub(super) fn changed(bench: &Bench, from: &str, to: &str) {
    let config = std::fs::read_to_string(bench.path("config.toml")).unwrap();
    assert!(config.contains(from), "{from} in {config}");
    bench.put("config.toml", config.replace(from, to));
}

#[test]
fn without_online_nobody_is_asked() {
    let bench = Bench::new();
    bench.run(["check"]).ended(0).said("Server hub").said("Feed indicators");
    let meaning = bench.run(["check", "--json"]).ended(0).json();
    assert_eq!(meaning["feeds"]["indicators"]["collection"], "default");
    assert_eq!(bench.practice.requests().len(), 0);
}

#[test]
fn a_literal_secret_is_warned_about_where_others_can_read_the_file() {
    let bench = Bench::new();
    let auth = "[servers.hub]\nauth = { type = \"basic\", username = \"sensor\", password = \"hunter2\" }";
    changed(&bench, "[servers.hub]", auth);
    let file = bench.path("config.toml");
    for (mode, warned) in [(0o600, false), (0o644, true), (0o640, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        for arguments in [&["check"][..], &["check", "--json"]] {
            let ran = bench.run(arguments).ended(0);
            assert_eq!(ran.err.contains("warning: ") && ran.err.contains("hub.auth.password"), warned, "{}", ran.err);
            assert!(warned || ran.err.is_empty(), "{}", ran.err);
        }
    }
}

#[test]
fn what_follows_a_question_mark_in_an_address_is_not_shown() {
    let bench = Bench::new();
    let discovery = bench.practice.url("discovery");
    changed(&bench, &discovery, &format!("{discovery}?key=hunter2"));
    for command in ["check", "discover hub", "collections hub"] {
        for form in ["", " --json"] {
            let ran = bench.run(format!("{command}{form}").split(' ')).ended(0);
            let said = format!("{}{}", ran.out, ran.err);
            assert!(!said.contains("hunter2"), "{command}{form}: {said}");
            assert!(said.contains(&format!("{discovery}?…")) || command.starts_with("coll"), "{command}{form}: {said}");
        }
    }
    let collections = format!("{}?key=hunter2", bench.practice.url("collections"));
    changed(&bench, "[feeds.indicators]", &format!("collections = {collections:?}\n[feeds.indicators]"));
    let ran = bench.run(["collections", "hub", "--json"]).ended(0);
    assert!(ran.json()["url"].as_str().unwrap().ends_with("?…") && !ran.err.contains("hunter2"), "{}", ran.err);
}

#[test]
fn directories_that_a_link_makes_one_are_a_mistake() {
    let bench = Bench::new();
    for (outgoing, how) in [("output", "the same directory as"), ("output/more", "inside")] {
        std::fs::create_dir_all(bench.path(outgoing)).unwrap();
        std::os::unix::fs::symlink(bench.path(outgoing), bench.path("outgoing")).unwrap();
        for command in ["check", "status"] {
            bench.run([command]).ended(2).complained(&format!("{how} feeds.indicators.output); allowed: "));
        }
        std::fs::remove_file(bench.path("outgoing")).unwrap();
    }
    let feed = |name: &str, output: &str| {
        let output = bench.path(output);
        format!("[feeds.\"{name}\"]\nserver = \"hub\"\ncollection = \"default\"\noutput = {output:?}\n")
    };
    for (link, to) in [("outgoing", "output"), ("link", "real"), ("other", "real")] {
        std::fs::create_dir_all(bench.path(to)).unwrap();
        std::os::unix::fs::symlink(bench.path(to), bench.path(link)).unwrap();
    }
    let textfile = format!("[metrics]\ntextfile = {:?}\n", bench.path("link/agent.prom"));
    let feeds = [feed("a.b", "real"), feed("c", "link"), feed("d", "other/in"), textfile];
    bench.configure("every = \"1s\"", &feeds.concat());
    let ran = bench.run(["check"]).ended(2).complained("feeds.indicators.every");
    let ran = ran.complained("the same directory as feeds.indicators.output)").complained("metrics.textfile: found");
    ran.complained("the same directory as feeds.\"a.b\".output)").complained("inside feeds.\"a.b\".output)");
    std::fs::remove_file(bench.path("outgoing")).unwrap();
    bench.configure("", "");
    std::fs::create_dir(bench.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(bench.path("elsewhere"), bench.path("outgoing")).unwrap();
    bench.run(["check"]).ended(0);
}

#[test]
fn what_works_is_said_with_what_is_used_and_why() {
    let bench = Bench::new();
    let findings = findings(&bench, 0);
    assert!(findings.iter().all(|finding| finding["verdict"] == "ok"), "{findings:#?}");
    assert_found(&findings, "server hub", "ok", "answers");
    assert_found(&findings, "server hub", "ok", "clock agrees");
    assert_found(&findings, "server hub", "ok", "describes 1 collection");
    assert_found(&findings, "feed indicators", "ok", &format!("{} (as the collection", bench.practice.url("poll")));
    assert_found(&findings, "feed indicators", "ok", "DATA_FEED");
    assert_found(&findings, "inbox partner", "ok", &format!("{} (as discovery", bench.practice.url("inbox")));
    let pinned = format!("[servers.hub]\npoll = {:?}", bench.practice.url("poll"));
    changed(&bench, "[servers.hub]", &pinned);
    bench.run(["check", "--online"]).ended(0).said("pinned in the configuration").said("Feed indicators");
}

#[test]
fn a_check_never_asks_for_content_and_never_pushes() {
    let bench = Bench::new();
    bench.publish("default", 2);
    let findings = findings(&bench, 0);
    assert_found(&findings, "feed indicators", "ok", "counts without sending: 2 within 5m");
    let requests = bench.practice.requests();
    let polls: Vec<_> = requests.iter().filter(|seen| seen.kind() == "Poll_Request").collect();
    assert_eq!(polls.len(), 1);
    assert!(String::from_utf8_lossy(&polls[0].body_start).contains("COUNT_ONLY"));
    let others = bench.asked("Discovery_Request") + bench.asked("Collection_Information_Request");
    assert_eq!(others + polls.len(), requests.len());
    assert!(!bench.path("state").exists() && !bench.path("output").exists() && !bench.path("outgoing").exists());
}

#[test]
fn a_server_that_does_not_answer_is_a_problem_with_a_remedy() {
    let bench = Bench::new();
    changed(&bench, &bench.practice.url("discovery"), "http://127.0.0.1:1/discovery");
    let findings = findings(&bench, 1);
    assert_found(&findings, "server hub", "problem", "http://127.0.0.1:1/discovery");
    assert_found(&findings, "feed indicators", "problem", "hub does not answer");
    assert!(
        findings.iter().all(|finding| finding["verdict"] == "ok" || finding["remedy"].is_string()),
        "{findings:#?}"
    );
    bench.run(["check", "--online"]).ended(1).complained("would not work");
}

#[test]
fn credentials_that_are_refused_are_a_problem_with_a_remedy() {
    let bench = Bench::with(|options| {
        options.auth = Auth::Basic;
        options.users.push(("sensor".into(), "hunter2".into()));
    });
    let refused = findings(&bench, 1);
    assert_found(&refused, "server hub", "problem", "UNAUTHORIZED");
    bench.put("password", "hunter2");
    let auth = "[servers.hub]\nauth = { type = \"basic\", username = \"sensor\", password_file = \"password\" }";
    changed(&bench, "[servers.hub]", auth);
    assert_found(&findings(&bench, 0), "server hub", "ok", "sensor (HTTP Basic)");
    bench.put("password", "hunter3");
    assert_found(&findings(&bench, 1), "server hub", "problem", "UNAUTHORIZED");
    std::fs::remove_file(bench.path("password")).unwrap();
    assert_found(&findings(&bench, 1), "server hub", "problem", "password");
}

#[test]
fn a_collection_that_is_not_there_is_a_problem_that_names_the_nearest() {
    let bench = Bench::with(|options| options.collections = vec![CollectionSpec::feed("defautl")]);
    let findings = findings(&bench, 1);
    assert_found(&findings, "feed indicators", "problem", "no collection `default`");
    assert!(findings.iter().any(|finding| finding["remedy"] == "did you mean `defautl`?"), "{findings:#?}");
}

#[test]
fn a_collection_that_is_not_available_is_a_problem_and_a_data_set_is_told() {
    let bench = Bench::with(|options| options.collections[0].available = false);
    assert_found(&findings(&bench, 1), "feed indicators", "problem", "not available");
    let bench = Bench::with(|options| options.collections[0].collection_type = CollectionType::DataSet);
    assert_found(&findings(&bench, 0), "feed indicators", "ok", "DATA_SET");
}

#[test]
fn content_that_the_collection_does_not_hold_is_a_problem() {
    let held = ContentBinding { id: "urn:stix.mitre.org:xml:1.2".into(), subtypes: Vec::new() };
    let bench = Bench::with(|options| options.collections[0].content_bindings = vec![held]);
    bench.configure("content_bindings = [\"urn:stix.mitre.org:xml:1.0\"]", "");
    assert_found(&findings(&bench, 1), "feed indicators", "problem", "urn:stix.mitre.org:xml:1.2");
}

#[test]
fn destinations_of_an_inbox_have_to_exist_and_to_take_content() {
    let bench = Bench::with(|options| {
        options.collections.push(CollectionSpec::feed("read-only"));
        options.inboxes = vec![InboxSpec { collections: vec!["default".into()], ..InboxSpec::default() }];
    });
    let with = |names: &str| {
        bench.configure("", "");
        changed(&bench, "[inboxes.partner]", &format!("[inboxes.partner]\ncollections = {names}"));
    };
    with("[\"default\"]");
    assert_found(&findings(&bench, 0), "inbox partner", "ok", "`default` takes content");
    with("[\"read-only\"]");
    assert_found(&findings(&bench, 0), "inbox partner", "warning", "no inbox for the collection `read-only`");
    with("[\"default\", \"nowhere\"]");
    assert_found(&findings(&bench, 1), "inbox partner", "problem", "no collection `nowhere`");
}

#[test]
fn a_binding_that_an_inbox_does_not_accept_is_a_problem() {
    let accepted = ContentBinding { id: "urn:stix.mitre.org:xml:1.2".into(), subtypes: Vec::new() };
    let bench = Bench::with(|options| options.inboxes[0].content_bindings = vec![accepted]);
    assert_found(&findings(&bench, 0), "inbox partner", "ok", "accepts urn:stix.mitre.org:xml:1.2");
    bench.configure("", "content_binding = \"urn:example:other\"");
    assert_found(&findings(&bench, 1), "inbox partner", "problem", "urn:example:other");
}

#[test]
fn clocks_that_disagree_are_a_warning() {
    let bench = Bench::with(|options| options.clock = Arc::new(|| Utc::now() + TimeDelta::minutes(10)));
    assert_found(&findings(&bench, 0), "server hub", "warning", "ahead of ours");
    let bench = Bench::with(|options| options.clock = Arc::new(|| Utc::now() - TimeDelta::minutes(10)));
    assert_found(&findings(&bench, 0), "server hub", "warning", "behind ours");
}

#[test]
fn an_address_elsewhere_is_a_problem_with_both_remedies() {
    let bench = Bench::with(|options| {
        options.advertised.addresses = taxii_sync::practice::Addresses::Origin("http://localhost:9".into());
    });
    let findings = findings(&bench, 1);
    assert_found(&findings, "feed indicators", "problem", "http://localhost:9");
    assert_found(&findings, "feed indicators", "problem", "trusted_origins");
}

#[test]
fn a_group_that_is_not_there_is_a_problem() {
    let bench = Bench::new();
    let config = std::fs::read_to_string(bench.path("config.toml")).unwrap();
    bench.put("config.toml", config.replace("collection = ", "group = \"no-such-group\"\ncollection = "));
    assert_found(&findings(&bench, 1), "feed indicators", "problem", "no group `no-such-group`");
}

#[test]
fn a_server_without_collection_management_is_a_warning() {
    let bench = Bench::with(|options| options.advertised.hidden.push(ServiceType::CollectionManagement));
    assert_found(&findings(&bench, 0), "server hub", "warning", "no Collection Management Service");
    bench.practice.script(Service::Discovery, vec![Act::http(404, "text/html", "gone")]);
    assert_found(&findings(&bench, 1), "server hub", "problem", "404");
}

#[test]
fn a_server_whose_addresses_are_all_pinned_is_asked_something_harmless() {
    let bench = Bench::new();
    let (poll, inbox) = (bench.practice.url("poll"), bench.practice.url("inbox"));
    changed(
        &bench,
        &format!("discovery = {:?}", bench.practice.url("discovery")),
        &format!("poll = {poll:?}\ninbox = {inbox:?}"),
    );
    assert_found(&findings(&bench, 0), "server hub", "ok", &format!("{poll} answers"));
    assert_eq!((bench.asked("Poll_Request"), bench.asked("Inbox_Message")), (1, 0), "one count for the feed");
    bench.practice.forever(Service::Poll, Act::http(200, "text/html", "<html>log in</html>"));
    assert_found(&findings(&bench, 1), "server hub", "problem", "without a TAXII message");
}
