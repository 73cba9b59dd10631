//! From a root element to a Content Binding (protocol reference, 12.1 and 12.3).

use super::refusal::{Refusal, shown};
use crate::taxii::message::RootElement;

const STIX_1: &str = "http://stix.mitre.org/stix-1";
const STIX_1_2_1: &str = "http://docs.oasis-open.org/cti/ns/stix/core-1";
const STIX_PACKAGE: &str = "STIX_Package";
const CAP: [&str; 2] = ["urn:oasis:names:tc:emergency:cap:1.1", "urn:oasis:names:tc:emergency:cap:1.2"];
const XML_ENCRYPTION: &str = "http://www.w3.org/2001/04/xmlenc#";
/// Every version of the TAXII XML message binding has a namespace that begins so.
const TAXII_MESSAGES: &str = "http://taxii.mitre.org/messages/";
/// The versions that share the namespace [`STIX_1`].
const STIX_1_VERSIONS: [&str; 5] = ["1.0", "1.0.1", "1.1", "1.1.1", "1.2"];
/// A `version` longer than this names no version of STIX.
const LONGEST_VERSION: usize = 16;

/// The Content Binding of S/MIME.
pub(super) const SMIME: &str = "application/pkcs7-mime";

/// What a file was recognised as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recognised {
    pub(super) binding: String,
    pub(super) stix_version: Option<String>,
}

/// The version of STIX that a root element says it is: `1.1.1`, `1.2`, `1.2.1`.
///
/// `None` where the root is no STIX package, or gives no version: it is optional in every 1.x schema, and the
/// namespace is the same for all of them but 1.2.1. A version that no schema knows is returned as it stands, provided
/// it looks like one.
pub fn stix_version(root: &RootElement) -> Option<String> {
    if root.local != STIX_PACKAGE || (root.namespace != STIX_1 && root.namespace != STIX_1_2_1) {
        return None;
    }
    let written = root.version.as_deref()?.trim();
    // The OASIS documents that exist say `stix-1.2.1`, their specification `1.2.1`.
    let version = written.strip_prefix("stix-").unwrap_or(written);
    let plausible = !version.is_empty()
        && version.len() <= LONGEST_VERSION
        && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plausible.then(|| version.to_owned())
}

/// What an XML document is, from its root element and that element's `xsi:schemaLocation`.
pub(super) fn of_root(root: &RootElement, schema_location: Option<&str>) -> Result<Recognised, Refusal> {
    match (root.namespace.as_str(), root.local.as_str()) {
        (STIX_1, STIX_PACKAGE) => of_stix_1(root, schema_location),
        (STIX_1_2_1, STIX_PACKAGE) => match stix_version(root).as_deref() {
            Some("1.2.1") => Ok(stix("urn:oasis:cti:stix:xml:1.2.1", "1.2.1")),
            // The namespace was made for 1.2.1 and never used for another version.
            None if root.version.is_none() => Ok(stix("urn:oasis:cti:stix:xml:1.2.1", "1.2.1")),
            _ => Err(unknown_version(root)),
        },
        (namespace, "alert") if CAP.contains(&namespace) => Ok(other(namespace)),
        (XML_ENCRYPTION, "EncryptedData") => Ok(other(XML_ENCRYPTION)),
        _ => Err(Refusal::UnknownRoot(shown(&format!("{{{}}}{}", root.namespace, root.local)))),
    }
}

/// A saved TAXII message is never content, whatever binding is configured: its receiver would read a message in a
/// message, and what it holds is to be sent by itself.
pub(super) fn refuse_message(root: &RootElement) -> Result<(), Refusal> {
    match root.namespace.starts_with(TAXII_MESSAGES) {
        true => Err(Refusal::TaxiiMessage(shown(&root.local))),
        false => Ok(()),
    }
}

/// STIX 2.0 and 2.1 have no registered binding; these are the ids in use.
pub(super) fn of_stix_2(version: &str) -> Recognised {
    stix(&format!("urn:stix.mitre.org:json:{version}"), version)
}

fn of_stix_1(root: &RootElement, schema_location: Option<&str>) -> Result<Recognised, Refusal> {
    let known = |version: &str| STIX_1_VERSIONS.into_iter().find(|known| *known == version);
    let version = match (&root.version, stix_version(root)) {
        (None, _) => Some(version_by_schema_location(schema_location.unwrap_or_default())),
        (Some(_), written) => written.as_deref().and_then(known),
    };
    let version = version.ok_or_else(|| unknown_version(root))?;
    Ok(stix(&format!("urn:stix.mitre.org:xml:{version}"), version))
}

/// The version that the place of the STIX schema says, as in
/// `http://stix.mitre.org/XMLSchema/core/1.1.1/stix_core.xsd`; else 1.0, whose schema is the only one with a default
/// for the missing attribute, and whose own samples are the ones that leave it out.
fn version_by_schema_location(schema_location: &str) -> &'static str {
    let mut words = schema_location.split_ascii_whitespace();
    while let (Some(namespace), Some(place)) = (words.next(), words.next()) {
        let mut segments = place.split('/');
        if namespace == STIX_1
            && let Some(version) = segments.find_map(|s| STIX_1_VERSIONS.into_iter().find(|version| *version == s))
        {
            return version;
        }
    }
    "1.0"
}

fn unknown_version(root: &RootElement) -> Refusal {
    Refusal::UnknownStixVersion(shown(root.version.as_deref().unwrap_or_default()))
}

fn stix(binding: &str, version: &str) -> Recognised {
    Recognised { binding: binding.to_owned(), stix_version: Some(version.to_owned()) }
}

fn other(binding: &str) -> Recognised {
    Recognised { binding: binding.to_owned(), stix_version: None }
}
