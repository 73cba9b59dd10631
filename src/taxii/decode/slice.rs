//! Cutting the content out of a content block (protocol reference, 12.4 and 13.1).
//!
//! A content is held in memory until it is longer than [`HELD`], so that most are decided on as a whole and written
//! at once. A longer one is written as it comes, on what is known by then: an element with its declarations; a text
//! by its beginning. What is learnt too late is then told with the block.

use std::mem;
use std::ops::Range;

use super::characters::Characters;
use super::inherit::{Declarations, Surroundings};
use super::text::Text;
use super::{BlockSink, DecodeError, Limits};
use crate::taxii::Version;
use crate::taxii::message::{Content, Fault, Format, RootElement};
use crate::xml::{FaultKind, Kind, StartTag, Token, is_space};

/// Contents up to this length in bytes are decided on as a whole.
const HELD: usize = 256 << 10;
/// Longer ones are written in pieces of about this length.
const PIECE: usize = 64 << 10;
/// How deep Content stands in a message: within Content_Block within the root.
pub(super) const CONTENT_DEPTH: usize = 3;
/// Declarations may be added to contents up to so many times the bytes that were received, and this many bytes more:
/// a small reply with many declarations and many small blocks must not fill a disk.
const ADDED_RATIO: u64 = 16;
const ADDED_ALWAYS: u64 = 64 << 20;
/// The namespaces of STIX 1.x packages.
const STIX: [&str; 2] = ["http://stix.mitre.org/stix-1", "http://docs.oasis-open.org/cti/ns/stix/core-1"];

/// Takes the tokens of contents and gives their bytes to a sink. It serves one block after the other.
#[derive(Debug)]
pub(super) struct Slicer {
    limits: Limits,
    /// What stands in Content, raw, while it is held; then what is ready for the sink.
    buffer: Vec<u8>,
    /// Its characters, while it is held and a text; then what follows the root, raw, or a scratch.
    text: Vec<u8>,
    slice: Slice,
    /// Declarations made for all contents of the message, in bytes.
    added: u64,
}

/// What is known of the current content.
#[derive(Debug, Default)]
struct Slice {
    /// Whether there is a Content at all.
    begun: bool,
    smime: bool,
    characters: Characters,
    shape: Shape,
    stage: Stage,
    root: Option<Root>,
    /// Bytes given to the sink.
    written: u64,
    /// What the sink shall take back.
    cut: Option<Range<u64>>,
    fault: Option<Fault>,
    remarks: Vec<&'static str>,
}

/// What a content consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    /// Nothing, or white space, comments and processing instructions.
    #[default]
    Blank,
    /// Text.
    Text,
    /// One element, beside white space, comments and processing instructions.
    Element,
    /// Anything else.
    Fragment,
}

/// How far the decisions went.
#[derive(Debug, Default)]
enum Stage {
    /// All of it is in memory.
    #[default]
    Held,
    /// The root is written as it comes.
    Element,
    /// The text is converted and written as it comes.
    Text(Box<Text>),
    /// The raw bytes are written as they come.
    Raw,
}

/// The root element of a content.
#[derive(Debug)]
struct Root {
    element: RootElement,
    /// Where it stands in the buffer while that is held.
    start: usize,
    end: Option<usize>,
    /// How long its `<` and name are.
    name_end: usize,
    declarations: Declarations,
    /// Nothing stands in it.
    bare: bool,
}

/// The root of a document, as far as it tells what the document is.
pub(super) fn root_element(tag: &StartTag<'_>) -> RootElement {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    RootElement {
        namespace: text(tag.name.namespace),
        local: text(tag.name.local),
        version: tag.attribute("version").map(Into::into),
    }
}

impl Slicer {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, buffer: Vec::new(), text: Vec::new(), slice: Slice::default(), added: 0 }
    }

    /// A Content begins; `smime` if its binding is known already to be S/MIME's.
    pub(super) fn begin(&mut self, smime: bool) {
        if self.slice.begun {
            let again = Fault::NotWellFormed("a second Content in one block".to_owned());
            self.slice.fault.get_or_insert(again);
        }
        self.slice.begun = true;
        self.slice.smime = smime;
    }

    /// Is told of a broken rule in the token that comes next. The content is set aside, but read to its end.
    pub(super) fn fault(&mut self, fault: &crate::xml::Fault) {
        self.slice.fault.get_or_insert_with(|| match fault.kind {
            FaultKind::TooDeep(_) => Fault::TooDeep(self.limits.depth),
            _ => Fault::NotWellFormed(fault.to_string()),
        });
        self.end_text();
    }

    /// Takes the next token of the content.
    pub(super) fn token<S: BlockSink>(
        &mut self,
        token: &Token<'_>,
        surroundings: &Surroundings,
        sink: &mut S,
    ) -> Result<(), DecodeError<S::Error>> {
        self.look(token, surroundings)?;
        match &mut self.slice.stage {
            Stage::Held => {
                self.buffer.extend_from_slice(token.raw);
                if let Shape::Blank | Shape::Text = self.slice.shape {
                    self.slice.characters.append(token, &mut self.text);
                }
                if self.buffer.len() <= HELD {
                    return Ok(());
                }
                self.let_go();
            }
            Stage::Element => self.element(token),
            Stage::Text(_) if self.slice.shape == Shape::Fragment => {
                // What was written is no longer to be had as it was sent.
                self.slice.remarks.push("the text before its first element was unescaped");
                self.end_text();
                self.buffer.extend_from_slice(token.raw);
            }
            Stage::Text(text) => {
                self.slice.characters.append(token, &mut self.text);
                // References come one by one; a document in the text is not scanned in such small pieces.
                if self.text.len() >= PIECE {
                    text.convert(&self.text, &mut self.buffer);
                    self.text.clear();
                }
            }
            Stage::Raw => self.buffer.extend_from_slice(token.raw),
        }
        if self.buffer.len() >= PIECE { self.flush(sink).map_err(DecodeError::Sink) } else { Ok(()) }
    }

    /// Learns from a token what the content consists of.
    fn look<E>(&mut self, token: &Token<'_>, surroundings: &Surroundings) -> Result<(), DecodeError<E>> {
        let slice = &mut self.slice;
        let outside = token.depth == CONTENT_DEPTH;
        match token.kind {
            Kind::Start(tag) if token.depth == CONTENT_DEPTH + 1 => {
                if slice.shape != Shape::Blank {
                    slice.shape = Shape::Fragment;
                    return Ok(());
                }
                slice.shape = Shape::Element;
                let declarations = Declarations::of(&tag, surroundings);
                self.added += declarations.all().len() as u64;
                let limit = token.offset.saturating_mul(ADDED_RATIO) + ADDED_ALWAYS;
                if self.added > limit {
                    let name = "the namespace declarations that the contents inherit, in bytes,";
                    return Err(DecodeError::Limit { name, value: limit });
                }
                if in_taxii_namespace(&tag) {
                    slice.remarks.push("the payload is in the TAXII namespace");
                }
                slice.root = Some(Root {
                    element: root_element(&tag),
                    start: self.buffer.len(),
                    end: None,
                    name_end: tag.name_end,
                    declarations,
                    bare: true,
                });
            }
            Kind::End if token.depth == CONTENT_DEPTH + 1 => {
                if let Some(root) = &mut slice.root {
                    root.end.get_or_insert(self.buffer.len() + token.raw.len());
                }
            }
            Kind::Start(_) | Kind::End => slice.fill_root(),
            _ if is_blank(token) => {}
            _ if outside => {
                slice.shape = match slice.shape {
                    Shape::Blank | Shape::Text => Shape::Text,
                    Shape::Element | Shape::Fragment => Shape::Fragment,
                };
            }
            _ => slice.fill_root(),
        }
        Ok(())
    }

    /// The content is too long for being held: decides by what is known, and readies what was held for the sink.
    fn let_go(&mut self) {
        let slice = &mut self.slice;
        slice.stage = match (slice.shape, &slice.root) {
            // Comments or white space without end before anything else are not worth being kept.
            (Shape::Blank, _) => {
                self.buffer.clear();
                self.text.clear();
                return;
            }
            (Shape::Element, Some(root)) if slice.fault.is_none() => {
                let end = root.end.unwrap_or(self.buffer.len());
                self.text.clear();
                self.text.extend_from_slice(&self.buffer[end..]);
                self.buffer.truncate(end);
                self.buffer.drain(..root.start);
                let declarations = root.declarations.all().iter().copied();
                self.buffer.splice(root.name_end..root.name_end, declarations);
                Stage::Element
            }
            (Shape::Text, _) if slice.fault.is_none() => {
                let mut text = Text::new(&self.text, false, slice.smime, self.limits.depth);
                self.buffer.clear();
                text.convert(&self.text, &mut self.buffer);
                self.text.clear();
                Stage::Text(Box::new(text))
            }
            _ => Stage::Raw,
        };
    }

    /// From here on a text that is written as it comes is written raw.
    fn end_text(&mut self) {
        if let Stage::Text(text) = &mut self.slice.stage {
            text.convert(&self.text, &mut self.buffer);
            self.text.clear();
            self.slice.stage = Stage::Raw;
        }
    }

    /// Takes a token of an element content that is written as it comes.
    fn element(&mut self, token: &Token<'_>) {
        if token.depth > CONTENT_DEPTH && self.slice.shape == Shape::Element {
            self.buffer.extend_from_slice(token.raw);
            return;
        }
        // What follows the root waits until it is clear whether it belongs to a fragment.
        let fragment = self.slice.shape == Shape::Fragment;
        if fragment || self.text.len() < HELD {
            self.text.extend_from_slice(token.raw);
        }
        if fragment {
            self.buffer.append(&mut self.text);
            self.slice.stage = Stage::Raw;
            if let Some(root) = &self.slice.root {
                let start = root.name_end as u64;
                self.slice.cut = Some(start..start + root.declarations.all().len() as u64);
            }
        }
    }

    /// Gives the sink what is ready.
    fn flush<S: BlockSink>(&mut self, sink: &mut S) -> Result<(), S::Error> {
        let ready = match &self.slice.stage {
            Stage::Held => return Ok(()),
            // White space may be the last of the text; but what is longer than a piece is not kept for that.
            Stage::Text(text) if text.trims_end() => {
                let end = self.buffer.iter().rposition(|&b| !is_space(b)).map_or(0, |last| last + 1);
                if self.buffer.len() - end < PIECE { end } else { self.buffer.len() }
            }
            _ => self.buffer.len(),
        };
        self.slice.give(&self.buffer[..ready], self.limits.max_content_block, sink)?;
        self.buffer.drain(..ready);
        Ok(())
    }

    /// The block is complete; `smime` if its binding is S/MIME's.
    pub(super) fn finish<S: BlockSink>(&mut self, smime: bool, sink: &mut S) -> Result<Content, S::Error> {
        let stage = mem::take(&mut self.slice.stage);
        let format = match stage {
            Stage::Held => self.finish_held(smime),
            Stage::Element => Format::Xml,
            Stage::Text(mut text) => {
                text.convert(&self.text, &mut self.buffer);
                self.finish_text(*text, false)
            }
            Stage::Raw => self.raw_format(),
        };
        let mut slice = mem::take(&mut self.slice);
        slice.give(&self.buffer, self.limits.max_content_block, sink)?;
        self.buffer.clear();
        self.text.clear();
        let cut = slice.cut.take().filter(|range| range.end <= slice.written);
        let taken_back = cut.as_ref().map_or(0, |range| range.end - range.start);
        if let Some(range) = cut {
            sink.cut(range)?;
        }
        Ok(Content {
            size: slice.written - taken_back,
            format,
            fragment: slice.shape == Shape::Fragment,
            root: slice.root.map(|root| root.element).filter(|_| slice.shape != Shape::Fragment),
            fault: slice.fault,
            remarks: slice.remarks,
        })
    }

    /// Decides on a content that is in memory, and leaves its bytes in the buffer.
    fn finish_held(&mut self, smime: bool) -> Format {
        if self.slice.fault.is_some() {
            // The bytes as they were sent.
            return self.raw_format();
        }
        match (self.slice.shape, &self.slice.root) {
            (Shape::Blank, _) => {
                self.buffer.clear();
                Format::Empty
            }
            (Shape::Element, Some(root)) => {
                self.buffer.truncate(root.end.unwrap_or(self.buffer.len()));
                self.buffer.drain(..root.start);
                let stix = STIX.contains(&&*root.element.namespace) && root.element.local == "STIX_Package";
                if root.bare && stix {
                    self.slice.remarks.push("an empty STIX_Package, which stands for an empty poll");
                    self.buffer.clear();
                    return Format::Empty;
                }
                let declarations = root.declarations.needed(&self.buffer);
                self.buffer.splice(root.name_end..root.name_end, declarations);
                Format::Xml
            }
            (Shape::Text, _) => {
                let mut text = Text::new(&self.text, true, smime, self.limits.depth);
                self.buffer.clear();
                text.convert(&self.text, &mut self.buffer);
                self.finish_text(text, true)
            }
            _ => Format::Text,
        }
    }

    fn finish_text(&mut self, text: Text, whole: bool) -> Format {
        let trims_end = text.trims_end();
        let judgement = text.finish(&mut self.buffer, whole);
        if trims_end {
            self.buffer.truncate(self.buffer.iter().rposition(|&b| !is_space(b)).map_or(0, |last| last + 1));
        }
        let slice = &mut self.slice;
        slice.fault = slice.fault.take().or(judgement.fault);
        slice.remarks.extend(judgement.remarks);
        slice.root = judgement.root.map(Root::of_text);
        judgement.format
    }

    /// The form of bytes that are given as they were sent.
    fn raw_format(&self) -> Format {
        if self.slice.shape == Shape::Element { Format::Xml } else { Format::Text }
    }
}

impl Slice {
    /// Something stands in the root.
    fn fill_root(&mut self) {
        if let Some(root) = &mut self.root {
            root.bare = false;
        }
    }

    fn give<S: BlockSink>(&mut self, bytes: &[u8], limit: u64, sink: &mut S) -> Result<(), S::Error> {
        if bytes.is_empty() || matches!(self.fault, Some(Fault::TooLarge(_))) {
            return Ok(());
        }
        if self.written + bytes.len() as u64 > limit {
            // Whatever else is wrong with it: the bytes are not all there.
            self.fault = Some(Fault::TooLarge(limit));
            return Ok(());
        }
        self.written += bytes.len() as u64;
        sink.write(bytes)
    }
}

impl Root {
    /// The root of a document that was sent as text. It inherits nothing.
    fn of_text(element: RootElement) -> Self {
        Self { element, start: 0, end: None, name_end: 0, declarations: Declarations::default(), bare: false }
    }
}

/// Whether a payload is in the namespace of the messages only because that is the default namespace around it.
fn in_taxii_namespace(tag: &StartTag<'_>) -> bool {
    let taxii = [Version::V11, Version::V10].iter().any(|version| version.namespace().as_bytes() == tag.name.namespace);
    taxii && tag.name.prefix.is_empty() && tag.scope.inherited().first().is_some_and(|first| first.prefix.is_empty())
}

/// Whether a token is no text, or only white space.
fn is_blank(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Text => token.raw.iter().all(|&b| is_space(b)),
        Kind::Section(inner) => inner.iter().all(|&b| is_space(b)),
        Kind::Reference(c) => c.is_ascii() && is_space(c as u8),
        _ => true,
    }
}
