//! The macros of the `log` crate.

use std::borrow::Cow;
use std::sync::Arc;

use log::kv::{self, VisitSource, VisitValue};
use log::{LevelFilter, Log, Record, SetLoggerError};
use serde_json::Value;

use crate::{IntoValue, Level, LogAggregator, Metadata};

/// A logger for the macros of the [`log`] crate: each record becomes an entry. Its target is the source, its
/// key-values are the metadata. `trace!` and `debug!` are [`Level::Debug`].
///
/// What Nethical and the libraries under it say while they deliver is left out. The logger holds its connectors to the
/// end of the program: close them before, or call [`log::Log::flush`].
///
/// ```
/// use std::sync::Arc;
/// use nethical::{LogAggregator, LogBridge};
///
/// let logs = Arc::new(LogAggregator::new());
/// LogBridge::new(Arc::clone(&logs)).install(log::LevelFilter::Info)?;
/// log::warn!(target: "monitor", memory_mb = 1500; "High memory usage");
/// # Ok::<(), log::SetLoggerError>(())
/// ```
#[derive(Debug)]
pub struct LogBridge {
    logs: Arc<LogAggregator>,
}

impl LogBridge {
    /// A logger that hands records to these connectors.
    pub const fn new(logs: Arc<LogAggregator>) -> Self {
        Self { logs }
    }

    /// Make it the logger of this process, for records of this level and above.
    ///
    /// # Errors
    /// If the process has a logger already.
    pub fn install(self, from: LevelFilter) -> Result<(), SetLoggerError> {
        log::set_boxed_logger(Box::new(self))?;
        log::set_max_level(from);
        Ok(())
    }
}

impl Log for LogBridge {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.logs.wants(level(metadata.level())) && !super::is_ours(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut fields = Fields(Metadata::new());
        let _ = record.key_values().visit(&mut fields);
        let message = record.args().as_str().map_or_else(|| super::shown(*record.args()).into(), Cow::from);
        self.logs.log(level(record.level()), &message, record.target(), fields.0);
    }

    /// Waits up to [`FLUSH_PATIENCE`](crate::delivery::FLUSH_PATIENCE) for what was said so far to be delivered.
    fn flush(&self) {
        self.logs.flush_all(crate::delivery::FLUSH_PATIENCE);
    }
}

const fn level(level: log::Level) -> Level {
    match level {
        log::Level::Trace | log::Level::Debug => Level::Debug,
        log::Level::Info => Level::Info,
        log::Level::Warn => Level::Warning,
        log::Level::Error => Level::Error,
    }
}

struct Fields(Metadata);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut found = Found(Value::Null);
        value.visit(&mut found)?;
        self.0.insert(key.as_str().to_owned(), found.0);
        Ok(())
    }
}

struct Found(Value);

impl Found {
    fn set(&mut self, value: impl IntoValue) -> Result<(), kv::Error> {
        self.0 = value.into_value();
        Ok(())
    }
}

impl VisitValue<'_> for Found {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.set(super::shown(format_args!("{value}")))
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.set(Value::Null)
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.set(value)
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.set(value)
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.set(value)
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.set(value)
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.set(value)
    }
}
