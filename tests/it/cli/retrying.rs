//! `retry`: failed files go back.

use serde_json::Value;
use taxii_sync::practice::samples::SAMPLES;
use taxii_sync::practice::{Act, Auth, InboxSpec, Options, Service};
use taxii_sync::taxii::message::ContentBinding;

use super::{Bench, until};

/// A server with two inboxes, `good` and `picky`; the picky one accepts nothing we have.
fn two_inboxes(options: &mut Options) {
    let nothing = ContentBinding { id: "urn:example:nothing".into(), subtypes: Vec::new() };
    let inbox = |name: &str| InboxSpec { name: name.into(), ..InboxSpec::default() };
    options.inboxes = vec![inbox("good"), InboxSpec { content_bindings: vec![nothing], ..inbox("picky") }];
    options.auth = Auth::None;
}

/// A drop directory for both inboxes; `more` are further keys of it.
fn configure(bench: &Bench, picky: &str, more: &str) {
    let server = |name: &str, inbox: &str| format!("[servers.{name}]\ninbox = {:?}\n", bench.practice.url(inbox));
    let text = format!(
        "state_dir = {:?}\n{}{}[inboxes.good]\nserver = \"good\"\n[inboxes.picky]\nserver = \"picky\"\n\
         [drops.outgoing]\npath = {:?}\ninboxes = [\"good\", \"picky\"]\nsettle = \"0s\"\n{more}\n",
        bench.path("state"),
        server("good", "inbox/good"),
        server("picky", picky),
        bench.path("outgoing"),
    );
    std::fs::write(bench.path("config.toml"), text).unwrap();
}

fn receipt(bench: &Bench, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(bench.path("outgoing").join(name)).unwrap()).unwrap()
}

fn outcomes(receipt: &Value) -> Vec<(&str, &str)> {
    let inboxes = receipt["inboxes"].as_array().unwrap();
    inboxes.iter().map(|one| (one["inbox"].as_str().unwrap(), one["outcome"].as_str().unwrap())).collect()
}

/// A bench where `a.xml` has failed: the good inbox took it, the picky one did not.
fn with_a_failure(more: &str) -> Bench {
    let bench = Bench::with(two_inboxes);
    configure(&bench, "inbox/picky", more);
    bench.put("outgoing/a.xml", SAMPLES[0].xml);
    bench.run(["run", "--once"]).ended(1);
    assert_eq!(bench.listed("outgoing/failed"), ["a.xml", "a.xml.receipt.json"]);
    assert_eq!(outcomes(&receipt(&bench, "failed/a.xml.receipt.json")), [("good", "accepted"), ("picky", "refused")]);
    assert_eq!(bench.practice.stored("default").len(), 1);
    bench
}

#[test]
fn a_failed_file_goes_back_without_its_receipt() {
    let bench = with_a_failure("");
    bench.run(["retry", "a.xml"]).ended(0).said("a.xml: back in drop directory outgoing");
    assert_eq!(bench.listed("outgoing"), ["a.xml", "failed", "sending", "sent"]);
    assert_eq!(bench.listed("outgoing/failed"), [""; 0]);
    assert_eq!(std::fs::read_to_string(bench.path("outgoing/a.xml")).unwrap(), SAMPLES[0].xml);
}

#[test]
fn an_inbox_that_accepted_it_does_not_get_it_again() {
    for more in ["", "resend_duplicates = true"] {
        let bench = with_a_failure(more);
        bench.run(["retry", "a.xml"]).ended(0);
        configure(&bench, "inbox/good", more);
        bench.run(["run", "--once"]).ended(0);
        let receipt = receipt(&bench, "sent/a.xml.receipt.json");
        assert_eq!(outcomes(&receipt), [("good", "duplicate"), ("picky", "accepted")], "{more}");
        assert_eq!(receipt["inboxes"][0]["attempts"], 0);
        let pushed: Vec<_> = bench.practice.requests().into_iter().map(|seen| seen.path).collect();
        assert_eq!(pushed.iter().filter(|path| path.ends_with("good")).count(), 2, "once each: {pushed:?}");
    }
}

#[test]
fn only_the_file_that_went_back_is_known_to_have_been_accepted() {
    let bench = with_a_failure("resend_duplicates = true");
    bench.run(["retry", "a.xml"]).ended(0);
    bench.put("outgoing/same.xml", SAMPLES[0].xml);
    configure(&bench, "inbox/good", "resend_duplicates = true");
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(outcomes(&receipt(&bench, "sent/same.xml.receipt.json")), [("good", "accepted"), ("picky", "accepted")]);
    bench.put("outgoing/a.xml", SAMPLES[0].xml);
    bench.run(["run", "--once"]).ended(0);
    let again = receipt(&bench, "sent/a.1.xml.receipt.json");
    assert_eq!(outcomes(&again), [("good", "accepted"), ("picky", "accepted")], "resend_duplicates sends it again");
}

#[test]
fn a_file_that_was_mended_in_failed_goes_to_every_inbox() {
    let bench = with_a_failure("resend_duplicates = true");
    bench.put("outgoing/failed/a.xml", SAMPLES[1].xml);
    bench.run(["retry", "a.xml"]).ended(0);
    configure(&bench, "inbox/good", "resend_duplicates = true");
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(outcomes(&receipt(&bench, "sent/a.xml.receipt.json")), [("good", "accepted"), ("picky", "accepted")]);
}

#[test]
fn a_retry_works_while_the_agent_runs() {
    let bench = with_a_failure("resend_duplicates = true\nrescan = \"1s\"");
    configure(&bench, "inbox/good", "resend_duplicates = true\nrescan = \"1s\"");
    let _agent = bench.agent();
    bench.run(["retry", "--all"]).ended(0).said("a.xml: back");
    until("the agent sends it", || bench.path("outgoing/sent/a.xml.receipt.json").exists());
    let receipt = receipt(&bench, "sent/a.xml.receipt.json");
    assert_eq!(outcomes(&receipt), [("good", "duplicate"), ("picky", "accepted")]);
}

#[test]
fn a_retried_file_is_pending_since_its_retry() {
    let bench = with_a_failure("give_up = \"3s\"");
    std::thread::sleep(std::time::Duration::from_secs(4));
    bench.run(["retry", "a.xml"]).ended(0);
    configure(&bench, "inbox/good", "give_up = \"3s\"");
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.listed("outgoing/sent"), ["a.xml", "a.xml.receipt.json"]);
}

#[test]
fn a_name_in_several_directories_means_all_of_them_and_a_path_means_one() {
    let bench = Bench::new();
    let second = format!("[drops.second]\npath = {:?}\ninboxes = [\"partner\"]\n", bench.path("second"));
    bench.configure("", &second);
    let failed = || {
        bench.put("outgoing/failed/a.xml", "<a/>");
        bench.put("second/failed/a.xml", "<a/>");
    };
    failed();
    bench.run(["retry", "second/failed/a.xml"]).ended(0);
    assert!(bench.path("outgoing/failed/a.xml").exists() && bench.path("second/a.xml").exists());
    std::fs::remove_file(bench.path("second/a.xml")).unwrap();
    failed();
    bench.run(["retry", "a.xml"]).ended(0).complained("a.xml is in 2 drop directories (outgoing, second)");
    assert!(bench.path("outgoing/a.xml").exists() && bench.path("second/a.xml").exists());
}

#[test]
fn each_argument_has_to_lead_to_a_failed_file() {
    let bench = Bench::new();
    bench.put("outgoing/failed/a.xml", "<a/>");
    let ran = bench.run(["retry", "nowhere/a.xml", "outgoing/failed/a.xml"]).ended(1).said("a.xml: back");
    ran.complained("there is no failed file nowhere/a.xml");
    bench.put("outgoing/failed/b.xml", "<b/>");
    let ran = bench.run(["retry", "b.xml", "outgoing/b.xml"]).ended(1).said("b.xml: back");
    ran.complained("there is no failed file outgoing/b.xml");
}

#[test]
fn a_path_may_lead_over_links_and_upwards() {
    let bench = Bench::new();
    let failed = bench.put("outgoing/failed/a.xml", "<a/>");
    std::os::unix::fs::symlink(bench.path("outgoing"), bench.path("linked")).unwrap();
    std::os::unix::fs::symlink(&failed, bench.path("link.xml")).unwrap();
    for path in
        ["outgoing/../outgoing/failed/a.xml", "linked/failed/a.xml", "./link.xml", "outgoing/sent/../failed/a.xml"]
    {
        std::fs::create_dir_all(bench.path("outgoing/sent")).unwrap();
        bench.run(["retry", path]).ended(0).said("a.xml: back");
        std::fs::rename(bench.path("outgoing/a.xml"), &failed).unwrap();
    }
}

#[test]
fn the_receipts_among_all_that_is_in_failed_are_no_mistake() {
    let bench = with_a_failure("");
    let (file, receipt) = ("outgoing/failed/a.xml", "outgoing/failed/a.xml.receipt.json");
    bench.run(["retry", receipt]).ended(1).complained("there is no failed file");
    bench.put("elsewhere/a.xml.receipt.json", "{}");
    bench.run(["retry", file, receipt]).ended(0).said("a.xml: back");
    bench.put(file, SAMPLES[0].xml);
    bench.put(receipt, "{}");
    bench.run(["retry", "a.xml", "elsewhere/a.xml.receipt.json"]).ended(1).complained("elsewhere/");
    assert_eq!(bench.listed("outgoing/failed"), [""; 0]);
}

#[test]
fn a_name_that_is_taken_replaces_nothing() {
    let bench = Bench::new();
    bench.put("outgoing/failed/a.xml", "<failed/>");
    bench.put("outgoing/a.xml", "<new/>");
    bench.run(["retry", "a.xml"]).ended(0).said("as a.1.xml");
    assert_eq!(std::fs::read_to_string(bench.path("outgoing/a.xml")).unwrap(), "<new/>");
    assert_eq!(std::fs::read_to_string(bench.path("outgoing/a.1.xml")).unwrap(), "<failed/>");
}

#[test]
fn what_is_not_there_is_said_with_the_nearest_name_and_the_rest_goes_back() {
    let bench = Bench::new();
    bench.run(["retry", "--all"]).ended(0).said("there are no failed files");
    bench.put("outgoing/failed/report.xml", "<a/>");
    bench.run(["retry", "reprot.xml"]).ended(1).complained("did you mean report.xml?");
    assert!(bench.path("outgoing/failed/report.xml").exists());
    bench.run(["retry", "nothing.xml", "report.xml"]).ended(1).said("report.xml: back").complained("nothing.xml");
    bench.run(["retry"]).ended(2).complained("--all");
    bench.run(["retry", "--all", "x"]).ended(2);
}

#[test]
fn a_receipt_that_cannot_be_read_costs_no_file() {
    let bench = with_a_failure("");
    bench.put("outgoing/failed/a.xml.receipt.json", "{ damaged");
    bench.practice.forever(Service::Inbox, Act::honest());
    bench.run(["retry", "a.xml"]).ended(0);
    assert!(bench.path("outgoing/a.xml").exists() && !bench.path("outgoing/failed/a.xml.receipt.json").exists());
}

#[test]
fn a_receipt_whose_file_was_taken_away_is_never_sent() {
    let bench = with_a_failure("content_binding = \"urn:stix.mitre.org:xml:1.1.1\"");
    std::fs::remove_file(bench.path("outgoing/failed/a.xml")).unwrap();
    let status = bench.run(["status", "--json"]).json();
    assert_eq!(status["drops"]["outgoing"]["failed"], 0);
    bench.run(["retry", "--all"]).ended(0).said("there are no failed files");
    assert_eq!(bench.listed("outgoing/failed"), ["a.xml.receipt.json"]);
    let pushed = bench.practice.requests().len();
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.practice.requests().len(), pushed);
}

#[test]
fn one_bad_drop_directory_hides_no_other() {
    let bench = Bench::new();
    let other = format!("[drops.other]\npath = {:?}\ninboxes = [\"partner\"]\n", bench.path("other"));
    bench.configure("", &other);
    let failed = bench.path("other/failed");
    let break_it: [&dyn Fn(); 2] = [&|| std::fs::write(bench.path("other"), "a file").unwrap(), &|| {
        std::fs::remove_file(bench.path("other")).unwrap();
        std::fs::create_dir(bench.path("other")).unwrap();
        std::os::unix::fs::symlink(bench.path("outgoing/failed"), &failed).unwrap();
    }];
    for make_bad in break_it {
        make_bad();
        bench.put("outgoing/failed/a.xml", "<a/>");
        let drops = bench.run(["status", "--json"]).ended(0).json()["drops"].clone();
        assert_eq!(drops["outgoing"]["failed_files"][0]["file"], "a.xml");
        assert!(drops["outgoing"]["last_error"].is_null());
        assert!(drops["other"]["last_error"].as_str().unwrap().starts_with("cannot "), "{drops}");
        bench.run(["status"]).ended(0).said("trouble with drop directory other").said("  failed: a.xml");
        bench.run(["retry", "a.xml"]).ended(1).said("a.xml: back").complained("drop directory other: cannot");
        bench.put("outgoing/failed/b.xml", "<a/>");
        bench.run(["retry", "--all"]).ended(1).said("b.xml: back").complained("drop directory other: cannot");
        std::fs::remove_file(bench.path("outgoing/a.xml")).unwrap();
        std::fs::remove_file(bench.path("outgoing/b.xml")).unwrap();
    }
}

#[test]
fn what_a_stranger_wrote_into_a_receipt_is_shown_as_text_and_cut() {
    let bench = Bench::new();
    bench.put("outgoing/failed/a.xml", "<a/>");
    let hostile = format!("no\nhealthy\u{1b}[2J\u{9b}2J\u{202e}{}", "x".repeat(100_000));
    for receipt in [
        serde_json::json!({ "file": "a.xml", "sha256": null, "reason": hostile, "inboxes": [] }),
        serde_json::json!({ "inboxes": [{ "inbox": hostile, "outcome": "refused", "message": hostile }] }),
    ] {
        bench.put("outgoing/failed/a.xml.receipt.json", receipt.to_string());
        for arguments in [&["status"][..], &["status", "--json"]] {
            let shown = bench.run(arguments).ended(0).out;
            let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!shown.contains(raw) && shown.len() < 3000, "{shown:?}");
            assert!(shown.lines().filter(|line| line.starts_with("healthy")).count() <= 1, "{shown}");
            assert!(shown.contains("no healthy"), "{shown}");
        }
    }
}
