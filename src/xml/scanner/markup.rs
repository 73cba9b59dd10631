//! Tags, processing instructions, comments and CDATA sections.

use std::mem;

use quick_xml::parser::{ElementParser, Parser, PiParser};

use super::names::Full;
use super::{MAX_MARKUP, Progress, Scanner, State, TEXT, Window, illegal};
use crate::xml::chars::{first_word, is_ncname, is_space};
use crate::xml::error::{Error, FaultKind, shown};
use crate::xml::tag::Unreadable;
use crate::xml::token::{Kind, StartTag};
use crate::xml::{Consumer, declaration};

/// What a `<` begins.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    StartTag,
    EndTag,
    Instruction,
    Comment,
    Section,
    Doctype,
    /// No markup: it should have been written as a reference.
    Stray,
    /// Markup that does not exist.
    Unreadable,
}

const COMMENT: &[u8] = b"<!--";
const SECTION: &[u8] = b"<![CDATA[";
const DOCTYPE: &[u8] = b"<!DOCTYPE";
const HTML: usize = b"<!DOCTYPE html".len();

/// What `bytes`, which begin with `<`, begin with; `None` where more must be known.
fn classify(bytes: &[u8]) -> Option<Opening> {
    match bytes.get(1)? {
        b'/' => Some(Opening::EndTag),
        b'?' => Some(Opening::Instruction),
        b'!' => {
            let kinds = [(COMMENT, Opening::Comment), (SECTION, Opening::Section), (DOCTYPE, Opening::Doctype)];
            for (mark, kind) in kinds {
                let length = mark.len().min(bytes.len());
                // HTML writes its DOCTYPE in any case.
                if bytes[..length].eq_ignore_ascii_case(&mark[..length]) {
                    // The name is waited for, so that whoever fed it can tell a page from a document.
                    let named = kind != Opening::Doctype || bytes.len() >= HTML || bytes.contains(&b'>');
                    return (length == mark.len() && named).then_some(kind);
                }
            }
            Some(Opening::Unreadable)
        }
        b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'<' | b'&' => Some(Opening::Stray),
        _ => Some(Opening::StartTag),
    }
}

impl Scanner {
    /// Reads the markup at `at`, if all of it is there.
    pub(super) fn opening<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let rest = &window.bytes[at..];
        match classify(rest) {
            None => Ok(self.stash(window, at, State::Opening)),
            Some(Opening::StartTag) => {
                if let Some(length) = self.tag.read_plain(rest) {
                    self.element(window, &rest[..length], window.legal, Ok(()), consumer)?;
                    return Ok(at + length);
                }
                let mut parser = ElementParser::default();
                let Some(end) = parser.feed(&rest[1..]) else {
                    return Ok(self.stash(window, at, State::StartTag(parser)));
                };
                self.start_tag(window, &rest[..end + 2], window.legal, consumer)?;
                Ok(at + end + 2)
            }
            Some(Opening::EndTag) => {
                if let Some(length) = self.plain_end(rest) {
                    self.state = TEXT;
                    self.check(window, &rest[..length], window.legal, consumer)?;
                    self.end_element(&rest[..length], consumer)?;
                    return Ok(at + length);
                }
                let Some(end) = memchr::memchr(b'>', rest) else { return Ok(self.stash(window, at, State::EndTag)) };
                self.end_tag(window, &rest[..=end], window.legal, consumer)?;
                Ok(at + end + 1)
            }
            Some(Opening::Instruction) => {
                let mut parser = PiParser::default();
                let Some(end) = parser.feed(&rest[2..]) else {
                    return Ok(self.stash(window, at, State::Instruction(parser)));
                };
                self.instruction(window, &rest[..end + 3], window.legal, consumer)?;
                Ok(at + end + 3)
            }
            Some(other) => Ok(at + self.mark(window, rest, other, consumer)?),
        }
    }

    /// Reads on after a `<` until it is clear what it begins.
    pub(super) fn more_opening<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        self.pending.push(window.bytes[at]);
        self.pending_legal &= window.legal;
        let Some(opening) = classify(&self.pending) else { return Ok(at + 1) };
        match opening {
            Opening::StartTag => {
                // The byte may be the tag's end already, so it is read again as a part of the tag.
                self.pending.truncate(1);
                self.state = State::StartTag(ElementParser::default());
                Ok(at)
            }
            Opening::EndTag => {
                self.state = State::EndTag;
                Ok(at + 1)
            }
            Opening::Instruction => {
                self.state = State::Instruction(PiParser::default());
                Ok(at + 1)
            }
            other => {
                let pending = mem::take(&mut self.pending);
                let read = self.mark(window, &pending, other, consumer)?;
                Ok(at + 1 - (pending.len() - read))
            }
        }
    }

    /// Hands on the mark that begins a comment or a section, or the `<` that begins nothing; returns its length.
    fn mark<C: Consumer>(
        &mut self,
        window: Window<'_>,
        bytes: &[u8],
        opening: Opening,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let outside = self.names.depth() == 0;
        let (kind, length) = match opening {
            Opening::Comment => {
                self.state = State::Comment { dashes: 0 };
                (Kind::Comment, COMMENT.len())
            }
            Opening::Section | Opening::Stray if outside => {
                return Err(self.broken(window, self.emitted, "text outside the root element"));
            }
            Opening::Section if bytes.starts_with(SECTION) => {
                self.state = State::Section;
                (Kind::Section(b""), SECTION.len())
            }
            Opening::Stray => {
                self.state = TEXT;
                self.fault(window, self.emitted, FaultKind::StrayLessThan, consumer)?;
                (Kind::Text, 1)
            }
            Opening::Doctype => return Err(Error::Doctype { at: self.position(window, self.emitted) }),
            _ => return Err(self.broken(window, self.emitted, "markup that XML does not know")),
        };
        self.emit(kind, &bytes[..length], consumer)?;
        Ok(length)
    }

    pub(super) fn more_start_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        mut parser: ElementParser,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let end = parser.feed(&window.bytes[at..]).map(|end| at + end + 1);
        if self.grows_too_long(window, at, end) {
            let slash = self.begin_long_tag(window, consumer)?;
            return self.long_tag(window, at, end, (parser, slash), consumer);
        }
        self.state = State::StartTag(parser);
        self.more(window, at, end, Self::start_tag, consumer)
    }

    /// Whether the pending token, with what comes next, is longer than is read as a whole.
    fn grows_too_long(&self, window: Window<'_>, at: usize, end: Option<usize>) -> bool {
        self.pending.len() + end.unwrap_or(window.bytes.len()) - at > MAX_MARKUP
    }

    #[cold]
    pub(super) fn too_long<E>(&mut self, window: Window<'_>) -> Error<E> {
        let at = self.position(window, self.emitted);
        Error::Limit { at, name: "a tag or processing instruction", value: MAX_MARKUP as u64 }
    }

    pub(super) fn more_end_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let end = memchr::memchr(b'>', &window.bytes[at..]).map(|end| at + end + 1);
        if self.grows_too_long(window, at, end) {
            self.begin_long_end_tag(window, consumer)?;
            return self.long_end_tag(window, at, consumer);
        }
        self.more(window, at, end, Self::end_tag, consumer)
    }

    pub(super) fn more_instruction<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        mut parser: PiParser,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let before = parser;
        let end = parser.feed(&window.bytes[at..]).map(|end| at + end + 1);
        if self.grows_too_long(window, at, end) {
            self.begin_long_instruction(window, consumer)?;
            return self.long_instruction(window, at, before, consumer);
        }
        self.state = State::Instruction(parser);
        self.more(window, at, end, Self::instruction, consumer)
    }

    /// Adds to the pending token, up to where it ends if it does, and then reads it.
    fn more<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        end: Option<usize>,
        read: impl FnOnce(&mut Self, Window<'_>, &[u8], bool, &mut C) -> Result<(), Error<C::Error>>,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let to = end.unwrap_or(window.bytes.len());
        self.pending.extend_from_slice(&window.bytes[at..to]);
        self.pending_legal &= window.legal;
        if end.is_some() {
            let mut raw = mem::take(&mut self.pending);
            read(self, window, &raw, self.pending_legal, consumer)?;
            raw.clear();
            self.pending = raw;
        }
        Ok(to)
    }

    /// Tells of an illegal character in a token that is read as a whole.
    fn check<C: Consumer>(
        &mut self,
        window: Window<'_>,
        raw: &[u8],
        legal: bool,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        if legal {
            return Ok(());
        }
        match illegal(raw, legal) {
            Some((at, kind)) => self.fault_inside(window, &raw[..at], kind, consumer),
            None => Ok(()),
        }
    }

    fn start_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        raw: &[u8],
        legal: bool,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        let read = self.tag.read(raw);
        self.element(window, raw, legal, read, consumer)
    }

    /// Takes a start tag that was read.
    pub(super) fn element<C: Consumer>(
        &mut self,
        window: Window<'_>,
        raw: &[u8],
        legal: bool,
        read: Result<(), Unreadable>,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        self.state = TEXT;
        self.check(window, raw, legal, consumer)?;
        if self.root_seen && self.names.depth() == 0 {
            return Err(self.broken(window, self.emitted, "a second root element"));
        }
        if read.is_err() {
            return Err(self.broken(window, self.emitted, "a < inside a tag"));
        }
        self.root_seen = true;
        if let Err(Full) = self.names.push(self.tag.written(raw)) {
            self.fault(window, self.emitted, FaultKind::NamesTooLong, consumer)?;
        }
        let depth = self.names.depth();
        self.scope.enter(depth);
        self.tag.resolve(raw, &mut self.scope);
        if depth == self.max_depth + 1 {
            self.fault(window, self.emitted, FaultKind::TooDeep(self.max_depth), consumer)?;
        }
        if let Some((at, fault)) = self.tag.fault.take() {
            self.fault_inside(window, &raw[..at], fault, consumer)?;
        }
        let empty = self.tag.empty;
        let tag = StartTag {
            name: self.tag.resolved(raw, &self.scope),
            name_end: self.tag.name_end(),
            empty,
            scope: &self.scope,
            raw,
            spans: &self.tag.spans,
        };
        let token = crate::xml::Token { raw, offset: self.emitted, depth, kind: Kind::Start(tag) };
        consumer.token(token).map_err(Error::Consumer)?;
        self.emitted += raw.len() as u64;
        if empty { self.end_element(b"", consumer) } else { Ok(()) }
    }

    /// The length of the end tag that some bytes begin with, if it ends the innermost element and nothing stands in it but
    /// that one's name.
    fn plain_end(&self, bytes: &[u8]) -> Option<usize> {
        let open = self.names.last()?;
        let after = bytes[2..].strip_prefix(open)?;
        (after.first() == Some(&b'>')).then_some(open.len() + 3)
    }

    fn end_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        raw: &[u8],
        legal: bool,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        self.state = TEXT;
        self.check(window, raw, legal, consumer)?;
        let inner = &raw[2..raw.len() - 1];
        let name = first_word(inner);
        self.pair(window, name, usize::MAX)?;
        if !inner[name.len()..].iter().all(|&b| is_space(b)) {
            self.fault(window, self.emitted, FaultKind::BadTag("something after the name in an end tag"), consumer)?;
        }
        self.end_element(raw, consumer)
    }

    /// Makes sure that an end tag is the innermost element's, as far as that one's name was kept. So many bytes of the
    /// names are compared.
    pub(super) fn pair<E>(&mut self, window: Window<'_>, name: &[u8], compared: usize) -> Result<(), Error<E>> {
        let what = match self.names.last() {
            None if self.names.depth() == 0 => format!("</{}> without its start tag", shown(name)),
            Some(open) if open.iter().take(compared).ne(name.iter().take(compared)) => {
                format!("</{}> where <{}> should end", shown(name), shown(open))
            }
            _ => return Ok(()),
        };
        Err(self.broken(window, self.emitted, what))
    }

    pub(super) fn end_element<C: Consumer>(&mut self, raw: &[u8], consumer: &mut C) -> Result<(), Error<C::Error>> {
        self.emit(Kind::End, raw, consumer)?;
        self.scope.leave();
        self.names.pop();
        Ok(())
    }

    fn instruction<C: Consumer>(
        &mut self,
        window: Window<'_>,
        raw: &[u8],
        legal: bool,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        self.state = TEXT;
        self.check(window, raw, legal, consumer)?;
        let inner = &raw[2..raw.len() - 2];
        let target = first_word(inner);
        if target == b"xml" && self.emitted == 0 {
            return match declaration::check(&inner[target.len()..]) {
                Ok(()) => self.emit(Kind::Declaration, raw, consumer),
                Err(what) => Err(self.broken(window, 0, what)),
            };
        }
        self.target(window, target, consumer)?;
        self.emit(Kind::Instruction, raw, consumer)
    }

    /// Tells of a target that is none.
    pub(super) fn target<C: Consumer>(
        &mut self,
        window: Window<'_>,
        target: &[u8],
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        if target.eq_ignore_ascii_case(b"xml") || !is_ncname(target) {
            self.fault(window, self.emitted, FaultKind::BadTarget(shown(target)), consumer)?;
        }
        Ok(())
    }

    /// Reads on in a comment, which ends with the first `--`.
    pub(super) fn comment<C: Consumer>(
        &mut self,
        window: Window<'_>,
        start: usize,
        mut dashes: usize,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let bytes = window.bytes;
        let mut at = start;
        let mut double = None;
        while at < bytes.len() {
            match (dashes, bytes[at]) {
                (0, _) => match memchr::memchr(b'-', &bytes[at..]) {
                    Some(found) => (at, dashes) = (at + found, 1),
                    None => at = bytes.len() - 1,
                },
                (1, b'-') => dashes = 2,
                (1, _) => dashes = 0,
                (_, b'>') => break,
                (_, next) => {
                    double.get_or_insert((at - start, FaultKind::DoubleDash));
                    dashes = if next == b'-' { 2 } else { 0 };
                }
            }
            at += 1;
        }
        let ended = at < bytes.len();
        let end = if ended { at + 1 } else { at };
        let piece = &bytes[start..end];
        let first = [double, illegal(piece, window.legal)].into_iter().flatten().min_by_key(|(at, _)| *at);
        self.state = if ended { TEXT } else { State::Comment { dashes } };
        self.piece(Kind::Comment, piece, first, window, consumer)?;
        Ok(end)
    }

    /// Reads on in a CDATA section, which ends with the first `]]>`.
    pub(super) fn section<C: Consumer>(
        &mut self,
        window: Window<'_>,
        start: usize,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        const END: &[u8] = b"]]>";
        if !self.pending.is_empty() {
            return self.more_section_end(window, start, consumer);
        }
        let rest = &window.bytes[start..];
        let found = memchr::memmem::find(rest, END);
        let held = rest.iter().rev().take(2).take_while(|&&b| b == b']').count();
        let inner = &rest[..found.unwrap_or(rest.len() - held)];
        let mut from = 0;
        if let Some((at, kind)) = illegal(inner, window.legal) {
            if at > 0 {
                self.emit(Kind::Section(&inner[..at]), &inner[..at], consumer)?;
            }
            self.fault(window, window.offset(start + at), kind, consumer)?;
            from = at;
        }
        let raw = match found {
            Some(_) => {
                self.state = TEXT;
                &rest[..inner.len() + END.len()]
            }
            None => {
                self.pending.extend_from_slice(&rest[inner.len()..]);
                inner
            }
        };
        self.emit(Kind::Section(&inner[from..]), &raw[from..], consumer)?;
        Ok(start + raw.len() + self.pending.len())
    }

    /// Reads on after one or two `]` in a CDATA section.
    fn more_section_end<C: Consumer>(&mut self, window: Window<'_>, at: usize, consumer: &mut C) -> Progress<C::Error> {
        match (self.pending.len(), window.bytes[at]) {
            (2, b'>') => {
                self.pending.clear();
                self.state = TEXT;
                self.emit(Kind::Section(b""), b"]]>", consumer)?;
                Ok(at + 1)
            }
            (1, b']') => {
                self.pending.push(b']');
                Ok(at + 1)
            }
            (held, next) => {
                // Of `]]]` the last two may still begin the end.
                let given = if next == b']' { held - 1 } else { held };
                self.pending.truncate(held - given);
                let text = &b"]]"[..given];
                self.emit(Kind::Section(text), text, consumer)?;
                Ok(at)
            }
        }
    }
}
