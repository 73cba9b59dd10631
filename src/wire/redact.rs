//! The secrets that were used, so that no text which repeats one is ever shown.
//!
//! A server may repeat a secret in any spelling: with references as XML has them, percent-encoded, with the escapes of
//! JSON and of our own messages, in base64, the way it was sent to it, or in hexadecimal digits; and it may break the
//! lines of any of them.

use std::iter::successors;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// How many values are remembered: more than one server's settings have, even while they are being rotated.
const REMEMBERED: usize = 64;

/// So much after the place where a text is cut is looked at: a secret that begins before it is only known by the whole.
pub(super) const BEYOND: usize = 64 << 10;

/// What stands in the place of a secret.
pub(super) const REPLACEMENT: &str = "[secret]";

/// Shorter secrets are not looked for in base64 and in digits, where their few characters would be found in everything.
const SHORTEST_ENCODED: usize = 6;

/// So many characters of a secret at the end of a text that was cut are taken for it.
const SHORTEST_CUT: usize = 4;

/// No character is spelled with more than these.
const LONGEST_SPELLING: usize = 32;

/// So often a spelling is looked for that is spelled once more: JSON in XML in the query of an address, say.
const LAYERS: usize = 4;

/// The values of the secrets read so far.
#[derive(Default)]
pub(super) struct Known(Mutex<Values>);

#[derive(Default)]
struct Values {
    /// The oldest first.
    plain: Vec<String>,
    wanted: Arc<Wanted>,
}

/// What is looked for.
#[derive(Default)]
struct Wanted {
    /// The longest first: one secret may be part of another.
    texts: Vec<String>,
    /// Whether any of them begins with a character that ends in this byte: most of a text needs no further look.
    begins: Vec<bool>,
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
        let mut wanted: Vec<String> = values.plain.iter().flat_map(|value| encoded(value)).collect();
        wanted.extend_from_slice(&values.plain);
        // The names of hosts and headers are, and a server may do it to anything.
        let lower = values.plain.iter().map(|value| value.to_ascii_lowercase());
        wanted.extend(lower.filter(|lower| !values.plain.contains(lower)));
        values.wanted = Arc::new(Wanted::new(wanted));
    }

    /// `text` with every remembered value replaced.
    pub(super) fn redact(&self, text: &str) -> String {
        self.redact_while(text, |_, _| true)
    }

    /// The first `upto` bytes of `text` in the same way. What follows them is looked at, so that a value that begins
    /// before that place and ends after it is replaced as a whole.
    pub(super) fn redact_upto(&self, text: &str, upto: usize) -> String {
        self.redact_while(text, |read, _| read < upto)
    }

    /// The beginning of what [`Known::redact`] gives, at least `least` bytes where there are so many. Of a text that is
    /// much longer the rest is not even looked at.
    pub(super) fn redact_beginning(&self, text: &str, least: usize) -> String {
        let end = (0..=text.len().min(least + BEYOND)).rev().find(|end| text.is_char_boundary(*end));
        let head = &text[..end.unwrap_or_default()];
        let head = if head.len() < text.len() { format!("{head}…") } else { head.to_owned() };
        self.redact_while(&head, |_, redacted| redacted < least)
    }

    /// As long as `goes_on` with the bytes that were read and those they became.
    fn redact_while(&self, text: &str, goes_on: impl Fn(usize, usize) -> bool) -> String {
        let wanted = self.values().wanted.clone();
        let (mut redacted, mut rest) = (String::new(), text);
        while let Some(next) = rest.chars().next().filter(|_| goes_on(text.len() - rest.len(), redacted.len())) {
            if let Some(length) = wanted.begins(rest) {
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

impl Wanted {
    fn new(mut texts: Vec<String>) -> Wanted {
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        let mut begins = vec![false; 256];
        texts.iter().filter_map(|text| text.chars().next()).for_each(|first| begins[last_byte(first)] = true);
        Wanted { texts, begins }
    }

    /// The length of the beginning of `text` that is one of them.
    fn begins(&self, text: &str) -> Option<usize> {
        let mut first = readings(text, LAYERS).map(|(character, _)| last_byte(character));
        if !first.any(|byte| self.begins.get(byte) == Some(&true)) {
            return None;
        }
        self.texts.iter().find_map(|secret| spelled(text, secret))
    }
}

fn last_byte(character: char) -> usize {
    u32::from(character) as usize & 0xff
}

/// A value in hexadecimal digits, and what is the same in the base64 of everything that has it in it, for each of the
/// three places it may have in a group, in both alphabets.
fn encoded(value: &str) -> Vec<String> {
    let mut all = Vec::new();
    if value.len() < SHORTEST_ENCODED {
        return all;
    }
    let digits: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    all.extend([digits.to_uppercase(), digits]);
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

/// The length of the beginning of `text` that is the secret, however each of its characters is spelled. What one layer
/// of software has spelled, the next may spell again.
fn spelled(text: &str, secret: &str) -> Option<usize> {
    // A character that is used to spell others may be read in several ways.
    let (mut ends, mut cut) = (vec![0], None);
    for (number, character) in secret.chars().enumerate() {
        let mut next = Vec::new();
        for end in ends {
            let found = next.len();
            next.extend(spellings(&text[end..], character).map(|length| end + length));
            let rest = if number > 0 { text[end..].trim_start_matches(is_broken_by) } else { text };
            let at = text.len() - rest.len();
            if next.len() == found && at > end {
                next.extend(spellings(rest, character).map(|length| at + length));
                // A blank may have become the end of a line.
                next.extend((next.len() == found && character.is_whitespace()).then_some(at));
            }
            if number >= SHORTEST_CUT {
                cut = cut.max(cut_off(rest).map(|length| at + length));
            }
        }
        next.sort_unstable();
        next.dedup();
        ends = next;
        if ends.is_empty() {
            return cut;
        }
    }
    ends.last().copied()
}

/// What may come between two characters of a text without changing it for a reader: the end of a line, white space, and
/// what is not seen.
fn is_broken_by(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// The length of what stands before the end of a text that was cut, if that is nothing or the beginning of a spelling.
fn cut_off(text: &str) -> Option<usize> {
    let end = text.char_indices().take(LONGEST_SPELLING).find(|(_, character)| *character == '…')?.0;
    (end == 0 || text.starts_with(['%', '&', '\\'])).then_some(end)
}

/// The lengths of the spellings of a character that `text` begins with.
fn spellings(text: &str, character: char) -> impl Iterator<Item = usize> {
    readings(text, LAYERS).filter(move |(read, _)| *read == character).map(|(_, length)| length)
}

/// The character that `text` begins with, and what each layer that may have spelled it makes of it, each with its length.
fn readings(text: &str, layers: usize) -> impl Iterator<Item = (char, usize)> {
    let first = text.chars().next().map(|first| (first, first.len_utf8()));
    successors(first, move |(mark, length)| unspelled(text, (*mark, *length), layers.checked_sub(1)?)).take(layers + 1)
}

/// What a mark and the text after it stand for, of which characters that are special may be spelled themselves.
fn unspelled(text: &str, (mark, length): (char, usize), layers: usize) -> Option<(char, usize)> {
    let rest = &text[length..];
    let (character, more) = match mark {
        '&' => reference(rest)?,
        '\\' => {
            escape(rest).or_else(|| readings(rest, layers).find(|(read, _)| matches!(read, '"' | '\'' | '\\' | '/')))?
        }
        '%' => percent(rest, layers)?,
        '+' => (' ', 0),
        _ => return None,
    };
    Some((character, length + more))
}

/// `C3%BC` after the percent sign (RFC 3986, 2.1): the character, and the length.
fn percent(text: &str, layers: usize) -> Option<(char, usize)> {
    let (mut bytes, mut length) = (vec![byte(text)?], 2);
    loop {
        match std::str::from_utf8(&bytes) {
            Ok(read) => return Some((read.chars().next()?, length)),
            Err(error) if error.error_len().is_some() => return None,
            Err(_) => {
                let rest = &text[length..];
                let marks = readings(rest, layers).filter(|(read, _)| *read == '%');
                let mut more = marks.filter_map(|(_, mark)| Some((byte(&rest[mark..])?, mark + 2)));
                let (next, more) = more.find(|(next, _)| next & 0xc0 == 0x80)?;
                bytes.push(next);
                length += more;
            }
        }
    }
}

fn byte(digits: &str) -> Option<u8> {
    u8::from_str_radix(digits.get(..2)?, 16).ok()
}

/// `amp;`, `#252;`, `#xFC;` after the ampersand (XML 1.0, 4.1): the character, and the length.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(LONGEST_SPELLING).position(|byte| byte == b';')?;
    let character = match text.get(..end)? {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        name => {
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

/// `"`, `n`, `u00fc`, `ud83d\ude00` after the backslash as JSON has them, `u{fc}` as our own messages do: the character,
/// and the length.
fn escape(text: &str) -> Option<(char, usize)> {
    let kind = text.chars().next()?;
    let plain = match kind {
        'u' if text.get(1..2) == Some("{") => {
            let end = text.bytes().take(LONGEST_SPELLING).position(|byte| byte == b'}')?;
            let code = u32::from_str_radix(text.get(2..end)?, 16).ok()?;
            return Some((char::from_u32(code)?, end + 1));
        }
        'u' => {
            let unit = |at: usize| u16::from_str_radix(text.get(at..at + 4)?, 16).ok();
            let pair = text.get(5..7).filter(|between| *between == "\\u").and_then(|_| unit(7));
            // What is no half of a pair stands alone, whatever follows it.
            let character = char::decode_utf16([unit(1)?].into_iter().chain(pair)).next()?.ok()?;
            return Some((character, if character.len_utf16() == 2 { 11 } else { 5 }));
        }
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '"' | '\'' | '\\' | '/' => kind,
        _ => return None,
    };
    Some((plain, 1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

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
        for other in ["Zwölf", "ZWÖLF&\"/% x", "Zw%C3lf", "&#;%\\u{", "%", "&", "\\", "%ü", "\\u00", "&é;"] {
            assert_eq!(known.redact(other), other);
        }
    }

    #[test]
    fn a_spelling_that_is_spelled_again_hides_nothing() {
        let known = Known::default();
        known.add("Zwölf&\"/<x");
        for spelling in [
            "Zwölf&amp;amp;&amp;quot;/&amp;lt;x",
            "Zwölf&amp;#38;&amp;#x22;/&lt;x",
            r"Zw\u00f6lf&amp;\&quot;/&lt;x",
            r#"Zwölf&\\\"/<x"#,
            "Zw%25C3%25B6lf%2526%2522%252F%253Cx",
            "Zw&#37;C3&#37;B6lf%26amp;%22/%26lt;x",
            "zwölf%26%22%2f<x",
        ] {
            assert_eq!(known.redact(&format!("<{spelling}>")), "<[secret]>", "{spelling}");
        }
    }

    #[test]
    fn a_secret_that_looks_like_a_spelling_is_found_as_it_is() {
        for secret in ["a&amp;b", "a%41b", r"a\nb", "a+b", r"a\\b"] {
            let known = Known::default();
            known.add(secret);
            assert_eq!(known.redact(&format!("<{secret}>")), "<[secret]>", "{secret}");
            let escaped = secret.replace('&', "&amp;");
            assert_eq!(known.redact(&format!("<{escaped}>")), "<[secret]>", "{escaped}");
        }
    }

    #[test]
    fn json_of_every_kind_hides_nothing() {
        let known = Known::default();
        known.add("\u{8}\u{c}😀é1");
        for spelling in [r"\b\f\ud83d\ude00\u00e91", r"\u0008\u000C\uD83D\uDE00é1", "\u{8}\u{c}😀é1"] {
            assert_eq!(known.redact(&format!("<{spelling}>")), "<[secret]>", "{spelling}");
        }
        for other in [r"\b\f\ud83d\ud83d\u00e91", r"\b\f\ude00", r"\b\f\ud83d\u"] {
            assert_eq!(known.redact(other), other);
        }
    }

    #[test]
    fn a_secret_over_several_lines_or_in_digits_is_found() {
        let known = Known::default();
        known.add("correct-horse battery");
        for spelling in [
            "correct-\nhorse battery",
            "correct-\r\n horse\tbattery",
            "correct\u{200b}-horse\u{ad} battery",
            "co&#114;rect-\nhorse\n battery",
            "636f72726563742d686f7273652062617474657279",
            "636F72726563742D686F72736520\n62617474657279",
        ] {
            assert_eq!(known.redact(&format!("<{spelling}>")), "<[secret]>", "{spelling}");
        }
        let line = STANDARD_NO_PAD.encode("sensor:correct-horse battery, and more");
        let broken: String = line.chars().flat_map(|c| [c, '\n']).collect();
        let left = known.redact(&broken).replace('\n', "");
        assert!(
            left.contains("[secret]") && !left.contains(&line[12..16]) && !left.contains(&line[30..34]),
            "{left:?}"
        );
        assert_eq!(known.redact("correct horse battery"), "correct horse battery");
    }

    #[test]
    fn a_secret_at_the_place_where_a_text_is_cut_goes_as_a_whole() {
        let known = Known::default();
        known.add("hunter2");
        let text = "it is hunter2, it is hunter2";
        assert_eq!(known.redact_upto(text, 6), "it is ");
        for upto in 7..=13 {
            assert_eq!(known.redact_upto(text, upto), "it is [secret]", "{upto}");
        }
        assert_eq!(known.redact_upto(text, 0), "");
        assert_eq!(known.redact_upto(text, text.len()), "it is [secret], it is [secret]");
    }

    #[test]
    fn a_secret_that_is_made_of_marks_is_found_between_others() {
        let known = Known::default();
        known.add("a&amp;b");
        for spelling in ["a&amp;b", "a&amp;amp;b", r"a\u{26}amp;%62", "a&#38;a&#x6D;p;b", "a&amp;am…"] {
            assert_eq!(known.redact(&format!("&{spelling}")).trim_end_matches('…'), "&[secret]", "{spelling}");
        }
    }

    #[test]
    fn the_beginning_of_a_text_is_the_same_and_costs_little_however_long_it_is() {
        let known = Known::default();
        known.add("hunter2&x");
        for before in 0..20 {
            let text = format!("{}hunter2&amp;x and more and hunter2&#38;x", "é".repeat(before));
            for least in 0..60 {
                let (beginning, whole) = (known.redact_beginning(&text, least), known.redact(&text));
                assert!(whole.starts_with(&beginning) && beginning.len() >= least.min(whole.len()), "{beginning}");
            }
        }
        let long = "&amp;".repeat(4 << 20);
        let began = Instant::now();
        assert_eq!(known.redact_beginning(&long, 300).len(), 300);
        assert!(known.redact_beginning(&("x".repeat(BEYOND) + "hunter2&amp;x"), 10).starts_with("xxx"));
        assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
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
        for cut in ["hunt&", "hunt&#x6", "hunt%6", "%68unte\\", "hunte\\u00"] {
            assert_eq!(known.redact(&format!("it is {cut}…")), "it is [secret]…", "{cut}");
        }
    }
}
