//! What can be wrong with a document, in two severities.

/// A place in a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes before it, in the document's UTF-8 form.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
}

/// Why a document cannot be read on.
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
    #[error("the document is cut short: it ends before its root element does")]
    CutShort,
    /// The document has no root element: it is empty.
    #[error("the document has no root element")]
    Empty,
    /// A document type declaration, which is never accepted.
    #[error("line {}: the document has a DOCTYPE, which is not accepted", at.line)]
    Doctype {
        /// Where.
        at: Position,
    },
    /// Something is larger than this agent reads.
    #[error("line {}: {name} larger than the limit of {value}", at.line)]
    Limit {
        /// Where.
        at: Position,
        /// What is limited.
        name: &'static str,
        /// The limit.
        value: u64,
    },
    /// The encoding is not known, or the bytes are not in it.
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
    /// Where.
    pub at: Position,
    /// What.
    pub kind: FaultKind,
}

/// The kinds of [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// Elements nested deeper than [`Options::depth`](super::Options).
    #[error("elements nested deeper than {0} levels")]
    TooDeep(usize),
    /// Any other.
    #[error("{0}")]
    Rule(String),
}
