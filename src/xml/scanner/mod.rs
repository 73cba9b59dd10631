//! The scanner: bytes of UTF-8 in, tokens out, in one pass and without a copy where a token lies inside what is fed.
//!
//! Characters are checked a window at a time, which vectorises; only where something is wrong in a window are its
//! tokens looked at one by one. Tags and processing instructions that reach over the end of what was fed are all that
//! is ever buffered, up to a length; texts, sections and comments are handed on in pieces.

mod long;
mod markup;
mod names;

use std::mem;
use std::ops::Range;

use quick_xml::parser::{ElementParser, PiParser};

use self::long::Within;
use self::names::Names;
use super::Consumer;
use super::chars::{self, Illegal};
use super::error::{Error, Fault, FaultKind, Position};
use super::reference::{self, Found};
use super::scope::Scope;
use super::tag::Tag;
use super::token::{Kind, Token};

/// The longest tag or processing instruction in bytes that is read as a whole.
const MAX_MARKUP: usize = 1 << 20;
/// What is checked at once; small enough to be in the cache still when it is scanned.
const WINDOW: usize = 32 << 10;

/// Reads a document that is UTF-8 already, without a byte order mark.
#[derive(Debug)]
pub struct Scanner {
    max_depth: usize,
    state: State,
    /// The beginning of an unfinished token, whether it consists of legal characters, and its place.
    pending: Vec<u8>,
    pending_legal: bool,
    pending_at: Position,
    /// The beginning of an unfinished UTF-8 sequence, up to three bytes, at the end of what was fed.
    sequence: Vec<u8>,
    /// Bytes that were handed on as tokens.
    emitted: u64,
    /// Bytes that were fed.
    fed: u64,
    /// Lines are counted up to here, this is the line there, and so many bytes of the document are before it.
    counted: u64,
    line: u64,
    line_start: u64,
    names: Names,
    scope: Scope,
    tag: Tag,
    root_seen: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In text, or between markup; so many `]` stand right before.
    Text { brackets: usize },
    /// After an `&`, which begins `pending`.
    Reference,
    /// After a `<`, which begins `pending`; it is not yet clear what it begins.
    Opening,
    /// In a start tag that begins `pending`.
    StartTag(ElementParser),
    /// In a start tag that is longer than is read.
    LongTag(Within),
    /// In an end tag that begins `pending`.
    EndTag,
    /// In an end tag that is longer than is read, whose element has ended already.
    LongEndTag,
    /// In a processing instruction that begins `pending`.
    Instruction(PiParser),
    /// In a processing instruction that is handed on in pieces.
    LongInstruction(PiParser),
    /// In a comment; so many `-` stand right before.
    Comment { dashes: usize },
    /// In a CDATA section; up to two `]` that may begin its end are in `pending`.
    Section,
}

/// Between markup.
const TEXT: State = State::Text { brackets: 0 };

/// Some of what is fed; it ends where a character ends.
#[derive(Clone, Copy)]
struct Window<'a> {
    bytes: &'a [u8],
    /// Its offset in the document.
    base: u64,
    /// Whether it is known to consist of legal characters.
    legal: bool,
}

impl Window<'_> {
    fn offset(&self, at: usize) -> u64 {
        self.base + at as u64
    }
}

/// How far the window was read, or the end of the document's reading.
type Progress<E> = Result<usize, Error<E>>;

impl Scanner {
    /// A scanner at the start of a document. Elements nested deeper than `max_depth` are faults.
    pub fn new(max_depth: usize) -> Self {
        Self {
            max_depth,
            state: TEXT,
            pending: Vec::new(),
            pending_legal: true,
            pending_at: Position::default(),
            sequence: Vec::new(),
            emitted: 0,
            fed: 0,
            counted: 0,
            line: 1,
            line_start: 0,
            names: Names::default(),
            scope: Scope::default(),
            tag: Tag::default(),
            root_seen: false,
        }
    }

    /// Takes the next bytes of the document. After an error the scanner is of no use.
    pub fn feed<C: Consumer>(&mut self, bytes: &[u8], consumer: &mut C) -> Result<(), Error<C::Error>> {
        let mut rest = self.complete_sequence(bytes, consumer)?;
        while !rest.is_empty() {
            let window = &rest[..rest.len().min(WINDOW)];
            let whole = window.len() - chars::incomplete_tail(window);
            if whole == 0 {
                self.sequence.extend_from_slice(rest);
                break;
            }
            self.window(&rest[..whole], consumer)?;
            rest = &rest[whole..];
        }
        Ok(())
    }

    /// The document is complete.
    pub fn finish<C: Consumer>(&mut self, consumer: &mut C) -> Result<(), Error<C::Error>> {
        let sequence = mem::take(&mut self.sequence);
        self.window(&sequence, consumer)?;
        match self.state {
            State::Text { .. } if self.names.depth() == 0 && self.root_seen => Ok(()),
            State::Text { .. } if !self.root_seen => Err(Error::Empty),
            _ => Err(Error::CutShort),
        }
    }

    /// Reads on in a UTF-8 sequence that was cut, and returns what comes after it.
    fn complete_sequence<'a, C: Consumer>(
        &mut self,
        bytes: &'a [u8],
        consumer: &mut C,
    ) -> Result<&'a [u8], Error<C::Error>> {
        let Some(lead) = self.sequence.first() else { return Ok(bytes) };
        let missing = chars::sequence_length(*lead) - self.sequence.len();
        let found = bytes.iter().take(missing).take_while(|&&b| b & 0xC0 == 0x80).count();
        self.sequence.extend_from_slice(&bytes[..found]);
        if found == missing || found < bytes.len() {
            let sequence = mem::take(&mut self.sequence);
            self.window(&sequence, consumer)?;
        }
        Ok(&bytes[found..])
    }

    fn window<C: Consumer>(&mut self, bytes: &[u8], consumer: &mut C) -> Result<(), Error<C::Error>> {
        let window = Window { bytes, base: self.fed, legal: chars::are_legal(bytes) };
        self.fed += bytes.len() as u64;
        let mut at = 0;
        while at < bytes.len() {
            at = match self.state {
                State::Text { brackets } => self.text(window, at, brackets, consumer)?,
                State::Reference => self.more_reference(window, at, consumer)?,
                State::Opening => self.more_opening(window, at, consumer)?,
                State::StartTag(parser) => self.more_start_tag(window, at, parser, consumer)?,
                State::LongTag(within) => self.more_long_tag(window, at, within, consumer)?,
                State::EndTag => self.more_end_tag(window, at, consumer)?,
                State::LongEndTag => self.long_end_tag(window, at, consumer)?,
                State::LongInstruction(parser) => self.long_instruction(window, at, parser, consumer)?,
                State::Instruction(parser) => self.more_instruction(window, at, parser, consumer)?,
                State::Comment { dashes } => self.comment(window, at, dashes, consumer)?,
                State::Section => self.section(window, at, consumer)?,
            };
        }
        self.position(window, self.fed);
        Ok(())
    }

    /// Reads text up to the next markup or reference, and that, too, if all of it is there.
    fn text<C: Consumer>(
        &mut self,
        window: Window<'_>,
        mut start: usize,
        mut brackets: usize,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        let bytes = window.bytes;
        let mut at = start;
        while let Some(found) = memchr::memchr3(b'<', b'&', b'>', &bytes[at..]) {
            at += found;
            if bytes[at] != b'>' {
                self.characters(window, start..at, consumer)?;
                return match bytes[at] {
                    b'&' => self.reference(window, at, consumer),
                    _ => self.opening(window, at, consumer),
                };
            }
            if trailing_brackets(&bytes[start..at], brackets) >= 2 {
                self.characters(window, start..at, consumer)?;
                self.fault(window, window.offset(at), FaultKind::SectionEndInText, consumer)?;
                (start, brackets) = (at, 0);
            }
            at += 1;
        }
        self.characters(window, start..bytes.len(), consumer)?;
        self.state = State::Text { brackets: trailing_brackets(&bytes[start..], brackets) };
        Ok(bytes.len())
    }

    /// Hands on a piece of text.
    fn characters<C: Consumer>(
        &mut self,
        window: Window<'_>,
        range: Range<usize>,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        let start = range.start;
        let piece = &window.bytes[range];
        if piece.is_empty() {
            return Ok(());
        }
        if window.legal && self.names.depth() > 0 {
            return self.emit(Kind::Text, piece, consumer);
        }
        self.doubtful_characters(window, start, piece, consumer)
    }

    /// Hands on a piece of text that may be where or what it must not be.
    #[cold]
    fn doubtful_characters<C: Consumer>(
        &mut self,
        window: Window<'_>,
        start: usize,
        piece: &[u8],
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        if self.names.depth() == 0
            && let Some(at) = piece.iter().position(|&b| !chars::is_space(b))
        {
            return Err(self.broken(window, window.offset(start + at), "text outside the root element"));
        }
        let fault = illegal(piece, window.legal);
        self.piece(Kind::Text, piece, fault, window, consumer)
    }

    /// Hands on a piece. What stands before a fault in it is handed on first: where the pieces were cut must make no
    /// difference.
    fn piece<C: Consumer>(
        &mut self,
        kind: Kind<'_>,
        piece: &[u8],
        fault: Option<(usize, FaultKind)>,
        window: Window<'_>,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        let Some((at, fault)) = fault else { return self.emit(kind, piece, consumer) };
        let (before, rest) = piece.split_at(at);
        if !before.is_empty() {
            self.emit(kind, before, consumer)?;
        }
        self.fault(window, self.emitted, fault, consumer)?;
        self.emit(kind, rest, consumer)
    }

    fn reference<C: Consumer>(&mut self, window: Window<'_>, at: usize, consumer: &mut C) -> Progress<C::Error> {
        if self.names.depth() == 0 {
            return Err(self.broken(window, self.emitted, "text outside the root element"));
        }
        let rest = &window.bytes[at..];
        if let Some((c, length)) = reference::predefined(rest) {
            self.state = TEXT;
            self.emit(Kind::Reference(c), &rest[..length], consumer)?;
            return Ok(at + length);
        }
        match reference::find(rest) {
            Found::Unfinished => Ok(self.stash(window, at, State::Reference)),
            found => Ok(at + self.resolved(window, rest, found, consumer)?),
        }
    }

    fn more_reference<C: Consumer>(&mut self, window: Window<'_>, at: usize, consumer: &mut C) -> Progress<C::Error> {
        self.pending.push(window.bytes[at]);
        let found = reference::find(&self.pending);
        if found == Found::Unfinished {
            return Ok(at + 1);
        }
        let pending = mem::take(&mut self.pending);
        let read = self.resolved(window, &pending, found, consumer)?;
        // What showed that it is no reference is read again.
        Ok(at + 1 - (pending.len() - read))
    }

    /// Hands on what begins with an `&`, and returns its length.
    fn resolved<C: Consumer>(
        &mut self,
        window: Window<'_>,
        bytes: &[u8],
        found: Found,
        consumer: &mut C,
    ) -> Progress<C::Error> {
        self.state = TEXT;
        let (length, resolved) = match found {
            Found::Reference(length) => (length, reference::resolve(&bytes[..length])),
            Found::Stray(length) => (length, Err(FaultKind::StrayAmpersand)),
            Found::Unfinished => return Ok(0),
        };
        let kind = match resolved {
            Ok(c) => Kind::Reference(c),
            Err(fault) => {
                self.fault(window, self.emitted, fault, consumer)?;
                Kind::Text
            }
        };
        self.emit(kind, &bytes[..length], consumer)?;
        Ok(length)
    }

    /// Keeps the beginning of a token until more is fed.
    fn stash(&mut self, window: Window<'_>, at: usize, state: State) -> usize {
        self.pending_at = self.position(window, self.emitted);
        self.pending_legal = window.legal;
        self.pending.extend_from_slice(&window.bytes[at..]);
        self.state = state;
        window.bytes.len()
    }

    fn emit<C: Consumer>(&mut self, kind: Kind<'_>, raw: &[u8], consumer: &mut C) -> Result<(), Error<C::Error>> {
        let token = Token { raw, offset: self.emitted, depth: self.names.depth(), kind };
        self.emitted += raw.len() as u64;
        consumer.token(token).map_err(Error::Consumer)
    }

    #[cold]
    fn fault<C: Consumer>(
        &mut self,
        window: Window<'_>,
        offset: u64,
        kind: FaultKind,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        let at = self.position(window, offset);
        consumer.fault(Fault { at, kind }).map_err(Error::Consumer)
    }

    /// Tells of a fault in the token that comes next, behind some bytes of it.
    #[cold]
    fn fault_inside<C: Consumer>(
        &mut self,
        window: Window<'_>,
        before: &[u8],
        kind: FaultKind,
        consumer: &mut C,
    ) -> Result<(), Error<C::Error>> {
        let at = self.position(window, self.emitted).behind(before);
        consumer.fault(Fault { at, kind }).map_err(Error::Consumer)
    }

    #[cold]
    fn broken<E>(&mut self, window: Window<'_>, offset: u64, what: impl Into<String>) -> Error<E> {
        Error::Broken { at: self.position(window, offset), what: what.into() }
    }

    /// The line and column of an offset. Offsets are asked in ascending order, so that no line is counted twice; before the
    /// window only the beginning of the pending token is ever asked for.
    fn position(&mut self, window: Window<'_>, offset: u64) -> Position {
        if offset < window.base {
            return self.pending_at;
        }
        let (from, to) = (self.counted - window.base, offset - window.base);
        if from < to {
            let passed = &window.bytes[from as usize..to as usize];
            self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
            if let Some(last) = memchr::memrchr(b'\n', passed) {
                self.line_start = self.counted + last as u64 + 1;
            }
            self.counted = offset;
        }
        Position { offset, line: self.line, column: offset - self.line_start + 1 }
    }
}

/// The first illegal character of a token, unless there is known to be none.
fn illegal(bytes: &[u8], legal: bool) -> Option<(usize, FaultKind)> {
    if legal {
        return None;
    }
    chars::first_illegal(bytes).map(|(at, illegal)| match illegal {
        Illegal::NotUtf8 => (at, FaultKind::BadEncoding),
        Illegal::Character(c) => (at, FaultKind::BadCharacter(c)),
    })
}

/// How many `]` stand at the end of a text, `before` of them before it; two are enough to know.
fn trailing_brackets(text: &[u8], before: usize) -> usize {
    let own = text.iter().rev().take(2).take_while(|&&b| b == b']').count();
    if own == text.len() { (own + before).min(2) } else { own }
}
