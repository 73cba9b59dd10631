//! What is wrong, or worth a word, in a configuration file, and where.

use std::fmt;

/// The most mistakes that are told; a file of a megabyte could hold very many.
pub(super) const MOST_MISTAKES: usize = 500;

/// Everything that is wrong in one file; never empty. Its `Display` prints all of it, in the order of the file, a line
/// `FILE:LINE:COLUMN: KEY: WHAT` each, and under it the line of the file where that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    pub(super) file: String,
    pub(super) list: Vec<Mistake>,
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

/// One thing that is wrong. No part of it holds the value of a secret, the quoted line of the file included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, from 1, in characters.
    pub column: usize,
    /// The key with the tables it stands in, as `feeds.indicators.every`; empty where that cannot be told.
    pub key: String,
    /// What was found and what is allowed.
    pub what: String,
    /// The line of the file, and the same length of blanks and carets to print under it.
    pub(super) excerpt: Option<(String, String)>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.line, self.column, &self.key, &self.what)?;
        if let Some((line, carets)) = &self.excerpt {
            let number = self.line.to_string();
            let blank = " ".repeat(number.len());
            write!(f, "\n  {number} | {line}\n  {blank} | {carets}")?;
        }
        Ok(())
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

/// `LINE:COLUMN: KEY: WHAT`, to be printed after the name of the file and a colon.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.line, self.column, &self.key, &self.what)
    }
}

fn place(f: &mut fmt::Formatter<'_>, line: usize, column: usize, key: &str, what: &str) -> fmt::Result {
    match key {
        "" => write!(f, "{line}:{column}: {what}"),
        key => write!(f, "{line}:{column}: {key}: {what}"),
    }
}
