//! Reading what waits for one destination, and settling it.
//!
//! A reader walks the segments from its low-water mark in 128 KiB steps. It steps over segments in which
//! nothing waits for it without opening them, over frames for others, over what is settled already, and
//! over copies that a poisoned segment left behind: a sequence number not above the last one is old news.
//!
//! When it leaves a segment, whatever the books still show as waiting there and it has not come across is
//! lost to damage; it is counted as such, so that the sums stay right and the segment can go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::cursor::WINDOW;
use super::destination::{Destination, Flight, Place, State};
use super::scan::{Scanner, Step};
use super::segment::{self, HEADER};
use super::shared::{Shared, bump};
use super::tally::Tally;
use super::{DestinationId, DestinationStats, Entry, HandedOver, Seq, Waiting, inspect, lock};

/// Reads one destination; there is one reader per destination at a time. Dropping it makes what is not
/// settled available to the next one.
pub struct Reader {
    shared: Arc<Shared>,
    destination: Arc<Destination>,
}

/// What a step through the log came to.
enum Next {
    Entry(Entry),
    /// Look again: something was stepped over.
    Again,
    /// Nothing more for now.
    Nothing,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, destination: Arc<Destination>) -> Self {
        Self { shared, destination }
    }

    /// Whose events these are.
    pub fn destination(&self) -> DestinationId {
        self.destination.id
    }

    /// The next events in order, each handed out once. It ends early at `max_bytes` of payload, though one
    /// event always fits, and while 4096 events are out and the first of them is not settled it is empty.
    ///
    /// # Errors
    /// When the disk does not give what is there. Trying later is right: a stretch that stays unreadable
    /// for [`Options::unreadable_after`](super::Options::unreadable_after) is stepped over and counted.
    pub fn read(&self, max_events: usize, max_bytes: usize) -> io::Result<Vec<Entry>> {
        let mut state = self.destination.state();
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        self.revalidate(&mut state);
        while entries.len() < max_events && bytes < max_bytes && state.flights.len() < WINDOW {
            match self.step(&mut state, max_bytes - bytes, entries.is_empty()) {
                Ok(Next::Entry(entry)) => {
                    bytes += entry.payload.len();
                    entries.push(entry);
                }
                Ok(Next::Again) => {}
                Ok(Next::Nothing) => break,
                Err(error) => {
                    self.unreadable(&mut state, &error);
                    if entries.is_empty() {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        Ok(entries)
    }

    /// Settles events that were handed out, in any order; says how many of them were new to it. The
    /// position is with the kernel when this returns, so it outlives the process.
    pub fn ack(&self, seqs: &[Seq]) -> usize {
        self.settle(seqs, None)
    }

    /// As [`ack`](Self::ack), and keeps a note of up to 512 bytes with the position: after a kill either
    /// both are there or neither is.
    pub fn ack_noting(&self, seqs: &[Seq], note: Vec<u8>) -> usize {
        self.settle(seqs, Some(note))
    }

    /// The note that is kept with the position; empty if there was none.
    pub fn note(&self) -> Vec<u8> {
        self.destination.state().note.clone()
    }

    /// Keeps a note that has taken in what was handed over; false, and nothing is changed, when it has already.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn take_in(&self, handed: &HandedOver, note: Vec<u8>) -> io::Result<bool> {
        let mut state = self.destination.state();
        if state.taken_in == handed.id {
            return Ok(false);
        }
        let before = (std::mem::replace(&mut state.note, note), state.taken_in);
        state.taken_in = handed.id;
        state.dirty = true;
        let kept = self.destination.persist(&mut state);
        if kept.is_err() {
            (state.note, state.taken_in) = before;
        }
        kept.map(|()| true)
    }

    /// What became of the events of this destination.
    pub fn stats(&self) -> DestinationStats {
        self.destination.stats()
    }

    fn settle(&self, seqs: &[Seq], note: Option<Vec<u8>>) -> usize {
        let mut state = self.destination.state();
        if let Some(note) = note {
            state.note = note;
            state.dirty = true;
        }
        let mut settled = Vec::with_capacity(seqs.len());
        settled.extend(seqs.iter().filter_map(|seq| state.settle(*seq)));
        if settled.is_empty() {
            return 0;
        }
        state.advance();
        state.dirty = true;
        if let Err(error) = self.destination.persist(&mut state) {
            bump(&self.shared.counts.write_errors, 1);
            self.shared.note(&error);
        }
        let freed = {
            let mut log = self.shared.log();
            let id = self.destination.id;
            settled.iter().fold(false, |freed, (ordinal, tally)| log.settle(*ordinal, id, *tally) || freed)
        };
        settled.iter().for_each(|(_, tally)| self.destination.counters.settled.add(*tally));
        drop(state);
        if freed || matches!(self.shared.options.full, super::Full::Block(_)) {
            self.shared.queue.request_trim();
        }
        settled.len()
    }

    /// What is accepted and not settled.
    pub fn waiting(&self) -> Waiting {
        waiting(&self.shared, &self.destination)
    }

    fn step(&self, state: &mut State, room: usize, first: bool) -> io::Result<Next> {
        let id = self.destination.id;
        if state.place.is_none() && !self.enter(state)? {
            return Ok(Next::Nothing);
        }
        let Some(place) = &mut state.place else { return Ok(Next::Nothing) };
        let ordinal = place.ordinal;
        let before = place.scanner.offset();
        let flight = match place.scanner.next(&*place.file)? {
            Step::Frame { frame, .. } => {
                if frame.seq <= state.last_read || !frame.is_for(id) {
                    state.last_read = state.last_read.max(frame.seq);
                    return Ok(Next::Again);
                }
                let bytes = frame.payload.len();
                if bytes > room && !first {
                    place.scanner.back_to(before);
                    return Ok(Next::Nothing);
                }
                let payload = frame.payload.to_vec();
                let flight =
                    Flight { seq: frame.seq, bytes: bytes as u64, time: frame.time, ordinal, settled: false };
                (flight, payload)
            }
            Step::Damaged { from, to } | Step::Torn { from, to } => {
                self.shared.quarantine(ordinal, from, to);
                return Ok(Next::Again);
            }
            Step::End => return Ok(self.at_end(state)),
        };
        state.failing_since = None;
        let (flight, payload) = flight;
        let (seq, time) = (flight.seq, flight.time);
        state.last_read = seq;
        Ok(if state.meet(flight) { Next::Entry(Entry { seq, time, payload }) } else { Next::Again })
    }

    /// Opens the next segment with something in it for this destination; false when there is none.
    fn enter(&self, state: &mut State) -> io::Result<bool> {
        let Some((ordinal, marker, end, generation)) = self.next_segment(state) else { return Ok(false) };
        let file = match self.shared.storage.open_read(&segment::path(&self.shared.dir, ordinal)) {
            Ok(file) => Arc::from(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.leave(state, ordinal);
                return self.enter(state);
            }
            Err(error) => return Err(error),
        };
        // Opened by name, so it may have been replaced since it was looked up.
        let now = self.shared.log().get(ordinal).map(|segment| segment.generation);
        if now != Some(generation) {
            return self.enter(state);
        }
        let scanner = Scanner::new(marker, HEADER, end);
        state.place = Some(Place { ordinal, generation, file, scanner });
        Ok(true)
    }

    fn next_segment(&self, state: &State) -> Option<(u64, u32, u64, u32)> {
        let log = self.shared.log();
        let next = log.next_for(self.destination.id, state.passed, state.last_read);
        next.map(|(ordinal, segment)| (ordinal, segment.marker, segment.end, segment.generation))
    }

    /// At the end of what was known of the segment: goes on if it has grown, leaves it if it never will.
    fn at_end(&self, state: &mut State) -> Next {
        let Some(place) = &mut state.place else { return Next::Nothing };
        let known = self.shared.log().get(place.ordinal).map(|segment| (segment.end, segment.sealed));
        match known {
            Some((end, _)) if end > place.scanner.offset() => {
                place.scanner.extend_to(end);
                Next::Again
            }
            Some((_, false)) => {
                place.scanner.relax();
                state.advance();
                Next::Nothing
            }
            _ => {
                let ordinal = place.ordinal;
                self.leave(state, ordinal);
                Next::Again
            }
        }
    }

    /// Lets go of a segment that was dropped or replaced since the last call.
    fn revalidate(&self, state: &mut State) {
        let Some(place) = &mut state.place else { return };
        let known = self.shared.log().get(place.ordinal).map(|segment| (segment.end, segment.generation));
        match known {
            Some((end, generation)) if generation == place.generation => place.scanner.extend_to(end),
            Some(_) => state.place = None,
            None => {
                state.passed = place.ordinal;
                state.place = None;
            }
        }
    }

    /// Done with a segment: what the books show beyond what is in flight cannot be found any more.
    fn leave(&self, state: &mut State, ordinal: u64) {
        state.place = None;
        state.passed = ordinal;
        let in_flight = state.in_flight(ordinal);
        let (lost, freed) = {
            let mut log = self.shared.log();
            let Some(segment) = log.get_mut(ordinal) else { return };
            let id = self.destination.id;
            let lost = segment.remaining.get(id).less(in_flight);
            (lost, log.settle(ordinal, id, lost))
        };
        state.advance();
        self.destination.counters.damaged.add(lost);
        if freed {
            self.shared.queue.request_trim();
        }
    }

    fn unreadable(&self, state: &mut State, error: &io::Error) {
        bump(&self.shared.counts.read_errors, 1);
        self.shared.note(error);
        let since = *state.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() < self.shared.options.unreadable_after {
            return;
        }
        if let Some(place) = &mut state.place {
            let from = place.scanner.offset();
            place.scanner.skip_block();
            bump(&self.shared.counts.damaged_bytes, place.scanner.offset() - from);
            return;
        }
        let next = self.next_segment(state).map(|(ordinal, ..)| ordinal);
        next.into_iter().for_each(|ordinal| self.leave(state, ordinal));
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        *lock(&self.destination.waker) = None;
        self.destination.state().rewind();
        self.destination.taken.store(false, Ordering::Release);
    }
}

/// What is accepted for a destination and not settled.
pub(super) fn waiting(shared: &Shared, destination: &Destination) -> Waiting {
    let Tally { events, bytes } = destination.counters.waiting();
    let out = {
        let state = destination.state();
        state.flights.iter().find(|flight| !flight.settled).map(|flight| flight.time)
    };
    let on_disk = || {
        let first = {
            let log = shared.log();
            log.oldest_for(destination.id).and_then(|at| Some((at, log.get(at)?.clone())))
        };
        let (ordinal, segment) = first?;
        inspect::oldest(&*shared.storage, &shared.dir, (ordinal, &segment), destination)
    };
    Waiting { events, bytes, oldest_micros: out.or_else(on_disk) }
}
