//! An Inbox_Message assembled around the files' own bytes.

use std::ops::Range;

use crate::peer::Peer;
use crate::store::StoreError;
use crate::store::disk::FileReader;
use crate::taxii::encode::{BlockHead, EncodeError, inbox_envelope};
use crate::taxii::message::{ContentBinding, Header, InboxMessage};
use crate::wire;

/// Why a message cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// A file cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read.
    #[error("cannot read a file: {0}")]
    Read(#[from] std::io::Error),
    /// A name in the configuration cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// One Content_Block to be sent.
#[derive(Clone, Debug)]
pub struct Block {
    /// Content Binding.
    pub binding: String,
    /// The open file with its content.
    pub content: FileReader,
    /// The bytes of the file that are sent.
    pub range: Range<u64>,
}

/// A message with these blocks; its length is known before it is sent.
pub fn assemble(
    peer: &Peer,
    header: &Header,
    destinations: &[String],
    blocks: &[Block],
) -> Result<wire::Body, MessageError> {
    let message = InboxMessage { destinations: destinations.to_vec(), ..InboxMessage::default() };
    let heads: Vec<BlockHead> = blocks.iter().map(head).collect();
    let envelope = inbox_envelope(peer.version, header, &message, &heads)?;
    let mut body = wire::Body::new().bytes(envelope.head);
    for ((before, after), block) in envelope.blocks.into_iter().zip(blocks) {
        body = body.bytes(before).file(block.content.shared(), block.range.clone()).bytes(after);
    }
    Ok(body.bytes(envelope.tail))
}

fn head(block: &Block) -> BlockHead {
    BlockHead { binding: ContentBinding { id: block.binding.clone(), subtypes: Vec::new() }, ..BlockHead::default() }
}
