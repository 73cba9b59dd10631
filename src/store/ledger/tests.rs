//! Tests with a real database.
#![expect(clippy::disallowed_methods, reason = "tests look at real files from outside")]

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

mod deliveries;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn ledger() -> (TempDir, Ledger) {
    let temporary = TempDir::new().unwrap();
    let ledger = Ledger::open(temporary.path()).unwrap();
    (temporary, ledger)
}

fn cursor(seconds: i64) -> Cursor {
    Cursor { text: at(seconds).to_rfc3339(), at: at(seconds) }
}

fn key(label: impl Into<Option<i64>>, hash: u8) -> Key {
    Key { label: label.into(), hash: [hash; 16] }
}

fn block(seq: i64, key: Key) -> NewBlock {
    NewBlock { seq, name: format!("name-{seq}"), place: Place::Output, beside: false, key, size: 10 }
}

fn part(ledger: &Ledger, feed: FeedId, blocks: &[NewBlock]) -> PartId {
    let part = ledger.begin_part(feed).unwrap();
    ledger.add_blocks(feed, part, blocks, at(0)).unwrap();
    part
}

fn plan(ledger: &Ledger, sql: &str) -> String {
    let connection = ledger.lock();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
    rows.map(|row| row.unwrap() + "\n").collect()
}

#[test]
fn a_feed_keeps_its_cursor_until_its_identity_changes() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap();
    assert_eq!(feed.cursor, None);
    ledger.advance(feed.id, &After { cursor: Some(cursor(5)), empty: 2, ..After::default() }).unwrap();
    ledger.set_result(feed.id, Some("{}")).unwrap();
    let row = ledger.feed("f", "one").unwrap();
    assert_eq!((row.cursor, row.result.as_deref(), row.empty_total), (Some(cursor(5)), Some("{}"), 2));
    let row = ledger.feed("f", "two").unwrap();
    assert_eq!((row.id, row.cursor, row.result), (feed.id, None, None));
    assert_eq!(ledger.feed_by_name("other").unwrap(), None);
}

#[test]
fn a_committed_part_of_another_identity_does_not_move_the_cursor() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    let after = After { cursor: Some(cursor(5)), result: Some("r".into()), ..After::default() };
    for by_hand in [false, true] {
        let part = part(&ledger, feed, &[block(0, key(1, u8::from(by_hand)))]);
        ledger.commit_part(part, &after, None).unwrap();
        if by_hand {
            ledger.move_cursor(feed, Some(&cursor(1)), None).unwrap();
        } else {
            ledger.feed("f", "two").unwrap();
        }
        assert_eq!(ledger.finish_part(feed, part, at(9)).unwrap().files, 1);
        let row = ledger.feed_row(feed).unwrap();
        assert_eq!((row.cursor, row.result), (by_hand.then(|| cursor(1)), None));
    }
}

#[test]
fn a_part_is_known_from_its_list_on_and_finished_once() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    let part = part(&ledger, feed, &[block(0, key(1, 1)), block(1, key(2, 1)), block(2, key(None, 1))]);
    assert_eq!(ledger.add_blocks(feed, part, &[block(3, key(2, 1)), block(4, key(3, 3))], at(0)).unwrap(), [3]);
    assert!(ledger.known(feed, &key(1, 1), None).unwrap());
    assert!(!ledger.known(feed, &key(9, 1), None).unwrap(), "the same bytes under another label are another file");
    assert!(ledger.finish_part(feed, part, at(9)).is_err(), "not before it is committed");
    assert_eq!(ledger.unfinished_part(feed).unwrap(), Some((part, false)));
    let after = After { cursor: Some(cursor(5)), empty: 1, ..After::default() };
    ledger.commit_part(part, &after, None).unwrap();
    assert!(ledger.commit_part(part, &after, None).is_err());
    assert_eq!(ledger.unfinished_part(feed).unwrap(), Some((part, true)));
    assert_eq!(ledger.blocks(part, 0, 2).unwrap().iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(ledger.finish_part(feed, part, at(9)).unwrap(), Totals { files: 4, bytes: 40, quarantined: 0 });
    assert!(ledger.finish_part(feed, part, at(9)).is_err());
    let row = ledger.feed_row(feed).unwrap();
    assert_eq!((row.cursor, row.files_total, row.bytes_total), (Some(cursor(5)), 4, 40));
    assert_eq!((row.empty_total, row.last_content), (1, Some(at(9))));
    assert_eq!(ledger.unfinished_part(feed).unwrap(), None);
    assert!(ledger.known(feed, &key(3, 3), None).unwrap());
}

#[test]
fn of_many_blocks_those_that_are_known_are_left_out_wherever_they_stand() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    let many = |known: &[i64]| -> Vec<_> {
        let label = |seq: i64| if known.contains(&seq) { -1 } else { seq };
        (0..100).map(|seq| NewBlock { seq, ..block(0, key(label(seq), 1)) }).collect()
    };
    for (round, known) in [&[][..], &[0], &[31], &[32, 33], &[40, 99], &[96]].into_iter().enumerate() {
        let first = part(&ledger, feed, &[block(0, key(-1, 1))]);
        let part = part(&ledger, feed, &[]);
        assert_eq!(ledger.add_blocks(feed, part, &many(known), at(0)).unwrap(), known, "round {round}");
        let listed: Vec<_> = ledger.blocks(part, -1, 1000).unwrap().iter().map(|row| row.seq).collect();
        assert_eq!(listed, (0..100).filter(|seq| !known.contains(seq)).collect::<Vec<_>>());
        assert_eq!(ledger.add_blocks(feed, part, &many(&[]), at(0)).unwrap().len(), 100 - known.len());
        ledger.abandon_part(feed, part, &[]).unwrap();
        ledger.abandon_part(feed, first, &[]).unwrap();
        assert!(!ledger.known(feed, &key(50, 1), None).unwrap());
    }
}

#[test]
fn an_abandoned_part_is_forgotten_but_for_what_was_there_before() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    let first = part(&ledger, feed, &[block(0, key(1, 1))]);
    ledger.commit_part(first, &After::default(), Some(at(10))).unwrap();
    ledger.finish_part(feed, first, at(0)).unwrap();
    let second = part(&ledger, feed, &[block(0, key(1, 1)), block(1, key(2, 1)), block(2, key(3, 3))]);
    ledger.commit_part(second, &After::default(), Some(at(20))).unwrap();
    ledger.abandon_part(feed, second, &[2]).unwrap();
    assert!(ledger.known(feed, &key(1, 1), None).unwrap());
    assert!(!ledger.known(feed, &key(2, 1), None).unwrap());
    assert!(ledger.known(feed, &key(3, 3), None).unwrap(), "it was handed over");
    assert!(ledger.known(feed, &key(7, 1), Some(at(10))).unwrap(), "what came in the first result still did");
    assert_eq!(ledger.unfinished_part(feed).unwrap(), None);
    assert!(ledger.begin_part(feed).unwrap() > second, "a number is never used twice");
}

#[test]
fn contents_are_known_by_themselves_from_results_up_to_an_instant() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    for (upto, label) in [(10, 1), (20, 2)] {
        let part = part(&ledger, feed, &[block(0, key(label, 1))]);
        ledger.commit_part(part, &After::default(), Some(at(upto))).unwrap();
        ledger.finish_part(feed, part, at(0)).unwrap();
    }
    let known = |upto| ledger.known(feed, &key(9, 1), Some(at(upto))).unwrap();
    assert!(!known(9) && known(10) && known(25));
    let after = After { forget_recent_upto: Some(at(10)), ..After::default() };
    ledger.advance(feed, &after).unwrap();
    assert!(!known(15) && known(20), "what came again later is known from then on");
    let other = ledger.feed("g", "one").unwrap().id;
    assert!(!ledger.known(other, &key(9, 1), Some(at(99))).unwrap());
}

#[test]
fn results_that_a_server_ended_early_may_end_at_the_same_instant() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    for (upto, label, end) in [(10, 1, 10), (20, 2, 10), (20, 3, 10)] {
        let part = part(&ledger, feed, &[block(0, key(label, 1))]);
        let after = After { cursor: Some(cursor(end)), ..After::default() };
        ledger.commit_part(part, &after, Some(at(upto))).unwrap();
        ledger.finish_part(feed, part, at(0)).unwrap();
    }
    let known = |upto| ledger.known(feed, &key(9, 1), Some(at(upto))).unwrap();
    assert!(!known(9) && known(10));
}

#[test]
fn what_came_in_a_result_that_was_lost_is_remembered_until_the_cursor_has_passed_it() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    let again = |after| ledger.comes_again(feed, Some(at(after))).unwrap();
    assert!(!again(0) && !ledger.comes_again(feed, None).unwrap());
    let lost = part(&ledger, feed, &[block(0, key(1, 1))]);
    ledger.commit_part(lost, &After::default(), Some(at(20))).unwrap();
    ledger.finish_part(feed, lost, at(0)).unwrap();
    assert!(again(0) && again(19) && ledger.comes_again(feed, None).unwrap());
    // Half of it comes, and the server ends it early.
    let half = part(&ledger, feed, &[block(0, key(2, 2))]);
    let moved = |to, asked| After {
        cursor: Some(cursor(to)),
        asked_end: Some(at(asked)),
        forget_recent_upto: Some(at(to)),
        ..After::default()
    };
    ledger.commit_part(half, &moved(8, 10), Some(at(10))).unwrap();
    ledger.finish_part(feed, half, at(0)).unwrap();
    assert!(again(8) && ledger.known(feed, &key(9, 1), Some(at(20))).unwrap());
    assert!(!ledger.known(feed, &key(9, 2), Some(at(20))).unwrap(), "this result is complete");
    ledger.advance(feed, &moved(20, 20)).unwrap();
    assert!(!again(20) && !ledger.known(feed, &key(9, 1), Some(at(99))).unwrap());
}

#[test]
fn old_fingerprints_are_forgotten_a_slice_at_a_time() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    let other = ledger.feed("g", "one").unwrap().id;
    for (feed, when) in [(feed, 0), (feed, 100), (other, 0)] {
        let part = ledger.begin_part(feed).unwrap();
        let blocks: Vec<_> = (0..50).map(|n| block(n, key((n > 0).then_some(n * 2 + when / 100), n as u8))).collect();
        ledger.add_blocks(feed, part, &blocks, at(when)).unwrap();
    }
    let count = |feed: FeedId| {
        let connection = ledger.lock();
        let sql = "SELECT count(*) FROM fingerprint WHERE feed = ?1";
        connection.query_row(sql, [feed], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(count(feed), 99, "without a label the same bytes are the same");
    let (mut from, mut slices) = (None, 0);
    loop {
        from = ledger.forget_fingerprints(feed, at(50), from, 10).unwrap();
        slices += 1;
        if from.is_none() {
            break;
        }
    }
    assert_eq!((count(feed), count(other), slices), (49, 50, 10));
}

#[test]
fn cursor_set_again_forgets_what_is_later_and_what_has_no_label() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    let micros = |seconds| at(seconds).timestamp_micros();
    part(&ledger, feed, &[block(0, key(micros(1), 1)), block(1, key(micros(9), 2)), block(2, key(None, 3))]);
    let known = |key| ledger.known(feed, &key, None).unwrap();
    ledger.move_cursor(feed, Some(&cursor(5)), None).unwrap();
    assert!(known(key(micros(9), 2)) && known(key(None, 3)), "without --again everything stays known");
    ledger.move_cursor(feed, Some(&cursor(5)), Some(at(5))).unwrap();
    assert!(known(key(micros(1), 1)) && !known(key(micros(9), 2)) && !known(key(None, 3)));
}

#[test]
fn errors_and_successes_are_noted() {
    let (_t, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    ledger.note_error(feed, at(1), "down", Some(at(60)), 7).unwrap();
    ledger.note_error(feed, at(2), "still down", None, 7).unwrap();
    ledger.set_next_poll(feed, at(90)).unwrap();
    let row = ledger.feed_row(feed).unwrap();
    assert_eq!((row.failures, row.last_error.as_deref(), row.not_before), (2, Some("still down"), None));
    ledger.note_success(feed, at(3), 250).unwrap();
    let row = ledger.feed_row(feed).unwrap();
    assert_eq!((row.failures, row.last_error, row.last_success, row.skew), (0, None, Some(at(3)), 250));
    assert_eq!(row.next_poll, Some(at(90)));
}

#[test]
fn somebody_else_reads_while_the_agent_writes() {
    let (temporary, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    let status = Ledger::open_to_read(temporary.path()).unwrap().unwrap();
    assert_eq!(status.report().unwrap().feeds.len(), 1);
    ledger.advance(feed, &After { cursor: Some(cursor(5)), ..After::default() }).unwrap();
    assert_eq!(status.report().unwrap().feeds[0].cursor, Some(cursor(5)));
    assert!(status.feed("g", "x").is_err(), "it only reads");
    let again = Ledger::open(temporary.path()).unwrap();
    assert_eq!(again.feed_row(feed).unwrap().cursor, Some(cursor(5)));
}

#[test]
fn a_ledger_is_read_after_a_crash_left_its_log() {
    let (temporary, ledger) = ledger();
    ledger.feed("f", "one").unwrap();
    let copy = TempDir::new().unwrap();
    for name in ["ledger.db", "ledger.db-wal"] {
        std::fs::copy(temporary.path().join(name), copy.path().join(name)).unwrap();
    }
    assert!(copy.path().join("ledger.db-wal").metadata().unwrap().len() > 0);
    let status = Ledger::open_to_read(copy.path()).unwrap().unwrap();
    assert_eq!(status.report().unwrap().feeds.len(), 1);
    drop(status);
    assert_eq!(Ledger::open(copy.path()).unwrap().feed("f", "one").unwrap().name, "f");
}

#[test]
fn before_anything_ran_there_is_no_ledger_and_none_is_made() {
    let temporary = TempDir::new().unwrap();
    assert!(Ledger::open_to_read(temporary.path()).unwrap().is_none());
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
    std::fs::write(temporary.path().join(FILE_NAME), "").unwrap();
    assert!(Ledger::open_to_read(temporary.path()).unwrap().is_none(), "it is about to be made");
}

#[test]
fn a_damaged_a_foreign_and_a_newer_ledger_are_refused() {
    let (temporary, ledger) = ledger();
    let path = temporary.path().join(FILE_NAME);
    drop(ledger);
    let whole = std::fs::read(&path).unwrap();
    let set = |sql: &str| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let refused = || {
        let (written, read) = (Ledger::open(temporary.path()), Ledger::open_to_read(temporary.path()));
        assert!(read.is_err());
        written.unwrap_err()
    };
    set("PRAGMA user_version = 4");
    assert!(matches!(refused(), LedgerError::Newer { found: 4, known: 3, .. }));
    set("PRAGMA user_version = 3; PRAGMA application_id = 7");
    assert!(matches!(refused(), LedgerError::Damaged { .. }));
    std::fs::write(&path, "not a database, but long enough to be looked at as one").unwrap();
    assert!(matches!(refused(), LedgerError::Damaged { .. }));
    std::fs::write(&path, &whole).unwrap();
    assert!(Ledger::open(temporary.path()).is_ok(), "none of this changed anything");
}

#[test]
fn an_older_ledger_is_read_as_it_is_and_brought_up_to_date_by_whoever_writes() {
    let temporary = TempDir::new().unwrap();
    schema::make_first_format(&Connection::open(temporary.path().join(FILE_NAME)).unwrap()).unwrap();
    let report = Ledger::open_to_read(temporary.path()).unwrap().unwrap().report().unwrap();
    assert_eq!(report.drops, []);
    let ledger = Ledger::open(temporary.path()).unwrap();
    ledger.note_drop_trouble("d", Some("cannot write")).unwrap();
    assert_eq!(ledger.report().unwrap().drops, [("d".to_owned(), "cannot write".to_owned())]);
    ledger.note_drop_trouble("d", None).unwrap();
    assert_eq!(Ledger::open_to_read(temporary.path()).unwrap().unwrap().report().unwrap().drops, []);
}

#[test]
fn the_feeds_of_an_older_ledger_are_read_as_they_are_and_brought_up_to_date() {
    let (temporary, ledger) = ledger();
    ledger.feed("f", "one").unwrap();
    drop(ledger);
    let old = "ALTER TABLE feed DROP COLUMN first_try; ALTER TABLE feed DROP COLUMN data_set;
               ALTER TABLE drop_directory DROP COLUMN path; ALTER TABLE drop_directory DROP COLUMN last_error;
               ALTER TABLE inbox_total DROP COLUMN server;
               ALTER TABLE inbox_total DROP COLUMN expired; ALTER TABLE inbox_total DROP COLUMN failing_since;
               PRAGMA user_version = 1";
    Connection::open(temporary.path().join(FILE_NAME)).unwrap().execute_batch(old).unwrap();
    let read = Ledger::open_to_read(temporary.path()).unwrap().unwrap();
    assert_eq!(read.report().unwrap().feeds[0].first_try, None);
    drop(read);
    let ledger = Ledger::open(temporary.path()).unwrap();
    let feed = ledger.feed("f", "one").unwrap().id;
    ledger.note_try(feed, at(5)).unwrap();
    ledger.note_try(feed, at(9)).unwrap();
    assert_eq!(ledger.feed_row(feed).unwrap().first_try, Some(at(5)), "the first time stays");
    ledger.note_try(feed, at(3)).unwrap();
    assert_eq!(ledger.feed_row(feed).unwrap().first_try, Some(at(3)), "unless our clock was put back");
    assert_eq!(ledger.feed("f", "two").unwrap().first_try, None);
}

#[test]
fn a_damaged_page_is_damage_and_not_an_empty_answer() {
    let (temporary, ledger) = ledger();
    ledger.feed("f", "one").unwrap();
    drop(ledger);
    let path = temporary.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let error = Ledger::open(temporary.path()).and_then(|ledger| ledger.feed_by_name("f")).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
    assert!(error.hint().contains("nothing is lost"));
}

#[test]
fn every_transaction_sets_its_own_durability() {
    let (_t, ledger) = ledger();
    let level = |t: &Transaction<'_>| t.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0));
    assert_eq!(ledger.write_relaxed(level).unwrap(), 1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = ledger.write_relaxed::<()>(|t| {
            t.execute("DELETE FROM feed", [])?;
            panic!("in the middle")
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(ledger.write(level).unwrap(), 2, "FULL, whatever became of the one before");
}

#[test]
fn the_statements_that_meet_many_rows_use_an_index() {
    let (_t, ledger) = ledger();
    for (sql, index) in [
        (
            "SELECT 1 FROM fingerprint WHERE feed = 1 AND label = 1 AND hash = x'00'",
            "PRIMARY KEY (feed=? AND label=? AND hash=?)",
        ),
        (
            "DELETE FROM fingerprint WHERE feed = 1 AND (label, hash) IN (SELECT label, hash FROM block WHERE part = 1)",
            "SEARCH fingerprint USING PRIMARY KEY (feed=? AND label=? AND hash=?)",
        ),
        (
            "SELECT label, hash FROM fingerprint WHERE feed = 1 AND (label, hash) > (1, x'') ORDER BY label, hash LIMIT 1 OFFSET 9",
            "PRIMARY KEY (feed=? AND (label,hash)>(?,?))",
        ),
        ("SELECT 1 FROM recent WHERE feed = 1 AND hash = x'00' AND upto <= 5", "(feed=? AND hash=? AND upto<?)"),
        ("SELECT 1 FROM recent WHERE feed = 1 AND upto > 5 LIMIT 1", "recent_upto (feed=? AND upto>?)"),
        ("DELETE FROM recent WHERE feed = 1 AND upto <= 5", "recent_upto (feed=? AND upto<?)"),
        ("SELECT * FROM file WHERE directory = 1 AND claimed = 0 ORDER BY id", "file_unclaimed"),
        ("SELECT * FROM file WHERE directory = 1 AND claimed = 1 AND owed = 0 ORDER BY id LIMIT 9", "file_finished"),
        ("SELECT 1 FROM delivery WHERE inbox = 'a' AND outcome IS NULL AND file > 1 ORDER BY file", "delivery_owed"),
        ("SELECT id, committed FROM part WHERE feed = 1 ORDER BY id LIMIT 1", "part_feed"),
        ("SELECT seq FROM block WHERE part = 1 AND seq > 5 ORDER BY seq LIMIT 9", "PRIMARY KEY (part=? AND seq>?)"),
    ] {
        let plan = plan(&ledger, sql);
        assert!(plan.contains(index) && !plan.contains("SCAN") && !plan.contains("B-TREE"), "{sql}\n{plan}");
    }
}

#[test]
fn four_connections_write_at_once_and_none_is_turned_away() {
    let (temporary, ledger) = ledger();
    let feed = ledger.feed("f", "one").unwrap().id;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = temporary.path();
            scope.spawn(move || {
                let own = Ledger::open(path).unwrap();
                for n in 0..25 {
                    let part = own.begin_part(feed).unwrap();
                    own.add_blocks(feed, part, &[block(0, key(thread * 100 + n, 1))], at(0)).unwrap();
                    own.commit_part(part, &After { empty: 1, ..After::default() }, None).unwrap();
                    own.finish_part(feed, part, at(1)).unwrap();
                }
            });
        }
    });
    let row = ledger.feed_row(feed).unwrap();
    assert_eq!((row.files_total, row.empty_total), (100, 100));
    assert!(at(1) + TimeDelta::zero() == row.last_content.unwrap());
}
