//! A file that is sent by hand, without a drop directory: from where it lies, and it stays there.

use std::path::Path;

use super::message::Block;
use super::transform::transform;
use crate::content::{Finding, Form, Inspector, Options, Refusal, Sendable};
use crate::store::StoreError;
use crate::store::disk::{self, FileReader};

/// Bytes read at once.
const PIECE: usize = 128 << 10;

/// A file that can be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What is sent of it.
    pub block: Block,
    /// Things worth a warning.
    pub remarks: Vec<&'static str>,
    file: FileReader,
}

/// Why a file is not sent.
#[derive(Debug, thiserror::Error)]
pub enum Unsendable {
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It can be sent to no inbox.
    #[error("{0}")]
    Refused(Refusal),
}

/// Looks at a file as the agent does before it sends one. `content_binding` overrides the one that is detected.
/// What cannot be sent as it is goes to a file without a name first.
pub fn prepare(path: &Path, content_binding: Option<String>) -> Result<Prepared, Unsendable> {
    let file = disk::open(path).map_err(StoreError::from)?;
    let mut inspector = Inspector::new(Options { content_binding });
    let mut buffer = vec![0; PIECE];
    loop {
        let count = file.read(&mut buffer).map_err(StoreError::from)?;
        if count == 0 {
            break;
        }
        inspector.feed(&buffer[..count]);
    }
    let Sendable { binding, form, remarks, .. } = match inspector.finish() {
        Finding::Sendable(sendable) => sendable,
        Finding::Refused(refusal) => return Err(Unsendable::Refused(refusal)),
    };
    let (content, range) = match form {
        Form::Verbatim { range } => (file.clone(), range),
        form => {
            file.rewind().map_err(StoreError::from)?;
            let mut scratch = disk::scratch().map_err(StoreError::from)?;
            let length = transform(&form, &file, &mut scratch)?;
            (scratch.into_reader().map_err(StoreError::from)?, 0..length)
        }
    };
    Ok(Prepared { block: Block { binding, content, range }, remarks, file })
}

impl Prepared {
    /// Whether the file is still the one that was looked at. What was sent of another one may not be what was meant.
    pub fn is_unchanged(&self) -> bool {
        self.file.stat_now().is_ok_and(|now| now.same_file_and_bytes(self.file.stat()))
    }

    /// The file's length in bytes.
    pub fn size(&self) -> u64 {
        self.file.stat().size
    }
}
