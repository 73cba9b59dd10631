//! Looking at a drop directory: which files are settled, and taking them in.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::blocking;
use super::leave::{Drops, Open};
use super::looked::{Looked, Taken};
use super::settle::{Moment, Settling};
use super::transform::transform;
use super::trouble::DropTrouble;
use super::wanted::Wanted;
use super::watch::{Bell, Watch};
use crate::clock::Clock;
use crate::config;
use crate::content::{Finding, Form, Inspector, Options, Sendable};
use crate::observe::{Told, lines};
use crate::store::disk::{self, Dir, DiskError, show};
use crate::store::drops::{Batch, Candidate, Copied, Copying, DropDirectory};
use crate::store::ledger::{Admission, Had, Ledger, NewDelivery, Outcome};
use crate::store::{Result, StoreError};

/// So many files of a listing are made durable and admitted first, so that they are soon on their way; then twice as many
/// each time …
const FIRST: usize = 32;

/// … at most so many …
const TOGETHER: usize = 512;

/// … and so many bytes of them.
const BYTES_TOGETHER: u64 = 64 << 20;

/// `sent/` is swept this often.
const SWEEP: Duration = Duration::from_secs(3600);

/// One drop directory.
#[derive(Debug)]
pub struct DropWalk {
    name: String,
    settings: config::Drop,
    wanted: Wanted,
    ledger: Arc<Ledger>,
    drops: Drops,
    bell: Bell,
    /// Rung when files were admitted.
    inboxes: Vec<Bell>,
    clock: Clock,
    stop: CancellationToken,
    settling: Settling,
    open: Option<Arc<Open>>,
    /// Where it really is, since it was opened first: a symbolic link that takes its place later is not followed.
    place: Option<PathBuf>,
    /// What the log holds already.
    told: Arc<Told>,
    trouble: DropTrouble,
}

/// What a drop walk is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its name in the configuration.
    pub name: String,
    /// Its configuration.
    pub settings: config::Drop,
    /// The ledger.
    pub ledger: Arc<Ledger>,
    /// The open drop directories.
    pub drops: Drops,
    /// Its bell.
    pub bell: Bell,
    /// The bells of its inboxes.
    pub inboxes: Vec<Bell>,
    /// Our clock.
    pub clock: Clock,
    /// Set when the agent stops.
    pub stop: CancellationToken,
}

impl DropWalk {
    /// A drop walk; nothing is opened yet.
    pub fn new(parts: Parts) -> DropWalk {
        let Parts { name, settings, ledger, drops, bell, inboxes, clock, stop } = parts;
        let wanted = Wanted::new(&settings.include);
        let (settling, told) = (Settling::default(), Arc::default());
        let trouble = DropTrouble::new(&name, &ledger, &drops, &told);
        DropWalk {
            name,
            settings,
            wanted,
            ledger,
            drops,
            bell,
            inboxes,
            clock,
            stop,
            settling,
            open: None,
            place: None,
            told,
            trouble,
        }
    }

    /// Looks at the directory whenever there may be something new, until the agent stops. `watching` is told when it is
    /// watched, or cannot be: from then on a file that is renamed into place is seen to be.
    pub async fn run(mut self, watching: oneshot::Sender<()>) {
        let mut watching = Some(watching);
        let mut watch = None;
        let mut first = true;
        let mut swept: Option<std::time::Instant> = None;
        while !self.stop.is_cancelled() {
            self.reopen(&mut watch).await;
            // Nobody may be waiting any more.
            let _ = watching.take().map(|watching| watching.send(()));
            let looked = self.look(first).await;
            first = false;
            if swept.is_none_or(|at| self.clock.since(at) >= SWEEP) {
                swept = Some(self.clock.moment());
                self.sweep().await;
            }
            self.trouble.turn().await;
            let rescan = self.settings.rescan;
            let pause = looked.again_in.map_or(rescan, |again| again.min(rescan));
            tokio::select! {
                () = self.bell.wait() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Takes in what is settled now; what is not yet is waited for once, up to `settle`. `opened` is told when the
    /// directory is open.
    pub async fn run_once(mut self, opened: oneshot::Sender<()>) -> Result<Looked> {
        let looked = self.once(opened).await;
        match &looked {
            Ok(looked) => looked.stuck_words.iter().for_each(|words| self.trouble.note(format!("cannot {words}"))),
            Err(error) => self.trouble.note(format!("cannot {error}")),
        }
        self.trouble.turn().await;
        looked
    }

    async fn once(&mut self, opened: oneshot::Sender<()>) -> Result<Looked> {
        self.open().await?;
        // Nobody may be waiting.
        let _ = opened.send(());
        let mut looked = self.look_or_fail(true).await?;
        if looked.unsettled + looked.stuck > 0 {
            tokio::time::sleep(self.settings.settle).await;
            let later = self.look_or_fail(true).await?;
            looked =
                Looked { admitted: looked.admitted + later.admitted, refused: looked.refused + later.refused, ..later };
        }
        if looked.unsettled > 0 {
            let name = looked.unsettled_name.as_deref().unwrap_or_default();
            lines::left_unsettled(&self.name, looked.unsettled, name);
        }
        self.sweep().await;
        Ok(looked)
    }

    /// Opens the directory, makes it where it is missing, and lets leave what had not left at an earlier end.
    pub async fn open(&mut self) -> Result<()> {
        let (ledger, name, path) = (self.ledger.clone(), self.name.clone(), self.settings.path.clone());
        let config::Drop { give_up, keep_sent, resend_duplicates, .. } = self.settings;
        let (place, drops) = (self.place.clone(), self.drops.clone());
        let opened = blocking(move || {
            let place = match place {
                Some(place) => place,
                None => {
                    Dir::make(&path, DropDirectory::MODE)?;
                    disk::real_path(&path)?
                }
            };
            let Some(dir) = Dir::open_again(&place)? else { return Ok(None) };
            let dir = DropDirectory::inside(ledger.clone(), &name, dir)?;
            drops.take_over(&ledger, &name, &dir)?;
            let leaving = drops.leaving(dir.id());
            let open = Open { name, dir, give_up, keep_sent, resend_duplicates, leaving };
            open.let_all_leave(&ledger)?;
            Ok(Some((Arc::new(open), place)))
        });
        let Some((open, place)) = opened.await? else { return Ok(()) };
        self.place = Some(place);
        self.drops.put(open.clone());
        self.open = Some(open);
        self.inboxes.iter().for_each(Bell::ring);
        Ok(())
    }

    /// Where the path leads elsewhere now (renamed, replaced, unmounted, mounted over), the new directory is opened
    /// and watched. A directory that has gone is not made again: what it was mounted from may come back.
    async fn reopen(&mut self, watch: &mut Option<Watch>) {
        if let Some(open) = self.open.clone() {
            match blocking(move || open.dir.in_place()).await {
                Ok(true) => return,
                Ok(false) => {
                    lines::drop_directory_moved(&self.name, &self.settings.path);
                    if let Some(gone) = self.open.take() {
                        self.drops.remove(&gone);
                    }
                    *watch = None;
                }
                Err(error) => return self.trouble.tell(&error),
            }
        }
        if let Err(error) = self.open().await {
            return self.trouble.tell(&error);
        }
        if self.open.is_none() {
            let path = show(&self.settings.path);
            return self.trouble.note(format!("cannot find {path}: it was renamed, removed or unmounted"));
        }
        // Watch first, then look: nothing falls in between.
        match Watch::start(&self.settings.path, &self.bell) {
            Ok(started) => *watch = Some(started),
            Err(error) if self.told.first("not watched") => {
                lines::not_watched(&self.name, &error, self.settings.rescan);
            }
            Err(_) => {}
        }
    }

    async fn look(&mut self, trust_times: bool) -> Looked {
        if self.open.is_none() {
            return Looked::default();
        }
        match self.look_or_fail(trust_times).await {
            Ok(looked) => {
                looked.stuck_words.iter().for_each(|words| self.trouble.note(format!("cannot {words}")));
                looked
            }
            Err(error) => {
                self.trouble.tell(&error);
                Looked::default()
            }
        }
    }

    /// One listing of the directory.
    async fn look_or_fail(&mut self, trust_times: bool) -> Result<Looked> {
        let Some(open) = self.open.clone() else { return Ok(Looked::default()) };
        let look = Look {
            open,
            ledger: self.ledger.clone(),
            settings: self.settings.clone(),
            wanted: self.wanted.clone(),
            clock: self.clock.clone(),
            stop: self.stop.clone(),
            renamed: self.bell.take_renamed(),
            inboxes: self.inboxes.clone(),
            trust_times,
            told: self.told.clone(),
            looked: Looked::default(),
            together: FIRST,
        };
        let mut settling = std::mem::take(&mut self.settling);
        let (result, settling) = blocking(move || Ok((look.run(&mut settling), settling))).await?;
        self.settling = settling;
        result
    }

    async fn sweep(&self) {
        let Some(open) = self.open.clone() else { return };
        let (keep, now) = (self.settings.keep_sent, self.clock.now());
        match blocking(move || open.dir.sweep_sent(keep, now)).await {
            Ok(removed) => lines::sent_swept(&self.name, removed),
            Err(error) => self.trouble.tell(&error),
        }
        let (open, ledger, inboxes) = (self.open.clone(), self.ledger.clone(), self.settings.inboxes.clone());
        match blocking(move || open.map_or(Ok(0), |open| open.expire_for_others(&ledger, &inboxes, now))).await {
            Ok(files) => lines::expired_for_others(&self.name, files),
            Err(error) => self.trouble.tell(&error),
        }
    }
}

/// One listing, on a blocking thread.
struct Look {
    open: Arc<Open>,
    ledger: Arc<Ledger>,
    settings: config::Drop,
    wanted: Wanted,
    clock: Clock,
    stop: CancellationToken,
    renamed: HashSet<OsString>,
    inboxes: Vec<Bell>,
    trust_times: bool,
    told: Arc<Told>,
    looked: Looked,
    /// So many files are admitted next.
    together: usize,
}

impl Look {
    fn run(mut self, settling: &mut Settling) -> Result<Looked> {
        let open = self.open.clone();
        self.tell_stuck(&open.dir.claim_unclaimed()?);
        let wanted = self.wanted.clone();
        let mut batch = Batch::default();
        settling.begin();
        open.dir.candidates(&|name| wanted.covers(name), |candidates| {
            let moment = Moment {
                monotonic: self.clock.moment(),
                wall: self.clock.now(),
                settle: self.settings.settle,
                trust_times: self.trust_times,
            };
            for candidate in candidates {
                match settling.wait(&candidate, &self.renamed, &moment) {
                    Some(left) => self.not_yet(&candidate.name, left),
                    None => match self.take(&candidate, &mut batch)? {
                        Taken::Yes => {}
                        Taken::Changing => {
                            settling.forget(&candidate.name);
                            self.not_yet(&candidate.name, self.settings.settle);
                        }
                        Taken::Unreadable => {
                            settling.forget(&candidate.name);
                            self.again_in(self.settings.settle);
                        }
                    },
                }
                if batch.admissions().len() >= self.together || batch.bytes() >= BYTES_TOGETHER {
                    self.admit(&mut batch)?;
                }
            }
            Ok(!self.stop.is_cancelled())
        })?;
        self.admit(&mut batch)?;
        settling.end();
        open.let_all_leave(&self.ledger)?;
        Ok(self.looked)
    }

    fn not_yet(&mut self, name: &OsStr, left: Duration) {
        self.looked.unsettled += 1;
        self.looked.unsettled_name = Some(name.to_owned());
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
                if self.told.first(format!("unreadable {}", candidate.name.display())) {
                    lines::file_unreadable(&self.open.name, &candidate.name, &error);
                }
                self.looked.unreadable += 1;
                self.looked.unreadable_words = Some(error.to_string());
                Ok(Taken::Unreadable)
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
        let mut batch = std::mem::take(batch);
        if batch.admissions().is_empty() {
            return Ok(());
        }
        self.owe(&mut batch)?;
        let stuck = self.open.dir.admit(&mut batch)?;
        self.together = TOGETHER.min(2 * self.together);
        let admissions = batch.admissions();
        self.looked.admitted += admissions.len() as u64;
        self.looked.refused += admissions.iter().filter(|one| one.refusal.is_some()).count() as u64;
        // A long listing does not hold up what is in already.
        self.inboxes.iter().for_each(Bell::ring);
        lines::files_admitted(&self.open.name, admissions);
        self.tell_stuck(&stuck);
        Ok(())
    }

    /// Originals that cannot be removed keep their own files waiting, and no others.
    fn tell_stuck(&mut self, stuck: &[StoreError]) {
        self.looked.stuck = stuck.len() as u64;
        self.looked.stuck_words = stuck.first().map(ToString::to_string);
        let new = stuck.iter().filter(|error| self.told.first(error.to_string()));
        new.for_each(|error| lines::drop_trouble(&self.open.name, error));
    }
}

/// What is sent of a file.
struct Body {
    binding: String,
    wire: bool,
    range: std::ops::Range<u64>,
}

/// A file whose reading fails for a reason of its own: no permission, a bad block.
fn is_about_the_file(error: &DiskError) -> bool {
    matches!(error.what, "open" | "read")
}
