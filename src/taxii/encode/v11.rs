//! The messages of TAXII 1.1 (XML Message Binding 1.1, section 3).

use super::writer::Writer;
use super::{EncodeError, boolean, contact, contacts, extended_headers, push_methods, service_instance};
use crate::taxii::message::{
    Body, Collection, Contact, ContentBinding, Header, InboxMessage, Parameters, PollRequest, PollResponse,
    RecordCount, ResponseType, ServiceInstance, StatusMessage, Subscription, SubscriptionAction, SubscriptionRequest,
    SubscriptionResponse,
};

/// Everything of a message after its ids and before its blocks.
pub(super) fn body(xml: &mut Writer, header: &Header, body: &Body) -> Result<(), EncodeError> {
    attributes(xml, body);
    extended_headers(xml, header);
    match body {
        Body::DiscoveryRequest | Body::CollectionInformationRequest | Body::PollFulfillment(_) => {}
        Body::DiscoveryResponse(instances) => {
            instances.iter().try_for_each(|instance| discovered(xml, instance))?;
        }
        Body::CollectionInformationResponse(collections) => collections.iter().for_each(|one| collection(xml, one)),
        Body::SubscriptionRequest(request) => subscription_request(xml, request),
        Body::SubscriptionResponse(response) => subscription_response(xml, response),
        Body::PollRequest(request) => poll_request(xml, request),
        Body::PollResponse(response) => poll_response(xml, response),
        Body::InboxMessage(message) => inbox_message(xml, message),
        Body::Status(status) => status_message(xml, status),
    }
    Ok(())
}

/// The attributes of a message beside its ids.
fn attributes(xml: &mut Writer, body: &Body) {
    match body {
        Body::DiscoveryRequest
        | Body::DiscoveryResponse(_)
        | Body::CollectionInformationRequest
        | Body::CollectionInformationResponse(_) => {}
        Body::SubscriptionRequest(request) => {
            xml.attribute("action", request.action.name());
            xml.attribute("collection_name", &request.collection);
        }
        Body::SubscriptionResponse(response) => xml.attribute("collection_name", &response.collection),
        Body::PollRequest(request) => xml.attribute("collection_name", &request.collection),
        Body::PollFulfillment(fulfillment) => {
            xml.attribute("collection_name", &fulfillment.collection);
            xml.attribute("result_id", &fulfillment.result_id);
            xml.attribute("result_part_number", &fulfillment.part.to_string());
        }
        Body::PollResponse(response) => {
            xml.attribute("collection_name", &response.collection);
            xml.attribute("more", response.unreadable_more.as_deref().unwrap_or(boolean(response.more)));
            if let Some(result_id) = &response.result_id {
                xml.attribute("result_id", result_id);
            }
            if let Some(part) = response.part {
                xml.attribute("result_part_number", &part.to_string());
            }
        }
        Body::InboxMessage(message) => {
            if let Some(result_id) = &message.result_id {
                xml.attribute("result_id", result_id);
            }
        }
        Body::Status(status) => xml.attribute("status_type", &status.status_type),
    }
}

fn discovered(xml: &mut Writer, instance: &ServiceInstance) -> Result<(), EncodeError> {
    service_instance(xml, instance)?;
    for format in &instance.supported_queries {
        xml.open("Supported_Query");
        xml.attribute("format_id", format);
        xml.close("Supported_Query");
    }
    content_bindings(xml, &instance.content_bindings);
    xml.optional("Message", instance.message.as_deref());
    xml.close("Service_Instance");
    Ok(())
}

fn collection(xml: &mut Writer, collection: &Collection) {
    xml.open("Collection");
    xml.attribute("collection_name", &collection.name);
    xml.attribute("collection_type", collection.collection_type.name());
    super::available(xml, collection.available);
    xml.leaf("Description", &collection.description);
    xml.optional("Collection_Volume", collection.volume.map(|volume| volume.to_string()).as_deref());
    content_bindings(xml, &collection.content_bindings);
    push_methods(xml, &collection.push_methods);
    contacts(xml, "Polling_Service", &collection.polling_services);
    contacts(xml, "Subscription_Service", &collection.subscription_services);
    for (inbox, bindings) in &collection.inbox_services {
        xml.open("Receiving_Inbox_Service");
        contact(xml, inbox);
        content_bindings(xml, bindings);
        xml.close("Receiving_Inbox_Service");
    }
    xml.close("Collection");
}

/// Subscription_Parameters go with SUBSCRIBE, which needs them, and must not go with anything else; its
/// Subscription_ID would be ignored (Services Specification 1.1, table 6).
fn subscription_request(xml: &mut Writer, request: &SubscriptionRequest) {
    if request.action == SubscriptionAction::Subscribe {
        parameters(xml, "Subscription_Parameters", request.parameters.as_ref().unwrap_or(&Parameters::default()));
        push_parameters(xml, request.push.as_ref());
    } else {
        xml.optional("Subscription_ID", request.subscription_id.as_deref());
    }
}

fn subscription_response(xml: &mut Writer, response: &SubscriptionResponse) {
    xml.optional("Message", response.message.as_deref());
    response.subscriptions.iter().for_each(|one| subscription(xml, one));
}

fn subscription(xml: &mut Writer, subscription: &Subscription) {
    xml.open("Subscription");
    xml.attribute("status", &subscription.status);
    xml.leaf("Subscription_ID", &subscription.id);
    if let Some(own) = &subscription.parameters {
        parameters(xml, "Subscription_Parameters", own);
    }
    push_parameters(xml, subscription.push.as_ref());
    contacts(xml, "Poll_Instance", &subscription.poll_instances);
    xml.close("Subscription");
}

/// Push_Parameters: exactly one Message_Binding, unlike any other contact.
fn push_parameters(xml: &mut Writer, push: Option<&Contact>) {
    if let Some(push) = push {
        let message_bindings = push.message_bindings.first().cloned().into_iter().collect();
        contacts(xml, "Push_Parameters", &[Contact { message_bindings, ..push.clone() }]);
    }
}

fn parameters(xml: &mut Writer, name: &'static str, parameters: &Parameters) {
    xml.open(name);
    parameter_children(xml, parameters);
    xml.close(name);
}

fn parameter_children(xml: &mut Writer, parameters: &Parameters) {
    if parameters.response_type != ResponseType::Full {
        xml.leaf("Response_Type", parameters.response_type.name());
    }
    content_bindings(xml, &parameters.content_bindings);
    if let Some(query) = &parameters.query {
        xml.open("Query");
        xml.attribute("format_id", &query.format_id);
        xml.raw(&query.xml);
        xml.close("Query");
    }
}

/// Exactly one of Subscription_ID and Poll_Parameters (Services Specification 1.1, table 8).
fn poll_request(xml: &mut Writer, request: &PollRequest) {
    xml.optional("Exclusive_Begin_Timestamp", request.begin.as_ref().map(|begin| begin.text.as_str()));
    xml.optional("Inclusive_End_Timestamp", request.end.as_ref().map(|end| end.text.as_str()));
    if let Some(id) = &request.subscription_id {
        xml.leaf("Subscription_ID", id);
    } else {
        xml.open("Poll_Parameters");
        xml.attribute("allow_asynch", boolean(request.asynchronous));
        parameter_children(xml, &request.parameters);
        xml.close("Poll_Parameters");
    }
}

fn poll_response(xml: &mut Writer, response: &PollResponse) {
    xml.optional("Subscription_ID", response.subscription_id.as_deref());
    xml.optional("Exclusive_Begin_Timestamp", response.begin.as_ref().map(|begin| begin.text.as_str()));
    xml.optional("Inclusive_End_Timestamp", response.end_as_written());
    record_count(xml, response.record_count);
    xml.optional("Message", response.message.as_deref());
}

fn inbox_message(xml: &mut Writer, message: &InboxMessage) {
    for destination in &message.destinations {
        xml.leaf("Destination_Collection_Name", destination);
    }
    xml.optional("Message", message.message.as_deref());
    record_count(xml, message.record_count);
}

/// An empty Status_Detail is not valid: it is left out.
fn status_message(xml: &mut Writer, status: &StatusMessage) {
    if !status.details.is_empty() {
        xml.open("Status_Detail");
        for (name, value) in &status.details {
            xml.open("Detail");
            xml.attribute("name", name);
            xml.text("Detail", value);
            xml.close("Detail");
        }
        xml.close("Status_Detail");
    }
    xml.optional("Message", status.message.as_deref());
}

fn record_count(xml: &mut Writer, count: Option<RecordCount>) {
    if let Some(count) = count {
        xml.open("Record_Count");
        xml.attribute("partial_count", boolean(count.partial));
        xml.text("Record_Count", &count.count.to_string());
        xml.close("Record_Count");
    }
}

fn content_bindings(xml: &mut Writer, bindings: &[ContentBinding]) {
    for binding in bindings {
        content_binding(xml, &binding.id, &binding.subtypes);
    }
}

/// A Content_Binding with the Subtypes that fit where it stands.
pub(super) fn content_binding<'a>(xml: &mut Writer, id: &str, subtypes: impl IntoIterator<Item = &'a String>) {
    xml.open("Content_Binding");
    xml.attribute("binding_id", id);
    for subtype in subtypes {
        xml.open("Subtype");
        xml.attribute("subtype_id", subtype);
        xml.close("Subtype");
    }
    xml.close("Content_Binding");
}
