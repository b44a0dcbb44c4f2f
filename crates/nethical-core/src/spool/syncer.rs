//! What waits for the disk, so that writing does not have to.
//!
//! In the modes `None` and `Interval` it is a thread of its own: an fsync may take as long as it likes, and the
//! writer goes on giving the kernel what comes in, which is what a kill is survived by. In mode `Every` whoever
//! comes next waits for the fsync anyway, and the writer does these jobs itself.
//!
//! Jobs are done in order. When an fsync has failed, nothing that was asked for before the writer heard of it is
//! fsynced any more: the kernel reports a failure once, so the next call would succeed and vouch for pages that
//! are gone. The *epoch* tells these jobs from later ones.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::shared::{Shared, bump};
use super::storage::StorageFile;
use super::{SpoolError, squeeze, trim};

/// A stretch of a segment, from its beginning, that is to be made durable.
pub(super) struct Cover {
    pub(super) file: Arc<dyn StorageFile>,
    pub(super) ordinal: u64,
    pub(super) end: u64,
    pub(super) epoch: u64,
    /// The name of the file is not durable yet.
    pub(super) fresh: bool,
}

/// What is to be done.
pub(super) enum Job {
    Sync(Cover),
    /// The same for a segment that is complete. The footer comes after the fsync of what it vouches for, and is
    /// not worth one of its own: a segment whose footer is lost, or cannot be written, is read through.
    Seal(Cover, Option<Vec<u8>>),
    /// Remove the free segments at the front.
    Trim,
    /// Make a segment smaller that little waits in.
    Squeeze,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Done {
    Synced {
        ordinal: u64,
        end: u64,
        epoch: u64,
        sealed: bool,
        result: io::Result<()>,
    },
    /// Whether everything free is gone.
    Trimmed(bool),
    /// Whether there was one, and it worked.
    Squeezed(bool),
}

/// Does jobs.
struct Worker {
    shared: Arc<Shared>,
    /// The epoch in which an fsync has failed.
    failed: Option<u64>,
}

impl Worker {
    fn run(&mut self, job: Job) -> Done {
        match job {
            Job::Sync(cover) => self.cover(&cover, None),
            Job::Seal(cover, footer) => self.cover(&cover, Some(footer)),
            Job::Trim => Done::Trimmed(trim::all(&self.shared)),
            Job::Squeeze => Done::Squeezed(squeeze::any(&self.shared)),
        }
    }

    fn cover(&mut self, cover: &Cover, seal: Option<Option<Vec<u8>>>) -> Done {
        let result = self.sync(cover);
        let &Cover { ordinal, end, epoch, .. } = cover;
        let sealed = seal.is_some();
        if let (Ok(()), Some(footer)) = (&result, seal) {
            self.seal(cover, &footer.unwrap_or_default());
        }
        Done::Synced { ordinal, end, epoch, sealed, result }
    }

    fn sync(&mut self, cover: &Cover) -> io::Result<()> {
        if self.failed == Some(cover.epoch) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        bump(&self.shared.counts.fsyncs, 1);
        let named = if cover.fresh { self.shared.storage.sync_dir(&self.shared.dir) } else { Ok(()) };
        let synced = named.and_then(|()| cover.file.sync());
        if synced.is_err() {
            self.failed = Some(cover.epoch);
        }
        synced
    }

    fn seal(&self, cover: &Cover, footer: &[u8]) {
        let mut size = cover.end;
        match cover.file.write_all_at(footer, size) {
            Ok(()) => size += footer.len() as u64,
            Err(_) => drop(cover.file.truncate(size)),
        }
        if let Some(segment) = self.shared.log().get_mut(cover.ordinal) {
            segment.durable = true;
            segment.size = size;
        }
    }

    fn serve(mut self, jobs: &Receiver<Job>) {
        for job in jobs {
            let done = self.run(job);
            self.shared.queue.finished(done);
        }
    }
}

/// Who does the jobs.
pub(super) struct Syncer {
    way: Way,
    /// Jobs that have been given to somebody else and have not come back.
    out: usize,
}

enum Way {
    Here(Worker),
    Thread {
        worker: Worker,
        jobs: Option<Sender<Job>>,
        thread: Option<JoinHandle<()>>,
    },
    /// The test does them by hand.
    #[cfg(test)]
    Later(Worker, std::collections::VecDeque<Job>),
}

impl Syncer {
    /// Whoever asks does it.
    pub(super) fn here(shared: &Arc<Shared>) -> Self {
        Self { way: Way::Here(Worker { shared: Arc::clone(shared), failed: None }), out: 0 }
    }

    /// A thread of its own.
    pub(super) fn thread(shared: &Arc<Shared>) -> Result<Self, SpoolError> {
        let worker = || Worker { shared: Arc::clone(shared), failed: None };
        let ((jobs, receiver), serving) = (channel(), worker());
        let thread = std::thread::Builder::new().name("nethical-sync".into());
        let thread = thread.spawn(move || serving.serve(&receiver));
        let thread = thread.map_err(SpoolError::io("start a thread for", &shared.dir))?;
        let way = Way::Thread { worker: worker(), jobs: Some(jobs), thread: Some(thread) };
        Ok(Self { way, out: 0 })
    }

    /// Has a job done: says what came of it if that is known at once.
    pub(super) fn give(&mut self, job: Job) -> Option<Done> {
        match &mut self.way {
            Way::Here(worker) => return Some(worker.run(job)),
            Way::Thread { worker, jobs, .. } => {
                // Without the thread, which has no reason to be gone, it is done here.
                if let Some(Err(lost)) = jobs.as_ref().map(|jobs| jobs.send(job)) {
                    return Some(worker.run(lost.0));
                }
            }
            #[cfg(test)]
            Way::Later(_, jobs) => jobs.push_back(job),
        }
        self.out += 1;
        None
    }

    /// Waits for jobs that are out; there are none if it says nothing.
    pub(super) fn wait(&mut self) -> Vec<Done> {
        #[cfg(test)]
        self.run_later();
        if self.out == 0 { Vec::new() } else { self.came_back(self.shared().queue.take_done()) }
    }

    /// Notes that jobs have come back.
    pub(super) fn came_back(&mut self, done: Vec<Done>) -> Vec<Done> {
        self.out = self.out.saturating_sub(done.len());
        done
    }

    fn shared(&self) -> Arc<Shared> {
        let worker = match &self.way {
            Way::Here(worker) | Way::Thread { worker, .. } => worker,
            #[cfg(test)]
            Way::Later(worker, _) => worker,
        };
        Arc::clone(&worker.shared)
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        if let Way::Thread { jobs, thread, .. } = &mut self.way {
            *jobs = None;
            thread.take().into_iter().for_each(|thread| drop(thread.join()));
        }
    }
}

#[cfg(test)]
impl Syncer {
    /// Jobs wait until the test does them.
    pub(super) fn later(shared: &Arc<Shared>) -> Self {
        let worker = Worker { shared: Arc::clone(shared), failed: None };
        Self { way: Way::Later(worker, std::collections::VecDeque::new()), out: 0 }
    }

    /// Does the next job that waits; false when none does.
    pub(super) fn run_later(&mut self) -> bool {
        let Way::Later(worker, jobs) = &mut self.way else { return false };
        let Some(job) = jobs.pop_front() else { return false };
        let done = worker.run(job);
        worker.shared.queue.finished(done);
        true
    }
}
