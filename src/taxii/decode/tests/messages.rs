//! What messages hold, in both versions, however they are written.

use super::*;
use crate::taxii::Version;
use crate::taxii::message::*;
use crate::taxii::time::Timestamp;

fn v11(root: &str, attributes: &str, inside: &str) -> String {
    let namespace = Version::V11.namespace();
    format!("<t:{root} xmlns:t=\"{namespace}\" message_id=' 1 ' in_response_to='2' {attributes}>{inside}</t:{root}>")
}

/// 1.0, with the namespace as the default one.
fn v10(root: &str, attributes: &str, inside: &str) -> String {
    let namespace = Version::V10.namespace();
    format!("<{root} xmlns='{namespace}' message_id='1' {attributes}>{inside}</{root}>")
}

fn body(message: String) -> Body {
    decode(&message).expect(&message).0.body
}

fn at(text: &str) -> Option<Timestamp> {
    Some(Timestamp::parse(text).unwrap())
}

fn binding(id: &str, subtypes: &[&str]) -> ContentBinding {
    ContentBinding { id: id.into(), subtypes: subtypes.iter().map(ToString::to_string).collect() }
}

fn contact(protocol: &str, address: &str, bindings: &[&str]) -> Contact {
    Contact {
        protocol_binding: protocol.into(),
        address: address.into(),
        message_bindings: bindings.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_header_is_read_and_a_signature_noticed() {
    let (message, _) = decode(v11(
        "Discovery_Request",
        "",
        "<t:Extended_Headers><t:Extended_Header name=' urn:a '> x &lt; <b>y</b> </t:Extended_Header>\
         <t:Extended_Header name='urn:b'/></t:Extended_Headers><ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'>\
         <ds:SignedInfo/></ds:Signature>",
    ))
    .unwrap();
    let extended = vec![
        ExtendedHeader { name: "urn:a".into(), value: "x &lt; <b>y</b>".into() },
        ExtendedHeader { name: "urn:b".into(), value: String::new() },
    ];
    let header = Header { message_id: "1".into(), in_response_to: Some("2".into()), extended, signed: true };
    assert_eq!(message, Message { version: Version::V11, header, body: Body::DiscoveryRequest });
    let bare = format!("<Discovery_Request xmlns='{}'/>", Version::V10.namespace());
    let (message, _) = decode(bare).unwrap();
    assert_eq!((message.version, message.header), (Version::V10, Header::default()));
}

#[test]
fn a_long_extended_header_is_cut_at_a_character() {
    let long = format!(
        "<t:Extended_Headers><t:Extended_Header name='a'>x{}</t:Extended_Header></t:Extended_Headers>",
        "é".repeat(9000)
    );
    let (message, _) = decode_pieces(Limits::default(), [v11("Discovery_Request", "", &long).as_bytes()]).unwrap();
    assert_eq!(message.header.extended[0].value, format!("x{}", "é".repeat(2047)));
}

#[test]
fn a_discovery_response_lists_services() {
    let response = v11(
        "Discovery_Response",
        "",
        "<t:Service_Instance service_type='inbox ' service_version=' urn:taxii.mitre.org:services:1.1' available='TRUE'>\
           <t:Protocol_Binding> urn:p </t:Protocol_Binding><t:Address>\n /services/inbox </t:Address>\
           <t:Message_Binding>urn:m1</t:Message_Binding><t:Message_Binding>urn:m2</t:Message_Binding>\
           <t:Supported_Query format_id='urn:q'><x xmlns=''>ignored</x></t:Supported_Query>\
           <t:Content_Binding binding_id='urn:c'><t:Subtype subtype_id='urn:s'/></t:Content_Binding>\
           <t:Message>Drop &amp; go</t:Message></t:Service_Instance>\
         <t:Service_Instance service_type='OTHER'/>",
    );
    let unknown = ServiceInstance {
        service_type: None,
        service_version: String::new(),
        available: None,
        contact: Contact::default(),
        supported_queries: vec![],
        content_bindings: vec![],
        message: None,
    };
    let inbox = ServiceInstance {
        service_type: Some(ServiceType::Inbox),
        service_version: "urn:taxii.mitre.org:services:1.1".into(),
        available: Some(true),
        contact: contact("urn:p", "/services/inbox", &["urn:m1", "urn:m2"]),
        supported_queries: vec!["urn:q".into()],
        content_bindings: vec![binding("urn:c", &["urn:s"])],
        message: Some("Drop & go".into()),
    };
    assert_eq!(body(response), Body::DiscoveryResponse(vec![inbox, unknown.clone()]));
    let old = v10(
        "Discovery_Response",
        "",
        "<Service_Instance service_type='FEED_MANAGEMENT' available='0'><Content_Binding>\n urn:c\n</Content_Binding></Service_Instance>",
    );
    let feeds = ServiceInstance {
        service_type: Some(ServiceType::CollectionManagement),
        available: Some(false),
        content_bindings: vec![binding("urn:c", &[])],
        ..unknown
    };
    assert_eq!(body(old), Body::DiscoveryResponse(vec![feeds]));
    assert_eq!(body(v11("Discovery_Response", "", "")), Body::DiscoveryResponse(vec![]));
}

#[test]
fn a_collection_information_response_lists_collections_or_feeds() {
    let services = |t: &str| {
        let method = |name, address: &str| {
            format!(
                "<{t}{name}><{t}Protocol_Binding>urn:p</{t}Protocol_Binding>{address}<{t}Message_Binding>urn:m</{t}Message_Binding></{t}{name}>"
            )
        };
        let address = format!("<{t}Address>https://x/</{t}Address>");
        [method("Push_Method", ""), method("Polling_Service", &address), method("Subscription_Service", &address)]
            .concat()
    };
    let response = v11(
        "Collection_Information_Response",
        "",
        &format!(
            "<t:Collection collection_name=' a b/&#10;../c&#10;' collection_type=' data_set' available='1'><t:Description> d </t:Description>\
             <t:Collection_Volume> 42 </t:Collection_Volume><t:Content_Binding binding_id='urn:c'/>{}\
             <t:Receiving_Inbox_Service><t:Address>y</t:Address><t:Content_Binding binding_id='urn:i'/></t:Receiving_Inbox_Service>\
             </t:Collection><t:Collection collection_name='z' collection_type='NEW'><t:Collection_Volume>many</t:Collection_Volume></t:Collection>",
            services("t:")
        ),
    );
    let full = Collection {
        name: "a b/\n../c".into(),
        collection_type: CollectionType::DataSet,
        available: Some(true),
        description: " d ".into(),
        volume: Some(42),
        content_bindings: vec![binding("urn:c", &[])],
        push_methods: vec![contact("urn:p", "", &["urn:m"])],
        polling_services: vec![contact("urn:p", "https://x/", &["urn:m"])],
        subscription_services: vec![contact("urn:p", "https://x/", &["urn:m"])],
        inbox_services: vec![(contact("", "y", &[]), vec![binding("urn:i", &[])])],
    };
    let least = Collection {
        name: "z".into(),
        collection_type: CollectionType::DataFeed,
        available: None,
        description: String::new(),
        volume: None,
        content_bindings: vec![],
        push_methods: vec![],
        polling_services: vec![],
        subscription_services: vec![],
        inbox_services: vec![],
    };
    assert_eq!(body(response), Body::CollectionInformationResponse(vec![full.clone(), least]));
    let old = v10(
        "Feed_Information_Response",
        "",
        &format!("<Feed feed_name='f'><Description/><Content_Binding>urn:c</Content_Binding>{}</Feed>", services("")),
    );
    let feed = Collection {
        name: "f".into(),
        collection_type: CollectionType::DataFeed,
        available: None,
        description: String::new(),
        volume: None,
        inbox_services: vec![],
        ..full
    };
    assert_eq!(body(old), Body::CollectionInformationResponse(vec![feed]));
    assert_eq!(body(v10("Feed_Information_Request", "", "")), Body::CollectionInformationRequest);
    assert_eq!(body(v11("Collection_Information_Request", "", "")), Body::CollectionInformationRequest);
}

#[test]
fn a_poll_response_is_read_in_any_order() {
    let expected = PollResponse {
        collection: "c".into(),
        more: true,
        result_id: Some(" r:1 ".into()),
        part: Some(2),
        subscription_id: Some("s".into()),
        begin: at("2024-03-01T00:00:00Z"),
        end: at("2024-03-02T00:00:00Z"),
        unreadable_end: None,
        unreadable_more: None,
        record_count: Some(RecordCount { count: 7, partial: true }),
        message: Some("m".into()),
        blocks: 1,
    };
    let parts = [
        "<t:Subscription_ID> s </t:Subscription_ID>",
        "<t:Exclusive_Begin_Timestamp>2024-03-01T00:00:00Z</t:Exclusive_Begin_Timestamp>",
        "<t:Inclusive_End_Timestamp> 2024-03-02T00:00:00Z\n</t:Inclusive_End_Timestamp>",
        "<t:Record_Count partial_count='1'> 7 </t:Record_Count>",
        "<t:Message>m</t:Message>",
        "<t:Content_Block><t:Content/></t:Content_Block>",
        "<x:Unknown xmlns:x='u'><t:Message>no</t:Message></x:Unknown>",
    ];
    let attributes = "collection_name=' c ' more='1' result_id=' r:1 ' result_part_number='02' unknown='x'";
    for turn in 0..parts.len() {
        let mut parts = parts.to_vec();
        parts.rotate_left(turn);
        assert_eq!(body(v11("Poll_Response", attributes, &parts.concat())), Body::PollResponse(expected.clone()));
        parts.reverse();
        assert_eq!(body(v11("Poll_Response", attributes, &parts.concat())), Body::PollResponse(expected.clone()));
    }
    // 1.0: the id is an attribute, the begin inclusive.
    let old = v10(
        "Poll_Response",
        "feed_name='c' subscription_id='s'",
        "<Message>m</Message><Inclusive_Begin_Timestamp>2024-03-01T00:00:00Z</Inclusive_Begin_Timestamp>\
         <Inclusive_End_Timestamp>2024-03-02T00:00:00Z</Inclusive_End_Timestamp><Content_Block/>",
    );
    let expected = PollResponse { more: false, result_id: None, part: None, record_count: None, ..expected };
    assert_eq!(body(old), Body::PollResponse(expected));
}

#[test]
fn what_a_poll_response_lacks_has_its_default() {
    let read = |attributes: &str, inside: &str| match body(v11("Poll_Response", attributes, inside)) {
        Body::PollResponse(response) => response,
        other => panic!("{other:?}"),
    };
    assert_eq!(read("", ""), PollResponse::default());
    for (more, expected) in
        [("true", true), (" TRUE ", true), ("1", true), ("False", false), ("0", false), ("yes", false)]
    {
        assert_eq!(read(&format!("more='{more}'"), "").more, expected, "{more}");
    }
    for (part, expected) in
        [("01", Some(1)), (" 3 ", Some(3)), ("0", None), ("-1", None), ("99999999999", None), ("x", None)]
    {
        assert_eq!(read(&format!("result_part_number='{part}'"), "").part, expected, "{part}");
    }
    for count in ["-1", "9e400", "", "18446744073709551616"] {
        assert_eq!(read("", &format!("<t:Record_Count>{count}</t:Record_Count>")).record_count, None, "{count}");
    }
    for (more, expected) in [("", None), (" ", None), ("0", None), ("true", None), (" yes ", Some(" yes "))] {
        assert_eq!(read(&format!("more='{more}'"), "").unreadable_more.as_deref(), expected, "{more}");
    }
    let unreadable = read("", "<t:Inclusive_End_Timestamp> soon </t:Inclusive_End_Timestamp>");
    assert_eq!((unreadable.end, unreadable.unreadable_end), (None, Some("soon".into())));
    let empty = read("", "<t:Inclusive_End_Timestamp/>");
    assert_eq!((empty.end, empty.unreadable_end), (None, None));
    let twice = read("", "<t:Message>first</t:Message><t:Message>last</t:Message>");
    assert_eq!(twice.message.as_deref(), Some("last"));
    // Either version's elements are read in the other.
    let mixed = read(
        "subscription_id='s'",
        "<Inclusive_Begin_Timestamp xmlns='http://taxii.mitre.org/messages/taxii_xml_binding-1'>2024-03-01T00:00:00Z</Inclusive_Begin_Timestamp>",
    );
    assert_eq!((mixed.subscription_id.as_deref(), mixed.begin), (Some("s"), at("2024-03-01T00:00:00Z")));
}

#[test]
fn a_block_is_told_with_all_it_carries() {
    let inside = "<t:Content_Block><t:Content><a/></t:Content><t:Padding>xxxx</t:Padding><t:Message>hello</t:Message>\
         <t:Timestamp_Label> 2024-03-01T00:00:00.25Z </t:Timestamp_Label><t:Content_Binding binding_id=' a|b '>\
         <t:Subtype subtype_id='s'/></t:Content_Binding><ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'/></t:Content_Block>\
         <t:Content_Block><t:Timestamp_Label>never</t:Timestamp_Label></t:Content_Block>";
    let (message, blocks) = decode(v11("Inbox_Message", "", inside)).unwrap();
    assert_eq!((message.header.signed, blocks.len()), (false, 2));
    let block = &blocks[0].1;
    assert_eq!(block.binding, binding("a|b", &["s"]));
    assert_eq!(
        (&block.label, block.message.as_deref(), block.signed),
        (&at("2024-03-01T00:00:00.25Z"), Some("hello"), true)
    );
    let block = &blocks[1].1;
    assert_eq!((&block.binding, &block.label, block.signed), (&ContentBinding::default(), &None, false));
}

#[test]
fn requests_are_read_for_the_practice_server() {
    let query = "<t:Query format_id='urn:q'>\n<tdq:Default_Query a='1'><tdq:Criteria/></tdq:Default_Query></t:Query>";
    let tdq = "xmlns:tdq='http://taxii.mitre.org/query/taxii_default_query-1'";
    let request = v11(
        "Poll_Request",
        &format!("collection_name='c' {tdq}"),
        &format!(
            "<t:Exclusive_Begin_Timestamp>2024-03-01T00:00:00Z</t:Exclusive_Begin_Timestamp>\
             <t:Inclusive_End_Timestamp>2024-03-02T00:00:00Z</t:Inclusive_End_Timestamp>\
             <t:Poll_Parameters allow_asynch='true'><t:Response_Type> count_only</t:Response_Type>\
             <t:Content_Binding binding_id='urn:c'/>{query}<t:Delivery_Parameters/></t:Poll_Parameters>"
        ),
    );
    let taxii = format!("xmlns:t=\"{}\"", Version::V11.namespace());
    let xml = format!("<tdq:Default_Query {taxii} {tdq} a='1'><tdq:Criteria/></tdq:Default_Query>");
    roxmltree::Document::parse(&xml).unwrap();
    let parameters = Parameters {
        response_type: ResponseType::CountOnly,
        content_bindings: vec![binding("urn:c", &[])],
        query: Some(Query { format_id: "urn:q".into(), xml }),
    };
    let expected = PollRequest {
        collection: "c".into(),
        begin: at("2024-03-01T00:00:00Z"),
        end: at("2024-03-02T00:00:00Z"),
        subscription_id: None,
        asynchronous: true,
        parameters: parameters.clone(),
    };
    assert_eq!(body(request), Body::PollRequest(expected.clone()));
    let old = v10("Poll_Request", "feed_name='c' subscription_id='s'", "<Content_Binding>urn:c</Content_Binding>");
    let expected = PollRequest {
        begin: None,
        end: None,
        subscription_id: Some("s".into()),
        asynchronous: false,
        parameters: Parameters { response_type: ResponseType::Full, query: None, ..parameters },
        ..expected
    };
    assert_eq!(body(old), Body::PollRequest(expected));
    let fulfillment = PollFulfillment { collection: "c".into(), result_id: "r".into(), part: 3 };
    let attributes = "collection_name='c' result_id='r'";
    assert_eq!(
        body(v11("Poll_Fulfillment", &format!("{attributes} result_part_number='3'"), "")),
        Body::PollFulfillment(fulfillment.clone())
    );
    assert_eq!(
        body(v11("Poll_Fulfillment", attributes, "")),
        Body::PollFulfillment(PollFulfillment { part: 1, ..fulfillment })
    );
    let inbox = v11(
        "Inbox_Message",
        "result_id='r'",
        "<t:Destination_Collection_Name> a </t:Destination_Collection_Name><t:Destination_Collection_Name>b</t:Destination_Collection_Name>\
         <t:Message>m</t:Message><t:Source_Subscription collection_name='x'><t:Subscription_ID>s</t:Subscription_ID></t:Source_Subscription>\
         <t:Record_Count>1</t:Record_Count><t:Content_Block/>",
    );
    let expected = InboxMessage {
        destinations: vec!["a".into(), "b".into()],
        message: Some("m".into()),
        result_id: Some("r".into()),
        record_count: Some(RecordCount { count: 1, partial: false }),
        blocks: 1,
    };
    assert_eq!(body(inbox), Body::InboxMessage(expected));
}

#[test]
fn subscriptions_are_managed_in_both_versions() {
    let push =
        "<t:Push_Parameters><t:Protocol_Binding>urn:p</t:Protocol_Binding><t:Address>x</t:Address></t:Push_Parameters>";
    let request = v11(
        "Subscription_Management_Request",
        "action='SUBSCRIBE' collection_name='c'",
        &format!(
            "<t:Subscription_Parameters><t:Content_Binding binding_id='urn:c'/></t:Subscription_Parameters>{push}"
        ),
    );
    let parameters = Parameters { content_bindings: vec![binding("urn:c", &[])], ..Parameters::default() };
    let expected = SubscriptionRequest {
        action: SubscriptionAction::Subscribe,
        collection: "c".into(),
        subscription_id: None,
        parameters: Some(parameters.clone()),
        push: Some(contact("urn:p", "x", &[])),
    };
    assert_eq!(body(request), Body::SubscriptionRequest(expected.clone()));
    let old = v10(
        "Subscription_Management_Request",
        "action=' unsubscribe' feed_name='c' subscription_id='s'",
        "<Push_Parameters><Protocol_Binding>urn:p</Protocol_Binding><Address>x</Address><Content_Binding>urn:c</Content_Binding></Push_Parameters>",
    );
    let expected =
        SubscriptionRequest { action: SubscriptionAction::Unsubscribe, subscription_id: Some("s".into()), ..expected };
    assert_eq!(body(old), Body::SubscriptionRequest(expected));
    let unknown = v11("Subscription_Management_Request", "action='DANCE'", "");
    assert_eq!(
        decode(unknown).unwrap_err().to_string(),
        "not a TAXII message: the body is a Subscription_Management_Request without a known action"
    );
    let response = v11(
        "Subscription_Management_Response",
        "collection_name='c'",
        &format!(
            "<t:Message>m</t:Message><t:Subscription><t:Subscription_ID>s</t:Subscription_ID>{push}\
             <t:Poll_Instance><t:Address>y</t:Address></t:Poll_Instance></t:Subscription>\
             <t:Subscription subscription_id='old' status='PAUSED'/>"
        ),
    );
    let subscription = Subscription {
        id: "s".into(),
        status: "ACTIVE".into(),
        parameters: None,
        push: Some(contact("urn:p", "x", &[])),
        poll_instances: vec![contact("", "y", &[])],
    };
    let paused = Subscription {
        id: "old".into(),
        status: "PAUSED".into(),
        parameters: None,
        push: None,
        poll_instances: vec![],
    };
    let expected = SubscriptionResponse {
        collection: "c".into(),
        message: Some("m".into()),
        subscriptions: vec![subscription, paused],
    };
    assert_eq!(body(response), Body::SubscriptionResponse(expected));
}

#[test]
fn a_status_message_has_details_or_one_text() {
    let status = |message| match body(message) {
        Body::Status(status) => status,
        other => panic!("{other:?}"),
    };
    let details = "<t:Status_Detail>\n<t:Detail name='ESTIMATED_WAIT'> 300 </t:Detail><t:Detail name='RESULT_ID'>a&amp;b</t:Detail>\
         <t:Detail name='X'>a<y xmlns=''>no</y>b</t:Detail></t:Status_Detail><t:Message>wait</t:Message>";
    let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = StatusMessage {
        status_type: "PENDING".into(),
        details: vec![named("ESTIMATED_WAIT", "300"), named("RESULT_ID", "a&b"), named("X", "ab")],
        message: Some("wait".into()),
    };
    assert_eq!(status(v11("Status_Message", "status_type=' PENDING '", details)), expected);
    let old = v10("Status_Message", "status_type='RETRY'", "<Status_Detail> 2024-03-01T00:00:00Z </Status_Detail>");
    assert_eq!(status(old).details, [named("", "2024-03-01T00:00:00Z")]);
    let text_in_11 = v11("Status_Message", "status_type='x'", "<t:Status_Detail>text</t:Status_Detail>");
    assert_eq!(status(text_in_11).details, [named("", "text")]);
    let empty = v11("Status_Message", "", "<t:Status_Detail/><t:Message> </t:Message>");
    assert_eq!(status(empty), StatusMessage::default());
}

#[test]
fn a_long_message_for_people_is_cut_at_a_character() {
    let long = format!("<t:Message>x{}</t:Message>", "é".repeat(40_000));
    let message = v11("Status_Message", "status_type='FAILURE'", &long);
    let (message, _) = decode_pieces(Limits::default(), message.as_bytes().chunks(1000)).unwrap();
    let Body::Status(status) = message.body else { panic!("no status") };
    assert_eq!(status.message, Some(format!("x{}", "é".repeat(32_767))));
}

#[test]
fn a_million_small_blocks_do_not_add_up() {
    let mut decoder = Decoder::new(Limits::default(), None, Dropped);
    let whole = v11("Poll_Response", "collection_name='c'", "\n");
    let (head, tail) = whole.split_once('\n').unwrap();
    decoder.feed(head.as_bytes()).unwrap();
    let blocks = "\n<t:Content_Block><t:Content_Binding binding_id='b'/><t:Content>x</t:Content><t:Message>m</t:Message></t:Content_Block>".repeat(1000);
    for _ in 0..100 {
        decoder.feed(blocks.as_bytes()).unwrap();
    }
    decoder.feed(tail.as_bytes()).unwrap();
    let (message, _) = decoder.finish().unwrap();
    assert!(matches!(message.body, Body::PollResponse(response) if response.blocks == 100_000));
}

#[test]
fn a_message_in_memory_is_read_in_one_call() {
    let body = poll_response("urn:x", "<a/>");
    let read = message(body.as_bytes(), None).unwrap();
    assert_eq!(Ok(read), decode(body).map(|(message, _)| message));
}
