//! One server asked: discovery, its clock, its collections.

use std::sync::Arc;

use chrono::TimeDelta;
use url::Url;

use super::finding::About;
use crate::agent::{AgentError, ConnectError};
use crate::cli::exchanges::Exchanges;
use crate::cli::output::counted;
use crate::cli::target;
use crate::config::{Auth, Server};
use crate::peer::{Nothing, Peer, PeerError, Trouble};
use crate::taxii::exchange::believed;
use crate::taxii::message::{Body, Collection};
use crate::taxii::status::Class;
use crate::wire::is_loopback;

/// Polls follow the server's clock; a larger difference than this many seconds is worth a word all the same.
const SKEW: i64 = 60;

/// A server that was asked.
pub(super) struct Asked {
    /// The way to it; `None` where it cannot be spoken to as it is configured.
    pub(super) peer: Option<Arc<Peer>>,
    /// Whether it answered.
    pub(super) answers: bool,
    /// Its collections, where it describes them.
    pub(super) collections: Option<Vec<Collection>>,
    pub(super) about: About,
}

/// Asks a server everything that a configuration needs to know.
pub(super) async fn ask(name: &str, server: &Server, exchanges: Option<&Arc<Exchanges>>) -> Asked {
    let mut about = About::new("server", name);
    let peer = match target::connect(name, server, exchanges) {
        Ok(peer) => peer,
        Err(error) => {
            about.problem(error.to_string(), hint(error));
            return Asked { peer: None, answers: false, collections: None, about };
        }
    };
    let mut asked = Asked { peer: Some(peer.clone()), answers: false, collections: None, about };
    let Some(base) = asked.reach(&peer, server).await else { return asked };
    asked.answers = true;
    asked.transport(&base, server);
    asked.clock(&peer);
    asked.collections(&peer).await;
    asked
}

fn hint(error: ConnectError) -> String {
    AgentError::from(error).hint()
}

impl Asked {
    /// Gives the address that answered.
    async fn reach(&mut self, peer: &Peer, server: &Server) -> Option<Url> {
        match peer.services().await {
            Ok(Some((services, base))) => {
                self.about.fine(format!(
                    "{} answers: {}",
                    peer.shown_url(&base),
                    counted(services.len() as u64, "service")
                ));
                self.credentials(server);
                Some(base)
            }
            Ok(None) => self.probe(peer, server).await,
            Err(error) => {
                self.about.unanswered(&error);
                None
            }
        }
    }

    /// Without discovery any service is asked something harmless: whatever TAXII message comes back, it is there.
    async fn probe(&mut self, peer: &Peer, server: &Server) -> Option<Url> {
        let pinned = [&server.collections, &server.poll, &server.inbox];
        let Some(url) = pinned.into_iter().flatten().next() else {
            self.about.warning("no address of it is configured", "set `discovery`, or remove the server");
            return None;
        };
        let request = match peer.encode(Body::DiscoveryRequest) {
            Ok(request) => request,
            Err(error) => {
                self.about.problem(format!("cannot {error}"), "");
                return None;
            }
        };
        match peer.exchange(url, request.into(), Nothing).await {
            Ok(exchanged) => {
                let answer = exchanged.answer(crate::clock::Clock::system().now());
                if exchanged.body.is_ok() && !answer.is_unauthorized() {
                    self.about.fine(format!("{} answers", peer.shown_url(&exchanged.url)));
                    self.credentials(server);
                    return Some(exchanged.url);
                }
                self.about.unanswered(&peer.refused(&exchanged));
            }
            Err(Trouble::Wire(error)) => self.about.unanswered(&error.into()),
            Err(Trouble::Unreadable { url, what }) => {
                self.about.unanswered(&PeerError::Unreadable { url, what });
            }
            Err(Trouble::Sink(never)) => match never {},
        }
        None
    }

    fn credentials(&mut self, server: &Server) {
        let who = match &server.auth {
            Some(Auth::Basic { username, .. }) => format!("{username} (HTTP Basic)"),
            Some(Auth::Jwt { username, .. }) => format!("{username} (login for a token)"),
            Some(Auth::Bearer { .. }) => "the token".to_owned(),
            None if server.tls.cert_file.is_some() => "the client certificate".to_owned(),
            None => return,
        };
        self.about.fine(format!("the credentials are not refused: {who}"));
    }

    fn transport(&mut self, base: &Url, server: &Server) {
        let tls = &server.tls;
        if base.scheme() != "https" {
            if !is_loopback(base) {
                self.about.warning("plain http: others on the way can read and change everything", "use https");
            }
        } else if tls.pin_sha256.is_some() {
            self.about.fine("TLS: the server has the pinned key");
        } else if !tls.verify {
            self.about.warning(
                "TLS: the server's certificate is not checked (verify = false)",
                "set ca_file or pin_sha256 instead",
            );
        } else {
            let by =
                tls.ca_file.as_ref().map_or("the system's authorities".to_owned(), |file| file.display().to_string());
            self.about.fine(format!("TLS: the server's certificate is vouched for by {by}"));
        }
    }

    fn clock(&mut self, peer: &Peer) {
        match peer.skew().map(|skew| skew.num_seconds()) {
            Some(skew) if skew.abs() > SKEW => {
                let (seconds, way) = (skew.abs(), if skew > 0 { "ahead of" } else { "behind" });
                let hint = match believed(TimeDelta::seconds(skew)).is_zero() {
                    true => "set both by NTP; that is too far to be believed, and polls follow our clock meanwhile",
                    false => "set both by NTP; polls follow the server's clock meanwhile",
                };
                self.about.warning(format!("its clock is {seconds} s {way} ours"), hint);
            }
            Some(_) => self.about.fine("its clock agrees with ours"),
            None => self.about.warning(
                "it does not tell its time (no Date header)",
                "nothing is needed where both clocks are right: ours is taken",
            ),
        }
    }

    async fn collections(&mut self, peer: &Peer) {
        match peer.collections().await {
            Ok(Some(all)) => {
                self.about.fine(format!("it describes {}", counted(all.len() as u64, "collection")));
                self.collections = Some(all);
            }
            Ok(None) => self.about.warning(
                "it has no Collection Management Service: collections are taken for data feeds",
                "pin `collections` if it has one that it does not advertise",
            ),
            // The poll of a feed fails as well then: it does not guess what may be known later.
            Err(error) if matches!(error.class(), Class::Retry { .. }) => self.about.unanswered(&error),
            Err(error) => self.about.warning(
                format!("it does not describe its collections, which are taken for data feeds: {error}"),
                target::remedy(&error),
            ),
        }
    }
}
