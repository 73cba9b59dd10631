//! Hostile bodies, by the rows of the list of hostile inputs.

use super::*;
use crate::taxii::message::{Body, Fault};

/// What becomes of a reply whose one content is this: an error, a fault of the block, or nothing.
#[derive(Debug, PartialEq)]
enum Outcome {
    Refused(&'static str),
    SetAside(&'static str),
    Taken,
}
use Outcome::{Refused, SetAside, Taken};

fn outcome_of(decoded: Decoded) -> String {
    match decoded {
        Err(error) => format!("refused: {error}"),
        Ok((_, blocks)) => match blocks.iter().find_map(|(_, block)| block.content.fault.clone()) {
            Some(fault) => format!("set aside: {fault}"),
            None => "taken".to_owned(),
        },
    }
}

fn check(row: &str, body: &[u8], expected: &Outcome) {
    let pieces = if body.len() < 2000 { 1 } else { 65_536 };
    let found = outcome_of(decode_pieces(Limits::default(), body.chunks(pieces)));
    assert_eq!(found, outcome_of(decode_pieces(Limits::default(), [body])), "{row}: the pieces make a difference");
    let (prefix, phrase) = match expected {
        Refused(phrase) => ("refused: ", *phrase),
        SetAside(phrase) => ("set aside: ", *phrase),
        Taken => ("taken", ""),
    };
    assert!(found.starts_with(prefix) && found.contains(phrase), "{row}: {found}, not {expected:?}");
}

#[test]
fn hostile_contents_are_refused_or_set_aside() {
    let long = |n: usize| "x".repeat(n);
    let rows: Vec<(&str, String, Outcome)> = vec![
        ("X01 truncated", "<a><b>text".into(), Refused("</t:Content> where <b> should end")),
        ("X03 two roots", "<a/><b/>".into(), Taken),
        ("X06 mismatched end tag", "<a><b></a></b>".into(), Refused("</a> where <b> should end")),
        ("X07 DOCTYPE in a content", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".into(), Refused("DOCTYPE")),
        ("X11 undefined entity", "<a>&foo;</a>".into(), SetAside("the entity foo is not declared")),
        ("X12 &#0;", "<a>&#0;</a>".into(), SetAside("refers to no character")),
        ("X12 &#xD800;", "<a>&#xD800;</a>".into(), SetAside("refers to no character")),
        ("X12 above 10FFFF", "<a>&#x110000;</a>".into(), SetAside("refers to no character")),
        ("X13 &#x1F;", "<a>&#x1F;</a>".into(), SetAside("refers to no character")),
        ("X14 NUL", "<a>\0</a>".into(), SetAside("U+0000")),
        ("X14 escape sequence", "<a>\u{1B}[2J</a>".into(), SetAside("U+001B")),
        ("X21 depth", format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000)), SetAside("deeper than 512")),
        ("X21 depth", format!("{}{}", "<a>".repeat(900_000), "</a>".repeat(900_000)), SetAside("deeper than 512")),
        ("X21 depth", "<a>".repeat(2_000_000), Refused("cut short")),
        ("X21 depth", format!("<a>{}</a>", "<a>".repeat(900_000)), Refused("cut short")),
        (
            "X22 attributes",
            format!("<a{}/>", (0..5000).map(|i| format!(" a{i}=''")).collect::<String>()),
            SetAside("more than this agent reads: line 3: more than 1024 attributes"),
        ),
        (
            "X22 attributes",
            format!("<a{}/>", (0..200_000).map(|i| format!(" a{i}=''")).collect::<String>()),
            SetAside("more than this agent reads: line 3: a tag longer than 1048576 bytes"),
        ),
        (
            "X23 300 bindings",
            format!("<a{}/>", (0..300).map(|i| format!(" xmlns:a{i}='u'")).collect::<String>()),
            Taken,
        ),
        (
            "X23 20,000 bindings",
            (0..20_000).map(|i| format!("<a xmlns:a{i}='u'>")).collect::<String>() + &"</a>".repeat(20_000),
            SetAside("deeper than 512"),
        ),
        ("X24 long name", format!("<{}/>", long(2 << 20)), SetAside("a tag longer than 1048576 bytes")),
        ("X24 long names", format!("<{0}>x</{0}>", long(2 << 20)), SetAside("a tag longer than 1048576 bytes")),
        ("X24 long end tag", format!("<a>x</a{}>", " ".repeat(2 << 20)), SetAside("a tag longer than 1048576 bytes")),
        ("X24 long end tag", format!("<a>x</b{}>", " ".repeat(2 << 20)), Refused("</b> where <a> should end")),
        ("X24 long value", format!("<a b='{}'/>", long(2 << 20)), SetAside("a tag longer than 1048576 bytes")),
        ("X24 long value", format!("<a><b c='{}'>d<e/></b></a>", long(5 << 20)), SetAside("a tag longer than")),
        ("X24 long value", format!("<a b='{}/>' c='/'></a>", long(2 << 20)), SetAside("a tag longer than")),
        ("X24 long value", format!("<a b='{}'/></a>", long(2 << 20)), Refused("</a> where <t:Content> should end")),
        ("X24 missing quote", format!("<a b='{}><c d='e'/></a>", long(2 << 20)), Refused("a tag or processing")),
        ("X24 long instruction", format!("<?p {}?><a/>", long(2 << 20)), Taken),
        ("X24 long instruction", format!("<a><?p {}\u{1}?></a>", long(2 << 20)), SetAside("U+0001")),
        ("X24 long instruction", format!("<?xml {}?><a/>", long(2 << 20)), SetAside("is not the target")),
        ("X24 long comment", format!("<!--{}--><a/>", long(5 << 20)), Taken),
        ("X24 long text", format!("<a>{}</a>", long(5 << 20)), Taken),
        ("X24 long white space", format!("{}<a/>{}", " ".repeat(2 << 20), "\n".repeat(2 << 20)), Taken),
        ("X25 instructions", format!("<a>{}</a>", "<?p?>".repeat(200_000)), Taken),
        ("X25 sections", format!("<a>{}</a>", "<![CDATA[]]>".repeat(200_000)), Taken),
        ("X26 duplicate attribute", "<a b='' b=''/>".into(), SetAside("the attribute b occurs twice")),
        ("X27 < in a value", "<a b='<'/>".into(), SetAside("inside the value")),
        ("X28 unbound prefix", "<p:a/>".into(), SetAside("the prefix p is not bound")),
        ("X29 a:b:c", "<a:b:c/>".into(), SetAside("\"a:b:c\" is not a name")),
        ("X29 xml rebound", "<a xmlns:xml='u'/>".into(), SetAside("the prefix xml")),
        ("X36 text that is no XML", "<![CDATA[<a><b></a>]]>".into(), Taken),
        (
            "X42 XInclude",
            "<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='file:///etc/passwd'/></a>".into(),
            Taken,
        ),
        ("X42 stylesheet", "<?xml-stylesheet href='http://evil/'?><a/>".into(), Taken),
        ("X44 mixed content", "<!-- --><a xml:space='preserve'>x<!-- --><b/><?p?>y</a><!-- -->".into(), Taken),
    ];
    for (row, content, expected) in rows {
        check(row, poll_response("urn:stix.mitre.org:xml:1.1.1", &content).as_bytes(), &expected);
    }
}

#[test]
fn hostile_bodies_are_refused() {
    let good = poll_response("b", "<a/>");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let doctype = |inside: &str| format!("<!DOCTYPE a [{inside}]>{good}").into_bytes();
    let entities: String = (0..200_000).map(|i| format!("<!ENTITY e{i} 'x'>")).collect();
    let declared = |declaration: &str| format!("<?xml {declaration}?>{good}").into_bytes();
    let fake = good.replace("taxii_xml_binding-1.1", "taxii_xml_binding-9");
    let rows: Vec<(&str, Vec<u8>, Outcome)> = vec![
        ("X02 truncated in a tag", good.as_bytes()[..good.len() - 3].to_vec(), Refused("cut short")),
        ("X03 two roots", format!("{good}<a/>").into(), Refused("a second root element")),
        ("X04 text after the root", format!("{good}x").into(), Refused("text outside the root")),
        ("X05 only spaces", b"  \n ".to_vec(), Refused("the body is empty")),
        ("X07 billion laughs", doctype("<!ENTITY a 'b'><!ENTITY c '&a;&a;&a;'>"), Refused("DOCTYPE")),
        ("X08 external entity", doctype("<!ENTITY x SYSTEM 'file:///etc/passwd'>"), Refused("DOCTYPE")),
        ("X09 parameter entity", doctype("<!ENTITY % x SYSTEM 'http://evil/x.dtd'> %x;"), Refused("DOCTYPE")),
        ("X10 4 MB of declarations", doctype(&entities), Refused("DOCTYPE")),
        (
            "X15 invalid UTF-8",
            good.replace("'c'", "'\u{FFFD}'").into_bytes().into_iter().filter(|b| *b != 0xBD).collect(),
            Refused("not characters in the document's encoding"),
        ),
        ("X16 UTF-16 with a mark", utf16(&format!("\u{FEFF}{good}")), Taken),
        ("X17 UTF-16 without", utf16(&good), Refused("byte order mark")),
        ("X18 ISO-8859-1", declared("version='1.0' encoding='ISO-8859-1'"), Taken),
        ("X19 UTF-7", declared("version='1.0' encoding='UTF-7'"), Refused("\"UTF-7\" is not known")),
        ("X19 UTF-32", declared("version='1.0' encoding='UTF-32'"), Refused("\"UTF-32\" is not known")),
        (
            "X24 long end tag of a content",
            good.replace("</t:Content>", &format!("</t:Content{}>", " ".repeat(2 << 20))).into(),
            SetAside("a tag longer than 1048576 bytes"),
        ),
        (
            "X24 long end tag of a block",
            good.replace("Block></t:Poll", &format!("Block{}></t:Poll", " ".repeat(2 << 20))).into(),
            Refused("a tag is larger than the limit"),
        ),
        ("X20 XML 1.1", declared("version='1.1'"), Refused("XML 1.1")),
        ("X30 another namespace", fake.into(), Refused("not a TAXII message")),
        ("X41 an address", b"http://evil/?<taxii_11:Poll_Response/>".to_vec(), Refused("text that begins with")),
    ];
    for (row, body, expected) in rows {
        check(row, &body, &expected);
    }
}

#[test]
fn numbers_and_texts_of_any_size_are_taken_for_what_they_are() {
    let reply = |inside: &str, attributes: &str| {
        let namespace = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
        format!("<t:Poll_Response xmlns:t='{namespace}' collection_name='c' {attributes}>{inside}</t:Poll_Response>")
    };
    // X32, X33, X38: what cannot be read is not there.
    for count in ["9223372036854775808", "-1", &"9".repeat(400)] {
        let inside = format!(
            "<t:Record_Count>{count}</t:Record_Count><t:Inclusive_End_Timestamp>{count}</t:Inclusive_End_Timestamp>"
        );
        let (message, _) = decode(reply(&inside, &format!("result_part_number='{count}'"))).unwrap();
        let Body::PollResponse(response) = message.body else { panic!("no poll response") };
        assert_eq!((response.part, response.end, response.unreadable_end.as_deref()), (None, None, Some(count)));
    }
    // X40: a text of 10 MB for people is cut, and characters that are none are refused.
    let long = reply(&format!("<t:Message>{}</t:Message>", "x".repeat(10 << 20)), "");
    assert_eq!(outcome_of(decode_pieces(Limits::default(), long.as_bytes().chunks(65_536))), "taken");
    let escape = reply("<t:Message>\u{1B}[31m</t:Message>", "");
    assert!(outcome_of(decode(escape)).starts_with("refused: not well formed"));
}

#[test]
fn one_broken_block_among_many_is_the_only_one_set_aside() {
    // X35.
    let block = |content: &str| {
        format!(
            "<t:Content_Block><t:Content_Binding binding_id='application/pkcs7-mime'/><t:Content>{content}</t:Content></t:Content_Block>"
        )
    };
    let blocks: String = (0..100).map(|i| block(if i == 50 { "TUlJ&bad;" } else { "TUlJ" })).collect();
    let namespace = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
    let body = format!("<t:Poll_Response xmlns:t='{namespace}'>{blocks}</t:Poll_Response>");
    let (_, blocks) = decode_pieces(Limits::default(), body.as_bytes().chunks(11)).unwrap();
    for (at, (bytes, block)) in blocks.iter().enumerate() {
        let faulty = matches!(block.content.fault, Some(Fault::NotWellFormed(_)));
        assert_eq!((faulty, &bytes[..] == b"MII"), (at == 50, at != 50), "{at}");
    }
}
