//! `discover` and `collections`.

use taxii_sync::practice::{Act, Auth, CollectionSpec, Service};

use super::Bench;

fn secured() -> Bench {
    let bench = Bench::with(|options| {
        options.auth = Auth::Basic;
        options.users.push(("sensor".into(), "hunter2".into()));
    });
    bench.put("password", "hunter2\n");
    bench
}

#[test]
fn discover_lists_the_services_of_a_url() {
    let bench = Bench::new();
    let url = bench.practice.url("discovery");
    let ran = bench.bare(["discover", &url]).ended(0);
    for service in ["DISCOVERY", "COLLECTION_MANAGEMENT", "POLL", "INBOX"] {
        assert!(ran.out.contains(&format!("\n{service}: http://")), "{service} in {}", ran.out);
    }
    assert!(ran.out.contains(&bench.practice.url("poll")), "{}", ran.out);
}

#[test]
fn discover_takes_a_name_from_the_configuration_and_gives_json() {
    let bench = Bench::new();
    let ran = bench.run(["discover", "hub", "--json"]).ended(0).complained("answered");
    let answer = ran.json();
    assert_eq!(answer["server"], "hub");
    assert_eq!(answer["taxii"], "1.1");
    let services = answer["services"].as_array().unwrap();
    let poll = services.iter().find(|service| service["service_type"] == "POLL").unwrap();
    assert_eq!(poll["url"], bench.practice.url("poll"));
    assert_eq!((&poll["usable"], &poll["available"]), (&true.into(), &true.into()));
    assert_eq!(poll["message_bindings"][0], "urn:taxii.mitre.org:message:xml:1.1");
}

#[test]
fn discover_says_what_cannot_be_used_and_why() {
    let bench = Bench::with(|options| {
        options.advertised.addresses = taxii_sync::practice::Addresses::Origin("http://localhost:9".into());
    });
    let url = bench.practice.url("discovery");
    bench.bare(["discover", &url]).ended(0).said("cannot be used").said("trusted_origins");
    let answer = bench.bare(["discover", &url, "--json"]).ended(0).json();
    assert_eq!(answer["services"][0]["usable"], false);
    assert!(answer["services"][0]["reason"].as_str().unwrap().contains("localhost:9"));
}

#[test]
fn version_1_0_is_spoken_where_it_is_asked_for() {
    let bench = Bench::new();
    let url = bench.practice.url("discovery");
    bench.bare(["discover", &url, "--taxii", "1.0"]).ended(0).said("FEED_MANAGEMENT");
    let requests = bench.practice.requests();
    assert_eq!(requests[0].header("X-TAXII-Services"), Some("urn:taxii.mitre.org:services:1.0"));
    bench.bare(["collections", &url, "--taxii", "1.0"]).ended(0).said("default: DATA_FEED");
}

#[test]
fn credentials_come_from_the_command_line_and_are_never_shown() {
    let bench = secured();
    let url = bench.practice.url("discovery");
    let login = ["--username", "sensor", "--password-file", "password"];
    bench.bare(["discover", &url]).ended(1).complained("UNAUTHORIZED").complained("check the user name");
    bench.bare([&["discover", url.as_str()][..], &login].concat()).ended(0).said("POLL");
    bench.practice.script(
        Service::Discovery,
        vec![Act::status(taxii_sync::practice::StatusReply::new("FAILURE").message("hunter2 is no good"))],
    );
    let ran = bench.bare([&["discover", url.as_str()][..], &login].concat()).ended(1).complained("is no good");
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
}

#[test]
fn a_file_or_a_proxy_that_is_not_there_is_named() {
    let bench = Bench::new();
    let url = bench.practice.url("discovery");
    bench.bare(["discover", &url, "--ca", "nowhere.pem"]).ended(1).complained(": tls.ca_file: cannot read nowhere.pem");
    let login = ["--username", "sensor", "--password-file", "nowhere.txt"];
    bench.bare([&["discover", url.as_str()][..], &login].concat()).ended(1).complained("nowhere.txt");
    bench.bare(["discover", &url, "--proxy", "http://127.0.0.1:1"]).ended(1).complained("proxy http://127.0.0.1:1");
    assert_eq!(bench.practice.requests().len(), 0);
}

#[test]
fn a_server_that_is_not_there_is_a_failure_with_its_address() {
    let bench = Bench::new();
    bench.bare(["discover", "http://127.0.0.1:1/discovery"]).ended(1).complained("http://127.0.0.1:1/discovery");
}

#[test]
fn text_of_a_server_does_not_reach_the_terminal_as_it_is() {
    let bench = Bench::with(|options| {
        options.collections[0].description = "\u{202e}evil\nline two".to_owned();
    });
    let ran = bench.bare(["collections", &bench.practice.url("collections")]).ended(0);
    assert!(ran.out.contains("evil line two") && !ran.out.contains('\u{202e}'), "{:?}", ran.out);
}

#[test]
fn a_refusal_comes_with_what_can_be_done_about_it() {
    for (status, hint) in
        [(401, "check the user name and the password"), (403, "what the server grants"), (404, "check the address")]
    {
        let bench = Bench::new();
        bench.practice.forever(Service::Discovery, Act::http(status, "text/html", "<html>no</html>"));
        for command in [&["discover", "hub"][..], &["check", "--online"], &["poll", "indicators", "--count"]] {
            let ran = bench.run(command).ended(1);
            let said = ran.out + &ran.err;
            assert!(said.contains(hint) && !said.contains("ask the operator"), "{command:?}: {said}");
        }
    }
}

#[test]
fn collections_are_asked_for_at_either_address() {
    let bench = Bench::with(|options| options.collections.push(CollectionSpec::set("a set/ü")));
    for service in ["collections", "discovery"] {
        bench.bare(["collections", &bench.practice.url(service)]).ended(0).said("a set/ü: DATA_SET");
    }
}

#[test]
fn collections_of_a_configured_server_are_given_as_json() {
    let bench = Bench::new();
    let answer = bench.run(["collections", "hub", "--json"]).ended(0).json();
    let collection = &answer["collections"][0];
    assert_eq!(
        (&collection["collection_name"], &collection["collection_type"]),
        (&"default".into(), &"DATA_FEED".into())
    );
    assert_eq!(collection["polling_services"][0]["url"], bench.practice.url("poll"));
    assert_eq!(collection["inbox_services"][0]["url"], bench.practice.url("inbox"));
    assert_eq!(answer["url"], bench.practice.url("collections"));
}

#[test]
fn a_server_without_collection_management_is_a_failure() {
    let bench = Bench::with(|options| {
        options.advertised.hidden.push(taxii_sync::taxii::message::ServiceType::CollectionManagement);
    });
    let ran = bench.run(["collections", "hub"]).ended(1);
    let ran = ran.complained("taxii-sync: the Collection Management Service of server `hub` cannot be found");
    ran.complained("\n  pin its address in the configuration\n");
}

#[test]
fn extended_headers_are_kept_and_shown() {
    let bench = Bench::new();
    let extended = "<t:Extended_Headers><t:Extended_Header name=\"urn:example:quota\">17 <left xmlns=\"\"/></t:Extended_Header>\
                    </t:Extended_Headers>";
    let answer = |kind: &str, attributes: &str| {
        let namespace = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
        Act::bytes(format!(
            "<t:{kind} xmlns:t=\"{namespace}\" message_id=\"1\" in_response_to=\"2\"{attributes}>{extended}</t:{kind}>"
        ))
    };
    let collection = " collection_name=\"default\"";
    let table = [
        (vec!["discover", "hub"], Service::Discovery, answer("Discovery_Response", "")),
        (vec!["collections", "hub"], Service::Collections, answer("Collection_Information_Response", "")),
        (
            vec!["subscription", "status", "indicators"],
            Service::Collections,
            answer("Subscription_Management_Response", collection),
        ),
        (vec!["poll", "indicators", "--count"], Service::Poll, answer("Poll_Response", collection)),
    ];
    for (mut arguments, service, act) in table {
        bench.practice.forever(service, act);
        let said = bench.run(&arguments).ended(0).out;
        assert!(said.contains("extended header urn:example:quota: 17 <left"), "{arguments:?}: {said}");
        arguments.push("--json");
        let answer = bench.run(&arguments).ended(0).json();
        assert_eq!(answer["extended_headers"][0]["name"], "urn:example:quota", "{arguments:?}: {answer}");
        bench.practice.honest(service);
    }
}
