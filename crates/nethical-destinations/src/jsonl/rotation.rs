//! A file that is moved away when it is large or old enough.
//!
//! This is decided before each write, with what the file system says: it counts what other processes have written,
//! and what this one wrote before it was restarted. A rotation that fails keeps nobody from writing.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nethical_core::delivery::Error;
use rustix::fs::{Access, access};

use super::config::{Fsync, JsonlConfig};
use super::errors;
use super::file::{LogFile, Written};
use super::wire::Lines;

/// How long after a rotation that failed the next one is tried.
const PAUSE: Duration = Duration::from_secs(10);

/// A file, and when it is moved away.
#[derive(Debug)]
pub(super) struct Rotating {
    pub(super) file: LogFile,
    bytes: Option<u64>,
    age: Option<Duration>,
    fsync: Fsync,
    /// Since when there is something in the file of this inode, if this process saw it empty.
    begun: Option<(u64, SystemTime)>,
    failed: Option<Instant>,
    /// Whether it was moved away since [`take_rotated`](Self::take_rotated).
    rotated: bool,
}

impl Rotating {
    /// Open the file.
    pub(super) fn open(config: &JsonlConfig) -> Result<Self, Error> {
        Ok(Self {
            file: LogFile::open(&config.filepath)?,
            bytes: config.rotate_bytes,
            age: config.rotate_age(),
            fsync: config.fsync,
            begun: None,
            failed: None,
            rotated: false,
        })
    }

    /// Append whole lines. They are distributed over several files where one cannot hold them.
    pub(super) fn append(&mut self, lines: &Lines) -> Result<Written, Error> {
        let mut start = 0;
        while start < lines.bytes.len() {
            let written = self.piece(lines, start).and_then(|end| {
                Ok((end, self.file.append(lines.bytes.get(start..end).unwrap_or_default())?))
            });
            match written {
                Ok((end, Written::All)) => start = end,
                Ok((_, Written::Part { bytes, error })) => {
                    return Ok(Written::Part { bytes: start + bytes, error });
                }
                Err(error) if start == 0 => return Err(error),
                Err(error) => return Ok(Written::Part { bytes: start, error }),
            }
        }
        Ok(Written::All)
    }

    /// See whether a line could be written, and the file be moved away.
    pub(super) fn probe(&mut self) -> Result<String, Error> {
        let found = self.file.probe()?;
        if self.rotates() {
            // Where the path is a link, the file that it leads to is moved.
            let path = fs::canonicalize(self.file.path()).unwrap_or_else(|_| self.file.path().to_owned());
            let folder = path.parent().unwrap_or(Path::new("/"));
            access(folder, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|error| errors::cannot_rotate(folder, &error.into()))?;
        }
        Ok(found)
    }

    const fn rotates(&self) -> bool {
        self.bytes.is_some() || self.age.is_some()
    }

    /// Whether the file was moved away since this was last asked.
    pub(super) const fn take_rotated(&mut self) -> bool {
        std::mem::replace(&mut self.rotated, false)
    }

    /// Where the lines end that go into the file as it is now, or into the next one.
    fn piece(&mut self, lines: &Lines, start: usize) -> Result<usize, Error> {
        let mut state = self.file.follow()?;
        let all = lines.bytes.len();
        if !self.rotates() || !state.is_file() {
            return Ok(all);
        }
        if self.is_due(&state, lines, start) {
            let rotated = self.rotate();
            state = self.file.follow()?;
            if !rotated && self.is_due(&state, lines, start) {
                return Ok(all);
            }
        }
        if state.len() == 0 {
            self.begun = Some((state.ino(), SystemTime::now()));
        }
        // A line that is longer than a file may be has one for itself.
        Ok(self.room(&state, lines, start).max(lines.next(start)))
    }

    /// Where the lines end that fit into the file.
    fn room(&self, state: &Metadata, lines: &Lines, start: usize) -> usize {
        match self.bytes {
            Some(most) => lines.fitting(start, most.saturating_sub(state.len())),
            None => lines.bytes.len(),
        }
    }

    fn is_due(&self, state: &Metadata, lines: &Lines, start: usize) -> bool {
        state.len() > 0 && (self.is_old(state) || self.room(state, lines, start) == start)
    }

    fn is_old(&self, state: &Metadata) -> bool {
        let seen = self.begun.filter(|(inode, _)| *inode == state.ino()).map(|(_, begun)| begun);
        // Where the file system does not know when a file was made, the last write has to do.
        let begun = seen.or_else(|| state.created().ok()).or_else(|| state.modified().ok());
        let age = begun.and_then(|begun| begun.elapsed().ok()).unwrap_or_default();
        self.age.is_some_and(|most| age >= most)
    }

    /// Move the file away. `false`: it stays as it is for now.
    fn rotate(&mut self) -> bool {
        if self.failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return false;
        }
        match self.file.rotate(self.fsync) {
            Ok(rotated) => {
                self.failed = None;
                self.rotated |= rotated;
                rotated
            }
            Err(error) => {
                self.failed = Some(Instant::now());
                let path = self.file.path().display();
                tracing::warn!(target: "nethical", "{path} cannot be moved away, so it grows on: {error}");
                false
            }
        }
    }
}
