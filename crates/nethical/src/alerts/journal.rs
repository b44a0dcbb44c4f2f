//! What is known of alerts: in memory, and on disk where that is allowed.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nethical_core::delivery;
use nethical_core::event::{Event, Timestamp};
use nethical_core::fork::PerProcess;

use super::dedup::{AlertState, Next, elapsed};
use super::lock;
use super::store::{Outgoing, Store};

/// Keys that are remembered without a disk.
const MOST: usize = 10_000;

/// How long it is remembered what is over.
pub(super) const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);

/// What is known of alerts.
#[derive(Debug)]
pub(crate) struct Journal {
    home: Option<PathBuf>,
    pub(super) store: Option<Store>,
    live: PerProcess<Mutex<Live>>,
}

#[derive(Debug, Default)]
struct Live {
    /// What the disk did not take, or is not to.
    states: HashMap<String, AlertState>,
    /// Notes of what the queues have, and perhaps not yet the disk.
    queued: Vec<PathBuf>,
    has_warned: bool,
}

/// What was decided, and what is to be sent.
pub(super) struct Decided {
    pub(super) state: AlertState,
    /// What was known before.
    before: Option<AlertState>,
    pub(super) event: Option<Event>,
    /// Where it is noted that it is to be sent.
    pub(super) note: Option<PathBuf>,
}

/// What is remembered of alerts in a home, by any process: what lasts, and what is over since less than a week; the
/// latest first.
pub fn remembered(home: &Path, now: Timestamp) -> Vec<AlertState> {
    Journal::new(Some(home.to_owned())).states(now)
}

impl Journal {
    pub(super) fn new(home: Option<PathBuf>) -> Self {
        let store = home.as_deref().map(Store::new);
        Self { home, store, live: PerProcess::new() }
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn live(&self) -> &Mutex<Live> {
        self.live.get(Mutex::default)
    }

    /// Decide what becomes of an alert, alone among all threads and processes, and write it down.
    /// `next` says what is known then, and where what is sent goes; `None` if nothing changes.
    pub(super) fn decide(
        &self,
        key: &str,
        next: impl FnOnce(Option<AlertState>) -> Option<(Next, Vec<String>)>,
    ) -> Option<Decided> {
        let mut live = lock(self.live());
        let _alone = self.store.as_ref().and_then(|store| live.written(store.lock()));
        let known = self.known(&live, key);
        let (Next { state, alert }, to) = next(known.clone())?;
        let event = alert.map(|alert| alert.encode().event);
        let note = match (&event, &self.store) {
            (Some(event), Some(store)) => live.written(store.begin(&Outgoing::new(event, &to, &state))),
            _ => None,
        };
        self.save(&mut live, &state);
        Some(Decided { state, before: known, event, note })
    }

    /// Nobody took what was sent at this time: nothing is known of this key, unless one of it arrived before. Then
    /// only the next one is not held back.
    pub(super) fn refused(&self, key: &str, event: &Event, sent: Timestamp) {
        let mut live = lock(self.live());
        let own = format!("{}.json", event.id());
        let (notes, rest): (Vec<_>, Vec<_>) = live.queued.drain(..).partition(|note| note.ends_with(&own));
        live.queued = rest;
        // Nobody is to find it and take it for sent.
        notes.iter().for_each(|note| drop(std::fs::remove_file(note)));
        let _alone = self.store.as_ref().and_then(|store| live.written(store.lock()));
        let Some(state) = self.known(&live, key).filter(|state| state.last_sent == sent) else { return };
        if state.sent <= 1 {
            self.erase(&mut live, key);
        } else {
            self.save(&mut live, &AlertState { last_sent: Timestamp::MIN, ..state });
        }
    }

    fn known(&self, live: &Live, key: &str) -> Option<AlertState> {
        live.states.get(key).cloned().or_else(|| self.store.as_ref()?.state(key))
    }

    /// In memory where the disk does not take it.
    fn save(&self, live: &mut Live, state: &AlertState) {
        let stored = self.store.as_ref().and_then(|store| live.written(store.save(state)));
        match stored {
            Some(()) => drop(live.states.remove(&state.key)),
            None => live.remember(state.clone()),
        }
    }

    fn erase(&self, live: &mut Live, key: &str) {
        live.states.remove(key);
        self.store.as_ref().and_then(|store| live.written(store.forget(key)));
    }

    /// Nothing was sent after all: what was known before is known again, unless somebody has decided since.
    pub(super) fn undo(&self, decided: Decided) {
        let Decided { state, before, note, .. } = decided;
        let mut live = lock(self.live());
        if let Some(note) = note {
            let _ = std::fs::remove_file(note);
        }
        if live.states.get(&state.key) == Some(&state) {
            live.states.remove(&state.key);
            live.states.extend(before.clone().map(|before| (before.key.clone(), before)));
        }
        let Some(store) = &self.store else { return };
        let _alone = live.written(store.lock());
        if store.state(&state.key).as_ref() == Some(&state) {
            let undone = match &before {
                Some(before) => store.save(before),
                None => store.forget(&state.key),
            };
            live.written(undone);
        }
    }

    /// The queues have what was noted here.
    pub(super) fn queued(&self, note: Option<PathBuf>) {
        lock(self.live()).queued.extend(note);
    }

    /// Make durable what the queues have, and take back the notes about it.
    pub(super) fn settle(&self, deadline: Instant) {
        let queued = std::mem::take(&mut lock(self.live()).queued);
        if queued.is_empty() {
            return;
        }
        if delivery::sync(deadline.saturating_duration_since(Instant::now())) {
            // One that stays is found again, and then found in the spool.
            queued.iter().for_each(|note| drop(std::fs::remove_file(note)));
        } else {
            lock(self.live()).queued.extend(queued);
        }
    }

    pub(super) fn state(&self, key: &str) -> Option<AlertState> {
        self.known(&lock(self.live()), key)
    }

    /// Everything that is known, the latest first; what is over for long is forgotten.
    pub(super) fn states(&self, now: Timestamp) -> Vec<AlertState> {
        let mut states: HashMap<_, _> = lock(self.live()).states.clone();
        for state in self.store.iter().flat_map(Store::states) {
            states.entry(state.key.clone()).or_insert(state);
        }
        let is_old =
            |state: &AlertState| elapsed(state.resolved.unwrap_or(state.last_raised), now) > REMEMBERED;
        let (old, mut kept): (Vec<_>, Vec<_>) = states.into_values().partition(is_old);
        for state in old {
            lock(self.live()).states.remove(&state.key);
            let _ = self.store.as_ref().map(|store| store.forget(&state.key));
        }
        kept.sort_by(|one, other| {
            other.last_raised.cmp(&one.last_raised).then_with(|| one.key.cmp(&other.key))
        });
        kept
    }

    /// How far the monitor of this name has come, as a process before this one left it.
    pub(crate) fn monitor<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.store.as_ref()?.monitor(name)
    }

    /// Write down how far a monitor has come.
    pub(crate) fn save_monitor(&self, name: &str, state: &impl serde::Serialize) {
        if let Some(store) = &self.store {
            let written = store.save_monitor(name, state);
            lock(self.live()).written(written);
        }
    }
}

impl Live {
    fn remember(&mut self, state: AlertState) {
        if self.states.len() >= MOST
            && let Some(oldest) = self.states.values().min_by_key(|state| state.last_raised)
        {
            let key = oldest.key.clone();
            self.states.remove(&key);
        }
        self.states.insert(state.key.clone(), state);
    }

    /// What the disk did; that it does not is told once.
    fn written<T>(&mut self, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(done) => Some(done),
            Err(error) => {
                if !std::mem::replace(&mut self.has_warned, true) {
                    let hint = "see whether the disk with $NETHICAL_HOME is full or failing";
                    let text =
                        "alerts are remembered in memory only, and may be sent again by the next process";
                    tracing::warn!(target: "nethical", hint, "{text}: {error}");
                }
                None
            }
        }
    }
}
