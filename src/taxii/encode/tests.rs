//! Tests of the bytes that messages become.

use super::*;
use crate::taxii::message::{PollFulfillment, PollRequest, StatusMessage};
use crate::taxii::samples::every_variant;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn written(version: Version, body: Body) -> String {
    let header = Header { message_id: "7".into(), ..Header::default() };
    text(encode(&Message { version, header, body }).unwrap())
}

fn poll_request() -> PollRequest {
    PollRequest {
        collection: "feed-a".into(),
        begin: Timestamp::parse("2024-03-01T00:00:00.000000Z"),
        end: Timestamp::parse("2024-03-02T00:00:00.000000Z"),
        subscription_id: None,
        asynchronous: false,
        parameters: Default::default(),
    }
}

#[test]
fn a_poll_request_looks_as_the_reference_says() {
    assert_eq!(
        written(Version::V11, Body::PollRequest(poll_request())),
        "<taxii_11:Poll_Request xmlns:taxii_11=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" \
         message_id=\"7\" collection_name=\"feed-a\">\
         <taxii_11:Exclusive_Begin_Timestamp>2024-03-01T00:00:00.000000Z</taxii_11:Exclusive_Begin_Timestamp>\
         <taxii_11:Inclusive_End_Timestamp>2024-03-02T00:00:00.000000Z</taxii_11:Inclusive_End_Timestamp>\
         <taxii_11:Poll_Parameters allow_asynch=\"false\"/></taxii_11:Poll_Request>"
    );
    assert_eq!(
        written(Version::V10, Body::PollRequest(PollRequest { subscription_id: Some("s".into()), ..poll_request() })),
        "<taxii:Poll_Request xmlns:taxii=\"http://taxii.mitre.org/messages/taxii_xml_binding-1\" \
         message_id=\"7\" feed_name=\"feed-a\" subscription_id=\"s\">\
         <taxii:Exclusive_Begin_Timestamp>2024-03-01T00:00:00.000000Z</taxii:Exclusive_Begin_Timestamp>\
         <taxii:Inclusive_End_Timestamp>2024-03-02T00:00:00.000000Z</taxii:Inclusive_End_Timestamp>\
         </taxii:Poll_Request>"
    );
}

#[test]
fn every_variant_is_well_formed_and_wholly_in_its_namespace() {
    let all = every_variant().unwrap();
    for (name, bytes) in &all {
        let text = std::str::from_utf8(bytes).unwrap();
        let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let root = document.root_element();
        let version = if name.starts_with("1.1") { Version::V11 } else { Version::V10 };
        assert_eq!(root.tag_name().namespace(), Some(version.namespace()), "{name}");
        assert!(text.starts_with('<') && !text.starts_with("<?"), "{name} has no declaration");
        assert!(root.has_attribute("message_id"), "{name}");
    }
    let mut names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "every variant has its own name");
}

#[test]
fn what_a_reader_would_change_in_text_and_attributes_survives() {
    let nasty = "a\tb\nc\rd\r\ne <f> & \"g\" 'h' ]]> é 🦀 \u{85}\u{2028}";
    let header = Header { message_id: nasty.into(), in_response_to: Some("1".into()), ..Header::default() };
    let status = StatusMessage {
        status_type: nasty.into(),
        details: vec![(nasty.into(), nasty.into())],
        message: Some(nasty.into()),
    };
    let message = Message { version: Version::V11, header, body: Body::Status(status) };
    let written = text(encode(&message).unwrap());
    let document = roxmltree::Document::parse(&written).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("message_id"), Some(nasty));
    assert_eq!(root.attribute("status_type"), Some(nasty));
    let of = |name: &str| document.descendants().find(|node| node.tag_name().name() == name).unwrap();
    assert_eq!(of("Detail").attribute("name"), Some(nasty));
    assert_eq!(of("Detail").text(), Some(nasty));
    assert_eq!(of("Message").text(), Some(nasty));
}

#[test]
fn a_character_that_xml_cannot_hold_is_an_error_that_names_the_place() {
    for character in ['\0', '\u{8}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
        let request = PollRequest { collection: format!("a{character}"), ..poll_request() };
        let message = Message { version: Version::V11, header: Header::default(), body: Body::PollRequest(request) };
        let wanted = EncodeError::Character { place: "collection_name", code: character.into() };
        assert_eq!(encode(&message), Err(wanted));
        let head = BlockHead { message: Some(character.into()), ..BlockHead::default() };
        let envelope = inbox_envelope(Version::V11, &Header::default(), &InboxMessage::default(), &[head]);
        assert_eq!(envelope, Err(EncodeError::Character { place: "Message", code: character.into() }));
        assert!(text_content(&character.to_string()).is_err());
    }
}

#[test]
fn an_envelope_is_as_long_as_it_says_and_holds_the_contents_unchanged() {
    let blocks = vec![BlockHead::default(); 3];
    let contents: [&[u8]; 3] = [b"<a xmlns=\"\">1</a>", b"", b"plain &amp; simple"];
    let envelope = inbox_envelope(Version::V11, &Header::default(), &InboxMessage::default(), &blocks).unwrap();
    let whole = envelope.around(&contents);
    assert_eq!(envelope.length_around(contents.iter().map(|content| content.len() as u64)), whole.len() as u64);
    for content in contents {
        let wanted = format!("<taxii_11:Content>{}</taxii_11:Content>", std::str::from_utf8(content).unwrap());
        assert!(text(whole.clone()).contains(&wanted));
    }
    assert_eq!(envelope.length_around([u64::MAX, 1]), u64::MAX, "no overflow");
}

#[test]
fn a_text_content_is_escaped_alike_whole_and_in_pieces() {
    let nasty = "{\"a\": \"<b> & ]]> é🦀\"}\r\n\t";
    let whole = text_content(nasty).unwrap();
    let mut pieces = Vec::new();
    for byte in nasty.as_bytes() {
        escape_content(std::slice::from_ref(byte), &mut pieces);
    }
    assert_eq!(pieces, whole);
    assert_eq!(escaped_length(nasty.as_bytes()), whole.len() as u64);
    let element = format!("<a>{}</a>", text(whole));
    assert_eq!(roxmltree::Document::parse(&element).unwrap().root_element().text(), Some(nasty));
}

#[test]
fn a_pushed_block_has_no_timestamp_label_unless_it_is_given_one() {
    let envelope = |label| {
        let block = BlockHead { label, ..BlockHead::default() };
        inbox_envelope(Version::V11, &Header::default(), &InboxMessage::default(), &[block]).unwrap().around(&[b"x"])
    };
    assert!(!text(envelope(None)).contains("Timestamp_Label"));
    assert!(text(envelope(Timestamp::parse("2024-03-01T12:00:00Z"))).contains(">2024-03-01T12:00:00Z</"));
}

#[test]
fn subscription_parameters_go_with_subscribe_only() {
    use crate::taxii::message::{SubscriptionAction, SubscriptionRequest};
    let request = |action| {
        let collection = "default".to_owned();
        let subscription_id = Some("s".to_owned());
        let parameters = Some(Default::default());
        written(
            Version::V11,
            Body::SubscriptionRequest(SubscriptionRequest {
                action,
                collection,
                subscription_id,
                parameters,
                push: None,
            }),
        )
    };
    let subscribe = request(SubscriptionAction::Subscribe);
    assert!(subscribe.contains("<taxii_11:Subscription_Parameters/>"));
    assert!(!subscribe.contains("Subscription_ID"));
    use SubscriptionAction::{Pause, Resume, Status, Unsubscribe};
    for action in [Unsubscribe, Pause, Resume, Status] {
        let other = request(action);
        assert!(!other.contains("Subscription_Parameters"), "{other}");
        assert!(other.contains("<taxii_11:Subscription_ID>s</taxii_11:Subscription_ID>"), "{other}");
    }
}

#[test]
fn what_would_mean_something_else_in_1_0_is_refused_and_the_rest_left_out() {
    use crate::taxii::message::{Parameters, Query, ResponseType};
    let encode = |body| encode(&Message { version: Version::V10, header: Header::default(), body });
    let fulfillment = PollFulfillment { collection: "a".into(), result_id: "r".into(), part: 1 };
    assert_eq!(encode(Body::PollFulfillment(fulfillment)), Err(EncodeError::NotIn10("Poll_Fulfillment")));
    let count = Parameters { response_type: ResponseType::CountOnly, ..Default::default() };
    let counting = PollRequest { parameters: count, ..poll_request() };
    assert_eq!(encode(Body::PollRequest(counting)), Err(EncodeError::NotIn10("COUNT_ONLY")));
    let query = Parameters { query: Some(Query { format_id: "q".into(), xml: String::new() }), ..Default::default() };
    let querying = PollRequest { parameters: query, ..poll_request() };
    assert_eq!(encode(Body::PollRequest(querying)), Err(EncodeError::NotIn10("Query")));
    let inbox = InboxMessage { destinations: vec!["a".into()], ..InboxMessage::default() };
    assert!(!text(encode(Body::InboxMessage(inbox)).unwrap()).contains("Destination"));
}

#[test]
fn a_message_id_is_a_decimal_number_of_at_most_eighteen_digits() {
    for random in [0, 1, 999_999_999_999_999_998, 999_999_999_999_999_999, u64::MAX] {
        let id = message_id(random);
        assert!((1..=18).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
        assert!(!id.starts_with('0'), "{id}");
    }
    assert_ne!(message_id(1), message_id(2));
}

#[test]
fn an_end_that_could_not_be_read_is_written_as_it_was() {
    let response = PollResponse { unreadable_end: Some("soon".into()), ..PollResponse::default() };
    let written = written(Version::V11, Body::PollResponse(response));
    assert!(written.contains("<taxii_11:Inclusive_End_Timestamp>soon<"), "{written}");
}
