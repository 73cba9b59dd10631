//! What kinds of value a key can have, and in which words that is said.
//!
//! The table of keys ([`super::keys`]) is made of these. It drives the parser, the texts of its mistakes and the JSON
//! Schema, so that none of them can know a key that the others do not.

use std::time::Duration;

use super::units::{show_duration, show_size};

/// One key of a table.
#[derive(Debug)]
pub(super) struct Key {
    /// As it is written. Of a [`Kind::Secret`] it is only the stem: see [`Key::written_as`].
    pub(super) name: &'static str,
    /// What may stand there.
    pub(super) kind: Kind,
    /// Whether the table is incomplete without it.
    pub(super) required: bool,
    /// What it is for, in one sentence.
    pub(super) says: &'static str,
}

/// What may stand at a key.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text without control characters. Where it may be empty, that means that there is none.
    Text { empty: bool },
    /// One of these words.
    Word(&'static [&'static str]),
    /// A text of a form of its own: the form in words, and as a regular expression for the schema.
    Form { allowed: &'static str, pattern: &'static str },
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number { least: u64, most: u64 },
    /// A whole number and a unit of time.
    Duration { least: Duration },
    /// A whole number and a unit of size.
    Size { least: u64 },
    /// A path. Where it may be empty, that means that there is none.
    Path { empty: bool },
    /// An address of a service.
    Url,
    /// An address of which only scheme, host and port are meant.
    Origin,
    /// So many of these, or more.
    List { of: &'static Kind, least: usize },
    /// A secret, in one of four ways.
    Secret,
    /// The name of an environment variable that holds a secret.
    Variable,
    /// The name of a systemd credential that holds a secret.
    Credential,
    /// Names of HTTP header fields with a text or a secret each.
    Headers,
    /// A table with these keys.
    Table(&'static [Key]),
    /// A table whose key `type` says which keys it has.
    Tagged { tag: &'static Kind, shapes: &'static [(&'static str, &'static [Key])] },
    /// Tables with these keys, under names that the operator chooses.
    Named(&'static [Key]),
}

/// The ways to name a secret, as endings of its key; the last is the secret itself.
pub(super) const SECRET_FORMS: [&str; 4] = ["_file", "_env", "_credential", ""];

/// The ways to name the secret value of a header field, beside a plain text.
pub(super) const HEADER_FORMS: [&str; 3] = ["file", "env", "credential"];

/// What the name of an additional header field may be.
pub(super) const HEADER_NAME: &str = "letters, digits and -, of a field that HTTP and TAXII leave to others";

/// What the name of a server, feed, inbox or drop directory may be; it stands in logs and in the ledger.
pub(super) const NAME: &str = "1 to 64 of A-Z a-z 0-9 _ . -, not beginning with . or -";

/// [`NAME`] as a regular expression.
pub(super) const NAME_PATTERN: &str = "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$";

impl Key {
    /// The names under which this key is written in a file: one, except of a secret.
    pub(super) fn written_as(&self) -> Vec<String> {
        match self.kind {
            Kind::Secret => SECRET_FORMS.iter().map(|form| format!("{}{form}", self.name)).collect(),
            _ => vec![self.name.to_owned()],
        }
    }

    /// What has to be written where a required key is missing.
    pub(super) fn needed(&self) -> String {
        match self.kind {
            Kind::Secret => format!("one of {}", one_of(self.written_as())),
            ref kind => kind.allowed(),
        }
    }
}

/// Whether a server, feed, inbox or drop directory may have this name.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

impl Kind {
    /// Whether mistakes may quote what was found: not where a secret belongs, nor what may hold one.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Kind::Text { .. } | Kind::Word(_) | Kind::Form { .. } | Kind::Flag | Kind::Number { .. } => true,
            Kind::Duration { .. } | Kind::Size { .. } | Kind::Path { .. } | Kind::Url | Kind::Origin => true,
            Kind::Secret | Kind::Variable | Kind::Credential | Kind::Headers => false,
            Kind::List { of, .. } => of.is_open(),
            Kind::Table(_) | Kind::Tagged { .. } | Kind::Named(_) => false,
        }
    }

    /// Whether an empty text stands for none.
    pub(super) fn may_be_empty(&self) -> bool {
        matches!(self, Kind::Text { empty: true } | Kind::Path { empty: true })
    }

    /// What is allowed, as it follows "allowed:".
    pub(super) fn allowed(&self) -> String {
        match self {
            Kind::Text { empty: false } => "a text that is not empty, in quotes".into(),
            Kind::Text { empty: true } => "a text in quotes; an empty one means none".into(),
            Kind::Word(words) => one_of(words.iter().map(|word| format!("{word:?}"))),
            Kind::Form { allowed, .. } => (*allowed).into(),
            Kind::Flag => "true or false".into(),
            Kind::Number { least, most } if *most == i64::MAX as u64 => format!("a whole number of at least {least}"),
            Kind::Number { least, most } => format!("a whole number from {least} to {most}"),
            Kind::Duration { least } => {
                let least =
                    if least.is_zero() { String::new() } else { format!(", at least {}", show_duration(*least)) };
                format!("a duration in quotes, a whole number and one of ms s m h d w such as \"90s\"{least}")
            }
            Kind::Size { least } => {
                let least = if *least == 0 { String::new() } else { format!(", at least {}", show_size(*least)) };
                format!("a size in quotes, a whole number and one of KiB MiB GiB such as \"256MiB\"{least}")
            }
            Kind::Path { empty: false } => "a path in quotes".into(),
            Kind::Path { empty: true } => "a path in quotes; an empty one means none".into(),
            Kind::Url => "an http or https address in quotes, without user name, password and fragment".into(),
            Kind::Origin => {
                "scheme, host and port of an address in quotes, such as \"https://taxii.example.org\"".into()
            }
            Kind::List { of, least } => {
                let least = if *least == 0 { String::new() } else { format!(" of at least {least}") };
                format!("a list{least}, of each: {}", of.allowed())
            }
            Kind::Secret => "a text in quotes".into(),
            Kind::Variable => "the name of an environment variable in quotes".into(),
            Kind::Credential => "the name of a systemd credential, a file name, in quotes".into(),
            Kind::Headers => "a table of header fields, a text or { file | env | credential = \"…\" } each".into(),
            Kind::Table(_) => "a table".into(),
            Kind::Tagged { tag, .. } => format!("a table with a type, which is {}", tag.allowed()),
            Kind::Named(_) => "a table of tables, each with a name of your choice".into(),
        }
    }
}

/// `a, b or c`.
pub(super) fn one_of(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The one of `known` that `found` was probably meant to be: at most a third of its letters are wrong.
pub fn nearest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // What is longer than every sensible name is not compared: the cost grows with the product of the lengths.
    let found: Vec<char> = found.chars().take(65).flat_map(char::to_lowercase).collect();
    known
        .into_iter()
        .map(|known| (distance(&found, &known.to_lowercase().chars().collect::<Vec<_>>()), known))
        .filter(|(distance, known)| *distance * 3 <= known.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters must be put in, left out, replaced or exchanged with their neighbour to get from one to the other
/// (optimal string alignment).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_could_have_been_meant() {
        let known = ["server", "collection", "every", "output"];
        for (found, meant) in [
            ("sever", Some("server")),
            ("Server", Some("server")),
            ("evrey", Some("every")),
            ("colection", Some("collection")),
            ("ouput", Some("output")),
            ("path", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(found, known), meant, "{found}");
        }
    }

    #[test]
    fn words_are_listed_as_people_do() {
        assert_eq!(one_of(["a".into()]), "a");
        assert_eq!(one_of(["a".into(), "b".into(), "c".into()]), "a, b or c");
    }
}
