//! A server that repeats the credentials it was sent, in every place and every spelling it can.

use std::time::Duration;

use taxii_sync::practice::{Act, BlockSpec, Close, Practice, Service, StatusReply};

use super::lab::{Lab, MOST_MEMORY, SECRET, STIX, USER, each, forms, list, options, percent};

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

/// Answers that repeat the secret in places that are only seen in a saved exchange.
fn only_in_full() -> Vec<Act> {
    let all = repeated();
    let wide = |unit: fn(u16) -> [u8; 2]| all.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let latin: Vec<u8> = all.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let mut acts = vec![
        Act::bytes([&b"\xff\xfe"[..], &wide(u16::to_le_bytes)].concat()),
        Act::bytes([&b"\xfe\xff"[..], &wide(u16::to_be_bytes)].concat()),
        Act::bytes(wide(u16::to_be_bytes)),
        Act::bytes(latin.clone()).gzip(),
        Act::raw([b"HTTP/1.1 500 Oh\r\nX-Seen: ", &latin[..], b"\r\nContent-Length: 0\r\n\r\n"].concat()),
        Act::http(500, "text/plain", all.clone()).drip(7, Duration::ZERO),
        Act::http(500, "text/plain", all.clone()).cut(all.len() as u64 - 3, Close::Reset),
    ];
    // Such a reply is read to the place where what is saved is cut.
    let begin = "<t:Poll_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" message_id=\"1\" \
                 in_response_to=\"1\" collection_name=\"default\"><t:Content_Block><t:Content_Binding \
                 binding_id=\"urn:x\"/><t:Content>";
    let heads = forms(SECRET).into_iter().filter(|spelling| spelling.is_ascii());
    acts.extend(heads.map(|spelling| {
        let page = begin.to_owned() + &"x".repeat((1 << 20) - 5 - begin.len()) + &spelling + &"y".repeat(100_000);
        let act = Act::bytes(page);
        act.header("Set-Cookie", &spelling).header("X-Seen", &spelling).header("Location", &format!("/?{spelling}"))
    }));
    acts
}

#[test]
fn what_is_saved_of_exchanges_does_not_tell_it_either() {
    let acts = refusing().into_iter().chain(only_in_full()).collect();
    each(acts, |act: Act| {
        let mut lab = Lab::feed();
        lab.server += "headers = { \"X-Key\" = \"open-sesame\" }\n";
        lab.secrets.push("open-sesame".to_owned());
        lab.feed = Some("[inboxes.inbox]\nserver = \"hub\"\n".to_owned());
        std::fs::write(lab.path("a.xml"), STIX).unwrap();
        for service in [Service::Poll, Service::Inbox] {
            lab.practice.forever(service, act.clone());
        }
        let mut said = String::new();
        for command in [&["poll", "feed", "--to", "here"][..], &["push", "inbox", "a.xml"]] {
            let ended = lab.run(&[command, &["--save-exchanges", "saved"]].concat());
            assert!(ended.peak < MOST_MEMORY, "{} KiB of memory", ended.peak / 1024);
            lab.is_fit_to_be_shown(&format!("{command:?}"), &ended.err);
            said += &ended.err;
        }
        let saved = list(&lab.path("saved"));
        assert!(saved.len() >= 4, "{saved:?}: {said}");
        for path in saved {
            let text = std::fs::read_to_string(&path).unwrap();
            lab.has_no_secret(&path.display().to_string(), &text);
            for part in [&SECRET[..5], &percent(SECRET)[..10], "aHVudGVy"] {
                let found = text.find(part).map(|at| text[at..].chars().take(100).collect::<String>());
                assert_eq!(found, None, "{} tells a part of the secret", path.display());
            }
            let strange = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
            assert!(!text.contains(strange), "{}", path.display());
        }
    });
}

#[test]
fn a_large_file_is_pushed_in_little_memory_while_its_beginning_is_saved() {
    let mut lab = Lab::feed();
    lab.feed = Some("[inboxes.inbox]\nserver = \"hub\"\n".to_owned());
    std::fs::write(lab.path("a.xml"), format!("<a>{}</a>", "0123456789abcdef".repeat(6 << 20))).unwrap();
    let ended = lab.run(&["push", "inbox", "a.xml", "--binding", "urn:x", "--save-exchanges", "saved"]);
    assert!(ended.peak < MOST_MEMORY, "{} KiB of memory:\n{}", ended.peak / 1024, ended.err);
    let saved: u64 = list(&lab.path("saved")).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&saved), "{saved} bytes:\n{}", ended.err);
}

#[test]
fn an_address_that_is_used_is_shown_without_the_password_in_it() {
    const PASSWORD: &str = "hunter2-and-more";
    let instance = |kind: &str, address: &str| {
        format!(
            "<t:Service_Instance service_type=\"{kind}\" service_version=\"urn:taxii.mitre.org:services:1.1\" \
             available=\"true\"><t:Protocol_Binding>urn:taxii.mitre.org:protocol:http:1.0</t:Protocol_Binding>\
             <t:Address>{address}?key={PASSWORD}</t:Address>\
             <t:Message_Binding>urn:taxii.mitre.org:message:xml:1.1</t:Message_Binding></t:Service_Instance>"
        )
    };
    each(vec![false, true], |redirected| {
        let mut lab = Lab::with(options());
        lab.secrets.push(PASSWORD.to_owned());
        std::fs::write(lab.path("password"), PASSWORD).unwrap();
        let discovery = lab.practice.url("discovery");
        let place = discovery.replace("/services/discovery", &format!("/p/{PASSWORD}"));
        let answer = format!(
            "<t:Discovery_Response xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" message_id=\"1\" \
             in_response_to=\"1\">{}{}</t:Discovery_Response>",
            instance("POLL", &place),
            instance("INBOX", &place),
        );
        let act = if redirected { Act::redirect(307, &place) } else { Act::bytes(answer) };
        lab.practice.forever(Service::Discovery, act);
        let pins = ["poll", "inbox"].map(|name| format!("{name} = {:?}\n", lab.practice.url(name)));
        pins.iter().for_each(|pin| lab.server = lab.server.replace(pin, ""));
        lab.server += &format!("discovery = {discovery:?}\n");
        lab.feed = Some("min_free = \"1MiB\"\n[inboxes.inbox]\nserver = \"hub\"\n".to_owned());
        std::fs::write(lab.path("a.xml"), STIX).unwrap();
        let by_hand = ["--url", &discovery, "--username", USER, "--password-file", "password"];
        let mut shown = String::new();
        for command in [
            &["check", "--online"][..],
            &["discover", "hub"],
            &["push", "inbox", "a.xml", "--dry-run"],
            &["push", "inbox", "a.xml"],
            &["poll", "feed", "--count"],
            &[&["push"][..], &by_hand, &["a.xml"]].concat(),
            &[&["poll", "--collection", "default", "--to", "here"][..], &by_hand].concat(),
        ] {
            for json in [&[][..], &["--json"]] {
                let ended = lab.run(&[command, json].concat());
                lab.is_fit_to_be_shown(&format!("{command:?}"), &ended.out);
                lab.is_fit_to_be_shown(&format!("{command:?}"), &ended.err);
                shown += &(ended.out + &ended.err);
            }
        }
        assert!(shown.contains("/p/[secret]"), "{shown}");
        if !redirected {
            for words in
                ["is polled at http", "gets its messages at http", "sending to http", "polling http", "bytes, to http"]
            {
                assert!(shown.contains(words), "nothing {words} in {shown}");
            }
        }
    });
}

#[test]
fn looking_for_secrets_in_a_long_answer_does_not_stop_the_agent() {
    let lab = Lab::feed();
    let detail = format!("<t:Detail name=\"SUPPORTED_CONTENT\">{}</t:Detail>", "&amp;".repeat(60_000));
    let answer = format!(
        "<t:Status_Message xmlns:t=\"http://taxii.mitre.org/messages/taxii_xml_binding-1.1\" message_id=\"1\" \
         in_response_to=\"1\" status_type=\"UNSUPPORTED_CONTENT\"><t:Status_Detail>{}</t:Status_Detail>\
         </t:Status_Message>",
        detail.repeat(25)
    );
    lab.practice.forever(Service::Poll, Act::bytes(answer));
    let ended = lab.run_once();
    assert_eq!(ended.code(), 1, "{}", ended.err);
    assert!(ended.complaint().contains("(supported: &&&"), "{}", ended.err);
    // With a look at each of them it takes half a minute.
    assert!(ended.wall < Duration::from_secs(10), "{:?}", ended.wall);
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
