//! What becomes of the contents of blocks.

use super::*;
use crate::taxii::message::{Body, Fault, Format, RootElement};

/// More than is held in memory.
const LONG: usize = 300 << 10;

/// The block of a reply that is too long for being cut at every byte.
fn long_content(binding: &str, content: &str) -> (String, Content) {
    let body = poll_response(binding, content);
    let whole = decode_pieces(Limits::default(), [body.as_bytes()]);
    for size in [7, 4096, 100_000] {
        assert!(decode_pieces(Limits::default(), body.as_bytes().chunks(size)) == whole, "pieces of {size}");
    }
    let (bytes, block) = only(whole);
    (bytes, block.content)
}

#[test]
fn an_element_is_cut_out_as_the_bytes_that_were_sent() {
    for (content, expected) in [
        ("<a/>", "<a/>"),
        ("\n  <a></a>\n", "<a></a>"),
        ("<!-- before --><?pi?> <a b='>/>' >x</a > <!-- after -->", "<a b='>/>' >x</a >"),
        (
            "<p:a xmlns:p=\"urn:p\" b = \"&lt;\" ><![CDATA[ <b> ]]>&#65;<c/></p:a>",
            "<p:a xmlns:p=\"urn:p\" b = \"&lt;\" ><![CDATA[ <b> ]]>&#65;<c/></p:a>",
        ),
        ("<a>\r\n\t&amp;</a>", "<a>\r\n\t&amp;</a>"),
    ] {
        let (bytes, found) = content_of("urn:x", content);
        assert_eq!(bytes, expected, "{content}");
        assert_eq!((found.format, found.fragment, &found.fault), (Format::Xml, false, &None), "{content}");
        assert!(found.remarks.is_empty() && found.root.is_some());
    }
}

#[test]
fn a_root_is_told_by_namespace_name_and_version() {
    let (_, found) = content_of(
        "urn:x",
        "<stix:STIX_Package xmlns:stix='http://stix.mitre.org/stix-1' version='1.1.1'><stix:STIX_Header/></stix:STIX_Package>",
    );
    let root = RootElement {
        namespace: "http://stix.mitre.org/stix-1".into(),
        local: "STIX_Package".into(),
        version: Some("1.1.1".into()),
    };
    assert_eq!(found.root, Some(root));
}

/// A reply with declarations on every element around the content.
fn enveloped(response: &str, block: &str, content: &str, inside: &str) -> String {
    format!(
        "<t:Poll_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" {response}>\
         <t:Content_Block {block}><t:Content {content}>{inside}</t:Content></t:Content_Block></t:Poll_Response>"
    )
}

#[test]
fn what_a_root_inherits_is_declared_on_it_right_after_its_name() {
    for (around, inside, expected) in [
        (["xmlns:p='u'", "", ""], "<p:a/>", "<p:a xmlns:p='u'/>"),
        (["xmlns:p='u'", "", ""], "<a/>", "<a xmlns:p='u'/>"),
        (["xmlns:z='1'", "xmlns:b='2'", "xmlns:m='3'"], "<a\n/>", "<a xmlns:b='2' xmlns:m='3' xmlns:z='1'\n/>"),
        (["xmlns:p='u'", "xmlns:p='v'", ""], "<p:a>x</p:a>", "<p:a xmlns:p='v'>x</p:a>"),
        (["xmlns:p='u'", "", ""], "<p:a xmlns:p='v'/>", "<p:a xmlns:p='v'/>"),
        (["xmlns='u'", "", ""], "<a/>", "<a xmlns='u'/>"),
        (["xmlns='u'", "", ""], "<a xmlns=''/>", "<a xmlns=''/>"),
        (["xmlns='u'", "xmlns=''", ""], "<a/>", "<a/>"),
        (["xmlns='u'", "", "xmlns:p='v'"], "<p:a><b/></p:a>", "<p:a xmlns='u' xmlns:p='v'><b/></p:a>"),
        (["xmlns:p=\"a&amp;'b\"", "", ""], "<p:a/>", "<p:a xmlns:p=\"a&amp;'b\"/>"),
        (
            ["", "xml:lang='en' xml:space=\"preserve\"", "xml:base='http://x/' xml:id='i'"],
            "<a b='>'/>",
            "<a xml:base='http://x/' xml:lang='en' xml:space=\"preserve\" b='>'/>",
        ),
        (["xml:lang='en'", "", "xml:lang='de'"], "<a/>", "<a xml:lang='de'/>"),
        (["xml:lang='en'", "", ""], "<a xml:lang='fr'/>", "<a xml:lang='fr'/>"),
        // The envelope's own prefixes stay out, unless something looks as if it used them.
        (
            [
                "xmlns:tdq='http://taxii.mitre.org/query/taxii_default_query-1' xmlns:ds='http://www.w3.org/2000/09/xmldsig#' xmlns:taxii='http://taxii.mitre.org/messages/taxii_xml_binding-1'",
                "",
                "",
            ],
            "<a/>",
            "<a/>",
        ),
        (
            ["xmlns:tdq='http://taxii.mitre.org/query/taxii_default_query-1'", "", ""],
            "<a b='tdq:x'/>",
            "<a xmlns:tdq='http://taxii.mitre.org/query/taxii_default_query-1' b='tdq:x'/>",
        ),
        (
            ["xmlns:ds='http://www.w3.org/2000/09/xmldsig#'", "", ""],
            "<a>ds:x</a>",
            "<a xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>ds:x</a>",
        ),
    ] {
        let body = enveloped(around[0], around[1], around[2], inside);
        let (bytes, block) = only(decode(&body));
        assert_eq!(bytes, expected, "{body}");
        assert_eq!((block.content.format, block.content.fault), (Format::Xml, None));
        roxmltree::Document::parse(&bytes).unwrap();
    }
}

#[test]
fn a_payload_in_the_default_namespace_of_taxii_stays_there_and_is_remarked_upon() {
    let taxii = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
    let body = format!(
        "<Poll_Response xmlns='{taxii}'><Content_Block><Content><a/></Content></Content_Block></Poll_Response>"
    );
    let (bytes, block) = only(decode(body));
    assert_eq!(bytes, format!("<a xmlns='{taxii}'/>"));
    assert_eq!(block.content.remarks, ["the payload is in the TAXII namespace"]);
    let nested = enveloped("", "", "", "<t:Content_Block><t:Content><b/></t:Content></t:Content_Block>");
    let (bytes, block) = only(decode(nested));
    assert_eq!(bytes, format!("<t:Content_Block xmlns:t=\"{taxii}\"><t:Content><b/></t:Content></t:Content_Block>"));
    assert_eq!((block.content.remarks, block.content.fragment), (vec![], false));
}

#[test]
fn several_roots_or_text_beside_an_element_are_one_fragment() {
    for content in [
        "<a/><b/>",
        " <a/>\n<b/> ",
        "x<a/>",
        "<a/>x",
        "<a/>&lt;",
        "<a/><![CDATA[x]]>",
        "&lt;<a/>",
        "<!-- c --><a/><?p?><b/>\r\n",
        "one <b>two</b> three",
    ] {
        let (bytes, found) = content_of("urn:x", content);
        assert_eq!(bytes, content, "the raw inner XML");
        assert_eq!((found.format, found.fragment), (Format::Text, true), "{content}");
        assert_eq!((found.root, found.fault), (None, None), "{content}");
    }
    for content in ["<a/>&#10;<![CDATA[ ]]>", "<?p?><a/><!-- x -->"] {
        assert!(!content_of("urn:x", content).1.fragment, "{content}");
    }
}

#[test]
fn a_fragment_found_late_takes_back_what_was_inserted() {
    let long = format!("<p:a>{}</p:a>", "x".repeat(LONG));
    let body = |inside: &str| enveloped("xmlns:p='u'", "", "", inside);
    let decode = |inside: &str| only(decode_pieces(Limits::default(), body(inside).as_bytes().chunks(1000)));
    let (bytes, block) = decode(&long);
    assert_eq!(
        bytes.len(),
        long.len() + " xmlns:p='u' xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\"".len()
    );
    assert!(bytes.starts_with("<p:a xmlns:p='u' xmlns:t=") && !block.content.fragment);
    for after in ["<!-- c --> <b/>", " x", "&lt;y"] {
        let fragment = format!("{long}{after}");
        let (bytes, block) = decode(&fragment);
        assert!(bytes == fragment, "{after}");
        assert_eq!((block.content.format, block.content.fragment), (Format::Text, true));
        assert_eq!(block.content.root, None);
    }
    let (bytes, block) = decode(&format!("<!-- c -->{long}<!-- d -->\n"));
    assert!(bytes.starts_with("<p:a xmlns") && bytes.ends_with("</p:a>") && !block.content.fragment);
    // A fragment from the beginning is written as it comes.
    let early = format!("<b/>{long}");
    assert!(decode(&early).0 == early);
}

#[test]
fn text_is_unescaped_once_and_trimmed() {
    for (content, expected) in [
        ("plain", "plain"),
        ("\n  two\r\nlines\r\n", "two\nlines"),
        ("&amp;lt;<![CDATA[&amp;]]>", "&lt;&amp;"),
        ("a<!-- c -->b<?p?>c", "abc"),
        (" &#32;x&#10; ", "x"),
        ("<![CDATA[ \u{E9} ]]>", "\u{E9}"),
        ("TUlJ", "TUlJ"),
        ("\\xZZ", "\\xZZ"),
        ("\\x4", "\\x4"),
        ("{not json", "{not json"),
        ("[1, 2", "[1, 2"),
        ("{\"a\": }", "{\"a\": }"),
        ("&lt;a>&lt;/b>", "<a></b>"),
        ("&lt;a/>&lt;b/>", "<a/><b/>"),
        ("&lt;p:a/>", "<p:a/>"),
        ("&lt;!DOCTYPE a>&lt;a/>", "<!DOCTYPE a><a/>"),
        ("&lt;", "<"),
    ] {
        let (bytes, found) = content_of("urn:x", content);
        assert_eq!(bytes, expected, "{content}");
        assert_eq!((found.format, found.fragment, found.fault), (Format::Text, false, None), "{content}");
    }
}

#[test]
fn text_that_is_one_document_is_a_document() {
    for (content, expected) in [
        ("&lt;a b=\"&amp;lt;\"/&gt;", "<a b=\"&lt;\"/>"),
        ("<![CDATA[<?xml version=\"1.0\"?>\n<a>x</a>\n]]>", "<?xml version=\"1.0\"?>\n<a>x</a>"),
        (" <![CDATA[<a>]]><![CDATA[</a>]]> ", "<a></a>"),
        ("<![CDATA[<?xml version='1.0' encoding='utf-8'?><a/>]]>", "<?xml version='1.0' encoding='utf-8'?><a/>"),
        ("<![CDATA[<!-- c --><a/>]]>", "<!-- c --><a/>"),
    ] {
        let (bytes, found) = content_of("urn:x", content);
        assert_eq!(bytes, expected, "{content}");
        assert_eq!((found.format, found.root.map(|root| root.local)), (Format::Xml, Some("a".into())), "{content}");
    }
    let (bytes, found) = content_of("urn:x", "<![CDATA[<?xml version='1.0' encoding='UTF-16'?>\n<a>é</a>]]>");
    assert_eq!((&*bytes, found.format), ("\n<a>é</a>", Format::Xml));
    assert_eq!(found.remarks, ["an XML declaration of another encoding was left out"]);
}

#[test]
fn json_is_told_by_its_syntax() {
    for content in ["{\"type\":\"bundle\"}", "\n[1, {\"a\": [\"&lt;\"]}]\n", "<![CDATA[{}]]>"] {
        let (bytes, found) = content_of("urn:x", content);
        assert_eq!(found.format, Format::Json, "{content}");
        serde_json::from_str::<serde_json::Value>(&bytes).unwrap();
    }
}

#[test]
fn nothing_is_empty() {
    for content in ["", " \n ", "<!-- c -->", "<![CDATA[ ]]>", "&#10;"] {
        let (bytes, found) = content_of("urn:x", content);
        assert_eq!((&*bytes, found.format, found.size), ("", Format::Empty, 0), "{content:?}");
    }
    let without = enveloped("", "", "", "").replace("<t:Content ></t:Content>", "");
    assert!(!without.contains("<t:Content "));
    let (_, block) = only(decode(without));
    assert_eq!(block.content.format, Format::Empty);
}

#[test]
fn a_bare_package_is_an_empty_poll() {
    for (namespace, version) in
        [("http://stix.mitre.org/stix-1", "1.1.1"), ("http://docs.oasis-open.org/cti/ns/stix/core-1", "stix-1.2.1")]
    {
        let open = format!("<s:STIX_Package xmlns:s='{namespace}' version='{version}' id='x'");
        for content in
            [format!("{open}/>"), format!("{open}></s:STIX_Package>"), format!("{open}>\n<!-- c --></s:STIX_Package>")]
        {
            let (bytes, found) = content_of("urn:x", &content);
            assert_eq!((&*bytes, found.format, found.size), ("", Format::Empty, 0), "{content}");
            assert_eq!(found.remarks, ["an empty STIX_Package, which stands for an empty poll"]);
        }
        let full = format!("{open}><s:STIX_Header/></s:STIX_Package>");
        assert_eq!(content_of("urn:x", &full).1.format, Format::Xml);
    }
    assert_eq!(content_of("urn:x", "<STIX_Package/>").1.format, Format::Xml);
}

#[test]
fn smime_keeps_every_character_or_is_decoded() {
    for binding in [
        "application/pkcs7-mime",
        "Application/X-PKCS7-MIME; smime-type=enveloped-data",
        "application/x-pks7-mime|urn:stix.mitre.org:xml:1.1.1",
    ] {
        let mime = "\nMIME-Version: 1.0\nContent-Type: application/pkcs7-mime\n\nTUlJ\n";
        let (bytes, found) = content_of(binding, mime);
        assert_eq!((&*bytes, found.format), (mime, Format::Smime), "{binding}");
        let (bytes, found) = content_of(binding, "\n TUlJ\n S0ND&#10;VA== ");
        assert_eq!((&*bytes, found.format), ("MIIKCCT", Format::Smime), "{binding}");
        let pem = "-----BEGIN PKCS7-----\nTUlJ\n-----END PKCS7-----\n";
        assert_eq!((content_of(binding, pem).0, content_of(binding, pem).1.format), (pem.into(), Format::Smime));
        let (bytes, found) = content_of(binding, " not base64! ");
        assert_eq!((&*bytes, found.format), ("not base64!", Format::Text));
        assert_eq!(found.remarks, ["the content binding says S/MIME, the content is not"]);
        assert_eq!(content_of(binding, "<a/>").1.format, Format::Xml);
    }
    let (bytes, found) = content_of("urn:x|application/pkcs7-mime", "TUlJ");
    assert_eq!((&*bytes, found.format), ("TUlJ", Format::Text));
}

#[test]
fn a_binding_that_comes_after_its_content_still_counts() {
    let body = "<t:Poll_Response xmlns:t='http://taxii.mitre.org/messages/taxii_xml_binding-1'><t:Content_Block>\
         <t:Timestamp_Label>2024-03-01T00:00:00Z</t:Timestamp_Label><t:Content>TUlJ</t:Content>\
         <t:Content_Binding>application/pkcs7-mime</t:Content_Binding></t:Content_Block></t:Poll_Response>";
    let (bytes, block) = only(decode(body));
    assert_eq!((&*bytes, block.content.format), ("MII", Format::Smime));
    assert_eq!(block.label.unwrap().text, "2024-03-01T00:00:00Z");
}

#[test]
fn hexadecimal_text_is_decoded_and_looked_at_again() {
    let hex = |bytes: &[u8]| format!("\\x{}", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
    for (bytes, format) in [
        (&b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xE9</a>"[..], Format::Xml),
        (b"\xEF\xBB\xBF<a/>", Format::Xml),
        (b"{\"a\": 1}", Format::Json),
        (b"plain", Format::Text),
        (b"<a></b>", Format::Text),
        (b"\x00\x01\xFF", Format::Binary),
        (b"a\0b", Format::Binary),
    ] {
        let (_, mut blocks) = decode(poll_response("urn:x", &format!("\n{}\n", hex(bytes)))).unwrap();
        let (found, block) = blocks.remove(0);
        assert_eq!((&found[..], block.content.format), (bytes, format), "{}", hex(bytes));
        assert_eq!(block.content.remarks, ["the content was written as hexadecimal digits"]);
        assert_eq!(block.content.root.is_some(), format == Format::Xml);
    }
}

#[test]
fn a_broken_rule_sets_one_block_aside_and_not_its_neighbours() {
    for (content, fault) in [
        ("<u:a/>", "the prefix u is not bound to a namespace"),
        ("<a b='' b=''/>", "the attribute b occurs twice"),
        ("<a>&nbsp;</a>", "the entity nbsp is not declared"),
        ("<a>\u{1}</a>", "the character U+0001, which XML does not allow"),
        ("&nbsp;", "the entity nbsp is not declared"),
        ("x & y", "a & that begins no reference"),
        ("<a>1 < 2</a>", "a < that begins no tag"),
        ("<1a></1a>", "\"1a\" is not a name"),
        (" <!-- -- --> <a/>", "-- inside a comment"),
        ("<a/><b c/>", "an attribute without a value"),
        ("]]>", "]]> in text"),
    ] {
        let good = "<t:Content_Block><t:Content>&lt;good/></t:Content></t:Content_Block>";
        let body = enveloped("xmlns:p='u'", "", "", content);
        let body = body.replace("<t:Content_Block >", &format!("{good}<t:Content_Block>"));
        let body = body.replace("</t:Poll_Response>", &format!("{good}</t:Poll_Response>"));
        let (message, blocks) = decode(&body).unwrap();
        assert!(matches!(message.body, Body::PollResponse(response) if response.blocks == 3));
        assert_eq!(blocks.len(), 3);
        for at in [0, 2] {
            assert_eq!((&*blocks[at].0, &blocks[at].1.content.fault), (&b"<good/>"[..], &None));
        }
        assert_eq!(blocks[1].0, content.as_bytes(), "the bytes as they were sent");
        let expected = Fault::NotWellFormed(format!("line 1: {fault}"));
        assert_eq!(blocks[1].1.content.fault, Some(expected), "{content}");
    }
    let mut body = poll_response("urn:x", "<a>!</a>").into_bytes();
    let at = body.iter().position(|&b| b == b'!').unwrap();
    body[at] = 0xE9;
    let (_, blocks) = decode(&body).unwrap();
    assert_eq!(blocks[0].0, b"<a>\xE9</a>");
    assert!(blocks[0].1.content.fault.is_some());
}

#[test]
fn a_rule_broken_late_leaves_what_was_written_and_goes_on_raw() {
    for (head, tail) in [("<a>", "&nbsp;</a>"), ("&lt;", "&nbsp;&lt;"), ("<a/><b>", "\u{1}</b>")] {
        let content = format!("{head}{}{tail}", "x".repeat(LONG));
        let (bytes, found) = long_content("urn:x", &content);
        assert!(bytes.ends_with(&format!("x{tail}")), "{}", &bytes[bytes.len() - 20..]);
        assert_eq!(bytes == content, found.remarks.is_empty(), "what is not as it was sent is remarked upon: {head}");
        assert!(matches!(found.fault, Some(Fault::NotWellFormed(_))), "{head}");
    }
}

#[test]
fn what_is_too_deep_is_set_aside() {
    let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    assert_eq!(long_content("urn:x", &deep(512)).1.fault, None);
    assert_eq!(long_content("urn:x", &deep(513)).1.fault, Some(Fault::TooDeep(512)));
    assert_eq!(long_content("urn:x", &deep(100_000)).1.fault, Some(Fault::TooDeep(512)));
    let as_text = |levels| format!("<![CDATA[{}]]>", deep(levels));
    assert_eq!(long_content("urn:x", &as_text(512)).1.fault, None);
    assert_eq!(long_content("urn:x", &as_text(513)).1.fault, Some(Fault::TooDeep(512)));
}

#[test]
fn a_content_over_the_limit_is_set_aside_without_its_end() {
    let limits = Limits { max_content_block: 20, ..Limits::default() };
    for (content, fault) in [
        ("<a>0123456789012</a>", None),
        ("  <a>0123456789012</a>  ", None),
        ("<a>01234567890123</a>", Some(Fault::TooLarge(20))),
        ("012345678901234567890", Some(Fault::TooLarge(20))),
        ("01234567890123456789\n", None),
        ("<a>&nbsp;3456789012345678</a>", Some(Fault::TooLarge(20))),
    ] {
        let (bytes, block) = only(decode_with(limits, poll_response("urn:x", content)));
        assert_eq!(block.content.fault, fault, "{content}");
        assert_eq!(bytes, if fault.is_some() { "" } else { content.trim() });
    }
    let limits = Limits { max_content_block: 400 << 10, ..Limits::default() };
    let body = poll_response("urn:x", &format!("<a>{}</a>", "x".repeat(LONG * 2)));
    let (bytes, block) = only(decode_pieces(limits, body.as_bytes().chunks(10_000)));
    assert_eq!(block.content.fault, Some(Fault::TooLarge(400 << 10)));
    assert!(bytes.len() <= 400 << 10);
}

#[test]
fn long_contents_become_what_short_ones_become() {
    let x = "x".repeat(LONG);
    let (bytes, found) = long_content("urn:x", &format!("\n {x} y\r\n \n"));
    assert!(bytes == format!("{x} y"), "trimmed");
    assert_eq!(found.format, Format::Text);
    let (bytes, found) = long_content("urn:x", &format!("<![CDATA[\n<a>{x}</a>\n]]>"));
    assert!(bytes == format!("<a>{x}</a>"));
    assert_eq!((found.format, found.root.map(|root| root.local)), (Format::Xml, Some("a".into())));
    assert_eq!(long_content("urn:x", &format!("&lt;a>{x}")).1.format, Format::Text);
    assert_eq!(long_content("urn:x", &format!("[\"{x}\"] ")).1.format, Format::Json);
    assert_eq!(long_content("urn:x", &format!("[\"{x}\"")).1.format, Format::Text);
    let (bytes, found) = long_content("urn:x", &format!("\\x{} ", "3c".repeat(LONG)));
    assert!(bytes == "<".repeat(LONG));
    assert_eq!((found.format, found.fault), (Format::Text, None));
    let (bytes, found) = long_content("urn:x", &format!("\\x{}.ab", "61".repeat(LONG)));
    assert!(bytes == format!("{}.ab", "a".repeat(LONG)));
    assert_eq!(found.fault, Some(Fault::Undecodable("not hexadecimal to its end".into())));
    let (_, found) = long_content("urn:x", &format!("\\x{}6", "61".repeat(LONG)));
    assert_eq!(found.fault, Some(Fault::Undecodable("not hexadecimal to its end".into())));
    let smime = "application/pkcs7-mime";
    let (bytes, found) = long_content(smime, &format!("{}TQ==\n", "TUlJ\n".repeat(LONG / 4)));
    assert!(bytes == format!("{}M", "MII".repeat(LONG / 4)));
    assert_eq!((found.format, found.fault), (Format::Smime, None));
    let (_, found) = long_content(smime, &format!("{}TU!J\n", "TUlJ".repeat(LONG / 4)));
    assert_eq!(found.fault, Some(Fault::Undecodable("not base64 to its end".into())));
    let mime = format!("Content-Type: application/pkcs7-mime\n\n{}\n\n", "TUlJ\n".repeat(LONG / 4));
    assert!(long_content(smime, &mime).0 == mime);
    let (bytes, found) = long_content("urn:x", &format!("<!--{x}--> <a/>"));
    assert_eq!((&*bytes, found.format), ("<a/>", Format::Xml));
    let (bytes, found) = long_content("urn:x", &format!("{x}<a/>&lt;"));
    assert!(bytes == format!("{x}<a/>&lt;"));
    assert_eq!((found.fragment, found.format), (true, Format::Text));
}

#[test]
fn most_contents_reach_the_sink_at_once() {
    struct Writes(usize);
    impl BlockSink for Writes {
        type Error = Infallible;
        fn write(&mut self, _: &[u8]) -> Result<(), Infallible> {
            self.0 += 1;
            Ok(())
        }
        fn replace(&mut self, _: Range<u64>, _: &[u8]) -> Result<(), Infallible> {
            panic!("nothing was written too early")
        }
        fn block(&mut self, _: ContentBlock) -> Result<(), Infallible> {
            Ok(())
        }
    }
    for content in [format!("<a>{}</a>", "<b/>".repeat(60_000)), "x".repeat(250_000), "<a/><b/>".to_owned()] {
        let mut decoder = Decoder::new(Limits::default(), None, Writes(0));
        decoder.feed(poll_response("urn:x", &content).as_bytes()).unwrap();
        assert_eq!(decoder.finish().unwrap().1.0, 1);
    }
}

#[test]
fn two_contents_in_one_block_are_set_aside_together() {
    let body = enveloped("", "", "", "<a/>").replace("</t:Content>", "</t:Content><t:Content><b/></t:Content>");
    let (bytes, block) = only(decode(body));
    assert_eq!(bytes, "<a/><b/>");
    assert_eq!(block.content.fault, Some(Fault::NotWellFormed("a second Content in one block".into())));
}
