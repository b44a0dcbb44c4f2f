//! The spool: events on disk until each of their destinations has settled them.
//!
//! An event is stored once however many destinations it has. It goes through a bounded buffer to one writer
//! thread, which appends it to the newest *segment*; each destination reads the segments at its own pace
//! and settles events in any order. A segment in which nothing waits for anybody is unlinked.
//!
//! ```text
//! append -> queue -> writer -> 0000000000000007.seg -> reader of "slack"      -> ack -> 00000.cursor
//!                              0000000000000008.seg -> reader of "cloudwatch" -> ack -> 00001.cursor
//!                    syncer    fsync, unlink
//! ```
//!
//! # Promises
//!
//! | mode | lost when the process is killed | lost when power is lost |
//! |---|---|---|
//! | `None` | at most 20 ms | unbounded |
//! | `Interval` | at most 20 ms | at most 20 ms |
//! | `Every` | nothing | nothing |
//!
//! The left column is kept by writing, which never waits for the disk; the right one as far as the disk keeps its
//! own promise in that time. What [`Spool::sync`] has confirmed is durable in
//! every mode. Events reach each destination in the order of their sequence numbers, at least once: after a
//! kill, what was settled stays settled; after a power cut, settlements that were not yet durable are
//! handed out again.
//!
//! # What it refuses to do
//!
//! - It does not stop for damage. Whatever is wrong with a file is counted, reported, and stepped over.
//! - It does not let one destination stop another: limits are per destination, and the one that lags pays.
//! - It does not use memory for what waits on disk, nor the network for anything.
//! - It does not survive a `fork` in the child: only the process that opened it has the writer thread. The
//!   child must forget its handles and open a directory of its own.
//!
//! The files describe themselves: `frame` and `segment` the log, `cursor` the positions, `writer` what
//! happens when the disk fails, `syncer` what waits for it, `driver` who does the work, `recovery` what happens at a start, `squeeze` how little a destination that
//! is down costs, `storage` what is asked of a filesystem. Beside the spool stand `directory`, who owns
//! which, and `dead_letters`, what could not be delivered, and `handover`, how the counts of
//! an emptied directory get into another one.

mod chunk;
mod codec;
mod cursor;
mod dead_letters;
mod destination;
mod directory;
mod driver;
mod frame;
mod handover;
mod inspect;
mod log;
mod options;
mod quarantine;
mod queue;
mod reader;
mod recovery;
mod scan;
mod segment;
mod shared;
mod squeeze;
mod stats;
pub mod storage;
mod syncer;
mod tally;
mod trim;
mod volume;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use dead_letters::{DeadLetter, DeadLetterLog, Fate, Filter, Retention};
pub use directory::{Directory, Home, STATUS};
pub use handover::{HandedOver, clear_handed_over, hand_over, handed_over};
pub use inspect::{Backlog, contains, inspect};
pub use options::{AppendError, Durability, Full, Options, SpoolError};
pub use reader::Reader;
pub use recovery::Recovery;
pub use stats::{DestinationStats, Stats};
pub use storage::{Disk, Storage};
pub use tally::Tally;
pub use volume::{Volume, is_on_network};

use chunk::Place;
use cursor::{CursorFile, MAX_KEY, Position};
use destination::Destination;
use driver::Driver;
use frame::Payload;
use queue::Queue;
use shared::Shared;
use syncer::Syncer;
use writer::{Active, Writer};

/// Called when something new can be read; it must return at once.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The position of an event in the log. Later events have higher ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// As a number, from 1.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Higher ones are never given away, so whatever has one is damaged.
    const MAX: Self = Self(1 << 62);

    fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A destination of this spool. The same key has the same one after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationId(u16);

impl DestinationId {
    /// As a number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event as a reader gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What to settle it by.
    pub seq: Seq,
    /// When it was accepted, in microseconds since 1970, to some milliseconds.
    pub time: u64,
    /// What was appended.
    pub payload: Vec<u8>,
}

/// What waits for a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Events that are not settled.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// When the oldest of them was accepted, in microseconds since 1970.
    pub oldest_micros: Option<u64>,
}

/// An open spool. Handles are cheap to clone; when the last one goes, what was accepted is made durable.
#[derive(Clone)]
pub struct Spool {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    driver: Driver,
}

impl Spool {
    /// Opens the spool in a directory, creating both if need be, and says what it found there. The caller
    /// holds the lock of the directory.
    ///
    /// # Errors
    /// When the directory or a cursor file cannot be used at all, or no thread can be started.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: Options,
    ) -> Result<(Self, Recovery), SpoolError> {
        let syncer = |shared: &Arc<Shared>| match shared.options.durability {
            Durability::Every => Ok(Syncer::here(shared)),
            Durability::None | Durability::Interval => Syncer::thread(shared),
        };
        let (shared, writer, report) = Self::prepare(storage, dir, options, syncer)?;
        let driver = Driver::start(&shared, writer).map_err(SpoolError::io("start a thread for", dir))?;
        Ok((Self { owner: Arc::new(Owner { shared, driver }) }, report))
    }

    fn prepare(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: Options,
        syncer: impl FnOnce(&Arc<Shared>) -> Result<Syncer, SpoolError>,
    ) -> Result<(Arc<Shared>, Writer, Recovery), SpoolError> {
        let options = options.sane();
        storage.create_dir(dir).map_err(SpoolError::io("create", dir))?;
        let opened = recovery::open(&storage, dir, &options)?;
        let last = opened.last;
        let place = opened.active.as_ref().map_or_else(Place::in_new_segment, Active::place);
        let queue = Queue::new(Seq(last.0 + 1), place, opened.log.size());
        let shared = Shared::new(storage, dir.to_owned(), options, queue, opened.log, opened.destinations);
        let shared = Arc::new(shared);
        let syncer = syncer(&shared)?;
        let writer = Writer::new(Arc::clone(&shared), syncer, opened.active, opened.next_ordinal, last);
        Ok((shared, writer, opened.report))
    }

    /// The destination with this key, which is made if there is none. It costs an fsync, once.
    ///
    /// # Errors
    /// When the key is empty or too long, or cannot be made durable.
    pub fn destination(&self, key: &str) -> Result<DestinationId, SpoolError> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(SpoolError::Key(key.to_owned()));
        }
        let shared = &self.owner.shared;
        let low = shared.queue.last();
        let destination = shared.destination(key, |known| {
            let id = free_id(known).ok_or(SpoolError::TooManyDestinations)?;
            let position = Position { id, key: key.to_owned(), low, ..Position::default() };
            let file = CursorFile::create(&*shared.storage, &shared.dir, &position)
                .map_err(SpoolError::io("create", cursor::path(&shared.dir, id)))?;
            Ok(Destination::new(position, file))
        })?;
        Ok(destination.id)
    }

    /// Takes an event in for these destinations; it is stored once. Returns as soon as it is copied, and in
    /// mode `Every` when it is durable.
    ///
    /// # Errors
    /// When it is not taken in for any of them.
    pub fn append(&self, payload: &[u8], to: &[DestinationId]) -> Result<Seq, AppendError> {
        self.append_parts([payload, &[]], to)
    }

    /// The same for an event whose bytes lie in two places; they are stored as one.
    ///
    /// # Errors
    /// When it is not taken in for any of them.
    pub fn append_parts(&self, payload: [&[u8]; 2], to: &[DestinationId]) -> Result<Seq, AppendError> {
        let shared = &self.owner.shared;
        let wait = shared.options.durability == Durability::Every;
        let (seq, ticket) = shared.queue.append(&shared.options, &Payload::new(payload), to, wait)?;
        if let Some(ticket) = ticket {
            self.owner.driver.commit(shared, &ticket).map_err(AppendError::Storage)?;
        }
        Ok(seq)
    }

    /// Makes everything taken in so far durable, and the positions of the readers with it. False when that
    /// did not come about in time.
    pub fn sync(&self, timeout: Duration) -> bool {
        let ticket = self.owner.shared.queue.ticket();
        self.nudge();
        let durable = ticket.wait(Instant::now().checked_add(timeout)) == Some(Ok(()));
        let destinations = self.owner.shared.destinations();
        durable && destinations.iter().all(|destination| destination.persist_durably().is_ok())
    }

    /// The reader of a destination. `waker` is called whenever there is something new to read.
    ///
    /// # Errors
    /// When there is no such destination, or it has a reader.
    pub fn reader(&self, id: DestinationId, waker: Waker) -> Result<Reader, SpoolError> {
        let shared = &self.owner.shared;
        let destinations = shared.destinations();
        let found = destinations.iter().find(|destination| destination.id == id);
        let destination = Arc::clone(found.ok_or(SpoolError::UnknownDestination(id))?);
        if destination.taken.swap(true, Ordering::AcqRel) {
            return Err(SpoolError::ReaderTaken(id));
        }
        *lock(&destination.waker) = Some(waker);
        Ok(Reader::new(Arc::clone(shared), destination))
    }

    /// What is accepted for a destination and not settled. To know how old the oldest is takes reading the
    /// head of a segment when nothing is handed out, so this is no call for every second.
    ///
    /// # Errors
    /// When there is no such destination.
    pub fn waiting(&self, id: DestinationId) -> Result<Waiting, SpoolError> {
        let shared = &self.owner.shared;
        let destinations = shared.destinations();
        let found = destinations.iter().find(|destination| destination.id == id);
        Ok(reader::waiting(shared, found.ok_or(SpoolError::UnknownDestination(id))?))
    }

    /// Drops what waits for a destination in the oldest segment that has something for it, and says how
    /// much that was. What has been handed out is not touched.
    ///
    /// # Errors
    /// When there is no such destination.
    pub fn drop_oldest(&self, id: DestinationId) -> Result<Tally, SpoolError> {
        let shared = &self.owner.shared;
        let destinations = shared.destinations();
        let found = destinations.iter().find(|destination| destination.id == id);
        let destination = found.ok_or(SpoolError::UnknownDestination(id))?;
        let before = destination.counters.dropped_oldest.get();
        shared.drop_oldest_of(destination);
        shared.queue.request_trim();
        Ok(destination.counters.dropped_oldest.get().less(before))
    }

    /// Whether this is a handle of the same spool.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.owner, &other.owner)
    }

    /// What was chosen for it.
    pub fn options(&self) -> &Options {
        &self.owner.shared.options
    }

    /// How it is doing.
    pub fn stats(&self) -> Stats {
        self.owner.shared.stats()
    }

    /// Takes nothing in any more, makes durable what was accepted, and waits for that. False when the disk
    /// did not take everything: the rest is lost with this process. Readers may go on.
    pub fn close(&self) -> bool {
        self.owner.close();
        self.owner.shared.complete.load(Ordering::Acquire)
    }

    /// In tests with a writer that is turned by hand, turns it: for what it may still be holding, for what came
    /// since, and for what the disk says.
    fn nudge(&self) {
        #[cfg(test)]
        for _ in 0..3 {
            self.turn();
            while self.work_on_the_side() {}
        }
    }
}

impl Owner {
    fn close(&self) {
        self.shared.queue.close();
        self.driver.stop();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
impl Spool {
    /// Opens a spool whose writer works only when it is turned. What waits for the disk is done at once, or
    /// `later`, by hand.
    fn open_manual(
        storage: Arc<dyn Storage>,
        dir: &Path,
        options: Options,
        later: bool,
    ) -> Result<(Self, Recovery), SpoolError> {
        let syncer = |shared: &_| Ok(if later { Syncer::later(shared) } else { Syncer::here(shared) });
        let (shared, writer, report) = Self::prepare(storage, dir, options, syncer)?;
        Ok((Self { owner: Arc::new(Owner { shared, driver: Driver::by_hand(writer) }) }, report))
    }

    /// One turn of a manual writer.
    fn turn(&self) {
        self.owner.driver.turn();
    }

    /// Does one thing that waits for the disk; false when nothing does.
    fn work_on_the_side(&self) -> bool {
        self.owner.driver.work_on_the_side()
    }

    /// Lets go of the spool as a killed process does.
    fn kill(self) {
        self.owner.driver.kill();
    }
}

/// The id behind the last one, else one that was left out; whatever is in the log has a destination.
fn free_id(known: &[Arc<Destination>]) -> Option<DestinationId> {
    let ids = || known.iter().map(|destination| destination.id.0);
    let next = ids().max().map_or(Some(0), |last| last.checked_add(1));
    next.or_else(|| (0..u16::MAX).find(|id| !ids().any(|other| other == *id))).map(DestinationId)
}

/// A lock whose holder panicked is taken all the same: what it guards is valid between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// The same to some milliseconds, for a tenth of the price.
fn tick_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// A number that nobody else has.
fn random_id() -> u128 {
    let mut random = [0; 10];
    // Without randomness the time has to do.
    let _ = getrandom::fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(now_micros() / 1000, &random).into_uuid().as_u128()
}

/// What tells the frames of one file from those of every other.
fn random_marker() -> u32 {
    let number = getrandom::u32().unwrap_or(now_micros() as u32);
    if number == frame::NOWHERE { !number } else { number }
}
