//! A raw client that knows nothing of this project's other rooms, and with it every promise of the practice server.

mod acts;
mod honest;
mod honest_10;
mod polls;
mod strict;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const NS_11: &str = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
const NS_10: &str = "http://taxii.mitre.org/messages/taxii_xml_binding-1";
const STIX: &str = "urn:stix.mitre.org:xml:1.2";

/// The instant at which the clock of every test stands.
fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn options() -> Options {
    Options::new(Arc::new(noon))
}

async fn practice() -> Practice {
    Practice::start(options()).await.unwrap()
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Where its framing said.
    Framed,
    /// With the connection, as it should: there was no framing.
    Closed,
    /// With the connection, before its framing said.
    Short,
    /// With a reset.
    Reset,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// `status_type` of the Status_Message it holds, or the name of another message.
    fn says(&self) -> String {
        let document = roxmltree::Document::parse(self.text()).unwrap();
        let root = document.root_element();
        root.attribute("status_type").unwrap_or(root.tag_name().name()).to_owned()
    }

    /// An attribute of the root.
    fn root(&self, attribute: &str) -> Option<String> {
        let document = roxmltree::Document::parse(self.text()).unwrap();
        document.root_element().attribute(attribute).map(str::to_owned)
    }

    /// The texts of all elements of this name.
    fn texts(&self, name: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(self.text()).unwrap();
        let all = document.descendants().filter(|node| node.tag_name().name() == name);
        all.map(|node| node.descendants().filter(|n| n.is_text()).filter_map(|n| n.text()).collect()).collect()
    }

    /// The values of an attribute of all elements of this name.
    fn attributes(&self, name: &str, attribute: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(self.text()).unwrap();
        let all = document.descendants().filter(|node| node.tag_name().name() == name);
        all.filter_map(|node| node.attribute(attribute)).map(str::to_owned).collect()
    }
}

/// A connection to a practice server.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    async fn connect(practice: &Practice) -> Self {
        Self { stream: TcpStream::connect(practice.address()).await.unwrap(), read: Vec::new() }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads more; false at the end of the stream.
    async fn more(&mut self) -> io::Result<bool> {
        let mut buffer = vec![0; 64 << 10];
        let length = self.stream.read(&mut buffer).await?;
        self.read.extend_from_slice(&buffer[..length]);
        Ok(length > 0)
    }

    /// Reads an answer; an error if the connection ends before its headers do.
    async fn answer(&mut self) -> io::Result<Answer> {
        let (status, headers, length) = loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = head.parse(&self.read).map_err(io::Error::other)? {
                let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
                let headers: Vec<_> = head.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
                break (head.code.unwrap(), headers, length);
            }
            if !self.more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        self.read.drain(..length);
        let mut answer = Answer { status, headers, body: Vec::new(), end: End::Framed };
        if answer.header("Transfer-Encoding") == Some("chunked") {
            while self.chunk(&mut answer).await {}
        } else {
            let length = answer.header("Content-Length").map(|length| length.parse::<usize>().unwrap());
            while length.is_none_or(|length| self.read.len() < length) {
                match self.more().await {
                    Ok(true) => {}
                    Ok(false) => answer.end = if length.is_some() { End::Short } else { End::Closed },
                    Err(_) => answer.end = End::Reset,
                }
                if answer.end != End::Framed {
                    break;
                }
            }
            let take = length.unwrap_or(usize::MAX).min(self.read.len());
            answer.body = self.read.drain(..take).collect();
        }
        Ok(answer)
    }

    /// Reads a chunk into the answer; false when there are no more.
    async fn chunk(&mut self, answer: &mut Answer) -> bool {
        loop {
            if let Some(line) = self.read.windows(2).position(|pair| pair == b"\r\n") {
                let size = usize::from_str_radix(std::str::from_utf8(&self.read[..line]).unwrap(), 16).unwrap();
                if self.read.len() >= line + 2 + size + 2 {
                    answer.body.extend_from_slice(&self.read[line + 2..line + 2 + size]);
                    self.read.drain(..line + 2 + size + 2);
                    return size > 0;
                }
            }
            match self.more().await {
                Ok(true) => {}
                Ok(false) => {
                    answer.end = End::Short;
                    return false;
                }
                Err(_) => {
                    answer.end = End::Reset;
                    return false;
                }
            }
        }
    }

    async fn ask(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
        self.send(&request(path, headers, body)).await;
        self.answer().await
    }
}

fn request(path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nHost: practice\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{request}\r\n{body}").into_bytes()
}

/// The six headers of a request.
fn headers(version: &str) -> Vec<(&'static str, String)> {
    let message = format!("urn:taxii.mitre.org:message:xml:{version}");
    vec![
        ("Content-Type", "application/xml".to_owned()),
        ("Accept", "application/xml".to_owned()),
        ("X-TAXII-Content-Type", message.clone()),
        ("X-TAXII-Accept", message),
        ("X-TAXII-Services", format!("urn:taxii.mitre.org:services:{version}")),
        ("X-TAXII-Protocol", "urn:taxii.mitre.org:protocol:http:1.0".to_owned()),
    ]
}

/// The path in one of the server's URLs.
fn path(practice: &Practice, service: &str) -> String {
    practice.url(service).strip_prefix(&format!("http://{}", practice.address())).unwrap().to_owned()
}

/// Sends a message on a new connection; the version is that of its namespace.
async fn try_post(practice: &Practice, service: &str, message: &str) -> io::Result<Answer> {
    let version = if message.contains(&format!("\"{NS_10}\"")) { "1.0" } else { "1.1" };
    let headers = headers(version);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let limit = Duration::from_secs(20);
    let mut client = Client::connect(practice).await;
    tokio::time::timeout(limit, client.ask(&path(practice, service), &headers, message)).await?
}

async fn post(practice: &Practice, service: &str, message: &str) -> Answer {
    try_post(practice, service, message).await.unwrap()
}

/// A TAXII 1.1 message with these attributes and this content; `t` is the prefix.
fn message(root: &str, attributes: &str, content: &str) -> String {
    format!("<t:{root} xmlns:t=\"{NS_11}\" message_id=\"42\" {attributes}>{content}</t:{root}>")
}

fn message_10(root: &str, attributes: &str, content: &str) -> String {
    message(root, attributes, content).replace(NS_11, NS_10)
}

/// A poll for everything in `default`.
fn poll() -> String {
    message("Poll_Request", "collection_name=\"default\"", "<t:Poll_Parameters/>")
}

fn poll_between(begin: &str, end: &str) -> String {
    let bounds = format!(
        "<t:Exclusive_Begin_Timestamp>{begin}</t:Exclusive_Begin_Timestamp>\
         <t:Inclusive_End_Timestamp>{end}</t:Inclusive_End_Timestamp><t:Poll_Parameters/>"
    );
    message("Poll_Request", "collection_name=\"default\"", &bounds)
}

fn fulfilment(result: &str, part: u32) -> String {
    let attributes = format!("collection_name=\"default\" result_id=\"{result}\" result_part_number=\"{part}\"");
    message("Poll_Fulfillment", &attributes, "")
}

/// An Inbox_Message with these contents.
fn inbox(destination: Option<&str>, contents: &[&str]) -> String {
    let mut content = String::new();
    if let Some(name) = destination {
        content.push_str(&format!("<t:Destination_Collection_Name>{name}</t:Destination_Collection_Name>"));
    }
    for block in contents {
        content.push_str(&format!(
            "<t:Content_Block><t:Content_Binding binding_id=\"{STIX}\"/><t:Content>{block}</t:Content></t:Content_Block>"
        ));
    }
    message("Inbox_Message", "", &content)
}

/// Puts blocks with these contents into `default`, a second apart, the first at 10:00:01.
fn fill(practice: &Practice, contents: &[&str]) {
    let ten: DateTime<Utc> = "2026-11-21T10:00:00Z".parse().unwrap();
    for (second, content) in (1..).zip(contents) {
        let label = Some(ten + chrono::TimeDelta::seconds(second));
        assert!(practice.add_block("default", BlockSpec { label, ..BlockSpec::new(STIX, content.to_string()) }));
    }
}
