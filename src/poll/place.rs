//! What is to be known before a collection is polled: of which kind it is, where, and what of it is under way.

use url::Url;

use super::tries::{Tries, with_hint};
use super::{Failure, Feed, Setting, blocking};
use crate::observe::lines;
use crate::peer::{Found, PeerError};
use crate::store::ledger::{FeedRow, News};
use crate::taxii::Version;
use crate::taxii::exchange::{Progress, Range};
use crate::taxii::message::{CollectionType, ServiceType};
use crate::taxii::status::Class;
use crate::wire::WireError;

impl Feed {
    /// Whether the collection is a DATA_SET, and where it is polled. The server is asked about itself as patiently as
    /// for content.
    pub(super) async fn place(&self) -> Result<(bool, Found), Failure> {
        let mut tries = Tries::new(self);
        loop {
            let asked = async {
                let set = self.is_set().await?;
                Ok((set, self.peer.address(ServiceType::Poll, Some(&self.settings.collection)).await?))
            };
            match asked.await {
                Err(error) if matches!(PeerError::class(&error), Class::Retry { .. }) => {
                    tries.after(self, error.class(), with_hint(error.to_string(), &error.hint()), "").await?;
                }
                asked => return asked.map_err(Failure::from),
            }
        }
    }

    /// Without a description a collection is taken for a DATA_FEED. A server that cannot be asked just now is asked
    /// again: to take a set for a feed would miss what changes in it.
    async fn is_set(&self) -> Result<bool, PeerError> {
        match self.peer.collection(&self.settings.collection).await {
            Ok(described) => Ok(described.is_some_and(|one| one.collection_type == CollectionType::DataSet)),
            Err(error) if matches!(error.class(), Class::Retry { .. }) => Err(error),
            // The server was not even asked, and will not be polled either.
            Err(error @ PeerError::Wire(WireError::Secret(_) | WireError::Login { .. })) => Err(error),
            Err(error) => {
                if self.told.first("collections unknown") {
                    lines::collections_unknown(&self.name, &error.to_string());
                }
                Ok(false)
            }
        }
    }

    /// Notes for the operator whether the collection is a DATA_SET.
    pub(super) async fn note_kind(&self, setting: &Setting, set: bool) -> Result<(), Failure> {
        if setting.row.data_set == set {
            return Ok(());
        }
        let (ledger, id) = (self.ledger.clone(), setting.row.id);
        Ok(blocking(move || Ok(ledger.note_kind(id, set)?)).await?)
    }

    /// Notes for the operator where the feed is polled, and tells what is news.
    pub(super) async fn note_address(&self, setting: &Setting, found: Found) -> Result<Url, Failure> {
        let (ledger, id, text) = (self.ledger.clone(), setting.row.id, self.shown(&found.to_string()));
        let noted = text.clone();
        let news = blocking(move || Ok(ledger.note_feed_address(id, &noted)?)).await?;
        if news == News::Address {
            lines::feed_address(&self.name, &text);
        }
        if news != News::Nothing {
            if found.old.is_some() {
                lines::address_of_before(&self.peer.name, &text);
            }
            found.remarks.iter().for_each(|remark| lines::address_remark(&self.peer.name, &self.shown(remark)));
        }
        Ok(found.url)
    }

    /// Whether some of a range has come before, in a result that was lost.
    pub(super) async fn comes_again(&self, setting: &Setting, range: &Range) -> Result<bool, Failure> {
        let (ledger, id, after) = (self.ledger.clone(), setting.row.id, range.cursor.as_ref().map(|cursor| cursor.at));
        Ok(blocking(move || Ok(ledger.comes_again(id, after)?)).await?)
    }

    /// The result that was under way, if the ledger holds one that this version can read. What came from an address
    /// that is not allowed any more is not, and TAXII 1.0 cannot ask for the rest of one: nobody would ever get it.
    pub(super) async fn under_way(&self, setting: &Setting) -> Result<Option<Progress>, Failure> {
        let Some(progress) = kept(&setting.row) else { return Ok(None) };
        if self.peer.version == Version::V10 {
            lines::result_abandoned(&self.name, "TAXII 1.0 has no Poll_Fulfillment");
            self.forget(setting).await?;
            return Ok(None);
        }
        let address = progress.address.as_deref().and_then(|text| Url::parse(text).ok());
        let Some(gone) = address.filter(|url| self.peer.allows(url).is_err()) else {
            return Ok(Some(progress));
        };
        lines::result_left_behind(&self.name, &self.peer.shown_url(&gone));
        self.forget(setting).await?;
        Ok(None)
    }
}

fn kept(row: &FeedRow) -> Option<Progress> {
    serde_json::from_str(row.result.as_deref()?).ok()
}
