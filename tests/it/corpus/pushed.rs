//! Every document of the corpus is dropped, and what the server took is polled again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use roxmltree::{Document, Node};

use super::shared;
use crate::common::{World, json};

const STIX: [&str; 2] = ["http://stix.mitre.org/stix-1", "http://docs.oasis-open.org/cti/ns/stix/core-1"];

/// A document of the corpus, under a name of its own.
struct Original {
    name: String,
    bytes: Vec<u8>,
}

impl Original {
    fn text(&self) -> String {
        let head = String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(100)]).to_ascii_lowercase();
        match head.contains("iso-8859-1") {
            true => self.bytes.iter().map(|byte| char::from(*byte)).collect(),
            false => String::from_utf8_lossy(&self.bytes).trim_start_matches('\u{FEFF}').to_owned(),
        }
    }
}

fn originals(corpus: &Path) -> Vec<Original> {
    let mut all = Vec::new();
    for directory in fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()) {
        let of = directory.file_name().unwrap().to_string_lossy().into_owned();
        // A saved message is not content; what these hold is told by the tests of the decoder.
        if of.starts_with("taxii-") {
            continue;
        }
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if file.ends_with(".xml") {
                all.push(Original { name: format!("{of}__{file}"), bytes: fs::read(path).unwrap() });
            }
        }
    }
    all
}

/// A subtree without how it is written: names, attributes, texts.
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

/// The canonical form of a STIX package; `None` for anything else.
fn package(text: &str) -> Option<String> {
    let tree = Document::parse(text).ok()?;
    let root = tree.root_element();
    let is_stix = root.tag_name().name() == "STIX_Package"
        && root.tag_name().namespace().is_some_and(|namespace| STIX.contains(&namespace));
    is_stix.then(|| canonical(root))
}

#[test]
fn every_stix_document_comes_back_canonically_equal_and_what_is_none_fails_with_a_reason() {
    let Some(corpus) = shared("corpus") else { return };
    let world = World::new().feed("lag = \"0s\"").inbox("").drop_directory("");
    let originals = originals(&corpus);
    let (mut packages, mut others) = (BTreeMap::new(), BTreeSet::new());
    for original in &originals {
        world.drop_file(&original.name, &original.bytes);
        match package(&original.text()) {
            Some(canonical) => drop(packages.insert(original.name.clone(), canonical)),
            None => drop(others.insert(original.name.clone())),
        }
    }
    assert!(packages.len() > 220 && others.len() > 110, "{} and {}", packages.len(), others.len());

    world.run_once().ended(1);
    assert_eq!(world.sent().into_iter().collect::<BTreeSet<_>>(), packages.keys().cloned().collect());
    assert_eq!(world.failed().into_iter().collect::<BTreeSet<_>>(), others);
    for name in &others {
        let receipt = json(&world.outgoing().join(format!("failed/{name}.receipt.json")));
        let inbox = &receipt["inboxes"][0];
        assert_eq!((&inbox["outcome"], &inbox["attempts"]), (&"refused".into(), &0.into()), "{receipt}");
        assert!(inbox["message"].as_str().is_some_and(|reason| reason.len() > 10), "{receipt}");
    }

    world.run_once().ended(0);
    let came: BTreeSet<String> =
        world.texts().iter().map(|text| package(text).unwrap_or_else(|| panic!("no package came: {text}"))).collect();
    // Two documents with the same content are one to an inbox, and one file to a reader.
    let (lost, strange): (Vec<_>, Vec<_>) = (
        packages.iter().filter(|(_, canonical)| !came.contains(*canonical)).map(|(name, _)| name).collect(),
        came.iter().filter(|one| !packages.values().any(|other| other == *one)).collect(),
    );
    assert!(lost.is_empty() && strange.is_empty(), "{lost:?} {}", strange.len());
}
