//! A feed's output directory: the hand-over, and what a start finds there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Builder, ScopedJoinHandle};

use chrono::{DateTime, Utc};

use super::disk::{Dir, Kind, Renamed};
use super::ledger::{After, BlockRow, FeedId, Ledger, PartId, Place, Totals};
use super::staging::{PartWriter, beside_name, need_free, staged_name};
use super::{IDENTITY, Result, StoreError, give_identity, has_identity, names};

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
    quarantine: OnceLock<Dir>,
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

/// Makes the directories of a feed's output that are missing, and gives those that files are made in.
pub fn make(path: &Path) -> Result<[PathBuf; 2]> {
    let output = make_output(path, None)?;
    let staging = make_staging(&output, Staging::Kept)?;
    Ok([output, staging].map(|dir| dir.path().to_owned()))
}

fn make_output(path: &Path, group: Option<u32>) -> Result<Dir> {
    Ok(Dir::make_for(path, 0o755, group)?.0)
}

fn make_staging(output: &Dir, staging: Staging) -> Result<Dir> {
    Ok(output.sub(&staging.name(), 0o700)?)
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

/// Whether a part may have been handed over in part before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

/// A line of the hand-over list.
struct Line {
    block: BlockRow,
    /// The name it is staged under.
    staged: String,
    /// Whether it is still there.
    there: bool,
}

/// What a thread gives.
fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The name of what stands beside a file.
fn with_beside(place: Place, name: impl AsRef<OsStr>) -> OsString {
    let mut name = name.as_ref().to_owned();
    name.push(match place {
        Place::Output => ".meta.json",
        Place::Quarantine => ".reason.json",
    });
    name
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
        let Manner { mode, group, staging } = manner;
        let output = make_output(path, group)?;
        let quarantine = match staging {
            Staging::Kept => OnceLock::from(quarantine(&output)?),
            Staging::Own(_) => OnceLock::new(),
        };
        let staging = make_staging(&output, staging)?;
        if !staging.lock()? {
            return Err(StoreError::InUse(staging.path().to_owned()));
        }
        let known = ledger.feed_row(feed)?.staging;
        let ours = match &known {
            Some(identity) => has_identity(&staging, identity)?,
            None => false,
        };
        let identity = known.filter(|_| ours).unwrap_or_default();
        let mut output = Output { ledger, feed, staging, mode, group, output, quarantine, identity };
        let mut recovered = Recovered::default();
        match output.ledger.unfinished_part(feed)? {
            Some((part, true)) if ours => recovered.totals = output.hand_over(part, now, Again::Yes)?,
            Some((part, true)) => {
                output.forget_what_was_lost(part)?;
                recovered.replaced = true;
            }
            // The files go first: they may be what fills the disk.
            Some((part, false)) => {
                recovered.swept = output.sweep()?;
                output.ledger.abandon_part(feed, part, &[])?;
            }
            None => {}
        }
        recovered.swept += output.sweep()?;
        if !ours {
            output.identity = give_identity(&output.staging)?;
            // With the directories above it, which an earlier life may have made without living to sync them.
            output.staging.sync_file_system()?;
            output.ledger.set_staging(feed, Some(&output.identity))?;
        }
        Ok((output, recovered))
    }

    /// The staged files are not to be found. What has its final name was handed over; the rest is asked for again.
    fn forget_what_was_lost(&self, part: PartId) -> Result<()> {
        let mut handed_over = Vec::new();
        self.each_block(part, |block| {
            if self.destination(block.place)?.stat(&block.name)?.is_some() {
                handed_over.push(block.seq);
            }
            Ok(())
        })?;
        self.ledger.set_result(self.feed, None)?;
        Ok(self.ledger.abandon_part(self.feed, part, &handed_over)?)
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
            Some(part) => self.hand_over(part, now, Again::No),
            None => {
                self.ledger.advance(self.feed, after)?;
                Ok(Totals::default())
            }
        }
    }

    /// Gives up what was staged for a part that is not committed. Its writer is gone by then.
    pub fn abandon(&self) -> Result<()> {
        match self.ledger.unfinished_part(self.feed)? {
            // What is staged is ours: the next start hands it over.
            Some((_, true)) => Ok(()),
            Some((part, false)) => {
                self.sweep()?;
                Ok(self.ledger.abandon_part(self.feed, part, &[])?)
            }
            None => self.sweep().map(drop),
        }
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

    fn destination(&self, place: Place) -> Result<&Dir> {
        match (place, self.quarantine.get()) {
            (Place::Output, _) => Ok(&self.output),
            (Place::Quarantine, Some(made)) => Ok(made),
            (Place::Quarantine, None) => {
                let made = quarantine(&self.output)?;
                Ok(self.quarantine.get_or_init(|| made))
            }
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

    fn hand_over(&self, part: PartId, now: DateTime<Utc>, again: Again) -> Result<Totals> {
        let mut quarantined = false;
        let mut page = self.touched(part, -1)?;
        while let Some(last) = page.last() {
            let after = last.block.seq;
            let full = page.len() == LINES as usize;
            let mut rename = || {
                page.iter().try_for_each(|line| {
                    quarantined |= line.block.place == Place::Quarantine;
                    self.hand_over_block(part, line, again)
                })
            };
            page = match full {
                // The next page is made ready meanwhile.
                true => thread::scope(|scope| {
                    let next =
                        Builder::new().name("touch".to_owned()).spawn_scoped(scope, || self.touched(part, after));
                    rename()?;
                    // Where no thread is to be had just now, it is slower without.
                    next.map_or_else(|_| self.touched(part, after), joined)
                })?,
                false => {
                    rename()?;
                    Vec::new()
                }
            };
        }
        self.in_place()?;
        self.output.sync()?;
        if quarantined {
            self.destination(Place::Quarantine)?.sync()?;
        }
        self.staging.sync()?;
        Ok(self.ledger.finish_part(self.feed, part, now)?)
    }

    /// The next lines of the list. What is still staged of them is given the time of now.
    fn touched(&self, part: PartId, after: i64) -> Result<Vec<Line>> {
        let blocks = self.ledger.blocks(part, after, LINES)?;
        let touch = |block: BlockRow| {
            let staged = staged_name(part, block.seq);
            let there = self.staging.touch(&staged)?;
            Ok(Line { block, staged, there })
        };
        blocks.into_iter().map(touch).collect()
    }

    fn hand_over_block(&self, part: PartId, line: &Line, again: Again) -> Result<()> {
        let block = &line.block;
        if line.there && self.place(part, block, &line.staged)? {
            return Ok(());
        }
        if again == Again::No {
            // Somebody else removed it a moment ago. From here on nothing in this directory means "handed over".
            self.ledger.set_staging(self.feed, None)?;
            return Err(StoreError::Replaced(self.staging.path().to_owned()));
        }
        // It was handed over. A power cut may have kept its metadata behind; a reader may have taken it already.
        let to = self.destination(block.place)?;
        if block.beside && to.stat(&block.name)?.is_some() {
            self.staging.rename(beside_name(part, block.seq), to, with_beside(block.place, &block.name))?;
        }
        Ok(())
    }

    /// Gives a staged file its final name, what stands beside it first. The name holds the label and the hash: a file
    /// that has it already is the same one, handed over before; if somebody has put another one there, ours is
    /// numbered. `false`: the staged file is gone since it was touched.
    fn place(&self, part: PartId, block: &BlockRow, staged: &str) -> Result<bool> {
        let to = self.destination(block.place)?;
        let beside = &block.beside.then(|| beside_name(part, block.seq));
        for number in 0.. {
            let name = names::numbered(OsStr::new(&block.name), number);
            let mut put = None;
            if let Some(beside) = beside {
                let name = with_beside(block.place, &name);
                put = (self.staging.rename(beside, to, &name)? == Renamed::Done).then_some((name, beside));
            }
            let renamed = self.staging.rename(staged, to, &name)?;
            let there = renamed == Renamed::TargetExists && self.staging.same_bytes(staged, to, &name)?;
            if there {
                self.staging.remove(staged)?;
            }
            if there || renamed == Renamed::Done {
                if let (Some(beside), None) = (beside, put) {
                    self.staging.remove(beside)?;
                }
                break;
            }
            if let Some((name, beside)) = put {
                to.rename(name, &self.staging, beside)?;
            }
            if renamed == Renamed::SourceAbsent {
                return Ok(false);
            }
        }
        Ok(true)
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
            let bytes = name.as_encoded_bytes();
            let ours = !bytes.starts_with(b".") && !bytes.ends_with(b".meta.json");
            if ours && self.output.stat(&name)?.is_some_and(|stat| stat.kind == Kind::File) {
                count += 1;
            }
            if count >= limit {
                break;
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
