//! A Poll_Response as a value of plain text, so that a quirk can make every part of it wrong.

use bytes::Bytes;

use crate::taxii::Version;
use crate::taxii::message::ContentBinding;

/// A Poll_Response just before it is written. Everything is text: nothing keeps it from being wrong.
#[derive(Clone, Debug)]
pub struct PollReply {
    /// The version it is written in.
    pub version: Version,
    /// The prefix of the TAXII namespace; empty makes it the default namespace.
    pub prefix: String,
    /// Further attributes on the root element, as text.
    pub root_attributes: String,
    /// `message_id`.
    pub message_id: String,
    /// `in_response_to`.
    pub in_response_to: Option<String>,
    /// `collection_name` (1.0: `feed_name`).
    pub collection: String,
    /// `more`.
    pub more: Option<String>,
    /// `result_id`.
    pub result_id: Option<String>,
    /// `result_part_number`.
    pub part: Option<String>,
    /// Subscription_ID.
    pub subscription_id: Option<String>,
    /// Exclusive_Begin_Timestamp (1.0: Inclusive_Begin_Timestamp).
    pub begin: Option<String>,
    /// Inclusive_End_Timestamp.
    pub end: Option<String>,
    /// Begin stands after End.
    pub begin_after_end: bool,
    /// Record_Count.
    pub record_count: Option<String>,
    /// `partial_count` of it.
    pub partial_count: bool,
    /// Message.
    pub message: Option<String>,
    /// The blocks.
    pub blocks: Vec<BlockReply>,
}

/// One Content_Block of a [`PollReply`].
#[derive(Clone, Debug)]
pub struct BlockReply {
    /// Content_Binding.
    pub binding: ContentBinding,
    /// What stands between the tags of Content, as it is.
    pub content: Bytes,
    /// Timestamp_Label.
    pub label: Option<String>,
    /// Message.
    pub message: Option<String>,
}
