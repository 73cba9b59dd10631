//! Bytes written as digits: base64, and hexadecimal as PostgreSQL writes it.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::xml::is_space;

/// Servers leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// `3c3f`: lower case, nothing in between.
    Hexadecimal,
    /// `PD8=`: lines may be broken anywhere.
    Base64,
}

/// Decodes digits as they come. After something else the rest is kept as it is.
#[derive(Debug)]
pub(super) struct Digits {
    base: Base,
    /// A group that is not complete, or may be the padded last one.
    group: Vec<u8>,
    /// Whether the digits ended; white space may follow.
    ended: bool,
    /// Whether something else followed.
    broken: bool,
}

impl Digits {
    pub(super) fn new(base: Base) -> Self {
        Self { base, group: Vec::new(), ended: false, broken: false }
    }

    /// Appends what the next digits stand for.
    pub(super) fn decode(&mut self, text: &[u8], to: &mut Vec<u8>) {
        for (at, &digit) in text.iter().enumerate() {
            if self.broken {
                to.extend_from_slice(&text[at..]);
                return;
            }
            if is_space(digit) {
                self.ended |= self.base == Base::Hexadecimal;
            } else if self.ended || !self.fits(digit) || !self.push(digit, to) {
                self.give_up(to);
                to.push(digit);
            }
        }
    }

    /// Whether a digit may come next.
    fn fits(&self, digit: u8) -> bool {
        match (self.base, digit) {
            (Base::Hexadecimal, _) => matches!(digit, b'0'..=b'9' | b'a'..=b'f'),
            (Base::Base64, b'=') => true,
            (Base::Base64, _) => self.group.last() != Some(&b'=') && is_base64_digit(digit),
        }
    }

    fn push(&mut self, digit: u8, to: &mut Vec<u8>) -> bool {
        match self.base {
            Base::Hexadecimal => {
                self.group.push(digit);
                if let &[high, low] = &self.group[..] {
                    to.push(value(high) << 4 | value(low));
                    self.group.clear();
                }
                true
            }
            Base::Base64 => {
                // A full group waits until another follows: only the last one may be padded.
                let decoded = self.group.len() < 4 || decode_group(&self.group, to);
                if decoded {
                    self.group.truncate(self.group.len() % 4);
                    self.group.push(digit);
                }
                decoded
            }
        }
    }

    /// From here on nothing is decoded. Appends the digits that are left.
    pub(super) fn give_up(&mut self, to: &mut Vec<u8>) {
        self.broken = true;
        to.append(&mut self.group);
    }

    /// The digits are complete: appends the last group. What was wrong, as a phrase.
    pub(super) fn finish(&mut self, to: &mut Vec<u8>) -> Result<(), &'static str> {
        let complete = match self.base {
            _ if self.broken => false,
            Base::Hexadecimal => self.group.is_empty(),
            Base::Base64 => decode_group(&self.group, to),
        };
        match (complete, self.base) {
            (true, _) => Ok(()),
            (false, base) => {
                self.give_up(to);
                Err(if base == Base::Base64 { "not base64 to its end" } else { "not hexadecimal to its end" })
            }
        }
    }
}

fn decode_group(group: &[u8], to: &mut Vec<u8>) -> bool {
    let before = to.len();
    let decoded = BASE64.decode_vec(group, to).is_ok();
    if !decoded {
        to.truncate(before);
    }
    decoded
}

/// Whether a text is nothing but base64; of a beginning (not `whole`), whether it may be that.
pub(super) fn is_base64(text: &[u8], whole: bool) -> bool {
    let (mut digits, mut bytes) = (Digits::new(Base::Base64), Vec::new());
    digits.decode(text, &mut bytes);
    let any = !digits.group.is_empty() || !bytes.is_empty();
    any && if whole { digits.finish(&mut bytes).is_ok() } else { !digits.broken }
}

/// What `\x3c3f…` stands for; of a beginning (not `whole`), if it may be that.
pub(super) fn hexadecimal(text: &[u8], whole: bool) -> Option<Vec<u8>> {
    let (mut digits, mut bytes) = (Digits::new(Base::Hexadecimal), Vec::new());
    digits.decode(text.strip_prefix(HEXADECIMAL)?, &mut bytes);
    (!digits.broken && !bytes.is_empty() && (!whole || digits.group.is_empty())).then_some(bytes)
}

/// What hexadecimal digits begin with.
pub(super) const HEXADECIMAL: &[u8] = b"\\x";

fn is_base64_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn value(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'0'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes in two pieces, cut at every place.
    fn decode(base: Base, text: &str) -> (Vec<u8>, bool) {
        let once = |cut: usize| {
            let (mut digits, mut bytes) = (Digits::new(base), Vec::new());
            let (head, tail) = text.as_bytes().split_at(cut);
            digits.decode(head, &mut bytes);
            digits.decode(tail, &mut bytes);
            let good = digits.finish(&mut bytes).is_ok();
            (bytes, good)
        };
        let whole = once(0);
        for cut in 1..=text.len() {
            assert_eq!(once(cut), whole, "{text} cut at {cut}");
        }
        whole
    }

    #[test]
    fn base64_is_decoded_however_its_lines_are_broken() {
        for (text, bytes) in [
            ("", ""),
            ("TUlJ", "MII"),
            (" TU\nlJ S0 ND", "MIIKCC"),
            ("TQ==", "M"),
            ("TQ", "M"),
            ("TUk", "MI"),
            ("TUk=\n", "MI"),
        ] {
            assert_eq!(decode(Base::Base64, text), (bytes.into(), true), "{text}");
            assert_eq!(is_base64(text.as_bytes(), true), !text.is_empty(), "{text}");
        }
        for (text, bytes) in
            [("TUlJ!TUlJ", "TUlJ!TUlJ"), ("TQ==TQ==", "TQ==TQ=="), ("TUlJT", "MIIT"), ("TUlJTUlJT=J ", "MIITUlJT=J ")]
        {
            let (found, good) = decode(Base::Base64, text);
            assert!(!good && !is_base64(text.as_bytes(), true), "{text}");
            assert!(String::from_utf8_lossy(&found).ends_with(&bytes[bytes.len() - 2..]), "{text}: {found:?}");
        }
    }

    #[test]
    fn hexadecimal_digits_may_be_followed_by_white_space_alone() {
        assert_eq!(decode(Base::Hexadecimal, "3c3f \n"), (b"<?".into(), true));
        for (text, bytes) in [("3c3 ", "<3"), ("3c 3f", "<3f"), ("3cxyz", "<xyz"), ("3C", "3C"), ("3c3.", "<3.")] {
            assert_eq!(decode(Base::Hexadecimal, text), (bytes.into(), false), "{text}");
        }
        assert_eq!(hexadecimal(b"\\x3c3", false), Some(b"<".into()));
        assert_eq!(hexadecimal(b"\\x3c3", true), None);
        assert_eq!(hexadecimal(b"\\x", true), None);
    }
}
