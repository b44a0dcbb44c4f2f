//! A disk that takes its time.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use crate::spool::Disk;
use crate::spool::storage::{Held, Listed, Storage, StorageFile};

/// A disk whose fsyncs come to their end when the test says so.
#[derive(Clone, Default)]
pub(crate) struct Slow(Arc<Gate>);

#[derive(Default)]
struct Gate {
    held: Mutex<bool>,
    changed: Condvar,
}

struct SlowFile(Box<dyn StorageFile>, Arc<Gate>);

impl Slow {
    /// From now on no fsync comes to its end.
    pub(crate) fn hold(&self) {
        *self.0.held.lock().unwrap() = true;
    }

    /// They all do.
    pub(crate) fn go_on(&self) {
        *self.0.held.lock().unwrap() = false;
        self.0.changed.notify_all();
    }
}

impl Storage for Slow {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(SlowFile(Disk.create(path)?, Arc::clone(&self.0))))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Disk.open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Disk.open_read(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        Disk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        Disk.exchange(one, other)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        Disk.unlink(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Disk.remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Held>>> {
        Disk.lock(path)
    }
}

impl StorageFile for SlowFile {
    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        drop(self.1.changed.wait_while(self.1.held.lock().unwrap(), |held| *held).unwrap());
        self.0.sync()
    }
}
