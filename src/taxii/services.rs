//! Choosing where to send a request, from what a server advertises (Services Specification 1.1, section 2.2).
//!
//! What is advertised is often wrong: relative, another scheme than its Protocol_Binding says, `localhost`. The
//! address decides, resolved against the URL that answered; everything odd about it becomes a remark. Whether a
//! request may go to another origin is not decided here.

use url::{Host, Url};

use super::message::{Collection, Contact, ContentBinding, ServiceInstance, ServiceType, Subscription, Version};
use super::names::Scheme;

/// An advertised service, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The resolved address; `None` where it is not one.
    pub url: Option<Url>,
    /// The address as advertised.
    pub address: String,
    /// What it accepts, of an Inbox Service; empty means all.
    pub content_bindings: Vec<ContentBinding>,
    /// Why it cannot be used; `None` where it can.
    pub unusable: Option<Unusable>,
    /// What an operator should know about it. Holds remote text.
    pub remarks: Vec<String>,
}

/// What to do about a service that speaks the other version of TAXII alone. That is never chosen by itself: servers
/// cut long answers in TAXII 1.0 short without a word.
fn other(spoken: &str) -> String {
    let known = [Version::V11, Version::V10].into_iter().find(|version| spoken.contains(version.message_binding()));
    known
        .map(|version| format!("; `taxii = \"{}\"` of the server would speak that", version.number()))
        .unwrap_or_default()
}

/// Why an advertised service cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not an http or https URL, even against the address that answered.
    #[error("its address is not an http or https URL")]
    Address,
    /// A user name or password in the address: credentials come from the configuration only.
    #[error("its address holds a user name or a password")]
    Credentials,
    /// `available` is false.
    #[error("the server says that it is not available")]
    Unavailable,
    /// Message_Binding lists others only.
    #[error("it does not speak TAXII {wanted}, but {spoken}{}", other(spoken))]
    Binding {
        /// The version wanted.
        wanted: Version,
        /// What is listed instead.
        spoken: String,
    },
}

/// The instances of a service in a Discovery_Response: usable ones first, of these https first, otherwise in document
/// order. `base` is the URL that answered.
pub fn from_discovery(
    instances: &[ServiceInstance],
    service: ServiceType,
    version: Version,
    base: &Url,
) -> Vec<Candidate> {
    let wanted = instances.iter().filter(|instance| instance.service_type == Some(service));
    sorted(wanted.map(|instance| {
        let mut candidate = judge(&instance.contact, version, base);
        candidate.content_bindings.clone_from(&instance.content_bindings);
        if instance.available == Some(false) {
            candidate.unusable = Some(Unusable::Unavailable);
        }
        candidate
    }))
}

/// The addresses of a service of one collection, in the same order. A collection has no Discovery Service; its
/// Collection Management Service is the Subscription_Service.
pub fn from_collection(collection: &Collection, service: ServiceType, version: Version, base: &Url) -> Vec<Candidate> {
    match service {
        ServiceType::Discovery => Vec::new(),
        ServiceType::Poll => from_contacts(&collection.polling_services, version, base),
        ServiceType::CollectionManagement => from_contacts(&collection.subscription_services, version, base),
        ServiceType::Inbox => sorted(collection.inbox_services.iter().map(|(contact, bindings)| Candidate {
            content_bindings: bindings.clone(),
            ..judge(contact, version, base)
        })),
    }
}

/// Where a subscription is polled, in the same order: a subscription has its own addresses (Poll_Instance).
pub fn from_subscription(subscription: &Subscription, version: Version, base: &Url) -> Vec<Candidate> {
    from_contacts(&subscription.poll_instances, version, base)
}

/// Addresses of one service, in the same order.
pub fn from_contacts(contacts: &[Contact], version: Version, base: &Url) -> Vec<Candidate> {
    sorted(contacts.iter().map(|contact| judge(contact, version, base)))
}

fn sorted(candidates: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
    let mut candidates: Vec<_> = candidates.collect();
    // The sort is stable, which keeps the document's order.
    candidates.sort_by_key(|candidate| {
        let secure = candidate.url.as_ref().is_some_and(|url| Scheme::of(url) == Some(Scheme::Https));
        (candidate.unusable.is_some(), !secure)
    });
    candidates
}

fn judge(contact: &Contact, version: Version, base: &Url) -> Candidate {
    let address = contact.address.trim();
    // An empty reference would resolve to the base itself, which nobody meant.
    let joined = if address.is_empty() { None } else { base.join(address).ok() };
    let url = joined.filter(|url| Scheme::of(url).is_some() && url.has_host());
    let unusable = match &url {
        None => Some(Unusable::Address),
        Some(url) if credentials(url) != credentials(base) => Some(Unusable::Credentials),
        Some(_) => other_binding(contact, version),
    };
    let remarks = url.as_ref().map_or_else(Vec::new, |url| remarks(url, contact, base));
    Candidate { url, address: address.to_owned(), content_bindings: Vec::new(), unusable, remarks }
}

/// The user name and password that a relative address takes over from its base, and an absolute one may bring.
fn credentials(url: &Url) -> (&str, Option<&str>) {
    (url.username(), url.password())
}

/// All message bindings count, not the first alone. None at all is taken for the version we speak.
fn other_binding(contact: &Contact, wanted: Version) -> Option<Unusable> {
    let bindings = &contact.message_bindings;
    let speaks = bindings.is_empty() || bindings.iter().any(|binding| binding.trim() == wanted.message_binding());
    (!speaks).then(|| Unusable::Binding { wanted, spoken: bindings.join(", ") })
}

fn remarks(url: &Url, contact: &Contact, base: &Url) -> Vec<String> {
    let mut remarks = Vec::new();
    let origin = url.origin().ascii_serialization();
    if is_loopback(url) && !is_loopback(base) {
        let server = base.host_str().unwrap_or_default();
        remarks.push(format!("{origin} is this machine, not {server}: the server does not know its own address"));
    } else if url.origin() != base.origin() {
        remarks.push(format!("{origin} is another origin than {}", base.origin().ascii_serialization()));
    }
    let binding = contact.protocol_binding.trim();
    if let Some(scheme) = Scheme::of(url).filter(|scheme| !binding.is_empty() && binding != scheme.protocol_id()) {
        remarks.push(format!("its Protocol_Binding is {binding}, its address says {}", scheme.protocol_id()));
    }
    remarks
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::taxii::message::CollectionType;

    const HTTP: &str = "urn:taxii.mitre.org:protocol:http:1.0";
    const HTTPS: &str = "urn:taxii.mitre.org:protocol:https:1.0";
    const V11: &str = "urn:taxii.mitre.org:message:xml:1.1";
    const V10: &str = "urn:taxii.mitre.org:message:xml:1.0";

    fn base() -> Url {
        Url::parse("https://taxii.example.org/services/discovery").unwrap()
    }

    fn contact(protocol: &str, address: &str, bindings: &[&str]) -> Contact {
        Contact {
            protocol_binding: protocol.into(),
            address: address.into(),
            message_bindings: bindings.iter().map(|&binding| binding.into()).collect(),
        }
    }

    fn instance(service: ServiceType, contact: Contact) -> ServiceInstance {
        ServiceInstance {
            service_type: Some(service),
            service_version: String::new(),
            available: None,
            contact,
            supported_queries: Vec::new(),
            content_bindings: Vec::new(),
            message: None,
        }
    }

    fn candidates(instances: &[ServiceInstance]) -> Vec<Candidate> {
        from_discovery(instances, ServiceType::Poll, Version::V11, &base())
    }

    fn one(protocol: &str, address: &str, bindings: &[&str]) -> Candidate {
        candidates(&[instance(ServiceType::Poll, contact(protocol, address, bindings))]).remove(0)
    }

    #[test]
    fn an_address_is_resolved_against_the_url_that_answered() {
        let table = [
            ("https://taxii.example.org/poll/", "https://taxii.example.org/poll/"),
            (" https://taxii.example.org/poll \n", "https://taxii.example.org/poll"),
            ("/services/poll", "https://taxii.example.org/services/poll"),
            ("poll?x=1", "https://taxii.example.org/services/poll?x=1"),
            ("../poll", "https://taxii.example.org/poll"),
            ("//other.example.org/poll", "https://other.example.org/poll"),
            ("http://taxii.example.org:8080/poll", "http://taxii.example.org:8080/poll"),
        ];
        for (address, wanted) in table {
            let candidate = one("", address, &[V11]);
            assert_eq!(candidate.url.map(String::from).as_deref(), Some(wanted));
            assert_eq!(candidate.unusable, None, "{address}");
            assert_eq!(candidate.address, address.trim());
        }
    }

    #[test]
    fn an_address_that_is_none_is_named_as_such() {
        for address in
            ["", "  ", "ftp://taxii.example.org/", "file:///etc/passwd", "javascript:1", "http://", "https://[:"]
        {
            let candidate = one(HTTPS, address, &[V11]);
            assert_eq!((candidate.unusable, candidate.url), (Some(Unusable::Address), None), "{address:?}");
        }
    }

    #[test]
    fn an_address_never_brings_credentials_of_its_own() {
        let candidate = one(HTTPS, "https://eve:secret@taxii.example.org/poll", &[V11]);
        assert_eq!(candidate.unusable, Some(Unusable::Credentials));
        let base = Url::parse("https://me:mine@taxii.example.org/").unwrap();
        let own = [instance(ServiceType::Poll, contact(HTTPS, "/poll", &[V11]))];
        assert_eq!(from_discovery(&own, ServiceType::Poll, Version::V11, &base)[0].unusable, None);
    }

    #[test]
    fn https_comes_first_then_the_documents_order_and_the_unusable_last() {
        let poll = |address, bindings: &[&str]| instance(ServiceType::Poll, contact("", address, bindings));
        let mut closed = poll("https://a.example.org/closed", &[V11]);
        closed.available = Some(false);
        let instances = [
            poll("https://a.example.org/old", &[V10]),
            closed,
            poll("http://a.example.org/1", &[V11]),
            instance(ServiceType::Inbox, contact("", "https://a.example.org/inbox", &[V11])),
            poll("https://a.example.org/2", &[V10, V11]),
            poll("http://a.example.org/3", &[]),
            poll("https://a.example.org/4", &[V11]),
        ];
        let order: Vec<_> = candidates(&instances).into_iter().map(|one| (one.address, one.unusable)).collect();
        let usable = |path: &str| (path.to_owned(), None);
        let binding = Unusable::Binding { wanted: Version::V11, spoken: V10.into() };
        let wanted = [
            usable("https://a.example.org/2"),
            usable("https://a.example.org/4"),
            usable("http://a.example.org/1"),
            usable("http://a.example.org/3"),
            ("https://a.example.org/old".to_owned(), Some(binding)),
            ("https://a.example.org/closed".to_owned(), Some(Unusable::Unavailable)),
        ];
        assert_eq!(order, wanted);
    }

    #[test]
    fn what_is_odd_about_an_address_is_remarked() {
        assert_eq!(one(HTTPS, "/poll", &[V11]).remarks, Vec::<String>::new());
        for address in [
            "http://localhost:9000/poll",
            "https://127.0.0.1/poll",
            "http://[::1]/",
            "http://0.0.0.0/",
            "http://LOCALHOST./",
        ] {
            let remarks = one("", address, &[V11]).remarks;
            assert!(matches!(&remarks[..], [one] if one.contains("this machine")), "{address}: {remarks:?}");
        }
        let remarks = one(HTTP, "https://other.example.org/poll", &[V11]).remarks;
        assert!(remarks[0].contains("another origin than https://taxii.example.org"), "{remarks:?}");
        assert!(remarks[1].contains("http:1.0") && remarks[1].contains("https:1.0"), "{remarks:?}");
        let local = Url::parse("http://127.0.0.1:9000/discovery").unwrap();
        let own = [instance(ServiceType::Poll, contact(HTTP, "http://127.0.0.1:9000/poll", &[V11]))];
        assert_eq!(from_discovery(&own, ServiceType::Poll, Version::V11, &local)[0].remarks, Vec::<String>::new());
    }

    #[test]
    fn a_collection_names_the_addresses_of_its_services() {
        let service = |path| vec![contact(HTTPS, path, &[V11])];
        let bindings = vec![ContentBinding { id: "urn:stix.mitre.org:xml:1.2".into(), subtypes: Vec::new() }];
        let collection = Collection {
            name: "default".into(),
            collection_type: CollectionType::DataFeed,
            available: None,
            description: String::new(),
            volume: None,
            content_bindings: Vec::new(),
            push_methods: Vec::new(),
            polling_services: service("/poll"),
            subscription_services: service("/subscribe"),
            inbox_services: vec![(contact(HTTPS, "/inbox", &[V11]), bindings.clone())],
        };
        let of = |service| from_collection(&collection, service, Version::V11, &base());
        assert_eq!(of(ServiceType::Poll)[0].address, "/poll");
        assert_eq!(of(ServiceType::CollectionManagement)[0].address, "/subscribe");
        assert_eq!(of(ServiceType::Inbox)[0].address, "/inbox");
        assert_eq!(of(ServiceType::Inbox)[0].content_bindings, bindings);
        assert_eq!(of(ServiceType::Discovery), Vec::new());
        let subscription = Subscription {
            id: "1".into(),
            status: "ACTIVE".into(),
            parameters: None,
            push: None,
            poll_instances: service("/poll/1"),
        };
        assert_eq!(from_subscription(&subscription, Version::V11, &base())[0].address, "/poll/1");
    }
}
