//! Sample STIX packages. Their addresses and domains are those reserved for documentation.

/// One sample package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// A name for its file.
    pub name: &'static str,
    /// Its content binding identifier.
    pub binding: &'static str,
    /// The document, with its XML declaration.
    pub xml: &'static str,
}

impl Sample {
    /// The document as it can stand between the tags of Content: without its declaration.
    pub fn markup(&self) -> &'static str {
        self.xml.split_once("?>").map_or(self.xml, |(_, root)| root.trim())
    }
}

const STIX_111: &str = "urn:stix.mitre.org:xml:1.1.1";
const STIX_12: &str = "urn:stix.mitre.org:xml:1.2";

/// The samples.
pub const SAMPLES: [Sample; 6] = [
    Sample { name: "ip-watchlist.xml", binding: STIX_111, xml: include_str!("samples/ip-watchlist.xml") },
    Sample { name: "phishing-domain.xml", binding: STIX_12, xml: include_str!("samples/phishing-domain.xml") },
    Sample { name: "file-hash.xml", binding: STIX_111, xml: include_str!("samples/file-hash.xml") },
    Sample { name: "download-url.xml", binding: STIX_12, xml: include_str!("samples/download-url.xml") },
    Sample { name: "campaign.xml", binding: STIX_12, xml: include_str!("samples/campaign.xml") },
    Sample { name: "mail-subject.xml", binding: STIX_111, xml: include_str!("samples/mail-subject.xml") },
];

#[cfg(test)]
mod tests {
    use super::SAMPLES;

    #[test]
    fn every_sample_is_a_stix_package_of_the_version_its_binding_says() {
        for sample in SAMPLES {
            let document = roxmltree::Document::parse(sample.xml).unwrap();
            let root = document.root_element();
            assert!(root.has_tag_name(("http://stix.mitre.org/stix-1", "STIX_Package")), "{}", sample.name);
            let version = root.attribute("version").unwrap();
            assert_eq!(sample.binding, format!("urn:stix.mitre.org:xml:{version}"));
            assert!(
                sample.markup().starts_with("<stix:STIX_Package")
                    && roxmltree::Document::parse(sample.markup()).is_ok()
            );
        }
    }

    #[test]
    fn no_two_samples_share_an_id() {
        let mut ids = std::collections::HashSet::new();
        for sample in SAMPLES {
            let document = roxmltree::Document::parse(sample.xml).unwrap();
            for id in document.descendants().filter_map(|node| node.attribute("id")) {
                assert!(ids.insert(id.to_owned()), "{id} in {}", sample.name);
            }
        }
    }
}
