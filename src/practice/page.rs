//! XML being written by hand. The TAXII room writes most messages; Poll_Response and Status_Message are written here,
//! because it is there that clients meet the oddest servers.

use crate::taxii::Version;

/// XML being written, with the prefix of the TAXII namespace.
pub(super) struct Page {
    pub(super) bytes: Vec<u8>,
    prefix: String,
}

impl Page {
    pub(super) fn new(prefix: &str) -> Self {
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}:") };
        Self { bytes: DECLARATION.as_bytes().to_vec(), prefix }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A start tag of the TAXII namespace.
    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, Option<&str>)]) {
        self.text(&format!("<{}{name}", self.prefix));
        for (name, value) in attributes {
            if let Some(value) = value {
                self.text(&format!(" {name}=\"{}\"", escaped(value)));
            }
        }
        self.text(">");
    }

    pub(super) fn close(&mut self, name: &str) {
        self.text(&format!("</{}{name}>", self.prefix));
    }

    /// An element with text in it; nothing at all for `None`.
    pub(super) fn element(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.element_with(name, &[], text);
        }
    }

    pub(super) fn element_with(&mut self, name: &str, attributes: &[(&str, Option<&str>)], text: &str) {
        self.open(name, attributes);
        self.text(&escaped(text));
        self.close(name);
    }

    /// The root's start tag, with the declaration of the namespace.
    pub(super) fn root(&mut self, name: &str, version: Version, further: &str, attributes: &[(&str, Option<&str>)]) {
        let xmlns = self.prefix.strip_suffix(':').map_or("xmlns".to_owned(), |prefix| format!("xmlns:{prefix}"));
        self.open(name, &[&[(xmlns.as_str(), Some(version.namespace()))], attributes].concat());
        if !further.is_empty() {
            self.bytes.pop();
            self.text(&format!(" {further}>"));
        }
    }
}

/// What a message written here begins with.
pub(super) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

/// The usual prefix of the namespace.
pub(super) fn prefix(version: Version) -> &'static str {
    match version {
        Version::V10 => "taxii",
        Version::V11 => "taxii_11",
    }
}

/// Text as it goes into an element or a quoted attribute value.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}
