//! Names of files that end in `sent/` and `failed/`.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use sha2::{Digest, Sha256};

/// The longest name a file system takes, in bytes.
const LONGEST: usize = 255;

/// The extension of a receipt.
const RECEIPT: &[u8] = b".receipt.json";

/// The name with a number before its extension (what follows the last dot); 0 adds nothing.
pub fn numbered(name: &OsStr, number: u32) -> Cow<'_, OsStr> {
    let (stem, extension) = split(name.as_bytes());
    match number {
        0 if name.len() <= LONGEST => Cow::Borrowed(name),
        0 => Cow::Owned(fitted(name.as_bytes(), extension)),
        _ => Cow::Owned(fitted(&[stem, format!(".{number}").as_bytes(), extension].concat(), extension)),
    }
}

/// The name of a file's receipt.
pub fn receipt(name: &OsStr) -> OsString {
    fitted(&[name.as_bytes(), RECEIPT].concat(), RECEIPT)
}

/// Whether this can be the name of a receipt.
pub fn is_receipt(name: &OsStr) -> bool {
    name.as_bytes().ends_with(RECEIPT)
}

/// Stem and extension; the extension keeps its dot. A leading dot starts no extension.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, b""),
    }
}

/// A name that is too long is cut before its extension and ends in 8 hex digits of the SHA-256 of the whole name.
fn fitted(whole: &[u8], extension: &[u8]) -> OsString {
    if whole.len() <= LONGEST {
        return OsString::from_vec(whole.to_vec());
    }
    let digest = Sha256::digest(whole);
    let digits: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    // An extension that leaves no room for a stem is no extension.
    let extension = if extension.len() + digits.len() < LONGEST { extension } else { b"" };
    let room = LONGEST - extension.len() - digits.len();
    let mut stem = &whole[..room.min(whole.len() - extension.len())];
    // A character of several bytes is not cut in two.
    while stem.last().is_some_and(|byte| byte & 0x80 != 0)
        && std::str::from_utf8(stem).is_err()
        && stem.len() + 4 > room
    {
        stem = &stem[..stem.len() - 1];
    }
    OsString::from_vec([stem, digits.as_bytes(), extension].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_before_the_extension() {
        for (name, number, expected) in [
            ("a.xml", 0, "a.xml"),
            ("a.xml", 1, "a.1.xml"),
            ("a.b.xml", 12, "a.b.12.xml"),
            ("noextension", 2, "noextension.2"),
            ("trailing.", 1, "trailing.1."),
        ] {
            assert_eq!(numbered(OsStr::new(name), number), OsStr::new(expected), "{name} {number}");
        }
    }

    #[test]
    fn a_name_of_255_bytes_keeps_its_own_and_its_receipt_is_cut() {
        let name = OsString::from(format!("{}.xml", "n".repeat(251)));
        assert_eq!(numbered(&name, 0), name);
        let receipt = receipt(&name);
        assert_eq!(receipt.len(), 255);
        assert!(receipt.as_bytes().ends_with(b".receipt.json"));
        let first = numbered(&name, 1);
        let second = numbered(&name, 2);
        assert!(first.len() <= 255 && first.as_bytes().ends_with(b".xml"), "{first:?}");
        assert_ne!(first, second);
    }

    #[test]
    fn a_character_is_not_cut_in_two() {
        let name = OsString::from(format!("{}.xml", "é".repeat(125)));
        for number in [1, 10, 100] {
            let cut = numbered(&name, number);
            assert!(cut.len() <= 255);
            assert!(cut.to_str().is_some(), "{cut:?}");
        }
    }
}
