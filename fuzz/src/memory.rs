//! A filesystem in memory: no disk is worn, and thousands of tries fit a second.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nethical_core::spool::storage::{Held, Listed, Storage, StorageFile};

type Bytes = Arc<Mutex<Vec<u8>>>;

/// Files by path; a clone shares them.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<PathBuf, Bytes>>>);

impl Memory {
    /// With one file.
    pub fn put(&self, path: impl Into<PathBuf>, bytes: Vec<u8>) {
        self.0.lock().unwrap().insert(path.into(), Arc::new(Mutex::new(bytes)));
    }

    /// Every file.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = self.0.lock().unwrap();
        files.iter().map(|(path, bytes)| (path.clone(), bytes.lock().unwrap().clone())).collect()
    }

    /// Files of its own with the same content.
    pub fn copy(&self) -> Self {
        let copy = Self::default();
        self.files().into_iter().for_each(|(path, bytes)| copy.put(path, bytes));
        copy
    }

    fn get(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = self.0.lock().unwrap().get(path).cloned();
        Ok(Box::new(File(file.ok_or(ErrorKind::NotFound)?)))
    }
}

struct File(Bytes);
struct Lock;

impl Held for Lock {}

impl Storage for Memory {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut files = self.0.lock().unwrap();
        if files.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let file = files.entry(path.to_owned()).or_default();
        Ok(Box::new(File(Arc::clone(file))))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.get(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.get(path)
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        let files = self.0.lock().unwrap();
        let inside = files.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned());
        Ok(inside.filter_map(name).map(|name| Listed { name, is_dir: false }).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.0.lock().unwrap();
        let file = files.remove(from).ok_or(ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let mut files = self.0.lock().unwrap();
        let mut take = |path: &Path| files.remove(path).ok_or(ErrorKind::NotFound);
        let (first, second) = (take(one)?, take(other)?);
        files.insert(one.to_owned(), second);
        files.insert(other.to_owned(), first);
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let removed = self.0.lock().unwrap().remove(path);
        Ok(removed.map(drop).ok_or(ErrorKind::NotFound)?)
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Held>>> {
        Ok(Some(Box::new(Lock)))
    }
}

impl StorageFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.0.lock().unwrap();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut held = self.0.lock().unwrap();
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        // A position that damage has made up must not become an allocation.
        assert!(end < 1 << 28, "a write at {offset}");
        let length = held.len().max(end);
        held.resize(length, 0);
        held[start..end].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(length as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
