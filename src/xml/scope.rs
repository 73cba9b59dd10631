//! The namespace bindings in scope (Namespaces in XML 1.0, sections 2 to 6).

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
const PLACES: usize = 512;

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
    /// The bindings in scope. Behind them stay those of elements that ended until others take their place: block after
    /// block declares the same, and what was found good once need not be looked at again.
    entries: Vec<Entry>,
    /// How many of the entries are in scope.
    live: usize,
    /// How deep the current element is.
    depth: usize,
    /// A place per hash of a prefix: the index of the entry it was last declared as or resolved to. Documents use few
    /// prefixes over and over, but may declare more than a hundred. An entry that is in scope and has the prefix is the
    /// innermost one that has it, since every declaration takes its place.
    recent: Box<[u16; PLACES]>,
}

/// What a name's prefix stands for, while its element is the current one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bound {
    /// No namespace.
    #[default]
    Nothing,
    Xml,
    Xmlns,
    /// The URI of the entry at this index.
    Entry(u16),
}

#[derive(Debug)]
struct Entry {
    depth: usize,
    prefix: Range<usize>,
    raw: Range<usize>,
    uri: Range<usize>,
    quote: u8,
    /// The place of the prefix.
    place: u16,
}

impl Default for Scope {
    fn default() -> Self {
        Self { text: Vec::new(), entries: Vec::new(), live: 0, depth: 0, recent: Box::new([0; PLACES]) }
    }
}

impl Scope {
    /// What the current element inherits: the bindings of its ancestors that are still visible and that it does not
    /// declare itself, sorted by prefix. An undeclared default namespace is not among them.
    pub fn inherited(&self) -> Vec<Binding<'_>> {
        const FEW: usize = 8;
        let prefix = |at: usize| self.prefix(&self.entries[at]);
        let (outer, own) = self.in_scope().split_at(self.in_scope().partition_point(|entry| entry.depth < self.depth));
        if outer.len() <= FEW {
            let hidden = |at: usize| self.in_scope()[at + 1..].iter().any(|later| self.prefix(later) == prefix(at));
            let visible = (0..outer.len()).filter(|&at| !outer[at].uri.is_empty() && !hidden(at));
            let mut visible: Vec<_> = visible.map(|at| self.binding(&outer[at])).collect();
            visible.sort_unstable_by_key(|binding| binding.prefix);
            return visible;
        }
        let mut order: Vec<usize> = (0..outer.len()).collect();
        order.sort_unstable_by_key(|&at| (prefix(at), at));
        let innermost = |i: usize| order.get(i + 1).is_none_or(|&next| prefix(next) != prefix(order[i]));
        let mut visible: Vec<(bool, usize)> =
            (0..order.len()).filter(|&i| innermost(i)).map(|i| (true, order[i])).collect();
        for entry in own {
            if let Ok(hidden) = visible.binary_search_by_key(&self.prefix(entry), |&(_, at)| prefix(at)) {
                visible[hidden].0 = false;
            }
        }
        let visible = visible.into_iter().filter(|(visible, _)| *visible);
        visible.map(|(_, at)| self.binding(&self.entries[at])).filter(|binding| !binding.uri.is_empty()).collect()
    }

    /// The URI of what [`find`](Self::find) found.
    pub(super) fn uri(&self, bound: Bound) -> &[u8] {
        match bound {
            Bound::Nothing => b"",
            Bound::Xml => XML.as_bytes(),
            Bound::Xmlns => XMLNS.as_bytes(),
            Bound::Entry(at) => &self.text[self.entries[usize::from(at)].uri.clone()],
        }
    }

    /// What a prefix stands for; the empty prefix asks for the default namespace. `None` where it is not bound.
    pub(super) fn find(&mut self, prefix: &[u8]) -> Option<Bound> {
        let place = place(prefix);
        let recent = self.recent[place];
        if self.in_scope().get(usize::from(recent)).is_some_and(|entry| self.prefix(entry) == prefix) {
            return Some(Bound::Entry(recent));
        }
        match self.in_scope().iter().rposition(|entry| self.prefix(entry) == prefix) {
            Some(at) => {
                // There are never more entries than a place can tell apart.
                self.recent[place] = at as u16;
                Some(Bound::Entry(at as u16))
            }
            None => match prefix {
                b"" => Some(Bound::Nothing),
                b"xml" => Some(Bound::Xml),
                b"xmlns" => Some(Bound::Xmlns),
                _ => None,
            },
        }
    }

    /// An element begins.
    pub(super) fn enter(&mut self, depth: usize) {
        self.depth = depth;
    }

    /// An element ends; its parent is the current one.
    pub(super) fn leave(&mut self) {
        while self.in_scope().last().is_some_and(|entry| entry.depth >= self.depth) {
            self.live -= 1;
        }
        self.depth -= 1;
    }

    /// Takes a declaration of the current element; the prefix is empty for the default namespace.
    pub(super) fn declare(&mut self, prefix: &[u8], raw: &[u8], quote: u8) -> Result<(), FaultKind> {
        let again = self.entries.get(self.live).is_some_and(|entry| {
            let binding = self.binding(entry);
            binding.prefix == prefix && binding.raw == raw && binding.quote == quote
        });
        if !again {
            self.add(prefix, raw, quote)?;
        }
        let entry = &mut self.entries[self.live];
        entry.depth = self.depth;
        self.recent[usize::from(entry.place)] = self.live as u16;
        self.live += 1;
        Ok(())
    }

    /// Puts an entry behind those in scope, where others may have stood.
    fn add(&mut self, prefix: &[u8], raw: &[u8], quote: u8) -> Result<(), FaultKind> {
        let uri = normalise(raw);
        check(prefix, &uri)?;
        if self.live >= MAX_BINDINGS {
            return Err(FaultKind::TooManyNamespaces(MAX_BINDINGS));
        }
        let length = self.in_scope().last().map_or(0, |last| last.raw.end.max(last.uri.end));
        if length + prefix.len() + 2 * raw.len() > MAX_BYTES {
            return Err(FaultKind::NamespacesTooLong(MAX_BYTES));
        }
        self.entries.truncate(self.live);
        self.text.truncate(length);
        let place = place(prefix) as u16;
        let prefix = self.keep(prefix);
        let raw_kept = self.keep(raw);
        let uri = if *uri == *raw { raw_kept.clone() } else { self.keep(&uri) };
        self.entries.push(Entry { depth: self.depth, prefix, raw: raw_kept, uri, quote, place });
        Ok(())
    }

    fn in_scope(&self) -> &[Entry] {
        &self.entries[..self.live]
    }

    fn prefix(&self, entry: &Entry) -> &[u8] {
        &self.text[entry.prefix.clone()]
    }

    fn binding(&self, entry: &Entry) -> Binding<'_> {
        Binding {
            prefix: self.prefix(entry),
            uri: &self.text[entry.uri.clone()],
            raw: &self.text[entry.raw.clone()],
            quote: entry.quote,
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        start..self.text.len()
    }
}

/// The place of a prefix. Its length and three of its bytes tell most prefixes of a document apart.
fn place(prefix: &[u8]) -> usize {
    let byte = |at: usize| usize::from(prefix.get(at).copied().unwrap_or_default());
    let (middle, last) = (prefix.len() / 2, prefix.len().wrapping_sub(1));
    (prefix.len() + 5 * byte(0) + 31 * byte(middle) + 127 * byte(last)) % PLACES
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

    /// The namespace of a prefix, looked up twice: what was found is remembered.
    fn resolve(scope: &mut Scope, prefix: &str) -> Option<String> {
        let found = scope.find(prefix.as_bytes());
        assert_eq!(scope.find(prefix.as_bytes()), found);
        found.map(|bound| String::from_utf8(scope.uri(bound).to_vec()).unwrap())
    }

    #[test]
    fn inner_bindings_hide_outer_ones_until_their_element_ends() {
        let mut scope = Scope::default();
        scope.enter(1);
        declare(&mut scope, "p", "outer").unwrap();
        assert_eq!(resolve(&mut scope, "p").as_deref(), Some("outer"));
        for inner in ["inner", "inner", "other", "inner"] {
            scope.enter(2);
            assert_eq!(resolve(&mut scope, "p").as_deref(), Some("outer"));
            declare(&mut scope, "p", inner).unwrap();
            assert_eq!(resolve(&mut scope, "p").as_deref(), Some(inner));
            scope.leave();
            assert_eq!(resolve(&mut scope, "p").as_deref(), Some("outer"));
        }
        scope.leave();
        assert_eq!(resolve(&mut scope, "p"), None);
        assert_eq!(resolve(&mut scope, "").as_deref(), Some(""));
        assert_eq!(resolve(&mut scope, "xml").as_deref(), Some(XML));
    }

    #[test]
    fn what_ended_is_bound_no_more_and_gives_way_to_other_bindings() {
        let mut scope = Scope::default();
        scope.enter(1);
        declare(&mut scope, "a", "1").unwrap();
        let lists: [&[(&str, &str)]; 6] = [
            &[("b", "2"), ("c", "3"), ("d", "4")],
            &[("b", "2"), ("c", "3"), ("d", "4")],
            &[("b", "2")],
            &[("c", "3"), ("b", "2")],
            &[("b", "2"), ("c", "a longer one &amp; another"), ("d", "4")],
            &[("b", "2"), ("c", "3"), ("c", "5")],
        ];
        for list in lists {
            scope.enter(2);
            for prefix in ["b", "c", "d"] {
                assert_eq!(resolve(&mut scope, prefix), None, "{prefix} before {list:?}");
            }
            list.iter().for_each(|(prefix, uri)| declare(&mut scope, prefix, uri).unwrap());
            for prefix in ["a", "b", "c", "d"] {
                let declared = list.iter().rev().find(|(declared, _)| *declared == prefix);
                let expected =
                    declared.map(|(_, uri)| uri.replace("&amp;", "&")).or((prefix == "a").then(|| "1".into()));
                assert_eq!(resolve(&mut scope, prefix), expected, "{prefix} in {list:?}");
            }
            let inherited: Vec<_> = scope.inherited().iter().map(|b| b.prefix).collect();
            assert_eq!(inherited, [b"a"]);
            scope.leave();
        }
    }

    #[test]
    fn a_declaration_that_was_refused_is_refused_again() {
        let mut scope = Scope::default();
        scope.enter(1);
        declare(&mut scope, "p", "u").unwrap();
        scope.leave();
        for _ in 0..2 {
            scope.enter(1);
            assert!(declare(&mut scope, "p", "").is_err());
            assert_eq!(resolve(&mut scope, "p"), None);
            declare(&mut scope, "p", "u").unwrap();
            scope.leave();
        }
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
    fn many_are_inherited_as_few_are() {
        for others in [0, 1, 7, 8, 20] {
            let mut scope = Scope::default();
            scope.enter(1);
            for (prefix, uri) in [("z", "1"), ("", "default"), ("own", "2"), ("z", "3"), ("a", "4")] {
                declare(&mut scope, prefix, uri).unwrap();
            }
            (0..others).for_each(|other| declare(&mut scope, &format!("p{other:02}"), "p").unwrap());
            scope.enter(2);
            declare(&mut scope, "", "").unwrap();
            declare(&mut scope, "a", "5").unwrap();
            scope.enter(3);
            declare(&mut scope, "own", "6").unwrap();
            let inherited = scope.inherited();
            let names: Vec<_> = inherited.iter().map(|b| String::from_utf8_lossy(b.prefix).into_owned()).collect();
            let between = (0..others).map(|other| format!("p{other:02}"));
            let expected: Vec<_> = ["a".to_owned()].into_iter().chain(between).chain(["z".to_owned()]).collect();
            assert_eq!(names, expected);
            assert_eq!((inherited[0].uri, inherited[others + 1].uri), (&b"5"[..], &b"3"[..]));
        }
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
        assert_eq!(resolve(&mut scope, "").as_deref(), Some(""));
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
