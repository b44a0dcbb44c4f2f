use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

/// A file in memory whose disk can be made to fail.
#[derive(Default)]
struct Memory {
    bytes: Mutex<Vec<u8>>,
    synced: Mutex<Vec<u8>>,
    fails_write: AtomicBool,
    fails_sync: AtomicBool,
    syncs: AtomicU64,
}

struct Handle(Arc<Memory>);

impl StorageFile for Handle {
    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.0.bytes).len() as u64)
    }

    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.0.fails_write.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut all = lock(&self.0.bytes);
        let end = offset as usize + bytes.len();
        if all.len() < end {
            all.resize(end, 0);
        }
        all[offset as usize..end].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn truncate(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.syncs.fetch_add(1, Ordering::SeqCst);
        if self.0.fails_sync.load(Ordering::SeqCst) {
            // As a kernel may: what was not on the medium is gone.
            lock(&self.0.bytes).clone_from(&lock(&self.0.synced));
            return Err(io::ErrorKind::Other.into());
        }
        lock(&self.0.synced).clone_from(&lock(&self.0.bytes));
        Ok(())
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

fn log(durability: Durability) -> (Arc<Memory>, RunLog) {
    let memory = Arc::<Memory>::default();
    let log = RunLog::on(Path::new("run.wandb"), Box::new(Handle(Arc::clone(&memory))), durability).unwrap();
    (memory, log)
}

fn append(log: &RunLog, text: &str) -> Result<u64, NotTaken> {
    let num = log.append(|_, out| out.extend_from_slice(text.as_bytes()))?;
    log.settle(num).map(|()| num)
}

fn expected(texts: &[&str]) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    let mut at = out.len() as u64;
    for text in texts {
        at = frame::push(text.as_bytes(), at, &mut out);
    }
    out
}

fn wait(is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come to be so");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_durability_keeps_its_word() {
    let (memory, every) = log(Durability::Every);
    append(&every, "a").unwrap();
    assert_eq!(*lock(&memory.synced), expected(&["a"]), "when the call returns");

    let (memory, interval) = log(Durability::Interval);
    append(&interval, "a").unwrap();
    wait(|| *lock(&memory.synced) == expected(&["a"]));

    let (memory, none) = log(Durability::None);
    append(&none, "a").unwrap();
    wait(|| *lock(&memory.bytes) == expected(&["a"]));
    std::thread::sleep(SYNC_AFTER * 3);
    assert_eq!(memory.syncs.load(Ordering::SeqCst), 0);
    assert!(none.sync(Instant::now() + PATIENCE), "unless somebody asks");
    assert_eq!(*lock(&memory.synced), expected(&["a"]));
}

#[test]
fn a_full_disk_holds_what_was_taken_until_there_is_room() {
    let (memory, interval) = log(Durability::Interval);
    memory.fails_write.store(true, Ordering::SeqCst);
    append(&interval, "a").unwrap();
    assert!(!interval.sync(Instant::now() + Duration::from_millis(150)));
    append(&interval, "b").unwrap();
    memory.fails_write.store(false, Ordering::SeqCst);
    assert!(interval.sync(Instant::now() + PATIENCE));
    assert_eq!(*lock(&memory.synced), expected(&["a", "b"]));
    assert_eq!(interval.counts(), (2, 2));

    let (memory, every) = log(Durability::Every);
    memory.fails_write.store(true, Ordering::SeqCst);
    assert_eq!(append(&every, "a"), Err(NotTaken::Storage(io::ErrorKind::StorageFull)));
    memory.fails_write.store(false, Ordering::SeqCst);
    append(&every, "b").unwrap();
    assert_eq!(*lock(&memory.synced), expected(&["a", "b"]));
}

#[test]
fn what_a_failed_fsync_threw_away_is_written_again() {
    let (memory, interval) = log(Durability::Interval);
    append(&interval, "a").unwrap();
    assert!(interval.sync(Instant::now() + PATIENCE));
    memory.fails_sync.store(true, Ordering::SeqCst);
    append(&interval, "b").unwrap();
    wait(|| memory.syncs.load(Ordering::SeqCst) > 2);
    append(&interval, "c").unwrap();
    memory.fails_sync.store(false, Ordering::SeqCst);
    assert!(interval.sync(Instant::now() + PATIENCE));
    assert_eq!(*lock(&memory.synced), expected(&["a", "b", "c"]));
}

#[test]
fn a_closed_log_takes_nothing_and_writes_what_it_has() {
    let (memory, interval) = log(Durability::Interval);
    append(&interval, "a").unwrap();
    interval.close();
    assert_eq!(append(&interval, "b"), Err(NotTaken::Closed));
    assert!(interval.sync(Instant::now() + PATIENCE));
    assert_eq!(*lock(&memory.synced), expected(&["a"]));
}

#[test]
fn threads_share_a_log_and_none_of_their_records_is_lost() {
    let (memory, interval) = log(Durability::Interval);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5_000).for_each(|_| assert!(append(&interval, "0123456789").is_ok())));
        }
    });
    assert!(interval.sync(Instant::now() + PATIENCE));
    assert_eq!(lock(&memory.synced).len(), expected(&["0123456789"; 20_000]).len());
}
