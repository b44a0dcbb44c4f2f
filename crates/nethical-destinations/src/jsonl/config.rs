use std::path::PathBuf;
use std::time::Duration;

use nethical_core::delivery::Error;
use schemars::JsonSchema;
use serde::Deserialize;

pub use super::schema::Schema;

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
    /// Which keys a line has: `nethical`, `ecs`, `otel` or `flat`.
    #[serde(default)]
    pub schema: Schema,
    /// Bytes beyond which the file is moved away and a new one begun. Without it the size does not count.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub rotate_bytes: Option<u64>,
    /// Hours after which the file is moved away and a new one begun. Without it the age does not count.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub rotate_hours: Option<f64>,
    /// How files that were moved away are compressed: `none`, `gzip` or `zstd`.
    #[serde(default)]
    pub compress: Compress,
    /// Files that were moved away and are kept: at most so many. Without it any number.
    #[serde(default)]
    pub keep_files: Option<usize>,
    /// Bytes that all of them may have together. Without it any number.
    #[serde(default)]
    pub keep_bytes: Option<u64>,
    /// Days that they are kept. Without it for ever.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub keep_days: Option<f64>,
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

/// How files that were moved away are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compress {
    /// Not at all.
    #[default]
    None,
    /// As `.gz`.
    Gzip,
    /// As `.zst`: several times faster, and smaller.
    Zstd,
}

/// How long written content may stay in the system's cache with [`Fsync::Interval`].
pub(crate) const FSYNC_INTERVAL: Duration = Duration::from_secs(1);

/// A hundred years: what is longer overflows somewhere.
const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;

const fn default_buffer_size() -> usize {
    100
}

/// An option that cannot be meant as it is.
pub(super) struct Fault {
    pub(super) key: &'static str,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::config("jsonl.config", fault.message).with_hint(fault.hint)
    }
}

impl JsonlConfig {
    /// The usual options for this file.
    pub fn new(filepath: impl Into<PathBuf>) -> Self {
        Self {
            filepath: filepath.into(),
            buffer_size: default_buffer_size(),
            fsync: Fsync::default(),
            schema: Schema::default(),
            rotate_bytes: None,
            rotate_hours: None,
            compress: Compress::default(),
            keep_files: None,
            keep_bytes: None,
            keep_days: None,
        }
        .absolute()
    }

    /// The same file, also after the program changes its folder.
    #[must_use]
    pub(super) fn absolute(mut self) -> Self {
        self.filepath = std::path::absolute(&self.filepath).unwrap_or(self.filepath);
        self
    }

    /// Whether the file is ever moved away.
    pub(super) const fn rotates(&self) -> bool {
        self.rotate_bytes.is_some() || self.rotate_hours.is_some()
    }

    /// Age at which the file is moved away.
    pub(super) fn rotate_age(&self) -> Option<Duration> {
        self.rotate_hours.map(|hours| Duration::from_secs_f64(hours * 3_600.0))
    }

    /// Age at which a file that was moved away is deleted.
    pub(super) fn keep_age(&self) -> Option<Duration> {
        self.keep_days.map(|days| Duration::from_secs_f64(days * 86_400.0))
    }

    /// The first option that cannot work. Touches nothing.
    pub(super) fn fault(&self) -> Option<Fault> {
        let fault = |key, message: String, hint| Some(Fault { key, message, hint });
        if self.buffer_size == 0 {
            return fault("buffer_size", "buffer_size is 0".to_owned(), "use 1 or more");
        }
        if self.rotate_bytes == Some(0) {
            return fault("rotate_bytes", "rotate_bytes is 0".to_owned(), "use 1 or more");
        }
        let is_time = |number: f64, unit: f64| number > 0.0 && number * unit <= LONGEST;
        if let Some(hours) = self.rotate_hours.filter(|hours| !is_time(*hours, 3_600.0)) {
            return fault("rotate_hours", format!("rotate_hours is {hours}"), "use hours, such as 24 or 0.5");
        }
        if let Some(days) = self.keep_days.filter(|days| !is_time(*days, 86_400.0)) {
            return fault("keep_days", format!("keep_days is {days}"), "use days, such as 14");
        }
        if self.rotates() {
            return None;
        }
        let unused = [
            ("compress", self.compress != Compress::None),
            ("keep_files", self.keep_files.is_some()),
            ("keep_bytes", self.keep_bytes.is_some()),
            ("keep_days", self.keep_days.is_some()),
        ];
        let (key, _) = unused.into_iter().find(|(_, is_set)| *is_set)?;
        fault(
            key,
            format!("{key} counts only where the file is rotated"),
            "set rotate_bytes or rotate_hours too",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::options::Options;

    #[test]
    fn options_that_cannot_be_meant() {
        for (text, key) in [
            ("rotate_hours = 0.0", "rotate_hours"),
            ("rotate_hours = inf", "rotate_hours"),
            ("rotate_hours = nan", "rotate_hours"),
            ("rotate_hours = 1\nkeep_days = 1e9", "keep_days"),
            ("compress = 'zstd'", "compress"),
            ("keep_files = 0", "keep_files"),
            ("keep_bytes = 10", "keep_bytes"),
            ("keep_days = 1", "keep_days"),
        ] {
            let text = format!("filepath = 'a.jsonl'\n{text}");
            let error = (super::super::DESCRIPTOR.parse)(&Options::from_toml(&text).unwrap()).unwrap_err();
            let place = error.span().unwrap();
            assert!(
                text[place.clone()].starts_with(key) || text[..place.start].contains(key),
                "{text}: {error}"
            );
        }
        for text in
            ["rotate_bytes = 1\ncompress = 'gzip'\nkeep_files = 0", "rotate_hours = 24\nkeep_days = 0.5"]
        {
            let config: JsonlConfig =
                Options::from_toml(&format!("filepath = 'a'\n{text}")).unwrap().read().unwrap();
            assert!(config.fault().is_none(), "{text}");
        }
    }
}
