//! What is said of bodies that are no message.

use super::*;

fn error(body: impl AsRef<[u8]>) -> String {
    decode(body).unwrap_err().to_string()
}

#[test]
fn a_body_that_is_no_message_is_called_what_it_looks_like() {
    for (body, expected) in [
        ("", "not a TAXII message: the body is empty"),
        (" \r\n ", "not a TAXII message: the body is empty"),
        ("<!DOCTYPE html><html><body>Log in</body></html>", "not a TAXII message: the body is an HTML page"),
        ("<html><br></html>", "not a TAXII message: the body is an HTML page"),
        ("{\"detail\":\"no\"}", "not a TAXII message: the body is JSON that begins with {\"detail\":\"no\"}"),
        ("Request Failed\n", "not a TAXII message: the body is text that begins with \"Request Failed\""),
        ("http://evil/?<taxii", "not a TAXII message: the body is text that begins with \"http://evil/?<taxii\""),
        ("<rss version='2.0'></rss>", "not a TAXII message: the body is XML with the root <rss>"),
        (
            "<Poll_Response xmlns='http://taxii.mitre.org/messages/other'/>",
            "not a TAXII message: the body is XML with the root <Poll_Response>",
        ),
        (
            "<t:Foo xmlns:t='http://taxii.mitre.org/messages/taxii_xml_binding-1'/>",
            "not a TAXII message: the body is XML with the root <Foo> in a namespace of TAXII",
        ),
    ] {
        assert_eq!(error(body), expected, "{body}");
    }
    let long = format!("<{}/>", "a".repeat(100));
    assert!(error(long).ends_with(&format!("XML with the root <{}…>", "a".repeat(60))));
}

#[test]
fn a_later_taxii_is_recognised_and_named() {
    let namespace = "http://docs.oasis-open.org/cti/ns/taxii/xml-binding-1.1.1";
    let body = format!("<Poll_Response xmlns='{namespace}'/>");
    assert_eq!(error(body), format!("a TAXII version that is not supported: {namespace}"));
}

#[test]
fn a_message_that_is_cut_short_at_any_place_is_no_message() {
    let body = poll_response("urn:x", "<a>&lt;<![CDATA[é]]></a><!-- c -->");
    let root = body.find('>').unwrap();
    for (cut, _) in body.char_indices().skip(1) {
        let decoded = decode_pieces(Limits::default(), [&body.as_bytes()[..cut]]);
        assert_eq!(decoded, Err(DecodeError::CutShort), "{}", &body[..cut]);
        assert!(cut <= root || cut < body.len());
    }
}

#[test]
fn an_envelope_with_any_broken_rule_is_refused_whole() {
    let body = |inside: &str| {
        format!(
            "<t:Poll_Response xmlns:t='http://taxii.mitre.org/messages/taxii_xml_binding-1.1' message_id='1' \
             collection_name='c'>\n{inside}</t:Poll_Response>"
        )
    };
    for (inside, expected) in [
        ("<t:Message>&nbsp;</t:Message>", "not well formed: line 2: the entity nbsp is not declared"),
        ("<u:Message/>", "not well formed: line 2: the prefix u is not bound to a namespace"),
        ("<t:Message a='' a=''/>", "not well formed: line 2: the attribute a occurs twice"),
        ("<t:Message>\u{1}</t:Message>", "not well formed: line 2: the character U+0001, which XML does not allow"),
        ("<t:Message></t:Massage>", "not well formed: line 2: </t:Massage> where <t:Message> should end"),
        (
            "<t:Content_Block><t:Content><a></t:Content></t:Content_Block>",
            "not well formed: line 2: </t:Content> where <a> should end",
        ),
        (
            "<t:Content_Block><t:Content></a></t:Content></t:Content_Block>",
            "not well formed: line 2: </a> where <t:Content> should end",
        ),
        (
            "<t:Content_Block><t:Content><!DOCTYPE a></t:Content></t:Content_Block>",
            "the body has a DOCTYPE, which is not accepted",
        ),
        (
            "<t:Content_Block><t:Content b='' b=''/></t:Content_Block>",
            "not well formed: line 2: the attribute b occurs twice",
        ),
    ] {
        assert_eq!(error(body(inside)), expected, "{inside}");
    }
    assert_eq!(error(body("") + "<a/>"), "not well formed: line 2: a second root element");
    assert_eq!(error(body("") + "x"), "not well formed: line 2: text outside the root element");
    assert_eq!(error(format!("<!DOCTYPE a>{}", body(""))), "the body has a DOCTYPE, which is not accepted");
    assert_eq!(
        error(format!("<?xml version='1.1'?>{}", body(""))),
        "not well formed: line 1: XML 1.1, which is not accepted"
    );
    let deep = "<a>".repeat(600);
    assert_eq!(
        decode_pieces(Limits::default(), [body(&deep).as_bytes()]).unwrap_err().to_string(),
        "the depth of the elements is larger than the limit of 515"
    );
}

#[test]
fn encodings_are_read_or_refused_by_name() {
    let body = poll_response("é", "<a>é€</a>");
    let utf16: Vec<u8> = format!("\u{FEFF}\n{body}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = [
        b"\n<?xml version='1.0' encoding='iso-8859-1'?>".to_vec(),
        body.replace('€', "\u{A4}").chars().map(|c| c as u8).collect(),
    ]
    .concat();
    let (bytes, block) = only(decode(utf16));
    assert_eq!((&*bytes, &*block.binding.id), ("<a>é€</a>", "é"));
    let (bytes, block) = only(decode(latin));
    assert_eq!((&*bytes, &*block.binding.id), ("<a>é\u{A4}</a>", "é"));
    let with_mark = format!("\u{FEFF}\r\n<?xml version='1.0'?>{body}");
    assert_eq!(only(decode(with_mark)).0, "<a>é€</a>");
    let unknown = format!("<?xml version='1.0' encoding='utf-7'?>{body}");
    assert_eq!(
        error(unknown),
        "the encoding \"utf-7\" is not known; UTF-8, UTF-16, ISO-8859-1, US-ASCII and windows-1252 are"
    );
    let charset: Vec<u8> = body.replace('€', "").chars().map(|c| c as u8).collect();
    let mut decoder = Decoder::new(Limits::default(), Some("ISO-8859-1"), Kept::default());
    decoder.feed(&charset).unwrap();
    assert_eq!(decoder.finish().unwrap().1.blocks[0].0, "<a>é</a>".as_bytes());
}

#[test]
fn what_is_not_limited_elsewhere_is_limited_by_name() {
    let open = "<t:Poll_Response xmlns:t='http://taxii.mitre.org/messages/taxii_xml_binding-1.1' message_id='1'>";
    let long = "x".repeat(70_000);
    let limited = |inside: &str| {
        let body = format!("{open}{inside}</t:Poll_Response>");
        decode_pieces(Limits::default(), [body.as_bytes()]).unwrap_err().to_string()
    };
    assert_eq!(
        limited(&format!("<t:Subscription_ID>{long}</t:Subscription_ID>")),
        "Subscription_ID is larger than the limit of 65536"
    );
    let headers = "<t:Extended_Header name='a'>b</t:Extended_Header>".repeat(100_000);
    assert!(limited(&format!("<t:Extended_Headers>{headers}</t:Extended_Headers>")).starts_with("the message without"));
    let nothing = "<t:Message/>".repeat(100_000);
    assert!(limited(&nothing).starts_with("the message without"));
}

#[test]
fn a_small_reply_cannot_fill_a_disk_with_inherited_declarations() {
    let declarations: String = (0..1000).map(|i| format!(" xmlns:p{i}='{}'", "u".repeat(900))).collect();
    let blocks = "<t:Content_Block><t:Content><a/></t:Content></t:Content_Block>".repeat(1000);
    let body = format!(
        "<t:Poll_Response xmlns:t='http://taxii.mitre.org/messages/taxii_xml_binding-1.1'{declarations}>{blocks}</t:Poll_Response>"
    );
    let error = decode_pieces(Limits::default(), [body.as_bytes()]).unwrap_err().to_string();
    assert!(error.starts_with("the namespace declarations that the contents inherit"), "{error}");
}

#[test]
fn an_error_of_the_sink_ends_the_decoding() {
    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("full")]
    struct Full;
    struct Fails;
    impl BlockSink for Fails {
        type Error = Full;
        fn write(&mut self, _: &[u8]) -> Result<(), Full> {
            Err(Full)
        }
        fn replace(&mut self, _: Range<u64>, _: &[u8]) -> Result<(), Full> {
            Ok(())
        }
        fn block(&mut self, _: ContentBlock) -> Result<(), Full> {
            Ok(())
        }
    }
    let mut decoder = Decoder::new(Limits::default(), None, Fails);
    assert_eq!(decoder.feed(poll_response("b", "<a/>").as_bytes()), Err(DecodeError::Sink(Full)));
}
