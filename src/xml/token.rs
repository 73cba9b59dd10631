//! The parts of a document as a consumer sees them.

use std::borrow::Cow;

use super::Scope;
use super::reference::normalise;
use super::tag::Span;

/// One part of a document. The raw bytes of all tokens, one after the other, are the document.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// Its bytes as they stand in the document (in UTF-8).
    pub raw: &'a [u8],
    /// Bytes of the document before it.
    pub offset: u64,
    /// How many elements are open around it; for a start or end tag its own element included: the root is 1.
    pub depth: usize,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What a token is. Long texts, sections, comments and processing instructions come in several pieces.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// A start tag, or an empty-element tag, which is followed by an `End` without bytes.
    Start(StartTag<'a>),
    /// An end tag. It pairs with its start tag.
    End,
    /// A piece of character data as it stands: line ends are not normalised.
    Text,
    /// A reference, and the character it stands for.
    Reference(char),
    /// A piece of a CDATA section: what stands inside the section (the raw bytes hold its marks, too).
    Section(&'a [u8]),
    /// A piece of a comment.
    Comment,
    /// A processing instruction, a piece of a long one, or what a too long end tag ends with.
    Instruction,
    /// The XML declaration.
    Declaration,
}

/// A start tag with its names resolved.
#[derive(Clone, Copy, Debug)]
pub struct StartTag<'a> {
    /// The element's name.
    pub name: Name<'a>,
    /// Where the name ends in the tag's raw bytes: a declaration can be put in here.
    pub name_end: usize,
    /// Whether it is an empty-element tag.
    pub empty: bool,
    /// The namespace bindings in scope of this element, its own included.
    pub scope: &'a Scope,
    pub(super) raw: &'a [u8],
    pub(super) spans: &'a [Span],
}

/// A qualified name. Its parts are UTF-8 unless a fault said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The prefix, empty for none.
    pub prefix: &'a [u8],
    /// The local part.
    pub local: &'a [u8],
    /// The namespace's URI, empty for none (or for a prefix that is not bound).
    pub namespace: &'a [u8],
}

/// One attribute, never a namespace declaration.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: Name<'a>,
    /// Its value as written, without the quotes.
    pub raw: &'a [u8],
    /// The quote it was written with.
    pub quote: u8,
}

impl<'a> StartTag<'a> {
    /// The attributes in document order, without the namespace declarations.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let (raw, scope) = (self.raw, self.scope);
        self.spans.iter().filter(|span| !span.is_declaration()).map(move |span| Attribute {
            name: span.resolved(raw, scope),
            raw: span.value(raw),
            quote: span.quote(raw),
        })
    }

    /// The normalised value of an attribute in no namespace.
    pub fn attribute(&self, local: &str) -> Option<Cow<'a, str>> {
        self.attributes().find(|a| a.name.is("", local)).map(|a| a.value())
    }
}

impl Name<'_> {
    /// Whether this is that name in that namespace.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local.as_bytes() && self.namespace == namespace.as_bytes()
    }
}

impl<'a> Attribute<'a> {
    /// The value with references resolved and white space normalised (XML 1.0, 3.3.3).
    pub fn value(&self) -> Cow<'a, str> {
        match normalise(self.raw) {
            Cow::Borrowed(value) => text(value),
            Cow::Owned(value) => text(&value).into_owned().into(),
        }
    }
}

/// Bytes as text, with marks where they are none. Nearly always they are, which the standard library's `from_utf8` finds
/// out much faster than its `from_utf8_lossy`.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}
