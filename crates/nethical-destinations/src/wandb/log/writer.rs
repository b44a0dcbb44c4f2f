//! Writing run logs: a copy into memory in the caller, files in two threads that all runs share.
//!
//! | durability | lost when the process is killed | lost when power is lost |
//! |---|---|---|
//! | `none` | at most 20 ms | unbounded |
//! | `interval` | at most 20 ms | at most 20 ms |
//! | `every` | 0 | 0 |
//!
//! One thread frames and writes, the other forces to the medium, so that no write waits behind an fsync. What
//! was written since the last fsync stays in memory: when one fails the kernel may have thrown those pages
//! away, and they are written once more before the next.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nethical_core::delivery::Error;
use nethical_core::fork::PerProcess;
use nethical_core::spool::storage::{Storage, StorageFile};
use nethical_core::spool::{Disk, Durability};
use tokio::sync::Notify;

use super::frame::{self, HEADER};

/// What comes in during this time is written at once.
const LINGER: Duration = Duration::from_millis(4);

/// In mode `interval` the medium gets what is this old.
const SYNC_AFTER: Duration = Duration::from_millis(8);

/// How long to leave a disk alone that refused.
const RETRY: Duration = Duration::from_millis(50);

/// Bytes of records that may wait in memory for a slow disk.
const MOST: usize = 64 << 20;

/// Bytes that are kept until an fsync has covered them.
const MOST_UNSYNCED: usize = 16 << 20;

/// Why a record was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The log was closed.
    Closed,
    /// The disk is slower than the caller, and memory for what waits is used up.
    Full,
    /// The disk refused it. Only told in mode `every`, whose callers wait for the disk.
    Storage(io::ErrorKind),
}

/// A run log that grows. A clone writes to the same.
#[derive(Clone)]
pub(crate) struct RunLog(Arc<Shared>);

struct Shared {
    path: PathBuf,
    file: Box<dyn StorageFile>,
    durability: Durability,
    state: Mutex<State>,
    /// Something was written, forced to the medium, or refused.
    progress: Condvar,
    /// For the reader.
    grown: Notify,
}

#[derive(Default)]
struct State {
    /// Records that are not framed yet, each behind its length.
    fresh: Vec<u8>,
    /// An emptied buffer, to be used again.
    spare: Vec<u8>,
    /// Framed bytes that stand at `at`, and are not written yet.
    framed: Vec<u8>,
    /// The end of what is written.
    at: u64,
    /// What is written and not forced to the medium, with its offset.
    unsynced: VecDeque<(u64, Vec<u8>)>,
    /// Records: appended, written, and forced to the medium.
    appended: u64,
    framed_up_to: u64,
    written: u64,
    synced: u64,
    /// Somebody waits for the medium to have so many.
    wanted: u64,
    /// Whether the writing thread knows that there is something to do.
    queued: bool,
    closed: bool,
    failures: u64,
    last_failure: Option<io::ErrorKind>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunLog {
    /// Creates a log that must not exist yet.
    ///
    /// # Errors
    /// If the file cannot be created, or the system gives no threads.
    pub(crate) fn create(path: &Path, durability: Durability) -> io::Result<Self> {
        threads()?;
        Self::on(path, Disk.create(path)?, durability)
    }

    fn on(path: &Path, file: Box<dyn StorageFile>, durability: Durability) -> io::Result<Self> {
        write_all(&*file, &HEADER, 0)?;
        let state = State { at: HEADER.len() as u64, ..State::default() };
        let (progress, grown) = (Condvar::new(), Notify::new());
        let (path, state) = (path.to_owned(), Mutex::new(state));
        Ok(Self(Arc::new(Shared { path, file, durability, state, progress, grown })))
    }

    /// Appends the record that `encode` writes; it is told the record's number. Never waits.
    ///
    /// # Errors
    /// If the record was not taken.
    pub(crate) fn append(&self, encode: impl FnOnce(i64, &mut Vec<u8>)) -> Result<u64, NotTaken> {
        let mut state = lock(&self.0.state);
        if state.closed {
            return Err(NotTaken::Closed);
        }
        if state.fresh.len() + state.framed.len() > MOST {
            return Err(NotTaken::Full);
        }
        state.appended += 1;
        let num = state.appended;
        let start = state.fresh.len();
        state.fresh.extend_from_slice(&[0; 4]);
        encode(i64::try_from(num).unwrap_or(i64::MAX), &mut state.fresh);
        let length = (state.fresh.len() - start - 4) as u32;
        if let Some(head) = state.fresh.get_mut(start..start + 4) {
            head.copy_from_slice(&length.to_le_bytes());
        }
        if self.0.durability == Durability::Every {
            state.wanted = num;
        }
        if !std::mem::replace(&mut state.queued, true) {
            self.call_writer();
        }
        Ok(num)
    }

    /// In mode `every`: waits until the medium has the record with this number.
    ///
    /// # Errors
    /// If the disk refused; the record may be written later all the same.
    pub(crate) fn settle(&self, num: u64) -> Result<(), NotTaken> {
        if self.0.durability != Durability::Every {
            return Ok(());
        }
        let mut state = lock(&self.0.state);
        let before = state.failures;
        while state.synced < num {
            if state.failures != before {
                return Err(NotTaken::Storage(state.last_failure.unwrap_or(io::ErrorKind::Other)));
            }
            state = self.0.progress.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn call_writer(&self) {
        if let Ok(threads) = threads() {
            let _ = threads.send(Arc::clone(&self.0));
        }
    }

    /// Waits until the medium has everything that was appended so far; false if the deadline comes first.
    pub(crate) fn sync(&self, deadline: Instant) -> bool {
        let mut state = lock(&self.0.state);
        let all = state.appended;
        if state.synced >= all {
            return true;
        }
        state.wanted = all;
        self.call_writer();
        while state.synced < all {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.progress.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Takes no more records. What was appended is still written.
    pub(crate) fn close(&self) {
        lock(&self.0.state).closed = true;
        self.0.grown.notify_one();
    }

    /// How many records were appended, and how many of them are written.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = lock(&self.0.state);
        (state.appended, state.written)
    }

    /// Until something was written, or [`wake`](Self::wake) was called.
    pub(crate) async fn grown(&self) {
        self.0.grown.notified().await;
    }

    /// Has the reader look, whether or not something was written.
    pub(crate) fn wake(&self) {
        self.0.grown.notify_one();
    }
}

type Job = Arc<Shared>;

/// The way to the writing thread of this process.
fn threads() -> io::Result<&'static Sender<Job>> {
    static THREADS: PerProcess<Result<Sender<Job>, io::ErrorKind>> = PerProcess::new();
    THREADS.get(|| start_threads().map_err(|error| error.kind())).as_ref().map_err(|kind| (*kind).into())
}

fn start_threads() -> io::Result<Sender<Job>> {
    let (to_writer, writes) = channel();
    let (to_syncer, syncs) = channel();
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(work)
    };
    spawn("nethical-runlog", Box::new(move || write_all_day(&writes, &to_syncer)))?;
    spawn("nethical-runsync", Box::new(move || sync_all_day(&syncs)))?;
    Ok(to_writer)
}

/// The error for a system that gives no threads, or a directory that cannot be written.
pub(crate) fn cannot_create(path: &Path, error: &io::Error) -> Error {
    Error::unavailable("wandb.directory", format!("cannot write {}: {error}", path.display()))
        .with_hint("name a directory that this user may write with `directory` or `WANDB_DIR`")
}

fn write_all_day(jobs: &Receiver<Job>, to_syncer: &Sender<Job>) {
    let mut stuck: Vec<Job> = Vec::new();
    loop {
        let first = if stuck.is_empty() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(RETRY)
        };
        let mut round: Vec<Job> = std::mem::take(&mut stuck);
        match first {
            Ok(log) => round.push(log),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let until = Instant::now() + LINGER;
        while !round.iter().any(|log| log.is_waited_for())
            && let Ok(log) = jobs.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            round.push(log);
        }
        round.sort_unstable_by_key(|log| Arc::as_ptr(log).addr());
        round.dedup_by(|one, other| Arc::ptr_eq(one, other));
        for log in round {
            match log.write() {
                Ok(()) if log.needs_sync() => drop(to_syncer.send(log)),
                Ok(()) => {}
                Err(error) => {
                    log.note(error.kind());
                    stuck.push(log);
                }
            }
        }
    }
}

fn sync_all_day(jobs: &Receiver<Job>) {
    let mut due: Vec<(Instant, Job)> = Vec::new();
    loop {
        let next = due.iter().map(|(at, _)| *at).min();
        let job = match next {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => jobs.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match job {
            Ok(log) if !due.iter().any(|(_, other)| Arc::ptr_eq(other, &log)) => {
                due.push((Instant::now() + SYNC_AFTER, log));
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        let (ready, later) = due.into_iter().partition(|(at, log)| *at <= now || log.is_waited_for());
        due = later;
        let ready: Vec<(Instant, Job)> = ready;
        for (_, log) in ready {
            if let Err(error) = log.sync() {
                log.note(error.kind());
                due.push((Instant::now() + RETRY, log));
            }
        }
    }
}

impl Shared {
    fn is_waited_for(&self) -> bool {
        let state = lock(&self.state);
        state.wanted > state.synced && state.last_failure.is_none()
    }

    fn needs_sync(&self) -> bool {
        let state = lock(&self.state);
        state.synced < state.written && (self.durability != Durability::None || state.wanted > state.synced)
    }

    fn note(&self, kind: io::ErrorKind) {
        let mut state = lock(&self.state);
        state.failures += 1;
        let first = state.last_failure.replace(kind).is_none();
        self.progress.notify_all();
        drop(state);
        if first {
            let hint = "make room: what waits is written then, and is lost if the process ends before";
            tracing::warn!(target: "nethical", hint, "wandb: cannot write {}: {kind}", self.path.display());
        }
    }

    /// Frames what came in, and writes it. Only the writing thread is here.
    fn write(&self) -> io::Result<()> {
        let (fresh, mut framed, at) = {
            let mut state = lock(&self.state);
            state.queued = false;
            let spare = std::mem::take(&mut state.spare);
            let fresh = std::mem::replace(&mut state.fresh, spare);
            state.framed_up_to = state.appended;
            (fresh, std::mem::take(&mut state.framed), state.at)
        };
        let mut end = at + framed.len() as u64;
        let mut rest = fresh.as_slice();
        while let Some((head, behind)) = rest.split_first_chunk::<4>()
            && let Some((record, behind)) = behind.split_at_checked(u32::from_le_bytes(*head) as usize)
        {
            end = frame::push(record, end, &mut framed);
            rest = behind;
        }
        let done = write_all(&*self.file, &framed, at);
        let mut state = lock(&self.state);
        state.spare = fresh;
        // A row of a hundred megabytes does not hold as much for ever.
        state.spare.clear();
        state.spare.shrink_to(1 << 20);
        if let Err(error) = done {
            state.framed = framed;
            return Err(error);
        }
        state.at = end;
        state.written = state.framed_up_to;
        if self.durability != Durability::None && !framed.is_empty() {
            state.unsynced.push_back((at, framed));
            // A disk that takes no fsync for long is not given all memory.
            while state.unsynced.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > MOST_UNSYNCED {
                state.unsynced.pop_front();
            }
        } else if state.wanted <= state.written {
            state.last_failure = None;
        }
        drop(state);
        self.grown.notify_one();
        Ok(())
    }

    /// Forces to the medium what is written. Only the syncing thread is here.
    fn sync(&self) -> io::Result<()> {
        let (written, at, again) = {
            let state = lock(&self.state);
            let again = state.last_failure.is_some();
            (state.written, state.at, again.then(|| state.unsynced.clone()))
        };
        for (at, bytes) in again.iter().flatten() {
            write_all(&*self.file, bytes, *at)?;
        }
        self.file.sync()?;
        let mut state = lock(&self.state);
        state.synced = state.synced.max(written);
        state.unsynced.retain(|(start, bytes)| start + bytes.len() as u64 > at);
        if state.framed.is_empty() {
            state.last_failure = None;
        }
        self.progress.notify_all();
        Ok(())
    }
}

fn write_all(file: &dyn StorageFile, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
