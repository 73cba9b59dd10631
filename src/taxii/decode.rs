//! Reading a message as it arrives, at constant memory.

use std::ops::Range;

use super::message::ContentBlock;

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
