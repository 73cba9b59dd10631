//! What a reply means: status types, their details, and what to do about them (Services Specification 1.1, section
//! 4.4.1; XML Message Binding 1.1, section 3.2).

mod details;
mod verdict;

pub use details::Details;
pub use verdict::{
    ADMIN_PACE, Answer, Class, FAILURES_UNTIL_REFUSED, Judgement, LONGEST_WAIT, Reaction, Verdict, backoff, judge_push,
    pending_wait, react, still_waits,
};

/// `status_type`: the 17 of the XML Message Binding 1.1 and the 3 of the Default Query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusType {
    /// SUCCESS.
    Success,
    /// FAILURE.
    Failure,
    /// BAD_MESSAGE.
    BadMessage,
    /// DENIED.
    Denied,
    /// NOT_FOUND.
    NotFound,
    /// POLLING_UNSUPPORTED.
    PollingUnsupported,
    /// RETRY.
    Retry,
    /// UNAUTHORIZED.
    Unauthorized,
    /// UNSUPPORTED_MESSAGE.
    UnsupportedMessage,
    /// UNSUPPORTED_CONTENT.
    UnsupportedContent,
    /// UNSUPPORTED_PROTOCOL.
    UnsupportedProtocol,
    /// UNSUPPORTED_QUERY.
    UnsupportedQuery,
    /// PENDING.
    Pending,
    /// INVALID_RESPONSE_PART.
    InvalidResponsePart,
    /// ASYNCHRONOUS_POLL_ERROR.
    AsynchronousPollError,
    /// DESTINATION_COLLECTION_ERROR.
    DestinationCollectionError,
    /// NETWORK_ERROR.
    NetworkError,
    /// UNSUPPORTED_CAPABILITY_MODULE (Default Query).
    UnsupportedCapabilityModule,
    /// UNSUPPORTED_TARGETING_EXPRESSION (Default Query).
    UnsupportedTargetingExpression,
    /// UNSUPPORTED_TARGETING_EXPRESSION_ID (Default Query).
    UnsupportedTargetingExpressionId,
    /// Anything else. Third parties may define errors only, so it is taken for a FAILURE (Services Specification
    /// 1.1, section 4.4.1.1).
    Other,
}

/// Every status type with its name.
const NAMES: [(&str, StatusType); 20] = [
    ("SUCCESS", StatusType::Success),
    ("FAILURE", StatusType::Failure),
    ("BAD_MESSAGE", StatusType::BadMessage),
    ("DENIED", StatusType::Denied),
    ("NOT_FOUND", StatusType::NotFound),
    ("POLLING_UNSUPPORTED", StatusType::PollingUnsupported),
    ("RETRY", StatusType::Retry),
    ("UNAUTHORIZED", StatusType::Unauthorized),
    ("UNSUPPORTED_MESSAGE", StatusType::UnsupportedMessage),
    ("UNSUPPORTED_CONTENT", StatusType::UnsupportedContent),
    ("UNSUPPORTED_PROTOCOL", StatusType::UnsupportedProtocol),
    ("UNSUPPORTED_QUERY", StatusType::UnsupportedQuery),
    ("PENDING", StatusType::Pending),
    ("INVALID_RESPONSE_PART", StatusType::InvalidResponsePart),
    ("ASYNCHRONOUS_POLL_ERROR", StatusType::AsynchronousPollError),
    ("DESTINATION_COLLECTION_ERROR", StatusType::DestinationCollectionError),
    ("NETWORK_ERROR", StatusType::NetworkError),
    ("UNSUPPORTED_CAPABILITY_MODULE", StatusType::UnsupportedCapabilityModule),
    ("UNSUPPORTED_TARGETING_EXPRESSION", StatusType::UnsupportedTargetingExpression),
    ("UNSUPPORTED_TARGETING_EXPRESSION_ID", StatusType::UnsupportedTargetingExpressionId),
];

impl StatusType {
    /// Reads a `status_type` in any case and with white space around it.
    pub fn of(text: &str) -> StatusType {
        let text = text.trim();
        NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map_or(StatusType::Other, |&(_, status)| status)
    }

    /// `status_type` as it is written; `None` for [`Other`](StatusType::Other).
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|&&(_, status)| status == self).map(|&(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_type_is_read_in_any_case_with_blanks_around_it() {
        for (name, status) in NAMES {
            assert_eq!(StatusType::of(name), status);
            assert_eq!(StatusType::of(&format!(" \n{}\t", name.to_lowercase())), status);
            assert_eq!(status.name(), Some(name));
        }
        for other in ["", "SUCCES", "SUCCESS!", "urn:example.org:busy", "S\u{dc}CCESS"] {
            assert_eq!(StatusType::of(other), StatusType::Other, "{other}");
        }
        assert_eq!(StatusType::Other.name(), None);
    }
}
