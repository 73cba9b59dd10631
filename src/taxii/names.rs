//! The identifiers that TAXII gives to itself: namespaces, versions, bindings, headers (Services Specification 1.1,
//! section 1.1.1; XML Message Binding 1.1, section 1.1.1; HTTP Protocol Binding 1.0, sections 1.1.2 and 2.1).

use url::Url;

use super::message::{Body, CollectionType, ResponseType, ServiceType, SubscriptionAction, Version};

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
/// Capability modules of the Default Query: core, regular expressions, timestamps (Default Query 1.0, section 5).
pub const QUERY_CAPABILITIES: [&str; 3] = [
    "urn:taxii.mitre.org:query:capability:core-1",
    "urn:taxii.mitre.org:query:capability:regex-1",
    "urn:taxii.mitre.org:query:capability:timestamp-1",
];
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
    pub fn of_namespace(namespace: impl AsRef<[u8]>) -> Option<Version> {
        let is = |version: &Version| version.namespace().as_bytes() == namespace.as_ref();
        [Version::V11, Version::V10].into_iter().find(is)
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

impl Body {
    /// The name of the message's root element.
    pub fn name(&self, version: Version) -> &'static str {
        match (self, version) {
            (Body::DiscoveryRequest, _) => "Discovery_Request",
            (Body::DiscoveryResponse(_), _) => "Discovery_Response",
            (Body::CollectionInformationRequest, Version::V11) => "Collection_Information_Request",
            (Body::CollectionInformationRequest, Version::V10) => "Feed_Information_Request",
            (Body::CollectionInformationResponse(_), Version::V11) => "Collection_Information_Response",
            (Body::CollectionInformationResponse(_), Version::V10) => "Feed_Information_Response",
            (Body::SubscriptionRequest(_), _) => "Subscription_Management_Request",
            (Body::SubscriptionResponse(_), _) => "Subscription_Management_Response",
            (Body::PollRequest(_), _) => "Poll_Request",
            (Body::PollFulfillment(_), _) => "Poll_Fulfillment",
            (Body::PollResponse(_), _) => "Poll_Response",
            (Body::InboxMessage(_), _) => "Inbox_Message",
            (Body::Status(_), _) => "Status_Message",
        }
    }

    /// Whether the message is a reply, which carries `in_response_to`.
    pub fn is_reply(&self) -> bool {
        match self {
            Body::DiscoveryResponse(_)
            | Body::CollectionInformationResponse(_)
            | Body::SubscriptionResponse(_)
            | Body::PollResponse(_)
            | Body::Status(_) => true,
            Body::DiscoveryRequest
            | Body::CollectionInformationRequest
            | Body::SubscriptionRequest(_)
            | Body::PollRequest(_)
            | Body::PollFulfillment(_)
            | Body::InboxMessage(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_six_headers_and_one_accepted_binding() {
        let table = [
            (Version::V11, Scheme::Https, "message:xml:1.1", "services:1.1", "protocol:https:1.0"),
            (Version::V11, Scheme::Http, "message:xml:1.1", "services:1.1", "protocol:http:1.0"),
            (Version::V10, Scheme::Https, "message:xml:1.0", "services:1.0", "protocol:https:1.0"),
            (Version::V10, Scheme::Http, "message:xml:1.0", "services:1.0", "protocol:http:1.0"),
        ];
        for (version, scheme, binding, services, protocol) in table {
            let urn = |rest| format!("urn:taxii.mitre.org:{rest}");
            let wanted = [
                ("Content-Type", "application/xml".to_owned()),
                ("Accept", "application/xml".to_owned()),
                ("X-TAXII-Content-Type", urn(binding)),
                ("X-TAXII-Accept", urn(binding)),
                ("X-TAXII-Services", urn(services)),
                ("X-TAXII-Protocol", urn(protocol)),
            ];
            assert_eq!(headers(version, scheme).map(|(name, value)| (name, value.to_owned())), wanted);
        }
    }

    #[test]
    fn a_namespace_tells_the_version() {
        assert_eq!(Version::of_namespace(TAXII_11), Some(Version::V11));
        assert_eq!(Version::of_namespace(TAXII_10), Some(Version::V10));
        assert_eq!(Version::of_namespace("http://taxii.mitre.org/messages/taxii_xml_binding-1.0"), None);
        assert_eq!(Version::of_namespace(""), None);
    }

    #[test]
    fn the_scheme_follows_the_address() {
        let scheme = |url| Scheme::of(&Url::parse(url).unwrap());
        assert_eq!(scheme("https://taxii.example.org/"), Some(Scheme::Https));
        assert_eq!(scheme("HTTP://taxii.example.org/"), Some(Scheme::Http));
        assert_eq!(scheme("ftp://taxii.example.org/"), None);
    }

    #[test]
    fn a_service_type_of_either_version_is_read() {
        for version in [Version::V10, Version::V11] {
            use ServiceType::{CollectionManagement, Discovery, Inbox, Poll};
            for service in [Discovery, CollectionManagement, Inbox, Poll] {
                assert_eq!(ServiceType::of(service.name(version)), Some(service));
            }
        }
        assert_eq!(ServiceType::of(" poll\n"), Some(ServiceType::Poll));
        assert_eq!(ServiceType::of("POLLING"), None);
    }
}
