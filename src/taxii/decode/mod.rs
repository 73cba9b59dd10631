//! Reading a message as it arrives, at constant memory.

use std::convert::Infallible;
use std::ops::Range;

use super::message::{ContentBlock, Message};

/// Where the contents of content blocks go while a message is read.
///
/// For every Content_Block the decoder calls [`write`](BlockSink::write) any number of times with the content's
/// bytes, at most once [`cut`](BlockSink::cut) after them, and then [`block`](BlockSink::block) once.
pub trait BlockSink {
    /// What the sink fails with; it ends the decoding.
    type Error;

    /// Takes the next bytes of the current block's content.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Takes back a range of what was written for the current block: what had been added to a root element, when
    /// the content turns out to be a fragment.
    fn cut(&mut self, range: Range<u64>) -> Result<(), Self::Error>;

    /// The current block is complete, with what was learnt about it. A content over the size limit, or a block
    /// without content, had nothing (or not everything) written.
    fn block(&mut self, block: ContentBlock) -> Result<(), Self::Error>;
}

/// What is read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest content of one block, in bytes.
    pub max_content_block: u64,
    /// The deepest nesting of elements inside a content.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_content_block: 256 << 20, depth: 512 }
    }
}

/// Why a message cannot be read. Completes "cannot read the reply: …".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError<E> {
    /// The envelope is not well formed, or the blocks cannot be told apart.
    #[error("not well formed: line {line}: {what}")]
    NotWellFormed {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The body ends before the message does.
    #[error("cut short: the body ends before the message does")]
    CutShort,
    /// The body has a document type declaration.
    #[error("the body has a DOCTYPE, which is not accepted")]
    Doctype,
    /// The body is something else.
    #[error("not a TAXII message: the body is {found}")]
    NotTaxii {
        /// What it looks like, escaped and cut at 60 characters.
        found: String,
    },
    /// A version of TAXII that is not spoken here.
    #[error("a TAXII version that is not supported: {namespace}")]
    UnsupportedVersion {
        /// The root's namespace, escaped.
        namespace: String,
    },
    /// Something is larger than is read.
    #[error("{name} larger than the limit of {value}")]
    Limit {
        /// What is limited.
        name: &'static str,
        /// The limit.
        value: u64,
    },
    /// An encoding that is not known, or bytes that are not in it.
    #[error("{0}")]
    Encoding(String),
    /// The sink failed.
    #[error(transparent)]
    Sink(E),
}

/// A message being read.
#[derive(Debug)]
pub struct Decoder<S: BlockSink> {
    sink: S,
}

impl<S: BlockSink> Decoder<S> {
    /// A decoder at the start of a message. `charset` is the Content-Type's.
    pub fn new(_limits: Limits, _charset: Option<&str>, sink: S) -> Self {
        Self { sink }
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, _bytes: &[u8]) -> Result<(), DecodeError<S::Error>> {
        Ok(())
    }

    /// The body is complete: the message and the sink.
    pub fn finish(self) -> Result<(Message, S), DecodeError<S::Error>> {
        Err(DecodeError::CutShort)
    }

    /// The sink.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }
}

/// Reads a whole message from memory and drops the contents of its blocks.
pub fn message(_bytes: &[u8], _charset: Option<&str>) -> Result<Message, DecodeError<Infallible>> {
    Err(DecodeError::CutShort)
}
