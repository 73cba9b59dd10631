//! From whatever encoding a document is in to UTF-8.

/// How the encoding of a document is found.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The charset of the Content-Type, asked when there is neither a byte order mark nor an encoding declaration.
    pub charset: Option<String>,
    /// Whether white space before the document is dropped, as replies of real servers need it (a file with white
    /// space before its XML declaration is not well formed).
    pub leading_space: bool,
}
