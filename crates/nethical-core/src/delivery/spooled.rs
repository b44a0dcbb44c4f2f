//! Events that wait on disk, and the accounts that a kill does not lose.
//!
//! What a caller offers goes to the spool, which stores it once for all destinations; the worker reads
//! it from there. A destination may have several *sources*: the spool of its own process, and those it
//! adopted from processes that have ended. The counts of what was settled are kept with each source's
//! position, so after a kill either both show an event as settled or neither does.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::delivery::backlog::{Backlog, BatchLimits, FlushMark, Rejected};
use crate::delivery::{Batch, DropReason, Ledger, Outcome, runtime};
use crate::event::{Event, Place, Timestamp};
use crate::spool::{
    AppendError, DestinationId, DestinationStats, Durability, Entry, Full, HandedOver, Reader, Seq, Spool,
    SpoolError,
};

/// How long the worker waits for events that are accepted and not on disk yet.
const NOT_WRITTEN_YET: Duration = Duration::from_millis(25);

/// What making durable may take, beyond a deadline that has passed.
const SYNC_GRACE: Duration = Duration::from_secs(1);

/// The backlog of one destination on disk.
pub(crate) struct Spooled {
    spool: Spool,
    id: DestinationId,
    key: String,
    /// Takes no more. Beside the state, so that a caller meets no lock but the spool's.
    closed: AtomicBool,
    state: Mutex<State>,
    /// The worker sleeps here.
    work: Arc<Notify>,
    /// Callers who wait for a flush or the end sleep here.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    /// The first is this process's own.
    sources: BTreeMap<u32, Source>,
    /// The accounts of sources that are let go.
    gone: Ledger,
    /// The accounts of all sources as they were when each was opened.
    inherited: Ledger,
    /// Handed to the worker and not settled yet.
    in_flight: u64,
    /// A batch is closed early while something of this is not settled.
    flush_before: FlushMark,
    /// The worker is to come to its end.
    closed: bool,
    ended: bool,
    finished: bool,
}

/// Destinations of an event that are addressed at once.
const GROUP: usize = 16;

/// Destinations in one spool, on the caller's stack.
#[derive(Default)]
struct Group<'b> {
    spool: Option<&'b Spool>,
    ids: [DestinationId; GROUP],
    count: usize,
}

impl<'b> Group<'b> {
    /// Adds one; `false` if it is in another spool, or there is no room left.
    fn take(&mut self, backlog: &'b Spooled) -> bool {
        let spool = *self.spool.get_or_insert(&backlog.spool);
        let Some(id) = self.ids.get_mut(self.count).filter(|_| spool.is(&backlog.spool)) else {
            return false;
        };
        *id = backlog.id;
        self.count += 1;
        true
    }

    fn append(&self, event: &Event) -> bool {
        let ids = self.ids.get(..self.count).unwrap_or_default();
        self.spool.is_none_or(|spool| append(spool, event, ids).is_ok())
    }
}

/// One spool that holds events for this destination.
struct Source {
    reader: Arc<Reader>,
    /// What was settled before it was opened, and by us since.
    settled: Ledger,
    /// The spool's own counts when it was opened. They begin with the spool, not with the reader.
    before: DestinationStats,
}

impl Source {
    fn new(reader: Reader) -> Self {
        let settled = Ledger::from_stored(&reader.note());
        let before = reader.stats();
        Self { reader: Arc::new(reader), settled, before }
    }

    /// Its accounts, with what the spool itself had to give up.
    fn ledger(&self) -> Ledger {
        let (now, before, mut ledger) = (self.reader.stats(), &self.before, self.settled);
        let refused = now.dropped_newest.events - before.dropped_newest.events;
        let given_up = [
            (refused, DropReason::QueueFull),
            (now.dropped_oldest.events - before.dropped_oldest.events, DropReason::Oldest),
            (now.damaged.events - before.damaged.events, DropReason::Damaged),
            (now.rejected.events - before.rejected.events, DropReason::Storage),
        ];
        for (events, reason) in given_up {
            ledger.settle(events, Outcome::Dropped(reason));
        }
        ledger.accepted += before.waiting.events + (now.accepted.events - before.accepted.events) + refused;
        ledger.waiting = now.waiting.events;
        ledger
    }

    /// Taken in since it was opened, or waiting then.
    fn taken(&self) -> u64 {
        self.before.waiting.events + (self.reader.stats().accepted.events - self.before.accepted.events)
    }

    /// How many of those have come to an end. In order, so they are the first ones.
    fn ended(&self) -> u64 {
        self.taken().saturating_sub(self.reader.stats().waiting.events)
    }

    /// Have the accounts written down with the position, the next time that this is.
    fn note(&self) {
        self.reader.ack_noting(&[], self.ledger().to_stored());
    }
}

impl State {
    fn ledger(&self) -> Ledger {
        self.sources.values().fold(self.gone, |mut sum, source| {
            sum.add(&source.ledger());
            sum
        })
    }

    /// Accepted and not handed to the worker yet.
    fn unread(&self) -> u64 {
        self.ledger().waiting.saturating_sub(self.in_flight)
    }

    fn is_due(&self, limits: &BatchLimits) -> bool {
        let unread = self.unread();
        let flush_is_due = unread > 0 && self.left_of(&self.flush_before) > self.in_flight;
        unread >= limits.close_at as u64 || flush_is_due || self.closed
    }

    /// How many events of a flush are not settled. A source that is gone was drained, unless all of them went.
    fn left_of(&self, mark: &FlushMark) -> u64 {
        if self.finished {
            return self.gone.waiting;
        }
        let left = |(number, before): &(u32, u64)| {
            self.sources.get(number).map_or(0, |source| before.saturating_sub(source.ended()))
        };
        mark.iter().map(left).sum()
    }
}

impl Spooled {
    /// The backlog of the destination that the spool knows by `key`.
    pub(crate) fn new(spool: Spool, key: String) -> Result<Self, SpoolError> {
        let id = spool.destination(&key)?;
        let (work, progress) = (Arc::new(Notify::new()), Condvar::new());
        let backlog =
            Self { spool, id, key, closed: AtomicBool::new(false), state: Mutex::default(), work, progress };
        backlog.add_source(&backlog.spool, id)?;
        Ok(backlog)
    }

    /// By what a later process knows the destination.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Also deliver what waits in this spool.
    pub(crate) fn add_source(&self, spool: &Spool, id: DestinationId) -> Result<u32, SpoolError> {
        let work = Arc::clone(&self.work);
        let reader = spool.reader(id, Arc::new(move || work.notify_one()))?;
        let source = Source::new(reader);
        let mut state = self.lock();
        let number = state.sources.last_key_value().map_or(0, |(last, _)| last + 1);
        state.inherited.add(&source.ledger());
        state.sources.insert(number, source);
        drop(state);
        self.work.notify_one();
        Ok(number)
    }

    /// Whether nothing waits in a source any more.
    pub(crate) fn is_drained(&self, number: u32) -> bool {
        self.lock().sources.get(&number).is_none_or(|source| source.ledger().waiting == 0)
    }

    /// Let go of an adopted source. Its counts stand on disk where it is, and are still counted here.
    pub(crate) fn release_source(&self, number: u32) {
        let mut state = self.lock();
        if let Some(source) = state.sources.remove(&number) {
            source.note();
            state.gone.add(&source.ledger());
        }
    }

    /// Go on with counts that were handed over to our spool; `counted` says that they are those of a source of
    /// ours that was released. False when they are to be kept without us, because we are finished.
    pub(crate) fn take_in(&self, handed: &HandedOver, counted: bool) -> io::Result<bool> {
        let counts = Ledger::from_stored(&handed.note);
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(own) = state.sources.get_mut(&0) else { return Ok(false) };
        let before = own.settled;
        own.settled.add(&counts);
        match own.reader.take_in(handed, own.ledger().to_stored()) {
            Ok(true) if counted => state.gone = state.gone.since(&counts),
            Ok(true) => state.inherited.add(&counts),
            // They are in the note that the source began with.
            Ok(false) => own.settled = before,
            Err(error) => {
                own.settled = before;
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Take an event for several destinations, stored once in each of their spools. `true` if all took it.
    pub(crate) fn offer_to_all<'b>(event: &Event, backlogs: impl Iterator<Item = &'b Arc<Self>>) -> bool {
        let mut taken = true;
        let mut here = Group::default();
        // Nearly always there is one spool and room in the group, so one round and no allocation.
        let mut rest: Vec<&Arc<Self>> = Vec::new();
        for backlog in backlogs {
            if !backlog.is_open() {
                backlog.too_late();
                taken = false;
            } else if !here.take(backlog) {
                rest.push(backlog);
            }
        }
        taken &= here.append(event);
        taken & (rest.is_empty() || Self::offer_to_all(event, rest.into_iter()))
    }

    /// Whether its worker has come to its end.
    pub(crate) fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Whether it takes events.
    pub(crate) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep_until(&self, due: impl Fn(&State) -> bool) {
        while !due(&self.lock()) {
            self.work.notified().await;
        }
    }

    fn wait(&self, deadline: Instant, done: impl Fn(&State) -> bool) -> bool {
        let patience = deadline.saturating_duration_since(Instant::now());
        let waited = self.progress.wait_timeout_while(self.lock(), patience, |state| !done(state));
        done(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn is_done(&self) -> bool {
        let state = self.lock();
        state.ended || state.closed && state.unread() == 0
    }

    /// The next events of whichever source has some, those that were adopted first: what was left behind is older.
    async fn read(&self, limits: &BatchLimits) -> Vec<Event> {
        let readers: Vec<_> = {
            let state = self.lock();
            let in_turn = state.sources.range(1..).chain(state.sources.range(..1));
            in_turn.map(|(number, source)| (*number, Arc::clone(&source.reader))).collect()
        };
        let room =
            limits.max_bytes.saturating_sub(limits.event_overhead.saturating_mul(limits.max_events)).max(1);
        let (most, max_bytes) = (limits.max_events, room);
        let read = runtime::blocking(move || {
            readers.into_iter().find_map(|(number, reader)| {
                // A disk that does not give what is there is asked again later; the spool counts it.
                let entries = reader.read(most, max_bytes).unwrap_or_default();
                (!entries.is_empty()).then_some((number, entries))
            })
        });
        let Ok(Some((number, entries))) = read.await else { return Vec::new() };
        self.take(number, entries)
    }

    fn take(&self, source: u32, entries: Vec<Entry>) -> Vec<Event> {
        let (mut events, mut unreadable) = (Vec::with_capacity(entries.len()), Vec::new());
        for Entry { seq, payload, .. } in entries {
            match Event::from_stored(&payload) {
                Some(event) => events.push(event.at_place(Place { source, seq })),
                None => unreadable.push(seq),
            }
        }
        let mut state = self.lock();
        state.in_flight += (events.len() + unreadable.len()) as u64;
        state.acknowledge(source, &unreadable, Outcome::Dropped(DropReason::Damaged));
        events
    }
}

impl State {
    /// Settle events of one source, on disk together with the accounts that show it.
    fn acknowledge(&mut self, source: u32, seqs: &[Seq], outcome: Outcome) {
        let Some(source) = self.sources.get_mut(&source).filter(|_| !seqs.is_empty()) else { return };
        source.settled.settle(seqs.len() as u64, outcome);
        source.reader.ack_noting(seqs, source.ledger().to_stored());
        self.in_flight = self.in_flight.saturating_sub(seqs.len() as u64);
    }
}

#[async_trait]
impl Backlog for Spooled {
    fn offer(&self, event: Event) -> Result<(), Rejected> {
        if !self.is_open() {
            return Err(self.too_late());
        }
        append(&self.spool, &event, &[self.id])
    }

    fn would_block(&self) -> bool {
        let options = self.spool.options();
        options.durability == Durability::Every || matches!(options.full, Full::Block(_))
    }

    async fn next(&self, limits: &BatchLimits) -> Option<Batch> {
        loop {
            self.sleep_until(|state| state.unread() > 0 || state.closed).await;
            // Past its age a batch is due whatever it holds.
            let _ =
                tokio::time::timeout(limits.max_age, self.sleep_until(|state| state.is_due(limits))).await;
            if self.lock().ended {
                return None;
            }
            let events = self.read(limits).await;
            if !events.is_empty() {
                return Some(events.into());
            }
            if self.is_done() {
                return None;
            }
            let _ = tokio::time::timeout(NOT_WRITTEN_YET, self.work.notified()).await;
        }
    }

    fn settle(&self, events: &[Event], outcome: Outcome) {
        let mut by_source: BTreeMap<u32, Vec<Seq>> = BTreeMap::new();
        for place in events.iter().filter_map(Event::place) {
            by_source.entry(place.source).or_default().push(place.seq);
        }
        let mut state = self.lock();
        for (source, seqs) in by_source {
            state.acknowledge(source, &seqs, outcome);
        }
        drop(state);
        self.progress.notify_all();
    }

    fn count(&self, outcome: Outcome) {
        let mut state = self.lock();
        let counts = match state.sources.get_mut(&0) {
            Some(own) => &mut own.settled,
            None => &mut state.gone,
        };
        counts.accepted += 1;
        counts.settle(1, outcome);
        state.sources.get(&0).into_iter().for_each(Source::note);
    }

    /// They stay on disk, and are delivered when the destination is opened again.
    fn put_back(&self, _: &[Event]) {}

    fn request_flush(&self) -> FlushMark {
        let mut state = self.lock();
        let mark: FlushMark =
            state.sources.iter().map(|(number, source)| (*number, source.taken())).collect();
        state.flush_before.clone_from(&mark);
        drop(state);
        self.work.notify_one();
        mark
    }

    fn wait_settled(&self, mark: &FlushMark, deadline: Instant) -> bool {
        let is_settled = |state: &State| state.left_of(mark) == 0;
        // Without a worker nothing more comes.
        self.wait(deadline, |state| state.finished || is_settled(state));
        is_settled(&self.lock())
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.lock().closed = true;
        self.work.notify_one();
        self.progress.notify_all();
    }

    fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        drop(state);
        self.work.notify_one();
    }

    fn finish(&self) {
        let mut state = self.lock();
        state.sources.values().for_each(Source::note);
        state.gone = state.ledger();
        // Lets go of the readers: the destination may be opened again in this process.
        state.sources.clear();
        state.finished = true;
        drop(state);
        self.progress.notify_all();
    }

    fn make_durable(&self) -> bool {
        self.spool.sync(SYNC_GRACE)
    }

    fn wait_finished(&self, deadline: Instant) -> bool {
        self.wait(deadline, |state| state.finished)
    }

    fn ledger(&self) -> Ledger {
        self.lock().ledger()
    }

    fn inherited(&self) -> Ledger {
        self.lock().inherited
    }

    fn waiting_bytes(&self) -> u64 {
        self.lock().sources.values().map(|source| source.reader.waiting().bytes).sum()
    }

    fn oldest(&self) -> Option<Timestamp> {
        let state = self.lock();
        let oldest = state.sources.values().filter_map(|source| source.reader.waiting().oldest_micros).min();
        oldest.and_then(timestamp)
    }
}

/// Microseconds since 1970 as a point in time.
pub(crate) fn timestamp(micros: u64) -> Option<Timestamp> {
    Timestamp::from_microsecond(i64::try_from(micros).ok()?).ok()
}

/// Store an event once for all of these destinations.
pub(crate) fn append(spool: &Spool, event: &Event, to: &[DestinationId]) -> Result<(), Rejected> {
    match spool.append_parts([&event.stored_head(), event.json()], to) {
        Ok(_) => Ok(()),
        Err(AppendError::Closed) => Err(Rejected::Closed),
        Err(_) => Err(Rejected::Full),
    }
}
