//! A whole document: encoding and scanner together.

use super::encoding::{Front, Rules, Unknown};
use super::{Consumer, Error, Scanner};

/// How a document is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How its encoding is found.
    pub encoding: Rules,
    /// The deepest nesting of elements that is no fault.
    pub depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { encoding: Rules::default(), depth: 512 }
    }
}

/// A document being read, in whatever encoding it is.
#[derive(Debug)]
pub struct Document {
    front: Front,
    scanner: Scanner,
}

impl Document {
    /// A reader at the start of a document.
    pub fn new(options: Options) -> Self {
        Self { front: Front::new(options.encoding), scanner: Scanner::new(options.depth) }
    }

    /// Takes the next bytes of the document. After an error the reader is of no use.
    pub fn feed<C: Consumer>(&mut self, bytes: &[u8], consumer: &mut C) -> Result<(), Error<C::Error>> {
        self.front.feed(bytes, |piece| self.scanner.feed(piece, consumer))
    }

    /// The document is complete.
    pub fn finish<C: Consumer>(&mut self, consumer: &mut C) -> Result<(), Error<C::Error>> {
        self.front.finish(|piece| self.scanner.feed(piece, consumer))?;
        self.scanner.finish(consumer)
    }

    /// How many bytes of the source stand before offset 0 (a byte order mark), where the source is UTF-8, so that
    /// offsets plus this number are offsets in the source; `None` where the document had to be transcoded.
    pub fn source_offset(&self) -> Option<u64> {
        self.front.source_offset()
    }
}

impl<E> From<Unknown> for Error<E> {
    fn from(unknown: Unknown) -> Self {
        Error::Encoding(unknown.to_string())
    }
}
