//! The identifiers that TAXII gives to itself: namespaces, versions, bindings, headers (Services Specification 1.1,
//! section 1.1.1; XML Message Binding 1.1, section 1.1.1; HTTP Protocol Binding 1.0, sections 1.1.2 and 2.1).

use url::Url;

use super::message::{CollectionType, ResponseType, ServiceType, SubscriptionAction, Version};

/// Namespace of the messages of TAXII 1.1.
pub const TAXII_11: &str = "http://taxii.mitre.org/messages/taxii_xml_binding-1.1";
/// Namespace of the messages of TAXII 1.0 (no `.0`).
pub const TAXII_10: &str = "http://taxii.mitre.org/messages/taxii_xml_binding-1";
/// Namespace of the Default Query.
pub const DEFAULT_QUERY_NAMESPACE: &str = "http://taxii.mitre.org/query/taxii_default_query-1";
/// Namespace of XML signatures.
pub const XML_SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Format id of the Default Query.
pub const DEFAULT_QUERY: &str = "urn:taxii.mitre.org:query:default:1.0";
/// Part of the namespaces of TAXII 1.1.1, which nobody was seen to use: it is recognised, to be named in an error.
pub const OASIS_TAXII: &str = "oasis-open.org/cti/ns/taxii";

/// The media type of every request and of every reply wanted, without a charset: some servers compare it whole.
pub const MEDIA_TYPE: &str = "application/xml";

/// The transport below HTTP. The protocol binding identifier follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme of an address; `None` for anything but `http` and `https`.
    pub fn of(url: &Url) -> Option<Scheme> {
        match url.scheme() {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            _ => None,
        }
    }

    /// The protocol binding identifier. It says 1.0 for both versions of TAXII.
    pub fn protocol_id(self) -> &'static str {
        match self {
            Scheme::Http => "urn:taxii.mitre.org:protocol:http:1.0",
            Scheme::Https => "urn:taxii.mitre.org:protocol:https:1.0",
        }
    }
}

impl Version {
    /// The namespace of the messages.
    pub fn namespace(self) -> &'static str {
        match self {
            Version::V10 => TAXII_10,
            Version::V11 => TAXII_11,
        }
    }

    /// The version whose messages are in a namespace.
    pub fn of_namespace(namespace: &str) -> Option<Version> {
        [Version::V11, Version::V10].into_iter().find(|version| version.namespace() == namespace)
    }

    /// The message binding identifier.
    pub fn message_binding(self) -> &'static str {
        match self {
            Version::V10 => "urn:taxii.mitre.org:message:xml:1.0",
            Version::V11 => "urn:taxii.mitre.org:message:xml:1.1",
        }
    }

    /// The services version identifier.
    pub fn services_id(self) -> &'static str {
        match self {
            Version::V10 => "urn:taxii.mitre.org:services:1.0",
            Version::V11 => "urn:taxii.mitre.org:services:1.1",
        }
    }

    /// The protocol binding identifier for a transport.
    pub fn protocol_id(self, scheme: Scheme) -> &'static str {
        scheme.protocol_id()
    }

    /// As the configuration and people write it.
    pub fn number(self) -> &'static str {
        match self {
            Version::V10 => "1.0",
            Version::V11 => "1.1",
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.number())
    }
}

/// The six headers of every request (HTTP Protocol Binding, section 2.1). Servers are pickier than the binding: all
/// six are always sent, and X-TAXII-Accept holds exactly one identifier.
pub fn headers(version: Version, scheme: Scheme) -> [(&'static str, &'static str); 6] {
    [
        ("Content-Type", MEDIA_TYPE),
        ("Accept", MEDIA_TYPE),
        ("X-TAXII-Content-Type", version.message_binding()),
        ("X-TAXII-Accept", version.message_binding()),
        ("X-TAXII-Services", version.services_id()),
        ("X-TAXII-Protocol", scheme.protocol_id()),
    ]
}

impl ServiceType {
    /// `service_type` as a version writes it.
    pub fn name(self, version: Version) -> &'static str {
        match (self, version) {
            (ServiceType::Discovery, _) => "DISCOVERY",
            (ServiceType::CollectionManagement, Version::V11) => "COLLECTION_MANAGEMENT",
            (ServiceType::CollectionManagement, Version::V10) => "FEED_MANAGEMENT",
            (ServiceType::Inbox, _) => "INBOX",
            (ServiceType::Poll, _) => "POLL",
        }
    }

    /// Reads a `service_type` of either version, in any case and with white space around it.
    pub fn of(text: &str) -> Option<ServiceType> {
        match text.trim().to_ascii_uppercase().as_str() {
            "DISCOVERY" => Some(ServiceType::Discovery),
            "COLLECTION_MANAGEMENT" | "FEED_MANAGEMENT" => Some(ServiceType::CollectionManagement),
            "INBOX" => Some(ServiceType::Inbox),
            "POLL" => Some(ServiceType::Poll),
            _ => None,
        }
    }
}

impl CollectionType {
    /// `collection_type` as it is written.
    pub fn name(self) -> &'static str {
        match self {
            CollectionType::DataFeed => "DATA_FEED",
            CollectionType::DataSet => "DATA_SET",
        }
    }
}

impl ResponseType {
    /// Response_Type as it is written.
    pub fn name(self) -> &'static str {
        match self {
            ResponseType::Full => "FULL",
            ResponseType::CountOnly => "COUNT_ONLY",
        }
    }
}

impl SubscriptionAction {
    /// `action` as it is written.
    pub fn name(self) -> &'static str {
        match self {
            SubscriptionAction::Subscribe => "SUBSCRIBE",
            SubscriptionAction::Unsubscribe => "UNSUBSCRIBE",
            SubscriptionAction::Pause => "PAUSE",
            SubscriptionAction::Resume => "RESUME",
            SubscriptionAction::Status => "STATUS",
        }
    }
}
