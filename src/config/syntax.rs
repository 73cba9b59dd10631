//! What TOML itself has to say.

use toml::de::Error;

use super::keys;
use super::kind::{Key, Kind};
use super::mistake::{MOST_MISTAKES, Mistake};
use super::source::Source;

/// What TOML says of a key or table that stands twice.
const TWICE: &str = "duplicate key";

/// What TOML found wrong, in the order of the file. One broken value makes the parser stumble many times; only the
/// first on each line counts.
pub(super) fn first_of_each_line(source: &Source<'_>, mut errors: Vec<Error>) -> Vec<Error> {
    errors.sort_by_key(at);
    errors.dedup_by_key(|error| source.line_number(at(error)));
    errors
}

/// The errors as mistakes, so far as they will be told.
pub(super) fn mistakes(source: &Source<'_>, errors: &[Error]) -> Vec<Mistake> {
    let mistake = |error: &Error| {
        let (line, column) = source.position(at(error));
        let text = source.line(at(error));
        let header = table(text).or_else(|| dotted(text)).filter(|_| error.message() == TWICE);
        let what = match error.message() {
            TWICE => "found twice; allowed: once".to_owned(),
            _ if is_bare_word(text) => "not TOML: a text must stand in quotes".to_owned(),
            message => format!("not TOML: {message}"),
        };
        // The line is not quoted: without the structure of the file nobody knows what in it is a secret.
        Mistake { line, column, key: header.unwrap_or_else(|| key(text)), what, excerpt: None }
    };
    errors.iter().take(MOST_MISTAKES + 1).map(mistake).collect()
}

/// Up to which byte the tree that TOML made of a broken file can be trusted. A fault inside a value, or a mere
/// repetition, leaves the rest as it is; behind a broken header or key, values may stand in the wrong table.
pub(super) fn trusted_until(source: &Source<'_>, errors: &[Error]) -> usize {
    let breaks_structure = |error: &&Error| error.message() != TWICE && !source.line_before(at(error)).contains('=');
    errors.iter().find(breaks_structure).map_or(usize::MAX, at)
}

fn at(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// Whether a word without quotes follows the first equals sign; the parser would take `info` for a broken `inf`.
fn is_bare_word(line: &str) -> bool {
    line.split_once('=').is_some_and(|(_, value)| value.trim_start().starts_with(|c: char| c.is_alphabetic()))
}

/// The key of a line, if it is one that we know: anything else on a broken line may be part of a secret.
fn key(line: &str) -> String {
    let key = line.split_once('=').map_or("", |(key, _)| key.trim());
    if is_known(key, keys::FILE) { key.to_owned() } else { String::new() }
}

/// The table that a header opens. Its parts are names of tables, none of them a secret.
fn table(line: &str) -> Option<String> {
    let name = line.trim_start().strip_prefix('[')?.split(']').next()?;
    name.chars().all(|c| c.is_ascii_graphic()).then(|| name.trim_matches('[').to_owned())
}

/// The key of a line, if it is a dotted one below a table of ours.
fn dotted(line: &str) -> Option<String> {
    let key = line.split_once('=')?.0.trim();
    let (table, _) = key.split_once('.')?;
    let is_bare = key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (is_bare && keys::FILE.iter().any(|known| known.written_as().iter().any(|name| name == table)))
        .then(|| key.to_owned())
}

fn is_known(name: &str, keys: &[Key]) -> bool {
    keys.iter().any(|key| {
        key.written_as().iter().any(|known| known == name)
            || match &key.kind {
                Kind::Table(keys) | Kind::Named(keys) => is_known(name, keys),
                Kind::Tagged { shapes, .. } => shapes.iter().any(|(_, keys)| is_known(name, keys)),
                _ => false,
            }
    })
}
