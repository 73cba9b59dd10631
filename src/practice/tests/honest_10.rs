//! Honest mode: every message of TAXII 1.0.

use super::*;

#[tokio::test]
async fn discovery_and_feeds_are_told_in_the_words_of_1_0() {
    let practice = practice().await;
    practice.add_collection(CollectionSpec::set("a set"));
    let answer = post(&practice, "discovery", &message_10("Discovery_Request", "", "")).await;
    assert_eq!(answer.header("X-TAXII-Content-Type"), Some("urn:taxii.mitre.org:message:xml:1.0"));
    assert!(answer.attributes("Service_Instance", "service_type").contains(&"FEED_MANAGEMENT".to_owned()));
    let answer = post(&practice, "collections", &message_10("Feed_Information_Request", "", "")).await;
    assert_eq!(answer.says(), "Feed_Information_Response");
    assert_eq!(answer.attributes("Feed", "feed_name"), ["default"]);
    assert_eq!(answer.texts("Content_Binding"), ["urn:stix.mitre.org:xml:1.1.1"]);
}

#[tokio::test]
async fn what_is_pushed_in_1_0_is_polled_in_1_0() {
    let practice = practice().await;
    let block = format!(
        "<t:Content_Block><t:Content_Binding>{STIX}</t:Content_Binding><t:Content><a/></t:Content></t:Content_Block>"
    );
    assert_eq!(post(&practice, "inbox", &message_10("Inbox_Message", "", &block)).await.says(), "SUCCESS");
    let answer = post(&practice, "poll", &message_10("Poll_Request", "feed_name=\"default\"", "")).await;
    assert_eq!((answer.says().as_str(), answer.root("feed_name").as_deref()), ("Poll_Response", Some("default")));
    assert_eq!((answer.root("more"), answer.root("result_part_number")), (None, None));
    assert_eq!(answer.texts("Content_Binding"), [STIX]);
    assert_eq!(answer.texts("Inclusive_End_Timestamp").len(), 1);
}

#[tokio::test]
async fn a_result_too_large_for_1_0_is_shortened_and_says_so() {
    let practice = Practice::start(Options { max_result_size: 2, ..options() }).await.unwrap();
    fill(&practice, &["<a/>", "<b/>", "<c/>"]);
    let answer = post(&practice, "poll", &message_10("Poll_Request", "feed_name=\"default\"", "")).await;
    assert_eq!(answer.texts("Content_Block").len(), 2);
    assert_eq!(answer.texts("Inclusive_End_Timestamp"), ["2026-11-21T10:00:02.000000Z"]);
}

#[tokio::test]
async fn subscriptions_of_1_0_have_their_id_in_an_attribute() {
    let practice = practice().await;
    let manage = |attributes: &str| {
        message_10("Subscription_Management_Request", &format!("feed_name=\"default\" {attributes}"), "")
    };
    let answer = post(&practice, "collections", &manage("action=\"SUBSCRIBE\"")).await;
    let id = answer.attributes("Subscription", "subscription_id").remove(0);
    let poll = message_10("Poll_Request", &format!("feed_name=\"default\" subscription_id=\"{id}\""), "");
    assert_eq!(post(&practice, "poll", &poll).await.root("subscription_id"), Some(id.clone()));
    let unsubscribe = manage(&format!("action=\"UNSUBSCRIBE\" subscription_id=\"{id}\""));
    assert_eq!(post(&practice, "collections", &unsubscribe).await.attributes("Subscription", "subscription_id"), [id]);
}

#[tokio::test]
async fn a_status_of_1_0_has_its_detail_as_text() {
    let practice = practice().await;
    let answer = post(&practice, "poll", &message_10("Poll_Request", "feed_name=\"nothing\"", "")).await;
    assert_eq!((answer.says().as_str(), answer.texts("Status_Detail")), ("NOT_FOUND", vec!["nothing".to_owned()]));
    assert!(answer.texts("Detail").is_empty());
    let no_number = message_10("Poll_Request", "feed_name=\"default\"", "").replace("\"42\"", "\"m-42\"");
    assert_eq!(post(&practice, "poll", &no_number).await.says(), "BAD_MESSAGE");
}
