//! What a command line names: servers, feeds and inboxes of the configuration, or a server by its URL.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use url::Url;

use super::args::{Access, Keep};
use super::exchanges::Exchanges;
use super::{Result, Trouble, address, load};
use crate::agent::{self, AgentError, ConnectError};
use crate::clock::Clock;
use crate::config::{self, Auth, Config, Proxy, Secret, Server, Tls};
use crate::peer::{Peer, PeerError};
use crate::taxii::message::ServiceType;

/// So many names are listed where none is near the one that was given.
const LISTED: usize = 10;

/// What can be done where nobody knows better.
pub(super) const CHECK: &str = "check the address, the network and whether the server is up";

/// A server that was named on the command line.
pub(super) struct Target {
    /// Its name in the configuration; `None` where it was given by its URL.
    pub(super) name: Option<String>,
    /// The way to it.
    pub(super) peer: Arc<Peer>,
}

impl Target {
    /// SERVER: a name of the configuration, or the URL of a Discovery Service.
    pub(super) fn of(file: &Path, server: &str, access: &Access, keep: &Keep) -> Result<Target> {
        if address::is_address(server) {
            let url =
                address::service(server).map_err(|why| Trouble::wrong(format!("SERVER cannot be used: {why}")))?;
            return Target::at(&url, ServiceType::Discovery, access, keep);
        }
        // Names have neither colons nor slashes; dots they may have.
        if server.contains([':', '/']) {
            let meant = address::with_scheme(server);
            return Err(Trouble::wrong(format!("SERVER is neither a name nor a URL: {meant}")));
        }
        by_name_alone(access, "SERVER is a URL")?;
        let hint = if server.contains('.') { address::with_scheme(server) } else { String::new() };
        let config = load(file).map_err(|trouble| Trouble { hint, ..trouble })?.config;
        let settings = named(&config.servers, "server", server, file)?;
        Ok(Target { name: Some(server.to_owned()), peer: peer(server, settings, keep)? })
    }

    /// A server of which one service is known, by its URL.
    pub(super) fn at(url: &Url, service: ServiceType, access: &Access, keep: &Keep) -> Result<Target> {
        address::without_credentials(url)?;
        access.proxy.as_ref().map_or(Ok(()), address::proxy_without_credentials)?;
        let peer = peer(host(url), &server(url, service, access), keep)?;
        Ok(Target { name: None, peer })
    }

    /// The server, for people.
    pub(super) fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.peer.name)
    }
}

/// What is called by its name in the configuration needs no options of how to reach it.
pub(super) fn by_name_alone(access: &Access, only: &str) -> Result<()> {
    match access.given() {
        Some(option) => {
            Err(Trouble::wrong(format!("{option} counts only where {only}: the configuration says the rest")))
        }
        None => Ok(()),
    }
}

/// A server given by the URL of one of its services.
pub(super) fn server(url: &Url, service: ServiceType, access: &Access) -> Server {
    let mut server = Server::default();
    match service {
        ServiceType::Discovery => server.discovery = Some(url.clone()),
        ServiceType::Poll => server.poll = Some(url.clone()),
        ServiceType::Inbox => server.inbox = Some(url.clone()),
        ServiceType::CollectionManagement => server.collections = Some(url.clone()),
    }
    let Access { username, password_file, cert, key, ca, proxy, taxii } = access.clone();
    server.auth = username
        .zip(password_file)
        .map(|(username, password)| Auth::Basic { username, password: Secret::File(password) });
    server.tls = Tls { ca_file: ca, cert_file: cert, key_file: key, ..Tls::default() };
    server.proxy = proxy.map(|url| Proxy { url, username: None, password: None, no_proxy: Vec::new() });
    if let Some(taxii) = taxii {
        server.taxii = taxii.into();
    }
    server
}

/// The way to a server, on which exchanges may be saved. Nothing is sent.
pub(super) fn connect(
    name: &str,
    server: &Server,
    exchanges: Option<&Arc<Exchanges>>,
) -> Result<Arc<Peer>, ConnectError> {
    let workers = Arc::new(Semaphore::new(agent::WORKERS));
    let peer = agent::load(name, server).and_then(|loaded| agent::peer(name, &loaded, &Clock::system(), &workers))?;
    Ok(Arc::new(match exchanges {
        Some(exchanges) => peer.recorded(exchanges.clone()),
        None => peer,
    }))
}

fn peer(name: &str, server: &Server, keep: &Keep) -> Result<Arc<Peer>> {
    connect(name, server, keep.save_exchanges.as_ref()).map_err(|error| Trouble::from(AgentError::from(error)))
}

/// A server has no name where only its address is known.
pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// What has this name in the configuration.
pub(super) fn named<'c, T>(all: &'c BTreeMap<String, T>, kind: &str, name: &str, file: &Path) -> Result<&'c T> {
    all.get(name).ok_or_else(|| {
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        let known = match (config::nearest(name, names.iter().copied()), names.as_slice()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, []) => format!("there is no {kind} in it"),
            (None, names) => {
                let more = if names.len() > LISTED { ", …" } else { "" };
                format!("there are {}{more}", names[..names.len().min(LISTED)].join(", "))
            }
        };
        let name = address::repeated(name);
        Trouble::wrong(format!("no {kind} in {} is called `{name}`: {known}", file.display()))
    })
}

/// A feed of the configuration.
pub(super) fn feed<'c>(config: &'c Config, name: &str, file: &Path) -> Result<&'c config::Feed> {
    named(&config.feeds, "feed", name, file)
}

/// The server of a feed or an inbox, which the configuration has checked to be there.
pub(super) fn server_of(config: &Config, name: &str, file: &Path, keep: &Keep) -> Result<Target> {
    let settings = named(&config.servers, "server", name, file)?;
    Ok(Target { name: Some(name.to_owned()), peer: peer(name, settings, keep)? })
}

impl From<PeerError> for Trouble {
    fn from(error: PeerError) -> Trouble {
        let words = match &error {
            PeerError::Wire(_) => format!("cannot ask the server: {error}"),
            PeerError::Unreadable { .. } => format!("cannot read the answer: {error}"),
            PeerError::NoService { .. } | PeerError::Refused { .. } => error.to_string(),
        };
        Trouble::failed(words, remedy(&error))
    }
}

/// What the operator can do about a question that was not answered.
pub(super) fn remedy(error: &PeerError) -> String {
    match error {
        other if !other.hint().is_empty() => other.hint(),
        PeerError::Wire(_) => CHECK.to_owned(),
        _ => "ask the operator of the server".to_owned(),
    }
}
