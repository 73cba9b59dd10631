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

/// Whether what TOML made of a broken file can be walked all the same: its faults are inside values or mere
/// repetitions. After a broken header or key, values stand in the wrong table.
pub(super) fn tree_is_usable(source: &Source<'_>, errors: &[Error]) -> bool {
    errors.iter().all(|error| {
        let (_, column) = source.position(at(error));
        let before: String = source.line(at(error)).chars().take(column.saturating_sub(1)).collect();
        error.message() == TWICE || before.contains('=')
    })
}

fn at(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
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
