//! The ledger: everything that must survive a restart and is not a file's place.
//!
//! One SQLite database in WAL mode, `synchronous=FULL`. Operators can read it with `sqlite3` while the agent writes
//! it. All instants are milliseconds since 1970 unless a column says `ns`.

mod deliveries;
mod directories;
mod feeds;
mod files;
mod parts;
mod report;
mod retried;
mod rows;
mod schema;
mod upkeep;
mod words;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::disk;

pub use deliveries::{Claim, Due, InboxTotals, Outcome, Owed, Settled, words};
pub use directories::{Unnamed, Waiting};
pub use feeds::{Cursor, FeedId, FeedRow};
pub use files::{Admission, FileId, FileRow, Leaving, NewDelivery};
pub use parts::{After, BlockRow, Key, NewBlock, PartId, Place, Totals};
pub use report::{FailedFile, FeedReport, InboxReport, Report};
pub use retried::Had;
pub use words::{LastWord, News};

/// The ledger could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite failed: a full disk, an I/O error, a lock held too long.
    #[error("use the ledger {path}: {source}", path = .path.display())]
    Sqlite {
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file is not a ledger, or damaged.
    #[error("read the ledger {path}: it is damaged ({what})", path = .path.display())]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// What SQLite said.
        what: String,
    },
    /// A newer version of this program wrote it.
    #[error("use the ledger {path}: a newer taxii-sync wrote it (format {found}, this one knows {known})", path = .path.display())]
    Newer {
        /// The ledger.
        path: PathBuf,
        /// Its format number.
        found: i64,
        /// The newest format number we know.
        known: i64,
    },
}

impl LedgerError {
    /// What the operator can do.
    pub fn hint(&self) -> &'static str {
        match self {
            LedgerError::Sqlite { .. } => "check the free space and the permissions of state_dir",
            LedgerError::Damaged { .. } => {
                "stop the agent, move ledger.db with its -wal and -shm files aside (or put a backup there) and start \
                 again: files under way go back to their drop directories, feeds start at `start`; nothing is lost, \
                 but content may be handed over or sent once more"
            }
            LedgerError::Newer { .. } => {
                "install the newer version again, or put back the backup made before the upgrade"
            }
        }
    }
}

/// What this room's operations give.
pub type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// An open ledger. Calls block; they belong on a blocking thread.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    connection: Mutex<Connection>,
    #[cfg(test)]
    witness: simulated::Witness,
}

/// The name of the ledger below `state_dir`.
pub const FILE_NAME: &str = "ledger.db";

impl Ledger {
    /// Opens the ledger below `state_dir`, making it where there is none and bringing an older one up to date.
    pub fn open(state_dir: &Path) -> Result<Ledger> {
        let path = state_dir.join(FILE_NAME);
        let ledger = Ledger::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let prepared = schema::prepare(&mut ledger.lock());
        ledger.known_format(prepared)?;
        Ok(ledger)
    }

    /// A ledger of nobody else's that is gone with its process: in memory, and on disk as far as it outgrows that.
    pub fn open_temporary() -> Result<Ledger> {
        // SQLite makes a private, temporary database where the path is empty.
        let ledger =
            Ledger::connect(PathBuf::new(), OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        let prepared = schema::prepare(&mut ledger.lock());
        ledger.known_format(prepared)?;
        Ok(ledger)
    }

    /// Opens an existing ledger for reading, also while an agent writes it. `None`: there is none, or it is about to
    /// be made.
    pub fn open_to_read(state_dir: &Path) -> super::Result<Option<Ledger>> {
        let path = state_dir.join(FILE_NAME);
        if !disk::is_there(&path)? {
            return Ok(None);
        }
        let ledger = Ledger::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let found = schema::format(&ledger.lock());
        Ok((ledger.known_format(found)? > 0).then_some(ledger))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door to SQLite")]
    fn connect(path: PathBuf, flags: OpenFlags) -> Result<Ledger> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match Connection::open_with_flags(&path, flags) {
            Ok(connection) => {
                let ledger = Ledger {
                    path,
                    connection: Mutex::new(connection),
                    #[cfg(test)]
                    witness: simulated::Witness::default(),
                };
                let settings = ledger.lock().busy_timeout(Duration::from_secs(30));
                ledger.checked(settings)?;
                Ok(ledger)
            }
            Err(source) => Err(LedgerError::Sqlite { path, source }),
        }
    }

    fn known_format(&self, found: rusqlite::Result<Option<i64>>) -> Result<i64> {
        let path = self.path.clone();
        match self.checked(found)? {
            Some(found) if found <= schema::FORMAT => Ok(found),
            Some(found) => Err(LedgerError::Newer { path, found, known: schema::FORMAT }),
            None => Err(LedgerError::Damaged { path, what: "another program's database".to_owned() }),
        }
    }

    /// A panic while the connection was locked rolled its transaction back: the connection is as good as before.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checked<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        result.map_err(|source| match source.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => {
                LedgerError::Damaged { path: self.path.clone(), what: source.to_string() }
            }
            _ => LedgerError::Sqlite { path: self.path.clone(), source },
        })
    }

    /// Reads.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let connection = self.lock();
        let result = work(&connection);
        drop(connection);
        self.checked(result)
    }

    /// Reads many things, as they are at one moment: the locks are taken once.
    fn read_at_once<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            work(&transaction)
        })
    }

    /// One transaction, durable when this returns.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        self.transaction("FULL", work)
    }

    /// One transaction that need not be durable by itself: the write-ahead log keeps the order, so the next durable
    /// transaction makes this one durable with it, and a power cut before that may take it back.
    fn write_relaxed<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        self.transaction("NORMAL", work)
    }

    /// The level of durability is set before each transaction: whatever became of the one before, this one has its own.
    fn transaction<T>(
        &self,
        synchronous: &str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut connection = self.lock();
        let result = (|| {
            connection.pragma_update(None, "synchronous", synchronous)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            #[cfg(test)]
            self.witness.about_to_commit()?;
            transaction.commit()?;
            #[cfg(test)]
            self.witness.committed(&mut connection, synchronous == "FULL")?;
            Ok(value)
        })();
        drop(connection);
        self.checked(result)
    }
}

#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod tests;
