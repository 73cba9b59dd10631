//! The Discovery Service (Services Specification 1.1, section 3.3).

use crate::taxii::message::{Body, ServiceInstance, ServiceType};

use crate::practice::options::InboxSpec;

use super::{Call, Said};

impl Call<'_> {
    pub(super) fn discovery(&self) -> Said {
        let single = [ServiceType::Discovery, ServiceType::CollectionManagement, ServiceType::Poll];
        let mut instances: Vec<_> = single.into_iter().map(|service| self.instance(service, None)).collect();
        let inboxes = self.options.inboxes.iter().map(|inbox| self.instance(ServiceType::Inbox, Some(inbox)));
        instances.extend(inboxes);
        instances.retain(|instance| {
            instance.service_type.is_none_or(|service| !self.options.advertised.hidden.contains(&service))
        });
        Said::Message(Body::DiscoveryResponse(instances))
    }

    fn instance(&self, service: ServiceType, inbox: Option<&InboxSpec>) -> ServiceInstance {
        let advertised = &self.options.advertised;
        let addresses = advertised.discovered.as_ref().unwrap_or(&advertised.addresses);
        ServiceInstance {
            service_type: Some(service),
            service_version: self.version().services_id().to_owned(),
            available: Some(true),
            contact: self.contact_as(addresses, service, inbox),
            supported_queries: Vec::new(),
            content_bindings: inbox.map(|inbox| inbox.content_bindings.clone()).unwrap_or_default(),
            message: Some("A practice server: nothing outlives it".to_owned()),
        }
    }
}
