//! What TOML itself has to say.

use toml::de::Error;

use super::keys;
use super::kind::{Key, Kind};
use super::mistake::Mistake;
use super::source::Source;

/// What TOML says of a key or table that stands twice.
const TWICE: &str = "duplicate key";

/// The errors of the TOML parser as mistakes. One broken value makes the parser stumble several times; the first on
/// each line is told.
pub(super) fn mistakes(source: &Source<'_>, errors: &[Error]) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = errors
        .iter()
        .map(|error| {
            let at = at(error);
            let (line, column) = source.position(at);
            let what = match error.message() {
                TWICE => "found twice; allowed: once".to_owned(),
                _ if is_bare_word(source.line(at)) => "not TOML: a text must stand in quotes".to_owned(),
                message => format!("not TOML: {message}"),
            };
            // The line is not quoted: without the structure of the file nobody knows what in it is a secret.
            Mistake { line, column, key: key(source.line(at)), what, excerpt: None }
        })
        .collect();
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    mistakes.dedup_by_key(|mistake| mistake.line);
    mistakes
}

/// Up to which byte the tree that TOML made of a broken file can be trusted. A fault inside a value, or a mere
/// repetition, leaves the rest as it is; behind a broken header or key, values may stand in the wrong table.
pub(super) fn trusted_until(source: &Source<'_>, errors: &[Error]) -> usize {
    let breaks_structure = |error: &&Error| {
        let (_, column) = source.position(at(error));
        let before: String = source.line(at(error)).chars().take(column.saturating_sub(1)).collect();
        error.message() != TWICE && !before.contains('=')
    };
    errors.iter().filter(breaks_structure).map(at).min().unwrap_or(usize::MAX)
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
