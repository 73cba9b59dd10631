//! Start tags that are longer than is read. Their elements are there, so that the structure stays readable, but nothing
//! is known of them but the name: that is a fault.

use std::mem;

use quick_xml::parser::{ElementParser, Parser};

use super::{MAX_MARKUP, Progress, Scanner, State, TEXT, Window};
use crate::xml::Consumer;
use crate::xml::chars::is_space;
use crate::xml::error::{Error, FaultKind};
use crate::xml::token::Kind;

/// Where a long tag is: in or outside quotes, and whether a `/` stands right before.
pub(super) type Within = (ElementParser, bool);

impl Scanner {
    /// Opens the element of the pending tag, which turned out to be too long, by its name. `None`: too much is unclear
    /// for that. Where there is a `<`, a quote may be missing, and the tag would end anywhere.
    #[cold]
    pub(super) fn begin_long_tag<C: Consumer>(
        &mut self,
        window: Window<'_>,
        consumer: &mut C,
    ) -> Result<Option<bool>, Error<C::Error>> {
        let raw = mem::take(&mut self.pending);
        let is_clear = self.names.depth() > 0 && memchr::memchr(b'<', &raw[1..]).is_none();
        let Some(name) = raw.iter().position(|&b| is_space(b)).filter(|_| is_clear) else {
            self.pending = raw;
            return Ok(None);
        };
        self.fault_inside(window, b"", FaultKind::TagTooLong(MAX_MARKUP), consumer)?;
        let read = self.tag.read(&[&raw[..name], b">"].concat());
        // It is faulty already, and how it ends is not known yet.
        (self.tag.fault, self.tag.empty) = (None, false);
        self.element(window, &raw, true, read, consumer)?;
        Ok(Some(raw.ends_with(b"/")))
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
}
