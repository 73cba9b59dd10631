//! From tokens to a message: the envelope becomes a small tree, contents go to the slicer.

use super::characters::Characters;
use super::element::{self, Element, Keep};
use super::fields;
use super::inherit::{Declarations, Surroundings};
use super::slice::Slicer;
use super::text::is_smime;
use super::{BlockSink, DecodeError, Limits};
use crate::taxii::Version;
use crate::taxii::message::{ContentBlock, Message};
use crate::taxii::names::{OASIS_TAXII, XML_SIGNATURE};
use crate::xml::{Consumer, Fault, FaultKind, Kind, StartTag, Token, shown};

/// What the envelope may take in memory, in bytes: all of a message but the contents of its blocks.
const MAX_ENVELOPE: usize = 4 << 20;
/// The longest text of one element, a Query among them; texts for people are cut there.
const MAX_TEXT: usize = 64 << 10;
/// What is kept of an Extended_Header.
const MAX_HEADER: usize = 4 << 10;
/// How deep Content_Block stands in a message.
const BLOCK_DEPTH: usize = 2;

/// Consumes the tokens of a message.
#[derive(Debug)]
pub(super) struct Reader<S> {
    pub(super) sink: S,
    slicer: Slicer,
    surroundings: Surroundings,
    version: Option<Version>,
    /// The open elements that are kept, the root first: as many as the depth of the last.
    open: Vec<Element>,
    keep: Keep,
    characters: Characters,
    /// What is inside the element at this depth is not part of the tree.
    inside: Option<(usize, Inside)>,
    envelope: usize,
    blocks: u64,
    message: Option<Message>,
}

/// What becomes of the inside of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// Nothing.
    Skipped,
    /// It is the content of a block.
    Content,
    /// It is kept as XML, with what it inherits.
    Xml,
    /// It is kept as it was sent, as far as it is not too long.
    Raw,
}

impl<S: BlockSink> Consumer for Reader<S> {
    type Error = DecodeError<S::Error>;

    fn token(&mut self, token: Token<'_>) -> Result<(), Self::Error> {
        if let Some((_, Inside::Content)) = self.inside
            && self.slicer.keeps(&token)
        {
            return Ok(());
        }
        self.read(&token)
    }

    fn fault(&mut self, fault: Fault) -> Result<(), Self::Error> {
        if let Some((_, Inside::Content)) = self.inside {
            self.slicer.fault(&fault);
            return Ok(());
        }
        Err(match fault.kind {
            FaultKind::TooDeep(depth) => DecodeError::Limit { name: "the depth of the elements", value: depth as u64 },
            FaultKind::TagTooLong(length) => DecodeError::Limit { name: "a tag", value: length as u64 },
            kind => DecodeError::NotWellFormed { line: fault.at.line, what: kind.to_string() },
        })
    }
}

impl<S: BlockSink> Reader<S> {
    pub(super) fn new(limits: Limits, sink: S) -> Self {
        Self {
            sink,
            slicer: Slicer::new(limits),
            surroundings: Surroundings::default(),
            version: None,
            open: Vec::new(),
            keep: Keep::Children,
            characters: Characters::default(),
            inside: None,
            envelope: 0,
            blocks: 0,
            message: None,
        }
    }

    /// Whether the root was a message's.
    pub(super) fn is_taxii(&self) -> bool {
        self.version.is_some()
    }

    /// The message, if it was complete, and the sink.
    pub(super) fn into_parts(self) -> (Option<Message>, S) {
        (self.message, self.sink)
    }

    /// Takes the next token.
    fn read(&mut self, token: &Token<'_>) -> Result<(), DecodeError<S::Error>> {
        if let Some((depth, inside)) = self.inside {
            if token.depth == depth && matches!(token.kind, Kind::End) {
                self.inside = None;
                if self.open.len() == depth {
                    return self.end(depth);
                }
                self.surroundings.leave(depth);
                return Ok(());
            }
            return match inside {
                Inside::Content => self.slicer.token(token, &self.surroundings, &mut self.sink),
                Inside::Skipped => Ok(()),
                Inside::Xml | Inside::Raw => self.capture(token, depth, inside),
            };
        }
        match token.kind {
            Kind::Start(tag) => self.start(&tag, token.depth),
            Kind::End => self.end(token.depth),
            _ => self.text(token),
        }
    }

    fn start(&mut self, tag: &StartTag<'_>, depth: usize) -> Result<(), DecodeError<S::Error>> {
        if depth == 1 {
            self.version = Some(version(tag)?);
        }
        let Some((name, keep)) = self.known(tag, depth) else {
            self.inside = Some((depth, Inside::Skipped));
            return Ok(());
        };
        self.surroundings.enter(depth, tag);
        if name == CONTENT {
            let smime = self.open.last().is_some_and(|block| is_smime(&fields::block_binding_id(block)));
            self.slicer.begin(smime);
            self.inside = Some((depth, Inside::Content));
            return Ok(());
        }
        let element = Element::new(name, keep, tag);
        self.spend(element.cost())?;
        if depth == 1 {
            self.sink.begins(element.attribute("result_id"));
        }
        self.open.push(element);
        self.keep = keep;
        self.characters = Characters::default();
        self.inside = match keep {
            Keep::Xml => Some((depth, Inside::Xml)),
            Keep::Raw => Some((depth, Inside::Raw)),
            Keep::Attributes => Some((depth, Inside::Skipped)),
            Keep::Children | Keep::Text | Keep::Prose => None,
        };
        Ok(())
    }

    /// The name for good of an element that is read here, and what is kept of it.
    fn known(&mut self, tag: &StartTag<'_>, depth: usize) -> Option<(&'static str, Keep)> {
        let local = tag.name.local;
        let Some(parent) = self.open.last_mut() else {
            return element::message_name(local).map(|name| (name, Keep::Children));
        };
        if tag.name.is(XML_SIGNATURE, "Signature") {
            parent.signed = true;
            return None;
        }
        // A reply may mix the versions.
        Version::of_namespace(tag.name.namespace)?;
        let in_block = parent.name == BLOCK;
        match local {
            b"Content" => in_block.then_some((CONTENT, Keep::Children)),
            b"Content_Block" => {
                let here = depth == BLOCK_DEPTH && matches!(parent.name, "Poll_Response" | "Inbox_Message");
                here.then_some((BLOCK, Keep::Children))
            }
            _ => element::known(local),
        }
    }

    fn end(&mut self, depth: usize) -> Result<(), DecodeError<S::Error>> {
        self.surroundings.leave(depth);
        self.keep = Keep::Children;
        let Some(element) = self.open.pop() else { return Ok(()) };
        match self.open.last_mut() {
            _ if element.name == BLOCK => self.block(&element),
            Some(parent) => {
                // A text goes on after a child.
                self.keep = parent.keep;
                parent.children.push(element);
                Ok(())
            }
            None => {
                let version = self.version.unwrap_or(Version::V11);
                let message = fields::message(&element, version, self.blocks);
                self.message = Some(message.map_err(|found| DecodeError::NotTaxii { found })?);
                Ok(())
            }
        }
    }

    fn block(&mut self, block: &Element) -> Result<(), DecodeError<S::Error>> {
        let binding = fields::block_binding(block);
        let content = self.slicer.finish(is_smime(&binding.id), &mut self.sink).map_err(DecodeError::Sink)?;
        self.blocks += 1;
        self.envelope -= block.memory().min(self.envelope);
        let block = ContentBlock {
            binding,
            label: fields::timestamp(block, "Timestamp_Label"),
            message: fields::prose(block, "Message"),
            signed: block.signed,
            content,
        };
        self.sink.block(block).map_err(DecodeError::Sink)
    }

    /// Keeps the text of an element that has one.
    fn text(&mut self, token: &Token<'_>) -> Result<(), DecodeError<S::Error>> {
        let (Keep::Text | Keep::Prose, Some(element)) = (self.keep, self.open.last_mut()) else { return Ok(()) };
        let before = element.text.len();
        self.characters.append(token, &mut element.text);
        if element.text.len() > MAX_TEXT {
            if self.keep != Keep::Prose {
                return Err(DecodeError::Limit { name: element.name, value: MAX_TEXT as u64 });
            }
            cut(&mut element.text, MAX_TEXT);
        }
        let grown = element.text.len().saturating_sub(before);
        self.spend(grown)
    }

    /// Keeps what stands in an element as XML.
    fn capture(&mut self, token: &Token<'_>, depth: usize, inside: Inside) -> Result<(), DecodeError<S::Error>> {
        let Some(element) = self.open.last_mut() else { return Ok(()) };
        let before = element.text.len();
        match token.kind {
            Kind::Start(tag) if inside == Inside::Xml && token.depth == depth + 1 => {
                let declarations = Declarations::of(&tag, &self.surroundings);
                let (name, rest) = token.raw.split_at(tag.name_end);
                element.text.extend_from_slice(name);
                element.text.extend_from_slice(declarations.all());
                element.text.extend_from_slice(rest);
            }
            _ => element.text.extend_from_slice(token.raw),
        }
        match inside {
            Inside::Raw => cut(&mut element.text, MAX_HEADER),
            _ if element.text.len() > MAX_TEXT => {
                return Err(DecodeError::Limit { name: element.name, value: MAX_TEXT as u64 });
            }
            _ => {}
        }
        let grown = element.text.len().saturating_sub(before);
        self.spend(grown)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), DecodeError<S::Error>> {
        self.envelope += bytes;
        if self.envelope > MAX_ENVELOPE {
            let name = "the message without the contents of its blocks, in bytes,";
            return Err(DecodeError::Limit { name, value: MAX_ENVELOPE as u64 });
        }
        Ok(())
    }
}

const BLOCK: &str = "Content_Block";
const CONTENT: &str = "Content";

/// The version a root belongs to, if it is a message's.
fn version<E>(tag: &StartTag<'_>) -> Result<Version, DecodeError<E>> {
    let namespace = String::from_utf8_lossy(tag.name.namespace);
    if namespace.contains(OASIS_TAXII) {
        return Err(DecodeError::UnsupportedVersion { namespace: shown(tag.name.namespace) });
    }
    let version = Version::of_namespace(tag.name.namespace);
    let message = element::message_name(tag.name.local);
    version.filter(|_| message.is_some()).ok_or_else(|| {
        let place = if version.is_some() { " in a namespace of TAXII" } else { "" };
        DecodeError::NotTaxii { found: format!("XML with the root <{}>{place}", shown(tag.name.local)) }
    })
}

/// Cuts a text at the end of a character.
fn cut(text: &mut Vec<u8>, length: usize) {
    if text.len() > length {
        let end = (0..=length).rev().find(|&at| text[at] & 0xC0 != 0x80).unwrap_or_default();
        text.truncate(end);
    }
}
