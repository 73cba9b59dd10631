//! How a server is reached that is given by its URL: TLS, client certificates, proxies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Bench;

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
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        (CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap(), key)
    }

    /// A server that lets in clients of this authority alone.
    fn server(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let (certificate, key) = self.certificate("localhost");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_client_cert_verifier(clients).with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }
}

/// TLS in front of the practice server. Gives the URL of its Discovery Service there.
fn behind_tls(bench: &Bench, authority: &Authority) -> String {
    let (acceptor, inner) = (TlsAcceptor::from(Arc::new(authority.server())), bench.practice.address());
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
    let url = behind_tls(&bench, &authority);
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
    let url = behind_tls(&bench, &authority);
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
