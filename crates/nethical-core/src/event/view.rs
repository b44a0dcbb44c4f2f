//! Log entries as they are read back.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::event::{EventId, Level};

/// A delivered log entry, read back from its bytes without copying.
#[derive(Debug, PartialEq, Deserialize)]
pub struct LogView<'a> {
    /// When it happened, as written: RFC 3339, UTC, six digits.
    pub timestamp: &'a str,
    /// How severe it is.
    pub level: Level,
    /// What happened.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// Which part of the program says so.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// The metadata, one JSON object.
    #[serde(borrow, deserialize_with = "raw")]
    pub metadata: &'a str,
    /// The id of the event.
    pub id: EventId,
    /// The name of the machine.
    #[serde(borrow)]
    pub host: Cow<'a, str>,
    /// The process.
    pub pid: u32,
}

fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'de str, D::Error> {
    <&RawValue>::deserialize(deserializer).map(RawValue::get)
}

impl<'a> LogView<'a> {
    /// Read an entry.
    ///
    /// # Errors
    /// If the bytes are not those of an entry.
    pub fn read(json: &'a [u8]) -> Result<Self, serde_json::Error> {
        Self::read_by(json, EventId::parse)
    }

    /// Read the entry of an event whose id is known.
    pub(super) fn of(id: EventId, json: &'a [u8]) -> Result<Self, serde_json::Error> {
        Self::read_by(json, |_| Some(id))
    }

    fn read_by(json: &'a [u8], id: impl Fn(&str) -> Option<EventId>) -> Result<Self, serde_json::Error> {
        match std::str::from_utf8(json).ok().and_then(|json| Self::as_written(json, id)) {
            Some(view) => Ok(view),
            None => serde_json::from_slice(json),
        }
    }

    /// Read it where it stands as [`encode`](super::encode) writes it, in a fraction of the time. The metadata
    /// is not looked into.
    fn as_written(json: &'a str, id_of: impl Fn(&str) -> Option<EventId>) -> Option<Self> {
        let (timestamp, rest) = string(json.strip_prefix("{\"timestamp\":")?)?;
        let (level, rest) = string(rest.strip_prefix(",\"level\":")?)?;
        let (message, rest) = string(rest.strip_prefix(",\"message\":")?)?;
        let (source, rest) = string(rest.strip_prefix(",\"source\":")?)?;
        let (metadata, rest) = before_id(rest.strip_prefix(",\"metadata\":")?)?;
        let (id, rest) = string(rest)?;
        let (host, rest) = string(rest.strip_prefix(",\"host\":")?)?;
        let pid = rest.strip_prefix(",\"pid\":")?.strip_suffix('}')?;
        let Cow::Borrowed(timestamp) = timestamp else { return None };
        Some(Self {
            timestamp,
            level: Level::ALL.into_iter().find(|known| known.as_str() == level)?,
            message,
            source,
            metadata: Some(metadata).filter(|text| text.starts_with('{') && text.ends_with('}'))?,
            id: id_of(&id)?,
            host,
            pid: pid.parse().ok()?,
        })
    }
}

/// What stands before the id, and the id with what comes after it. It is the last key of this name: no string
/// after the metadata can hold an open quotation mark.
fn before_id(json: &str) -> Option<(&str, &str)> {
    const KEY: &str = ",\"id\":";
    let mut end = json.len();
    loop {
        // The letter is rare in what follows the key, so few places are looked at.
        end = memchr::memrchr(b'i', json.as_bytes().get(..end)?)?;
        let (before, rest) = json.split_at_checked(end.checked_sub(2)?)?;
        if let Some(rest) = rest.strip_prefix(KEY) {
            return Some((before, rest));
        }
    }
}

/// The JSON string at the start of `json`, and what comes after it.
fn string(json: &str) -> Option<(Cow<'_, str>, &str)> {
    let (inner, mut at) = (json.strip_prefix('"')?, 0);
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.as_bytes().get(at..)?)?;
        if inner.as_bytes().get(at) == Some(&b'"') {
            break;
        }
        at += 2;
    }
    let (text, rest) = (inner.get(..at)?, inner.get(at + 1..)?);
    if text.contains('\\') {
        let quoted = json.get(..at + 2)?;
        return Some((Cow::Owned(serde_json::from_str(quoted).ok()?), rest));
    }
    Some((Cow::Borrowed(text), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::event::{LogEntry, Metadata, Rules};

    proptest! {
        #[test]
        fn both_ways_of_reading_see_the_same(
            message in any::<String>(),
            source in "[a-z\"\\\\\n]{0,8}",
            key in any::<String>(),
            value in any::<String>(),
            number in any::<f64>(),
        ) {
            let metadata = Metadata::new()
                .with(key, json!({ "id": value, ",\"id\":\"": [number] }))
                .with("id", "\",\"id\":\"");
            let entry = LogEntry::new(Level::Error, message, source).with(metadata);
            let event = entry.encode(&Rules::default()).event;
            let text = std::str::from_utf8(event.json()).unwrap();
            let quick = LogView::as_written(text, EventId::parse).unwrap();
            prop_assert_eq!(&quick, &serde_json::from_str(text).unwrap());
            prop_assert_eq!((&*quick.message, quick.id), (&*entry.message, entry.id));
        }

        #[test]
        fn damage_is_an_error_and_no_more(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut json = LogEntry::new(Level::Info, "a\n", "b").to_json().into_bytes();
            let at = at.index(json.len());
            json[at] = byte;
            let _ = LogView::read(&json);
            let _ = LogView::read(&json[..at]);
        }
    }

    #[test]
    fn other_orders_and_blanks_are_read_as_well() {
        let written = LogEntry::new(Level::Warning, "x", "y").to_json();
        let value: serde_json::Value = serde_json::from_str(&written).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let view = LogView::read(pretty.as_bytes()).unwrap();
        assert_eq!((view.level, &*view.message, view.metadata), (Level::Warning, "x", "{}"));
    }
}
