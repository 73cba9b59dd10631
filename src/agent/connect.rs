//! From a server of the configuration to a [`Peer`]: files are read, secrets become something that is looked up at
//! each use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config::{self, Secret, Server};
use crate::peer::{Parts, Peer, Pinned};
use crate::store::disk::{self, DiskError};
use crate::taxii::decode::Limits;
use crate::wire::{self, SecretError, Settings, Trust, WireError};

/// No secret, certificate or key is longer.
const LONGEST: u64 = 1 << 20;

/// Replies parsed at once, over all servers: a part that waits for its turn costs a few hundred KiB, one that is
/// parsed a core.
pub const WORKERS: usize = 4;

/// A server that cannot be spoken to as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file it names cannot be read.
    #[error("server `{server}`: {key}: cannot {error}")]
    File {
        /// The server's name.
        server: String,
        /// The key of the configuration.
        key: &'static str,
        /// What happened.
        error: DiskError,
    },
    /// A certificate, key, header or proxy cannot be used.
    #[error("server `{server}`: {error}")]
    Wire {
        /// The server's name.
        server: String,
        /// What is wrong.
        error: WireError,
    },
}

/// What of a server's configuration a running peer was made of: with the same of it, it can stay.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    server: Server,
    authorities: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Reads the files that a server's configuration names.
pub fn load(name: &str, server: &Server) -> Result<Loaded, ConnectError> {
    let read = |key: &'static str, path: &Path| {
        disk::read_small(path, LONGEST).map_err(|error| ConnectError::File { server: name.to_owned(), key, error })
    };
    let tls = &server.tls;
    let authorities = tls.ca_file.as_deref().map(|path| read("tls.ca_file", path)).transpose()?;
    let identity = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => Some((read("tls.cert_file", cert)?, read("tls.key_file", key)?)),
        _ => None,
    };
    Ok(Loaded { server: server.clone(), authorities, identity })
}

/// A peer. Nothing is sent.
pub fn peer(name: &str, loaded: &Loaded, clock: &Clock, workers: &Arc<Semaphore>) -> Result<Peer, ConnectError> {
    let server = &loaded.server;
    let client =
        wire::Client::new(settings(loaded)).map_err(|error| ConnectError::Wire { server: name.to_owned(), error })?;
    Ok(Peer::new(Parts {
        name: name.to_owned(),
        version: server.taxii,
        precision: server.timestamp_precision,
        client,
        pinned: Pinned {
            discovery: server.discovery.clone(),
            poll: server.poll.clone(),
            inbox: server.inbox.clone(),
            collections: server.collections.clone(),
        },
        limits: Limits { max_content_block: server.max_content_block, ..Limits::default() },
        clock: clock.clone(),
        workers: workers.clone(),
    }))
}

fn settings(loaded: &Loaded) -> Settings {
    let server = &loaded.server;
    let addresses = [&server.discovery, &server.poll, &server.inbox, &server.collections];
    let origins = addresses.into_iter().flatten().chain(&server.trusted_origins).cloned().collect();
    Settings {
        auth: server.auth.as_ref().map(auth),
        headers: server.headers.iter().map(|(name, value)| (name.clone(), secret(value))).collect(),
        tls: tls(loaded),
        proxy: server.proxy.as_ref().map(|proxy| wire::Proxy {
            url: proxy.url.clone(),
            username: proxy.username.clone(),
            password: proxy.password.as_ref().map(secret),
            no_proxy: proxy.no_proxy.clone(),
        }),
        connect_timeout: server.connect_timeout,
        idle_timeout: server.idle_timeout,
        total_timeout: server.total_timeout,
        max_response: server.max_response,
        plaintext_credentials: server.plaintext_credentials,
        ..Settings::new(origins)
    }
}

fn tls(loaded: &Loaded) -> wire::Tls {
    let tls = &loaded.server.tls;
    let trust = match (&loaded.authorities, tls.pin_sha256) {
        (_, Some(pin)) => Trust::Pin(pin),
        _ if !tls.verify => Trust::Anything,
        (Some(authorities), None) => Trust::Authorities(authorities.clone()),
        (None, None) => Trust::System,
    };
    let identity = loaded.identity.as_ref().map(|(certificates, key)| wire::Identity {
        certificates: certificates.clone(),
        key: key.clone(),
        key_password: tls.key_password.as_ref().map(secret),
    });
    wire::Tls { trust, identity }
}

fn auth(auth: &config::Auth) -> wire::Auth {
    match auth {
        config::Auth::Basic { username, password } => {
            wire::Auth::Basic { username: username.clone(), password: secret(password) }
        }
        config::Auth::Jwt { login, username, password } => {
            wire::Auth::Jwt { login: login.clone(), username: username.clone(), password: secret(password) }
        }
        config::Auth::Bearer { token } => wire::Auth::Bearer { token: secret(token) },
    }
}

/// A secret that is looked up where the configuration says, each time it is needed: a rotated one works at once.
pub fn secret(secret: &Secret) -> wire::Secret {
    let secret = secret.clone();
    wire::Secret::new(move || look_up(&secret))
}

fn look_up(secret: &Secret) -> Result<String, SecretError> {
    match secret {
        Secret::Literal(value) => Ok(value.clone()),
        Secret::File(path) => read_secret(path),
        Secret::Env(name) => match std::env::var(name) {
            Ok(value) => not_empty(value, || format!("the environment variable {name}")),
            Err(_) => Err(SecretError(format!("the environment variable {name} is not set, or is not UTF-8"))),
        },
        Secret::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(directory) => read_secret(&PathBuf::from(directory).join(name)),
            None => Err(SecretError(format!(
                "the credential {name} cannot be found: CREDENTIALS_DIRECTORY is not set (LoadCredential= in the unit sets it)"
            ))),
        },
    }
}

/// The first line of a file.
fn read_secret(path: &Path) -> Result<String, SecretError> {
    let mut bytes = disk::read_small(path, LONGEST).map_err(|error| SecretError(format!("cannot {error}")))?;
    if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        bytes.truncate(end);
        bytes.pop_if(|last| *last == b'\r');
    }
    let line = String::from_utf8(bytes).map_err(|_| SecretError(format!("{} is not UTF-8 text", path.display())))?;
    not_empty(line, || format!("the first line of {}", path.display()))
}

/// A file that is just being written anew, most likely, or a variable that was forgotten. An empty password would lock
/// the account.
fn not_empty(secret: String, place: impl FnOnce() -> String) -> Result<String, SecretError> {
    if secret.trim().is_empty() { Err(SecretError(format!("{} is empty", place()))) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_is_the_secret_and_an_empty_one_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::io::Write::write_all(&mut file.reopen().unwrap(), text.as_bytes()).unwrap();
            file.as_file().set_len(text.len() as u64).unwrap();
            secret(&Secret::File(file.path().to_owned())).read()
        };
        for text in ["hunter2", "hunter2\n", "hunter2\r\n", "hunter2\nsecond\n", "hunter2\r\nsecond", "hunter2\n\n"] {
            assert_eq!(read(text).as_deref(), Ok("hunter2"), "{text:?}");
        }
        assert_eq!(read(" hunter 2\t\n").as_deref(), Ok(" hunter 2\t"));
        for text in ["", "\n", " \r\n", "\nhunter2\n"] {
            assert!(read(text).unwrap_err().0.ends_with(" is empty"), "{text:?}");
        }
    }

    /// Whether a configuration is accepted, and whether its server can be spoken to.
    fn judged(server: &str) -> (bool, bool) {
        let text = format!("[servers.hub]\n{server}\n");
        let parsed = config::Config::parse(&text, "config.toml");
        let peered = parsed.as_ref().is_ok_and(|parsed| {
            let loaded = load("hub", &parsed.config.servers["hub"]).unwrap();
            peer("hub", &loaded, &Clock::system(), &Arc::new(Semaphore::new(1))).is_ok()
        });
        (parsed.is_ok(), peered)
    }

    #[test]
    fn a_proxy_that_the_configuration_may_have_can_be_used() {
        for (direct, good) in [("10.0.0.0/8", true), (".example.org", true), ("*", true), (".", false), ("...", false)]
        {
            let proxy = format!("proxy = {{ url = \"http://proxy:1\", no_proxy = [{direct:?}] }}");
            assert_eq!(judged(&proxy), (good, good), "{direct}");
        }
    }

    #[test]
    fn a_configuration_takes_the_addresses_for_local_that_requests_do() {
        for (host, local) in [
            ("127.1.2.3", true),
            ("localhost", true),
            ("localhost.", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("[::2]", false),
            ("localhost.example.org", false),
        ] {
            let url = format!("http://{host}:1/");
            let auth = "auth = { type = \"bearer\", token_env = \"TOKEN\" }";
            assert_eq!(judged(&format!("discovery = {url:?}\n{auth}")).0, local, "{host}");
            assert_eq!(wire::is_loopback(&url.parse().unwrap()), local, "{host}");
        }
    }

    #[test]
    fn a_variable_that_is_empty_holds_no_secret() {
        for text in ["", " ", "\n"] {
            let refused = not_empty(text.to_owned(), || "the environment variable X".to_owned());
            assert_eq!(refused.unwrap_err().0, "the environment variable X is empty");
        }
        assert!(not_empty("x".to_owned(), String::new).is_ok());
    }
}
