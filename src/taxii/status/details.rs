//! Status_Detail, wherever it stands and whatever is missing of it.

use super::StatusType;
use crate::taxii::message::{Body, Message};
use crate::taxii::time::{Timestamp, Wait, seconds};

/// The details of a Status_Message. Every one is optional, also where the specification requires it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// ESTIMATED_WAIT: seconds in 1.1, an instant in 1.0.
    pub estimated_wait: Option<Wait>,
    /// RESULT_ID, byte-exact.
    pub result_id: Option<String>,
    /// WILL_PUSH.
    pub will_push: Option<bool>,
    /// MAX_PART_NUMBER.
    pub max_part_number: Option<u32>,
    /// ITEM: what was not found.
    pub item: Option<String>,
    /// ACCEPTABLE_DESTINATION.
    pub acceptable_destinations: Vec<String>,
    /// SUPPORTED_BINDING, SUPPORTED_CONTENT, SUPPORTED_PROTOCOL or SUPPORTED_QUERY, whichever the status type has.
    pub supported: Vec<String>,
}

impl Details {
    /// Reads the details of a Status_Message: from Status_Detail, and from Extended_Headers, where OpenTAXII puts
    /// them. Any other message has none.
    pub fn of(message: &Message) -> Details {
        let mut details = Details::default();
        let Body::Status(status) = &message.body else { return details };
        let status_type = StatusType::of(&status.status_type);
        for (name, value) in &status.details {
            if name.trim().is_empty() {
                details.take_text(status_type, value);
            } else {
                details.take(name, value);
            }
        }
        for header in &message.header.extended {
            let value = quick_xml::escape::unescape(&header.value).unwrap_or(header.value.as_str().into());
            details.take(&header.name, &value);
        }
        details
    }

    /// Takes one detail in. The first of a name wins, so a header never overrides a Status_Detail.
    fn take(&mut self, name: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        match name.trim().to_ascii_uppercase().as_str() {
            "ESTIMATED_WAIT" => self.estimated_wait = self.estimated_wait.or_else(|| wait(value)),
            "RESULT_ID" => {
                self.result_id.get_or_insert_with(|| value.to_owned());
            }
            "WILL_PUSH" => self.will_push = self.will_push.or_else(|| boolean(value)),
            "MAX_PART_NUMBER" => self.max_part_number = self.max_part_number.or_else(|| value.parse().ok()),
            "ITEM" => {
                self.item.get_or_insert_with(|| value.to_owned());
            }
            "ACCEPTABLE_DESTINATION" => self.acceptable_destinations.push(value.to_owned()),
            "SUPPORTED_BINDING" | "SUPPORTED_CONTENT" | "SUPPORTED_PROTOCOL" | "SUPPORTED_QUERY" => {
                self.supported.push(value.to_owned());
            }
            _ => {}
        }
    }

    /// Takes the one text of a Status_Detail of 1.0 (XML Message Binding 1.0, section 3.1).
    fn take_text(&mut self, status_type: StatusType, text: &str) {
        match status_type {
            StatusType::Retry | StatusType::Pending => self.take("ESTIMATED_WAIT", text),
            StatusType::NotFound => self.take("ITEM", text),
            StatusType::UnsupportedMessage
            | StatusType::UnsupportedContent
            | StatusType::UnsupportedProtocol
            | StatusType::UnsupportedQuery => self.supported.extend(text.split_whitespace().map(str::to_owned)),
            _ => {}
        }
    }
}

/// Seconds, or an instant. Both are understood in both versions.
fn wait(value: &str) -> Option<Wait> {
    seconds(value).or_else(|| Timestamp::parse(value).map(|at| Wait::Until(at.at)))
}

fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::taxii::message::{ExtendedHeader, Header, StatusMessage, Version};

    fn details(status_type: &str, details: &[(&str, &str)], extended: &[(&str, &str)]) -> Details {
        let pairs = details.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let extended = extended.iter().map(|&(name, value)| ExtendedHeader { name: name.into(), value: value.into() });
        Details::of(&Message {
            version: Version::V11,
            header: Header { extended: extended.collect(), ..Header::default() },
            body: Body::Status(StatusMessage { status_type: status_type.into(), details: pairs, message: None }),
        })
    }

    #[test]
    fn the_details_of_a_pending_answer_are_typed() {
        let all = [
            ("ESTIMATED_WAIT", " 300 "),
            ("RESULT_ID", "1582588800404:1"),
            ("WILL_PUSH", "1"),
            ("MAX_PART_NUMBER", "7"),
        ];
        let wanted = Details {
            estimated_wait: Some(Wait::For(Duration::from_secs(300))),
            result_id: Some("1582588800404:1".into()),
            will_push: Some(true),
            max_part_number: Some(7),
            ..Details::default()
        };
        assert_eq!(details("PENDING", &all, &[]), wanted);
        assert_eq!(details("PENDING", &[], &all), wanted, "and are found in extended headers too");
    }

    #[test]
    fn details_that_are_missing_or_nonsense_are_absent() {
        assert_eq!(details("PENDING", &[], &[]), Details::default());
        let nonsense = [
            ("ESTIMATED_WAIT", "soon"),
            ("ESTIMATED_WAIT", "-5"),
            ("WILL_PUSH", "perhaps"),
            ("MAX_PART_NUMBER", "4294967296"),
            ("RESULT_ID", "  "),
            ("COLOUR", "red"),
        ];
        assert_eq!(details("PENDING", &nonsense, &[]), Details::default());
        let request = Message { version: Version::V11, header: Header::default(), body: Body::DiscoveryRequest };
        assert_eq!(Details::of(&request), Details::default());
    }

    #[test]
    fn an_extended_header_is_unescaped_and_never_overrides_a_detail() {
        assert_eq!(details("NOT_FOUND", &[], &[("ITEM", "a &amp; b")]).item.as_deref(), Some("a & b"));
        assert_eq!(details("NOT_FOUND", &[], &[("ITEM", "a & b")]).item.as_deref(), Some("a & b"));
        assert_eq!(details("NOT_FOUND", &[("ITEM", "own")], &[("ITEM", "other")]).item.as_deref(), Some("own"));
    }

    #[test]
    fn the_one_text_of_1_0_is_read_by_its_status_type() {
        let at = Timestamp::parse("2024-03-01T12:00:00Z").unwrap().at;
        assert_eq!(details("RETRY", &[("", "2024-03-01T12:00:00Z")], &[]).estimated_wait, Some(Wait::Until(at)));
        assert_eq!(details("NOT_FOUND", &[("", "feed-x")], &[]).item.as_deref(), Some("feed-x"));
        assert_eq!(details("UNSUPPORTED_PROTOCOL", &[("", " a\n b ")], &[]).supported, ["a", "b"]);
        assert_eq!(details("FAILURE", &[("", "2024-03-01T12:00:00Z")], &[]), Details::default());
    }

    #[test]
    fn lists_keep_every_value() {
        let two = [("ACCEPTABLE_DESTINATION", "a"), ("acceptable_destination", "b")];
        assert_eq!(details("DESTINATION_COLLECTION_ERROR", &two, &[]).acceptable_destinations, ["a", "b"]);
        let supported = [("SUPPORTED_CONTENT", "urn:a"), ("SUPPORTED_CONTENT", "urn:b")];
        assert_eq!(details("UNSUPPORTED_CONTENT", &supported, &[]).supported, ["urn:a", "urn:b"]);
    }
}
