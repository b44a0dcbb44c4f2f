//! How far one destination has got, in memory.
//!
//! ```text
//!   ... settled | low-water | flights: handed out, some settled | last read | not looked at yet ...
//! ```
//!
//! `flights` holds the events of this destination between the low-water mark and the last one read, in
//! order. At most [`WINDOW`] of them exist at a time, so the settled ones among them always fit the window
//! of the cursor file. After a start the events of that window lie ahead of the reader; they wait in
//! `ahead` until the reader comes across them.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::cursor::{CursorFile, Position, WINDOW};
use super::scan::Scanner;
use super::storage::StorageFile;
use super::tally::Tally;
use super::{DestinationId, Seq, Waker, lock};

/// An event that has been handed out, or would have been were it not settled already.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) seq: Seq,
    pub(super) bytes: u64,
    pub(super) time: u64,
    /// The segment that counts it among its remaining ones; 0 for none.
    pub(super) ordinal: u64,
    pub(super) settled: bool,
}

/// The segment a reader is in.
pub(super) struct Place {
    pub(super) ordinal: u64,
    pub(super) generation: u32,
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) scanner: Scanner,
}

/// Events and bytes that only grow.
#[derive(Debug, Default)]
pub(super) struct Counter {
    events: AtomicU64,
    bytes: AtomicU64,
}

impl Counter {
    pub(super) fn add(&self, tally: Tally) {
        self.events.fetch_add(tally.events, Ordering::Relaxed);
        self.bytes.fetch_add(tally.bytes, Ordering::Relaxed);
    }

    /// The same for the one place that adds to this counter, and holds a lock while it does: no atomic
    /// read-modify-write on the way of every event.
    pub(super) fn add_alone(&self, tally: Tally) {
        let Tally { events, bytes } = self.get();
        self.events.store(events + tally.events, Ordering::Relaxed);
        self.bytes.store(bytes + tally.bytes, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Tally {
        Tally { events: self.events.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

/// What became of the events of a destination since the spool was opened. What was accepted, or was found
/// waiting, is settled, dropped, damaged, rejected or waiting.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) accepted: Counter,
    pub(super) settled: Counter,
    pub(super) dropped_oldest: Counter,
    /// Refused at the door, so not among the accepted.
    pub(super) dropped_newest: Counter,
    pub(super) damaged: Counter,
    pub(super) rejected: Counter,
}

impl Counters {
    pub(super) fn waiting(&self) -> Tally {
        self.gone().iter().fold(self.accepted.get(), |left, counter| left.less(counter.get()))
    }

    /// The bytes of it, which is what each event is held against.
    pub(super) fn waiting_bytes(&self) -> u64 {
        let bytes = |counter: &Counter| counter.bytes.load(Ordering::Relaxed);
        self.gone().iter().fold(bytes(&self.accepted), |left, counter| left.saturating_sub(bytes(counter)))
    }

    const fn gone(&self) -> [&Counter; 4] {
        [&self.settled, &self.dropped_oldest, &self.damaged, &self.rejected]
    }
}

/// One destination of the log.
pub(super) struct Destination {
    pub(super) id: DestinationId,
    pub(super) key: Arc<str>,
    pub(super) counters: Counters,
    /// A [`super::Reader`] exists.
    pub(super) taken: AtomicBool,
    /// It holds the oldest segment while the disk budget is used up.
    pub(super) lags: AtomicBool,
    pub(super) waker: Mutex<Option<Waker>>,
    state: Mutex<State>,
}

impl Destination {
    pub(super) fn new(position: Position, file: CursorFile) -> Self {
        let Position { id, key, low, window, note, taken_in } = position;
        let state = State {
            low,
            last_read: low,
            passed: 0,
            flights: VecDeque::new(),
            ahead: window.into_iter().collect(),
            place: None,
            failing_since: None,
            note,
            taken_in,
            file,
            dirty: false,
        };
        Self {
            id,
            key: key.into(),
            counters: Counters::default(),
            taken: AtomicBool::new(false),
            lags: AtomicBool::new(false),
            waker: Mutex::new(None),
            state: Mutex::new(state),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn wake(&self) {
        let waker = lock(&self.waker).clone();
        if let Some(waker) = waker {
            waker();
        }
    }

    /// Writes the position if it has changed since it was written last. An error leaves it to the next
    /// call: what is lost is position, not events.
    pub(super) fn persist(&self, state: &mut State) -> io::Result<()> {
        if state.dirty {
            let position = state.position(self.id, &self.key);
            state.file.write(&position)?;
            state.dirty = false;
        }
        Ok(())
    }

    /// Makes the position durable. The fsync happens outside the lock.
    pub(super) fn persist_durably(&self) -> io::Result<()> {
        let unsynced = {
            let mut state = self.state();
            self.persist(&mut state)?;
            state.file.unsynced()
        };
        let Some((file, slot)) = unsynced else { return Ok(()) };
        let synced = file.sync();
        let mut state = self.state();
        match &synced {
            Ok(()) => state.file.synced(slot),
            Err(_) => state.dirty = true,
        }
        synced
    }
}

/// The moving part of a destination.
pub(super) struct State {
    /// Everything up to here is settled.
    pub(super) low: Seq,
    /// Everything up to here has been looked at.
    pub(super) last_read: Seq,
    /// Segments up to this ordinal are done with.
    pub(super) passed: u64,
    pub(super) flights: VecDeque<Flight>,
    pub(super) ahead: BTreeSet<Seq>,
    pub(super) place: Option<Place>,
    pub(super) failing_since: Option<Instant>,
    /// The reader's own words, kept with the position.
    pub(super) note: Vec<u8>,
    /// The last hand-over that the note has taken in.
    pub(super) taken_in: u128,
    pub(super) file: CursorFile,
    pub(super) dirty: bool,
}

impl State {
    pub(super) fn is_settled(&self, seq: Seq) -> bool {
        match self.flight(seq) {
            Some(flight) => flight.settled,
            None => seq <= self.last_read || self.ahead.contains(&seq),
        }
    }

    fn flight(&self, seq: Seq) -> Option<&Flight> {
        let at = self.flights.binary_search_by_key(&seq, |flight| flight.seq).ok()?;
        self.flights.get(at)
    }

    pub(super) fn flight_mut(&mut self, seq: Seq) -> Option<&mut Flight> {
        let at = self.flights.binary_search_by_key(&seq, |flight| flight.seq).ok()?;
        self.flights.get_mut(at)
    }

    /// Marks an event as settled; says where it is counted, or `None` when it is not in flight.
    pub(super) fn settle(&mut self, seq: Seq) -> Option<(u64, Tally)> {
        let flight = self.flight_mut(seq).filter(|flight| !flight.settled)?;
        flight.settled = true;
        Some((flight.ordinal, Tally { events: 1, bytes: flight.bytes }))
    }

    /// Moves the low-water mark over everything that is settled.
    pub(super) fn advance(&mut self) {
        while self.flights.front().is_some_and(|flight| flight.settled) {
            self.flights.pop_front();
        }
        let low = match self.flights.front() {
            Some(flight) => Seq(flight.seq.0.saturating_sub(1)),
            None => self.last_read,
        };
        if low > self.low {
            self.low = low;
            self.dirty = true;
        }
        while self.ahead.first().is_some_and(|seq| *seq <= self.low) {
            self.ahead.pop_first();
        }
    }

    /// Notes that an event of this destination was come across; true when it is to be handed out.
    #[expect(clippy::needless_pass_by_value, reason = "it is kept")]
    pub(super) fn meet(&mut self, flight: Flight) -> bool {
        let settled = self.ahead.remove(&flight.seq);
        self.flights.push_back(Flight { settled, ..flight });
        !settled
    }

    /// Events of a segment that are handed out and not settled.
    pub(super) fn in_flight(&self, ordinal: u64) -> Tally {
        let mut sum = Tally::default();
        for flight in self.flights.iter().filter(|flight| flight.ordinal == ordinal && !flight.settled) {
            sum.add(Tally { events: 1, bytes: flight.bytes });
        }
        sum
    }

    /// Goes back to the low-water mark, so that what is unsettled is handed out again.
    pub(super) fn rewind(&mut self) {
        self.ahead.extend(self.flights.drain(..).filter(|flight| flight.settled).map(|flight| flight.seq));
        self.last_read = self.low;
        self.passed = 0;
        self.place = None;
    }

    fn position(&self, id: DestinationId, key: &str) -> Position {
        let met = self.flights.iter().filter(|flight| flight.settled).map(|flight| flight.seq);
        let ahead = self.ahead.iter().copied().filter(|seq| *seq > self.low);
        let mut window: Vec<_> = met.chain(ahead).collect();
        // A segment that was stepped over may lie between: what is ahead in it is older than what was met since.
        window.sort_unstable();
        window.truncate(WINDOW);
        let (note, taken_in) = (self.note.clone(), self.taken_in);
        Position { id, key: key.to_owned(), low: self.low, window, note, taken_in }
    }
}
