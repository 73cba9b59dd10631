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

#[cfg(test)]
mod tests {
    use super::*;

    fn root(namespace: &str, local: &str, version: Option<&str>) -> RootElement {
        RootElement { namespace: namespace.into(), local: local.into(), version: version.map(Into::into) }
    }

    #[test]
    fn every_known_root_has_its_binding() {
        let table = [
            (STIX_1, STIX_PACKAGE, Some("1.0"), "urn:stix.mitre.org:xml:1.0", Some("1.0")),
            (STIX_1, STIX_PACKAGE, Some("1.0.1"), "urn:stix.mitre.org:xml:1.0.1", Some("1.0.1")),
            (STIX_1, STIX_PACKAGE, Some("1.1"), "urn:stix.mitre.org:xml:1.1", Some("1.1")),
            (STIX_1, STIX_PACKAGE, Some(" 1.1.1\n"), "urn:stix.mitre.org:xml:1.1.1", Some("1.1.1")),
            (STIX_1, STIX_PACKAGE, Some("1.2"), "urn:stix.mitre.org:xml:1.2", Some("1.2")),
            (STIX_1, STIX_PACKAGE, None, "urn:stix.mitre.org:xml:1.0", Some("1.0")),
            (STIX_1_2_1, STIX_PACKAGE, Some("1.2.1"), "urn:oasis:cti:stix:xml:1.2.1", Some("1.2.1")),
            (STIX_1_2_1, STIX_PACKAGE, Some("stix-1.2.1"), "urn:oasis:cti:stix:xml:1.2.1", Some("1.2.1")),
            (STIX_1_2_1, STIX_PACKAGE, None, "urn:oasis:cti:stix:xml:1.2.1", Some("1.2.1")),
            (CAP[0], "alert", None, "urn:oasis:names:tc:emergency:cap:1.1", None),
            (CAP[1], "alert", None, "urn:oasis:names:tc:emergency:cap:1.2", None),
            (XML_ENCRYPTION, "EncryptedData", None, "http://www.w3.org/2001/04/xmlenc#", None),
        ];
        for (namespace, local, version, binding, stix_version) in table {
            let recognised = of_root(&root(namespace, local, version), None).unwrap();
            assert_eq!((recognised.binding.as_str(), recognised.stix_version.as_deref()), (binding, stix_version));
        }
    }

    #[test]
    fn an_unknown_root_or_version_is_refused_by_name() {
        let table = [
            (root(STIX_1, STIX_PACKAGE, Some("1.3")), "unknown STIX version \"1.3\""),
            (root(STIX_1, STIX_PACKAGE, Some("1.2.1")), "unknown STIX version \"1.2.1\""),
            (root(STIX_1, STIX_PACKAGE, Some("")), "unknown STIX version \"\";"),
            (root(STIX_1_2_1, STIX_PACKAGE, Some("1.2")), "unknown STIX version \"1.2\""),
            (root(STIX_1_2_1, STIX_PACKAGE, Some("x\u{202E}\n")), "version \"x\\u{202e}\\n"),
            (root(STIX_1, "Package", Some("1.2")), "root element {http://stix.mitre.org/stix-1}Package"),
            (root("http://stix.mitre.org", STIX_PACKAGE, None), "root element {http://stix.mitre.org}STIX_Package"),
            (root("", "alert", None), "root element {}alert"),
            (root(&"u".repeat(5_000), "x", None), "uuuu…; a configured"),
        ];
        for (root, words) in table {
            let refusal = of_root(&root, None).unwrap_err().to_string();
            assert!(refusal.contains(words), "{refusal} should say {words}");
            assert!(refusal.len() < 500, "{refusal}");
        }
    }

    #[test]
    fn a_missing_version_is_found_in_the_schema_location() {
        let table = [
            (Some("http://stix.mitre.org/stix-1 http://stix.mitre.org/XMLSchema/core/1.1.1/stix_core.xsd"), "1.1.1"),
            (Some("a b\n http://stix.mitre.org/stix-1\thttp://x/core/1.2/stix_core.xsd c d"), "1.2"),
            (Some("http://stix.mitre.org/common-1 http://stix.mitre.org/XMLSchema/common/1.2/common.xsd"), "1.0"),
            (Some("http://stix.mitre.org/stix-1 ../stix_core.xsd"), "1.0"),
            (Some("http://stix.mitre.org/stix-1 http://x/core/1.7/stix_core.xsd"), "1.0"),
            (Some("http://stix.mitre.org/stix-1"), "1.0"),
            (None, "1.0"),
        ];
        for (schema_location, version) in table {
            let recognised = of_root(&root(STIX_1, STIX_PACKAGE, None), schema_location).unwrap();
            assert_eq!(recognised.stix_version.as_deref(), Some(version), "{schema_location:?}");
        }
        let written = of_root(&root(STIX_1, STIX_PACKAGE, Some("1.1")), table[0].0).unwrap();
        assert_eq!(written.stix_version.as_deref(), Some("1.1"), "the attribute counts more");
    }

    #[test]
    fn the_version_for_metadata_is_what_the_root_says() {
        let table = [
            (root(STIX_1, STIX_PACKAGE, Some("1.1.1")), Some("1.1.1")),
            (root(STIX_1_2_1, STIX_PACKAGE, Some("stix-1.2.1")), Some("1.2.1")),
            (root(STIX_1, STIX_PACKAGE, Some("1.3")), Some("1.3")),
            (root(STIX_1, STIX_PACKAGE, Some("new")), None),
            (root(STIX_1, STIX_PACKAGE, Some("11111111111111111")), None),
            (root(STIX_1, STIX_PACKAGE, None), None),
            (root("urn:other", STIX_PACKAGE, Some("1.2")), None),
            (root(STIX_1, "Other", Some("1.2")), None),
        ];
        for (root, expected) in table {
            assert_eq!(stix_version(&root).as_deref(), expected, "{root:?}");
        }
    }
}
