//! Transport security: settings to what rustls wants.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::keys;
use super::redact::Known;
use super::validity::Shown;
use super::verify::{Check, Verifier};
use super::{Tls, Trust, WireError};

/// The TLS configuration of a client, which notes the certificates that it is shown. Where nothing speaks TLS, the
/// system's authorities are not loaded.
pub(super) fn config(tls: &Tls, used: bool, known: &Known, shown: &Shown) -> Result<ClientConfig, WireError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let check = match &tls.trust {
        Trust::System => {
            let roots = if used { rustls_native_certs::load_native_certs().certs } else { Vec::new() };
            Check::Chain { verifier: verifier(&roots, &provider)?, named: Vec::new() }
        }
        Trust::Authorities(pem) => {
            let named = keys::certificates(pem, "tls.ca_file")?;
            let verifier = verifier(&named, &provider)?;
            if verifier.is_none() {
                return Err(WireError::settings("no certificate in tls.ca_file can be read", ""));
            }
            Check::Chain { verifier, named }
        }
        Trust::Pin(pin) => Check::Pin(*pin),
        Trust::Anything => Check::Nothing,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| WireError::settings(format!("TLS cannot be used: {error}"), ""))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { check, algorithms, shown: shown.clone() }));
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificates = keys::certificates(&identity.certificates, "tls.cert_file")?;
            let key = keys::private_key(identity, known)?;
            builder.with_client_auth_cert(certificates, key).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => WireError::settings(
                    "the key in tls.key_file does not belong to the certificate in tls.cert_file",
                    "",
                ),
                error => WireError::settings(format!("the client certificate cannot be used: {error}"), ""),
            })?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A verifier of chains up to one of `roots`; none where none of them can be read, as with an empty system store.
fn verifier(
    roots: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, WireError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    if store.is_empty() {
        return Ok(None);
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map(Some)
        .map_err(|error| WireError::settings(format!("the certificate authorities cannot be used: {error}"), ""))
}
