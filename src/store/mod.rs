//! What we keep: the one user of the file system and of SQLite.
//!
//! # On disk
//!
//! ```text
//! STATE/ledger.db        SQLite in WAL mode: cursors, results under way, hand-over lists, fingerprints, files in
//!                        `sending/` and what each inbox is owed
//! STATE/lock             held (flock) by the one agent that writes the ledger
//! OUTPUT/.staging/       content blocks of a part that is not handed over yet: PART-SEQ, PART-SEQ.meta; locked (flock)
//!                        by the one poll that works there
//! OUTPUT/.staging/identity  a random name for this directory, known to the ledger
//! OUTPUT/.quarantine/    blocks that are not handed over, each with NAME.reason.json
//! DROP/sending/TOKEN     our copy of a dropped file. It is TOKEN.new until the ledger knows it. TOKEN.wire is what is
//!                        sent, where that differs from the file; TOKEN.orig the original on its way out; TOKEN.receipt
//!                        a receipt being written
//! DROP/sent/, DROP/failed/  where a file ends, with NAME.receipt.json
//! ```
//!
//! Every name below is made by us; nothing a server says becomes part of one but a timestamp that was read and
//! written again. Transactions are durable when they return, but for a few that need not be: the log keeps the order,
//! so that a power cut takes back the last of them, never one in the middle.
//!
//! Each row below names the test that dies there; the simulation (`store/simulation`) dies at every step.
//!
//! # A content block: steps and crashes
//!
//! | after step | what a crash leaves | what the next start does | test in `output/tests.rs` |
//! |---|---|---|---|
//! | 1 a part is begun (row `part`, not committed) | the row | sweeps it with its blocks, fingerprints and files | `what_is_not_committed_is_swept_and_unknown_again` |
//! | 2 blocks are written to `.staging/`, rows in small batches | files, rows of an uncommitted part | the same, files first: they may be what fills the disk | the same, and `a_full_disk_costs_nothing_but_time` |
//! | 3 one flush makes the files durable | the same, durable | the same | the same |
//! | 4 one transaction commits the part: its rows and the position in the result | a committed part, all in `.staging/` | renames what is still staged; what is not there was handed over | `what_is_committed_is_handed_over_at_the_next_start_and_never_given_up` |
//! | 5 each file is renamed, its metadata before it | some renamed | the same; nobody gets a block twice, also when a reader has taken it | `a_crash_after_any_rename_gives_nobody_a_block_twice` |
//! | 6 both directories are synced | a power cut before may undo renames, in any order on some file systems | the same; metadata that stayed behind follows | `metadata_that_a_power_cut_kept_behind_follows_its_file` |
//! | 7 one transaction clears the list and, after the last part, moves the cursor | nothing half done | asks for the next range | `a_block_is_handed_over_whole_with_its_metadata_mode_and_the_time_of_now` |
//!
//! "Not there means handed over" holds only while `.staging/` is the directory we wrote to, and only after a crash.
//! The directory has an identity that the ledger knows; where it does not fit, or a file is missing that was staged a
//! moment ago, the rows of a committed part whose files cannot be found are forgotten and the range is asked for again
//! (`a_staging_directory_that_is_not_ours_any_more_is_noticed_and_asked_for_again`,
//! `a_staged_file_that_vanishes_before_the_hand_over_is_asked_for_again`).
//!
//! # A dropped file: steps and crashes
//!
//! | after step | what a crash leaves | what the next start does | test in `drops/tests.rs` |
//! |---|---|---|---|
//! | 1 the file is copied to `sending/TOKEN.new` and checked | a copy without a row | sweeps the copy; the original is still there | `a_copy_without_a_row_is_swept` |
//! | 2 a flush makes a batch of copies durable | the same | the same | the same |
//! | 3 one transaction admits the batch (not claimed) | copy, row, original | goes on with 4 | `a_file_is_claimed_only_when_its_original_is_gone` |
//! | 4 the copy becomes `sending/TOKEN`; `sending/` is synced | copy, row, original | goes on with 5 | the same |
//! | 5 the original leaves by way of `sending/TOKEN.orig` if it is still that file; both directories are synced | `TOKEN.orig`, or nothing of it | looks at it again | `an_original_on_its_way_out_is_looked_at_again_after_a_crash` |
//! | 6 one transaction claims the batch | copy and row | may send | the same |
//! | 7 a message is under way (`under_way`) | an unknown outcome, counted | sends it again | `a_message_under_way_at_the_end_is_unknown_and_sent_again` (ledger) |
//! | 8 the verdict is one transaction | the outcome | goes on | `a_file_is_finished_with_its_last_inbox` (ledger) |
//! | 9 the final names of a batch are noted in one transaction; each receipt and then its file is renamed; the directories are synced; the rows go | any prefix of these, after a power cut any part | does them again under the noted names | `leaving_that_was_interrupted_after_any_step_goes_on_under_the_same_name`, `a_receipt_that_a_power_cut_kept_behind_follows_its_file` |
//!
//! A `TOKEN` that the ledger does not know was ours before the ledger was lost, or put back from a backup: it is
//! dropped again (`with_the_ledger_lost_or_put_back_every_file_under_way_is_dropped_again`).

mod behind;
pub mod disk;
pub mod drops;
mod durable;
pub mod failed;
pub mod ledger;
pub mod names;
mod neighbours;
pub mod output;
pub mod sandbox;
#[cfg(test)]
mod simulation;
pub mod staging;

use disk::{Dir, DiskError};
use ledger::LedgerError;

/// Something could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A directory of ours was replaced, emptied or unmounted while it was in use.
    #[error("use {path}: it was replaced or emptied by somebody else", path = disk::show(.0))]
    Replaced(std::path::PathBuf),
    /// A copy in `sending/` has gone.
    #[error("read {path}: it is gone; somebody removed it, or the ledger was put back from a backup", path = disk::show(.0))]
    CopyGone(std::path::PathBuf),
    /// The drop directory of a file is not open.
    #[error("read the file: its drop directory is no longer in the configuration, or cannot be worked with just now")]
    NotOpen,
    /// Too little free space to go on.
    #[error("write below {path}: {free} free, less than min_free ({floor})",
        path = disk::show(.path), free = size(*.free), floor = size(*.floor))]
    TooFull {
        /// Where.
        path: std::path::PathBuf,
        /// Bytes free.
        free: u64,
        /// `min_free`, in bytes.
        floor: u64,
    },
    /// Somebody works with this directory already.
    #[error("use {path}: another poll of the feed, or another agent, is at work there", path = disk::show(.0))]
    InUse(std::path::PathBuf),
    /// No thread is to be had just now.
    #[error("start a thread: {0}")]
    NoThread(std::io::Error),
    /// Another agent works with the same state.
    #[error("lock {path}: another taxii-sync is running on this state_dir", path = disk::show(.0))]
    Locked(std::path::PathBuf),
}

impl StoreError {
    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            StoreError::Disk(error) if error.is_full() => "free some space; the agent goes on by itself",
            StoreError::TooFull { .. } => "free some space; the feed goes on by itself",
            StoreError::Disk(error) if error.is_about_group() => {
                "the agent's user has to be a member of the configured group"
            }
            StoreError::Disk(_) => {
                "check that the path exists, is a local file system and that the agent may write there"
            }
            StoreError::Ledger(error) => error.hint(),
            StoreError::Replaced(_) => "nothing to do: what is missing is asked for again",
            StoreError::CopyGone(_) => "put the file back there, or drop it again: it cannot be sent without",
            StoreError::NotOpen => "put the drop directory back into the configuration to have its files sent",
            StoreError::InUse(_) => "it goes on by itself when the other one is done",
            StoreError::NoThread(_) => "the system has no more threads for the agent; it goes on by itself",
            StoreError::Locked(_) => "stop the other one, or give this one a state_dir of its own",
        }
    }
}

/// Bytes in the unit that people would take, never rounded up.
fn size(bytes: u64) -> String {
    let (unit, one) = if bytes < 1 << 30 { ("MiB", 1 << 20) } else { ("GiB", 1 << 30) };
    match (bytes / one, bytes % one * 10 / one) {
        (whole, 0) => format!("{whole} {unit}"),
        (whole, tenths) => format!("{whole}.{tenths} {unit}"),
    }
}

/// What this room's operations give.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The file that tells one of our directories from another one under the same path.
const IDENTITY: &str = "identity";

/// Whether the directory still is the one that the ledger knows by `identity`.
fn has_identity(dir: &Dir, identity: &str) -> Result<bool> {
    match dir.read(IDENTITY)? {
        Some(file) => {
            let mut bytes = [0; 64];
            let count = file.read_full(&mut bytes)?;
            Ok(bytes.get(..count) == Some(identity.as_bytes()))
        }
        None => Ok(false),
    }
}

/// Gives the directory a new identity; the caller makes its name durable.
fn give_identity(dir: &Dir) -> Result<String> {
    let identity = random_name();
    dir.put(IDENTITY, identity.as_bytes(), 0o600)?;
    Ok(identity)
}

/// A name nobody else has: 128 random bits.
fn random_name() -> String {
    format!("{:032x}", fastrand::u128(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_is_told_in_units() {
        let error = StoreError::TooFull { path: "/out".into(), free: 38_200_172_544, floor: 40 << 30 };
        assert_eq!(error.to_string(), "write below /out: 35.5 GiB free, less than min_free (40 GiB)");
        assert_eq!([size(0), size(300 << 10), size((256 << 20) - 1)], ["0 MiB", "0.2 MiB", "255.9 MiB"]);
    }
}
