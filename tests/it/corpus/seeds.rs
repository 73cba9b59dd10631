//! The sample exchanges, replayed both ways: their answers to our commands, their requests to the practice server.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;
use taxii_sync::practice::{Act, CollectionSpec, Service};
use taxii_sync::taxii::decode;
use taxii_sync::taxii::message::Message;

use super::shared;
use crate::common::World;

/// The bodies of one file of samples, by the name of their root element.
fn samples(text: &str) -> BTreeMap<String, String> {
    let exchanges = text.split("```http").skip(1).filter_map(|rest| rest.split("```").next());
    let bodies =
        exchanges.filter_map(|exchange| exchange.replace("\r\n", "\n").split_once("\n\n").map(|it| it.1.to_owned()));
    bodies.map(|body| (kind(&body).to_owned(), body.trim().to_owned())).collect()
}

fn kind(body: &str) -> &str {
    let root = body.trim_start().trim_start_matches('<').split([' ', '\n', '>', '/']).next().unwrap_or_default();
    root.rsplit(':').next().unwrap_or_default()
}

fn each_file(check: impl Fn(&BTreeMap<String, String>)) {
    let Some(seeds) = shared("seeds") else { return };
    for path in fs::read_dir(seeds).unwrap().map(|entry| entry.unwrap().path()) {
        let samples = samples(&fs::read_to_string(&path).unwrap());
        assert_eq!(samples.len(), 11, "{}: {:?}", path.display(), samples.keys());
        check(&samples);
    }
}

/// A world whose services answer with the bodies of the samples.
fn world(service: Service, body: &str) -> World {
    let world = World::new();
    world.practice.forever(service, Act::bytes(body.to_owned()));
    let urls = ["discovery", "collections"].map(|name| format!("{name} = \"{}\"", world.practice.url(name)));
    world.server(&urls.join("\n")).feed("start = \"2014-12-01T00:00:00Z\"\nwindow = \"36500d\"")
}

fn answer(world: &World, arguments: &[&str]) -> Value {
    let ran = world.run(arguments);
    ran.ended(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn the_answers_of_the_samples_are_understood_by_every_command() {
    each_file(|samples| {
        let services =
            answer(&world(Service::Discovery, &samples["Discovery_Response"]), &["discover", "hub", "--json"]);
        let types: Vec<&Value> =
            services["services"].as_array().unwrap().iter().map(|one| &one["service_type"]).collect();
        assert_eq!(types, ["INBOX", "POLL", "DISCOVERY"]);

        let hub = world(Service::Collections, &samples["Collection_Information_Response"]);
        let collections = answer(&hub, &["collections", "hub", "--json"]);
        let first = &collections["collections"][0];
        assert_eq!(first["collection_name"], "default");
        let polled = first["polling_services"][0]["url"].as_str().unwrap();
        assert!(polled.starts_with(&hub.practice.url("poll")[..18]), "relative to who answered: {polled}");

        let hub = world(Service::Collections, &samples["Subscription_Management_Response"]);
        let subscribed = answer(&hub, &["subscription", "status", "indicators", "--json"]);
        assert!(subscribed["subscriptions"][0]["subscription_id"].is_string(), "{subscribed}");

        let hub = world(Service::Inbox, &samples["Status_Message"]).inbox("").drop_directory("");
        hub.practice.forever(Service::Poll, Act::bytes(samples["Poll_Response"].clone()));
        hub.drop_file("a.xml", b"<stix:STIX_Package xmlns:stix='http://stix.mitre.org/stix-1' version='1.2' id='a'/>");
        hub.run_once().ended(0);
        assert_eq!(hub.sent(), ["a.xml"]);
        let (name, bytes) = hub.the_file();
        assert_eq!(hub.metadata(&name)["content_binding"], "urn:stix.mitre.org:xml:1.1.1");
        assert!(String::from_utf8(bytes).unwrap().contains("STIX_Package"));
    });
}

/// Sends a body as the samples did, with headers that fit it, and reads the answer.
fn post(url: &str, body: &str) -> Message {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let head = [
        &format!("POST /{path} HTTP/1.1"),
        &format!("Host: {authority}"),
        "Proxy-Connection: keep-alive",
        &format!("Content-Length: {}", body.len()),
        "X-TAXII-Content-Type: urn:taxii.mitre.org:message:xml:1.1",
        "X-TAXII-Accept: urn:taxii.mitre.org:message:xml:1.1",
        "Content-Type: application/xml",
        "Accept: application/xml",
        "Cache-Control: no-cache",
        "X-TAXII-Services: urn:taxii.mitre.org:services:1.1",
        "X-TAXII-Protocol: urn:taxii.mitre.org:protocol:http:1.0",
        "Connection: close",
    ];
    write!(stream, "{}\r\n\r\n{body}", head.join("\r\n")).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    decode::message(body.as_bytes(), None).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn the_requests_of_the_samples_are_understood_by_the_practice_server() {
    each_file(|samples| {
        let world = World::with(|options| options.collections.push(CollectionSpec::feed("x")));
        let at = |path: &str| world.practice.url(path);
        let table = [
            ("Discovery_Request", "discovery", "Discovery_Response"),
            ("Inbox_Message", "inbox", "Status_Message"),
            ("Poll_Request", "poll", "Poll_Response"),
            // Result ids are those of the server that gave them.
            ("Poll_Fulfillment", "poll", "Status_Message"),
            ("Subscription_Management_Request", "collections", "Subscription_Management_Response"),
            // This sample lacks the blank before an attribute.
            ("Collection_Information_Request", "collections", "Status_Message"),
        ];
        for (request, path, expected) in table {
            let answer = post(&at(path), &samples[request]);
            assert_eq!(answer.body.name(answer.version), expected, "{request}");
        }
        let mended = samples["Collection_Information_Request"].replace("\"message_id", "\" message_id");
        let answer = post(&at("collections"), &mended);
        assert_eq!(answer.body.name(answer.version), "Collection_Information_Response");
        assert_eq!(world.practice.stored("default").len(), 1, "the content of the Inbox_Message");
        let kinds: Vec<&str> = world.practice.requests().iter().map(|seen| seen.kind()).collect();
        assert_eq!(kinds.len(), 7, "{kinds:?}");
    });
}
