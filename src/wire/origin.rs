//! Where requests may go, and how addresses are shown.

use std::net::IpAddr;

use url::{Host, Origin, Url};

use super::WireError;
use super::error::shown;

/// The origins (scheme, host, port) requests may go to.
#[derive(Clone, Debug)]
pub(super) struct Origins(Vec<Origin>);

impl Origins {
    pub(super) fn new<'a>(addresses: impl IntoIterator<Item = &'a Url>) -> Origins {
        Origins(addresses.into_iter().map(Url::origin).collect())
    }

    /// Whether any of them speaks TLS.
    pub(super) fn any_https(&self) -> bool {
        self.0.iter().any(|origin| matches!(origin, Origin::Tuple(scheme, ..) if scheme == "https"))
    }

    /// Lets an address pass, wherever it came from: the configuration, a server's advertisement, a redirect.
    pub(super) fn check(&self, url: &Url) -> Result<(), WireError> {
        let refused = |reason, hint| Err(WireError::Origin { url: shown_url(url), reason, hint });
        if !matches!(url.scheme(), "http" | "https") {
            return refused("it is neither http nor https", String::new());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("it has a user name or a password in it", "use auth in the configuration".to_owned());
        }
        if self.0.contains(&url.origin()) {
            return Ok(());
        }
        let origin = url.origin().ascii_serialization();
        let hint =
            format!("pin this address in the server's configuration, or add \"{origin}\" to its trusted_origins");
        refused("its origin is neither configured nor trusted", hint)
    }
}

/// Whether what is sent to this address never leaves the machine. The configuration judges in the same way.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        // The host of a socks5 URL is never parsed as an IP address, because its scheme is none that browsers know.
        Some(Host::Domain(name)) => {
            name.trim_end_matches('.').eq_ignore_ascii_case("localhost")
                || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

/// An address as people may see it: without user information, and with the query (it may hold a key) left out. One that
/// a server had a hand in may have a secret in its path as well, see [`Client::shown_url`](super::Client::shown_url).
pub(super) fn shown_url(url: &Url) -> String {
    shown(&bare_url(url))
}

/// The same, however long it is.
pub(super) fn bare_url(url: &Url) -> String {
    let mut bare = url.clone();
    // Both fail only for addresses that cannot have user information at all.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_fragment(None);
    if bare.query().is_some() {
        bare.set_query(None);
        return format!("{bare}?…");
    }
    bare.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_scheme_host_and_port_decide() {
        let origins = Origins::new(&[url("https://hub.example/services/discovery"), url("http://old.example:8080")]);
        for good in ["https://hub.example:443/poll?x=1", "https://HUB.example/", "http://old.example:8080/a"] {
            assert!(origins.check(&url(good)).is_ok(), "{good}");
        }
        for bad in [
            "http://hub.example/",
            "https://hub.example:8443/",
            "https://hub.example.org/",
            "http://old.example/",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "https://user@hub.example/",
            "https://:secret@hub.example/",
        ] {
            assert!(origins.check(&url(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_error_names_the_address_and_both_remedies() {
        let error =
            Origins::new(&[url("https://hub.example")]).check(&url("https://other.example:8443/poll")).unwrap_err();
        assert!(error.to_string().contains("https://other.example:8443/poll"), "{error}");
        assert!(error.hint().contains("pin this address"), "{}", error.hint());
        assert!(error.hint().contains("\"https://other.example:8443\" to its trusted_origins"), "{}", error.hint());
    }

    #[test]
    fn user_information_and_queries_are_never_shown() {
        let shown = shown_url(&url("https://me:hunter2@hub.example/poll?key=hunter2#hunter2"));
        assert_eq!(shown, "https://hub.example/poll?…");
    }

    #[test]
    fn loopback_is_the_whole_of_it() {
        for yes in [
            "http://127.0.0.1/",
            "http://127.9.8.7:1/",
            "http://[::1]/",
            "http://localhost/",
            "http://localhost.:1/",
            "http://[::ffff:127.0.0.1]/",
            "socks5://127.0.0.1",
        ] {
            assert!(is_loopback(&url(yes)), "{yes}");
        }
        for no in ["http://10.0.0.1/", "http://[::2]/", "http://localhost.example.org/", "http://127.0.0.1.example/"] {
            assert!(!is_loopback(&url(no)), "{no}");
        }
    }
}
