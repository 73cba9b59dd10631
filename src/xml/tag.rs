//! Reading one start tag (XML 1.0, 3.1; Namespaces in XML 1.0, sections 4 to 6).

use super::chars::{CLASS, END, HIGH, NAME, PLAIN, START, is_ncname, is_space};
use super::error::{FaultKind, shown};
use super::reference::first_fault;
use super::scope::{Bound, Scope};
use super::token::Name;

/// Attributes read of one tag.
const MAX_ATTRIBUTES: usize = 1024;

/// Where an attribute stands in its tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    name: NameSpan,
    value: (u32, u32),
    /// Length, first and last byte of the local name: where these differ, the names do.
    glance: u32,
    /// Whether it is a namespace declaration.
    declares: bool,
    /// What the prefix stands for, once that is resolved.
    bound: Bound,
}

/// Where a name stands in its tag.
#[derive(Clone, Copy, Debug, Default)]
struct NameSpan {
    start: u32,
    end: u32,
    /// Where the colon stands, 0 for none: no name begins a tag's bytes.
    colon: u32,
}

/// A tag, read. It is kept from tag to tag for the memory of its attributes.
#[derive(Debug, Default)]
pub(super) struct Tag {
    name: NameSpan,
    /// What the name's prefix, or its absence, stands for.
    bound: Bound,
    pub(super) empty: bool,
    pub(super) spans: Vec<Span>,
    /// The first broken rule, and where in the tag.
    pub(super) fault: Option<(usize, FaultKind)>,
}

/// `<` inside a tag, outside quotes: where the tag ends is anybody's guess.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Span {
    fn new(raw: &[u8], name: NameSpan, value: (u32, u32)) -> Self {
        let (prefix, local) = name.parts(raw);
        let declares = if prefix.is_empty() { local == b"xmlns" } else { prefix == b"xmlns" };
        let edge = |byte: Option<&u8>| u32::from(byte.copied().unwrap_or_default());
        let glance = (local.len() as u32) << 16 | edge(local.first()) << 8 | edge(local.last());
        Self { name, value, glance, declares, bound: Bound::Nothing }
    }

    /// The value as written.
    pub(super) fn value<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        slice(raw, self.value)
    }

    /// The quote around it.
    pub(super) fn quote(&self, raw: &[u8]) -> u8 {
        raw.get(self.value.1 as usize).copied().unwrap_or(b'"')
    }

    /// Whether it is a namespace declaration.
    pub(super) fn is_declaration(&self) -> bool {
        self.declares
    }

    /// The name, its namespace looked up. An attribute without a prefix is in no namespace.
    pub(super) fn resolved<'a>(&self, raw: &'a [u8], scope: &'a Scope) -> Name<'a> {
        let (prefix, local) = self.name.parts(raw);
        Name { prefix, local, namespace: scope.uri(self.bound) }
    }
}

impl NameSpan {
    fn whole<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        slice(raw, (self.start, self.end))
    }

    /// Prefix and local part.
    fn parts<'a>(&self, raw: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        match self.colon {
            0 => (b"", self.whole(raw)),
            colon => (slice(raw, (self.start, colon)), slice(raw, (colon + 1, self.end))),
        }
    }
}

fn slice(raw: &[u8], (start, end): (u32, u32)) -> &[u8] {
    raw.get(start as usize..end as usize).unwrap_or_default()
}

impl Tag {
    /// Reads the tag that some bytes begin with, if all of it is there and everything in it is as it should be, and
    /// returns its length. Nearly all tags are read here, in one pass. `None` says no more than that this one is to be
    /// read by [`read`](Tag::read), which tells what is wrong.
    pub(super) fn read_plain(&mut self, bytes: &[u8]) -> Option<usize> {
        self.spans.clear();
        self.fault = None;
        self.name = plain_name(bytes, 1)?;
        let mut at = self.name.end as usize;
        loop {
            let start = skip_space(bytes, at, bytes.len());
            let next = *bytes.get(start)?;
            if next == b'>' || next == b'/' {
                self.empty = next == b'/';
                let last = if self.empty { start + 1 } else { start };
                return (*bytes.get(last)? == b'>').then_some(last + 1);
            }
            if start == at || self.spans.len() == MAX_ATTRIBUTES {
                return None;
            }
            at = self.plain_attribute(bytes, start)?;
        }
    }

    /// Reads the attribute at `start`, in whose value there is no reference, and returns where it ends.
    fn plain_attribute(&mut self, bytes: &[u8], start: usize) -> Option<usize> {
        let name = plain_name(bytes, start)?;
        let equals = skip_space(bytes, name.end as usize, bytes.len());
        let open = skip_space(bytes, equals + 1, bytes.len());
        let quote = *bytes.get(open)?;
        if bytes[equals] != b'=' || (quote != b'"' && quote != b'\'') {
            return None;
        }
        let close = open + 1 + memchr::memchr3(quote, b'<', b'&', &bytes[open + 1..])?;
        if bytes[close] != quote {
            return None;
        }
        self.spans.push(Span::new(bytes, name, (open as u32 + 1, close as u32)));
        Some(close + 1)
    }

    /// Reads a whole tag, from its `<` to its `>`. What is broken is left in `fault`.
    pub(super) fn read(&mut self, raw: &[u8]) -> Result<(), Unreadable> {
        self.spans.clear();
        self.fault = None;
        self.name = self.name(raw, 1);
        let last = raw.len() - 1;
        self.empty = last > 1 && raw[last - 1] == b'/';
        let end = if self.empty { last - 1 } else { last };
        let mut at = self.name.end as usize;
        while at < end {
            match self.attribute(raw, at, end) {
                Ok(next) => at = next,
                Err(what) => {
                    // Too garbled for telling where the next attribute begins.
                    self.broken(skip_space(raw, at, end), FaultKind::BadTag(what));
                    if raw[at..].contains(&b'<') {
                        return Err(Unreadable);
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads the attribute after `at`, white space included, and returns where it ends. White space before the end
    /// of the tag is no attribute.
    fn attribute(&mut self, raw: &[u8], at: usize, end: usize) -> Result<usize, &'static str> {
        let start = skip_space(raw, at, end);
        if start == end {
            return Ok(end);
        }
        if start == at {
            return Err("no white space before an attribute");
        }
        if CLASS[usize::from(raw[start])] & END != 0 {
            return Err("something in a tag that is no attribute");
        }
        let name = self.name(raw, start);
        let equals = skip_space(raw, name.end as usize, end);
        if equals == end || raw[equals] != b'=' {
            return Err("an attribute without a value");
        }
        let open = skip_space(raw, equals + 1, end);
        let quote = if open == end { 0 } else { raw[open] };
        if quote != b'"' && quote != b'\'' {
            return Err("an attribute whose value is not quoted");
        }
        let Some(length) = memchr::memchr(quote, &raw[open + 1..end]) else {
            return Err("an attribute whose value does not end");
        };
        let value = &raw[open + 1..open + 1 + length];
        if let Some(found) = memchr::memchr(b'<', value) {
            self.broken(open + 1 + found, FaultKind::LessThanInValue);
        }
        if let Some(fault) = first_fault(value) {
            self.broken(open + 1, fault);
        }
        if self.spans.len() < MAX_ATTRIBUTES {
            let value = (open as u32 + 1, (open + 1 + length) as u32);
            self.spans.push(Span::new(raw, name, value));
        } else {
            self.broken(start, FaultKind::TooManyAttributes(MAX_ATTRIBUTES));
        }
        Ok(open + length + 2)
    }

    /// Reads the name at `start`, which may turn out to be empty or not to be one.
    fn name(&mut self, raw: &[u8], start: usize) -> NameSpan {
        let (mut at, mut colon, mut colons) = (start, 0, 0);
        let (mut all, mut any) = (NAME, 0);
        while let Some(&byte) = raw.get(at) {
            let class = CLASS[usize::from(byte)];
            if class & END != 0 {
                break;
            }
            if byte == b':' {
                colon = at;
                colons += 1;
            }
            all &= class;
            any |= class;
            at += 1;
        }
        let starts = |at: usize| raw.get(at).is_some_and(|&b| CLASS[usize::from(b)] & START != 0);
        let span = NameSpan { start: start as u32, end: at as u32, colon: colon as u32 };
        let plain = all == NAME && colons <= 1 && starts(start) && (colons == 0 || starts(colon + 1));
        let (prefix, local) = span.parts(raw);
        let proper = plain && (any & HIGH == 0 || (is_ncname(local) && (colons == 0 || is_ncname(prefix))));
        if !proper {
            self.broken(start, FaultKind::BadName(shown(span.whole(raw))));
        }
        if colons > 1 { NameSpan { colon: 0, ..span } } else { span }
    }

    /// Puts the tag's declarations into the scope and resolves its names.
    pub(super) fn resolve(&mut self, raw: &[u8], scope: &mut Scope) {
        for at in 0..self.spans.len() {
            let span = self.spans[at];
            if span.declares {
                let (scheme, declared) = span.name.parts(raw);
                let (prefix, bound) =
                    if scheme.is_empty() { (scheme, Bound::Nothing) } else { (declared, Bound::Xmlns) };
                self.spans[at].bound = bound;
                if let Err(fault) = scope.declare(prefix, span.value(raw), span.quote(raw)) {
                    self.broken(span.name.start as usize, fault);
                }
            }
        }
        let (prefix, _) = self.name.parts(raw);
        if prefix == b"xmlns" {
            self.broken(1, FaultKind::BadNamespace("an element with the prefix xmlns"));
        }
        self.bound = self.bind(1, prefix, scope);
        for at in 0..self.spans.len() {
            let Span { name, declares, .. } = self.spans[at];
            let (prefix, _) = name.parts(raw);
            if !declares && !prefix.is_empty() {
                self.spans[at].bound = self.bind(name.start as usize, prefix, scope);
            }
        }
        if let Some(name) = self.duplicate(raw, scope) {
            self.broken(name.start as usize, FaultKind::DuplicateAttribute(shown(name.whole(raw))));
        }
    }

    fn bind(&mut self, at: usize, prefix: &[u8], scope: &mut Scope) -> Bound {
        scope.find(prefix).unwrap_or_else(|| {
            self.broken(at, FaultKind::UnboundPrefix(shown(prefix)));
            Bound::Nothing
        })
    }

    /// An attribute that occurs twice, by the name as written or as resolved (Namespaces in XML 1.0, 6.3).
    fn duplicate(&self, raw: &[u8], scope: &Scope) -> Option<NameSpan> {
        const FEW: usize = 8;
        if self.differ(raw) {
            return None;
        }
        let identity = |at: usize| {
            let name = self.spans[at].resolved(raw, scope);
            (name.local, name.namespace)
        };
        let name = |at: usize| self.spans[at].name;
        if self.spans.len() <= FEW {
            let local = |at: usize| self.spans[at].name.parts(raw).1;
            let again =
                |at: &usize| (0..*at).any(|other| local(other) == local(*at) && identity(other) == identity(*at));
            return (1..self.spans.len()).find(again).map(name);
        }
        let mut order: Vec<usize> = (0..self.spans.len()).collect();
        order.sort_unstable_by_key(|at| identity(*at));
        order.windows(2).find(|pair| identity(pair[0]) == identity(pair[1])).map(|pair| name(pair[0].max(pair[1])))
    }

    /// Whether no two local names are the same, where it takes little to see that.
    fn differ(&self, raw: &[u8]) -> bool {
        const MANY: usize = 32;
        let local = |span: &Span| span.name.parts(raw).1;
        let same = |one: &Span, other: &Span| one.glance == other.glance && local(one) == local(other);
        let new = |(at, span): (usize, &Span)| !self.spans[..at].iter().any(|other| same(span, other));
        self.spans.len() <= MANY && self.spans.iter().enumerate().all(new)
    }

    /// The element's name, resolved.
    pub(super) fn resolved<'a>(&self, raw: &'a [u8], scope: &'a Scope) -> Name<'a> {
        let (prefix, local) = self.name.parts(raw);
        Name { prefix, local, namespace: scope.uri(self.bound) }
    }

    /// The element's name as written.
    pub(super) fn written<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        self.name.whole(raw)
    }

    /// Where the element's name ends.
    pub(super) fn name_end(&self) -> usize {
        self.name.end as usize
    }

    #[cold]
    fn broken(&mut self, at: usize, fault: FaultKind) {
        self.fault.get_or_insert((at, fault));
    }
}

/// Reads the name at `start`, if it is in ASCII and is one.
fn plain_name(bytes: &[u8], start: usize) -> Option<NameSpan> {
    let (mut colon, mut end) = (0, plain_part(bytes, start)?);
    if bytes.get(end) == Some(&b':') {
        (colon, end) = (end, plain_part(bytes, end + 1)?);
    }
    Some(NameSpan { start: start as u32, end: end as u32, colon: colon as u32 })
}

/// Where the part of a name ends that begins at `start`.
fn plain_part(bytes: &[u8], start: usize) -> Option<usize> {
    let (first, rest) = bytes.get(start..)?.split_first()?;
    if CLASS[usize::from(*first)] & (START | HIGH) != START {
        return None;
    }
    Some(start + 1 + rest.iter().position(|&b| CLASS[usize::from(b)] & PLAIN == 0)?)
}

fn skip_space(raw: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && is_space(raw[at]) {
        at += 1;
    }
    at
}
