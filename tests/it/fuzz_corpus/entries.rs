//! What is done with arbitrary bytes, and what has to be true afterwards: one function for each target in `fuzz/`.
//!
//! The fuzzer calls these for hours, `cargo test` once for every input that is kept in `fuzz/seeds/`.

use std::convert::Infallible;
use std::io::Write;
use std::ops::Range;

use taxii_sync::config::{self, Config};
use taxii_sync::content::{Finding, Form, Inspector, Options, Sendable};
use taxii_sync::taxii::decode::{BlockSink, DecodeError, Decoder, Limits};
use taxii_sync::taxii::message::{ContentBlock, Format, Message};
use taxii_sync::taxii::time::Timestamp;

/// A function for arbitrary bytes.
pub(crate) type Entry = fn(&[u8]);

/// Every target: its name, which is that of its directory of seeds too, and its function.
#[allow(dead_code, reason = "a fuzz target is one of them")]
pub(crate) const ALL: [(&str, Entry); 5] = [
    ("message", message),
    ("slice", slice),
    ("content", content),
    ("timestamp", timestamp),
    ("configuration", configuration),
];

/// Small limits are reached by small inputs.
const LIMITS: Limits = Limits { max_content_block: 4 << 10, depth: 40 };
/// What a namespace declaration that is added to a root may take, all of them together.
const DECLARATIONS: usize = 2 << 20;

/// The body of a reply: however it is cut, the same comes of it, and what is handed over is what it is said to be.
pub(crate) fn message(body: &[u8]) {
    let whole = decode(LIMITS, [body]);
    let pieces = decode(LIMITS, body.chunks(1 + body.len() % 7));
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces, "it makes a difference how the body is cut"),
        (Err(_), Err(_)) => {}
        _ => panic!("whole: {whole:?}\nin pieces: {pieces:?}"),
    }
    // What is shown of remote text has no control characters.
    if let Err(error) = whole {
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
}

/// The inside of one Content, in a message around it.
pub(crate) fn slice(content: &[u8]) {
    let body = [
        b"<m:Poll_Response xmlns:m='http://taxii.mitre.org/messages/taxii_xml_binding-1.1' xmlns='urn:d' xmlns:p='urn:p'>\
          <m:Content_Block><m:Content>"
            .as_slice(),
        content,
        b"</m:Content></m:Content_Block></m:Poll_Response>",
    ]
    .concat();
    message(&body);
}

/// A dropped file: however it is cut, the same is found; and what is sent of it can be read by whoever gets it.
pub(crate) fn content(file: &[u8]) {
    for content_binding in [None, Some("urn:example".to_owned())] {
        let found = inspect(&content_binding, [file]);
        assert_eq!(
            found,
            inspect(&content_binding, file.chunks(1 + file.len() % 5)),
            "it makes a difference how it is cut"
        );
        match found {
            Finding::Sendable(sendable) => read_back(file, &sendable),
            Finding::Refused(refusal) => {
                assert!(!refusal.to_string().contains(char::is_control), "{refusal:?}");
            }
        }
    }
}

fn inspect<'a>(binding: &Option<String>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Finding {
    let mut inspector = Inspector::new(Options { content_binding: binding.clone() });
    pieces.into_iter().for_each(|piece| inspector.feed(piece));
    inspector.finish()
}

/// What is sent stands in an Inbox_Message, and comes back out of it.
fn read_back(file: &[u8], sendable: &Sendable) {
    let mut writer = sendable.form.writer(Vec::new());
    writer.write_all(file).expect("the file is the one that was inspected");
    let sent = writer.finish().expect("the file is the one that was inspected");
    let head = "<m:Inbox_Message xmlns:m='http://taxii.mitre.org/messages/taxii_xml_binding-1.1' message_id='1'>\
                <m:Content_Block><m:Content_Binding binding_id='urn:x'/><m:Content>";
    let tail = "</m:Content></m:Content_Block></m:Inbox_Message>";
    let body = [head.as_bytes(), &sent, tail.as_bytes()].concat();
    let (_, blocks) = decode(Limits::default(), [body.as_slice()]).expect("a message of ours can be read");
    let [(block, received)] = &blocks[..] else { panic!("one file, {} blocks", blocks.len()) };
    match &sendable.form {
        Form::Verbatim { .. } | Form::Transcoded { .. } => {
            assert_eq!((block.content.format, &block.content.fault), (Format::Xml, &None), "{:?}", block.content);
        }
        Form::Escaped { range } if !block.content.fragment && block.content.format == Format::Json => {
            let text = &file[range.start as usize..range.end as usize];
            assert_eq!(received.trim_ascii(), text.trim_ascii(), "a text comes back as it was");
        }
        Form::Escaped { .. } | Form::Base64 => {}
    }
}

/// A timestamp of a server.
pub(crate) fn timestamp(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some(read) = Timestamp::parse(&text) else { return };
    let shown = read.rfc3339();
    let again = chrono::DateTime::parse_from_rfc3339(&shown.replace(' ', "T")).expect("what is shown is RFC 3339");
    // A leap second is the next minute, and digits beyond nanoseconds do not count.
    let apart = (again.to_utc() - read.at).num_milliseconds().abs();
    assert!(apart <= 1000, "{text:?} is {} and is shown as {shown}", read.at);
    let label = read.label_for_name();
    assert!(label.len() == 23 && label.bytes().all(|b| b.is_ascii_digit() || b"TZ.".contains(&b)), "{label:?}");
    assert_eq!(Timestamp::parse(&read.text), Some(read), "what was read is read again");
}

/// A configuration file.
pub(crate) fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Config::parse(&text, "config.toml") {
        Ok(loaded) => {
            assert!(!config::explain(&loaded.config).is_empty());
            assert!(config::explain_json(&loaded.config).is_object());
        }
        Err(mistakes) => assert!(!mistakes.to_string().is_empty(), "a mistake says what it is"),
    }
}

type Blocks = Vec<(ContentBlock, Vec<u8>)>;

fn decode<'a>(
    limits: Limits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Message, Blocks), DecodeError<Infallible>> {
    let mut decoder = Decoder::new(limits, None, Kept { limit: limits.max_content_block, ..Kept::default() });
    pieces.into_iter().try_for_each(|piece| decoder.feed(piece))?;
    let (message, kept) = decoder.finish()?;
    assert!(kept.current.is_empty(), "what was written belongs to a block");
    Ok((message, kept.blocks))
}

/// Keeps contents, and is strict about how they are given.
#[derive(Debug, Default)]
struct Kept {
    limit: u64,
    current: Vec<u8>,
    replaced: Option<u64>,
    blocks: Blocks,
}

impl BlockSink for Kept {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        assert_eq!(self.replaced, None, "nothing is written after something was replaced");
        self.current.extend_from_slice(bytes);
        assert!(self.current.len() <= self.limit as usize + DECLARATIONS, "max_content_block bounds what is written");
        Ok(())
    }

    fn replace(&mut self, range: Range<u64>, by: &[u8]) -> Result<(), Infallible> {
        assert!(self.replaced.is_none_or(|last| range.end <= last), "the last range comes first");
        self.replaced = Some(range.start);
        self.current.splice(range.start as usize..range.end as usize, by.iter().copied());
        Ok(())
    }

    fn block(&mut self, block: ContentBlock) -> Result<(), Infallible> {
        let bytes = std::mem::take(&mut self.current);
        self.replaced = None;
        let content = &block.content;
        assert_eq!(content.size, bytes.len() as u64);
        if content.format == Format::Empty {
            assert!(bytes.is_empty());
        }
        if content.format == Format::Xml && content.fault.is_none() && !content.fragment {
            let text = std::str::from_utf8(&bytes).ok();
            // What a document's own declaration says its encoding is may be another one.
            if let Some(text) = text.filter(|text| !text.contains("<?xml")) {
                roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
            }
        }
        self.blocks.push((block, bytes));
        Ok(())
    }
}
