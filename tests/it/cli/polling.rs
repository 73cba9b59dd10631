//! `poll`: one poll by hand.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use taxii_sync::practice::samples::SAMPLES;
use taxii_sync::practice::{Act, BlockSpec, CollectionSpec, Quirk, Service};
use taxii_sync::taxii::message::{Body, PollRequest, ResponseType};

use super::{Bench, Ran, names, until};

/// The content files among some names.
fn contents(names: &[String]) -> Vec<&String> {
    names.iter().filter(|name| !name.ends_with(".meta.json")).collect()
}

/// A sample that was published so many days ago.
fn published(bench: &Bench, sample: usize, days: i64) {
    let sample = SAMPLES[sample];
    let label = Some(Utc::now() - TimeDelta::days(days));
    let block = BlockSpec { label, ..BlockSpec::new(sample.binding, sample.markup()) };
    assert!(bench.practice.add_block("default", block));
}

fn poll_url(bench: &Bench, more: &[&str]) -> Ran {
    let url = bench.practice.url("poll");
    let mut arguments = vec!["poll".to_owned(), "--url".into(), url, "--collection".into(), "default".into()];
    arguments.extend(more.iter().map(ToString::to_string));
    bench.bare(arguments)
}

fn poll_requests(bench: &Bench) -> Vec<PollRequest> {
    let requests = bench.practice.requests().into_iter().filter_map(|seen| seen.message);
    requests.filter_map(|message| if let Body::PollRequest(poll) = message.body { Some(poll) } else { None }).collect()
}

#[test]
fn a_poll_by_hand_writes_what_the_agent_would_write() {
    let bench = Bench::new();
    bench.publish("default", 3);
    bench.run(["poll", "indicators", "--to", "by-hand"]).ended(0).said("3 files");
    bench.run(["run", "--once"]).ended(0);
    let (by_hand, agent) = (bench.listed("by-hand"), bench.listed("output"));
    assert_eq!(by_hand, agent);
    assert_eq!((by_hand.len(), contents(&by_hand).len()), (6, 3));
    for name in &by_hand {
        let read = |directory: &str| std::fs::read_to_string(bench.path(directory).join(name)).unwrap();
        if let Some(content) = name.strip_suffix(".meta.json") {
            let mut ours: serde_json::Value = serde_json::from_str(&read("by-hand")).unwrap();
            let mut theirs: serde_json::Value = serde_json::from_str(&read("output")).unwrap();
            assert_eq!(ours["server"], "hub", "{content}");
            // The two polls began at two moments, and so ended at two.
            for moment in ["polled_at", "result_id"] {
                assert!(ours.as_object_mut().unwrap().remove(moment).is_some());
                assert!(theirs.as_object_mut().unwrap().remove(moment).is_some());
            }
            assert_eq!(ours, theirs);
        } else {
            assert_eq!(read("by-hand"), read("output"));
        }
    }
}

#[test]
fn a_poll_by_hand_leaves_nothing_but_its_files() {
    let bench = Bench::new();
    bench.publish("default", 2);
    let before = names(bench.dir.path());
    bench.run(["poll", "indicators"]).ended(0).said("2 files");
    let after: Vec<String> = names(bench.dir.path()).into_iter().filter(|name| !before.contains(name)).collect();
    assert_eq!(
        (after.len(), contents(&after).len()),
        (4, 2),
        "into the current directory, and nothing else: {after:?}"
    );
    poll_url(&bench, &["--to", "empty", "--since", "2999-01-01"]).ended(2);
    poll_url(&bench, &["--to", "none", "--since", "1s"]).ended(0);
}

#[test]
fn a_poll_by_hand_moves_no_cursor_and_makes_no_ledger() {
    let bench = Bench::new();
    bench.publish("default", 2);
    bench.run(["poll", "indicators", "--to", "by-hand"]).ended(0);
    assert!(!bench.path("state").exists() && !bench.path("output").exists());
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.listed("output").len(), 4, "the agent still gets all of it");
    let shown = bench.run(["cursor", "show", "--json"]).ended(0).out;
    let status = bench.run(["status", "--json"]).json();
    bench.run(["poll", "indicators", "--since", "1h", "--to", "again"]).ended(0).said("2 files");
    assert_eq!(bench.run(["cursor", "show", "--json"]).ended(0).out, shown);
    assert_eq!(
        bench.run(["status", "--json"]).json()["feeds"]["indicators"]["files_total"],
        status["feeds"]["indicators"]["files_total"]
    );
}

#[test]
fn a_poll_by_hand_works_while_the_agent_runs_even_in_its_output() {
    let bench = Bench::new();
    bench.publish("default", 2);
    let _agent = bench.agent();
    until("the agent has polled", || bench.listed("output").len() == 4);
    bench.run(["poll", "indicators", "--since", "1h", "--to", "output"]).ended(0).said("2 files");
    assert_eq!(bench.listed("output").len(), 4);
    let hidden: Vec<String> = names(&bench.path("output")).into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, [".quarantine", ".staging"], "the agent's own directories are left alone");
    assert!(bench.path("output/.staging/identity").exists());
}

#[test]
fn it_goes_on_from_the_saved_cursor_unless_it_is_told_otherwise() {
    let bench = Bench::new();
    bench.publish("default", 1);
    bench.run(["run", "--once"]).ended(0);
    published(&bench, 1, 0);
    bench.run(["poll", "indicators", "--to", "since-cursor"]).ended(0).said("1 file,").said("the saved cursor");
    bench.run(["poll", "indicators", "--since", "1h", "--to", "since-hour"]).ended(0).said("2 files").said("as asked");
}

#[test]
fn since_and_until_bound_what_is_asked_for() {
    let bench = Bench::new();
    for (sample, days) in [(0, 9), (1, 5), (2, 1)] {
        published(&bench, sample, days);
    }
    bench.run(["poll", "indicators", "--since", "10d", "--until", "4d", "--to", "a"]).ended(0).said("2 files");
    bench.run(["poll", "indicators", "--since", "6d", "--until", "2d", "--to", "b"]).ended(0).said("1 file,");
    let day = (Utc::now() - TimeDelta::days(2)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    bench.run(["poll", "indicators", "--since", &day, "--to", "c"]).ended(0).said("1 file,").said(&day);
    poll_url(&bench, &["--until", "2d", "--to", "d"]).ended(0).said("2 files").said("the beginning");
    bench.run(["poll", "indicators", "--since", "2d", "--until", "3d"]).ended(2).complained("--until must be later");
    bench.run(["poll", "indicators", "--since", "2999-01-01T00:00:00Z"]).ended(2).complained("in the future");
    bench.run(["poll", "indicators", "--since", "yesterday"]).ended(2).complained("RFC 3339").complained("12h");
}

#[test]
fn all_windows_and_all_parts_are_fetched() {
    let bench = Bench::with(|options| options.max_result_size = 1);
    bench.configure("window = \"1d\"\n", "");
    for (sample, days) in [(0, 3), (1, 3), (2, 1)] {
        published(&bench, sample, days);
    }
    bench.run(["poll", "indicators", "--since", "4d", "--to", "all"]).ended(0).said("3 files");
    assert!(poll_requests(&bench).len() >= 4 && bench.asked("Poll_Fulfillment") >= 1);
}

#[test]
fn a_url_and_a_collection_need_no_configuration() {
    let bench = Bench::new();
    published(&bench, 0, 4000);
    let ran = poll_url(&bench, &["--to", "new/directory", "--json"]).ended(0).complained("1 file,");
    assert_eq!(contents(&bench.listed("new/directory")).len(), 1);
    let answer = ran.json();
    assert_eq!((&answer["files"], &answer["collection"]), (&1.into(), &"default".into()));
    assert_eq!((&answer["error"], &answer["since"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert!(answer["until"].is_string() && answer["directory"].as_str().unwrap().ends_with("new/directory"));
    poll_url(&bench, &["--taxii", "1.0", "--to", "old"]).ended(0).said("1 file,");
}

#[test]
fn the_url_of_a_discovery_service_leads_to_its_poll_service() {
    let bench = Bench::new();
    bench.publish("default", 1);
    let url = bench.practice.url("discovery");
    let ran = bench.bare(["poll", "--url", &url, "--collection", "default", "--to", "found"]);
    ran.ended(0).said("1 file,").complained("is a Discovery Service");
}

#[test]
fn a_count_is_printed_and_nothing_is_fetched() {
    let bench = Bench::new();
    bench.publish("default", 3);
    let ran = bench.run(["poll", "indicators", "--count"]).ended(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("3\n", ""));
    let asked = poll_requests(&bench).pop().unwrap();
    assert_eq!(asked.parameters.response_type, ResponseType::CountOnly);
    let answer = poll_url(&bench, &["--count", "--json"]).ended(0).json();
    assert_eq!((&answer["count"], &answer["partial"]), (&3.into(), &false.into()));
    assert_eq!(names(bench.dir.path()), ["config.toml"], "nothing is written");
    poll_url(&bench, &["--count", "--taxii", "1.0"]).ended(1).complained("TAXII 1.0");
}

#[test]
fn a_count_that_is_not_provided_is_no_failure() {
    let bench = Bench::new();
    bench.practice.script(Service::Poll, vec![Act::change(|reply| reply.record_count = None); 2]);
    poll_url(&bench, &["--count"]).ended(0).said("count not provided");
    assert_eq!(poll_url(&bench, &["--count", "--json"]).ended(0).json()["count"], serde_json::Value::Null);
    bench.practice.script(Service::Poll, vec![Act::change(|reply| reply.partial_count = true)]);
    poll_url(&bench, &["--count"]).ended(0).said("at least 0");
}

#[test]
fn a_data_set_is_asked_for_whole() {
    let bench = Bench::with(|options| options.collections = vec![CollectionSpec::set("default")]);
    bench.publish("default", 2);
    bench.run(["poll", "indicators", "--to", "set"]).ended(0).said("2 files").said("(the whole DATA_SET)");
    let asked = poll_requests(&bench).pop().unwrap();
    assert_eq!((asked.begin, asked.end), (None, None));
    bench.run(["poll", "indicators", "--count"]).ended(0).said("2");
    for more in [&["--json", "--to", "again"][..], &["--json", "--count"]] {
        let answer = bench.run([&["poll", "indicators"], more].concat()).ended(0).json();
        assert_eq!(answer["since"], serde_json::Value::Null, "{answer}");
    }
}

#[test]
fn a_data_set_has_no_range_that_could_be_asked_for() {
    let bench = Bench::with(|options| options.collections = vec![CollectionSpec::set("default")]);
    for (option, more) in [("--since", &["--since", "1h"][..]), ("--until", &["--until", "30m", "--count"])] {
        let ran = bench.run([&["poll", "indicators"], more].concat()).ended(2);
        ran.complained("is a DATA_SET").complained(option);
    }
    assert_eq!(bench.asked("Poll_Request"), 0);
}

#[test]
fn what_cannot_be_read_is_left_out_by_range_and_no_cursor_is_moved() {
    let bench = Bench::new();
    bench.practice.forever(Service::Poll, Act::bytes("<!DOCTYPE a><a/>"));
    let ran = bench.run(["poll", "indicators", "--since", "10s", "--to", "none", "--json"]).ended(1);
    for ran in [ran, poll_url(&bench, &["--since", "10s", "--to", "none", "--json"]).ended(1)] {
        let error = ran.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains("one second alone") && error.contains("--since 20"), "{error}");
        assert!(!error.contains("cursor set") && !ran.err.contains("cursor set"), "{error}");
    }
}

#[test]
fn a_poll_that_fails_says_so_and_leaves_nothing_half_written() {
    let bench = Bench::new();
    bench.publish("default", 2);
    bench.practice.forever(Service::Poll, Act::honest().cut(900, taxii_sync::practice::Close::Fin));
    let ran = bench.run(["poll", "indicators", "--since", "10s", "--to", "broken", "--json"]).ended(1);
    assert!(!ran.json()["error"].is_null(), "{}", ran.out);
    assert_eq!(names(&bench.path("broken")), [""; 0]);
    bench.practice.honest(Service::Poll);
    bench.practice.script(Service::Poll, vec![Act::status("DENIED")]);
    bench.run(["poll", "indicators"]).ended(1).complained("DENIED");
}

#[test]
fn a_block_in_quarantine_counts_for_the_exit_code() {
    let bench = Bench::new();
    bench.publish("default", 1);
    let damaged = Act::change(|reply| {
        let mut bad = reply.blocks[0].clone();
        bad.content = "<a b='1' b='2'/>".into();
        reply.blocks.push(bad);
    });
    bench.practice.script(Service::Poll, vec![damaged]);
    let ran = bench.run(["poll", "indicators", "--to", "bad"]).ended(1).said("1 file,").complained("quarantine");
    assert_eq!(names(&bench.path("bad/.quarantine")).len(), 2, "{}", ran.err);
    assert_eq!(names(&bench.path("bad")).len(), 3, "one content file, its metadata, and the quarantine");
}

#[test]
fn an_interrupted_poll_takes_its_half_written_files_away() {
    let bench = Bench::new();
    bench.publish("default", 3);
    bench.practice.forever(Service::Poll, Act::honest().drip(64, Duration::from_millis(200)));
    let child = bench.command(["poll", "indicators", "--config", "config.toml", "--to", "slow"]);
    let mut child = { child }.stderr(std::process::Stdio::piped()).spawn().unwrap();
    until("the poll is under way", || names(&bench.path("slow")).iter().any(|name| name.starts_with(".staging-")));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(names(&bench.path("slow")), [""; 0]);
}

#[test]
fn a_server_that_sends_the_end_of_the_request_back_ends_the_poll() {
    let bench = Bench::new();
    bench.publish("default", 1);
    bench.practice.forever(Service::Poll, Act::poll(Quirk::EchoEnd));
    bench.run(["poll", "indicators", "--to", "echo"]).ended(0).said("1 file,");
    assert!(poll_requests(&bench).len() < 40, "{}", poll_requests(&bench).len());
}
