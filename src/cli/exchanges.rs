//! `--save-exchanges`: what was sent and what came back, in files to be shown to somebody else.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::builder::{PathBufValueParser, TypedValueParser};

use super::output::Say;
use crate::store::disk::{self, Dir, DiskError, FileWriter};
use crate::wire::{Record, Recorder};

/// A directory for the exchanges of one command. It is opened, or made, when the first one begins.
#[derive(Debug)]
pub(super) struct Exchanges {
    directory: PathBuf,
    /// The open directory, and the last number that was given.
    place: Mutex<Option<(Dir, u64)>>,
    ended: Ended,
}

/// Whether nothing more is saved, because something could not be: that is said once, and the command goes on.
#[derive(Clone, Debug, Default)]
struct Ended(Arc<AtomicBool>);

/// One exchange: its request has begun to be written.
struct Saved {
    dir: Dir,
    number: u64,
    request: FileWriter,
    ended: Ended,
}

/// How the option's value is read.
pub(super) fn parser() -> impl TypedValueParser<Value = Arc<Exchanges>> {
    PathBufValueParser::new()
        .map(|directory| Arc::new(Exchanges { directory, place: Mutex::default(), ended: Ended::default() }))
}

impl Exchanges {
    fn begun(&self, head: &str) -> disk::Result<Saved> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let (dir, last) = match &mut *place {
            Some(place) => place,
            none => {
                let dir = Dir::make(&self.directory, 0o700)?;
                let last = last_number(&dir)?;
                none.insert((dir, last))
            }
        };
        let mut request = loop {
            *last += 1;
            match dir.create(name(*last, "request"), 0o600) {
                // Another command saves its exchanges here at the same time.
                Err(error) if error.source.kind() == ErrorKind::AlreadyExists => {}
                made => break made?,
            }
        };
        request.write(head.as_bytes())?;
        Ok(Saved { dir: dir.clone(), number: *last, request, ended: self.ended.clone() })
    }
}

impl Recorder for Exchanges {
    fn begin(&self, head: &str) -> Option<Box<dyn Record>> {
        if self.ended.0.load(Ordering::Relaxed) {
            return None;
        }
        match self.begun(head) {
            Ok(saved) => Some(Box::new(saved)),
            Err(error) => {
                self.ended.because(&error);
                None
            }
        }
    }
}

impl Record for Saved {
    fn end(self: Box<Self>, request: &str, response: &str) {
        let Saved { dir, number, request: mut file, ended } = *self;
        let written = file
            .write(request.as_bytes())
            .and_then(|()| dir.create(name(number, "response"), 0o600))
            .and_then(|mut file| file.write(response.as_bytes()));
        if let Err(error) = written {
            ended.because(&error);
        }
    }
}

impl Ended {
    fn because(&self, error: &DiskError) {
        if !self.0.swap(true, Ordering::Relaxed) {
            Say::new(true).line(&format!("warning: no more exchanges are saved: cannot {error}"));
        }
    }
}

/// Names are made of a number and nothing else: nothing that a server says is in them.
fn name(number: u64, side: &str) -> String {
    format!("{number:04}-{side}.txt")
}

/// The highest number that a file of an earlier command has; 0 where there is none.
fn last_number(dir: &Dir) -> disk::Result<u64> {
    let mut last = 0;
    for entry in dir.list()? {
        let number = entry?.to_str().and_then(number_of);
        last = last.max(number.map_or(0, u64::from));
    }
    Ok(last)
}

fn number_of(name: &str) -> Option<u32> {
    let (number, side) = name.strip_suffix(".txt")?.split_once('-')?;
    matches!(side, "request" | "response").then(|| number.parse().ok())?
}
