//! N01 to N27: hostile names, drop directories, state directories and configurations.

use std::ffi::{CString, OsStr};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use taxii_sync::practice::BlockSpec;

use super::lab::{Lab, STIX, each, list, watch};

/// What stands outside of the drop directory, and must never be anywhere else.
const OUTSIDE: &str = "<s:STIX_Package xmlns:s=\"http://stix.mitre.org/stix-1\" version=\"1.2\" id=\"outside\">\
                       <s:STIX_Header/></s:STIX_Package>";

/// A document that differs from the others.
fn document(number: usize) -> String {
    STIX.replace("version", &format!("id=\"n{number}\" version"))
}

/// Leaves a file that nobody touched for a minute.
fn leave(path: &Path, bytes: impl AsRef<[u8]>) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes.as_ref()).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
}

fn names(directory: &Path) -> Vec<Vec<u8>> {
    list(directory).iter().map(|path| path.file_name().unwrap().as_bytes().to_vec()).collect()
}

/// What was sent, by the server.
fn sent(lab: &Lab) -> Vec<String> {
    lab.practice.stored("default").iter().map(|block| String::from_utf8_lossy(&block.content).into_owned()).collect()
}

#[test]
fn a_collections_name_is_never_part_of_a_path() {
    // N01.
    for name in ["../../escaped", "/etc/cron.d/x", "..", "", "a\\nb\\u001b[31m"] {
        let lab = Lab::feed();
        let mut command = lab.command(&["run", "--once"]);
        let text = fs::read_to_string(lab.path("config.toml")).unwrap();
        fs::write(lab.path("config.toml"), text.replace("\"default\"", &format!("\"{name}\""))).unwrap();
        let ended = watch(command.spawn().unwrap(), Duration::from_secs(30));
        assert!(ended.code() > 0, "{name}: {}", ended.err);
        lab.is_fit_to_be_shown("standard error", &ended.err);
        assert!(!lab.root().parent().unwrap().join("escaped").exists());
    }
    for name in ["../x", "a/b", "", ".", "a b\\u001b"] {
        let mut lab = Lab::feed();
        lab.feed = Some(format!("[feeds.\"{name}\"]\nserver = \"hub\"\ncollection = \"c\"\noutput = \"/nowhere\"\n"));
        let ended = lab.run(&["run", "--once"]);
        assert_eq!(ended.code(), 2, "{name}: {}", ended.err);
        lab.is_fit_to_be_shown("standard error", &ended.err);
    }
}

#[test]
fn a_dropped_file_may_have_any_name_that_a_file_can_have() {
    // N02, N03, N04.
    let long = "\u{e9}".repeat(125) + ".xml";
    let names: Vec<Vec<u8>> = [
        b"new\nline\rFORGED.xml".to_vec(),
        b"esc\x1b[31m\x07.xml".to_vec(),
        b"\xff\xfe\x80.xml".to_vec(),
        "gnp\u{202e}lmx.exe".as_bytes().to_vec(),
        b"-rf".to_vec(),
        b"trailing.".to_vec(),
        b"CON".to_vec(),
        b"a:b|c\\d\"e'f$(g)`h`.xml".to_vec(),
        b" ".to_vec(),
        b"Report.xml".to_vec(),
        b"report.XML".to_vec(),
        "caf\u{e9}.xml".as_bytes().to_vec(),
        "cafe\u{301}.xml".as_bytes().to_vec(),
        long.as_bytes().to_vec(),
        [b"x".repeat(251).as_slice(), b".xml"].concat(),
        b"y".repeat(255),
    ]
    .to_vec();
    let lab = Lab::drop();
    for (number, name) in names.iter().enumerate() {
        leave(&lab.dropped(OsStr::from_bytes(name)), document(number));
    }
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert_eq!(sent(&lab).len(), names.len());
    let there = self::names(&lab.dropped("sent"));
    for name in &names {
        assert!(there.contains(name), "{} is not in sent/ under its name", String::from_utf8_lossy(name));
    }
    let receipts: Vec<&Vec<u8>> = there.iter().filter(|name| name.ends_with(b".receipt.json")).collect();
    assert_eq!(receipts.len(), names.len());
    let texts: Vec<String> = receipts
        .iter()
        .map(|name| fs::read_to_string(lab.dropped("sent").join(OsStr::from_bytes(name))).unwrap())
        .collect();
    assert!(texts.iter().any(|text| text.contains("\\\\xFF\\\\xFE\\\\x80.xml")), "bytes that are not UTF-8 are shown");
}

#[test]
fn what_is_not_a_regular_file_is_neither_opened_nor_moved() {
    // N05, N06, N09.
    let lab = Lab::drop();
    let outside = lab.path("outside");
    fs::create_dir(&outside).unwrap();
    leave(&outside.join("secret.xml"), OUTSIDE);
    symlink(outside.join("secret.xml"), lab.dropped("link.xml")).unwrap();
    symlink("/etc/shadow", lab.dropped("shadow.xml")).unwrap();
    symlink(&outside, lab.dropped("directory.xml")).unwrap();
    symlink("nowhere", lab.dropped("dangling.xml")).unwrap();
    symlink("self.xml", lab.dropped("self.xml")).unwrap();
    fs::create_dir(lab.dropped("folder.xml")).unwrap();
    leave(&lab.dropped("folder.xml/inside.xml"), OUTSIDE);
    mknodat(CWD, lab.dropped("fifo.xml"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let _socket = UnixListener::bind(lab.dropped("socket.xml")).unwrap();
    // A device that never ends, where the machine allows to make one.
    let zero = rustix::fs::makedev(1, 5);
    let device = mknodat(CWD, lab.dropped("zero.xml"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), zero);
    if let Err(error) = device {
        println!("no device could be made: {error}");
    }
    leave(&lab.dropped("good.xml"), STIX);
    let before = names(&lab.path("drop"));
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert_eq!(sent(&lab).len(), 1);
    let after = names(&lab.path("drop"));
    let expected = before.into_iter().filter(|name| name != b"good.xml");
    for name in expected {
        assert!(after.contains(&name), "{} was moved", String::from_utf8_lossy(&name));
    }
    assert_eq!(fs::read_to_string(outside.join("secret.xml")).unwrap(), OUTSIDE);
}

#[test]
fn a_directory_of_the_agents_own_that_is_a_link_is_not_followed() {
    // N06, N23.
    for name in ["sending", "sent", "failed"] {
        let lab = Lab::drop();
        let outside = lab.path("outside");
        fs::create_dir(&outside).unwrap();
        leave(&outside.join("victim"), OUTSIDE);
        symlink(&outside, lab.dropped(name)).unwrap();
        leave(&lab.dropped("good.xml"), STIX);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{name}: {}", ended.err);
        assert!(ended.complaint().contains(name), "{name}: {}", ended.complaint());
        assert_eq!(names(&outside), [b"victim".to_vec()], "{name}");
        assert!(lab.dropped("good.xml").exists());
    }
    let lab = Lab::feed();
    let outside = lab.path("outside");
    fs::create_dir(&outside).unwrap();
    leave(&outside.join("victim"), OUTSIDE);
    fs::create_dir(lab.path("output")).unwrap();
    symlink(&outside, lab.path("output/.staging")).unwrap();
    lab.practice.add_block("default", BlockSpec::new("urn:x", "<a/>"));
    let ended = lab.run_once();
    assert_eq!(ended.code(), 1, "{}", ended.err);
    assert_eq!(names(&outside), [b"victim".to_vec()]);
}

#[test]
fn a_hard_link_is_a_file_and_its_other_name_stays() {
    // N08, N14.
    let lab = Lab::drop();
    leave(&lab.path("other-name"), STIX);
    fs::hard_link(lab.path("other-name"), lab.dropped("a.xml")).unwrap();
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert_eq!(fs::read_to_string(lab.path("other-name")).unwrap(), STIX);
    let kept = lab.dropped("sent/a.xml");
    assert_ne!(kept.metadata().unwrap().ino(), lab.path("other-name").metadata().unwrap().ino(), "it is a copy");
    fs::write(lab.path("other-name"), "changed afterwards").unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), STIX);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    // N10.
    let lab = Lab::drop();
    let file = File::create(lab.dropped("huge.xml")).unwrap();
    file.set_len(1 << 40).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    let ended = lab.run_once();
    assert_eq!(ended.code(), 1, "{}", ended.err);
    assert!(ended.wall < Duration::from_secs(10), "{:?}", ended.wall);
    let receipt = fs::read_to_string(lab.dropped("failed/huge.xml.receipt.json")).unwrap();
    assert!(receipt.contains("max_file"), "{receipt}");
    assert_eq!(lab.dropped("failed/huge.xml").metadata().unwrap().len(), 1 << 40);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_sent_in_halves() {
    // N11, N12, N13, N21.
    let mut lab = Lab::drop();
    lab.drop = Some("settle = \"1s\"\n".to_owned());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let path = lab.dropped("growing.xml");
            let mut size = 0;
            while !over.load(Ordering::Relaxed) {
                size += 1;
                let half = format!("{}<!--{}-->", STIX, "x".repeat(size));
                fs::write(&path, &half[..half.len() / 2]).unwrap();
                std::thread::sleep(Duration::from_millis(3));
                fs::write(&path, half).unwrap();
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        leave(&lab.dropped("still.xml"), document(1));
        let ended = lab.run(&["run", "--once"]);
        over.store(true, Ordering::Relaxed);
        assert_eq!(ended.code(), 0, "a file that still changes is left for the next run: {}", ended.err);
    });
    assert_eq!(sent(&lab), [document(1)]);
    std::thread::sleep(Duration::from_millis(1100));
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert_eq!(sent(&lab).len(), 2);
}

#[test]
fn a_file_that_is_swapped_for_a_link_again_and_again_is_never_followed() {
    // N07.
    let lab = Lab::drop();
    let outside = lab.path("outside.xml");
    leave(&outside, OUTSIDE);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 2;
            while !over.load(Ordering::Relaxed) {
                let (link, file) = (lab.path("next-link"), lab.path("next-file"));
                symlink(&outside, &link).unwrap();
                fs::rename(&link, lab.dropped("a.xml")).unwrap();
                number += 1;
                leave(&file, document(number));
                fs::rename(&file, lab.dropped("a.xml")).unwrap();
            }
        });
        for _ in 0..5 {
            lab.run(&["run", "--once"]);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(sent(&lab).iter().all(|content| !content.contains("outside")), "{:?}", sent(&lab));
    assert_eq!(fs::read_to_string(&outside).unwrap(), OUTSIDE);
}

#[test]
fn a_directory_that_is_swapped_for_a_link_while_the_agent_runs_is_not_followed() {
    // N20, N25.
    let mut lab = Lab::drop();
    lab.drop = Some("rescan = \"100ms\"\n".to_owned());
    let outside = lab.path("outside");
    fs::create_dir(&outside).unwrap();
    for number in 0..10 {
        leave(&outside.join(format!("victim-{number}.xml")), OUTSIDE);
    }
    let (drop, away) = (lab.path("drop"), lab.path("drop-away"));
    let child = lab.command(&["run"]).spawn().unwrap();
    let id = child.id();
    // A link that is there at the start is the operator's: the agent has to know the directory first.
    leave(&drop.join("0.xml"), document(0));
    let begun = Instant::now();
    while !drop.join("sent/0.xml").exists() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the first file is not sent");
        std::thread::sleep(Duration::from_millis(10));
    }
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < Duration::from_secs(6) {
        number += 1;
        leave(&drop.join(format!("{number}.xml")), document(number));
        std::thread::sleep(Duration::from_millis(20));
        fs::rename(&drop, &away).unwrap();
        symlink(&outside, &drop).unwrap();
        std::thread::sleep(Duration::from_millis(if number % 4 == 0 { 300 } else { 1 }));
        fs::remove_file(&drop).unwrap();
        fs::rename(&away, &drop).unwrap();
    }
    kill_process(Pid::from_raw(id as i32).unwrap(), Signal::TERM).unwrap();
    let ended = watch(child, Duration::from_secs(30));
    assert_eq!(ended.code(), 0, "{}", ended.err);
    // What was owed while the directory was away has a pause of its own in the agent, and none in the next run.
    assert_eq!(lab.run_once().code(), 0);
    let sent = sent(&lab);
    let different: std::collections::BTreeSet<&String> = sent.iter().collect();
    assert_eq!(different.len(), number + 1, "{different:?}\n{}", ended.err);
    assert_eq!(sent.len(), number + 1, "{}", ended.err);
    assert!(sent.iter().all(|content| !content.contains("outside")), "{sent:?}");
    assert_eq!(list(&outside).len(), 10, "{:?}", list(&outside));
    for victim in list(&outside) {
        assert_eq!(fs::read_to_string(victim).unwrap(), OUTSIDE);
    }
}

#[test]
fn many_files_and_many_directories_take_no_more_memory() {
    // N15, N16.
    let mut lab = Lab::drop();
    lab.drop = Some("include = [\"*.xml\"]\n".to_owned());
    for number in 0..2000 {
        fs::create_dir(lab.dropped(format!("directory-{number}"))).unwrap();
        leave(&lab.dropped(format!("ignored-{number}.txt")), "x");
    }
    for number in 0..300 {
        leave(&lab.dropped(format!("{number}.xml")), document(number));
    }
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert_eq!(sent(&lab).len(), 300);
    assert_eq!(list(&lab.dropped("sent")).len(), 600);
}

#[test]
fn names_that_mean_not_yet_are_left_alone() {
    // N17, with SURFACE, section 3.
    let lab = Lab::drop();
    let ignored = [".hidden.xml", ".a.xml.swp", "a.xml~", "a.tmp", "a.xml.part", "a.filepart", ".#a.xml", "."];
    for name in &ignored[..7] {
        leave(&lab.dropped(name), "half of a docum");
    }
    assert_eq!(lab.run_once().code(), 0);
    for name in &ignored[..7] {
        assert!(lab.dropped(name).exists(), "{name}");
    }
    assert_eq!(lab.practice.requests().len(), 0);
}

#[test]
fn a_file_that_cannot_be_opened_does_not_hold_up_its_neighbours() {
    // N18.
    if geteuid().is_root() {
        return println!("root opens every file: not tested");
    }
    let lab = Lab::drop();
    leave(&lab.dropped("a.xml"), document(1));
    fs::set_permissions(lab.dropped("a.xml"), Permissions::from_mode(0o000)).unwrap();
    leave(&lab.dropped("b.xml"), document(2));
    lab.run_once();
    assert_eq!(sent(&lab), [document(2)]);
    assert!(lab.dropped("a.xml").exists());
}

#[test]
fn an_original_that_cannot_be_removed_is_sent_once() {
    // N19. The attribute needs a file system and a privilege that not every machine has.
    let lab = Lab::drop();
    leave(&lab.dropped("a.xml"), STIX);
    let attribute = |how: &str| Command::new("chattr").arg(how).arg(lab.dropped("a.xml")).output();
    if !attribute("+i").is_ok_and(|output| output.status.success()) {
        return println!("no file can be made immutable here: not tested");
    }
    for _ in 0..3 {
        lab.run(&["run", "--once"]);
    }
    attribute("-i").unwrap();
    assert!(sent(&lab).len() <= 1, "{:?}", sent(&lab));
    assert_eq!(lab.run_once().code(), 0);
    assert_eq!(sent(&lab).len(), 1);
}

#[test]
fn the_same_name_and_the_same_bytes_twice_are_two_files_and_one_delivery() {
    // N21, N22, with SURFACE: content that an inbox has accepted is not sent to it again.
    let lab = Lab::drop();
    for _ in 0..2 {
        leave(&lab.dropped("a.xml"), STIX);
        assert_eq!(lab.run_once().code(), 0);
    }
    assert_eq!(sent(&lab).len(), 1);
    assert!(lab.dropped("sent/a.xml").exists() && lab.dropped("sent/a.1.xml").exists());
    let receipt = fs::read_to_string(lab.dropped("sent/a.1.xml.receipt.json")).unwrap();
    assert!(receipt.contains("duplicate"), "{receipt}");
}

#[test]
fn what_somebody_else_puts_into_the_agents_directories_is_not_handed_over() {
    // N23.
    let lab = Lab::feed();
    assert_eq!(lab.run_once().code(), 0);
    let staging = lab.path("output/.staging");
    leave(&staging.join("20260101T000000.000000Z-0123456789abcdef.xml"), OUTSIDE);
    symlink("/etc/shadow", staging.join("link")).unwrap();
    fs::create_dir(staging.join("directory")).unwrap();
    lab.practice.add_block("default", BlockSpec::new("urn:x", "<a/>"));
    lab.run_once();
    for path in lab.handed_over() {
        assert_ne!(fs::read_to_string(path).unwrap(), OUTSIDE);
    }
    assert!(Path::new("/etc/shadow").exists());
}

#[test]
fn a_ledger_that_is_damaged_or_newer_stops_the_agent_and_is_not_touched() {
    // N24.
    let whole = {
        let lab = Lab::feed();
        assert_eq!(lab.run_once().code(), 0);
        fs::read(lab.path("state/ledger.db")).unwrap()
    };
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
    let cut = whole[..whole.len() / 2].to_vec();
    let cases = vec![("garbage", b"not a database at all".repeat(300)), ("newer", newer), ("cut", cut)];
    each(cases, |(what, bytes)| {
        let lab = Lab::feed();
        fs::create_dir(lab.path("state")).unwrap();
        fs::write(lab.path("state/ledger.db"), &bytes).unwrap();
        let ended = lab.run(&["run", "--once"]);
        assert_eq!(ended.code(), 1, "{what}: {}", ended.err);
        assert!(ended.err.contains("ledger.db"), "{what}: {}", ended.err);
        assert_eq!(fs::read(lab.path("state/ledger.db")).unwrap(), bytes, "{what}: it is evidence");
        assert_eq!(lab.practice.requests().len(), 0, "{what}");
    });
}

#[test]
fn a_drop_directory_may_be_a_link_that_the_operator_made() {
    // N25.
    let lab = Lab::drop();
    fs::rename(lab.path("drop"), lab.path("really")).unwrap();
    symlink("really", lab.path("drop")).unwrap();
    leave(&lab.dropped("a.xml"), STIX);
    assert_eq!(lab.run_once().code(), 0);
    assert!(lab.path("really/sent/a.xml").exists());
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    // N26.
    for umask in ["000", "077"] {
        let mut lab = Lab::feed();
        lab.drop = Some(String::new());
        lab.practice.add_block("default", BlockSpec::new("urn:x", "<a/>"));
        leave(&lab.dropped("a.xml"), STIX);
        fs::set_permissions(lab.dropped("a.xml"), Permissions::from_mode(0o604)).unwrap();
        let command = lab.command(&["run", "--once"]);
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).arg(command.get_program()).args(command.get_args()).current_dir(lab.root());
        shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let ended = watch(shell.spawn().unwrap(), Duration::from_secs(30));
        assert_eq!(ended.code(), 0, "{}", ended.err);
        let mode = |path: PathBuf| path.metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode(lab.handed_over().remove(0)), 0o640, "umask {umask}");
        assert_eq!(mode(lab.dropped("sent/a.xml")), 0o604, "umask {umask}");
        assert_eq!(mode(lab.path("state")) & 0o077, 0, "umask {umask}: the state directory is the agent's alone");
        assert_eq!(mode(lab.dropped("sending")) & 0o077, 0, "umask {umask}");
    }
}

#[test]
fn a_configuration_that_is_huge_unknown_or_none_is_refused() {
    // N27.
    let lab = Lab::feed();
    drop(lab.command(&["check"]));
    let config = fs::read_to_string(lab.path("config.toml")).unwrap();
    for (text, word) in [
        (format!("{config}{}", "#".repeat(10 << 20)), "longer than"),
        (config.replace("min_free", "mim_free"), "mim_free"),
        (config.replace("[servers.hub]", "[servers.\"\\u001b[31m\"]"), "servers"),
        (config.replace("state_dir", "state_dir = 1\nstate_dir"), "state_dir"),
    ] {
        fs::write(lab.path("other.toml"), text).unwrap();
        let path = CString::new(lab.path("other.toml").as_os_str().as_bytes()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_taxii-sync"));
        command.arg("--config").arg(OsStr::from_bytes(path.as_bytes())).args(["run", "--once"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let ended = watch(command.spawn().unwrap(), Duration::from_secs(30));
        assert_eq!(ended.code(), 2, "{word}: {}", ended.err);
        assert!(ended.err.contains(word), "{word}: {}", ended.err);
        lab.is_fit_to_be_shown("standard error", &ended.err);
    }
}
