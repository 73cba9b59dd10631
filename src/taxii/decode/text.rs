//! Contents that are text: what they are, and the bytes they become (protocol reference, 12.4).
//!
//! What a text is, is decided on its beginning, which may be all of it; what it turned out to be, at its end. So a
//! text of any length passes through at constant memory.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::element::trim;
use crate::taxii::message::{Fault, Format, RootElement};
use crate::xml::encoding::{Rules, misleading_declaration};
use crate::xml::{Consumer, Document, Error, FaultKind, Kind, Options, Scanner, Token, is_space};

/// Servers leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The first names of S/MIME: the registered one, an older one, and a slip of the Content Binding Reference.
const SMIME: [&str; 3] = ["application/pkcs7-mime", "application/x-pkcs7-mime", "application/x-pks7-mime"];

/// Whether a content binding is S/MIME's. Of a nesting expression the first part is outermost.
pub(super) fn is_smime(binding_id: &str) -> bool {
    let outermost = binding_id.split('|').next().unwrap_or_default();
    let media_type = outermost.split(';').next().unwrap_or_default().trim();
    SMIME.iter().any(|name| media_type.eq_ignore_ascii_case(name))
}

/// A text on its way to the sink.
#[derive(Debug)]
pub(super) struct Text {
    form: Form,
    judge: Judge,
    fault: Option<Fault>,
    remarks: Vec<&'static str>,
    /// Nothing but white space came so far.
    blank: bool,
    /// Bytes at the beginning that are still to be left out.
    leave_out: usize,
}

/// How the characters become bytes.
#[derive(Debug)]
enum Form {
    /// As they are, but for the white space around them.
    Trimmed,
    /// As they are, every one: empty lines separate headers.
    Verbatim,
    /// From hexadecimal digits. Half of a byte may be left over.
    Hexadecimal(Option<u8>),
    /// From base64. Up to three digits may be left over.
    Base64(Vec<u8>),
    /// The digits have ended. White space may follow; anything else is not as the beginning promised, and is kept as
    /// it is for whoever looks into the quarantine.
    Ended(&'static str),
}

/// What a text turned out to be.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) format: Format,
    pub(super) root: Option<RootElement>,
    pub(super) fault: Option<Fault>,
    pub(super) remarks: Vec<&'static str>,
}

impl Text {
    /// Decides by the beginning of a text (`whole`: all of it) what is made of it. The beginning is still to be
    /// given to [`convert`](Text::convert).
    pub(super) fn new(beginning: &[u8], whole: bool, smime: bool, depth: usize) -> Self {
        let text = trim(beginning);
        let mut remarks = Vec::new();
        let mut leave_out = 0;
        let (form, judge) = if smime && has_mime_headers(text) {
            (Form::Verbatim, Judge::Settled(Format::Smime))
        } else if smime && is_base64(text, whole) {
            (Form::Base64(Vec::new()), Judge::Settled(Format::Smime))
        } else if smime && text.starts_with(b"-----BEGIN ") {
            (Form::Verbatim, Judge::Settled(Format::Smime))
        } else if let Some(decoded) = hexadecimal(text, whole) {
            remarks.push("the content was written as hexadecimal digits");
            leave_out = b"\\x".len();
            (Form::Hexadecimal(None), Judge::of_bytes(&decoded, depth))
        } else {
            if smime {
                remarks.push("the content binding says S/MIME, the content is not");
            }
            if let Some(length) = misleading_declaration(text) {
                remarks.push("an XML declaration of another encoding was left out");
                leave_out = length;
            }
            (Form::Trimmed, Judge::of_text(&text[leave_out..], depth))
        };
        Self { form, judge, fault: None, remarks, blank: true, leave_out }
    }

    /// Whether white space at its end is to be dropped.
    pub(super) fn trims_end(&self) -> bool {
        matches!(self.form, Form::Trimmed)
    }

    /// Appends what the next characters become.
    pub(super) fn convert(&mut self, text: &[u8], to: &mut Vec<u8>) {
        let mut text = text;
        if self.blank && !matches!(self.form, Form::Verbatim) {
            text = &text[text.iter().position(|&b| !is_space(b)).unwrap_or(text.len())..];
        }
        self.blank &= text.is_empty();
        let left_out = self.leave_out.min(text.len());
        self.leave_out -= left_out;
        text = &text[left_out..];
        let start = to.len();
        match &mut self.form {
            Form::Trimmed | Form::Verbatim => to.extend_from_slice(text),
            Form::Hexadecimal(half) => {
                if let Err(rest) = decode_hexadecimal(half, text, to) {
                    self.end_digits("a character that is no hexadecimal digit", rest, to);
                }
            }
            Form::Base64(left) => {
                if decode_base64(left, text, to).is_err() {
                    self.end_digits("something that is not base64", text, to);
                }
            }
            Form::Ended(what) => {
                let what = *what;
                self.end_digits(what, text, to);
            }
        }
        self.judge.feed(&to[start..]);
    }

    fn end_digits(&mut self, what: &'static str, rest: &[u8], to: &mut Vec<u8>) {
        self.form = Form::Ended(what);
        if self.fault.is_some() || !trim(rest).is_empty() {
            self.fault.get_or_insert(Fault::Undecodable(what.to_owned()));
            to.extend_from_slice(rest);
        }
    }

    /// The text is complete. Appends what is left over; `whole` is all that was made of it, where that is at hand.
    pub(super) fn finish(mut self, to: &mut Vec<u8>, whole: bool) -> Judgement {
        let start = to.len();
        match &mut self.form {
            Form::Base64(left) => {
                let left = std::mem::take(left);
                if BASE64.decode_vec(&left, to).is_err() {
                    self.end_digits("something that is not base64", &left, to);
                }
            }
            Form::Hexadecimal(Some(half)) => {
                let half = char::from_digit(u32::from(*half), 16).unwrap_or_default();
                self.end_digits("an odd number of hexadecimal digits", &[half as u8], to);
            }
            _ => {}
        }
        self.judge.feed(&to[start..]);
        let (format, root, deep) = self.judge.finish(whole.then_some(&to[..]));
        Judgement { format, root, fault: self.fault.or(deep), remarks: self.remarks }
    }
}

/// Whether the lines up to the first empty one hold a header that MIME entities have.
fn has_mime_headers(text: &[u8]) -> bool {
    let mut lines = text.split(|&b| b == b'\n').take_while(|line| !trim(line).is_empty()).take(100);
    let begins = |line: &[u8], name: &[u8]| line.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    lines.any(|line| begins(line, b"MIME-Version:") || begins(line, b"Content-"))
}

/// Whether a text is nothing but base64; of a beginning, whether it may be.
fn is_base64(text: &[u8], whole: bool) -> bool {
    if !whole {
        return text.iter().all(|&b| is_space(b) || b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    }
    let digits: Vec<u8> = text.iter().copied().filter(|&b| !is_space(b)).collect();
    !digits.is_empty() && BASE64.decode(&digits).is_ok()
}

/// What `\x3c3f…` stands for (PostgreSQL's way of writing bytes); of a beginning, whether it may be that.
fn hexadecimal(text: &[u8], whole: bool) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(b"\\x").filter(|digits| digits.len() >= 2)?;
    let (mut half, mut bytes) = (None, Vec::with_capacity(digits.len() / 2));
    decode_hexadecimal(&mut half, digits, &mut bytes).ok()?;
    (half.is_none() || !whole).then_some(bytes)
}

/// Decodes digits; returns what comes from the first other character on.
fn decode_hexadecimal<'a>(half: &mut Option<u8>, digits: &'a [u8], to: &mut Vec<u8>) -> Result<(), &'a [u8]> {
    for (at, &digit) in digits.iter().enumerate() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return Err(&digits[at..]),
        };
        match half.take() {
            Some(high) => to.push(high << 4 | value),
            None => *half = Some(value),
        }
    }
    Ok(())
}

/// Decodes what is there of whole groups of four digits, and keeps the rest.
fn decode_base64(left: &mut Vec<u8>, digits: &[u8], to: &mut Vec<u8>) -> Result<(), base64::DecodeError> {
    left.extend(digits.iter().copied().filter(|&b| !is_space(b)));
    // The last group waits: it may be padded, and only the last one may.
    let whole = left.len().saturating_sub(1) / 4 * 4;
    BASE64.decode_vec(&left[..whole], to)?;
    left.drain(..whole);
    Ok(())
}

/// Finds out what bytes are while they pass.
#[derive(Debug)]
enum Judge {
    /// Perhaps an XML document.
    Xml { reader: Option<Reader>, watch: Watch, otherwise: Format },
    /// Perhaps JSON, which ends with this bracket.
    Json { close: u8, last: u8 },
    /// It is known already.
    Settled(Format),
}

/// Text is scanned as it is; bytes may be in any encoding.
#[derive(Debug)]
enum Reader {
    Text(Scanner),
    Bytes(Box<Document>),
}

impl Judge {
    fn of_text(beginning: &[u8], depth: usize) -> Self {
        Self::new(beginning, Format::Text, || Reader::Text(Scanner::new(depth)), depth)
    }

    fn of_bytes(beginning: &[u8], depth: usize) -> Self {
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

    fn feed(&mut self, bytes: &[u8]) {
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
    fn finish(self, whole: Option<&[u8]>) -> (Format, Option<RootElement>, Option<Fault>) {
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
struct Watch {
    root: Option<RootElement>,
    deep: Option<Fault>,
    depth: usize,
}

impl Consumer for Watch {
    /// Not a document.
    type Error = NoDocument;

    fn token(&mut self, token: Token<'_>) -> Result<(), NoDocument> {
        if let (Kind::Start(tag), 1) = (token.kind, token.depth) {
            self.root = Some(super::slice::root_element(&tag));
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
struct NoDocument;
