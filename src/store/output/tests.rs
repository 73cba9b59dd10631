//! Tests with real directories: staging, hand-over, and every way to be interrupted.
#![expect(clippy::disallowed_methods, reason = "tests look at real files from outside")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::super::ledger::{Cursor, Key};
use super::super::staging::Destination;
use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

/// A feed with its output directory; dropping an [`Output`] and opening it again is a crash and a start.
struct Spot {
    temporary: TempDir,
    ledger: Arc<Ledger>,
    feed: FeedId,
}

impl Spot {
    fn new() -> Spot {
        let temporary = TempDir::new().unwrap();
        let ledger = Arc::new(Ledger::open(temporary.path()).unwrap());
        let feed = ledger.feed("f", "one").unwrap().id;
        Spot { temporary, ledger, feed }
    }

    fn path(&self) -> PathBuf {
        self.temporary.path().join("out")
    }

    fn try_open(&self) -> Result<(Output, Recovered)> {
        let manner = Manner { mode: 0o640, group: None, staging: Staging::Kept };
        let open = || Output::open(self.ledger.clone(), self.feed, &self.path(), manner, at(0));
        // A child that another test starts has the lock, too, until it is another program.
        (0..1000).map(|_| open()).find(|opened| !matches!(opened, Err(StoreError::InUse(_)))).unwrap_or_else(open)
    }

    fn open(&self) -> Output {
        self.try_open().unwrap().0
    }

    /// The content files that a reader sees.
    fn seen(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.') && !name.ends_with(".meta.json"));
        names.sort();
        names
    }

    fn staged(&self) -> usize {
        fs::read_dir(self.path().join(".staging")).unwrap().count() - 1
    }

    fn take(&self, name: &str) {
        fs::remove_file(self.path().join(name)).unwrap();
    }

    fn cursor(&self) -> Option<DateTime<Utc>> {
        self.ledger.feed_row(self.feed).unwrap().cursor.map(|cursor| cursor.at)
    }
}

fn to(seconds: i64) -> After {
    After { cursor: Some(Cursor { text: "t".into(), at: at(seconds) }), ..After::default() }
}

/// What intake does with a block. Gives its name where it is not known.
fn take_in(writer: &mut PartWriter, label: Option<i64>, bytes: &[u8]) -> Option<String> {
    bytes.chunks(100_000).for_each(|piece| writer.write(piece).unwrap());
    finish(writer, label, Place::Output, true)
}

fn finish(writer: &mut PartWriter, label: Option<i64>, place: Place, beside: bool) -> Option<String> {
    let written = writer.complete();
    let key = Key { label, hash: written.sha256[..16].try_into().unwrap() };
    if writer.known(&key, None).unwrap() {
        writer.discard().unwrap();
        return None;
    }
    let hash: String = written.sha256[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{}-{hash}.xml", label.unwrap_or_default());
    let beside = beside.then(|| format!("about {hash}").into_bytes());
    writer.keep(Destination { name: name.clone(), place, key, beside }).unwrap();
    Some(name)
}

fn hand_over(output: &Output, blocks: &[(Option<i64>, &str)]) -> Totals {
    let mut writer = output.part(at(0)).unwrap();
    for (label, text) in blocks {
        take_in(&mut writer, *label, text.as_bytes());
    }
    output.commit(writer, &to(1), None, at(0)).unwrap()
}

/// Stages and commits a part, and dies before anything is handed over.
fn commit_only(output: &Output, blocks: &[(Option<i64>, &str)]) -> Vec<String> {
    let mut writer = output.part(at(0)).unwrap();
    let names = blocks.iter().filter_map(|(label, text)| take_in(&mut writer, *label, text.as_bytes())).collect();
    writer.commit(&to(1), None).unwrap();
    names
}

#[test]
fn a_block_is_handed_over_whole_with_its_metadata_mode_and_the_time_of_now() {
    let spot = Spot::new();
    let output = spot.open();
    let mut writer = output.part(at(0)).unwrap();
    let name = take_in(&mut writer, Some(5), b"<a/>").unwrap();
    writer.write_now().unwrap();
    let staged = spot.path().join(".staging/1-0");
    let old = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&staged).unwrap().set_modified(old).unwrap();
    let before = SystemTime::now() - Duration::from_secs(1);
    let totals = output.commit(writer, &to(7), None, at(0)).unwrap();
    assert_eq!(totals, Totals { files: 1, bytes: 4, quarantined: 0 });
    let file = spot.path().join(&name);
    assert_eq!(fs::read(&file).unwrap(), b"<a/>");
    assert_eq!(fs::read(spot.path().join(format!("{name}.meta.json"))).unwrap()[..6], *b"about ");
    for path in [file.clone(), spot.path().join(format!("{name}.meta.json"))] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o640);
    }
    assert!(fs::metadata(&file).unwrap().modified().unwrap() > before, "the time of the hand-over");
    assert_eq!((spot.staged(), spot.cursor()), (0, Some(at(7))));
}

#[test]
fn the_same_label_and_bytes_are_one_file_for_ever_and_other_labels_are_others() {
    let spot = Spot::new();
    let output = spot.open();
    // Twice in one answer: the second one is not in the ledger yet when it is looked up.
    assert_eq!(
        hand_over(&output, &[(Some(1), "a"), (Some(1), "a"), (Some(2), "a"), (None, "a"), (None, "a")]).files,
        3
    );
    let seen = spot.seen();
    assert_eq!((seen.len(), spot.staged()), (3, 0));
    seen.iter().for_each(|name| spot.take(name));
    assert_eq!(hand_over(&output, &[(Some(1), "a"), (Some(2), "a"), (None, "a"), (Some(1), "b")]).files, 1);
    drop(output);
    assert_eq!(hand_over(&spot.open(), &[(Some(1), "a"), (None, "a")]).files, 0);
    assert_eq!(spot.seen().len(), 1, "what a reader took does not come back");
}

#[test]
fn content_is_replaced_in_memory_and_in_a_file() {
    for size in [1_000_usize, 700_000] {
        let spot = Spot::new();
        let output = spot.open();
        let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let mut writer = output.part(at(0)).unwrap();
        bytes.chunks(65_536).for_each(|piece| writer.write(piece).unwrap());
        let (from, upto) = (size / 3, size / 3 + size / 2);
        writer.replace(from as u64..upto as u64, b"middle").unwrap();
        writer.replace(0..10, b"").unwrap();
        writer.replace(50..50, b"").unwrap();
        writer.replace(size as u64 * 2..size as u64 * 3, b"").unwrap();
        writer.write(b"end").unwrap();
        let expected = [&bytes[10..from], b"middle", &bytes[upto..], b"end"].concat();
        let written = writer.complete();
        assert_eq!(written.size, expected.len() as u64);
        assert_eq!(written.sha256, <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&expected)));
        finish(&mut writer, Some(1), Place::Output, false);
        output.commit(writer, &to(1), None, at(0)).unwrap();
        assert!(fs::read(spot.path().join(&spot.seen()[0])).unwrap() == expected, "{size}");
    }
}

#[test]
fn a_large_content_that_is_known_leaves_nothing_behind() {
    let spot = Spot::new();
    let output = spot.open();
    let large = "x".repeat(600_000);
    hand_over(&output, &[(Some(1), &large)]);
    let mut writer = output.part(at(0)).unwrap();
    assert_eq!(take_in(&mut writer, Some(1), large.as_bytes()), None);
    assert!(take_in(&mut writer, Some(2), b"small").is_some());
    assert_eq!(output.commit(writer, &to(1), None, at(0)).unwrap().files, 1);
    assert_eq!((spot.seen().len(), spot.staged()), (2, 0));
}

#[test]
fn ten_thousand_blocks_in_a_part_are_all_there() {
    let spot = Spot::new();
    let output = spot.open();
    let mut writer = output.part(at(0)).unwrap();
    for n in 0..10_000 {
        let text = format!("block {}", n % 9_000);
        writer.write(text.as_bytes()).unwrap();
        finish(&mut writer, Some(n % 9_000), Place::Output, false);
    }
    assert_eq!(output.commit(writer, &to(1), None, at(0)).unwrap().files, 9_000);
    assert_eq!((spot.seen().len(), spot.staged()), (9_000, 0));
    assert_eq!((output.unread(100).unwrap(), output.unread(20_000).unwrap()), (100, 9_000));
}

#[test]
fn blocks_that_a_part_holds_twice_are_one_file_however_many_they_are() {
    let spot = Spot::new();
    let output = spot.open();
    let mut writer = output.part(at(0)).unwrap();
    for number in 0..6000 {
        take_in(&mut writer, Some(number / 2), b"<a/>");
    }
    let staged = spot.staged();
    assert!(staged < 2 * 5000, "{staged} files: what is there twice goes while the part comes in");
    let totals = output.commit(writer, &to(1), None, at(0)).unwrap();
    assert_eq!((totals.files, spot.seen().len(), spot.staged()), (3000, 3000, 0));
}

#[test]
fn a_faulty_block_goes_to_quarantine_with_its_reason() {
    let spot = Spot::new();
    let output = spot.open();
    let mut writer = output.part(at(0)).unwrap();
    writer.write(b"<a>&x;</a>").unwrap();
    let name = finish(&mut writer, Some(1), Place::Quarantine, true).unwrap();
    let totals = output.commit(writer, &to(1), None, at(0)).unwrap();
    assert_eq!((totals.files, totals.quarantined), (0, 1));
    assert!(spot.seen().is_empty());
    assert!(spot.path().join(".quarantine").join(&name).is_file());
    assert!(spot.path().join(".quarantine").join(format!("{name}.reason.json")).is_file());
}

#[test]
fn a_part_without_blocks_only_moves_the_feed() {
    let spot = Spot::new();
    let output = spot.open();
    assert_eq!(hand_over(&output, &[]), Totals::default());
    assert_eq!(spot.cursor(), Some(at(1)));
}

#[test]
fn what_is_not_committed_is_swept_and_unknown_again() {
    for listed in [false, true] {
        let spot = Spot::new();
        let output = spot.open();
        let mut writer = output.part(at(0)).unwrap();
        let blocks = if listed { 5_000 } else { 3 };
        for n in 0..blocks {
            writer.write(format!("{n}").as_bytes()).unwrap();
            finish(&mut writer, Some(n), Place::Output, false);
        }
        writer.write_now().unwrap();
        writer.write(&[b'x'; 300_000]).unwrap();
        drop((writer, output));
        let (output, recovered) = spot.try_open().unwrap();
        assert_eq!((recovered.swept, recovered.replaced), (blocks as u64 + 1, false));
        assert_eq!((spot.staged(), spot.seen().len()), (0, 0));
        assert_eq!(hand_over(&output, &[(Some(0), "0"), (Some(1), "1")]).files, 2);
    }
}

#[test]
fn a_part_that_is_given_up_is_unknown_again() {
    let spot = Spot::new();
    let output = spot.open();
    let mut writer = output.part(at(0)).unwrap();
    take_in(&mut writer, Some(1), b"a").unwrap();
    drop(writer);
    output.abandon().unwrap();
    assert_eq!(spot.staged(), 0);
    assert_eq!(hand_over(&output, &[(Some(1), "a")]).files, 1);
}

#[test]
fn what_is_committed_is_handed_over_at_the_next_start_and_never_given_up() {
    let spot = Spot::new();
    let output = spot.open();
    let names = commit_only(&output, &[(Some(1), "a"), (Some(2), "b")]);
    output.abandon().unwrap();
    assert_eq!(spot.staged(), 4, "abandoning is for what is not ours yet");
    drop(output);
    let (_output, recovered) = spot.try_open().unwrap();
    assert_eq!((recovered.totals.files, spot.seen(), spot.cursor()), (2, names, Some(at(1))));
}

#[test]
fn a_crash_after_any_rename_gives_nobody_a_block_twice() {
    for taken in [false, true] {
        for done in 0..=6 {
            let spot = Spot::new();
            let output = spot.open();
            let names = commit_only(&output, &[(Some(1), "a"), (Some(2), "b"), (Some(3), "c")]);
            drop(output);
            // The renames of the hand-over in their order, as far as they came.
            let staged = |n: usize| {
                spot.path().join(format!(".staging/1-{}{}", n / 2, if n.is_multiple_of(2) { ".meta" } else { "" }))
            };
            let end = |n: usize| format!("{}{}", names[n / 2], if n.is_multiple_of(2) { ".meta.json" } else { "" });
            (0..done).for_each(|n: usize| fs::rename(staged(n), spot.path().join(end(n))).unwrap());
            if taken {
                (0..done).for_each(|n| spot.take(&end(n)));
            }
            let (_output, _) = spot.try_open().unwrap();
            let expected = if taken { &names[done / 2..] } else { &names[..] };
            assert_eq!(spot.seen(), expected, "{done} renames, taken: {taken}");
            assert_eq!((spot.staged(), spot.cursor()), (0, Some(at(1))));
        }
    }
}

#[test]
fn metadata_that_a_power_cut_kept_behind_follows_its_file() {
    let spot = Spot::new();
    let output = spot.open();
    let names = commit_only(&output, &[(Some(1), "a"), (Some(2), "b")]);
    drop(output);
    for (n, name) in names.iter().enumerate() {
        fs::rename(spot.path().join(format!(".staging/1-{n}")), spot.path().join(name)).unwrap();
    }
    spot.take(&names[1]);
    let (_output, _) = spot.try_open().unwrap();
    assert!(spot.path().join(format!("{}.meta.json", names[0])).is_file());
    assert!(!spot.path().join(format!("{}.meta.json", names[1])).exists(), "a reader has its file already");
}

#[test]
fn a_metadata_file_that_a_reader_left_behind_is_in_nobodys_way() {
    let spot = Spot::new();
    let output = spot.open();
    hand_over(&output, &[(Some(1), "a")]);
    spot.take(&spot.seen()[0]);
    spot.ledger.move_cursor(spot.feed, None, Some(DateTime::UNIX_EPOCH - chrono::TimeDelta::days(1))).unwrap();
    assert_eq!(hand_over(&output, &[(Some(1), "a")]).files, 1, "cursor set --again");
    assert_eq!((spot.seen().len(), spot.staged()), (1, 0));
    spot.take(&format!("{}.meta.json", spot.seen()[0]));
    drop(output);
    assert_eq!(spot.try_open().unwrap().1, Recovered::default());
}

#[test]
fn a_file_of_somebody_elses_under_our_name_costs_no_block() {
    for foreign in ["dir", "file", "same"] {
        let spot = Spot::new();
        let output = spot.open();
        let names = commit_only(&output, &[(Some(1), "a")]);
        let path = spot.path().join(&names[0]);
        match foreign {
            "dir" => fs::create_dir(&path).unwrap(),
            "file" => fs::write(&path, "b").unwrap(),
            _ => fs::write(&path, "a").unwrap(),
        }
        drop(output);
        drop(spot.open());
        let ours = names[0].replace(".xml", ".1.xml");
        if foreign == "same" {
            assert_eq!(spot.seen(), names);
        } else {
            assert_eq!(fs::read(spot.path().join(&ours)).unwrap(), b"a", "{foreign}");
            assert!(spot.path().join(format!("{ours}.meta.json")).is_file());
            assert!(!spot.path().join(format!("{}.meta.json", names[0])).exists());
        }
        assert_eq!(spot.staged(), 0);
    }
}

#[test]
fn a_staging_directory_that_is_not_ours_any_more_is_noticed_and_asked_for_again() {
    for (what, replaced) in [("removed", true), ("emptied", true), ("new", true), ("one file", false)] {
        let spot = Spot::new();
        let output = spot.open();
        commit_only(&output, &[(Some(1), "a"), (Some(2), "b")]);
        spot.ledger.set_result(spot.feed, Some("{}")).unwrap();
        drop(output);
        let staging = spot.path().join(".staging");
        // One of them was handed over before, and is still there.
        let name = "1-ca978112.xml";
        fs::rename(staging.join("1-0"), spot.path().join(name)).unwrap();
        match what {
            "removed" => fs::remove_dir_all(&staging).unwrap(),
            "emptied" => {
                fs::read_dir(&staging).unwrap().for_each(|file| fs::remove_file(file.unwrap().path()).unwrap())
            }
            "new" => {
                fs::rename(&staging, spot.path().join("old")).unwrap();
                fs::create_dir(&staging).unwrap();
                fs::write(staging.join(IDENTITY), "0123456789abcdef0123456789abcdef").unwrap();
            }
            _ => fs::remove_file(staging.join("1-1.meta")).unwrap(),
        }
        let (output, recovered) = spot.try_open().unwrap();
        assert_eq!(recovered.replaced, replaced, "{what}");
        if replaced {
            assert_eq!((spot.cursor(), spot.ledger.feed_row(spot.feed).unwrap().result), (None, None), "{what}");
            assert_eq!(hand_over(&output, &[(Some(1), "a"), (Some(2), "b")]).files, 1, "{what}");
        }
        assert_eq!(spot.seen().iter().filter(|name| name.ends_with(".xml")).count(), 2, "{what}");
        drop(output);
        assert!(!spot.try_open().unwrap().1.replaced);
    }
}

#[test]
fn a_directory_replaced_while_a_part_is_staged_stops_the_part() {
    for what in [".staging", ""] {
        let spot = Spot::new();
        let output = spot.open();
        let mut writer = output.part(at(0)).unwrap();
        take_in(&mut writer, Some(1), b"a").unwrap();
        let path = spot.path().join(what);
        fs::rename(&path, spot.temporary.path().join("moved")).unwrap();
        fs::create_dir_all(spot.path().join(".staging")).unwrap();
        let error = output.commit(writer, &to(1), None, at(0)).unwrap_err();
        assert!(matches!(error, StoreError::Replaced(_)), "{what}: {error}");
        drop(output);
        let (output, _) = spot.try_open().unwrap();
        assert_eq!(spot.cursor(), None);
        assert_eq!(hand_over(&output, &[(Some(1), "a")]).files, 1);
    }
}

#[test]
fn a_staged_file_that_vanishes_before_the_hand_over_is_asked_for_again() {
    let spot = Spot::new();
    let output = spot.open();
    let mut writer = output.part(at(0)).unwrap();
    take_in(&mut writer, Some(1), b"a").unwrap();
    take_in(&mut writer, Some(2), b"b").unwrap();
    writer.write_now().unwrap();
    fs::remove_file(spot.path().join(".staging/1-1")).unwrap();
    let error = output.commit(writer, &to(1), None, at(0)).unwrap_err();
    assert!(matches!(error, StoreError::Replaced(_)), "{error}");
    drop(output);
    let (output, recovered) = spot.try_open().unwrap();
    assert!(recovered.replaced);
    assert_eq!(spot.cursor(), None, "the range is asked for again");
    assert_eq!(hand_over(&output, &[(Some(1), "a"), (Some(2), "b")]).files, 1);
    assert_eq!(spot.seen().len(), 2);
}

#[test]
fn a_full_disk_costs_nothing_but_time() {
    let spot = Spot::new();
    let output = spot.open();
    assert!(matches!(output.need_free(u64::MAX), Err(StoreError::TooFull { .. })));
    output.need_free(1).unwrap();
    // What is staged is removed before the ledger is written: a full disk may refuse that.
    let mut writer = output.part(at(0)).unwrap();
    take_in(&mut writer, Some(1), b"a").unwrap();
    assert!(matches!(writer.need_free(u64::MAX), Err(StoreError::TooFull { .. })));
    drop(writer);
    let other = rusqlite::Connection::open(spot.temporary.path().join(crate::store::ledger::FILE_NAME)).unwrap();
    other.execute_batch("CREATE TRIGGER full BEFORE DELETE ON part BEGIN SELECT RAISE(FAIL, 'full'); END").unwrap();
    assert!(output.abandon().is_err());
    assert_eq!(spot.staged(), 0);
    drop(output);
    assert!(spot.try_open().is_err());
    other.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(hand_over(&spot.open(), &[(Some(1), "a")]).files, 1);
}

#[test]
fn two_polls_never_work_in_the_same_directory() {
    let spot = Spot::new();
    let output = spot.open();
    let writer = output.part(at(0)).unwrap();
    assert!(matches!(spot.try_open(), Err(StoreError::InUse(_))));
    drop(output);
    assert!(matches!(spot.try_open(), Err(StoreError::InUse(_))), "the part is still being staged");
    drop(writer);
    spot.open();
}

#[test]
fn a_group_that_cannot_be_set_is_named() {
    let spot = Spot::new();
    // Root may set any group; nobody may set the one that stands for "leave it".
    let manner = Manner { mode: 0o640, group: Some(4_000_000_000), staging: Staging::Kept };
    let opened = Output::open(spot.ledger.clone(), spot.feed, &spot.path(), manner, at(0));
    let written = opened
        .and_then(|(output, _)| output.part(at(0)).map(|writer| (output, writer)))
        .and_then(|(_output, mut writer)| writer.write(&[0; 300_000]));
    if let Err(error) = written {
        assert!(error.to_string().starts_with("set the group of "), "{error}");
        assert!(error.hint().contains("member of the configured group"));
    } else {
        assert_eq!(fs::metadata(spot.path()).unwrap().gid(), 4_000_000_000);
    }
}

#[test]
fn a_poll_that_finds_nothing_to_do_writes_nothing() {
    let spot = Spot::new();
    drop(spot.open());
    let changed = || spot.temporary.path().join("ledger.db-wal").metadata().map(|meta| meta.len()).unwrap_or(0);
    let before = changed();
    for _ in 0..10 {
        spot.ledger.feed("f", "one").unwrap();
        assert_eq!(spot.try_open().unwrap().1, Recovered::default());
    }
    assert_eq!(changed(), before);
}
