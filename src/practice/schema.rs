//! The structure of requests as the published schemas have it: which elements, in which order, how often, with which
//! attributes (XML Message Binding 1.1 and 1.0, section 3; the order is fixed, 2.1.3). The TAXII room reads messages
//! tolerantly, as a client should; a server may be stricter, and real ones are.

use crate::taxii::Version;
use crate::taxii::names::XML_SIGNATURE;
use crate::xml::{Consumer, Fault, Kind, Name, StartTag, Token};

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// One element. A `!` at the end of a name means that it has to be there, a `*` that there may be many; `a|b` is a
/// choice.
#[derive(Debug)]
struct Shape {
    name: &'static str,
    attributes: &'static [&'static str],
    /// Its children in their order; `None` where its content is not looked at.
    children: Option<&'static [&'static str]>,
}

const fn shape(
    name: &'static str,
    attributes: &'static [&'static str],
    children: Option<&'static [&'static str]>,
) -> Shape {
    Shape { name, attributes, children }
}

/// The requests, and the elements in them that have attributes or children.
const SHAPES_11: [Shape; 18] = [
    shape("Discovery_Request", &["message_id!"], Some(&["Extended_Headers", "Signature"])),
    shape("Collection_Information_Request", &["message_id!"], Some(&["Extended_Headers", "Signature"])),
    shape(
        "Subscription_Management_Request",
        &["message_id!", "action!", "collection_name!"],
        Some(&["Extended_Headers", "Subscription_ID", "Subscription_Parameters", "Push_Parameters", "Signature"]),
    ),
    shape(
        "Poll_Request",
        &["message_id!", "collection_name!"],
        Some(&[
            "Extended_Headers",
            "Exclusive_Begin_Timestamp",
            "Inclusive_End_Timestamp",
            "Subscription_ID|Poll_Parameters!",
            "Signature",
        ]),
    ),
    shape(
        "Poll_Fulfillment",
        &["message_id!", "collection_name!", "result_id!", "result_part_number"],
        Some(&["Extended_Headers", "Signature"]),
    ),
    shape(
        "Inbox_Message",
        &["message_id!", "result_id"],
        Some(&[
            "Extended_Headers",
            "Destination_Collection_Name*",
            "Message",
            "Source_Subscription",
            "Record_Count",
            "Content_Block*",
            "Signature",
        ]),
    ),
    shape("Extended_Headers", &[], Some(&["Extended_Header*"])),
    shape("Extended_Header", &["name!"], None),
    shape("Subscription_Parameters", &[], Some(&["Response_Type", "Content_Binding*", "Query"])),
    shape("Push_Parameters", &[], Some(&["Protocol_Binding!", "Address!", "Message_Binding!"])),
    shape(
        "Poll_Parameters",
        &["allow_asynch"],
        Some(&["Response_Type", "Content_Binding*", "Query", "Delivery_Parameters"]),
    ),
    shape("Delivery_Parameters", &[], Some(&["Protocol_Binding!", "Address!", "Message_Binding!"])),
    shape("Content_Binding", &["binding_id!"], Some(&["Subtype*"])),
    shape("Subtype", &["subtype_id!"], Some(&[])),
    shape("Query", &["format_id!"], None),
    shape("Record_Count", &["partial_count"], None),
    shape(
        "Source_Subscription",
        &["collection_name!"],
        Some(&["Subscription_ID!", "Exclusive_Begin_Timestamp", "Inclusive_End_Timestamp"]),
    ),
    shape(
        "Content_Block",
        &[],
        Some(&["Content_Binding!", "Content!", "Timestamp_Label", "Message", "Padding", "Signature"]),
    ),
];

const SHAPES_10: [Shape; 11] = [
    shape("Discovery_Request", &["message_id!"], Some(&["Extended_Headers", "Signature"])),
    shape("Feed_Information_Request", &["message_id!"], Some(&["Extended_Headers", "Signature"])),
    shape(
        "Subscription_Management_Request",
        &["message_id!", "action!", "feed_name!", "subscription_id"],
        Some(&["Extended_Headers", "Push_Parameters", "Signature"]),
    ),
    shape(
        "Poll_Request",
        &["message_id!", "feed_name!", "subscription_id"],
        Some(&[
            "Extended_Headers",
            "Exclusive_Begin_Timestamp",
            "Inclusive_End_Timestamp",
            "Content_Binding*",
            "Signature",
        ]),
    ),
    shape(
        "Inbox_Message",
        &["message_id!"],
        Some(&["Extended_Headers", "Message", "Source_Subscription", "Content_Block*", "Signature"]),
    ),
    shape("Extended_Headers", &[], Some(&["Extended_Header*"])),
    shape("Extended_Header", &["name!"], None),
    shape("Push_Parameters", &[], Some(&["Protocol_Binding!", "Address!", "Message_Binding!", "Content_Binding*"])),
    shape(
        "Source_Subscription",
        &["feed_name!", "subscription_id"],
        Some(&["Inclusive_Begin_Timestamp", "Inclusive_End_Timestamp!"]),
    ),
    shape("Content_Block", &[], Some(&["Content_Binding!", "Content!", "Timestamp_Label", "Padding", "Signature"])),
    shape("Content_Binding", &[], None),
];

/// Holds a request against the schema while it is read. Its errors are sentences about the first thing that is wrong.
#[derive(Debug, Default)]
pub(super) struct Schema {
    version: Option<Version>,
    open: Vec<Frame>,
    /// How many elements are open inside one whose content is not looked at, that one included.
    unseen: usize,
}

/// An open element.
#[derive(Debug)]
struct Frame {
    shape: &'static Shape,
    children: &'static [&'static str],
    /// The children before this one are behind us.
    at: usize,
    /// Whether the child at `at` has been there.
    there: bool,
}

impl Consumer for Schema {
    type Error = String;

    fn token(&mut self, token: Token<'_>) -> Result<(), String> {
        match token.kind {
            Kind::Start(_) if self.unseen > 0 => self.unseen += 1,
            Kind::Start(tag) => self.start(&tag)?,
            Kind::End if self.unseen > 0 => self.unseen -= 1,
            Kind::End => {
                if let Some(frame) = self.open.pop() {
                    frame.complete(frame.children.len())?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The decoder judges what is not well formed.
    fn fault(&mut self, _fault: Fault) -> Result<(), String> {
        Ok(())
    }
}

impl Schema {
    fn start(&mut self, tag: &StartTag<'_>) -> Result<(), String> {
        let name = self.name(&tag.name);
        let shapes: &'static [Shape] = match self.version {
            Some(Version::V10) => &SHAPES_10,
            _ => &SHAPES_11,
        };
        let shape = shapes.iter().find(|shape| shape.name == name);
        let known = match self.open.last_mut() {
            Some(parent) => {
                parent.child(&name)?;
                shape
            }
            None => shape.filter(|shape| shape.attributes.first() == Some(&"message_id!")),
        };
        check_attributes(tag, &name, known.map(|shape| shape.attributes).unwrap_or_default())?;
        match known.and_then(|shape| Some((shape, shape.children?))) {
            Some((shape, children)) => self.open.push(Frame { shape, children, at: 0, there: false }),
            None => self.unseen = 1,
        }
        Ok(())
    }

    /// The name as the shapes have it: of another namespace than the root's, only Signature is one.
    fn name(&mut self, name: &Name<'_>) -> String {
        let namespace = String::from_utf8_lossy(name.namespace);
        let version = Version::of_namespace(name.namespace);
        let local = String::from_utf8_lossy(name.local).into_owned();
        if self.open.is_empty() {
            self.version = version;
        }
        if (version.is_some() && version == self.version) || name.is(XML_SIGNATURE, "Signature") {
            local
        } else {
            format!("{{{namespace}}}{local}")
        }
    }
}

impl Frame {
    /// Takes the next child.
    fn child(&mut self, name: &str) -> Result<(), String> {
        let ahead = self.children.iter().enumerate().skip(self.at);
        let mut fitting =
            ahead.filter(|(_, child)| child.trim_end_matches(['!', '*']).split('|').any(|one| one == name));
        let Some((at, child)) = fitting.next() else {
            return Err(format!("{name} is not expected here in {}", self.shape.name));
        };
        if at == self.at && self.there && !child.ends_with('*') {
            return Err(format!("{name} may not follow another in {}", self.shape.name));
        }
        self.complete(at)?;
        (self.at, self.there) = (at, true);
        Ok(())
    }

    /// Every child before the one at `end` that has to be there has been there.
    fn complete(&self, end: usize) -> Result<(), String> {
        let passed = self.at + usize::from(self.there);
        match self.children.iter().take(end).skip(passed).find_map(|child| child.strip_suffix('!')) {
            Some(missing) => Err(format!("{missing} is missing in {}", self.shape.name)),
            None => Ok(()),
        }
    }
}

fn check_attributes(tag: &StartTag<'_>, name: &str, known: &[&str]) -> Result<(), String> {
    for attribute in tag.attributes().filter(|attribute| attribute.name.namespace != SCHEMA_INSTANCE.as_bytes()) {
        let local = String::from_utf8_lossy(attribute.name.local);
        let fits = attribute.name.namespace.is_empty() && known.iter().any(|one| one.trim_end_matches('!') == local);
        if !fits {
            return Err(format!("the attribute {local} is not allowed on {name}"));
        }
    }
    match known.iter().filter_map(|one| one.strip_suffix('!')).find(|one| tag.attribute(one).is_none()) {
        Some(missing) => Err(format!("the attribute {missing} is missing on {name}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Document, Error, Options};

    /// The first thing that is wrong with the content of a request; `t` is the prefix of its namespace.
    fn wrong(version: Version, root: &str, attributes: &str, content: &str) -> Option<String> {
        let namespace = version.namespace();
        let text = format!("<t:{root} xmlns:t=\"{namespace}\" message_id=\"1\" {attributes}>{content}</t:{root}>");
        let (mut document, mut schema) = (Document::new(Options::default()), Schema::default());
        match document.feed(text.as_bytes(), &mut schema).and_then(|()| document.finish(&mut schema)) {
            Ok(()) => None,
            Err(Error::Consumer(text)) => Some(text),
            Err(error) => panic!("{error}"),
        }
    }

    const BLOCK: &str = "<t:Content_Block><t:Content_Binding binding_id=\"b\"/>\
                         <t:Content><t:Odd odd=\"\"/></t:Content></t:Content_Block>";

    #[test]
    fn requests_in_the_order_of_the_schema_are_right() {
        let parameters = "<t:Poll_Parameters allow_asynch=\"true\"><t:Response_Type>FULL</t:Response_Type>\
            <t:Content_Binding binding_id=\"a\"/>\
            <t:Content_Binding binding_id=\"b\"><t:Subtype subtype_id=\"s\"/></t:Content_Binding></t:Poll_Parameters>";
        let inbox = format!(
            "<t:Destination_Collection_Name>a</t:Destination_Collection_Name>\
             <t:Destination_Collection_Name>b</t:Destination_Collection_Name>{BLOCK}{BLOCK}"
        );
        for (root, attributes, content) in [
            ("Discovery_Request", "", ""),
            (
                "Discovery_Request",
                "",
                "<t:Extended_Headers><t:Extended_Header name=\"a\"><x/></t:Extended_Header></t:Extended_Headers>",
            ),
            ("Poll_Request", "collection_name=\"a\"", parameters),
            ("Poll_Request", "collection_name=\"a\"", "<t:Inclusive_End_Timestamp/><t:Subscription_ID/>"),
            ("Poll_Fulfillment", "collection_name=\"a\" result_id=\"r\"", ""),
            ("Inbox_Message", "", &inbox),
        ] {
            assert_eq!(wrong(Version::V11, root, attributes, content), None, "{root} {content}");
        }
        let block = "<t:Content_Block><t:Content_Binding>a</t:Content_Binding><t:Content/></t:Content_Block>";
        assert_eq!(wrong(Version::V10, "Inbox_Message", "", &format!("<t:Message/>{block}")), None);
        assert_eq!(
            wrong(Version::V10, "Poll_Request", "feed_name=\"a\"", "<t:Content_Binding>a</t:Content_Binding>"),
            None
        );
    }

    #[test]
    fn every_departure_from_the_schema_is_named() {
        let name = "collection_name=\"a\"";
        for (root, attributes, content, says) in [
            ("Poll_Request", name, "", "Subscription_ID|Poll_Parameters is missing in Poll_Request"),
            ("Poll_Request", "", "<t:Poll_Parameters/>", "the attribute collection_name is missing on Poll_Request"),
            (
                "Poll_Request",
                name,
                "<t:Poll_Parameters/><t:Inclusive_End_Timestamp/>",
                "Inclusive_End_Timestamp is not expected here in Poll_Request",
            ),
            (
                "Poll_Request",
                name,
                "<t:Subscription_ID/><t:Poll_Parameters/>",
                "Poll_Parameters may not follow another in Poll_Request",
            ),
            (
                "Poll_Request",
                name,
                "<t:Poll_Parameters allow_async=\"true\"/>",
                "the attribute allow_async is not allowed on Poll_Parameters",
            ),
            (
                "Poll_Request",
                "collection_name=\"a\" subscription_id=\"s\"",
                "<t:Poll_Parameters/>",
                "the attribute subscription_id is not allowed on Poll_Request",
            ),
            ("Inbox_Message", "", &format!("{BLOCK}<t:Message/>"), "Message is not expected here in Inbox_Message"),
            ("Inbox_Message", "", "<Message/>", "{}Message is not expected here in Inbox_Message"),
            (
                "Inbox_Message",
                "",
                "<t:Content_Block><t:Content/></t:Content_Block>",
                "Content_Binding is missing in Content_Block",
            ),
            (
                "Inbox_Message",
                "",
                "<t:Content_Block><t:Content_Binding binding_id=\"b\"/></t:Content_Block>",
                "Content is missing in Content_Block",
            ),
        ] {
            assert_eq!(wrong(Version::V11, root, attributes, content).as_deref(), Some(says));
        }
        let new = wrong(Version::V10, "Poll_Request", name, "");
        assert_eq!(new.as_deref(), Some("the attribute collection_name is not allowed on Poll_Request"));
    }
}
