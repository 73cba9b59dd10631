//! Polls: parts, ranges, subscriptions, asynchronous results.

use base64::Engine as _;
use chrono::TimeDelta;

use super::*;

/// The answer to a poll from 09:00 to 11:00 over three blocks, labelled from 10:00:01 to 10:00:03, under one act.
async fn under(act: Act) -> Answer {
    let practice = practice().await;
    fill(&practice, &["<a/>", "<b/>", "<c/>"]);
    practice.script(Service::Poll, vec![act]);
    post(&practice, "poll", &poll_between("2026-11-21T09:00:00Z", "2026-11-21T11:00:00Z")).await
}

#[tokio::test]
async fn an_end_can_be_anything() {
    for (quirk, end) in [
        (Quirk::NoEnd, None),
        (Quirk::EchoEnd, Some("2026-11-21T11:00:00.000000Z")),
        (Quirk::ShiftEnd(TimeDelta::minutes(-30)), Some("2026-11-21T10:30:00.000000Z")),
        (Quirk::ShiftEnd(TimeDelta::days(9000)), Some("2051-07-13T11:00:00.000000Z")),
        (Quirk::EndBeforeBegin(TimeDelta::minutes(5)), Some("2026-11-21T08:55:00.000000Z")),
        (Quirk::SevenDigits, Some("2026-11-21T11:00:00.0000007Z")),
        (Quirk::NoZone, Some("2026-11-21T11:00:00.000000")),
        (Quirk::EndText("soon".to_owned()), Some("soon")),
    ] {
        let answer = under(Act::poll(quirk.clone())).await;
        assert_eq!(answer.texts("Inclusive_End_Timestamp").first().map(String::as_str), end, "{quirk:?}");
        assert_eq!(answer.texts("Content_Block").len(), 3);
    }
}

#[tokio::test]
async fn an_end_in_the_future_can_be_echoed() {
    let practice = practice().await;
    practice.script(Service::Poll, vec![Act::poll(Quirk::EchoEnd)]);
    let answer = post(&practice, "poll", &poll_between("2026-11-21T09:00:00Z", "2051-01-01T00:00:00Z")).await;
    assert_eq!(answer.texts("Inclusive_End_Timestamp"), ["2051-01-01T00:00:00.000000Z"]);
}

#[tokio::test]
async fn labels_can_lie_after_the_end_or_be_missing() {
    let labels = under(Act::poll(Quirk::LabelsAfterEnd)).await.texts("Timestamp_Label");
    let wanted = ["2026-11-21T11:00:01.000000Z", "2026-11-21T11:00:02.000000Z", "2026-11-21T11:00:03.000000Z"];
    assert_eq!(labels, wanted);
    assert!(under(Act::poll(Quirk::NoLabels)).await.texts("Timestamp_Label").is_empty());
}

#[tokio::test]
async fn attributes_can_be_anything() {
    let answer = under(Act::poll(Quirk::More("1".to_owned()))).await;
    assert!(answer.root("more").as_deref() == Some("1") && answer.root("result_id").is_some());
    let answer = under(Act::poll(Quirk::More("TRUE".to_owned())).quirk(Quirk::NoResultId)).await;
    assert_eq!((answer.root("more").as_deref(), answer.root("result_id")), (Some("TRUE"), None));
    let answer =
        under(Act::poll(Quirk::PartNumber("7".to_owned())).quirk(Quirk::CollectionName("other".to_owned()))).await;
    assert_eq!(answer.root("result_part_number").as_deref(), Some("7"));
    assert_eq!(answer.root("collection_name").as_deref(), Some("other"));
}

#[tokio::test]
async fn a_result_id_can_be_chosen_and_is_known_afterwards() {
    let practice = Practice::start(Options { max_result_size: 2, ..options() }).await.unwrap();
    fill(&practice, &["<a/>", "<b/>", "<c/>"]);
    let id = "1582588800404:1582675200404";
    practice.script(Service::Poll, vec![Act::poll(Quirk::ResultId(id.to_owned()))]);
    assert_eq!(post(&practice, "poll", &poll()).await.root("result_id").as_deref(), Some(id));
    assert_eq!(post(&practice, "poll", &fulfilment(id, 2)).await.texts("Content_Block").len(), 1);
}

#[tokio::test]
async fn a_part_can_be_empty_first_in_the_middle_or_last() {
    for (at, blocks) in [(1, [0, 2, 1]), (2, [2, 0, 1]), (9, [2, 1, 0])] {
        let practice = Practice::start(Options { max_result_size: 2, ..options() }).await.unwrap();
        fill(&practice, &["<a/>", "<b/>", "<c/>"]);
        practice.script(Service::Poll, vec![Act::poll(Quirk::EmptyPart(at))]);
        let first = post(&practice, "poll", &poll()).await;
        let id = first.root("result_id").unwrap();
        let (second, third) =
            (post(&practice, "poll", &fulfilment(&id, 2)).await, post(&practice, "poll", &fulfilment(&id, 3)).await);
        let answers = [first, second, third];
        assert_eq!(answers.each_ref().map(|answer| answer.texts("Content_Block").len()), blocks);
        assert_eq!(answers.each_ref().map(|answer| answer.root("more").unwrap()), ["true", "true", "false"]);
    }
}

#[tokio::test]
async fn a_part_can_be_repeated_for_ever() {
    let practice = practice().await;
    fill(&practice, &["<a/>"]);
    practice.forever(Service::Poll, Act::poll(Quirk::RepeatPart));
    let id = post(&practice, "poll", &poll()).await.root("result_id").unwrap();
    for part in 2..6 {
        let answer = post(&practice, "poll", &fulfilment(&id, part)).await;
        assert_eq!((answer.texts("Content_Block").len(), answer.root("more").as_deref()), (1, Some("true")));
        assert_eq!(answer.root("result_part_number"), Some(part.to_string()));
    }
}

#[tokio::test]
async fn a_result_can_expire_or_be_pending_in_between() {
    let practice = Practice::start(Options { max_result_size: 1, ..options() }).await.unwrap();
    fill(&practice, &["<a/>", "<b/>"]);
    let acts = vec![Act::pending(3), Act::pending(2), Act::honest(), Act::status("ASYNCHRONOUS_POLL_ERROR")];
    practice.script(Service::Poll, acts);
    let first = post(&practice, "poll", &poll()).await;
    assert_eq!(first.says(), "PENDING");
    let id = first.texts("Detail").remove(1);
    let again = post(&practice, "poll", &fulfilment(&id, 1)).await;
    assert_eq!((again.says().as_str(), again.texts("Detail").remove(0).as_str()), ("PENDING", "2"));
    assert_eq!(post(&practice, "poll", &fulfilment(&id, 1)).await.root("more").as_deref(), Some("true"));
    assert_eq!(post(&practice, "poll", &fulfilment(&id, 2)).await.says(), "ASYNCHRONOUS_POLL_ERROR");
}

#[tokio::test]
async fn a_count_can_claim_more() {
    let practice = practice().await;
    practice.script(Service::Poll, vec![Act::poll(Quirk::More("true".to_owned()))]);
    let count = "<t:Poll_Parameters><t:Response_Type>COUNT_ONLY</t:Response_Type></t:Poll_Parameters>";
    let answer = post(&practice, "poll", &message("Poll_Request", "collection_name=\"default\"", count)).await;
    assert!(answer.root("more").as_deref() == Some("true") && answer.root("result_id").is_some());
}

#[tokio::test]
async fn bounds_can_be_those_of_the_whole_result_and_in_any_order() {
    let practice = Practice::start(Options { max_result_size: 1, ..options() }).await.unwrap();
    fill(&practice, &["<a/>", "<b/>"]);
    practice.forever(Service::Poll, Act::poll(Quirk::WholeRange).quirk(Quirk::BeginAfterEnd));
    let asked = poll_between("2026-11-21T09:00:00Z", "2026-11-21T11:00:00Z");
    let first = post(&practice, "poll", &asked).await;
    let id = first.root("result_id").unwrap();
    for answer in [first, post(&practice, "poll", &fulfilment(&id, 2)).await] {
        assert_eq!(answer.texts("Exclusive_Begin_Timestamp"), ["2026-11-21T09:00:00.000000Z"]);
        assert_eq!(answer.texts("Inclusive_End_Timestamp"), ["2026-11-21T11:00:00.000000Z"]);
        assert!(answer.text().find("Inclusive_End").unwrap() < answer.text().find("Exclusive_Begin").unwrap());
    }
    assert!(under(Act::poll(Quirk::NoBegin)).await.texts("Exclusive_Begin_Timestamp").is_empty());
}

#[tokio::test]
async fn namespaces_can_be_declared_on_the_root_only_or_be_the_default() {
    let practice = practice().await;
    fill(&practice, &["<x:a/>", "<b/>"]);
    let act = Act::poll(Quirk::RootAttributes("xmlns:x=\"urn:x\"".to_owned())).quirk(Quirk::DefaultNamespace);
    practice.script(Service::Poll, vec![act]);
    let answer = post(&practice, "poll", &poll()).await;
    let document = roxmltree::Document::parse(answer.text()).unwrap();
    assert!(document.descendants().any(|node| node.has_tag_name(("urn:x", "a"))));
    assert!(document.descendants().any(|node| node.has_tag_name((NS_11, "b"))));
}

#[tokio::test]
async fn contents_stand_in_the_answer_as_they_were_given() {
    let practice = practice().await;
    let contents =
        ["&lt;a/&gt;", "<![CDATA[<a/>]]>", "{\"a\": 1}", "<a/><b/>", "<!-- c --><a/>", "", "\\x3c612f3e", "PGEvPg=="];
    fill(&practice, &contents);
    let answer = post(&practice, "poll", &poll()).await;
    for content in contents {
        assert!(answer.text().contains(&format!("<taxii_11:Content>{content}</taxii_11:Content>")), "{content}");
    }
}

#[tokio::test]
async fn anything_else_can_be_changed_as_well() {
    let act = Act::change(|reply| {
        reply.blocks.truncate(1);
        reply.message = Some("only one".to_owned());
        reply.in_response_to = None;
    });
    let answer = under(act).await;
    assert_eq!((answer.texts("Content_Block").len(), answer.root("in_response_to")), (1, None));
    assert_eq!(answer.texts("Message"), ["only one"]);
}

/// The document that a style wrote; `element` is its Content as it was sent.
fn document_in(style: Style, text: &str, element: &str) -> String {
    let bytes = match style {
        Style::Element | Style::Inherited => return element.to_owned(),
        Style::Escaped | Style::Cdata => return text.to_owned(),
        Style::Base64 => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
        Style::Hex => {
            let digits = text.strip_prefix("\\x").unwrap().as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            digits.chunks(2).map(byte).collect()
        }
    };
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_big_response_has_its_blocks_in_every_style() {
    for style in [Style::Element, Style::Inherited, Style::Escaped, Style::Cdata, Style::Base64, Style::Hex] {
        // Some smaller and some larger than what is generated at once.
        for (blocks, size) in [(500, 700), (3, 200_000)] {
            let answer = under(Act::big(BigResponse::new(blocks, size, style))).await;
            let document = roxmltree::Document::parse(answer.text()).unwrap();
            let contents: Vec<_> = document.descendants().filter(|node| node.tag_name().name() == "Content").collect();
            assert_eq!(contents.len() as u64, blocks);
            for (number, content) in contents.iter().enumerate() {
                let document = document_in(style, content.text().unwrap_or_default(), &answer.text()[content.range()]);
                assert!(document.contains(&format!("<stix:Title>Block {number}</stix:Title>")), "{style:?}");
                assert!(document.len().abs_diff(size) < 300, "{} {size}", document.len());
                if !matches!(style, Style::Element | Style::Inherited) {
                    assert!(roxmltree::Document::parse(&document).is_ok());
                }
            }
            let labels = answer.texts("Timestamp_Label");
            assert!(labels.is_sorted() && labels.last().unwrap() == "2026-11-21T11:00:00.000000Z");
        }
    }
}

#[tokio::test]
async fn a_big_response_knows_its_length_where_it_has_to() {
    let big = BigResponse { more: Some("r:1".to_owned()), ..BigResponse::new(4, 100_000, Style::Element) };
    let answer = under(Act::big(big).framing(Framing::LengthOff(0))).await;
    assert_eq!(
        (answer.end, answer.root("result_id").as_deref(), answer.root("more").as_deref()),
        (End::Framed, Some("r:1"), Some("true"))
    );
}
