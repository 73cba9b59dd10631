//! What is sent with a poll.

use std::fs;

use taxii_sync::practice::{CollectionSpec, Service};

use crate::common::{World, for_each, minutes_ago, numbered};

#[test]
fn every_request_has_the_six_headers_and_a_length() {
    let world = World::new().feed("");
    world.run_once().ended(0);
    let seen = world.practice.requests();
    let expected = [
        ("Content-Type", "application/xml"),
        ("Accept", "application/xml"),
        ("X-TAXII-Content-Type", "urn:taxii.mitre.org:message:xml:1.1"),
        ("X-TAXII-Accept", "urn:taxii.mitre.org:message:xml:1.1"),
        ("X-TAXII-Services", "urn:taxii.mitre.org:services:1.1"),
        ("X-TAXII-Protocol", "urn:taxii.mitre.org:protocol:http:1.0"),
    ];
    for (name, value) in expected {
        assert_eq!(seen[0].header(name), Some(value), "{name}");
    }
    assert_eq!(seen[0].header("Content-Length"), Some(seen[0].body_length.to_string().as_str()));
    assert_eq!(seen[0].header("Transfer-Encoding"), None);
    assert_eq!(seen[0].header("Content-Encoding"), None);
    assert_eq!(seen[0].method, "POST");
}

#[test]
fn every_message_has_an_id_of_its_own_of_digits() {
    let world = World::with(|options| options.max_result_size = 1).feed("");
    world.add_numbered(4);
    world.run_once().ended(0);
    let mut ids: Vec<String> =
        world.practice.requests().into_iter().map(|seen| seen.message.unwrap().header.message_id).collect();
    assert!(ids.iter().all(|id| !id.is_empty() && id.len() <= 18 && id.bytes().all(|byte| byte.is_ascii_digit())));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn a_collection_may_have_any_name() {
    for_each(["AlienVault OTX Pulse", "a/b", "../../etc", "system.Default", "\u{fc}ber & <co>"], |name| {
        let world = World::with(|options| options.collections.push(CollectionSpec::feed(name)));
        let world = world.feed(&format!("collection = {}", toml::Value::from(name)));
        world.add_to(name, minutes_ago(10), &numbered(1));
        world.run_once().ended(0);
        assert_eq!(world.polls()[0].collection, name);
        assert_eq!(world.texts(), [numbered(1)]);
        assert_eq!(world.metadata(&world.files()[0])["collection"], name);
    });
}

#[test]
fn a_subscription_id_is_sent_instead_of_parameters() {
    let world = World::new().feed("subscription_id = \"sub:1 x\"\ncontent_bindings = []");
    world.run_once().ended(1).said("NOT_FOUND");
    let poll = world.polls()[0].clone();
    assert_eq!(poll.subscription_id.as_deref(), Some("sub:1 x"));
    let body = String::from_utf8_lossy(&world.practice.requests()[0].body_start).into_owned();
    assert!(body.contains("Subscription_ID") && !body.contains("Poll_Parameters"), "{body}");
}

#[test]
fn content_bindings_are_sent_as_a_filter_and_none_is_the_default() {
    let (wanted, other) = ("urn:stix.mitre.org:xml:1.1.1", "urn:stix.mitre.org:xml:1.2");
    let world = World::new().feed(&format!("content_bindings = [\"{wanted}\"]")).feed_named("all", "");
    world.add_bound("default", minutes_ago(10), wanted, &numbered(1));
    world.add_bound("default", minutes_ago(9), other, &numbered(2));
    world.run_once().ended(0);
    let mut filters: Vec<Vec<String>> = world
        .polls()
        .iter()
        .map(|poll| poll.parameters.content_bindings.iter().map(|binding| binding.id.clone()).collect())
        .collect();
    filters.sort();
    assert_eq!(filters, [Vec::new(), vec![wanted.to_owned()]]);
    assert_eq!(world.texts(), [numbered(1)]);
}

#[test]
fn a_query_is_sent_as_it_is_written() {
    let world = World::new();
    let query = concat!(
        "<q:Default_Query  targeting_expression_id='urn:x'\n xmlns:q=\"http://taxii.mitre.org/query/taxii_default_query-1\">",
        "<q:Criteria operator=\"AND\"><q:Criterion><q:Target>**/@id</q:Target><q:Test capability_id=\"urn:c\" ",
        "relationship=\"equals\"><q:Parameter name=\"value\">a &amp; b</q:Parameter></q:Test></q:Criterion></q:Criteria>",
        "</q:Default_Query>"
    );
    let path = world.path("query.xml");
    fs::write(&path, format!("<?xml version=\"1.0\"?>\n<!-- mine -->\n{query}\n")).unwrap();
    let world = world.feed(&format!("query_file = \"{}\"", path.display()));
    world.run_once().ended(1).said("UNSUPPORTED_QUERY");
    let seen = world.practice.requests();
    let body = String::from_utf8_lossy(&seen[0].body_start);
    assert!(body.contains(query), "{body}");
    assert!(body.contains("urn:taxii.mitre.org:query:default:1.0"), "{body}");
    assert_eq!(seen.iter().filter(|one| one.service == Some(Service::Poll)).count(), 1);
}

#[test]
fn a_poll_of_taxii_1_0_is_a_message_of_taxii_1_0() {
    let world = World::new().server("taxii = \"1.0\"").feed("");
    world.add(minutes_ago(10), &numbered(1));
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(1)]);
    let seen = world.practice.requests();
    assert_eq!(seen[0].header("X-TAXII-Services"), Some("urn:taxii.mitre.org:services:1.0"));
    let body = String::from_utf8_lossy(&seen[0].body_start).into_owned();
    assert!(body.contains("feed_name=\"default\""), "{body}");
}
