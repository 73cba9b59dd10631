//! The body of a request: pieces in memory and ranges of open files, sent in order.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// The body of a request, of known length. Cloning it is cheap, and it can be sent any number of times, by several
/// senders at once: files are read by position.
#[derive(Clone, Debug, Default)]
pub struct Body {
    parts: Vec<Part>,
    len: u64,
}

#[derive(Clone, Debug)]
enum Part {
    Bytes(Bytes),
    File { file: Arc<File>, range: Range<u64> },
}

impl Body {
    /// A body without any part.
    pub fn new() -> Body {
        Body::default()
    }

    /// Adds bytes at the end.
    #[must_use]
    pub fn bytes(mut self, bytes: impl Into<Bytes>) -> Body {
        let bytes = bytes.into();
        self.len += bytes.len() as u64;
        self.parts.push(Part::Bytes(bytes));
        self
    }

    /// Adds a range of an open file at the end. A file that is shorter when it is sent is an error then.
    #[must_use]
    pub fn file(mut self, file: Arc<File>, range: Range<u64>) -> Body {
        self.len += range.end.saturating_sub(range.start);
        self.parts.push(Part::File { file, range });
        self
    }

    /// How many bytes will be sent.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing will be sent.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::new().bytes(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::new().bytes(text)
    }
}
