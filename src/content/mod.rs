//! What a file is, and what of it may be sent: decided while it streams past once, at constant memory.
//!
//! An [`Inspector`] is fed every byte of a dropped file and ends in a [`Finding`]: the file is [`Sendable`], with its
//! Content Binding and the [`Form`] in which it stands between `<Content>` and `</Content>`, or there is a
//! [`Refusal`] whose words go into the receipt. Where the form is not the file's own bytes, a [`ContentWriter`] makes
//! the bytes from the file's.
//!
//! | The file begins with | It is | It is sent as |
//! |---|---|---|
//! | `<` after a byte order mark or white space | XML, well formed or refused | the bytes of its root element, in UTF-8 |
//! | `{` or `[` | JSON; STIX 2 or refused | escaped text |
//! | MIME headers of S/MIME | S/MIME | escaped text, base64 where it is not text |
//! | anything else | refused | |
//!
//! With a configured Content Binding nothing is refused for being unknown: what is neither XML nor JSON goes as
//! escaped text, or as base64 where it is not text of legal XML characters. XML must be well formed all the same, for
//! it becomes part of our own message.

mod binding;
mod document;
mod form;
mod inspect;
mod json;
mod refusal;
mod smime;
mod sniff;
#[cfg(test)]
mod tests;
mod text;

pub use binding::stix_version;
pub use form::{ContentWriter, Form};
pub use inspect::{Finding, Inspector, Options, Sendable};
pub use refusal::Refusal;
