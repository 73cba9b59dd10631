//! `cursor`: shown, set and cleared.

use chrono::{DateTime, TimeDelta, Utc};

use taxii_sync::practice::CollectionSpec;

use super::{Bench, until};

/// A bench whose agent has handed over two samples.
fn polled() -> Bench {
    let bench = Bench::new();
    bench.publish("default", 2);
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.listed("output").len(), 4);
    bench
}

fn cursor(bench: &Bench) -> Option<DateTime<Utc>> {
    let shown = bench.run(["cursor", "show", "--json"]).ended(0).json();
    let text = shown["feeds"]["indicators"]["cursor"].as_str()?.to_owned();
    Some(DateTime::parse_from_rfc3339(&text).unwrap().to_utc())
}

fn clear_output(bench: &Bench) {
    for name in bench.listed("output") {
        std::fs::remove_file(bench.path("output").join(name)).unwrap();
    }
}

#[test]
fn a_cursor_is_shown_before_anything_ran_and_nothing_is_made_for_it() {
    let bench = Bench::new();
    bench.run(["cursor", "show"]).ended(0).said("indicators: none");
    assert_eq!(cursor(&bench), None);
    assert!(!bench.path("state").exists());
}

#[test]
fn a_cursor_is_shown_while_the_agent_runs() {
    let bench = polled();
    let before = cursor(&bench).unwrap();
    assert!(before > Utc::now() - TimeDelta::minutes(5));
    let _agent = bench.agent();
    assert!(cursor(&bench).unwrap() >= before);
    bench.run(["cursor", "show", "indicators"]).ended(0).said("indicators: 20");
}

#[test]
fn status_says_whether_the_agent_runs() {
    let bench = Bench::new();
    let running = || bench.run(["status", "--json"]).ended(0).json()["running"].clone();
    assert_eq!(running(), false);
    assert!(!bench.path("state").exists());
    let agent = bench.agent();
    assert_eq!(running(), true);
    bench.run(["status"]).ended(0).said("the agent runs");
    drop(agent);
    assert_eq!(running(), false);
    bench.run(["status"]).ended(0).said("the agent does not run");
}

#[test]
fn a_feed_that_is_no_longer_configured_is_shown_as_such() {
    let bench = polled();
    std::fs::write(bench.path("config.toml"), format!("state_dir = {:?}\n", bench.path("state"))).unwrap();
    bench.run(["cursor", "show"]).ended(0).said("indicators (no longer configured): 20");
    let shown = bench.run(["cursor", "show", "--json"]).ended(0).json();
    assert_eq!(shown["feeds"]["indicators"]["configured"], false);
    bench.run(["cursor", "clear", "indicators"]).ended(2);
}

#[test]
fn moving_a_cursor_is_refused_while_the_agent_runs() {
    let bench = polled();
    let before = cursor(&bench);
    let agent = bench.agent();
    bench
        .run(["cursor", "set", "indicators", "1h"])
        .ended(1)
        .complained("another taxii-sync")
        .complained("stop the agent");
    bench.run(["cursor", "clear", "indicators"]).ended(1).complained("another taxii-sync");
    drop(agent);
    bench.run(["cursor", "set", "indicators", "1h"]).ended(0);
    assert!(cursor(&bench) < before);
}

#[test]
fn a_cursor_is_set_to_a_time_or_to_how_long_ago() {
    let bench = Bench::new();
    bench.run(["cursor", "set", "indicators", "2024-03-01T00:00:00.5+01:00"]).ended(0).said("before: none");
    let shown = bench.run(["cursor", "show", "--json"]).json();
    assert_eq!(shown["feeds"]["indicators"]["cursor"], "2024-03-01T00:00:00.5+01:00");
    bench.run(["cursor", "set", "indicators", "2h"]).ended(0).said("before: 2024-03-01");
    let off = Utc::now() - TimeDelta::hours(2) - cursor(&bench).unwrap();
    assert!(off.abs() < TimeDelta::minutes(1), "{off}");
    bench
        .run(["cursor", "set", "indicators", "2999-01-01T00:00:00Z"])
        .ended(2)
        .complained("ahead of the server's clock");
    bench.run(["cursor", "set", "indicators", "tomorrow"]).ended(2);
    bench.run(["cursor", "clear", "indicators"]).ended(0);
    assert_eq!(cursor(&bench), None);
}

#[test]
fn the_next_poll_goes_on_from_the_cursor_that_was_set() {
    let bench = Bench::new();
    bench.publish("default", 2);
    bench.run(["cursor", "set", "indicators", "2s"]).ended(0);
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.listed("output").len(), 0, "what lies before the cursor is stepped over");
}

#[test]
fn a_cursor_that_has_no_effect_on_a_data_set_is_said_to_have_none() {
    let bench = Bench::with(|options| options.collections = vec![CollectionSpec::set("default")]);
    bench.run(["run", "--once"]).ended(0);
    bench.run(["cursor", "set", "indicators", "1h"]).ended(0).complained("is a DATA_SET");
    let feed = polled().run(["cursor", "set", "indicators", "1h"]).ended(0);
    assert!(!feed.err.contains("DATA_SET"), "{}", feed.err);
}

#[test]
fn what_was_handed_over_comes_again_only_with_again() {
    let bench = polled();
    clear_output(&bench);
    bench.run(["cursor", "set", "indicators", "1h"]).ended(0).said("not handed over again");
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.listed("output").len(), 0);
    bench.run(["cursor", "set", "indicators", "1h", "--again"]).ended(0).said("is handed over again");
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.listed("output").len(), 4);
}

#[test]
fn a_cleared_cursor_begins_at_start_and_again_hands_everything_over_again() {
    let bench = polled();
    clear_output(&bench);
    bench.run(["cursor", "clear", "indicators"]).ended(0);
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.listed("output").len(), 0);
    bench.run(["cursor", "clear", "indicators", "--again"]).ended(0).said("everything");
    bench.run(["run", "--once"]).ended(0);
    assert_eq!(bench.listed("output").len(), 4);
}

#[test]
fn the_agent_polls_at_start_from_the_cursor_that_was_set() {
    let bench = polled();
    clear_output(&bench);
    bench.run(["cursor", "set", "indicators", "1h", "--again"]).ended(0);
    let _agent = bench.agent();
    until("the agent hands it over again", || bench.listed("output").len() == 4);
}

#[test]
fn a_ledger_that_a_command_makes_is_the_agents_alone() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    bench.run(["cursor", "set", "indicators", "1h"]).ended(0);
    let mode = std::fs::metadata(bench.path("state/ledger.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_command_that_is_refused_forgets_nothing() {
    let bench = polled();
    let saved = cursor(&bench);
    assert!(saved.is_some());
    let config = std::fs::read_to_string(bench.path("config.toml")).unwrap();
    bench.put("config.toml", config.replace("collection = \"default\"", "collection = \"other\""));
    // That is another feed, which has none yet.
    let shown = bench.run(["cursor", "show", "indicators", "--json"]).ended(0).json();
    assert_eq!(shown["feeds"]["indicators"]["cursor"], serde_json::Value::Null);
    let status = bench.run(["status", "--json"]).ended(0).json();
    assert_eq!(status["feeds"]["indicators"]["cursor"], serde_json::Value::Null);
    let ran = bench.run(["cursor", "set", "indicators", "2999-01-01T00:00:00Z"]).ended(2);
    ran.complained("is ahead of the server's clock");
    bench.put("config.toml", config);
    assert_eq!(cursor(&bench), saved);
}
