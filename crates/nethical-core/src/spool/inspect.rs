//! Looking into a spool without touching it: somebody else's, live or left behind.
//!
//! It is the ordinary opening on a filesystem that refuses every change, so what is seen is what a start
//! would find. A live process still has up to 20 ms of events in memory, and may remove a file while it is
//! being looked at; a report about a live spool is a moment's view, not evidence.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::destination::Destination;
use super::log::Segment;
use super::scan::{Scanner, Step};
use super::segment::{self, HEADER};
use super::storage::{Held, Listed, Storage, StorageFile};
use super::tally::Tally;
use super::{DestinationId, Options, Recovery, SpoolError, Waiting, recovery};

/// What waits for one destination of a spool that is not ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Its id in that spool.
    pub id: DestinationId,
    /// Its key; empty when that is not known any more.
    pub key: String,
    /// What waits for it.
    pub waiting: Waiting,
    /// What its reader noted with its position.
    pub note: Vec<u8>,
}

/// What waits in the spool in a directory, by destination, and what a start would report about it.
///
/// # Errors
/// When the directory cannot be listed.
pub fn inspect(storage: Arc<dyn Storage>, dir: &Path) -> Result<(Vec<Backlog>, Recovery), SpoolError> {
    let storage: Arc<dyn Storage> = Arc::new(ReadOnly(storage));
    let opened = recovery::open(&storage, dir, &Options::default())?;
    let backlogs = opened.destinations.iter().map(|destination| {
        let Tally { events, bytes } = opened.log.remaining(destination.id);
        let first = opened.log.oldest_for(destination.id).and_then(|at| Some((at, opened.log.get(at)?)));
        let oldest_micros = first.and_then(|first| oldest(&*storage, dir, first, destination));
        let waiting = Waiting { events, bytes, oldest_micros };
        let note = destination.state().note.clone();
        Backlog { id: destination.id, key: destination.key.to_string(), waiting, note }
    });
    Ok((backlogs.collect(), opened.report))
}

/// Whether an event of the spool in a directory is one that `wanted` knows by its bytes, for the destination with
/// this key; also one that is settled by now, as long as its file is there.
///
/// # Errors
/// When the directory or a file in it cannot be read.
pub fn contains(
    storage: Arc<dyn Storage>,
    dir: &Path,
    key: &str,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<bool, SpoolError> {
    let storage: Arc<dyn Storage> = Arc::new(ReadOnly(storage));
    let opened = recovery::open(&storage, dir, &Options::default())?;
    let Some(destination) = opened.destinations.iter().find(|one| *one.key == *key) else { return Ok(false) };
    for (ordinal, segment) in opened.log.iter() {
        let path = segment::path(dir, ordinal);
        let file = storage.open_read(&path).map_err(SpoolError::io("open", &path))?;
        let mut scanner = Scanner::new(segment.marker, HEADER, segment.end);
        loop {
            match scanner.next(&*file).map_err(SpoolError::io("read", &path))? {
                Step::Frame { frame, .. } if frame.is_for(destination.id) && wanted(frame.payload) => {
                    return Ok(true);
                }
                Step::Frame { .. } | Step::Damaged { .. } => {}
                Step::Torn { .. } | Step::End => break,
            }
        }
    }
    Ok(false)
}

/// When the oldest event that waits on disk for a destination was accepted.
pub(super) fn oldest(
    storage: &dyn Storage,
    dir: &Path,
    (ordinal, segment): (u64, &Segment),
    destination: &Destination,
) -> Option<u64> {
    let file = storage.open_read(&segment::path(dir, ordinal)).ok()?;
    let mut scanner = Scanner::new(segment.marker, HEADER, segment.end);
    loop {
        match scanner.next(&*file).ok()? {
            Step::Frame { frame, .. } => {
                if frame.is_for(destination.id) && !destination.state().is_settled(frame.seq) {
                    return Some(frame.time);
                }
            }
            Step::Damaged { .. } => {}
            Step::Torn { .. } | Step::End => return None,
        }
    }
}

/// A filesystem that refuses every change.
struct ReadOnly(Arc<dyn Storage>);

struct ReadOnlyFile(Box<dyn StorageFile>);

fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

impl Storage for ReadOnly {
    fn create(&self, _path: &Path) -> io::Result<Box<dyn StorageFile>> {
        refused()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(ReadOnlyFile(self.0.open_read(path)?)))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.open(path)
    }

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        self.0.list(dir)
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        refused()
    }

    fn exchange(&self, _one: &Path, _other: &Path) -> io::Result<()> {
        refused()
    }

    fn unlink(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn remove_dir(&self, _path: &Path) -> io::Result<()> {
        refused()
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        refused()
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn Held>>> {
        refused()
    }
}

impl StorageFile for ReadOnlyFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        refused()
    }

    fn truncate(&self, _length: u64) -> io::Result<()> {
        refused()
    }

    fn sync(&self) -> io::Result<()> {
        refused()
    }
}
