//! The namespace bindings in scope.

/// One namespace declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The prefix; empty for the default namespace.
    pub prefix: &'a [u8],
    /// The namespace's URI, normalised; empty where the default namespace is undeclared.
    pub uri: &'a [u8],
    /// The attribute's value as written, without its quotes.
    pub raw: &'a [u8],
    /// The quote it was written with.
    pub quote: u8,
}

/// The namespace bindings in scope of one element.
#[derive(Debug, Default)]
pub struct Scope {}

impl Scope {
    /// The URI a prefix stands for; the empty prefix asks for the default namespace. `None` where unbound.
    pub fn resolve(&self, _prefix: &[u8]) -> Option<&[u8]> {
        None
    }

    /// What the current element inherits: the bindings of its ancestors that are not declared anew further in, nor by
    /// itself, sorted by prefix.
    pub fn inherited(&self) -> Vec<Binding<'_>> {
        Vec::new()
    }
}
