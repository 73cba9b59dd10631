//! What bytes are, found out while they pass: an XML document, JSON, or neither.

use super::element::trim;
use super::slice::root_element;
use crate::taxii::message::{Fault, Format, RootElement};
use crate::xml::encoding::Rules;
use crate::xml::{Consumer, Document, Error, FaultKind, Kind, Options, Scanner, Token, is_space};

/// Finds out what bytes are while they pass.
#[derive(Debug)]
pub(super) enum Judge {
    /// Perhaps an XML document: the reader is gone once it is known to be none.
    Xml { reader: Option<Reader>, watch: Watch, otherwise: Format },
    /// Perhaps JSON, which ends with this bracket.
    Json { close: u8, last: u8 },
    /// It is known already.
    Settled(Format),
}

/// Text is scanned as it is; bytes may be in any encoding.
#[derive(Debug)]
pub(super) enum Reader {
    Text(Box<Scanner>),
    Bytes(Box<Document>),
}

impl Judge {
    /// A judge of text that was decoded already. The beginning is still to be fed.
    pub(super) fn of_text(beginning: &[u8], depth: usize) -> Self {
        Self::new(beginning, Format::Text, || Reader::Text(Box::new(Scanner::new(depth))), depth)
    }

    /// A judge of bytes in any encoding, or in none.
    pub(super) fn of_bytes(beginning: &[u8], depth: usize) -> Self {
        // A character cut at the end of the beginning does not make it binary.
        let text = match std::str::from_utf8(beginning) {
            Ok(text) => !text.contains('\0'),
            Err(error) => error.error_len().is_none(),
        };
        let otherwise = if text { Format::Text } else { Format::Binary };
        let options = Options { encoding: Rules::default(), depth };
        Self::new(beginning, otherwise, || Reader::Bytes(Box::new(Document::new(options))), depth)
    }

    fn new(beginning: &[u8], otherwise: Format, reader: impl FnOnce() -> Reader, depth: usize) -> Self {
        let marks: [&[u8]; 3] = [b"\xEF\xBB\xBF<", b"\xFF\xFE<", b"\xFE\xFF\0<"];
        match trim(beginning).first() {
            Some(b'{') => Self::Json { close: b'}', last: 0 },
            Some(b'[') => Self::Json { close: b']', last: 0 },
            first if first == Some(&b'<') || marks.iter().any(|mark| beginning.starts_with(mark)) => {
                Self::Xml { reader: Some(reader()), watch: Watch { root: None, deep: None, depth }, otherwise }
            }
            _ => Self::Settled(otherwise),
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::Xml { reader, watch, .. } => {
                let read = match reader {
                    Some(Reader::Text(scanner)) => scanner.feed(bytes, watch),
                    Some(Reader::Bytes(document)) => document.feed(bytes, watch),
                    None => return,
                };
                if read.is_err() {
                    *reader = None;
                }
            }
            Self::Json { last, .. } => {
                if let Some(byte) = bytes.iter().rfind(|&&b| !is_space(b)) {
                    *last = *byte;
                }
            }
            Self::Settled(_) => {}
        }
    }

    /// The format, the root and a fault. `whole` is all the bytes, where they are at hand.
    pub(super) fn finish(self, whole: Option<&[u8]>) -> (Format, Option<RootElement>, Option<Fault>) {
        match self {
            Self::Xml { reader, mut watch, otherwise } => {
                let read = match reader {
                    Some(Reader::Text(mut scanner)) => scanner.finish(&mut watch),
                    Some(Reader::Bytes(mut document)) => document.finish(&mut watch),
                    None => Err(Error::CutShort),
                };
                match read {
                    Ok(()) => (Format::Xml, watch.root, watch.deep),
                    Err(_) => (otherwise, None, watch.deep),
                }
            }
            Self::Json { close, last } => {
                let json = match whole {
                    Some(whole) => serde_json::from_slice::<serde::de::IgnoredAny>(whole).is_ok(),
                    None => last == close,
                };
                (if json { Format::Json } else { Format::Text }, None, None)
            }
            Self::Settled(format) => (format, None, None),
        }
    }
}

/// Watches whether a text is one well-formed document, and keeps its root.
#[derive(Debug)]
pub(super) struct Watch {
    root: Option<RootElement>,
    deep: Option<Fault>,
    depth: usize,
}

impl Consumer for Watch {
    /// Not a document.
    type Error = NoDocument;

    fn token(&mut self, token: Token<'_>) -> Result<(), NoDocument> {
        if let (Kind::Start(tag), 1) = (token.kind, token.depth) {
            self.root = Some(root_element(&tag));
        }
        Ok(())
    }

    fn fault(&mut self, fault: crate::xml::Fault) -> Result<(), NoDocument> {
        if let FaultKind::TooDeep(_) = fault.kind {
            // A reader of files must not meet it, whatever it is.
            self.deep.get_or_insert(Fault::TooDeep(self.depth));
            return Ok(());
        }
        Err(NoDocument)
    }
}

#[derive(Debug)]
pub(super) struct NoDocument;
