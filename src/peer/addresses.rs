//! Where a server's services are: pinned, or as it advertises them (protocol reference, 9.1 and 9.2).

use std::time::{Duration, Instant};

use url::Url;

use super::memory::Told;
use super::{Peer, PeerError};
use crate::taxii::message::{Body, Collection, ServiceInstance, ServiceType};
use crate::taxii::services::{self, Candidate};
use crate::wire::WireError;

/// An address, and why it is the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The address.
    pub url: Url,
    /// Where it comes from.
    pub source: Source,
    /// What an operator should know about it.
    pub remarks: Vec<String>,
    /// Why it comes from an old answer of the server, where it does.
    pub old: Option<String>,
    /// The address as people may see it.
    shown: String,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration.
    Pinned,
    /// The Collection Information of the collection.
    Collection,
    /// Discovery.
    Discovery,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let why = match self.source {
            Source::Pinned => "pinned in the configuration",
            Source::Collection => "as the collection information says",
            Source::Discovery => "as discovery says",
        };
        match &self.old {
            None => write!(f, "{} ({why})", self.shown),
            Some(old) => write!(f, "{} ({why}, {old})", self.shown),
        }
    }
}

/// An answer of a Discovery Service.
#[derive(Clone, Debug)]
pub(super) struct Services {
    instances: Vec<ServiceInstance>,
    base: Url,
    stands: Stands,
}

/// An answer of a Collection Management Service; `None`: the server has none.
#[derive(Clone, Debug)]
pub(super) struct Collections {
    all: Option<(Vec<Collection>, Url)>,
    stands: Stands,
}

/// Since when an answer stands, for how long, and why it is an old one.
#[derive(Clone, Debug)]
struct Stands {
    since: Instant,
    long: Duration,
    old: Option<String>,
}

impl Peer {
    /// The services the server advertises, and the address that answered; `None` where no discovery is configured.
    pub async fn services(&self) -> Result<Option<(Vec<ServiceInstance>, Url)>, PeerError> {
        let Some(discovery) = &self.pinned.discovery else {
            return Ok(None);
        };
        let known = self.learnt().services.clone();
        if let Some(known) = known.filter(|known| self.stands(&known.stands)) {
            return Ok(Some((known.instances, known.base)));
        }
        let Told { body, base, stands, old } = self.inquire(discovery, Body::DiscoveryRequest).await?;
        let Body::DiscoveryResponse(instances) = body else {
            let what = "the answer is not a Discovery_Response".to_owned();
            return Err(PeerError::Unreadable { url: self.shown_url(&base), what });
        };
        let stands = Stands { since: self.clock.moment(), long: stands, old };
        self.learnt().services = Some(Services { instances: instances.clone(), base: base.clone(), stands });
        Ok(Some((instances, base)))
    }

    /// The collections the server describes, or `None` where it has no Collection Management Service.
    pub async fn collections(&self) -> Result<Option<Vec<Collection>>, PeerError> {
        Ok(self.described().await?.map(|(all, _)| all))
    }

    async fn described(&self) -> Result<Option<(Vec<Collection>, Url)>, PeerError> {
        let known = self.learnt().collections.clone();
        if let Some(known) = known.filter(|known| self.stands(&known.stands)) {
            return Ok(known.all);
        }
        let (all, long, old) = match self.advertised(ServiceType::CollectionManagement).await? {
            Some(found) => {
                let Told { body, base, stands, old } =
                    self.inquire(&found.url, Body::CollectionInformationRequest).await?;
                let Body::CollectionInformationResponse(all) = body else {
                    let what = "the answer is not a Collection_Information_Response".to_owned();
                    return Err(PeerError::Unreadable { url: self.shown_url(&base), what });
                };
                (Some((all, base)), stands, old)
            }
            // That there is none is what discovery says, and stands as long.
            None => (None, self.learnt().services.as_ref().map_or(Duration::MAX, |known| known.stands.long), None),
        };
        let stands = Stands { since: self.clock.moment(), long, old };
        self.learnt().collections = Some(Collections { all: all.clone(), stands });
        Ok(all)
    }

    /// Where a service of a collection is. What is pinned wins; then what the collection says of itself; then
    /// discovery.
    pub async fn address(&self, service: ServiceType, collection: Option<&str>) -> Result<Found, PeerError> {
        if let Some(url) = self.pinned_address(service) {
            return Ok(self.found(url, Source::Pinned, Vec::new()));
        }
        let mut wrong = Vec::new();
        if let Some(name) = collection
            && let Ok(Some((all, base))) = self.described().await
            && let Some(described) = all.iter().find(|one| one.name == name.trim())
        {
            let candidates = services::from_collection(described, service, self.version, &base);
            match self.choose(candidates, Source::Collection) {
                Ok(found) => return Ok(found),
                Err(what) => wrong = what,
            }
        }
        match self.advertised(service).await? {
            Some(mut found) => {
                found
                    .remarks
                    .extend(wrong.iter().map(|what| format!("the collection information says otherwise: {what}")));
                Ok(found)
            }
            None if wrong.is_empty() => Err(self.no_service(service, "the server does not advertise one".to_owned())),
            None => Err(self.unusable(service, &wrong)),
        }
    }

    fn stands(&self, answer: &Stands) -> bool {
        self.clock.since(answer.since) < answer.long
    }

    /// Why the answer that an address comes from is an old one, if it is.
    fn old(&self, source: Source) -> Option<String> {
        let learnt = self.learnt();
        match source {
            Source::Pinned => None,
            Source::Collection => learnt.collections.as_ref().and_then(|known| known.stands.old.clone()),
            Source::Discovery => learnt.services.as_ref().and_then(|known| known.stands.old.clone()),
        }
    }

    fn pinned_address(&self, service: ServiceType) -> Option<Url> {
        match service {
            ServiceType::Discovery => self.pinned.discovery.clone(),
            ServiceType::Poll => self.pinned.poll.clone(),
            ServiceType::Inbox => self.pinned.inbox.clone(),
            ServiceType::CollectionManagement => self.pinned.collections.clone(),
        }
    }

    /// A pinned or discovered address; `None` where the server advertises no such service at all.
    async fn advertised(&self, service: ServiceType) -> Result<Option<Found>, PeerError> {
        if let Some(url) = self.pinned_address(service) {
            return Ok(Some(self.found(url, Source::Pinned, Vec::new())));
        }
        let Some((instances, base)) = self.services().await? else {
            return Ok(None);
        };
        let candidates = services::from_discovery(&instances, service, self.version, &base);
        if candidates.is_empty() {
            return Ok(None);
        }
        self.choose(candidates, Source::Discovery).map(Some).map_err(|wrong| self.unusable(service, &wrong))
    }

    /// The first candidate that requests may go to, or what is wrong with each of them.
    fn choose(&self, candidates: Vec<Candidate>, source: Source) -> Result<Found, Vec<String>> {
        let mut wrong = Vec::new();
        for candidate in candidates {
            let address = self.shown_address(&candidate);
            match (candidate.url, candidate.unusable) {
                (_, Some(why)) => wrong.push(format!("{address}: {why}")),
                (None, None) => wrong.push(format!("{address}: not an address")),
                (Some(url), None) => match self.allows(&url) {
                    Ok(()) => return Ok(self.found(url, source, candidate.remarks)),
                    Err(error) => wrong.push(with_hint(&error)),
                },
            }
        }
        Err(wrong)
    }

    fn found(&self, url: Url, source: Source, remarks: Vec<String>) -> Found {
        Found { source, remarks, old: self.old(source), shown: self.shown_url(&url), url }
    }

    fn unusable(&self, service: ServiceType, wrong: &[String]) -> PeerError {
        self.no_service(service, format!("what it advertises cannot be used: {}", wrong.join("; ")))
    }

    /// An address as it was advertised, without the user information and the query that it may have.
    fn shown_address(&self, candidate: &Candidate) -> String {
        let parsed = candidate.url.clone().or_else(|| Url::parse(candidate.address.trim()).ok());
        parsed.map_or_else(|| self.shown(&candidate.address), |url| self.shown_url(&url))
    }

    fn no_service(&self, service: ServiceType, why: String) -> PeerError {
        let service = match service {
            ServiceType::Discovery => "the Discovery Service",
            ServiceType::Poll => "the Poll Service",
            ServiceType::Inbox => "the Inbox Service",
            ServiceType::CollectionManagement => "the Collection Management Service",
        };
        let asked = self.pinned.discovery.is_some();
        PeerError::NoService { service, server: self.name.clone(), why, asked }
    }
}

fn with_hint(error: &WireError) -> String {
    match error.hint() {
        "" => error.to_string(),
        hint => format!("{error}; {hint}"),
    }
}
