//! What is sent of a file whose own bytes cannot stand in a message.

use std::io::{BufWriter, Write};

use crate::content::Form;
use crate::store::disk::{DiskError, FileReader, FileWriter};
use crate::store::{Result, StoreError};

/// Bytes read and written at once.
const PIECE: usize = 64 << 10;

/// Writes what is sent of a file that cannot be sent as it is. Gives its length.
pub(super) fn transform(form: &Form, source: &FileReader, file: &mut FileWriter) -> Result<u64> {
    let trouble = |error: std::io::Error| {
        StoreError::Disk(DiskError { what: "write what is sent of", path: source.path().to_owned(), source: error })
    };
    // Some forms write character by character.
    let mut written = BufWriter::with_capacity(PIECE, Counted { file, length: 0 });
    let mut writer = form.writer(&mut written);
    let mut buffer = vec![0; PIECE];
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        writer.write_all(&buffer[..count]).map_err(trouble)?;
    }
    writer.finish().map_err(trouble)?;
    written.flush().map_err(trouble)?;
    Ok(written.get_ref().length)
}

struct Counted<'a> {
    file: &'a mut FileWriter,
    length: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = Write::write(self.file, bytes)?;
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
