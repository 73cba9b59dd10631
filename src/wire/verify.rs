//! What makes a server's certificate good.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use sha2::{Digest, Sha256};

use super::validity::Shown;

/// One of the three ways to look at a certificate.
#[derive(Debug)]
pub(super) enum Check {
    /// A chain up to an authority. None: there is no authority at all.
    Chain {
        verifier: Option<Arc<WebPkiServerVerifier>>,
        /// The certificates that the operator named. One of them may be the server's own.
        named: Vec<CertificateDer<'static>>,
    },
    /// The key alone, by its SHA-256. Names, dates and extensions do not count: it is the key itself that is trusted.
    Pin([u8; 32]),
    /// Not at all.
    Nothing,
}

/// A [`Check`] with the signature algorithms that may prove the possession of the key.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) check: Check,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// The certificates that were found good.
    pub(super) shown: Shown,
}

/// The server's key is not the pinned one.
#[derive(Debug)]
pub(super) struct WrongKey(String);

/// No authority vouches for the certificate.
#[derive(Debug)]
pub(super) struct Untrusted {
    /// The certificate is an authority's own, as self-signed ones often are.
    pub(super) authority: bool,
    /// SHA-256 of its key.
    pub(super) key: String,
}

/// The system trusts nobody.
#[derive(Debug)]
pub(super) struct NoAuthorities;

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let dates_count = match &self.check {
            Check::Chain { verifier: None, .. } => return Err(other(NoAuthorities)),
            Check::Chain { verifier: Some(verifier), named } => {
                match verifier.verify_server_cert(certificate, intermediates, name, ocsp, now) {
                    // Self-signed certificates are often marked as an authority's, with which no chain can begin. As
                    // with any authority, naming one is to trust it. Its dates were looked at before.
                    Err(error) if is_authority(&error) && named.contains(certificate) => {
                        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                        true
                    }
                    Err(error) => return Err(with_key(error, certificate)),
                    Ok(_) => true,
                }
            }
            Check::Pin(pin) => {
                let key = key_hash(certificate)?;
                if key != *pin {
                    return Err(other(WrongKey(hex(&key))));
                }
                false
            }
            Check::Nothing => false,
        };
        self.shown.note(name, certificate, dates_count);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.check {
            Check::Nothing => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls12_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.check {
            Check::Nothing => Ok(HandshakeSignatureValid::assertion()),
            _ => verify_tls13_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
fn key_hash(certificate: &CertificateDer<'_>) -> Result<[u8; 32], Error> {
    Ok(Sha256::digest(ParsedCertificate::try_from(certificate)?.subject_public_key_info()).into())
}

/// Whether a certificate was refused because it is an authority's own. The verifier's error has no other name here.
fn is_authority(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(cause)) if cause.to_string() == "CaUsedAsEndEntity")
}

/// Adds the key to an error that pinning it would help against.
fn with_key(error: Error, certificate: &CertificateDer<'_>) -> Error {
    let authority = is_authority(&error);
    if !authority && !matches!(error, Error::InvalidCertificate(CertificateError::UnknownIssuer)) {
        return error;
    }
    match key_hash(certificate) {
        Ok(key) => other(Untrusted { authority, key: hex(&key) }),
        Err(_) => error,
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for WrongKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's key is not the pinned one: its SHA-256 is {}", self.0)
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no authority vouches for the server's certificate")
    }
}

impl fmt::Display for NoAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this system has no certificate authorities")
    }
}

impl std::error::Error for WrongKey {}
impl std::error::Error for Untrusted {}
impl std::error::Error for NoAuthorities {}
