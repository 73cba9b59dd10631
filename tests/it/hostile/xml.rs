//! X01 to X44: hostile documents in replies.

use std::time::Duration;

use bytes::Bytes;
use taxii_sync::practice::{Act, Envelope, Quirk, Service, StatusReply};

use super::lab::{Lab, SECRET, each};

const ROOT: &str = "<t:Poll_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" \
                    message_id=\"1\" in_response_to=\"1\" collection_name=\"default\" more=\"false\"";

/// A Poll_Response with this inside.
fn response(inner: &str) -> String {
    format!("{ROOT}>{inner}</t:Poll_Response>")
}

/// A Content_Block with this as its content.
fn block(content: &str) -> String {
    format!(
        "<t:Content_Block><t:Content_Binding binding_id=\"urn:stix.mitre.org:xml:1.2\"/>\
         <t:Content>{content}</t:Content></t:Content_Block>"
    )
}

/// A Poll_Response that is generated: a beginning, then the same piece so many times (or for ever), then an end.
fn long(start: String, piece: Bytes, times: usize, end: &'static str) -> Act {
    Act::generated(move || {
        let pieces = std::iter::repeat_n(piece.clone(), times);
        let start = std::iter::once(Bytes::from(start.clone()));
        Box::new(start.chain(pieces).chain(std::iter::once(Bytes::from_static(end.as_bytes()))))
    })
}

/// What comes as the reply, and what the agent says of it.
struct Row(&'static str, Act, &'static [&'static str]);

fn bytes(body: impl Into<Bytes>) -> Act {
    Act::bytes(body)
}

/// Every one of them is refused as a whole: nothing is handed over, the cursor stays, the run fails and says why.
fn refused(rows: Vec<Row>) {
    each(rows, |Row(id, act, words)| {
        let lab = Lab::feed();
        lab.practice.forever(Service::Poll, act);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{id}: {}", ended.err);
        let said = ended.complaint();
        for word in words {
            assert!(said.contains(word), "{id}: nothing about {word:?} in\n{said}");
        }
        assert!(ended.wall < Duration::from_secs(80), "{id} took {:?}", ended.wall);
        lab.nothing_came();
    });
}

#[test]
fn a_document_that_is_cut_short_or_torn_is_refused() {
    let whole = response(&block("<a/>"));
    refused(vec![
        Row("X01", bytes(whole[..whole.len() - 30].to_owned()), &["cut short"]),
        Row("X01", bytes(format!("{ROOT}><t:Message>text")), &["cut short"]),
        Row("X02", bytes(whole[..whole.len() - 5].to_owned()), &["cut short"]),
        Row("X03", bytes(format!("{whole}{whole}")), &["not well formed"]),
        Row("X04", bytes(format!("{whole} text")), &["not well formed"]),
        Row("X05", bytes(""), &["without a TAXII message"]),
        Row("X05", bytes("  \r\n\t "), &["without a TAXII message"]),
        Row("X06", bytes(response("<t:Message>a</t:Massage>")), &["not well formed"]),
    ]);
}

#[test]
fn document_types_and_entities_are_refused() {
    let laughs: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"&l{0};&l{0};&l{0};&l{0};&l{0};&l{0};&l{0};&l{0};&l{0};&l{0};\">", n - 1))
        .collect();
    let doctype = |inside: &str, text: &str| {
        bytes(format!("<!DOCTYPE t:Poll_Response [{inside}]>{}", response(&format!("<t:Message>{text}</t:Message>"))))
    };
    let many: String = (0..200_000).map(|n| format!("<!ENTITY e{n} \"x\">")).collect();
    refused(vec![
        Row("X07", doctype(&format!("<!ENTITY l0 \"lol\">{laughs}"), "&l9;"), &["DOCTYPE"]),
        Row("X08", doctype("<!ENTITY x SYSTEM \"file:///etc/passwd\">", "&x;"), &["DOCTYPE"]),
        Row("X09", doctype("<!ENTITY % p SYSTEM \"http://127.0.0.1:9/x.dtd\"> %p;", "x"), &["DOCTYPE"]),
        Row("X10", doctype(&many, "x"), &["DOCTYPE"]),
        Row("X11", bytes(response("<t:Message>&foo;</t:Message>")), &["foo"]),
        Row("X12", bytes(response("<t:Message>&#0;</t:Message>")), &["&#0;"]),
        Row("X12", bytes(response("<t:Message>&#xD800;</t:Message>")), &["&#xD800;"]),
        Row("X12", bytes(response("<t:Message>&#x110000;</t:Message>")), &["&#x110000;"]),
        Row("X13", bytes(response("<t:Message>&#x1F;</t:Message>")), &["&#x1F;"]),
    ]);
}

#[test]
fn characters_and_encodings_that_are_not_what_they_say_are_refused() {
    let utf16 = response("").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let declared = |encoding: &str| bytes(format!("<?xml version='1.0' encoding='{encoding}'?>{}", response("")));
    let broken = [response("<t:Message>").as_bytes(), b"\xff\xfe</t:Message>"].concat();
    refused(vec![
        Row("X14", bytes(response("<t:Message>a\0b</t:Message>")), &["U+0000"]),
        Row("X14", bytes(response("<t:Message>\x1b[31mFORGED</t:Message>")), &["U+001B"]),
        Row("X15", bytes(broken), &[]),
        Row("X15", bytes([b"<t:Poll\xffResponse/>".as_slice()].concat()), &[]),
        Row("X17", bytes(utf16), &[]),
        Row("X19", declared("UTF-7"), &["UTF-7"]),
        Row("X19", declared("x-no-such-thing\u{1b}[1m"), &[]),
        Row("X20", bytes(format!("<?xml version='1.1'?>{}", response("<t:Message>&#1;</t:Message>"))), &[]),
    ]);
}

#[test]
fn what_is_too_much_is_refused_and_the_limit_named() {
    let big = Bytes::from(vec![b'x'; 64 << 10]);
    let spaces = Bytes::from(vec![b' '; 64 << 10]);
    let attributes: String = (0..80_000).map(|n| format!(" a{n}=''")).collect();
    let bindings: String = (0..3000).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect();
    let nested: String = (0..3000).map(|n| format!("<t:x xmlns:n{n}='urn:{n}'>")).collect();
    let headers: String =
        (0..100_000).map(|n| format!("<t:Extended_Header name='n{n}'>v{n}</t:Extended_Header>")).collect();
    let open = format!("{ROOT}>");
    refused(vec![
        Row("X21", long(open.clone(), Bytes::from_static(b"<a>").repeat(1000).into(), 900, ""), &["depth", "515"]),
        Row("X22", bytes(format!("{ROOT}{attributes}/>")), &["attributes"]),
        Row("X23", bytes(format!("{ROOT}{bindings}/>")), &["more than 1024"]),
        Row("X23", bytes(response(&nested)), &["limit"]),
        Row("X24", long(format!("{ROOT}><"), big.clone(), 100, ""), &["limit"]),
        Row("X24", long(format!("{ROOT} a='"), big.clone(), 100, ""), &["limit"]),
        Row("X24", long(format!("{ROOT}><?p "), big.clone(), 1000, "?></t:Poll_Response>"), &["max_response"]),
        Row("X24", long(format!("{ROOT}><!--"), big.clone(), 1000, "--></t:Poll_Response>"), &["max_response"]),
        Row("X24", long(open.clone(), spaces.clone(), 1000, "</t:Poll_Response>"), &["max_response"]),
        Row("X24", long(format!("{open}<t:Message>"), big, 1000, "</t:Message></t:Poll_Response>"), &["max_response"]),
        Row("X24", long(String::new(), spaces, 1000, ""), &["max_response"]),
        Row(
            "X43",
            bytes(response(&format!("<t:Extended_Headers>{headers}</t:Extended_Headers>"))),
            &["larger than the limit"],
        ),
    ]);
}

#[test]
fn names_that_are_not_what_they_seem_are_refused() {
    let plain = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
    let fake = response("").replace(plain, "http://taxii.mitre.org/messages/fake");
    refused(vec![
        Row("X26", bytes(format!("{ROOT} more='true'></t:Poll_Response>")), &["twice"]),
        Row("X27", bytes(format!("{ROOT} x='a<b'></t:Poll_Response>")), &["<"]),
        Row("X28", bytes(response("<u:x/>")), &["u"]),
        Row("X29", bytes(response("<a:b:c/>")), &["a:b:c"]),
        Row("X29", bytes(response("<t:Message xmlns:xml='urn:x'/>")), &["xml"]),
        Row("X30", bytes(fake), &["without a TAXII message"]),
        Row("X30", bytes(response("").replace(plain, "\u{1b}]0;FORGED\u{7}")), &[]),
        Row("X41", bytes(format!("http://127.0.0.1:9/?<x/>{}", response(""))), &[]),
    ]);
}

#[test]
fn what_is_unusual_and_well_formed_is_taken() {
    let empty = Bytes::from_static(b"<?p x?><![CDATA[]]>").repeat(1000);
    let noisy = "<!--a--><?p?><t:Content_Block><!--b--><t:Content_Binding binding_id='urn:x'><!--c--></t:Content_Binding>\
                 <!--d--><t:Content><?e?><a xml:space='preserve'> b <c/> d </a><!--f--></t:Content><!--g--></t:Content_Block>";
    let fetched = "<?xml-stylesheet href='http://127.0.0.1:9/x.xsl'?><a xmlns:xi='http://www.w3.org/2001/XInclude' \
                   xmlns:s='http://www.w3.org/2001/XMLSchema-instance' s:schemaLocation='urn:x http://127.0.0.1:9/x.xsd'>\
                   <xi:include href='file:///etc/passwd'/></a>";
    let latin = "<?xml version='1.0' encoding='ISO-8859-1'?>".to_owned() + &response(&block("<a>caf\u{1}</a>"));
    let latin: Vec<u8> = latin.bytes().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect();
    let taken = vec![
        ("X16", bytes(response(&block("<a/>"))).envelope(Envelope::Utf16Le), 1),
        ("X18", bytes(latin), 1),
        ("X25", long(format!("{ROOT}>"), empty.into(), 300, "</t:Poll_Response>"), 0),
        ("X32", bytes(response("<t:Record_Count>9223372036854775808</t:Record_Count>")), 0),
        ("X32", bytes(response("<t:Record_Count>-1</t:Record_Count>")), 0),
        ("X32", bytes(response(&format!("<t:Record_Count>1{}</t:Record_Count>", "0".repeat(400)))), 0),
        ("X36", bytes(response(&block("<![CDATA[<not xml]]>"))), 1),
        ("X37", bytes(response(&block("<a/>").repeat(3))), 1),
        ("X39", Act::change(|reply| reply.in_response_to = Some("999".to_owned())), 0),
        ("X42", bytes(response(&block(fetched))), 1),
        ("X44", bytes(response(noisy)), 1),
    ];
    each(taken, |(id, act, files)| {
        let lab = Lab::feed();
        lab.practice.forever(Service::Poll, act);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 0, "{id}: {}", ended.err);
        assert_eq!(lab.handed_over().len(), files, "{id}: {:?}", lab.handed_over());
        assert!(lab.cursor().is_string(), "{id}");
        let again = lab.run_once();
        assert_eq!(again.code(), 0, "{id}: {}", again.err);
        assert_eq!(lab.handed_over().len(), files, "{id}, again: {:?}", lab.handed_over());
    });
}

#[test]
fn a_bad_block_does_not_hold_up_its_neighbours() {
    let deep = format!("{}{}", "<a>".repeat(600), "</a>".repeat(600));
    let long = format!("<a>{}</a>", "x".repeat(2 << 20));
    let attributes: String = (0..2000).map(|n| format!(" a{n}=''")).collect();
    let namespaces = |level| (0..300).map(|n| format!(" xmlns:n{level}x{n}='urn:{n}'")).collect::<String>();
    let namespaces: String = (0..5).map(|level| format!("<a{}>", namespaces(level))).collect();
    let bad = vec![
        ("X11", "<a>&foo;</a>".to_owned(), "foo"),
        ("X13", "<a>&#x1F;</a>".to_owned(), "&#x1F;"),
        ("X14", "<a>\x1b[31m</a>".to_owned(), "U+001B"),
        ("X21", deep, "512"),
        ("X22", format!("<a{attributes}/>"), "attributes"),
        ("X23", namespaces + &"</a>".repeat(5), "namespace"),
        ("X26", "<a b='' b=''/>".to_owned(), "twice"),
        ("X28", "<u:a/>".to_owned(), "u"),
        ("max_content_block", long, "max_content_block"),
    ];
    each(bad, |(id, content, word)| {
        let lab = Lab::feed();
        let neighbours = [block("<before/>"), block(&content), block("<after/>")].concat();
        lab.practice.forever(Service::Poll, bytes(response(&neighbours)));
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{id}: {}", ended.err);
        assert!(ended.complaint().contains("quarantine"), "{id}: {}", ended.complaint());
        assert_eq!(lab.handed_over().len(), 2, "{id}");
        assert!(lab.cursor().is_string(), "{id}: a block in quarantine does not hold up the cursor");
        let reasons: Vec<String> = lab
            .quarantined()
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        assert!(reasons.len() == 1 && reasons[0].contains(word), "{id}: {reasons:?}");
    });
}

#[test]
fn broken_base64_is_kept_as_it_came_and_holds_up_nobody() {
    // X35. What does not decode is text: the binding does not change what arrived.
    let lab = Lab::feed();
    lab.practice
        .forever(Service::Poll, bytes(response(&[block("<a/>"), block("PGE+PC9hPg=!="), block("<b/>")].concat())));
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    let contents: Vec<Vec<u8>> = lab.handed_over().iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(contents.contains(&b"PGE+PC9hPg=!=".to_vec()), "{contents:?}");
    assert_eq!(contents.len(), 3);
}

#[test]
fn many_blocks_take_no_more_memory_than_one() {
    // X31: blocks are not counted, they stream; `max_response` and the free space bound a part.
    let lab = Lab::feed();
    let one = Bytes::from(block("").repeat(1000));
    lab.practice.forever(Service::Poll, long(format!("{ROOT}>"), one, 50, "</t:Poll_Response>"));
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.complaint());
    assert_eq!(lab.handed_over().len(), 0, "an empty content is no file");
}

#[test]
fn parts_that_never_end_or_do_not_follow_each_other_end_the_poll() {
    let part = |attributes: &str| {
        bytes(response(&block("<a/>")).replace("more=\"false\"", &format!("more=\"true\" {attributes}")))
    };
    let rows = vec![
        ("X33", part("result_id='r' result_part_number='1'"), "part 1 when asked for part 2"),
        ("X33", part("result_id='r' result_part_number='4294967295'"), "part 4294967295"),
        ("X33", part("result_id='r' result_part_number='-1'"), "the same blocks"),
        ("X33", part("result_id='r'"), "the same blocks"),
        ("X34", part(""), "result_id"),
    ];
    each(rows, |(id, act, word)| {
        let lab = Lab::feed();
        lab.practice.forever(Service::Poll, act);
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{id}: {}", ended.err);
        assert!(ended.complaint().contains(word), "{id}: {}", ended.complaint());
        assert!(lab.cursor().is_null(), "{id}");
        assert!(lab.practice.requests().len() < 20, "{id}: {} requests", lab.practice.requests().len());
    });
}

#[test]
fn an_end_from_another_century_does_not_move_the_cursor_there() {
    // X38, with the table of the protocol reference, 14.2.
    let ends = ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2016-12-31T23:59:60Z", "soon\u{1b}[1m", "-2000-01-01"];
    let texts = ends.map(str::to_owned).into_iter().chain([format!("2026-01-01T00:00:00.{}Z", "9".repeat(30))]);
    each(texts.collect(), |text| {
        let lab = Lab::feed();
        // A control character cannot be in a document at all; as a reference neither.
        lab.practice.forever(Service::Poll, Act::poll(Quirk::EndText(text.replace('\u{1b}', "&amp;#27;"))));
        let ended = lab.run_once();
        assert!(ended.code() <= 1, "{text}: {}", ended.err);
        if let Some(cursor) = lab.cursor().as_str() {
            let cursor = chrono::DateTime::parse_from_rfc3339(cursor).unwrap();
            assert!(cursor <= chrono::Utc::now(), "{text}: the cursor is {cursor}");
        }
    });
}

#[test]
fn a_status_message_cannot_write_to_the_terminal_or_fill_it() {
    // X40.
    let long = format!("start {} end", "words ".repeat(1 << 18));
    let forged = "all is well\nFORGED line\r\u{9b}31m\u{202e}gnp.exe\u{2066}";
    for text in [long.as_str(), forged, &format!("you sent {SECRET}")] {
        let lab = Lab::feed();
        let status = StatusReply::new("FAILURE").message(text).detail("ITEM\n", text.get(..60).unwrap_or_default());
        lab.practice.forever(Service::Poll, Act::status(status));
        let ended = lab.run_once();
        assert_eq!(ended.code(), 1, "{}", ended.err);
        assert!(ended.complaint().contains("FAILURE"), "{}", ended.complaint());
        assert!(ended.complaint().len() < 4096);
        lab.nothing_came();
    }
}
