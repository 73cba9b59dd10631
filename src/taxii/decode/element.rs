//! The envelope as a small tree. Only what a message can hold is kept of it; the contents of blocks never are.

use std::borrow::Cow;

use crate::xml::{self, StartTag, is_space};

/// What is kept of an element that messages know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Keep {
    /// Its children.
    #[default]
    Children,
    /// Its text and its children.
    Text,
    /// Its text, for people: what is too long is cut.
    Prose,
    /// Its attributes alone.
    Attributes,
    /// What stands in it, as XML that stands alone.
    Xml,
    /// What stands in it, as it was sent, and no more than a few KiB.
    Raw,
}

/// Every element of TAXII 1.1 and 1.0 that is read. Everything else is ignored: servers add their own.
const ELEMENTS: &[(&str, Keep)] = &[
    ("Address", Keep::Text),
    ("Collection", Keep::Children),
    ("Collection_Volume", Keep::Text),
    ("Content_Binding", Keep::Text),
    ("Content_Block", Keep::Children),
    ("Description", Keep::Prose),
    ("Destination_Collection_Name", Keep::Text),
    ("Detail", Keep::Text),
    ("Exclusive_Begin_Timestamp", Keep::Text),
    ("Extended_Header", Keep::Raw),
    ("Extended_Headers", Keep::Children),
    ("Feed", Keep::Children),
    ("Inclusive_Begin_Timestamp", Keep::Text),
    ("Inclusive_End_Timestamp", Keep::Text),
    ("Message", Keep::Prose),
    ("Message_Binding", Keep::Text),
    ("Poll_Instance", Keep::Children),
    ("Poll_Parameters", Keep::Children),
    ("Polling_Service", Keep::Children),
    ("Protocol_Binding", Keep::Text),
    ("Push_Method", Keep::Children),
    ("Push_Parameters", Keep::Children),
    ("Query", Keep::Xml),
    ("Receiving_Inbox_Service", Keep::Children),
    ("Record_Count", Keep::Text),
    ("Response_Type", Keep::Text),
    ("Service_Instance", Keep::Children),
    ("Status_Detail", Keep::Text),
    ("Subscription", Keep::Children),
    ("Subscription_ID", Keep::Text),
    ("Subscription_Parameters", Keep::Children),
    ("Subscription_Service", Keep::Children),
    ("Subtype", Keep::Attributes),
    ("Supported_Query", Keep::Attributes),
    ("Timestamp_Label", Keep::Text),
];

/// The roots of messages.
const MESSAGES: &[&str] = &[
    "Collection_Information_Request",
    "Collection_Information_Response",
    "Discovery_Request",
    "Discovery_Response",
    "Feed_Information_Request",
    "Feed_Information_Response",
    "Inbox_Message",
    "Poll_Fulfillment",
    "Poll_Request",
    "Poll_Response",
    "Status_Message",
    "Subscription_Management_Request",
    "Subscription_Management_Response",
];

/// Every attribute that is read.
const ATTRIBUTES: &[&str] = &[
    "action",
    "allow_asynch",
    "available",
    "binding_id",
    "collection_name",
    "collection_type",
    "feed_name",
    "format_id",
    "in_response_to",
    "message_id",
    "more",
    "name",
    "partial_count",
    "result_id",
    "result_part_number",
    "service_type",
    "service_version",
    "status",
    "status_type",
    "subscription_id",
    "subtype_id",
];

/// Roughly what an element or attribute takes in memory beside its texts.
const COST: usize = 128;

/// One element of the envelope.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// The local name. Its namespace is one of TAXII's.
    pub(super) name: &'static str,
    /// What is kept of it.
    pub(super) keep: Keep,
    attributes: Vec<(&'static str, String)>,
    /// The characters that stand directly in it, or all that stands in it as XML.
    pub(super) text: Vec<u8>,
    pub(super) children: Vec<Element>,
    /// Whether a signature was among its children.
    pub(super) signed: bool,
}

/// What is kept of an element with a name, and that name for good.
pub(super) fn known(local: &[u8]) -> Option<(&'static str, Keep)> {
    let at = ELEMENTS.binary_search_by(|(name, _)| name.as_bytes().cmp(local)).ok()?;
    Some(ELEMENTS[at])
}

/// The name of a message for good.
pub(super) fn message_name(local: &[u8]) -> Option<&'static str> {
    MESSAGES.iter().find(|name| name.as_bytes() == local).copied()
}

impl Element {
    /// An element with the known ones of a tag's attributes.
    pub(super) fn new(name: &'static str, keep: Keep, tag: &StartTag<'_>) -> Self {
        let mut attributes = Vec::new();
        for attribute in tag.attributes().filter(|attribute| attribute.name.prefix.is_empty()) {
            let known = ATTRIBUTES.iter().find(|name| name.as_bytes() == attribute.name.local);
            attributes.extend(known.map(|name| (*name, attribute.value().into_owned())));
        }
        Self { name, keep, attributes, ..Self::default() }
    }

    /// What it takes in memory, about.
    pub(super) fn cost(&self) -> usize {
        COST + self.attributes.iter().map(|(_, value)| COST + value.len()).sum::<usize>()
    }

    /// What it takes with all that is in it.
    pub(super) fn memory(&self) -> usize {
        self.cost() + self.text.len() + self.children.iter().map(Self::memory).sum::<usize>()
    }

    /// An attribute's value, as it was sent.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }

    /// The children with a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The child with a name. Of several the last one wins.
    pub(super) fn last(&self, name: &str) -> Option<&Element> {
        self.children.iter().rev().find(|child| child.name == name)
    }

    /// Its text without the white space around it.
    pub(super) fn trimmed(&self) -> Cow<'_, str> {
        xml::text(trim(&self.text))
    }

    /// The trimmed text of a child, if there is any.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.last(name).map(|child| child.trimmed().into_owned()).filter(|text| !text.is_empty())
    }

    /// The trimmed texts of all children with a name, but empty ones.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        self.all(name).map(|child| child.trimmed().into_owned()).filter(|text| !text.is_empty()).collect()
    }
}

/// Without the white space at both ends.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|&b| !is_space(b)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_elements_is_sorted_for_searching() {
        assert!(ELEMENTS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(known(b"Query"), Some(("Query", Keep::Xml)));
        assert_eq!(known(b"Padding"), None);
    }

    #[test]
    fn trimming_leaves_what_is_inside() {
        assert_eq!(trim(b" \r\n a b\t"), b"a b");
        assert_eq!(trim(b" \n "), b"");
        assert_eq!(trim(b""), b"");
    }
}
