//! Writing elements, attributes and text.

use super::{EncodeError, reference};
use crate::taxii::message::Version;

/// XML as it is written. Every element is in the namespace of the messages, every attribute in none.
pub(super) struct Writer {
    version: Version,
    out: Vec<u8>,
    /// The start tag of the last element still lacks its `>`.
    in_tag: bool,
    /// The first thing that could not be written.
    fault: Option<EncodeError>,
}

impl Writer {
    pub(super) fn new(version: Version) -> Writer {
        Writer { version, out: Vec::new(), in_tag: false, fault: None }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    fn prefix(&self) -> &'static str {
        match self.version {
            Version::V10 => "taxii",
            Version::V11 => "taxii_11",
        }
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn end_tag(&mut self) {
        if self.in_tag {
            self.push(">");
            self.in_tag = false;
        }
    }

    /// Opens an element; attributes may follow.
    pub(super) fn open(&mut self, name: &str) {
        self.end_tag();
        for part in ["<", self.prefix(), ":", name] {
            self.push(part);
        }
        self.in_tag = true;
    }

    /// Declares the namespace of the messages on the element just opened.
    pub(super) fn declare_namespace(&mut self) {
        for part in [" xmlns:", self.prefix(), "=\"", self.version.namespace(), "\""] {
            self.push(part);
        }
    }

    /// Closes the innermost open element, whose name this is.
    pub(super) fn close(&mut self, name: &str) {
        if self.in_tag {
            self.push("/>");
            self.in_tag = false;
        } else {
            for part in ["</", self.prefix(), ":", name, ">"] {
                self.push(part);
            }
        }
    }

    /// An attribute of the element just opened. Tabs and line ends become references, since a reader would make
    /// blanks of them (XML 1.0, section 3.3.3).
    pub(super) fn attribute(&mut self, name: &'static str, value: &str) {
        for part in [" ", name, "=\""] {
            self.push(part);
        }
        self.escaped(name, value, |character| matches!(character, '"' | '\t' | '\n'));
        self.push("\"");
    }

    /// An element that holds text only.
    pub(super) fn leaf(&mut self, name: &'static str, text: &str) {
        self.open(name);
        self.text(name, text);
        self.close(name);
    }

    /// The same where there is a text.
    pub(super) fn optional(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    /// Text inside the element called `place`. A carriage return becomes a reference, since a reader would make a
    /// line feed of it (XML 1.0, section 2.11).
    pub(super) fn text(&mut self, place: &'static str, text: &str) {
        if !text.is_empty() {
            self.end_tag();
            self.escaped(place, text, |_| false);
        }
    }

    /// XML that is already written.
    pub(super) fn raw(&mut self, xml: &str) {
        if !xml.is_empty() {
            self.end_tag();
            self.push(xml);
        }
    }

    fn escaped(&mut self, place: &'static str, text: &str, also: impl Fn(char) -> bool) {
        let mut buffer = [0; 4];
        for character in text.chars() {
            if let Some(reference) = u8::try_from(character).ok().and_then(reference) {
                self.push(reference);
                continue;
            }
            match character {
                other if also(other) => {
                    let reference = format!("&#{};", u32::from(other));
                    self.push(&reference);
                }
                '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                    self.fault.get_or_insert(EncodeError::Character { place, code: character.into() });
                }
                other => self.out.extend_from_slice(other.encode_utf8(&mut buffer).as_bytes()),
            }
        }
    }

    /// What was written since the last call, or the first thing that could not be.
    pub(super) fn take(&mut self) -> Result<Vec<u8>, EncodeError> {
        self.end_tag();
        match self.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(std::mem::take(&mut self.out)),
        }
    }
}
