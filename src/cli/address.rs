//! Addresses as people give them on the command line.

use clap::error::{ContextKind, ContextValue};
use url::Url;

use super::Trouble;

/// The address of a service.
pub(super) fn service(text: &str) -> Result<Url, String> {
    address(text, &["http", "https"])
}

/// The address of a proxy.
pub(super) fn proxy(text: &str) -> Result<Url, String> {
    let url = address(text, &["http", "socks5", "socks5h"])?;
    if !matches!(url.path(), "" | "/") || url.query().is_some() { Err("it has a path".to_owned()) } else { Ok(url) }
}

/// What stands on a command line is seen by everybody on the machine. It is not repeated here.
pub(super) fn without_credentials(url: &Url) -> Result<(), Trouble> {
    bare(url, "the address of", "use --username and --password-file")
}

/// The same of a proxy. Those two options are for the server behind it.
pub(super) fn proxy_without_credentials(url: &Url) -> Result<(), Trouble> {
    let remedy = "put the server into the configuration, with proxy.username and proxy.password_file";
    bare(url, "the address of the proxy", remedy)
}

fn bare(url: &Url, what: &str, remedy: &str) -> Result<(), Trouble> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    let host = url.host_str().unwrap_or_default();
    Err(Trouble::wrong(format!("{what} {host} has a user name or password in it: {remedy}")))
}

/// A word of the command line, as it may be repeated: one with an `@` may be an address with a password, also where it is
/// so wrong that nobody can tell.
pub(super) fn repeated(word: &str) -> &str {
    if word.contains('@') { "…" } else { word }
}

/// What clap has to say, without the words that may not be repeated.
pub(super) fn without_secrets(mut error: clap::Error) -> clap::Error {
    let words = error.context().filter(|(_, word)| word.to_string().contains('@'));
    let secret: Vec<ContextKind> = words.map(|(kind, _)| kind).collect();
    for kind in secret {
        error.insert(kind, ContextValue::String("…".to_owned()));
    }
    error
}

/// Whether a SERVER is an address, and no name: names have no colon.
pub(super) fn is_address(server: &str) -> bool {
    server.contains("://")
}

/// What an address without a scheme lacks.
pub(super) fn with_scheme(server: &str) -> String {
    format!("an address begins with http:// or https://, as http://{}", repeated(server))
}

fn address(text: &str, schemes: &[&str]) -> Result<Url, String> {
    let allowed = || {
        format!("an address begins with {}", schemes.iter().map(|s| format!("{s}://")).collect::<Vec<_>>().join(" or "))
    };
    let url = Url::parse(text).map_err(|error| format!("{error}; {}", allowed()))?;
    if !schemes.contains(&url.scheme()) {
        return Err(allowed());
    }
    if !url.has_host() || url.host_str().is_none_or(str::is_empty) {
        return Err("it has no host".to_owned());
    }
    if url.fragment().is_some() {
        return Err("it has a fragment".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_requests_can_go_to() {
        for good in ["https://taxii.example.org/services/discovery", "http://127.0.0.1:9000/x?y=z", "HTTP://[::1]/"] {
            assert!(service(good).is_ok(), "{good}");
        }
        for bad in ["", "hub", "taxii.example.org", "ftp://x/", "file:///etc/passwd", "https://", "https://x/#f"] {
            assert!(service(bad).is_err(), "{bad}");
        }
        let secret = service("https://sensor:hunter2@x/").unwrap();
        let refused = without_credentials(&secret).unwrap_err();
        assert!(refused.words.contains("--password-file") && !refused.words.contains("hunter2"), "{refused:?}");
        let refused = proxy_without_credentials(&secret).unwrap_err();
        assert!(refused.words.contains("proxy.password_file") && !refused.words.contains("hunter2"), "{refused:?}");
    }

    #[test]
    fn a_proxy_is_a_scheme_a_host_and_a_port() {
        for good in ["http://proxy:3128", "socks5://127.0.0.1:1080", "socks5h://[::1]:1080/"] {
            assert!(proxy(good).is_ok(), "{good}");
        }
        for bad in ["https://proxy:3128", "proxy:3128", "http://proxy/path", "socks4://proxy"] {
            assert!(proxy(bad).is_err(), "{bad}");
        }
    }
}
