//! What every destination's table may say, whatever its type.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use nethical_core::delivery::{Full, QueueLimits, Settings, SpoolSettings};
use nethical_core::event::Level;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// How a destination is chosen and fed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Feeding {
    /// The type of the destination. Without it the name of the table is the type.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// `false`: the table is not looked at.
    pub(super) enabled: bool,
    /// Only entries of this level and above go there.
    #[serde(deserialize_with = "level")]
    #[schemars(with = "LevelName")]
    pub(super) level: Level,
    /// Seconds after which what has come in is delivered, even if it is little.
    batch_age: Option<Seconds>,
    /// How much may wait in memory, and what happens beyond.
    queue: Queue,
    /// Most deliveries in a second.
    #[schemars(range(min = 0.001))]
    rate_limit_per_sec: Option<f64>,
    /// Whether events wait on disk. Without it: yes, unless the destination is a file on this machine.
    /// `false`: nothing of it is kept on disk, dead letters neither.
    spool: Option<bool>,
}

impl Default for Feeding {
    fn default() -> Self {
        Self {
            kind: None,
            enabled: true,
            level: Level::Debug,
            batch_age: None,
            queue: Queue::default(),
            rate_limit_per_sec: None,
            spool: None,
        }
    }
}

/// The names of what [`Feeding`] takes.
pub(super) const KEYS: [&str; 7] =
    ["type", "enabled", "level", "batch_age", "queue", "rate_limit_per_sec", "spool"];

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Queue {
    /// Events that may wait.
    max_events: Option<NonZeroUsize>,
    /// Bytes of events that may wait.
    max_bytes: Option<NonZeroUsize>,
    /// What happens to an event when the queue is full.
    full: Option<WhenFull>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhenFull {
    /// The new event is given up.
    DropNewest,
    /// The event that waits longest is given up.
    DropOldest,
    /// The caller waits for room, at most this many seconds; then the new event is given up.
    Block(Seconds),
}

#[derive(Debug, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum LevelName {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl Feeding {
    /// The settings that this asks for, with what the whole configuration says about the spool.
    pub(super) fn settings(&self, spool: &SpoolSettings) -> Settings {
        let usual = Settings::default();
        let queue = QueueLimits {
            max_events: self.queue.max_events.map_or(usual.queue.max_events, NonZeroUsize::get),
            max_bytes: self.queue.max_bytes.map_or(usual.queue.max_bytes, NonZeroUsize::get),
            full: self.queue.full.map_or(usual.queue.full, Full::from),
        };
        Settings {
            queue,
            batch_age: self.batch_age.map_or(usual.batch_age, |age| age.0),
            rate_limit_per_sec: self.rate_limit_per_sec.or(usual.rate_limit_per_sec),
            spool: SpoolSettings { enabled: self.spool.or(spool.enabled), ..spool.clone() },
            ..usual
        }
    }
}

impl From<WhenFull> for Full {
    fn from(when: WhenFull) -> Self {
        match when {
            WhenFull::DropNewest => Self::DropNewest,
            WhenFull::DropOldest => Self::DropOldest,
            WhenFull::Block(patience) => Self::Block(patience.0),
        }
    }
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

/// Seconds from a millisecond to a day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds(Duration);

impl Seconds {
    /// As a duration.
    pub(super) const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Seconds {
    fn from(span: Duration) -> Self {
        Self(span)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wanted;
        impl de::Expected for Wanted {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds, from 0.001 to 86400")
            }
        }
        let seconds = f64::deserialize(deserializer)?;
        if !(0.001..=86_400.0).contains(&seconds) {
            return Err(de::Error::invalid_value(de::Unexpected::Float(seconds), &Wanted));
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": 0.001, "maximum": 86_400 })
    }
}
