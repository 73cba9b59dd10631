//! Clients against real sockets: scripted peers on the loopback address, some of them broken on purpose.

mod bodies;
mod exchanges;
mod keys;
mod logins;
mod proxies;
mod times;
mod transport;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::*;
use crate::taxii::Version;
use crate::taxii::time::Wait;

/// A request as a peer read it.
#[derive(Clone, Debug)]
struct Asked {
    head: String,
    body: Vec<u8>,
}

impl Asked {
    /// The value of a header.
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What a peer was asked, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap().clone()
    }

    fn len(&self) -> usize {
        self.all().len()
    }
}

/// A peer on the loopback address that runs `script` for each connection.
async fn listen<F, S>(script: F) -> Url
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/services/poll", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream));
        }
    });
    url
}

/// A peer that answers its requests with these replies in order, the last one again and again.
async fn answer(replies: Vec<String>) -> (Url, Log) {
    let log = Log::default();
    let replies = Arc::new(replies);
    let seen = log.clone();
    let url = listen(move |stream| converse(stream, seen.clone(), replies.clone())).await;
    (url, log)
}

/// Reads requests and answers them until the client closes.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: Log, replies: Arc<Vec<String>>) {
    while let Some(asked) = read_request(&mut stream).await {
        let turn = log.len();
        log.0.lock().unwrap().push(asked);
        let reply = &replies[turn.min(replies.len() - 1)];
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
        stream.flush().await.unwrap();
    }
}

/// Reads a head up to its empty line.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut asked = Asked { head: read_head(stream).await?, body: Vec::new() };
    let length = asked.header("content-length").unwrap_or("0").parse().unwrap();
    asked.body = vec![0; length];
    stream.read_exact(&mut asked.body).await.ok()?;
    Some(asked)
}

/// A whole reply of known length; `headers` end with CR LF.
fn reply(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Settings for one peer with time-outs that suit a test.
fn settings(url: &Url) -> Settings {
    Settings {
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        total_timeout: Duration::from_secs(20),
        max_response: 1 << 20,
        ..Settings::new(vec![url.clone()])
    }
}

fn client(url: &Url) -> Client {
    Client::new(settings(url)).unwrap()
}

async fn post(client: &Client, url: &Url) -> Result<Response, WireError> {
    client.post(url, Version::V11, Body::from("<Poll_Request/>".to_owned())).await
}

/// POSTs and reads the whole reply.
async fn fetch(client: &Client, url: &Url) -> Result<(u16, Vec<u8>), WireError> {
    let mut response = post(client, url).await?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
    }
    Ok((response.status, body))
}
