//! One table of the file, read key by key along the table of keys.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kind::{Key, Kind, NAME, is_name, nearest, one_of};
use super::values::{self, Reading};
use super::walk::{Walk, join, quoted};

/// How a value is read.
pub(super) type Reader<T> = fn(&Kind, &DeValue<'_>) -> Reading<T>;

/// One table of the file and the keys it may have.
pub(super) struct Section<'w, 'd> {
    /// Where mistakes are noted.
    pub(super) walk: &'w mut Walk,
    path: String,
    keys: &'static [Key],
    table: &'d DeTable<'d>,
}

impl<'w, 'd> Section<'w, 'd> {
    /// Opens a table that stands at `span`: notes the keys that nobody knows and the ones that are missing.
    pub(super) fn open(
        walk: &'w mut Walk,
        path: String,
        keys: &'static [Key],
        table: &'d DeTable<'d>,
        span: Range<usize>,
    ) -> Self {
        let known: Vec<String> = keys.iter().flat_map(Key::written_as).collect();
        for (name, value) in table {
            let key = join(&path, name.get_ref());
            if known.iter().any(|known| known == name.get_ref()) {
                walk.seen(key, value.span());
            } else {
                let meant = nearest(name.get_ref(), known.iter().map(String::as_str));
                let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
                walk.mistake(name.span(), &key, format!("unknown key{meant}; allowed: {}", one_of(known.clone())));
            }
        }
        for key in keys.iter().filter(|key| key.required) {
            if !key.written_as().iter().any(|name| table.contains_key(name.as_str())) {
                walk.missing(span.clone(), &join(&path, key.name), format!("missing; needed: {}", key.needed()));
            }
        }
        Section { walk, path, keys, table }
    }

    /// The full name of one of its keys.
    pub(super) fn key(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// What stands at the key as it is written.
    pub(super) fn written(&self, name: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table.get(name)
    }

    /// What may stand at the key, and what does.
    pub(super) fn look_up(&self, name: &str) -> Option<(&'static Kind, &'d Spanned<DeValue<'d>>)> {
        let kind = &self.keys.iter().find(|key| key.name == name)?.kind;
        Some((kind, self.table.get(name)?))
    }

    /// Reads the key's value into `into`, which keeps its default where the key is absent or wrong.
    pub(super) fn read<T>(&mut self, name: &str, reader: Reader<T>, into: &mut T) {
        if let Some((kind, value)) = self.look_up(name)
            && let Some(value) = self.walk.judge(&join(&self.path, name), kind, value, reader)
        {
            *into = value;
        }
    }

    /// Like [`Section::read`], of a key that need not have a value; an empty text may mean that it has none.
    pub(super) fn maybe<T>(&mut self, name: &str, reader: Reader<T>, into: &mut Option<T>) {
        if let Some((kind, value)) = self.look_up(name) {
            let none = kind.may_be_empty() && value.get_ref().as_str() == Some("");
            *into = if none { None } else { self.walk.judge(&join(&self.path, name), kind, value, reader) };
        }
    }

    /// Reads a list; each wrong element is a mistake of its own.
    pub(super) fn list<T>(&mut self, name: &str, reader: Reader<T>, into: &mut Vec<T>) {
        let Some((kind @ Kind::List { of, .. }, value)) = self.look_up(name) else { return };
        let key = self.key(name);
        let Some(elements) = self.walk.judge(&key, kind, value, values::list) else { return };
        into.clear();
        for (index, element) in elements.iter().enumerate() {
            let key = format!("{key}[{index}]");
            self.walk.seen(key.clone(), element.span());
            into.extend(self.walk.judge(&key, of, element, reader));
        }
    }

    /// Reads one of the words of a [`Kind::Word`].
    pub(super) fn word<T: Copy>(&mut self, name: &str, meanings: &[(&str, T)], into: &mut T) {
        let mut word = "";
        if let Some((kind, value)) = self.look_up(name) {
            word = self.walk.judge(&join(&self.path, name), kind, value, values::word).unwrap_or_default();
        }
        if let Some((_, meaning)) = meanings.iter().find(|(known, _)| *known == word) {
            *into = *meaning;
        }
    }

    /// Opens a table inside this one, where it is written.
    pub(super) fn table(&mut self, name: &str) -> Option<Section<'_, 'd>> {
        let (kind @ Kind::Table(keys), value) = self.look_up(name)? else { return None };
        self.enter(self.key(name), kind, keys, value)
    }

    /// Opens a table inside this one whose key `type` says what it holds.
    pub(super) fn tagged(&mut self, name: &str) -> Option<(&'static str, Section<'_, 'd>)> {
        let (kind @ Kind::Tagged { tag, shapes }, value) = self.look_up(name)? else { return None };
        let key = self.key(name);
        let table = self.walk.judge(&key, kind, value, values::table)?;
        let tag_key = join(&key, "type");
        let Some(found) = table.get("type") else {
            self.walk.missing(value.span(), &tag_key, format!("missing; needed: {}", tag.allowed()));
            return None;
        };
        let word = self.walk.judge(&tag_key, tag, found, values::word)?;
        let (tag, keys) = shapes.iter().find(|(tag, _)| *tag == word)?;
        Some((tag, self.enter(key, kind, keys, value)?))
    }

    /// Opens each table of a [`Kind::Named`] in turn and keeps what `read` makes of it under its name.
    pub(super) fn named<T>(&mut self, name: &str, read: fn(&mut Section<'_, '_>) -> T) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        let Some((kind @ Kind::Named(keys), value)) = self.look_up(name) else { return all };
        let path = self.key(name);
        let Some(tables) = self.walk.judge(&path, kind, value, values::table) else { return all };
        for (name, value) in tables {
            let key = join(&path, name.get_ref());
            self.walk.seen(key.clone(), value.span());
            if !is_name(name.get_ref()) {
                let what = format!("found the name {}; allowed: {NAME}", quoted(name.get_ref()));
                self.walk.mistake(name.span(), &key, what);
            }
            if let Some(mut section) = self.enter(key, &Kind::Table(keys), keys, value) {
                all.insert(name.get_ref().to_string(), read(&mut section));
            }
        }
        all
    }

    /// Notes that `other` is missing where `name` is written.
    pub(super) fn needs(&mut self, name: &str, other: &str) {
        let forms = self.keys.iter().find(|key| key.name == name).map(Key::written_as).unwrap_or_default();
        let written = forms.iter().find_map(|form| Some((form, self.table.get(form.as_str())?)));
        let known = self.keys.iter().find(|key| key.name == other);
        if let (Some((form, value)), Some(needed)) = (written, known)
            && !self.table.contains_key(other)
        {
            let what = format!("missing beside {form}; needed: {}", needed.needed());
            self.walk.missing(value.span(), &join(&self.path, other), what);
        }
    }

    fn enter(
        &mut self,
        key: String,
        kind: &Kind,
        keys: &'static [Key],
        value: &'d Spanned<DeValue<'d>>,
    ) -> Option<Section<'_, 'd>> {
        let table = self.walk.judge(&key, kind, value, values::table)?;
        Some(Section::open(self.walk, key, keys, table, value.span()))
    }
}
