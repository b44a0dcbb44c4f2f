//! Messages to webhooks and chat services, as a program makes them and as they travel.
//!
//! An event of the family `alerts` is one JSON object:
//!
//! ```json
//! {"event_type":"model_deployed","data":{},"timestamp":"2026-03-01T12:34:56.123456Z","metadata":{},
//!  "native":{"slack":{"text":"ready to be posted"}}}
//! ```
//!
//! `native` is only there where the program made something for one service itself. Nothing here is
//! redacted or cut: what is sent to a webhook is what the program said.

use std::borrow::Cow;
use std::cell::RefCell;

use jiff::fmt::temporal::DateTimePrinter;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::event::json::{JsonWriter, Limits, Rules};
use crate::event::log_entry::write_value;
use crate::event::{Encoded, Event, EventId, Family, Level, Redaction, Timestamp};

/// One message to webhooks or chat services.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What kind of thing happened, such as `model_deployed`.
    pub event_type: String,
    /// What happened: any JSON value, usually an object.
    pub data: Value,
    /// What belongs to it: severity, environment, ...
    pub metadata: Map<String, Value>,
    /// When it happened; written in UTC with six digits of the second.
    pub timestamp: Timestamp,
    /// How severe it is. Without another word that of `severity`, `level` or `priority` in the metadata or the data.
    pub level: Level,
    /// Stays the same through every repeat and replay: the receiver's idempotency key.
    pub id: EventId,
    /// Bodies that are ready for one type of destination, by its name.
    pub native: Map<String, Value>,
}

impl Message {
    /// A message of now.
    pub fn new(event_type: impl Into<String>, data: Value) -> Self {
        let timestamp = Timestamp::now();
        Self {
            event_type: event_type.into(),
            level: level_in(&data).unwrap_or(Level::Info),
            data,
            metadata: Map::new(),
            timestamp,
            id: EventId::at(timestamp),
            native: Map::new(),
        }
    }

    /// The same with metadata, and with the level that it names.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.metadata = metadata;
        self.level = level_of(&self.metadata).unwrap_or(self.level);
        self
    }

    /// The same with a body that is ready for destinations of the type `service`.
    #[must_use]
    pub fn with_native(mut self, service: &str, body: Value) -> Self {
        self.native.insert(service.to_owned(), body);
        self
    }

    /// The event as it is delivered.
    pub fn encode(&self) -> Encoded {
        let head = MessageHead {
            event_type: &self.event_type,
            timestamp: self.timestamp,
            level: self.level,
            id: self.id,
        };
        let write = |map: &Map<String, Value>, json: &mut JsonWriter<'_>| write_map(json, map);
        encode_message(
            &head,
            |json| write_value(json, &self.data),
            |json| write(&self.metadata, json),
            (!self.native.is_empty()).then_some(|json: &mut JsonWriter<'_>| write(&self.native, json)),
        )
    }
}

/// The parts of a message that are not its content.
#[derive(Debug, Clone, Copy)]
pub struct MessageHead<'a> {
    /// As [`Message::event_type`].
    pub event_type: &'a str,
    /// As [`Message::timestamp`].
    pub timestamp: Timestamp,
    /// As [`Message::level`].
    pub level: Level,
    /// As [`Message::id`].
    pub id: EventId,
}

/// How content is written that must arrive as it is: nothing hidden, nothing cut, nested at most 100 deep.
/// Only what JSON lacks is written as text, and counted in [`Encoded::repairs`].
pub fn verbatim() -> Rules {
    let all = usize::MAX;
    let limits = Limits { max_value_bytes: all, max_key_bytes: all, max_entry_bytes: all, max_depth: 100 };
    Rules { redaction: Redaction::off(), limits }
}

/// Encode a message whose parts are written by these functions: `data` writes one JSON value, `metadata` and
/// `native` one object each.
pub fn encode_message(
    head: &MessageHead<'_>,
    data: impl FnOnce(&mut JsonWriter<'_>),
    metadata: impl FnOnce(&mut JsonWriter<'_>),
    native: Option<impl FnOnce(&mut JsonWriter<'_>)>,
) -> Encoded {
    let rules = verbatim();
    let mut out = SCRATCH.take();
    out.clear();
    let mut json = JsonWriter::new(&mut out, &rules);
    json.raw(b"{\"event_type\":");
    json.string(head.event_type);
    json.raw(b",\"data\":");
    data(&mut json);
    let repairs = json.repairs();
    out.extend_from_slice(b",\"timestamp\":\"");
    // The printer fails only if the buffer does, and this one cannot.
    let _ = PRINTER.print_timestamp(&head.timestamp, &mut out);
    out.extend_from_slice(b"\",\"metadata\":");
    let mut json = JsonWriter::new(&mut out, &rules);
    metadata(&mut json);
    if let Some(native) = native {
        json.raw(b",\"native\":");
        native(&mut json);
    }
    let repairs = repairs + json.repairs();
    out.push(b'}');
    let event = Event::new(head.id, head.timestamp, head.level, Family::Alerts, &out);
    if out.capacity() <= SCRATCH_KEPT {
        SCRATCH.set(out);
    }
    Encoded { event, repairs }
}

fn write_map(json: &mut JsonWriter<'_>, map: &Map<String, Value>) {
    super::log_entry::write_object(json, map.iter().map(|(key, value)| (key.as_str(), value)));
}

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// A scratch buffer over this size is given back.
const SCRATCH_KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A delivered message, read back from its bytes without copying.
#[derive(Debug, Deserialize)]
pub struct MessageView<'a> {
    /// What kind of thing happened.
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    /// What happened.
    #[serde(borrow)]
    pub data: &'a RawValue,
    /// When it happened, as written: RFC 3339, UTC, six digits.
    pub timestamp: &'a str,
    /// What belongs to it.
    #[serde(borrow)]
    pub metadata: &'a RawValue,
    /// Bodies that are ready for one type of destination, by its name.
    #[serde(default)]
    pub native: Map<String, Value>,
}

impl Event {
    /// The message in the bytes.
    ///
    /// # Errors
    /// If the bytes are not a message's.
    pub fn message(&self) -> Result<MessageView<'_>, serde_json::Error> {
        serde_json::from_slice(self.json())
    }
}

/// The level that these fields name, by one of the words that people use for it.
pub fn level_of(fields: &Map<String, Value>) -> Option<Level> {
    let named = ["severity", "level", "priority"].iter().find_map(|key| fields.get(*key)?.as_str());
    named.and_then(level_named)
}

fn level_in(data: &Value) -> Option<Level> {
    data.as_object().and_then(level_of)
}

/// The level that a word for severity or priority means.
pub fn level_named(word: &str) -> Option<Level> {
    Some(match word.to_ascii_lowercase().as_str() {
        "critical" | "fatal" | "emergency" | "alert" | "urgent" => Level::Critical,
        "error" | "err" | "high" | "danger" => Level::Error,
        "warning" | "warn" | "medium" => Level::Warning,
        "info" | "notice" | "normal" | "low" | "good" | "success" | "ok" => Level::Info,
        "debug" | "trace" => Level::Debug,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_bytes_are_the_envelope_and_read_back() {
        let message =
            Message::new("a.b", json!({ "token": "kept", "text": "x".repeat(100_000), "n": [1, 2.5] }));
        let Value::Object(metadata) = json!({ "severity": "critical" }) else { unreachable!() };
        let message = message.with_metadata(metadata);
        let Encoded { event, repairs } = message.encode();
        assert_eq!((repairs, event.level(), event.family()), (0, Level::Critical, Family::Alerts));
        let whole: Value = serde_json::from_slice(event.json()).unwrap();
        let keys: Vec<_> = whole.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["event_type", "data", "timestamp", "metadata"]);
        assert_eq!(whole["data"], message.data, "nothing is hidden or cut");
        let view = event.message().unwrap();
        assert_eq!((&*view.event_type, view.native.len()), ("a.b", 0));
        let native = message.with_native("slack", json!({ "text": "t" })).encode().event;
        assert_eq!(native.message().unwrap().native["slack"]["text"], "t");
    }

    #[test]
    fn what_json_lacks_is_written_as_text_and_counted() {
        let timestamp = Timestamp::now();
        let head = MessageHead { event_type: "t", timestamp, level: Level::Info, id: EventId::at(timestamp) };
        let none: Option<fn(&mut JsonWriter<'_>)> = None;
        let encoded = encode_message(&head, |json| json.float(f64::NAN), |json| json.raw(b"{}"), none);
        assert_eq!(encoded.repairs, 1);
        assert_eq!(encoded.event.message().unwrap().data.get(), "\"NaN\"");
    }
}
