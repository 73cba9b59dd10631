//! TLS: who is trusted, and who we are.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::wire::validity::not_after;

type Versions<'a> = &'a [&'static SupportedProtocolVersion];

/// A private certificate authority.
pub(super) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pub(super) pem: String,
    der: CertificateDer<'static>,
}

/// A certificate with its key.
pub(super) struct Certified {
    pub(super) pem: String,
    der: CertificateDer<'static>,
    pub(super) key: KeyPair,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate().unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("Authority {:?}", &pin_of(&key)[..4]));
        let certificate = params.self_signed(&key).unwrap();
        Authority { params, key, pem: certificate.pem(), der: certificate.der().clone() }
    }

    pub(super) fn sign(&self, params: &CertificateParams, key: KeyPair) -> Certified {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Certified { pem: certificate.pem(), der: certificate.der().clone(), key }
    }

    pub(super) fn certificate(&self, names: &[&str]) -> Certified {
        self.sign(&names_of(names), KeyPair::generate().unwrap())
    }

    /// A server with a certificate for these names, for anybody.
    pub(super) fn server(&self, names: &[&str]) -> ServerConfig {
        server(&self.certificate(names), None, ALL_VERSIONS)
    }

    /// A server with a certificate for these names, for its own clients alone.
    pub(super) fn server_for_clients(&self, names: &[&str]) -> ServerConfig {
        server(&self.certificate(names), Some(self), ALL_VERSIONS)
    }

    /// The settings that trust it.
    pub(super) fn tls(&self) -> Tls {
        Tls { trust: Trust::Authorities(self.pem.clone().into_bytes()), identity: None }
    }
}

fn names_of(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

/// A server with a certificate, for anybody or for clients of an authority alone.
fn server(certified: &Certified, clients: Option<&Authority>, versions: Versions) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.key.serialize_der()));
    builder.with_single_cert(vec![certified.der.clone()], key).unwrap()
}

/// A peer that speaks TLS and answers everything with `ok`.
pub(super) async fn tls_peer(config: ServerConfig) -> (Url, Log) {
    let log = Log::default();
    let seen = log.clone();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let url = listen(move |stream| {
        let (acceptor, log) = (acceptor.clone(), seen.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                converse(stream, log, Arc::new(vec![reply(200, "", "ok")])).await;
            }
        }
    })
    .await;
    (Url::parse(&url.as_str().replace("http://", "https://")).unwrap(), log)
}

async fn try_tls(url: &Url, tls: Tls) -> Result<(u16, Vec<u8>), WireError> {
    fetch(&Client::new(Settings { tls, ..settings(url) }).unwrap(), url).await
}

/// The connection must fail for this reason and with such a hint, and nothing of the request may have arrived.
async fn refused(config: ServerConfig, tls: Tls, reason: &str, hint: &str) {
    let (url, log) = tls_peer(config).await;
    let error = try_tls(&url, tls).await.unwrap_err();
    assert!(matches!(error, WireError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains(reason), "{error}");
    assert!(error.hint().contains(hint), "{}", error.hint());
    assert_eq!(error.class(), Class::Admin);
    assert!(!error.outcome_unknown());
    assert_eq!(log.len(), 0);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pin_of(key: &impl PublicKeyData) -> [u8; 32] {
    Sha256::digest(key.subject_public_key_info()).into()
}

#[tokio::test]
async fn a_private_authority_is_trusted() {
    let authority = Authority::new();
    let (url, log) = tls_peer(authority.server(&["127.0.0.1"])).await;
    let headers = vec![("X-Api-Key".into(), "key".into())];
    let client = Client::new(Settings { tls: authority.tls(), headers, ..settings(&url) }).unwrap();
    assert_eq!(fetch(&client, &url).await.unwrap(), (200, b"ok".to_vec()));
    assert_eq!(log.all()[0].header("X-TAXII-Protocol"), Some("urn:taxii.mitre.org:protocol:https:1.0"));
}

#[tokio::test]
async fn another_authority_is_not_and_the_system_does_not_know_it_either() {
    let (authority, other) = (Authority::new(), Authority::new());
    refused(authority.server(&["127.0.0.1"]), other.tls(), "from an unknown issuer", "tls.ca_file").await;
    let (url, log) = tls_peer(authority.server(&["127.0.0.1"])).await;
    // What it says depends on whether the machine has authorities at all.
    let error = try_tls(&url, Tls::default()).await.unwrap_err();
    assert!(error.hint().contains("tls.ca_file"), "{error}");
    assert_eq!(log.len(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let config = authority.server(&["taxii.example.org"]);
    refused(config, authority.tls(), "for another name (", "use a name of the certificate").await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_so_is_one_of_the_future() {
    let authority = Authority::new();
    let mut params = names_of(&["127.0.0.1"]);
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let certified = authority.sign(&params, KeyPair::generate().unwrap());
    refused(server(&certified, None, ALL_VERSIONS), authority.tls(), "expired at 2002-01-01T00:00:00Z", "renewed")
        .await;
    params.not_before = rcgen::date_time_ymd(2400, 1, 1);
    params.not_after = rcgen::date_time_ymd(2500, 1, 1);
    let certified = authority.sign(&params, KeyPair::generate().unwrap());
    refused(server(&certified, None, ALL_VERSIONS), authority.tls(), "not valid yet", "clock").await;
}

#[tokio::test]
async fn a_pinned_key_is_enough_even_for_a_self_signed_authority_of_another_name() {
    let mut params = names_of(&["another.example"]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let certified = Certified { pem: certificate.pem(), der: certificate.der().clone(), key };
    let pin = pin_of(&certified.key);
    let (url, _) = tls_peer(server(&certified, None, ALL_VERSIONS)).await;
    assert_eq!(try_tls(&url, Tls { trust: Trust::Pin(pin), identity: None }).await.unwrap().0, 200);
    assert_eq!(try_tls(&url, Tls { trust: Trust::Anything, identity: None }).await.unwrap().0, 200);

    let wrong = Tls { trust: Trust::Pin([7; 32]), identity: None };
    let seen = hex(&pin);
    refused(
        server(&certified, None, ALL_VERSIONS),
        wrong,
        &format!("not the pinned one: its SHA-256 is {seen}"),
        "why",
    )
    .await;
}

/// What the client knows of certificates after one exchange: whether the dates count, and the end of the server's.
async fn certificate_shown(config: ServerConfig, tls: Tls) -> (bool, String) {
    let (url, _) = tls_peer(config).await;
    let client = Client::new(Settings { tls, ..settings(&url) }).unwrap();
    assert!(client.server_certificates().is_empty());
    fetch(&client, &url).await.unwrap();
    let shown = client.server_certificates()["127.0.0.1"];
    (shown.counts, shown.until.to_rfc3339())
}

#[tokio::test]
async fn the_end_of_a_certificate_is_known_however_it_is_trusted() {
    let authority = Authority::new();
    let mut params = names_of(&["127.0.0.1"]);
    // As UTCTime and, from 2050 on, as GeneralizedTime.
    for year in [2049, 2050] {
        params.not_after = rcgen::date_time_ymd(year, 5, 6);
        let certified = authority.sign(&params, KeyPair::generate().unwrap());
        let config = server(&certified, None, ALL_VERSIONS);
        let seen = certificate_shown(config, authority.tls()).await;
        assert_eq!(seen, (true, format!("{year}-05-06T00:00:00+00:00")));
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let mut self_signed = |year| {
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        let key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
        Certified { pem: certificate.pem(), der: certificate.der().clone(), key }
    };
    let (good, expired) = (self_signed(2050), self_signed(2002));
    let named = |certified: &Certified| Trust::Authorities(certified.pem.clone().into_bytes());
    let tls = |trust| Tls { trust, identity: None };
    let seen = certificate_shown(server(&good, None, ALL_VERSIONS), tls(named(&good))).await;
    assert_eq!(seen, (true, "2050-01-01T00:00:00+00:00".to_owned()));
    refused(server(&expired, None, ALL_VERSIONS), tls(named(&expired)), "expired at 2002-01-01", "renewed").await;
    for trust in [Trust::Pin(pin_of(&expired.key)), Trust::Anything] {
        let seen = certificate_shown(server(&expired, None, ALL_VERSIONS), tls(trust)).await;
        assert_eq!(seen, (false, "2002-01-01T00:00:00+00:00".to_owned()));
    }
}

#[test]
fn the_end_of_the_client_certificate_is_known_before_it_is_shown() {
    let authority = Authority::new();
    let mut params = names_of(&["sensor"]);
    params.not_after = rcgen::date_time_ymd(2031, 2, 3);
    let sensor = authority.sign(&params, KeyPair::generate().unwrap());
    let url = Url::parse("https://taxii.invalid/").unwrap();
    let made = |tls| Client::new(Settings { tls, ..settings(&url) }).unwrap().own_certificate();
    assert_eq!(made(authority.tls()), None);
    let own = made(Tls { identity: identity(&sensor), ..authority.tls() }).unwrap();
    assert_eq!((own.counts, own.until.to_rfc3339()), (true, "2031-02-03T00:00:00+00:00".to_owned()));
}

#[test]
fn the_end_of_what_is_no_certificate_is_not_known() {
    let whole = Authority::new().certificate(&["sensor"]).der;
    assert!(not_after(&whole).is_some());
    for length in 0..whole.len() {
        assert_eq!(not_after(&CertificateDer::from(&whole[..length])), None, "{length}");
    }
    for garbage in [&[0x30, 0x80, 0, 0][..], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x02, 0x30, 0x00]] {
        assert_eq!(not_after(&CertificateDer::from(garbage)), None);
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_it_is_named_and_explained_when_it_is_not() {
    let self_signed = |authority: bool, name: &str| {
        let mut params = names_of(&[name]);
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Certified { pem: certificate.pem(), der: certificate.der().clone(), key }
    };
    let trusting =
        |certified: &Certified| Tls { trust: Trust::Authorities(certified.pem.clone().into_bytes()), identity: None };
    for authority in [true, false] {
        let certified = self_signed(authority, "127.0.0.1");
        let (url, _) = tls_peer(server(&certified, None, ALL_VERSIONS)).await;
        assert_eq!(try_tls(&url, trusting(&certified)).await.unwrap().0, 200, "{authority}");
        let other = self_signed(authority, "another.example");
        refused(server(&other, None, ALL_VERSIONS), trusting(&other), "for another name", "use a name").await;
    }
    let certified = self_signed(true, "127.0.0.1");
    let pin = format!("tls.pin_sha256 = \"{}\"", hex(&pin_of(&certified.key)));
    refused(server(&certified, None, ALL_VERSIONS), Authority::new().tls(), "self-signed", &pin).await;
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    let authority = Authority::new();
    let certified = authority.certificate(&["127.0.0.1"]);
    let pin = pin_of(&certified.key);
    let stolen = Certified { pem: String::new(), der: certified.der.clone(), key: KeyPair::generate().unwrap() };
    // The server's own check of the pair is passed by naming the resolver directly.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(stolen.key.serialize_der()));
    let key = provider.key_provider.load_private_key(key).unwrap();
    let pair = rustls::sign::CertifiedKey::new(vec![stolen.der.clone()], key);
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair)));
    let (url, log) = tls_peer(config).await;
    let error = try_tls(&url, Tls { trust: Trust::Pin(pin), identity: None }).await.unwrap_err();
    assert!(matches!(error, WireError::Connect { .. }), "{error:?}");
    assert_eq!(log.len(), 0);
}

fn identity(certified: &Certified) -> Option<Identity> {
    let key = certified.key.serialize_pem().into_bytes();
    Some(Identity { certificates: certified.pem.clone().into_bytes(), key, key_password: None })
}

#[tokio::test]
async fn a_client_certificate_opens_the_door_and_no_other_does() {
    let (authority, other) = (Authority::new(), Authority::new());
    // The two versions tell about a refused certificate at different times.
    for versions in [&[&TLS13][..], &[&TLS12][..]] {
        let config = || server(&authority.certificate(&["127.0.0.1"]), Some(&authority), versions);
        let right = Tls { identity: identity(&authority.certificate(&["sensor"])), ..authority.tls() };
        let (url, log) = tls_peer(config()).await;
        assert_eq!(try_tls(&url, right).await.unwrap().0, 200);
        assert_eq!(log.len(), 1);
        let wrong = Tls { identity: identity(&other.certificate(&["sensor"])), ..authority.tls() };
        for tls in [wrong, authority.tls()] {
            refused(config(), tls, "the server refused TLS (", "tls.cert_file").await;
        }
    }
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_is_told_from_one_that_does() {
    let plain = listen(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.ok();
        stream.read_u8().await.ok();
    })
    .await;
    let url = Url::parse(&plain.as_str().replace("http://", "https://")).unwrap();
    let error = try_tls(&url, Tls { trust: Trust::Anything, identity: None }).await.unwrap_err();
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert!(error.hint().contains("http://"), "{}", error.hint());
}

#[tokio::test]
async fn a_tls_connection_that_ends_without_a_word_ends_a_body_of_unknown_length_only() {
    let authority = Authority::new();
    for (header, whole) in [("", true), ("Content-Length: 100\r\n", false), ("Transfer-Encoding: chunked\r\n", false)] {
        let acceptor = TlsAcceptor::from(Arc::new(authority.server(&["127.0.0.1"])));
        let url = listen(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                read_request(&mut stream).await.unwrap();
                let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\n2\r\n<a/>");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                // The TCP connection closes; no close_notify is sent.
                drop(stream.into_inner());
            }
        })
        .await;
        let url = Url::parse(&url.as_str().replace("http://", "https://")).unwrap();
        let result = try_tls(&url, authority.tls()).await;
        assert_eq!(result.is_ok(), whole, "{header:?}: {result:?}");
        if let Err(error) = result {
            assert!(matches!(error, WireError::CutShort { .. }), "{error:?}");
        }
    }
}
