//! What is delivered.
//!
//! A [`LogEntry`] is what a program makes. [`LogEntry::encode`] turns it into an [`Event`] in the
//! calling thread: secrets are gone, sizes are bounded, and the bytes are final. Every destination
//! that takes JSON sends these bytes as they are; the others read them with [`Event::log`].

mod alert;
mod id;
mod json;
mod level;
mod log_entry;
mod message;
mod redact;
mod run_status;
mod run_update;
mod stored;
mod view;
mod whole;

use std::sync::Arc;

use crate::spool::Seq;

pub use self::alert::{Alert, AlertStatus, Severity, UnknownSeverity};
pub use self::id::EventId;
pub use self::json::{Field, JsonWriter, Limits, Rules};
pub use self::level::{Level, UnknownLevel};
pub use self::log_entry::{Encoded, Head, IntoValue, LogEntry, Metadata, encode};
pub use self::message::{Message, MessageHead, MessageView, encode_message, level_named, level_of, verbatim};
pub use self::redact::{MARK as REDACTED, Redaction};
pub use self::run_status::{RunStatus, UnknownStatus};
pub use self::run_update::{ArtifactFile, Pairs, RunArtifact, RunChange, RunMetrics, RunStart, RunUpdate};
pub use self::view::LogView;
pub use self::whole::whole_numbers;
/// A point in time, without a zone.
pub use jiff::Timestamp;

/// What kind of thing an event, or a destination, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Log entries.
    Logs,
    /// Messages to webhooks, and alerts.
    Alerts,
    /// Updates of experiment runs.
    Runs,
}

impl Family {
    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Alerts => "alerts",
            Self::Runs => "runs",
        }
    }
}

/// One accepted event as it travels. A clone shares the bytes.
#[derive(Debug, Clone)]
pub struct Event {
    id: EventId,
    at: Timestamp,
    level: Level,
    family: Family,
    json: Arc<[u8]>,
    /// Where it waits on disk, while it does.
    place: Option<Place>,
}

/// Where an event waits on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which of a destination's spools.
    pub(crate) source: u32,
    /// Where in it.
    pub(crate) seq: Seq,
}

impl Event {
    /// An event whose bytes are `json`, one JSON object on one line.
    pub fn new(id: EventId, at: Timestamp, level: Level, family: Family, json: &[u8]) -> Self {
        Self { id, at, level, family, json: json.into(), place: None }
    }

    /// Stays the same through every repeat.
    pub const fn id(&self) -> EventId {
        self.id
    }

    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// How severe it is.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// What kind of event it is.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Its bytes: one JSON object without a line end.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The same, and where it waits.
    #[must_use]
    pub(crate) fn at_place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Where it waits on disk.
    pub(crate) const fn place(&self) -> Option<Place> {
        self.place
    }

    /// The log entry in the bytes.
    ///
    /// # Errors
    /// If the bytes are not a log entry's, which only damage can cause.
    pub fn log(&self) -> Result<LogView<'_>, serde_json::Error> {
        LogView::of(self.id, &self.json)
    }

    /// The change of a run in the bytes.
    ///
    /// # Errors
    /// If the bytes are no such change, which only damage can cause.
    pub fn run(&self) -> Result<RunUpdate, serde_json::Error> {
        serde_json::from_slice(&self.json)
    }
}
