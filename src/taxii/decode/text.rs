//! Contents that are text: what they are, and the bytes they become (protocol reference, 12.4).
//!
//! What a text is, is decided on its beginning, which may be all of it; what it turned out to be, at its end. So a
//! text of any length passes through at constant memory.

use super::digits::{Base, Digits, HEXADECIMAL, hexadecimal, is_base64};
use super::element::trim;
use super::judge::Judge;
use crate::taxii::message::{Fault, Format, RootElement};
use crate::xml::encoding::misleading_declaration;
use crate::xml::is_space;

/// The first names of S/MIME: the registered one, an older one, and a slip of the Content Binding Reference.
const SMIME: [&str; 3] = ["application/pkcs7-mime", "application/x-pkcs7-mime", "application/x-pks7-mime"];

/// Whether a content binding is S/MIME's. Of a nesting expression the first part is outermost.
pub(super) fn is_smime(binding_id: &str) -> bool {
    let outermost = memchr::memchr2(b'|', b';', binding_id.as_bytes()).unwrap_or(binding_id.len());
    let media_type = binding_id[..outermost].trim();
    SMIME.iter().any(|name| media_type.eq_ignore_ascii_case(name))
}

/// A text on its way to the sink.
#[derive(Debug)]
pub(super) struct Text {
    form: Form,
    judge: Judge,
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
    /// From digits.
    Digits(Digits),
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
            (Form::Digits(Digits::new(Base::Base64)), Judge::Settled(Format::Smime))
        } else if smime && text.starts_with(b"-----BEGIN ") {
            (Form::Verbatim, Judge::Settled(Format::Smime))
        } else if let Some(decoded) = hexadecimal(text, whole) {
            remarks.push("the content was written as hexadecimal digits");
            leave_out = HEXADECIMAL.len();
            (Form::Digits(Digits::new(Base::Hexadecimal)), Judge::of_bytes(&decoded, depth))
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
        Self { form, judge, remarks, blank: true, leave_out }
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
            Form::Digits(digits) => digits.decode(text, to),
        }
        self.judge.feed(&to[start..]);
    }

    /// What follows is faulty and will be raw: appends what is left.
    pub(super) fn give_up(&mut self, to: &mut Vec<u8>) {
        if let Form::Digits(digits) = &mut self.form {
            digits.give_up(to);
        }
    }

    /// The text is complete. Appends what is left over; `whole`: what was made of it is all in `to`.
    pub(super) fn finish(mut self, to: &mut Vec<u8>, whole: bool) -> Judgement {
        let start = to.len();
        let decoded = match &mut self.form {
            Form::Digits(digits) => digits.finish(to),
            Form::Trimmed | Form::Verbatim => Ok(()),
        };
        self.judge.feed(&to[start..]);
        let (format, root, deep) = self.judge.finish(whole.then_some(&to[..]));
        let fault = decoded.err().map(|what| Fault::Undecodable(what.to_owned()));
        Judgement { format, root, fault: fault.or(deep), remarks: self.remarks }
    }
}

/// Whether the lines up to the first empty one hold a header that MIME entities have.
fn has_mime_headers(text: &[u8]) -> bool {
    let mut lines = text.split(|&b| b == b'\n').take_while(|line| !trim(line).is_empty()).take(100);
    let begins = |line: &[u8], name: &[u8]| line.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    lines.any(|line| begins(line, b"MIME-Version:") || begins(line, b"Content-"))
}
