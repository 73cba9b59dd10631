//! An Inbox_Message assembled around the files' own bytes.

use crate::peer::Peer;
use crate::store::StoreError;
use crate::store::disk::FileReader;
use crate::store::ledger::FileRow;
use crate::taxii::encode::{BlockHead, EncodeError, inbox_envelope};
use crate::taxii::message::{ContentBinding, Header, InboxMessage};
use crate::wire;

/// Why a message cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    /// A file cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name in the configuration cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A message with one Content_Block for each file; its length is known before it is sent.
pub(super) fn assemble(
    peer: &Peer,
    header: &Header,
    destinations: &[String],
    files: &[(&FileRow, FileReader)],
) -> Result<wire::Body, MessageError> {
    let message = InboxMessage { destinations: destinations.to_vec(), ..InboxMessage::default() };
    let heads: Vec<BlockHead> = files.iter().map(|(file, _)| block_head(file)).collect();
    let envelope = inbox_envelope(peer.version, header, &message, &heads)?;
    let mut body = wire::Body::new().bytes(envelope.head);
    for ((before, after), (file, content)) in envelope.blocks.into_iter().zip(files) {
        body = body.bytes(before).file(content.shared(), file.body.clone()).bytes(after);
    }
    Ok(body.bytes(envelope.tail))
}

fn block_head(file: &FileRow) -> BlockHead {
    let id = file.binding.clone().unwrap_or_default();
    BlockHead { binding: ContentBinding { id, subtypes: Vec::new() }, ..BlockHead::default() }
}
