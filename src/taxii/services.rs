//! Choosing where to send a request, from what a server advertises (Services Specification 1.1, section 2.2).

use url::Url;

use super::message::{Collection, ServiceInstance, ServiceType, Version};

/// An advertised service, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The resolved address; `None` where it is none.
    pub url: Option<Url>,
    /// The address as advertised.
    pub address: String,
    /// Why it cannot be used; `None` where it can.
    pub refused: Option<Unusable>,
    /// What an operator should know about it.
    pub remarks: Vec<String>,
}

/// Why an advertised service cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not an http or https URL, even against the address that answered.
    #[error("its address is not an http or https URL")]
    Address,
    /// `available` is false.
    #[error("the server says it is not available")]
    Unavailable,
    /// Message_Binding lists others only.
    #[error("it speaks {0} only")]
    Binding(String),
}

/// The instances of a service in a Discovery_Response, usable ones first, best first. `base` is the URL that answered.
pub fn from_discovery(
    _instances: &[ServiceInstance],
    _service: ServiceType,
    _version: Version,
    _base: &Url,
) -> Vec<Candidate> {
    Vec::new()
}

/// The addresses of a service of one collection, usable ones first, best first. `base` is the URL that answered.
pub fn from_collection(
    _collection: &Collection,
    _service: ServiceType,
    _version: Version,
    _base: &Url,
) -> Vec<Candidate> {
    Vec::new()
}
