//! The files that a feed hands over.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest, Sha256};
use taxii_sync::practice::{Act, BlockSpec, CollectionSpec, Quirk, Service};

use crate::common::{STIX, World, all_numbered, for_each, minutes_ago, names, numbered, time};

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_file_is_named_by_the_label_and_the_hash_of_its_bytes() {
    let world = World::new().feed("");
    let label = minutes_ago(10);
    world.add(label, &numbered(1));
    world.run_once().ended(0);
    let (name, bytes) = world.the_file();
    assert_eq!(name, format!("{}-{}.xml", label.format("%Y%m%dT%H%M%S.000000Z"), &hex(&bytes)[..16]));
}

#[test]
fn two_blocks_with_one_label_are_two_files() {
    let world = World::new().feed("");
    let label = minutes_ago(10);
    world.add(label, &numbered(1));
    world.add(label, &numbered(2));
    world.run_once().ended(0);
    let mut texts = world.texts();
    texts.sort();
    assert_eq!(texts, [numbered(1), numbered(2)]);
}

#[test]
fn the_same_bytes_under_two_labels_are_two_files() {
    let world = World::new().feed("");
    world.add(minutes_ago(10), &numbered(1));
    world.add(minutes_ago(9), &numbered(1));
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(1), numbered(1)]);
}

#[test]
fn the_same_label_and_bytes_are_one_file_for_ever() {
    let world = World::new().feed("lag = \"0s\"");
    world.add(minutes_ago(10), &numbered(1));
    world.add(minutes_ago(10), &numbered(1));
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(1)]);
    // A server that forgets what it was asked and gives the same block again.
    let again = minutes_ago(10).to_rfc3339();
    let label = time(world.metadata(&world.files()[0])["timestamp_label"].as_str().unwrap()).to_rfc3339();
    world.practice.add_block("default", BlockSpec::new(STIX, numbered(2)));
    std::thread::sleep(Duration::from_millis(20));
    world.practice.forever(
        Service::Poll,
        Act::change(move |reply| {
            if let Some(first) = reply.blocks.first_mut() {
                (first.label, first.content) = (Some(label.clone()), numbered(1).into());
            }
        }),
    );
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(1)], "{again}");
    assert_eq!(world.feed_status()["files_total"], 1);
}

#[test]
fn blocks_without_a_label_are_known_by_their_bytes() {
    let world = World::new().feed("lag = \"0s\"");
    world.practice.forever(Service::Poll, Act::poll(Quirk::NoLabels));
    world.add(minutes_ago(10), &numbered(1));
    world.add(minutes_ago(9), &numbered(1));
    world.add(minutes_ago(8), &numbered(2));
    world.run_once().ended(0);
    assert_eq!(world.files().len(), 2);
    let name = &world.files()[0];
    assert_eq!(world.metadata(name)["timestamp_label"], Value::Null);
    let polled = time(world.metadata(name)["polled_at"].as_str().unwrap());
    assert!(name.starts_with(&polled.format("%Y%m%dT%H%M%S").to_string()), "{name} is named by {polled}");
}

#[test]
fn a_reader_may_take_the_files_and_they_do_not_come_back() {
    let world = World::with(|options| options.max_result_size = 2).feed("overlap = \"1h\"");
    world.add_numbered(5);
    world.run_once().ended(0);
    for name in names(&world.output("indicators")).iter().filter(|name| !name.starts_with('.')) {
        fs::remove_file(world.output("indicators").join(name)).unwrap();
    }
    world.run_once().ended(0);
    assert_eq!(world.files(), Vec::<String>::new());
    assert_eq!(world.polls().len(), 2);
    assert_eq!(world.feed_status()["files_total"], 5);
}

#[test]
fn a_data_set_has_no_cursor_is_asked_for_whole_and_is_handed_over_by_content() {
    let world = World::with(|options| options.collections.push(CollectionSpec::set("set")));
    let collections = format!("collections = \"{}\"", world.practice.url("collections"));
    let world = world.server(&collections).feed("collection = \"set\"");
    world.add_to("set", minutes_ago(100_000), &numbered(1));
    world.add_to("set", minutes_ago(1), &numbered(2));
    world.run_once().ended(0);
    world.add_to("set", minutes_ago(5), &numbered(1));
    world.add_to("set", minutes_ago(5), &numbered(3));
    world.run_once().ended(0);
    let mut texts = world.texts();
    texts.sort();
    assert_eq!(texts, [numbered(1), numbered(2), numbered(3)]);
    assert!(world.polls().iter().all(|poll| poll.begin.is_none() && poll.end.is_none()));
    let status = world.feed_status();
    assert_eq!((&status["cursor"], &status["lag_seconds"]), (&Value::Null, &Value::Null));
    assert!(status["last_success"].is_string());
}

#[test]
fn metadata_stands_beside_each_file() {
    let world = World::new().feed("");
    let stix = "<stix:STIX_Package xmlns:stix=\"http://stix.mitre.org/stix-1\" version=\"1.1.1\"><stix:x/></stix:STIX_Package>";
    let label = minutes_ago(10);
    let subtypes = vec!["urn:example.org:sub".to_owned()];
    let message = Some("for \"people\"\n".to_owned());
    let block = BlockSpec { label: Some(label), subtypes, message, ..BlockSpec::new(STIX, stix) };
    assert!(world.practice.add_block("default", block));
    let before = chrono::Utc::now();
    world.run_once().ended(0);
    let (name, bytes) = world.the_file();
    let metadata = world.metadata(&name);
    let expected = serde_json::json!({
        "server": "hub", "collection": "default", "content_binding": STIX, "subtypes": ["urn:example.org:sub"],
        "message": "for \"people\"\n", "subscription_id": null, "result_id": null, "part": 1,
        "sha256": hex(&bytes), "size": bytes.len(), "stix_version": "1.1.1", "fragment": false,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&metadata[key], value, "{key} of {metadata}");
    }
    assert_eq!(time(metadata["timestamp_label"].as_str().unwrap()), label);
    let polled = time(metadata["polled_at"].as_str().unwrap());
    assert!(before - chrono::TimeDelta::seconds(1) < polled && polled <= chrono::Utc::now());
}

#[test]
fn metadata_is_left_out_where_nobody_wants_it() {
    let world = World::new().feed("metadata = false");
    world.add_numbered(2);
    world.run_once().ended(0);
    let visible: Vec<_> =
        names(&world.output("indicators")).into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(visible, world.files());
    assert_eq!(visible.len(), 2);
}

#[test]
fn files_have_the_configured_mode_and_the_time_of_their_hand_over() {
    for_each([("", 0o640), ("file_mode = \"0644\"", 0o644), ("file_mode = \"0600\"", 0o600)], |(keys, mode)| {
        let world = World::new().feed(keys);
        world.add(minutes_ago(50), &numbered(1));
        let before = SystemTime::now() - Duration::from_millis(20);
        world.run_once().ended(0);
        let name = world.the_file().0;
        for name in [name.clone(), format!("{name}.meta.json")] {
            let metadata = fs::metadata(world.output("indicators").join(&name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
        }
        let modified = fs::metadata(world.output("indicators").join(name)).unwrap().modified().unwrap();
        assert!(before <= modified && modified <= SystemTime::now());
    });
}

#[test]
fn files_and_their_directory_get_the_configured_group() {
    // Any group that this process may give: its own.
    let gid = fs::metadata("/proc/self").unwrap().gid();
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let of = |line: &str| line.split(':').nth(2).is_some_and(|id| id == gid.to_string());
    let Some(name) = groups.lines().find(|line| of(line)).and_then(|line| line.split(':').next()) else {
        return println!("the group of this process has no name here");
    };
    let world = World::new().feed(&format!("group = \"{name}\""));
    world.add_numbered(1);
    world.run_once().ended(0);
    let name = world.the_file().0;
    assert_eq!(fs::metadata(world.output("indicators").join(name)).unwrap().gid(), gid);
    let directory = fs::metadata(world.output("indicators")).unwrap();
    assert_eq!(
        (directory.gid(), directory.mode() & 0o777),
        (gid, 0o775),
        "made for the group, and by nobody else before"
    );
}

#[test]
fn nothing_is_left_in_the_staging_directory() {
    let world = World::with(|options| options.max_result_size = 2).feed("");
    world.add_numbered(5);
    world.run_once().ended(0);
    assert_eq!(names(&world.output("indicators").join(".staging")), ["identity"]);
}

#[test]
fn the_totals_count_files_and_bytes() {
    let world = World::new().feed("");
    world.add_numbered(3);
    world.run_once().ended(0);
    let status = world.feed_status();
    let bytes: usize = all_numbered(3).iter().map(String::len).sum();
    assert_eq!((&status["files_total"], &status["bytes_total"]), (&Value::from(3), &Value::from(bytes)));
}

#[test]
fn a_data_set_has_no_cursor_though_one_was_set_by_hand() {
    let world = World::with(|options| options.collections.push(CollectionSpec::set("set")));
    let collections = format!("collections = \"{}\"", world.practice.url("collections"));
    let world = world.server(&collections).feed("collection = \"set\"");
    world.run_once().ended(0);
    world.run(&["cursor", "set", "indicators", "1h"]).ended(0);
    assert_eq!(world.cursor(), None);
    world.run_once().ended(0);
    let status = world.feed_status();
    assert!(status["cursor"].is_null() && status["lag_seconds"].is_null(), "{status}");
}
