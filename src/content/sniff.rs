//! What a file looks like by its first character that is not white space.

/// What a file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The first character is `<`.
    Xml,
    /// The first character is `{` or `[`.
    Json,
    /// Anything else.
    Other,
}

/// Reads a byte order mark and white space, until it knows.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// The first byte of the mark of UTF-16, big endian or little.
    Mark16 { first: u8 },
    /// So many bytes of the mark of UTF-8.
    Mark8 { seen: u8 },
    /// One byte a character.
    Bytes { marked: bool },
    /// Two bytes a character, of which one may have been seen.
    Pairs { little: bool, first: Option<u8> },
}

impl Sniffer {
    /// What the file looks like, once a character says so.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Option<Look> {
        bytes.iter().find_map(|byte| self.step(*byte))
    }

    /// Whether all there was is white space behind a byte order mark or none; asked where there is no [`Look`].
    pub(super) fn is_blank(&self) -> bool {
        matches!(self.state, State::Bytes { .. } | State::Pairs { .. })
    }

    /// How long the byte order mark of UTF-8 is, in bytes.
    pub(super) fn byte_order_mark(&self) -> u64 {
        if self.state == (State::Bytes { marked: true }) { 3 } else { 0 }
    }

    fn step(&mut self, byte: u8) -> Option<Look> {
        match (self.state, byte) {
            (State::Start, 0xFE | 0xFF) => self.go(State::Mark16 { first: byte }),
            (State::Start, 0xEF) => self.go(State::Mark8 { seen: 1 }),
            (State::Start, _) => {
                self.state = State::Bytes { marked: false };
                look(byte)
            }
            (State::Mark16 { first: 0xFE }, 0xFF) => self.go(State::Pairs { little: false, first: None }),
            (State::Mark16 { first: 0xFF }, 0xFE) => self.go(State::Pairs { little: true, first: None }),
            (State::Mark8 { seen: 1 }, 0xBB) => self.go(State::Mark8 { seen: 2 }),
            (State::Mark8 { seen: 2 }, 0xBF) => self.go(State::Bytes { marked: true }),
            (State::Mark16 { .. } | State::Mark8 { .. }, _) => Some(Look::Other),
            (State::Bytes { .. }, _) => look(byte),
            (State::Pairs { little, first: None }, _) => self.go(State::Pairs { little, first: Some(byte) }),
            (State::Pairs { little, first: Some(first) }, second) => {
                self.state = State::Pairs { little, first: None };
                let (high, low) = if little { (second, first) } else { (first, second) };
                match look(low) {
                    found if high == 0 && found != Some(Look::Json) => found,
                    // JSON is UTF-8 (RFC 8259, section 8.1).
                    _ => Some(Look::Other),
                }
            }
        }
    }

    fn go(&mut self, state: State) -> Option<Look> {
        self.state = state;
        None
    }
}

fn look(byte: u8) -> Option<Look> {
    match byte {
        b' ' | b'\t' | b'\r' | b'\n' => None,
        b'<' => Some(Look::Xml),
        b'{' | b'[' => Some(Look::Json),
        _ => Some(Look::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_character_that_is_not_white_space_decides() {
        let table: [(&[u8], Option<Look>); 15] = [
            (b"<a/>", Some(Look::Xml)),
            (b" \r\n\t<", Some(Look::Xml)),
            (b"\xEF\xBB\xBF\n<", Some(Look::Xml)),
            (b"\xFE\xFF\0\n\0<", Some(Look::Xml)),
            (b"\xFF\xFE\n\0<\0", Some(Look::Xml)),
            (b"\n{", Some(Look::Json)),
            (b"\xEF\xBB\xBF[", Some(Look::Json)),
            (b"\xFF\xFE{\0", Some(Look::Other)),
            (b"\xFF\xFE<\x01", Some(Look::Other)),
            (b"\xEF\xBB<", Some(Look::Other)),
            (b"\xFF<", Some(Look::Other)),
            (b"\0<", Some(Look::Other)),
            (b"text <", Some(Look::Other)),
            (b"", None),
            (b"\xEF\xBB\xBF \n", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(Sniffer::default().feed(bytes), expected, "{bytes:?}");
            let mut sniffer = Sniffer::default();
            assert_eq!(bytes.chunks(1).find_map(|byte| sniffer.feed(byte)), expected, "cut: {bytes:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_alone_is_blank_and_a_part_of_one_is_not() {
        let table: [(&[u8], bool); 5] =
            [(b"\xEF\xBB\xBF", true), (b" \n", true), (b"\xFF\xFE", true), (b"\xEF\xBB", false), (b"\xFE", false)];
        for (bytes, expected) in table {
            let mut sniffer = Sniffer::default();
            assert_eq!(sniffer.feed(bytes), None);
            assert_eq!(sniffer.is_blank(), expected, "{bytes:?}");
        }
    }
}
