//! The last word of a server about itself: its services and its collections.
//!
//! It is kept over restarts. While a Discovery Service is down the agent goes on with what it found before; what
//! cannot be asked for is no reason to stop what works.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::task::spawn_blocking;
use url::Url;

use super::{Peer, PeerError, show_remote};
use crate::taxii::message::{Body, Message};
use crate::taxii::status::Class;
use crate::taxii::{decode, encode};

/// What a server told us is asked again after this long.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// A server that could not be asked is asked again after this long.
const ASKED_AGAIN: Duration = Duration::from_secs(60);

/// A longer answer is not kept: it is asked for each time.
const LONGEST: usize = 1 << 20;

/// Where the last word of servers is kept. Failing to keep it is no failure of anything else.
pub trait Memory: std::fmt::Debug + Send + Sync {
    /// Keeps what a server said.
    fn keep(&self, server: &str, word: &Word);
    /// What it said when it was last asked there.
    fn recall(&self, server: &str, asked: &str) -> Option<Word>;
}

/// What a server said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The address that was asked.
    pub asked: String,
    /// The address that answered: others are relative to it.
    pub base: String,
    /// The answer, as a TAXII message.
    pub message: Vec<u8>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The answer to a question about the server itself.
pub(super) struct Told {
    pub(super) body: Body,
    /// The address that answered.
    pub(super) base: Url,
    /// It stands for this long.
    pub(super) stands: Duration,
    /// Why it is an old answer, where it is one.
    pub(super) old: Option<String>,
}

impl Peer {
    /// Keeps what the server says of itself in this memory.
    #[must_use]
    pub fn with_memory(mut self, memory: Arc<dyn Memory>) -> Peer {
        self.memory = Some(memory);
        self
    }

    /// Asks the server about itself. Where it does not answer for a passing reason, its last word counts; a wait that
    /// it asks for is no such reason.
    pub(super) async fn inquire(&self, asked: &Url, question: Body) -> Result<Told, PeerError> {
        match self.ask(asked, question).await {
            Ok((message, base)) => {
                self.keep(asked, &base, &message).await;
                Ok(Told { body: message.body, base, stands: REMEMBERED, old: None })
            }
            Err(error) if matches!(error.class(), Class::Retry { wait: None } | Class::Stop) => {
                self.last_word(asked, &error).await.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn keep(&self, asked: &Url, base: &Url, message: &Message) {
        let Some(memory) = self.memory.clone() else { return };
        // What cannot be written down is asked for again.
        let Some(message) = encode::encode(message).ok().filter(|message| message.len() <= LONGEST) else { return };
        let (asked, base, at) = (self.shown_url(asked), self.shown_url(base), self.clock.now());
        let (server, client) = (self.name.clone(), self.client.clone());
        let kept = spawn_blocking(move || {
            // A server may repeat a secret.
            let message = client.redact(&String::from_utf8_lossy(&message)).into_bytes();
            memory.keep(&server, &Word { asked, base, message, at });
        });
        // A memory that panics has forgotten, which is no failure.
        let _ = kept.await;
    }

    async fn last_word(&self, asked: &Url, error: &PeerError) -> Option<Told> {
        let (memory, server, asked) = (self.memory.clone()?, self.name.clone(), self.shown_url(asked));
        let word = spawn_blocking(move || memory.recall(&server, &asked)).await.ok()??;
        let message = decode::message(&word.message, None).ok()?;
        let base = Url::parse(&word.base).ok()?;
        let at = word.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let old = Some(format!("as it was at {at}, since just now {}", show_remote(&error.to_string())));
        Some(Told { body: message.body, base, stands: ASKED_AGAIN, old })
    }
}
