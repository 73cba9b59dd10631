//! What a strict server asks of a request before it looks at the message (HTTP Protocol Binding 1.0, section 2.1),
//! answered as OpenTAXII answers it where the binding leaves that open.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::taxii::Version;
use crate::taxii::message::{Body, Message};
use crate::taxii::names::{MEDIA_TYPE, Scheme};

use super::http::Head;
use super::options::{Auth, Options};
use super::status::StatusReply;
use super::store::State;

/// Why a request is refused before its message counts.
#[derive(Debug)]
pub(super) enum Refusal {
    /// With an HTTP status and a text for people.
    Http(u16, &'static str),
    /// With a Status_Message.
    Status(StatusReply),
}

impl From<StatusReply> for Refusal {
    fn from(status: StatusReply) -> Self {
        Self::Status(status)
    }
}

fn failure(text: &str) -> Refusal {
    StatusReply::new("FAILURE").message(text).into()
}

/// The version that the headers say, believed until the message is read.
pub(super) fn said_version(head: &Head) -> Version {
    match head.header("X-TAXII-Content-Type").map(str::trim) {
        Some(id) if id == Version::V10.message_binding() => Version::V10,
        _ => Version::V11,
    }
}

/// Checks method and headers.
pub(super) fn check_headers(head: &Head) -> Result<(), Refusal> {
    if head.method != "POST" {
        return Err(Refusal::Http(405, "only POST is allowed"));
    }
    let ranges = head.header("Accept").unwrap_or_default().split(',').map(without_parameters);
    if !ranges.into_iter().any(|range| range == MEDIA_TYPE || range == "application/*") {
        return Err(Refusal::Http(406, "Unacceptable"));
    }
    let wanted =
        |name| head.header(name).map(str::trim).ok_or_else(|| failure(&format!("Header {name} was not specified")));
    if without_parameters(wanted("Content-Type")?) != MEDIA_TYPE {
        return Err(failure("Content-Type has to be application/xml"));
    }
    if head.header("Content-Encoding").is_some() {
        return Err(StatusReply::new("BAD_MESSAGE").message("request bodies must not be compressed").into());
    }
    let binding = wanted("X-TAXII-Content-Type")?;
    let accepted = head.header("X-TAXII-Accept").map_or(binding, str::trim);
    let bindings = [Version::V11, Version::V10].map(Version::message_binding);
    if !bindings.contains(&binding) || !bindings.contains(&accepted) {
        let status = StatusReply::new("UNSUPPORTED_MESSAGE");
        return Err(bindings.iter().fold(status, |status, id| status.detail("SUPPORTED_BINDING", id)).into());
    }
    let protocol = wanted("X-TAXII-Protocol")?;
    let protocols = [Scheme::Http, Scheme::Https].map(Scheme::protocol_id);
    if !protocols.contains(&protocol) {
        let status = StatusReply::new("UNSUPPORTED_PROTOCOL");
        return Err(protocols.iter().fold(status, |status, id| status.detail("SUPPORTED_PROTOCOL", id)).into());
    }
    if wanted("X-TAXII-Services")? != said_version(head).services_id() {
        return Err(failure("Header X-TAXII-Services does not fit X-TAXII-Content-Type"));
    }
    Ok(())
}

fn without_parameters(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Checks the credentials.
pub(super) fn check_user(head: &Head, options: &Options, state: &State) -> Result<(), Refusal> {
    let (scheme, rest) = head.header("Authorization").and_then(|value| value.split_once(' ')).unwrap_or_default();
    let known = match options.auth {
        Auth::None => true,
        Auth::Basic => {
            scheme.eq_ignore_ascii_case("basic") && basic(rest).is_some_and(|pair| options.users.contains(&pair))
        }
        Auth::Jwt => scheme.eq_ignore_ascii_case("bearer") && state.knows_token(rest.trim()),
    };
    if known { Ok(()) } else { Err(StatusReply::new("UNAUTHORIZED").in_response_to(Some("0")).into()) }
}

fn basic(credentials: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

/// Checks what every message has, and that it is the one its headers announced.
pub(super) fn check_message(head: &Head, message: &Message) -> Result<(), StatusReply> {
    let bad = |text: &str| Err(StatusReply::new("BAD_MESSAGE").message(text));
    if message.version != said_version(head) {
        return bad("the message is not in the version of X-TAXII-Content-Type");
    }
    let id = &message.header.message_id;
    if id.is_empty() {
        return bad("message_id is missing");
    }
    // XML Message Binding 1.0, section 2.2.1: digits only.
    if message.version == Version::V10 && !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return bad("message_id has to be a number in TAXII 1.0");
    }
    let timestamps: &[_] = match &message.body {
        Body::PollRequest(poll) => &[&poll.begin, &poll.end],
        _ => &[],
    };
    match timestamps.iter().copied().flatten().find(|timestamp| !is_timestamp(&timestamp.text)) {
        Some(timestamp) => bad(&format!("{:?} is not a timestamp", timestamp.text)),
        None => Ok(()),
    }
}

/// Whether a text is a timestamp as the schema has it: at most six fraction digits, and a zone.
fn is_timestamp(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else { return false };
    let (fraction, zone) = rest.split_at(rest.find(['Z', '+', '-']).unwrap_or(rest.len()));
    let digits = fraction.strip_prefix('.').unwrap_or("0");
    matches!(zone, "Z" | "+00:00" | "-00:00") && (1..=6).contains(&digits.len()) && digits.chars().all(|c| c == '0')
}

#[cfg(test)]
mod tests {
    use super::is_timestamp;

    #[test]
    fn only_the_timestamps_of_the_schema_are_timestamps() {
        for good in ["2024-03-01T12:00:00Z", "2024-03-01T12:00:00.1Z", "2024-03-01T12:00:00.123456+02:00"] {
            assert!(is_timestamp(good), "{good}");
        }
        for bad in [
            "2024-03-01T12:00:00",
            "2024-03-01T12:00:00.1234567Z",
            "2024-03-01",
            "2024-03-01T12:00:00.Z",
            "2024-03-01T12:00:00+0200",
        ] {
            assert!(!is_timestamp(bad), "{bad}");
        }
    }
}
