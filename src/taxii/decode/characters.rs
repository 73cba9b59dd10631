//! Character data as a reader of XML must see it.

use crate::xml::{Kind, Token};

/// Collects the characters of tokens: references resolved, line ends made one line feed (XML 1.0, 2.11).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Characters {
    /// The last byte was a carriage return: a line feed right after it belongs to it.
    carriage_return: bool,
}

impl Characters {
    /// Appends what a token adds to the text, which is nothing for markup.
    pub(super) fn append(&mut self, token: &Token<'_>, text: &mut Vec<u8>) {
        match token.kind {
            Kind::Text => self.normalise(token.raw, text),
            Kind::Section(inner) => {
                self.normalise(inner, text);
                // What comes next to the end of a section in the text stands apart from it in the document.
                self.carriage_return &= inner.len() == token.raw.len();
            }
            Kind::Reference(c) => {
                self.carriage_return = false;
                match u8::try_from(c) {
                    Ok(byte) if byte.is_ascii() => text.push(byte),
                    _ => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            _ => self.carriage_return = false,
        }
    }

    fn normalise(&mut self, raw: &[u8], text: &mut Vec<u8>) {
        let mut rest = raw;
        if self.carriage_return && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        self.carriage_return = if raw.is_empty() { self.carriage_return } else { raw.ends_with(b"\r") };
        while let Some(at) = memchr::memchr(b'\r', rest) {
            text.extend_from_slice(&rest[..at]);
            text.push(b'\n');
            rest = &rest[at + 1..];
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        text.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token<'a>(raw: &'a [u8], kind: Kind<'a>) -> Token<'a> {
        Token { raw, offset: 0, depth: 1, kind }
    }

    #[test]
    fn line_ends_become_one_line_feed_wherever_the_pieces_are_cut() {
        let source = b"a\r\nb\rc\n\r\r\n\nd";
        for cut in 0..=source.len() {
            let (mut characters, mut text) = (Characters::default(), Vec::new());
            for piece in [&source[..cut], &source[cut..]] {
                characters.append(&token(piece, Kind::Text), &mut text);
            }
            assert_eq!(text, b"a\nb\nc\n\n\n\nd", "cut at {cut}");
        }
    }

    #[test]
    fn a_carriage_return_by_reference_or_before_markup_stays_apart() {
        let (mut characters, mut text) = (Characters::default(), Vec::new());
        for piece in [
            token(b"&#13;", Kind::Reference('\r')),
            token(b"\nx\r", Kind::Text),
            token(b"<!---->", Kind::Comment),
            token(b"\ny\r", Kind::Text),
            token(b"<![CDATA[", Kind::Section(b"")),
            token(b"\nz\r]]>", Kind::Section(b"\nz\r")),
            token(b"\n", Kind::Text),
        ] {
            characters.append(&piece, &mut text);
        }
        assert_eq!(text, b"\r\nx\n\ny\n\nz\n\n");
    }
}
