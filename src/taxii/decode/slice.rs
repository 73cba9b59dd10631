//! Cutting the content out of a content block (protocol reference, 12.4 and 13.1).
//!
//! A content is held in memory until it is longer than [`HELD`], so that most are decided on as a whole and written
//! at once. A longer one is written as it comes, on what is known by then: an element with its declarations; a text
//! by its beginning. Comments and white space around them are written, too, where they are too long for being held,
//! and are taken back at the end. What is learnt too late is then told with the block. Where the beginning ends does
//! not depend on how the bytes arrived: one block becomes one file, however often it is asked for.

use std::mem;
use std::ops::Range;

use super::characters::Characters;
use super::inherit::{Declarations, Surroundings};
use super::outlet::{Outlet, PIECE};
use super::text::Text;
use super::{BlockSink, DecodeError, Limits};
use crate::taxii::Version;
use crate::taxii::message::{Content, Fault, Format, RootElement};
use crate::xml::{self, FaultKind, Kind, StartTag, Token, is_space};

/// Contents up to this length in bytes, as they were sent, are decided on as a whole.
const HELD: usize = 256 << 10;
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
    /// What stands in Content, as it was sent, while it is held; later what follows the root.
    raw: Vec<u8>,
    /// Its characters, while it is held and a text; later those that were not converted yet.
    text: Vec<u8>,
    outlet: Outlet,
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
    /// So many bytes were written of what stands before the root or the text. They are taken back at the end, but
    /// not of a content that is given as it was sent.
    before: u64,
    /// Where in what was written that begins which follows the root, if it was too long for being held.
    after: Option<u64>,
    /// What was held up to the end of the root's name, as it was sent, when the root was written with declarations.
    head: Vec<u8>,
    /// What was written otherwise than it was sent, and what was sent.
    undo: Option<(Range<u64>, Vec<u8>)>,
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
    /// Where it stands in what is held.
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
    let text = |bytes| xml::text(bytes).into_owned();
    RootElement {
        namespace: text(tag.name.namespace),
        local: text(tag.name.local),
        version: tag.attribute("version").map(Into::into),
    }
}

impl Slicer {
    pub(super) fn new(limits: Limits) -> Self {
        let outlet = Outlet::new(limits.max_content_block);
        Self { limits, raw: Vec::new(), text: Vec::new(), outlet, slice: Slice::default(), added: 0 }
    }

    /// A Content begins; `smime` if its binding is known already to be S/MIME's.
    pub(super) fn begin(&mut self, smime: bool) {
        if self.slice.begun {
            let again = Fault::NotWellFormed("a second Content in one block".to_owned());
            self.slice.fault.get_or_insert(again);
            self.go_raw();
        }
        self.slice.begun = true;
        self.slice.smime = smime;
    }

    /// Is told of a broken rule in the token that comes next. The content is set aside, but read to its end.
    pub(super) fn fault(&mut self, fault: &xml::Fault) {
        self.slice.fault.get_or_insert_with(|| match fault.kind {
            FaultKind::TooDeep(_) => Fault::TooDeep(self.limits.depth),
            FaultKind::TagTooLong(_)
            | FaultKind::NamesTooLong
            | FaultKind::TooManyAttributes(_)
            | FaultKind::TooManyNamespaces(_)
            | FaultKind::NamespacesTooLong(_) => Fault::Limit(fault.to_string()),
            _ => Fault::NotWellFormed(fault.to_string()),
        });
        self.go_raw();
    }

    /// Takes the next token if it is one of the many from which nothing is to be learnt but that they are there: what
    /// stands deep in an element that is held, and the pieces of a text that is.
    pub(super) fn keeps(&mut self, token: &Token<'_>) -> bool {
        let deep = token.depth > CONTENT_DEPTH + 1;
        let text = self.slice.shape == Shape::Text && matches!(token.kind, Kind::Text | Kind::Reference(_));
        let fits = token.raw.len() <= HELD.saturating_sub(self.raw.len());
        if !(deep || text) || !fits || !matches!(self.slice.stage, Stage::Held) {
            return false;
        }
        self.raw.extend_from_slice(token.raw);
        if text {
            self.slice.characters.append(token, &mut self.text);
        } else {
            self.slice.fill_root();
        }
        true
    }

    /// Takes the next token of the content.
    pub(super) fn token<S: BlockSink>(
        &mut self,
        token: &Token<'_>,
        surroundings: &Surroundings,
        sink: &mut S,
    ) -> Result<(), DecodeError<S::Error>> {
        if matches!(self.slice.stage, Stage::Held) && token.raw.len() > HELD - self.raw.len() {
            self.outgrow(token, surroundings)?;
        } else {
            self.take(token, surroundings)?;
        }
        let trims = matches!(&self.slice.stage, Stage::Text(text) if text.trims_end());
        self.outlet.flush(trims, sink).map_err(DecodeError::Sink)
    }

    /// Takes a token with which the content is too long for being held. Exactly as much as can be held is decided on,
    /// wherever the pieces of a text were cut.
    #[cold]
    fn outgrow<E>(&mut self, token: &Token<'_>, surroundings: &Surroundings) -> Result<(), DecodeError<E>> {
        let mut token = *token;
        while matches!(self.slice.stage, Stage::Held)
            && let Some((head, tail)) = split(&token, HELD - self.raw.len())
        {
            self.take(&head, surroundings)?;
            self.let_go();
            token = tail;
        }
        self.take(&token, surroundings)?;
        if matches!(self.slice.stage, Stage::Held) && self.raw.len() > HELD {
            self.let_go();
        }
        Ok(())
    }

    fn take<E>(&mut self, token: &Token<'_>, surroundings: &Surroundings) -> Result<(), DecodeError<E>> {
        self.look(token, surroundings)?;
        if self.slice.shape == Shape::Fragment {
            self.go_raw();
        }
        match &mut self.slice.stage {
            Stage::Held => {
                self.raw.extend_from_slice(token.raw);
                if let Shape::Blank | Shape::Text = self.slice.shape {
                    self.slice.characters.append(token, &mut self.text);
                }
            }
            Stage::Element => self.element(token),
            Stage::Text(text) => {
                self.slice.characters.append(token, &mut self.text);
                // References come one by one; a document in the text is not scanned in such small pieces.
                if self.text.len() >= PIECE {
                    text.convert(&self.text, &mut self.outlet.ready);
                    self.text.clear();
                }
            }
            Stage::Raw => self.outlet.ready.extend_from_slice(token.raw),
        }
        Ok(())
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
                    start: self.raw.len(),
                    end: None,
                    name_end: tag.name_end,
                    declarations,
                    bare: true,
                });
            }
            Kind::End if token.depth == CONTENT_DEPTH + 1 => {
                if let Some(root) = &mut slice.root {
                    root.end.get_or_insert(self.raw.len() + token.raw.len());
                }
            }
            Kind::Start(_) | Kind::End => slice.fill_root(),
            _ if outside => match slice.shape {
                Shape::Text | Shape::Fragment => {}
                _ if is_blank(token) => {}
                Shape::Blank => slice.shape = Shape::Text,
                Shape::Element => slice.shape = Shape::Fragment,
            },
            _ if slice.root.as_ref().is_some_and(|root| root.bare) && !is_blank(token) => slice.fill_root(),
            _ => {}
        }
        Ok(())
    }

    /// The content is too long for being held: decides by what is known, and readies what was held for the sink.
    fn let_go(&mut self) {
        let slice = &mut self.slice;
        match (slice.shape, &slice.root) {
            (Shape::Blank, _) => {
                self.outlet.ready.extend_from_slice(&self.raw);
                slice.before = self.outlet.position();
                self.text.clear();
            }
            (Shape::Element, Some(root)) if slice.fault.is_none() => {
                let end = root.end.unwrap_or(self.raw.len());
                slice.head = self.raw[..end.min(root.start + root.name_end)].to_vec();
                root.complete(&self.raw[root.start..end], root.declarations.all(), &mut self.outlet.ready);
                slice.stage = Stage::Element;
                self.raw.drain(..end);
                self.text.clear();
                return;
            }
            (Shape::Text, _) if slice.fault.is_none() => {
                let mut text = Text::new(&self.text, false, slice.smime, self.limits.depth);
                text.convert(&self.text, &mut self.outlet.ready);
                self.text.clear();
                slice.stage = Stage::Text(Box::new(text));
            }
            _ => {
                self.outlet.ready.extend_from_slice(&self.raw);
                (slice.stage, slice.before) = (Stage::Raw, 0);
            }
        }
        self.raw.clear();
    }

    /// From here on a content that is written as it comes is written as it was sent.
    fn go_raw(&mut self) {
        let slice = &mut self.slice;
        match (&mut slice.stage, &slice.root) {
            (Stage::Element, Some(root)) => {
                let end = slice.before + (root.name_end + root.declarations.all().len()) as u64;
                slice.undo = Some((slice.before..end, mem::take(&mut slice.head)));
                self.outlet.ready.append(&mut self.raw);
            }
            (Stage::Text(text), _) => {
                // What was written is no longer to be had as it was sent.
                slice.remarks.push("the text up to its first element or fault was unescaped and is without comments");
                text.convert(&self.text, &mut self.outlet.ready);
                text.give_up(&mut self.outlet.ready);
                self.text.clear();
            }
            _ => return,
        }
        (slice.stage, slice.before, slice.after) = (Stage::Raw, 0, None);
    }

    /// Takes a token of an element content that is written as it comes.
    fn element(&mut self, token: &Token<'_>) {
        // What follows the root waits until it is clear whether it belongs to a fragment, or a faulty content.
        if token.depth == CONTENT_DEPTH {
            if self.slice.after.is_none() && self.raw.len() + token.raw.len() <= HELD {
                self.raw.extend_from_slice(token.raw);
                return;
            }
            self.slice.after.get_or_insert(self.outlet.position());
            self.outlet.ready.append(&mut self.raw);
        }
        self.outlet.ready.extend_from_slice(token.raw);
    }

    /// The block is complete; `smime` if its binding is S/MIME's.
    pub(super) fn finish<S: BlockSink>(&mut self, smime: bool, sink: &mut S) -> Result<Content, S::Error> {
        let whole = matches!(self.slice.stage, Stage::Held) && self.slice.before == 0;
        let (format, trims) = match mem::take(&mut self.slice.stage) {
            Stage::Held => self.finish_held(smime),
            Stage::Element => (Format::Xml, false),
            Stage::Text(text) => self.finish_text(*text, false),
            Stage::Raw => (self.raw_format(), false),
        };
        self.raw.clear();
        self.text.clear();
        let slice = mem::take(&mut self.slice);
        let given = self.outlet.finish(trims, whole, sink)?;
        let mut size = given.size;
        let before = (slice.before > 0).then_some((0..slice.before, Vec::new()));
        let after = slice.after.map(|start| (start..size, Vec::new()));
        for (range, by) in [after, slice.undo, before].into_iter().flatten().filter(|_| !given.over) {
            size = size - (range.end - range.start) + by.len() as u64;
            sink.replace(range, &by)?;
        }
        // Whatever else is wrong with a content: if it is too long, its bytes are not all there.
        let limit = self.limits.max_content_block;
        let too_large = (given.over || size > limit).then_some(Fault::TooLarge(limit));
        let fragment = slice.shape == Shape::Fragment;
        Ok(Content {
            size,
            format,
            fragment,
            root: slice.root.map(|root| root.element).filter(|_| !fragment),
            fault: too_large.or(slice.fault),
            remarks: slice.remarks,
        })
    }

    /// Decides on a content that is in memory. Tells its format, and whether white space at its end is to be dropped.
    fn finish_held(&mut self, smime: bool) -> (Format, bool) {
        match (self.slice.shape, &self.slice.root) {
            // The bytes as they were sent.
            _ if self.slice.fault.is_some() => {
                self.outlet.ready.extend_from_slice(&self.raw);
                self.slice.before = 0;
                (self.raw_format(), false)
            }
            (Shape::Blank, _) => (Format::Empty, false),
            (Shape::Element, Some(root)) => {
                let element = &self.raw[root.start..root.end.unwrap_or(self.raw.len())];
                let stix = STIX.contains(&&*root.element.namespace) && root.element.local == "STIX_Package";
                if root.bare && stix {
                    self.slice.remarks.push("an empty STIX_Package, which stands for an empty poll");
                    return (Format::Empty, false);
                }
                root.complete(element, &root.declarations.needed(element), &mut self.outlet.ready);
                (Format::Xml, false)
            }
            (Shape::Text, _) => {
                let text = Text::new(&self.text, true, smime, self.limits.depth);
                self.finish_text(text, true)
            }
            _ => {
                self.outlet.ready.extend_from_slice(&self.raw);
                self.slice.before = 0;
                (Format::Text, false)
            }
        }
    }

    fn finish_text(&mut self, mut text: Text, whole: bool) -> (Format, bool) {
        text.convert(&self.text, &mut self.outlet.ready);
        let trims = text.trims_end();
        let judgement = text.finish(&mut self.outlet.ready, whole);
        let slice = &mut self.slice;
        slice.fault = slice.fault.take().or(judgement.fault);
        slice.remarks.extend(judgement.remarks);
        slice.root = judgement.root.map(Root::of_text);
        (judgement.format, trims)
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
}

impl Root {
    /// Appends the root element with declarations put in.
    fn complete(&self, element: &[u8], declarations: &[u8], to: &mut Vec<u8>) {
        let (name, rest) = element.split_at(self.name_end.min(element.len()));
        for part in [name, declarations, rest] {
            to.extend_from_slice(part);
        }
    }

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

/// The token up to a length and what comes after it, if it is longer and can be cut.
fn split<'a>(token: &Token<'a>, length: usize) -> Option<(Token<'a>, Token<'a>)> {
    let (head, tail) = token.raw.split_at_checked(length)?;
    let (head_kind, tail_kind) = match token.kind {
        Kind::Text => (Kind::Text, Kind::Text),
        Kind::Comment => (Kind::Comment, Kind::Comment),
        Kind::Instruction => (Kind::Instruction, Kind::Instruction),
        // The marks of a section are not cut. What stands in it comes first in a piece.
        Kind::Section(inner) => {
            let (head, tail) = inner.split_at_checked(length)?;
            (Kind::Section(head), Kind::Section(tail))
        }
        _ => return None,
    };
    let offset = token.offset + length as u64;
    let cut = !tail.is_empty();
    cut.then_some((
        Token { raw: head, kind: head_kind, ..*token },
        Token { raw: tail, kind: tail_kind, offset, ..*token },
    ))
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
