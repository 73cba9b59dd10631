//! What is sent, and what becomes of the answer.

use super::*;

#[tokio::test]
async fn a_request_carries_the_six_headers_a_length_and_nothing_of_a_browser() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    assert_eq!(fetch(&client(&url), &url).await.unwrap(), (200, b"ok".to_vec()));
    let asked = &log.all()[0];
    assert!(asked.head.starts_with("POST /services/poll HTTP/1.1\r\n"), "{}", asked.head);
    for (name, value) in [
        ("Content-Type", "application/xml"),
        ("Accept", "application/xml"),
        ("X-TAXII-Content-Type", "urn:taxii.mitre.org:message:xml:1.1"),
        ("X-TAXII-Accept", "urn:taxii.mitre.org:message:xml:1.1"),
        ("X-TAXII-Services", "urn:taxii.mitre.org:services:1.1"),
        ("X-TAXII-Protocol", "urn:taxii.mitre.org:protocol:http:1.0"),
        ("Content-Length", "15"),
        ("Accept-Encoding", "gzip, deflate"),
        ("User-Agent", concat!("taxii-sync/", env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    for name in ["Transfer-Encoding", "Content-Encoding", "Authorization", "Referer", "Cookie", "Expect"] {
        assert_eq!(asked.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn what_the_reply_header_says_is_told() {
    // It was a Sunday: what day a server takes it for does not matter.
    let headers = "Date: Mon, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 7\r\nSet-Cookie: a=b\r\n\
                   Content-Type: Application/XML; charset=UTF-8\r\nX-TAXII-Content-Type: urn:x\r\n";
    let (url, log) = answer(vec![reply(503, headers, "<a/>")]).await;
    let client = client(&url);
    let response = post(&client, &url).await.unwrap();
    assert_eq!(response.status, 503);
    assert_eq!(response.url, url);
    assert_eq!(response.date.unwrap().timestamp(), 784_111_777);
    assert_eq!(response.retry_after, Some(Wait::For(Duration::from_secs(7))));
    assert_eq!(response.content_type.as_deref(), Some("application/xml"));
    assert_eq!(response.charset.as_deref(), Some("utf-8"));
    assert_eq!(response.taxii_content_type.as_deref(), Some("urn:x"));
    drop(response);
    fetch(&client, &url).await.unwrap();
    assert_eq!(log.all()[1].header("Cookie"), None);
}

#[tokio::test]
async fn connections_are_kept_alive() {
    let connections = Arc::new(Mutex::new(0));
    let count = connections.clone();
    let url = listen(move |stream| {
        *count.lock().unwrap() += 1;
        converse(stream, Log::default(), Arc::new(vec![reply(200, "", "ok")]))
    })
    .await;
    let client = client(&url);
    for _ in 0..5 {
        // Exchanges run in tasks of their own: everything of this room can be sent between threads.
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move { fetch(&client, &url).await.unwrap() }).await.unwrap();
    }
    assert_eq!(*connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced_without_a_word() {
    let log = Log::default();
    let seen = log.clone();
    // Each connection answers one request and closes, without having announced it.
    let url = listen(move |mut stream| {
        let log = seen.clone();
        async move {
            let asked = read_request(&mut stream).await.unwrap();
            log.0.lock().unwrap().push(asked);
            stream.write_all(reply(200, "", "ok").as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = client(&url);
    for _ in 0..5 {
        assert_eq!(fetch(&client, &url).await.unwrap().0, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(log.len(), 5);
}

#[tokio::test]
async fn a_request_whose_fate_is_unknown_is_never_sent_again() {
    let log = Log::default();
    let seen = log.clone();
    // The first connection answers once and takes a second request without answering, as any later one does.
    let url = listen(move |mut stream| {
        let log = seen.clone();
        async move {
            while let Some(asked) = read_request(&mut stream).await {
                log.0.lock().unwrap().push(asked);
                if log.len() > 1 {
                    return;
                }
                stream.write_all(reply(200, "", "ok").as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let client = client(&url);
    fetch(&client, &url).await.unwrap();
    for sent in 2..5 {
        let error = fetch(&client, &url).await.unwrap_err();
        assert!(matches!(error, WireError::Broken { .. }), "{error:?}");
        assert!(error.outcome_unknown());
        assert_eq!(error.class(), Class::Transient);
        assert_eq!(log.len(), sent);
    }
}

#[tokio::test]
async fn a_request_that_was_cut_off_was_certainly_not_acted_on() {
    let url = listen(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
    })
    .await;
    let client = client(&url);
    let body = Body::from(vec![b'x'; 32 << 20]);
    let error = client.post(&url, Version::V11, body).await.unwrap_err();
    assert!(matches!(error, WireError::Broken { .. }), "{error:?}");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn nothing_was_sent_when_nobody_listens_or_the_name_does_not_resolve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/?key=hunter2", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let error = post(&client(&url), &url).await.unwrap_err();
    assert!(error.to_string().ends_with(": connection refused"), "{error}");
    assert!(!error.to_string().contains("hunter2"));
    assert!(!error.outcome_unknown());
    assert_eq!(error.class(), Class::Transient);

    let url = Url::parse("http://taxii.invalid/").unwrap();
    let error = post(&client(&url), &url).await.unwrap_err();
    assert_eq!(error.to_string(), "no connection to http://taxii.invalid/: the name does not resolve");
    assert!(!error.outcome_unknown());
}

#[tokio::test]
async fn requests_go_to_no_other_origin() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let (other, never) = answer(vec![reply(200, "", "ok")]).await;
    let plain = client(&url);
    assert!(matches!(post(&plain, &other).await, Err(WireError::Origin { .. })));
    let mut named = url.clone();
    named.set_username("me").unwrap();
    assert!(matches!(post(&plain, &named).await, Err(WireError::Origin { .. })));
    assert_eq!((log.len(), never.len()), (0, 0));

    let trusting = Client::new(Settings { origins: vec![url.clone(), other.clone()], ..settings(&url) }).unwrap();
    fetch(&trusting, &other).await.unwrap();
    assert_eq!(never.len(), 1);
}

#[tokio::test]
async fn a_redirect_within_the_origin_gets_the_same_message_again() {
    let moved = |status, path: &str| reply(status, &format!("Location: {path}\r\n"), "moved");
    let (url, log) =
        answer(vec![moved(307, "/two"), moved(308, "three?x=1"), moved(307, "/four"), reply(200, "", "ok")]).await;
    let client = client(&url);
    let body = Body::from("<Poll_Request/>".to_owned());
    let response = client.post(&url, Version::V11, body).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.url.path(), "/four");
    let asked = log.all();
    let paths: Vec<_> = asked.iter().map(|asked| asked.head.split(' ').nth(1).unwrap()).collect();
    assert_eq!(paths, ["/services/poll", "/two", "/three?x=1", "/four"]);
    assert!(asked.iter().all(|asked| asked.head.starts_with("POST ") && asked.body == b"<Poll_Request/>"));
}

#[tokio::test]
async fn every_other_redirect_is_an_error_that_names_the_target() {
    let (other, never) = answer(vec![reply(200, "", "ok")]).await;
    let elsewhere = other.as_str();
    for (status, location, sent) in [
        (302, "/login", 1),
        (301, "/services/poll", 1),
        (303, "/", 1),
        (307, elsewhere, 1),
        (308, "//127.0.0.2/", 1),
        (307, "https://127.0.0.1/", 1),
        (307, "file:///etc/passwd", 1),
        (307, "/again", 4),
    ] {
        let (url, log) = answer(vec![reply(status, &format!("Location: {location}\r\n"), "")]).await;
        let error = post(&client(&url), &url).await.unwrap_err();
        assert!(matches!(error, WireError::Redirect { .. }), "{status} {location}: {error:?}");
        assert!(error.to_string().contains(location), "{error}");
        assert_eq!(error.class(), Class::Admin);
        assert!(!error.outcome_unknown());
        assert_eq!(log.len(), sent, "{location}");
    }
    let (url, _) = answer(vec![reply(307, "", "")]).await;
    assert!(post(&client(&url), &url).await.unwrap_err().to_string().contains("nowhere"));
    assert_eq!(never.len(), 0);
}

#[tokio::test]
async fn credentials_do_not_travel_in_the_clear() {
    let url = Url::parse("http://taxii.invalid/").unwrap();
    let basic = Auth::Basic { username: "me".into(), password: "hunter2".into() };
    let with_auth = Settings { auth: Some(basic), ..settings(&url) };
    let with_header = Settings { headers: vec![("X-Api-Key".into(), "hunter2".into())], ..settings(&url) };
    let not_secret = Settings { headers: vec![("X-TAXII-Protocol".into(), "x".into())], ..settings(&url) };
    let allowed = Settings { plaintext_credentials: true, ..with_auth.clone() };
    for refused in [with_auth, with_header] {
        let error = post(&Client::new(refused).unwrap(), &url).await.unwrap_err();
        assert!(matches!(error, WireError::Plaintext { .. }), "{error:?}");
        assert!(error.hint().contains("plaintext_credentials"));
    }
    for goes in [not_secret, allowed] {
        let error = post(&Client::new(goes).unwrap(), &url).await.unwrap_err();
        assert!(matches!(error, WireError::Connect { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_is_heard_although_the_server_hangs_up() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(8 << 20).unwrap();
    let bodies = [Body::from(vec![b'x'; 8 << 20]), Body::new().bytes("<a>").file(Arc::new(file), 0..8 << 20)];
    for (polite, body) in [(true, &bodies[0]), (false, &bodies[0]), (true, &bodies[1]), (false, &bodies[1])] {
        let url = listen(move |mut stream| async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(reply(413, "Connection: close\r\n", "too long").as_bytes()).await.unwrap();
            if polite {
                // Closing with data unread sends a reset after the reply.
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
            }
        })
        .await;
        let client = client(&url);
        let mut heard = 0;
        for _ in 0..10 {
            // A reset that comes before the reply was read takes it away: a busy machine reads late.
            match client.post(&url, Version::V11, body.clone()).await {
                Ok(mut response) => {
                    assert_eq!(response.status, 413);
                    heard += usize::from(response.chunk().await.is_ok_and(|piece| piece.unwrap() == "too long"));
                }
                Err(error) => assert!(!polite && matches!(error, WireError::Broken { .. }), "{error:?}"),
            }
        }
        assert!(heard >= if polite { 10 } else { 5 }, "heard {heard} of 10");
    }
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    let two_lengths = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned();
    let endless_header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(5000));
    for broken in ["SSH-2.0-OpenSSH_9.2\r\n".to_owned(), two_lengths, endless_header, many_headers] {
        let (url, _) = answer(vec![broken.clone()]).await;
        let error = post(&client(&url), &url).await.unwrap_err();
        assert!(matches!(error, WireError::Broken { .. }), "{error:?}");
        assert!(error.outcome_unknown());
    }
}

#[tokio::test]
async fn secrets_are_read_anew_and_known_afterwards() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let turn = Arc::new(Mutex::new(0));
    let password = Secret::new(move || {
        *turn.lock().unwrap() += 1;
        Ok(format!("hunter{}\n", turn.lock().unwrap()))
    });
    let auth = Some(Auth::Basic { username: "me".into(), password });
    let headers = vec![("X-Api-Key".into(), "key-1".into()), ("X-TAXII-Protocol".into(), "other".into())];
    let client = Client::new(Settings { auth, headers, ..settings(&url) }).unwrap();
    fetch(&client, &url).await.unwrap();
    fetch(&client, &url).await.unwrap();
    let asked = log.all();
    assert_eq!(asked[0].header("Authorization"), Some("Basic bWU6aHVudGVyMQ=="));
    assert_eq!(asked[1].header("Authorization"), Some("Basic bWU6aHVudGVyMg=="));
    assert_eq!(asked[1].header("X-Api-Key"), Some("key-1"));
    assert_eq!(asked[1].header("X-TAXII-Protocol"), Some("other"));
    let repeated = "hunter1 hunter2 bWU6aHVudGVyMQ== bWU6aHVudGVyMg== key-1";
    assert_eq!(client.redact(repeated), "[secret] [secret] [secret] [secret] [secret]");
    assert!(!format!("{client:?}").contains("key-1"));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_an_error_that_says_where_it_was_looked_for() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let missing = Secret::new(|| Err(SecretError("/run/password does not exist".into())));
    let auth = Some(Auth::Basic { username: "me".into(), password: missing });
    let client = Client::new(Settings { auth, ..settings(&url) }).unwrap();
    let error = post(&client, &url).await.unwrap_err();
    assert_eq!(error.to_string(), "/run/password does not exist");
    assert_eq!(error.class(), Class::Admin);
    assert_eq!(log.len(), 0);
}

#[tokio::test]
async fn headers_cannot_be_injected_and_the_bodys_own_cannot_be_set() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    for name in ["X Y", "X\r\nY", "", "Content-Length", "transfer-encoding", "Host"] {
        let headers = vec![(name.to_owned(), Secret::from("x"))];
        assert!(
            matches!(Client::new(Settings { headers, ..settings(&url) }), Err(WireError::Settings { .. })),
            "{name}"
        );
    }
    let headers = vec![("X-Api-Key".to_owned(), Secret::from("hunter2\r\nX-Evil: 1"))];
    let error = post(&Client::new(Settings { headers, ..settings(&url) }).unwrap(), &url).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let auth = Some(Auth::Bearer { token: Secret::from("hunter2\nX") });
    let error = post(&Client::new(Settings { auth, ..settings(&url) }).unwrap(), &url).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert_eq!(log.len(), 0);
}
