//! The configuration file: TOML to [`Config`], every mistake at once.
//!
//! One table of keys (`keys`) says what may stand where. The parser walks the file along it, the mistakes take their
//! "allowed" from it, and [`schema`] is the same table as a JSON Schema. What the values become is [`Config`] and what
//! it holds; what no key can be told alone (names, directories, credentials) is checked at the end.
//!
//! Nothing here opens a file: the caller brings the text. Relative paths are kept as they are written; the caller
//! resolves them against its current directory. Secrets stay where they are: [`Secret`] says where. A secret that
//! stands in the file itself is in no mistake, warning, `Debug` or explanation, the quoted lines of the file included.

mod defaults;
mod explain;
mod json;
mod keys;
mod kind;
mod mistake;
mod model;
mod schema;
mod secrets;
mod section;
mod source;
mod syntax;
mod tables;
mod together;
pub mod units;
mod values;
mod walk;

#[cfg(test)]
mod tests;

use toml::de::DeTable;

pub use explain::explain;
pub use json::explain_json;
pub use kind::nearest;
pub use mistake::{Mistake, Mistakes, Warning};
pub use model::*;
pub use schema::schema;
pub use together::Clash;
pub use walk::join;

use section::Section;
use source::Source;
use walk::Walk;

/// The longest file that is read, in bytes.
pub const LONGEST_FILE: usize = 1 << 20;

/// A configuration that was read without a mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed in it but worth a word.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Reads a configuration. `file_name` only names the file in mistakes.
    ///
    /// # Errors
    /// All mistakes of the file at once.
    pub fn parse(text: &str, file_name: &str) -> Result<Loaded, Mistakes> {
        Config::parse_and_look(text, file_name, |_| Vec::new())
    }

    /// Reads a configuration. `look` looks at the directories themselves, and says which of them clash although their
    /// paths are apart; those without a mistake count.
    ///
    /// # Errors
    /// All mistakes of the file at once.
    pub fn parse_and_look(
        text: &str,
        file_name: &str,
        look: impl FnOnce(&Config) -> Vec<Clash>,
    ) -> Result<Loaded, Mistakes> {
        if text.len() > LONGEST_FILE {
            let what = format!("a file of {} bytes; allowed: at most {LONGEST_FILE}", text.len());
            let mistake = Mistake { line: 1, column: 1, key: String::new(), what, excerpt: None };
            return Err(Mistakes { file: file_name.to_owned(), list: vec![mistake] });
        }
        let source = Source::new(text);
        let (tree, errors) = DeTable::parse_recoverable(text);
        let errors = syntax::first_of_each_line(&source, errors);
        let mut walk = Walk::new(!errors.is_empty(), syntax::trusted_until(&source, &errors));
        let config = tables::config(&mut Section::open(&mut walk, String::new(), keys::FILE, tree.get_ref(), 0..0));
        if errors.is_empty() {
            together::check(&mut walk, &config);
            together::note_clashes(&mut walk, &look(&config));
        }
        let warnings = walk.finish(&source, file_name, tree.get_ref(), syntax::mistakes(&source, &errors))?;
        Ok(Loaded { config, warnings })
    }

    /// Whether any secret is written in the file itself, so that nobody else should be able to read it.
    pub fn has_literal_secrets(&self) -> bool {
        self.servers.values().any(Server::has_literal_secrets)
    }
}
