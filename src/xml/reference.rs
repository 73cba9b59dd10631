//! References: the five predefined entities and characters by number (XML 1.0, 4.1 and 4.6).

use std::borrow::Cow;

use super::chars::{CLASS, NAME, is_space, is_xml_char};
use super::error::{FaultKind, shown};

/// The longest reference that is looked at, `&` and `;` excluded. No legal one is longer but for leading zeros.
pub(super) const MAX_REFERENCE: usize = 64;

/// What begins with an `&`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A reference of so many bytes, `&` and `;` included.
    Reference(usize),
    /// No reference, so many bytes looked at.
    Stray(usize),
    /// The bytes end before it can be told.
    Unfinished,
}

/// Looks for the end of the reference that `bytes`, which begin with `&`, begin with.
pub(super) fn find(bytes: &[u8]) -> Found {
    let body = &bytes[1..bytes.len().min(MAX_REFERENCE + 2)];
    match body.iter().position(|&b| b != b'#' && CLASS[usize::from(b)] & NAME == 0) {
        Some(end) if body[end] == b';' && end > 0 => Found::Reference(end + 2),
        Some(end) => Found::Stray(end + 1),
        None if body.len() > MAX_REFERENCE => Found::Stray(MAX_REFERENCE + 1),
        None => Found::Unfinished,
    }
}

/// The character that one of the predefined entities stands for, if `bytes` begin with a reference to one, and the length
/// of that. Nearly all references are such.
pub(super) fn predefined(bytes: &[u8]) -> Option<(char, usize)> {
    match bytes {
        [b'&', b'l', b't', b';', ..] => Some(('<', 4)),
        [b'&', b'g', b't', b';', ..] => Some(('>', 4)),
        [b'&', b'a', b'm', b'p', b';', ..] => Some(('&', 5)),
        [b'&', b'q', b'u', b'o', b't', b';', ..] => Some(('"', 6)),
        [b'&', b'a', b'p', b'o', b's', b';', ..] => Some(('\'', 6)),
        _ => None,
    }
}

/// The character that a whole reference, `&` and `;` included, stands for.
pub(super) fn resolve(reference: &[u8]) -> Result<char, FaultKind> {
    if let Some((c, _)) = predefined(reference) {
        return Ok(c);
    }
    let name = &reference[1..reference.len() - 1];
    match name {
        [b'#', digits @ ..] => character(digits).ok_or_else(|| FaultKind::BadCharacterReference(shown(reference))),
        _ => Err(FaultKind::UndeclaredEntity(shown(name))),
    }
}

fn character(digits: &[u8]) -> Option<char> {
    let (digits, radix) = match digits {
        [b'x', hex @ ..] => (hex, 16),
        decimal => (decimal, 10),
    };
    // The parser of the standard library would take a sign.
    if !digits.first()?.is_ascii_hexdigit() {
        return None;
    }
    let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    char::from_u32(number).filter(|c| is_xml_char(*c))
}

/// The first thing wrong with the `&`s of an attribute's value.
pub(super) fn first_fault(value: &[u8]) -> Option<FaultKind> {
    memchr::memchr_iter(b'&', value).find_map(|at| match find(&value[at..]) {
        Found::Reference(length) => resolve(&value[at..at + length]).err(),
        Found::Stray(_) | Found::Unfinished => Some(FaultKind::StrayAmpersand),
    })
}

/// An attribute's value with its references resolved and its white space normalised (XML 1.0, 3.3.3). What is faulty
/// is left as it is.
pub(super) fn normalise(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.iter().any(|b| matches!(b, b'&' | b'\t' | b'\n' | b'\r')) {
        return Cow::Borrowed(value);
    }
    let mut normal = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'&' => match find_resolved(&value[value.len() - rest.len() - 1..]) {
                Some((c, length)) => {
                    normal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = &rest[length - 1..];
                }
                None => normal.push(b'&'),
            },
            // A line end of two characters is one character (2.11) before it is a space.
            b'\r' if after.first() == Some(&b'\n') => {}
            b if is_space(*b) => normal.push(b' '),
            b => normal.push(*b),
        }
    }
    Cow::Owned(normal)
}

fn find_resolved(bytes: &[u8]) -> Option<(char, usize)> {
    match find(bytes) {
        Found::Reference(length) => Some((resolve(&bytes[..length]).ok()?, length)),
        Found::Stray(_) | Found::Unfinished => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_predefined_entities_and_legal_characters_resolve() {
        let good = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"'), ("&apos;", '\''), ("&#65;", 'A')];
        for (reference, c) in good.into_iter().chain([("&#x41;", 'A'), ("&#x0000041;", 'A'), ("&#x1F980;", '🦀')]) {
            assert_eq!(resolve(reference.as_bytes()), Ok(c), "{reference}");
        }
        for bad in ["&#0;", "&#x1F;", "&#xD800;", "&#xFFFE;", "&#x110000;", "&#;", "&#x;", "&#X41;", "&#+65;", "&#x+1;"]
        {
            assert!(matches!(resolve(bad.as_bytes()), Err(FaultKind::BadCharacterReference(_))), "{bad}");
        }
        assert_eq!(resolve(b"&nbsp;"), Err(FaultKind::UndeclaredEntity("nbsp".into())));
    }

    #[test]
    fn a_reference_ends_at_its_semicolon_or_is_none() {
        assert_eq!(find(b"&lt;x"), Found::Reference(4));
        assert_eq!(find(b"&#x41;"), Found::Reference(6));
        assert_eq!(find(b"& b"), Found::Stray(1));
        assert_eq!(find(b"&;"), Found::Stray(1));
        assert_eq!(find(b"&a&b;"), Found::Stray(2));
        assert_eq!(find(b"&lt"), Found::Unfinished);
        assert_eq!(find(b"&"), Found::Unfinished);
        let long = [b"&", &[b'a'; 64][..], b";"].concat();
        assert_eq!(find(&long), Found::Reference(66));
        assert_eq!(find(&long[..65]), Found::Unfinished);
        assert_eq!(find(&[b"&", &[b'a'; 70][..]].concat()), Found::Stray(65));
    }

    #[test]
    fn values_are_normalised_as_attributes_are() {
        assert_eq!(&*normalise(b"a\tb\r\nc\rd&#10;e&lt;&amp;&bad; & &"), b"a b c d\ne<&&bad; & &");
        assert!(matches!(normalise(b"plain"), Cow::Borrowed(b"plain")));
    }
}
