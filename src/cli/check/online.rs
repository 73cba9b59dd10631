//! What the servers say about the feeds and inboxes that are configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::certificates;
use super::finding::{About, Finding};
use super::habits::{self, Subject};
use super::local;
use super::server::{self, Asked};
use crate::cli::exchanges::Exchanges;
use crate::cli::services::{bindings_text, shown};
use crate::clock::Clock;
use crate::config::{self, Config, Feed, Inbox, Server};
use crate::peer::{Found, Peer};
use crate::taxii::message::{Collection, CollectionType, ContentBinding, ServiceType};
use crate::taxii::services;

/// Asks all servers, side by side, and then goes through what is configured.
pub(super) async fn findings(config: &Config, exchanges: Option<&Arc<Exchanges>>) -> Vec<Finding> {
    let asked = config.servers.iter();
    let asked =
        asked.map(|(name, settings)| async move { (name.as_str(), server::ask(name, settings, exchanges).await) });
    let asked: BTreeMap<&str, Asked> = join_all(asked).await.into_iter().collect();
    let mut findings = Vec::new();
    for (name, settings) in &config.feeds {
        let mut about = About::new("feed", name);
        if let (Some(server), Some(configured)) =
            (asked.get(settings.server.as_str()), config.servers.get(&settings.server))
        {
            feed(&mut about, name, settings, server, configured).await;
        }
        findings.extend(about.into_findings());
    }
    for (name, settings) in &config.inboxes {
        let mut about = About::new("inbox", name);
        if let (Some(server), Some(configured)) =
            (asked.get(settings.server.as_str()), config.servers.get(&settings.server))
        {
            inbox(&mut about, name, settings, server, configured, config).await;
        }
        findings.extend(about.into_findings());
    }
    // Servers come first, but they may have shown further certificates since.
    let servers = asked.into_iter().filter_map(|(name, server)| Some((config.servers.get(name)?, server)));
    servers.flat_map(|(settings, server)| of_server(settings, server)).chain(findings).collect()
}

fn of_server(settings: &Server, mut server: Asked) -> Vec<Finding> {
    if let Some(peer) = &server.peer {
        certificates::findings(&mut server.about, peer, settings, Clock::system().now());
    }
    server.about.into_findings()
}

async fn feed(about: &mut About, name: &str, settings: &Feed, server: &Asked, configured: &Server) {
    for trouble in local::of_feed(name, settings) {
        about.problem(trouble.to_string(), trouble.hint());
    }
    let Some(peer) = reachable(about, &settings.server, server, configured.poll.is_some()) else { return };
    let found = address(about, peer, ServiceType::Poll, Some(&settings.collection)).await;
    if let Some(found) = &found {
        about.fine(format!("is polled at {found}"));
        about.remarks(peer, &found.remarks);
    }
    let mut is_set = false;
    if let Some(all) = &server.collections {
        let Some(collection) = collection(about, peer, &settings.collection, all) else { return };
        is_set = collection.collection_type == CollectionType::DataSet;
        content(about, peer, settings, collection);
    }
    if let Some(found) = found {
        habits::findings(about, &Subject { name, feed: settings, peer, url: &found.url, is_set }).await;
    }
}

/// What the collection holds, and whether that is what the feed wants.
fn content(about: &mut About, peer: &Peer, settings: &Feed, collection: &Collection) {
    match collection.collection_type {
        CollectionType::DataFeed => about.fine(format!("`{}` is a DATA_FEED", settings.collection)),
        CollectionType::DataSet => {
            about.fine(format!("`{}` is a DATA_SET: it is asked for whole, and has no cursor", settings.collection));
        }
    }
    let wanted = &settings.content_bindings;
    let held = &collection.content_bindings;
    if !wanted.is_empty() && !held.is_empty() && !held.iter().any(|held| wanted.contains(&held.id)) {
        about.problem(
            format!("the collection holds none of `content_bindings`, but {}", bindings_text(peer, held)),
            "change `content_bindings`, or leave it empty",
        );
    }
}

async fn inbox(about: &mut About, name: &str, settings: &Inbox, server: &Asked, configured: &Server, config: &Config) {
    let Some(peer) = reachable(about, &settings.server, server, configured.inbox.is_some()) else { return };
    let first = settings.collections.first().map(String::as_str);
    let Some(found) = address(about, peer, ServiceType::Inbox, first).await else { return };
    about.fine(format!("gets its messages at {found}"));
    about.remarks(peer, &found.remarks);
    if let Some(all) = &server.collections {
        for name in &settings.collections {
            destination(about, peer, name, all);
        }
    }
    let accepted = accepted(peer, &found, first, server.collections.as_deref()).await;
    if accepted.is_empty() {
        return;
    }
    about.fine(format!("accepts {}", bindings_text(peer, &accepted)));
    let drops = config.drops.iter().filter(|(_, drop)| drop.inboxes.iter().any(|inbox| inbox == name));
    for (drop, binding) in drops.filter_map(|(drop, settings)| Some((drop, settings.content_binding.as_ref()?))) {
        if !accepted.iter().any(|accepted| accepted.id == *binding) {
            about.problem(
                format!("does not accept {binding}, which drop directory `{drop}` sends"),
                "change `content_binding` of the drop directory",
            );
        }
    }
}

/// Whether there is anything to ask; where the server did not answer that was said already.
fn reachable<'a>(about: &mut About, name: &str, server: &'a Asked, pinned: bool) -> Option<&'a Peer> {
    let peer = server.peer.as_deref().filter(|_| server.answers);
    if peer.is_none() {
        let known = if pinned { "its address is pinned, but was not asked" } else { "where it is cannot be asked" };
        about.problem(format!("server {name} does not answer: {known}"), "see what is said of the server");
    }
    peer
}

async fn address(about: &mut About, peer: &Peer, service: ServiceType, collection: Option<&str>) -> Option<Found> {
    match peer.address(service, collection).await {
        Ok(found) => Some(found),
        Err(error) => {
            about.unanswered(&error);
            None
        }
    }
}

/// The collection of this name, if it can be used.
fn collection<'a>(about: &mut About, peer: &Peer, name: &str, all: &'a [Collection]) -> Option<&'a Collection> {
    let Some(collection) = all.iter().find(|one| one.name == name) else {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        let known = match config::nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{}`?", shown(peer, near)),
            None if names.is_empty() => "it shows none: perhaps the credentials are not enough".to_owned(),
            None => format!("there are {}", shown(peer, &names.join(", "))),
        };
        about.problem(format!("the server shows no collection `{name}`"), known);
        return None;
    };
    if collection.available == Some(false) {
        about.problem(
            format!("the server says that its collection `{name}` is not available"),
            "ask the operator of the server; perhaps the credentials are not enough",
        );
        return None;
    }
    Some(collection)
}

fn destination(about: &mut About, peer: &Peer, name: &str, all: &[Collection]) {
    let Some(collection) = collection(about, peer, name, all) else { return };
    if collection.inbox_services.is_empty() {
        about.warning(
            format!("the server names no inbox for the collection `{name}`"),
            "it may refuse messages for it (DESTINATION_COLLECTION_ERROR)",
        );
    } else {
        about.fine(format!("`{name}` takes content"));
    }
}

/// What an inbox accepts, where the server says so.
async fn accepted(peer: &Peer, found: &Found, name: Option<&str>, all: Option<&[Collection]>) -> Vec<ContentBinding> {
    let Ok(Some((instances, base))) = peer.services().await else { return Vec::new() };
    let described = all.unwrap_or_default().iter().find(|one| Some(one.name.as_str()) == name);
    let of_collection = described
        .map(|one| services::from_collection(one, ServiceType::Inbox, peer.version, &base))
        .unwrap_or_default();
    let of_discovery = services::from_discovery(&instances, ServiceType::Inbox, peer.version, &base);
    let mut candidates = of_collection.into_iter().chain(of_discovery);
    candidates.find(|one| one.url.as_ref() == Some(&found.url)).map(|one| one.content_bindings).unwrap_or_default()
}
