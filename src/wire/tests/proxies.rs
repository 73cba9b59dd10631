//! Requests through proxies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::copy_bidirectional;

use super::transport::{Authority, tls_peer};
use super::*;

/// An HTTP proxy that wants `me:hunter2` and keeps the heads it got.
async fn http_proxy() -> (Url, Log) {
    let log = Log::default();
    let seen = log.clone();
    let url = listen(move |stream| proxy_connection(stream, seen.clone())).await;
    (bare(&url, "http"), log)
}

/// The address of a listener in another scheme, without its path.
fn bare(url: &Url, scheme: &str) -> Url {
    Url::parse(&format!("{scheme}://{}", url.authority())).unwrap()
}

async fn proxy_connection(mut client: TcpStream, log: Log) {
    let Some(head) = read_head(&mut client).await else { return };
    let asked = Asked { head: head.clone(), body: Vec::new() };
    log.0.lock().unwrap().push(asked.clone());
    if asked.header("proxy-authorization") != Some("Basic bWU6aHVudGVyMg==") {
        client.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        return;
    }
    let target = head.split(' ').nth(1).unwrap().to_owned();
    if head.starts_with("CONNECT ") {
        let Ok(mut server) = TcpStream::connect(target).await else {
            client.write_all(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            return;
        };
        client.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").await.unwrap();
        copy_bidirectional(&mut client, &mut server).await.ok();
    } else {
        let mut server = TcpStream::connect(Url::parse(&target).unwrap().authority()).await.unwrap();
        server.write_all(head.as_bytes()).await.unwrap();
        copy_bidirectional(&mut client, &mut server).await.ok();
    }
}

/// A SOCKS5 proxy (RFC 1928, 1929) that wants `me` and `hunter2`, sends every name to the loopback address, and keeps
/// the targets it was asked for.
async fn socks_proxy() -> (Url, Log) {
    let log = Log::default();
    let seen = log.clone();
    let url = listen(move |stream| {
        let log = seen.clone();
        async move { drop(socks_connection(stream, log).await) }
    })
    .await;
    (url, log)
}

async fn socks_connection(mut client: TcpStream, log: Log) -> std::io::Result<()> {
    client.read_u8().await?;
    let methods = client.read_u8().await?;
    take(&mut client, methods).await?;
    client.write_all(&[5, 2]).await?;
    client.read_u8().await?;
    let length = client.read_u8().await?;
    let user = take(&mut client, length).await?;
    let length = client.read_u8().await?;
    let password = take(&mut client, length).await?;
    let welcome = (user, password) == (b"me".to_vec(), b"hunter2".to_vec());
    client.write_all(&[1, u8::from(!welcome)]).await?;
    if !welcome {
        return Ok(());
    }
    let head = take(&mut client, 4).await?;
    let host = match head[3] {
        1 => take(&mut client, 4).await?.iter().map(ToString::to_string).collect::<Vec<_>>().join("."),
        _ => {
            let length = client.read_u8().await?;
            String::from_utf8(take(&mut client, length).await?).unwrap()
        }
    };
    let port = client.read_u16().await?;
    log.0.lock().unwrap().push(Asked { head: host, body: Vec::new() });
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn take(stream: &mut TcpStream, length: u8) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn through(url: &Url, proxy: &Url, password: &str) -> Settings {
    let proxy = Proxy {
        url: proxy.clone(),
        username: Some("me".into()),
        password: Some(password.into()),
        no_proxy: vec!["10.0.0.0/8".into()],
    };
    Settings { proxy: Some(proxy), ..settings(url) }
}

#[tokio::test]
async fn plain_http_goes_through_in_absolute_form() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let (proxy, proxied) = http_proxy().await;
    let client = Client::new(through(&url, &proxy, "hunter2")).unwrap();
    assert_eq!(fetch(&client, &url).await.unwrap().0, 200);
    assert!(proxied.all()[0].head.starts_with(&format!("POST {url} HTTP/1.1\r\n")), "{}", proxied.all()[0].head);
    assert_eq!(log.all()[0].body, b"<Poll_Request/>");
    assert_eq!(client.redact("hunter2"), "[secret]");
}

#[tokio::test]
async fn a_percent_sign_in_the_credentials_of_a_proxy_arrives_as_it_is() {
    let (url, _) = answer(vec![reply(200, "", "ok")]).await;
    let (proxy, proxied) = http_proxy().await;
    let settings = through(&url, &proxy, "p%41ss%25:@/x%");
    let proxy = settings.proxy.map(|proxy| Proxy { username: Some("m%65".into()), ..proxy });
    let client = Client::new(Settings { proxy, ..self::settings(&url) }).unwrap();
    assert_eq!(post(&client, &url).await.unwrap().status, 407);
    let pair = STANDARD.encode("m%65:p%41ss%25:@/x%");
    assert_eq!(proxied.all()[0].header("proxy-authorization"), Some(format!("Basic {pair}").as_str()));
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_the_proxy_cannot_read() {
    let authority = Authority::new();
    let (url, log) = tls_peer(authority.server(&["127.0.0.1"])).await;
    let (proxy, proxied) = http_proxy().await;
    let auth = Some(Auth::Basic { username: "me".into(), password: "other".into() });
    let client = Client::new(Settings { tls: authority.tls(), auth, ..through(&url, &proxy, "hunter2") }).unwrap();
    assert_eq!(fetch(&client, &url).await.unwrap().0, 200);
    let head = &proxied.all()[0].head;
    assert!(head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", url.authority())), "{head}");
    assert!(!head.to_ascii_lowercase().contains("\nauthorization:"), "{head}");
    assert_eq!(log.all()[0].header("proxy-authorization"), None);
    assert!(log.all()[0].header("authorization").is_some());
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_and_nothing_was_sent() {
    let authority = Authority::new();
    let (url, log) = tls_peer(authority.server(&["127.0.0.1"])).await;
    let (proxy, _) = http_proxy().await;
    let client = Client::new(Settings { tls: authority.tls(), ..through(&url, &proxy, "wrong") }).unwrap();
    let error = post(&client, &url).await.unwrap_err();
    assert!(error.to_string().contains("the proxy wants other credentials (through the proxy http://127"), "{error}");
    assert_eq!(error.class(), Class::Admin);
    assert!(!error.outcome_unknown());

    let closed = Url::parse("https://127.0.0.1:1/").unwrap();
    let client = Client::new(Settings { tls: authority.tls(), ..through(&closed, &proxy, "hunter2") }).unwrap();
    let error = post(&client, &closed).await.unwrap_err();
    assert!(error.to_string().contains("the proxy refuses to connect"), "{error}");
    assert_eq!(log.len(), 0);
}

#[tokio::test]
async fn socks5_resolves_here_and_socks5h_at_the_proxy() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let mut named = url.clone();
    named.set_host(Some("localhost")).unwrap();
    let mut far = url.clone();
    far.set_host(Some("taxii.invalid")).unwrap();
    let (socks, asked) = socks_proxy().await;
    for (scheme, url, host) in
        [("socks5", &url, "127.0.0.1"), ("socks5", &named, "127.0.0.1"), ("socks5h", &far, "taxii.invalid")]
    {
        let client = Client::new(through(url, &bare(&socks, scheme), "hunter2")).unwrap();
        assert_eq!(fetch(&client, url).await.unwrap().0, 200);
        assert_eq!(asked.all().last().unwrap().head, host);
    }
    assert_eq!(log.len(), 3);
    let client = Client::new(through(&url, &bare(&socks, "socks5"), "wrong")).unwrap();
    let error = post(&client, &url).await.unwrap_err();
    assert!(matches!(error, WireError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains("(through the proxy socks5://127.0.0.1:"), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
}

#[tokio::test]
async fn https_goes_through_socks_too() {
    let authority = Authority::new();
    let (url, _) = tls_peer(authority.server(&["taxii.invalid"])).await;
    let mut far = url.clone();
    far.set_host(Some("taxii.invalid")).unwrap();
    let (socks, _) = socks_proxy().await;
    let settings = through(&far, &bare(&socks, "socks5h"), "hunter2");
    let client = Client::new(Settings { tls: authority.tls(), ..settings }).unwrap();
    assert_eq!(fetch(&client, &far).await.unwrap().0, 200);
}

#[tokio::test]
async fn hosts_of_no_proxy_are_reached_directly() {
    let (url, _) = answer(vec![reply(200, "", "ok")]).await;
    let (proxy, proxied) = http_proxy().await;
    let mut settings = through(&url, &proxy, "hunter2");
    settings.proxy.as_mut().unwrap().no_proxy.push("127.0.0.0/8".into());
    assert_eq!(fetch(&Client::new(settings).unwrap(), &url).await.unwrap().0, 200);
    assert_eq!(proxied.len(), 0);
}

#[tokio::test]
async fn a_proxy_elsewhere_gets_no_credentials_in_the_clear_even_for_a_loopback_address() {
    let (url, log) = answer(vec![reply(200, "", "ok")]).await;
    let elsewhere = Url::parse("http://proxy.invalid:3128").unwrap();
    let auth = Some(Auth::Bearer { token: "t".into() });
    let client = Client::new(Settings { auth, ..through(&url, &elsewhere, "hunter2") }).unwrap();
    assert!(matches!(post(&client, &url).await, Err(WireError::Plaintext { .. })));
    assert_eq!(log.len(), 0);
}
