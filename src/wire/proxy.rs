//! The proxy requests go through, and the hosts reached without it.

use std::net::IpAddr;
use std::sync::Arc;

use url::Url;

use super::origin::{is_loopback, shown_url};
use super::redact::Known;
use super::{Proxy, Secret, WireError};

/// A proxy with the hosts reached directly.
pub(super) struct Route {
    url: Url,
    username: Option<String>,
    password: Option<Secret>,
    direct: Vec<Direct>,
}

/// Hosts reached directly.
#[derive(Debug, PartialEq)]
enum Direct {
    Everything,
    /// A name and every name below it.
    Name(String),
    Network(IpAddr, u8),
}

impl Route {
    pub(super) fn new(proxy: &Proxy) -> Result<Route, WireError> {
        let Proxy { url, username, password, no_proxy } = proxy;
        if !matches!(url.scheme(), "http" | "socks5" | "socks5h") || !url.has_host() {
            let what = format!("{} is no address of a proxy", shown_url(url));
            return Err(WireError::settings(what, "it begins with http://, socks5:// or socks5h://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let what = format!("the proxy address {} has a user name or a password in it", shown_url(url));
            return Err(WireError::settings(what, "use username and password_file"));
        }
        let direct = no_proxy.iter().map(|entry| Direct::parse(entry)).collect::<Result<_, _>>()?;
        Ok(Route { url: url.clone(), username: username.clone(), password: password.clone(), direct })
    }

    /// Whether requests to this address go through the proxy.
    pub(super) fn applies(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        !self.direct.iter().any(|direct| direct.covers(host))
    }

    /// Whether the proxy runs on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// The proxy's address as people may see it.
    pub(super) fn shown(&self) -> String {
        shown_url(&self.url)
    }

    /// Makes sure that the password can be had, and remembers it.
    pub(super) fn check(&self, known: &Known) -> Result<(), WireError> {
        if let Some(password) = &self.password {
            known.add(&password.read()?);
        }
        Ok(())
    }

    /// The address with its credentials.
    fn target(&self) -> Option<Url> {
        let mut url = self.url.clone();
        if self.username.is_some() || self.password.is_some() {
            // A percent sign is left as it is there, and what looks like percent-encoding would be decoded.
            let encoded = |text: &str| text.replace('%', "%25");
            url.set_username(&encoded(self.username.as_deref().unwrap_or_default())).ok()?;
            let password = self.password.as_ref().map(Secret::read).transpose().ok()?;
            url.set_password(Some(&encoded(&password.unwrap_or_default()))).ok()?;
        }
        Some(url)
    }

    /// The proxy as reqwest wants it: asked for each connection, so that a rotated password is used at once.
    /// (reqwest's own `no_proxy` is not looked at for such a proxy.)
    pub(super) fn rule(self: Arc<Route>) -> reqwest::Proxy {
        reqwest::Proxy::custom(move |url| if self.applies(url) { self.target() } else { None })
    }
}

impl Direct {
    fn parse(entry: &str) -> Result<Direct, WireError> {
        let entry = entry.trim();
        if entry == "*" {
            return Ok(Direct::Everything);
        }
        let (address, length) = match entry.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (entry, None),
        };
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        match (bare.parse::<IpAddr>(), length.map(str::parse)) {
            (Ok(ip), None) => Ok(Direct::Network(ip, bits(ip))),
            (Ok(ip), Some(Ok(length))) if length <= bits(ip) => Ok(Direct::Network(ip, length)),
            (Err(_), None) if !entry.trim_matches(['*', '.']).is_empty() => {
                Ok(Direct::Name(entry.trim_matches(['*', '.']).to_ascii_lowercase()))
            }
            _ => Err(WireError::settings(
                format!("no_proxy has {entry:?}, which is no host, suffix or network"),
                "write a host, .example.org, or 10.0.0.0/8",
            )),
        }
    }

    fn covers(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        match (self, host.parse::<IpAddr>()) {
            (Direct::Everything, _) => true,
            (Direct::Network(network, length), Ok(ip)) => {
                let ip = ip.to_canonical();
                bits(ip) == bits(*network) && prefix(ip, *length) == prefix(*network, *length)
            }
            (Direct::Name(name), Err(_)) => {
                let host = host.to_ascii_lowercase();
                host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

/// The first `length` bits of an address.
fn prefix(ip: IpAddr, length: u8) -> u128 {
    let (number, bits) = match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    number.checked_shr(bits - u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(no_proxy: &[&str]) -> Result<Route, WireError> {
        Route::new(&Proxy {
            url: Url::parse("http://proxy:3128").unwrap(),
            username: None,
            password: None,
            no_proxy: no_proxy.iter().map(ToString::to_string).collect(),
        })
    }

    #[test]
    fn hosts_suffixes_and_networks_are_reached_directly() {
        let route = route(&["10.0.0.0/8", ".example.org", "Hub.example.com", "fd00::/8", "192.0.2.7", "::1"]).unwrap();
        for direct in [
            "http://10.255.0.1/",
            "https://a.b.example.org/",
            "https://example.org./",
            "https://hub.example.com/",
            "https://[fd12::1]/",
            "https://192.0.2.7/",
            "https://[::1]/",
            "https://[::ffff:10.1.1.1]/",
        ] {
            assert!(!route.applies(&Url::parse(direct).unwrap()), "{direct}");
        }
        for proxied in [
            "http://11.0.0.1/",
            "https://notexample.org/",
            "https://example.com/",
            "https://[fe80::1]/",
            "https://192.0.2.8/",
        ] {
            assert!(route.applies(&Url::parse(proxied).unwrap()), "{proxied}");
        }
    }

    #[test]
    fn the_shortest_and_the_longest_prefix_work() {
        assert!(!route(&["0.0.0.0/0"]).unwrap().applies(&Url::parse("http://203.0.113.9/").unwrap()));
        assert!(!route(&["::/0"]).unwrap().applies(&Url::parse("http://[2001:db8::1]/").unwrap()));
        assert!(route(&["::/0"]).unwrap().applies(&Url::parse("http://203.0.113.9/").unwrap()));
        assert!(!route(&["*"]).unwrap().applies(&Url::parse("http://any.where/").unwrap()));
    }

    #[test]
    fn what_is_no_host_suffix_or_network_is_an_error() {
        for wrong in ["", ".", "10.0.0.0/33", "10.0.0.0/x", "host/8", "::/129"] {
            assert!(route(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_schemes_and_credentials_in_the_address_are_errors() {
        for wrong in ["https://proxy", "socks4://proxy", "ftp://proxy", "http://me:hunter2@proxy"] {
            let url = Url::parse(wrong).unwrap();
            let error = Route::new(&Proxy { url, username: None, password: None, no_proxy: Vec::new() }).err().unwrap();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
