//! One run on many platforms.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use nethical_core::delivery::{Error, Status};
use nethical_core::event::Metadata;
use nethical_core::tracking::{ArtifactOptions, ExperimentRun, Platform, RunStatus, StartRun};

use crate::{Config, ConfigError};

/// Tells all of its platforms of a run. One that fails or is slow concerns no other, and not the caller: its failures
/// are warnings on target `nethical`.
///
/// ```
/// use nethical::{MlPlatformManager, fields};
/// # use nethical::destinations::{Validated, memory::MemoryConfig};
/// # use nethical::delivery::Settings;
/// # use std::{sync::Arc, time::Duration};
/// # let memory = Arc::new(MemoryConfig::default());
/// # let platform = memory.platform("memory", Settings::default(), &Default::default()).unwrap()?;
///
/// let runs = MlPlatformManager::new();
/// runs.add_platform("memory", platform);
/// let run = runs.start("sentiment", Some("bert"));
/// run.parameters(&fields! { epochs: 3 });
/// run.metrics(&[("loss", 0.41)], Some(12));
/// drop(run);                                  // completed, or failed if this is because of a panic
/// assert!(runs.close_all(Duration::from_secs(5)));
/// # Ok::<(), nethical::Error>(())
/// ```
#[derive(Default)]
pub struct MlPlatformManager {
    platforms: RwLock<Vec<(String, Arc<dyn Platform>)>>,
    watcher: OnceLock<Watcher>,
}

/// Sees the metrics of runs.
type Watcher = Arc<dyn Fn(&str, f64) + Send + Sync>;

impl fmt::Debug for MlPlatformManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.platforms().into_iter().map(|(name, _)| name).collect();
        f.debug_struct("MlPlatformManager").field("platforms", &names).finish_non_exhaustive()
    }
}

/// The ids of one run, by the names of the platforms that have it.
pub type RunIds = Vec<(String, String)>;

impl MlPlatformManager {
    /// Without platforms.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every platform of a configuration's `[runs]`, open. `path` is a file in TOML or JSON.
    ///
    /// ```
    /// # use nethical::MlPlatformManager;
    /// # use std::time::Duration;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("nethical.toml");
    /// std::fs::write(&path, "[runs.memory]")?;
    /// let runs = MlPlatformManager::from_config(&path)?;
    /// runs.start("sentiment", None).metrics(&[("loss", 0.41)], Some(1));
    /// assert!(runs.close_all(Duration::from_secs(5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the file, or every platform that cannot be opened.
    pub fn from_config(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Config::load(path)?.open_runs(&|settings| settings)
    }

    /// Add a platform, in the place of one of the same name.
    pub fn add_platform(&self, name: impl Into<String>, platform: Arc<dyn Platform>) {
        let name = name.into();
        let mut platforms = self.platforms.write().unwrap_or_else(PoisonError::into_inner);
        match platforms.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = platform,
            None => platforms.push((name, platform)),
        }
    }

    /// Remove the platform of this name. It stays open.
    pub fn remove_platform(&self, name: &str) -> Option<Arc<dyn Platform>> {
        let mut platforms = self.platforms.write().unwrap_or_else(PoisonError::into_inner);
        let at = platforms.iter().position(|(known, _)| known == name)?;
        Some(platforms.remove(at).1)
    }

    /// The platforms by name, in the order in which they were added.
    pub fn platforms(&self) -> Vec<(String, Arc<dyn Platform>)> {
        self.platforms.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The platform of this name.
    pub fn platform(&self, name: &str) -> Option<Arc<dyn Platform>> {
        self.platforms().into_iter().find_map(|(known, platform)| (known == name).then_some(platform))
    }

    /// Start a run everywhere. Whoever holds it tells of it; when it is dropped it ends.
    pub fn start(&self, experiment: &str, name: Option<&str>) -> Run {
        let ids = self.start_run_all(experiment, name);
        let platforms = self.platforms();
        let on = |(name, id): (String, String)| {
            let (_, platform) = platforms.iter().find(|(known, _)| *known == name)?;
            Some((name, Arc::clone(platform), id))
        };
        let watcher = self.watcher.get().cloned();
        Run { on: ids.into_iter().filter_map(on).collect(), watcher, ended: false }
    }

    /// Start a run everywhere, at the same time. The ids of those that took it.
    pub fn start_run_all(&self, experiment: &str, name: Option<&str>) -> RunIds {
        let start = StartRun { experiment, name, tags: &[] };
        let platforms = self.platforms();
        std::thread::scope(|scope| {
            let starts: Vec<_> = platforms
                .iter()
                .map(|(name, platform)| (name, scope.spawn(move || platform.start_run(&start))))
                .collect();
            let id = |(name, started): (&String, std::thread::ScopedJoinHandle<'_, _>)| {
                let started: Result<String, Error> = started.join().unwrap_or_else(|_| Err(panicked()));
                Some((name.clone(), told(name, "start_run", started)?))
            };
            starts.into_iter().filter_map(id).collect()
        })
    }

    /// Set parameters of a run everywhere.
    pub fn log_parameters_all(&self, ids: &[(String, String)], parameters: &Metadata) {
        self.each(ids, "log_parameters", |platform, id| platform.log_parameters(id, parameters));
    }

    /// Add a point to each of some metrics of a run everywhere.
    pub fn log_metrics_all(&self, ids: &[(String, String)], metrics: &[(&str, f64)], step: Option<i64>) {
        self.each(ids, "log_metrics", |platform, id| platform.log_metrics(id, metrics, step));
        show(self.watcher.get(), metrics);
    }

    /// Have `watcher` see the name and the value of every metric that goes through this manager, or through a run that
    /// it starts from now on. Counts the first time only.
    pub fn watch_metrics(&self, watcher: impl Fn(&str, f64) + Send + Sync + 'static) {
        let _ = self.watcher.set(Arc::new(watcher));
    }

    /// Set tags of a run everywhere.
    pub fn set_tags_all(&self, ids: &[(String, String)], tags: &[(&str, &str)]) {
        self.each(ids, "set_tags", |platform, id| platform.set_tags(id, tags));
    }

    /// Add a file or folder to a run everywhere.
    pub fn log_artifact_all(
        &self,
        ids: &[(String, String)],
        path: impl AsRef<Path>,
        options: &ArtifactOptions<'_>,
    ) {
        let path = path.as_ref();
        self.each(ids, "log_artifact", |platform, id| platform.log_artifact(id, path, options));
    }

    /// End a run everywhere.
    pub fn end_run_all(&self, ids: &[(String, String)], status: RunStatus) {
        self.each(ids, "end_run", |platform, id| platform.end_run(id, status, None).map(drop));
    }

    /// What is known of a run here, by platform.
    pub fn get_summaries(&self, ids: &[(String, String)]) -> Vec<(String, ExperimentRun)> {
        let summary = |(name, id): &(String, String)| Some((name.clone(), self.platform(name)?.get_run(id)?));
        ids.iter().filter_map(summary).collect()
    }

    /// Deliver what waits, everywhere. `true` if all of it came to its end within `patience`.
    pub fn flush_all(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.platforms().iter().filter(|(_, platform)| !platform.flush(left(deadline))).count() == 0
    }

    /// End the runs that are open as completed, and close every platform, all within `patience` together. `true` if
    /// nothing was left undone.
    pub fn close_all(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let platforms = self.platforms();
        std::thread::scope(|scope| {
            let closing: Vec<_> = platforms
                .iter()
                .map(|(_, platform)| scope.spawn(move || platform.close(left(deadline))))
                .collect();
            closing.into_iter().filter_map(|closing| closing.join().ok()).filter(|closed| !closed).count()
                == 0
        })
    }

    /// What each platform's deliveries are doing.
    pub fn statuses(&self) -> Vec<Status> {
        self.platforms().iter().flat_map(|(_, platform)| platform.statuses()).collect()
    }

    fn each(
        &self,
        ids: &[(String, String)],
        call: &str,
        work: impl Fn(&dyn Platform, &str) -> Result<(), Error>,
    ) {
        for (name, id) in ids {
            if let Some(platform) = self.platform(name) {
                told(name, call, work(&*platform, id));
            }
        }
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn show(watcher: Option<&Watcher>, metrics: &[(&str, f64)]) {
    watcher.iter().for_each(|watcher| metrics.iter().for_each(|(name, value)| watcher(name, *value)));
}

fn panicked() -> Error {
    Error::unavailable("runs.panicked", "the platform panicked, see standard error")
}

/// What a platform returned; a failure is told, and is nobody else's.
fn told<T>(name: &str, call: &str, returned: Result<T, Error>) -> Option<T> {
    returned
        .inspect_err(|error| {
            let hint = error.hint().unwrap_or_default();
            tracing::warn!(target: "nethical", hint, "{name}: {call}: {error}");
        })
        .ok()
}

/// A run that is open on some platforms. When it is dropped it ends: as completed, or as failed if that is because of
/// a panic.
pub struct Run {
    on: Vec<(String, Arc<dyn Platform>, String)>,
    watcher: Option<Watcher>,
    ended: bool,
}

impl Run {
    /// Its ids, by the names of the platforms that have it.
    pub fn ids(&self) -> RunIds {
        self.on.iter().map(|(name, _, id)| (name.clone(), id.clone())).collect()
    }

    /// Set parameters. Nested ones get dotted names, and what looks like a secret is hidden.
    pub fn parameters(&self, parameters: &Metadata) {
        self.each("log_parameters", |platform, id| platform.log_parameters(id, parameters));
    }

    /// Add a point to each of some metrics.
    pub fn metrics(&self, metrics: &[(&str, f64)], step: Option<i64>) {
        self.each("log_metrics", |platform, id| platform.log_metrics(id, metrics, step));
        show(self.watcher.as_ref(), metrics);
    }

    /// Set tags.
    pub fn tags(&self, tags: &[(&str, &str)]) {
        self.each("set_tags", |platform, id| platform.set_tags(id, tags));
    }

    /// Add a file, or a folder with all that is in it. Waits while it is copied.
    pub fn artifact(&self, path: impl AsRef<Path>) {
        let options = ArtifactOptions::default();
        self.each("log_artifact", |platform, id| platform.log_artifact(id, path.as_ref(), &options));
    }

    /// What is known of it here, by platform.
    pub fn summaries(&self) -> Vec<(String, ExperimentRun)> {
        self.on
            .iter()
            .filter_map(|(name, platform, id)| Some((name.clone(), platform.get_run(id)?)))
            .collect()
    }

    /// End it.
    pub fn end(mut self, status: RunStatus) {
        self.end_as(status);
    }

    fn end_as(&mut self, status: RunStatus) {
        self.ended = true;
        self.each("end_run", |platform, id| platform.end_run(id, status, None).map(drop));
    }

    fn each(&self, call: &str, work: impl Fn(&dyn Platform, &str) -> Result<(), Error>) {
        for (name, platform, id) in &self.on {
            told(name, call, work(&**platform, id));
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("ids", &self.ids()).finish_non_exhaustive()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            self.end_as(if std::thread::panicking() { RunStatus::Failed } else { RunStatus::Completed });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;

    use nethical_core::delivery::{Settings, SpoolSettings};
    use nethical_core::event::{Redaction, RunChange};
    use nethical_destinations::Validated;
    use nethical_destinations::memory::MemoryConfig;

    use super::*;
    use crate::fields;

    fn memory() -> (MemoryConfig, Arc<dyn Platform>) {
        let config = MemoryConfig::default();
        let settings = Settings { spool: SpoolSettings::off(), ..Settings::default() };
        let platform = Arc::new(config.clone()).platform("memory", settings, &Redaction::default());
        (config, platform.unwrap().unwrap())
    }

    fn names(config: &MemoryConfig, run: &str) -> Vec<String> {
        let name = |change: &RunChange| format!("{change:?}").split([' ', '(']).next().unwrap().to_owned();
        config.memory().updates(run).iter().map(|update| name(&update.change)).collect()
    }

    #[test]
    fn a_run_goes_to_every_platform_in_order_and_ends_with_its_guard() {
        let ((first, one), (second, two)) = (memory(), memory());
        let runs = MlPlatformManager::new();
        runs.add_platform("one", one);
        runs.add_platform("two", two);
        let run = runs.start("sentiment", Some("bert"));
        run.parameters(&fields! { epochs: 3, "api_key": "s" });
        run.metrics(&[("loss", 0.5)], Some(1));
        run.tags(&[("team", "x")]);
        let ids = run.ids();
        drop(run);
        assert!(runs.flush_all(Duration::from_secs(5)));
        for (config, (_, id)) in [first, second].iter().zip(&ids) {
            assert_eq!(names(config, id), ["Start", "Params", "Metrics", "Tags", "End"]);
        }
        for (_, known) in runs.get_summaries(&ids) {
            assert_eq!(known.status, RunStatus::Completed);
            assert_eq!(known.parameters["api_key"], "[REDACTED]");
            assert_eq!(known.metrics, [("loss".to_owned(), 0.5)]);
        }
        assert!(runs.close_all(Duration::from_secs(5)));
    }

    #[test]
    fn a_panic_fails_the_run() {
        let (_, platform) = memory();
        let runs = MlPlatformManager::new();
        runs.add_platform("memory", platform);
        let ids = Mutex::default();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let run = runs.start("e", None);
            *ids.lock().unwrap() = run.ids();
            panic!("the training went wrong");
        }));
        assert!(panicked.is_err());
        let ids = ids.into_inner().unwrap();
        assert_eq!(runs.get_summaries(&ids)[0].1.status, RunStatus::Failed);
    }

    #[test]
    fn one_that_refuses_keeps_no_other_from_it() {
        let ((_, closed), (config, open)) = (memory(), memory());
        closed.close(Duration::from_secs(1));
        let runs = MlPlatformManager::new();
        runs.add_platform("closed", closed);
        runs.add_platform("open", open);
        let ids = runs.start_run_all("e", None);
        assert_eq!(ids.len(), 1);
        let mut both = ids.clone();
        both.push(("closed".to_owned(), "r".to_owned()));
        runs.log_metrics_all(&both, &[("loss", 1.0)], None);
        runs.end_run_all(&both, RunStatus::Killed);
        assert!(runs.flush_all(Duration::from_secs(5)));
        assert_eq!(names(&config, &ids[0].1), ["Start", "Metrics", "End"]);
        assert!(runs.remove_platform("closed").is_some() && runs.platforms().len() == 1);
    }

    #[test]
    fn what_cannot_be_right_fails_at_the_call() {
        let (_, platform) = memory();
        let code = |error: Error| error.code();
        assert_eq!(code(platform.log_metrics("nobody", &[("a", 1.0)], None).unwrap_err()), "runs.unknown");
        let id = platform.start_run(&StartRun { experiment: "e", ..StartRun::default() }).unwrap();
        assert_eq!(code(platform.end_run(&id, RunStatus::Running, None).unwrap_err()), "runs.status");
        let missing = platform.log_artifact(&id, Path::new("/missing"), &ArtifactOptions::default());
        assert_eq!(code(missing.unwrap_err()), "artifact.unreadable");
        assert!(platform.end_run(&id, RunStatus::Completed, Some(Duration::from_secs(5))).unwrap());
        assert_eq!(code(platform.set_tags(&id, &[("a", "b")]).unwrap_err()), "runs.ended");
        platform.resume_run(&id).unwrap();
        platform.set_tags(&id, &[("a", "b")]).unwrap();
    }
}
