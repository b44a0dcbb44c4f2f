//! One object for everything that a configuration describes.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{Config, ConfigError, LogAggregator, MlPlatformManager};

/// Everything that a configuration describes, open.
///
/// A run that is open when this is dropped ends as completed, or as failed if that is because of a panic.
///
/// ```
/// # use nethical::{Config, Level, fields};
/// # use std::time::Duration;
/// let config: Config = "[logging.memory]\nlevel = 'info'".parse()?;
/// let nethical = config.open()?;
/// nethical.logs().log(Level::Warning, "High memory usage", "monitor", fields! { memory_mb: 1500 });
/// assert!(nethical.close(Duration::from_secs(5)));
/// # Ok::<(), nethical::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Nethical {
    logs: LogAggregator,
    runs: MlPlatformManager,
}

impl Nethical {
    pub(crate) const fn new(logs: LogAggregator, runs: MlPlatformManager) -> Self {
        Self { logs, runs }
    }

    /// Read a configuration's file and open every destination in it.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or every destination that cannot be opened.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Config::load(path)?.open()
    }

    /// Where log entries go.
    pub const fn logs(&self) -> &LogAggregator {
        &self.logs
    }

    /// Where runs are kept.
    pub const fn runs(&self) -> &MlPlatformManager {
        &self.runs
    }

    /// Deliver what waits and close every destination, all within `patience` together. `true` if
    /// nothing was left undone.
    pub fn close(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let runs = self.runs.close_all(patience);
        self.logs.close_all(deadline.saturating_duration_since(Instant::now())) && runs
    }
}
