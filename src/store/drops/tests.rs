//! Tests with real directories: taking files in, letting them out, and every way to be interrupted.
#![expect(clippy::disallowed_methods, reason = "tests look at real files from outside")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::*;
use crate::store::ledger::Admission;

mod leaving;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

/// A drop directory with its ledger; dropping a [`DropDirectory`] and opening it again is a crash and a start.
struct Spot {
    temporary: TempDir,
    ledger: Arc<Ledger>,
}

impl Spot {
    fn new() -> Spot {
        let temporary = TempDir::new().unwrap();
        let ledger = Arc::new(Ledger::open(temporary.path()).unwrap());
        Spot { temporary, ledger }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join("drop").join(name)
    }

    fn open(&self) -> DropDirectory {
        DropDirectory::open(self.ledger.clone(), "d", &self.path("")).unwrap()
    }

    fn write(&self, name: impl AsRef<OsStr>, text: &str) {
        fs::write(self.path("").join(name.as_ref()), text).unwrap();
    }

    /// The files below a directory of the drop directory.
    fn files(&self, below: &str) -> Vec<OsString> {
        let entries = fs::read_dir(self.path(below)).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<_> =
            entries.filter(|entry| entry.file_type().unwrap().is_file()).map(|entry| entry.file_name()).collect();
        names.sort();
        names
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

fn candidates(drops: &DropDirectory) -> Vec<Candidate> {
    let mut all = Vec::new();
    drops
        .candidates(&|_| true, |batch| {
            all.extend(batch);
            Ok(true)
        })
        .unwrap();
    all
}

fn copy(drops: &DropDirectory, candidate: &Candidate) -> Copied {
    match drops.copy(candidate, &mut |_| {}).unwrap() {
        Copying::Done(copied) => copied,
        Copying::NotYet => panic!("{candidate:?} is not settled"),
    }
}

fn admission(candidate: &Candidate, token: &str, sha256: Option<[u8; 32]>) -> Admission {
    let Stat { size, mode, modified, inode, .. } = candidate.stat;
    Admission {
        token: token.to_owned(),
        name: candidate.name.as_bytes().to_vec(),
        sha256,
        size,
        mode,
        modified,
        inode,
        binding: None,
        wire: false,
        body: 0..size,
        refusal: None,
        dropped_at: at(0),
        deliveries: Vec::new(),
    }
}

/// Takes in everything that lies there.
fn take_in(drops: &DropDirectory) -> Vec<FileRow> {
    let mut batch = drops.batch().unwrap();
    for candidate in candidates(drops) {
        let copied = copy(drops, &candidate);
        let admission = admission(&candidate, &copied.token, Some(copied.sha256));
        batch.add(Some(copied), admission);
    }
    assert!(drops.admit(&mut batch).unwrap().is_empty());
    drops.ledger.finished_files(drops.id(), 1000).unwrap()
}

fn finished(file: &FileRow, end: End) -> Finished {
    Finished { file: file.clone(), end, receipt: format!("receipt of {}", file.token).into_bytes() }
}

fn leave(drops: &DropDirectory, files: &[FileRow], end: End) -> Vec<OsString> {
    let all: Vec<_> = files.iter().map(|file| finished(file, end)).collect();
    let gone = drops.leave(&all).unwrap();
    assert!(gone.trouble.is_none(), "{:?}", gone.trouble);
    gone.left.into_iter().map(|(_, left)| left.name).collect()
}

/// Every file in `sent/` has its receipt beside it, and every receipt its file.
fn receipts_match(spot: &Spot) {
    let (receipts, files): (Vec<_>, Vec<_>) =
        spot.files("sent").into_iter().partition(|name| name.as_bytes().ends_with(b".receipt.json"));
    let expected: Vec<_> = files.iter().map(|name| names::receipt(name)).collect();
    let (mut expected, mut receipts) = (expected, receipts);
    expected.sort();
    receipts.sort();
    assert_eq!(expected, receipts);
}

#[test]
fn a_file_goes_in_and_out_with_its_name_mode_and_time() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "<a/>");
    let path = spot.path("a.xml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4604)).unwrap();
    let time = std::time::UNIX_EPOCH + Duration::from_nanos(1_234_567_890_123_456_789);
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let files = take_in(&drops);
    assert!(spot.files("").is_empty(), "the original is gone");
    let mut body = [0; 9];
    assert_eq!(drops.body(&files[0]).unwrap().read_full(&mut body).unwrap(), 4);
    assert_eq!(leave(&drops, &files, End::Sent), ["a.xml"]);
    let metadata = fs::metadata(spot.path("sent/a.xml")).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o604, "a copy of ours never runs as us");
    assert_eq!(metadata.modified().unwrap(), time);
    assert_eq!((spot.text("sent/a.xml"), spot.files("sending").len()), ("<a/>".into(), 0));
    receipts_match(&spot);
    assert!(!spot.ledger.strangers(&[&files[0].token]).unwrap().is_empty());
}

#[test]
fn a_file_that_changes_while_it_is_copied_is_not_taken() {
    for what in ["grows", "shrinks", "replaced", "vanishes", "touched", "link"] {
        let spot = Spot::new();
        let drops = spot.open();
        spot.write("a.xml", &"x".repeat(300_000));
        let candidate = candidates(&drops).remove(0);
        let mut first = true;
        let path = spot.path("a.xml");
        let mut change = |_: &[u8]| {
            if std::mem::take(&mut first) {
                let file = || fs::File::options().append(true).open(&path).unwrap();
                match what {
                    "grows" => std::io::Write::write_all(&mut file(), b"more").unwrap(),
                    "shrinks" => file().set_len(10).unwrap(),
                    _ => file().set_modified(std::time::UNIX_EPOCH).unwrap(),
                }
            }
        };
        let copying = match what {
            "replaced" => {
                fs::rename(&path, spot.path("old")).unwrap();
                spot.write("a.xml", &"y".repeat(300_000));
                drops.copy(&candidate, &mut |_| {})
            }
            "vanishes" => {
                fs::remove_file(&path).unwrap();
                drops.copy(&candidate, &mut |_| {})
            }
            "link" => {
                fs::rename(&path, spot.path("old")).unwrap();
                std::os::unix::fs::symlink("old", &path).unwrap();
                drops.copy(&candidate, &mut |_| {})
            }
            _ => drops.copy(&candidate, &mut change),
        };
        assert!(matches!(copying.unwrap(), Copying::NotYet), "{what}");
        assert!(spot.files("sending").is_empty(), "{what}: no copy is left behind");
    }
}

#[test]
fn a_copy_that_is_not_admitted_is_removed() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    let mut copied = copy(&drops, &candidates(&drops)[0]);
    let length: Result<u64> = drops.write_wire(&mut copied, |source, file| {
        let mut bytes = [0; 9];
        let count = source.read_full(&mut bytes)?;
        file.write(&bytes[..count])?;
        Ok(count as u64)
    });
    assert_eq!((length.unwrap(), spot.files("sending").len()), (1, 2));
    drop(copied);
    assert!(spot.files("sending").is_empty());
    assert_eq!(spot.files(""), ["a.xml"]);
}

#[test]
fn writing_through_a_hard_link_changes_no_copy() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "before");
    fs::hard_link(spot.path("a.xml"), spot.temporary.path().join("elsewhere")).unwrap();
    let files = take_in(&drops);
    fs::write(spot.temporary.path().join("elsewhere"), "after!").unwrap();
    leave(&drops, &files, End::Sent);
    assert_eq!(spot.text("sent/a.xml"), "before");
}

#[test]
fn an_original_that_was_replaced_or_changed_meanwhile_is_a_new_file() {
    for in_place in [false, true] {
        let spot = Spot::new();
        let drops = spot.open();
        spot.write("a.xml", "one");
        let candidate = candidates(&drops).remove(0);
        let copied = copy(&drops, &candidate);
        if in_place {
            fs::OpenOptions::new()
                .append(true)
                .open(spot.path("a.xml"))
                .map(|mut file| std::io::Write::write_all(&mut file, b"!"))
                .unwrap()
                .unwrap();
        } else {
            spot.write("new", "two");
            fs::rename(spot.path("new"), spot.path("a.xml")).unwrap();
        }
        let mut batch = drops.batch().unwrap();
        let admission = admission(&candidate, &copied.token, Some(copied.sha256));
        batch.add(Some(copied), admission);
        drops.admit(&mut batch).unwrap();
        assert_eq!(spot.files(""), ["a.xml"], "the new one stays");
        let files = take_in(&drops);
        assert_eq!(files.len(), 2);
        assert_eq!(leave(&drops, &files, End::Sent), ["a.xml", "a.1.xml"]);
        assert_eq!(spot.text("sent/a.xml"), "one");
        assert_eq!(spot.text("sent/a.1.xml"), if in_place { "one!" } else { "two" });
    }
}

#[test]
fn an_original_that_cannot_be_removed_holds_up_nobody_else() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    let stuck = candidates(&drops).remove(0);
    let copied = copy(&drops, &stuck);
    // A name that no directory takes makes every step with the original fail, for root too.
    let row = Admission { name: vec![b'n'; 300], ..admission(&stuck, &copied.token, Some(copied.sha256)) };
    let mut batch = drops.batch().unwrap();
    batch.add(Some(copied), row);
    assert_eq!(drops.admit(&mut batch).unwrap().len(), 1, "it is told of");
    spot.write("b.xml", "b");
    let candidate = candidates(&drops).into_iter().find(|one| one.name == "b.xml").unwrap();
    let copied = copy(&drops, &candidate);
    let row = admission(&candidate, &copied.token, Some(copied.sha256));
    let mut batch = drops.batch().unwrap();
    batch.add(Some(copied), row);
    assert_eq!(drops.admit(&mut batch).unwrap().len(), 1);
    let files = spot.ledger.finished_files(drops.id(), 9).unwrap();
    assert_eq!(files.iter().map(|file| file.name.as_slice()).collect::<Vec<_>>(), [b"b.xml"]);
    assert_eq!(spot.ledger.unclaimed(drops.id()).unwrap().len(), 1);
}

#[test]
fn a_file_too_large_to_be_copied_that_cannot_be_taken_away_holds_up_nobody_else() {
    let spot = Spot::new();
    let drops = spot.open();
    ["a.xml", "b.xml"].iter().for_each(|name| spot.write(name, name));
    let found = candidates(&drops);
    let mut batch = drops.batch().unwrap();
    batch.add(None, Admission { name: vec![b'n'; 300], ..admission(&found[0], "large", None) });
    let copied = copy(&drops, &found[1]);
    let row = admission(&found[1], &copied.token, Some(copied.sha256));
    batch.add(Some(copied), row);
    assert_eq!(drops.admit(&mut batch).unwrap().len(), 1, "it is told of");
    let files = spot.ledger.finished_files(drops.id(), 9).unwrap();
    assert_eq!(files.iter().map(|file| file.name.as_slice()).collect::<Vec<_>>(), [b"b.xml"]);
}

#[test]
fn a_file_that_somebody_else_takes_meanwhile_is_theirs() {
    let spot = Spot::new();
    let drops = spot.open();
    ["a.xml", "b.xml"].iter().for_each(|name| spot.write(name, name));
    let mut batch = drops.batch().unwrap();
    for candidate in candidates(&drops) {
        let copied = copy(&drops, &candidate);
        let row = admission(&candidate, &copied.token, Some(copied.sha256));
        batch.add(Some(copied), row);
    }
    // Another agent, with a state of its own, was faster.
    fs::remove_file(spot.path("a.xml")).unwrap();
    assert!(drops.admit(&mut batch).unwrap().is_empty());
    let files = spot.ledger.finished_files(drops.id(), 9).unwrap();
    assert_eq!(files.iter().map(|file| file.name.as_slice()).collect::<Vec<_>>(), [b"b.xml"]);
    assert_eq!(spot.files("sending"), [files[0].token.as_str()]);
    assert!(spot.ledger.unclaimed(drops.id()).unwrap().is_empty());
}

#[test]
fn a_file_is_claimed_only_when_its_original_is_gone() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    let candidate = candidates(&drops).remove(0);
    let copied = copy(&drops, &candidate);
    let row = admission(&candidate, &copied.token, Some(copied.sha256));
    // The end of the process between the admission and the claim, after each step in between.
    spot.ledger.admit(drops.id(), &[row]).unwrap();
    std::mem::forget(copied);
    assert_eq!(spot.ledger.unclaimed(drops.id()).unwrap().len(), 1);
    assert!(spot.ledger.finished_files(drops.id(), 9).unwrap().is_empty());
    drop(drops);
    let drops = spot.open();
    assert!(candidates(&drops).is_empty(), "what is admitted is not taken in twice");
    assert!(drops.claim_unclaimed().unwrap().is_empty());
    assert!(spot.files("").is_empty());
    let files = spot.ledger.finished_files(drops.id(), 9).unwrap();
    assert_eq!(leave(&drops, &files, End::Sent), ["a.xml"]);
}

#[test]
fn an_original_on_its_way_out_is_looked_at_again_after_a_crash() {
    for changed in [false, true] {
        let spot = Spot::new();
        let drops = spot.open();
        spot.write("a.xml", "a");
        let candidate = candidates(&drops).remove(0);
        let copied = copy(&drops, &candidate);
        let token = copied.token.clone();
        spot.ledger.admit(drops.id(), &[admission(&candidate, &token, Some(copied.sha256))]).unwrap();
        std::mem::forget(copied);
        let away = spot.path("sending").join(format!("{token}.orig"));
        fs::rename(spot.path("a.xml"), &away).unwrap();
        if changed {
            fs::write(&away, "changed").unwrap();
        }
        drop(drops);
        let drops = spot.open();
        drops.claim_unclaimed().unwrap();
        assert!(!away.exists());
        assert_eq!(spot.files("").len(), usize::from(changed), "changed at the last moment it is a new file");
        assert_eq!(spot.ledger.finished_files(drops.id(), 9).unwrap().len(), 1);
    }
}

#[test]
fn a_copy_without_a_row_is_swept() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    std::mem::forget(copy(&drops, &candidates(&drops)[0]));
    fs::write(spot.path("sending/0123.wire"), "w").unwrap();
    fs::write(spot.path("sending/0123.receipt"), "r").unwrap();
    assert_eq!(spot.files("sending").len(), 3);
    drop(drops);
    let drops = spot.open();
    assert!(spot.files("sending").is_empty());
    assert_eq!(take_in(&drops).len(), 1);
}

#[test]
fn with_the_ledger_lost_or_put_back_every_file_under_way_is_dropped_again() {
    let spot = Spot::new();
    let drops = spot.open();
    // A backup of the ledger, taken before.
    let backup = Spot::new();
    backup.ledger.drop_directory("d").unwrap();
    spot.write("a.xml", "a");
    spot.write("b.xml", "b");
    let files = take_in(&drops);
    let on_its_way = spot.path("sending").join(format!("{}.orig", files[0].token));
    fs::write(&on_its_way, "a").unwrap();
    fs::write(spot.path("sending").join(format!("{}.wire", files[1].token)), "w").unwrap();
    drop(drops);
    let drops = DropDirectory::open(backup.ledger.clone(), "d", &spot.path("")).unwrap();
    assert!(spot.files("sending").is_empty());
    let mut texts: Vec<_> = spot.files("").iter().map(|name| spot.text(name.to_str().unwrap())).collect();
    texts.sort();
    assert_eq!(texts, ["a", "b"]);
    assert_eq!(take_in(&drops).len(), 2);
}

#[test]
fn an_emptied_sending_directory_costs_no_file_whose_original_is_still_there() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    let candidate = candidates(&drops).remove(0);
    let copied = copy(&drops, &candidate);
    spot.ledger.admit(drops.id(), &[admission(&candidate, &copied.token, Some(copied.sha256))]).unwrap();
    drop(copied);
    assert!(drops.claim_unclaimed().unwrap().is_empty());
    assert_eq!(spot.files(""), ["a.xml"]);
    assert_eq!(take_in(&drops).len(), 1);
}

#[test]
fn a_file_too_large_to_be_read_is_renamed() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.bin", "large");
    spot.write("b.bin", "large too");
    let mut batch = drops.batch().unwrap();
    for candidate in candidates(&drops) {
        batch.add(None, admission(&candidate, &DropDirectory::token(), None));
    }
    spot.write("b.bin", "changed meanwhile");
    drops.admit(&mut batch).unwrap();
    assert_eq!(spot.files(""), ["b.bin"]);
    let files = spot.ledger.finished_files(drops.id(), 9).unwrap();
    assert_eq!(leave(&drops, &files, End::Failed), ["a.bin"]);
    assert_eq!(spot.text("failed/a.bin"), "large");
}

#[test]
fn a_directory_below_that_was_removed_is_noticed() {
    for name in ["sent", "failed", "sending", ""] {
        let spot = Spot::new();
        let drops = spot.open();
        assert!(drops.in_place().unwrap());
        fs::rename(spot.path(name), spot.temporary.path().join("moved")).unwrap();
        assert!(!drops.in_place().unwrap(), "{name}");
        assert!(spot.open().in_place().unwrap());
    }
}

#[test]
fn many_files_go_in_and_out_together() {
    let spot = Spot::new();
    let drops = spot.open();
    (0..300).for_each(|n| spot.write(format!("{n}.xml"), &format!("{n}")));
    let files = take_in(&drops);
    assert_eq!(files.len(), 300);
    assert_eq!(leave(&drops, &files, End::Sent).len(), 300);
    assert_eq!(spot.text("sent/299.xml"), "299");
    receipts_match(&spot);
}
