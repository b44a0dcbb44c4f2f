//! The runs of one platform in this process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::delivery::Error;
use crate::event::Timestamp;
use crate::tracking::{ExperimentRun, RunStatus};

/// Ended runs that can still be asked for.
const REMEMBERED: usize = 1_000;

/// The runs that a platform has begun in this process, and how they stand.
#[derive(Debug, Default)]
pub struct RunBook {
    pages: Mutex<Pages>,
    /// The platform was opened by a process that this one was forked from: its runs are known there, not here.
    forked: bool,
}

#[derive(Debug, Default)]
struct Pages {
    runs: HashMap<String, ExperimentRun>,
    /// Ids, oldest first.
    order: Vec<String>,
    /// Runs of other processes, which are theirs to end.
    foreign: Vec<String>,
}

impl RunBook {
    /// An empty one. `forked`: the platform was opened before a fork that lies between, so that a run that is not in
    /// the book is one of the parent's.
    pub fn new(forked: bool) -> Self {
        Self { pages: Mutex::default(), forked }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins, or goes on.
    pub fn open(&self, run: ExperimentRun) {
        let mut pages = self.lock();
        pages.foreign.retain(|id| *id != run.run_id);
        pages.insert(run);
        pages.forget();
    }

    /// A run that was resumed: as it was if it is known, else with nothing but its id.
    pub fn reopen(&self, platform: &'static str, id: &str) {
        let mut pages = self.lock();
        match pages.runs.get_mut(id) {
            Some(run) => (run.status, run.end_time) = (RunStatus::Running, None),
            None => pages.insert(ExperimentRun::new(platform, id, "", None, Timestamp::now())),
        }
    }

    /// A run of another process, of which this one tells too. If it is known it stays what it is.
    pub fn join(&self, platform: &'static str, id: &str) {
        let mut pages = self.lock();
        if !pages.runs.contains_key(id) {
            pages.insert(ExperimentRun::new(platform, id, "", None, Timestamp::now()));
            pages.foreign.push(id.to_owned());
        }
    }

    /// A run becomes one of other processes.
    pub fn leave(&self, id: &str) {
        let mut pages = self.lock();
        if !pages.foreign.iter().any(|foreign| foreign == id) {
            pages.foreign.push(id.to_owned());
        }
    }

    /// Do something with an open run.
    ///
    /// # Errors
    /// If there is no such run, it has ended, or `change` fails.
    pub fn change<T>(
        &self,
        platform: &'static str,
        id: &str,
        change: impl FnOnce(&mut ExperimentRun) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut pages = self.lock();
        if self.forked && !pages.runs.contains_key(id) {
            pages.insert(ExperimentRun::new(platform, id, "", None, Timestamp::now()));
            pages.foreign.push(id.to_owned());
        }
        let run = pages.runs.get_mut(id).ok_or_else(|| unknown(platform, id))?;
        if run.status.is_end() { Err(ended(platform, id, run.status)) } else { change(run) }
    }

    /// A run, if it is known.
    pub fn get(&self, id: &str) -> Option<ExperimentRun> {
        self.lock().runs.get(id).cloned()
    }

    /// A parameter that a run has.
    pub fn parameter(&self, id: &str, name: &str) -> Option<Value> {
        self.lock().runs.get(id)?.parameters.get(name).cloned()
    }

    /// The ids of runs that are open, oldest first.
    pub fn active(&self) -> Vec<String> {
        let pages = self.lock();
        let open = |id: &&String| {
            pages.runs.get(*id).is_some_and(|run| !run.status.is_end()) && !pages.foreign.contains(id)
        };
        pages.order.iter().filter(open).cloned().collect()
    }
}

impl Pages {
    fn insert(&mut self, run: ExperimentRun) {
        let id = run.run_id.clone();
        if self.runs.insert(id.clone(), run).is_none() {
            self.order.push(id);
        }
    }

    /// The oldest ended runs go when there are too many.
    fn forget(&mut self) {
        let mut excess = self.order.len().saturating_sub(REMEMBERED);
        let runs = &mut self.runs;
        self.order.retain(|id| {
            let goes = excess > 0 && runs.get(id).is_none_or(|run| run.status.is_end());
            if goes {
                excess -= 1;
                runs.remove(id);
            }
            !goes
        });
    }
}

fn unknown(platform: &str, id: &str) -> Error {
    Error::refused("runs.unknown", format!("{platform}: there is no run `{id}` in this process"))
        .with_hint("use the id that `start_run` returned, or resume the run first")
}

fn ended(platform: &str, id: &str, status: RunStatus) -> Error {
    Error::refused("runs.ended", format!("{platform}: the run `{id}` has ended ({status})"))
        .with_hint("resume it first, or start a new one")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str) -> ExperimentRun {
        ExperimentRun::new("memory", id, "e", None, Timestamp::now())
    }

    #[test]
    fn runs_that_are_joined_or_left_are_open_and_not_ours_to_end() {
        let book = RunBook::new(false);
        book.open(run("ours"));
        book.join("memory", "theirs");
        assert!(book.change("memory", "theirs", |_| Ok(())).is_ok());
        assert_eq!(book.active(), ["ours"]);
        book.leave("ours");
        book.join("memory", "ours");
        assert_eq!(book.active(), Vec::<String>::new());
        assert!(book.change("memory", "ours", |_| Ok(())).is_ok());
    }

    fn end(book: &RunBook, id: &str) -> Result<(), Error> {
        book.change("memory", id, |run| {
            run.status = RunStatus::Completed;
            Ok(())
        })
    }

    #[test]
    fn unknown_and_ended_runs_are_told_apart() {
        let book = RunBook::new(false);
        assert_eq!(end(&book, "r").unwrap_err().code(), "runs.unknown");
        book.open(run("r"));
        end(&book, "r").unwrap();
        assert_eq!(end(&book, "r").unwrap_err().code(), "runs.ended");
        book.reopen("memory", "r");
        assert_eq!(book.active(), ["r"]);
        assert_eq!(book.get("r").unwrap().experiment_name, "e");
    }

    #[test]
    fn a_forked_child_uses_its_parents_runs_and_leaves_their_end_to_it() {
        let book = RunBook::new(true);
        book.change("memory", "theirs", |_| Ok(())).unwrap();
        book.open(run("own"));
        assert_eq!(book.active(), ["own"]);
    }

    #[test]
    fn only_ended_runs_are_forgotten() {
        let book = RunBook::new(false);
        book.open(run("first"));
        for number in 0..REMEMBERED + 10 {
            let id = number.to_string();
            book.open(run(&id));
            end(&book, &id).unwrap();
        }
        book.open(run("last"));
        assert_eq!(book.active(), ["first", "last"]);
        assert!(book.get("0").is_none());
        assert!(book.get(&(REMEMBERED + 9).to_string()).is_some());
    }
}
