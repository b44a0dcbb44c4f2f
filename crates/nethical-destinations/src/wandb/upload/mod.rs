//! The one uploader of a run: reads its log and sends what stands in it.
//!
//! ```text
//! read whole rows -> contact (UpsertBucket) -> file_stream, at the line where the server is -> ... -> complete
//! ```
//!
//! The place of a row in the log is its line at the server, counted from where the server was when the log
//! began. So a request that is repeated changes nothing, there is never a gap, and after a restart the server's
//! own count says where to go on. While the server is at fault, rows wait in the log and cost nothing.

mod artifacts;
mod before;
mod contact;
mod loose;
mod pace;
mod parts;
mod stream;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nethical_core::delivery::{Change, Error, Kind, Notice, Observer, Turns, runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::api::{Api, Place};
use super::assembly::Assembly;
use super::directory::{RunDirectory, State};
use super::lock::Lock;
use super::log::record::Artifact;
use super::progress::{ArtifactState, Progress};
use super::recording::Recording;
use super::refusals::Refusals;
use super::registry::Registry;
use super::wire;
use before::{Before, Behind};
use contact::Contact;
pub(super) use loose::members;
use pace::Pace;
pub(crate) use pace::Rhythm;
pub(crate) use parts::Parts;

/// What an uploader has to work with.
pub(crate) struct Job {
    pub(crate) name: Arc<str>,
    pub(crate) api: Api,
    pub(crate) directory: RunDirectory,
    /// The run that is being written; none for one whose writer is gone.
    pub(crate) recording: Option<Arc<Recording>>,
    /// Held while the directory is ours.
    pub(crate) locks: Vec<Lock>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) observer: Observer,
    pub(crate) rhythm: Rhythm,
    pub(crate) parts: Parts,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) control: Arc<Control>,
    /// Where the run goes that does not say it: entity and project.
    pub(crate) target: (Option<String>, Option<String>),
    /// Where the run is remembered until everything has arrived.
    pub(crate) registry: Option<Registry>,
}

/// Tells an uploader what is wanted of it.
#[derive(Debug, Default)]
pub(crate) struct Control {
    stopped: AtomicBool,
    notify: Notify,
}

impl Control {
    /// Have it come to its end, whatever waits.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

/// What to do next.
enum Next {
    /// Look again at once.
    Again,
    /// Nothing until then, or until something happens.
    Wait(Instant),
    /// Everything has arrived.
    Done,
}

struct Uploader {
    job: Job,
    assembly: Option<Assembly>,
    state: State,
    contact: Option<Contact>,
    /// Something was said to the server: from then on a run that it has may be ours.
    announced: bool,
    /// What the server had, where this log goes on with a run.
    before: Option<Arc<Before>>,
    behind: Behind,
    /// Whether the first row still has to say where steps go on.
    steps_open: bool,
    /// Lines at the server, of this log.
    sent: u64,
    events_sent: u64,
    output_sent: u64,
    described: u64,
    summarised: u64,
    confirmed_described: u64,
    pace: Pace,
    described_at: Option<Instant>,
    /// Fewer lines at once, after a refusal; `None` for as many as there are.
    at_most: Option<usize>,
    artifact: Option<(i64, JoinHandle<Result<String, Error>>)>,
    waiting_artifacts: Vec<(i64, Artifact, Arc<artifacts::Done>)>,
    files_sent: HashSet<String>,
    file_records: u64,
    uploaded: Vec<String>,
    /// The log, as far as it was complete when it was read.
    complete_up_to: u64,
}

/// Upload a run, until everything has arrived, it cannot arrive, or the upload is stopped.
pub(crate) async fn run(job: Job) {
    let (progress, observer, name) =
        (Arc::clone(&job.progress), Arc::clone(&job.observer), Arc::clone(&job.name));
    let mut uploader = Uploader::new(job);
    let failure = match uploader.work().await {
        Err(error) if is_refusal(&error) => {
            let error = uploader.refuse_run(error).await;
            tell(&observer, &name, uploader.job.turns.refused(&error));
            Some(error)
        }
        Err(error) => {
            tell(&observer, &name, uploader.job.turns.failed(&error));
            Some(error)
        }
        Ok(()) => None,
    };
    uploader.wait_for_log().await;
    drop(uploader);
    progress.change(|known| {
        known.ended = true;
        known.failure = failure;
    });
}

/// Whether the whole run is refused, now and whenever it is tried as it is.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error.code(), "wandb.resume_must" | "wandb.resume_never" | "wandb.deleted")
}

fn tell(observer: &Observer, name: &Arc<str>, change: Option<Change>) {
    if let Some(change) = change {
        let notice = Notice { destination: Arc::clone(name), change };
        let observer = Arc::clone(observer);
        tokio::task::spawn_blocking(move || observer(&notice));
    }
}

impl Uploader {
    fn new(job: Job) -> Self {
        Self {
            state: job.directory.state(),
            pace: Pace::new(job.rhythm, Instant::now()),
            described_at: None,
            job,
            assembly: None,
            contact: None,
            announced: false,
            before: None,
            behind: Behind::default(),
            steps_open: false,
            sent: 0,
            events_sent: 0,
            output_sent: 0,
            described: 0,
            summarised: 0,
            confirmed_described: 0,
            at_most: None,
            artifact: None,
            waiting_artifacts: Vec::new(),
            files_sent: HashSet::new(),
            file_records: 0,
            uploaded: Vec::new(),
            complete_up_to: 0,
        }
    }

    /// Whoever takes the directory over is to find all of a run that has ended.
    async fn wait_for_log(&self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let Some(recording) = self.job.recording.clone().filter(|recording| recording.has_ended()) else {
            return;
        };
        let written = async {
            while !recording.is_written() {
                recording.run_log().grown().await;
            }
        };
        // A disk that takes nothing for so long has lost it anyway.
        let _ = tokio::time::timeout(PATIENCE, written).await;
    }

    /// Returns the error that ends the upload for good.
    async fn work(&mut self) -> Result<(), Error> {
        while !self.job.control.is_stopped() {
            if let Err(wait) = self.job.turns.take() {
                self.sleep_until(Instant::now() + wait, false).await;
                continue;
            }
            match self.step().await {
                Ok(Next::Done) => return self.finish().await,
                Ok(Next::Again) => {}
                Ok(Next::Wait(until)) => self.sleep_until(until, true).await,
                Err(error) if error.kind() == Kind::Gone => return Err(error),
                Err(error) => {
                    let change = self.job.turns.failed(&error);
                    tell(&self.job.observer, &self.job.name, change);
                }
            }
        }
        Ok(())
    }

    async fn sleep_until(&mut self, until: Instant, look: bool) {
        let recording = self.job.recording.clone();
        let grown = async {
            match &recording {
                Some(recording) if look => recording.run_log().grown().await,
                _ => std::future::pending().await,
            }
        };
        let artifact = async {
            match &mut self.artifact {
                Some((num, job)) => (*num, job.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = self.job.control.notify.notified() => {}
            () = grown => {}
            (num, result) = artifact => {
                self.artifact = None;
                let result = result.unwrap_or_else(|_| Err(Error::unavailable("runtime.panicked", "an upload failed")));
                self.artifact_ended(num, result).await;
            }
        }
    }

    async fn step(&mut self) -> Result<Next, Error> {
        self.read().await?;
        if self.contact.is_none() {
            return self.make_contact().await;
        }
        if self.steps_open && self.settle_steps().await? {
            return Ok(Next::Again);
        }
        self.refuse_behind().await?;
        let undescribed = self.assembly().is_some_and(|assembly| assembly.described > self.described);
        let due = self.described_at.map(|last| last + self.job.rhythm.interval);
        let later = due.filter(|due| undescribed && !self.is_read() && *due > Instant::now());
        if undescribed && later.is_none() {
            self.describe().await?;
        }
        self.start_artifact();
        if self.send_files().await? {
            return Ok(Next::Again);
        }
        Ok(match (self.stream().await?, later) {
            (Next::Wait(until), Some(later)) => Next::Wait(until.min(later)),
            (next, _) => next,
        })
    }

    const fn assembly(&self) -> Option<&Assembly> {
        self.assembly.as_ref()
    }

    /// Reads on in the log, and sees which rows are whole.
    async fn read(&mut self) -> Result<(), Error> {
        let (recording, directory) = (self.job.recording.clone(), self.job.directory.clone());
        let (assembly, contacted) = (self.assembly.take(), self.contact.is_some());
        if assembly.is_none() && contacted {
            // It was lost with a thread. Whoever takes the run over asks the server where to go on.
            return Err(self.unreadable(&std::io::ErrorKind::Interrupted.into()));
        }
        let reads_rows = contacted && !self.steps_open;
        let (before, mut behind) = (self.before.clone(), std::mem::take(&mut self.behind));
        let work = move || -> std::io::Result<(Assembly, u64, Behind)> {
            let snapshot = recording.as_ref().map(|recording| recording.snapshot());
            let mut assembly = match assembly {
                Some(assembly) => assembly,
                None => Assembly::open(directory.log())?,
            };
            let seen = assembly.lines.len();
            if reads_rows {
                assembly.read(wire::MOST_BYTES)?;
            } else {
                assembly.read_head()?;
            }
            // Without a snapshot nobody writes to it any more.
            let all = snapshot.is_none_or(|snapshot| assembly.read >= snapshot.appended);
            let is_whole = match snapshot {
                Some(snapshot) => all && assembly.row_is_open().is_some_and(|row| row != snapshot.open_row),
                None => reads_rows && assembly.line_bytes < wire::MOST_BYTES,
            };
            if is_whole {
                assembly.close_row();
            }
            if let Some(before) = before {
                before.sift(&mut assembly, seen, &mut behind);
            }
            let complete = snapshot.map_or(u64::MAX, |snapshot| if all { snapshot.appended } else { 0 });
            Ok((assembly, complete, behind))
        };
        let (assembly, complete, behind) =
            runtime::blocking(work).await?.map_err(|error| self.unreadable(&error))?;
        self.behind = behind;
        if assembly.read == 0 && self.job.recording.is_none() {
            return Err(self.unreadable(&std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.complete_up_to = complete;
        self.assembly = Some(assembly);
        self.queue_artifacts();
        Ok(())
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        let path = self.job.directory.log().display();
        Error::new(Kind::Gone, "wandb.log", format!("wandb: cannot read {path}: {error}"))
            .with_hint("see whether the file is there, and a run log of W&B's")
    }

    /// Everything in the log was read, and it grows no more.
    fn is_read(&self) -> bool {
        let Some(assembly) = &self.assembly else { return false };
        match &self.job.recording {
            Some(recording) => recording.has_ended() && assembly.exit.is_some(),
            None => assembly.exit.is_some() || assembly.line_bytes < wire::MOST_BYTES,
        }
    }

    fn place(&self) -> Option<Place> {
        self.contact.as_ref().map(|contact| contact.place.clone())
    }

    async fn save_state(&self) -> Result<(), Error> {
        let (directory, state) = (self.job.directory.clone(), self.state.clone());
        let saved = runtime::blocking(move || directory.set_state(&state)).await?;
        saved.map_err(|error| self.unwritable(&error))
    }

    /// Rows that are not above what the server had, which are dead letters from now on.
    async fn refuse_behind(&mut self) -> Result<(), Error> {
        let (Some(place), Some(before)) = (self.place(), self.before.clone()) else { return Ok(()) };
        let Some(first) = self.behind.rows.first() else { return Ok(()) };
        let error = before.refusal(&place.run, &first.text);
        let (told, rows) = (self.behind.told, self.behind.rows.clone());
        let (records, count) = (rows.iter().map(|line| line.records).sum::<u64>(), rows.len() as u64);
        let (refusals, directory) = (Arc::clone(&self.job.refusals), self.job.directory.clone());
        let mut known = Arc::unwrap_or_clone(before);
        let kept = runtime::blocking(move || {
            for (number, line) in (told..).zip(&rows).filter(|(number, _)| *number >= known.letters) {
                // Rows that have a line at the server are counted from below.
                let place_in_log = u64::MAX - number;
                let error = known.refusal(&place.run, &line.text);
                refusals.row(&place.run, directory.log(), place_in_log, &line.text, &error);
            }
            known.letters = known.letters.max(told + count);
            known.write(directory.path()).map(|()| known)
        });
        self.before = Some(Arc::new(kept.await?.map_err(|error| self.unwritable(&error))?));
        (self.behind.told, self.behind.rows) = (told + count, Vec::new());
        self.job.progress.change(|known| known.refused += records);
        let change = self.job.turns.refused(&error);
        tell(&self.job.observer, &self.job.name, change);
        Ok(())
    }

    /// The run is refused as it is: nobody tries it again unasked, and one dead letter says why. Its directory
    /// stays.
    async fn refuse_run(&self, error: Error) -> Error {
        let path = self.job.directory.path().display();
        let next = error.hint().map_or_else(String::new, |hint| format!("{hint}; "));
        let hint = format!("{next}what was logged is kept, and `nethical sync {path}` tries it again");
        let error = error.with_hint(hint);
        let (refusals, registry) = (Arc::clone(&self.job.refusals), self.job.registry.clone());
        let (directory, told) = (self.job.directory.clone(), error.clone());
        let run = self.assembly().and_then(|assembly| assembly.run.clone()).unwrap_or_default();
        let begun = self.assembly().map_or(0.0, Assembly::started);
        let keep = move || {
            let line = format!("{{\"_timestamp\":{begun}}}");
            refusals.row(&run.run_id, directory.log(), 0, &line, &told);
            registry.iter().for_each(|registry| registry.remove(&directory));
        };
        // Without a thread the letter is missing, and the next process tries once more.
        let _ = runtime::blocking(keep).await;
        error
    }

    fn unwritable(&self, error: &std::io::Error) -> Error {
        let path = self.job.directory.path().display();
        Error::unavailable("wandb.state", format!("wandb: cannot write to {path}: {error}"))
            .with_hint("make room on its disk; nothing is sent before")
    }

    /// Everything has arrived, and the server has said so.
    async fn finish(&mut self) -> Result<(), Error> {
        let (directory, locks) = (self.job.directory.clone(), std::mem::take(&mut self.job.locks));
        let registry = self.job.registry.clone();
        let (damaged, torn) =
            self.assembly().map_or((0, 0), |assembly| (assembly.damage().records, assembly.torn()));
        let done = runtime::blocking(move || {
            let marked = directory.mark_synced();
            // Copies have done their duty.
            let _ = std::fs::remove_dir_all(directory.artifacts());
            registry.iter().for_each(|registry| registry.remove(&directory));
            drop(locks);
            marked
        });
        let marked = done.await?;
        if torn > 0 {
            let path = self.job.directory.log().display();
            tracing::warn!(target: "nethical", "{path}: {torn} bytes at its end are no whole record");
        }
        self.job.progress.change(|known| {
            known.confirmed += u64::from(marked.is_ok());
            known.damaged += damaged;
            known.finished = true;
        });
        // Only a later `nethical sync` looks again, and finds everything there.
        marked.or_else(|error| {
            tracing::warn!(target: "nethical", "{}: cannot mark the run as uploaded: {error}", self.job.name);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
