//! Which characters XML allows where (XML 1.0, fifth edition, 2.2 and 2.3; Namespaces in XML 1.0, section 4).

/// White space.
pub(super) const SPACE: u8 = 1;
/// Ends a name inside a tag.
pub(super) const END: u8 = 2;
/// May stand in a name. Bytes beyond ASCII have it, too; which of them may is decided by [`is_ncname`].
pub(super) const NAME: u8 = 4;
/// May begin a name.
pub(super) const START: u8 = 8;
/// Beyond ASCII.
pub(super) const HIGH: u8 = 16;
/// May stand in a part of a name, and is ASCII.
pub(super) const PLAIN: u8 = 32;

/// The classes of every byte.
pub(super) static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b'\t' | b'\r' | b'\n' => SPACE | END,
            b'=' | b'>' | b'/' | b'<' | b'"' | b'\'' => END,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => NAME | START | PLAIN,
            b'0'..=b'9' | b'-' | b'.' => NAME | PLAIN,
            b':' => NAME,
            0x80.. => NAME | START | HIGH,
            _ => 0,
        };
        byte += 1;
    }
    table
}

/// Whether a byte is white space (XML 1.0, production 3).
pub fn is_space(byte: u8) -> bool {
    CLASS[usize::from(byte)] & SPACE != 0
}

/// What stands before the first white space.
pub(super) fn first_word(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|&b| is_space(b)).unwrap_or(bytes.len())]
}

/// Whether a document may hold a character (production 2).
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether this is a name without a colon (production 4 of Namespaces in XML).
pub(super) fn is_ncname(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(|c| is_name_start(c) || is_name_rest(c))
}

/// Production 4 of XML 1.0, without the colon.
fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// What production 4a of XML 1.0 adds.
fn is_name_rest(c: char) -> bool {
    matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// What makes bytes no characters of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Illegal {
    /// Not UTF-8.
    NotUtf8,
    /// A character that XML 1.0 forbids.
    Character(char),
}

/// Whether all of it is UTF-8 that a document may hold. Passes that vectorise are faster than one that does not, and most
/// documents are ASCII.
pub(super) fn are_legal(bytes: &[u8]) -> bool {
    // Of the controls most documents have line feeds alone, and those are looked at with the others only where there are.
    let (control, high) =
        bytes.iter().fold((false, 0), |(found, high), &b| (found | ((b < 0x20) & (b != 10)), high | b));
    let forbidden = |b: u8| (b < 0x20) & (b != 9) & (b != 10) & (b != 13);
    if control && bytes.iter().fold(false, |found, &b| found | forbidden(b)) {
        return false;
    }
    if high < 0x80 {
        return true;
    }
    // U+FFFE and U+FFFF are the only forbidden characters beyond the controls.
    let nonchar = |at: usize| matches!(bytes.get(at + 1..at + 3), Some([0xBF, 0xBE | 0xBF]));
    !memchr::memchr_iter(0xEF, bytes).any(nonchar) && std::str::from_utf8(bytes).is_ok()
}

/// The first thing that a document may not hold, and where.
pub(super) fn first_illegal(bytes: &[u8]) -> Option<(usize, Illegal)> {
    let (text, rest) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let end = error.valid_up_to();
            (std::str::from_utf8(&bytes[..end]).unwrap_or_default(), Some((end, Illegal::NotUtf8)))
        }
    };
    let forbidden = text.char_indices().find(|(_, c)| !is_xml_char(*c));
    forbidden.map(|(at, c)| (at, Illegal::Character(c))).or(rest)
}

/// How many bytes at the end begin a UTF-8 sequence that does not end there.
pub(super) fn incomplete_tail(bytes: &[u8]) -> usize {
    let tail = bytes.iter().rev().take(3).position(|&b| b >= 0xC0);
    match tail.map(|back| back + 1) {
        Some(length) if length < sequence_length(bytes[bytes.len() - length]) => length,
        _ => 0,
    }
}

/// How long the UTF-8 sequence is that begins with a byte.
pub(super) fn sequence_length(lead: u8) -> usize {
    match lead {
        0xF0..=0xF7 => 4,
        0xE0..=0xEF => 3,
        0xC0..=0xDF => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectorised_check_agrees_with_the_exact_one() {
        let every_bmp_char = (0..0x1_0000u32).filter_map(char::from_u32).chain(['\u{10000}', '\u{10FFFF}']);
        for c in every_bmp_char {
            let text = format!("ab{c}cd");
            assert_eq!(are_legal(text.as_bytes()), is_xml_char(c), "U+{:04X}", c as u32);
            let first = (!is_xml_char(c)).then_some((2, Illegal::Character(c)));
            assert_eq!(first_illegal(text.as_bytes()), first, "U+{:04X}", c as u32);
        }
        for (mixed, legal) in [("a\tb\r\n", true), ("a\tb\x0B", false), ("\n\n\x01\n", false), ("\té", true)] {
            assert_eq!(are_legal(mixed.as_bytes()), legal, "{mixed:?}");
        }
        for bad in [&b"a\xFF"[..], b"\xC0\x80", b"\xED\xA0\x80", b"\xF5\x80\x80\x80", b"\xE2\x82", b"\x80"] {
            assert!(!are_legal(bad), "{bad:?}");
            assert!(matches!(first_illegal(bad), Some((_, Illegal::NotUtf8))), "{bad:?}");
        }
    }

    #[test]
    fn a_sequence_cut_anywhere_is_an_incomplete_tail() {
        for c in ["é", "€", "🦀"] {
            for cut in 1..c.len() {
                let bytes = [b"ab", &c.as_bytes()[..cut]].concat();
                assert_eq!(incomplete_tail(&bytes), cut, "{bytes:?}");
            }
            assert_eq!(incomplete_tail(c.as_bytes()), 0);
        }
        assert_eq!(incomplete_tail(b"plain"), 0);
        assert_eq!(incomplete_tail(b"\x80\x80\x80\x80"), 0);
        assert_eq!(incomplete_tail(b""), 0);
    }

    #[test]
    fn names_follow_the_fifth_edition() {
        for good in ["a", "_a", "a-b.c1", "é", "名", "a\u{B7}"] {
            assert!(is_ncname(good.as_bytes()), "{good}");
        }
        for bad in ["", "1a", "-a", ".a", "a:b", "a b", "\u{D7}", "\u{B7}a", "a\u{F7}", "a$"] {
            assert!(!is_ncname(bad.as_bytes()), "{bad}");
        }
    }
}
