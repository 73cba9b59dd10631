//! What the benches work on: the same bytes every time.

use std::convert::Infallible;
use std::fmt::Write;
use std::hint::black_box;
use std::ops::Range;
use std::path::Path;

use chrono::DateTime;
use taxii_sync::content::{Finding, Inspector, Options};
use taxii_sync::store::ledger::{After, Key, Ledger, NewBlock, Place};
use taxii_sync::taxii::Version;
use taxii_sync::taxii::decode::{BlockSink, Decoder, Limits};
use taxii_sync::taxii::encode::{BlockHead, escape_content, inbox_envelope};
use taxii_sync::taxii::message::{ContentBinding, ContentBlock, Header, InboxMessage};

/// How many bytes are fed at once, as a connection gives them.
const PIECE: usize = 64 << 10;

/// A STIX package with so many indicators, about 900 bytes each.
pub(crate) fn package(number: usize, indicators: usize) -> String {
    let mut text = format!(
        "<stix:STIX_Package xmlns:stix=\"http://stix.mitre.org/stix-1\" xmlns:indicator=\"http://stix.mitre.org/Indicator-2\" \
         xmlns:cybox=\"http://cybox.mitre.org/cybox-2\" xmlns:AddressObj=\"http://cybox.mitre.org/objects#AddressObject-2\" \
         xmlns:example=\"http://example.com/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         id=\"example:Package-{number}\" version=\"1.1.1\">\n    <stix:Indicators>"
    );
    for one in 0..indicators {
        let address = [10, number >> 8 & 255, number & 255, one & 255].map(|byte| byte.to_string()).join(".");
        // A String takes everything.
        let _ = write!(
            text,
            "\n        <stix:Indicator id=\"example:indicator-{number}-{one}\" xsi:type=\"indicator:IndicatorType\">\n            \
             <indicator:Title>Seen with a beacon &amp; a loader</indicator:Title>\n            \
             <indicator:Observable id=\"example:Observable-{number}-{one}\">\n                \
             <cybox:Object id=\"example:Address-{number}-{one}\">\n                    \
             <cybox:Properties xsi:type=\"AddressObj:AddressObjectType\" category=\"ipv4-addr\">\n                        \
             <AddressObj:Address_Value condition=\"Equals\">{address}</AddressObj:Address_Value>\n                    \
             </cybox:Properties>\n                </cybox:Object>\n            </indicator:Observable>\n        </stix:Indicator>"
        );
    }
    text.push_str("\n    </stix:Indicators>\n</stix:STIX_Package>");
    text
}

/// How contents stand in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    /// As markup.
    Inline,
    /// As escaped text.
    Escaped,
}

/// A Poll_Response with so many blocks of so many indicators.
pub(crate) fn poll_response(blocks: usize, indicators: usize, style: Style) -> Vec<u8> {
    let mut message = format!(
        "<taxii_11:Poll_Response xmlns:taxii_11=\"{}\" message_id=\"1\" in_response_to=\"1\" collection_name=\"feed\">\n",
        Version::V11.namespace()
    )
    .into_bytes();
    for number in 0..blocks {
        message.extend_from_slice(
            b"  <taxii_11:Content_Block>\n    <taxii_11:Content_Binding binding_id=\"urn:stix.mitre.org:xml:1.1.1\"/>\n    <taxii_11:Content>",
        );
        let package = package(number, indicators);
        match style {
            Style::Inline => message.extend_from_slice(package.as_bytes()),
            Style::Escaped => escape_content(package.as_bytes(), &mut message),
        }
        let label = format!(
            "</taxii_11:Content>\n    <taxii_11:Timestamp_Label>2024-05-06T07:{:02}:{:02}Z</taxii_11:Timestamp_Label>\n  </taxii_11:Content_Block>\n",
            number / 60 % 60,
            number % 60
        );
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(b"</taxii_11:Poll_Response>\n");
    message
}

/// Counts what comes out of a decoder.
#[derive(Debug, Default)]
struct Counted {
    blocks: u64,
    bytes: u64,
}

impl BlockSink for Counted {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.bytes += black_box(bytes).len() as u64;
        Ok(())
    }

    fn replace(&mut self, range: Range<u64>, by: &[u8]) -> Result<(), Infallible> {
        self.bytes = self.bytes - (range.end - range.start) + by.len() as u64;
        Ok(())
    }

    fn block(&mut self, block: ContentBlock) -> Result<(), Infallible> {
        black_box(block);
        self.blocks += 1;
        Ok(())
    }
}

/// Reads a message; gives how many blocks it had.
pub(crate) fn decode(message: &[u8]) -> u64 {
    let mut decoder = Decoder::new(Limits::default(), None, Counted::default());
    for piece in message.chunks(PIECE) {
        decoder.feed(piece).expect("the sample is a message");
    }
    let (_, counted) = decoder.finish().expect("the sample is complete");
    counted.blocks
}

/// Finds out what a file is.
pub(crate) fn inspect(file: &[u8]) -> Finding {
    let mut inspector = Inspector::new(Options::default());
    file.chunks(PIECE).for_each(|piece| inspector.feed(piece));
    inspector.finish()
}

/// An Inbox_Message with so many contents.
pub(crate) fn encode(contents: &[&[u8]]) -> Vec<u8> {
    let binding = ContentBinding { id: "urn:stix.mitre.org:xml:1.1.1".to_owned(), subtypes: Vec::new() };
    let heads = vec![BlockHead { binding, ..BlockHead::default() }; contents.len()];
    let message = InboxMessage { destinations: vec!["feed".to_owned()], ..InboxMessage::default() };
    let header = Header { message_id: "1".to_owned(), ..Header::default() };
    let envelope = inbox_envelope(Version::V11, &header, &message, &heads).expect("every name can be written");
    envelope.around(contents)
}

/// Puts a part with so many blocks, labelled from `first` on, into a ledger and finishes it.
pub(crate) fn part(ledger: &Ledger, first: i64, count: i64) {
    let feed = ledger.feed("feed", "identity").expect("a feed").id;
    let key =
        |number: i64| Key { label: Some(number), hash: number.to_le_bytes().repeat(2).try_into().expect("16 bytes") };
    for number in first..first + count {
        assert!(!ledger.known(feed, &key(number), None).expect("an answer"));
    }
    let row = |number: i64| NewBlock {
        seq: number - first,
        name: format!("20240506T070809.{number:06}Z-0123456789abcdef.xml"),
        place: Place::Output,
        beside: true,
        key: key(number),
        size: 2700,
    };
    let rows: Vec<NewBlock> = (first..first + count).map(row).collect();
    let part = ledger.begin_part(feed).expect("a part");
    ledger.add_blocks(feed, part, &rows, DateTime::default()).expect("rows");
    ledger.commit_part(part, &After::default(), None).expect("a commit");
    ledger.finish_part(feed, part, DateTime::default()).expect("an end");
}

/// An empty ledger below a directory.
pub(crate) fn ledger(below: &Path) -> Ledger {
    Ledger::open(below).expect("a ledger")
}
