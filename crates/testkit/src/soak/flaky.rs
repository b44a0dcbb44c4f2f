//! A receiver that writes down what it gets, refuses some of it, and often fails.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{Batch, Destination, Error, Profile, Receipt, Refusal, Schedule, Unfinished};

use super::report::number;

/// Appends the numbers of events to a file; refuses some, and fails now and then.
pub(super) struct Flaky {
    delivered: PathBuf,
    attempts: AtomicU64,
}

impl Flaky {
    pub(super) const fn new(delivered: PathBuf) -> Self {
        Self { delivered, attempts: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Destination for Flaky {
    fn profile(&self) -> Profile {
        let retry = Schedule { first: Duration::from_millis(1), cap: Duration::from_millis(5) };
        Profile { max_events: 64, repeat_safe: true, retry, ..Profile::default() }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        if attempt % 7 == 3 {
            return Err(Error::unavailable("soak.down", "not now"));
        }
        let taken = if attempt % 5 == 2 { batch.len() / 2 } else { batch.len() };
        let mut receipt = Receipt::all();
        let mut lines = Vec::new();
        for (index, event) in batch.iter().enumerate().take(taken) {
            match number(event) {
                Some(number) if number % 1_000 == 7 => {
                    receipt
                        .refused
                        .push(Refusal { index, error: Error::refused("soak.refused", "not this one") });
                }
                Some(number) => lines.extend_from_slice(format!("{number}\n").as_bytes()),
                None => return Err(Error::refused("soak.unreadable", "not one of ours")),
            }
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.delivered);
        let written = file.as_mut().is_ok_and(|file| file.write_all(&lines).is_ok());
        if !written {
            return Err(Error::unavailable("soak.file", "cannot write"));
        }
        if taken < batch.len() {
            let indices = (taken..batch.len()).collect();
            receipt.unfinished =
                Some(Unfinished { indices, error: Error::unavailable("soak.half", "half of it") });
        }
        Ok(receipt)
    }

    async fn probe(&self) -> Result<String, Error> {
        Ok("well".to_owned())
    }
}
