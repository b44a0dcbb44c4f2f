//! What people are to read of a message that no service's own shape was made for.

use nethical_core::event::{AlertStatus, Event, Level, MessageView, level_named, whole_numbers};
use serde_json::{Map, Value};

/// A message in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Readable {
    /// What happened, on one line.
    pub(crate) title: String,
    /// More about it; may be empty.
    pub(crate) text: String,
    /// How severe it is.
    pub(crate) level: Level,
    /// Names and values, in the order in which they were given.
    pub(crate) fields: Vec<(String, String)>,
    /// Where it comes from and when: the event's type and time.
    pub(crate) origin: String,
    /// RFC 3339.
    pub(crate) timestamp: String,
    /// Whether it says that something is over.
    pub(crate) is_resolved: bool,
}

impl Readable {
    /// Put a message into words.
    pub(crate) fn new(event: &Event, view: &MessageView<'_>) -> Self {
        let mut message = Self {
            title: String::new(),
            text: String::new(),
            level: event.level(),
            fields: Vec::new(),
            origin: view.event_type.clone().into_owned(),
            timestamp: view.timestamp.to_owned(),
            is_resolved: false,
        };
        match serde_json::from_str(&whole_numbers(view.data.get())) {
            Ok(Value::Object(data)) => message.take_data(data),
            Ok(Value::Null) | Err(_) => {}
            Ok(data) => message.text = plain(&data),
        }
        let mut metadata: Map<String, Value> =
            serde_json::from_str(&whole_numbers(view.metadata.get())).unwrap_or_default();
        message.is_resolved = take_status(&mut metadata) == Some(AlertStatus::Resolved);
        message.take_fields(metadata);
        if message.title.trim().is_empty() {
            message.title = humanized(&view.event_type);
        }
        message
    }

    /// The title with the severity, if that matters.
    pub(crate) fn headline(&self) -> String {
        if self.is_resolved {
            format!("[RESOLVED] {}", self.title)
        } else if self.level >= Level::Warning {
            format!("[{}] {}", self.level.as_str(), self.title)
        } else {
            self.title.clone()
        }
    }

    fn take_data(&mut self, mut data: Map<String, Value>) {
        let mut take = |names: &[&str]| {
            let name = names.iter().find(|name| data.get(**name).is_some_and(Value::is_string))?;
            Some(plain(&data.shift_remove(*name)?))
        };
        self.title = take(&["title"]).unwrap_or_default();
        self.text = take(&["message", "text", "description", "summary"]).unwrap_or_default();
        for name in ["fields", "details"] {
            if let Some(Value::Object(inner)) = data.get(name).cloned() {
                data.shift_remove(name);
                self.take_fields(inner);
            }
        }
        self.take_fields(data);
    }

    /// What says only how severe it is stands in the headline already.
    fn take_fields(&mut self, fields: Map<String, Value>) {
        let is_said = |name: &str, value: &Value| {
            matches!(name, "severity" | "level") && value.as_str().and_then(level_named) == Some(self.level)
        };
        let more = fields.into_iter().filter(|(name, value)| !is_said(name, value));
        let more: Vec<_> = more.map(|(name, value)| (name, plain(&value))).collect();
        self.fields.extend(more);
    }
}

/// The status of an alert, which its headline tells: it is no field any more.
fn take_status(metadata: &mut Map<String, Value>) -> Option<AlertStatus> {
    let is_alert = metadata.get("severity").is_some_and(Value::is_string);
    let status = serde_json::from_value(metadata.get("status").filter(|_| is_alert)?.clone()).ok()?;
    metadata.shift_remove("status");
    Some(status)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) if !map.is_empty() && map.values().all(Value::is_string) => {
            let pairs: Vec<_> = map.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
            pairs.join(", ")
        }
        other => other.to_string(),
    }
}

/// `model_deployed` as people write it.
fn humanized(event_type: &str) -> String {
    let words = event_type.replace(['_', '.', '-'], " ");
    let mut letters = words.trim().chars();
    let first = letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>());
    first.unwrap_or_else(|| "Message".to_owned())
}

#[cfg(test)]
mod tests {
    use nethical_core::event::{Alert, Message, Severity};
    use serde_json::json;

    use super::*;

    fn readable(message: &Message) -> Readable {
        let event = message.encode().event;
        Readable::new(&event, &event.message().unwrap())
    }

    #[test]
    fn everything_that_was_said_can_be_read() {
        let data = json!({ "alert_type": "high_error_rate", "error_rate": 0.15, "nested": { "a": [1] } });
        let metadata = json!({ "priority": "high" }).as_object().unwrap().clone();
        let message = readable(&Message::new("system_alert", data).with_metadata(metadata));
        assert_eq!((message.title.as_str(), message.text.as_str()), ("System alert", ""));
        let fields: Vec<_> = message.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            fields,
            ["alert_type=high_error_rate", "error_rate=0.15", "nested={\"a\":[1]}", "priority=high"]
        );
        assert_eq!(message.headline(), "[ERROR] System alert");
    }

    /// As Python writes them.
    #[test]
    fn large_numbers_keep_their_digits() {
        let event = Message::new("paid", json!({ "fields": { "id": 7 } })).encode().event;
        let json =
            String::from_utf8(event.json().to_vec()).unwrap().replace(":7}", ":12345678901234567890123}");
        let event = Event::new(event.id(), event.at(), event.level(), event.family(), json.as_bytes());
        let message = Readable::new(&event, &event.message().unwrap());
        assert_eq!(message.fields, [("id".to_owned(), "12345678901234567890123".to_owned())]);
        let entry = event.to_entry().unwrap();
        assert!(entry.log().unwrap().metadata.contains("\"12345678901234567890123\""), "{entry:?}");
    }

    #[test]
    fn an_alert_has_its_parts_in_their_places() {
        let data = json!({ "title": "Drift", "message": "below", "severity": "warning", "fields": { "Model": "v2" } });
        let message = readable(&Message::new("alert", data));
        assert_eq!((message.headline().as_str(), message.text.as_str()), ("[WARNING] Drift", "below"));
        assert_eq!(message.fields, [("Model".to_owned(), "v2".to_owned())]);
        let over = Alert::new(Severity::Critical, "Disk full", "91%").with_label("team", "ops");
        let over = Alert { status: AlertStatus::Resolved, ..over }.encode().event;
        let over = Readable::new(&over, &over.message().unwrap());
        assert_eq!((over.headline().as_str(), over.level), ("[RESOLVED] Disk full", Level::Info));
        let fields: Vec<_> = over.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(fields, ["severity=critical", "labels=team=ops"]);
        let plain = readable(&Message::new("note", json!("only a text")));
        assert_eq!((plain.text.as_str(), plain.level), ("only a text", Level::Info));
        assert_eq!(readable(&Message::new("", json!(null))).title, "Message");
    }
}
