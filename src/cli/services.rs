//! What servers advertise, as it is printed.

use serde_json::{Value, json};
use url::Url;

use super::output::Say;
use crate::peer::Peer;
use crate::taxii::message::{Contact, ContentBinding, ExtendedHeader, ServiceInstance};
use crate::taxii::services::{self, Candidate};

/// An advertised address, judged.
pub(super) struct Advertised {
    /// For people: resolved where it is an address, else as it was advertised.
    pub(super) address: String,
    /// Resolved, where it is an address.
    pub(super) url: Option<Url>,
    /// Why no request goes there; `None` where one may.
    pub(super) unusable: Option<String>,
    /// What is odd about it.
    pub(super) remarks: Vec<String>,
}

impl Advertised {
    fn new(candidate: Candidate, peer: &Peer) -> Advertised {
        let unusable = match (&candidate.unusable, &candidate.url) {
            (Some(why), _) => Some(shown(peer, &why.to_string())),
            (None, Some(url)) => peer.allows(url).err().map(|error| format!("{error}; {}", error.hint())),
            (None, None) => None,
        };
        Advertised {
            address: shown(peer, candidate.url.as_ref().map_or(&candidate.address, Url::as_str)),
            url: candidate.url,
            unusable,
            remarks: candidate.remarks.iter().map(|remark| shown(peer, remark)).collect(),
        }
    }

    /// A service of a Discovery_Response; `None` where TAXII does not know its type.
    pub(super) fn service(instance: &ServiceInstance, peer: &Peer, base: &Url) -> Option<Advertised> {
        let all = std::slice::from_ref(instance);
        let candidates = services::from_discovery(all, instance.service_type?, peer.version, base);
        candidates.into_iter().next().map(|candidate| Advertised::new(candidate, peer))
    }

    /// Where a collection or a subscription is served.
    pub(super) fn contact(contact: &Contact, peer: &Peer, base: &Url) -> Option<Advertised> {
        let candidates = services::from_contacts(std::slice::from_ref(contact), peer.version, base);
        candidates.into_iter().next().map(|candidate| Advertised::new(candidate, peer))
    }

    /// The address where it is one, else what was advertised; and what is wrong or odd about it.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.address.clone()];
        lines.extend(self.unusable.iter().map(|why| format!("cannot be used: {why}")));
        lines.extend(self.remarks.iter().map(|remark| format!("note: {remark}")));
        lines
    }
}

/// Remote text for people, without secrets.
pub(super) fn shown(peer: &Peer, text: &str) -> String {
    peer.shown(text)
}

/// A contact for machines.
pub(super) fn contact_json(contact: &Contact, judged: Option<&Advertised>) -> Value {
    json!({
        "protocol_binding": contact.protocol_binding,
        "address": contact.address,
        "message_bindings": contact.message_bindings,
        "url": judged.and_then(|judged| judged.url.as_ref()).map(Url::as_str),
        "usable": judged.is_some_and(|judged| judged.unusable.is_none()),
        "reason": judged.and_then(|judged| judged.unusable.as_deref()),
        "remarks": judged.map(|judged| judged.remarks.clone()).unwrap_or_default(),
    })
}

/// Content Bindings for machines.
pub(super) fn bindings_json(bindings: &[ContentBinding]) -> Value {
    bindings.iter().map(|binding| json!({ "id": binding.id, "subtypes": binding.subtypes })).collect()
}

/// Content Bindings for people.
pub(super) fn bindings_text(peer: &Peer, bindings: &[ContentBinding]) -> String {
    let ids: Vec<&str> = bindings.iter().map(|binding| binding.id.as_str()).collect();
    if ids.is_empty() { "any content".to_owned() } else { shown(peer, &ids.join(", ")) }
}

/// Extended Headers for machines.
pub(super) fn headers_json(headers: &[ExtendedHeader]) -> Value {
    headers.iter().map(|header| json!({ "name": header.name, "value": header.value })).collect()
}

/// Extended Headers for people: they mean something to whoever knows the server.
pub(super) fn tell_headers(say: &Say, peer: &Peer, headers: &[ExtendedHeader]) {
    for header in headers {
        say.line(&format!("extended header {}: {}", shown(peer, &header.name), shown(peer, header.value.trim())));
    }
}

/// Every text of a document without secrets: a server may repeat one.
pub(super) fn redacted(peer: &Peer, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(peer.redact(&text)),
        Value::Array(list) => list.into_iter().map(|value| redacted(peer, value)).collect(),
        Value::Object(table) => {
            Value::Object(table.into_iter().map(|(key, value)| (key, redacted(peer, value))).collect())
        }
        other => other,
    }
}

/// Whether something is available, for people.
pub(super) fn available_text(available: Option<bool>) -> &'static str {
    match available {
        Some(true) => "available",
        Some(false) => "not available",
        None => "availability not stated",
    }
}
