//! Until when the certificates are valid that a client was shown, or shows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use pkcs8::der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use pkcs8::der::{self, Decode, Reader, SliceReader, Tag, Tagged};
use rustls::pki_types::{CertificateDer, ServerName};

/// How long a certificate lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its `notAfter`.
    pub until: DateTime<Utc>,
    /// The agent breaks off when it is over. It does not where the key is pinned, or nothing is checked.
    pub counts: bool,
}

/// The certificates that servers have shown, by their names. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown(Arc<Mutex<BTreeMap<String, Validity>>>);

impl Shown {
    /// Notes a certificate that was found good.
    pub(super) fn note(&self, server: &ServerName<'_>, certificate: &CertificateDer<'_>, counts: bool) {
        if let Some(until) = not_after(certificate) {
            let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            shown.insert(server.to_str().into_owned(), Validity { until, counts });
        }
    }

    /// All of them, the latest of each server.
    pub(super) fn all(&self) -> BTreeMap<String, Validity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The `notAfter` of a certificate (RFC 5280, 4.1.2.5). The libraries that verify certificates keep it to themselves;
/// `None` where it cannot be read, which is no reason to refuse anything.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Option<DateTime<Utc>> {
    let seconds = read(certificate).ok()?;
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

/// The same in seconds since 1970.
fn read(certificate: &[u8]) -> der::Result<u64> {
    let certificate = AnyRef::from_der(certificate)?;
    let signed: AnyRef<'_> = SliceReader::new(certificate.value())?.decode()?;
    let mut fields = SliceReader::new(signed.value())?;
    // Version 1 leaves out the version, which has a tag of its own. Serial number, algorithm and issuer follow.
    let first: AnyRef<'_> = fields.decode()?;
    for _ in 0..if first.tag().is_context_specific() { 3 } else { 2 } {
        fields.decode::<AnyRef<'_>>()?;
    }
    let validity: AnyRef<'_> = fields.decode()?;
    let mut times = SliceReader::new(validity.value())?;
    times.decode::<AnyRef<'_>>()?;
    let until = match Tag::peek(&times)? {
        Tag::UtcTime => times.decode::<UtcTime>()?.to_unix_duration(),
        _ => times.decode::<GeneralizedTime>()?.to_unix_duration(),
    };
    Ok(until.as_secs())
}
