//! Between callers and the writer thread: a bounded buffer of encoded frames.
//!
//! A caller takes the lock, gets its sequence number, copies its event into the buffer and leaves; it wakes
//! the writer only when the buffer was empty, so a burst costs one wake-up, and not at all if it is about to see to
//! its event itself. The writer lets a little time
//! pass to collect more, unless somebody waits for a ticket or much has come together already.
//!
//! The buffer is a list of chunks that stay warm: each is filled, written, kept until an fsync has covered it
//! and then filled again, so a burst neither moves what is there already nor asks the system for fresh pages.
//!
//! A ticket is the group commit: everybody who waits for durability holds the ticket of the batch that was
//! being filled when they came, and the writer answers it once, for all of them. While it is in `fsync` the
//! next batch fills itself; no timer is involved.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::chunk::{CHUNK, Chunk, Place};
use super::destination::Destination;
use super::frame::Payload;
use super::segment::HEADER;
use super::syncer::Done;
use super::tally::Tally;
use super::{AppendError, DestinationId, Full, Options, Seq, frame, lock, tick_micros};

/// Chunks that are kept for later under load, as many as may wait for the disk, and when there is nothing to do.
const SPARES: usize = 64;
const SPARES_AT_REST: usize = 4;

/// Bytes that the writer takes at once, and those that a caller lets come together who agreed to wait for room:
/// more only gets cold.
const TAKE: usize = 4 * 1024 * 1024;

/// A promise to answer when everything in a batch, and before it, is durable.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    outcome: Mutex<Option<Result<(), io::ErrorKind>>>,
    answered: Condvar,
}

impl Ticket {
    pub(super) fn answer(&self, outcome: Result<(), io::ErrorKind>) {
        lock(&self.outcome).get_or_insert(outcome);
        self.answered.notify_all();
    }

    /// Waits for the answer, `None` when the deadline comes first.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Option<Result<(), io::ErrorKind>> {
        let mut outcome = lock(&self.outcome);
        while outcome.is_none() {
            match wait(&self.answered, outcome, deadline) {
                Some(guard) => outcome = guard,
                None => return *lock(&self.outcome),
            }
        }
        *outcome
    }
}

/// Waits for a signal, but not beyond the deadline; `None` when that has passed.
fn wait<'a, T>(
    signal: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> Option<MutexGuard<'a, T>> {
    let Some(deadline) = deadline else {
        return Some(signal.wait(guard).unwrap_or_else(PoisonError::into_inner));
    };
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
    Some(signal.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0)
}

/// Frames that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) chunks: VecDeque<Chunk>,
    /// When the first of them came.
    pub(super) since: Option<Instant>,
    pub(super) ticket: Option<Arc<Ticket>>,
}

/// What the writer is to do now.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) batch: Option<Batch>,
    /// What has been done for the writer on the side.
    pub(super) done: Vec<Done>,
    pub(super) trim: bool,
    pub(super) stop: bool,
}

/// Until when the writer may wait for work.
pub(super) struct Patience {
    /// It has a reason of its own to get up then.
    pub(super) until: Option<Instant>,
    /// How long it lets frames collect.
    pub(super) linger: Duration,
    /// It still has frames that it could not write, so wants no new ones.
    pub(super) holding: bool,
}

#[derive(Debug)]
enum Shortage {
    /// The writer does not keep up, or cannot write.
    Buffer,
    /// No destination of the event has room left.
    Room,
}

struct Inner {
    batch: Batch,
    /// Bytes in it.
    held: usize,
    /// Where the next frame is to lie.
    place: Place,
    spares: Vec<Vec<u8>>,
    done: Vec<Done>,
    /// Callers who wait for room.
    waiting: usize,
    next: Seq,
    destinations: Vec<Option<Arc<Destination>>>,
    disk_bytes: u64,
    /// Why the writer cannot write, while it cannot.
    stalled: Option<io::ErrorKind>,
    /// The writer sleeps, and nobody has woken it yet.
    asleep: bool,
    /// It is to look what there is to do.
    look: bool,
    trim: bool,
    closed: bool,
}

impl Inner {
    fn destination(&self, id: DestinationId) -> Option<&Arc<Destination>> {
        self.destinations.get(usize::from(id.0))?.as_ref()
    }
}

/// The buffer and its two ends.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    work: Condvar,
    space: Condvar,
}

impl Queue {
    /// Frames will lie at `place` and behind it.
    pub(super) fn new(next: Seq, place: Place, disk_bytes: u64) -> Self {
        let inner = Inner {
            batch: Batch::default(),
            held: 0,
            place,
            spares: Vec::new(),
            done: Vec::new(),
            waiting: 0,
            next,
            destinations: Vec::new(),
            disk_bytes,
            stalled: None,
            asleep: false,
            look: false,
            trim: false,
            closed: false,
        };
        Self { inner: Mutex::new(inner), work: Condvar::new(), space: Condvar::new() }
    }

    /// Frames that come from now on will lie at `place`, if it is known where that is: not when there are others
    /// that have to find theirs first.
    pub(super) fn replan(&self, place: Option<Place>) {
        let mut inner = lock(&self.inner);
        let place = place.filter(|_| inner.batch.chunks.is_empty());
        inner.place = place.unwrap_or_else(Place::in_new_segment);
    }

    /// Lets events be addressed to a destination.
    pub(super) fn register(&self, destination: Arc<Destination>) {
        let mut inner = lock(&self.inner);
        let at = usize::from(destination.id.0);
        if inner.destinations.len() <= at {
            inner.destinations.resize(at + 1, None);
        }
        if let Some(entry) = inner.destinations.get_mut(at) {
            *entry = Some(destination);
        }
    }

    /// Takes an event in. With `want_ticket` the caller gets the ticket to wait on, and sees to it
    /// that there is somebody to answer it.
    pub(super) fn append(
        &self,
        options: &Options,
        payload: &Payload<'_>,
        to: &[DestinationId],
        want_ticket: bool,
    ) -> Result<(Seq, Option<Arc<Ticket>>), AppendError> {
        let time = tick_micros();
        let length = frame::encoded_len(payload.len(), to.len());
        if length > options.max_event() || to.len() > usize::from(u16::MAX) {
            return Err(AppendError::TooLarge { bytes: payload.len(), limit: options.max_event() });
        }
        let mut inner = lock(&self.inner);
        let mut patience = None;
        loop {
            if inner.closed {
                return Err(AppendError::Closed);
            }
            match inner.shortage(options, length, to)? {
                None => break,
                Some(shortage) => {
                    let deadline =
                        *patience.get_or_insert_with(|| Instant::now() + inner.patience(options, &shortage));
                    inner.waiting += 1;
                    let waited = wait(&self.space, inner, Some(deadline));
                    let late = waited.is_none();
                    inner = waited.unwrap_or_else(|| lock(&self.inner));
                    inner.waiting -= 1;
                    if late {
                        return inner.refuse(payload.len(), to);
                    }
                }
            }
        }
        let seq = inner.accept(options, time, payload, to);
        if want_ticket {
            return Ok((seq, Some(Arc::clone(inner.batch.ticket.get_or_insert_default()))));
        }
        self.rouse(&mut inner, length);
        Ok((seq, None))
    }

    /// A ticket for everything taken in so far.
    pub(super) fn ticket(&self) -> Arc<Ticket> {
        let mut inner = lock(&self.inner);
        let ticket = Arc::clone(inner.batch.ticket.get_or_insert_default());
        if inner.closed {
            ticket.answer(Err(io::ErrorKind::BrokenPipe));
        }
        self.wake(&mut inner);
        ticket
    }

    /// Wakes the writer if this event, of `length` bytes, is a reason to.
    fn rouse(&self, inner: &mut Inner, length: usize) {
        let first = inner.held == length;
        let plenty = inner.held >= CHUNK && inner.held - length < CHUNK;
        if first || plenty {
            self.wake(inner);
        }
    }

    fn wake(&self, inner: &mut Inner) {
        if std::mem::take(&mut inner.asleep) {
            self.work.notify_one();
        }
    }

    fn let_callers_look(&self, inner: &Inner) {
        if inner.waiting > 0 {
            self.space.notify_all();
        }
    }

    /// Has the writer's thread look at what there is to do, and how long it can wait.
    pub(super) fn wake_writer(&self) {
        let mut inner = lock(&self.inner);
        inner.look = true;
        self.wake(&mut inner);
    }

    /// Waits for something to do, at most as long as the patience says.
    pub(super) fn wait(&self, patience: &Patience) {
        let mut inner = lock(&self.inner);
        while !inner.is_urgent(patience.holding) {
            let collected =
                inner.batch.since.filter(|_| !patience.holding).map(|since| since + patience.linger);
            let deadline = [collected, patience.until].into_iter().flatten().min();
            inner.asleep = true;
            if deadline.is_none() {
                inner.spares.truncate(SPARES_AT_REST);
            }
            let Some(mut guard) = wait(&self.work, inner, deadline) else {
                lock(&self.inner).asleep = false;
                return;
            };
            guard.asleep = false;
            inner = guard;
        }
    }

    /// What there is to do now. A writer that still has frames which it could not write is given no more.
    pub(super) fn take(&self, holding: bool) -> Order {
        let mut inner = lock(&self.inner);
        let batch = if holding { None } else { Some(inner.take_batch()) };
        self.let_callers_look(&inner);
        let done = std::mem::take(&mut inner.done);
        inner.look = false;
        Order { batch, done, trim: std::mem::take(&mut inner.trim), stop: inner.closed }
    }

    /// Tells the writer that something has been done for it.
    pub(super) fn finished(&self, done: Done) {
        let mut inner = lock(&self.inner);
        inner.done.push(done);
        self.wake(&mut inner);
    }

    /// Waits until something has been done.
    pub(super) fn take_done(&self) -> Vec<Done> {
        let mut inner = lock(&self.inner);
        while inner.done.is_empty() {
            inner.asleep = true;
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.asleep = false;
        }
        std::mem::take(&mut inner.done)
    }

    /// Gives the memory of written chunks back.
    pub(super) fn recycle(&self, chunks: impl IntoIterator<Item = Vec<u8>>) {
        let mut chunks = chunks.into_iter().filter(|chunk| chunk.capacity() == CHUNK).peekable();
        if chunks.peek().is_none() {
            return;
        }
        let mut inner = lock(&self.inner);
        let room = SPARES.saturating_sub(inner.spares.len());
        inner.spares.extend(chunks.by_ref().take(room).map(|mut chunk| {
            chunk.clear();
            chunk
        }));
        drop(inner);
        // The others are freed here, without the lock.
        chunks.for_each(drop);
    }

    /// Asks the writer to remove what is free, and lets waiting callers look again.
    pub(super) fn request_trim(&self) {
        let mut inner = lock(&self.inner);
        inner.trim = true;
        self.wake(&mut inner);
        self.let_callers_look(&inner);
    }

    /// Tells callers how things stand on disk.
    pub(super) fn report(&self, disk_bytes: u64, stalled: Option<io::ErrorKind>) {
        let mut inner = lock(&self.inner);
        inner.disk_bytes = disk_bytes;
        inner.stalled = stalled;
        self.let_callers_look(&inner);
    }

    /// Refuses whatever comes from now on.
    pub(super) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        self.wake(&mut inner);
        self.let_callers_look(&inner);
    }

    /// The last sequence number given away.
    pub(super) fn last(&self) -> Seq {
        Seq(lock(&self.inner).next.0.saturating_sub(1))
    }

    /// Bytes that wait here, and what keeps the writer from writing.
    pub(super) fn pending(&self) -> (usize, Option<io::ErrorKind>) {
        let inner = lock(&self.inner);
        (inner.held, inner.stalled)
    }
}

impl Inner {
    fn is_urgent(&self, holding: bool) -> bool {
        let batch = !holding && (self.batch.ticket.is_some() || self.held >= CHUNK);
        batch || self.look || self.trim || self.closed || !self.done.is_empty()
    }

    /// All there is, but not too much at once; who waits for the last of it gets the answer then.
    fn take_batch(&mut self) -> Batch {
        if self.held <= TAKE {
            self.held = 0;
            return std::mem::take(&mut self.batch);
        }
        let mut taken = Batch { since: self.batch.since, ..Batch::default() };
        let mut bytes = 0;
        while bytes < TAKE
            && let Some(chunk) = self.batch.chunks.pop_front()
        {
            bytes += chunk.bytes.len();
            taken.chunks.push_back(chunk);
        }
        self.held -= bytes;
        taken
    }

    /// A chunk with room for so much, where the next frame is to lie.
    fn chunk(&mut self, options: &Options, length: usize) -> Option<&mut Chunk> {
        if self.place.offset + length as u64 > options.segment_bytes && self.place.offset > HEADER {
            self.place = Place::in_new_segment();
        }
        if !self.batch.chunks.back().is_some_and(|last| last.takes(length, self.place)) {
            let spare = if length > CHUNK { None } else { self.spares.pop() };
            let bytes = spare.unwrap_or_else(|| Vec::with_capacity(CHUNK.max(length)));
            self.batch.chunks.push_back(Chunk::new(bytes, self.place));
        }
        self.place.offset += length as u64;
        self.batch.chunks.back_mut()
    }

    /// Whether something is missing to take this event in.
    fn shortage(
        &self,
        options: &Options,
        length: usize,
        to: &[DestinationId],
    ) -> Result<Option<Shortage>, AppendError> {
        if to.is_empty() {
            return Err(AppendError::NoDestination);
        }
        let mut room = matches!(options.full, Full::DropOldest);
        for id in to {
            let destination = self.destination(*id).ok_or(AppendError::UnknownDestination(*id))?;
            room = room || self.has_room(options, destination);
        }
        let waits = matches!(options.full, Full::Block(_));
        let limit = if waits { options.buffer_bytes.min(TAKE) } else { options.buffer_bytes };
        let fits = self.held == 0 || self.held + length <= limit;
        Ok(match (fits, room) {
            (false, _) => Some(Shortage::Buffer),
            (true, false) => Some(Shortage::Room),
            (true, true) => None,
        })
    }

    /// Whether a destination may take more. Under `DropOldest` it always may: the writer makes room.
    fn has_room(&self, options: &Options, destination: &Destination) -> bool {
        if matches!(options.full, Full::DropOldest) {
            return true;
        }
        let over = self.disk_bytes > options.max_bytes && destination.lags.load(Ordering::Relaxed);
        !over && destination.counters.waiting_bytes() < options.destination_bytes
    }

    fn patience(&self, options: &Options, shortage: &Shortage) -> Duration {
        let policy = if let Full::Block(limit) = options.full { limit } else { Duration::ZERO };
        match shortage {
            Shortage::Buffer if self.stalled.is_none() => policy.max(options.buffer_wait),
            _ => policy,
        }
    }

    /// Copies the event into the batch, for those of its destinations that have room.
    fn accept(&mut self, options: &Options, time: u64, payload: &Payload<'_>, to: &[DestinationId]) -> Seq {
        let tally = Tally::one(payload.len());
        let mut kept: Option<Vec<DestinationId>> = None;
        for (at, id) in to.iter().enumerate() {
            let (seen, _) = to.split_at(at);
            let Some(destination) = self.destination(*id) else { continue };
            let repeated = seen.contains(id);
            if !repeated && self.has_room(options, destination) {
                destination.counters.accepted.add_alone(tally);
                kept.iter_mut().for_each(|kept| kept.push(*id));
                continue;
            }
            if !repeated {
                destination.counters.dropped_newest.add(tally);
            }
            kept.get_or_insert_with(|| seen.to_vec());
        }
        let seq = self.next;
        self.next = Seq(seq.0 + 1);
        self.batch.since.get_or_insert_with(Instant::now);
        let to = kept.as_deref().unwrap_or(to);
        let length = frame::encoded_len(payload.len(), to.len());
        self.held += length;
        self.chunk(options, length).into_iter().for_each(|chunk| chunk.push(seq, time, to, payload));
        seq
    }

    fn refuse<T>(&self, bytes: usize, to: &[DestinationId]) -> Result<T, AppendError> {
        for destination in to.iter().filter_map(|id| self.destination(*id)) {
            destination.counters.dropped_newest.add(Tally::one(bytes));
        }
        Err(self.stalled.map_or(AppendError::Full, AppendError::Storage))
    }
}
