//! The secrets that were used, so that no text which repeats one is ever shown.
//!
//! A server may repeat a secret in any spelling: with references as XML has them, percent-encoded, with the escapes of
//! JSON and of our own messages, or in base64, the way it was sent to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// How many values are remembered: more than one server's settings have, even while they are being rotated.
const REMEMBERED: usize = 64;

/// What stands in the place of a secret.
const REPLACEMENT: &str = "[secret]";

/// Shorter secrets are not looked for in base64, where their few characters would be found in everything.
const SHORTEST_IN_BASE64: usize = 6;

/// So many characters of a secret at the end of a text that was cut are taken for it.
const SHORTEST_CUT: usize = 4;

/// The values of the secrets read so far.
#[derive(Default)]
pub(super) struct Known(Mutex<Values>);

#[derive(Default)]
struct Values {
    /// The oldest first.
    plain: Vec<String>,
    /// What is looked for, the longest first: one secret may be part of another.
    wanted: Arc<Vec<String>>,
}

impl Known {
    /// Remembers a value. The newest is kept longest.
    pub(super) fn add(&self, value: &str) {
        let mut values = self.values();
        if value.is_empty() || values.plain.last().is_some_and(|last| last == value) {
            return;
        }
        values.plain.retain(|known| known != value);
        values.plain.push(value.to_owned());
        if values.plain.len() > REMEMBERED {
            values.plain.remove(0);
        }
        let mut wanted: Vec<String> = values.plain.iter().flat_map(|value| in_base64(value)).collect();
        wanted.extend_from_slice(&values.plain);
        wanted.sort_by_key(|text| std::cmp::Reverse(text.len()));
        values.wanted = Arc::new(wanted);
    }

    /// `text` with every remembered value replaced.
    pub(super) fn redact(&self, text: &str) -> String {
        let wanted = self.values().wanted.clone();
        let (mut redacted, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(next) = rest.chars().next() {
            if let Some(length) = wanted.iter().find_map(|secret| spelled(rest, secret)) {
                redacted.push_str(REPLACEMENT);
                rest = &rest[length..];
            } else {
                redacted.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        redacted
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is the same in the base64 of everything that has this value in it, for each of the three places it may have
/// in a group, in both alphabets.
fn in_base64(value: &str) -> Vec<String> {
    let mut all = Vec::new();
    if value.len() < SHORTEST_IN_BASE64 {
        return all;
    }
    for before in 0..3 {
        let bytes = [&[0; 2][..before], value.as_bytes()].concat();
        let text = STANDARD_NO_PAD.encode(&bytes);
        // A character of base64 stands for six bits; those at the edges depend on the neighbours.
        let own = &text[(before * 8).div_ceil(6)..bytes.len() * 8 / 6];
        all.push(own.to_owned());
        let other = own.replace('+', "-").replace('/', "_");
        if other != own {
            all.push(other);
        }
    }
    all
}

/// The length of the beginning of `text` that is the secret, however each of its characters is spelled.
fn spelled(text: &str, secret: &str) -> Option<usize> {
    let mut length = 0;
    for (number, character) in secret.chars().enumerate() {
        let rest = &text[length..];
        if number >= SHORTEST_CUT && rest.starts_with('…') {
            break;
        }
        length += spelling(rest, character)?;
    }
    Some(length)
}

/// The length of the spelling of a character that `text` begins with.
fn spelling(text: &str, character: char) -> Option<usize> {
    let first = text.chars().next()?;
    let spelled = match first {
        '%' => percent(text, character),
        '&' => reference(text).filter(|(found, _)| *found == character).map(|(_, length)| length),
        '\\' => escape(text).filter(|(found, _)| *found == character).map(|(_, length)| length),
        '+' if character == ' ' => Some(1),
        _ => None,
    };
    spelled.or_else(|| (first == character).then(|| first.len_utf8()))
}

/// `%C3%BC` (RFC 3986, 2.1).
fn percent(text: &str, character: char) -> Option<usize> {
    let (mut length, mut buffer) = (0, [0; 4]);
    for byte in character.encode_utf8(&mut buffer).bytes() {
        let digits = text.get(length..)?.strip_prefix('%')?.get(..2)?;
        if u8::from_str_radix(digits, 16) != Ok(byte) {
            return None;
        }
        length += 3;
    }
    Some(length)
}

/// `&amp;`, `&#252;`, `&#xFC;` (XML 1.0, 4.1): the character, and the length of the reference.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((character, end + 1))
}

/// `\"`, `\n`, `\u00fc` as JSON has them, `\u{fc}` as our own messages do: the character, and the length.
fn escape(text: &str) -> Option<(char, usize)> {
    let kind = text.chars().nth(1)?;
    let hexadecimal = |digits: &str| char::from_u32(u32::from_str_radix(digits, 16).ok()?);
    match kind {
        'u' if text.get(2..3) == Some("{") => {
            let end = text.bytes().take(12).position(|byte| byte == b'}')?;
            Some((hexadecimal(text.get(3..end)?)?, end + 1))
        }
        'u' => Some((hexadecimal(text.get(2..6)?)?, 6)),
        'n' => Some(('\n', 2)),
        'r' => Some(('\r', 2)),
        't' => Some(('\t', 2)),
        '"' | '\'' | '\\' | '/' => Some((kind, 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_secret_goes_first() {
        let known = Known::default();
        known.add("abc");
        known.add("abcdef");
        known.add("");
        assert_eq!(known.redact("x abcdef abc y"), "x [secret] [secret] y");
    }

    #[test]
    fn a_rotated_secret_is_still_known_and_the_memory_is_bounded() {
        let known = Known::default();
        for n in 0..REMEMBERED + 10 {
            known.add(&format!("token-{n:03}"));
        }
        assert_eq!(known.redact("token-073 token-072 token-000"), "[secret] [secret] token-000");
    }

    #[test]
    fn a_secret_is_found_however_it_is_spelled() {
        let known = Known::default();
        known.add("Zwölf&\"/% x");
        for spelling in [
            "Zwölf&\"/% x",
            "Zwölf&amp;&quot;/% x",
            "Zw&#246;lf&#x26;&#34;/% x",
            "Zw%C3%B6lf%26%22%2F%25%20x",
            "Zw%c3%b6lf%26%22/%25+x",
            r#"Zwölf&\"\/% x"#,
            r#"Zw\u00f6lf&\"/% x"#,
            r#"Zw\u{f6}lf&\"/% x"#,
            "%5A%77%c3%b6%6C%66%26%22%2f%25%20%78",
        ] {
            assert_eq!(known.redact(&format!("<{spelling}>")), "<[secret]>", "{spelling}");
        }
        for other in ["Zwölf", "zwölf&\"/% x", "Zw%C3lf", "&#;%\\u{", "%", "&", "\\", "%ü", "\\u00", "&é;"] {
            assert_eq!(known.redact(other), other);
        }
    }

    #[test]
    fn a_secret_inside_of_base64_is_found_wherever_it_stands() {
        let known = Known::default();
        known.add("hunter2??>~");
        for before in ["", "a", "ab", "sensor:"] {
            for after in ["", "x", "yz"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}hunter2??>~{after}"));
                for text in [text.clone(), text.replace('+', "-").replace('/', "_")] {
                    let redacted = known.redact(&text);
                    assert!(redacted.contains(REPLACEMENT), "{text}: {redacted}");
                    assert!(redacted.len() < REPLACEMENT.len() + 4 + (before.len() + after.len()) * 2, "{redacted}");
                }
            }
        }
    }

    #[test]
    fn the_beginning_of_a_secret_is_found_where_the_text_was_cut() {
        let known = Known::default();
        known.add("hunter2");
        assert_eq!(known.redact("it is hunte…"), "it is [secret]…");
        assert_eq!(known.redact("hunting…"), "hunting…");
    }
}
