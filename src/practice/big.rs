//! A Poll_Response of any size that is never in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta, Utc};

use crate::taxii::message::ContentBinding;

use super::acts::{Chunks, Generator};
use super::page::escaped;
use super::reply::{BlockReply, PollReply, block_halves, poll_halves};
use super::store::hex;

/// About how much is generated at once.
const CHUNK: usize = 64 << 10;
/// STIX 1.2 allows any number of these in a header, which makes them good for filling.
const FILLER: &str =
    "<stix:Description>Sample text that the practice server made up to fill a block.</stix:Description>";
const NAMESPACES: &str = r#"xmlns:stix="http://stix.mitre.org/stix-1" xmlns:practice="http://practice.example.org/ns""#;

/// How contents are written between the tags of Content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// An element that declares its own namespaces.
    #[default]
    Element,
    /// An element whose namespaces are declared on the root of the message only.
    Inherited,
    /// A document as escaped text.
    Escaped,
    /// A document in a CDATA section.
    Cdata,
    /// A document as base64 text.
    Base64,
    /// A document as `\\x` and hex digits, as PostgreSQL shows bytes.
    Hex,
}

/// A Poll_Response with `blocks` different STIX packages of about `block_size` bytes each.
#[derive(Clone, Debug)]
pub struct BigResponse {
    /// How many Content_Blocks.
    pub blocks: u64,
    /// The size of one content, in bytes as it is written; at least a few hundred.
    pub block_size: usize,
    /// How contents are written.
    pub style: Style,
    /// `more` and `result_id`: the client then asks for another part.
    pub more: Option<String>,
    /// `result_part_number`.
    pub part: u32,
}

impl BigResponse {
    /// One whole result.
    pub fn new(blocks: u64, block_size: usize, style: Style) -> Self {
        Self { blocks, block_size, style, more: None, part: 1 }
    }

    /// The generator of its bytes around the head of `reply`, whose End is `end`.
    pub(super) fn generator(&self, mut reply: PollReply, end: DateTime<Utc>) -> Generator {
        reply.more = Some(self.more.is_some().to_string());
        reply.result_id.clone_from(&self.more);
        reply.part = Some(self.part.to_string());
        reply.record_count = Some(self.blocks.to_string());
        if self.style == Style::Inherited {
            reply.root_attributes = NAMESPACES.to_owned();
        }
        let press = Arc::new(Press::new(self.clone(), reply, end));
        Generator(Arc::new(move || press.clone().run()))
    }
}

/// Makes the blocks of one response.
#[derive(Debug)]
struct Press {
    order: BigResponse,
    reply: PollReply,
    end: DateTime<Utc>,
    /// Many fillers in one piece, and how many.
    filler: (Bytes, usize),
}

impl Press {
    fn new(order: BigResponse, reply: PollReply, end: DateTime<Utc>) -> Self {
        let filler = if order.style == Style::Escaped { escaped(FILLER) } else { FILLER.to_owned() };
        let many = CHUNK / filler.len();
        Self { order, reply, end, filler: (filler.repeat(many).into(), many) }
    }

    fn run(self: Arc<Self>) -> Chunks {
        let (head, tail) = poll_halves(&self.reply);
        let mut ready = VecDeque::from([Bytes::from(head)]);
        let (mut next, mut tail) = (0, Some(Bytes::from(tail)));
        Box::new(std::iter::from_fn(move || {
            let mut small = BytesMut::new();
            while ready.is_empty() && small.len() < CHUNK && next < self.order.blocks {
                let mut pieces = self.block(next);
                next += 1;
                if pieces.iter().map(Bytes::len).sum::<usize>() < CHUNK {
                    pieces.drain(..).for_each(|piece| small.extend_from_slice(&piece));
                } else {
                    ready.extend(pieces);
                }
            }
            if small.is_empty() { ready.pop_front().or_else(|| tail.take()) } else { Some(small.freeze()) }
        }))
    }

    /// One Content_Block, in pieces.
    fn block(&self, number: u64) -> Vec<Bytes> {
        let style = self.order.style;
        let left = TimeDelta::microseconds(i64::try_from(self.order.blocks - 1 - number).unwrap_or_default());
        let frame = BlockReply {
            binding: ContentBinding { id: "urn:stix.mitre.org:xml:1.2".to_owned(), subtypes: Vec::new() },
            content: Bytes::new(),
            label: Some((self.end - left).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()),
            message: None,
        };
        let (before, after) = block_halves(&self.reply, &frame);
        let namespaces = if style == Style::Inherited { "" } else { NAMESPACES };
        let open = format!(
            "<stix:STIX_Package {namespaces} id=\"practice:package-{number}\" version=\"1.2\"><stix:STIX_Header>\
             <stix:Title>Block {number}</stix:Title>"
        );
        let close = "</stix:STIX_Header></stix:STIX_Package>";
        let room = self.order.block_size.saturating_sub(open.len() + close.len());
        let mut pieces = vec![Bytes::from(before)];
        match style {
            Style::Base64 | Style::Hex => {
                let document = [open.as_str(), &FILLER.repeat(room / FILLER.len()), close].concat();
                pieces.push(style.write(&document).into());
            }
            Style::Cdata => {
                pieces.push(format!("<![CDATA[{open}").into());
                self.fill(&mut pieces, room / FILLER.len());
                pieces.push(format!("{close}]]>").into());
            }
            Style::Element | Style::Inherited | Style::Escaped => {
                pieces.push(style.write(&open).into());
                self.fill(&mut pieces, room / FILLER.len());
                pieces.push(style.write(close).into());
            }
        }
        pieces.push(Bytes::from(after));
        pieces
    }

    fn fill(&self, pieces: &mut Vec<Bytes>, fillers: usize) {
        let (piece, many) = &self.filler;
        let one = piece.len() / many;
        pieces.extend(std::iter::repeat_n(piece.clone(), fillers / many));
        pieces.push(piece.slice(..fillers % many * one));
    }
}

impl Style {
    /// A document or a text as it goes between the tags of Content in this style.
    pub fn write(self, document: &str) -> String {
        match self {
            Self::Element | Self::Inherited => document.to_owned(),
            Self::Escaped => escaped(document),
            Self::Cdata => format!("<![CDATA[{document}]]>"),
            Self::Base64 => STANDARD.encode(document),
            Self::Hex => format!("\\x{}", hex(document)),
        }
    }
}
