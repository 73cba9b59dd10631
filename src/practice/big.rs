//! A Poll_Response of any size that is never in memory.

use bytes::Bytes;

use super::acts::Chunks;

/// How contents are written between the tags of Content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// An element that declares its own namespaces.
    #[default]
    Element,
    /// An element whose namespaces are declared on the root of the message only.
    Inherited,
    /// A document as escaped text.
    Escaped,
    /// A document in a CDATA section.
    Cdata,
    /// A document as base64 text.
    Base64,
}

/// A Poll_Response with `blocks` different STIX packages of about `block_size` bytes each.
#[derive(Clone, Debug)]
pub struct BigResponse {
    /// How many Content_Blocks.
    pub blocks: u64,
    /// The size of one content, in bytes as it is written; at least a few hundred.
    pub block_size: usize,
    /// How contents are written.
    pub style: Style,
    /// `more` and `result_id`: the client then asks for another part.
    pub more: Option<String>,
    /// `result_part_number`.
    pub part: u32,
}

impl BigResponse {
    /// One whole result.
    pub fn new(blocks: u64, block_size: usize, style: Style) -> Self {
        Self { blocks, block_size, style, more: None, part: 1 }
    }
}
