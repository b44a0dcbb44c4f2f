//! All uploads of one platform in one process, and their accounts.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nethical_core::delivery::{
    Attended, BreakerSettings, Error, Flushed, Ledger, Observer, Schedule, Status, Turns, runtime,
};
use tokio::sync::Semaphore;

use super::api::Api;
use super::directory::RunDirectory;
use super::lock::Lock;
use super::progress::{Known, Progress};
use super::recording::Recording;
use super::refusals::Refusals;
use super::registry::Registry;
use super::upload::{self, Control, Job, Parts, Rhythm};

/// Runs of ended processes that are uploaded at the same time.
const AT_ONCE: usize = 4;

/// What an attempt that is under way at the end still gets.
const GRACE: Duration = Duration::from_secs(1);

/// How the uploads of a platform are made.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) name: Arc<str>,
    /// None: nothing is uploaded.
    pub(crate) api: Option<Api>,
    pub(crate) rhythm: Rhythm,
    pub(crate) parts: Parts,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) observer: Observer,
    pub(crate) breaker: BreakerSettings,
    pub(crate) registry: Option<Registry>,
    /// Where runs go that do not say it: entity and project.
    pub(crate) target: (Option<String>, Option<String>),
}

/// The uploads.
pub(crate) struct Uploads {
    means: Means,
    uploads: Mutex<Vec<Upload>>,
    /// The accounts of those that are done with.
    done: Mutex<Ledger>,
    closed: Mutex<bool>,
    /// The disk did not take all of it at the end.
    at_risk: AtomicBool,
    permits: Arc<Semaphore>,
}

/// One run and its upload, if it has one.
#[derive(Clone)]
pub(crate) struct Upload {
    pub(crate) directory: RunDirectory,
    pub(crate) recording: Option<Arc<Recording>>,
    pub(crate) progress: Arc<Progress>,
    turns: Arc<Turns>,
    control: Arc<Control>,
    /// Updates in a log that nobody writes to any more.
    left: u64,
    uploads: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upload {
    /// Updates that were taken, those included that came to nothing.
    fn accepted(&self) -> (u64, u64) {
        self.recording.as_ref().map_or((self.left, 0), |recording| recording.counts())
    }

    /// The account.
    pub(crate) fn ledger(&self) -> Ledger {
        let (accepted, dropped) = self.accepted();
        let mut ledger = self.progress.look(|known| known.ledger(accepted));
        ledger.accepted += dropped;
        ledger.settle(
            dropped,
            nethical_core::delivery::Outcome::Dropped(nethical_core::delivery::DropReason::Storage),
        );
        if self.is_refused() {
            let rest = std::mem::take(&mut ledger.waiting);
            ledger.settle(rest, nethical_core::delivery::Outcome::DeadLettered);
        }
        ledger
    }

    /// Whether the whole run was refused.
    fn is_refused(&self) -> bool {
        self.progress.look(is_refused)
    }

    /// The last failure.
    pub(crate) fn last_error(&self) -> Option<Error> {
        self.turns.condition().last_error
    }

    /// Whether nothing more is to be expected of it.
    pub(crate) fn is_over(&self) -> bool {
        let over = self.recording.as_ref().is_none_or(|recording| recording.has_ended());
        over && (!self.uploads || self.progress.look(|known| known.ended || known.finished))
    }

    /// Whether it lets go of its run by itself, once it is told to stop.
    fn comes_to_an_end(&self) -> bool {
        self.uploads || self.recording.as_ref().is_some_and(|recording| recording.has_ended())
    }

    /// Waits until everything that was taken so far has arrived; where nothing is uploaded, until it is on disk.
    pub(crate) fn flush(&self, deadline: Instant) -> bool {
        if let Some(recording) = &self.recording {
            recording.close_row();
            if !self.uploads {
                return recording.sync(deadline);
            }
        }
        let (accepted, _) = self.accepted();
        self.progress.wait(deadline, |known| known.settled() >= accepted || known.finished || known.ended);
        self.progress.look(|known| known.settled() >= accepted || known.finished)
    }
}

impl Uploads {
    /// None yet.
    pub(crate) fn new(means: Means) -> Arc<Self> {
        Arc::new(Self {
            means,
            uploads: Mutex::default(),
            done: Mutex::default(),
            closed: Mutex::new(false),
            at_risk: AtomicBool::new(false),
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Whether runs are uploaded.
    pub(crate) const fn is_online(&self) -> bool {
        self.means.api.is_some()
    }

    /// How they are made.
    pub(crate) const fn means(&self) -> &Means {
        &self.means
    }

    /// Begins with a run that is being written.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn add(&self, recording: &Arc<Recording>, locks: Vec<Lock>) -> Result<Upload, Error> {
        let upload = self.upload(recording.directory.clone(), Some(Arc::clone(recording)), 0);
        self.start(&upload, locks, None)?;
        self.keep(upload.clone());
        Ok(upload)
    }

    /// Begins with what an ended process left in this directory. `left` is how much.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn take_over(&self, directory: RunDirectory, held: Lock, left: u64) -> Result<Upload, Error> {
        let upload = self.upload(directory, None, left);
        self.start(&upload, vec![held], Some(Arc::clone(&self.permits)))?;
        self.keep(upload.clone());
        Ok(upload)
    }

    fn upload(&self, directory: RunDirectory, recording: Option<Arc<Recording>>, left: u64) -> Upload {
        let first = self.means.rhythm.interval.clamp(Duration::from_millis(50), Duration::from_secs(2));
        let schedule = Schedule { first, cap: Duration::from_secs(60) };
        Upload {
            directory,
            recording,
            progress: Arc::default(),
            turns: Arc::new(Turns::new(None, self.means.breaker, schedule)),
            control: Arc::default(),
            left,
            uploads: self.is_online(),
        }
    }

    fn keep(&self, upload: Upload) {
        let mut uploads = lock(&self.uploads);
        let mut done = lock(&self.done);
        // What is over is only counted, or a program of many runs would have them all in memory.
        let (over, mut rest): (Vec<_>, Vec<_>) = uploads.drain(..).partition(Upload::is_over);
        over.iter().for_each(|upload| done.add(&upload.ledger()));
        rest.push(upload);
        *uploads = rest;
    }

    fn start(&self, upload: &Upload, locks: Vec<Lock>, permits: Option<Arc<Semaphore>>) -> Result<(), Error> {
        let Some(api) = self.means.api.clone() else { return hold(upload, locks) };
        let earlier = self.earlier(&upload.directory);
        let job = Job {
            name: Arc::clone(&self.means.name),
            api,
            directory: upload.directory.clone(),
            recording: upload.recording.clone(),
            locks,
            progress: Arc::clone(&upload.progress),
            turns: Arc::clone(&upload.turns),
            observer: Arc::clone(&self.means.observer),
            rhythm: self.means.rhythm,
            parts: self.means.parts,
            refusals: Arc::clone(&self.means.refusals),
            control: Arc::clone(&upload.control),
            target: self.means.target.clone(),
            registry: self.means.registry.clone(),
        };
        runtime::handle()?.spawn(async move {
            let _permit = match permits {
                Some(permits) => permits.acquire_owned().await.ok(),
                None => None,
            };
            match earlier {
                Some(earlier) => go_on_after(&earlier, job).await,
                None => upload::run(job).await,
            }
        });
        Ok(())
    }

    /// The upload of an earlier part of the same run.
    fn earlier(&self, directory: &RunDirectory) -> Option<Arc<Progress>> {
        let uploads = lock(&self.uploads);
        let same = |upload: &&Upload| upload.directory.log().file_name() == directory.log().file_name();
        uploads.iter().rfind(same).map(|upload| Arc::clone(&upload.progress))
    }

    /// All that are known.
    pub(crate) fn all(&self) -> Vec<Upload> {
        lock(&self.uploads).clone()
    }

    /// Takes over what ended processes left for this server. Says how many runs.
    pub(crate) fn adopt(&self) -> usize {
        let (Some(registry), Some(api)) = (&self.means.registry, &self.means.api) else { return 0 };
        let mut taken = 0;
        for directory in registry.all() {
            let name = directory.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !name.starts_with("run-") || directory.state().base_url != api.base_url() {
                continue;
            }
            if directory.is_synced() {
                registry.remove(&directory);
                continue;
            }
            let Ok(Some(held)) = directory.lock() else { continue };
            let left = super::sync::count(&directory).unwrap_or(0);
            taken += usize::from(self.take_over(directory, held, left).is_ok());
        }
        taken
    }

    fn unfinished(&self) -> Vec<Upload> {
        self.all().into_iter().filter(|upload| upload.ledger().waiting > 0).collect()
    }
}

fn is_refused(known: &Known) -> bool {
    known.failure.as_ref().is_some_and(upload::is_refusal)
}

/// Sends a part of a run when the part before it is there. Where that cannot be, this one waits for it to be put right.
async fn go_on_after(earlier: &Progress, job: Job) {
    while !earlier.look(|known| known.ended) && !job.control.is_stopped() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if earlier.look(|known| known.finished || is_refused(known)) {
        return upload::run(job).await;
    }
    let failure = earlier.look(|known| known.failure.clone());
    job.progress.change(|known| {
        known.ended = true;
        known.failure = failure;
    });
}

/// Keeps a run that is not uploaded for this process, until it has ended and is written.
fn hold(upload: &Upload, locks: Vec<Lock>) -> Result<(), Error> {
    let Some(recording) = upload.recording.clone() else { return Ok(()) };
    let progress = Arc::clone(&upload.progress);
    runtime::handle()?.spawn(async move {
        while !recording.is_written() {
            recording.run_log().grown().await;
        }
        drop(locks);
        progress.change(|known| known.ended = true);
    });
    Ok(())
}

impl Attended for Uploads {
    fn status(&self) -> Status {
        let uploads = self.all();
        let mut ledger = *lock(&self.done);
        let mut bytes = 0;
        uploads.iter().for_each(|upload| {
            let own = upload.ledger();
            ledger.add(&own);
            // An offline run is where it is to be.
            if own.waiting > 0 {
                bytes += std::fs::metadata(upload.directory.log()).map_or(0, |about| about.len());
            }
        });
        let worst =
            uploads.iter().map(|upload| upload.turns.condition()).max_by_key(|condition| condition.down_for);
        let condition = worst.unwrap_or_default();
        let failed = uploads.iter().find_map(|upload| upload.progress.look(|known| known.failure.clone()));
        Status {
            name: Arc::clone(&self.means.name),
            key: Some(self.means.name.to_string()),
            directory: uploads.last().and_then(|upload| upload.directory.path().parent().map(PathBuf::from)),
            closed: *lock(&self.closed),
            ledger,
            inherited: Ledger::default(),
            waiting_bytes: bytes,
            oldest: None,
            down_for: condition.down_for,
            breaker_open: condition.breaker_open,
            at_risk: self.at_risk.load(Ordering::Relaxed),
            offline: !self.is_online(),
            last_error: failed.or(condition.last_error),
        }
    }

    fn is_closed(&self) -> bool {
        *lock(&self.closed)
    }

    fn request_flush(&self) {
        self.all()
            .iter()
            .filter_map(|upload| upload.recording.as_ref())
            .for_each(|recording| recording.close_row());
    }

    fn flush(&self, deadline: Instant) -> Flushed {
        self.request_flush();
        // What was refused is settled, as a single row is that was.
        let waits = |upload: &&Upload| !upload.flush(deadline) && !upload.is_refused();
        if self.all().iter().filter(waits).count() == 0 {
            return Flushed::Settled;
        }
        let recordings: Vec<_> = self.all().into_iter().filter_map(|upload| upload.recording).collect();
        let at_risk = recordings.iter().filter(|recording| !recording.sync(deadline)).count();
        if at_risk == 0 { Flushed::Kept } else { Flushed::AtRisk }
    }

    fn request_close(&self) {
        self.request_flush();
    }

    fn close(&self, deadline: Instant) -> bool {
        if self.is_closed() {
            return self.unfinished().is_empty();
        }
        let settled = self.flush(deadline) == Flushed::Settled;
        *lock(&self.closed) = true;
        let uploads = self.all();
        uploads.iter().for_each(|upload| upload.control.stop());
        // After that others may have the run.
        for upload in uploads.iter().filter(|upload| upload.comes_to_an_end()) {
            upload.progress.wait(deadline + GRACE, |known| known.ended);
        }
        let kept = uploads.iter().filter_map(|upload| upload.recording.as_ref());
        // What is not at the server is to be on disk.
        let at_risk = kept.filter(|recording| !recording.sync(deadline + GRACE)).count() > 0;
        self.at_risk.store(at_risk, Ordering::Relaxed);
        settled
    }
}
