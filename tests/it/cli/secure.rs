//! How a server is reached that is given by its URL: TLS, client certificates, proxies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{Datelike, NaiveDate, TimeDelta, Utc};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use taxii_sync::practice::Addresses;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Bench;
use super::checking::{assert_found, changed, findings};

/// A private authority that vouches for `localhost` and for one client.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority of a test");
        Authority { params, key: KeyPair::generate().unwrap() }
    }

    fn pem(&self) -> String {
        self.params.self_signed(&self.key).unwrap().pem()
    }

    fn der(&self) -> CertificateDer<'static> {
        self.params.self_signed(&self.key).unwrap().der().clone()
    }

    fn certificate(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        self.certificate_until(name, in_days(300))
    }

    fn certificate_until(&self, name: &str, end: NaiveDate) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        (params_until(name, end).signed_by(&key, &issuer).unwrap(), key)
    }

    /// A server that lets in clients of this authority alone.
    fn server(&self) -> ServerConfig {
        self.server_with(self.certificate("localhost"))
    }

    fn server_with(&self, (certificate, key): (rcgen::Certificate, KeyPair)) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_client_cert_verifier(clients).with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }
}

fn in_days(days: i64) -> NaiveDate {
    (Utc::now() + TimeDelta::days(days)).date_naive()
}

/// For this name, until the beginning of this day.
fn params_until(name: &str, end: NaiveDate) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(end.year(), end.month() as u8, end.day() as u8);
    params
}

/// TLS in front of the practice server. Gives the URL of its Discovery Service there.
fn behind_tls(bench: &Bench, server: ServerConfig) -> String {
    let (acceptor, inner) = (TlsAcceptor::from(Arc::new(server)), bench.practice.address());
    let address = listen(bench, move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let (Ok(mut secure), Ok(mut plain)) = (acceptor.accept(stream).await, TcpStream::connect(inner).await) {
                let _ = copy_bidirectional(&mut secure, &mut plain).await;
            }
        }
    });
    format!("https://localhost:{}/services/discovery", address.port())
}

fn listen<F, S>(bench: &Bench, serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    bench.runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        address
    })
}

#[test]
fn a_private_authority_and_a_client_certificate_open_the_door() {
    let (bench, authority) = (Bench::new(), Authority::new());
    let url = behind_tls(&bench, authority.server());
    let (certificate, key) = authority.certificate("sensor");
    bench.put("ca.pem", authority.pem());
    bench.put("client.pem", certificate.pem());
    bench.put("client.key", key.serialize_pem());
    let discover = |more: &[&str]| bench.bare([&["discover", url.as_str()][..], more].concat());
    discover(&["--ca", "ca.pem", "--cert", "client.pem", "--key", "client.key"]).ended(0).said("POLL");
    discover(&["--cert", "client.pem", "--key", "client.key"]).ended(1).complained("localhost");
    discover(&["--ca", "ca.pem"]).ended(1).complained("localhost");
    assert_eq!(bench.asked("Discovery_Request"), 1);
}

#[test]
fn requests_go_through_the_proxy_that_is_named() {
    let (bench, authority) = (Bench::new(), Authority::new());
    let url = behind_tls(&bench, authority.server());
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = tunnels.clone();
    let proxy = listen(&bench, move |mut stream| {
        let tunnels = counted.clone();
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
            tunnels.fetch_add(1, Ordering::SeqCst);
            let mut onward = TcpStream::connect(target.replace("localhost", "127.0.0.1")).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 go\r\n\r\n").await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
        }
    });
    let (certificate, key) = authority.certificate("sensor");
    bench.put("ca.pem", authority.pem());
    bench.put("client.pem", certificate.pem());
    bench.put("client.key", key.serialize_pem());
    let proxy = format!("http://{proxy}");
    let tls = ["--ca", "ca.pem", "--cert", "client.pem", "--key", "client.key", "--proxy", &proxy];
    bench.bare([&["discover", url.as_str()][..], &tls].concat()).ended(0).said("POLL");
    assert_eq!(tunnels.load(Ordering::SeqCst), 1);
}

/// Lets the server `hub` be reached at a URL with these `tls` settings. It advertises only paths.
fn reached_at(bench: &Bench, url: &str, tls: &str) {
    changed(
        bench,
        &format!("discovery = {:?}", bench.practice.url("discovery")),
        &format!("discovery = {url:?}\ntls = {{ {tls} }}"),
    );
}

fn relative() -> Bench {
    Bench::with(|options| options.advertised.addresses = Addresses::Relative)
}

#[test]
fn a_check_tells_for_how_many_days_both_certificates_are_valid() {
    let (bench, authority) = (relative(), Authority::new());
    let url = behind_tls(&bench, authority.server());
    let client = |end| {
        let (certificate, key) = authority.certificate_until("sensor", end);
        bench.put("client.pem", certificate.pem());
        bench.put("client.key", key.serialize_pem());
    };
    bench.put("ca.pem", authority.pem());
    let tls = "ca_file = \"ca.pem\", cert_file = \"client.pem\", key_file = \"client.key\"";
    reached_at(&bench, &url, tls);
    client(in_days(10));
    let soon = findings(&bench, 0);
    assert_found(&soon, "server hub", "ok", "certificate of localhost is valid for 299 days, until ");
    assert_found(&soon, "server hub", "warning", "client.pem expires in 9 days, on ");
    client(in_days(-2));
    let expired = findings(&bench, 1);
    assert_found(&expired, "server hub", "problem", "client.pem expired 2 days ago, on ");
    bench.run(["check", "--online"]).ended(1).said("tls.cert_file");
}

#[test]
fn a_check_warns_of_a_server_certificate_that_expires_soon_and_fails_with_one_that_has() {
    let authority = Authority::new();
    for (days, code, verdict, what) in [
        (10, 0, "warning", "localhost expires in 9 days, on "),
        (-2, 1, "problem", "the server's certificate expired at "),
    ] {
        let bench = relative();
        let url = behind_tls(&bench, authority.server_with(authority.certificate_until("localhost", in_days(days))));
        let (certificate, key) = authority.certificate("sensor");
        bench.put("ca.pem", authority.pem());
        bench.put("client.pem", certificate.pem());
        bench.put("client.key", key.serialize_pem());
        reached_at(&bench, &url, "ca_file = \"ca.pem\", cert_file = \"client.pem\", key_file = \"client.key\"");
        assert_found(&findings(&bench, code), "server hub", verdict, what);
    }
}

#[test]
fn a_pinned_certificate_that_expired_is_a_warning_since_the_agent_goes_on() {
    let bench = relative();
    let key = KeyPair::generate().unwrap();
    let certificate = params_until("localhost", in_days(-2)).self_signed(&key).unwrap();
    let pin: String = Sha256::digest(key.subject_public_key_info()).iter().map(|byte| format!("{byte:02x}")).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    reached_at(&bench, &behind_tls(&bench, server), &format!("pin_sha256 = {pin:?}"));
    let findings = findings(&bench, 0);
    assert_found(&findings, "server hub", "warning", "localhost expired 2 days ago, on ");
    assert_found(&findings, "server hub", "warning", "the agent goes on");
}
