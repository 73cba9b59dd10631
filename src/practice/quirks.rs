//! How each quirk changes a Poll_Response.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::reply::PollReply;

/// How a Poll_Response departs from the honest one.
#[derive(Clone, Debug)]
pub enum Quirk {
    /// No Inclusive_End_Timestamp.
    NoEnd,
    /// The End is the asked one, even in the future.
    EchoEnd,
    /// The End is the asked one (without one: the honest one) moved by this much.
    ShiftEnd(TimeDelta),
    /// The End lies this much before the Begin of the request.
    EndBeforeBegin(TimeDelta),
    /// The End reads so, whatever that is.
    EndText(String),
    /// The End has seven fraction digits.
    SevenDigits,
    /// The End has no zone.
    NoZone,
    /// The labels of the blocks lie after the End, by a second and more.
    LabelsAfterEnd,
    /// The blocks have no labels.
    NoLabels,
    /// `more` reads so: `1`, `TRUE`, `0` (the honest value does not matter).
    More(String),
    /// No `result_id`.
    NoResultId,
    /// The result has this id, here and in the fulfilments that follow.
    ResultId(String),
    /// `result_part_number` reads so.
    PartNumber(String),
    /// A part without blocks is put into the result at this position (from 1; past the end: the last).
    EmptyPart(usize),
    /// Whatever was asked for, the blocks of part 1 again, with `more`.
    RepeatPart,
    /// `collection_name` reads so.
    CollectionName(String),
    /// Begin and End are those of the whole result on every part, as OpenTAXII does it.
    WholeRange,
    /// Begin stands after End, as MineMeld does it.
    BeginAfterEnd,
    /// No Exclusive_Begin_Timestamp.
    NoBegin,
    /// The TAXII namespace is the default one; payloads without a prefix fall into it.
    DefaultNamespace,
    /// Further attributes on the root, such as namespace declarations that contents rely on.
    RootAttributes(String),
    /// Anything else.
    Change(Change),
}

/// A change of any kind to the Poll_Response.
#[derive(Clone)]
pub struct Change(pub(super) Arc<dyn Fn(&mut PollReply) + Send + Sync>);

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Change")
    }
}

/// The range of a result, for the quirks that are about it.
#[derive(Debug)]
pub(super) struct Range {
    /// Begin and end as they were asked for.
    pub(super) asked: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    /// Begin and end of the whole result, as an honest server tells them.
    pub(super) told: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    /// The id of the result.
    pub(super) result_id: String,
}

impl Quirk {
    /// Changes the reply. Quirks that change the result itself have been at work before.
    pub(super) fn apply(&self, reply: &mut PollReply, range: &Range) {
        let end = range.asked.1.or(range.told.1).unwrap_or_default();
        match self {
            Self::NoEnd => reply.end = None,
            Self::EchoEnd => reply.end = Some(micros(end)),
            Self::ShiftEnd(by) => reply.end = Some(micros(end + *by)),
            Self::EndBeforeBegin(by) => reply.end = Some(micros(range.asked.0.unwrap_or_default() - *by)),
            Self::EndText(text) => reply.end = Some(text.clone()),
            Self::SevenDigits => reply.end = Some(end.format("%Y-%m-%dT%H:%M:%S%.6f7Z").to_string()),
            Self::NoZone => reply.end = Some(micros(end).trim_end_matches('Z').to_owned()),
            Self::LabelsAfterEnd => {
                for (seconds, block) in (1..).zip(&mut reply.blocks) {
                    block.label = Some(micros(end + TimeDelta::seconds(seconds)));
                }
            }
            Self::NoLabels => reply.blocks.iter_mut().for_each(|block| block.label = None),
            Self::More(text) => {
                reply.more = Some(text.clone());
                if !matches!(text.as_str(), "false" | "0") {
                    reply.result_id.get_or_insert_with(|| range.result_id.clone());
                }
            }
            Self::NoResultId => reply.result_id = None,
            Self::PartNumber(text) => reply.part = Some(text.clone()),
            Self::CollectionName(name) => reply.collection.clone_from(name),
            Self::WholeRange => {
                (reply.begin, reply.end) = (range.told.0.map(micros), range.told.1.map(micros));
            }
            Self::BeginAfterEnd => reply.begin_after_end = true,
            Self::NoBegin => reply.begin = None,
            Self::DefaultNamespace => reply.prefix.clear(),
            Self::RootAttributes(text) => reply.root_attributes.clone_from(text),
            Self::Change(change) => (change.0)(reply),
            Self::ResultId(_) | Self::EmptyPart(_) | Self::RepeatPart => {}
        }
    }
}

fn micros(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
