//! A ledger in memory that a crash takes back to what was durable: SQLite itself, with a copy kept at every commit.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, MAIN_DB, ffi};

use super::{Ledger, schema};
use crate::store::disk::simulated::Simulated;

/// Sees every commit of a ledger; of a real one nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness(Option<Simulation>);

#[derive(Clone, Debug)]
struct Simulation {
    disk: Simulated,
    copies: Arc<Mutex<Copies>>,
}

/// The database as it was: after the last durable commit, and after each one since that a power cut may take back.
#[derive(Debug, Default)]
struct Copies(Vec<Vec<u8>>);

impl Witness {
    pub(super) fn about_to_commit(&self) -> rusqlite::Result<()> {
        match &self.0 {
            Some(simulation) => simulation.disk.step().map_err(|_| failed()),
            None => Ok(()),
        }
    }

    pub(super) fn committed(&self, connection: &mut Connection, durable: bool) -> rusqlite::Result<()> {
        let Some(simulation) = &self.0 else { return Ok(()) };
        let copy = connection.serialize(MAIN_DB)?.to_vec();
        let mut copies = simulation.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if durable {
            copies.0.clear();
        }
        copies.0.push(copy);
        Ok(())
    }
}

fn failed() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), None)
}

impl Ledger {
    /// A new ledger beside a simulated disk.
    #[expect(clippy::disallowed_methods, reason = "this is the door to SQLite")]
    pub(crate) fn simulated(disk: &Simulated) -> Ledger {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::prepare(&mut connection).unwrap();
        let copies = Copies(vec![connection.serialize(MAIN_DB).unwrap().to_vec()]);
        let simulation = Simulation { disk: disk.clone(), copies: Arc::new(Mutex::new(copies)) };
        let witness = Witness(Some(simulation));
        Ledger { path: PathBuf::from("simulated"), connection: Mutex::new(connection), witness }
    }

    /// The ledger after a crash: with `power` off as well it may be older, back to its last durable commit.
    pub(crate) fn after_crash(&self, power: bool) {
        let Some(simulation) = &self.witness.0 else { return };
        let mut copies = simulation.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let last = copies.0.len() - 1;
        let kept = if power { simulation.disk.state().rng().usize(..=last) } else { last };
        copies.0.swap(0, kept);
        copies.0.truncate(1);
        let mut connection = self.lock();
        let size = copies.0[0].len();
        connection.deserialize_read_exact(MAIN_DB, copies.0[0].as_slice(), size, false).unwrap();
    }
}
