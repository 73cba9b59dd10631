//! Markup that is longer than is read as a whole. The elements of such tags are there, so that the structure stays
//! readable, but nothing is known of them but the name, if that: it is a fault. A processing instruction that long is
//! none.

use std::mem;

use quick_xml::parser::{ElementParser, Parser, PiParser};

use super::names::LONGEST_NAME;
use super::{MAX_MARKUP, Progress, Scanner, State, TEXT, Window, illegal};
use crate::xml::Consumer;
use crate::xml::chars::first_word;
use crate::xml::error::{Error, FaultKind};
use crate::xml::token::Kind;

/// Where a long tag is: in or outside quotes, and whether a `/` stands right before.
pub(super) type Within = (ElementParser, bool);

impl Scanner {
    /// Opens the element of the pending tag, which turned out to be too long, by its name. Tells whether a `/` stands
    /// at its end. Where there is a `<`, too much is unclear: a quote may be missing, and the tag would end anywhere.
    #[cold]
    pub(super) fn begin_long_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        consumer: &mut C,
    ) -> Result<bool, Error<C::Error>> {
        let raw = mem::take(&mut self.pending);
        if self.names.depth() == 0 || memchr::memchr(b'<', &raw[1..]).is_some() {
            return Err(self.too_long(window));
        }
        // One byte more than is kept is enough to know that it is too long a name.
        let name = first_word(&raw[..raw.len().min(LONGEST_NAME + 2)]).len();
        self.fault_inside(window, b"", FaultKind::TagTooLong(MAX_MARKUP), consumer)?;
        let read = self.tag.read(&[&raw[..name], b">"].concat());
        // It is faulty already, and how it ends is not known yet.
        (self.tag.fault, self.tag.empty) = (None, false);
        self.element(window, &raw, true, read, consumer)?;
        Ok(raw.ends_with(b"/"))
    }

    pub(super) fn more_long_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        (mut parser, slash): Within,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let end = parser.feed(&window.bytes[at..]).map(|end| at + end + 1);
        self.long_tag(window, at, end, (parser, slash), consumer)
    }

    /// Hands on what stands in a long tag up to its end, or to where the window ends, as text.
    pub(super) fn long_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        end: Option<usize>,
        (parser, slash): Within,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let to = end.unwrap_or(window.bytes.len());
        let piece = &window.bytes[at..to];
        if memchr::memchr(b'<', piece).is_some() {
            return Err(self.too_long(window));
        }
        self.emit(Kind::Text, piece, consumer)?;
        let inside = &piece[..piece.len() - usize::from(end.is_some())];
        let slash = inside.last().map_or(slash, |&last| last == b'/');
        if end.is_none() {
            self.state = State::LongTag((parser, slash));
            return Ok(to);
        }
        self.state = TEXT;
        if slash {
            self.end_element(b"", consumer)?;
        }
        Ok(to)
    }

    /// Ends the innermost element with the pending end tag, which turned out to be too long.
    #[cold]
    pub(super) fn begin_long_end_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        let raw = mem::take(&mut self.pending);
        self.pair(window, first_word(&raw[2..]), LONGEST_NAME)?;
        self.fault_inside(window, b"", FaultKind::TagTooLong(MAX_MARKUP), consumer)?;
        self.state = State::LongEndTag;
        self.end_element(&raw, consumer)
    }

    /// Hands on what stands in a long end tag up to its end, or to where the window ends.
    pub(super) fn long_end_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let end = memchr::memchr(b'>', &window.bytes[at..]).map(|end| at + end + 1);
        if end.is_some() {
            self.state = TEXT;
        }
        let to = end.unwrap_or(window.bytes.len());
        self.emit(Kind::Instruction, &window.bytes[at..to], consumer)?;
        Ok(to)
    }

    /// Hands on the pending processing instruction, which turned out to be long. What begins a document may be its
    /// declaration.
    #[cold]
    pub(super) fn begin_long_instruction<C: Consumer>(
        &mut self,
        window: Window<'_>,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        let target = first_word(&self.pending[2..]).len();
        if self.emitted == 0 || target > LONGEST_NAME {
            return Err(self.too_long(window));
        }
        let raw = mem::take(&mut self.pending);
        self.target(window, &raw[2..2 + target], consumer)?;
        let found = illegal(&raw, self.pending_legal);
        let (before, rest) = raw.split_at(found.as_ref().map_or(0, |(at, _)| *at));
        if let Some((_, kind)) = found {
            self.emit(Kind::Instruction, before, consumer)?;
            self.fault_inside(window, before, kind, consumer)?;
        }
        self.emit(Kind::Instruction, rest, consumer)
    }

    /// Hands on what stands in a long processing instruction up to its end, or to where the window ends.
    pub(super) fn long_instruction<C: Consumer>(
        &mut self,
        window: Window<'_>,
        at: usize,
        mut parser: PiParser,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let end = parser.feed(&window.bytes[at..]).map(|end| at + end + 1);
        self.state = if end.is_some() { TEXT } else { State::LongInstruction(parser) };
        let to = end.unwrap_or(window.bytes.len());
        let piece = &window.bytes[at..to];
        self.piece(Kind::Instruction, piece, illegal(piece, window.legal), window, consumer)?;
        Ok(to)
    }
}
