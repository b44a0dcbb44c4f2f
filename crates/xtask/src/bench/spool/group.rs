//! Group commit without anything else: callers leave their events in a buffer, and whoever comes first writes
//! what has come together and waits for the disk on behalf of all.

use std::fs::File;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};

/// Where groups go.
pub(super) trait Sink: Send {
    /// So many events at once, durable when it returns.
    fn commit(&mut self, events: u64) -> Result<()>;
}

/// A file that grows by what the spool would write.
pub(super) struct Raw {
    file: File,
    bytes: Vec<u8>,
    frame: usize,
}

impl Raw {
    pub(super) fn new(file: File, frame: usize) -> Self {
        Self { file, bytes: Vec::new(), frame }
    }

    /// Writes so many events, and leaves them with the kernel.
    pub(super) fn write(&mut self, events: u64) -> Result<()> {
        self.bytes.resize(self.frame * usize::try_from(events)?, b'x');
        Ok(self.file.write_all(&self.bytes)?)
    }

    /// The same for what somebody else has put together.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.file.write_all(bytes)?)
    }

    /// Waits until the disk has them.
    pub(super) fn sync(&self) -> Result<()> {
        Ok(self.file.sync_data()?)
    }
}

impl Sink for Raw {
    fn commit(&mut self, events: u64) -> Result<()> {
        self.write(events)?;
        self.sync()
    }
}

#[derive(Default)]
struct State {
    waiting: u64,
    /// The group that is being filled, and the last one that is durable.
    group: u64,
    durable: u64,
    busy: bool,
    failed: bool,
}

/// Callers of one sink.
pub(super) struct Group<S> {
    sink: Mutex<S>,
    state: Mutex<State>,
    done: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Sink> Group<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            sink: Mutex::new(sink),
            state: Mutex::new(State { group: 1, ..State::default() }),
            done: Condvar::new(),
        }
    }

    /// One event; durable when this returns.
    pub(super) fn commit(&self) -> Result<()> {
        let mut state = lock(&self.state);
        state.waiting += 1;
        let group = state.group;
        while state.durable < group {
            if state.failed {
                return Err(anyhow!("the disk did not take a group"));
            }
            if state.busy {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let events = std::mem::take(&mut state.waiting);
            let this = state.group;
            state.group += 1;
            state.busy = true;
            drop(state);
            let committed = lock(&self.sink).commit(events);
            state = lock(&self.state);
            state.busy = false;
            state.durable = this;
            state.failed |= committed.is_err();
            self.done.notify_all();
        }
        Ok(())
    }
}

/// Runs `events` calls of `work` in so many threads.
pub(super) fn callers(threads: u64, events: u64, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let run = || (0..(events / threads).max(1)).try_for_each(|_| work());
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a caller panicked"))?)
    })
}
