//! What an element inherits from those around it, written so that it can stand alone.

use std::ops::Range;

use crate::taxii::names::{DEFAULT_QUERY_NAMESPACE, TAXII_10, TAXII_11, XML_SIGNATURE};
use crate::xml::{StartTag, XML_NAMESPACE};

/// The attributes that apply to everything inside an element (XML 1.0, 2.10 and 2.12; XML Base). `xml:id` does not.
const INHERITED: [&[u8]; 3] = [b"base", b"lang", b"space"];

/// The `xml:` attributes of the elements around a content, outermost first.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    attributes: Vec<XmlAttribute>,
}

#[derive(Debug)]
struct XmlAttribute {
    depth: usize,
    local: &'static [u8],
    raw: Vec<u8>,
    quote: u8,
}

impl Surroundings {
    /// An element around the content begins.
    pub(super) fn enter(&mut self, depth: usize, tag: &StartTag<'_>) {
        for attribute in tag.attributes().filter(|attribute| attribute.name.namespace == XML_NAMESPACE.as_bytes()) {
            if let Some(local) = INHERITED.into_iter().find(|local| *local == attribute.name.local) {
                let (raw, quote) = (attribute.raw.to_vec(), attribute.quote);
                self.attributes.push(XmlAttribute { depth, local, raw, quote });
            }
        }
    }

    /// An element around the content ends.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.attributes.pop_if(|attribute| attribute.depth >= depth).is_some() {}
    }
}

/// What is written into a root element right after its name.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    text: Vec<u8>,
    /// The declarations that only the envelope needs, in ascending order, with their prefix and a colon.
    envelope: Vec<(Range<usize>, Vec<u8>)>,
}

impl Declarations {
    /// All that the element with this tag inherits: every namespace in scope that it does not declare itself, used
    /// or not, since prefixes are used in values, too (protocol reference, 13.1); and `xml:` attributes.
    pub(super) fn of(tag: &StartTag<'_>, surroundings: &Surroundings) -> Self {
        let mut declarations = Self::default();
        for binding in tag.scope.inherited() {
            let colon: &[u8] = if binding.prefix.is_empty() { b"" } else { b":" };
            let range = declarations.write([b"xmlns", colon, binding.prefix], binding.raw, binding.quote);
            let ours = [TAXII_11, TAXII_10, DEFAULT_QUERY_NAMESPACE, XML_SIGNATURE];
            if !binding.prefix.is_empty() && ours.iter().any(|uri| uri.as_bytes() == binding.uri) {
                declarations.envelope.push((range, [binding.prefix, b":"].concat()));
            }
        }
        for local in INHERITED {
            let nearest = surroundings.attributes.iter().rev().find(|attribute| attribute.local == local);
            let own =
                || tag.attributes().any(|a| a.name.namespace == XML_NAMESPACE.as_bytes() && a.name.local == local);
            if let Some(attribute) = nearest.filter(|_| !own()) {
                declarations.write([b"xml", b":", local], &attribute.raw, attribute.quote);
            }
        }
        declarations
    }

    fn write(&mut self, [scheme, colon, name]: [&[u8]; 3], raw: &[u8], quote: u8) -> Range<usize> {
        let start = self.text.len();
        if start == 0 {
            // Made for every block, and mostly of a few.
            self.text.reserve(256);
        }
        for part in [b" ", scheme, colon, name, b"=", &[quote], raw, &[quote]] {
            self.text.extend_from_slice(part);
        }
        start..self.text.len()
    }

    /// Everything.
    pub(super) fn all(&self) -> &[u8] {
        &self.text
    }

    /// Only what an element needs whose bytes are known: the envelope's prefixes are left out where `prefix:` does
    /// not occur in it at all, be it in a name, a value or a text (protocol reference, 13.1, rule 2).
    pub(super) fn needed(&self, element: &[u8]) -> Vec<u8> {
        let mut needed = Vec::with_capacity(self.text.len());
        let mut from = 0;
        for (range, prefix) in &self.envelope {
            if memchr::memmem::find(element, prefix).is_none() {
                needed.extend_from_slice(&self.text[from..range.start]);
                from = range.end;
            }
        }
        needed.extend_from_slice(&self.text[from..]);
        needed
    }
}
