//! Replies that break off, and replies that are written in other ways.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use taxii_sync::practice::{Act, Close, Envelope, Framing, Service};

use crate::common::{World, all_numbered, for_each, minutes_ago, numbered};

/// An hour with five blocks in it.
fn five_blocks() -> World {
    let world = World::new().feed("");
    world.add_numbered(5);
    world
}

/// How a server can end a reply before it is complete: a Content-Length that is not reached, a chunk that does not come, a
/// message that has no end.
fn ends() -> Vec<Act> {
    vec![
        Act::honest().framing(Framing::ChunkedOpen),
        Act::honest().framing(Framing::LengthOff(10)),
        Act::honest().framing(Framing::Honest).cut(900, Close::Fin),
        Act::honest().framing(Framing::Chunked).cut(900, Close::Fin),
        Act::honest().framing(Framing::UntilClose).cut(900, Close::Fin),
    ]
}

/// Connections that break in the middle of a reply.
fn breaks() -> Vec<Act> {
    let framings = [Framing::Honest, Framing::Chunked, Framing::UntilClose];
    framings.into_iter().map(|framing| Act::honest().framing(framing).cut(900, Close::Reset)).collect()
}

/// Begin and end of what was asked for, one request after the other.
fn bounds(world: &World) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    world.polls().into_iter().map(|poll| (poll.begin.unwrap().at, poll.end.unwrap().at)).collect()
}

#[track_caller]
fn assert_half(half: (DateTime<Utc>, DateTime<Utc>), (begin, end): (DateTime<Utc>, DateTime<Utc>)) {
    assert_eq!(half.0, begin);
    let middle = begin + (end - begin) / 2;
    assert!((half.1 - middle).abs() < TimeDelta::seconds(1), "{} is not {middle}", half.1);
}

#[test]
fn a_reply_whose_connection_breaks_is_asked_for_again_and_nothing_of_it_is_handed_over() {
    for_each(breaks(), |cut| {
        let world = five_blocks();
        world.script(Service::Poll, vec![cut.clone(), cut.clone()]);
        world.run_once().ended(0);
        assert_eq!(world.texts(), all_numbered(5), "{cut:?}");
        let asked = bounds(&world);
        assert!(asked.len() >= 3 && asked[1] == asked[0] && asked[2] == asked[0], "{cut:?}: {asked:?}");
        let at: Vec<_> = world.practice.requests().iter().map(|seen| seen.at).collect();
        assert!(at[2] - at[0] >= TimeDelta::seconds(1), "{cut:?}: there are pauses");
        assert_eq!(world.cursor(), Some(asked[2].1.max(asked.last().unwrap().1)));
    });
}

#[test]
fn a_reply_whose_connection_breaks_three_times_is_asked_for_in_halves() {
    for_each(breaks(), |cut| {
        let world = five_blocks();
        world.script(Service::Poll, vec![cut.clone(); 3]);
        world.run_once().ended(0);
        assert_eq!(world.texts(), all_numbered(5), "{cut:?}");
        let asked = bounds(&world);
        assert!(asked[1] == asked[0] && asked[2] == asked[0], "{cut:?}: {asked:?}");
        assert_half(asked[3], asked[0]);
        assert!(asked.iter().any(|one| one.1 == asked[0].1 && one.0 > asked[0].0), "{cut:?}: the rest comes too");
    });
}

#[test]
fn of_a_reply_that_is_cut_nothing_is_handed_over_and_half_of_the_range_is_asked_for() {
    for_each(ends(), |cut| {
        let world = five_blocks();
        world.script(Service::Poll, vec![cut.clone()]);
        world.run_once().ended(0);
        assert_eq!(world.texts(), all_numbered(5), "{cut:?}");
        let asked = bounds(&world);
        assert_half(asked[1], asked[0]);
        assert_eq!(world.cursor(), Some(asked.last().unwrap().1), "{cut:?}");
    });
}

/// A range was halved down to one second.
#[track_caller]
fn assert_down_to_one_second(world: &World) {
    assert_eq!((world.files().len(), world.cursor()), (0, None));
    let (begin, end) = bounds(world).pop().unwrap();
    assert!(end - begin <= TimeDelta::milliseconds(1001), "{begin} {end}");
}

#[test]
fn a_connection_that_always_breaks_is_trouble_of_the_network_and_not_of_the_content() {
    for_each([Framing::Honest, Framing::Chunked], |framing| {
        let world = five_blocks();
        world.practice.forever(Service::Poll, Act::honest().framing(framing).cut(300, Close::Reset));
        let ran = world.run_once();
        ran.ended(1).said("look at the network");
        assert!(!ran.stderr.contains("cursor set"), "{}", ran.stderr);
        assert_down_to_one_second(&world);
        let asked = bounds(&world);
        assert!((12..=30).contains(&asked.len()), "{}", asked.len());
        assert!(asked[1] == asked[0] && asked[2] == asked[0], "{asked:?}");
        world.practice.honest(Service::Poll);
        world.run_once().ended(0);
        assert_eq!(world.texts(), all_numbered(5));
    });
}

#[test]
fn a_reply_that_is_always_cut_is_never_asked_for_twice_down_to_one_second() {
    for_each([Framing::Honest, Framing::Chunked, Framing::UntilClose], |framing| {
        let world = five_blocks();
        world.practice.forever(Service::Poll, Act::honest().framing(framing).cut(300, Close::Fin));
        world.run_once().ended(1).said("cursor set");
        assert_down_to_one_second(&world);
        let asked = bounds(&world);
        assert!((10..=16).contains(&asked.len()), "{}", asked.len());
        assert_eq!(asked.iter().collect::<HashSet<_>>().len(), asked.len(), "a range was asked for twice");
    });
}

#[test]
fn what_lies_before_an_unreadable_reply_is_handed_over_and_the_error_names_the_way_past_it() {
    let world = World::new().feed("");
    let bad = minutes_ago(20);
    world.add(minutes_ago(30), &numbered(1));
    world.add(bad, "<a><b></a>");
    world.add(minutes_ago(10), &numbered(2));
    let ran = world.run_once();
    ran.ended(1).said("cursor set indicators");
    assert_eq!(world.texts(), [numbered(1)]);
    let cursor = world.cursor().unwrap();
    assert!(cursor < bad && bad - cursor <= TimeDelta::seconds(2), "{cursor} is just before {bad}");
    // It costs a logarithm, not a walk.
    assert!(world.polls().len() <= 30, "{}", world.polls().len());
    let count = world.polls().len();
    world.run_once().ended(1);
    assert!(world.polls().len() > count, "it is tried again");
    assert_eq!(world.texts(), [numbered(1)]);
}

#[test]
fn an_unreadable_part_refuses_its_whole_result_and_nothing_comes_twice() {
    let world = World::with(|options| options.max_result_size = 2).feed("");
    world.add_numbered(5);
    world.script(Service::Poll, vec![Act::honest(), Act::honest().cut(700, Close::Fin)]);
    world.run_once().ended(0);
    assert_eq!(world.texts(), all_numbered(5));
    assert_eq!(world.cursor(), Some(world.polls()[0].end.clone().unwrap().at));
}

#[test]
fn a_reply_with_a_doctype_is_refused() {
    let world = five_blocks();
    let reply = concat!(
        "<?xml version=\"1.0\"?><!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
        "<t:Poll_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" message_id=\"1\" ",
        "in_response_to=\"1\" collection_name=\"default\"><t:Content_Block><t:Content_Binding binding_id=\"a\"/>",
        "<t:Content>&x;</t:Content></t:Content_Block></t:Poll_Response>"
    );
    world.practice.forever(Service::Poll, Act::bytes(reply));
    world.run_once().ended(1).said("DOCTYPE");
    assert_eq!((world.files().len(), world.quarantine().len(), world.cursor()), (0, 0, None));
}

#[test]
fn a_reply_may_be_written_in_other_encodings_and_with_space_before_it() {
    let envelopes = [
        Envelope::NoDeclaration,
        Envelope::Bom,
        Envelope::NewlineFirst,
        Envelope::NewlineNoDeclaration,
        Envelope::Utf16Le,
        Envelope::Utf16Be,
        Envelope::Latin1,
    ];
    let block = "<n a=\"\u{e9}\">gr\u{fc}n \u{4e2d} \u{1f600}</n>";
    let plain = {
        let world = World::new().feed("");
        world.add(minutes_ago(10), block);
        world.run_once().ended(0);
        world.the_file().1
    };
    assert_eq!(plain, block.as_bytes());
    for_each(envelopes, |envelope| {
        let world = World::new().feed("");
        world.add(minutes_ago(10), block);
        world.practice.forever(Service::Poll, Act::honest().envelope(envelope));
        world.run_once().ended(0);
        let bytes = world.the_file().1;
        if envelope == Envelope::Latin1 {
            // What ISO-8859-1 lacks was sent as references, and stays one.
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.replace("&#20013;", "\u{4e2d}").replace("&#128512;", "\u{1f600}"), block);
        } else {
            assert_eq!(bytes, plain, "{envelope:?}");
        }
    });
}

#[test]
fn a_compressed_reply_in_small_pieces_is_the_same_reply() {
    let pause = std::time::Duration::from_millis(1);
    for act in [
        Act::honest().gzip(),
        Act::honest().gzip().framing(Framing::Chunked).drip(7, pause),
        Act::honest().drip(64, pause),
    ] {
        let world = five_blocks();
        world.practice.forever(Service::Poll, act);
        world.run_once().ended(0);
        assert_eq!(world.texts(), all_numbered(5));
    }
}

#[test]
fn a_reply_longer_than_max_response_is_refused() {
    let world = World::new().server("max_response = \"1MiB\"").feed("");
    world.add(minutes_ago(30), &format!("<n>{}</n>", "x".repeat(2 << 20)));
    world.run_once().ended(1).said("max_response");
    assert_eq!(world.files().len(), 0);
}
