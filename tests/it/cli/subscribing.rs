//! `subscription`.

use serde_json::Value;
use taxii_sync::practice::{Act, CollectionSpec, Service, StatusReply};
use taxii_sync::taxii::message::{Body, SubscriptionRequest};

use super::Bench;

fn act(bench: &Bench, action: &str) -> Value {
    bench.run(["subscription", action, "indicators", "--json"]).ended(0).json()
}

fn requests(bench: &Bench) -> Vec<SubscriptionRequest> {
    let messages = bench.practice.requests().into_iter().filter_map(|seen| seen.message);
    messages
        .filter_map(|message| if let Body::SubscriptionRequest(request) = message.body { Some(request) } else { None })
        .collect()
}

fn actions(bench: &Bench) -> Vec<&'static str> {
    requests(bench).iter().map(|request| request.action.name()).collect()
}

#[test]
fn status_is_asked_before_subscribing_and_no_second_one_is_made() {
    let bench = Bench::new();
    bench.run(["subscription", "status", "indicators"]).ended(0).said("no subscription to the collection `default`");
    let made = act(&bench, "subscribe");
    assert_eq!(actions(&bench), ["STATUS", "STATUS", "SUBSCRIBE"]);
    assert_eq!((&made["existing"], &made["subscriptions"][0]["status"]), (&false.into(), &"ACTIVE".into()));
    let again = act(&bench, "subscribe");
    assert_eq!(actions(&bench)[3..], ["STATUS"], "there is one already");
    assert_eq!(again["existing"], true);
    assert_eq!(again["subscriptions"], made["subscriptions"]);
}

#[test]
fn a_subscription_for_other_content_is_another_one() {
    let bench = Bench::new();
    act(&bench, "subscribe");
    bench.configure("content_bindings = [\"urn:stix.mitre.org:xml:1.2\"]", "");
    assert_eq!(act(&bench, "subscribe")["existing"], false);
    let asked = requests(&bench).pop().unwrap();
    assert_eq!(asked.parameters.unwrap().content_bindings[0].id, "urn:stix.mitre.org:xml:1.2");
    let all = act(&bench, "status");
    assert_eq!(all["subscriptions"].as_array().unwrap().len(), 2);
}

#[test]
fn id_status_and_poll_instances_are_printed() {
    let bench = Bench::new();
    let ran = bench.run(["subscription", "subscribe", "indicators"]).ended(0);
    assert!(ran.out.contains(": ACTIVE") && ran.out.contains(&bench.practice.url("poll")), "{}", ran.out);
    let ran = ran.said("set subscription_id = ").said("[feeds.indicators]");
    let id = ran.out.split('"').nth(1).unwrap().to_owned();
    bench.run(["subscription", "status", "indicators"]).ended(0).said(&format!("subscription {id}: ACTIVE"));
    assert_eq!(act(&bench, "status")["subscriptions"][0]["poll_instances"][0]["url"], bench.practice.url("poll"));
}

#[test]
fn the_only_subscription_is_paused_resumed_and_ended() {
    let bench = Bench::new();
    let id = act(&bench, "subscribe")["subscriptions"][0]["subscription_id"].clone();
    for (action, status) in [("pause", "PAUSED"), ("resume", "ACTIVE"), ("unsubscribe", "UNSUBSCRIBED")] {
        let answer = act(&bench, action);
        assert_eq!(
            (&answer["subscriptions"][0]["subscription_id"], &answer["subscriptions"][0]["status"]),
            (&id, &status.into())
        );
    }
    bench
        .run(["subscription", "pause", "indicators"])
        .ended(1)
        .complained("no subscription")
        .complained("subscribe indicators");
}

#[test]
fn what_the_server_did_not_do_is_a_failure() {
    let bench = Bench::new();
    let id = act(&bench, "subscribe")["subscriptions"][0]["subscription_id"].as_str().unwrap().to_owned();
    let answer = format!(
        "<t:Subscription_Management_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" \
         message_id=\"1\" in_response_to=\"1\" collection_name=\"default\"><t:Subscription status=\"UNSUBSCRIBED\">\
         <t:Subscription_ID>{id}</t:Subscription_ID></t:Subscription></t:Subscription_Management_Response>"
    );
    bench.practice.script(Service::Collections, vec![Act::honest(), Act::bytes(answer)]);
    bench
        .run(["subscription", "resume", "indicators", "--id", &id, "--json"])
        .ended(1)
        .complained("the subscription was not resumed: the server says that it is UNSUBSCRIBED")
        .json();
}

#[test]
fn an_answer_without_a_subscription_is_a_failure() {
    let bench = Bench::new();
    let answer = "<t:Subscription_Management_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" \
                  message_id=\"1\" in_response_to=\"1\" collection_name=\"default\"/>";
    for more in [&[][..], &["--json"]] {
        bench.practice.script(Service::Collections, vec![Act::honest(), Act::honest(), Act::bytes(answer)]);
        let ran = bench.run([&["subscription", "subscribe", "indicators"][..], more].concat()).ended(1);
        let ran = ran.complained("holds no subscription to the collection `default`").complained("status indicators");
        assert!(more.is_empty() || ran.json()["subscriptions"] == serde_json::json!([]), "{}", ran.out);
    }
}

#[test]
fn a_subscription_that_is_answered_as_ended_is_a_failure_and_a_paused_one_is_advised_on() {
    let bench = Bench::new();
    for (status, code, words) in [("UNSUBSCRIBED", 1, "the subscription was not made"), ("PAUSED", 0, "")] {
        let answer = format!(
            "<t:Subscription_Management_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" \
             message_id=\"1\" in_response_to=\"1\" collection_name=\"default\"><t:Subscription status=\"{status}\">\
             <t:Subscription_ID>1</t:Subscription_ID></t:Subscription></t:Subscription_Management_Response>"
        );
        bench.practice.script(Service::Collections, vec![Act::honest(), Act::honest(), Act::bytes(answer)]);
        let ran = bench.run(["subscription", "subscribe", "indicators"]).ended(code).complained(words);
        assert_eq!(ran.out.contains("subscription resume indicators --id 1"), code == 0, "{}", ran.out);
    }
}

#[test]
fn which_of_several_is_meant_has_to_be_said() {
    let bench = Bench::new();
    let first = act(&bench, "subscribe")["subscriptions"][0]["subscription_id"].as_str().unwrap().to_owned();
    bench.configure("content_bindings = [\"urn:stix.mitre.org:xml:1.2\"]", "");
    act(&bench, "subscribe");
    bench.run(["subscription", "pause", "indicators"]).ended(1).complained(&first).complained("--id");
    bench.run(["subscription", "pause", "indicators", "--id", &first]).ended(0).said("PAUSED");
    bench.configure(&format!("subscription_id = {first:?}"), "");
    bench.run(["subscription", "resume", "indicators"]).ended(0).said("ACTIVE");
    assert_eq!(act(&bench, "status")["subscriptions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_server_that_does_not_tell_its_subscriptions_is_subscribed_to_all_the_same() {
    let bench = Bench::new();
    let refusal = StatusReply::new("FAILURE").message("no STATUS here");
    bench.practice.script(Service::Collections, vec![Act::honest(), Act::status(refusal)]);
    bench.run(["subscription", "subscribe", "indicators"]).ended(0).said("ACTIVE").complained("no STATUS here");
}

#[test]
fn what_the_server_refuses_is_a_failure() {
    let bench = Bench::with(|options| options.collections = vec![CollectionSpec::feed("another")]);
    bench.run(["subscription", "subscribe", "indicators"]).ended(1).complained("NOT_FOUND");
}

#[test]
fn version_1_0_has_no_pause() {
    let bench = Bench::new();
    let config = std::fs::read_to_string(bench.path("config.toml")).unwrap();
    bench.put("config.toml", config.replace("[servers.hub]", "[servers.hub]\ntaxii = \"1.0\""));
    assert_eq!(act(&bench, "subscribe")["existing"], false);
    assert_eq!(act(&bench, "subscribe")["existing"], true);
    bench.run(["subscription", "pause", "indicators"]).ended(1).complained("TAXII 1.0");
    let ended = act(&bench, "unsubscribe");
    assert_eq!(ended["subscriptions"][0]["status"], "UNSUBSCRIBED", "{ended}");
}
