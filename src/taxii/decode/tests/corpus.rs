//! What each TAXII document of the corpus holds, compared with a table of facts: `corpus.tsv`, a line for a document.
//!
//! A line is the document's name and what is read of it. Contents are told by the first 16 hexadecimal digits of the
//! SHA-256 of the bytes that become the file.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::shared::{documents, shared};
use super::*;
use crate::taxii::Version;
use crate::taxii::message::{Body, Collection, ContentBinding, PollResponse, ServiceInstance, StatusMessage};
use crate::taxii::time::Timestamp;

const FACTS: &str = include_str!("corpus.tsv");

fn time(name: &str, time: Option<&Timestamp>) -> String {
    time.map(|time| format!(" {name}={}", time.text)).unwrap_or_default()
}

fn optional(name: &str, value: Option<impl std::fmt::Display>) -> String {
    value.map(|value| format!(" {name}={value}")).unwrap_or_default()
}

fn bindings(bindings: &[ContentBinding]) -> String {
    bindings.iter().fold(String::new(), |text, binding| format!("{text} {}", binding.id))
}

fn service(one: &ServiceInstance) -> String {
    let available = optional("available", one.available);
    let service = one.service_type.map_or("?", |service| service.name(Version::V11));
    format!("; {service} {}{available}{}", one.contact.address, bindings(&one.content_bindings))
}

fn collection(one: &Collection) -> String {
    let places = [one.polling_services.len(), one.subscription_services.len(), one.inbox_services.len()];
    let (available, volume) = (optional("available", one.available), optional("volume", one.volume));
    let kind = one.collection_type.name();
    format!("; {} {kind}{available}{volume} places={places:?}{}", one.name, bindings(&one.content_bindings))
}

fn status(one: &StatusMessage) -> String {
    let details = one.details.iter().fold(String::new(), |text, detail| {
        format!("{text} {}={}", detail.0, detail.1.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    format!("{}{details}{}", one.status_type, optional("message", one.message.as_ref().map(String::len)))
}

fn poll_response(one: &PollResponse) -> String {
    format!(
        "{} more={}{}{}{}{}{}{}",
        one.collection,
        one.more,
        optional("result_id", one.result_id.as_ref()),
        optional("part", one.part),
        optional("subscription", one.subscription_id.as_ref()),
        time("begin", one.begin.as_ref()),
        time("end", one.end.as_ref()),
        optional("count", one.record_count.map(|count| count.count)),
    )
}

fn body(body: &Body) -> String {
    match body {
        Body::DiscoveryRequest | Body::CollectionInformationRequest => String::new(),
        Body::DiscoveryResponse(services) => services.iter().map(service).collect(),
        Body::CollectionInformationResponse(collections) => collections.iter().map(collection).collect(),
        Body::SubscriptionRequest(one) => {
            let id = optional("id", one.subscription_id.as_ref());
            let parameters = one.parameters.as_ref().map(|some| bindings(&some.content_bindings)).unwrap_or_default();
            format!(
                "{} {}{id}{parameters}{}",
                one.action.name(),
                one.collection,
                optional("push", one.push.as_ref().map(|_| true))
            )
        }
        Body::SubscriptionResponse(one) => one
            .subscriptions
            .iter()
            .fold(one.collection.clone(), |text, there| format!("{text}; {} {}", there.id, there.status)),
        Body::PollRequest(one) => format!(
            "{}{}{}{}",
            one.collection,
            optional("subscription", one.subscription_id.as_ref()),
            time("begin", one.begin.as_ref()),
            time("end", one.end.as_ref()),
        ),
        Body::PollFulfillment(one) => format!("{} result_id={} part={}", one.collection, one.result_id, one.part),
        Body::PollResponse(one) => poll_response(one),
        Body::InboxMessage(one) => {
            format!("{}{}", one.destinations.join(","), optional("count", one.record_count.map(|count| count.count)))
        }
        Body::Status(one) => status(one),
    }
}

/// Each block, or where there are many of them their number and one hash of all.
fn contents(blocks: &[(Vec<u8>, ContentBlock)]) -> String {
    let mut text = String::new();
    for (bytes, block) in blocks {
        let hash = Sha256::digest(bytes).iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let label = block.label.as_ref().map_or("-", |label| &label.text);
        let _ = write!(text, "; {label} {} {:?} {} {hash}", block.binding.id, block.content.format, bytes.len());
    }
    if blocks.len() <= 3 {
        return text;
    }
    let hash = Sha256::digest(&text).iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("; {} blocks {hash}", blocks.len())
}

fn facts(bytes: &[u8]) -> String {
    let line = match decode_pieces(Limits::default(), bytes.chunks(7)) {
        Err(error) => format!("refused: {error}"),
        Ok((message, blocks)) => {
            let Message { version, header, body: held } = &message;
            let answers = optional("to", header.in_response_to.as_ref());
            let extended =
                header.extended.iter().fold(String::new(), |text, header| format!("{text} +{}", header.name));
            let (name, id) = (held.name(*version), &header.message_id);
            format!("{} {name} {id}{answers}{extended} | {}{}", version.number(), body(held), contents(&blocks))
        }
    };
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_taxii_document_of_the_corpus_holds_what_the_table_says() {
    let Some(corpus) = shared("corpus") else { return };
    let expected: BTreeMap<&str, &str> = FACTS.lines().filter_map(|line| line.split_once('\t')).collect();
    let mut wrong = String::new();
    let mut read = 0;
    for directory in ["taxii-1.0", "taxii-1.1"] {
        for (path, bytes) in documents(&corpus.join(directory)) {
            let name = format!("{directory}/{}", path.rsplit('/').next().unwrap());
            let facts = facts(&bytes);
            if expected.get(&*name) != Some(&&*facts) {
                let _ = writeln!(wrong, "{name}\t{facts}");
            }
            read += 1;
        }
    }
    assert!(wrong.is_empty(), "these lines of corpus.tsv should be:\n{wrong}");
    assert_eq!(read, expected.len(), "the table has lines for documents that are not there");
}
