//! Results in many parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;
use taxii_sync::practice::{Act, Quirk, Service, StatusReply};

use crate::common::{World, all_numbered, for_each, minutes_ago, numbered, time};

/// Five blocks, two in a part: three parts.
fn five_blocks() -> World {
    let world = World::with(|options| options.max_result_size = 2).feed("");
    world.add_numbered(5);
    world
}

/// Everything is there, and the cursor is the asked end.
#[track_caller]
fn assert_complete(world: &World) {
    assert_eq!(world.texts(), all_numbered(5));
    let asked = world.polls().last().unwrap().end.clone().unwrap().at;
    assert_eq!(world.cursor(), Some(asked));
}

fn parts_asked(world: &World) -> Vec<u32> {
    world.fulfilments().iter().map(|one| one.part).collect()
}

#[test]
fn every_part_is_asked_for_once_and_in_order() {
    let world = five_blocks();
    world.run_once().ended(0);
    assert_complete(&world);
    assert_eq!(parts_asked(&world), [2, 3]);
    let second = world.files().into_iter().nth(2).unwrap();
    assert_eq!(world.metadata(&second)["part"], 2);
    assert_eq!(world.metadata(&second)["result_id"], world.fulfilments()[0].result_id.as_str());
    let first = world.files().into_iter().next().unwrap();
    assert_eq!(world.metadata(&first)["result_id"], world.fulfilments()[0].result_id.as_str(), "the reply says so");
}

#[test]
fn an_empty_part_with_more_is_not_the_end() {
    let world = five_blocks();
    world.script(Service::Poll, vec![Act::poll(Quirk::EmptyPart(2))]);
    world.run_once().ended(0);
    assert_complete(&world);
    assert_eq!(parts_asked(&world), [2, 3, 4]);
}

#[test]
fn an_empty_last_part_is_the_end() {
    let world = five_blocks();
    world.script(Service::Poll, vec![Act::poll(Quirk::EmptyPart(99))]);
    world.run_once().ended(0);
    assert_complete(&world);
    assert_eq!(parts_asked(&world), [2, 3, 4]);
}

#[test]
fn more_is_read_as_a_boolean_however_it_is_written() {
    for_each(["1", "TRUE", "True", " true "], |more| {
        let world = five_blocks();
        world.script(Service::Poll, vec![Act::poll(Quirk::More(more.to_owned()))]);
        world.run_once().ended(0);
        assert_complete(&world);
    });
}

/// A first part that says this of others, with the end of the whole result.
fn first_part(more: &str) -> Act {
    Act::poll(Quirk::More(more.to_owned())).quirk(Quirk::WholeRange)
}

#[test]
fn more_that_is_no_boolean_is_more_where_there_is_a_result_id() {
    for_each(["yes", "on", "maybe"], |more| {
        let world = five_blocks();
        world.script(Service::Poll, vec![Act::poll(Quirk::More(more.to_owned()))]);
        world.run_once().ended(0);
        assert_complete(&world);
        let world = five_blocks();
        world.script(Service::Poll, vec![first_part(more).quirk(Quirk::NoResultId)]);
        world.run_once().ended(0).said("taken as no more");
        assert_eq!(parts_asked(&world), [0; 0]);
    });
    for_each(["", " ", "0", " FALSE "], |more| {
        let world = five_blocks();
        world.script(Service::Poll, vec![first_part(more)]);
        let ran = world.run_once();
        assert!(!ran.ended(0).stderr.contains("taken as no more"), "{more:?}: {}", ran.stderr);
        assert_eq!((parts_asked(&world).len(), world.texts()), (0, all_numbered(2)), "{more:?}");
    });
}

#[test]
fn more_without_a_result_id_fails_and_the_cursor_stays() {
    let world = five_blocks();
    world.practice.forever(Service::Poll, Act::poll(Quirk::NoResultId));
    world.run_once().ended(1).said("result_id");
    assert_eq!(world.cursor(), None);
    assert_eq!(world.polls().len(), 1);
}

#[test]
fn a_part_that_is_repeated_for_ever_ends_the_poll_and_is_handed_over_once() {
    let world = five_blocks();
    world.practice.forever(Service::Poll, Act::poll(Quirk::RepeatPart));
    world.run_once().ended(1).said("the same blocks");
    assert_eq!(world.texts(), all_numbered(2));
    assert_eq!(world.cursor(), None);
    assert!(world.practice.requests().len() <= 4);
    world.practice.honest(Service::Poll);
    world.run_once().ended(0);
    assert_complete(&world);
}

#[test]
fn part_1_that_comes_once_more_instead_of_part_3_loses_nothing() {
    let world = five_blocks();
    world.script(Service::Poll, vec![Act::honest(), Act::honest(), Act::poll(Quirk::RepeatPart)]);
    world.run_once().ended(1).said("parts 1 and 3 hold the same blocks");
    assert_eq!(world.cursor(), None);
    world.run_once().ended(0);
    assert_complete(&world);
}

#[test]
fn parts_of_equal_blocks_without_labels_are_no_repetition_unless_they_come_in_a_row() {
    let contents = |third: i64| {
        Act::change(move |reply| {
            let number = match reply.part.as_deref() {
                Some("2") => 1,
                Some("3") => third,
                Some("4") => 3,
                _ => 0,
            };
            if let Some(block) = reply.blocks.first_mut() {
                block.label = None;
                block.content = numbered(number).into();
            }
        })
    };
    let world = World::with(|options| options.max_result_size = 1).feed("");
    world.add_numbered(4);
    world.practice.forever(Service::Poll, contents(1));
    world.run_once().ended(1).said("parts 2 and 3 hold the same blocks");
    world.practice.forever(Service::Poll, contents(0));
    world.run_once().ended(0);
    let mut texts = world.texts();
    texts.sort();
    assert_eq!(texts, [numbered(0), numbered(1), numbered(3)]);
    assert!(world.cursor().is_some());
}

#[test]
fn a_wrong_part_is_thrown_away_and_asked_for_again() {
    let world = five_blocks();
    world.script(Service::Poll, vec![Act::honest(), Act::poll(Quirk::PartNumber("7".to_owned()))]);
    world.run_once().ended(0);
    assert_complete(&world);
    assert_eq!(parts_asked(&world), [2, 2, 3]);
}

#[test]
fn a_wrong_part_twice_in_a_row_ends_the_poll() {
    let world = five_blocks();
    world.script(Service::Poll, vec![Act::honest()]);
    world.practice.forever(Service::Poll, Act::poll(Quirk::PartNumber("1".to_owned())));
    world.run_once().ended(1).said("part 1 when asked for part 2");
    assert_eq!(parts_asked(&world), [2, 2]);
    assert_eq!(world.cursor(), None);
    world.practice.honest(Service::Poll);
    world.run_once().ended(0);
    assert_complete(&world);
}

#[test]
fn parts_without_a_number_are_the_ones_asked_for() {
    let world = five_blocks();
    world.practice.forever(Service::Poll, Act::change(|reply| reply.part = None));
    world.run_once().ended(0);
    assert_complete(&world);
}

#[test]
fn a_result_id_is_sent_back_byte_for_byte_and_never_becomes_a_name() {
    for_each(["1582588800404:1582675200404", "../../x y", "a/b?c=%20&amp;d"], |id| {
        let world = five_blocks();
        // Scripts write attributes as they are given: what is sent back is what the attribute means.
        let meant = id.replace("&amp;", "&");
        world.practice.forever(Service::Poll, Act::poll(Quirk::ResultId(meant.clone())));
        world.run_once().ended(0);
        assert_complete(&world);
        assert!(world.fulfilments().iter().all(|one| one.result_id == meant), "{:?}", world.fulfilments());
        assert!(world.files().iter().all(|name| !name.contains([':', '/', ' '])));
    });
}

#[test]
fn a_result_that_expires_at_part_3_is_asked_for_again_and_nothing_comes_twice() {
    let gone = ["NOT_FOUND", "ASYNCHRONOUS_POLL_ERROR", "INVALID_RESPONSE_PART", "DENIED", "BAD_MESSAGE", "SUCCESS"];
    for_each(gone, |status| {
        let world = five_blocks();
        let status = StatusReply::new(status);
        world.script(Service::Poll, vec![Act::honest(), Act::honest(), Act::status(status)]);
        world.run_once().ended(0).said("lost");
        assert_complete(&world);
        assert_eq!(world.polls().len(), 2);
        assert_eq!(world.polls()[0].end, world.polls()[1].end, "the same range");
    });
}

#[test]
fn a_result_that_is_lost_again_and_again_is_not_asked_for_in_a_hot_loop() {
    let world = five_blocks();
    let lost = || Act::status("NOT_FOUND");
    world.script(Service::Poll, (0..40).flat_map(|_| [Act::honest(), lost()]).collect());
    world.run_once().ended(1);
    assert!(world.practice.requests().len() <= 6, "{}", world.practice.requests().len());
    assert_eq!(world.cursor(), None);
    assert_eq!(world.texts(), all_numbered(2));
}

#[test]
fn an_http_error_at_part_3_is_tried_again_and_the_next_run_goes_on_with_part_3() {
    let world = five_blocks();
    world.script(Service::Poll, vec![Act::honest(), Act::honest()]);
    world.practice.forever(Service::Poll, Act::http(500, "text/html", "<html>oops</html>"));
    world.run_once().ended(1).said("500");
    assert_eq!(parts_asked(&world), [2, 3, 3, 3]);
    assert_eq!(world.texts(), all_numbered(4));
    assert_eq!(world.cursor(), None);
    world.practice.honest(Service::Poll);
    world.run_once().ended(0);
    assert_complete(&world);
    assert!(world.polls()[1..].iter().all(|poll| poll.begin == world.polls()[0].end), "it is not asked for anew");
}

#[test]
fn a_result_that_expired_between_two_runs_is_asked_for_again_and_nothing_comes_twice() {
    let world = five_blocks();
    world.script(Service::Poll, vec![Act::honest(), Act::http(404, "text/plain", "")]);
    world.run_once().ended(1);
    world.practice.expire_results();
    world.run_once().ended(0);
    assert_complete(&world);
}

#[test]
fn a_result_at_an_address_that_is_not_configured_any_more_is_asked_for_anew_at_the_new_one() {
    let world = five_blocks();
    world.script(Service::Poll, vec![Act::honest()]);
    world.practice.forever(Service::Poll, Act::http(503, "text/plain", "busy"));
    world.run_once().ended(1);
    assert_eq!(world.texts(), all_numbered(2));
    let other = five_blocks();
    let [poll, inbox] = ["poll", "inbox"].map(|service| other.practice.url(service));
    let world = world.server(&format!("poll = \"{poll}\"\ninbox = \"{inbox}\""));
    other.script(Service::Poll, vec![Act::http(404, "text/plain", "")]);
    world.run_once().ended(1).said("at an address that is not configured any more");
    let ran = world.run_once();
    assert!(!ran.ended(0).stderr.contains("not configured any more"), "{}", ran.stderr);
    assert_eq!(world.texts(), all_numbered(5));
    assert!(world.cursor().is_some());
}

/// Other labels in every answer, as servers give them that make labels when they answer.
fn new_labels() -> Act {
    let since = minutes_ago(25);
    let made = Arc::new(AtomicI64::new(0));
    Act::change(move |reply| {
        for block in &mut reply.blocks {
            let label = since + TimeDelta::seconds(made.fetch_add(1, Ordering::Relaxed));
            block.label = Some(label.to_rfc3339());
        }
    })
}

#[test]
fn what_comes_again_under_new_labels_after_its_result_was_lost_is_known_in_later_runs_too() {
    let world = five_blocks();
    let (fresh, lost) = (new_labels(), || Act::status("NOT_FOUND"));
    for _ in 0..3 {
        world.script(Service::Poll, vec![fresh.clone(), lost(), fresh.clone(), lost()]);
        world.run_once().ended(1);
        assert_eq!(world.texts(), all_numbered(2));
    }
    world.practice.forever(Service::Poll, fresh);
    world.run_once().ended(0);
    assert_eq!(world.texts(), all_numbered(5));
}

#[test]
fn what_comes_again_under_new_labels_in_the_half_of_a_range_is_known() {
    let world = five_blocks();
    let fresh = new_labels();
    world.script(Service::Poll, vec![fresh.clone(), Act::bytes("<broken")]);
    world.practice.forever(Service::Poll, fresh);
    world.run_once().ended(0).said("half of the range");
    assert_eq!(world.texts(), all_numbered(5));
}

#[test]
fn the_same_bytes_under_two_labels_in_one_result_are_two_files() {
    let world = World::with(|options| options.max_result_size = 1).feed("");
    for seconds in 0..3 {
        world.add(minutes_ago(30) + TimeDelta::seconds(seconds), &numbered(seconds % 2));
    }
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(0), numbered(1), numbered(0)]);
}

#[test]
fn the_cursor_is_the_end_of_the_last_part_alone() {
    // OpenTAXII repeats one end on every part; others give each part its own.
    for_each([Quirk::WholeRange, Quirk::NoBegin], |quirk| {
        let world = five_blocks();
        world.script(Service::Poll, vec![Act::poll(quirk), Act::http(404, "text/plain", "")]);
        world.run_once().ended(1);
        assert_eq!(world.cursor(), None);
        world.run_once().ended(0);
        assert_complete(&world);
    });
}

#[test]
fn a_reply_for_another_collection_is_refused() {
    let world = five_blocks();
    world.practice.forever(Service::Poll, Act::poll(Quirk::CollectionName("other".to_owned())));
    world.run_once().ended(1).said("other");
    assert_eq!((world.files().len(), world.cursor()), (0, None));
}

#[test]
fn a_block_that_a_live_query_repeats_in_the_next_part_is_handed_over_once() {
    // OpenTAXII pages a live query: a block inserted between two parts shifts the rest by one.
    let world = five_blocks();
    let again = minutes_ago(30);
    world.script(
        Service::Poll,
        vec![
            Act::honest(),
            Act::change(move |reply| {
                let mut repeated = reply.blocks[0].clone();
                repeated.content = numbered(0).into();
                repeated.label = Some(again.to_rfc3339());
                reply.blocks.insert(0, repeated);
            }),
        ],
    );
    world.run_once().ended(0);
    assert_eq!(world.texts().len(), 5);
    assert!(time(world.feed_status()["cursor"].as_str().unwrap()) > again);
}
