//! What a strict server refuses.

use super::*;
use base64::Engine as _;

async fn with_headers(practice: &Practice, change: impl Fn(&mut Vec<(&'static str, String)>)) -> Answer {
    let mut all = headers("1.1");
    change(&mut all);
    let all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Client::connect(practice)
        .await
        .ask("/services/discovery", &all, &message("Discovery_Request", "", ""))
        .await
        .unwrap()
}

#[tokio::test]
async fn every_header_is_asked_for_but_x_taxii_accept() {
    let practice = practice().await;
    for (missing, status, says) in [
        ("Accept", 406, None),
        ("Content-Type", 200, Some("FAILURE")),
        ("X-TAXII-Content-Type", 200, Some("FAILURE")),
        ("X-TAXII-Services", 200, Some("FAILURE")),
        ("X-TAXII-Protocol", 200, Some("FAILURE")),
        ("X-TAXII-Accept", 200, Some("Discovery_Response")),
    ] {
        let answer = with_headers(&practice, |all| all.retain(|(name, _)| *name != missing)).await;
        assert_eq!(answer.status, status, "{missing}");
        if let Some(says) = says {
            assert_eq!(answer.says(), says, "{missing}");
        }
    }
}

#[tokio::test]
async fn wrong_headers_are_refused() {
    let practice = practice().await;
    for (name, value, says) in [
        ("Content-Type", "text/xml", "FAILURE"),
        ("Content-Type", "application/xml; charset=utf-8", "Discovery_Response"),
        ("X-TAXII-Content-Type", "urn:taxii.mitre.org:message:xml:1.2", "UNSUPPORTED_MESSAGE"),
        (
            "X-TAXII-Accept",
            "urn:taxii.mitre.org:message:xml:1.1 urn:taxii.mitre.org:message:xml:1.0",
            "UNSUPPORTED_MESSAGE",
        ),
        ("X-TAXII-Services", "urn:taxii.mitre.org:services:1.0", "FAILURE"),
        ("X-TAXII-Protocol", "urn:taxii.mitre.org:protocol:http:1.1", "UNSUPPORTED_PROTOCOL"),
    ] {
        let answer = with_headers(&practice, |all| {
            all.iter_mut().filter(|(there, _)| *there == name).for_each(|(_, there)| *there = value.to_owned());
        });
        assert_eq!(answer.await.says(), says, "{name}: {value}");
    }
    let gzip = with_headers(&practice, |all| all.push(("Content-Encoding", "gzip".to_owned()))).await;
    assert_eq!(gzip.says(), "BAD_MESSAGE");
}

#[tokio::test]
async fn a_message_that_is_none_is_bad() {
    let practice = practice().await;
    for body in ["", "<a/>", "<t:Discovery_Request", &message("Discovery_Request", "", "")[..60]] {
        let answer = post(&practice, "discovery", body).await;
        assert_eq!(
            (answer.says().as_str(), answer.root("in_response_to").as_deref()),
            ("BAD_MESSAGE", Some("0")),
            "{body}"
        );
    }
    // A message of 1.0 under the headers of 1.1.
    let old = message("Discovery_Request", "", "").replace(&format!("\"{NS_11}\""), &format!("'{NS_10}'"));
    assert_eq!(post(&practice, "discovery", &old).await.says(), "BAD_MESSAGE");
    assert_eq!(post(&practice, "discovery", &poll()).await.says(), "FAILURE");
    let digits = poll_between("2026-11-21T10:00:00.1234567Z", "2026-11-21T11:00:00Z");
    assert_eq!(post(&practice, "poll", &digits).await.says(), "BAD_MESSAGE");
}

#[tokio::test]
async fn only_post_is_allowed() {
    let practice = practice().await;
    let mut client = Client::connect(&practice).await;
    client.send(b"GET /services/discovery HTTP/1.1\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("POST")));
    assert_eq!(answer.header("X-TAXII-Content-Type"), None);
}

#[tokio::test]
async fn basic_credentials_are_checked() {
    let users = vec![("sensor".to_owned(), "se:cret".to_owned())];
    let options = Options { auth: Auth::Basic, users, unauthorized_status: 401, ..options() };
    let practice = Practice::start(options).await.unwrap();
    for (pair, says) in
        [("sensor:se:cret", "Discovery_Response"), ("sensor:wrong", "UNAUTHORIZED"), ("sensor", "UNAUTHORIZED")]
    {
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let answer = with_headers(&practice, |all| all.push(("Authorization", value.clone()))).await;
        assert_eq!((answer.says().as_str(), answer.status), (says, if says == "UNAUTHORIZED" { 401 } else { 200 }));
    }
    assert_eq!(with_headers(&practice, |_| {}).await.says(), "UNAUTHORIZED");
}

#[tokio::test]
async fn a_token_lets_in_until_it_expires() {
    let users = vec![("sensor".to_owned(), "secret".to_owned())];
    let practice = Practice::start(Options { auth: Auth::Jwt, users, ..options() }).await.unwrap();
    let mut client = Client::connect(&practice).await;
    let wrong = client.ask("/services/login", &[], r#"{"username": "sensor", "password": "x"}"#).await.unwrap();
    assert_eq!(wrong.status, 401);
    let right = client.ask("/services/login", &[], r#"{"username": "sensor", "password": "secret"}"#).await.unwrap();
    let token: serde_json::Value = serde_json::from_slice(&right.body).unwrap();
    let value = format!("Bearer {}", token["token"].as_str().unwrap());
    let bearer = |all: &mut Vec<(&'static str, String)>| all.push(("Authorization", value.clone()));
    assert_eq!(with_headers(&practice, bearer).await.says(), "Discovery_Response");
    practice.expire_tokens();
    let answer = with_headers(&practice, bearer).await;
    assert_eq!((answer.says().as_str(), answer.status), ("UNAUTHORIZED", 200));
}

#[tokio::test]
async fn a_connection_is_kept_alive_until_the_client_ends_it() {
    let practice = practice().await;
    let mut client = Client::connect(&practice).await;
    let all = headers("1.1");
    let mut all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for _ in 0..2 {
        let answer = client.ask("/services/poll", &all, &poll()).await.unwrap();
        assert_eq!((answer.says().as_str(), answer.end), ("Poll_Response", End::Framed));
    }
    all.push(("Connection", "close"));
    let answer = client.ask("/services/poll", &all, &poll()).await.unwrap();
    assert_eq!(answer.header("Connection"), Some("close"));
    assert!(!client.more().await.unwrap());
    let numbers: Vec<_> = practice.requests().iter().map(|seen| seen.connection).collect();
    assert_eq!(numbers, [1, 1, 1]);
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let practice = practice().await;
    let mut client = Client::connect(&practice).await;
    let all = headers("1.1");
    let mut all: Vec<_> = all.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.push(("Expect", "100-continue"));
    let whole = request("/services/poll", &all, &poll());
    let (head, body) = whole.split_at(whole.len() - poll().len());
    client.send(head).await;
    client.more().await.unwrap();
    assert_eq!(client.read, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.read.clear();
    client.send(body).await;
    assert_eq!(client.answer().await.unwrap().says(), "Poll_Response");
}

#[tokio::test]
async fn a_chunked_request_is_read() {
    let practice = practice().await;
    let mut client = Client::connect(&practice).await;
    let all: String = headers("1.1").iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let message = poll();
    let (first, second) = message.split_at(50);
    client.send(format!("POST /services/poll HTTP/1.1\r\n{all}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await;
    for piece in [first, second, ""] {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes()).await;
    }
    assert_eq!(client.answer().await.unwrap().says(), "Poll_Response");
    assert_eq!(practice.requests()[0].body_length, message.len() as u64);
}

#[tokio::test]
async fn a_request_over_the_limit_is_refused() {
    let practice = Practice::start(Options { max_request: 1000, ..options() }).await.unwrap();
    let answer = post(&practice, "inbox", &inbox(None, &["<a/>".repeat(300).as_str()])).await;
    assert_eq!((answer.status, answer.header("Connection")), (413, Some("close")));
}

#[tokio::test]
async fn content_over_the_limit_is_known_by_its_hash() {
    let practice = Practice::start(Options { max_content: 10, ..options() }).await.unwrap();
    post(&practice, "inbox", &inbox(None, &["<a>123456789</a>", "<b/>"])).await;
    let stored = practice.stored("default");
    assert!(stored[0].content.is_empty() && stored[0].size >= 16 && stored[0].sha256.len() == 64);
    assert!(stored[1].content.starts_with(b"<b"));
}

#[tokio::test]
async fn the_server_listens_on_loopback_only() {
    let address = "0.0.0.0:0".parse().unwrap();
    let error = Practice::start(Options { address, ..options() }).await.unwrap_err();
    assert_eq!(error.to_string(), "0.0.0.0:0 is not a loopback address");
}

#[tokio::test]
async fn a_server_that_was_stopped_is_gone() {
    let practice = practice().await;
    let mut client = Client::connect(&practice).await;
    client.ask("/nothing", &[], "").await.unwrap();
    let address = practice.address();
    practice.stop().await;
    assert!(!client.more().await.unwrap_or(false));
    assert!(TcpStream::connect(address).await.is_err());
}
