//! Keeps what it gets, for tests.

mod config;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use nethical_core::delivery::{Batch, Destination, Error, Profile, Receipt, Settings};
use nethical_core::event::{Event, Family, Redaction, RunUpdate};
use nethical_core::tracking::{Backend, Platform};

pub use self::config::MemoryConfig;
use crate::support::platform;
use crate::{Descriptor, Validated};

/// Keeps what it gets, for tests.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "memory",
    families: &[Family::Logs, Family::Alerts, Family::Runs],
    summary: "Keep the newest events in memory, for tests",
    docs: include_str!("docs.md"),
    example: include_str!("example.toml"),
    schema: || schemars::schema_for!(MemoryConfig),
    parse: |options| Ok(Arc::new(options.read::<MemoryConfig>()?)),
};

/// The events that a memory destination got. A clone shows the same ones.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    events: Arc<Mutex<VecDeque<Event>>>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came so far, oldest first.
    pub fn events(&self) -> Vec<Event> {
        self.lock().iter().cloned().collect()
    }

    /// The changes of this run that came so far, oldest first.
    pub fn updates(&self, run: &str) -> Vec<RunUpdate> {
        let events = self.events();
        let runs = events.iter().filter(|event| event.family() == Family::Runs);
        runs.filter_map(|event| event.run().ok()).filter(|update| update.run == run).collect()
    }

    /// Forget all.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

struct Keeper {
    memory: Memory,
    max_events: usize,
}

#[async_trait]
impl Destination for Keeper {
    fn profile(&self) -> Profile {
        Profile { repeat_safe: true, local: true, ..Profile::default() }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        let mut events = self.memory.lock();
        events.extend(batch.iter().cloned());
        let excess = events.len().saturating_sub(self.max_events);
        events.drain(..excess);
        Ok(Receipt::all())
    }

    async fn probe(&self) -> Result<String, Error> {
        Ok(format!("keeps the newest {} events in memory", self.max_events))
    }
}

impl Validated for MemoryConfig {
    fn open(&self) -> Result<Arc<dyn Destination>, Error> {
        Ok(Arc::new(Keeper { memory: self.memory(), max_events: self.max_events }))
    }
    fn platform(
        self: Arc<Self>,
        name: &str,
        settings: Settings,
        redaction: &Redaction,
    ) -> Option<Result<Arc<dyn Platform>, Error>> {
        Some(platform::open(self, Arc::new(Runs), name, settings, redaction))
    }
}

/// What memory adds to runs: nothing.
#[derive(Debug)]
struct Runs;

impl Backend for Runs {
    fn kind(&self) -> &'static str {
        DESCRIPTOR.name
    }
}
