//! The Collection Management Service: what there is, and subscriptions (Services Specification 1.1, sections 3.4, 3.5).

use crate::taxii::Version;
use crate::taxii::message::{
    Body, Collection, CollectionType, ContentBinding, ServiceType, Subscription, SubscriptionAction,
    SubscriptionRequest, SubscriptionResponse,
};

use crate::practice::options::CollectionSpec;
use crate::practice::status::StatusReply;
use crate::practice::store::Subscribed;

use super::{Call, Said, is_among, not_found, unsupported_content};

impl Call<'_> {
    pub(super) fn collection_information(&self) -> Said {
        let v10 = self.version() == Version::V10;
        let feeds = self.state.collections.iter().map(|shelf| self.information(&shelf.spec));
        // TAXII 1.0 has no data sets, and a feed has at least one Content_Binding (XML Message Binding 1.0, 3.5).
        let mut collections: Vec<_> =
            feeds.filter(|feed| !v10 || feed.collection_type == CollectionType::DataFeed).collect();
        for feed in collections.iter_mut().filter(|feed| v10 && feed.content_bindings.is_empty()) {
            let id = "urn:stix.mitre.org:xml:1.1.1".to_owned();
            feed.content_bindings.push(ContentBinding { id, subtypes: Vec::new() });
        }
        Said::Message(Body::CollectionInformationResponse(collections))
    }

    fn information(&self, spec: &CollectionSpec) -> Collection {
        let inboxes = self
            .options
            .inboxes
            .iter()
            .filter(|inbox| inbox.collections.is_empty() || inbox.collections.contains(&spec.name));
        Collection {
            name: spec.name.clone(),
            collection_type: spec.collection_type,
            available: Some(spec.available),
            description: spec.description.clone(),
            volume: None,
            content_bindings: spec.content_bindings.clone(),
            push_methods: Vec::new(),
            polling_services: vec![self.contact(ServiceType::Poll, None)],
            subscription_services: vec![self.contact(ServiceType::CollectionManagement, None)],
            inbox_services: inboxes
                .map(|inbox| (self.contact(ServiceType::Inbox, Some(inbox)), inbox.content_bindings.clone()))
                .collect(),
        }
    }

    /// In the order of Services Specification 1.1, section 4.4.6.
    pub(super) fn subscription(&mut self, request: &SubscriptionRequest) -> Result<Said, StatusReply> {
        let spec = self.collection(&request.collection)?;
        let subscriptions = match request.action {
            SubscriptionAction::Subscribe => vec![self.subscribe(&spec, request)?],
            SubscriptionAction::Unsubscribe => vec![self.unsubscribe(request)?],
            SubscriptionAction::Pause => vec![self.turn(request, "PAUSED")?],
            SubscriptionAction::Resume => vec![self.turn(request, "ACTIVE")?],
            SubscriptionAction::Status => self.status(request)?,
        };
        Ok(Said::Message(Body::SubscriptionResponse(SubscriptionResponse {
            collection: request.collection.clone(),
            message: None,
            subscriptions: subscriptions.into_iter().map(|subscribed| self.written(subscribed)).collect(),
        })))
    }

    fn subscribe(&mut self, spec: &CollectionSpec, request: &SubscriptionRequest) -> Result<Subscribed, StatusReply> {
        if request.push.is_some() {
            return Err(StatusReply::new("UNSUPPORTED_PROTOCOL").message("this server pushes to nobody"));
        }
        let parameters = request.parameters.clone().unwrap_or_default();
        if parameters.query.is_some() {
            return Err("UNSUPPORTED_QUERY".into());
        }
        let asked = &parameters.content_bindings;
        if !asked.is_empty() && !asked.iter().any(|binding| is_among(binding, &spec.content_bindings)) {
            return Err(unsupported_content(&spec.content_bindings));
        }
        let same = |there: &&Subscribed| {
            there.collection == spec.name && there.parameters == parameters && there.status != "UNSUBSCRIBED"
        };
        if let Some(there) = self.state.subscriptions.iter().find(same) {
            return Ok(there.clone());
        }
        let full = StatusReply::new("FAILURE").message("there are too many subscriptions");
        self.state.subscribe(&spec.name, parameters).ok_or(full)
    }

    fn unsubscribe(&mut self, request: &SubscriptionRequest) -> Result<Subscribed, StatusReply> {
        let id = named(request)?;
        let parameters = request.parameters.clone().unwrap_or_default();
        self.state.subscriptions.retain(|there| there.id != id || there.collection != request.collection);
        // An unknown one is unsubscribed as well.
        Ok(Subscribed { id: id.to_owned(), collection: request.collection.clone(), parameters, status: "UNSUBSCRIBED" })
    }

    fn turn(&mut self, request: &SubscriptionRequest, status: &'static str) -> Result<Subscribed, StatusReply> {
        let id = named(request)?;
        let mut subscriptions = self.state.subscriptions.iter_mut();
        let there = subscriptions.find(|there| there.id == id && there.collection == request.collection);
        let there = there.ok_or_else(|| not_found(id))?;
        there.status = status;
        Ok(there.clone())
    }

    fn status(&self, request: &SubscriptionRequest) -> Result<Vec<Subscribed>, StatusReply> {
        // In TAXII 1.0 an id is ignored (Services Specification 1.0, section 3.5).
        let id = request.subscription_id.as_deref().filter(|_| self.version() == Version::V11);
        let of_collection = self.state.subscriptions.iter().filter(|there| there.collection == request.collection);
        let found: Vec<_> = of_collection.filter(|there| id.is_none_or(|id| there.id == id)).cloned().collect();
        match id {
            Some(id) if found.is_empty() => Err(not_found(id)),
            _ => Ok(found),
        }
    }

    fn written(&self, subscribed: Subscribed) -> Subscription {
        let v10 = self.version() == Version::V10;
        Subscription {
            id: subscribed.id,
            status: subscribed.status.to_owned(),
            parameters: (!v10).then_some(subscribed.parameters),
            push: None,
            poll_instances: vec![self.contact(ServiceType::Poll, None)],
        }
    }
}

fn named(request: &SubscriptionRequest) -> Result<&str, StatusReply> {
    let missing = || StatusReply::new("BAD_MESSAGE").message("the subscription id is missing");
    request.subscription_id.as_deref().ok_or_else(missing)
}
