//! What becomes of a content block: protocol reference, 12.4 and 13.

use std::fs;

use taxii_sync::practice::{Act, Quirk, Service};

use crate::common::{STIX, World, for_each, minutes_ago, names, numbered};

/// The binding, what stands in Content, the extension of the file and its bytes.
type Shape = (&'static str, &'static str, &'static str, &'static str);

const JSON: &str = "urn:stix.mitre.org:json:2.1";
const SMIME: &str = "application/x-pkcs7-mime";

const SHAPES: [Shape; 18] = [
    (STIX, "<a b='1'>x &amp; y<!-- c --></a>", "xml", "<a b='1'>x &amp; y<!-- c --></a>"),
    (STIX, "\n  <a/>\n ", "xml", "<a/>"),
    (STIX, "&lt;a b=\"1\"&gt;x &amp;amp; y&lt;/a&gt;", "xml", "<a b=\"1\">x &amp; y</a>"),
    (STIX, "<![CDATA[<a>x &amp; y</a>]]>", "xml", "<a>x &amp; y</a>"),
    (STIX, "<!-- first --><?pi?><a/>", "xml", "<a/>"),
    (STIX, "<a><![CDATA[<b>]]></a>", "xml", "<a><![CDATA[<b>]]></a>"),
    (STIX, "<a/><b/>", "txt", "<a/><b/>"),
    (STIX, "some <b>mixed</b> text", "txt", "some <b>mixed</b> text"),
    (STIX, "no markup at all", "txt", "no markup at all"),
    (STIX, "\\x3c613e313c2f613e", "xml", "<a>1</a>"),
    (JSON, "{\"type\":\"bundle\",\"a\":\"1 &amp;lt; 2\"}", "json", "{\"type\":\"bundle\",\"a\":\"1 &lt; 2\"}"),
    (JSON, "<![CDATA[{\"a\":[1,2]}]]>", "json", "{\"a\":[1,2]}"),
    (JSON, "\n {\"a\":1}\n", "json", "{\"a\":1}"),
    (JSON, "{\"a\":", "txt", "{\"a\":"),
    (SMIME, "MIME-Version: 1.0\n\nAAEC\n", "p7m", "MIME-Version: 1.0\n\nAAEC\n"),
    ("urn:example.org:other", "AAEC", "txt", "AAEC"),
    (
        "application/pkcs7-mime|urn:stix.mitre.org:xml:1.2",
        "MIME-Version: 1.0\n\nAAEC",
        "p7m",
        "MIME-Version: 1.0\n\nAAEC",
    ),
    (STIX, "<a xmlns=\"urn:a\" version=\"1\"/>", "xml", "<a xmlns=\"urn:a\" version=\"1\"/>"),
];

#[test]
fn every_shape_of_content_becomes_the_file_it_is() {
    for_each(SHAPES, |(binding, markup, extension, bytes)| {
        let world = World::new().feed("");
        world.add_bound("default", minutes_ago(10), binding, markup);
        world.run_once().ended(0);
        let (name, written) = world.the_file();
        assert!(name.ends_with(&format!(".{extension}")), "{markup} became {name}");
        assert_eq!(String::from_utf8_lossy(&written), bytes, "{markup}");
        let metadata = world.metadata(&name);
        assert_eq!(metadata["content_binding"], binding);
        assert_eq!(metadata["fragment"], extension == "txt" && markup.contains("<b"), "{markup}");
    });
}

#[test]
fn empty_content_gives_no_file_and_is_counted() {
    for_each(["", " \n ", "<!-- nothing -->"], |markup| {
        let world = World::new().feed("");
        world.add(minutes_ago(10), markup);
        world.add(minutes_ago(9), &numbered(1));
        world.run_once().ended(0);
        assert_eq!(world.texts(), [numbered(1)], "{markup:?}");
        assert_eq!(world.feed_status()["empty_total"], 1, "{markup:?}");
        assert!(world.cursor().is_some());
    });
}

#[test]
fn one_bad_block_goes_to_quarantine_and_holds_up_neither_its_neighbours_nor_the_cursor() {
    let deep = format!("{}{}", "<d>".repeat(3000), "</d>".repeat(3000));
    let large = format!("<big>{}</big>", "x".repeat(2 << 20));
    let bad = [
        "<x:a>unbound</x:a>",
        "<a b='1' b='2'/>",
        "<a>&nbsp;</a>",
        "<a>\u{1}</a>",
        "<a>&#1;</a>",
        "<a b='<'/>",
        "<a>x ]]> y</a>",
        "<a><!-- -- --></a>",
        deep.as_str(),
        large.as_str(),
    ];
    for_each(bad, |markup| {
        let world = World::new().server("max_content_block = \"1MiB\"").feed("");
        world.add(minutes_ago(12), &numbered(1));
        world.add(minutes_ago(11), markup);
        world.add(minutes_ago(10), &numbered(2));
        let shown = &markup[..markup.len().min(40)];
        let ran = world.run_once();
        assert_eq!(ran.code, 1, "{shown}: {}", ran.stderr);
        assert_eq!(world.texts(), [numbered(1), numbered(2)], "{shown}");
        assert_eq!(world.polls().len(), 1, "{shown}: the cursor is not held up");
        assert_eq!(world.cursor(), Some(world.polls()[0].end.clone().unwrap().at), "{shown}");
        assert_eq!(world.feed_status()["quarantined_total"], 1, "{shown}");
        assert_quarantined(&world, markup);
        world.run_once().ended(0);
        assert_eq!(world.feed_status()["quarantined_total"], 1, "{shown}");
    });
}

/// The reason is there, and the bytes as they came unless they are too large.
#[track_caller]
fn assert_quarantined(world: &World, markup: &str) {
    let quarantine = world.quarantine();
    let dir = world.output("indicators").join(".quarantine");
    let reason = quarantine.iter().find(|name| name.ends_with(".reason.json")).unwrap();
    let reason = crate::common::json(&dir.join(reason));
    assert!(reason["reason"].as_str().is_some_and(|text| !text.is_empty()), "{reason}");
    let bytes = quarantine.iter().find(|name| !name.ends_with(".reason.json"));
    if markup.len() > 1 << 20 {
        assert_eq!(bytes, None);
    } else {
        assert_eq!(fs::read(dir.join(bytes.unwrap())).unwrap(), markup.as_bytes());
    }
}

#[test]
fn a_prefix_that_only_the_root_of_the_reply_declares_stands_on_the_root_of_the_file() {
    let world = World::new().feed("");
    world.add(minutes_ago(10), "<s:a xsi:type=\"s:B\"><t>x</t></s:a>");
    let declared = "xmlns:s=\"urn:s\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    world.practice.forever(Service::Poll, Act::poll(Quirk::RootAttributes(declared.to_owned())));
    world.run_once().ended(0);
    let text = String::from_utf8(world.the_file().1).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert!(root.has_tag_name(("urn:s", "a")), "{text}");
    assert_eq!(root.attribute(("http://www.w3.org/2001/XMLSchema-instance", "type")), Some("s:B"));
    assert!(text.ends_with("><t>x</t></s:a>"), "the bytes are the block's own: {text}");
}

#[test]
fn a_payload_without_a_prefix_stays_in_the_default_namespace_it_was_sent_in() {
    let world = World::new().feed("");
    world.add(minutes_ago(10), "<a><b/></a>");
    world.practice.forever(Service::Poll, Act::poll(Quirk::DefaultNamespace));
    world.run_once().ended(0);
    let text = String::from_utf8(world.the_file().1).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let taxii = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
    assert!(document.root_element().has_tag_name((taxii, "a")), "{text}");
}

#[test]
fn nothing_a_server_says_becomes_a_path() {
    let world = World::new().feed("");
    world.add(minutes_ago(10), &numbered(1));
    let text = "2024-03-01T00:00:00Z/../../../x";
    world.practice.forever(
        Service::Poll,
        Act::change(move |reply| {
            reply.message_id = "../../evil".to_owned();
            reply.blocks[0].label = Some(text.to_owned());
            reply.blocks[0].binding.id = "../../evil".to_owned();
        }),
    );
    world.run_once().ended(0);
    assert_eq!(world.texts(), [numbered(1)]);
    assert!(names(&world.path("")).iter().all(|name| !name.contains("evil")));
}

#[test]
fn contents_that_are_too_large_are_told_apart_by_all_of_their_bytes() {
    let xml = |number: usize| format!("<a xmlns=\"\">{}{number}</a>", "x".repeat(3000));
    let json = |number: usize| format!("{{\"type\": \"bundle\", \"id\": \"{}{number}\"}}", "x".repeat(300_000));
    let text = |number: usize| format!("{}{number}", "words ".repeat(100_000));
    let contents: [&(dyn Fn(usize) -> String + Sync); 3] = [&xml, &json, &text];
    for_each(contents, |content| {
        let world = World::new().server("max_content_block = \"1KiB\"").feed("lag = \"0s\"");
        let at = minutes_ago(10);
        (0..3).for_each(|number| world.add(at, &content(number)));
        world.run_once().ended(1);
        let reasons = world.quarantine();
        assert_eq!(reasons.len(), 3, "{reasons:?}");
        for name in &reasons {
            let reason = crate::common::json(&world.output("indicators").join(".quarantine").join(name));
            assert_eq!(reason["size"], content(0).len(), "{reason}");
        }
        world.run_once().ended(0);
        // Its label, in whole seconds, is after the cursor.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        world.add(minutes_ago(0), &content(3));
        world.run_once().ended(1);
        assert_eq!(world.quarantine().len(), 4);
    });
}
