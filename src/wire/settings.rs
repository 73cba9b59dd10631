//! What a client is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

/// Everything a [`Client`](super::Client) needs to know about one server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The addresses of the configuration and its `trusted_origins`. Only scheme, host and port of each count;
    /// requests go to these origins alone. (The login address of [`Auth::Jwt`] needs not be among them.)
    pub origins: Vec<Url>,
    /// How the agent says who it is.
    pub auth: Option<Auth>,
    /// Additional request headers. They win over the ones made here.
    pub headers: Vec<(String, Secret)>,
    /// Transport security.
    pub tls: Tls,
    /// The proxy requests go through. Never taken from the environment.
    pub proxy: Option<Proxy>,
    /// For the connection, name resolution, proxy and TLS included.
    pub connect_timeout: Duration,
    /// From the end of the request to the whole reply header; then between two bytes; and between two pieces of a
    /// request that is being sent.
    pub idle_timeout: Duration,
    /// One request with its whole reply, redirects and a login included.
    pub total_timeout: Duration,
    /// Bytes of one reply's body, after decompression.
    pub max_response: u64,
    /// Credentials over plain http to other than a loopback address are allowed.
    pub plaintext_credentials: bool,
}

impl Settings {
    /// The settings for some origins with everything else as SURFACE.md 2 has it by default.
    pub fn new(origins: Vec<Url>) -> Settings {
        Settings {
            origins,
            auth: None,
            headers: Vec::new(),
            tls: Tls::default(),
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(180),
            total_timeout: Duration::from_secs(3600),
            max_response: 4 << 30,
            plaintext_credentials: false,
        }
    }
}

/// How the agent says who it is.
#[derive(Clone, Debug)]
pub enum Auth {
    /// HTTP Basic, sent without waiting for a challenge.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A token fetched by logging in with a user name and a password.
    Jwt {
        /// Where the token is fetched.
        login: Url,
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A token that the operator was given.
    Bearer {
        /// The token.
        token: Secret,
    },
}

/// Transport security. Files come as their content: this room opens none.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// What makes a server's certificate good.
    pub trust: Trust,
    /// The client certificate.
    pub identity: Option<Identity>,
}

/// What makes a server's certificate good.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// The system's authorities.
    #[default]
    System,
    /// Certificates of private authorities (PEM), instead of the system's.
    Authorities(Vec<u8>),
    /// SHA-256 of the server's public key (SPKI), instead of a chain.
    Pin([u8; 32]),
    /// Nothing is checked (`verify = false`). Whoever sets this warns loudly.
    Anything,
}

/// A client certificate with its key.
#[derive(Clone)]
pub struct Identity {
    /// Certificate chain (PEM), the client's own first.
    pub certificates: Vec<u8>,
    /// Its private key (PEM: PKCS#8, PKCS#1 or SEC1; PKCS#8 may be encrypted).
    pub key: Vec<u8>,
    /// The password of an encrypted key.
    pub key_password: Option<Secret>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// The proxy requests go through.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// `http`, `socks5` or `socks5h` URL, without user name and password.
    pub url: Url,
    /// User name for the proxy.
    pub username: Option<String>,
    /// Password for the proxy.
    pub password: Option<Secret>,
    /// Hosts, suffixes (`.example.org`) and networks (`10.0.0.0/8`) reached directly.
    pub no_proxy: Vec<String>,
}

/// A secret that is looked up anew each time it is needed, so that a rotated one works at once.
#[derive(Clone)]
pub struct Secret(Arc<dyn Fn() -> Result<String, SecretError> + Send + Sync>);

impl Secret {
    /// A secret that `read` looks up. One newline at its end is not part of it.
    pub fn new(read: impl Fn() -> Result<String, SecretError> + Send + Sync + 'static) -> Secret {
        Secret(Arc::new(read))
    }

    /// Looks the secret up.
    pub(crate) fn read(&self) -> Result<String, SecretError> {
        let mut value = (self.0)()?;
        if value.ends_with('\n') {
            value.pop();
            if value.ends_with('\r') {
                value.pop();
            }
        }
        Ok(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Secret {
        let value = value.to_owned();
        Secret::new(move || Ok(value.clone()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret cannot be had: a phrase that names where it was looked for, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(pub String);
