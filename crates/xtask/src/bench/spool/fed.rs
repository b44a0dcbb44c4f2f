//! The least that callers and a thread that writes for them can do: a lock, a copy, and two buffers that trade
//! places. No numbers, no checksums, nothing to read it back by.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::group::{Raw, callers};
use super::{FRAME, PAYLOAD};

/// Bytes that make the writer start, and those that make callers wait: what the spool has.
const PLENTY: usize = 256 * 1024;
const MOST: usize = 4 * 1024 * 1024;

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// All callers are done, or the writer is.
    over: bool,
}

#[derive(Default)]
struct Fed {
    state: Mutex<State>,
    plenty: Condvar,
    room: Condvar,
}

/// From the first event until the last is written, and with an interval on the disk.
pub(super) fn run(mut raw: Raw, threads: u64, events: u64, interval: Option<Duration>) -> Result<Duration> {
    let fed = Fed::default();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let written = fed.write(&mut raw, interval);
            fed.end();
            written
        });
        let called = callers(threads, events, || fed.append());
        fed.end();
        writer.join().map_err(|_| anyhow!("the writer panicked"))??;
        called
    })?;
    Ok(start.elapsed())
}

impl Fed {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.lock().over = true;
        self.plenty.notify_one();
        self.room.notify_all();
    }

    fn append(&self) -> Result<()> {
        let full = |state: &mut State| state.bytes.len() >= MOST && !state.over;
        let mut state = self.room.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        state.bytes.extend_from_slice(&[0; FRAME - PAYLOAD.len()]);
        state.bytes.extend_from_slice(&PAYLOAD);
        if state.bytes.len() >= PLENTY && state.bytes.len() - FRAME < PLENTY {
            self.plenty.notify_one();
        }
        Ok(())
    }

    fn write(&self, raw: &mut Raw, interval: Option<Duration>) -> Result<()> {
        let mut bytes = Vec::new();
        let mut synced = Instant::now();
        loop {
            let scarce = |state: &mut State| state.bytes.len() < PLENTY && !state.over;
            let mut state =
                self.plenty.wait_while(self.lock(), scarce).unwrap_or_else(PoisonError::into_inner);
            let over = state.over;
            std::mem::swap(&mut state.bytes, &mut bytes);
            drop(state);
            self.room.notify_all();
            raw.put(&bytes)?;
            bytes.clear();
            if over {
                return raw.sync();
            }
            if interval.is_some_and(|interval| synced.elapsed() >= interval) {
                raw.sync()?;
                synced = Instant::now();
            }
        }
    }
}
