//! From the envelope's tree to a message: sections 3 and 4 of both XML Message Bindings, read tolerantly. Children
//! are taken by name in any order, and what one version writes in another place is looked for in both.

use std::borrow::Cow;

use super::element::Element;
use crate::taxii::Version;
use crate::taxii::message::{
    Body, Collection, CollectionType, Contact, ContentBinding, ExtendedHeader, Header, InboxMessage, Message,
    Parameters, PollFulfillment, PollRequest, PollResponse, Query, RecordCount, ResponseType, ServiceInstance,
    ServiceType, StatusMessage, Subscription, SubscriptionAction, SubscriptionRequest, SubscriptionResponse,
};
use crate::taxii::time::Timestamp;

/// The message that a root element holds, its blocks left out but counted.
pub(super) fn message(root: &Element, version: Version, blocks: u64) -> Result<Message, String> {
    let body = match root.name {
        "Discovery_Request" => Body::DiscoveryRequest,
        "Discovery_Response" => Body::DiscoveryResponse(root.all("Service_Instance").map(service_instance).collect()),
        "Collection_Information_Request" | "Feed_Information_Request" => Body::CollectionInformationRequest,
        "Collection_Information_Response" | "Feed_Information_Response" => {
            let collections = root.children.iter().filter(|child| matches!(child.name, "Collection" | "Feed"));
            Body::CollectionInformationResponse(collections.map(collection).collect())
        }
        "Subscription_Management_Request" => Body::SubscriptionRequest(subscription_request(root)?),
        "Subscription_Management_Response" => Body::SubscriptionResponse(SubscriptionResponse {
            collection: collection_name(root),
            message: prose(root, "Message"),
            subscriptions: root.all("Subscription").map(subscription).collect(),
        }),
        "Poll_Request" => Body::PollRequest(poll_request(root)),
        "Poll_Fulfillment" => Body::PollFulfillment(PollFulfillment {
            collection: collection_name(root),
            result_id: root.attribute("result_id").unwrap_or_default().to_owned(),
            part: part(root).unwrap_or(1),
        }),
        "Poll_Response" => Body::PollResponse(poll_response(root, blocks)),
        "Inbox_Message" => Body::InboxMessage(InboxMessage {
            destinations: root.values("Destination_Collection_Name"),
            message: prose(root, "Message"),
            result_id: root.attribute("result_id").map(Into::into),
            record_count: record_count(root),
            blocks,
        }),
        _ => Body::Status(status_message(root)),
    };
    Ok(Message { version, header: header(root), body })
}

/// The content binding of a block; empty where it has none.
pub(super) fn block_binding(block: &Element) -> ContentBinding {
    block.last("Content_Binding").map(content_binding).unwrap_or_default()
}

/// The id of the same.
pub(super) fn block_binding_id(block: &Element) -> Cow<'_, str> {
    block.last("Content_Binding").map(binding_id).unwrap_or_default()
}

/// The text of an element for people, if it says anything.
pub(super) fn prose(element: &Element, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&element.last(name)?.text).into_owned();
    (!text.trim().is_empty()).then_some(text)
}

/// A timestamp, if it is there and can be read.
pub(super) fn timestamp(element: &Element, name: &str) -> Option<Timestamp> {
    Timestamp::parse(&element.last(name)?.trimmed())
}

fn header(root: &Element) -> Header {
    let text = |name| root.attribute(name).map(|value| value.trim().to_owned());
    let extended = root.all("Extended_Headers").flat_map(|headers| headers.all("Extended_Header"));
    Header {
        message_id: text("message_id").unwrap_or_default(),
        in_response_to: text("in_response_to"),
        extended: extended
            .map(|header| ExtendedHeader {
                name: header.attribute("name").unwrap_or_default().trim().to_owned(),
                value: header.trimmed().into_owned(),
            })
            .collect(),
        signed: root.signed,
    }
}

fn service_instance(element: &Element) -> ServiceInstance {
    let query = |query: &Element| query.attribute("format_id").map(|id| id.trim().to_owned());
    ServiceInstance {
        service_type: element.attribute("service_type").and_then(ServiceType::of),
        service_version: element.attribute("service_version").unwrap_or_default().trim().to_owned(),
        available: element.attribute("available").and_then(boolean),
        contact: contact(element),
        supported_queries: element.all("Supported_Query").filter_map(query).collect(),
        content_bindings: content_bindings(element),
        message: prose(element, "Message"),
    }
}

fn collection(element: &Element) -> Collection {
    let contacts = |name| element.all(name).map(contact).collect();
    let data_set = element.attribute("collection_type").is_some_and(|kind| is_word(kind, "DATA_SET"));
    Collection {
        name: collection_name(element),
        collection_type: if data_set { CollectionType::DataSet } else { CollectionType::DataFeed },
        available: element.attribute("available").and_then(boolean),
        description: prose(element, "Description").unwrap_or_default(),
        volume: element.value("Collection_Volume").and_then(|text| text.parse().ok()),
        content_bindings: content_bindings(element),
        push_methods: contacts("Push_Method"),
        polling_services: contacts("Polling_Service"),
        subscription_services: contacts("Subscription_Service"),
        inbox_services: element
            .all("Receiving_Inbox_Service")
            .map(|inbox| (contact(inbox), content_bindings(inbox)))
            .collect(),
    }
}

fn subscription_request(root: &Element) -> Result<SubscriptionRequest, String> {
    let action = root.attribute("action").unwrap_or_default();
    let known = [
        SubscriptionAction::Subscribe,
        SubscriptionAction::Unsubscribe,
        SubscriptionAction::Pause,
        SubscriptionAction::Resume,
        SubscriptionAction::Status,
    ];
    let known = known.into_iter().find(|known| is_word(action, known.name()));
    Ok(SubscriptionRequest {
        action: known.ok_or_else(|| format!("a {} without a known action", root.name))?,
        collection: collection_name(root),
        subscription_id: subscription_id(root),
        parameters: subscription_parameters(root),
        push: root.last("Push_Parameters").map(contact),
    })
}

fn subscription(element: &Element) -> Subscription {
    Subscription {
        id: subscription_id(element).unwrap_or_default(),
        status: element.attribute("status").unwrap_or("ACTIVE").trim().to_owned(),
        parameters: subscription_parameters(element),
        push: element.last("Push_Parameters").map(contact),
        poll_instances: element.all("Poll_Instance").map(contact).collect(),
    }
}

/// Subscription_Parameters; 1.0 writes its content bindings into Push_Parameters.
fn subscription_parameters(element: &Element) -> Option<Parameters> {
    let pushed = || element.last("Push_Parameters").filter(|push| push.last("Content_Binding").is_some());
    element.last("Subscription_Parameters").or_else(pushed).map(parameters)
}

fn poll_request(root: &Element) -> PollRequest {
    let wrapped = root.last("Poll_Parameters");
    let asynchronous = wrapped.and_then(|wrapped| wrapped.attribute("allow_asynch")).and_then(boolean);
    PollRequest {
        collection: collection_name(root),
        begin: timestamp(root, "Exclusive_Begin_Timestamp"),
        end: timestamp(root, "Inclusive_End_Timestamp"),
        subscription_id: subscription_id(root),
        asynchronous: asynchronous.unwrap_or_default(),
        // 1.0 has no wrapper.
        parameters: parameters(wrapped.unwrap_or(root)),
    }
}

fn poll_response(root: &Element, blocks: u64) -> PollResponse {
    let end = root.value("Inclusive_End_Timestamp");
    let read = end.as_deref().and_then(Timestamp::parse);
    let begin = timestamp(root, "Exclusive_Begin_Timestamp");
    let more = root.attribute("more");
    PollResponse {
        collection: collection_name(root),
        more: more.and_then(boolean).unwrap_or_default(),
        unreadable_more: more.filter(|text| !text.trim().is_empty() && boolean(text).is_none()).map(Into::into),
        result_id: root.attribute("result_id").map(Into::into),
        part: part(root),
        subscription_id: subscription_id(root),
        begin: begin.or_else(|| timestamp(root, "Inclusive_Begin_Timestamp")),
        unreadable_end: end.filter(|_| read.is_none()),
        end: read,
        record_count: record_count(root),
        message: prose(root, "Message"),
        blocks,
    }
}

fn status_message(root: &Element) -> StatusMessage {
    let detail = root.last("Status_Detail");
    let details = detail.iter().flat_map(|detail| detail.all("Detail"));
    let named = details
        .map(|detail| (detail.attribute("name").unwrap_or_default().trim().to_owned(), detail.trimmed().into_owned()));
    let mut details: Vec<_> = named.collect();
    if details.is_empty() {
        // The one text of 1.0.
        let text = detail.map(|detail| detail.trimmed().into_owned()).filter(|text| !text.is_empty());
        details.extend(text.map(|text| (String::new(), text)));
    }
    StatusMessage {
        status_type: root.attribute("status_type").unwrap_or_default().trim().to_owned(),
        details,
        message: prose(root, "Message"),
    }
}

fn parameters(element: &Element) -> Parameters {
    let count_only = element.value("Response_Type").is_some_and(|kind| is_word(&kind, "COUNT_ONLY"));
    Parameters {
        response_type: if count_only { ResponseType::CountOnly } else { ResponseType::Full },
        content_bindings: content_bindings(element),
        query: element.last("Query").map(|query| Query {
            format_id: query.attribute("format_id").unwrap_or_default().trim().to_owned(),
            xml: query.trimmed().into_owned(),
        }),
    }
}

fn contact(element: &Element) -> Contact {
    Contact {
        protocol_binding: element.value("Protocol_Binding").unwrap_or_default(),
        address: element.value("Address").unwrap_or_default(),
        message_bindings: element.values("Message_Binding"),
    }
}

fn content_bindings(element: &Element) -> Vec<ContentBinding> {
    element.all("Content_Binding").map(content_binding).filter(|binding| !binding.id.is_empty()).collect()
}

fn content_binding(element: &Element) -> ContentBinding {
    let subtype = |subtype: &Element| subtype.attribute("subtype_id").map(|id| id.trim().to_owned());
    ContentBinding {
        id: binding_id(element).into_owned(),
        subtypes: element.all("Subtype").filter_map(subtype).collect(),
    }
}

/// The id of a content binding: an attribute in 1.1, the text in 1.0.
fn binding_id(element: &Element) -> Cow<'_, str> {
    let id = element.attribute("binding_id").map(str::trim).filter(|id| !id.is_empty());
    id.map_or_else(|| element.trimmed(), Cow::Borrowed)
}

/// `collection_name`, in 1.0 `feed_name`; without the space around it, which an anyURI may have.
fn collection_name(element: &Element) -> String {
    element.attribute("collection_name").or(element.attribute("feed_name")).unwrap_or_default().trim().to_owned()
}

/// An element in 1.1, an attribute in 1.0 (and in the requests of some clients).
fn subscription_id(element: &Element) -> Option<String> {
    let attribute = || element.attribute("subscription_id").map(|id| id.trim().to_owned());
    element.value("Subscription_ID").or_else(attribute).filter(|id| !id.is_empty())
}

fn part(element: &Element) -> Option<u32> {
    element.attribute("result_part_number")?.trim().parse().ok().filter(|part| *part > 0)
}

/// Informational only: what is not a number of a sensible size is not there.
fn record_count(element: &Element) -> Option<RecordCount> {
    let count = element.last("Record_Count")?;
    let partial = count.attribute("partial_count").and_then(boolean).unwrap_or_default();
    Some(RecordCount { count: count.trimmed().parse().ok()?, partial })
}

/// `xs:boolean`, in any case: `TRUE` is seen.
fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "1" => Some(true),
        "0" => Some(false),
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn is_word(text: &str, word: &str) -> bool {
    text.trim().eq_ignore_ascii_case(word)
}
