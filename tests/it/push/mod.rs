//! What a user sees of a push, whatever the server does.

mod agent;
mod crash;
mod inboxes;
mod messages;
mod names;
mod outcomes;
mod receipts;
mod renamed;
mod settle;
mod trouble;

use crate::common::World;

/// A drop directory with one inbox, which names the collection `default`.
fn world() -> World {
    World::new().inbox("collections = [\"default\"]").drop_directory("")
}

/// A document that no other number makes.
fn document(number: usize) -> String {
    let root = "stix:STIX_Package";
    format!("<{root} xmlns:stix=\"http://stix.mitre.org/stix-1\" version=\"1.2\"><n>{number}</n></{root}>")
}
