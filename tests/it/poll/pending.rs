//! Results that the server is still making.

use chrono::Utc;
use taxii_sync::practice::{Act, Asynchronous, Service};

use crate::common::{World, all_numbered, time};

fn asynchronous(times: u32, wait: u32) -> World {
    let world = World::with(|options| {
        options.max_result_size = 2;
        options.asynchronous = Some(Asynchronous { times, wait });
    });
    let world = world.feed("");
    world.add_numbered(5);
    world
}

#[test]
fn pending_twice_and_then_many_parts_is_waited_for() {
    let world = asynchronous(2, 1);
    world.run_once().ended(0);
    assert_eq!(world.texts(), all_numbered(5));
    let parts: Vec<u32> = world.fulfilments().iter().map(|one| one.part).collect();
    assert_eq!(parts, [1, 1, 2, 3]);
    assert_eq!(world.cursor(), Some(world.polls()[0].end.clone().unwrap().at));
}

#[test]
fn asynchronous_answers_are_allowed_unless_the_configuration_says_no() {
    let world = asynchronous(0, 1);
    world.run_once().ended(0);
    let world = world.reconfigured().feed_named("other", "asynchronous = false");
    world.run_once().ended(0);
    let allowed: Vec<bool> = world.polls().iter().map(|poll| poll.asynchronous).collect();
    assert_eq!(allowed, [true, false]);
}

#[test]
fn pending_without_details_cannot_be_fetched_and_is_asked_for_later() {
    let world = World::new().feed("");
    world.practice.forever(Service::Poll, Act::status("PENDING"));
    world.run_once().ended(1).said("PENDING");
    assert_eq!(world.polls().len(), 1);
    assert_eq!(world.cursor(), None);
    world.run_once().ended(1);
    assert_eq!(world.polls().len(), 1, "a minute is waited, which is longer than one run does");
}

#[test]
fn pending_for_long_is_saved_and_the_next_run_goes_on_with_the_same_result() {
    let world = asynchronous(0, 0);
    world.script(Service::Poll, vec![Act::pending(12)]);
    let before = Utc::now();
    world.run_once().ended(1).said("PENDING");
    assert_eq!(world.fulfilments().len(), 0);
    let next = world.feed_status();
    assert_eq!(next["cursor"], serde_json::Value::Null);
    std::thread::sleep((before + chrono::TimeDelta::seconds(3) - Utc::now()).to_std().unwrap_or_default());
    world.run_once().ended(0);
    assert!(world.polls()[1..].iter().all(|poll| poll.begin == world.polls()[0].end), "it is not asked for anew");
    let first = world.practice.requests().into_iter().find(|seen| seen.kind() == "Poll_Fulfillment").unwrap();
    assert!((first.at - before).num_seconds() >= 11, "not before the server said: {}", first.at - before);
    assert_eq!(world.texts(), all_numbered(5));
}

#[test]
fn a_result_that_stays_pending_for_an_hour_is_left_alone_meanwhile() {
    let world = asynchronous(0, 0);
    world.practice.forever(Service::Poll, Act::pending(3600));
    world.run_once().ended(1);
    world.run_once().ended(1);
    assert_eq!(world.practice.requests().len(), 1);
    assert_eq!(world.cursor(), None);
}

#[test]
fn a_running_agent_fetches_a_pending_result_when_the_server_said_and_not_an_interval_later() {
    let world = asynchronous(0, 0).reconfigured().feed("every = \"1h\"");
    world.script(Service::Poll, vec![Act::pending(11)]);
    let agent = world.start();
    world.until_seen(|seen| seen.iter().any(|one| one.kind() == "Poll_Fulfillment"));
    crate::common::eventually(|| world.files().len() == 5);
    drop(agent);
    let next = world.feed_status()["next_poll"].as_str().map(time);
    assert!(next.is_none_or(|next| next > Utc::now() - chrono::TimeDelta::seconds(60)));
}

#[test]
fn an_agent_that_was_stopped_while_it_waited_fetches_the_result_when_the_server_said() {
    let world = asynchronous(0, 0).reconfigured().feed("every = \"1h\"");
    world.script(Service::Poll, vec![Act::pending(4)]);
    let mut agent = world.start();
    world.until_seen(|seen| seen.len() == 1);
    std::thread::sleep(std::time::Duration::from_millis(300));
    agent.terminate();
    let _agent = world.start();
    crate::common::eventually(|| world.files().len() == 5);
    let seen = world.practice.requests();
    assert!((seen[1].at - seen[0].at).num_milliseconds() >= 3500, "not before the server said");
}

#[test]
fn a_server_that_is_never_done_does_not_hold_up_the_run() {
    let world = World::new().feed("");
    world.practice.forever(Service::Poll, Act::pending(10));
    let began = std::time::Instant::now();
    world.run_once().ended(1).said("PENDING").said("the next attempt is at");
    let took = began.elapsed().as_secs();
    assert!((55..300).contains(&took), "{took} s");
    assert!(world.fulfilments().len() < 10, "{}", world.fulfilments().len());
}

#[test]
fn a_result_that_is_under_way_is_given_up_where_the_server_is_now_spoken_to_in_taxii_1_0() {
    let world = asynchronous(0, 0);
    world.script(Service::Poll, vec![Act::pending(11)]);
    world.run_once().ended(1).said("PENDING");
    let world = world.reconfigured().server("taxii = \"1.0\"").feed("");
    std::thread::sleep(std::time::Duration::from_secs(12));
    world.run_once().ended(0).said("TAXII 1.0 has no Poll_Fulfillment");
    assert_eq!(world.texts(), all_numbered(5));
}
