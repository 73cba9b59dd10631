//! Writing messages as the bytes of their XML binding (XML Message Binding 1.1 and 1.0, section 3).
//!
//! Servers validate what they are sent, so what is written here is exact: the schema's child order, `true` and
//! `false`, no declaration, no white space between elements. The namespace is always prefixed; under a default one
//! the unprefixed elements of a content would fall into the namespace of TAXII.

mod v10;
mod v11;
mod writer;

use super::message::{
    Body, Contact, ContentBinding, Header, InboxMessage, Message, PollResponse, ServiceInstance, Version,
};
use super::time::Timestamp;
use writer::Writer;

/// Why a message cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// TAXII 1.0 has no such thing, and leaving it out would change what the message asks for.
    #[error("say it in TAXII 1.0, which has no {0}")]
    NotIn10(&'static str),
    /// A Service_Instance without a type that TAXII knows.
    #[error("write a Service_Instance without a service_type")]
    NoServiceType,
    /// A character that no XML document can hold.
    #[error("write U+{code:04X} into {place}: XML has no place for this character")]
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
    /// Content_Binding. Only its first Subtype is written, since the schema allows one here; none in 1.0.
    pub binding: ContentBinding,
    /// Timestamp_Label. Left out of what is pushed, so that the server labels with its own clock.
    pub label: Option<Timestamp>,
    /// Message, for people; 1.0 has no place for it.
    pub message: Option<String>,
}

/// A message with the contents of its blocks left out: the bytes before, between and after them.
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
    /// Length in bytes of the message around contents of these lengths.
    pub fn length_around(&self, contents: impl IntoIterator<Item = u64>) -> u64 {
        let blocks: usize = self.blocks.iter().map(|(before, after)| before.len() + after.len()).sum();
        let own = (self.head.len() + blocks + self.tail.len()) as u64;
        contents.into_iter().fold(own, u64::saturating_add)
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

/// A fresh message id: a decimal number of 1 to 18 digits, the form that is valid in both versions.
pub fn message_id(random: u64) -> String {
    (random % 999_999_999_999_999_999 + 1).to_string()
}

/// A text held in memory as the content of a Content_Block.
pub fn text_content(text: &str) -> Result<Vec<u8>, EncodeError> {
    let mut xml = Writer::new(Version::V11);
    xml.text("Content", text);
    xml.take()
}

/// The next bytes of a text as the content of a Content_Block: what XML would take for markup, and what a reader
/// would turn into another character, is written as a reference. The bytes may be cut anywhere. Whether XML has a
/// place for every character of the text has to be known already.
pub fn escape_content(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match reference(byte) {
            Some(reference) => out.extend_from_slice(reference.as_bytes()),
            None => out.push(byte),
        }
    }
}

/// How many bytes [`escape_content`] makes of these.
pub fn escaped_length(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| reference(byte).map_or(1, str::len) as u64).sum()
}

/// What is written in a text instead of a byte that cannot stand there as it is.
fn reference(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    }
}

/// The bytes of a message. An Inbox_Message and a Poll_Response get no blocks; those need an [`Envelope`].
///
/// Ids, extended headers and queries are written as they are: the content of an extended header and of a query has to
/// be well-formed XML without a declaration. A reply without `in_response_to` gets `0`, since the schema wants one.
pub fn encode(message: &Message) -> Result<Vec<u8>, EncodeError> {
    let Envelope { mut head, tail, .. } = envelope(message.version, &message.header, &message.body, &[])?;
    head.extend_from_slice(&tail);
    Ok(head)
}

/// An Inbox_Message around contents that live elsewhere. 1.0 has no place for destinations, result id and count: there
/// the address alone says where the content goes.
pub fn inbox_envelope(
    version: Version,
    header: &Header,
    message: &InboxMessage,
    blocks: &[BlockHead],
) -> Result<Envelope, EncodeError> {
    envelope(version, header, &Body::InboxMessage(message.clone()), blocks)
}

/// A Poll_Response around contents that live elsewhere. 1.0 has no place for parts and counts.
pub fn poll_envelope(
    version: Version,
    header: &Header,
    message: &PollResponse,
    blocks: &[BlockHead],
) -> Result<Envelope, EncodeError> {
    envelope(version, header, &Body::PollResponse(message.clone()), blocks)
}

fn envelope(version: Version, header: &Header, body: &Body, blocks: &[BlockHead]) -> Result<Envelope, EncodeError> {
    let root = body.name(version);
    let mut xml = Writer::new(version);
    xml.open(root);
    xml.declare_namespace();
    xml.attribute("message_id", &header.message_id);
    if body.is_reply() {
        xml.attribute("in_response_to", header.in_response_to.as_deref().unwrap_or("0"));
    }
    match version {
        Version::V10 => v10::body(&mut xml, header, body)?,
        Version::V11 => v11::body(&mut xml, header, body)?,
    }
    let head = xml.take()?;
    let blocks = blocks.iter().map(|block| around_content(&mut xml, block)).collect::<Result<_, _>>()?;
    xml.close(root);
    Ok(Envelope { head, blocks, tail: xml.take()? })
}

/// What stands before and after the content of a block.
fn around_content(xml: &mut Writer, block: &BlockHead) -> Result<(Vec<u8>, Vec<u8>), EncodeError> {
    let version = xml.version();
    xml.open("Content_Block");
    match version {
        Version::V10 => xml.leaf("Content_Binding", &block.binding.id),
        Version::V11 => v11::content_binding(xml, &block.binding.id, block.binding.subtypes.first()),
    }
    xml.open("Content");
    let before = xml.take()?;
    xml.close("Content");
    xml.optional("Timestamp_Label", block.label.as_ref().map(|label| label.text.as_str()));
    if version == Version::V11 {
        xml.optional("Message", block.message.as_deref());
    }
    xml.close("Content_Block");
    Ok((before, xml.take()?))
}

/// Extended_Headers, the first child of every message.
fn extended_headers(xml: &mut Writer, header: &Header) {
    if header.extended.is_empty() {
        return;
    }
    xml.open("Extended_Headers");
    for extended in &header.extended {
        xml.open("Extended_Header");
        xml.attribute("name", &extended.name);
        xml.raw(&extended.value);
        xml.close("Extended_Header");
    }
    xml.close("Extended_Headers");
}

/// Protocol_Binding, Address and all Message_Bindings.
fn contact(xml: &mut Writer, contact: &Contact) {
    xml.leaf("Protocol_Binding", &contact.protocol_binding);
    xml.leaf("Address", &contact.address);
    for binding in &contact.message_bindings {
        xml.leaf("Message_Binding", binding);
    }
}

/// An element that holds a contact and nothing else.
fn contacts(xml: &mut Writer, name: &'static str, all: &[Contact]) {
    for one in all {
        xml.open(name);
        contact(xml, one);
        xml.close(name);
    }
}

/// Push_Method: a contact without an address.
fn push_methods(xml: &mut Writer, all: &[Contact]) {
    for method in all {
        xml.open("Push_Method");
        xml.leaf("Protocol_Binding", &method.protocol_binding);
        for binding in &method.message_bindings {
            xml.leaf("Message_Binding", binding);
        }
        xml.close("Push_Method");
    }
}

/// The attributes and contact of a Service_Instance, which both versions share.
fn service_instance(xml: &mut Writer, instance: &ServiceInstance) -> Result<(), EncodeError> {
    let service = instance.service_type.ok_or(EncodeError::NoServiceType)?;
    let version = xml.version();
    xml.open("Service_Instance");
    xml.attribute("service_type", service.name(version));
    xml.attribute("service_version", &instance.service_version);
    available(xml, instance.available);
    contact(xml, &instance.contact);
    Ok(())
}

fn available(xml: &mut Writer, available: Option<bool>) {
    if let Some(available) = available {
        xml.attribute("available", boolean(available));
    }
}

/// The one spelling that every reader understands: some take `1` for false.
fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests;
