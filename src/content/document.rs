//! A file that looks like XML: strictly well formed or refused, and where its root element stands.

use std::ops::Range;

use super::form::Form;
use super::refusal::Refusal;
use crate::taxii::message::RootElement;
use crate::xml::{self, Consumer, Error, Fault, FaultKind, Kind, StartTag, Token};

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// How both readings of a file, the inspection and the transcoding, read it: by its byte order mark or declaration
/// alone, and without the leniency that replies of servers need.
pub(super) fn options() -> xml::Options {
    xml::Options::default()
}

/// A document being inspected.
#[derive(Debug)]
pub(super) struct Document {
    reader: xml::Document,
    seen: Seen,
    refusal: Option<Refusal>,
}

/// What a whole, well-formed document turned out to be.
#[derive(Debug)]
pub(super) struct Inspected {
    pub(super) root: RootElement,
    /// `xsi:schemaLocation` of the root.
    pub(super) schema_location: Option<String>,
    pub(super) form: Form,
    /// The longest run of character data that a reader would see as one text, in bytes of UTF-8.
    pub(super) longest_text: u64,
    /// How deep its elements are nested; the root alone is 1.
    pub(super) depth: usize,
}

/// What the tokens said.
#[derive(Debug, Default)]
struct Seen {
    root: Option<RootElement>,
    schema_location: Option<String>,
    range: Range<u64>,
    text: u64,
    longest_text: u64,
    depth: usize,
}

impl Document {
    pub(super) fn new() -> Self {
        Self { reader: xml::Document::new(options()), seen: Seen::default(), refusal: None }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.refusal.is_none() {
            self.refusal = self.reader.feed(bytes, &mut self.seen).err().map(refusal);
        }
    }

    pub(super) fn finish(mut self) -> Result<Inspected, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let source_offset = self.reader.source_offset();
        self.reader.finish(&mut self.seen).map_err(refusal)?;
        let Range { start, end } = self.seen.range;
        Ok(Inspected {
            root: self.seen.root.ok_or(Refusal::NoRoot)?,
            schema_location: self.seen.schema_location,
            form: match source_offset {
                Some(before) => Form::Verbatim { range: start + before..end + before },
                None => Form::Transcoded { range: start..end },
            },
            longest_text: self.seen.longest_text,
            depth: self.seen.depth,
        })
    }
}

impl Consumer for Seen {
    type Error = Fault;

    fn token(&mut self, token: Token<'_>) -> Result<(), Fault> {
        match token.kind {
            Kind::Start(tag) if token.depth == 1 => self.root_begins(token.offset, &tag),
            Kind::End if token.depth == 1 => self.range.end = token.offset + token.raw.len() as u64,
            _ => {}
        }
        // Readers put pieces, references and CDATA sections together until the next tag, comment or instruction.
        self.text = match token.kind {
            _ if token.depth == 0 => 0,
            Kind::Text => self.text + token.raw.len() as u64,
            Kind::Section(inside) => self.text + inside.len() as u64,
            Kind::Reference(character) => self.text + character.len_utf8() as u64,
            _ => 0,
        };
        self.depth = self.depth.max(token.depth);
        self.longest_text = self.longest_text.max(self.text);
        Ok(())
    }

    /// What a reader of replies forgives would spoil our own message: every fault is fatal.
    fn fault(&mut self, fault: Fault) -> Result<(), Fault> {
        Err(fault)
    }
}

impl Seen {
    fn root_begins(&mut self, offset: u64, tag: &StartTag<'_>) {
        self.range.start = offset;
        self.root = Some(RootElement {
            namespace: String::from_utf8_lossy(tag.name.namespace).into_owned(),
            local: String::from_utf8_lossy(tag.name.local).into_owned(),
            version: tag.attribute("version").map(Into::into),
        });
        let mut attributes = tag.attributes();
        self.schema_location = attributes
            .find(|attribute| attribute.name.is(SCHEMA_INSTANCE, "schemaLocation"))
            .map(|attribute| attribute.value().into_owned());
    }
}

/// The reader's words are fit to be shown: names in them are escaped and cut.
fn refusal(error: Error<Fault>) -> Refusal {
    match error {
        Error::Broken { at, what } => Refusal::NotWellFormed { line: at.line, column: at.column, reason: what },
        Error::Consumer(Fault { at, kind }) => match kind {
            FaultKind::TooDeep(_)
            | FaultKind::TagTooLong(_)
            | FaultKind::NamesTooLong
            | FaultKind::TooManyAttributes(_)
            | FaultKind::TooManyNamespaces(_)
            | FaultKind::NamespacesTooLong(_) => Refusal::TooLarge { line: at.line, what: kind.to_string() },
            _ => Refusal::NotWellFormed { line: at.line, column: at.column, reason: kind.to_string() },
        },
        Error::Limit { at, name, value } => {
            Refusal::TooLarge { line: at.line, what: format!("{name} larger than the limit of {value} bytes") }
        }
        Error::CutShort => Refusal::CutShort,
        Error::Empty => Refusal::NoRoot,
        Error::Doctype { at } => Refusal::Doctype { line: at.line },
        Error::Encoding(what) => Refusal::Encoding(what),
    }
}
