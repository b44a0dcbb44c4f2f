//! The one thread that writes: frames into segments, segments to the medium, and nothing else.
//!
//! A turn takes the batch that callers have filled, makes room for it, writes it, fsyncs when the mode or a
//! ticket asks for it, and removes free segments. Invariants:
//!
//! - Frames are written in the order of their sequence numbers, and a reader sees only whole ones.
//! - The frames written since the last fsync stay in memory, up to a limit in mode `None`. After a failed
//!   fsync the kernel may have thrown their pages away while still showing them, so the segment is
//!   *poisoned*: cut back to what is known to be durable, never written to again, and the frames are
//!   written once more, with their old sequence numbers, to a new segment. Where that begins the old one
//!   ends, even if it could not be cut.
//! - After a failed write the partial frame is cut off. If not even that works the segment is given up like
//!   a full one; what a reader finds behind its last whole frame is no frame.
//! - While the disk refuses, what was accepted is kept and tried again; callers meet the full policy. In
//!   mode `Every` the callers are waiting, so they are told at once instead.
//! - Before a segment is unlinked the positions of all its readers are durable.

mod durability;
mod room;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::destination::Destination;
use super::frame::{self, Frame};
use super::log::Segment;
use super::queue::{Batch, Order, Patience, Ticket};
use super::segment::{self, HEADER, Header, Summary};
use super::shared::{Shared, bump};
use super::storage::StorageFile;
use super::tally::Tallies;
use super::{Durability, Seq, now_micros, random_marker};

/// Unsynced frames that are kept to be written again; at this size an fsync is due.
const UNSYNCED: usize = 4 * 1024 * 1024;

/// Bytes that are written, and shown to readers, at a time.
const RUN: usize = 1024 * 1024;

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// The segment that grows.
pub(super) struct Active {
    pub(super) file: Box<dyn StorageFile>,
    pub(super) ordinal: u64,
    pub(super) marker: u32,
    pub(super) summary: Summary,
}

/// When and why to try again what the disk refused.
struct Retry {
    at: Instant,
    pause: Duration,
    reason: io::ErrorKind,
}

/// The state of the writer between turns.
pub(super) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    next_ordinal: u64,
    /// The batch at hand, and how much of it is written.
    batch: Vec<u8>,
    written: usize,
    /// Where in the batch the frames begin that no fsync has covered.
    synced: usize,
    /// Earlier batches that no fsync has covered.
    unsynced: Vec<Vec<u8>>,
    /// Frames that no fsync has covered were let go of, as mode `None` may.
    forgotten: bool,
    /// An fsync failed while frames were forgotten: whether those are durable cannot be known.
    doubtful: bool,
    /// The highest sequence number readers have been shown.
    published: Seq,
    dirty_since: Option<Instant>,
    since: Option<Instant>,
    tickets: Vec<Arc<Ticket>>,
    trim: bool,
    retry: Option<Retry>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        active: Option<Active>,
        next_ordinal: u64,
        published: Seq,
    ) -> Self {
        Self {
            shared,
            active,
            next_ordinal,
            batch: Vec::new(),
            written: 0,
            synced: 0,
            unsynced: Vec::new(),
            forgotten: false,
            doubtful: false,
            published,
            dirty_since: None,
            since: None,
            tickets: Vec::new(),
            trim: true,
            retry: None,
        }
    }

    /// Works until the spool is closed.
    pub(super) fn run(mut self) {
        loop {
            let order = self.shared.queue.take(&self.patience());
            if !self.turn(order) {
                break;
            }
        }
    }

    fn patience(&self) -> Patience {
        let interval = self.shared.options.interval;
        let every = self.shared.options.durability == Durability::Every;
        let until = self.retry.as_ref().map(|retry| retry.at).or_else(|| self.sync_at());
        let linger = if every { Duration::ZERO } else { interval / 4 };
        Patience { until, linger, holding: self.is_holding() }
    }

    /// Frames are left that could not be written.
    pub(super) fn is_holding(&self) -> bool {
        self.written < self.batch.len()
    }

    /// When an fsync is due without anybody asking: half the interval is left to the disk.
    fn sync_at(&self) -> Option<Instant> {
        let options = &self.shared.options;
        if options.durability == Durability::None {
            return None;
        }
        self.dirty_since.map(|since| since + options.interval / 2)
    }

    /// One round of work; false when it was the last.
    pub(super) fn turn(&mut self, order: Order) -> bool {
        self.trim |= order.trim;
        if let Some(batch) = order.batch {
            self.take(batch);
        }
        self.make_room();
        let done = self.write_and_sync(order.stop);
        self.settle_up(done);
        if self.trim {
            self.trim = self.remove_free().is_err();
        }
        self.shared.report(self.retry.as_ref().map(|retry| retry.reason));
        if order.stop {
            self.finish();
        }
        !order.stop
    }

    fn take(&mut self, batch: Batch) {
        self.since = batch.since;
        self.tickets.extend(batch.ticket);
        self.batch = batch.bytes;
        self.written = 0;
        self.synced = 0;
    }

    /// Tells those who wait how it went, and decides when to try again.
    fn settle_up(&mut self, done: io::Result<()>) {
        let every = self.shared.options.durability == Durability::Every;
        match done {
            Ok(()) => {
                self.retry = None;
                let outcome = if self.doubtful { Err(io::ErrorKind::Other) } else { Ok(()) };
                self.doubtful &= self.tickets.is_empty();
                self.tickets.drain(..).for_each(|ticket| ticket.answer(outcome));
            }
            Err(error) => {
                self.shared.note(&error);
                let pause = self.retry.as_ref().map_or(FIRST_RETRY, |last| (last.pause * 2).min(LAST_RETRY));
                self.retry = Some(Retry { at: Instant::now() + pause, pause, reason: error.kind() });
                if every {
                    self.reject();
                    self.tickets.drain(..).for_each(|ticket| ticket.answer(Err(error.kind())));
                }
            }
        }
    }

    /// Writes the batch and makes it as durable as it is due to be. After a poisoned segment there is one
    /// more attempt at once, in a new one.
    fn write_and_sync(&mut self, stop: bool) -> io::Result<()> {
        let poisoned = self.shared.counts.poisoned.load(Ordering::Relaxed);
        let done = self.write_out().and_then(|()| self.sync_if_due(stop));
        if done.is_ok() || poisoned == self.shared.counts.poisoned.load(Ordering::Relaxed) {
            return done;
        }
        self.write_out().and_then(|()| self.sync_if_due(stop))
    }

    /// Writes what is left of the batch, then puts it with the unsynced ones.
    fn write_out(&mut self) -> io::Result<()> {
        while self.is_holding() {
            match self.write_run() {
                Err(error) if room::is_full(&error) && self.sacrifice() => {}
                result => result?,
            }
        }
        let mut bytes = std::mem::take(&mut self.batch);
        let rest = if self.synced == 0 { std::mem::take(&mut bytes) } else { bytes.split_off(self.synced) };
        if !rest.is_empty() {
            self.unsynced.push(rest);
        }
        self.shared.queue.recycle(bytes);
        (self.written, self.synced) = (0, 0);
        Ok(())
    }

    /// Writes as many frames as fit the segment, at most about [`RUN`] bytes, and shows them to readers.
    fn write_run(&mut self) -> io::Result<()> {
        let Some(length) = self.batch.get(self.written..).and_then(Frame::unchecked).map(|f| f.length) else {
            self.written = self.batch.len();
            return Ok(());
        };
        self.make_active(length as u64)?;
        let Some(active) = &mut self.active else { return Err(io::ErrorKind::NotFound.into()) };
        let limit = (self.shared.options.segment_bytes.saturating_sub(active.summary.end) as usize).min(RUN);
        let run = self.batch.get_mut(self.written..).unwrap_or_default();
        let length = place_frames(run, active, limit);
        let run = run.get(..length).unwrap_or_default();
        if let Err(error) = active.file.write_all_at(run, active.summary.end) {
            self.undo_write();
            return Err(error);
        }
        bump(&self.shared.counts.written_bytes, length as u64);
        self.dirty_since.get_or_insert(self.since.unwrap_or_else(Instant::now));
        self.publish(self.written..self.written + length);
        self.written += length;
        Ok(())
    }

    /// Lets readers see frames that have been written.
    fn publish(&mut self, run: std::ops::Range<usize>) {
        let Some(active) = &mut self.active else { return };
        let run = self.batch.get(run).unwrap_or_default();
        let mut fresh = Tallies::default();
        let mut again = Vec::new();
        for frame in frame::walk(run) {
            active.summary.extend(&frame, active.summary.end + frame.length as u64);
            if frame.seq > self.published {
                fresh.count(&frame);
            } else {
                active.summary.tallies.count(&frame);
                again.push(frame);
            }
        }
        active.summary.tallies.add(&fresh);
        self.published = self.published.max(active.summary.last);
        self.shared.readmit(active.ordinal, &again);
        self.shared.grow(active, &fresh);
        let destinations = self.shared.destinations();
        let woken = |d: &&Arc<Destination>| !again.is_empty() || fresh.get(d.id).events > 0;
        destinations.iter().filter(woken).for_each(|destination| destination.wake());
    }

    /// Removes what a failed write may have left; gives the segment up when that fails too.
    fn undo_write(&mut self) {
        bump(&self.shared.counts.write_errors, 1);
        let cut = self.active.as_ref().map(|active| active.file.truncate(active.summary.end));
        if let Some(Err(_)) = cut {
            let _ = self.seal(false);
        }
    }

    /// Makes sure that there is a segment with room for a frame.
    fn make_active(&mut self, length: u64) -> io::Result<()> {
        let limit = self.shared.options.segment_bytes;
        let full = |active: &Active| active.summary.frames > 0 && active.summary.end + length > limit;
        if self.active.as_ref().is_some_and(full) {
            self.seal(true)?;
        }
        if self.active.is_none() {
            self.active = Some(self.create()?);
            self.next_ordinal += 1;
        }
        Ok(())
    }

    fn create(&self) -> io::Result<Active> {
        let shared = &self.shared;
        let path = segment::path(&shared.dir, self.next_ordinal);
        let first = self.batch.get(self.written..).and_then(Frame::unchecked).map_or(Seq(0), |f| f.seq);
        let header =
            Header { marker: random_marker(), ordinal: self.next_ordinal, first, created: now_micros() };
        let file = shared.storage.create(&path)?;
        let made = file.write_all_at(&header.encode(), 0).and_then(|()| shared.storage.sync_dir(&shared.dir));
        if let Err(error) = made {
            let _ = shared.storage.unlink(&path);
            return Err(error);
        }
        let segment = Segment {
            marker: header.marker,
            last: Seq(first.0.saturating_sub(1)),
            end: HEADER,
            size: HEADER,
            sealed: false,
            generation: 0,
            remaining: Tallies::default(),
        };
        shared.log().insert(self.next_ordinal, segment);
        Ok(Active { file, ordinal: self.next_ordinal, marker: header.marker, summary: Summary::empty() })
    }

    /// Leaves everything durable. A small segment stays open for the next start to go on with.
    fn finish(&mut self) {
        if !self.is_holding() {
            // What came in while the writer was busy with frames that it could not write.
            let last = Patience { until: None, linger: Duration::ZERO, holding: false };
            self.shared.queue.take(&last).batch.into_iter().for_each(|batch| self.take(batch));
            let done = self.write_and_sync(true);
            self.settle_up(done);
        }
        let large = self.shared.options.segment_bytes / 2;
        if self.active.as_ref().is_some_and(|active| active.summary.end > large) {
            let _ = self.seal(true);
        }
        for destination in self.shared.destinations().iter() {
            let _ = destination.persist_durably();
            destination.wake();
        }
        let complete = !self.is_holding() && self.dirty_since.is_none();
        self.shared.complete.store(complete, Ordering::Release);
    }
}

/// Nobody is left waiting for a writer that is gone, for whatever reason.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.close();
        let left = self.shared.queue.take(&Patience { until: None, linger: Duration::ZERO, holding: false });
        let ticket = left.batch.and_then(|batch| batch.ticket);
        let tickets = self.tickets.drain(..).chain(ticket);
        tickets.for_each(|ticket| ticket.answer(Err(io::ErrorKind::BrokenPipe)));
    }
}

/// Binds the first frames of `run` to their places behind the end of a segment; says how many bytes they
/// are. The first one is always among them.
fn place_frames(run: &mut [u8], active: &Active, limit: usize) -> usize {
    let mut length = 0;
    while let Some(rest) = run.get_mut(length..)
        && let Some(size) = Frame::unchecked(rest).map(|frame| frame.length)
        && (length == 0 || length + size <= limit)
        && let Some(bytes) = rest.get_mut(..size)
    {
        frame::place(bytes, active.marker, active.summary.end + length as u64);
        length += size;
    }
    length
}
