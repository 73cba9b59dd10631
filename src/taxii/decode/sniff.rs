//! What a body that is no message looks like, for the person who has to find out why.

use super::element::trim;
use crate::xml::shown;

/// How much of a body is looked at, in bytes.
pub(super) const HEAD: usize = 512;

/// A phrase for what begins with these bytes, if that is something else than XML: "the body is …".
pub(super) fn looks_like(head: &[u8]) -> Option<String> {
    let body = trim(head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head));
    let lower = body.to_ascii_lowercase();
    let html: [&[u8]; 2] = [b"<!doctype html", b"<html"];
    match body.first() {
        None => Some("empty".to_owned()),
        Some(b'<') if html.iter().any(|mark| memchr::memmem::find(&lower, mark).is_some()) => {
            Some("an HTML page".to_owned())
        }
        Some(b'<' | 0xFE | 0xFF | 0) => None,
        Some(b'{' | b'[') => Some(format!("JSON that begins with {}", shown(body))),
        Some(_) if body.contains(&0) || body.starts_with(b"\x1F\x8B") => Some("binary data".to_owned()),
        Some(_) => Some(format!("text that begins with \"{}\"", shown(body))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_xml_is_called_by_its_name() {
        for (body, name) in [
            ("", "empty"),
            (" \r\n", "empty"),
            ("\u{FEFF}\n", "empty"),
            ("<!DOCTYPE html>\n<html>", "an HTML page"),
            ("\n<HTML><BODY>Log in</BODY></HTML>", "an HTML page"),
            ("<?xml version='1.0'?><!DOCTYPE html PUBLIC \"x\">", "an HTML page"),
            ("{\"error\": 1}", "JSON that begins with {\"error\": 1}"),
            ("Request Failed\u{1B}[31m", "text that begins with \"Request Failed\\u{1b}[31m\""),
            ("http://evil/?<taxii", "text that begins with \"http://evil/?<taxii\""),
            ("\u{1F}\u{8}\0\0", "binary data"),
        ] {
            assert_eq!(looks_like(body.as_bytes()).as_deref(), Some(name), "{body:?}");
        }
        assert_eq!(looks_like(b"<rss/>"), None);
        assert_eq!(looks_like(b"\xFF\xFE<\0"), None);
    }
}
