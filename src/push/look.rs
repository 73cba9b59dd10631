//! One listing of a drop directory: what is settled is copied, checked and admitted.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::leave::Open;
use super::looked::{Looked, Taken};
use super::settle::{Moment, Settling};
use super::transform::transform;
use super::wanted::Wanted;
use super::watch::Bell;
use crate::clock::Clock;
use crate::config;
use crate::content::{Finding, Form, Inspector, Options, Sendable};
use crate::observe::{Told, lines};
use crate::store::disk::DiskError;
use crate::store::drops::{Batch, Candidate, Copied, Copying, DropDirectory};
use crate::store::ledger::{Admission, Had, Ledger, NewDelivery, Outcome};
use crate::store::{Result, StoreError};

/// So many files of a listing are made durable and admitted first, so that they are soon on their way; then twice as many
/// each time …
pub(super) const FIRST: usize = 32;

/// … at most so many …
const TOGETHER: usize = 512;

/// … and so many bytes of them.
const BYTES_TOGETHER: u64 = 64 << 20;

/// With so many originals that cannot be removed, or copies that find no room, nothing more is taken in: every file of
/// the directory would be copied in vain.
const STUCK: usize = 64;

/// One listing, on a thread of its own.
pub(super) struct Look {
    pub(super) open: Arc<Open>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) settings: config::Drop,
    pub(super) wanted: Wanted,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
    pub(super) renamed: HashSet<OsString>,
    pub(super) inboxes: Vec<Bell>,
    pub(super) trust_times: bool,
    pub(super) told: Arc<Told>,
    pub(super) looked: Looked,
    /// So many files are admitted next.
    pub(super) together: usize,
}

impl Look {
    /// One look at a directory at a time: a walk that was told to end may still be at one when the next walk begins.
    pub(super) fn run(mut self, settling: &mut Settling) -> Result<Looked> {
        let open = self.open.clone();
        let _alone = open.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut last = None;
        let looked = self.list(settling, &mut last);
        // The next look fails by the same file as long as the trouble goes on.
        if let (Err(_), Some(last)) = (&looked, last) {
            settling.keep(last);
        }
        looked.map(|()| self.looked)
    }

    /// `last`: the file that was taken last.
    fn list(&mut self, settling: &mut Settling, last: &mut Option<Candidate>) -> Result<()> {
        let open = self.open.clone();
        self.tell_stuck(open.dir.claim_unclaimed()?)?;
        let wanted = self.wanted.clone();
        let mut batch = open.dir.batch()?;
        settling.begin();
        open.dir.candidates(&|name| wanted.covers(name), |candidates| {
            let moment = Moment {
                monotonic: self.clock.moment(),
                wall: self.clock.now(),
                settle: self.settings.settle,
                trust_times: self.trust_times,
            };
            for candidate in candidates {
                if self.stop.is_cancelled() {
                    return Ok(false);
                }
                match settling.wait(&candidate, &self.renamed, &moment) {
                    Some(left) => self.not_yet(&candidate.name, left),
                    None => self.take_settled(last.insert(candidate), settling, &mut batch)?,
                }
                if batch.admissions().len() >= self.together || batch.bytes() >= BYTES_TOGETHER {
                    self.admit(&mut batch)?;
                }
            }
            Ok(true)
        })?;
        // What is not admitted by now stays where it is: whoever looks next may know other inboxes.
        if self.stop.is_cancelled() {
            return Ok(());
        }
        self.admit(&mut batch)?;
        settling.end();
        open.let_all_leave(&self.ledger)
    }

    fn take_settled(&mut self, candidate: &Candidate, settling: &mut Settling, batch: &mut Batch) -> Result<()> {
        match self.take(candidate, batch)? {
            Taken::Yes => {}
            Taken::Changing => {
                settling.forget(&candidate.name);
                self.not_yet(&candidate.name, self.settings.settle);
            }
            Taken::Unreadable => {
                settling.forget(&candidate.name);
                self.again_in(self.settings.settle);
            }
            // The next look may find room; it comes by itself.
            Taken::TooBig => settling.keep(candidate.clone()),
        }
        Ok(())
    }

    fn not_yet(&mut self, name: &OsStr, left: Duration) {
        self.looked.unsettled += 1;
        self.looked.unsettled_name = Some(name.to_owned());
        // It is looked at again once it has settled again.
        self.told.stands(&left_there(name));
        self.again_in(left);
    }

    fn again_in(&mut self, left: Duration) {
        self.looked.again_in = Some(self.looked.again_in.map_or(left, |other| other.min(left)));
    }

    /// Takes one settled file. A file that cannot be read is told of and left where it is; it does not hold up its
    /// neighbours.
    fn take(&mut self, candidate: &Candidate, batch: &mut Batch) -> Result<Taken> {
        if candidate.stat.size > self.settings.max_file {
            let refusal = format!("larger than max_file ({} bytes)", self.settings.max_file);
            let admission = self.admission(candidate, DropDirectory::token(), None, Err(refusal));
            batch.add(None, admission);
            return Ok(Taken::Yes);
        }
        let mut inspector = Inspector::new(Options { content_binding: self.settings.content_binding.clone() });
        match self.open.dir.copy(candidate, &mut |bytes| inspector.feed(bytes)) {
            Ok(Copying::Done(copied)) => {
                self.check(candidate, copied, inspector.finish(), batch)?;
                Ok(Taken::Yes)
            }
            Ok(Copying::NotYet) => Ok(Taken::Changing),
            Err(StoreError::Disk(error)) if is_about_the_file(&error) => {
                if self.told.first(left_there(&candidate.name)) {
                    lines::file_unreadable(&self.open.name, &candidate.name, &error);
                }
                self.looked.unreadable += 1;
                self.looked.unreadable_words = Some(error.to_string());
                Ok(Taken::Unreadable)
            }
            // A smaller one may fit.
            Err(StoreError::Disk(error)) if error.is_full() && self.looked.too_big < STUCK as u64 => {
                if self.told.first(left_there(&candidate.name)) {
                    lines::file_too_big(&self.open.name, &candidate.name, &error);
                }
                self.looked.too_big += 1;
                self.looked.too_big_words = Some(error.to_string());
                Ok(Taken::TooBig)
            }
            Err(error) => Err(error),
        }
    }

    fn check(&mut self, candidate: &Candidate, mut copied: Copied, finding: Finding, batch: &mut Batch) -> Result<()> {
        let finding = match finding {
            Finding::Sendable(sendable) => {
                sendable.remarks.iter().for_each(|remark| lines::file_remark(&self.open.name, &candidate.name, remark));
                Ok(self.body(&mut copied, sendable)?)
            }
            Finding::Refused(refusal) => Err(refusal.to_string()),
        };
        let token = copied.token.clone();
        let admission = self.admission(candidate, token, Some(copied.sha256), finding);
        batch.add(Some(copied), admission);
        Ok(())
    }

    /// What is sent: a range of the copy where that can be, else a file of its own.
    fn body(&self, copied: &mut Copied, sendable: Sendable) -> Result<Body> {
        let Sendable { binding, form, .. } = sendable;
        if let Form::Verbatim { range } = form {
            return Ok(Body { binding, wire: false, range });
        }
        let length = self.open.dir.write_wire(copied, |source, file| transform(&form, source, file))?;
        Ok(Body { binding, wire: true, range: 0..length })
    }

    fn admission(
        &self,
        candidate: &Candidate,
        token: String,
        sha256: Option<[u8; 32]>,
        finding: std::result::Result<Body, String>,
    ) -> Admission {
        let stat = &candidate.stat;
        let (body, refusal) = match finding {
            Ok(body) => (Some(body), None),
            Err(refusal) => (None, Some(refusal)),
        };
        Admission {
            token,
            name: candidate.name.clone().into_vec(),
            sha256,
            size: stat.size,
            mode: stat.mode,
            modified: stat.modified,
            inode: stat.inode,
            wire: body.as_ref().is_some_and(|body| body.wire),
            body: body.as_ref().map_or(0..0, |body| body.range.clone()),
            binding: body.map(|body| body.binding),
            refusal,
            dropped_at: self.dropped_at(stat.changed),
            deliveries: Vec::new(),
        }
    }

    /// Says what each inbox is owed of a batch: nothing of what it had accepted before.
    fn owe(&self, batch: &mut Batch) -> Result<()> {
        let inboxes = &self.settings.inboxes;
        let had = self.ledger.had_before(self.open.dir.id(), batch.admissions(), inboxes)?;
        for (admission, had) in batch.admissions_mut().iter_mut().zip(had) {
            let refusal = admission.refusal.as_ref();
            let owed = inboxes.iter().zip(had).map(|(inbox, had)| {
                let outcome = match had {
                    _ if refusal.is_some() => Some(Outcome::Refused),
                    Had::ThisFile => Some(Outcome::Duplicate),
                    Had::Content if !self.settings.resend_duplicates => Some(Outcome::Duplicate),
                    Had::Content | Had::Nothing => None,
                };
                NewDelivery { inbox: inbox.clone(), outcome, message: refusal.cloned() }
            });
            admission.deliveries = owed.collect();
        }
        Ok(())
    }

    /// The change time is that of the rename or of the last write; a clock that disagrees does not make it later
    /// than now.
    fn dropped_at(&self, changed: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(changed).min(self.clock.now())
    }

    fn admit(&mut self, batch: &mut Batch) -> Result<()> {
        if batch.admissions().is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::replace(batch, self.open.dir.batch()?);
        self.owe(&mut batch)?;
        let stuck = self.open.dir.admit(&mut batch)?;
        self.together = TOGETHER.min(2 * self.together);
        let admissions = batch.admissions();
        self.looked.admitted += admissions.len() as u64;
        self.looked.refused += admissions.iter().filter(|one| one.refusal.is_some()).count() as u64;
        // A long listing does not hold up what is in already.
        self.inboxes.iter().for_each(Bell::ring);
        lines::files_admitted(&self.open.name, admissions);
        self.tell_stuck(stuck)
    }

    /// Originals that cannot be removed keep their own files waiting, and no others.
    fn tell_stuck(&mut self, mut stuck: Vec<StoreError>) -> Result<()> {
        if stuck.len() >= STUCK {
            return Err(stuck.swap_remove(0));
        }
        self.looked.stuck = stuck.len() as u64;
        self.looked.stuck_words = stuck.first().map(ToString::to_string);
        let new = stuck.iter().filter(|error| self.told.first(error.to_string()));
        new.for_each(|error| lines::drop_trouble(&self.open.name, error));
        Ok(())
    }
}

/// What is sent of a file.
struct Body {
    binding: String,
    wire: bool,
    range: std::ops::Range<u64>,
}

/// What is remembered of a file that cannot be read, or finds no room.
fn left_there(name: &OsStr) -> String {
    format!("left there {}", name.display())
}

/// A file whose reading fails for a reason of its own: no permission, a bad block.
fn is_about_the_file(error: &DiskError) -> bool {
    matches!(error.what, "open" | "read")
}
