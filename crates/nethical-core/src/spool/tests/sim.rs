//! A filesystem in memory that tells what a program has been promised from what it merely sees.
//!
//! Every file has the content the program sees and the content that is on the medium, with the writes in
//! between; directories likewise. A power cut keeps the medium, plus any part of what was in between: each
//! write whole, in part by sectors, or not at all, whatever came after it. Names change in order, but how
//! far they got is open. A kill keeps what the program sees. Operations can be made to fail, and a crash
//! can be set at any one of them, which is then torn itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::spool::storage::{Held, Listed, Storage, StorageFile};

const SECTOR: usize = 512;

/// How one operation is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NoSpace,
    Io,
    /// A write takes only a part, without an error.
    Short,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    Kill,
    Power,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(PathBuf, usize),
    Swap(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Default)]
struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    name_changes: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    steps: u64,
    crash_at: Option<u64>,
    crashed: bool,
    faults: BTreeMap<u64, Fault>,
    failing_fsyncs: u32,
    capacity: Option<usize>,
    random: u64,
}

/// Handle to a simulated filesystem.
#[derive(Clone)]
pub(super) struct Sim(Arc<Mutex<World>>);

struct SimFile {
    sim: Sim,
    inode: usize,
}

struct SimLock;
impl Held for SimLock {}

fn gone() -> io::Error {
    io::Error::other("crashed")
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                content.resize(content.len().max(offset + bytes.len()), 0);
                content[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(*length, 0),
        }
    }
}

impl World {
    fn roll(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % sides
    }

    /// Counts a step that changes something; `Ok(false)` when the crash comes in the middle of it.
    fn step(&mut self) -> io::Result<bool> {
        if self.crashed {
            return Err(gone());
        }
        self.steps += 1;
        match self.faults.remove(&self.steps) {
            Some(Fault::NoSpace) => return Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Io) => return Err(io::Error::other("input/output error")),
            _ => {}
        }
        self.crashed = self.crash_at == Some(self.steps);
        Ok(!self.crashed)
    }

    /// What of the changes reaches the medium when nothing made them.
    fn partly(&mut self, content: &mut Vec<u8>, changes: Vec<Change>) {
        for change in changes {
            match (self.roll(3), change) {
                (0, _) => {}
                (1, Change::Write(offset, bytes)) => {
                    let chunks: Vec<_> = bytes.chunks(SECTOR).enumerate().collect();
                    for (at, chunk) in chunks {
                        if self.roll(2) == 0 {
                            Change::Write(offset + at * SECTOR, chunk.to_vec()).apply(content);
                        }
                    }
                }
                (_, change) => change.apply(content),
            }
        }
    }

    fn used(&self) -> usize {
        self.names.values().map(|inode| self.inodes[*inode].seen.len()).sum()
    }

    fn change_name(&mut self, change: NameChange) {
        apply_name(&mut self.names, &change);
        self.name_changes.push(change);
    }
}

fn apply_name(names: &mut BTreeMap<PathBuf, usize>, change: &NameChange) {
    match change {
        NameChange::Set(path, inode) => drop(names.insert(path.clone(), *inode)),
        NameChange::Swap(one, other) => {
            let (first, second) = (names[one], names[other]);
            names.insert(one.clone(), second);
            names.insert(other.clone(), first);
        }
        NameChange::Remove(path) => drop(names.remove(path)),
    }
}

impl Sim {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World { random: seed | 1, ..World::default() })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Steps made so far.
    pub(super) fn steps(&self) -> u64 {
        self.world().steps
    }

    /// Crashes at the step that comes after so many others.
    pub(super) fn crash_after(&self, steps: u64) {
        let mut world = self.world();
        world.crash_at = Some(world.steps + steps + 1);
    }

    /// Makes the step fail that comes after so many others.
    pub(super) fn fail_after(&self, steps: u64, fault: Fault) {
        let mut world = self.world();
        let at = world.steps + steps + 1;
        world.faults.insert(at, fault);
    }

    /// Makes the next fsyncs of files fail, and the kernel forget what they should have written.
    pub(super) fn fail_fsyncs(&self, count: u32) {
        self.world().failing_fsyncs = count;
    }

    pub(super) fn set_capacity(&self, bytes: Option<usize>) {
        self.world().capacity = bytes;
    }

    pub(super) fn used(&self) -> usize {
        self.world().used()
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.world().crashed
    }

    /// Starts the machine, or only the process, again.
    pub(super) fn restart(&self, crash: Crash) {
        let mut world = self.world();
        if crash == Crash::Power {
            let changes = std::mem::take(&mut world.name_changes);
            let kept = world.roll(changes.len() as u64 + 1) as usize;
            let mut names = world.durable_names.clone();
            changes.iter().take(kept).for_each(|change| apply_name(&mut names, change));
            world.names.clone_from(&names);
            world.durable_names = names;
            for at in 0..world.inodes.len() {
                let Inode { mut durable, pending, .. } = std::mem::take(&mut world.inodes[at]);
                world.partly(&mut durable, pending);
                world.inodes[at] = Inode { seen: durable.clone(), durable, pending: Vec::new() };
            }
        }
        world.crashed = false;
        world.crash_at = None;
        world.faults.clear();
        world.failing_fsyncs = 0;
    }

    /// Names of the files in a directory.
    pub(super) fn names(&self, dir: &Path) -> Vec<String> {
        self.list(dir).unwrap().into_iter().filter(|file| !file.is_dir).map(|file| file.name).collect()
    }

    /// Content of a file, to be looked at and altered.
    pub(super) fn edit(&self, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let inode = world.names[path];
        edit(&mut world.inodes[inode].seen);
        world.inodes[inode].durable = world.inodes[inode].seen.clone();
        world.inodes[inode].pending.clear();
    }
}

impl Storage for Sim {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut world = self.world();
        if world.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !world.step()? {
            return Err(gone());
        }
        let inode = world.inodes.len();
        world.inodes.push(Inode::default());
        world.change_name(NameChange::Set(path.to_owned(), inode));
        Ok(Box::new(SimFile { sim: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let world = self.world();
        let inode = *world.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile { sim: self.clone(), inode }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.open(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.world().dirs.insert(path.to_owned());
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        let world = self.world();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let inside = |path: &&PathBuf| path.parent() == Some(dir);
        let files = world.names.keys().filter(inside).map(|path| Listed { name: name(path), is_dir: false });
        let dirs = world.dirs.iter().filter(inside).map(|path| Listed { name: name(path), is_dir: true });
        Ok(files.chain(dirs).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        let inode = *world.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        if !world.step()? {
            return Err(gone());
        }
        apply_name(&mut world.names, &NameChange::Remove(from.to_owned()));
        world.change_name(NameChange::Set(to.to_owned(), inode));
        world.name_changes.push(NameChange::Remove(from.to_owned()));
        Ok(())
    }

    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let mut world = self.world();
        if ![one, other].iter().all(|path| world.names.contains_key(*path)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !world.step()? {
            return Err(gone());
        }
        world.change_name(NameChange::Swap(one.to_owned(), other.to_owned()));
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        if !world.step()? {
            return Err(gone());
        }
        world.change_name(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.world().dirs.remove(path);
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        if !world.step()? {
            return Err(gone());
        }
        world.name_changes.clear();
        world.durable_names = world.names.clone();
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Option<Box<dyn Held>>> {
        Ok(Some(Box::new(SimLock)))
    }
}

impl StorageFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.sim.world().inodes[self.inode].seen.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.sim.world();
        let content = &world.inodes[self.inode].seen;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut world = self.sim.world();
        let short = world.faults.get(&(world.steps + 1)) == Some(&Fault::Short);
        let whole = world.step()?;
        let mut count = bytes.len();
        if short || !whole {
            count = (world.roll(count as u64) as usize).max(usize::from(short));
        }
        let grown = (offset as usize + count).saturating_sub(world.inodes[self.inode].seen.len());
        if let Some(capacity) = world.capacity
            && grown > 0
            && world.used() + grown > capacity
        {
            let room = capacity.saturating_sub(world.used());
            count = (count + room).saturating_sub(grown);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let change = Change::Write(offset as usize, bytes[..count].to_vec());
        let inode = &mut world.inodes[self.inode];
        change.apply(&mut inode.seen);
        inode.pending.push(change);
        if whole { Ok(count) } else { Err(gone()) }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut world = self.sim.world();
        if !world.step()? {
            return Err(gone());
        }
        let change = Change::Length(length as usize);
        let inode = &mut world.inodes[self.inode];
        change.apply(&mut inode.seen);
        inode.pending.push(change);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.sim.world();
        if !world.step()? {
            return Err(gone());
        }
        let Inode { seen, mut durable, pending } = std::mem::take(&mut world.inodes[self.inode]);
        if world.failing_fsyncs > 0 {
            world.failing_fsyncs -= 1;
            world.partly(&mut durable, pending);
            world.inodes[self.inode] = Inode { seen, durable, pending: Vec::new() };
            return Err(io::Error::other("input/output error"));
        }
        pending.iter().for_each(|change| change.apply(&mut durable));
        world.inodes[self.inode] = Inode { seen, durable, pending: Vec::new() };
        Ok(())
    }
}
