//! Why a file cannot be sent, in words for its receipt.

/// Why a file cannot be sent. The words can follow "cannot send: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Nothing but white space, or a lone byte order mark.
    #[error("the file holds nothing but white space")]
    Blank,
    /// Begins like XML and breaks a rule of XML 1.0 or of Namespaces in XML 1.0.
    #[error("not well formed at line {line}, column {column}: {reason}")]
    NotWellFormed {
        /// Line, from 1.
        line: u64,
        /// Column, from 1, in bytes of UTF-8.
        column: u64,
        /// The rule that is broken.
        reason: String,
    },
    /// XML that ends before its root element does.
    #[error("not well formed: the file ends before its root element does")]
    CutShort,
    /// XML without an element.
    #[error("not well formed: the file has no root element")]
    NoRoot,
    /// XML with a document type declaration, which neither STIX nor TAXII needs.
    #[error("it has a DOCTYPE (line {line}), which is never sent")]
    Doctype {
        /// Line, from 1.
        line: u64,
    },
    /// XML beyond what readers can be expected to take.
    #[error("{what} (line {line})")]
    TooLarge {
        /// Line, from 1.
        line: u64,
        /// What is too large, and the limit.
        what: String,
    },
    /// XML whose encoding is not known, or whose bytes are not in it.
    #[error("{0}")]
    Encoding(String),
    /// Begins like JSON and is not (RFC 8259), or is nested too deep.
    #[error("not readable as JSON at line {line}, column {column}: {reason}")]
    NotJson {
        /// Line, from 1.
        line: u64,
        /// Column in bytes, from 1.
        column: u64,
        /// What is wrong.
        reason: String,
    },
    /// Begins like JSON and is not UTF-8 (RFC 8259, section 8.1).
    #[error("not readable as JSON: it is not UTF-8")]
    NotUtf8,
    /// The root element belongs to a TAXII message (protocol reference, 12.3).
    #[error("a saved TAXII message ({0}), not content")]
    TaxiiMessage(String),
    /// A root element of STIX with a version that has no Content Binding.
    #[error("unknown STIX version \"{0}\"; a configured content_binding would send it")]
    UnknownStixVersion(String),
    /// A STIX 2 bundle that does not say a known version.
    #[error("a STIX 2 bundle whose spec_version is neither 2.0 nor 2.1; a configured content_binding would send it")]
    UnknownBundleVersion,
    /// XML whose root element is not in the table of Content Bindings.
    #[error("unknown type of content, root element {0}; a configured content_binding would send it")]
    UnknownRoot(String),
    /// JSON that is not a STIX 2 bundle.
    #[error("unknown type of content, JSON but not a STIX 2 bundle; a configured content_binding would send it")]
    UnknownJson,
    /// Neither XML nor JSON nor S/MIME.
    #[error("unknown type of content, neither XML nor JSON nor S/MIME; a configured content_binding would send it")]
    Unknown,
}

/// At most this many characters of what a file says about itself are repeated in a refusal.
const REPEATED: usize = 200;

/// What a file says about itself, fit to be shown: truncated, and escaped where it does not print.
pub(super) fn shown(words: &str) -> String {
    let mut kept: String = words.chars().take(REPEATED).flat_map(char::escape_debug).collect();
    if words.chars().nth(REPEATED).is_some() {
        kept.push('…');
    }
    kept
}
