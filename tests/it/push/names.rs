//! Names in `sent/` and `failed/`, and what becomes of the original.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use taxii_sync::practice::{Act, Service};

use super::{document, world};
use crate::common::{World, contents_of, names};

#[test]
fn a_name_that_is_taken_gets_a_number_before_its_extension() {
    let world = world();
    for number in 0..3 {
        world.drop_file("a.b.xml", document(number));
        world.drop_file("noext", document(number + 10));
        world.run_once().ended(0);
    }
    assert_eq!(world.sent(), ["a.b.1.xml", "a.b.2.xml", "a.b.xml", "noext", "noext.1", "noext.2"]);
    assert_eq!(fs::read_to_string(world.outgoing().join("sent/a.b.1.xml")).unwrap(), document(1));
    assert_eq!(world.receipt("sent", "a.b.1.xml")["file"], "a.b.xml");
}

#[test]
fn the_same_name_dropped_again_while_the_first_is_pending_is_another_file() {
    let world = world();
    world.practice.forever(Service::Inbox, Act::status("DENIED"));
    world.drop_file("a.xml", document(1));
    world.run_once().ended(1);
    world.drop_file("a.xml", document(2));
    world.run_once().ended(1);
    assert_eq!(world.inbox_status()["pending"], 2);
    world.practice.honest(Service::Inbox);
    world.run_once().ended(0);
    let sent = ["sent/a.xml", "sent/a.1.xml"].map(|name| fs::read_to_string(world.outgoing().join(name)).unwrap());
    assert_eq!(sent, [document(1), document(2)]);
}

#[test]
fn names_of_any_bytes_are_kept() {
    let world = world();
    let odd: [&[u8]; 6] =
        [b"\xff\xfe.xml", "\u{fc}b er.xml".as_bytes(), b"new\nline.xml", b"-rf", b"'\"$(x)`.xml", b"a\\x41.xml"];
    for (number, name) in odd.iter().enumerate() {
        world.drop_file(OsStr::from_bytes(name), document(number));
    }
    world.run_once().ended(0);
    for name in odd {
        let path = world.outgoing().join("sent").join(OsStr::from_bytes(name));
        assert!(path.exists(), "{}", path.display());
    }
    let receipt = fs::read_dir(world.outgoing().join("sent")).unwrap().map(|entry| entry.unwrap().path());
    let receipt = receipt.into_iter().find(|path| path.as_os_str().as_bytes().ends_with(b"\xff\xfe.xml.receipt.json"));
    assert_eq!(crate::common::json(&receipt.unwrap())["file"].as_str().unwrap().to_lowercase(), "\\xff\\xfe.xml");
}

#[test]
fn a_name_of_255_bytes_keeps_its_name_and_its_receipt_is_cut() {
    let world = world();
    let long = format!("{}.xml", "n".repeat(251));
    for number in 0..2 {
        world.drop_file(&long, document(number));
        world.run_once().ended(0);
    }
    let all = names(&world.outgoing().join("sent"));
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(all.contains(&long) && all.iter().all(|name| name.len() <= 255));
    assert_eq!(all.iter().filter(|name| name.ends_with(".receipt.json")).count(), 2);
    let digits: String =
        Sha256::digest(format!("{}.1.xml", "n".repeat(251))).iter().map(|b| format!("{b:02x}")).collect();
    let numbered = world.sent().into_iter().find(|name| *name != long).unwrap();
    assert!(numbered.ends_with(".xml"), "{numbered}");
    assert!(numbered.contains(&digits[..8]), "{numbered} ends in {}", &digits[..8]);
}

#[test]
fn the_file_keeps_its_bytes_mode_and_modification_time() {
    let world = world();
    let path = world.drop_file("a.xml", document(1));
    let at = SystemTime::now() - Duration::from_secs(86_400);
    fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    world.run_once().ended(0);
    let metadata = fs::metadata(world.outgoing().join("sent/a.xml")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o604);
    assert_eq!(metadata.modified().unwrap(), at);
}

#[test]
fn a_hard_linked_original_leaves_the_other_link_alone() {
    let world = world();
    let path = world.drop_file("a.xml", document(1));
    let other = world.path("other-link.xml");
    fs::hard_link(&path, &other).unwrap();
    world.run_once().ended(0);
    assert!(!path.exists());
    assert_eq!(fs::read_to_string(&other).unwrap(), document(1));
    let sent = fs::metadata(world.outgoing().join("sent/a.xml")).unwrap();
    assert_ne!(sent.ino(), fs::metadata(&other).unwrap().ino(), "what was sent is a copy that no producer can change");
}

#[test]
fn writing_into_an_open_file_after_it_was_taken_does_not_change_what_was_sent() {
    let world = world();
    let path = world.drop_file("a.xml", document(1));
    let mut open = fs::File::options().append(true).open(&path).unwrap();
    world.run_once().ended(0);
    std::io::Write::write_all(&mut open, b"<!-- late -->").unwrap();
    assert_eq!(fs::read_to_string(world.outgoing().join("sent/a.xml")).unwrap(), document(1));
}

#[test]
fn a_file_that_is_replaced_all_the_time_is_never_lost() {
    // Whatever the moment at which the original is replaced, each version that was taken is sent whole, and the last
    // one is among them.
    let world = World::new().inbox("").drop_directory("settle = \"1ms\"");
    let agent = world.start();
    agent.until_said("started");
    for number in 0..60 {
        world.rename_into_place("a.xml", document(number));
        std::thread::sleep(Duration::from_millis(number as u64 % 7));
    }
    crate::common::eventually(|| {
        world.practice.stored("default").iter().any(|block| block.content == document(59).as_str())
    });
    crate::common::eventually(|| world.left_over().is_empty());
    let whole: Vec<String> = (0..60).map(document).collect();
    for block in world.practice.stored("default") {
        assert!(whole.iter().any(|one| block.content == one.as_str()), "half a file was sent");
    }
    drop(agent);
}

#[test]
fn sent_files_can_be_deleted_at_once() {
    let world = World::new().inbox("").drop_directory("keep_sent = \"0s\"");
    world.drop_file("a.xml", document(1));
    world.drop_file("bad.xml", "<a>");
    world.run_once().ended(1);
    assert_eq!(names(&world.outgoing().join("sent")), Vec::<String>::new());
    assert_eq!(contents_of(&world.outgoing().join("sending")), ["identity"]);
    assert_eq!((world.failed(), world.left_over().len()), (vec!["bad.xml".to_owned()], 0));
    assert_eq!(world.inbox_status()["accepted_total"], 1);
}

#[test]
fn what_was_sent_longer_ago_than_keep_sent_is_removed() {
    let world = World::new().inbox("").drop_directory("keep_sent = \"1s\"");
    world.drop_file("a.xml", document(1));
    world.run_once().ended(0);
    assert_eq!(world.sent(), ["a.xml"]);
    std::thread::sleep(Duration::from_millis(1200));
    world.run_once().ended(0);
    assert_eq!(names(&world.outgoing().join("sent")), Vec::<String>::new());
}
