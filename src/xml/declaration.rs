//! The XML declaration (XML 1.0, 2.8 and 4.3.3).

use super::chars::is_space;

/// Checks what stands between `<?xml` and `?>`.
pub(super) fn check(inner: &[u8]) -> Result<(), &'static str> {
    const MALFORMED: &str = "the XML declaration is not written as one";
    let mut rest = inner;
    let mut seen = 0;
    while let Some((name, value, after)) = next(rest) {
        let place = match name {
            b"version" if value == b"1.1" => return Err("XML 1.1, which is not accepted"),
            b"version" if value == b"1.0" => 1,
            b"version" => return Err("a version of XML that does not exist"),
            b"encoding" if is_encoding_name(value) => 2,
            b"standalone" if value == b"yes" || value == b"no" => 3,
            _ => return Err(MALFORMED),
        };
        // The version is required and stands first; the others keep their order.
        if place <= seen || (seen == 0 && place != 1) {
            return Err(MALFORMED);
        }
        seen = place;
        rest = after;
    }
    if seen > 0 && rest.iter().all(|&b| is_space(b)) { Ok(()) } else { Err(MALFORMED) }
}

/// The encoding that a declaration names, from what stands between `<?xml` and `?>`.
pub(super) fn encoding(inner: &[u8]) -> Option<&[u8]> {
    let mut rest = inner;
    while let Some((name, value, after)) = next(rest) {
        if name == b"encoding" {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// The next `name = "value"` after white space, and what comes after it.
fn next(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let start = trim(bytes);
    if start.len() == bytes.len() {
        return None;
    }
    let (name, rest) = start.split_at(start.iter().position(|b| !b.is_ascii_lowercase())?);
    let [b'=', rest @ ..] = trim(rest) else { return None };
    let [quote @ (b'"' | b'\''), rest @ ..] = trim(rest) else { return None };
    let end = memchr::memchr(*quote, rest)?;
    Some((name, &rest[..end], &rest[end + 1..]))
}

fn trim(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|&b| !is_space(b)).unwrap_or(bytes.len())..]
}

/// Production 81.
fn is_encoding_name(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_has_a_version_and_keeps_its_order() {
        for good in [
            " version=\"1.0\"",
            " version='1.0' ",
            "\n version = \"1.0\" encoding='UTF-8' standalone = \"yes\" ",
            " version='1.0' standalone='no'",
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [
            "",
            " ",
            " encoding='UTF-8'",
            " encoding='UTF-8' version='1.0'",
            " version='1.0'encoding='UTF-8'",
            " version='1.0' standalone='yes' encoding='UTF-8'",
            " version='1.0' encoding=''",
            " version='1.0' encoding='8-bit'",
            " version='1.0' standalone='maybe'",
            " version='1.0' version='1.0'",
            " version='1.0",
            " version=1.0",
            " version='1.1'",
            " version='2.0'",
            " version='1.0' other='x'",
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
