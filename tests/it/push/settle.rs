//! When a dropped file is taken, and which are.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{document, world};
use crate::common::{World, eventually};

#[test]
fn a_file_renamed_into_place_is_sent_at_once() {
    let world = World::new().inbox("").drop_directory("settle = \"1h\"");
    let agent = world.start();
    agent.until_said("started");
    // The machine may be busy: the best of a few counts.
    let mut best = Duration::MAX;
    for number in 0..10 {
        let before = world.pushes().len();
        let since = Instant::now();
        world.rename_into_place(&format!("{number}.xml"), document(number));
        world.until_seen(|seen| seen.len() > before);
        best = best.min(since.elapsed());
        if best < Duration::from_millis(200) {
            break;
        }
    }
    assert!(best < Duration::from_millis(200), "{best:?}");
}

#[test]
fn a_file_written_in_place_is_sent_once_it_has_not_changed_for_settle() {
    let world = World::new().inbox("").drop_directory("settle = \"700ms\"");
    let agent = world.start();
    agent.until_said("started");
    let mut file = fs::File::create(world.outgoing().join("a.xml")).unwrap();
    let document = document(1);
    for piece in document.as_bytes().chunks(20) {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(150));
    }
    let since = Instant::now();
    drop(file);
    eventually(|| world.sent() == ["a.xml"]);
    assert!(since.elapsed() > Duration::from_millis(400), "{:?}", since.elapsed());
    assert_eq!(world.pushes().len(), 1);
    assert_eq!(fs::read_to_string(world.outgoing().join("sent/a.xml")).unwrap(), document);
}

#[test]
fn one_run_waits_for_a_file_that_is_not_settled_yet() {
    let world = World::new().inbox("").drop_directory("settle = \"500ms\"");
    fs::write(world.outgoing().join("a.xml"), document(1)).unwrap();
    world.run_once().ended(0);
    assert_eq!(world.sent(), ["a.xml"]);
}

#[test]
fn one_run_sends_what_is_settled_while_it_waits_for_the_rest() {
    let world = World::new().inbox("").drop_directory("settle = \"3s\"");
    world.drop_file("a.xml", document(1));
    fs::write(world.outgoing().join("b.xml"), document(2)).unwrap();
    let since = Instant::now();
    let first = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            world.run_once().ended(0);
        });
        world.until_seen(|seen| seen.len() == 1);
        let first = since.elapsed();
        run.join().unwrap();
        first
    });
    assert!(first + Duration::from_secs(1) < since.elapsed(), "sent after {first:?} of {:?}", since.elapsed());
    assert_eq!(world.sent(), ["a.xml", "b.xml"]);
}

#[test]
fn a_file_that_still_grows_is_left_for_the_next_run_which_is_no_failure() {
    let world = World::new().inbox("").drop_directory("settle = \"500ms\"\ncontent_binding = \"urn:x\"");
    let path = world.outgoing().join("a.xml");
    fs::write(&path, "<a>").unwrap();
    world.drop_file("b.xml", document(2));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
            file.write_all(b"</a>").unwrap();
        });
        let ran = world.run_once();
        done.store(true, Ordering::Relaxed);
        ran.ended(0).said("left for the next run").said("a.xml");
    });
    assert_eq!((world.sent(), world.left_over()), (vec!["b.xml".to_owned()], vec!["a.xml".to_owned()]));
    world.run_once().ended(0);
    assert_eq!(world.sent(), ["a.xml", "b.xml"]);
}

#[test]
fn an_old_modification_time_is_enough_at_start() {
    let world = World::new().inbox("").drop_directory("settle = \"1h\"");
    let path = world.drop_file("a.xml", document(1));
    let old = std::time::SystemTime::now() - Duration::from_secs(7200);
    fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    let _agent = world.start();
    eventually(|| world.sent() == ["a.xml"]);
}

#[test]
fn what_is_no_dropped_file_is_left_alone() {
    let world = world();
    let outgoing = world.outgoing();
    for name in [".hidden.xml", "a.tmp", "a.xml.part", "a.filepart", "a.xml~"] {
        world.drop_file(name, document(1));
    }
    fs::create_dir(outgoing.join("directory.xml")).unwrap();
    fs::write(world.path("elsewhere.xml"), document(2)).unwrap();
    symlink(world.path("elsewhere.xml"), outgoing.join("link.xml")).unwrap();
    symlink("/nowhere", outgoing.join("dangling.xml")).unwrap();
    let _socket = UnixListener::bind(outgoing.join("socket.xml")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(outgoing.join("fifo.xml")).status();
    assert!(fifo.is_ok_and(|status| status.success()));
    let before = world.left_over();
    assert_eq!(before.len(), 10);
    world.run_once().ended(0);
    assert_eq!(world.left_over(), before);
    assert_eq!((world.pushes().len(), world.sent().len(), world.failed().len()), (0, 0, 0));
    assert!(world.path("elsewhere.xml").exists());
}

#[test]
fn only_what_is_included_is_sent() {
    let world = World::new().inbox("").drop_directory("include = [\"*.xml\", \"report-?.*\"]");
    for name in ["a.xml", "a.json", "report-1.txt", "report-22.txt"] {
        world.drop_file(name, document(name.len()));
    }
    world.run_once().ended(0);
    assert_eq!(world.left_over(), ["a.json", "report-22.txt"]);
    assert_eq!(world.sent(), ["a.xml", "report-1.txt"]);
}

#[test]
fn the_directory_is_listed_whatever_the_watcher_says() {
    let world = World::new().inbox("").drop_directory("rescan = \"1s\"\nsettle = \"100ms\"");
    let agent = world.start();
    agent.until_said("started");
    // A file that is moved in with its directory makes no event of its own in it: the directory is another one now.
    let other = world.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("a.xml"), document(1)).unwrap();
    fs::rename(world.outgoing(), world.path("gone")).unwrap();
    fs::rename(&other, world.outgoing()).unwrap();
    eventually(|| world.sent() == ["a.xml"]);
}
