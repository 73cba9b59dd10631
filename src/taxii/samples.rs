//! One of every message this crate can write, for tests that check them against the published schemas.

use super::Version;
use super::encode::{BlockHead, EncodeError, encode, inbox_envelope, poll_envelope, text_content};
use super::message::*;
use super::names::{DEFAULT_QUERY, DEFAULT_QUERY_NAMESPACE, QUERY_CAPABILITIES, Scheme};
use super::time::Timestamp;

/// A document as content: a root that declares what it uses, in values too.
const PACKAGE: &[u8] = br#"<stix:STIX_Package xmlns:stix="http://stix.mitre.org/stix-1" xmlns:acme="http://acme.example.org/" id="acme:Package-1" version="1.1.1"/>"#;
const STIX: &str = "urn:stix.mitre.org:xml:1.1.1";

/// Every variant in both versions: a name that can be a file's (it begins with `1.1-` or `1.0-`), and the bytes.
#[doc(hidden)]
pub fn every_variant() -> Result<Vec<(String, Vec<u8>)>, EncodeError> {
    let mut all = Vec::new();
    for version in [Version::V11, Version::V10] {
        for (name, body) in bodies(version) {
            let message = Message { version, header: header(&body, name), body };
            all.push((format!("{version}-{name}"), encode(&message)?));
        }
        for (name, bytes) in around_contents(version)? {
            all.push((format!("{version}-{name}"), bytes));
        }
    }
    Ok(all)
}

fn header(body: &Body, name: &str) -> Header {
    let extended = if name.ends_with("full") {
        vec![
            ExtendedHeader { name: "urn:example.org:text".into(), value: "one &amp; two".into() },
            ExtendedHeader { name: "urn:example.org:xml".into(), value: "<x xmlns=\"urn:example.org\">1</x>".into() },
        ]
    } else {
        Vec::new()
    };
    let in_response_to = body.is_reply().then(|| "42".to_owned());
    Header { message_id: "4711".into(), in_response_to, extended, signed: false }
}

fn bodies(version: Version) -> Vec<(&'static str, Body)> {
    let mut bodies = vec![
        ("discovery-request", Body::DiscoveryRequest),
        ("discovery-request-full", Body::DiscoveryRequest),
        ("discovery-response", Body::DiscoveryResponse(Vec::new())),
        ("discovery-response-full", Body::DiscoveryResponse(instances(version))),
        ("collection-information-request", Body::CollectionInformationRequest),
        ("collection-information-response", Body::CollectionInformationResponse(Vec::new())),
        ("collection-information-response-full", Body::CollectionInformationResponse(collections(version))),
    ];
    bodies.extend(subscriptions(version));
    bodies.extend(polls(version));
    bodies.extend(statuses(version));
    bodies
}

fn contact(version: Version, path: &str) -> Contact {
    Contact {
        protocol_binding: version.protocol_id(Scheme::Https).into(),
        address: format!("https://taxii.example.org/{path}?a=1&b=2"),
        message_bindings: vec![version.message_binding().into()],
    }
}

fn bindings() -> Vec<ContentBinding> {
    vec![
        ContentBinding { id: STIX.into(), subtypes: Vec::new() },
        ContentBinding {
            id: "urn:stix.mitre.org:xml:1.2".into(),
            subtypes: vec!["urn:example.org:a".into(), "b".into()],
        },
    ]
}

fn instances(version: Version) -> Vec<ServiceInstance> {
    let types = [ServiceType::Discovery, ServiceType::CollectionManagement, ServiceType::Inbox, ServiceType::Poll];
    let instance = |service| ServiceInstance {
        service_type: Some(service),
        service_version: version.services_id().into(),
        available: Some(true),
        contact: contact(version, "services"),
        supported_queries: vec![DEFAULT_QUERY.into()],
        content_bindings: bindings(),
        message: Some("<for> people & others".into()),
    };
    let least = ServiceInstance {
        available: None,
        supported_queries: Vec::new(),
        content_bindings: Vec::new(),
        message: None,
        ..instance(ServiceType::Poll)
    };
    types.into_iter().map(instance).chain([least]).collect()
}

fn collections(version: Version) -> Vec<Collection> {
    let full = Collection {
        name: "AlienVault \"OTX\" <Pulse>\tü".into(),
        collection_type: CollectionType::DataFeed,
        available: Some(false),
        description: "All we have\r\nto tell".into(),
        volume: Some(0),
        content_bindings: bindings(),
        push_methods: vec![contact(version, "")],
        polling_services: vec![contact(version, "poll"), contact(version, "poll2")],
        subscription_services: vec![contact(version, "subscription")],
        inbox_services: vec![(contact(version, "inbox"), bindings()), (contact(version, "inbox2"), Vec::new())],
    };
    let least = Collection {
        name: "set".into(),
        collection_type: CollectionType::DataSet,
        available: None,
        description: String::new(),
        volume: None,
        content_bindings: vec![ContentBinding { id: STIX.into(), subtypes: Vec::new() }],
        push_methods: Vec::new(),
        polling_services: vec![contact(version, "poll")],
        subscription_services: Vec::new(),
        inbox_services: Vec::new(),
    };
    vec![full, least]
}

fn query() -> Query {
    let core = QUERY_CAPABILITIES[0];
    let xml = format!(
        "<tdq:Default_Query xmlns:tdq=\"{DEFAULT_QUERY_NAMESPACE}\" targeting_expression_id=\"{STIX}\">\
         <tdq:Criteria operator=\"AND\"><tdq:Criterion><tdq:Target>**/@id</tdq:Target>\
         <tdq:Test capability_id=\"{core}\" relationship=\"exists\"/>\
         </tdq:Criterion></tdq:Criteria></tdq:Default_Query>"
    );
    Query { format_id: DEFAULT_QUERY.into(), xml }
}

/// Everything that a version has for a filter.
fn parameters(version: Version) -> Parameters {
    match version {
        Version::V11 => {
            Parameters { response_type: ResponseType::CountOnly, content_bindings: bindings(), query: Some(query()) }
        }
        Version::V10 => Parameters { content_bindings: bindings(), ..Parameters::default() },
    }
}

fn subscriptions(version: Version) -> Vec<(&'static str, Body)> {
    let request = |action, id: Option<&str>, full: bool| {
        Body::SubscriptionRequest(SubscriptionRequest {
            action,
            collection: "default".into(),
            subscription_id: id.map(str::to_owned),
            parameters: full.then(|| parameters(version)),
            push: full.then(|| contact(version, "push")),
        })
    };
    let mut bodies = vec![
        ("subscribe", request(SubscriptionAction::Subscribe, None, false)),
        ("subscribe-full", request(SubscriptionAction::Subscribe, Some("left out"), true)),
        ("unsubscribe", request(SubscriptionAction::Unsubscribe, Some("urn:example.org:sub:1"), false)),
        ("subscription-status-all", request(SubscriptionAction::Status, None, false)),
        ("subscription-status-one", request(SubscriptionAction::Status, Some("1"), false)),
    ];
    if version == Version::V11 {
        bodies.push(("pause", request(SubscriptionAction::Pause, Some("1"), false)));
        bodies.push(("resume", request(SubscriptionAction::Resume, Some("1"), false)));
    }
    let response = |message: Option<&str>, subscriptions| {
        let message = message.map(str::to_owned);
        Body::SubscriptionResponse(SubscriptionResponse { collection: "default".into(), message, subscriptions })
    };
    let least = Subscription {
        id: "1".into(),
        status: "PAUSED".into(),
        parameters: None,
        push: None,
        poll_instances: Vec::new(),
    };
    let full = Subscription {
        id: "2".into(),
        status: "ACTIVE".into(),
        parameters: Some(parameters(version)),
        push: Some(contact(version, "push")),
        poll_instances: vec![contact(version, "poll"), contact(version, "poll2")],
    };
    bodies.push(("subscription-response", response(None, Vec::new())));
    bodies.push(("subscription-response-full", response(Some("Welcome"), vec![least, full])));
    bodies
}

fn polls(version: Version) -> Vec<(&'static str, Body)> {
    let least = PollRequest {
        collection: "default".into(),
        begin: None,
        end: None,
        subscription_id: None,
        asynchronous: false,
        parameters: Parameters::default(),
    };
    let ranged = PollRequest {
        begin: Timestamp::parse("2024-03-01T00:00:00.000000Z"),
        end: Timestamp::parse("2024-03-02T00:00:00Z"),
        ..least.clone()
    };
    let full = PollRequest { asynchronous: true, parameters: parameters(version), ..ranged.clone() };
    let subscribed = PollRequest { subscription_id: Some("1".into()), ..full.clone() };
    let mut bodies = vec![
        ("poll-request", Body::PollRequest(least)),
        ("poll-request-range", Body::PollRequest(ranged)),
        ("poll-request-full", Body::PollRequest(full)),
        ("poll-request-subscription", Body::PollRequest(subscribed)),
        ("poll-response", Body::PollResponse(poll_response(version, false))),
        ("poll-response-full", Body::PollResponse(poll_response(version, true))),
        ("inbox-message", Body::InboxMessage(InboxMessage::default())),
    ];
    if version == Version::V11 {
        let result_id = "urn:example.org:result:1582588800404".to_owned();
        let fulfillment = PollFulfillment { collection: "default".into(), result_id, part: 2 };
        bodies.push(("poll-fulfillment", Body::PollFulfillment(fulfillment)));
    }
    bodies
}

fn poll_response(version: Version, full: bool) -> PollResponse {
    let least = PollResponse { collection: "default".into(), ..PollResponse::default() };
    // 1.0 wants the end always.
    let end = Timestamp::parse("2024-03-02T00:00:00.123456+02:00").filter(|_| full || version == Version::V10);
    if !full {
        return PollResponse { end, ..least };
    }
    PollResponse {
        more: true,
        result_id: Some("result 1".into()),
        part: Some(3),
        subscription_id: Some("1".into()),
        begin: Timestamp::parse("2024-03-01T00:00:00Z"),
        end,
        record_count: Some(RecordCount { count: 120, partial: true }),
        message: Some("Part of it".into()),
        ..least
    }
}

fn statuses(version: Version) -> Vec<(&'static str, Body)> {
    let status = |status_type: &str, details: &[(&str, &str)], message: Option<&str>| {
        let details = details.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let message = message.map(str::to_owned);
        Body::Status(StatusMessage { status_type: status_type.into(), details, message })
    };
    let pending = [("ESTIMATED_WAIT", "300"), ("RESULT_ID", "r:1"), ("WILL_PUSH", "false")];
    let destinations = [("ACCEPTABLE_DESTINATION", "a"), ("ACCEPTABLE_DESTINATION", "b & c")];
    let wait = match version {
        Version::V11 => "60",
        Version::V10 => "2024-03-01T12:00:00Z",
    };
    vec![
        ("status-success", status("SUCCESS", &[], None)),
        ("status-failure-full", status("FAILURE", &[], Some("It <broke> & so on"))),
        ("status-retry", status("RETRY", &[("ESTIMATED_WAIT", wait)], None)),
        ("status-pending", status("PENDING", &pending, None)),
        ("status-invalid-part", status("INVALID_RESPONSE_PART", &[("MAX_PART_NUMBER", "4")], None)),
        ("status-not-found", status("NOT_FOUND", &[("ITEM", "no-such-collection")], Some("No such collection"))),
        ("status-destination", status("DESTINATION_COLLECTION_ERROR", &destinations, None)),
        ("status-unsupported", status("UNSUPPORTED_CONTENT", &[("SUPPORTED_CONTENT", STIX)], None)),
        ("status-other", status("urn:example.org:status:odd", &[], None)),
    ]
}

/// The messages with blocks.
fn around_contents(version: Version) -> Result<Vec<(&'static str, Vec<u8>)>, EncodeError> {
    let text = text_content("{\"a\": \"<b> & c ]]> \\r\"}\r\n")?;
    let plain = BlockHead { binding: ContentBinding { id: STIX.into(), subtypes: Vec::new() }, ..BlockHead::default() };
    let full = BlockHead {
        binding: ContentBinding {
            id: "application/pkcs7-mime|urn:stix.mitre.org:json:2.1".into(),
            subtypes: vec!["urn:example.org:subtype".into()],
        },
        label: Timestamp::parse("2024-03-01T12:00:00.5Z"),
        message: Some("A block".into()),
    };
    let blocks = [plain.clone(), full];
    let contents = [PACKAGE, &text];
    let inbox = InboxMessage {
        destinations: vec!["default".into(), "with blank & more".into()],
        message: Some("For you".into()),
        result_id: Some("r:1".into()),
        record_count: Some(RecordCount { count: 2, partial: false }),
        blocks: 2,
    };
    let least = InboxMessage::default();
    let request = Header { message_id: "1".into(), ..Header::default() };
    let reply = Header { message_id: "2".into(), in_response_to: Some("1".into()), ..Header::default() };
    let response = poll_response(version, true);
    Ok(vec![
        ("inbox-message-push", inbox_envelope(version, &request, &least, &[plain])?.around(&[PACKAGE])),
        ("inbox-message-blocks", inbox_envelope(version, &request, &inbox, &blocks)?.around(&contents)),
        ("poll-response-blocks", poll_envelope(version, &reply, &response, &blocks)?.around(&contents)),
    ])
}
