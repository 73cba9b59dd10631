//! The bytes of one content on their way to the sink.

use std::ops::Range;

use super::BlockSink;
use crate::xml::is_space;

/// Contents are written in pieces of about this length in bytes.
pub(super) const PIECE: usize = 64 << 10;

/// Gathers the bytes of a content and gives them to the sink, as far as they are not too many.
#[derive(Debug)]
pub(super) struct Outlet {
    /// What was not given yet.
    pub(super) ready: Vec<u8>,
    limit: u64,
    /// Bytes given.
    written: u64,
    /// Bytes given up to the last that is no white space.
    solid: u64,
    over: bool,
}

/// What became of a content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// How many bytes the sink has.
    pub(super) size: u64,
    /// Whether they are not all, for they would have been more than the limit.
    pub(super) over: bool,
}

impl Outlet {
    pub(super) fn new(limit: u64) -> Self {
        Self { ready: Vec::new(), limit, written: 0, solid: 0, over: false }
    }

    /// Gives what is ready, if that is worth it. White space that may turn out to be the last of the content is kept
    /// back if that is to be dropped (`trims`), unless there is too much of it.
    pub(super) fn flush<S: BlockSink>(&mut self, trims: bool, sink: &mut S) -> Result<(), S::Error> {
        if self.ready.len() < PIECE {
            return Ok(());
        }
        let solid = if trims { trimmed_length(&self.ready) } else { self.ready.len() };
        let length = if self.ready.len() - solid < PIECE { solid } else { self.ready.len() };
        self.give(length, solid, sink)
    }

    /// Gives the rest, and takes back what is not to be there: white space at the end (`trims`), or what was
    /// inserted (`cut`).
    pub(super) fn finish<S: BlockSink>(
        &mut self,
        trims: bool,
        cut: Option<Range<u64>>,
        sink: &mut S,
    ) -> Result<Given, S::Error> {
        let solid = if trims { trimmed_length(&self.ready) } else { self.ready.len() };
        self.give(solid, solid, sink)?;
        self.ready.clear();
        let trailing = (self.solid < self.written).then_some(self.solid..self.written);
        let cut = cut.or(trailing).filter(|range| range.end <= self.written && !self.over);
        let taken_back = cut.as_ref().map_or(0, |range| range.end - range.start);
        if let Some(range) = cut {
            sink.cut(range)?;
        }
        let given = Given { size: self.written - taken_back, over: self.over };
        (self.written, self.solid, self.over) = (0, 0, false);
        Ok(given)
    }

    /// Gives so many bytes, of which those after the first `solid` are white space that may be the last.
    fn give<S: BlockSink>(&mut self, length: usize, solid: usize, sink: &mut S) -> Result<(), S::Error> {
        let room = usize::try_from(self.limit - self.written).unwrap_or(usize::MAX);
        self.over |= length > room;
        // Nothing is given of a content that is known to be too long before any of it was given.
        let given = if self.over && self.written == 0 { 0 } else { length.min(room) };
        if given > 0 {
            sink.write(&self.ready[..given])?;
            if solid > 0 {
                self.solid = self.written + solid.min(given) as u64;
            }
            self.written += given as u64;
        }
        self.ready.drain(..length);
        Ok(())
    }
}

fn trimmed_length(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&b| !is_space(b)).map_or(0, |last| last + 1)
}
