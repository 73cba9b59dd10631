//! The inspection of one file while it is copied.

use super::binding::{self, Recognised};
use super::document::Document;
use super::form::Form;
use super::json::{Checker, Shape};
use super::refusal::Refusal;
use super::smime::Headers;
use super::sniff::{Look, Sniffer};
use super::text::{Characters, Text};

/// Readers built on libxml2 refuse a longer text node by default (`XML_MAX_TEXT_LENGTH`), in bytes of UTF-8.
const LONGEST_TEXT_OF_LIBXML2: u64 = 10_000_000;

/// Readers built on libxml2 refuse deeper elements by default (`xmlParserMaxDepth`), and Inbox_Message, Content_Block
/// and Content stand around ours.
const DEPTH_OF_LIBXML2: usize = 256 - 3;

const DEEP: &str = "holds elements nested deeper than 253 levels, which receivers built on libxml2 refuse";
const LONG_TEXT: &str = "holds a text of more than 10 MB in one element, which receivers built on libxml2 refuse";

/// What the operator decided about the files of one drop directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `content_binding`: the Content Binding that is said of every file, instead of the one that is detected.
    pub content_binding: Option<String>,
}

/// Looks at one file from its first to its last byte.
#[derive(Debug)]
pub struct Inspector {
    options: Options,
    length: u64,
    look: Option<Look>,
    sniffer: Sniffer,
    document: Document,
    json: Checker,
    headers: Headers,
    text: Text,
}

/// What the inspection of a file comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It can be sent.
    Sendable(Sendable),
    /// It cannot be sent, to no inbox and at no time.
    Refused(Refusal),
}

/// A file that can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sendable {
    /// Its Content Binding, `binding_id` of the Content Block.
    pub binding: String,
    /// The version of STIX that it was recognised as, `1.1.1` or `2.0`; `None` where it is not STIX, or where the
    /// Content Binding is configured.
    pub stix_version: Option<String>,
    /// How it stands between `<Content>` and `</Content>`.
    pub form: Form,
    /// Things worth a warning about a file that is sent all the same.
    pub remarks: Vec<&'static str>,
}

impl Inspector {
    /// An inspector for one file.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            length: 0,
            look: None,
            sniffer: Sniffer::default(),
            document: Document::new(),
            json: Checker::new(),
            headers: Headers::default(),
            text: Text::new(),
        }
    }

    /// Takes the next bytes of the file, however they are cut. It never fails: a refusal is remembered for
    /// [`finish`](Self::finish), so that the copy goes on and ends in a directory with a receipt.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.look.is_none() {
            self.look = self.sniffer.feed(bytes);
        }
        // As long as nothing but white space was seen, all of them read it: it belongs to positions and ranges.
        let may_be = |look| self.look.is_none_or(|known| known == look);
        if may_be(Look::Xml) {
            self.document.feed(bytes);
        }
        if may_be(Look::Json) {
            self.json.feed(bytes);
        }
        if may_be(Look::Other) {
            self.headers.feed(bytes);
        }
        if self.look != Some(Look::Xml) {
            self.text.feed(bytes);
        }
    }

    /// Ends the file.
    pub fn finish(self) -> Finding {
        match self.conclude() {
            Ok(sendable) => Finding::Sendable(sendable),
            Err(refusal) => Finding::Refused(refusal),
        }
    }

    fn conclude(self) -> Result<Sendable, Refusal> {
        match self.look {
            None if self.length == 0 => Err(Refusal::Empty),
            None if self.sniffer.is_blank() => Err(Refusal::Blank),
            Some(Look::Xml) => self.conclude_xml(),
            Some(Look::Json) => self.conclude_json(),
            None | Some(Look::Other) => self.conclude_other(),
        }
    }

    fn conclude_xml(self) -> Result<Sendable, Refusal> {
        let document = self.document.finish()?;
        binding::refuse_message(&document.root)?;
        let recognised = match self.options.content_binding {
            Some(binding) => Recognised { binding, stix_version: binding::stix_version(&document.root) },
            None => binding::of_root(&document.root, document.schema_location.as_deref())?,
        };
        let mut sendable = sendable(recognised, document.form, document.longest_text);
        if document.depth > DEPTH_OF_LIBXML2 {
            sendable.remarks.push(DEEP);
        }
        Ok(sendable)
    }

    fn conclude_json(self) -> Result<Sendable, Refusal> {
        let characters = self.text.finish();
        let shape = match self.json.finish() {
            _ if characters == Characters::NotUtf8 => Err(Refusal::NotUtf8),
            Ok(shape) => Ok(shape),
            Err(mistake) => {
                Err(Refusal::NotJson { line: mistake.line, column: mistake.column, reason: mistake.reason })
            }
        };
        let recognised = match (self.options.content_binding, shape) {
            // What begins with a bracket is often something else; a configured binding vouches for it.
            (Some(binding), shape) => Recognised { binding, stix_version: shape.ok().and_then(version_of) },
            (None, Ok(Shape::Bundle(version))) => binding::of_stix_2(version),
            (None, Ok(Shape::BundleOfUnknownVersion)) => return Err(Refusal::UnknownBundleVersion),
            (None, Ok(Shape::Other)) => return Err(Refusal::UnknownJson),
            (None, Err(refusal)) => return Err(refusal),
        };
        Ok(as_text(recognised, characters, self.sniffer.byte_order_mark()..self.length))
    }

    fn conclude_other(self) -> Result<Sendable, Refusal> {
        let smime = self.headers.finish().then(|| binding::SMIME.to_owned());
        let binding = self.options.content_binding.or(smime).ok_or(Refusal::Unknown)?;
        Ok(as_text(Recognised { binding, stix_version: None }, self.text.finish(), 0..self.length))
    }
}

fn version_of(shape: Shape) -> Option<String> {
    match shape {
        Shape::Bundle(version) => Some(version.to_owned()),
        Shape::BundleOfUnknownVersion | Shape::Other => None,
    }
}

/// Text where every character of it can stand in XML, else base64 (protocol reference, 8, rule 7).
fn as_text(recognised: Recognised, characters: Characters, range: std::ops::Range<u64>) -> Sendable {
    let length = range.end - range.start;
    match characters {
        Characters::Legal => sendable(recognised, Form::Escaped { range }, length),
        Characters::Illegal | Characters::NotUtf8 => {
            sendable(recognised, Form::Base64, range.end.div_ceil(3).saturating_mul(4))
        }
    }
}

fn sendable(recognised: Recognised, form: Form, longest_text: u64) -> Sendable {
    let remarks = if longest_text > LONGEST_TEXT_OF_LIBXML2 { vec![LONG_TEXT] } else { Vec::new() };
    Sendable { binding: recognised.binding, stix_version: recognised.stix_version, form, remarks }
}
