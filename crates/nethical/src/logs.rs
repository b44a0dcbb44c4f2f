//! One log entry to many destinations.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use nethical_core::delivery::{Connector, Status};
use nethical_core::event::{
    Encoded, Event, EventId, Head, Level, LogEntry, Metadata, Rules, Timestamp, encode,
};

use crate::{Config, ConfigError};

/// Hands every log entry to all of its connectors. One that fails or is slow concerns no other.
///
/// ```
/// use nethical::{Level, LogAggregator, fields};
/// # use nethical::destinations::{connect, memory::MemoryConfig};
/// # use nethical::delivery::Settings;
///
/// let logs = LogAggregator::new();
/// logs.add(connect(std::sync::Arc::new(MemoryConfig::default()), "memory", Settings::default())?);
/// logs.log(Level::Warning, "High memory usage", "monitor", fields! { memory_mb: 1500 });
/// assert!(logs.close_all(std::time::Duration::from_secs(5)));
/// # Ok::<(), nethical::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct LogAggregator {
    routes: RwLock<Routes>,
    rules: Rules,
    repairs: AtomicU64,
}

/// The connectors of an aggregator at one moment. A clone shares them, so whoever delivers or
/// waits holds no lock meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Routes(Arc<[Route]>);

#[derive(Debug, Clone)]
struct Route {
    connector: Arc<Connector>,
    level: Level,
}

impl Routes {
    /// Whether any connector takes entries of this level.
    pub fn wants(&self, level: Level) -> bool {
        self.of(level).next().is_some()
    }

    /// Whether [`publish`](Self::publish) of an event of this level would wait for room now.
    pub fn would_block(&self, level: Level) -> bool {
        self.of(level).any(|connector| connector.would_block())
    }

    /// Hand an event to every connector whose level it reaches. `true` if all of those took it;
    /// none of them keeps the others from it.
    pub fn publish(&self, event: &Event) -> bool {
        Connector::send_to_all(event, self.of(event.level()).map(|connector| &**connector))
    }

    fn of(&self, level: Level) -> impl Iterator<Item = &Arc<Connector>> {
        self.0.iter().filter(move |route| route.level <= level).map(|route| &route.connector)
    }
}

impl LogAggregator {
    /// Without connectors, with the usual rules for secrets and sizes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Without connectors, with rules of one's own.
    pub fn with_rules(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Every connector of a configuration's `[logging]`, open, with its rules. `path` is a file in TOML or JSON.
    ///
    /// ```
    /// # use nethical::{Level, LogAggregator, fields};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("nethical.toml");
    /// std::fs::write(&path, "[logging.memory]")?;
    /// let logs = LogAggregator::from_config(&path)?;
    /// logs.log(Level::Warning, "High memory usage", "monitor", fields! { memory_mb: 1500 });
    /// assert!(logs.close_all(std::time::Duration::from_secs(5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with the file, or every connector that cannot be opened.
    pub fn from_config(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Config::load(path)?.open_logs(&|settings| settings)
    }

    /// The rules for secrets and sizes.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The connectors as they are now.
    pub fn routes(&self) -> Routes {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Route>)) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = routes.0.to_vec();
        change(&mut changed);
        *routes = Routes(changed.into());
    }

    /// Add a connector that gets every entry.
    pub fn add(&self, connector: impl Into<Arc<Connector>>) {
        self.add_from(connector, Level::Debug);
    }

    /// Add a connector that gets entries of this level and above.
    pub fn add_from(&self, connector: impl Into<Arc<Connector>>, level: Level) {
        let route = Route { connector: connector.into(), level };
        self.change(|routes| routes.push(route));
    }

    /// Remove this connector. It stays open; whether it was there.
    pub fn remove(&self, connector: &Arc<Connector>) -> bool {
        let mut found = false;
        self.change(|routes| {
            let before = routes.len();
            routes.retain(|route| !Arc::ptr_eq(&route.connector, connector));
            found = routes.len() < before;
        });
        found
    }

    /// The connectors, in the order in which they were added.
    pub fn connectors(&self) -> Vec<Arc<Connector>> {
        self.routes().0.iter().map(|route| Arc::clone(&route.connector)).collect()
    }

    /// Log an entry of now. See [`publish`](Self::publish) for what comes back.
    #[expect(clippy::needless_pass_by_value, reason = "it is made for the call: `fields! { .. }`")]
    pub fn log(&self, level: Level, message: &str, source: &str, metadata: Metadata) -> bool {
        if !self.wants(level) {
            return true;
        }
        let timestamp = Timestamp::now();
        let head = Head { timestamp, level, message, source, id: EventId::at(timestamp) };
        let encoded = encode(&head, &self.rules, |json| metadata.write(json));
        self.publish_encoded(&encoded)
    }

    /// Log an entry.
    pub fn log_entry(&self, entry: &LogEntry) -> bool {
        if !self.wants(entry.level) {
            return true;
        }
        self.publish_encoded(&entry.encode(&self.rules))
    }

    /// Whether any connector takes entries of this level.
    pub fn wants(&self, level: Level) -> bool {
        self.routes().wants(level)
    }

    /// Hand over an entry that was encoded with the aggregator's rules.
    pub fn publish_encoded(&self, encoded: &Encoded) -> bool {
        self.count_repairs(encoded);
        self.publish(&encoded.event)
    }

    /// Count an encoded entry if something in it had to be changed.
    pub fn count_repairs(&self, encoded: &Encoded) {
        if encoded.repairs > 0 {
            self.repairs.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hand an event to every connector whose level it reaches. `true` if all of those took it;
    /// none of them keeps the others from it.
    pub fn publish(&self, event: &Event) -> bool {
        self.routes().publish(event)
    }

    /// Entries of which some value was cut, replaced or left out so far.
    pub fn repaired(&self) -> u64 {
        self.repairs.load(Ordering::Relaxed)
    }

    /// Deliver what waits, everywhere at once. `true` if all of it came to its end within `patience`.
    pub fn flush_all(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let connectors = self.connectors();
        connectors.iter().for_each(|connector| connector.request_flush());
        connectors.iter().filter(|connector| !connector.flush(left(deadline))).count() == 0
    }

    /// Close every connector, all within `patience` together. `true` if nothing was left undone.
    pub fn close_all(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let connectors = self.connectors();
        connectors.iter().for_each(|connector| connector.request_close());
        connectors.iter().filter(|connector| !connector.close(left(deadline))).count() == 0
    }

    /// What each destination is doing.
    pub fn statuses(&self) -> Vec<Status> {
        self.connectors().iter().filter_map(|connector| connector.status().ok()).collect()
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
