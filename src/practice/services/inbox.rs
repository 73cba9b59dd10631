//! An Inbox Service (Services Specification 1.1, section 3.2).

use crate::taxii::message::InboxMessage;

use crate::practice::options::{Destinations, InboxSpec};
use crate::practice::status::StatusReply;

use super::{Call, Route, is_among, not_found, unsupported_content};

impl Call<'_> {
    /// Stores the blocks of a message, all of them or none.
    pub(super) fn inbox(&mut self, message: &InboxMessage) -> Result<(), StatusReply> {
        let inbox = self.inbox_spec();
        let destinations = self.destinations(&inbox, message)?;
        for pushed in self.blocks {
            if let Some(fault) = &pushed.block.content.fault {
                return Err(StatusReply::new("BAD_MESSAGE").message(&format!("a block is {fault}")));
            }
            if !is_among(&pushed.block.binding, &inbox.content_bindings) {
                return Err(unsupported_content(&inbox.content_bindings));
            }
            for name in &destinations {
                let spec = self.collection(name)?;
                if !is_among(&pushed.block.binding, &spec.content_bindings) {
                    return Err(unsupported_content(&spec.content_bindings));
                }
            }
        }
        let bytes: u64 = self.blocks.iter().map(|pushed| pushed.content.len() as u64).sum();
        let copies = destinations.len();
        if !self.state.has_room(self.blocks.len() * copies) || self.state.kept_bytes() + bytes > self.options.max_stored
        {
            return Err(StatusReply::new("FAILURE").message("the practice server is full"));
        }
        for name in &destinations {
            self.state.add_pushed(name, self.blocks, self.now);
        }
        Ok(())
    }

    /// The inbox of the address, or the first one where the address is that of all services.
    fn inbox_spec(&self) -> InboxSpec {
        let index = if let Route::Inbox(index) = self.route { index } else { 0 };
        self.options.inboxes.get(index).cloned().unwrap_or_default()
    }

    /// The names of the collections that get the blocks (Services Specification 1.1, table 3).
    fn destinations(&mut self, inbox: &InboxSpec, message: &InboxMessage) -> Result<Vec<String>, StatusReply> {
        let all = self.state.collections.iter().map(|shelf| shelf.spec.name.clone());
        let served = if inbox.collections.is_empty() { all.collect() } else { inbox.collections.clone() };
        let wrong = StatusReply::new("DESTINATION_COLLECTION_ERROR");
        match (inbox.destinations, message.destinations.is_empty()) {
            (Destinations::Prohibited, false) => Err(wrong.message("this inbox takes no destination")),
            (Destinations::Required, true) => {
                Err(served.iter().fold(wrong, |status, name| status.detail("ACCEPTABLE_DESTINATION", name)))
            }
            (_, true) => Ok(served),
            (_, false) => {
                for name in &message.destinations {
                    if !served.contains(name) {
                        return Err(not_found(name));
                    }
                    self.collection(name)?;
                }
                Ok(message.destinations.clone())
            }
        }
    }
}
