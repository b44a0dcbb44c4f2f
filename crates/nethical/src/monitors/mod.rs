//! Monitors: from the values of metrics to alerts.
//!
//! ```
//! use nethical::alerts::{AlertSettings, Alerts};
//! use nethical::monitors::{Condition, MonitoringSystem};
//! use nethical::{LogAggregator, WebhookManager, fields};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! let alerts = Alerts::new(Arc::new(WebhookManager::new()), AlertSettings::in_memory());
//! let monitoring = MonitoringSystem::new(Arc::new(LogAggregator::new()), alerts, Vec::new());
//! monitoring.log_metric("model_accuracy", 0.95, fields! { model: "v2.0" });
//! assert!(monitoring.check_threshold("model_accuracy", 0.85, 0.90, Condition::Below));
//! assert!(monitoring.cleanup(Duration::from_secs(5)));
//! ```

mod progress;
mod rule;
mod telling;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nethical_core::delivery::runtime;
use nethical_core::event::{Alert, Level, Metadata, Timestamp};
use nethical_core::fork::PerProcess;

pub use self::progress::MonitorStatus;
use self::progress::{Progress, Step, Subject};
pub use self::rule::{Condition, Limit, Monitor, NanRule, UnknownCondition};
use crate::LogAggregator;
use crate::alerts::{Alerts, Manner, end_of};

/// How often is looked for what is missing.
const PAUSE: Duration = Duration::from_secs(1);

/// Thresholds of [`check_threshold`](MonitoringSystem::check_threshold) that are remembered.
const MOST: usize = 10_000;

/// Watches metrics: logs their values, compares them with thresholds, raises alerts and says when they are over.
/// A clone is the same.
#[derive(Debug, Clone)]
pub struct MonitoringSystem(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    logs: Arc<LogAggregator>,
    alerts: Alerts,
    monitors: Vec<Monitor>,
    watches: PerProcess<Mutex<Vec<Watch>>>,
    ticking: PerProcess<()>,
}

/// How a monitor stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub monitor: String,
    /// The metric that it watches.
    pub metric: String,
    /// How it stands.
    pub status: MonitorStatus,
}

/// A monitor, and how far it has come.
#[derive(Debug)]
struct Watch {
    monitor: Monitor,
    progress: Progress,
    is_saved: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MonitoringSystem {
    /// With these monitors: values are logged to `logs`, and breaches told to `alerts`. How far its monitors have come
    /// is kept where the alerts are.
    pub fn new(logs: Arc<LogAggregator>, alerts: Alerts, monitors: Vec<Monitor>) -> Self {
        let inner = Inner { logs, alerts, monitors, watches: PerProcess::new(), ticking: PerProcess::new() };
        let system = Self(Arc::new(inner));
        if system.0.monitors.iter().any(|monitor| monitor.missing.is_some()) {
            system.0.start_ticking();
        }
        system
    }

    /// Its alerts.
    pub fn alerts(&self) -> &Alerts {
        &self.0.alerts
    }

    /// The monitors that it was made with.
    pub fn monitors(&self) -> &[Monitor] {
        &self.0.monitors
    }

    /// Log the value of a metric, and have its monitors see it.
    pub fn log_metric(&self, name: &str, value: f64, metadata: Metadata) {
        let metadata = metadata.with("metric", name).with("value", value);
        self.0.logs.log(Level::Info, &format!("Metric: {name} = {value}"), "metrics", metadata);
        self.observe(name, value);
    }

    /// Have the monitors of a metric see its value, without a log entry.
    pub fn observe(&self, name: &str, value: f64) {
        self.observe_at(name, value, Timestamp::now());
    }

    /// The same at another time.
    pub fn observe_at(&self, name: &str, value: f64, now: Timestamp) {
        if self.0.monitors.iter().all(|monitor| monitor.metric != name) {
            return;
        }
        self.0.start_ticking();
        for watch in lock(self.0.watches()).iter_mut().filter(|watch| watch.monitor.metric == name) {
            self.0.see(watch, value, now);
        }
    }

    /// Whether a value is a breach of a threshold. If so there is an alert, once while it lasts; and when a later value
    /// is none, that is told too. It is not logged as a metric.
    pub fn check_threshold(&self, metric: &str, value: f64, threshold: f64, condition: Condition) -> bool {
        self.check_at(&Monitor::threshold(metric, condition, threshold), value, Timestamp::now())
    }

    /// The same for a monitor of any kind, at any time. It is known by its name.
    pub fn check_at(&self, monitor: &Monitor, value: f64, now: Timestamp) -> bool {
        self.0.start_ticking();
        let mut watches = lock(self.0.watches());
        let at = watches.iter().position(|watch| watch.monitor.name == monitor.name);
        let at = at.unwrap_or_else(|| {
            if watches.len() >= MOST {
                // The oldest that was not made with the system.
                watches.remove(self.0.monitors.len().min(MOST - 1));
            }
            watches.push(self.0.watch(monitor.clone()));
            watches.len() - 1
        });
        let Some(watch) = watches.get_mut(at) else { return false };
        self.0.see(watch, value, now);
        watch.progress.breach_since.is_some()
    }

    /// How each monitor stands, also those of [`check_threshold`](Self::check_threshold).
    pub fn standings(&self) -> Vec<Standing> {
        let standing = |watch: &Watch| Standing {
            monitor: watch.monitor.name.clone(),
            metric: watch.monitor.metric.clone(),
            status: watch.progress.status(),
        };
        lock(self.0.watches()).iter().map(standing).collect()
    }

    /// See what is missing, what has held for long enough, and what still lasts. Happens every second by itself.
    pub fn tick_at(&self, now: Timestamp) {
        self.0.tick(now);
    }

    /// Deliver what waits and close all destinations, within `patience`. `true` if nothing was left undone.
    pub fn cleanup(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.save();
        let alerts = self.0.alerts.close(patience);
        self.0.logs.close_all(deadline.saturating_duration_since(Instant::now())) && alerts
    }

    /// Write down how far the monitors have come.
    pub fn save(&self) {
        if let Some(watches) = self.0.watches.existing() {
            lock(watches).iter_mut().for_each(|watch| self.0.save(watch));
        }
    }
}

impl Inner {
    fn watches(&self) -> &Mutex<Vec<Watch>> {
        self.watches
            .get(|| Mutex::new(self.monitors.iter().cloned().map(|monitor| self.watch(monitor)).collect()))
    }

    fn watch(&self, monitor: Monitor) -> Watch {
        let progress = self.alerts.journal().monitor(&monitor.name).unwrap_or_default();
        Watch { monitor, progress, is_saved: true }
    }

    fn see(&self, watch: &mut Watch, value: f64, now: Timestamp) {
        let before = watch.progress.clone();
        let steps = watch.progress.observe(&watch.monitor, value, now);
        self.take(watch, &before, &steps, now);
    }

    fn tick(&self, now: Timestamp) {
        for watch in lock(self.watches()).iter_mut() {
            let before = watch.progress.clone();
            let steps = watch.progress.tick(&watch.monitor, now);
            self.take(watch, &before, &steps, now);
            // When the last value came is only worth a write each time where one may be missing.
            if watch.monitor.missing.is_some() {
                self.save(watch);
            }
        }
    }

    /// Do what has come out. Alerts are accepted before it is written down that they were: what is raised again after
    /// a kill is held back by its key.
    fn take(&self, watch: &mut Watch, before: &Progress, steps: &[Step], now: Timestamp) {
        for step in steps {
            self.carry_out(watch, before, *step, now);
        }
        watch.is_saved &= watch.progress == *before;
        if watch.progress.differs(before) {
            self.save(watch);
        }
    }

    fn carry_out(&self, watch: &Watch, before: &Progress, step: Step, now: Timestamp) {
        let Watch { monitor, progress, .. } = watch;
        let raise = |subject, manner| {
            let alert = telling::alert(monitor, progress, subject, now);
            self.alerts.raise_as(&telling::key(monitor, subject), &alert, manner);
            alert
        };
        match step {
            Step::Raise(subject) => {
                let alert = raise(subject, Manner::Watched);
                let is_new = subject == Subject::Missing || !before.fires;
                if is_new {
                    self.log(&alert);
                }
            }
            Step::Remind(subject) => drop(raise(subject, Manner::Reminded)),
            Step::Mute => drop(raise(Subject::Breach, Manner::Muted)),
            Step::Resolve(subject) => {
                let key = telling::key(monitor, subject);
                let over = Alert { message: telling::over(monitor, progress, subject), ..end_of(&key, now) };
                self.alerts.send(&over);
            }
        }
    }

    fn log(&self, alert: &Alert) {
        let metadata = Metadata::from(alert.data.clone());
        self.logs.log(Level::Warning, &alert.title, "alerts", metadata);
    }

    fn save(&self, watch: &mut Watch) {
        if !std::mem::replace(&mut watch.is_saved, true) {
            self.alerts.journal().save_monitor(&watch.monitor.name, &watch.progress);
        }
    }

    fn start_ticking(self: &Arc<Self>) {
        self.ticking.get(|| {
            let inner = Arc::downgrade(self);
            let work = async move {
                loop {
                    tokio::time::sleep(PAUSE).await;
                    let Some(inner) = inner.upgrade() else { return };
                    let _ = runtime::blocking(move || inner.tick(Timestamp::now())).await;
                }
            };
            if let Ok(runtime) = runtime::handle() {
                runtime.spawn(work);
            }
        });
    }
}

#[cfg(test)]
mod tests;
