//! Reading a message as it arrives, at constant memory.
//!
//! The body decides, not its headers: whatever they say, a body whose root is in a namespace of TAXII is a message
//! (protocol reference, 2.2). The order of the elements does not matter, and what is not known is ignored. Content
//! blocks go to a [`BlockSink`] while they come; of the rest, which is small, a [`Message`] is made at the end.

mod characters;
mod digits;
mod element;
mod fields;
mod inherit;
mod judge;
mod outlet;
mod reader;
mod slice;
mod sniff;
#[cfg(test)]
mod tests;
mod text;

use std::convert::Infallible;
use std::ops::Range;

use self::reader::Reader;
use super::message::{ContentBlock, Message};
use crate::xml::encoding::Rules;
use crate::xml::{Document, Error, Options};

/// Where the contents of content blocks go while a message is read.
///
/// For every Content_Block the decoder calls [`write`](BlockSink::write) any number of times with the content's
/// bytes, any number of times [`replace`](BlockSink::replace) after them, and then [`block`](BlockSink::block) once.
pub trait BlockSink {
    /// What the sink fails with; it ends the decoding.
    type Error;

    /// Whether taking a content may wait, for a disk say.
    const WAITS: bool = true;

    /// A message begins; this is the `result_id` of its root.
    fn begins(&mut self, _result_id: Option<&str>) {}

    /// Takes the next bytes of the current block's content.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Learns the next bytes of a content that is over the size limit: they are not to be kept, but two contents that
    /// differ in them are not the same.
    fn beyond(&mut self, _bytes: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Puts other bytes, or none, in the place of a range of what was written for the current block: what turns out
    /// not to belong to the content is taken back, and what had been added to a root element when the content turns
    /// out to be a fragment. Of several ranges the last one comes first, so that the others keep their places.
    fn replace(&mut self, range: Range<u64>, by: &[u8]) -> Result<(), Self::Error>;

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
    #[error("{name} is larger than the limit of {value}")]
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
pub struct Decoder<S: BlockSink> {
    document: Document,
    reader: Reader<S>,
    /// The beginning of the body, for saying what it is if it is no message.
    head: Vec<u8>,
    /// What was wrong already before enough of the body was there to say what it is.
    failed: Option<Error<DecodeError<S::Error>>>,
}

impl<S: BlockSink> Decoder<S> {
    /// A decoder at the start of a message. `charset` is the Content-Type's, and is believed last.
    pub fn new(limits: Limits, charset: Option<&str>, sink: S) -> Self {
        let encoding = Rules { charset: charset.map(Into::into), leading_space: true };
        // The depth is counted inside of contents.
        let options = Options { encoding, depth: limits.depth.saturating_add(slice::CONTENT_DEPTH) };
        Self { document: Document::new(options), reader: Reader::new(limits, sink), head: Vec::new(), failed: None }
    }

    /// Takes the next bytes of the body. After an error the decoder is of no use.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), DecodeError<S::Error>> {
        let missing = sniff::HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        let fed = if self.failed.is_none() { self.document.feed(bytes, &mut self.reader) } else { Ok(()) };
        match self.failed.take().map_or(fed, Err) {
            Err(error) if !self.reader.is_taxii() && self.head.len() < sniff::HEAD => {
                self.failed = Some(error);
                Ok(())
            }
            result => result.map_err(|error| self.told(error)),
        }
    }

    /// The body is complete: the message and the sink.
    pub fn finish(mut self) -> Result<(Message, S), DecodeError<S::Error>> {
        let finished = self.failed.take().map_or_else(|| self.document.finish(&mut self.reader), Err);
        finished.map_err(|error| self.told(error))?;
        let (message, sink) = self.reader.into_parts();
        Ok((message.ok_or(DecodeError::CutShort)?, sink))
    }

    /// An error of the document in the words of this room. Before the root was a message's, what the body looks like
    /// is worth more than what is wrong with it as XML.
    fn told(&self, error: Error<DecodeError<S::Error>>) -> DecodeError<S::Error> {
        if !self.reader.is_taxii()
            && let Some(found) = sniff::looks_like(&self.head)
        {
            return DecodeError::NotTaxii { found };
        }
        match error {
            Error::Broken { at, what } => DecodeError::NotWellFormed { line: at.line, what },
            Error::CutShort | Error::Empty => DecodeError::CutShort,
            Error::Doctype { .. } => DecodeError::Doctype,
            Error::Limit { name, value, .. } => DecodeError::Limit { name, value },
            Error::Encoding(what) => DecodeError::Encoding(what),
            Error::Consumer(error) => error,
        }
    }

    /// The sink.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.reader.sink
    }
}

/// Reads a whole message from memory and drops the contents of its blocks.
pub fn message(bytes: &[u8], charset: Option<&str>) -> Result<Message, DecodeError<Infallible>> {
    let mut decoder = Decoder::new(Limits::default(), charset, Dropped);
    decoder.feed(bytes)?;
    Ok(decoder.finish()?.0)
}

/// Drops everything.
#[derive(Debug)]
struct Dropped;

impl BlockSink for Dropped {
    type Error = Infallible;

    fn write(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn replace(&mut self, _: Range<u64>, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn block(&mut self, _: ContentBlock) -> Result<(), Infallible> {
        Ok(())
    }
}
