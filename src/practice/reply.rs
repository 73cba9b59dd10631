//! A Poll_Response as a value of plain text, so that every part of it can be made wrong.

use bytes::Bytes;

use crate::taxii::Version;
use crate::taxii::message::ContentBinding;

use super::page::Page;

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

/// Writes a Poll_Response (XML Message Binding 1.1, section 3.9; 1.0, section 3.9).
pub(super) fn write_poll(reply: &PollReply) -> Vec<u8> {
    let mut page = Page::new(&reply.prefix);
    page.head(reply);
    for block in &reply.blocks {
        page.block(reply.version, block);
    }
    page.close("Poll_Response");
    page.bytes
}

/// The same without any block, cut where the blocks belong.
pub(super) fn poll_halves(reply: &PollReply) -> (Vec<u8>, Vec<u8>) {
    let mut head = Page::new(&reply.prefix);
    head.head(reply);
    let mut tail = Page::new(&reply.prefix);
    tail.bytes.clear();
    tail.close("Poll_Response");
    (head.bytes, tail.bytes)
}

/// What stands before and after the content of one block.
pub(super) fn block_halves(reply: &PollReply, block: &BlockReply) -> (Vec<u8>, Vec<u8>) {
    let mut page = Page::new(&reply.prefix);
    page.bytes.clear();
    page.before_content(reply.version, block);
    let before = std::mem::take(&mut page.bytes);
    page.after_content(reply.version, block);
    (before, page.bytes)
}

impl Page {
    /// Everything up to the first block.
    fn head(&mut self, reply: &PollReply) {
        let v10 = reply.version == Version::V10;
        let eleven = |value: &Option<String>| if v10 { None } else { value.clone() };
        let name = if v10 { "feed_name" } else { "collection_name" };
        let attributes = [
            ("message_id", Some(reply.message_id.clone())),
            ("in_response_to", reply.in_response_to.clone()),
            (name, Some(reply.collection.clone())),
            ("subscription_id", reply.subscription_id.clone().filter(|_| v10)),
            ("more", eleven(&reply.more)),
            ("result_id", eleven(&reply.result_id)),
            ("result_part_number", eleven(&reply.part)),
        ];
        let attributes: Vec<_> = attributes.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        self.root("Poll_Response", reply.version, &reply.root_attributes, &attributes);
        if v10 {
            self.element("Message", reply.message.as_deref());
        } else {
            self.element("Subscription_ID", reply.subscription_id.as_deref());
        }
        let begin = if v10 { "Inclusive_Begin_Timestamp" } else { "Exclusive_Begin_Timestamp" };
        let mut bounds = [(begin, &reply.begin), ("Inclusive_End_Timestamp", &reply.end)];
        if reply.begin_after_end {
            bounds.reverse();
        }
        for (name, value) in bounds {
            self.element(name, value.as_deref());
        }
        if !v10 {
            self.count(reply);
            self.element("Message", reply.message.as_deref());
        }
    }

    fn count(&mut self, reply: &PollReply) {
        if let Some(count) = &reply.record_count {
            self.element_with("Record_Count", &[("partial_count", reply.partial_count.then_some("true"))], count);
        }
    }

    fn block(&mut self, version: Version, block: &BlockReply) {
        self.before_content(version, block);
        self.bytes.extend_from_slice(&block.content);
        self.after_content(version, block);
    }

    fn before_content(&mut self, version: Version, block: &BlockReply) {
        self.open("Content_Block", &[]);
        match version {
            Version::V10 => self.element("Content_Binding", Some(&block.binding.id)),
            Version::V11 => {
                self.open("Content_Binding", &[("binding_id", Some(&block.binding.id))]);
                for subtype in &block.binding.subtypes {
                    self.element_with("Subtype", &[("subtype_id", Some(subtype))], "");
                }
                self.close("Content_Binding");
            }
        }
        self.open("Content", &[]);
    }

    fn after_content(&mut self, version: Version, block: &BlockReply) {
        self.close("Content");
        self.element("Timestamp_Label", block.label.as_deref());
        self.element("Message", block.message.as_deref().filter(|_| version == Version::V11));
        self.close("Content_Block");
    }
}
