//! What can be wrong with a document, in two severities.

/// A place in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it, in the document's UTF-8 form.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
    /// Its column, from 1, in bytes of the document's UTF-8 form.
    pub column: u64,
}

impl Position {
    /// The place behind some bytes that stand here.
    pub(super) fn behind(self, bytes: &[u8]) -> Self {
        let length = bytes.len() as u64;
        Self {
            offset: self.offset + length,
            line: self.line + memchr::memchr_iter(b'\n', bytes).count() as u64,
            column: memchr::memrchr(b'\n', bytes).map_or(self.column + length, |last| length - last as u64),
        }
    }
}

/// Why a document cannot be read on. Completes "cannot read …: ".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// The structure is lost: tags that do not pair, two roots, text outside the root, unreadable markup.
    #[error("line {}: {what}", at.line)]
    Broken {
        /// Where.
        at: Position,
        /// What is wrong, as a phrase.
        what: String,
    },
    /// The document ended before its root did.
    #[error("cut short: it ends before its root element does")]
    CutShort,
    /// The document has no root element: it is empty.
    #[error("it has no root element")]
    Empty,
    /// A document type declaration, which is never accepted.
    #[error("line {}: a DOCTYPE, which is never accepted", at.line)]
    Doctype {
        /// Where.
        at: Position,
    },
    /// Something is larger than this agent reads.
    #[error("line {}: {name} is larger than the limit of {value} bytes", at.line)]
    Limit {
        /// Where.
        at: Position,
        /// What is limited.
        name: &'static str,
        /// The limit in bytes.
        value: u64,
    },
    /// The encoding is not known, or cannot be told.
    #[error("{0}")]
    Encoding(String),
    /// The consumer failed.
    #[error(transparent)]
    Consumer(E),
}

/// A broken rule of XML 1.0 or of Namespaces in XML that leaves the structure of the document readable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {}: {kind}", at.line)]
pub struct Fault {
    /// Where: the character, or the name or value in a tag.
    pub at: Position,
    /// What.
    pub kind: FaultKind,
}

/// The kinds of [`Fault`]. Names in them are escaped and cut for showing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Elements nested deeper than [`Options::depth`](super::Options::depth).
    #[error("elements nested deeper than {0} levels")]
    TooDeep(usize),
    /// A tag longer than is read; its element has neither attributes nor namespaces of its own.
    #[error("a tag longer than {0} bytes")]
    TagTooLong(usize),
    /// Names of open elements that are too long for being kept: the end tags of these are counted, not compared.
    #[error("names of open elements that are too long for being compared")]
    NamesTooLong,
    /// More attributes on one tag than are read.
    #[error("more than {0} attributes on one element")]
    TooManyAttributes(usize),
    /// More namespace declarations in scope than are read.
    #[error("more than {0} namespace declarations in scope")]
    TooManyNamespaces(usize),
    /// The namespace declarations in scope are longer than is read.
    #[error("namespace declarations in scope longer than {0} bytes")]
    NamespacesTooLong(usize),
    /// A prefix that no declaration in scope binds.
    #[error("the prefix {0} is not bound to a namespace")]
    UnboundPrefix(String),
    /// Two attributes of one name, as written or as resolved.
    #[error("the attribute {0} occurs twice")]
    DuplicateAttribute(String),
    /// Not a name, or not a qualified one.
    #[error("\"{0}\" is not a name")]
    BadName(String),
    /// A rule of Namespaces in XML about declarations.
    #[error("{0}")]
    BadNamespace(&'static str),
    /// A tag that is not written as one, though it can be told where it ends.
    #[error("{0}")]
    BadTag(&'static str),
    /// `<` inside an attribute's value.
    #[error("a < inside the value of an attribute")]
    LessThanInValue,
    /// `<` that begins no markup.
    #[error("a < that begins no tag")]
    StrayLessThan,
    /// `&` that begins no reference.
    #[error("a & that begins no reference")]
    StrayAmpersand,
    /// A reference to an entity that is not one of the five predefined.
    #[error("the entity {0} is not declared")]
    UndeclaredEntity(String),
    /// A reference to a character that XML 1.0 forbids, or to none.
    #[error("{0} refers to no character that XML allows")]
    BadCharacterReference(String),
    /// A character that XML 1.0 forbids.
    #[error("the character U+{:04X}, which XML does not allow", u32::from(*.0))]
    BadCharacter(char),
    /// Bytes that are not in the encoding of the document.
    #[error("bytes that are not characters in the document's encoding")]
    BadEncoding,
    /// `]]>` outside a CDATA section.
    #[error("]]> in text")]
    SectionEndInText,
    /// `--` inside a comment.
    #[error("-- inside a comment")]
    DoubleDash,
    /// A processing instruction without a proper target.
    #[error("\"{0}\" is not the target of a processing instruction")]
    BadTarget(String),
}

/// Remote text for people: characters that do not print are escaped, and it is cut at 60 characters.
pub fn shown(text: &[u8]) -> String {
    const LENGTH: usize = 60;
    // Only what can be shown is looked at: the text may be a mebibyte.
    let head = String::from_utf8_lossy(&text[..text.len().min(LENGTH * 4)]);
    let escape = |c: char| if matches!(c, '"' | '\'') { c.to_string() } else { c.escape_debug().to_string() };
    let mut shown: String = head.chars().take(LENGTH).map(escape).collect();
    if head.chars().count() > LENGTH || text.len() > LENGTH * 4 {
        shown.push('…');
    }
    shown
}
