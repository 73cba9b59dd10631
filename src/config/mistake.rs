//! What is wrong, or worth a word, in a configuration file, and where.

use std::fmt;

/// Everything that is wrong in one file; never empty. Its `Display` prints all of it, one mistake after the other in
/// the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    file: String,
    list: Vec<Mistake>,
}

impl std::error::Error for Mistakes {}

impl Mistakes {
    /// The mistakes, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.list.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.list.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{mistake}", self.file)?;
        }
        Ok(())
    }
}

/// One thing that is wrong. No part of it ever holds the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, from 1, in characters.
    pub column: usize,
    /// The key with the tables it stands in, as `feeds.indicators.every`; empty where TOML itself is broken.
    pub key: String,
    /// What was found and what is allowed.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.line, self.column, self.key, self.what)
    }
}

/// Something that is allowed, but that the operator should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, from 1, in characters.
    pub column: usize,
    /// The key with the tables it stands in.
    pub key: String,
    /// What it means.
    pub what: String,
    /// It is about a secret written in the file itself: worth a word only where others can read the file.
    pub literal_secret: bool,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.line, self.column, self.key, self.what)
    }
}
