//! The namespace bindings in scope (Namespaces in XML 1.0, sections 2 to 6).

use std::mem;
use std::ops::Range;

use super::chars::is_ncname;
use super::error::FaultKind;
use super::reference::normalise;

/// The namespace of the prefix `xml`, bound always.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of the prefix `xmlns`.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// Honest documents of the STIX family declare 133 namespaces on one element.
const MAX_BINDINGS: usize = 1024;
/// Prefixes and values of all declarations in scope together.
const MAX_BYTES: usize = 1 << 20;
/// Places for prefixes resolved recently.
const PLACES: usize = 1024;

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
#[derive(Debug)]
pub struct Scope {
    /// Prefixes, values and URIs, in the order of `entries`.
    text: Vec<u8>,
    entries: Vec<Entry>,
    /// How deep the current element is.
    depth: usize,
    /// A place per hash of a prefix: one more than the index of the entry it was last resolved to. Documents use few
    /// prefixes over and over, but may declare more than a hundred.
    recent: Box<[u16; PLACES]>,
    /// Whether any place is taken.
    remembered: bool,
}

#[derive(Debug)]
struct Entry {
    depth: usize,
    prefix: Range<usize>,
    raw: Range<usize>,
    uri: Range<usize>,
    quote: u8,
}

impl Default for Scope {
    fn default() -> Self {
        let recent = Box::new([0; PLACES]);
        Self { text: Vec::new(), entries: Vec::new(), depth: 0, recent, remembered: false }
    }
}

impl Scope {
    /// The URI a prefix stands for; the empty prefix asks for the default namespace, which is empty where there is
    /// none. `None` where the prefix is not bound.
    pub fn resolve(&self, prefix: &[u8]) -> Option<&[u8]> {
        self.search(prefix).map(|at| &self.text[self.entries[at].uri.clone()]).or(match prefix {
            b"" => Some(b""),
            b"xml" => Some(XML.as_bytes()),
            b"xmlns" => Some(XMLNS.as_bytes()),
            _ => None,
        })
    }

    /// What the current element inherits: the bindings of its ancestors that are still visible and that it does not
    /// declare itself, sorted by prefix. An undeclared default namespace is not among them.
    pub fn inherited(&self) -> Vec<Binding<'_>> {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_unstable_by_key(|&at| (&self.text[self.entries[at].prefix.clone()], at));
        let innermost = |pair: &[usize]| self.binding(pair[0]).prefix != self.binding(pair[1]).prefix;
        let visible = (0..order.len()).filter(|&i| order.get(i..i + 2).is_none_or(innermost)).map(|i| order[i]);
        visible
            .filter(|&at| self.entries[at].depth < self.depth)
            .map(|at| self.binding(at))
            .filter(|binding| !binding.uri.is_empty())
            .collect()
    }

    fn binding(&self, at: usize) -> Binding<'_> {
        let entry = &self.entries[at];
        Binding {
            prefix: &self.text[entry.prefix.clone()],
            uri: &self.text[entry.uri.clone()],
            raw: &self.text[entry.raw.clone()],
            quote: entry.quote,
        }
    }

    fn search(&self, prefix: &[u8]) -> Option<usize> {
        if self.entries.is_empty() {
            return None;
        }
        let matches = |at: &usize| self.text[self.entries[*at].prefix.clone()] == *prefix;
        let recent = usize::from(self.recent[place(prefix)]).checked_sub(1).filter(matches);
        recent.or_else(|| (0..self.entries.len()).rev().find(matches))
    }

    /// Whether a prefix is bound, and remembers where.
    pub(super) fn binds(&mut self, prefix: &[u8]) -> bool {
        match self.search(prefix) {
            Some(at) => {
                self.recent[place(prefix)] = u16::try_from(at + 1).unwrap_or_default();
                self.remembered = true;
                true
            }
            None => self.resolve(prefix).is_some(),
        }
    }

    /// An element begins.
    pub(super) fn enter(&mut self, depth: usize) {
        self.depth = depth;
    }

    /// An element ends; its parent is the current one.
    pub(super) fn leave(&mut self) {
        while let Some(entry) = self.entries.pop_if(|entry| entry.depth >= self.depth) {
            self.text.truncate(entry.prefix.start);
            self.forget();
        }
        self.depth -= 1;
    }

    /// Takes a declaration of the current element; the prefix is empty for the default namespace.
    pub(super) fn declare(&mut self, prefix: &[u8], raw: &[u8], quote: u8) -> Result<(), FaultKind> {
        let uri = normalise(raw);
        check(prefix, &uri)?;
        if self.entries.len() >= MAX_BINDINGS {
            return Err(FaultKind::TooManyNamespaces(MAX_BINDINGS));
        }
        if self.text.len() + prefix.len() + 2 * raw.len() > MAX_BYTES {
            return Err(FaultKind::NamespacesTooLong(MAX_BYTES));
        }
        let prefix = self.keep(prefix);
        let raw_kept = self.keep(raw);
        let uri = if *uri == *raw { raw_kept.clone() } else { self.keep(&uri) };
        self.entries.push(Entry { depth: self.depth, prefix, raw: raw_kept, uri, quote });
        self.forget();
        Ok(())
    }

    /// The bindings have changed.
    fn forget(&mut self) {
        if mem::take(&mut self.remembered) {
            self.recent.fill(0);
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        start..self.text.len()
    }
}

fn place(prefix: &[u8]) -> usize {
    let hash = prefix.iter().fold(0, |hash: usize, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    hash % PLACES
}

/// The constraints on declarations (Namespaces in XML 1.0, section 3).
fn check(prefix: &[u8], uri: &[u8]) -> Result<(), FaultKind> {
    let broken = match prefix {
        b"xml" if uri != XML.as_bytes() => "the prefix xml is bound to another namespace",
        b"xml" => return Ok(()),
        b"xmlns" => "the prefix xmlns is declared",
        b"" if uri.is_empty() => return Ok(()),
        _ if uri.is_empty() => "a prefix is bound to no namespace",
        _ if uri == XML.as_bytes() => "another prefix is bound to the namespace of xml",
        _ if uri == XMLNS.as_bytes() => "a prefix is bound to the namespace of xmlns",
        b"" => return Ok(()),
        _ if !is_ncname(prefix) => "a prefix that is declared is not a name",
        _ => return Ok(()),
    };
    Err(FaultKind::BadNamespace(broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declare(scope: &mut Scope, prefix: &str, uri: &str) -> Result<(), FaultKind> {
        scope.declare(prefix.as_bytes(), uri.as_bytes(), b'"')
    }

    #[test]
    fn inner_bindings_hide_outer_ones_until_their_element_ends() {
        let mut scope = Scope::default();
        scope.enter(1);
        declare(&mut scope, "p", "outer").unwrap();
        assert!(scope.binds(b"p"));
        scope.enter(2);
        declare(&mut scope, "p", "inner").unwrap();
        assert_eq!(scope.resolve(b"p"), Some(&b"inner"[..]));
        assert!(scope.binds(b"p"));
        assert_eq!(scope.resolve(b"p"), Some(&b"inner"[..]));
        scope.leave();
        assert_eq!(scope.resolve(b"p"), Some(&b"outer"[..]));
        scope.leave();
        assert_eq!(scope.resolve(b"p"), None);
        assert_eq!(scope.resolve(b""), Some(&b""[..]));
        assert_eq!(scope.resolve(b"xml"), Some(XML.as_bytes()));
    }

    #[test]
    fn what_is_inherited_is_visible_sorted_and_not_declared_anew() {
        let mut scope = Scope::default();
        scope.enter(1);
        for (prefix, uri) in [("z", "1"), ("", "default"), ("a", "2"), ("own", "3"), ("b", "4")] {
            declare(&mut scope, prefix, uri).unwrap();
        }
        scope.enter(2);
        declare(&mut scope, "b", "5").unwrap();
        scope.enter(3);
        declare(&mut scope, "own", "6").unwrap();
        let inherited: Vec<_> = scope.inherited().iter().map(|b| (b.prefix, b.uri)).collect();
        assert_eq!(inherited, [(&b""[..], &b"default"[..]), (b"a", b"2"), (b"b", b"5"), (b"z", b"1")]);
    }

    #[test]
    fn an_undeclared_default_namespace_is_not_inherited() {
        let mut scope = Scope::default();
        scope.enter(1);
        declare(&mut scope, "", "default").unwrap();
        scope.enter(2);
        declare(&mut scope, "", "").unwrap();
        scope.enter(3);
        assert_eq!(scope.inherited(), []);
        assert_eq!(scope.resolve(b""), Some(&b""[..]));
    }

    #[test]
    fn declarations_keep_the_rules_of_the_namespaces_recommendation() {
        let mut scope = Scope::default();
        scope.enter(1);
        assert_eq!(declare(&mut scope, "xml", XML), Ok(()));
        for (prefix, uri) in
            [("xml", "u"), ("xmlns", "u"), ("p", ""), ("p", XML), ("", XML), ("", XMLNS), ("p", XMLNS), ("1", "u")]
        {
            assert!(matches!(declare(&mut scope, prefix, uri), Err(FaultKind::BadNamespace(_))), "{prefix}={uri}");
        }
    }

    #[test]
    fn the_bindings_in_scope_are_limited_in_number_and_length() {
        let mut scope = Scope::default();
        scope.enter(1);
        for i in 0..MAX_BINDINGS {
            declare(&mut scope, &format!("p{i}"), "u").unwrap();
        }
        assert_eq!(declare(&mut scope, "p", "u"), Err(FaultKind::TooManyNamespaces(MAX_BINDINGS)));
        let mut scope = Scope::default();
        scope.enter(1);
        let long = "u".repeat(MAX_BYTES / 2);
        assert_eq!(declare(&mut scope, "p", &long), Err(FaultKind::NamespacesTooLong(MAX_BYTES)));
    }
}
