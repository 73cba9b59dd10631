//! A feed's output directory: the hand-over, and what a start finds there.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::disk::{Dir, Renamed};
use super::ledger::{After, BlockRow, FeedId, Ledger, PartId, Place, Totals};
use super::staging::{PartWriter, beside_name, need_free, staged_name};
use super::{IDENTITY, Result, StoreError, give_identity, has_identity};

/// So many lines of a hand-over list are held in memory.
const LINES: u32 = 1000;

/// A feed's output directory, ready for a part.
#[derive(Debug)]
pub struct Output {
    pub(super) ledger: Arc<Ledger>,
    pub(super) feed: FeedId,
    pub(super) staging: Dir,
    pub(super) mode: u32,
    pub(super) group: Option<u32>,
    output: Dir,
    /// A poll by hand makes it only when there is something to put there.
    quarantine: Option<Dir>,
    identity: String,
}

/// How what is handed over shall be, and where it waits for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Permission bits.
    pub mode: u32,
    /// Group, by number.
    pub group: Option<u32>,
    /// Where the parts are staged.
    pub staging: Staging,
}

/// Which directory below the output directory the parts are staged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staging {
    /// `.staging/`, which belongs to the one agent that polls the feed and outlives it.
    Kept,
    /// One of its own, named by a random number, for a poll by hand: an agent may be at work in the same output
    /// directory. [`remove_own_staging`] takes it away.
    Own(u64),
}

impl Staging {
    fn name(self) -> String {
        match self {
            Staging::Kept => ".staging".to_owned(),
            Staging::Own(number) => format!(".staging-{number:016x}"),
        }
    }
}

/// Removes what a poll by hand staged.
pub fn remove_own_staging(path: &Path, number: u64) -> Result<()> {
    let Some(output) = Dir::open_if_there(path)? else { return Ok(()) };
    let name = Staging::Own(number).name();
    if let Some(staging) = output.existing_sub(&name)? {
        for name in staging.list()? {
            staging.remove(name?)?;
        }
        output.remove_empty_sub(&name)?;
    }
    Ok(())
}

/// What opening an output directory found and mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// What was committed before and is handed over only now.
    pub totals: Totals,
    /// `.staging/` was not the directory we wrote to: a committed part was lost and is asked for again.
    pub replaced: bool,
    /// Half-written files that were removed.
    pub swept: u64,
}

fn quarantine(output: &Dir) -> Result<Dir> {
    Ok(output.sub(".quarantine", 0o750)?)
}

impl Output {
    /// Opens the directory, making it where it is missing, and finishes what an earlier end left half done: a
    /// committed part is handed over, anything else in `.staging/` is removed.
    pub fn open(
        ledger: Arc<Ledger>,
        feed: FeedId,
        path: &Path,
        manner: Manner,
        now: DateTime<Utc>,
    ) -> Result<(Output, Recovered)> {
        let output = Dir::make(path, 0o755)?;
        let staging = output.sub(&manner.staging.name(), 0o700)?;
        let quarantine = match manner.staging {
            Staging::Kept => Some(quarantine(&output)?),
            Staging::Own(_) => None,
        };
        let known = ledger.feed_row(feed)?.staging;
        let ours = match &known {
            Some(identity) => has_identity(&staging, identity)?,
            None => false,
        };
        let identity = match known {
            Some(identity) if ours => identity,
            _ => String::new(),
        };
        let Manner { mode, group, .. } = manner;
        let mut output = Output { ledger, feed, staging, mode, group, output, quarantine, identity };
        let mut recovered = Recovered::default();
        if ours {
            recovered.totals = output.finish_what_was_begun(now)?;
        } else {
            recovered.replaced = output.forget_what_was_lost()?;
        }
        recovered.swept = output.sweep()?;
        if !ours {
            output.identity = give_identity(&output.staging)?;
            output.ledger.set_staging(feed, &output.identity)?;
        }
        Ok((output, recovered))
    }

    fn finish_what_was_begun(&self, now: DateTime<Utc>) -> Result<Totals> {
        match self.ledger.unfinished_part(self.feed)? {
            Some((part, true)) => self.hand_over(part, now),
            Some((part, false)) => {
                self.ledger.abandon_part(self.feed, part, &[])?;
                Ok(Totals::default())
            }
            None => Ok(Totals::default()),
        }
    }

    /// The staged files are not to be found. What has its final name was handed over; the rest is asked for again.
    fn forget_what_was_lost(&self) -> Result<bool> {
        let Some((part, committed)) = self.ledger.unfinished_part(self.feed)? else {
            return Ok(false);
        };
        let mut handed_over = Vec::new();
        if committed {
            self.each_block(part, |block| {
                if self.destination(block.place)?.stat(&block.name)?.is_some() {
                    handed_over.push(block.seq);
                }
                Ok(())
            })?;
            self.ledger.set_result(self.feed, None)?;
        }
        self.ledger.abandon_part(self.feed, part, &handed_over)?;
        Ok(committed)
    }

    fn sweep(&self) -> Result<u64> {
        let mut swept = 0;
        for name in self.staging.list()? {
            let name = name?;
            if name != IDENTITY && self.staging.remove(&name)? {
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Begins a part; `began` is when its poll began.
    pub fn part(&self, began: DateTime<Utc>) -> Result<PartWriter> {
        PartWriter::new(self, began)
    }

    /// Commits a part and hands it over; the feed moves as `after` says. `recent_upto`: see [`Ledger::commit_part`].
    pub fn commit(
        &self,
        writer: PartWriter,
        after: &After,
        recent_upto: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Totals> {
        self.in_place()?;
        match writer.commit(after, recent_upto)? {
            Some(part) => self.hand_over(part, now),
            None => {
                self.ledger.advance(self.feed, after)?;
                Ok(Totals::default())
            }
        }
    }

    /// Gives up what was staged for a part that is not committed. Its writer is gone by then.
    pub fn abandon(&self) -> Result<()> {
        if let Some((part, false)) = self.ledger.unfinished_part(self.feed)? {
            self.ledger.abandon_part(self.feed, part, &[])?;
        }
        self.sweep().map(drop)
    }

    /// "Not there means handed over" holds only while `.staging/` is the directory we wrote to.
    fn in_place(&self) -> Result<()> {
        for dir in [&self.output, &self.staging] {
            if !dir.in_place()? {
                return Err(StoreError::Replaced(dir.path().to_owned()));
            }
        }
        match has_identity(&self.staging, &self.identity)? {
            true => Ok(()),
            false => Err(StoreError::Replaced(self.staging.path().to_owned())),
        }
    }

    fn destination(&self, place: Place) -> Result<Dir> {
        match (place, &self.quarantine) {
            (Place::Output, _) => Ok(self.output.clone()),
            (Place::Quarantine, Some(made)) => Ok(made.clone()),
            (Place::Quarantine, None) => quarantine(&self.output),
        }
    }

    fn each_block(&self, part: PartId, mut work: impl FnMut(&BlockRow) -> Result<()>) -> Result<()> {
        let mut after = -1;
        loop {
            let blocks = self.ledger.blocks(part, after, LINES)?;
            let Some(last) = blocks.last() else {
                return Ok(());
            };
            after = last.seq;
            blocks.iter().try_for_each(&mut work)?;
        }
    }

    fn hand_over(&self, part: PartId, now: DateTime<Utc>) -> Result<Totals> {
        let mut quarantined = false;
        self.each_block(part, |block| {
            quarantined |= block.place == Place::Quarantine;
            self.hand_over_block(part, block)
        })?;
        self.in_place()?;
        self.output.sync()?;
        if quarantined {
            self.destination(Place::Quarantine)?.sync()?;
        }
        self.staging.sync()?;
        Ok(self.ledger.finish_part(self.feed, part, now)?)
    }

    fn hand_over_block(&self, part: PartId, block: &BlockRow) -> Result<()> {
        let to = self.destination(block.place)?;
        let staged = staged_name(part, block.seq);
        if !self.staging.touch(&staged)? {
            return Ok(());
        }
        if block.beside {
            let beside = match block.place {
                Place::Output => format!("{}.meta.json", block.name),
                Place::Quarantine => format!("{}.reason.json", block.name),
            };
            let from = beside_name(part, block.seq);
            if self.staging.rename(&from, &to, &beside)? == Renamed::TargetExists {
                self.staging.remove(&from)?;
            }
        }
        // The name holds the label and the hash: a file that has it already has the same bytes.
        if self.staging.rename(&staged, &to, &block.name)? == Renamed::TargetExists {
            self.staging.remove(&staged)?;
        }
        Ok(())
    }

    /// Fails where less than `floor` bytes are free.
    pub fn need_free(&self, floor: u64) -> Result<()> {
        need_free(&self.output, floor)
    }

    /// Content files that wait for a reader; counts no further than `limit`.
    pub fn unread(&self, limit: u64) -> Result<u64> {
        let mut count = 0;
        for name in self.output.list()? {
            let name = name?;
            let name = name.as_encoded_bytes();
            if !name.starts_with(b".") && !name.ends_with(b".meta.json") {
                count += 1;
            }
            if count >= limit {
                break;
            }
        }
        Ok(count)
    }
}
