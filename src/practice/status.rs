//! A Status_Message as it is written: whatever a server may have put into one.

use crate::taxii::Version;

use super::page::{Page, escaped, prefix};

/// A Status_Message as it is written.
#[derive(Clone, Debug, Default)]
pub struct StatusReply {
    pub(super) status_type: Box<str>,
    /// Names and values; text without a name stands as it is.
    pub(super) details: Vec<(String, String)>,
    pub(super) message: Option<Box<str>>,
    pub(super) extended: Vec<(String, String)>,
    pub(super) version: Option<Version>,
    pub(super) in_response_to: InResponseTo,
}

/// The `in_response_to` of a Status_Message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum InResponseTo {
    #[default]
    Right,
    Missing,
    Text(Box<str>),
}

impl From<&str> for StatusReply {
    fn from(status_type: &str) -> Self {
        Self { status_type: status_type.into(), ..Self::default() }
    }
}

impl StatusReply {
    /// A Status_Message of this type, in the version of the request, with the right `in_response_to`.
    pub fn new(status_type: &str) -> Self {
        status_type.into()
    }

    /// Adds a Detail.
    #[must_use]
    pub fn detail(mut self, name: &str, value: &str) -> Self {
        self.details.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes Status_Detail as text, as 1.0 does it, in whichever version.
    #[must_use]
    pub fn text_detail(self, text: &str) -> Self {
        self.detail("", text)
    }

    /// Adds a Message.
    #[must_use]
    pub fn message(mut self, text: &str) -> Self {
        self.message = Some(text.into());
        self
    }

    /// Adds an Extended_Header: where OpenTAXII puts ITEM.
    #[must_use]
    pub fn extended(mut self, name: &str, value: &str) -> Self {
        self.extended.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes it in this version, whatever the request's was.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Answers another message, or (`None`) does not say which one.
    #[must_use]
    pub fn in_response_to(mut self, id: Option<&str>) -> Self {
        self.in_response_to = id.map_or(InResponseTo::Missing, |id| InResponseTo::Text(id.into()));
        self
    }
}

/// Writes a Status_Message. `request` is the version and the id of the request, as far as they are known.
pub(super) fn write_status(status: &StatusReply, request: (Version, &str), message_id: &str) -> Vec<u8> {
    let version = status.version.unwrap_or(request.0);
    let in_response_to = match &status.in_response_to {
        InResponseTo::Right => Some(request.1),
        InResponseTo::Missing => None,
        InResponseTo::Text(text) => Some(&**text),
    };
    let mut page = Page::new(prefix(version));
    let attributes = [
        ("message_id", Some(message_id)),
        ("in_response_to", in_response_to),
        ("status_type", Some(&*status.status_type)),
    ];
    page.root("Status_Message", version, "", &attributes);
    if !status.extended.is_empty() {
        page.open("Extended_Headers", &[]);
        for (name, value) in &status.extended {
            page.element_with("Extended_Header", &[("name", Some(name))], value);
        }
        page.close("Extended_Headers");
    }
    page.details(status, version);
    page.element("Message", status.message.as_deref());
    page.close("Status_Message");
    page.bytes
}

impl Page {
    /// Status_Detail: names and values in 1.1, one text in 1.0.
    fn details(&mut self, status: &StatusReply, version: Version) {
        if status.details.is_empty() {
            return;
        }
        self.open("Status_Detail", &[]);
        for (number, (name, value)) in status.details.iter().enumerate() {
            if version == Version::V10 || name.is_empty() {
                self.text(if number > 0 { " " } else { "" });
                self.text(&escaped(value));
            } else {
                self.element_with("Detail", &[("name", Some(name))], value);
            }
        }
        self.close("Status_Detail");
    }
}
