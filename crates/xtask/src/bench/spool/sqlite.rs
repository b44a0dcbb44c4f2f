//! The same in SQLite with a write-ahead log, as many keep a queue on disk.

use std::path::Path;

use anyhow::Result;
use rusqlite::Connection;

use super::PAYLOAD;
use super::group::Sink;

/// A table of blobs.
pub(super) struct Table(Connection);

impl Table {
    /// `synchronous` is SQLite's: `OFF` never waits for the disk, `FULL` does at each commit.
    pub(super) fn new(folder: &Path, synchronous: &str) -> Result<Self> {
        let connection = Connection::open(folder.join("events.sqlite"))?;
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
             CREATE TABLE event (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL);"
        ))?;
        Ok(Self(connection))
    }
}

impl Sink for Table {
    fn commit(&mut self, events: u64) -> Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare("INSERT INTO event (payload) VALUES (?1)")?;
            for _ in 0..events {
                insert.execute([&PAYLOAD[..]])?;
            }
        }
        Ok(transaction.commit()?)
    }
}
