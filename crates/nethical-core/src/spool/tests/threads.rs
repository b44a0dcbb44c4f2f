//! With its own threads, on the real disk.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::cases::{reader, stats};
use crate::spool::storage::{Held, Listed, Storage, StorageFile};
use crate::spool::{Disk, Durability, Options, Spool};

#[test]
fn without_any_call_events_reach_the_kernel_and_the_reader_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(Arc::new(Disk), dir.path(), Options::default()).unwrap();
    let id = spool.destination("a").unwrap();
    let (send, woken) = std::sync::mpsc::channel();
    let waker = move || send.send(Instant::now()).unwrap();
    let reader = spool.reader(id, Arc::new(waker)).unwrap();
    for round in 0..5 {
        let start = Instant::now();
        spool.append(b"hello", &[id]).unwrap();
        let woken = woken.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(reader.read(10, 1000).unwrap().len(), 1, "round {round}");
        assert!(woken - start < Duration::from_secs(2));
    }
}

/// A disk whose fsyncs come to their end when the test says so.
struct Slow(Arc<(Mutex<bool>, Condvar)>);

struct SlowFile(Box<dyn StorageFile>, Arc<(Mutex<bool>, Condvar)>);

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
        let (free, changed) = &*self.1;
        drop(changed.wait_while(free.lock().unwrap(), |free| !*free).unwrap());
        self.0.sync()
    }
}

#[test]
fn events_reach_the_kernel_while_an_fsync_takes_its_time() {
    for durability in [Durability::None, Durability::Interval] {
        let dir = tempfile::tempdir().unwrap();
        let gate = Arc::new((Mutex::new(true), Condvar::new()));
        let options = Options { durability, segment_bytes: 1000, ..Options::default() };
        let (spool, _) = Spool::open(Arc::new(Slow(Arc::clone(&gate))), dir.path(), options).unwrap();
        let id = spool.destination("a").unwrap();
        *gate.0.lock().unwrap() = false;
        // Segments fill up meanwhile, which are to be synced as well.
        let (send, woken) = std::sync::mpsc::channel();
        let reader = spool.reader(id, Arc::new(move || send.send(()).unwrap())).unwrap();
        for number in 0..30 {
            spool.append(format!("{number:0100}").as_bytes(), &[id]).unwrap();
            while reader.read(10, 1000).unwrap().is_empty() {
                woken.recv_timeout(Duration::from_secs(5)).unwrap();
            }
        }
        let (found, _) = crate::spool::inspect(Arc::new(Disk), dir.path()).unwrap();
        assert_eq!(found[0].waiting.events, 30, "what another process finds after a kill");
        assert!(!spool.sync(Duration::from_millis(50)), "nothing is promised that is not on the medium");
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        assert!(spool.sync(Duration::from_secs(10)));
        assert!(spool.close());
    }
}

#[test]
fn many_callers_share_fsyncs_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Every, segment_bytes: 20_000, ..Options::default() };
    let (spool, _) = Spool::open(Arc::new(Disk), dir.path(), options).unwrap();
    let id = spool.destination("a").unwrap();
    let appended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (spool, appended) = (spool.clone(), &appended);
            scope.spawn(move || {
                for number in 0..50 {
                    spool.append(format!("{thread} {number}").as_bytes(), &[id]).unwrap();
                    appended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let reader = reader(&spool, id);
        let mut last = [None; 8];
        let mut seen = 0;
        while seen < 400 {
            let entries = reader.read(64, 10_000).unwrap();
            for entry in &entries {
                let text = str::from_utf8(&entry.payload).unwrap();
                let (thread, number) = text.split_once(' ').unwrap();
                let number: usize = number.parse().unwrap();
                let before = last[thread.parse::<usize>().unwrap()].replace(number);
                assert_eq!(before.map_or(0, |before| before + 1), number);
            }
            seen += reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
            std::thread::yield_now();
        }
    });
    assert_eq!(appended.into_inner(), 400);
    assert_eq!(stats(&spool, id).waiting.events, 0);
    assert!(spool.sync(Duration::from_secs(5)));
}
