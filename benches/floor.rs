//! The bare program that the agent is compared with: what a poll costs at least.
//!
//! `floor URL DIR` fetches one Poll_Response into memory, splits it, checks every name's namespace, hashes each content,
//! writes it to a file of its own, flushes the file system once, and renames the files to their final names. It knows no
//! faulty reply, keeps no state and has no limits.
#![allow(clippy::disallowed_methods, reason = "a program of its own, outside the walls")]
#![allow(clippy::print_stdout, reason = "it has no log")]

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use sha2::{Digest, Sha256};

const TAXII: &str = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(dir)) = (arguments.next(), arguments.next()) else {
        return Err("floor URL DIR".into());
    };
    let body = fetch(&url)?;
    let count = split(&body, Path::new(&dir))?;
    println!("{count} files");
    Ok(())
}

/// POSTs a Poll_Request to an `http://` address and gives the body of the reply, whose length has to be announced.
fn fetch(url: &str) -> Result<Vec<u8>> {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("no http:// address")?;
    let mut stream = TcpStream::connect(host)?;
    let request = format!("<Poll_Request xmlns=\"{TAXII}\" message_id=\"1\" collection_name=\"feed\"/>");
    let length = request.len();
    write!(stream, "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{request}")?;
    let mut reader = BufReader::with_capacity(256 << 10, stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}

/// Writes the inside of every Content to a file.
fn split(body: &[u8], dir: &Path) -> Result<usize> {
    let staging = dir.join(".staging");
    fs::create_dir_all(&staging)?;
    let flush = File::open(&staging)?;
    let mut reader = NsReader::from_reader(body);
    let (mut names, mut depth, mut content) = (Vec::new(), 0usize, None);
    loop {
        let before = reader.buffer_position() as usize;
        match reader.read_event()? {
            Event::Start(tag) => {
                let is_content = check(&reader, &tag)? && content.is_none();
                depth += 1;
                if is_content {
                    content = Some((depth, reader.buffer_position() as usize));
                }
            }
            Event::Empty(tag) => {
                check(&reader, &tag)?;
            }
            Event::End(_) => {
                if let Some((_, start)) = content.take_if(|(at, _)| *at == depth) {
                    names.push(write(&body[start..before], &staging, names.len())?);
                }
                depth -= 1;
            }
            Event::Eof => break,
            _ => {}
        }
    }
    rustix::fs::syncfs(&flush)?;
    for (number, name) in names.iter().enumerate() {
        fs::rename(staging.join(number.to_string()), dir.join(name))?;
    }
    File::open(dir)?.sync_all()?;
    Ok(names.len())
}

/// Whether a tag is TAXII's Content. A name whose prefix is not bound is an error.
fn check(reader: &NsReader<&[u8]>, tag: &BytesStart<'_>) -> Result<bool> {
    for attribute in tag.attributes() {
        let (namespace, _) = reader.resolver().resolve_attribute(attribute?.key);
        if let ResolveResult::Unknown(prefix) = namespace {
            return Err(format!("the prefix {prefix:?} is not bound").into());
        }
    }
    match reader.resolver().resolve_element(tag.name()) {
        (ResolveResult::Bound(Namespace(TAXII)), local) => Ok(local.as_ref() == "Content"),
        (ResolveResult::Unknown(prefix), _) => Err(format!("the prefix {prefix:?} is not bound").into()),
        _ => Ok(false),
    }
}

/// Writes one content, and gives its final name.
fn write(content: &[u8], staging: &Path, number: usize) -> Result<String> {
    let hash: String = Sha256::digest(content)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o640).open(staging.join(number.to_string()))?;
    file.write_all(content)?;
    Ok(format!("{number:09}-{hash}.xml"))
}
