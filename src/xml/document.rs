//! A whole document: encoding and scanner together.

use super::encoding::Rules;
use super::{Consumer, Error};

/// How a document is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// How its encoding is found.
    pub encoding: Rules,
    /// The deepest nesting of elements before a fault is reported.
    pub depth: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { encoding: Rules::default(), depth: 512 }
    }
}

/// A document being read.
#[derive(Debug)]
pub struct Document {}

impl Document {
    /// A reader at the start of a document.
    pub fn new(_options: Options) -> Self {
        Self {}
    }

    /// Takes the next bytes of the document.
    pub fn feed<C: Consumer>(&mut self, _bytes: &[u8], _consumer: &mut C) -> Result<(), Error<C::Error>> {
        Ok(())
    }

    /// The document is complete.
    pub fn finish<C: Consumer>(self, _consumer: &mut C) -> Result<(), Error<C::Error>> {
        Ok(())
    }

    /// How many bytes of the source stand before offset 0 (a byte order mark), where the source is UTF-8, so that
    /// offsets plus this number are offsets in the source; `None` where the document had to be transcoded.
    pub fn source_offset(&self) -> Option<u64> {
        None
    }
}
