//! Who turns the writer.
//!
//! A thread of its own does. In mode `Every` a caller who is alone does it too: he has to wait for the disk anyway, and
//! going there himself saves two switches from thread to thread. Where there are several, the thread is better: it gets
//! to run when all of them have left their events, so that they share one commit.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;

use super::lock;
use super::queue::Ticket;
use super::shared::Shared;
use super::writer::Writer;

/// Where the writer is, until the spool is closed.
type Seat = Mutex<Option<Writer>>;

pub(super) struct Driver {
    seat: Arc<Seat>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Callers who wait for the disk, or have not noticed yet that it has answered.
    waiting: AtomicUsize,
}

impl Driver {
    /// With a thread.
    pub(super) fn start(shared: &Arc<Shared>, writer: Writer) -> io::Result<Self> {
        let driver = Self::by_hand(writer);
        let (shared, seat) = (Arc::clone(shared), Arc::clone(&driver.seat));
        let thread = std::thread::Builder::new().name("nethical-spool".into());
        *lock(&driver.thread) = Some(thread.spawn(move || serve(&shared, &seat))?);
        Ok(driver)
    }

    /// Without one.
    pub(super) fn by_hand(writer: Writer) -> Self {
        Self {
            seat: Arc::new(Mutex::new(Some(writer))),
            thread: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for the answer to a ticket that has just been taken.
    pub(super) fn commit(&self, shared: &Shared, ticket: &Ticket) -> Result<(), io::ErrorKind> {
        let alone = self.waiting.fetch_add(1, Ordering::Relaxed) == 0;
        if !alone || !self.help(shared) {
            shared.queue.wake_writer();
        }
        let outcome = ticket.wait(None);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        outcome.unwrap_or(Ok(()))
    }

    /// Does what there is to do; false when somebody is at it already.
    fn help(&self, shared: &Shared) -> bool {
        let seat = match self.seat.try_lock() {
            Ok(seat) => Some(seat),
            Err(TryLockError::Poisoned(seat)) => Some(PoisonError::into_inner(seat)),
            Err(TryLockError::WouldBlock) => None,
        };
        let Some(mut seat) = seat else { return false };
        let Some(writer) = seat.as_mut() else { return false };
        writer.turn();
        if writer.patience().until.is_some() {
            shared.queue.wake_writer();
        }
        true
    }

    /// After the queue has been closed: waits until everything has been done.
    pub(super) fn stop(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
        lock(&self.seat).take().into_iter().for_each(|mut writer| _ = writer.turn());
    }
}

/// Nobody waits for a writer that is gone, for whatever reason its thread has ended.
struct Leave<'a>(&'a Seat);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let writer = lock(self.0).take();
        drop(writer);
    }
}

fn serve(shared: &Shared, seat: &Seat) {
    let _leave = Leave(seat);
    let mut patience = lock(seat).as_ref().map(Writer::patience);
    while let Some(waits) = patience {
        shared.queue.wait(&waits);
        patience = lock(seat).as_mut().and_then(|writer| writer.turn().then(|| writer.patience()));
    }
}

#[cfg(test)]
impl Driver {
    /// One turn.
    pub(super) fn turn(&self) {
        lock(&self.seat).as_mut().into_iter().for_each(|writer| _ = writer.turn());
    }

    /// Does one thing that waits for the disk; false when nothing does.
    pub(super) fn work_on_the_side(&self) -> bool {
        lock(&self.seat).as_mut().is_some_and(Writer::work_on_the_side)
    }

    /// Lets go of the writer as a killed process does.
    pub(super) fn kill(&self) {
        let writer = lock(&self.seat).take();
        drop(writer);
    }
}
