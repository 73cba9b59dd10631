//! The bytes of one content on their way to the sink.

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

    /// How many bytes were given or are ready.
    pub(super) fn position(&self) -> u64 {
        self.written + self.ready.len() as u64
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

    /// Gives the rest, and takes back white space at the end if that is not to be there (`trims`). Of a content that is
    /// ready as a `whole` nothing is given if that is too much.
    pub(super) fn finish<S: BlockSink>(&mut self, trims: bool, whole: bool, sink: &mut S) -> Result<Given, S::Error> {
        if trims {
            self.ready.truncate(trimmed_length(&self.ready));
        }
        if whole && self.ready.len() as u64 > self.limit {
            self.over = true;
            sink.beyond(&self.ready)?;
            self.ready.clear();
        }
        self.give(self.ready.len(), self.ready.len(), sink)?;
        let mut given = Given { size: self.written, over: self.over };
        if self.solid < self.written && !self.over {
            sink.replace(self.solid..self.written, b"")?;
            given.size = self.solid;
        }
        (self.written, self.solid, self.over) = (0, 0, false);
        Ok(given)
    }

    /// Gives so many bytes, of which those after the first `solid` are white space that may be the last.
    fn give<S: BlockSink>(&mut self, length: usize, solid: usize, sink: &mut S) -> Result<(), S::Error> {
        let room = usize::try_from(self.limit - self.written).unwrap_or(usize::MAX);
        self.over |= length > room;
        let given = length.min(room);
        if given > 0 {
            sink.write(&self.ready[..given])?;
            if solid > 0 {
                self.solid = self.written + solid.min(given) as u64;
            }
            self.written += given as u64;
        }
        if given < length {
            sink.beyond(&self.ready[given..length])?;
        }
        self.ready.drain(..length);
        Ok(())
    }
}

fn trimmed_length(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&b| !is_space(b)).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::ops::Range;

    use super::*;
    use crate::taxii::message::ContentBlock;

    #[derive(Default)]
    struct Kept(Vec<u8>, Option<Range<u64>>, usize);

    impl BlockSink for Kept {
        type Error = Infallible;
        fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
        fn beyond(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
            self.2 += bytes.len();
            Ok(())
        }
        fn replace(&mut self, range: Range<u64>, _: &[u8]) -> Result<(), Infallible> {
            self.1 = Some(range);
            Ok(())
        }
        fn block(&mut self, _: ContentBlock) -> Result<(), Infallible> {
            Ok(())
        }
    }

    #[test]
    fn much_white_space_at_the_end_is_given_and_taken_back() {
        let (mut outlet, mut kept) = (Outlet::new(u64::MAX), Kept::default());
        for piece in [&b"solid"[..], &[b' '; PIECE], &[b'\n'; PIECE], b" "] {
            outlet.ready.extend_from_slice(piece);
            outlet.flush(true, &mut kept).unwrap();
        }
        assert!(outlet.ready.len() < PIECE, "no white space without end is kept");
        let given = outlet.finish(true, false, &mut kept).unwrap();
        assert_eq!(given, Given { size: 5, over: false });
        assert_eq!(kept.1, Some(5..kept.0.len() as u64));
    }

    #[test]
    fn white_space_between_is_not_taken_back() {
        let (mut outlet, mut kept) = (Outlet::new(u64::MAX), Kept::default());
        for piece in [&b"a"[..], &[b' '; 2 * PIECE], b"b "] {
            outlet.ready.extend_from_slice(piece);
            outlet.flush(true, &mut kept).unwrap();
        }
        let given = outlet.finish(true, false, &mut kept).unwrap();
        assert_eq!((given.size, kept.0.len(), kept.1), (2 * PIECE as u64 + 2, 2 * PIECE + 2, None));
    }

    #[test]
    fn nothing_is_given_beyond_the_limit() {
        for pieces in [vec![PIECE; 4], vec![4 * PIECE], vec![PIECE + 1, 3 * PIECE]] {
            let limit = 2 * PIECE as u64 + 10;
            let (mut outlet, mut kept) = (Outlet::new(limit), Kept::default());
            for length in pieces {
                outlet.ready.resize(outlet.ready.len() + length, b'x');
                outlet.flush(false, &mut kept).unwrap();
            }
            let given = outlet.finish(false, false, &mut kept).unwrap();
            assert_eq!((given, kept.0.len() as u64, kept.1), (Given { size: limit, over: true }, limit, None));
            assert!(kept.2 >= 2 * PIECE - 10, "what is beyond is told: {}", kept.2);
        }
    }
}
