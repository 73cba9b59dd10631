//! The messages of TAXII 1.0 (XML Message Binding 1.0, section 3).
//!
//! What 1.0 lacks is left out where the message still means what it meant, and an error where it would not.

use super::writer::Writer;
use super::{EncodeError, contact, contacts, extended_headers, push_methods, service_instance};
use crate::taxii::message::{
    Body, Collection, Contact, ContentBinding, Header, Parameters, PollRequest, PollResponse, ResponseType,
    ServiceInstance, StatusMessage, Subscription, SubscriptionAction, SubscriptionRequest, SubscriptionResponse,
};

/// Everything of a message after its ids and before its blocks.
pub(super) fn body(xml: &mut Writer, header: &Header, body: &Body) -> Result<(), EncodeError> {
    expressible(body)?;
    attributes(xml, body);
    extended_headers(xml, header);
    match body {
        Body::DiscoveryRequest | Body::CollectionInformationRequest | Body::PollFulfillment(_) => {}
        Body::DiscoveryResponse(instances) => {
            instances.iter().try_for_each(|instance| discovered(xml, instance))?;
        }
        Body::CollectionInformationResponse(collections) => collections.iter().for_each(|one| feed(xml, one)),
        Body::SubscriptionRequest(request) => {
            push_parameters(xml, request.push.as_ref(), request.parameters.as_ref());
        }
        Body::SubscriptionResponse(response) => subscription_response(xml, response),
        Body::PollRequest(request) => poll_request(xml, request),
        Body::PollResponse(response) => poll_response(xml, response),
        Body::InboxMessage(message) => xml.optional("Message", message.message.as_deref()),
        Body::Status(status) => status_message(xml, status),
    }
    Ok(())
}

/// Refuses what would mean something else in 1.0.
fn expressible(body: &Body) -> Result<(), EncodeError> {
    let parameters = match body {
        Body::PollFulfillment(_) => return Err(EncodeError::NotIn10("Poll_Fulfillment")),
        Body::SubscriptionRequest(SubscriptionRequest { action: SubscriptionAction::Pause, .. }) => {
            return Err(EncodeError::NotIn10("PAUSE"));
        }
        Body::SubscriptionRequest(SubscriptionRequest { action: SubscriptionAction::Resume, .. }) => {
            return Err(EncodeError::NotIn10("RESUME"));
        }
        Body::SubscriptionRequest(request) => request.parameters.as_ref(),
        Body::PollRequest(request) => Some(&request.parameters),
        _ => None,
    };
    match parameters {
        Some(Parameters { query: Some(_), .. }) => Err(EncodeError::NotIn10("Query")),
        Some(Parameters { response_type: ResponseType::CountOnly, .. }) => Err(EncodeError::NotIn10("COUNT_ONLY")),
        _ => Ok(()),
    }
}

/// The attributes of a message beside its ids. The subscription id is one of them here.
fn attributes(xml: &mut Writer, body: &Body) {
    let (feed, subscription_id) = match body {
        Body::SubscriptionRequest(request) => {
            xml.attribute("action", request.action.name());
            let known = request.action != SubscriptionAction::Subscribe;
            (&request.collection, request.subscription_id.as_ref().filter(|_| known))
        }
        Body::SubscriptionResponse(response) => (&response.collection, None),
        Body::PollRequest(request) => (&request.collection, request.subscription_id.as_ref()),
        Body::PollResponse(response) => (&response.collection, response.subscription_id.as_ref()),
        Body::Status(status) => return xml.attribute("status_type", &status.status_type),
        _ => return,
    };
    xml.attribute("feed_name", feed);
    if let Some(id) = subscription_id {
        xml.attribute("subscription_id", id);
    }
}

fn discovered(xml: &mut Writer, instance: &ServiceInstance) -> Result<(), EncodeError> {
    service_instance(xml, instance)?;
    content_bindings(xml, &instance.content_bindings);
    xml.optional("Message", instance.message.as_deref());
    xml.close("Service_Instance");
    Ok(())
}

fn feed(xml: &mut Writer, feed: &Collection) {
    xml.open("Feed");
    xml.attribute("feed_name", &feed.name);
    super::available(xml, feed.available);
    xml.leaf("Description", &feed.description);
    content_bindings(xml, &feed.content_bindings);
    push_methods(xml, &feed.push_methods);
    contacts(xml, "Polling_Service", &feed.polling_services);
    contacts(xml, "Subscription_Service", &feed.subscription_services);
    xml.close("Feed");
}

/// Push_Parameters: one Message_Binding, and here also the content filter of the subscription.
fn push_parameters(xml: &mut Writer, push: Option<&Contact>, parameters: Option<&Parameters>) {
    let Some(push) = push else { return };
    let message_bindings = push.message_bindings.first().cloned().into_iter().collect();
    xml.open("Push_Parameters");
    contact(xml, &Contact { message_bindings, ..push.clone() });
    content_bindings(xml, parameters.map_or(&[], |parameters| &parameters.content_bindings));
    xml.close("Push_Parameters");
}

fn subscription_response(xml: &mut Writer, response: &SubscriptionResponse) {
    xml.optional("Message", response.message.as_deref());
    response.subscriptions.iter().for_each(|one| subscription(xml, one));
}

fn subscription(xml: &mut Writer, subscription: &Subscription) {
    xml.open("Subscription");
    xml.attribute("subscription_id", &subscription.id);
    push_parameters(xml, subscription.push.as_ref(), subscription.parameters.as_ref());
    contacts(xml, "Poll_Instance", &subscription.poll_instances);
    xml.close("Subscription");
}

fn poll_request(xml: &mut Writer, request: &PollRequest) {
    xml.optional("Exclusive_Begin_Timestamp", request.begin.as_ref().map(|begin| begin.text.as_str()));
    xml.optional("Inclusive_End_Timestamp", request.end.as_ref().map(|end| end.text.as_str()));
    if request.subscription_id.is_none() {
        content_bindings(xml, &request.parameters.content_bindings);
    }
}

/// Message comes first here, and the begin is inclusive.
fn poll_response(xml: &mut Writer, response: &PollResponse) {
    xml.optional("Message", response.message.as_deref());
    xml.optional("Inclusive_Begin_Timestamp", response.begin.as_ref().map(|begin| begin.text.as_str()));
    xml.optional("Inclusive_End_Timestamp", response.end_as_written());
}

/// Status_Detail is one string here: a list has blanks between its values.
fn status_message(xml: &mut Writer, status: &StatusMessage) {
    if !status.details.is_empty() {
        let values: Vec<&str> = status.details.iter().map(|(_, value)| value.as_str()).collect();
        xml.leaf("Status_Detail", &values.join(" "));
    }
    xml.optional("Message", status.message.as_deref());
}

fn content_bindings(xml: &mut Writer, bindings: &[ContentBinding]) {
    for binding in bindings {
        xml.leaf("Content_Binding", &binding.id);
    }
}
