//! Every act does what it says.

use std::io::Read;
use std::time::Instant;

use chrono::TimeDelta;

use super::*;

async fn discover(practice: &Practice) -> io::Result<Answer> {
    try_post(practice, "discovery", &message("Discovery_Request", "", "")).await
}

/// The answer to a discovery request under one act.
async fn under(act: Act) -> io::Result<Answer> {
    let practice = practice().await;
    practice.script(Service::Discovery, vec![act]);
    discover(&practice).await
}

#[tokio::test]
async fn a_script_is_played_once_and_forever_is_not() {
    let practice = practice().await;
    practice.script(Service::Discovery, vec![Act::status("DENIED"), Act::honest(), Act::status("RETRY")]);
    practice.forever(Service::Discovery, Act::status("FAILURE"));
    let mut says = Vec::new();
    for _ in 0..5 {
        says.push(discover(&practice).await.unwrap().says());
    }
    assert_eq!(says, ["DENIED", "Discovery_Response", "RETRY", "FAILURE", "FAILURE"]);
    assert_eq!(post(&practice, "poll", &poll()).await.says(), "Poll_Response");
    practice.honest(Service::Discovery);
    assert_eq!(discover(&practice).await.unwrap().says(), "Discovery_Response");
}

#[tokio::test]
async fn a_status_says_whatever_it_is_told_to() {
    let status = StatusReply::new("https://example.org/odd").detail("RESULT_ID", "a:b<c").message("no & no");
    let answer = under(Act::status(status)).await.unwrap();
    assert_eq!(
        (answer.says().as_str(), answer.root("in_response_to").as_deref()),
        ("https://example.org/odd", Some("42"))
    );
    assert_eq!(
        (answer.texts("Detail"), answer.texts("Message")),
        (vec!["a:b<c".to_owned()], vec!["no & no".to_owned()])
    );

    let status = StatusReply::new("NOT_FOUND").extended("ITEM", "x").in_response_to(None).text_detail("words");
    let answer = under(Act::status(status)).await.unwrap();
    assert_eq!((answer.root("in_response_to"), answer.texts("Extended_Header")), (None, vec!["x".to_owned()]));
    assert_eq!((answer.texts("Status_Detail"), answer.texts("Detail").len()), (vec!["words".to_owned()], 0));

    let status = StatusReply::new("RETRY").version(crate::taxii::Version::V10).in_response_to(Some("7"));
    let answer = under(Act::status(status)).await.unwrap();
    assert_eq!(answer.root("in_response_to").as_deref(), Some("7"));
    assert!(answer.text().contains(&format!("\"{NS_10}\"")));
    assert_eq!(answer.header("X-TAXII-Content-Type"), Some("urn:taxii.mitre.org:message:xml:1.0"));
}

#[tokio::test]
async fn http_errors_are_not_taxii() {
    let answer = under(Act::http(503, "text/html", "<html>busy</html>").header("Retry-After", "7")).await.unwrap();
    assert_eq!((answer.status, answer.text(), answer.header("Retry-After")), (503, "<html>busy</html>", Some("7")));
    assert_eq!((answer.header("Content-Type"), answer.header("X-TAXII-Content-Type")), (Some("text/html"), None));
    let answer = under(Act::redirect(307, "http://192.0.2.1/")).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (307, Some("http://192.0.2.1/")));
    let answer = under(Act::bytes("")).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(under(Act::honest().code(500)).await.unwrap().says(), "Discovery_Response");
}

#[tokio::test]
async fn an_answer_can_be_raw_from_its_first_byte_on() {
    let practice = practice().await;
    practice.script(Service::Discovery, vec![Act::raw("SSH-2.0-server\r\n")]);
    let mut client = Client::connect(&practice).await;
    client.send(&request("/services/discovery", &[], "")).await;
    while client.more().await.unwrap() {}
    assert_eq!(client.read, b"SSH-2.0-server\r\n");
}

#[tokio::test]
async fn headers_can_be_set_and_taken_away() {
    let act = Act::honest().without_header("X-TAXII-Services").header("X-TAXII-Protocol", "odd").without_header("date");
    let answer = under(act).await.unwrap();
    assert_eq!(answer.header("X-TAXII-Services"), None);
    assert_eq!((answer.header("X-TAXII-Protocol"), answer.header("Date")), (Some("odd"), None));
    let answer = under(Act::honest().skew(TimeDelta::hours(-2))).await.unwrap();
    assert_eq!(answer.header("Date"), Some("Sat, 21 Nov 2026 10:00:00 GMT"));
}

#[tokio::test]
async fn a_body_ends_as_its_framing_is_told_to() {
    let ten = || Act::bytes("0123456789");
    for (framing, body, end) in [
        (Framing::Honest, "0123456789", End::Framed),
        (Framing::LengthOff(-4), "012345", End::Framed),
        (Framing::LengthOff(4), "0123456789", End::Short),
        (Framing::Chunked, "0123456789", End::Framed),
        (Framing::ChunkedOpen, "0123456789", End::Short),
        (Framing::UntilClose, "0123456789", End::Closed),
    ] {
        let answer = under(ten().framing(framing)).await.unwrap();
        assert_eq!((answer.text(), answer.end), (body, end), "{framing:?}");
    }
    let two = under(ten().framing(Framing::TwoLengths)).await.unwrap();
    let lengths = two.headers.iter().filter(|(name, _)| name == "Content-Length").map(|(_, value)| value.as_str());
    assert_eq!(lengths.collect::<Vec<_>>(), ["10", "11"]);
}

#[tokio::test]
async fn a_compressed_answer_says_so() {
    let answer = under(Act::honest().gzip().framing(Framing::Chunked)).await.unwrap();
    assert_eq!(answer.header("Content-Encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.contains("Discovery_Response"));
}

#[tokio::test]
async fn an_answer_breaks_off_where_it_is_told_to() {
    let answer = under(Act::bytes("0123456789").cut(3, Close::Fin)).await.unwrap();
    assert_eq!((answer.text(), answer.end), ("012", End::Short));
    let answer = under(Act::bytes("0123456789").cut(3, Close::Reset)).await.unwrap();
    assert_eq!(answer.end, End::Reset);
    let answer = under(Act::bytes("0123456789").framing(Framing::UntilClose).cut(3, Close::Fin)).await.unwrap();
    assert_eq!((answer.text(), answer.end), ("012", End::Closed));
    let error = under(Act::honest().cut_head(20, Close::Fin)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_request_can_stay_without_an_answer() {
    assert_eq!(under(Act::closed(Close::Fin)).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(under(Act::closed(Close::Reset)).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let practice = practice().await;
    practice.script(Service::Discovery, vec![Act::silence()]);
    assert!(tokio::time::timeout(Duration::from_millis(200), discover(&practice)).await.is_err());
    assert_eq!(practice.requests().len(), 1);
}

#[tokio::test]
async fn a_message_can_be_stored_though_its_sender_never_learns_it() {
    let practice = practice().await;
    let acts = vec![Act::closed(Close::Fin), Act::closed(Close::Fin).performed(), Act::status("FAILURE").performed()];
    practice.script(Service::Inbox, acts);
    let mut stored = Vec::new();
    for _ in 0..3 {
        let _ = try_post(&practice, "inbox", &inbox(None, &["<a/>"])).await;
        stored.push(practice.stored("default").len());
    }
    assert_eq!(stored, [0, 1, 2]);
}

#[tokio::test]
async fn an_answer_can_be_late_and_slow() {
    let start = Instant::now();
    under(Act::honest().delay(Duration::from_millis(60))).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60));
    for act in [Act::bytes("012345"), Act::bytes("012345").framing(Framing::Chunked)] {
        let start = Instant::now();
        let answer = under(act.drip(2, Duration::from_millis(20))).await.unwrap();
        assert_eq!((answer.text(), start.elapsed() >= Duration::from_millis(40)), ("012345", true));
    }
    let start = Instant::now();
    under(Act::bytes("").drip_head(50, Duration::from_millis(20))).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn an_early_answer_does_not_wait_for_the_body() {
    let practice = practice().await;
    practice.script(Service::Inbox, vec![Act::http(413, "text/plain", "too large").early()]);
    let mut client = Client::connect(&practice).await;
    client.send(b"POST /services/inbox HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.text()), (413, "too large"));
    assert!(!client.more().await.unwrap());
}

#[tokio::test]
async fn a_body_can_stay_unread() {
    let practice = practice().await;
    practice.script(Service::Inbox, vec![Act::silence().early()]);
    let mut client = Client::connect(&practice).await;
    client.send(b"POST /services/inbox HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n").await;
    let piece = vec![b' '; 1 << 20];
    // The buffers of the sockets take some megabytes; then nothing goes any more.
    let sending = async {
        for _ in 0..200 {
            client.send(&piece).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(500), sending).await.is_err());
}

#[tokio::test]
async fn a_connection_can_be_closed_unannounced() {
    let practice = practice().await;
    practice.script(Service::Discovery, vec![Act::honest().close()]);
    let all = headers("1.1");
    let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut client = Client::connect(&practice).await;
    let answer = client.ask("/services/discovery", &all, &message("Discovery_Request", "", "")).await.unwrap();
    assert_eq!((answer.header("Connection"), answer.end), (None, End::Framed));
    assert!(!client.more().await.unwrap());
}

#[tokio::test]
async fn an_endless_body_goes_on_until_the_client_leaves() {
    let practice = practice().await;
    practice.script(Service::Discovery, vec![Act::generated(|| Box::new(std::iter::repeat(vec![b' '; 65536].into())))]);
    let mut client = Client::connect(&practice).await;
    client.send(&request("/services/discovery", &[], "")).await;
    let mut received = 0;
    while received < 20 << 20 {
        assert!(client.more().await.unwrap());
        received += std::mem::take(&mut client.read).len();
    }
}

#[tokio::test]
async fn an_envelope_is_written_in_any_encoding() {
    let status = || Act::status(StatusReply::new("FAILURE").message("é€"));
    let declared = |name| format!("<?xml version=\"1.0\" encoding=\"{name}\"?><");
    for (envelope, start) in [
        (Envelope::Utf8, declared("UTF-8")),
        (Envelope::NoDeclaration, "<taxii_11:".to_owned()),
        (Envelope::Bom, format!("\u{feff}{}", declared("UTF-8"))),
        (Envelope::NewlineFirst, format!("\n{}", declared("UTF-8"))),
        (Envelope::NewlineNoDeclaration, "\n<taxii_11:".to_owned()),
    ] {
        let answer = under(status().envelope(envelope)).await.unwrap();
        assert!(answer.text().starts_with(&start), "{envelope:?}: {}", answer.text());
        assert!(answer.text().contains("é€"));
    }
    for (envelope, order) in
        [(Envelope::Utf16Le, u16::from_le_bytes as fn([u8; 2]) -> u16), (Envelope::Utf16Be, u16::from_be_bytes)]
    {
        let body = under(status().envelope(envelope)).await.unwrap().body;
        let units: Vec<_> = body.chunks(2).map(|pair| order([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units).unwrap();
        assert!(text.starts_with(&format!("\u{feff}{}", declared("UTF-16"))) && text.contains("é€"));
    }
    let body = under(status().envelope(Envelope::Latin1)).await.unwrap().body;
    assert!(body.starts_with(declared("ISO-8859-1").as_bytes()));
    assert!(body.windows(8).any(|bytes| bytes == b"\xe9&#8364;"));
}
