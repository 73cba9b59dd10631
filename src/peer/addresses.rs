//! Where a server's services are: pinned, or as it advertises them (protocol reference, 9.1 and 9.2).

use std::time::{Duration, Instant};

use url::Url;

use super::{Peer, PeerError, show_remote};
use crate::taxii::message::{Body, Collection, ServiceInstance, ServiceType};
use crate::taxii::services::{self, Candidate};
use crate::wire::{WireError, shown_url};

/// What a server told us is asked again after this long.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// An address, and why it is the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The address.
    pub url: Url,
    /// Where it comes from.
    pub source: Source,
    /// What an operator should know about it.
    pub remarks: Vec<String>,
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

/// An answer of a Discovery Service.
#[derive(Clone, Debug)]
pub(super) struct Services {
    instances: Vec<ServiceInstance>,
    base: Url,
    asked: Instant,
}

/// An answer of a Collection Management Service; `None`: the server has none.
#[derive(Clone, Debug)]
pub(super) struct Collections {
    all: Option<(Vec<Collection>, Url)>,
    asked: Instant,
}

impl Peer {
    /// The services the server advertises, and the address that answered; `None` where no discovery is configured.
    pub async fn services(&self) -> Result<Option<(Vec<ServiceInstance>, Url)>, PeerError> {
        let Some(discovery) = &self.pinned.discovery else {
            return Ok(None);
        };
        let known = self.learnt().services.clone();
        if let Some(known) = known.filter(|known| self.clock.since(known.asked) < REMEMBERED) {
            return Ok(Some((known.instances, known.base)));
        }
        let (message, base) = self.ask(discovery, Body::DiscoveryRequest).await?;
        let Body::DiscoveryResponse(instances) = message.body else {
            let what = "the answer is not a Discovery_Response".to_owned();
            return Err(PeerError::Unreadable { url: self.redact(&shown_url(&base)), what });
        };
        let asked = self.clock.moment();
        self.learnt().services = Some(Services { instances: instances.clone(), base: base.clone(), asked });
        Ok(Some((instances, base)))
    }

    /// The collections the server describes, or `None` where it has no Collection Management Service.
    pub async fn collections(&self) -> Result<Option<Vec<Collection>>, PeerError> {
        Ok(self.described().await?.map(|(all, _)| all))
    }

    async fn described(&self) -> Result<Option<(Vec<Collection>, Url)>, PeerError> {
        let known = self.learnt().collections.clone();
        if let Some(known) = known.filter(|known| self.clock.since(known.asked) < REMEMBERED) {
            return Ok(known.all);
        }
        let all = match self.advertised(ServiceType::CollectionManagement).await? {
            Some(found) => {
                let (message, base) = self.ask(&found.url, Body::CollectionInformationRequest).await?;
                let Body::CollectionInformationResponse(all) = message.body else {
                    let what = "the answer is not a Collection_Information_Response".to_owned();
                    return Err(PeerError::Unreadable { url: self.redact(&shown_url(&base)), what });
                };
                Some((all, base))
            }
            None => None,
        };
        let asked = self.clock.moment();
        self.learnt().collections = Some(Collections { all: all.clone(), asked });
        Ok(all)
    }

    /// Where a service of a collection is. What is pinned wins; then what the collection says of itself; then
    /// discovery.
    pub async fn address(&self, service: ServiceType, collection: Option<&str>) -> Result<Found, PeerError> {
        if let Some(url) = self.pinned_address(service) {
            return Ok(Found { url, source: Source::Pinned, remarks: Vec::new() });
        }
        if let Some(name) = collection
            && let Ok(Some((all, base))) = self.described().await
            && let Some(described) = all.iter().find(|one| one.name == name)
        {
            let candidates = services::from_collection(described, service, self.version, &base);
            if let Ok(found) = self.choose(candidates, service, Source::Collection) {
                return Ok(found);
            }
        }
        self.advertised(service)
            .await?
            .ok_or_else(|| self.no_service(service, "the server does not advertise one".into()))
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
            return Ok(Some(Found { url, source: Source::Pinned, remarks: Vec::new() }));
        }
        let Some((instances, base)) = self.services().await? else {
            return Ok(None);
        };
        let candidates = services::from_discovery(&instances, service, self.version, &base);
        if candidates.is_empty() {
            return Ok(None);
        }
        self.choose(candidates, service, Source::Discovery).map(Some)
    }

    /// The first candidate that requests may go to, or what is wrong with each of them.
    fn choose(&self, candidates: Vec<Candidate>, service: ServiceType, source: Source) -> Result<Found, PeerError> {
        let mut wrong = Vec::new();
        for candidate in candidates {
            let address = self.shown_address(&candidate);
            match (candidate.url, candidate.unusable) {
                (_, Some(why)) => wrong.push(format!("{address}: {why}")),
                (None, None) => wrong.push(format!("{address}: not an address")),
                (Some(url), None) => match self.allows(&url) {
                    Ok(()) => return Ok(Found { url, source, remarks: candidate.remarks }),
                    Err(error) => wrong.push(with_hint(&error)),
                },
            }
        }
        Err(self.no_service(service, format!("what it advertises cannot be used: {}", wrong.join("; "))))
    }

    /// An address as it was advertised, without the user information and the query that it may have.
    fn shown_address(&self, candidate: &Candidate) -> String {
        let parsed = candidate.url.clone().or_else(|| Url::parse(candidate.address.trim()).ok());
        let text = parsed.as_ref().map_or_else(|| candidate.address.clone(), shown_url);
        show_remote(&self.redact(&text))
    }

    fn no_service(&self, service: ServiceType, why: String) -> PeerError {
        let service = match service {
            ServiceType::Discovery => "the Discovery Service",
            ServiceType::Poll => "the Poll Service",
            ServiceType::Inbox => "the Inbox Service",
            ServiceType::CollectionManagement => "the Collection Management Service",
        };
        PeerError::NoService { service, server: self.name.clone(), why }
    }
}

fn with_hint(error: &WireError) -> String {
    match error.hint() {
        "" => error.to_string(),
        hint => format!("{error}; {hint}"),
    }
}
