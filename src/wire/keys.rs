//! Certificates and private keys out of PEM.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::redact::Known;
use super::{Identity, WireError};

/// How a key in an old or unusual encryption becomes one that can be read.
const CONVERT_KEY: &str = "convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD.pem -out NEW.pem";

/// The certificates of a PEM text, at least one. `from` is the configuration key it came with.
pub(super) fn certificates(pem: &[u8], from: &str) -> Result<Vec<CertificateDer<'static>>, WireError> {
    refuse_der(pem, from)?;
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| WireError::settings(format!("the PEM text in {from} is damaged: {error}"), ""))?;
    match certificates.is_empty() {
        false => Ok(certificates),
        true => {
            Err(WireError::settings(format!("{from} holds no certificate"), "it wants -----BEGIN CERTIFICATE-----"))
        }
    }
}

/// The private key of a client certificate, decrypted.
pub(super) fn private_key(identity: &Identity, known: &Known) -> Result<PrivateKeyDer<'static>, WireError> {
    refuse_der(&identity.key, "tls.key_file")?;
    let pem = String::from_utf8_lossy(&identity.key);
    if pem.contains("Proc-Type: 4,ENCRYPTED") {
        let what = "the key in tls.key_file is in an old encrypted form that is not read";
        return Err(WireError::settings(what, CONVERT_KEY));
    }
    if let Some(encrypted) = section(&pem, "ENCRYPTED PRIVATE KEY") {
        let password = identity.key_password.as_ref().ok_or_else(|| {
            WireError::settings(
                "the key in tls.key_file is encrypted, and there is no password",
                "set key_password_file",
            )
        })?;
        let password = password.read()?;
        known.add(&password);
        return decrypt(&encrypted, &password);
    }
    PrivateKeyDer::from_pem_slice(&identity.key).map_err(|_| {
        WireError::settings(
            "tls.key_file holds no private key that can be read",
            "it wants -----BEGIN PRIVATE KEY-----",
        )
    })
}

fn decrypt(encrypted: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, WireError> {
    let unknown = |_| WireError::settings("the encryption of the key in tls.key_file is not known", CONVERT_KEY);
    let info = EncryptedPrivateKeyInfoRef::try_from(encrypted).map_err(unknown)?;
    // The crate's error does not tell a wrong password from an algorithm it does not have.
    let key = info.decrypt(password).map_err(|error| {
        WireError::settings(
            format!("the key in tls.key_file cannot be decrypted ({error})"),
            format!("check key_password_file; if the password is right, {CONVERT_KEY}"),
        )
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

/// The content of the first section with this label.
fn section(pem: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}

/// Refuses binary files with the command that makes PEM of them.
fn refuse_der(content: &[u8], from: &str) -> Result<(), WireError> {
    // Every DER file here is one SEQUENCE longer than 127 bytes; PKCS#12 begins with its version, the INTEGER 3.
    let [0x30, length, rest @ ..] = content else { return Ok(()) };
    let body = rest.get(usize::from(length & 0x7f)..).unwrap_or_default();
    if body.starts_with(&[0x02, 0x01, 0x03]) {
        let hint = "convert it: openssl pkcs12 -in FILE.p12 -nodes -out cert-and-key.pem, and name that file twice";
        return Err(WireError::settings(format!("{from} is a PKCS#12 file, which is not read"), hint));
    }
    let hint = "convert it: openssl x509 -inform der -in FILE -out FILE.pem, or openssl pkey -inform der for a key";
    Err(WireError::settings(format!("{from} is in binary form (DER), which is not read"), hint))
}
