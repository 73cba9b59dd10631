//! Honest mode: every message of TAXII 1.1.

use super::*;

#[tokio::test]
async fn discovery_advertises_every_service_where_it_is() {
    let practice = practice().await;
    let answer = post(&practice, "discovery", &message("Discovery_Request", "", "")).await;
    assert_eq!((answer.status, answer.says().as_str()), (200, "Discovery_Response"));
    assert_eq!(answer.header("Content-Type"), Some("application/xml"));
    assert_eq!(answer.header("X-TAXII-Content-Type"), Some("urn:taxii.mitre.org:message:xml:1.1"));
    assert_eq!(answer.header("X-TAXII-Services"), Some("urn:taxii.mitre.org:services:1.1"));
    assert_eq!(answer.header("X-TAXII-Protocol"), Some("urn:taxii.mitre.org:protocol:http:1.0"));
    assert_eq!(answer.header("Date"), Some("Sat, 21 Nov 2026 12:00:00 GMT"));
    assert_eq!(answer.root("in_response_to").as_deref(), Some("42"));
    assert_eq!(
        answer.attributes("Service_Instance", "service_type"),
        ["DISCOVERY", "COLLECTION_MANAGEMENT", "POLL", "INBOX"]
    );
    let addresses = ["discovery", "collections", "poll", "inbox"].map(|name| practice.url(name));
    assert_eq!(answer.texts("Address"), addresses);
}

#[tokio::test]
async fn collections_are_told_with_their_services() {
    let mut options = options();
    options.collections.push(CollectionSpec::set("a set/with odd  name"));
    let practice = Practice::start(options).await.unwrap();
    let answer = post(&practice, "collections", &message("Collection_Information_Request", "", "")).await;
    assert_eq!(answer.says(), "Collection_Information_Response");
    assert_eq!(answer.attributes("Collection", "collection_name"), ["default", "a set/with odd  name"]);
    assert_eq!(answer.attributes("Collection", "collection_type"), ["DATA_FEED", "DATA_SET"]);
    assert!(answer.texts("Address").contains(&practice.url("inbox")));
}

#[tokio::test]
async fn what_is_pushed_is_stored_and_polled() {
    let practice = practice().await;
    let stix =
        r#"<s:STIX_Package xmlns:s="http://stix.mitre.org/stix-1" id="x:1" version="1.2">a &amp; b</s:STIX_Package>"#;
    let answer = post(&practice, "inbox", &inbox(None, &[stix, "{&quot;a&quot;: 1}"])).await;
    assert_eq!((answer.says().as_str(), answer.root("in_response_to").as_deref()), ("SUCCESS", Some("42")));
    let stored = practice.stored("default");
    let texts: Vec<_> = stored.iter().map(|block| String::from_utf8_lossy(&block.content).into_owned()).collect();
    assert!(texts[0].starts_with("<s:STIX_Package") && texts[0].ends_with("a &amp; b</s:STIX_Package>"), "{texts:?}");
    assert_eq!(texts[1], "{\"a\": 1}");
    assert!(stored[0].label < stored[1].label);
    let answer = post(&practice, "poll", &poll()).await;
    assert_eq!(answer.texts("Content"), ["a & b", "{\"a\": 1}"]);
    assert_eq!(answer.texts("Timestamp_Label"), ["2026-11-21T12:00:00.000000Z", "2026-11-21T12:00:00.000001Z"]);
    assert_eq!(answer.texts("Inclusive_End_Timestamp"), ["2026-11-21T12:00:00.000001Z"]);
}

#[tokio::test]
async fn pushed_content_of_every_shape_comes_back_in_a_message_that_can_be_read() {
    let practice = practice().await;
    let shapes = [
        ("<r1 a='1'/><r2/>", "<r1"),
        ("text<r/>tail &amp; more", "tail &amp; more"),
        ("<![CDATA[<?xml version='1.0'?><doc>1 &lt; 2</doc>]]>", ">1 &lt; 2</doc>"),
        ("<![CDATA[{\"a\": \"1 < 2\"}]]>", "1 &lt; 2"),
        ("just text", "just text"),
        ("", "<taxii_11:Content></taxii_11:Content>"),
    ];
    for (content, _) in shapes {
        assert_eq!(post(&practice, "inbox", &inbox(None, &[content])).await.says(), "SUCCESS", "{content}");
    }
    let answer = post(&practice, "poll", &poll()).await;
    assert_eq!(answer.texts("Content").len(), shapes.len());
    let blocks: Vec<_> = answer.text().split("</taxii_11:Content_Block>").collect();
    for ((content, comes_back), block) in shapes.iter().zip(blocks) {
        assert!(block.contains(comes_back), "{content}: {block}");
    }
}

#[tokio::test]
async fn nothing_gets_a_label_inside_a_range_that_was_told() {
    let practice = practice().await;
    let end = post(&practice, "poll", &poll()).await.texts("Inclusive_End_Timestamp");
    post(&practice, "inbox", &inbox(None, &["<a/>"])).await;
    assert!(practice.stored("default")[0].label > end[0].parse::<DateTime<Utc>>().unwrap());
}

#[tokio::test]
async fn an_inbox_keeps_its_rule_for_destinations_and_bindings() {
    let mut options = options();
    let inbox_named = |name: &str, destinations, bindings: &[&str]| InboxSpec {
        name: name.to_owned(),
        destinations,
        content_bindings: bindings
            .iter()
            .map(|id| crate::taxii::message::ContentBinding { id: id.to_string(), subtypes: vec![] })
            .collect(),
        collections: vec!["default".to_owned()],
    };
    options.inboxes.push(inbox_named("strict", Destinations::Required, &[]));
    options.inboxes.push(inbox_named("closed", Destinations::Prohibited, &[]));
    options.inboxes.push(inbox_named("json", Destinations::Optional, &["urn:stix.mitre.org:json:2.1"]));
    let practice = Practice::start(options).await.unwrap();
    for (service, destination, wanted) in [
        ("inbox", Some("default"), "SUCCESS"),
        ("inbox", Some("nowhere"), "NOT_FOUND"),
        ("inbox/strict", None, "DESTINATION_COLLECTION_ERROR"),
        ("inbox/strict", Some("default"), "SUCCESS"),
        ("inbox/closed", Some("default"), "DESTINATION_COLLECTION_ERROR"),
        ("inbox/closed", None, "SUCCESS"),
        ("inbox/json", None, "UNSUPPORTED_CONTENT"),
    ] {
        let answer = post(&practice, service, &inbox(destination, &["<a/>"])).await;
        assert_eq!(answer.says(), wanted, "{service} {destination:?}");
        let details = answer.texts("Detail");
        match (service, wanted) {
            ("inbox/strict", "DESTINATION_COLLECTION_ERROR") => assert_eq!(details, ["default"]),
            ("inbox/json", _) => assert_eq!(details, ["urn:stix.mitre.org:json:2.1"]),
            ("inbox", "NOT_FOUND") => assert_eq!(details, ["nowhere"]),
            _ => assert!(details.is_empty()),
        }
    }
    assert_eq!(practice.stored("default").len(), 3);
}

#[tokio::test]
async fn a_message_with_one_bad_block_is_discarded_whole() {
    let practice = practice().await;
    let answer = post(&practice, "inbox", &inbox(None, &["<a/>", "<unbound:b/>"])).await;
    assert_eq!(answer.says(), "BAD_MESSAGE");
    assert!(practice.stored("default").is_empty());
}

#[tokio::test]
async fn a_poll_takes_what_lies_between_exclusive_begin_and_inclusive_end() {
    let practice = practice().await;
    fill(&practice, &["<a/>", "<b/>", "<c/>"]);
    let answer = post(&practice, "poll", &poll_between("2026-11-21T10:00:01Z", "2026-11-21T10:00:02Z")).await;
    assert_eq!(answer.texts("Timestamp_Label"), ["2026-11-21T10:00:02.000000Z"]);
    assert_eq!(answer.texts("Inclusive_End_Timestamp"), ["2026-11-21T10:00:02.000000Z"]);
    assert_eq!(answer.texts("Exclusive_Begin_Timestamp"), ["2026-11-21T10:00:01.000000Z"]);
    assert_eq!(answer.texts("Record_Count"), ["1"]);
    let backwards = post(&practice, "poll", &poll_between("2026-11-21T10:00:02Z", "2026-11-21T10:00:01Z")).await;
    assert_eq!(backwards.says(), "FAILURE");
}

#[tokio::test]
async fn an_end_in_the_future_is_shortened_to_the_servers_now() {
    let practice = practice().await;
    let answer = post(&practice, "poll", &poll_between("2026-11-21T10:00:00Z", "2026-11-21T18:00:00Z")).await;
    assert_eq!(answer.texts("Inclusive_End_Timestamp"), ["2026-11-21T12:00:00.000000Z"]);
}

#[tokio::test]
async fn a_large_result_comes_in_parts_with_their_own_bounds() {
    let practice = Practice::start(Options { max_result_size: 2, ..options() }).await.unwrap();
    fill(&practice, &["<a/>", "<b/>", "<c/>", "<d/>", "<e/>"]);
    let first = post(&practice, "poll", &poll()).await;
    let id = first.root("result_id").unwrap();
    let mut answers = vec![first];
    for part in 2..=4 {
        answers.push(post(&practice, "poll", &fulfilment(&id, part)).await);
    }
    let blocks: Vec<_> = answers.iter().map(|answer| answer.texts("Content_Block").len()).collect();
    // The part after the last is empty.
    assert_eq!(blocks, [2, 2, 1, 0]);
    let more: Vec<_> = answers.iter().map(|answer| answer.root("more").unwrap()).collect();
    assert_eq!(more, ["true", "true", "false", "false"]);
    let ends: Vec<_> = answers.iter().flat_map(|answer| answer.texts("Inclusive_End_Timestamp")).collect();
    assert_eq!(
        ends[..3],
        ["2026-11-21T10:00:02.000000Z", "2026-11-21T10:00:04.000000Z", "2026-11-21T12:00:00.000000Z"]
    );
    assert_eq!(answers[1].texts("Exclusive_Begin_Timestamp"), ["2026-11-21T10:00:02.000000Z"]);
    let beyond = post(&practice, "poll", &fulfilment(&id, 5)).await;
    assert_eq!((beyond.says().as_str(), beyond.texts("Detail")), ("INVALID_RESPONSE_PART", vec!["3".to_owned()]));
    assert_eq!(post(&practice, "poll", &fulfilment("nothing", 1)).await.says(), "NOT_FOUND");
    practice.expire_results();
    assert_eq!(post(&practice, "poll", &fulfilment(&id, 2)).await.says(), "NOT_FOUND");
}

#[tokio::test]
async fn blocks_with_one_label_stay_in_one_part() {
    let practice = Practice::start(Options { max_result_size: 1, ..options() }).await.unwrap();
    let label = Some("2026-11-21T10:00:00Z".parse().unwrap());
    for content in ["<a/>", "<b/>"] {
        practice.add_block("default", BlockSpec { label, ..BlockSpec::new(STIX, content) });
    }
    let answer = post(&practice, "poll", &poll()).await;
    assert_eq!((answer.texts("Content_Block").len(), answer.root("more").as_deref()), (2, Some("false")));
}

#[tokio::test]
async fn a_count_has_no_blocks() {
    let practice = practice().await;
    fill(&practice, &["<a/>", "<b/>"]);
    let count = "<t:Poll_Parameters><t:Response_Type>COUNT_ONLY</t:Response_Type></t:Poll_Parameters>";
    let answer = post(&practice, "poll", &message("Poll_Request", "collection_name=\"default\"", count)).await;
    assert_eq!((answer.texts("Record_Count"), answer.texts("Content_Block").len()), (vec!["2".to_owned()], 0));
}

#[tokio::test]
async fn a_data_set_has_neither_bounds_nor_labels() {
    let practice = practice().await;
    practice.add_collection(CollectionSpec::set("default"));
    fill(&practice, &["<a/>", "<b/>"]);
    let answer = post(&practice, "poll", &poll_between("2026-11-21T10:00:01Z", "2026-11-21T10:00:02Z")).await;
    assert_eq!(answer.texts("Content_Block").len(), 2);
    assert!(answer.texts("Timestamp_Label").is_empty() && answer.texts("Inclusive_End_Timestamp").is_empty());
}

#[tokio::test]
async fn a_filter_selects_by_binding() {
    let practice = practice().await;
    fill(&practice, &["<a/>"]);
    practice.add_block("default", BlockSpec::new("urn:other", "<b/>"));
    let filter = "<t:Poll_Parameters><t:Content_Binding binding_id=\"urn:other\"/></t:Poll_Parameters>";
    let answer = post(&practice, "poll", &message("Poll_Request", "collection_name=\"default\"", filter)).await;
    assert_eq!(answer.attributes("Content_Binding", "binding_id"), ["urn:other"]);
}

#[tokio::test]
async fn subscriptions_live_through_all_their_actions() {
    let practice = practice().await;
    let manage = |action: &str, content: &str| {
        let attributes = format!("action=\"{action}\" collection_name=\"default\"");
        message("Subscription_Management_Request", &attributes, content)
    };
    let subscribe = manage("SUBSCRIBE", "<t:Subscription_Parameters/>");
    let first = post(&practice, "collections", &subscribe).await;
    assert_eq!(first.says(), "Subscription_Management_Response");
    let id = first.texts("Subscription_ID").remove(0);
    assert_eq!(first.texts("Address"), [practice.url("poll")]);
    // The same again is the same subscription.
    assert_eq!(post(&practice, "collections", &subscribe).await.texts("Subscription_ID"), std::slice::from_ref(&id));
    let with_id = format!("<t:Subscription_ID>{id}</t:Subscription_ID>");
    for (action, status) in
        [("PAUSE", "PAUSED"), ("STATUS", "PAUSED"), ("RESUME", "ACTIVE"), ("UNSUBSCRIBE", "UNSUBSCRIBED")]
    {
        let answer = post(&practice, "collections", &manage(action, &with_id)).await;
        assert_eq!(answer.attributes("Subscription", "status"), [status], "{action}");
    }
    for (action, content, says) in [
        ("STATUS", with_id.as_str(), "NOT_FOUND"),
        ("PAUSE", &with_id, "NOT_FOUND"),
        ("UNSUBSCRIBE", &with_id, "Subscription_Management_Response"),
        ("STATUS", "", "Subscription_Management_Response"),
        ("PAUSE", "", "BAD_MESSAGE"),
    ] {
        assert_eq!(post(&practice, "collections", &manage(action, content)).await.says(), says, "{action} {content}");
    }
}

#[tokio::test]
async fn a_subscription_brings_its_own_parameters_to_a_poll() {
    let practice = practice().await;
    practice.add_collection(CollectionSpec { subscription_required: true, ..CollectionSpec::feed("default") });
    fill(&practice, &["<a/>"]);
    practice.add_block("default", BlockSpec::new("urn:other", "<b/>"));
    assert_eq!(post(&practice, "poll", &poll()).await.says(), "DENIED");
    let parameters =
        "<t:Subscription_Parameters><t:Content_Binding binding_id=\"urn:other\"/></t:Subscription_Parameters>";
    let subscribe =
        message("Subscription_Management_Request", "action=\"SUBSCRIBE\" collection_name=\"default\"", parameters);
    let id = post(&practice, "collections", &subscribe).await.texts("Subscription_ID").remove(0);
    let by_subscription = |id: &str| {
        let content = format!("<t:Subscription_ID>{id}</t:Subscription_ID>");
        message("Poll_Request", "collection_name=\"default\"", &content)
    };
    let answer = post(&practice, "poll", &by_subscription(&id)).await;
    assert_eq!(answer.texts("Subscription_ID"), [id]);
    assert_eq!(answer.attributes("Content_Binding", "binding_id"), ["urn:other"]);
    assert_eq!(post(&practice, "poll", &by_subscription("nothing")).await.says(), "NOT_FOUND");
}

#[tokio::test]
async fn an_asynchronous_answer_is_pending_as_often_as_it_was_told_to_be() {
    let asynchronous = Some(Asynchronous { times: 2, wait: 7 });
    let practice = Practice::start(Options { asynchronous, ..options() }).await.unwrap();
    fill(&practice, &["<a/>"]);
    // Not allowed by the client, so at once.
    assert_eq!(post(&practice, "poll", &poll()).await.says(), "Poll_Response");
    let allowed = poll().replace("<t:Poll_Parameters/>", "<t:Poll_Parameters allow_asynch=\"true\"/>");
    let answer = post(&practice, "poll", &allowed).await;
    assert_eq!(answer.says(), "PENDING");
    assert_eq!(answer.attributes("Detail", "name"), ["ESTIMATED_WAIT", "RESULT_ID", "WILL_PUSH"]);
    let details = answer.texts("Detail");
    assert_eq!((details[0].as_str(), details[2].as_str()), ("7", "false"));
    assert_eq!(post(&practice, "poll", &fulfilment(&details[1], 1)).await.says(), "PENDING");
    let result = post(&practice, "poll", &fulfilment(&details[1], 1)).await;
    assert_eq!((result.texts("Content_Block").len(), result.root("result_id").as_ref()), (1, Some(&details[1])));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let practice = practice().await;
    practice.add_collection(CollectionSpec { available: false, ..CollectionSpec::feed("off") });
    for (name, says) in [("nothing", "NOT_FOUND"), ("off", "FAILURE")] {
        let answer = post(&practice, "poll", &poll().replace("default", name)).await;
        assert_eq!((answer.says().as_str(), answer.texts("Detail")), (says, vec![name.to_owned()]));
    }
    // A trailing slash counts.
    assert_eq!(post(&practice, "poll/", &poll()).await.status, 404);
}

#[tokio::test]
async fn one_address_serves_all_services_where_it_is_asked_to() {
    let mut options = options();
    options.advertised.one_url = true;
    options.advertised.hidden = vec![crate::taxii::message::ServiceType::CollectionManagement];
    let practice = Practice::start(options).await.unwrap();
    let answer = post(&practice, "data", &message("Discovery_Request", "", "")).await;
    assert_eq!(answer.attributes("Service_Instance", "service_type"), ["DISCOVERY", "POLL", "INBOX"]);
    assert!(answer.texts("Address").iter().all(|address| *address == practice.url("data")));
    assert_eq!(post(&practice, "data", &inbox(None, &["<a/>"])).await.says(), "SUCCESS");
    assert_eq!(post(&practice, "data", &poll()).await.texts("Content_Block").len(), 1);
}

#[tokio::test]
async fn advertised_addresses_can_be_relative_or_wrong() {
    for (addresses, wanted) in [
        (Addresses::Relative, "/services/poll"),
        (Addresses::Origin("http://localhost:9000".to_owned()), "http://localhost:9000/services/poll"),
    ] {
        let mut options = options();
        options.advertised.addresses = addresses;
        let practice = Practice::start(options).await.unwrap();
        let answer = post(&practice, "discovery", &message("Discovery_Request", "", "")).await;
        assert!(answer.texts("Address").contains(&wanted.to_owned()));
    }
}

#[tokio::test]
async fn the_requests_are_remembered() {
    let practice = practice().await;
    post(&practice, "poll", &poll_between("2026-11-21T10:00:01Z", "2026-11-21T10:00:02Z")).await;
    let seen = practice.requests().remove(0);
    assert_eq!(
        (seen.kind(), seen.service, seen.path.as_str()),
        ("Poll_Request", Some(Service::Poll), "/services/poll")
    );
    assert_eq!(seen.header("accept"), Some("application/xml"));
    assert_eq!(seen.body_length, seen.body_start.len() as u64);
    assert_eq!(seen.poll().unwrap().begin.as_ref().unwrap().text, "2026-11-21T10:00:01Z");
    post(&practice, "poll", &fulfilment("r:1", 7)).await;
    post(&practice, "inbox", &inbox(Some("default"), &["<a/>"])).await;
    let seen = practice.requests();
    assert_eq!((seen[1].fulfilment().unwrap().result_id.as_str(), seen[1].fulfilment().unwrap().part), ("r:1", 7));
    assert_eq!(seen[2].inbox().unwrap().destinations, ["default"]);
    assert!(practice.until(Duration::from_secs(5), |seen| seen.len() == 3).await);
    assert!(!practice.until(Duration::from_millis(20), |seen| seen.len() == 4).await);
}

#[tokio::test]
async fn the_observer_is_told_in_a_line() {
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&lines);
    let observer: Observer = Arc::new(move |line: &str| told.lock().unwrap().push(line.to_owned()));
    let practice = Practice::start(Options { observer: Some(observer), ..options() }).await.unwrap();
    post(&practice, "inbox", &inbox(Some("default"), &["<a/>"])).await;
    post(&practice, "poll", &poll()).await;
    let lines = lines.lock().unwrap().clone();
    assert_eq!(lines, ["Inbox_Message with 1 block for default: SUCCESS", "Poll_Request for default: 1 block"]);
}
