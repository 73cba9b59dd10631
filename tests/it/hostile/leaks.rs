//! A server that repeats the credentials it was sent, in every place and every spelling it can.

use taxii_sync::practice::{Act, BlockSpec, Practice, Service, StatusReply};

use super::lab::{Lab, SECRET, STIX, USER, each, forms, options, percent};

/// The secret in all its spellings, with something before it that must not help to hide it.
fn repeated() -> String {
    format!("you are {USER}: {}", forms(SECRET).join(" and "))
}

/// Acts of a server that repeats what it heard instead of answering.
fn refusing() -> Vec<Act> {
    let all = repeated();
    let head = |line: &str| Act::raw(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"));
    let mut acts = vec![
        Act::status(StatusReply::new("DENIED").message(&all).detail("ITEM", &all)),
        Act::status(StatusReply::new("FAILURE").text_detail(SECRET)),
        Act::status(StatusReply::new(SECRET)),
        Act::http(403, "text/html", all.clone()),
        Act::http(200, "text/html", all.clone()),
        Act::honest().header("Content-Encoding", &percent(SECRET)),
        head(&format!("500 {}", percent(SECRET))),
        head(&format!("{} 500", percent(SECRET))),
    ];
    for spelling in forms(SECRET).iter().filter(|spelling| spelling.is_ascii()) {
        acts.push(Act::redirect(302, &format!("http://127.0.0.1:1/{spelling}")));
        acts.push(Act::redirect(307, &format!("/services/poll/{spelling}")));
        acts.push(Act::redirect(307, &format!("http://{spelling}@127.0.0.1:1/")));
        acts.push(Act::bytes(format!("<{spelling}")));
        acts.push(Act::bytes(format!("<a b='{spelling}' b=''>&{spelling};</a>")));
    }
    acts
}

/// An element, attribute or entity of an envelope that cannot be read, named after the secret.
fn unreadable() -> Vec<Act> {
    let namespace = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
    let root = |inner: String| Act::bytes(format!("<t:Poll_Response xmlns:t=\"{namespace}\" {inner}"));
    let name = "hunter2-and-more";
    vec![
        root(format!("collection_name=\"{}\"/>", "hunter2-and-more")),
        root(format!("><t:{name}></t:other></t:Poll_Response>")),
        root(format!("{name}='' {name}=''/>")),
        root(format!("><{name}:a/></t:Poll_Response>")),
        root(format!(">&{name};</t:Poll_Response>")),
        Act::bytes(format!("<?xml version='1.0' encoding='{name}'?><a/>")),
        Act::bytes(format!("<a xmlns='{namespace}/{name}'/>")),
        Act::honest().header("Content-Encoding", name),
    ]
}

#[test]
fn a_server_that_repeats_the_password_in_a_refusal_does_not_get_it_shown() {
    each(refusing(), |act| {
        let lab = Lab::feed();
        lab.practice.forever(Service::Poll, act);
        assert_eq!(lab.run_once().code(), 1);
        lab.nothing_came();
    });
}

#[test]
fn a_name_that_is_the_password_is_not_shown_in_the_error_about_it() {
    each(unreadable(), |act| {
        let mut lab = Lab::feed();
        std::fs::write(lab.path("password"), "hunter2-and-more\n").unwrap();
        lab.secrets.push("hunter2-and-more".to_owned());
        lab.practice.forever(Service::Poll, act);
        assert_eq!(lab.run_once().code(), 1);
        lab.nothing_came();
    });
}

#[test]
fn an_inbox_that_repeats_the_password_does_not_get_it_into_a_receipt() {
    let mut acts = refusing();
    acts.push(Act::status(StatusReply::new("SUCCESS").message(&repeated())));
    acts.push(Act::status(StatusReply::new("BAD_MESSAGE").message(&repeated())));
    acts.push(Act::status(StatusReply::new("UNSUPPORTED_CONTENT").detail("SUPPORTED_CONTENT", &repeated())));
    each(acts, |act| {
        let lab = Lab::drop();
        std::fs::write(lab.dropped("a.xml"), STIX).unwrap();
        lab.practice.forever(Service::Inbox, act);
        lab.run_once();
    });
}

#[test]
fn metadata_does_not_tell_a_password_that_the_server_repeats() {
    let lab = Lab::feed();
    lab.practice.add_block("default", BlockSpec::new("urn:x", "<a/>"));
    let text = repeated();
    lab.practice.forever(
        Service::Poll,
        Act::change(move |reply| {
            reply.message = Some(text.clone());
            reply.result_id = Some(text.clone());
            reply.subscription_id = Some(text.clone());
            reply.record_count = Some(text.clone());
            for block in &mut reply.blocks {
                block.binding.id.clone_from(&text);
                block.binding.subtypes = vec![text.clone()];
                block.message = Some(text.clone());
            }
        }),
    );
    let ended = lab.run_once();
    assert_eq!(ended.code(), 0, "{}", ended.err);
    assert_eq!(lab.handed_over().len(), 1);
    let metadata = lab.files().into_iter().find(|path| path.to_string_lossy().ends_with(".meta.json")).unwrap();
    assert!(std::fs::read_to_string(metadata).unwrap().contains("[secret]"), "it was there to be told");
}

#[test]
fn what_commands_print_does_not_tell_it_either() {
    let acts = || {
        let mut acts = refusing();
        acts.truncate(20);
        acts
    };
    each(acts(), |act| {
        let mut lab = Lab::with(options());
        lab.feed = Some(String::new());
        for service in ["discovery", "collections"] {
            lab.server += &format!("{service} = {:?}\n", lab.practice.url(service));
        }
        let everywhere = |practice: &Practice| {
            for service in [Service::Discovery, Service::Collections, Service::Poll, Service::Inbox] {
                practice.forever(service, act.clone());
            }
        };
        everywhere(&lab.practice);
        std::fs::write(lab.path("a.xml"), STIX).unwrap();
        std::fs::create_dir(lab.path("here")).unwrap();
        let inbox = "[inboxes.inbox]\nserver = \"hub\"\n";
        lab.feed = Some(format!("start = \"2s\"\nmin_free = \"1MiB\"\n{inbox}"));
        for command in [
            &["discover", "hub"][..],
            &["collections", "hub"],
            &["poll", "feed", "--to", "here"],
            &["push", "inbox", "a.xml"],
            &["subscription", "status", "feed"],
            &["check", "--online"],
        ] {
            for json in [false, true] {
                let mut arguments = command.to_vec();
                arguments.extend(json.then_some("--json"));
                let ended = lab.run(&arguments);
                lab.is_fit_to_be_shown(&format!("{arguments:?}"), &ended.out);
                lab.is_fit_to_be_shown(&format!("{arguments:?}"), &ended.err);
            }
        }
    });
}

#[test]
fn an_advertisement_that_repeats_it_is_shown_without_it() {
    let spellings: Vec<String> = forms(SECRET).into_iter().filter(|spelling| spelling.is_ascii()).collect();
    each(spellings, |spelling| {
        let mut lab = Lab::with(options());
        let escaped = spelling.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
        let instance = |kind: &str, address: &str| {
            format!(
                "<t:Service_Instance service_type=\"{kind}\" service_version=\"urn:taxii.mitre.org:services:1.1\" \
                 available=\"true\"><t:Protocol_Binding>urn:taxii.mitre.org:protocol:http:1.0</t:Protocol_Binding>\
                 <t:Address>{address}</t:Address><t:Message_Binding>urn:taxii.mitre.org:message:xml:1.1</t:Message_Binding>\
                 <t:Message>{escaped}</t:Message></t:Service_Instance>"
            )
        };
        let answer = format!(
            "<t:Discovery_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" message_id=\"1\" \
             in_response_to=\"1\">{}{}{}</t:Discovery_Response>",
            instance("POLL", &format!("http://127.0.0.1:1/{escaped}?{escaped}")),
            instance("POLL", &format!("gopher://{escaped}")),
            instance("INBOX", &format!("http://{escaped}:x@127.0.0.1:1/")),
        );
        lab.practice.forever(Service::Discovery, Act::bytes(answer));
        let pins = ["poll", "inbox"].map(|name| format!("{name} = {:?}\n", lab.practice.url(name)));
        pins.iter().for_each(|pin| lab.server = lab.server.replace(pin, ""));
        lab.server += &format!("discovery = {:?}\n", lab.practice.url("discovery"));
        lab.feed = Some(String::new());
        lab.drop = Some(String::new());
        std::fs::write(lab.dropped("a.xml"), STIX).unwrap();
        assert_eq!(lab.run_once().code(), 1);
        for arguments in [&["discover", "hub"][..], &["discover", "hub", "--json"], &["check", "--online"]] {
            let ended = lab.run(arguments);
            lab.is_fit_to_be_shown(&format!("{arguments:?}"), &ended.out);
            lab.is_fit_to_be_shown(&format!("{arguments:?}"), &ended.err);
        }
    });
}
