//! What an error of the HTTP client means, in words an operator understands.

use std::error::Error as StdError;
use std::io;

use chrono::DateTime;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::error::{Class, shown};
use super::verify::{NoAuthorities, Untrusted, WrongKey};

/// What an error means.
pub(super) struct Cause {
    /// What happened.
    pub(super) text: String,
    /// What to do about it.
    pub(super) hint: String,
    /// Whether another try may help.
    pub(super) class: Class,
    /// The server refused us before it read a request: with TLS 1.3, the client learns that its certificate is not
    /// accepted only after it began to send.
    pub(super) refused: bool,
}

impl Cause {
    fn transient(text: impl Into<String>) -> Cause {
        Cause { text: text.into(), hint: String::new(), class: Class::Transient, refused: false }
    }

    fn admin(text: impl Into<String>, hint: impl Into<String>) -> Cause {
        Cause { text: text.into(), hint: hint.into(), class: Class::Admin, refused: false }
    }
}

/// What an error means, told by the deepest error of its chain that says something.
pub(super) fn of(error: &reqwest::Error) -> Cause {
    if error.is_dns() {
        return Cause::transient("the name does not resolve");
    }
    let chain = chain(error);
    if let Some(tls) = chain.iter().find_map(|error| error.downcast_ref::<TlsError>()) {
        return of_tls(tls);
    }
    if let Some(io) = chain.iter().rev().find_map(|error| error.downcast_ref::<io::Error>())
        && let Some(text) = of_kind(io.kind())
    {
        return Cause::transient(text);
    }
    let deepest = chain.last().map(ToString::to_string).unwrap_or_default();
    match deepest.as_str() {
        "connection closed before message completed" => Cause::transient("the server closed the connection"),
        "connection was not ready" | "operation was canceled" => Cause {
            hint: "the server may want another client certificate: check tls.cert_file and tls.key_file".to_owned(),
            ..Cause::transient("the server closed the connection at once")
        },
        text if text.contains("proxy authorization required") => {
            Cause::admin("the proxy wants other credentials", "check username and password_file of the proxy")
        }
        text if text.contains("unsuccessful") && text.contains("tunnel") => Cause::admin(
            "the proxy refuses to connect",
            "allow the server's address on the proxy, or add it to no_proxy",
        ),
        text => Cause::transient(shown(text)),
    }
}

/// Whether the connection ended where more was to come.
pub(super) fn is_eof(error: &reqwest::Error) -> bool {
    let eof = |io: &io::Error| io.kind() == io::ErrorKind::UnexpectedEof;
    chain(error).iter().any(|error| error.downcast_ref::<io::Error>().is_some_and(eof))
}

/// The error with all its sources. An `io::Error` hides what it wraps from its own `source`.
fn chain(error: &reqwest::Error) -> Vec<&(dyn StdError + 'static)> {
    let mut chain = Vec::new();
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        chain.push(error);
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    chain
}

fn of_kind(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind as K;
    Some(match kind {
        K::ConnectionRefused => "connection refused",
        K::ConnectionReset => "connection reset",
        K::ConnectionAborted => "connection aborted",
        K::BrokenPipe => "the server closed the connection",
        K::UnexpectedEof => "the connection ended too early",
        K::HostUnreachable => "the host cannot be reached",
        K::NetworkUnreachable | K::NetworkDown => "the network cannot be reached",
        K::AddrNotAvailable => "the address is not available",
        K::TimedOut => "the connection timed out",
        K::PermissionDenied => "a firewall or sandbox of this machine forbids it",
        _ => return None,
    })
}

fn of_tls(error: &TlsError) -> Cause {
    match error {
        TlsError::InvalidCertificate(error) => of_certificate(error),
        TlsError::AlertReceived(alert) => of_alert(*alert),
        TlsError::InvalidMessage(_) => {
            Cause::admin("it does not speak TLS", "check the port, and whether the address should begin with http://")
        }
        TlsError::PeerIncompatible(what) => Cause::admin(
            format!("the server speaks no TLS that can be used ({what:?})"),
            "the server must offer TLS 1.2 with ECDHE and AES-GCM or ChaCha20, or TLS 1.3",
        ),
        other => Cause::transient(shown(&other.to_string())),
    }
}

fn of_certificate(error: &CertificateError) -> Cause {
    use CertificateError as E;
    match error {
        E::Expired => expired(None),
        E::ExpiredContext { not_after, .. } => expired(Some(*not_after)),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            Cause::admin("the server's certificate is not valid yet", "check this machine's clock")
        }
        E::NotValidForName => other_name(&[]),
        E::NotValidForNameContext { presented, .. } => other_name(presented),
        E::Revoked => Cause::admin("the server's certificate was revoked", "ask the server's administrator"),
        E::UnknownIssuer => unknown_issuer(None),
        E::Other(other) => match other.0.downcast_ref::<Untrusted>() {
            Some(untrusted) if untrusted.authority => Cause::admin(
                "the server's certificate is that of an authority (usually a self-signed one)",
                format!(
                    "set tls.ca_file (by hand: --ca) to it; or, if its key is the right one, tls.pin_sha256 = \"{}\"",
                    untrusted.key
                ),
            ),
            Some(untrusted) => unknown_issuer(Some(&untrusted.key)),
            None if other.0.is::<WrongKey>() => Cause::admin(
                other.0.to_string(),
                "find out why the server's key changed before changing tls.pin_sha256",
            ),
            None if other.0.is::<NoAuthorities>() => {
                Cause::admin(other.0.to_string(), "install the package ca-certificates, or set tls.ca_file")
            }
            None => Cause::admin(shown(&format!("the server's certificate is bad: {}", other.0)), ""),
        },
        E::BadSignature => Cause::admin(
            "the server's certificate is not signed by the authority that it names",
            "the authority may have a new key: renew tls.ca_file",
        ),
        other => Cause::admin(shown(&format!("the server's certificate is bad: {other}")), ""),
    }
}

fn expired(since: Option<UnixTime>) -> Cause {
    let since = since.and_then(|time| DateTime::from_timestamp(i64::try_from(time.as_secs()).ok()?, 0));
    let text = match since {
        Some(since) => format!("the server's certificate expired at {}", since.format("%Y-%m-%dT%H:%M:%SZ")),
        None => "the server's certificate expired".to_owned(),
    };
    Cause::admin(text, "have it renewed on the server, or check this machine's clock")
}

fn other_name(presented: &[String]) -> Cause {
    let mut text = "the certificate is for another name".to_owned();
    if !presented.is_empty() {
        text = format!("{text} ({})", shown(&presented.join(", ")));
    }
    Cause::admin(text, "use a name of the certificate in the address, or set tls.pin_sha256")
}

fn unknown_issuer(key: Option<&str>) -> Cause {
    let mut hint = "set tls.ca_file (by hand: --ca) to the certificate of its authority".to_owned();
    if let Some(key) = key {
        hint = format!("{hint}; or, if its key is the right one, tls.pin_sha256 = \"{key}\"");
    }
    Cause::admin("the server's certificate is from an unknown issuer", hint)
}

/// TLS alerts (HTTP Protocol Binding, 5.2, table 3): 40 to 43, 48 and 49 mean UNAUTHORIZED. 44 to 46 and 116 were
/// left out or came later and are about certificates as well; after any other alert another try may help.
fn of_alert(alert: AlertDescription) -> Cause {
    let text = format!("the server refused TLS ({})", shown(&format!("{alert:?}")));
    let refused = |hint| Cause { refused: true, ..Cause::admin(text.clone(), hint) };
    match u8::from(alert) {
        40 => refused("the server may want a client certificate (tls.cert_file), or know only old cipher suites"),
        41..=43 | 46 | 49 | 116 => {
            refused("the server may want a client certificate: check tls.cert_file and tls.key_file")
        }
        44 | 45 => refused("the client certificate in tls.cert_file is no longer accepted: have it renewed"),
        48 => refused("the server does not know the authority of the certificate in tls.cert_file"),
        70 | 71 => Cause { hint: "the server's TLS is too old".to_owned(), ..Cause::transient(text) },
        _ => Cause::transient(text),
    }
}
