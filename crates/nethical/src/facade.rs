//! One object for everything that a configuration describes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::delivery::DROP_PATIENCE;
use crate::{
    Alerts, Config, ConfigError, LogAggregator, MlPlatformManager, MonitoringSystem, WebhookManager,
};

/// Everything that a configuration describes, open.
///
/// A run that is open when this is dropped ends as completed, or as failed if that is because of a panic. What waits
/// then is given five seconds, also where a logger of the process still holds the connectors for logs.
///
/// ```
/// # use nethical::{Config, Level, fields};
/// # use std::time::Duration;
/// let config: Config = "[logging.memory]\nlevel = 'info'\n[alerts.pager]\ntype = 'memory'".parse()?;
/// let nethical = config.open()?;
/// nethical.logs().log(Level::Warning, "High memory usage", "monitor", fields! { memory_mb: 1500 });
/// nethical.alerts().critical("Accuracy dropped", "85% < 90%").field("model", "fraud_v2").send();
/// assert!(nethical.close(Duration::from_secs(5)));
/// # Ok::<(), nethical::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Nethical {
    logs: Arc<LogAggregator>,
    runs: MlPlatformManager,
    webhooks: Arc<WebhookManager>,
    monitoring: MonitoringSystem,
}

impl Nethical {
    pub(crate) fn new(
        logs: Arc<LogAggregator>,
        runs: MlPlatformManager,
        webhooks: Arc<WebhookManager>,
        monitoring: MonitoringSystem,
    ) -> Self {
        if !monitoring.monitors().is_empty() {
            let watching = monitoring.clone();
            runs.watch_metrics(move |name, value| watching.observe(name, value));
        }
        Self { logs, runs, webhooks, monitoring }
    }

    /// Read a configuration's file and open every destination in it.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or every destination that cannot be opened.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Config::load(path)?.open()
    }

    /// Where log entries go. A clone serves whatever outlives this, such as a logger of the process.
    pub const fn logs(&self) -> &Arc<LogAggregator> {
        &self.logs
    }

    /// Where runs are kept.
    pub const fn runs(&self) -> &MlPlatformManager {
        &self.runs
    }

    /// Where messages go: the webhooks and chat services of `[alerts]`.
    pub fn webhooks(&self) -> &WebhookManager {
        &self.webhooks
    }

    /// What people are to act on: raised here, routed to the destinations of `[alerts]`.
    pub fn alerts(&self) -> &Alerts {
        self.monitoring.alerts()
    }

    /// What watches metrics: those that it is given, and those of runs. `[[monitors]]` says what for.
    pub const fn monitoring(&self) -> &MonitoringSystem {
        &self.monitoring
    }

    /// Deliver what waits and close every destination, all within `patience` together. `true` if
    /// nothing was left undone.
    pub fn close(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let runs = self.runs.close_all(patience);
        let left = || deadline.saturating_duration_since(Instant::now());
        self.monitoring.cleanup(left()) && runs
    }
}

impl Drop for Nethical {
    fn drop(&mut self) {
        self.logs.flush_all(DROP_PATIENCE);
    }
}
