use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// Options of `jsonl`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonlConfig {
    /// The file. Missing folders are made.
    pub filepath: PathBuf,
    /// Entries that are written at once; fewer are written after a second, or at a flush.
    #[serde(default = "default_buffer_size")]
    #[schemars(range(min = 1))]
    pub buffer_size: usize,
    /// When the file's content is forced to the disk.
    #[serde(default)]
    pub fsync: Fsync,
}

/// When a file's content is forced to the disk, so that it survives the loss of power.
/// What is written survives the end of the process in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// The system decides, usually within half a minute.
    Never,
    /// At most a second after a write.
    #[default]
    Interval,
    /// After every batch, before it counts as confirmed.
    Batch,
}

/// How long written content may stay in the system's cache with [`Fsync::Interval`].
pub(crate) const FSYNC_INTERVAL: Duration = Duration::from_secs(1);

const fn default_buffer_size() -> usize {
    100
}

impl JsonlConfig {
    /// The usual options for this file.
    pub fn new(filepath: impl Into<PathBuf>) -> Self {
        let filepath = filepath.into();
        Self { filepath, buffer_size: default_buffer_size(), fsync: Fsync::default() }.absolute()
    }

    /// The same file, also after the program changes its folder.
    #[must_use]
    pub(super) fn absolute(mut self) -> Self {
        self.filepath = std::path::absolute(&self.filepath).unwrap_or(self.filepath);
        self
    }
}
