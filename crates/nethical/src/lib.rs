//! One delivery layer for logs, ML runs and alerts.

pub mod alerts;
pub mod config;
mod facade;
mod logs;
mod macros;
pub mod monitors;
mod runs;
mod warnings;
pub mod webhooks;

pub use alerts::Alerts;
pub use config::{Config, ConfigError};
pub use facade::Nethical;
pub use logs::{LogAggregator, Routes};
#[cfg(feature = "log-bridge")]
pub use macros::LogBridge;
#[cfg(feature = "tracing-layer")]
pub use macros::TracingLayer;
pub use monitors::MonitoringSystem;
pub use nethical_core::delivery::{self, Connector, Error, Status};
pub use nethical_core::event::{self, Event, IntoValue, Level, LogEntry, Metadata};
pub use nethical_core::fork;
pub use nethical_core::spool;
pub use nethical_core::tracking::{self, ExperimentRun, Platform, RunStatus};
pub use nethical_destinations as destinations;
pub use runs::{MlPlatformManager, Run, RunIds};
pub use warnings::hear_warnings;
pub use webhooks::{Webhook, WebhookManager};

/// Metadata from names and values.
///
/// ```
/// let metadata = nethical::fields! { memory_mb: 1500, "request.id": "a-1", ratio: 0.75 };
/// assert_eq!(metadata.get("memory_mb"), Some(&1500.into()));
/// ```
#[macro_export]
macro_rules! fields {
    ($($key:tt : $value:expr),* $(,)?) => {
        $crate::Metadata::new()$(.with($crate::field_name!($key), $value))*
    };
}

/// The name of a field: an identifier's own, or a string as it is.
#[doc(hidden)]
#[macro_export]
macro_rules! field_name {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:literal) => {
        $key
    };
}

/// The examples of the book are tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../../docs/alerts.md")]
    struct Alerts;

    #[doc = include_str!("../../../docs/getting-started.md")]
    struct GettingStarted;

    #[doc = include_str!("../../../docs/testing.md")]
    struct Testing;
}

/// So are those of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
