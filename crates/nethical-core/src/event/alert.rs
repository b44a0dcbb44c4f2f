//! Alerts: messages that a person is to act on, from their beginning to their end.
//!
//! An alert travels as a [`Message`], so every destination that takes messages takes alerts in its own shape:
//!
//! ```json
//! {"event_type":"threshold_breach","data":{"title":"...","message":"...","fields":{},"metric":"loss"},
//!  "timestamp":"...","metadata":{"severity":"error","status":"firing","source":"trainer","labels":{},"key":"loss"}}
//! ```
//!
//! Destinations that take only log entries get it as one: see [`Event::to_entry`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{
    Encoded, Event, EventId, Family, IntoValue, Level, LogEntry, Message, Rules, Timestamp, level_named,
    whole_numbers,
};

/// How severe an alert is, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something may become a fault.
    Warning,
    /// Something failed.
    Error,
    /// Something important cannot go on: somebody must act now.
    Critical,
}

impl Severity {
    /// All of them, in rising order.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// The level of its event.
    pub const fn level(self) -> Level {
        match self {
            Self::Info => Level::Info,
            Self::Warning => Level::Warning,
            Self::Error => Level::Error,
            Self::Critical => Level::Critical,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSeverity(String);

impl fmt::Display for UnknownSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown severity {:?}: use info, warning, error or critical", self.0)
    }
}

impl std::error::Error for UnknownSeverity {}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    /// In any case, also by another usual word: `warn`, `fatal`, `high`.
    fn from_str(text: &str) -> Result<Self, UnknownSeverity> {
        match level_named(text.trim()) {
            Some(Level::Info) => Ok(Self::Info),
            Some(Level::Warning) => Ok(Self::Warning),
            Some(Level::Error) => Ok(Self::Error),
            Some(Level::Critical) => Ok(Self::Critical),
            Some(Level::Debug) | None => Err(UnknownSeverity(text.chars().take(40).collect())),
        }
    }
}

/// Whether what an alert is about lasts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It lasts.
    #[default]
    Firing,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One alert, as a program raises it.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// How severe it is.
    pub severity: Severity,
    /// What happened, on one line.
    pub title: String,
    /// More about it; may be empty.
    pub message: String,
    /// Names and values for people, in this order.
    pub fields: Map<String, Value>,
    /// What kind of thing happened. Default `alert`.
    pub event_type: String,
    /// Names and values for programs, beside `title`, `message` and `fields`, which they cannot replace.
    pub data: Map<String, Value>,
    /// Which part of the system says so; may be empty.
    pub source: String,
    /// What routes ask for, such as `team = ml`.
    pub labels: BTreeMap<String, String>,
    /// Alerts of one key are about the same thing, so that one is sent while it lasts. Without a key each is sent.
    pub key: Option<String>,
    /// Whether it lasts.
    pub status: AlertStatus,
    /// How often it was sent before while it lasts.
    pub repeats: u64,
    /// How many of its key were held back since it was sent last.
    pub suppressed: u64,
    /// When it was raised; written in UTC with six digits of the second.
    pub timestamp: Timestamp,
    /// Stays the same through every repeat of a delivery.
    pub id: EventId,
}

impl Alert {
    /// An alert of now.
    pub fn new(severity: Severity, title: impl Into<String>, message: impl Into<String>) -> Self {
        Self::at(Timestamp::now(), severity, title, message)
    }

    /// An alert of another time.
    pub fn at(
        timestamp: Timestamp,
        severity: Severity,
        title: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            title: title.into(),
            message: message.into(),
            fields: Map::new(),
            event_type: "alert".to_owned(),
            data: Map::new(),
            source: String::new(),
            labels: BTreeMap::new(),
            key: None,
            status: AlertStatus::Firing,
            repeats: 0,
            suppressed: 0,
            timestamp,
            id: EventId::at(timestamp),
        }
    }

    /// The same with a field for people.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl IntoValue) -> Self {
        self.fields.insert(name.into(), value.into_value());
        self
    }

    /// The same with a label.
    #[must_use]
    pub fn with_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// The same with this key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The event as it is delivered. What is over is no longer severe: its event has the level `INFO`.
    pub fn encode(&self) -> Encoded {
        let level = match self.status {
            AlertStatus::Firing => self.severity.level(),
            AlertStatus::Resolved => Level::Info,
        };
        let message = Message {
            event_type: self.event_type.clone(),
            data: self.whole_data().into(),
            metadata: self.metadata(),
            timestamp: self.timestamp,
            level,
            id: self.id,
            native: Map::new(),
        };
        message.encode()
    }

    fn whole_data(&self) -> Map<String, Value> {
        let mut data = Map::new();
        data.insert("title".to_owned(), self.title.as_str().into());
        data.insert("message".to_owned(), self.message.as_str().into());
        if !self.fields.is_empty() {
            data.insert("fields".to_owned(), self.fields.clone().into());
        }
        for (name, value) in &self.data {
            if !["title", "message", "fields"].contains(&name.as_str()) {
                data.insert(name.clone(), value.clone());
            }
        }
        data
    }

    fn metadata(&self) -> Map<String, Value> {
        let labels: Map<_, _> =
            self.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let count = |number: u64| (number > 0).then(|| Value::from(number));
        let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
        let all = [
            ("severity", text(self.severity.as_str())),
            ("status", text(self.status.as_str())),
            ("source", text(&self.source)),
            ("labels", (!labels.is_empty()).then(|| labels.into())),
            ("key", self.key.as_deref().map(Value::from)),
            ("repeats", count(self.repeats)),
            ("suppressed", count(self.suppressed)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Event {
    /// A message or an alert as a log entry, for what takes nothing else: the title and the text are its message,
    /// and all the rest its metadata, in which what looks like a secret is hidden as in every log entry. The id and
    /// the time stay. Any other event stays as it is.
    ///
    /// # Errors
    /// If the bytes are not a message's.
    pub fn to_entry(&self) -> Result<Self, serde_json::Error> {
        if self.family() != Family::Alerts {
            return Ok(self.clone());
        }
        let view = self.message()?;
        let mut metadata = Map::from_iter([("event_type".to_owned(), Value::from(&*view.event_type))]);
        let mut said: Map<String, Value> =
            serde_json::from_str(&whole_numbers(view.metadata.get())).unwrap_or_default();
        let mut data = match serde_json::from_str(&whole_numbers(view.data.get()))? {
            Value::Object(data) => data,
            Value::Null => Map::new(),
            other => Map::from_iter([("data".to_owned(), other)]),
        };
        let take = |map: &mut Map<String, Value>, name: &str| match map.get(name) {
            Some(Value::String(_)) => {
                map.shift_remove(name).and_then(|text| text.as_str().map(str::to_owned))
            }
            _ => None,
        };
        let parts = [take(&mut data, "title"), take(&mut data, "message")];
        let parts: Vec<_> = parts.into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
        let message = if parts.is_empty() { view.event_type.clone().into_owned() } else { parts.join(": ") };
        let source = take(&mut said, "source").unwrap_or_else(|| "alerts".to_owned());
        metadata.extend(data);
        metadata.extend(said);
        let mut entry = LogEntry::new(self.level(), message, source).with(metadata.into());
        (entry.timestamp, entry.id) = (self.at(), self.id());
        Ok(entry.encode(&Rules::default()).event)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert() -> Alert {
        let mut alert = Alert::new(Severity::Error, "Accuracy dropped", "85% < 90%")
            .with_field("model", "fraud_v2")
            .with_label("team", "ml")
            .with_key("accuracy");
        alert.source = "trainer".to_owned();
        alert.data = json!({ "metric": "accuracy", "title": "not this" }).as_object().unwrap().clone();
        alert
    }

    #[test]
    fn an_alert_travels_as_a_message() {
        let Encoded { event, repairs } = alert().encode();
        assert_eq!((repairs, event.level(), event.family()), (0, Level::Error, Family::Alerts));
        let whole: Value = serde_json::from_slice(event.json()).unwrap();
        let data = json!({
            "title": "Accuracy dropped", "message": "85% < 90%", "fields": { "model": "fraud_v2" }, "metric": "accuracy"
        });
        assert_eq!((&whole["event_type"], &whole["data"]), (&json!("alert"), &data));
        let metadata = json!({
            "severity": "error", "status": "firing", "source": "trainer", "labels": { "team": "ml" }, "key": "accuracy"
        });
        assert_eq!(whole["metadata"], metadata);
    }

    #[test]
    fn what_is_over_is_not_severe_any_more() {
        let over = Alert { status: AlertStatus::Resolved, suppressed: 7, ..alert() };
        let event = over.encode().event;
        assert_eq!(event.level(), Level::Info);
        let whole: Value = serde_json::from_slice(event.json()).unwrap();
        let said = &whole["metadata"];
        assert_eq!(
            (&said["severity"], &said["status"], &said["suppressed"]),
            (&json!("error"), &json!("resolved"), &json!(7))
        );
    }

    #[test]
    fn as_a_log_entry_it_keeps_all_that_was_said_but_secrets() {
        let event = alert().with_field("api_key", "s").encode().event;
        let entry = event.to_entry().unwrap();
        let view = entry.log().unwrap();
        assert_eq!(
            (view.level, &*view.message, &*view.source),
            (Level::Error, "Accuracy dropped: 85% < 90%", "trainer")
        );
        assert_eq!((entry.id(), entry.at(), entry.family()), (event.id(), event.at(), Family::Logs));
        let metadata: Value = serde_json::from_str(view.metadata).unwrap();
        assert_eq!(metadata["fields"], json!({ "model": "fraud_v2", "api_key": "[REDACTED]" }));
        assert_eq!((&metadata["event_type"], &metadata["key"]), (&json!("alert"), &json!("accuracy")));
        let plain = Message::new("note", json!("only a text")).encode().event.to_entry().unwrap();
        let view = plain.log().unwrap();
        assert_eq!(
            (&*view.message, &*view.source, view.metadata),
            ("note", "alerts", r#"{"event_type":"note","data":"only a text"}"#)
        );
    }

    #[test]
    fn severities_have_names_and_other_words() {
        for severity in Severity::ALL {
            assert_eq!(severity.as_str().parse(), Ok(severity));
        }
        assert_eq!(("Fatal".parse(), "high".parse()), (Ok(Severity::Critical), Ok(Severity::Error)));
        assert!("debug".parse::<Severity>().unwrap_err().to_string().contains("critical"));
    }
}
