//! Events that a destination refused, kept for somebody to look at.
//!
//! They are on disk, where they survive the process and every tool can list, show, replay and drop them
//! ([`spool::DeadLetterLog`](crate::spool::DeadLetterLog)). The newest are also kept in memory, which is
//! all there is where nothing may be written to the disk.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::delivery::Error;
use crate::event::{Event, Timestamp};
use crate::spool::storage::Disk;
use crate::spool::{self, DeadLetterLog, Home, Retention};

/// One refused event.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The event.
    pub event: Event,
    /// Why it was refused.
    pub error: Error,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// The dead letters of one destination, for what delivers without a connector.
pub struct DeadLetters {
    kept: Mutex<Kept>,
    max_bytes: usize,
    home: Option<PathBuf>,
    /// Opened for the first letter; `None` inside where the disk does not take any.
    log: OnceLock<Option<DeadLetterLog>>,
}

#[derive(Default)]
struct Kept {
    letters: VecDeque<DeadLetter>,
    bytes: usize,
}

impl DeadLetters {
    /// None yet. At most `max_bytes` of events are kept in memory, all under `home` if there is one.
    pub const fn new(max_bytes: usize, home: Option<PathBuf>) -> Self {
        let kept = Mutex::new(Kept { letters: VecDeque::new(), bytes: 0 });
        Self { kept, max_bytes, home, log: OnceLock::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keep one of a destination's. It is on disk when this returns, where there is one that takes it.
    pub fn push(&self, destination: &str, letter: DeadLetter) {
        let written = self.log().map(|log| log.append(&stored(destination, &letter)));
        if let Some(Err(error)) = written {
            tracing::warn!(target: "nethical", "{destination}: a dead letter is kept in memory only: {error}");
        }
        let mut kept = self.lock();
        kept.bytes += letter.event.json().len();
        kept.letters.push_back(letter);
        while kept.bytes > self.max_bytes && kept.letters.len() > 1 {
            kept.bytes -= kept.letters.pop_front().map_or(0, |oldest| oldest.event.json().len());
        }
    }

    /// Those in memory, oldest first.
    pub fn list(&self) -> Vec<DeadLetter> {
        self.lock().letters.iter().cloned().collect()
    }

    fn log(&self) -> Option<&DeadLetterLog> {
        let open = || {
            let home = Home::new(Arc::new(Disk), self.home.clone()?);
            DeadLetterLog::open(Arc::new(Disk), &home.dead_letters(), Retention::default()).ok()
        };
        self.log.get_or_init(open).as_ref()
    }
}

fn stored(destination: &str, letter: &DeadLetter) -> spool::DeadLetter {
    let micros = |at: Timestamp| u64::try_from(at.as_microsecond()).unwrap_or_default();
    spool::DeadLetter {
        destination: destination.to_owned(),
        id: letter.event.id().to_string(),
        reason: letter.error.code().to_owned(),
        answer: letter.error.message().to_owned(),
        attempts: letter.attempts,
        first_micros: micros(letter.event.at()),
        last_micros: micros(letter.at),
        payload: letter.event.to_stored(),
    }
}
