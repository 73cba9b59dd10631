//! Whole files through the whole room.

use std::io::Write;
use std::path::PathBuf;

use super::*;

const CONTENT: [&str; 2] = ["<taxii_11:Content xmlns:taxii_11=\"urn:envelope\">", "</taxii_11:Content>"];
const STIX: &str = "<p:STIX_Package xmlns:p='http://stix.mitre.org/stix-1' version='1.2'/>";

/// The finding about a file, which must be the same however the file is cut.
fn finding(bytes: &[u8], content_binding: Option<&str>) -> Finding {
    let inspect = |size: usize| {
        let mut inspector = Inspector::new(Options { content_binding: content_binding.map(Into::into) });
        bytes.chunks(size).for_each(|piece| inspector.feed(piece));
        inspector.finish()
    };
    let whole = inspect(bytes.len().max(1));
    for size in if bytes.len() < 100_000 { vec![1, 2, 3, 61] } else { vec![4_093] } {
        assert_eq!(inspect(size), whole, "in pieces of {size}");
    }
    whole
}

fn sendable(bytes: &[u8], content_binding: Option<&str>) -> Sendable {
    match finding(bytes, content_binding) {
        Finding::Sendable(sendable) => sendable,
        Finding::Refused(refusal) => panic!("{refusal}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)])),
    }
}

fn refused(bytes: &[u8], content_binding: Option<&str>) -> Refusal {
    match finding(bytes, content_binding) {
        Finding::Refused(refusal) => refusal,
        Finding::Sendable(sendable) => panic!("{sendable:?}: {}", String::from_utf8_lossy(bytes)),
    }
}

/// What stands between the tags of Content.
fn wire(form: &Form, bytes: &[u8]) -> String {
    let mut writer = form.writer(Vec::new());
    bytes.chunks(1_000).for_each(|piece| writer.write_all(piece).unwrap());
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

/// The text a receiver reads out of Content.
fn received_text(form: &Form, bytes: &[u8]) -> String {
    let message = CONTENT.join(&wire(form, bytes));
    roxmltree::Document::parse(&message).unwrap().root_element().text().unwrap_or_default().to_owned()
}

/// An element as a value: every name, attribute, text, comment and instruction below it with its depth.
fn tree(element: roxmltree::Node<'_, '_>) -> Vec<String> {
    let base = element.ancestors().count();
    let describe = |node: roxmltree::Node<'_, '_>| {
        let name = |namespace: Option<&str>, local: &str| format!("{{{}}}{local}", namespace.unwrap_or_default());
        let mut attributes: Vec<String> =
            node.attributes().map(|a| format!("{}={}", name(a.namespace(), a.name()), a.value())).collect();
        attributes.sort();
        let tag = name(node.tag_name().namespace(), node.tag_name().name());
        let instruction = node.pi().map(|pi| (pi.target.to_owned(), pi.value.map(str::to_owned)));
        let text = if node.is_element() { None } else { node.text() };
        format!("{} {tag} {attributes:?} {text:?} {instruction:?}", node.ancestors().count() - base)
    };
    element.descendants().map(describe).collect()
}

/// Asserts that the file's root element is the only thing in Content, and is what it was.
fn assert_arrives(form: &Form, bytes: &[u8], original: &str) {
    let wire = wire(form, bytes);
    let message = CONTENT.join(&wire);
    let message = roxmltree::Document::parse(&message).expect("a well-formed message");
    let original = roxmltree::Document::parse(original).expect("a well-formed original");
    let children: Vec<_> = message.root_element().children().collect();
    assert_eq!(children.len(), 1, "nothing but the root element");
    assert_eq!(tree(children[0]), tree(original.root_element()));
}

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
    format!("\u{FEFF}{text}").encode_utf16().flat_map(bytes).collect()
}

#[test]
fn xml_is_sent_as_the_bytes_of_its_root_element() {
    let root = "<p:STIX_Package xmlns:p='http://stix.mitre.org/stix-1' version='1.1.1' a='>'>\r\n \
                <![CDATA[</Content>]]><!--c--><?i?>&lt;\u{e9}&#13;<Content><Content/></Content></p:STIX_Package >";
    let around = [
        ("", ""),
        ("\u{FEFF}", ""),
        (" \r\n", "\n\n"),
        ("<?xml version=\"1.0\"?>", "<!-- after -->"),
        (
            "\u{FEFF}<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<!-- <a/> -->\n<?x <b?>\n",
            "\n<?y?>\n<!---->\t",
        ),
    ];
    for (before, after) in around {
        let file = format!("{before}{root}{after}");
        let sendable = sendable(file.as_bytes(), None);
        assert_eq!(sendable.binding, "urn:stix.mitre.org:xml:1.1.1");
        assert_eq!(sendable.stix_version.as_deref(), Some("1.1.1"));
        let start = before.len() as u64;
        assert_eq!(sendable.form, Form::Verbatim { range: start..start + root.len() as u64 }, "{before:?}");
        assert_eq!(wire(&sendable.form, file.as_bytes()), root);
        assert_eq!(sendable.remarks, [""; 0]);
    }
}

#[test]
fn xml_in_another_encoding_is_sent_in_utf_8() {
    let text = |encoding: &str, inside: &str| {
        format!(
            "<?xml version='1.0' encoding='{encoding}'?>\n<!--\u{e9}--><a:alert xmlns:a='urn:oasis:names:tc:emergency:cap:1.2' b='\u{e9}'>{inside}</a:alert>\n"
        )
    };
    let latin = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let windows = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let (wide, narrow, quotes) = ("\u{20AC}\u{1F600}\r\n", "\u{fc}\u{85}\r\n", "\u{201C}\u{20AC}\u{201D}");
    let table = [
        (utf16(&text("UTF-16", wide), true), wide),
        (utf16(&text("utf-16", wide), false), wide),
        (latin(&text("ISO-8859-1", narrow)), narrow),
        (windows(&text("windows-1252", quotes)), quotes),
    ];
    for (file, inside) in table {
        let sendable = sendable(&file, None);
        assert!(matches!(sendable.form, Form::Transcoded { .. }), "{:?}", sendable.form);
        assert_eq!(sendable.binding, "urn:oasis:names:tc:emergency:cap:1.2");
        let wire = wire(&sendable.form, &file);
        assert!(wire.starts_with("<a:alert ") && wire.ends_with(&format!("b='\u{e9}'>{inside}</a:alert>")), "{wire}");
    }
    let ascii = text("US-ASCII", "a").replace('\u{e9}', "e");
    assert!(matches!(sendable(ascii.as_bytes(), None).form, Form::Verbatim { .. }));
}

#[test]
fn what_looks_like_xml_is_well_formed_or_refused_whatever_the_binding() {
    let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    let wide = format!("<a b='{}'/>", "x".repeat(2 << 20));
    let table = [
        ("<a>", "ends before its root element does"),
        ("<a><b></b>text", "ends before its root element does"),
        ("<a b=", "ends before its root element does"),
        ("<a></b>", "not well formed at line 1, column 4: "),
        ("<a/>\n<b/>", "not well formed at line 2, column 1: "),
        ("<a/>text", "not well formed at line 1, column 5: "),
        ("<a/>&amp;", "not well formed at line 1, column 5: "),
        ("<a/><![CDATA[x]]>", "not well formed at line 1, column 5: "),
        ("<a>\n\n &nbsp;</a>", "not well formed at line 3, column 2: "),
        ("<a>\n<p:b/></a>", "not well formed at line 2, column 2: the prefix p is not bound"),
        ("<a\nb='1' b='2'/>", "not well formed at line 2, column 7: the attribute b occurs twice"),
        ("<a>\n\u{1}</a>", "not well formed at line 2, column 1: "),
        ("<a>&#1;</a>", "not well formed at line 1, column 4: "),
        ("<a>1\n234]]></a>", "not well formed at line 2, column 6: "),
        ("<a b='<'/>", "not well formed at line 1, column 7: "),
        ("\n<?xml version='1.0'?><a/>", "not well formed at line 2, column 1: "),
        ("<!-- only -->", "no root element"),
        ("<html><br></html>", "not well formed at line 1, column 11: "),
        ("<!DOCTYPE a><a/>", "DOCTYPE"),
        ("<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "DOCTYPE (line 2)"),
        ("<?xml version='1.1'?><a/>", "1.1"),
        ("<?xml version='1.0' encoding='utf-7'?><a/>", "utf-7"),
        (&deep(513), "elements nested deeper than 512 levels"),
        (&deep(5_000), "elements nested deeper than 512 levels"),
        (&wide, "larger than the limit of"),
    ];
    for (file, words) in table {
        for content_binding in [None, Some("urn:any")] {
            let refusal = refused(file.as_bytes(), content_binding).to_string();
            assert!(refusal.contains(words), "{refusal} should say {words}: {file:.60}");
            assert!(!refusal.starts_with(char::is_uppercase) || refusal.starts_with("XML"), "{refusal}");
        }
    }
    let latin = refused(b"<a>caf\xE9</a>", Some("urn:any")).to_string();
    assert!(latin.contains("bytes that are not characters in the document's encoding"), "{latin}");
    assert_eq!(sendable(deep(512).as_bytes(), Some("urn:any")).remarks.len(), 1, "some receivers refuse that, too");
    assert_eq!(sendable(deep(253).as_bytes(), Some("urn:any")).remarks, [""; 0]);
}

#[test]
fn a_saved_taxii_message_is_never_content() {
    for version in ["1", "1.1"] {
        let file = format!("<t:Poll_Response xmlns:t='http://taxii.mitre.org/messages/taxii_xml_binding-{version}'/>");
        for content_binding in [None, Some("urn:any")] {
            let refusal = refused(file.as_bytes(), content_binding);
            assert_eq!(refusal.to_string(), "a saved TAXII message (Poll_Response), not content");
        }
    }
}

#[test]
fn a_configured_binding_names_any_xml() {
    let found = sendable(STIX.as_bytes(), Some("urn:mine"));
    assert_eq!((found.binding.as_str(), found.stix_version.as_deref()), ("urn:mine", Some("1.2")));
    let other = "<?xml version='1.0'?><ioc/>\n";
    assert_eq!(refused(other.as_bytes(), None), Refusal::UnknownRoot("{}ioc".to_owned()));
    let found = sendable(other.as_bytes(), Some("urn:mine"));
    assert_eq!((found.binding.as_str(), found.stix_version.as_deref()), ("urn:mine", None));
    assert_eq!(found.form, Form::Verbatim { range: 21..27 });
}

#[test]
fn the_schema_location_of_the_root_says_a_missing_version() {
    let file = "<STIX_Package xmlns='http://stix.mitre.org/stix-1' xmlns:x='http://www.w3.org/2001/XMLSchema-instance' \
                x:schemaLocation='http://stix.mitre.org/stix-1\n http://stix.mitre.org/XMLSchema/core/1.1/stix_core.xsd'/>";
    assert_eq!(sendable(file.as_bytes(), None).binding, "urn:stix.mitre.org:xml:1.1");
    assert_eq!(sendable(file.replace("1.1/", "").as_bytes(), None).binding, "urn:stix.mitre.org:xml:1.0");
}

#[test]
fn stix_2_is_sent_as_text() {
    let text = "\r\n{\"type\":\"bundle\",\"objects\":[{\"spec_version\":\"2.1\",\"pattern\":\"a < 'b' & c\"}]}\n";
    let found = sendable(text.as_bytes(), None);
    assert_eq!(found.binding, "urn:stix.mitre.org:json:2.1");
    assert_eq!(found.stix_version.as_deref(), Some("2.1"));
    assert_eq!(received_text(&found.form, text.as_bytes()), text);

    let marked = format!("\u{FEFF}{}", text.replace("\"type\"", "\"spec_version\":\"2.0\",\"type\""));
    let found = sendable(marked.as_bytes(), None);
    assert_eq!(found.binding, "urn:stix.mitre.org:json:2.0");
    assert_eq!(received_text(&found.form, marked.as_bytes()), marked.trim_start_matches('\u{FEFF}'));
}

#[test]
fn other_json_needs_a_configured_binding() {
    let table: [(&[u8], Refusal); 5] = [
        (b"[1]", Refusal::UnknownJson),
        (b"{\"type\":\"bundle\"}", Refusal::UnknownBundleVersion),
        (b"[\n1,]", Refusal::NotJson { line: 2, column: 3, reason: "a value is missing".to_owned() }),
        (b"[section]\nkey=1", Refusal::NotJson { line: 1, column: 2, reason: "a value is missing".to_owned() }),
        (b"[\"caf\xE9\"]", Refusal::NotUtf8),
    ];
    for (file, refusal) in table {
        assert_eq!(refused(file, None), refusal);
        let found = sendable(file, Some("urn:mine"));
        match std::str::from_utf8(file) {
            Ok(text) => assert_eq!(received_text(&found.form, file), text),
            Err(_) => assert_eq!(found.form, Form::Base64),
        }
    }
}

#[test]
fn s_mime_keeps_every_character() {
    let text = "MIME-Version: 1.0\r\nContent-Type: application/x-pkcs7-mime; name=\"a<b\"\r\n\r\nMIIB\r\nAA==\r\n\r\n";
    for content_binding in [None, Some("application/pkcs7-mime")] {
        let found = sendable(text.as_bytes(), content_binding);
        assert_eq!((found.binding.as_str(), found.stix_version), ("application/pkcs7-mime", None));
        assert_eq!(received_text(&found.form, text.as_bytes()), text);
    }
    let binary = [text.as_bytes(), b"\x30\x82\0\xFF"].concat();
    assert_eq!(sendable(&binary, None).form, Form::Base64);
}

#[test]
fn anything_else_needs_a_configured_binding() {
    let table: [&[u8]; 7] =
        [b"a text\r\n", b"\x1b[0m", b"MZ\0\xFF", b"\xFF\xFE{\0}\0", b"\xEF\xBB", "\u{FEFF}text".as_bytes(), b"7"];
    for file in table {
        assert_eq!(refused(file, None), Refusal::Unknown, "{file:?}");
        let found = sendable(file, Some("urn:mine"));
        assert_eq!((found.binding.as_str(), found.stix_version), ("urn:mine", None));
        match std::str::from_utf8(file) {
            Ok(text) if !text.contains('\x1b') => assert_eq!(received_text(&found.form, file), text),
            _ => assert_eq!(wire(&found.form, file), base64::Engine::encode(&base64::prelude::BASE64_STANDARD, file)),
        }
    }
}

#[test]
fn nothing_is_not_sent() {
    for content_binding in [None, Some("urn:mine")] {
        assert_eq!(refused(b"", content_binding), Refusal::Empty);
        for blank in [&b" \r\n\t"[..], b"\n", b"\xEF\xBB\xBF", b"\xFF\xFE\n\0"] {
            assert_eq!(refused(blank, content_binding), Refusal::Blank);
        }
    }
}

#[test]
fn a_text_that_receivers_refuse_is_remarked() {
    let root = |inside: &str| STIX.replace("/>", &format!(">{inside}</p:STIX_Package>"));
    let long = "x".repeat(6_000_000);
    let table = [
        (root(&format!("{long}&amp;<![CDATA[{long}]]>")), None, true),
        (root(&format!("{long}<a/>{long}")), None, false),
        (root(&format!("{long}<!---->{long}")), None, false),
        (format!("{}{STIX}", "\n".repeat(12_000_000)), None, false),
        (format!("{{\"type\":\"bundle\",\"spec_version\":\"2.0\",\"a\":\"{long}\"}}"), None, false),
        (format!("{{\"type\":\"bundle\",\"spec_version\":\"2.0\",\"a\":\"{long}{long}\"}}"), None, true),
        (format!("\0{long}"), Some("urn:mine"), false),
        (format!("\0{long}{long}"), Some("urn:mine"), true),
    ];
    for (number, (file, content_binding, expected)) in table.into_iter().enumerate() {
        assert_eq!(!sendable(file.as_bytes(), content_binding).remarks.is_empty(), expected, "row {number}");
    }
}

/// The directory of documents from public repositories, where there is one.
fn corpus() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let corpus = std::env::var_os("TAXII_SYNC_SHARED").map_or_else(beside, PathBuf::from).join("corpus");
    if !corpus.is_dir() {
        println!("skipped: there is no corpus at {}", corpus.display());
        return None;
    }
    Some(corpus)
}

/// What the list of origins says of one document.
struct Origin {
    name: String,
    directory: String,
    well_formed: bool,
    local: String,
    namespace: String,
    version: String,
    bytes: Vec<u8>,
}

fn origins() -> Vec<Origin> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut origins = Vec::new();
    for directory in std::fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()) {
        let list = std::fs::read_to_string(directory.join("ORIGIN.tsv")).unwrap();
        for line in list.lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            origins.push(Origin {
                name: fields[0].to_owned(),
                directory: directory.file_name().unwrap().to_str().unwrap().to_owned(),
                well_formed: fields[7] == "yes",
                local: fields[8].to_owned(),
                namespace: fields[9].to_owned(),
                version: fields[10].to_owned(),
                bytes: std::fs::read(directory.join(fields[0])).unwrap(),
            });
        }
    }
    assert!(origins.is_empty() || origins.len() > 400, "the whole corpus: {}", origins.len());
    origins
}

#[test]
fn every_package_of_the_corpus_is_sendable_as_what_it_is() {
    let mut packages = 0;
    for origin in origins() {
        let Some(expected) = origin.directory.strip_prefix("stix-") else { continue };
        assert_eq!((origin.well_formed, origin.local.as_str()), (true, "STIX_Package"), "{}", origin.name);
        let found = sendable(&origin.bytes, None);
        assert_eq!(found.stix_version.as_deref(), Some(expected), "{}", origin.name);
        assert!(origin.version.is_empty() || origin.version.trim_start_matches("stix-") == expected);
        assert!(found.binding.ends_with(&format!(":xml:{expected}")), "{}", found.binding);
        let original = match &found.form {
            Form::Verbatim { .. } => String::from_utf8(origin.bytes.clone()).unwrap(),
            _ => encoding_rs::WINDOWS_1252.decode(&origin.bytes).0.into_owned(),
        };
        assert_arrives(&found.form, &origin.bytes, &original);
        packages += 1;
    }
    assert!(packages == 0 || packages > 200, "{packages}");
}

#[test]
fn everything_else_in_the_corpus_is_refused_with_its_reason() {
    for origin in origins() {
        let refusal = match (origin.well_formed, origin.directory.strip_prefix("stix-")) {
            (true, Some(_)) => continue,
            (true, None) if origin.namespace == "http://stix.mitre.org/stix-1" => continue,
            (false, _) => refused(&origin.bytes, Some("urn:any")),
            (true, None) => refused(&origin.bytes, None),
        };
        let expected = match (origin.well_formed, origin.namespace.starts_with("http://taxii.mitre.org/messages/")) {
            (false, _) => matches!(refusal, Refusal::NotWellFormed { .. } | Refusal::NoRoot),
            (true, true) if origin.name.contains("Doctype") => matches!(refusal, Refusal::Doctype { .. }),
            (true, true) => refusal == Refusal::TaxiiMessage(origin.local.clone()),
            (true, false) => matches!(refusal, Refusal::UnknownRoot(_)),
        };
        assert!(expected, "{}: {refusal}", origin.name);
    }
}
