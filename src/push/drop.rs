//! Looking at a drop directory: which files are settled, and taking them in.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::apart;
use super::leave::{Drops, Open};
use super::look::{FIRST, Look};
use super::looked::Looked;
use super::settle::Settling;
use super::trouble::DropTrouble;
use super::wanted::Wanted;
use super::watch::{Bell, Watch};
use crate::clock::Clock;
use crate::config;
use crate::observe::{Told, lines};
use crate::store::Result;
use crate::store::disk::{self, Dir, show};
use crate::store::drops::DropDirectory;
use crate::store::ledger::Ledger;

/// `sent/` is swept this often.
const SWEEP: Duration = Duration::from_secs(3600);

/// So many directories are looked at at once: a look takes memory.
static LOOKS: Semaphore = Semaphore::const_new(8);

/// Nobody waits longer for a turn: the others may hang.
const TURN: Duration = Duration::from_secs(10);

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
        looked.expired = self.sweep().await;
        Ok(looked)
    }

    /// Opens the directory, makes it where it is missing, and lets leave what had not left at an earlier end.
    pub async fn open(&mut self) -> Result<()> {
        let (ledger, name, path) = (self.ledger.clone(), self.name.clone(), self.settings.path.clone());
        let config::Drop { give_up, keep_sent, resend_duplicates, .. } = self.settings;
        let (place, drops) = (self.place.clone(), self.drops.clone());
        let opened = apart(move || {
            let place = match place {
                Some(place) => place,
                None => {
                    Dir::make(&path, DropDirectory::MODE)?;
                    disk::real_path(&path)?
                }
            };
            let Some(dir) = Dir::open_again(&place)? else { return Ok(None) };
            let taking = drops.taking(&dir.own_stat()?);
            let alone = taking.lock().unwrap_or_else(PoisonError::into_inner);
            let dir = DropDirectory::inside(ledger.clone(), &name, dir)?;
            drops.take_over(&ledger, &name, &dir)?;
            drop(alone);
            let leaving = drops.leaving(dir.id());
            let open = Open { name, dir, give_up, keep_sent, resend_duplicates, taking, leaving };
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
            match apart(move || open.dir.in_place()).await {
                Ok(true) => return self.look_where_the_path_leads().await,
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

    /// A symbolic link that was turned is not followed, but it is told of.
    async fn look_where_the_path_leads(&self) {
        let (path, place) = (self.settings.path.clone(), self.place.clone());
        let same = apart(move || Ok(place.is_none_or(|place| disk::real_path(&path).is_ok_and(|real| real == place))));
        if same.await.unwrap_or(true) {
            return;
        }
        if self.told.first("leads elsewhere") {
            lines::drop_path_leads_elsewhere(&self.name, &self.settings.path);
        }
        self.trouble.note(format!("the path {} leads elsewhere now: restart the agent", show(&self.settings.path)));
    }

    async fn look(&mut self, trust_times: bool) -> Looked {
        if self.open.is_none() {
            return Looked::default();
        }
        match self.look_or_fail(trust_times).await {
            Ok(looked) => {
                let words = looked.stuck_words.iter().chain(&looked.too_big_words);
                words.for_each(|words| self.trouble.note(format!("cannot {words}")));
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
        let _turn = timeout(TURN, LOOKS.acquire()).await;
        let mut settling = std::mem::take(&mut self.settling);
        let (result, settling) = apart(move || Ok((look.run(&mut settling), settling))).await?;
        self.settling = settling;
        result
    }

    /// Gives how many files expired because no inbox of this directory is owed them.
    async fn sweep(&self) -> u64 {
        let Some(open) = self.open.clone() else { return 0 };
        let (keep, now) = (self.settings.keep_sent, self.clock.now());
        match apart(move || open.dir.sweep_sent(keep, now)).await {
            Ok(removed) => lines::sent_swept(&self.name, removed),
            Err(error) => self.trouble.tell(&error),
        }
        let (open, ledger, inboxes) = (self.open.clone(), self.ledger.clone(), self.settings.inboxes.clone());
        match apart(move || open.map_or(Ok(0), |open| open.expire_for_others(&ledger, &inboxes, now))).await {
            Ok(files) => {
                lines::expired_for_others(&self.name, files);
                files as u64
            }
            Err(error) => {
                self.trouble.tell(&error);
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests look at real files from outside")]

    use super::*;

    fn walk(site: &tempfile::TempDir, ledger: &Arc<Ledger>, drops: &Drops, stop: CancellationToken) -> DropWalk {
        let path = site.path().join("drop");
        let settings = config::Drop { path, settle: Duration::ZERO, ..config::Drop::default() };
        DropWalk::new(Parts {
            name: "d".to_owned(),
            settings,
            ledger: ledger.clone(),
            drops: drops.clone(),
            bell: Bell::default(),
            inboxes: Vec::new(),
            clock: Clock::system(),
            stop,
        })
    }

    #[tokio::test]
    async fn a_directory_is_not_opened_while_somebody_still_takes_files_in_from_it() {
        let site = tempfile::tempdir().unwrap();
        let (ledger, drops) = (Arc::new(Ledger::open_temporary().unwrap()), Drops::default());
        let mut first = walk(&site, &ledger, &drops, CancellationToken::new());
        first.open().await.unwrap();
        let taking = first.open.as_ref().unwrap().taking.clone();
        let (let_go, until) = std::sync::mpsc::channel::<()>();
        let (is_held, held) = std::sync::mpsc::channel();
        let holder = std::thread::spawn(move || {
            let _alone = taking.lock().unwrap();
            is_held.send(()).unwrap();
            until.recv()
        });
        held.recv().unwrap();
        let mut second = walk(&site, &ledger, &drops, CancellationToken::new());
        let mut opening = std::pin::pin!(second.open());
        assert!(timeout(Duration::from_millis(100), &mut opening).await.is_err());
        let_go.send(()).unwrap();
        opening.await.unwrap();
        holder.join().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_walk_that_was_told_to_end_takes_nothing_more_in() {
        let site = tempfile::tempdir().unwrap();
        let (ledger, drops) = (Arc::new(Ledger::open_temporary().unwrap()), Drops::default());
        let stop = CancellationToken::new();
        let mut ended = walk(&site, &ledger, &drops, stop.clone());
        ended.open().await.unwrap();
        std::fs::write(site.path().join("drop/a.xml"), "<a/>").unwrap();
        stop.cancel();
        assert_eq!(ended.look_or_fail(true).await.unwrap().admitted, 0);
        assert!(std::fs::exists(site.path().join("drop/a.xml")).unwrap());
        let mut next = walk(&site, &ledger, &drops, CancellationToken::new());
        next.open().await.unwrap();
        assert_eq!(next.look_or_fail(true).await.unwrap().admitted, 1);
    }
}
