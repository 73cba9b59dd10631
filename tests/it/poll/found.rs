//! Services that are found by discovery, and what is remembered of them.

use taxii_sync::practice::{Act, Addresses, Service};

use crate::common::{STIX, World, for_each, minutes_ago, numbered};

fn html(status: u16) -> Act {
    Act::http(status, "text/html", "<html><body>no</body></html>")
}

fn count(world: &World, service: Service) -> usize {
    world.practice.requests().iter().filter(|seen| seen.service == Some(service)).count()
}

fn address(world: &World) -> String {
    world.feed_status()["address"].as_str().unwrap().to_owned()
}

#[test]
fn a_relative_address_and_one_that_disagrees_with_its_protocol_binding_are_used() {
    let world = World::with(|options| {
        options.advertised.addresses = Addresses::Relative;
        options.advertised.protocol_binding = Some("urn:taxii.mitre.org:protocol:https:1.0".to_owned());
    });
    let world = world.discovered().feed("");
    world.add(minutes_ago(10), &numbered(1));
    world.run_once().ended(0).said("is polled at another address than before, or for the first time");
    assert_eq!(world.texts(), [numbered(1)]);
    let polled = world.practice.requests().into_iter().find(|seen| seen.poll().is_some()).unwrap();
    assert_eq!(polled.header("X-TAXII-Protocol"), Some("urn:taxii.mitre.org:protocol:http:1.0"), "the address decides");
    assert_eq!(address(&world), format!("{} (as the collection information says)", world.practice.url("poll")));
}

#[test]
fn an_advertised_address_of_localhost_is_noticed_and_not_used() {
    let there = Addresses::Origin("http://localhost:9000".to_owned());
    let world = World::with(|options| options.advertised.addresses = there).discovered().feed("");
    world.run_once().ended(1).said("http://localhost:9000").said("pin").said("trusted_origins");
    assert_eq!(count(&world, Service::Poll), 0);
}

#[test]
fn where_a_collection_names_an_address_elsewhere_what_discovery_says_is_used_and_told() {
    let world = World::with(|options| {
        options.advertised.addresses = Addresses::Origin("http://localhost:9000".to_owned());
        options.advertised.discovered = Some(Addresses::Absolute);
    });
    let world = world.discovered().feed("").inbox("collections = [\"default\"]\n").drop_directory("");
    world.add(minutes_ago(10), &numbered(1));
    world.drop_file("a.json", "{\"type\": \"bundle\", \"spec_version\": \"2.0\", \"id\": 1}");
    let said = world.run_once();
    said.ended(0).said("http://localhost:9000/services/poll").said("http://localhost:9000/services/inbox");
    said.said("pin this address").said("trusted_origins");
    assert_eq!((world.texts(), world.sent()), (vec![numbered(1)], vec!["a.json".to_owned()]));
    assert_eq!(address(&world), format!("{} (as discovery says)", world.practice.url("poll")));
}

#[test]
fn what_was_found_is_used_after_a_restart_while_discovery_is_down() {
    for_each([html(503), html(500), Act::status("FAILURE"), Act::bytes("")], |trouble| {
        let world = World::new().discovered().feed("").inbox("").drop_directory("");
        world.add(minutes_ago(10), &numbered(1));
        world.drop_file("a.json", "{\"type\": \"bundle\", \"spec_version\": \"2.0\", \"id\": 1}");
        world.run_once().ended(0);
        world.practice.forever(Service::Discovery, trouble.clone());
        world.practice.forever(Service::Collections, trouble);
        world.add_bound("default", minutes_ago(0), STIX, &numbered(2));
        world.drop_file("b.json", "{\"type\": \"bundle\", \"spec_version\": \"2.0\", \"id\": 2}");
        world.run_once().ended(0).said("going on with what it said before");
        assert_eq!((world.sent(), count(&world, Service::Inbox)), (vec!["a.json".to_owned(), "b.json".to_owned()], 2));
        assert!(address(&world).contains("as it was at"), "{}", address(&world));
        world.practice.honest(Service::Discovery);
        world.practice.honest(Service::Collections);
        world.run_once().ended(0);
        assert!(!address(&world).contains("as it was at"), "{}", address(&world));
    });
}

#[test]
fn a_server_that_never_said_where_its_services_are_is_asked_three_times() {
    let world = World::new().discovered().feed("");
    world.practice.forever(Service::Discovery, html(503));
    world.run_once().ended(1).said("HTTP 503");
    assert_eq!((count(&world, Service::Discovery), count(&world, Service::Poll)), (3, 0));
    world.script(Service::Discovery, vec![html(503)]);
    world.practice.honest(Service::Discovery);
    world.run_once().ended(0);
}

#[test]
fn a_wait_that_the_discovery_service_asks_for_is_honoured_or_saved() {
    let world = World::new().discovered().feed("");
    world.script(Service::Discovery, vec![html(503).header("Retry-After", "2")]);
    world.run_once().ended(0);
    let seen = world.practice.requests();
    assert!((seen[1].at - seen[0].at).num_milliseconds() >= 1900, "{}", seen[1].at - seen[0].at);
    world.script(Service::Discovery, vec![html(503).header("Retry-After", "600")]);
    world.run_once().ended(1);
    let before = world.practice.requests().len();
    world.run_once().ended(1);
    assert_eq!(world.practice.requests().len(), before, "only waits that a server asked for count, and they do");
}

#[test]
fn a_refusal_is_not_answered_from_memory() {
    let world = World::new().discovered().feed("");
    world.run_once().ended(0);
    world.practice.forever(Service::Discovery, Act::status("UNAUTHORIZED"));
    world.run_once().ended(1).said("UNAUTHORIZED");
}

#[test]
fn what_another_address_said_is_not_remembered() {
    let world = World::new().discovered().feed("");
    world.run_once().ended(0);
    world.practice.forever(Service::Discovery, html(503));
    world.server("discovery = \"http://127.0.0.1:9/discovery\"").run_once().ended(1).said("127.0.0.1:9");
}
