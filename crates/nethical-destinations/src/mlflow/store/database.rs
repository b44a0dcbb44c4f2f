//! The file itself: how it is opened, and what is said when it cannot be.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind};
use nethical_core::spool::is_on_network;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

use super::schema::{self, Found};
use crate::support::private;

/// How long a statement waits while another process writes.
const BUSY: Duration = Duration::from_secs(20);

/// How a file keeps its changes until they are part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    /// Beside it, shared through memory: many commits per second, and readers never wait. On this machine only.
    Wal,
    /// Beside it, until the end of each transaction: what works over a network too.
    Delete,
}

impl Journal {
    /// The one for a file in this folder.
    pub(super) fn of(folder: &Path) -> Self {
        if is_on_network(folder) { Self::Delete } else { Self::Wal }
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    pub(super) journal: Journal,
    /// MLflow's revision of the tables.
    pub(super) revision: String,
    /// The device and number of the file.
    identity: Option<(u64, u64)>,
}

impl Database {
    /// Open the file, making it and its folder if they are missing. Only its user may read a new one.
    pub(super) fn open(path: &Path, artifacts: &str) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(path);
        private::folder(folder).map_err(|error| unopened(path, &error))?;
        Self::open_with(path, artifacts, Journal::of(folder))
    }

    /// The same with a given journal.
    pub(super) fn open_with(path: &Path, artifacts: &str, journal: Journal) -> Result<Self, Error> {
        make_file(path).map_err(|error| unopened(path, &error))?;
        let failed = |error: rusqlite::Error| fault(path, &error);
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(32);
        let mut found = schema::look(&connection).map_err(failed)?;
        if let Found::Foreign(why) = &found {
            return Err(foreign(path, why));
        }
        let journal = set_journal(&connection, journal).map_err(failed)?;
        if matches!(found, Found::Nothing) {
            found = make(&mut connection, artifacts).map_err(failed)?;
        }
        match found {
            Found::Mlflow(revision) => Ok(Self { connection, journal, revision, identity: identity(path) }),
            Found::Nothing => Err(foreign(path, "it has no tables")),
            Found::Foreign(why) => Err(foreign(path, &why)),
        }
    }

    /// Whether this is what stands at the path.
    pub(super) fn is_still_at(&self, path: &Path) -> bool {
        self.identity.is_some() && self.identity == identity(path)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

/// Make the file, for its user only. One that is there is not touched: to close it here would give up the locks that
/// this process holds on it elsewhere.
fn make_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// The journal that the file has then. One that others use just now keeps its own.
fn set_journal(connection: &Connection, wanted: Journal) -> rusqlite::Result<Journal> {
    let name = match wanted {
        Journal::Wal => "wal",
        Journal::Delete => "delete",
    };
    let set: rusqlite::Result<String> =
        connection.query_row(&format!("PRAGMA journal_mode = {name}"), [], |row| row.get(0));
    let set = match set {
        Err(error) if is_busy(&error) => connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?,
        set => set?,
    };
    let journal = if set.eq_ignore_ascii_case("wal") { Journal::Wal } else { Journal::Delete };
    // In a write-ahead log NORMAL loses nothing when a process dies, and never the file when the power goes.
    let synchronous = if journal == Journal::Wal { "NORMAL" } else { "FULL" };
    connection.execute_batch(&format!("PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON;"))?;
    Ok(journal)
}

/// Make the tables, and the experiment that MLflow expects, unless somebody else was quicker.
fn make(connection: &mut Connection, artifacts: &str) -> rusqlite::Result<Found> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = schema::look(&change)?;
    if !matches!(found, Found::Nothing) {
        return Ok(found);
    }
    change.execute_batch(schema::TABLES)?;
    change.execute("INSERT INTO alembic_version (version_num) VALUES (?1)", [schema::REVISION])?;
    change.execute(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, \
         last_update_time) VALUES (0, 'Default', ?1, 'active', ?2, ?2)",
        params![format!("{artifacts}/0"), Timestamp::now().as_millisecond()],
    )?;
    change.commit()?;
    Ok(Found::Mlflow(schema::REVISION.to_owned()))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn unopened(path: &Path, error: &io::Error) -> Error {
    let text = format!("cannot open {}: {error}", path.display());
    let kind = if error.kind() == io::ErrorKind::PermissionDenied { Kind::Config } else { Kind::Unavailable };
    Error::new(kind, "mlflow.store_open", text)
        .with_hint("see who may write there, or name another file in `tracking_uri`")
}

/// The file is none of MLflow's.
pub(super) fn foreign(path: &Path, why: &str) -> Error {
    let text = format!("{} is no file that runs can be written to: {why}", path.display());
    Error::config("mlflow.store_foreign", text)
        .with_hint("name another file in `tracking_uri`; one that is missing is made")
}

/// What SQLite says of the file, for the updates.
pub(super) fn fault(path: &Path, error: &rusqlite::Error) -> Error {
    let shown = path.display();
    let (code, hint) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            "mlflow.store_busy",
            "nothing to do if it passes: another program writes there, and it is tried again",
        ),
        Some(ErrorCode::DiskFull) => ("mlflow.store_full", "make room there; what waits is written then"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            ("mlflow.store_open", "see who may write the file and its folder")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            return Error::config(
                "mlflow.store_foreign",
                format!("{shown} is no file of SQLite's, or broken: {error}"),
            )
            .with_hint("name another file in `tracking_uri`; one that is missing is made");
        }
        _ => ("mlflow.store", "see whether the disk is well and the file is MLflow's; it is tried again"),
    };
    Error::unavailable(code, format!("{shown}: {error}")).with_hint(hint)
}

/// The folder for artifacts beside a file, as a URI.
pub(super) fn artifacts_of(path: &Path) -> String {
    let folder = path.parent().unwrap_or(path).join("mlartifacts");
    url::Url::from_file_path(&folder).map_or_else(|()| format!("file://{}", folder.display()), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<Database, Error> {
        Database::open(path, "file:///a")
    }

    #[test]
    fn a_new_file_is_private_and_has_what_mlflow_expects() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/x.db");
        let database = open(&path).unwrap();
        assert_eq!((database.journal, database.revision.as_str()), (Journal::Wal, schema::REVISION));
        let count = "SELECT count(*) FROM sqlite_master WHERE type = 'table'";
        assert_eq!(database.connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 12);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(open(&path).unwrap().revision, schema::REVISION);
    }

    #[test]
    fn a_file_whose_columns_do_not_fit_is_refused_and_one_with_more_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let database = open(&path).unwrap();
        database
            .connection
            .execute_batch("ALTER TABLE runs ADD COLUMN extra TEXT DEFAULT 'x' NOT NULL")
            .unwrap();
        database.connection.execute_batch("UPDATE alembic_version SET version_num = 'later'").unwrap();
        drop(database);
        assert_eq!(open(&path).unwrap().revision, "later");
        let database = open(&path).unwrap();
        database.connection.execute_batch("ALTER TABLE runs RENAME COLUMN user_id TO who").unwrap();
        drop(database);
        let error = open(&path).unwrap_err();
        assert!(error.to_string().contains("`user_id`") && error.kind() == Kind::Config, "{error}");
    }

    #[test]
    fn what_is_no_file_of_mlflows_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (text, other) = (folder.path().join("text"), folder.path().join("other.db"));
        std::fs::write(&text, "not a database, but long enough to be read as one".repeat(50)).unwrap();
        assert_eq!(open(&text).unwrap_err().code(), "mlflow.store_foreign");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
        assert_eq!(open(&other).unwrap_err().code(), "mlflow.store_foreign");
        assert_eq!(open(folder.path()).unwrap_err().code(), "mlflow.store_open");
    }

    #[test]
    fn file_systems_that_others_see_get_the_journal_that_works_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        assert_eq!(
            Database::open_with(&path, "file:///a", Journal::Delete).unwrap().journal,
            Journal::Delete
        );
        assert_eq!(open(&path).unwrap().journal, Journal::Wal);
    }
}
