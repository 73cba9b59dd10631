//! What is sent of a file.

use std::fs;

use taxii_sync::practice::{Destinations, InboxSpec};
use taxii_sync::taxii::message::Body;

use super::{document, world};
use crate::common::{World, for_each};

const PREFIXED: &str = "<p:a xmlns:p=\"urn:p\" xsi:type='p:T' xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
     <!-- kept --><b>&#233;\u{4e2d}</b><![CDATA[<raw>]]><?pi x?></p:a>";

/// The text of the only message, as far as the server remembers it.
fn body(world: &World) -> String {
    let pushes = world.pushes();
    assert_eq!(pushes.len(), 1);
    String::from_utf8(pushes[0].body_start.to_vec()).unwrap()
}

#[test]
fn the_bytes_on_the_wire_are_the_files_root_element() {
    let files = [
        PREFIXED.to_owned(),
        format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- before -->\n<?pi?>\n{PREFIXED}\n<!-- after -->\n"
        ),
    ];
    for_each(files, |file| {
        let world = World::new().inbox("").drop_directory("content_binding = \"urn:x\"");
        world.drop_file("a.xml", &file);
        world.run_once().ended(0);
        let body = body(&world);
        assert!(body.contains(&format!("Content>{PREFIXED}</")), "{body}");
        assert!(!body.contains("before") && !body.contains("after"), "{body}");
        assert!(!body.contains(" xmlns=\"http://taxii"), "the envelope's namespace has a prefix: {body}");
        assert_eq!(
            fs::read_to_string(world.outgoing().join("sent/a.xml")).unwrap(),
            file,
            "the file is never rewritten"
        );
    });
}

#[test]
fn other_encodings_are_sent_as_utf_8() {
    let text = "<a b=\"\u{e9}\">gr\u{fc}n</a>";
    let latin: Vec<u8> =
        format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{text}").chars().map(|c| c as u8).collect();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?>{text}").encode_utf16().flat_map(bytes).collect()
    };
    for_each([latin, utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)], |bytes| {
        let world = World::new().inbox("").drop_directory("content_binding = \"urn:x\"");
        world.drop_file("a.xml", &bytes);
        world.run_once().ended(0);
        assert_eq!(world.practice.stored("default")[0].content, text);
        assert_eq!(fs::read(world.outgoing().join("sent/a.xml")).unwrap(), bytes);
    });
}

#[test]
fn json_is_sent_as_escaped_text() {
    let world = world();
    let json = "{\"type\":\"bundle\",\"spec_version\":\"2.0\",\"a\":\"1 < 2 & ]]> \u{e9}\"}";
    world.drop_file("a.json", json);
    world.run_once().ended(0);
    assert_eq!(world.practice.stored("default")[0].content, json);
    assert!(body(&world).contains("1 &lt; 2 &amp; ]]&gt;"), "{}", body(&world));
}

#[test]
fn the_content_binding_is_what_the_file_is() {
    let stix =
        |version: &str| format!("<s:STIX_Package xmlns:s=\"http://stix.mitre.org/stix-1\" version=\"{version}\"/>");
    let cases = [
        (stix("1.0"), "urn:stix.mitre.org:xml:1.0"),
        (stix("1.0.1"), "urn:stix.mitre.org:xml:1.0.1"),
        (stix("1.1.1"), "urn:stix.mitre.org:xml:1.1.1"),
        (stix("1.2"), "urn:stix.mitre.org:xml:1.2"),
        (
            "<a:alert xmlns:a=\"urn:oasis:names:tc:emergency:cap:1.2\"/>".to_owned(),
            "urn:oasis:names:tc:emergency:cap:1.2",
        ),
        ("{\"type\":\"bundle\",\"spec_version\":\"2.0\",\"objects\":[]}".to_owned(), "urn:stix.mitre.org:json:2.0"),
        ("{\"type\":\"bundle\",\"objects\":[{\"spec_version\":\"2.1\"}]}".to_owned(), "urn:stix.mitre.org:json:2.1"),
    ];
    for_each(cases, |(file, binding)| {
        let world = world();
        world.drop_file("a", &file);
        world.run_once().ended(0);
        assert_eq!(world.practice.stored("default")[0].binding.id, binding, "{file}");
        assert_eq!(world.receipt("sent", "a")["content_binding"], binding, "{file}");
    });
}

#[test]
fn a_configured_content_binding_overrides_detection() {
    let world = World::new().inbox("").drop_directory("content_binding = \"urn:example.org:mine\"");
    world.drop_file("a.xml", document(1));
    world.drop_file("b.xml", "<unknown/>");
    world.run_once().ended(0);
    let stored = world.practice.stored("default");
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|block| block.binding.id == "urn:example.org:mine"));
}

#[test]
fn every_message_has_the_six_headers_and_a_length_and_is_not_chunked() {
    let world = world();
    world.drop_file("a.xml", document(1));
    world.drop_file(
        "large.xml",
        format!("<a xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">{}</a>", "x".repeat(300_000))
            .replace("<a ", "<alert ")
            .replace("</a>", "</alert>"),
    );
    world.run_once().ended(0);
    let pushes = world.pushes();
    assert_eq!(pushes.len(), 2);
    for seen in pushes {
        let expected = [
            ("Content-Type", "application/xml"),
            ("Accept", "application/xml"),
            ("X-TAXII-Content-Type", "urn:taxii.mitre.org:message:xml:1.1"),
            ("X-TAXII-Accept", "urn:taxii.mitre.org:message:xml:1.1"),
            ("X-TAXII-Services", "urn:taxii.mitre.org:services:1.1"),
            ("X-TAXII-Protocol", "urn:taxii.mitre.org:protocol:http:1.0"),
        ];
        for (name, value) in expected {
            assert_eq!(seen.header(name), Some(value), "{name}");
        }
        assert_eq!(seen.header("Content-Length"), Some(seen.body_length.to_string().as_str()));
        assert_eq!(
            (seen.header("Transfer-Encoding"), seen.header("Content-Encoding"), seen.header("Expect")),
            (None, None, None)
        );
    }
}

#[test]
fn a_message_names_the_configured_destinations_and_no_label() {
    let world = World::new().inbox("collections = [\"default\"]").drop_directory("");
    world.drop_file("a.xml", document(1));
    world.run_once().ended(0);
    let message = world.pushes()[0].message.clone().unwrap();
    let Body::InboxMessage(inbox) = message.body else { panic!("{message:?}") };
    assert_eq!((inbox.destinations, inbox.blocks), (vec!["default".to_owned()], 1));
    assert!(!body(&world).contains("Timestamp_Label"));
}

#[test]
fn the_error_about_a_destination_says_which_are_acceptable() {
    for_each(
        [(Destinations::Required, "collections = []"), (Destinations::Prohibited, "collections = [\"default\"]")],
        |(rule, keys)| {
            let world =
                World::with(|options| options.inboxes = vec![InboxSpec { destinations: rule, ..InboxSpec::default() }]);
            let world = world.inbox(keys).drop_directory("");
            world.drop_file("a.xml", document(1));
            let ran = world.run_once();
            ran.ended(1).said("DESTINATION_COLLECTION_ERROR");
            if rule == Destinations::Required {
                ran.said("default");
            }
            assert_eq!((world.sent().len(), world.failed().len()), (0, 0), "it waits for an administrator");
        },
    );
}

#[test]
fn a_push_of_taxii_1_0_is_a_message_of_taxii_1_0() {
    let world = World::new().server("taxii = \"1.0\"").inbox("").drop_directory("");
    world.drop_file("a.xml", document(1));
    world.run_once().ended(0);
    assert_eq!(world.practice.stored("default").len(), 1);
    assert_eq!(world.pushes()[0].header("X-TAXII-Services"), Some("urn:taxii.mitre.org:services:1.0"));
    assert!(body(&world).contains("taxii_xml_binding-1\""), "{}", body(&world));
}
