//! Bearer tokens and logins.

use super::*;

fn jwt(url: &Url) -> Settings {
    let login = url.join("/management/auth").unwrap();
    Settings { auth: Some(Auth::Jwt { login, username: "me".into(), password: "hunter2".into() }), ..settings(url) }
}

fn token(token: &str) -> String {
    reply(200, "Content-Type: application/json\r\n", &format!("{{\"token\": \"{token}\"}}"))
}

/// What the peer saw: the path and the Authorization header.
fn seen(log: &Log) -> Vec<(String, Option<String>)> {
    let line = |asked: &Asked| {
        let path = asked.head.split(' ').nth(1).unwrap().to_owned();
        (path, asked.header("authorization").map(ToOwned::to_owned))
    };
    log.all().iter().map(line).collect()
}

fn login() -> (String, Option<String>) {
    ("/management/auth".into(), None)
}

fn message(token: &str) -> (String, Option<String>) {
    ("/services/poll".into(), Some(format!("Bearer {token}")))
}

#[tokio::test]
async fn a_given_token_is_sent() {
    let (url, log) = answer(vec![reply(401, "", "")]).await;
    let client = Client::new(Settings { auth: Some(Auth::Bearer { token: "t1\n".into() }), ..settings(&url) }).unwrap();
    let response = post(&client, &url).await.unwrap();
    assert_eq!((response.status, response.token), (401, None));
    assert!(!client.forget_token(response.token));
    assert_eq!(seen(&log), [message("t1")]);
}

#[tokio::test]
async fn one_login_serves_many_requests() {
    let (url, log) = answer(vec![token("t1"), reply(200, "", "ok")]).await;
    let client = Client::new(jwt(&url)).unwrap();
    fetch(&client, &url).await.unwrap();
    fetch(&client, &url).await.unwrap();
    assert_eq!(seen(&log), [login(), message("t1"), message("t1")]);
    let asked = &log.all()[0];
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.header("x-taxii-services"), None);
    let sent: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(sent, serde_json::json!({ "username": "me", "password": "hunter2" }));
    assert_eq!(client.redact("t1 hunter2"), "[secret] [secret]");
}

#[tokio::test]
async fn a_401_leads_to_one_new_login_and_no_more() {
    let (url, log) =
        answer(vec![token("t1"), reply(200, "", "ok"), reply(401, "", ""), token("t2"), reply(401, "", "")]).await;
    let client = Client::new(jwt(&url)).unwrap();
    fetch(&client, &url).await.unwrap();
    assert_eq!(fetch(&client, &url).await.unwrap().0, 401);
    assert_eq!(seen(&log), [login(), message("t1"), message("t1"), login(), message("t2")]);
}

#[tokio::test]
async fn a_new_token_that_is_refused_at_once_is_replaced_once_as_well() {
    let refused = reply(401, "", "");
    let (url, log) = answer(vec![token("t1"), refused.clone(), token("t2"), refused]).await;
    let client = Client::new(jwt(&url)).unwrap();
    assert_eq!(fetch(&client, &url).await.unwrap().0, 401);
    assert_eq!(seen(&log), [login(), message("t1"), login(), message("t2")]);
}

#[tokio::test]
async fn the_caller_can_say_that_a_token_was_refused() {
    let (url, log) = answer(vec![
        token("t1"),
        reply(200, "", "ok"),
        reply(200, "", "UNAUTHORIZED"),
        token("t2"),
        reply(200, "", "UNAUTHORIZED"),
    ])
    .await;
    let client = Client::new(jwt(&url)).unwrap();
    fetch(&client, &url).await.unwrap();
    let response = post(&client, &url).await.unwrap();
    assert!(client.forget_token(response.token));
    let response = client.post_again(&url, Version::V11, Body::from("<a/>".to_owned())).await.unwrap();
    assert!(!client.forget_token(response.token), "it was the second one");
    assert_eq!(seen(&log), [login(), message("t1"), message("t1"), login(), message("t2")]);
}

#[tokio::test]
async fn a_token_that_is_refused_in_two_ways_is_replaced_once() {
    let (url, log) = answer(vec![token("t1"), reply(200, "", "UNAUTHORIZED"), token("t2"), reply(401, "", "")]).await;
    let client = Client::new(jwt(&url)).unwrap();
    let response = post(&client, &url).await.unwrap();
    assert!(client.forget_token(response.token));
    assert_eq!(client.post_again(&url, Version::V11, Body::from("<a/>".to_owned())).await.unwrap().status, 401);
    assert_eq!(seen(&log), [login(), message("t1"), login(), message("t2")]);
}

#[tokio::test]
async fn requests_at_once_share_one_login() {
    let (url, log) = answer(vec![token("t1"), reply(200, "", "ok")]).await;
    let client = Client::new(jwt(&url)).unwrap();
    let all = futures_util::future::join_all((0..4).map(|_| post(&client, &url))).await;
    assert!(all.iter().all(|response| response.as_ref().unwrap().status == 200));
    assert_eq!(seen(&log).iter().filter(|seen| **seen == login()).count(), 1);
}

#[tokio::test]
async fn a_login_that_fails_sends_no_message() {
    for (answered, class) in [
        (reply(401, "", "hunter2 is wrong"), Class::Admin),
        (reply(404, "", ""), Class::Admin),
        (reply(503, "", ""), Class::Transient),
        (reply(200, "", "<html>"), Class::Admin),
        (reply(200, "", "{\"token\": 7}"), Class::Admin),
        (reply(200, "", "{\"token\": \"\"}"), Class::Admin),
        (token("a\\nb"), Class::Admin),
        (reply(200, "", &"x".repeat(100_000)), Class::Admin),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".into(), Class::Transient),
    ] {
        let (url, log) = answer(vec![answered.clone()]).await;
        let client = Client::new(Settings { idle_timeout: Duration::from_millis(200), ..jwt(&url) }).unwrap();
        let error = post(&client, &url).await.unwrap_err();
        assert!(matches!(error, WireError::Login { .. }), "{error:?}");
        assert!(error.to_string().contains("/management/auth failed: "), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(error.class(), class, "{error}");
        assert!(!error.outcome_unknown());
        assert_eq!(log.len(), 1);
    }
}

#[tokio::test]
async fn a_login_elsewhere_over_plain_http_is_refused() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let elsewhere = Url::parse("http://taxii.invalid/auth").unwrap();
    let auth = Auth::Jwt { login: elsewhere, username: "me".into(), password: "hunter2".into() };
    let client = Client::new(Settings { auth: Some(auth), ..settings(&url) }).unwrap();
    let error = post(&client, &url).await.unwrap_err();
    assert!(matches!(error, WireError::Plaintext { .. }), "{error:?}");
    assert_eq!(log.len(), 0);
}
