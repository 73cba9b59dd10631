//! `collections`: which collections a server has.

use std::path::Path;

use serde_json::{Value, json};
use url::Url;

use super::args::Question;
use super::output::{Say, counted, json as print};
use super::services::{
    Advertised, available_text, bindings_json, bindings_text, contact_json, headers_json, redacted, shown, tell_headers,
};
use super::target::Target;
use super::{End, Result, Trouble, progress, runtime};
use crate::peer::{Peer, PeerError};
use crate::taxii::message::{Body, Collection, Contact, Header, ServiceType};

/// The answer, and the address that gave it.
type Answered = (Header, Vec<Collection>, Url);

/// Asks a server which collections it has.
pub(super) fn collections(file: &Path, question: &Question) -> Result<End> {
    let target = Target::of(file, &question.server, &question.access, &question.keep)?;
    let words = || format!("asking {}", target.shown());
    let (header, all, base) = runtime()?.block_on(progress::shown(words, asked(&target)))?;
    let (say, peer) = (Say::new(question.output.json), &target.peer);
    say.line(&format!("{} answered: {}", peer.shown_url(&base), counted(all.len() as u64, "collection")));
    tell_headers(&say, peer, &header.extended);
    for collection in &all {
        tell(&say, peer, collection, &base);
    }
    if question.output.json {
        let all: Vec<Value> = all.iter().map(|collection| collection_json(peer, collection, &base)).collect();
        let answer = json!({
            "server": target.name,
            "url": peer.shown_url(&base),
            "taxii": peer.version.number(),
            "extended_headers": headers_json(&header.extended),
            "collections": all,
        });
        print(&redacted(peer, answer));
    }
    Ok(End::Good)
}

/// A URL may be that of a Collection Management Service itself; where it answers otherwise it is taken for a
/// Discovery Service.
async fn asked(target: &Target) -> Result<Answered, Trouble> {
    if target.name.is_some() {
        return Ok(through_discovery(&target.peer).await?);
    }
    let Some(url) = target.peer.address(ServiceType::Discovery, None).await.ok().map(|found| found.url) else {
        return Ok(through_discovery(&target.peer).await?);
    };
    match ask(&target.peer, &url).await {
        Err(error @ (PeerError::Refused { .. } | PeerError::Unreadable { .. })) => match target.peer.services().await {
            Ok(Some(_)) => Ok(through_discovery(&target.peer).await?),
            _ => Err(error.into()),
        },
        answered => Ok(answered?),
    }
}

async fn through_discovery(peer: &Peer) -> Result<Answered, PeerError> {
    let found = peer.address(ServiceType::CollectionManagement, None).await?;
    ask(peer, &found.url).await
}

async fn ask(peer: &Peer, url: &Url) -> Result<Answered, PeerError> {
    let (message, base) = peer.ask(url, Body::CollectionInformationRequest).await?;
    match message.body {
        Body::CollectionInformationResponse(all) => Ok((message.header, all, base)),
        other => {
            let what = format!("a {} where collections were asked for", other.name(message.version));
            Err(PeerError::Unreadable { url: peer.shown_url(&base), what })
        }
    }
}

fn tell(say: &Say, peer: &Peer, collection: &Collection, base: &Url) {
    let kind = collection.collection_type.name();
    say.line("");
    say.line(&format!("{}: {kind}, {}", shown(peer, &collection.name), available_text(collection.available)));
    if !collection.description.trim().is_empty() {
        say.line(&format!("  {}", shown(peer, collection.description.trim())));
    }
    say.line(&format!("  holds {}", bindings_text(peer, &collection.content_bindings)));
    if let Some(volume) = collection.volume {
        say.line(&format!("  about {volume} content blocks a day"));
    }
    let inboxes: Vec<Contact> = collection.inbox_services.iter().map(|(contact, _)| contact.clone()).collect();
    let places = [
        ("is polled", &collection.polling_services),
        ("takes subscriptions", &collection.subscription_services),
        ("takes content", &inboxes),
    ];
    for (what, contacts) in places {
        for advertised in contacts.iter().filter_map(|contact| Advertised::contact(contact, peer, base)) {
            say.line(&format!("  {what} at {}", advertised.lines().join("\n    ")));
        }
    }
}

fn collection_json(peer: &Peer, collection: &Collection, base: &Url) -> Value {
    let judged = |contact: &Contact| contact_json(contact, Advertised::contact(contact, peer, base).as_ref());
    let contacts = |contacts: &[Contact]| contacts.iter().map(judged).collect::<Vec<Value>>();
    let inboxes = collection.inbox_services.iter().map(|(contact, bindings)| {
        let mut value = judged(contact);
        value["content_bindings"] = bindings_json(bindings);
        value
    });
    json!({
        "collection_name": collection.name,
        "collection_type": collection.collection_type.name(),
        "available": collection.available,
        "description": collection.description,
        "collection_volume": collection.volume,
        "content_bindings": bindings_json(&collection.content_bindings),
        "push_methods": collection.push_methods.iter().map(push_method).collect::<Vec<Value>>(),
        "polling_services": contacts(&collection.polling_services),
        "subscription_services": contacts(&collection.subscription_services),
        "inbox_services": inboxes.collect::<Vec<Value>>(),
    })
}

/// A Push_Method has no address.
fn push_method(contact: &Contact) -> Value {
    json!({ "protocol_binding": contact.protocol_binding, "message_bindings": contact.message_bindings })
}
