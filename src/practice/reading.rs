//! A request's message, read and checked while it arrives.

use std::convert::Infallible;

use crate::taxii::decode::{DecodeError, Decoder, Limits};
use crate::taxii::message::Message;
use crate::xml::{self, Document, Error};

use super::options::Options;
use super::schema::Schema;
use super::sink::{Collector, Pushed};

/// A message being read by the decoder, and by the schema beside it.
pub(super) struct Reading {
    decoder: Decoder<Collector>,
    failed: Option<DecodeError<Infallible>>,
    document: Document,
    schema: Schema,
    invalid: Option<Error<String>>,
}

impl Reading {
    /// Begins; `kept` is how many bytes of content the server has already.
    pub(super) fn new(options: &Options, kept: u64) -> Self {
        let limits = Limits { max_content_block: options.max_request, ..Limits::default() };
        let collector = Collector::new(options.max_content, options.max_stored.saturating_sub(kept));
        Self {
            decoder: Decoder::new(limits, None, collector),
            failed: None,
            document: Document::new(xml::Options::default()),
            schema: Schema::default(),
            invalid: None,
        }
    }

    /// Takes the next piece of the body.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.decoder.feed(piece).err();
        }
        if self.invalid.is_none() {
            self.invalid = self.document.feed(piece, &mut self.schema).err();
        }
    }

    /// The message with its blocks, if it is one, and what is wrong with it, if something is.
    pub(super) fn finish(self) -> (Option<(Message, Vec<Pushed>)>, Option<String>) {
        match self.failed.map_or_else(|| self.decoder.finish(), Err) {
            Err(error) => (None, Some(error.to_string())),
            Ok((message, sink)) => {
                let complaint = match self.invalid {
                    Some(Error::Consumer(text)) => Some(format!("the request is not as the schema has it: {text}")),
                    // What is no document at all is the decoder's to say.
                    Some(_) | None => None,
                };
                (Some((message, sink.blocks)), complaint)
            }
        }
    }
}
