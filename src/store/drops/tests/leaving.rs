//! The way out: names, receipts, and every step at which it may be interrupted.

use super::super::leave::leaving;
use super::*;

#[test]
fn names_that_are_taken_get_a_number_and_long_ones_fit() {
    let spot = Spot::new();
    let drops = spot.open();
    let long = format!("{}.xml", "n".repeat(251));
    let odd = OsString::from(OsStr::from_bytes(b"\xff\n.xml"));
    for round in 0..3 {
        for name in [OsStr::new("a.xml"), OsStr::new("noextension"), OsStr::new(&long), &odd] {
            spot.write(name, &format!("{round}"));
        }
        let files = take_in(&drops);
        assert_eq!(leave(&drops, &files, End::Sent).len(), 4);
        receipts_match(&spot);
    }
    assert_eq!(spot.files("sent").len(), 24);
    for (name, text) in [("a.xml", "0"), ("a.1.xml", "1"), ("a.2.xml", "2"), ("noextension.2", "2"), (&long, "0")] {
        assert_eq!(spot.text(&format!("sent/{name}")), text);
    }
    // Several of one name in one batch.
    for text in ["x", "y"] {
        spot.write("a.xml", text);
        take_in(&drops);
    }
    let files = spot.ledger.finished_files(drops.id(), 9).unwrap();
    assert_eq!(leave(&drops, &files, End::Sent), ["a.3.xml", "a.4.xml"]);
    receipts_match(&spot);
}

#[test]
fn leaving_that_was_interrupted_after_any_step_goes_on_under_the_same_name() {
    for steps in 0..=3 {
        let spot = Spot::new();
        let drops = spot.open();
        spot.write("a.xml", "a");
        let mut file = take_in(&drops).remove(0);
        if steps >= 1 {
            let to = leaving(End::Sent, OsStr::new("a.7.xml"));
            spot.ledger.set_leaving(&[(file.id, to)]).unwrap();
            file = spot.ledger.files(&[file.id]).unwrap().pop().unwrap();
        }
        if steps >= 2 {
            fs::write(spot.path("sent/a.7.xml.receipt.json"), &finished(&file, End::Sent).receipt).unwrap();
        }
        if steps >= 3 {
            fs::rename(spot.path("sending").join(&file.token), spot.path("sent/a.7.xml")).unwrap();
        }
        drop(drops);
        let drops = spot.open();
        let name = if steps == 0 { "a.xml" } else { "a.7.xml" };
        assert_eq!(leave(&drops, &[file], End::Sent), [name]);
        assert_eq!((spot.text(&format!("sent/{name}")), spot.files("sent").len()), ("a".into(), 2), "{steps}");
        assert!(spot.files("sending").is_empty());
        receipts_match(&spot);
    }
}

#[test]
fn a_receipt_that_a_power_cut_kept_behind_follows_its_file() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    spot.write("b.xml", "b");
    let mut files = take_in(&drops);
    for file in &mut files {
        let to = leaving(End::Sent, OsStr::from_bytes(&file.name));
        spot.ledger.set_leaving(&[(file.id, to)]).unwrap();
        *file = spot.ledger.files(&[file.id]).unwrap().pop().unwrap();
        let name = OsStr::from_bytes(&file.name);
        fs::rename(spot.path("sending").join(&file.token), spot.path("sent").join(name)).unwrap();
    }
    fs::remove_file(spot.path("sent/b.xml")).unwrap();
    leave(&drops, &files, End::Sent);
    assert_eq!(spot.files("sent"), ["a.xml", "a.xml.receipt.json"], "a reader took the other one");
}

#[test]
fn a_noted_name_that_somebody_took_is_given_up_with_its_receipt() {
    for theirs in [None, Some("another receipt")] {
        let spot = Spot::new();
        let drops = spot.open();
        spot.write("a.xml", "a");
        let mut file = take_in(&drops).remove(0);
        spot.ledger.set_leaving(&[(file.id, leaving(End::Sent, OsStr::new("a.xml")))]).unwrap();
        file = spot.ledger.files(&[file.id]).unwrap().pop().unwrap();
        let receipt = finished(&file, End::Sent).receipt;
        fs::write(spot.path("sent/a.xml"), "foreign").unwrap();
        fs::write(spot.path("sent/a.xml.receipt.json"), theirs.map_or(&receipt[..], str::as_bytes)).unwrap();
        assert_eq!(leave(&drops, &[file], End::Sent), ["a.1.xml"]);
        assert_eq!((spot.text("sent/a.xml"), spot.text("sent/a.1.xml")), ("foreign".into(), "a".into()));
        assert_eq!(spot.text("sent/a.1.xml.receipt.json").as_bytes(), receipt);
        assert_eq!(spot.path("sent/a.xml.receipt.json").exists(), theirs.is_some(), "theirs stays, ours does not");
    }
}

#[test]
fn files_that_are_not_kept_are_deleted_with_what_was_sent() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    let files: Vec<_> = take_in(&drops).into_iter().map(|file| FileRow { wire: true, ..file }).collect();
    fs::write(spot.path("sending").join(format!("{}.wire", files[0].token)), "w").unwrap();
    drops.delete(&files).unwrap();
    drops.delete(&files).unwrap();
    assert!(spot.files("sending").is_empty() && spot.files("sent").is_empty());
    assert!(spot.ledger.finished_files(drops.id(), 9).unwrap().is_empty());
}

#[test]
fn sent_files_are_swept_by_when_they_were_put_there() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    let path = spot.path("a.xml");
    fs::File::options().write(true).open(path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    let files = take_in(&drops);
    leave(&drops, &files, End::Sent);
    let day = Duration::from_secs(86_400);
    let now: DateTime<Utc> = fs::metadata(spot.path("sent/a.xml")).unwrap().created().unwrap().into();
    assert_eq!(drops.sweep_sent(day, now).unwrap(), 0, "an old modification time says nothing");
    assert_eq!(drops.sweep_sent(day, now + 2 * day).unwrap(), 2);
    assert_eq!(drops.sweep_sent(Duration::MAX, now + 2 * day).unwrap(), 0);
}

#[test]
fn a_file_whose_copy_somebody_has_removed_is_not_said_to_be_anywhere() {
    let spot = Spot::new();
    let drops = spot.open();
    spot.write("a.xml", "a");
    let file = take_in(&drops).remove(0);
    fs::remove_file(spot.path("sending").join(&file.token)).unwrap();
    let gone = drops.leave(&[finished(&file, End::Failed)]).unwrap();
    assert_eq!((gone.left, gone.vanished), (vec![], vec![(file.id, End::Failed)]));
    assert!(spot.files("failed").is_empty() && spot.files("sending").is_empty());
    assert!(spot.ledger.files(&[file.id]).unwrap().is_empty());
}
