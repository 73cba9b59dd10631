//! What a poll begins with: the output directory, and what is known of the feed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Failure, Feed, PENDING, Setting, blocking};
use crate::config;
use crate::observe::lines;
use crate::store::StoreError;
use crate::store::ledger::FeedRow;
use crate::store::output::{Output, Recovered};
use crate::taxii::Version;
use crate::taxii::exchange::{Pace, Plan};
use crate::taxii::message::{Parameters, ResponseType};

/// A poll that was abandoned, by a reload for instance, lets go of the output directory within this time.
const LETS_GO: Duration = Duration::from_secs(15);

impl Feed {
    /// Opens the output directory, once a poll before a reload has let go of it, and mends what an earlier end left.
    pub(super) async fn set_up(&self) -> Result<Setting, Failure> {
        let began = self.clock.moment();
        let (output, recovered, row) = loop {
            match self.open_output().await {
                Err(StoreError::InUse(_)) if self.clock.since(began) < LETS_GO && !self.stop.is_cancelled() => {
                    self.pause(Duration::from_millis(200)).await;
                }
                opened => break opened?,
            }
        };
        lines::output_opened(&self.name, &recovered);
        let plan = Plan {
            collection: self.settings.collection.clone(),
            subscription_id: self.settings.subscription_id.clone(),
            asynchronous: self.settings.asynchronous && self.peer.version == Version::V11,
            parameters: self.parameters(),
            patience: PENDING,
        };
        let config::Feed { lag, window, overlap, .. } = self.settings;
        let pace = Pace { lag, window, overlap, precision: self.peer.precision };
        Ok(Setting { output, row, plan, pace, set: false })
    }

    async fn open_output(&self) -> Result<(Arc<Output>, Recovered, FeedRow), StoreError> {
        let (ledger, name, identity) = (self.ledger.clone(), self.name.clone(), self.identity());
        let (path, manner, now): (PathBuf, _, _) = (self.settings.output.clone(), self.manner, self.clock.now());
        blocking(move || {
            let FeedRow { id, cursor, first_try, .. } = ledger.feed(&name, &identity)?;
            if cursor.is_none() && first_try.is_none_or(|at| now < at) {
                ledger.note_try(id, now)?;
            }
            let (output, recovered) = Output::open(ledger.clone(), id, &path, manner, now)?;
            Ok((Arc::new(output), recovered, ledger.feed_row(id)?))
        })
        .await
    }

    fn parameters(&self) -> Parameters {
        let binding = |id: &String| crate::taxii::message::ContentBinding { id: id.clone(), subtypes: Vec::new() };
        Parameters {
            response_type: ResponseType::Full,
            content_bindings: self.settings.content_bindings.iter().map(binding).collect(),
            query: self.query.clone(),
        }
    }
}
