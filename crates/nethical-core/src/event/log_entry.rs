//! Log entries as a program makes them, and as they travel.

use std::borrow::Cow;
use std::cell::RefCell;

use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Map, Value};

use crate::event::json::{Field, JsonWriter, Rules, quote};
use crate::event::{Event, EventId, Family, Level, Timestamp};
use crate::fork;

/// One log entry.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// When it happened; written in UTC with six digits of the second.
    pub timestamp: Timestamp,
    /// How severe it is.
    pub level: Level,
    /// What happened, for people. May be empty.
    pub message: String,
    /// Which part of the program says so.
    pub source: String,
    /// Everything else, as any JSON values.
    pub metadata: Metadata,
    /// Stays the same through every repeat.
    pub id: EventId,
}

impl LogEntry {
    /// An entry of now.
    pub fn new(level: Level, message: impl Into<String>, source: impl Into<String>) -> Self {
        let timestamp = Timestamp::now();
        Self {
            timestamp,
            level,
            message: message.into(),
            source: source.into(),
            metadata: Metadata::new(),
            id: EventId::at(timestamp),
        }
    }

    /// The same with metadata.
    #[must_use]
    pub fn with(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// The entry as it is delivered: redacted, within its limits, encoded.
    pub fn encode(&self, rules: &Rules) -> Encoded {
        let head = Head {
            timestamp: self.timestamp,
            level: self.level,
            message: &self.message,
            source: &self.source,
            id: self.id,
        };
        encode(&head, rules, |json| self.metadata.write(json))
    }

    /// The line that a JSON Lines file or CloudWatch gets for this entry, with the usual rules.
    pub fn to_json(&self) -> String {
        String::from_utf8_lossy(self.encode(&Rules::default()).event.json()).into_owned()
    }
}

/// The metadata of an entry: any JSON values by name, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(Vec<(Cow<'static, str>, Value)>);

impl Metadata {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The same with `key` set to `value`.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl IntoValue) -> Self {
        self.insert(key, value);
        self
    }

    /// Set `key` to `value`, in the place of what it was.
    pub fn insert(&mut self, key: impl Into<Cow<'static, str>>, value: impl IntoValue) {
        let (key, value) = (key.into(), value.into_value());
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => self.0.push((key, value)),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.iter().find_map(|(known, value)| (known == key).then_some(value))
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Write all as one JSON object.
    pub fn write(&self, json: &mut JsonWriter<'_>) {
        write_object(json, self.iter());
    }
}

impl From<Map<String, Value>> for Metadata {
    fn from(map: Map<String, Value>) -> Self {
        Self(map.into_iter().map(|(key, value)| (Cow::Owned(key), value)).collect())
    }
}

/// What a metadata value can be made of.
pub trait IntoValue {
    /// The JSON value. A number that JSON does not know becomes a string: `"NaN"`, `"Infinity"`, `"-Infinity"`.
    fn into_value(self) -> Value;
}

macro_rules! into_value {
    ($($type:ty),*) => { $(impl IntoValue for $type {
        fn into_value(self) -> Value {
            Value::from(self)
        }
    })* };
}
into_value!(bool, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, &str, String, Cow<'_, str>, Value, Map<String, Value>);

impl IntoValue for f64 {
    fn into_value(self) -> Value {
        if self.is_finite() {
            Value::from(self)
        } else if self.is_nan() {
            Value::from("NaN")
        } else {
            Value::from(if self > 0.0 { "Infinity" } else { "-Infinity" })
        }
    }
}

impl IntoValue for f32 {
    /// The shortest number that reads back as this one: `0.1`, not `0.10000000149011612`.
    fn into_value(self) -> Value {
        zmij::Buffer::new().format(self).parse().unwrap_or_else(|_| f64::from(self)).into_value()
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self) -> Value {
        Value::Array(self.into_iter().map(T::into_value).collect())
    }
}

pub(super) fn write_value(json: &mut JsonWriter<'_>, value: &Value) {
    match value {
        Value::Null => json.null(),
        Value::Bool(value) => json.bool(*value),
        Value::Number(number) => write_number(json, number),
        Value::String(text) => json.string(text),
        Value::Array(items) => write_array(json, items),
        Value::Object(map) => write_object(json, map.iter().map(|(key, value)| (key.as_str(), value))),
    }
}

fn write_number(json: &mut JsonWriter<'_>, number: &serde_json::Number) {
    if let Some(value) = number.as_i64() {
        json.integer(value);
    } else if let Some(value) = number.as_u64() {
        json.integer(value);
    } else {
        json.float(number.as_f64().unwrap_or(f64::NAN));
    }
}

fn write_array(json: &mut JsonWriter<'_>, items: &[Value]) {
    if !json.begin_array() {
        return;
    }
    for item in items {
        if json.element() == Field::Write {
            write_value(json, item);
        }
    }
    json.end_array();
}

pub(super) fn write_object<'v>(
    json: &mut JsonWriter<'_>,
    fields: impl Iterator<Item = (&'v str, &'v Value)>,
) {
    if !json.begin_object() {
        return;
    }
    for (key, value) in fields {
        if json.key(key) == Field::Write {
            write_value(json, value);
        }
    }
    json.end_object();
}

/// The parts of an entry that are not metadata.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// As [`LogEntry::timestamp`].
    pub timestamp: Timestamp,
    /// As [`LogEntry::level`].
    pub level: Level,
    /// As [`LogEntry::message`].
    pub message: &'a str,
    /// As [`LogEntry::source`].
    pub source: &'a str,
    /// As [`LogEntry::id`].
    pub id: EventId,
}

/// An event ready to go, and what had to be changed to make it so.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The event.
    pub event: Event,
    /// How many values were cut, replaced or left out, redactions aside.
    pub repairs: usize,
}

/// Encode an entry whose metadata is written by `metadata`, which must write one JSON object.
///
/// The bytes are one JSON object with the keys `timestamp`, `level`, `message`, `source`,
/// `metadata`, `id`, `host` and `pid`, in this order and without a line end.
pub fn encode(head: &Head<'_>, rules: &Rules, metadata: impl FnOnce(&mut JsonWriter<'_>)) -> Encoded {
    let mut out = SCRATCH.take();
    out.clear();
    out.extend_from_slice(b"{\"timestamp\":\"");
    // The printer fails only if the buffer does, and this one cannot.
    let _ = PRINTER.print_timestamp(&head.timestamp, &mut out);
    out.extend_from_slice(b"\",\"level\":\"");
    out.extend_from_slice(head.level.as_str().as_bytes());
    out.extend_from_slice(b"\",\"message\":");
    let mut json = JsonWriter::new(&mut out, rules);
    json.string(head.message);
    json.raw(b",\"source\":");
    json.string(head.source);
    json.raw(b",\"metadata\":");
    metadata(&mut json);
    let repairs = json.repairs();
    out.extend_from_slice(b",\"id\":\"");
    out.extend_from_slice(head.id.encode(&mut [0; 36]).as_bytes());
    out.extend_from_slice(origin());
    let event = Event::new(head.id, head.timestamp, head.level, Family::Logs, &out);
    if out.capacity() <= SCRATCH_KEPT {
        SCRATCH.set(out);
    }
    Encoded { event, repairs }
}

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// A scratch buffer over this size is given back.
const SCRATCH_KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The end of every line of this process: where it comes from.
fn origin() -> &'static [u8] {
    static ORIGIN: fork::PerProcess<Vec<u8>> = fork::PerProcess::new();
    ORIGIN.get(|| {
        let mut out = b"\",\"host\":".to_vec();
        quote(&mut out, &rustix::system::uname().nodename().to_string_lossy());
        out.extend_from_slice(format!(",\"pid\":{}}}", std::process::id()).as_bytes());
        out
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_stand_in_their_order() {
        let mut entry = LogEntry::new(Level::Warning, "High memory", "monitor")
            .with(Metadata::new().with("memory_mb", 1500).with("api_key", "abc").with("ratio", f64::NAN));
        entry.timestamp = "2026-03-01T12:34:56.123456789Z".parse().unwrap();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        assert_eq!(
            entry.to_json(),
            format!(
                "{{\"timestamp\":\"2026-03-01T12:34:56.123456Z\",\"level\":\"WARNING\",\"message\":\"High memory\",\
                 \"source\":\"monitor\",\"metadata\":{{\"memory_mb\":1500,\"api_key\":\"[REDACTED]\",\"ratio\":\"NaN\"}},\
                 \"id\":\"{}\",\"host\":\"{host}\",\"pid\":{}}}",
                entry.id,
                std::process::id()
            )
        );
    }

    #[test]
    fn single_precision_is_written_short() {
        assert_eq!(0.1_f32.into_value(), json!(0.1));
        assert_eq!(f32::NAN.into_value(), json!("NaN"));
        assert_eq!(f32::NEG_INFINITY.into_value(), json!("-Infinity"));
    }

    #[test]
    fn reads_back_without_copying() {
        let entry = LogEntry::new(Level::Error, "line\nbreak", "db")
            .with(Metadata::new().with("nested", json!({"a": [1, null]})));
        let event = entry.encode(&Rules::default()).event;
        let view = event.log().unwrap();
        assert_eq!((view.level, &*view.message, &*view.source), (Level::Error, "line\nbreak", "db"));
        assert!(matches!(view.source, Cow::Borrowed(_)));
        assert_eq!(view.metadata, r#"{"nested":{"a":[1,null]}}"#);
        assert_eq!((view.id, view.pid), (entry.id, std::process::id()));
    }

    #[test]
    fn deep_and_huge_metadata_is_repaired_visibly() {
        let deep = (0..1_000).fold(json!(1), |inner, _| json!([inner]));
        let entry = LogEntry::new(Level::Info, "x".repeat(1 << 20), "s")
            .with(Metadata::new().with("deep", deep).with("huge", "y".repeat(1 << 20)));
        let Encoded { event, repairs } = entry.encode(&Rules::default());
        assert_eq!(repairs, 3);
        assert!(event.json().len() < 256 * 1024);
        let view = event.log().unwrap();
        assert!(view.message.ends_with("…[cut, 1048576 bytes]"));
        assert!(view.metadata.contains("[too deep]"));
    }

    #[test]
    fn times_from_1970_and_before() {
        for text in ["1970-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.500000Z"] {
            let mut entry = LogEntry::new(Level::Info, "", "");
            entry.timestamp = text.parse().unwrap();
            let event = entry.encode(&Rules::default()).event;
            assert_eq!(event.log().unwrap().timestamp, text);
        }
    }
}
