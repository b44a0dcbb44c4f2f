//! Events that a destination refused, kept for somebody to look at.

use std::collections::VecDeque;

use crate::delivery::Error;
use crate::event::{Event, Timestamp};

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

/// The newest dead letters of one destination, in memory, bounded by their bytes.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    letters: VecDeque<DeadLetter>,
    bytes: usize,
    max_bytes: usize,
}

impl DeadLetters {
    /// None yet; at most `max_bytes` of events are kept.
    pub(crate) const fn new(max_bytes: usize) -> Self {
        Self { letters: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Keep one, and let go of the oldest ones past the bound. The newest is always kept.
    pub(crate) fn push(&mut self, letter: DeadLetter) {
        self.bytes += letter.event.json().len();
        self.letters.push_back(letter);
        while self.bytes > self.max_bytes && self.letters.len() > 1 {
            self.bytes -= self.letters.pop_front().map_or(0, |oldest| oldest.event.json().len());
        }
    }

    /// All that are kept, oldest first.
    pub(crate) fn list(&self) -> Vec<DeadLetter> {
        self.letters.iter().cloned().collect()
    }
}
