//! Entries that JSON objects describe.

use std::collections::HashSet;
use std::fmt;

use nethical::event::Timestamp;
use nethical::{Level, LogEntry, Metadata};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// One line's object: what is known, and the rest in order. Of a key that is there twice the last
/// one counts.
#[derive(Debug, Default)]
pub(super) struct Object {
    timestamp: Option<Value>,
    level: Option<Value>,
    message: Option<Value>,
    source: Option<Value>,
    id: Option<Value>,
    metadata: Option<Value>,
    rest: Vec<(String, Value)>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value()?;
            match key.as_str() {
                "timestamp" => object.timestamp = Some(value),
                "level" => object.level = Some(value),
                "message" => object.message = Some(value),
                "source" => object.source = Some(value),
                "id" => object.id = Some(value),
                "metadata" => object.metadata = Some(value),
                _ => object.rest.push((key, value)),
            }
        }
        Ok(object)
    }
}

/// From so many keys on, looking for one among all would take long.
const MANY: usize = 64;

impl Object {
    /// The entry, and whether its time or level cannot be read and so stays in the metadata. What the
    /// object does not say is as the command says.
    pub(super) fn into_entry(mut self, level: Level, source: &str, metadata: &Metadata) -> (LogEntry, bool) {
        let source = self.source.take().map_or_else(|| source.to_owned(), |own| text(Some(own)));
        let mut entry = LogEntry::new(level, text(self.message.take()), source);
        let odd = self.read_head(&mut entry);
        (entry.with(self.into_metadata(metadata)), odd)
    }

    /// Take over what can be read, and leave the rest to the metadata.
    fn read_head(&mut self, entry: &mut LogEntry) -> bool {
        let timestamp = read(self.timestamp.take(), |at| at.parse::<Timestamp>().ok(), &mut entry.timestamp);
        let level = read(self.level.take(), |level| level.parse().ok(), &mut entry.level);
        let as_id = |id: &str| serde_json::from_value(Value::from(id)).ok();
        let id = read(self.id.take(), as_id, &mut entry.id);
        let odd = timestamp.is_some() || level.is_some();
        for (key, value) in [("timestamp", timestamp), ("level", level), ("id", id)] {
            self.rest.extend(value.map(|value| (key.to_owned(), value)));
        }
        odd
    }

    /// The command's fields, the object's metadata and its other keys. Of two of a name the later counts, but the object
    /// keeps both of its own.
    fn into_metadata(mut self, own: &Metadata) -> Metadata {
        let inner = match self.metadata {
            Some(Value::Object(inner)) => inner,
            Some(Value::Null) | None => Map::new(),
            Some(other) => {
                self.rest.push(("metadata".to_owned(), other));
                Map::new()
            }
        };
        part(&inner, &mut self.rest, own);
        let many = own.len() + inner.len() + self.rest.len() > MANY;
        let fields = inner.into_iter().chain(self.rest);
        if many {
            let own = own.iter().map(|(key, value)| (key.to_owned(), value.clone()));
            return own.chain(fields).collect::<Map<_, _>>().into();
        }
        let mut all = own.clone();
        fields.for_each(|(key, value)| all.insert(key, value));
        all
    }
}

/// Give each key that the metadata has with another value a name of its own.
fn part(inner: &Map<String, Value>, rest: &mut [(String, Value)], own: &Metadata) {
    let clashes = |key: &str, value: &Value| inner.get(key).is_some_and(|other| other != value);
    if !rest.iter().any(|(key, value)| clashes(key, value)) {
        return;
    }
    let names: HashSet<String> = rest.iter().map(|(key, _)| key.clone()).collect();
    let is_free =
        |name: &String| !inner.contains_key(name) && !names.contains(name) && own.get(name).is_none();
    for (key, value) in rest {
        if clashes(key, value) {
            let mut others = (2_u32..).map(|number| format!("{key}_{number}"));
            *key = others.find(is_free).unwrap_or_default();
        }
    }
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text,
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Read a text; the value comes back if that fails.
fn read<T>(value: Option<Value>, read: impl Fn(&str) -> Option<T>, into: &mut T) -> Option<Value> {
    let value = value?;
    match value.as_str().and_then(read) {
        Some(read) => {
            *into = read;
            None
        }
        None => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(value: &Value) -> (LogEntry, bool) {
        let metadata = Metadata::new().with("host", "a").with("dc", "x");
        let object: Object = serde_json::from_value(value.clone()).unwrap();
        object.into_entry(Level::Info, "shell", &metadata)
    }

    #[test]
    fn the_own_shape_comes_back() {
        let (made, odd) = entry(&json!({"timestamp": "2026-03-01T12:34:56.123456Z", "level": "warn",
            "message": "m", "source": "s", "metadata": {"host": "b", "n": [1]},
            "id": "01993e1c-0000-7000-8000-000000000001", "pid": 7}));
        assert!(!odd);
        assert_eq!((made.level, &*made.message, &*made.source), (Level::Warning, "m", "s"));
        assert_eq!(made.timestamp.to_string(), "2026-03-01T12:34:56.123456Z");
        let metadata = made.to_json();
        assert!(metadata.contains(r#""metadata":{"host":"b","dc":"x","n":[1],"pid":7}"#), "{metadata}");
        assert!(made.to_json().contains("01993e1c-0000-7000-8000-000000000001"));
    }

    #[test]
    fn what_cannot_be_read_stays_in_the_metadata() {
        let (made, odd) =
            entry(&json!({"level": 30, "timestamp": "noon", "metadata": 5, "message": {"a": 1}}));
        assert!(odd);
        assert_eq!((made.level, &*made.message, &*made.source), (Level::Info, r#"{"a":1}"#, "shell"));
        for (key, value) in [("level", json!(30)), ("timestamp", json!("noon")), ("metadata", json!(5))] {
            assert_eq!(made.metadata.get(key), Some(&value));
        }
    }

    #[test]
    fn a_name_at_the_top_and_in_the_metadata_is_two() {
        let (made, _) = entry(&json!({"k": 1, "same": 5, "b": 2, "level": 30,
            "metadata": {"k": "inner", "k_2": 3, "same": 5, "level": "mine", "b": null}}));
        let expected = json!({"host": "a", "dc": "x", "k": "inner", "k_2": 3, "same": 5, "level": "mine",
            "b": null, "k_3": 1, "b_2": 2, "level_2": 30});
        assert_eq!(serde_json::from_str::<Value>(&made.to_json()).unwrap()["metadata"], expected);
    }

    #[test]
    fn many_keys_are_as_few() {
        let object: String = (0..10_000).map(|n| format!("\"k{}\":{n},", n % 5_000)).collect();
        let object: Object = serde_json::from_str(&format!("{{{object}\"k0\":true}}")).unwrap();
        let (made, odd) = object.into_entry(Level::Info, "shell", &Metadata::new().with("k1", "own"));
        assert!(!odd);
        assert_eq!(made.metadata.len(), 5_000);
        assert_eq!(
            (made.metadata.get("k0"), made.metadata.get("k1")),
            (Some(&json!(true)), Some(&json!(5_001)))
        );
    }
}
