//! Runs that wait in directories of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use nethical::delivery::{Error, Observer, SpoolSettings};
use nethical::destinations::wandb::{SyncOutcome, SyncReport, Syncer, WandbConfig};
use serde_json::{Value, json};

use crate::commands::place::Place;
use crate::exit::Exit;
use crate::failure::exit_of;
use crate::render::{self, count};

/// Between two looks at what is left to do.
const STEP: Duration = Duration::from_millis(50);

/// The uploads of run directories.
#[derive(Default)]
pub(super) struct Runs {
    reports: Vec<SyncReport>,
    /// Servers that could not be opened.
    failed: Vec<Error>,
}

impl Runs {
    /// Uploads the directories at these paths, or without any those that are remembered, until all is done or the
    /// deadline.
    pub(super) fn upload(
        place: &Place,
        paths: &[PathBuf],
        deadline: Instant,
        progress: &ProgressBar,
    ) -> Self {
        let mut runs = Self::default();
        let mut syncers = runs.open(place, !paths.is_empty(), progress);
        for path in paths {
            let added = syncers.first_mut().map(|syncer| syncer.add(path));
            runs.failed.extend(added.and_then(Result::err));
        }
        if paths.is_empty() {
            if let [only] = syncers.as_mut_slice() {
                only.add_unbound();
            }
            for syncer in &mut syncers {
                syncer.add_remembered();
            }
        }
        while syncers.iter().any(|syncer| !syncer.is_done()) && Instant::now() < deadline {
            let sums = syncers.iter().map(Syncer::progress);
            let (done, all) = sums.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            progress.set_length(all);
            progress.set_position(done);
            thread::sleep(STEP);
        }
        progress.finish_and_clear();
        let rest = deadline.saturating_duration_since(Instant::now());
        runs.reports = one_for_each(syncers.into_iter().flat_map(|syncer| syncer.finish(rest)).collect());
        runs
    }

    /// Whether it was said of some of these runs, or of a server, what is wrong: to sync once more is no remedy then.
    pub(super) fn says_why(&self, paths: &[PathBuf]) -> bool {
        let is_elsewhere = |report: &SyncReport| matches!(report.outcome, SyncOutcome::Elsewhere(_));
        self.told(paths).is_some() || self.of(paths).any(is_elsewhere)
    }

    /// What keeps these runs, or a server, from being sent at all.
    pub(super) fn told<'r>(&'r self, paths: &'r [PathBuf]) -> Option<&'r Error> {
        let failure = |report: &'r SyncReport| match &report.outcome {
            SyncOutcome::Failed(error) => Some(error),
            _ => None,
        };
        self.of(paths).find_map(failure).or(self.failed.first())
    }

    fn of<'r>(&'r self, paths: &'r [PathBuf]) -> impl Iterator<Item = &'r SyncReport> {
        self.reports.iter().filter(|report| paths.contains(&report.path))
    }

    /// One for each server of the configuration, or the one of the environment.
    fn open(&mut self, place: &Place, asked: bool, progress: &ProgressBar) -> Vec<Syncer> {
        let tell = progress.clone();
        let observer: Observer = Arc::new(move |notice| tell.suspend(|| render::notice(notice)));
        let spool = SpoolSettings { home: Some(place.home.clone()), ..SpoolSettings::default() };
        let configured = place.config.iter().flat_map(|config| config.destinations());
        let mut opened: Vec<_> =
            configured.filter_map(|one| one.syncer(&spool, Arc::clone(&observer))).collect();
        let waits = asked || nethical::destinations::wandb::left(&place.home).iter().any(|_| true);
        if opened.is_empty() && waits {
            opened.push(Syncer::new("wandb", &WandbConfig::default(), &spool, Some(observer)));
        }
        let mut syncers = Vec::new();
        for one in opened {
            match one {
                Ok(syncer) => syncers.push(syncer),
                Err(error) => self.failed.push(error),
            }
        }
        syncers
    }

    /// What has gone wrong before anything was sent.
    pub(super) fn failed(&self) -> &[Error] {
        &self.failed
    }

    /// How the command ends.
    pub(super) fn exit(&self) -> Exit {
        let exit = |report: &SyncReport| match &report.outcome {
            SyncOutcome::Synced | SyncOutcome::Already => Exit::Success,
            SyncOutcome::Failed(_) => Exit::Refused,
            _ => Exit::Later,
        };
        let reports = self.reports.iter().map(exit).max().unwrap_or(Exit::Success);
        self.failed.iter().map(exit_of).max().unwrap_or(Exit::Success).max(reports)
    }

    /// One line for each run.
    pub(super) fn lines(&self) -> Vec<String> {
        self.reports.iter().map(line).collect()
    }

    /// The same for programs.
    pub(super) fn as_json(&self) -> Vec<Value> {
        self.reports.iter().map(as_json).collect()
    }
}

/// Each server is asked for all that is remembered: what one of them takes, the others only leave alone.
fn one_for_each(mut reports: Vec<SyncReport>) -> Vec<SyncReport> {
    let is_elsewhere = |report: &SyncReport| matches!(report.outcome, SyncOutcome::Elsewhere(_));
    reports.sort_by(|one, other| one.path.cmp(&other.path).then(is_elsewhere(one).cmp(&is_elsewhere(other))));
    reports.dedup_by(|one, other| one.path == other.path);
    reports
}

fn line(report: &SyncReport) -> String {
    let place = if report.project.is_empty() { String::new() } else { format!(" of {}", report.project) };
    let rows = count(report.rows, "row");
    let refused = match report.refused {
        0 => String::new(),
        refused => format!(", {refused} refused (see `nethical dead list`)"),
    };
    let what = match &report.outcome {
        SyncOutcome::Synced => format!("{rows} at the server{refused}, complete"),
        SyncOutcome::Already => "was uploaded before".to_owned(),
        SyncOutcome::Busy => "another process writes to it".to_owned(),
        SyncOutcome::Failed(error) => format!("cannot be uploaded: {error}{}", hint(error)),
        SyncOutcome::Elsewhere(error) => format!("is left: {error}{}", hint(error)),
        SyncOutcome::Pending(Some(error)) => {
            format!("{rows} at the server, {} left: {error}{}", report.waiting, hint(error))
        }
        _ => format!("{rows} at the server, {} left", report.waiting),
    };
    let run = if report.run.is_empty() { shown(&report.path) } else { report.run.clone() };
    format!("run {run}{place}: {what}")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn hint(error: &Error) -> String {
    error.hint().map_or_else(String::new, |hint| format!(" ({hint})"))
}

fn as_json(report: &SyncReport) -> Value {
    let (outcome, error) = match &report.outcome {
        SyncOutcome::Synced => ("synced", None),
        SyncOutcome::Already => ("already", None),
        SyncOutcome::Busy => ("busy", None),
        SyncOutcome::Failed(error) => ("failed", Some(error)),
        SyncOutcome::Elsewhere(error) => ("elsewhere", Some(error)),
        SyncOutcome::Pending(error) => ("pending", error.as_ref()),
        _ => ("unknown", None),
    };
    json!({
        "path": report.path,
        "run": report.run,
        "project": report.project,
        "rows": report.rows,
        "waiting": report.waiting,
        "refused": report.refused,
        "outcome": outcome,
        "error": error.map(ToString::to_string),
        "code": error.map(Error::code),
        "hint": error.and_then(Error::hint),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(path: &str, outcome: SyncOutcome) -> SyncReport {
        let (run, project) = ("r1".to_owned(), "p".to_owned());
        SyncReport { path: path.into(), run, project, rows: 0, waiting: 0, refused: 0, outcome }
    }

    fn elsewhere() -> SyncOutcome {
        let error = Error::config("wandb.other_server", "this run was made for http://a");
        SyncOutcome::Elsewhere(error.with_hint("`WANDB_BASE_URL=http://a nethical sync` sends it there"))
    }

    #[test]
    fn what_one_server_takes_the_others_do_not_report() {
        let all = [("x", elsewhere()), ("y", elsewhere()), ("x", SyncOutcome::Synced), ("y", elsewhere())];
        let reports = one_for_each(all.map(|(path, outcome)| report(path, outcome)).to_vec());
        assert!(
            matches!(
                reports.iter().map(|report| &report.outcome).collect::<Vec<_>>()[..],
                [SyncOutcome::Synced, SyncOutcome::Elsewhere(_)]
            ),
            "{reports:?}"
        );
        let runs = Runs { reports, failed: Vec::new() };
        assert_eq!(runs.exit(), Exit::Later);
        assert!(runs.says_why(&["y".into()]) && !runs.says_why(&["x".into()]));
        assert!(runs.told(&["y".into()]).is_none(), "another server takes it");
        let wanted = "run r1 of p: is left: this run was made for http://a (`WANDB_BASE_URL=http://a nethical sync` sends it there)";
        assert_eq!(runs.lines()[1], wanted);
        let runs = Runs { reports: vec![report("x", SyncOutcome::Pending(None))], failed: Vec::new() };
        assert!(!runs.says_why(&["x".into()]), "to sync once more may help");
    }
}
