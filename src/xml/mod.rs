//! A strict reader of XML 1.0 with namespaces that is pushed, not pulled: bytes are fed as they arrive, so no thread
//! waits for a slow peer, and memory stays flat however long a document or one of its texts is.
//!
//! A [`Document`] is fed bytes and calls a [`Consumer`] with [`Token`]s. The raw bytes of the tokens, one after the
//! other, are the document in UTF-8, and every token knows its offset therein. How the document is cut into what is
//! fed makes no difference, but that texts, sections and comments come in other pieces.
//!
//! There are two severities. An [`Error`] ends the document: its tags do not pair up, or it was cut short. A
//! [`Fault`] is a broken rule that leaves the structure readable (an unbound prefix, a control character): the
//! consumer is told and decides, and the document goes on if it wants. A consumer to which every fault is fatal
//! returns an error from [`Consumer::fault`].
//!
//! A tag in which all is as it should be is read in one pass. Where any other ends is found by quick-xml, a tokenizer
//! that does not check; everything it does not check is checked here, and no entity is ever expanded, no DOCTYPE
//! accepted, nothing fetched.

mod chars;
mod declaration;
mod document;
pub mod encoding;
mod error;
mod reference;
mod scanner;
mod scope;
mod tag;
mod token;

pub use chars::is_space;
pub use document::{Document, Options};
pub use error::{Error, Fault, FaultKind, Position, shown};
pub use scanner::Scanner;
pub use scope::{Binding, Scope, XML as XML_NAMESPACE};
pub use token::{Attribute, Kind, Name, StartTag, Token, text};

#[cfg(test)]
mod tests;

/// What is called with the parts of a document while it is fed.
pub trait Consumer {
    /// What the consumer fails with; it ends the reading.
    type Error;

    /// Takes the next token.
    fn token(&mut self, token: Token<'_>) -> Result<(), Self::Error>;

    /// Is told of a broken rule in the token that comes next. Reading goes on unless an error is returned.
    fn fault(&mut self, fault: Fault) -> Result<(), Self::Error>;
}
