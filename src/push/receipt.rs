//! The receipt of a dropped file: what became of it at every inbox.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::store::ledger::{Claim, FileRow};

#[derive(Serialize)]
struct Receipt<'a> {
    file: String,
    sha256: Option<String>,
    size: u64,
    content_binding: Option<&'a str>,
    dropped_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    inboxes: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    inbox: &'a str,
    outcome: &'static str,
    attempts: u32,
    message_id: Option<&'a str>,
    status_type: Option<&'a str>,
    message: Option<&'a str>,
    at: Option<String>,
}

/// The receipt's bytes: one JSON document.
pub(super) fn receipt(file: &FileRow, claims: &[Claim]) -> Vec<u8> {
    let receipt = Receipt {
        file: escaped(&file.name),
        sha256: file.sha256.map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        size: file.size,
        content_binding: file.binding.as_deref(),
        dropped_at: time(file.dropped_at),
        reason: file.refusal.as_deref(),
        inboxes: claims.iter().map(entry).collect(),
    };
    // Text and numbers always make JSON.
    let mut bytes = serde_json::to_vec_pretty(&receipt).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn entry(claim: &Claim) -> Entry<'_> {
    Entry {
        inbox: &claim.inbox,
        outcome: claim.outcome.map_or("pending", |outcome| outcome.word()),
        attempts: claim.attempts,
        message_id: claim.message_id.as_deref(),
        status_type: claim.status_type.as_deref(),
        message: claim.message.as_deref(),
        at: claim.at.map(time),
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A name as text: bytes that are not UTF-8 as `\xNN`.
fn escaped(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf_8_are_shown_as_hex() {
        assert_eq!(escaped(b"a\xffb\n.xml"), "a\\xFFb\n.xml");
        assert_eq!(escaped("übung.xml".as_bytes()), "übung.xml");
    }
}
