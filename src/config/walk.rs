//! What is noted on the way through the tree that TOML made of the file: every mistake with its place, so that the way
//! goes on behind it, and where each key stood.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kind::Kind;
use super::mistake::{MOST_MISTAKES, Mistake, Mistakes, Warning};
use super::source::{Source, hidden};
use super::values::Reading;

/// The longest part of a value that is quoted, in characters.
const LONGEST_VALUE: usize = 60;

/// What the walk has seen of the file.
pub(super) struct Walk {
    /// TOML itself is broken somewhere: what is not in the tree may be in the file all the same.
    damaged: bool,
    /// Behind this byte the tree is not what the operator meant.
    trusted_until: usize,
    mistakes: Vec<Note>,
    warnings: Vec<Note>,
    places: BTreeMap<String, Place>,
    /// Where values begin that may be quoted.
    shown: BTreeSet<usize>,
}

/// Where a key's value stands, and whether it was read without a mistake.
struct Place {
    span: Range<usize>,
    sound: bool,
}

struct Note {
    span: Range<usize>,
    key: String,
    what: String,
    literal_secret: bool,
}

impl Walk {
    pub(super) fn new(damaged: bool, trusted_until: usize) -> Self {
        let (places, shown) = (BTreeMap::new(), BTreeSet::new());
        Walk { damaged, trusted_until, mistakes: Vec::new(), warnings: Vec::new(), places, shown }
    }

    /// Notes what is wrong at `span`.
    pub(super) fn mistake(&mut self, span: Range<usize>, key: &str, what: String) {
        if let Some(place) = self.places.get_mut(key) {
            place.sound = false;
        }
        self.mistakes.push(Note { span, key: key.to_owned(), what, literal_secret: false });
    }

    /// Notes that something is not there. Of a damaged file nobody can say that.
    pub(super) fn missing(&mut self, span: Range<usize>, key: &str, what: String) {
        if !self.damaged {
            self.mistake(span, key, what);
        }
    }

    /// Notes what is worth a word at a key that stands in the file.
    pub(super) fn warn(&mut self, key: &str, what: &str, literal_secret: bool) {
        if let Some(place) = self.places.get(key) {
            let note = Note { span: place.span.clone(), key: key.to_owned(), what: what.to_owned(), literal_secret };
            self.warnings.push(note);
        }
    }

    /// Whether the key stands in the file, rightly or wrongly.
    pub(super) fn is_written(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    /// Where the value of the key stands, if it does and was read without a mistake.
    pub(super) fn sound(&self, key: &str) -> Option<Range<usize>> {
        self.places.get(key).filter(|place| place.sound).map(|place| place.span.clone())
    }

    /// The elements of a list that were read without a mistake, in their order: key and place.
    pub(super) fn sound_elements(&self, key: &str) -> Vec<(String, Range<usize>)> {
        let keys = (0..).map(|index| format!("{key}[{index}]")).take_while(|key| self.is_written(key));
        keys.filter_map(|key| self.sound(&key).map(|span| (key, span))).collect()
    }

    /// Notes that a key stands in the file.
    pub(super) fn seen(&mut self, key: String, span: Range<usize>) {
        self.places.insert(key, Place { span, sound: true });
    }

    /// Reads a value; where it is wrong, says what was found and what is allowed.
    pub(super) fn judge<'v, T>(
        &mut self,
        key: &str,
        kind: &Kind,
        value: &'v Spanned<DeValue<'v>>,
        reader: impl FnOnce(&Kind, &'v DeValue<'v>) -> Reading<T>,
    ) -> Option<T> {
        let shown = may_be_shown(kind, value.get_ref());
        if shown {
            self.shown.insert(value.span().start);
        }
        match reader(kind, value.get_ref()) {
            Ok(value) => Some(value),
            Err(why) => {
                let found = found(value.get_ref(), shown);
                self.mistake(value.span(), key, format!("found {found} ({why}); allowed: {}", kind.allowed()));
                None
            }
        }
    }

    /// What came of it: the warnings, or the mistakes with `syntax` among them.
    pub(super) fn finish(
        mut self,
        source: &Source<'_>,
        file: &str,
        tree: &DeTable<'_>,
        syntax: Vec<Mistake>,
    ) -> Result<Vec<Warning>, Mistakes> {
        // Where the structure is broken nobody knows which characters are a secret's, so nothing is quoted, and a
        // value on such a line was judged already.
        let hidden = if self.damaged { None } else { Some(hidden(tree, &self.shown)) };
        self.mistakes.retain(|note| note.span.start < self.trusted_until);
        self.mistakes.sort_by_key(|note| note.span.start);
        self.warnings.sort_by_key(|note| note.span.start);
        let broken: BTreeSet<usize> = syntax.iter().map(|mistake| mistake.line).collect();
        let mut list = syntax;
        for note in self.mistakes.into_iter().take(MOST_MISTAKES + 1) {
            let (line, column) = source.position(note.span.start);
            if !broken.contains(&line) {
                let excerpt = hidden.as_ref().and_then(|hidden| source.excerpt(&note.span, hidden));
                list.push(Mistake { line, column, key: note.key, what: note.what, excerpt });
            }
        }
        if list.is_empty() {
            return Ok(self.warnings.into_iter().map(|note| note.warning(source)).collect());
        }
        list.sort_by_key(|mistake| (mistake.line, mistake.column));
        if let Some(last) = list.get_mut(MOST_MISTAKES) {
            let more = format!("this and what follows are not told: the limit is {MOST_MISTAKES} mistakes at once");
            *last = Mistake { key: String::new(), what: more, excerpt: None, ..last.clone() };
        }
        list.truncate(MOST_MISTAKES + 1);
        Err(Mistakes { file: file.to_owned(), list })
    }
}

impl Note {
    fn warning(self, source: &Source<'_>) -> Warning {
        let (line, column) = source.position(self.span.start);
        Warning { line, column, key: self.key, what: self.what, literal_secret: self.literal_secret }
    }
}

/// A key under a path, quoted where TOML would want that: `feeds."a.b"`.
pub fn join(path: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let name = if bare { name.to_owned() } else { quoted(name) };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// Whether mistakes may quote a value: not where a secret belongs, and nothing with an `@`. That may be an address with a
/// user name and a password, also where it is so wrong that nobody can tell.
fn may_be_shown(kind: &Kind, value: &DeValue<'_>) -> bool {
    kind.is_open() && !value.as_str().is_some_and(|text| text.contains('@'))
}

/// A value as mistakes show it.
fn found(value: &DeValue<'_>, shown: bool) -> String {
    match value {
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::String(_) if !shown => "a text that is not shown".to_owned(),
        _ if !shown => "a value that is not shown".to_owned(),
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => cut(&number.to_string()),
        DeValue::Float(number) => cut(&number.to_string()),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
    }
}

/// A text in quotes, escaped and cut.
pub(super) fn quoted(text: &str) -> String {
    let cut = cut(text);
    match cut.strip_suffix('…') {
        Some(start) if cut != text => format!("{start:?}…"),
        _ => format!("{text:?}"),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
