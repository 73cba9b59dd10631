//! Whether bytes are text that XML can hold: UTF-8, and every character a `Char` of XML 1.0, section 2.2.

/// A check that is pushed through and keeps at most the bytes of one cut character.
#[derive(Debug)]
pub(super) struct Text {
    utf8: bool,
    legal: bool,
    cut: Vec<u8>,
}

/// What the bytes turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Characters {
    /// UTF-8 that can stand in XML.
    Legal,
    /// UTF-8 with a character that XML 1.0 does not have.
    Illegal,
    /// Not UTF-8.
    NotUtf8,
}

impl Text {
    pub(super) fn new() -> Self {
        Self { utf8: true, legal: true, cut: Vec::new() }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while self.utf8 && !self.cut.is_empty() {
            let Some((&byte, rest)) = bytes.split_first() else { return };
            bytes = rest;
            let mut character = std::mem::take(&mut self.cut);
            character.push(byte);
            self.check(&character);
        }
        if self.utf8 {
            self.check(bytes);
        }
    }

    pub(super) fn finish(self) -> Characters {
        match (self.utf8 && self.cut.is_empty(), self.legal) {
            (false, _) => Characters::NotUtf8,
            (true, false) => Characters::Illegal,
            (true, true) => Characters::Legal,
        }
    }

    /// Checks whole characters and keeps the one that is cut at the end.
    fn check(&mut self, bytes: &[u8]) {
        let (text, rest) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, &[][..]),
            Err(error) => {
                self.utf8 = error.error_len().is_none();
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                (std::str::from_utf8(valid).unwrap_or_default(), rest)
            }
        };
        self.legal = self.legal && is_legal(text);
        if self.utf8 {
            self.cut = rest.to_vec();
        }
    }
}

/// UTF-8 has no surrogates; what is left to refuse are most control characters, U+FFFE and U+FFFF.
fn is_legal(text: &str) -> bool {
    let control = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    !text.bytes().any(control) && !text.contains(['\u{FFFE}', '\u{FFFF}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn characters(bytes: &[u8]) -> Characters {
        let mut whole = Text::new();
        whole.feed(bytes);
        let whole = whole.finish();
        let mut cut = Text::new();
        bytes.chunks(1).for_each(|byte| cut.feed(byte));
        assert_eq!(whole, cut.finish(), "cut at every byte: {bytes:?}");
        whole
    }

    #[test]
    fn text_is_utf_8_of_the_characters_of_xml() {
        let table: [(&[u8], Characters); 13] = [
            (b"", Characters::Legal),
            (b"a\tb\r\nc\x7f", Characters::Legal),
            ("é€😀\u{85}\u{FFFD}\u{10FFFF}".as_bytes(), Characters::Legal),
            (b"a\0", Characters::Illegal),
            (b"\x1b[31m", Characters::Illegal),
            (b"\x0c", Characters::Illegal),
            ("a\u{FFFE}".as_bytes(), Characters::Illegal),
            ("\u{FFFF}b".as_bytes(), Characters::Illegal),
            (b"\xff\xfea\0", Characters::NotUtf8),
            (b"caf\xe9", Characters::NotUtf8),
            (b"caf\xe9!", Characters::NotUtf8),
            (b"\xed\xa0\x80", Characters::NotUtf8),
            (b"cut \xf0\x9f\x98", Characters::NotUtf8),
        ];
        for (bytes, expected) in table {
            assert_eq!(characters(bytes), expected, "{bytes:?}");
        }
    }
}
