//! The tables, and how an older ledger becomes a newer one.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

/// The format this program writes; `PRAGMA user_version` holds it. 0 is an empty database.
pub(super) const FORMAT: i64 = 3;

/// The first format that holds what is wrong with a drop directory.
pub(super) const WITH_DROP_TROUBLE: i64 = 2;

/// The first format that tells an inbox that takes nothing from one that refused a file, and counts what expired.
pub(super) const WITH_FAILING: i64 = 3;

/// `taxi` in ASCII, so that `file(1)` and a stranger can tell what the database is.
const APPLICATION_ID: i64 = 0x7461_7869;

/// Each entry brings the format before it up by one.
const STEPS: [&str; FORMAT as usize] = [
    r#"
-- A feed by its configured name. `identity` says what the cursor belongs to: with another one it starts afresh.
CREATE TABLE feed (
    id                INTEGER PRIMARY KEY,
    name              TEXT NOT NULL UNIQUE,
    identity          TEXT NOT NULL,
    cursor            TEXT,             -- as the server wrote it
    cursor_ns         INTEGER,          -- the same as an instant
    result            TEXT,             -- a result set under way (JSON)
    staging           TEXT,             -- identity of OUTPUT/.staging
    next_poll         INTEGER,
    not_before        INTEGER,          -- a wait the server asked for
    last_success      INTEGER,
    last_error        TEXT,
    last_error_at     INTEGER,
    failures          INTEGER NOT NULL DEFAULT 0,
    skew              INTEGER NOT NULL DEFAULT 0,   -- server clock minus ours
    last_content      INTEGER,
    quiet_polls       INTEGER NOT NULL DEFAULT 0,   -- successes in a row without content
    files_total       INTEGER NOT NULL DEFAULT 0,
    bytes_total       INTEGER NOT NULL DEFAULT 0,
    quarantined_total INTEGER NOT NULL DEFAULT 0,
    empty_total       INTEGER NOT NULL DEFAULT 0,
    pruned            INTEGER,           -- when old fingerprints were last looked for
    address           TEXT               -- where it was polled last, and why there
);

-- A part whose blocks are staged; once committed it is handed over, whatever the server says.
CREATE TABLE part (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    feed      INTEGER NOT NULL,
    committed INTEGER NOT NULL DEFAULT 0,
    upto      INTEGER,                   -- its contents are in `recent` under this
    after     TEXT                       -- what finishing it does to the feed (JSON); NULL: nothing
);
CREATE INDEX part_feed ON part (feed);

-- The hand-over list.
CREATE TABLE block (
    part  INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    name  TEXT NOT NULL,
    place INTEGER NOT NULL,              -- 0 output, 1 quarantine
    beside INTEGER NOT NULL,             -- 1: a metadata or reason file goes first
    label INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    size  INTEGER NOT NULL,
    PRIMARY KEY (part, seq)
) WITHOUT ROWID;

-- What was handed over (or is on an uncommitted part's list). Ordered by label, so that neighbours in time are
-- neighbours on disk. A block without a label, and a block of a DATA_SET, has the least label of all.
CREATE TABLE fingerprint (
    feed  INTEGER NOT NULL,
    label INTEGER NOT NULL,              -- microseconds
    hash  BLOB NOT NULL,                 -- first 16 bytes of SHA-256
    at    INTEGER NOT NULL,
    PRIMARY KEY (feed, label, hash)
) WITHOUT ROWID;

-- Contents that may come again under another label: inside `overlap`, or in a repeated part.
CREATE TABLE recent (
    feed INTEGER NOT NULL,
    hash BLOB NOT NULL,
    upto INTEGER NOT NULL,               -- the asked end of the result they came in (ns)
    PRIMARY KEY (feed, hash, upto)
) WITHOUT ROWID;
CREATE INDEX recent_upto ON recent (feed, upto);

-- A drop directory, by its configured name.
CREATE TABLE drop_directory (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE
);

-- A dropped file from its admission to its receipt.
CREATE TABLE file (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    directory  INTEGER NOT NULL,
    token      TEXT NOT NULL UNIQUE,     -- its name in sending/
    name       BLOB NOT NULL,
    sha256     BLOB,                     -- NULL: too large to be read
    size       INTEGER NOT NULL,
    mode       INTEGER NOT NULL,
    modified   INTEGER NOT NULL,         -- ns
    inode      INTEGER NOT NULL,         -- of the original
    binding    TEXT,
    wire       INTEGER NOT NULL,         -- 1: TOKEN.wire is sent
    body_start INTEGER NOT NULL,         -- the range of the file that is sent
    body_end   INTEGER NOT NULL,
    refusal    TEXT,                     -- why it cannot be sent at all
    dropped_at INTEGER NOT NULL,
    pending_since INTEGER NOT NULL,
    claimed    INTEGER NOT NULL DEFAULT 0,
    owed       INTEGER NOT NULL,         -- deliveries without an outcome
    leaving    TEXT,                     -- `sent` or `failed`
    leaving_as BLOB                      -- the final name, once chosen
);
-- However many files are pending, these two hold what is about to change only.
CREATE INDEX file_unclaimed ON file (directory) WHERE claimed = 0;
CREATE INDEX file_finished ON file (directory) WHERE owed = 0 AND claimed = 1;

-- What an inbox is owed.
CREATE TABLE delivery (
    file        INTEGER NOT NULL,
    inbox       TEXT NOT NULL,
    outcome     TEXT,                    -- accepted, refused, duplicate, expired
    attempts    INTEGER NOT NULL DEFAULT 0,
    refusals    INTEGER NOT NULL DEFAULT 0,  -- FAILURE and unknown statuses so far
    message_id  TEXT,
    status_type TEXT,
    message     TEXT,
    at          INTEGER,
    next_try    INTEGER NOT NULL DEFAULT 0,
    asked       INTEGER NOT NULL DEFAULT 0,  -- 1: the server asked for the wait
    under_way   INTEGER NOT NULL DEFAULT 0,
    alone       INTEGER NOT NULL DEFAULT 0,  -- 1: not again in a batch
    PRIMARY KEY (file, inbox)
) WITHOUT ROWID;
CREATE INDEX delivery_owed ON delivery (inbox, file) WHERE outcome IS NULL;

-- What an inbox has accepted.
CREATE TABLE accepted (
    inbox  TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (inbox, sha256)
) WITHOUT ROWID;

-- A failed file that `retry` put back: an inbox that has it already does not get it again.
CREATE TABLE settled_before (
    directory INTEGER NOT NULL,
    inode     INTEGER NOT NULL,          -- of the file that was put back
    sha256    BLOB NOT NULL,
    inbox     TEXT NOT NULL,
    PRIMARY KEY (directory, inode, sha256, inbox)
) WITHOUT ROWID;

CREATE TABLE inbox_total (
    directory  INTEGER NOT NULL,
    inbox      TEXT NOT NULL,
    accepted   INTEGER NOT NULL DEFAULT 0,
    refused    INTEGER NOT NULL DEFAULT 0,
    unknown    INTEGER NOT NULL DEFAULT 0,   -- messages whose answer never came
    last_error TEXT,
    last_error_at INTEGER,
    address    TEXT,                     -- where the last message went, and why there
    PRIMARY KEY (directory, inbox)
) WITHOUT ROWID;

-- What a server last said about itself, for when it cannot be asked.
CREATE TABLE last_word (
    server  TEXT NOT NULL,
    asked   TEXT NOT NULL,               -- the address that was asked
    base    TEXT NOT NULL,               -- the address that answered
    message BLOB NOT NULL,               -- a TAXII message
    at      INTEGER NOT NULL,
    PRIMARY KEY (server, asked)
) WITHOUT ROWID;
"#,
    r#"
-- Where a drop directory was when it was opened last (bytes), and what is wrong with it; NULL: it works.
ALTER TABLE drop_directory ADD COLUMN path BLOB;
ALTER TABLE drop_directory ADD COLUMN last_error TEXT;
-- When a feed without a cursor was first polled, by our clock: `start` is counted from then.
ALTER TABLE feed ADD COLUMN first_try INTEGER;
-- 1: a DATA_SET, which has no cursor.
ALTER TABLE feed ADD COLUMN data_set INTEGER NOT NULL DEFAULT 0;
"#,
    r#"
-- The server that an inbox was at when it was tried last: what another one asked for does not count.
ALTER TABLE inbox_total ADD COLUMN server TEXT;
-- Files that were pending for too long.
ALTER TABLE inbox_total ADD COLUMN expired INTEGER NOT NULL DEFAULT 0;
-- Since when deliveries do not get there; NULL: they do, whatever became of single files.
ALTER TABLE inbox_total ADD COLUMN failing_since INTEGER;
UPDATE inbox_total SET failing_since = last_error_at WHERE last_error IS NOT NULL
    AND EXISTS (SELECT 1 FROM delivery WHERE delivery.inbox = inbox_total.inbox AND outcome IS NULL);
"#,
];

/// The format of an open database; `None`: it is another program's.
pub(super) fn format(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let empty = !connection.prepare("SELECT 1 FROM sqlite_schema")?.exists([])?;
    let ours = empty || number("application_id")? == APPLICATION_ID;
    Ok(ours.then_some(number("user_version")?))
}

/// Sets the connection up and brings the tables up to date. Gives the format found, which may be newer than ours, or
/// another program's: then nothing was changed.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<Option<i64>> {
    let found = match format(connection)? {
        Some(found) if found <= FORMAT => found,
        other => return Ok(other),
    };
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    // The same plan whatever is asked for: a statement is planned once.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    if found < FORMAT {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    Ok(Some(found))
}

/// The ledger as the first version of this program made it.
#[cfg(test)]
pub(super) fn make_first_format(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(STEPS[0])?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", 1)
}
