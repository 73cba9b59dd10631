//! The Poll Service (Services Specification 1.1, sections 3.6 and 5.2.2; 1.0, section 5.5).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::taxii::Version;
use crate::taxii::message::{CollectionType, Parameters, PollFulfillment, PollRequest, ResponseType};
use crate::taxii::time::{Precision, Timestamp};

use crate::practice::acts::Answer;
use crate::practice::options::CollectionSpec;
use crate::practice::page::{escaped, prefix};
use crate::practice::quirks::{Quirk, Range};
use crate::practice::reply::{BlockReply, PollReply};
use crate::practice::status::StatusReply;
use crate::practice::store::{Form, ResultSet, Stored};

use super::{Call, is_among, not_found, unsupported_content};

impl Call<'_> {
    pub(super) fn poll(&mut self, request: &PollRequest) -> Result<PollReply, StatusReply> {
        let spec = self.collection(&request.collection)?;
        let parameters = self.parameters(&spec, request)?;
        let mut result = self.select(&spec, request, &parameters)?;
        for quirk in &self.act.quirks {
            match quirk {
                Quirk::ResultId(id) => result.id.clone_from(id),
                Quirk::EmptyPart(at) => {
                    let at = at.saturating_sub(1).min(result.parts.len());
                    result.parts.insert(at, Vec::new());
                }
                _ => {}
            }
        }
        if parameters.response_type == ResponseType::CountOnly {
            let mut reply = self.part(&result, 1);
            reply.blocks.clear();
            reply.record_count = Some(total(&result).to_string());
            (reply.more, reply.result_id) = (Some("false".to_owned()), None);
            return Ok(self.with_quirks(reply, &result));
        }
        if let Some(pending) = self.pending(request, &mut result) {
            self.state.keep_result(result);
            return Err(pending);
        }
        let reply = self.part(&result, 1);
        let reply = self.with_quirks(reply, &result);
        if reply.result_id.is_some() {
            self.state.keep_result(result);
        }
        Ok(reply)
    }

    pub(super) fn fulfil(&mut self, request: &PollFulfillment) -> Result<PollReply, StatusReply> {
        let wait = self.options.asynchronous.map_or(0, |asynchronous| asynchronous.wait);
        let result = self.state.result(&request.result_id, &request.collection);
        let result = result.ok_or_else(|| not_found(&request.result_id))?;
        if result.pending > 0 {
            result.pending -= 1;
            return Err(pending(&result.id, wait));
        }
        if let Answer::Pending(wait) = self.act.answer {
            return Err(pending(&result.id, wait));
        }
        let result = result.clone();
        let (asked, parts) = (request.part as usize, result.parts.len());
        // The part after the last is empty, as OpenTAXII has it: cabby asks for parts until one is. After it the strict
        // answer comes (Services Specification 1.1, table 3).
        if !self.has_quirk(|quirk| matches!(quirk, Quirk::RepeatPart)) && asked > parts + 1 {
            return Err(StatusReply::new("INVALID_RESPONSE_PART").detail("MAX_PART_NUMBER", &parts.to_string()));
        }
        if asked == 0 {
            return Err(StatusReply::new("BAD_MESSAGE").message("parts are counted from 1"));
        }
        let mut reply = self.part(&result, asked);
        reply.result_id = Some(result.id.clone());
        Ok(self.with_quirks(reply, &result))
    }

    /// What is polled for: the subscription's parameters, or the request's own.
    fn parameters(&self, spec: &CollectionSpec, request: &PollRequest) -> Result<Parameters, StatusReply> {
        let parameters = match &request.subscription_id {
            Some(id) => {
                let mut known = self.state.subscriptions.iter();
                let known = known.find(|there| there.id == *id && there.collection == spec.name);
                known.ok_or_else(|| not_found(id))?.parameters.clone()
            }
            None if spec.subscription_required => {
                return Err(StatusReply::new("DENIED").message("a subscription id is required"));
            }
            None => request.parameters.clone(),
        };
        if parameters.query.is_some() {
            return Err("UNSUPPORTED_QUERY".into());
        }
        let asked = &parameters.content_bindings;
        if !asked.is_empty() && !asked.iter().any(|binding| is_among(binding, &spec.content_bindings)) {
            return Err(unsupported_content(&spec.content_bindings));
        }
        Ok(parameters)
    }

    /// Takes the blocks that were asked for, cut into parts.
    fn select(
        &mut self,
        spec: &CollectionSpec,
        request: &PollRequest,
        parameters: &Parameters,
    ) -> Result<ResultSet, StatusReply> {
        let id = self.state.id();
        let (now, version, size) = (self.now, self.version(), self.options.max_result_size.max(1));
        let Some(shelf) = self.state.shelf(&spec.name) else { return Err(not_found(&spec.name)) };
        let feed = spec.collection_type == CollectionType::DataFeed;
        let asked = (request.begin.as_ref().map(|at| at.at), request.end.as_ref().map(|at| at.at));
        let begin = asked.0.filter(|_| feed);
        let latest = shelf.latest_end(now);
        let mut end = feed.then(|| asked.1.map_or(latest, |asked| asked.min(latest)));
        if asked.0.zip(asked.1).is_some_and(|(begin, end)| begin > end) || begin.zip(end).is_some_and(|(b, e)| b > e) {
            let text = "the begin is later than the end, or than anything this server has";
            return Err(StatusReply::new("FAILURE").message(text));
        }
        if let Some(end) = end {
            shelf.told_end(end);
        }
        let blocks = shelf.blocks.iter().filter(|block| {
            let inside = begin.is_none_or(|begin| block.label > begin) && end.is_none_or(|end| block.label <= end);
            inside && block.is_kept() && is_among(&block.binding, &parameters.content_bindings)
        });
        let mut parts = cut(blocks.cloned().collect(), size);
        // TAXII 1.0 has no parts: the range is shortened, and the End says so (Services Specification 1.0, 5.5).
        if version == Version::V10 && parts.len() > 1 {
            parts.truncate(1);
            end = parts.iter().flatten().last().map(|block| block.label);
        }
        let (collection, subscription) = (spec.name.clone(), request.subscription_id.clone());
        Ok(ResultSet { id, collection, subscription, begin, end, asked, parts, pending: 0 })
    }

    /// PENDING, if the result is to be fetched later.
    fn pending(&self, request: &PollRequest, result: &mut ResultSet) -> Option<StatusReply> {
        if let Answer::Pending(wait) = self.act.answer {
            return Some(pending(&result.id, wait));
        }
        let asynchronous = self.options.asynchronous.filter(|how| how.times > 0 && request.asynchronous)?;
        result.pending = asynchronous.times - 1;
        Some(pending(&result.id, asynchronous.wait))
    }

    /// One part of a result, counted from 1; the one after the last is empty.
    fn part(&mut self, result: &ResultSet, number: usize) -> PollReply {
        let mut reply = skeleton(self.version(), &self.message.header.message_id, &result.collection);
        reply.message_id = self.state.id();
        let repeated = self.has_quirk(|quirk| matches!(quirk, Quirk::RepeatPart));
        let shown = if repeated { 1 } else { number };
        let more = repeated || shown < result.parts.len();
        let blocks = result.parts.get(shown - 1).map(Vec::as_slice).unwrap_or_default();
        let last = |parts: &[Vec<Arc<Stored>>]| parts.iter().flatten().last().map(|block| block.label);
        let before = last(&result.parts[..(shown - 1).min(result.parts.len())]);
        let begin = before.or(result.begin);
        let end = if shown < result.parts.len() { last(&result.parts[..shown]).or(begin) } else { result.end };
        if result.end.is_some() {
            (reply.begin, reply.end) = (begin.map(written), end.map(written));
        }
        reply.more = Some(more.to_string());
        reply.result_id = (more || result.parts.len() > 1).then(|| result.id.clone());
        reply.part = Some(number.to_string());
        reply.subscription_id.clone_from(&result.subscription);
        reply.record_count = self.options.record_count.then(|| total(result).to_string());
        reply.blocks = blocks.iter().map(|block| block.written(result.end.is_some())).collect();
        reply
    }

    fn with_quirks(&self, mut reply: PollReply, result: &ResultSet) -> PollReply {
        let range = Range { asked: result.asked, told: (result.begin, result.end), result_id: result.id.clone() };
        for quirk in &self.act.quirks {
            quirk.apply(&mut reply, &range);
        }
        reply
    }

    fn has_quirk(&self, wanted: impl Fn(&Quirk) -> bool) -> bool {
        self.act.quirks.iter().any(wanted)
    }
}

/// A Poll_Response without anything in it.
pub(in crate::practice) fn skeleton(version: Version, request_id: &str, collection: &str) -> PollReply {
    PollReply {
        version,
        prefix: prefix(version).to_owned(),
        root_attributes: String::new(),
        message_id: "0".to_owned(),
        in_response_to: Some(request_id.to_owned()),
        collection: collection.to_owned(),
        more: None,
        result_id: None,
        part: None,
        subscription_id: None,
        begin: None,
        end: None,
        begin_after_end: false,
        record_count: None,
        partial_count: false,
        message: None,
        blocks: Vec::new(),
    }
}

fn total(result: &ResultSet) -> usize {
    result.parts.iter().map(Vec::len).sum()
}

/// Cuts a result into parts; blocks with one label stay together, so that every part is complete for its bounds
/// (Services Specification 1.1, section 5.2.2.3).
fn cut(blocks: Vec<Arc<Stored>>, size: usize) -> Vec<Vec<Arc<Stored>>> {
    let mut parts: Vec<Vec<Arc<Stored>>> = vec![Vec::new()];
    for block in blocks {
        match parts.last_mut() {
            Some(part) if part.len() < size || part.last().is_some_and(|last| last.label == block.label) => {
                part.push(block)
            }
            _ => parts.push(vec![block]),
        }
    }
    parts
}

fn pending(result_id: &str, wait: u32) -> StatusReply {
    let status = StatusReply::new("PENDING").detail("ESTIMATED_WAIT", &wait.to_string());
    status.detail("RESULT_ID", result_id).detail("WILL_PUSH", "false")
}

fn written(at: DateTime<Utc>) -> String {
    Timestamp::new(at, Precision::Micros).text
}

impl Stored {
    fn is_kept(&self) -> bool {
        self.size == 0 || !self.content.is_empty()
    }

    /// The block as it goes into a Poll_Response.
    fn written(&self, label: bool) -> BlockReply {
        BlockReply {
            binding: self.binding.clone(),
            content: match self.form {
                Form::Markup => without_declaration(&self.content),
                Form::Text => escaped(&String::from_utf8_lossy(&self.content)).into(),
                Form::Base64 => STANDARD.encode(&self.content).into(),
            },
            label: label.then(|| written(self.label)),
            message: self.message.clone(),
        }
    }
}

/// A document that came as text may begin with a declaration, which cannot stand inside another document.
fn without_declaration(content: &Bytes) -> Bytes {
    if !content.starts_with(b"<?xml ") {
        return content.clone();
    }
    match memchr::memmem::find(content, b"?>") {
        Some(end) => content.slice(end + 2..),
        None => content.clone(),
    }
}
