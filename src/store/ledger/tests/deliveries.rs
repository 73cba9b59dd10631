//! From an admission to a receipt.

use super::*;

fn admission(token: &str, inboxes: &[(&str, Option<Outcome>)]) -> Admission {
    let deliveries = inboxes.iter().map(|(inbox, outcome)| NewDelivery {
        inbox: (*inbox).to_owned(),
        outcome: *outcome,
        message: outcome.map(|_| "why".to_owned()),
    });
    Admission {
        token: token.to_owned(),
        name: b"a\xff.xml".to_vec(),
        sha256: Some([7; 32]),
        size: 10,
        mode: 0o640,
        modified: 5,
        inode: u64::MAX,
        binding: Some("urn:x".to_owned()),
        wire: true,
        body: 3..9,
        refusal: None,
        dropped_at: at(0),
        deliveries: deliveries.collect(),
    }
}

fn admit(ledger: &Ledger, token: &str, inboxes: &[(&str, Option<Outcome>)]) -> FileId {
    let directory = ledger.drop_directory("d").unwrap();
    let ids = ledger.admit(directory, &[admission(token, inboxes)]).unwrap();
    ledger.claim(&ids).unwrap();
    ids[0]
}

fn settled(file: FileId, inbox: &str, outcome: Option<Outcome>) -> Settled {
    Settled {
        file,
        inbox: inbox.to_owned(),
        outcome,
        status_type: Some("SUCCESS".to_owned()),
        message: Some("said".to_owned()),
        next_try: None,
        asked: false,
        refusal: false,
        alone: false,
        unknown: false,
    }
}

fn due(ledger: &Ledger, inbox: &str, seconds: i64, hurry: bool) -> Vec<FileId> {
    let due = Due { inbox, now: at(seconds), hurry, after: 0, limit: 10 };
    ledger.due(due).unwrap().iter().map(|owed| owed.file.id).collect()
}

#[test]
fn what_is_admitted_comes_back_as_it_was() {
    let (_t, ledger) = ledger();
    let id = admit(&ledger, "t", &[("a", None)]);
    let row = ledger.files(&[id]).unwrap().pop().unwrap();
    assert_eq!((row.token.as_str(), row.name.as_slice(), row.sha256), ("t", &b"a\xff.xml"[..], Some([7; 32])));
    assert_eq!((row.size, row.mode, row.modified, row.inode), (10, 0o640, 5, u64::MAX));
    assert_eq!((row.binding.as_deref(), row.wire, row.body.clone()), (Some("urn:x"), true, 3..9));
    assert_eq!((row.dropped_at, row.pending_since, row.leaving), (at(0), at(0), None));
    assert!(ledger.strangers(&["t"]).unwrap().is_empty() && ledger.strangers(&["u"]).unwrap() == ["u"]);
    let twice = ledger.admit(row.directory, &[admission("u", &[]), admission("t", &[])]);
    assert!(twice.is_err() && ledger.strangers(&["u"]).unwrap() == ["u"], "a batch is admitted whole or not at all");
}

#[test]
fn nothing_is_owed_before_it_is_claimed() {
    let (_t, ledger) = ledger();
    let directory = ledger.drop_directory("d").unwrap();
    let ids = ledger.admit(directory, &[admission("t", &[("a", None)]), admission("u", &[])]).unwrap();
    assert_eq!(ledger.unclaimed(directory).unwrap().len(), 2);
    assert!(due(&ledger, "a", 0, true).is_empty());
    assert!(ledger.finished_files(directory, 9).unwrap().is_empty());
    assert_eq!(ledger.next_try("a", at(0)).unwrap(), None);
    ledger.claim(&ids).unwrap();
    assert!(ledger.unclaimed(directory).unwrap().is_empty());
    assert_eq!(due(&ledger, "a", 0, false), [ids[0]]);
    assert_eq!(ledger.finished_files(directory, 9).unwrap()[0].id, ids[1]);
}

#[test]
fn a_file_is_finished_with_its_last_inbox() {
    let (_t, ledger) = ledger();
    let id = admit(&ledger, "t", &[("a", None), ("b", None), ("c", Some(Outcome::Duplicate))]);
    assert_eq!(ledger.record(&[settled(id, "a", Some(Outcome::Accepted))], at(1)).unwrap(), [0; 0]);
    assert!(ledger.finished_files(1, 9).unwrap().is_empty());
    let both = [settled(id, "a", Some(Outcome::Refused)), settled(id, "b", Some(Outcome::Refused))];
    assert_eq!(ledger.record(&both, at(2)).unwrap(), [id], "an outcome that stands is not changed");
    assert!(ledger.record(&both, at(3)).unwrap().is_empty());
    assert_eq!(ledger.finished_files(1, 9).unwrap().len(), 1);
    let claims = ledger.deliveries(&[id]).unwrap().remove(0);
    let outcomes: Vec<_> = claims.iter().map(|claim| (claim.inbox.as_str(), claim.outcome.unwrap())).collect();
    assert_eq!(outcomes, [("a", Outcome::Accepted), ("b", Outcome::Refused), ("c", Outcome::Duplicate)]);
    assert_eq!((claims[1].at, claims[1].status_type.as_deref()), (Some(at(2)), Some("SUCCESS")));
    assert_eq!(ledger.totals(1, "a").unwrap().accepted, 1);
    assert_eq!(ledger.totals(1, "b").unwrap().refused, 1);
    let has = |inbox: &str| ledger.accepted_of(inbox, vec![[7; 32], [9; 32]]).unwrap().contains(&[7; 32]);
    assert!(has("a") && !has("b"));
    let leaving = Leaving { place: "failed".to_owned(), name: b"a\xff.1.xml".to_vec() };
    ledger.set_leaving(&[(id, leaving.clone())]).unwrap();
    assert_eq!(ledger.files(&[id]).unwrap().pop().unwrap().leaving, Some(leaving));
    ledger.remove_files(&[id]).unwrap();
    assert!(ledger.files(&[id]).unwrap().is_empty() && ledger.deliveries(&[id]).unwrap()[0].is_empty());
    assert!(has("a"), "what was accepted stays known");
}

#[test]
fn attempts_and_refusals_are_counted_and_waits_are_kept() {
    let (_t, ledger) = ledger();
    let id = admit(&ledger, "t", &[("a", None)]);
    ledger.start_attempts("a", &[(id, "m1")]).unwrap();
    let failed = Settled { next_try: Some(at(60)), refusal: true, alone: true, ..settled(id, "a", None) };
    ledger.record(&[failed], at(1)).unwrap();
    assert!(due(&ledger, "a", 59, false).is_empty());
    assert_eq!(due(&ledger, "a", 59, true), [id], "a wait of the agent's own");
    assert_eq!(ledger.next_try("a", at(0)).unwrap(), Some(at(60)));
    let owed = ledger.due(Due { inbox: "a", now: at(60), hurry: false, after: 0, limit: 9 }).unwrap();
    assert_eq!((owed[0].attempts, owed[0].refusals, owed[0].alone, owed[0].duplicate), (1, 1, true, false));
    assert_eq!(ledger.totals(1, "a").unwrap().last_error.as_deref(), Some("SUCCESS: said"));
    ledger.start_attempts("a", &[(id, "m2")]).unwrap();
    let asked = Settled { next_try: Some(at(90)), asked: true, ..settled(id, "a", None) };
    ledger.record(&[asked], at(61)).unwrap();
    assert!(due(&ledger, "a", 89, true).is_empty(), "a wait that the server asked for");
    ledger.postpone("a", at(500), "down", at(62)).unwrap();
    assert_eq!(ledger.next_try("a", at(0)).unwrap(), Some(at(90)), "it stays what it is");
    assert_eq!(due(&ledger, "a", 90, false), [id]);
    assert_eq!(ledger.deliveries(&[id]).unwrap()[0][0].attempts, 2);
}

#[test]
fn what_a_clock_that_was_ahead_put_off_is_due_when_that_is_put_right() {
    let (_t, ledger) = ledger();
    let id = admit(&ledger, "t", &[("a", None)]);
    let put_off = Settled { next_try: Some(at(9 * 3600)), asked: true, ..settled(id, "a", None) };
    ledger.record(&[put_off], at(9 * 3600 - 60)).unwrap();
    assert!(due(&ledger, "a", 8 * 3600 + 1, true).is_empty(), "no more than an hour");
    assert_eq!(ledger.asked_until("a", at(8 * 3600 + 1)).unwrap(), Some(at(9 * 3600)));
    assert_eq!(due(&ledger, "a", 0, false), [id]);
    assert_eq!(ledger.asked_until("a", at(0)).unwrap(), None);
    assert!(ledger.next_try("a", at(0)).unwrap().unwrap() < at(0));
}

#[test]
fn what_one_server_asked_for_does_not_count_at_another() {
    let (_t, ledger) = ledger();
    let id = admit(&ledger, "t", &[("a", None)]);
    ledger.note_inbox_server("a", "here").unwrap();
    let asked = Settled { next_try: Some(at(60)), asked: true, ..settled(id, "a", None) };
    ledger.record(&[asked], at(0)).unwrap();
    ledger.note_inbox_server("a", "here").unwrap();
    assert_eq!(ledger.asked_until("a", at(1)).unwrap(), Some(at(60)));
    ledger.note_inbox_server("a", "there").unwrap();
    assert_eq!(ledger.asked_until("a", at(1)).unwrap(), None);
    assert_eq!(due(&ledger, "a", 1, false), [id]);
}

#[test]
fn a_pause_postpones_what_the_agent_chose_itself() {
    let (_t, ledger) = ledger();
    let (one, two) = (admit(&ledger, "t", &[("a", None)]), admit(&ledger, "u", &[("a", None), ("b", None)]));
    ledger.postpone("a", at(100), "down", at(1)).unwrap();
    assert!(due(&ledger, "a", 99, false).is_empty());
    assert_eq!(due(&ledger, "a", 99, true), [one, two]);
    assert_eq!(due(&ledger, "b", 0, false), [two], "another inbox goes on");
    assert_eq!(ledger.totals(1, "a").unwrap().last_error.as_deref(), Some("down"));
}

#[test]
fn a_message_under_way_at_the_end_is_unknown_and_sent_again() {
    let (temporary, ledger) = ledger();
    let (one, two) = (admit(&ledger, "t", &[("a", None)]), admit(&ledger, "u", &[("a", None)]));
    ledger.start_attempts("a", &[(one, "m"), (two, "m")]).unwrap();
    ledger.record(&[settled(two, "a", Some(Outcome::Accepted))], at(1)).unwrap();
    drop(ledger);
    let ledger = Ledger::open(temporary.path()).unwrap();
    assert_eq!(ledger.sweep_under_way().unwrap(), 1);
    assert_eq!(ledger.sweep_under_way().unwrap(), 0);
    assert_eq!(ledger.totals(1, "a").unwrap().unknown, 1);
    assert_eq!(due(&ledger, "a", 1, false), [one]);
    assert_eq!(ledger.deliveries(&[one]).unwrap()[0][0].attempts, 1, "it counts as an attempt");
}

#[test]
fn a_content_that_was_accepted_is_recognised() {
    let (_t, ledger) = ledger();
    let one = admit(&ledger, "t", &[("a", None)]);
    ledger.record(&[settled(one, "a", Some(Outcome::Accepted))], at(1)).unwrap();
    admit(&ledger, "u", &[("a", None)]);
    let owed = ledger.due(Due { inbox: "a", now: at(1), hurry: false, after: one, limit: 9 }).unwrap();
    assert!(owed[0].duplicate);
}

#[test]
fn the_report_counts_what_each_inbox_is_owed() {
    let (_t, ledger) = ledger();
    let one = admit(&ledger, "t", &[("a", None), ("b", None)]);
    ledger.record(&[settled(one, "a", Some(Outcome::Accepted))], at(1)).unwrap();
    let directory = ledger.drop_directory("d").unwrap();
    let refused = Admission {
        refusal: Some("not well formed".to_owned()),
        dropped_at: at(7),
        ..admission("v", &[("a", Some(Outcome::Refused))])
    };
    ledger.admit(directory, &[refused]).unwrap();
    let report = ledger.report().unwrap();
    let a = &report.inboxes[0];
    assert_eq!((a.directory.as_str(), a.inbox.as_str(), a.pending), ("d", "a", 0));
    assert_eq!((a.accepted, a.refused, a.oldest_pending, a.last_error.as_deref()), (1, 1, None, None));
    let b = &report.inboxes[1];
    assert_eq!((b.inbox.as_str(), b.pending, b.oldest_pending), ("b", 1, Some(at(0))));
    assert_eq!(report.failing[0].refusal, "not well formed");
}

#[test]
fn an_inbox_fails_from_the_first_file_that_does_not_get_there_to_the_next_that_is_judged() {
    let (_t, ledger) = ledger();
    let (one, two) = (admit(&ledger, "t", &[("a", None)]), admit(&ledger, "u", &[("a", None)]));
    let since = || ledger.report().unwrap().inboxes[0].failing_since;
    let record = |file, outcome, seconds| ledger.record(&[settled(file, "a", outcome)], at(seconds)).unwrap();
    assert_eq!(since(), None);
    record(one, None, 1);
    record(two, None, 2);
    ledger.postpone("a", at(100), "down", at(3)).unwrap();
    assert!(since() == Some(at(1)) && ledger.is_in_trouble("a").unwrap());
    record(one, Some(Outcome::Refused), 4);
    assert!(since().is_none() && !ledger.is_in_trouble("a").unwrap(), "it has judged the file: it works");
    let last_error = || ledger.report().unwrap().inboxes[0].last_error.clone();
    assert_eq!(last_error().as_deref(), Some("SUCCESS: said"), "why is known all the same");
    record(two, Some(Outcome::Accepted), 5);
    assert_eq!((since(), last_error()), (None, None));
}

#[test]
fn an_inbox_that_takes_a_file_works_for_every_drop_directory() {
    let (_t, ledger) = ledger();
    let file = admit(&ledger, "t", &[("a", None)]);
    let other = ledger.drop_directory("e").unwrap();
    ledger.admit(other, &[admission("u", &[("a", None), ("b", None)])]).unwrap();
    let failing = || ledger.report().unwrap().inboxes.iter().filter(|row| row.failing_since.is_some()).count();
    ledger.postpone("a", at(100), "down", at(1)).unwrap();
    ledger.postpone("b", at(100), "down", at(1)).unwrap();
    assert_eq!(failing(), 3);
    ledger.record(&[settled(file, "a", Some(Outcome::Accepted))], at(2)).unwrap();
    assert_eq!(failing(), 1, "the other inbox");
}

#[test]
fn an_inbox_that_is_owed_nothing_more_does_not_fail() {
    let (_t, ledger) = ledger();
    let (one, two) = (admit(&ledger, "t", &[("a", None)]), admit(&ledger, "u", &[("a", None)]));
    let report = || ledger.report().unwrap().inboxes.remove(0);
    ledger.postpone("a", at(100), "down", at(1)).unwrap();
    let expired = |file| Settled { message: Some("too long".to_owned()), ..settled(file, "a", Some(Outcome::Expired)) };
    ledger.record(&[expired(one)], at(2)).unwrap();
    assert_eq!((report().failing_since, report().expired), (Some(at(1)), 1), "the other file does not get there");
    ledger.note_mended("a").unwrap();
    assert_eq!(report().failing_since, Some(at(1)), "that is still to be seen");
    ledger.record(&[expired(two)], at(3)).unwrap();
    assert_eq!((report().failing_since, report().expired), (None, 2));
    assert_eq!(report().last_error.as_deref(), Some("down"), "an expired file tells nothing new of the inbox");
    ledger.postpone("a", at(100), "no certificate", at(4)).unwrap();
    assert_eq!(report().failing_since, Some(at(4)));
    ledger.note_mended("a").unwrap();
    assert_eq!(report().failing_since, None);
}

#[test]
fn what_a_server_says_names_its_status_type_once() {
    assert_eq!(words(Some("BAD_MESSAGE"), Some("line 3")).as_deref(), Some("BAD_MESSAGE: line 3"));
    assert_eq!(
        words(Some("DENIED"), Some("the server answered DENIED")).as_deref(),
        Some("the server answered DENIED")
    );
    assert_eq!(words(Some("DENIED"), None).as_deref(), Some("DENIED"));
    assert_eq!(words(Some(""), Some("no")).as_deref(), Some("no"));
    assert_eq!(words(None, None), None);
}

#[test]
fn what_an_inbox_has_is_known_of_the_file_and_of_the_content() {
    let (_t, ledger) = ledger();
    let inboxes = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let file = admission("t", &[]);
    let had = |directory, change: &dyn Fn(&mut Admission)| {
        let mut file = file.clone();
        change(&mut file);
        ledger.had_before(directory, &[file], &inboxes).unwrap().remove(0)
    };
    ledger.note_settled_before(7, u64::MAX, &[7; 32], &["a".into(), "b".into()]).unwrap();
    assert_eq!(had(7, &|_| {}), [Had::ThisFile, Had::ThisFile, Had::Nothing]);
    assert_eq!(had(7, &|file| file.sha256 = Some([2; 32])), [Had::Nothing; 3], "its content has changed");
    assert_eq!(had(7, &|file| file.sha256 = None), [Had::Nothing; 3], "it was not read");
    assert_eq!(had(7, &|file| file.inode = 5), [Had::Nothing; 3], "another file");
    assert_eq!(had(8, &|_| {}), [Had::Nothing; 3], "another directory");
    let id = admit(&ledger, "before", &[("c", None)]);
    ledger.record(&[settled(id, "c", Some(Outcome::Accepted))], at(1)).unwrap();
    assert_eq!(had(7, &|_| {}), [Had::ThisFile, Had::ThisFile, Had::Content]);
    ledger.note_settled_before(7, u64::MAX, &[2; 32], &[]).unwrap();
    assert_eq!(had(7, &|_| {}), [Had::Nothing, Had::Nothing, Had::Content], "another file has its inode now");
}
