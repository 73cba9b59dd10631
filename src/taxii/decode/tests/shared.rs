//! The examples, samples and documents that stand beside the project, where they are present: what is read of them is
//! compared with what another parser sees.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use roxmltree::{Document as Tree, Node, ParsingOptions};

use super::*;
use crate::taxii::Version;
use crate::taxii::message::{Body, Format};

/// The directory with the shared material.
pub(super) fn shared(directory: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = std::env::var_os("TAXII_SYNC_SHARED").map_or_else(beside, PathBuf::from).join(directory);
    if !path.is_dir() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(path)
}

pub(super) fn documents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "xml")).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

fn parse(text: &str) -> Result<Tree<'_>, roxmltree::Error> {
    Tree::parse_with_options(text, ParsingOptions { allow_dtd: false, ..ParsingOptions::default() })
}

/// A subtree without how it is written: names, attributes, texts; and the namespaces in scope of its root.
fn canonical(node: Node<'_, '_>) -> String {
    if node.is_text() {
        return format!("{:?}", node.text().unwrap_or_default());
    }
    if !node.is_element() {
        return String::new();
    }
    let name = |namespace: Option<&str>, local: &str| format!("{{{}}}{local}", namespace.unwrap_or_default());
    let attributes: BTreeMap<_, _> = node.attributes().map(|a| (name(a.namespace(), a.name()), a.value())).collect();
    let children: String = node.children().map(canonical).collect();
    format!("<{} {attributes:?}>{children}</>", name(node.tag_name().namespace(), node.tag_name().name()))
}

fn namespaces<'a>(node: Node<'a, '_>) -> BTreeSet<(&'a str, &'a str)> {
    node.namespaces().map(|ns| (ns.name().unwrap_or_default(), ns.uri())).filter(|(_, uri)| !uri.is_empty()).collect()
}

fn texts(node: Node<'_, '_>) -> String {
    node.children().filter_map(|child| child.text()).collect()
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().rfind(|child| child.tag_name().name() == name)
}

/// Checks that the contents of a body are what another parser sees in it.
fn check_contents(name: &str, body: &str, blocks: &[(Vec<u8>, ContentBlock)]) {
    let tree = parse(body).unwrap();
    let theirs: Vec<_> = tree.root_element().children().filter(|n| n.tag_name().name() == "Content_Block").collect();
    assert_eq!(theirs.len(), blocks.len(), "{name}");
    for (node, (bytes, block)) in theirs.into_iter().zip(blocks) {
        assert_eq!(block.content.fault, None, "{name}");
        let binding = child(node, "Content_Binding").map(|binding| {
            binding.attribute("binding_id").map_or_else(|| texts(binding).trim().to_owned(), Into::into)
        });
        assert_eq!(block.binding.id, binding.unwrap_or_default(), "{name}");
        let label = child(node, "Timestamp_Label").map(texts);
        assert_eq!(block.label.as_ref().map(|label| &*label.text), label.as_deref().map(str::trim), "{name}");
        let content = child(node, "Content").unwrap();
        let text = std::str::from_utf8(bytes).unwrap();
        match content.first_element_child() {
            Some(root) if block.content.format == Format::Xml => {
                let sliced = parse(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
                assert!(canonical(sliced.root_element()) == canonical(root), "{name}: {text}");
                let missing: Vec<_> =
                    namespaces(root).difference(&namespaces(sliced.root_element())).copied().collect();
                let envelope = |uri: &str| uri.contains("taxii.mitre.org") || uri.contains("xmldsig");
                assert!(missing.iter().all(|(_, uri)| envelope(uri)), "{name}: {missing:?}");
                let found = block.content.root.as_ref().unwrap();
                assert_eq!(
                    (&*found.local, &*found.namespace),
                    (root.tag_name().name(), root.tag_name().namespace().unwrap_or_default())
                );
            }
            Some(_) => assert!(block.content.fragment || block.content.format == Format::Empty, "{name}"),
            None => {
                let theirs = texts(content);
                assert!(theirs == text || theirs.trim() == text, "{name}: {text:?} {theirs:?}");
            }
        }
    }
}

/// Checks the fields that every kind of message has one or the other of.
fn check_message(name: &str, body: &str, message: &Message) {
    let tree = parse(body).unwrap();
    let root = tree.root_element();
    let attribute = |name| root.attribute(name).unwrap_or_default();
    let collection = root.attribute("collection_name").or(root.attribute("feed_name")).unwrap_or_default();
    let count = |name: &str| root.children().filter(|child| child.tag_name().name() == name).count();
    let text = |name: &str| child(root, name).map(texts);
    assert_eq!(Version::of_namespace(root.tag_name().namespace().unwrap()), Some(message.version), "{name}");
    assert_eq!(
        (&*message.header.message_id, message.header.in_response_to.as_deref()),
        (attribute("message_id"), root.attribute("in_response_to")),
        "{name}"
    );
    let headers =
        child(root, "Extended_Headers").map_or(0, |headers| headers.children().filter(Node::is_element).count());
    assert_eq!(
        (message.header.extended.len(), usize::from(message.header.signed)),
        (headers, count("Signature")),
        "{name}"
    );
    match (&message.body, root.tag_name().name()) {
        (Body::DiscoveryRequest, "Discovery_Request")
        | (Body::CollectionInformationRequest, "Collection_Information_Request" | "Feed_Information_Request") => {}
        (Body::DiscoveryResponse(services), "Discovery_Response") => {
            assert_eq!(services.len(), count("Service_Instance"), "{name}");
            assert!(
                services.iter().all(|service| service.service_type.is_some() && !service.contact.address.is_empty())
            );
        }
        (
            Body::CollectionInformationResponse(collections),
            "Collection_Information_Response" | "Feed_Information_Response",
        ) => {
            assert_eq!(collections.len(), count("Collection") + count("Feed"), "{name}");
        }
        (Body::SubscriptionRequest(request), "Subscription_Management_Request") => {
            assert_eq!((&*request.collection, request.action.name()), (collection, attribute("action")), "{name}");
        }
        (Body::SubscriptionResponse(response), "Subscription_Management_Response") => {
            assert_eq!(
                (&*response.collection, response.subscriptions.len()),
                (collection, count("Subscription")),
                "{name}"
            );
        }
        (Body::PollRequest(request), "Poll_Request") => {
            assert_eq!(request.collection, collection, "{name}");
            let times = [(&request.begin, "Exclusive_Begin_Timestamp"), (&request.end, "Inclusive_End_Timestamp")];
            for (time, element) in times {
                assert_eq!(time.as_ref().map(|time| time.text.clone()), text(element), "{name}");
            }
        }
        (Body::PollFulfillment(request), "Poll_Fulfillment") => {
            assert_eq!((&*request.collection, &*request.result_id), (collection, attribute("result_id")), "{name}");
        }
        (Body::PollResponse(response), "Poll_Response") => {
            assert_eq!(
                (&*response.collection, response.blocks as usize),
                (collection, count("Content_Block")),
                "{name}"
            );
            assert_eq!(response.end.as_ref().map(|time| time.text.clone()), text("Inclusive_End_Timestamp"), "{name}");
            assert_eq!(response.message, text("Message"), "{name}");
            assert_eq!(
                (response.more, response.result_id.as_deref()),
                (attribute("more") == "true", root.attribute("result_id")),
                "{name}"
            );
            assert_eq!(response.record_count.map(|count| count.count.to_string()), text("Record_Count"), "{name}");
        }
        (Body::InboxMessage(inbox), "Inbox_Message") => {
            assert_eq!(
                (inbox.destinations.len(), inbox.blocks as usize),
                (count("Destination_Collection_Name"), count("Content_Block")),
                "{name}"
            );
        }
        (Body::Status(status), "Status_Message") => {
            assert_eq!((&*status.status_type, &status.message), (attribute("status_type"), &text("Message")), "{name}");
            let details = child(root, "Status_Detail")
                .map_or(0, |detail| detail.children().filter(Node::is_element).count().max(1));
            assert_eq!(status.details.len(), details, "{name}");
        }
        (other, kind) => panic!("{name}: {kind} was read as {other:?}"),
    }
}

#[test]
fn every_example_message_is_read_as_what_it_holds() {
    let Some(messages) = shared("taxii/messages") else { return };
    let mut read = 0;
    for directory in ["1.0", "1.1", "seeds"] {
        for (name, bytes) in documents(&messages.join(directory)) {
            let body = std::str::from_utf8(&bytes).unwrap();
            let decoded = decode(body);
            if parse(body).is_err() {
                assert!(matches!(decoded, Err(DecodeError::NotWellFormed { .. })), "{name}: {decoded:?}");
                continue;
            }
            let (message, blocks) = decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
            check_message(&name, body, &message);
            check_contents(&name, body, &blocks);
            read += 1;
        }
    }
    assert!(read >= 68, "only {read} messages");
}

#[test]
fn the_bodies_of_the_sample_exchanges_are_read() {
    let Some(seeds) = shared("seeds") else { return };
    let mut read = 0;
    for path in std::fs::read_dir(seeds).unwrap().map(|entry| entry.unwrap().path()) {
        let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        let mut rest = &*text;
        while let Some(start) = rest.find("<taxii") {
            let root = &rest[start..];
            let name = root[1..].split([' ', '>', '/']).next().unwrap().to_owned();
            let end = [format!("</{name}>"), "/>".to_owned()]
                .iter()
                .filter_map(|end| root.find(end.as_str()).map(|at| at + end.len()))
                .max()
                .unwrap();
            let body = &root[..end];
            match decode_pieces(Limits::default(), [body.as_bytes()]) {
                Ok((message, blocks)) => {
                    check_message(&name, body, &message);
                    check_contents(&name, body, &blocks);
                    read += 1;
                }
                Err(error) => assert!(parse(body).is_err(), "{name}: {error}"),
            }
            rest = &root[end..];
        }
    }
    assert!(read >= 10, "only {read} bodies");
}

#[test]
fn every_taxii_document_of_the_corpus_is_read_or_refused_as_its_list_says() {
    let Some(corpus) = shared("corpus") else { return };
    for directory in ["taxii-1.0", "taxii-1.1", "odd"] {
        for (name, bytes) in documents(&corpus.join(directory)) {
            let body = String::from_utf8_lossy(&bytes).into_owned();
            let decoded = decode_pieces(Limits::default(), bytes.chunks(5));
            let Ok(tree) = parse(body.trim_start()) else {
                assert!(decoded.is_err(), "{name}");
                continue;
            };
            let namespace = tree.root_element().tag_name().namespace().unwrap_or_default();
            match decoded {
                Ok((_, blocks)) => check_contents(&name, body.trim_start(), &blocks),
                Err(DecodeError::NotTaxii { .. }) => {
                    let known = Version::of_namespace(namespace).is_some();
                    assert!(!known || body.contains("Subscription_Management_Request"), "{name}");
                }
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
}

/// Every document of the corpus as the content of a block, its declarations moved to the elements around it.
#[test]
fn every_document_of_the_corpus_survives_the_envelope() {
    let Some(corpus) = shared("corpus") else { return };
    let mut compared = 0;
    for directory in std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()) {
        for (name, bytes) in documents(&directory) {
            let Ok(text) = std::str::from_utf8(&bytes) else { continue };
            let text = text.trim_start_matches('\u{FEFF}');
            let Ok(tree) = parse(text) else { continue };
            let root = tree.root_element();
            let document = &text[root.range()];
            let (own, moved) = without_declarations(document);
            let (outer, inner) = moved.split_at(moved.len() / 2);
            let body = format!(
                "<?xml version='1.0'?>\n<envelope:Poll_Response xmlns:envelope='http://taxii.mitre.org/messages/taxii_xml_binding-1.1' \
                 message_id='1' collection_name='c' {}><envelope:Content_Block><envelope:Content {}>\n<!-- c -->{own}\n\
                 </envelope:Content></envelope:Content_Block></envelope:Poll_Response>",
                outer.join(" "),
                inner.join(" ")
            );
            let (_, blocks) = decode_pieces(Limits::default(), body.as_bytes().chunks(997)).unwrap();
            check_contents(&name, &body, &blocks);
            compared += usize::from(blocks[0].1.content.format == Format::Xml);
        }
    }
    assert!(compared > 300, "only {compared} documents");
}

/// A document without the namespace declarations of its root, and those.
fn without_declarations(document: &str) -> (String, Vec<String>) {
    let mut end = 0;
    let mut quote = None;
    for (at, c) in document.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), close) if open == close => quote = None,
            (None, '>') => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let (mut tag, mut moved) = (document[..end].to_owned(), Vec::new());
    while let Some(start) = tag.find("xmlns") {
        let open = start + tag[start..].find(['"', '\'']).unwrap();
        let quote = &tag[open..=open];
        let close = open + 1 + tag[open + 1..].find(quote).unwrap();
        moved.push(tag[start..=close].to_owned());
        tag.replace_range(start..=close, "");
    }
    (tag + &document[end..], moved)
}
