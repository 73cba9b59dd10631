//! The bytes that stand between `<Content>` and `</Content>`, made from the file's (protocol reference, 8 and 13.5).

use std::io::{self, Write};
use std::ops::Range;

use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::write::EncoderWriter;

use super::document;
use crate::xml::{self, Consumer, Fault, Token};

/// How a file stands between `<Content>` and `</Content>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Bytes of the file as they are: the root element of XML in UTF-8.
    Verbatim {
        /// The bytes, as offsets in the file.
        range: Range<u64>,
    },
    /// The root element of XML in another encoding, in UTF-8.
    Transcoded {
        /// The root element, as offsets in the whole file's UTF-8 form.
        range: Range<u64>,
    },
    /// Text, with `&`, `<`, `>` and carriage returns as references; every other character is kept.
    Escaped {
        /// The text, as offsets in the file.
        range: Range<u64>,
    },
    /// The whole file in base64 (RFC 4648, section 4), without line breaks.
    Base64,
}

impl Form {
    /// Turns the bytes of the file, written to it from the first to the last, into the bytes of this form.
    pub fn writer<W: Write>(&self, out: W) -> ContentWriter<W> {
        ContentWriter(match self {
            Self::Verbatim { range } => Stage::Verbatim(Window::new(range, out)),
            Self::Transcoded { range } => {
                Stage::Transcoded(Box::new(xml::Document::new(document::options())), Utf8(Window::new(range, out)))
            }
            Self::Escaped { range } => Stage::Escaped(Window::new(range, Escaping(out))),
            Self::Base64 => Stage::Base64(Box::new(EncoderWriter::new(out, &STANDARD))),
        })
    }
}

/// Writes a [`Form`] while the bytes of the file are written to it, at constant memory.
pub struct ContentWriter<W: Write>(Stage<W>);

enum Stage<W: Write> {
    Verbatim(Window<W>),
    Transcoded(Box<xml::Document>, Utf8<W>),
    Escaped(Window<Escaping<W>>),
    // Boxed, for it holds a kilobyte that the other stages do not need.
    Base64(Box<EncoderWriter<'static, GeneralPurpose, W>>),
}

impl<W: Write> ContentWriter<W> {
    /// Ends the content, and gives back where it was written to.
    ///
    /// An error of kind `UnexpectedEof` where the file was shorter than the one that was inspected: what was written
    /// is not the content.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Stage::Verbatim(window) => window.finish(),
            Stage::Transcoded(mut reader, mut utf8) => {
                reader.finish(&mut utf8).map_err(changed)?;
                utf8.0.finish()
            }
            Stage::Escaped(window) => window.finish().map(|escaping| escaping.0),
            Stage::Base64(mut encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for ContentWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Stage::Verbatim(window) => window.pass(bytes)?,
            Stage::Transcoded(reader, utf8) => reader.feed(bytes, utf8).map_err(changed)?,
            Stage::Escaped(window) => window.pass(bytes)?,
            Stage::Base64(encoder) => encoder.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Stage::Verbatim(window) => window.out.flush(),
            Stage::Transcoded(_, utf8) => utf8.0.out.flush(),
            Stage::Escaped(window) => window.out.0.flush(),
            Stage::Base64(encoder) => encoder.flush(),
        }
    }
}

/// Lets the bytes of one range through.
struct Window<W> {
    range: Range<u64>,
    position: u64,
    out: W,
}

impl<W: Write> Window<W> {
    fn new(range: &Range<u64>, out: W) -> Self {
        Self { range: range.clone(), position: 0, out }
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Where the range begins and ends in these bytes; both are at most their length, so they fit.
        let within = |offset: u64| offset.saturating_sub(self.position).min(bytes.len() as u64) as usize;
        let (start, end) = (within(self.range.start), within(self.range.end));
        self.position += bytes.len() as u64;
        self.out.write_all(&bytes[start..end.max(start)])
    }

    fn finish(self) -> io::Result<W> {
        if self.position < self.range.end {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than when it was inspected"));
        }
        Ok(self.out)
    }
}

/// Takes a document's UTF-8 form from its reader: the raw bytes of its tokens, one after the other.
struct Utf8<W>(Window<W>);

impl<W: Write> Consumer for Utf8<W> {
    type Error = io::Error;

    fn token(&mut self, token: Token<'_>) -> io::Result<()> {
        self.0.pass(token.raw)
    }

    fn fault(&mut self, fault: Fault) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::InvalidData, fault))
    }
}

/// A file that was found well formed cannot have become otherwise: it is the agent's own copy. If it has, then that is
/// an error of the disk.
fn changed(error: xml::Error<io::Error>) -> io::Error {
    match error {
        xml::Error::Consumer(error) => error,
        other => {
            io::Error::new(io::ErrorKind::InvalidData, format!("the file has changed since it was inspected: {other}"))
        }
    }
}

/// Writes text as character data (XML 1.0, section 2.4).
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|byte| reference(*byte).is_some()) {
            self.0.write_all(&rest[..at])?;
            self.0.write_all(reference(rest[at]).unwrap_or_default())?;
            rest = &rest[at + 1..];
        }
        self.0.write_all(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A reader of XML turns a carriage return into a line feed (XML 1.0, section 2.11), unless it is a reference.
fn reference(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'&' => Some(b"&amp;"),
        b'<' => Some(b"&lt;"),
        b'>' => Some(b"&gt;"),
        b'\r' => Some(b"&#13;"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of some bytes, written in pieces of every size.
    fn written(form: &Form, bytes: &[u8]) -> Vec<u8> {
        let pieces = |size| {
            let mut writer = form.writer(Vec::new());
            bytes.chunks(size).for_each(|piece| writer.write_all(piece).unwrap());
            writer.flush().unwrap();
            writer.finish().unwrap()
        };
        let whole = pieces(bytes.len().max(1));
        for size in 1..bytes.len() {
            assert_eq!(pieces(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn a_range_is_cut_out_as_it_is() {
        let range = |range| Form::Verbatim { range };
        assert_eq!(written(&range(2..7), b"xx<a>\xE9yz"), b"<a>\xE9y");
        assert_eq!(written(&range(0..3), b"abc"), b"abc");
        assert_eq!(written(&range(1..1), b"abc"), b"");
    }

    #[test]
    fn text_comes_back_from_a_reader_as_it_was() {
        let text = "{\"a\":\"<b> & ]]> \u{e9} \u{1F600}\",\r\n\t\"c\":'d'\r}\n";
        let escaped =
            String::from_utf8(written(&Form::Escaped { range: 0..text.len() as u64 }, text.as_bytes())).unwrap();
        assert!(
            escaped.contains("&lt;b&gt; &amp; ]]&gt;") && escaped.contains("&#13;\n\t\"c\":'d'&#13;}"),
            "{escaped}"
        );
        let message = format!("<Content>{escaped}</Content>");
        assert_eq!(roxmltree::Document::parse(&message).unwrap().root_element().text(), Some(text));
    }

    #[test]
    fn base64_is_one_line_with_padding() {
        assert_eq!(written(&Form::Base64, b"\0\xFF\xFEa"), b"AP/+YQ==");
        let long = written(&Form::Base64, &[7; 1000]);
        assert_eq!(long, base64::Engine::encode(&STANDARD, [7; 1000]).as_bytes());
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error() {
        for form in [Form::Verbatim { range: 1..9 }, Form::Escaped { range: 0..9 }, Form::Transcoded { range: 0..9 }] {
            let mut writer = form.writer(Vec::new());
            let result = writer.write_all(b"<a/>").and_then(|()| writer.finish());
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{form:?}");
        }
    }
}
