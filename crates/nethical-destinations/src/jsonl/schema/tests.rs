use nethical_core::event::{Level, LogEntry, Metadata, Rules};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn event(message: &str, metadata: Value) -> Event {
    let Value::Object(metadata) = metadata else { panic!("an object is needed") };
    let mut entry = LogEntry::new(Level::Warning, message, "monitor").with(Metadata::from(metadata));
    entry.timestamp = "2026-03-01T12:34:56.123456Z".parse().unwrap();
    entry.encode(&Rules::default()).event
}

/// The line, and what a parser makes of it: no name stands twice in an object.
fn line(schema: Schema, event: &Event) -> (String, Value) {
    let mut out = Vec::new();
    schema.write(event, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    // Ours also escapes what ends a line for some readers.
    let again = serde_json::to_string(&value).unwrap();
    let again = again.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    assert_eq!(again, text, "a name stands twice");
    (text, value)
}

fn rest(event: &Event) -> (String, String, u32) {
    let view = event.log().unwrap();
    (view.id.to_string(), view.host.into_owned(), view.pid)
}

#[test]
fn ecs_begins_with_its_required_fields_and_labels_are_flat() {
    let event =
        event("High \"memory\"", json!({"a.b": 1, "a": {"b": null, "c": "x"}, "l": [1, "two"], "o": {}}));
    let (id, host, pid) = rest(&event);
    let (text, value) = line(Schema::Ecs, &event);
    let start =
        r#"{"@timestamp":"2026-03-01T12:34:56.123456Z","log.level":"warning","message":"High \"memory\"","#;
    assert!(text.starts_with(start), "{text}");
    let expected = json!({
        "@timestamp": "2026-03-01T12:34:56.123456Z",
        "log.level": "warning",
        "message": "High \"memory\"",
        "ecs.version": "8.11.0",
        "log.logger": "monitor",
        "event.id": id,
        "host.hostname": host,
        "process.pid": pid,
        "labels": {"a_b": 1, "a_b_2": null, "a_c": "x", "l": "[1,\"two\"]", "o": "{}"},
    });
    assert_eq!(value, expected);
    assert!(line(Schema::Ecs, &self::event("", json!({}))).1.get("labels").is_none());
}

#[test]
fn flat_lines_have_nothing_twice() {
    let metadata =
        json!({"level": "mine", "metadata.level": 2, "a": {"b": [1, {"c": 2}]}, "a.b": true, "a.b_2": 0});
    let event = event("line\nbreak", metadata);
    let (id, host, pid) = rest(&event);
    let expected = json!({
        "timestamp": "2026-03-01T12:34:56.123456Z",
        "level": "WARNING",
        "message": "line\nbreak",
        "source": "monitor",
        "metadata.level": "mine",
        "metadata.level_2": 2,
        "a.b": [1, {"c": 2}],
        "a.b_2": true,
        "a.b_2_2": 0,
        "id": id,
        "host": host,
        "pid": pid,
    });
    assert_eq!(line(Schema::Flat, &event).1, expected);
}

#[test]
fn otel_lines_are_logs_data() {
    let metadata = json!({
        "text": "é", "yes": true, "no": null, "int": -7, "big": u64::MAX, "ratio": 0.5, "tiny": 1e-9,
        "list": [1, [], {"k": "v"}], "nested": {"a": {"b": 1}, "e": {}},
    });
    let event = event("High memory", metadata);
    let (id, host, pid) = rest(&event);
    let attribute = |key: &str, value: Value| json!({"key": key, "value": value});
    let expected = json!({"resourceLogs": [{
        "resource": {"attributes": [
            attribute("host.name", json!({"stringValue": host})),
            attribute("process.pid", json!({"intValue": pid.to_string()})),
        ]},
        "scopeLogs": [{
            "scope": {"name": "monitor"},
            "logRecords": [{
                "timeUnixNano": "1772368496123456000",
                "observedTimeUnixNano": "1772368496123456000",
                "severityNumber": 13,
                "severityText": "WARNING",
                "body": {"stringValue": "High memory"},
                "attributes": [
                    attribute("log.record.uid", json!({"stringValue": id})),
                    attribute("text", json!({"stringValue": "é"})),
                    attribute("yes", json!({"boolValue": true})),
                    attribute("no", json!({})),
                    attribute("int", json!({"intValue": "-7"})),
                    attribute("big", json!({"stringValue": u64::MAX.to_string()})),
                    attribute("ratio", json!({"doubleValue": 0.5})),
                    attribute("tiny", json!({"doubleValue": 1e-9})),
                    attribute("list", json!({"arrayValue": {"values": [
                        {"intValue": "1"},
                        {"arrayValue": {"values": []}},
                        {"kvlistValue": {"values": [attribute("k", json!({"stringValue": "v"}))]}},
                    ]}})),
                    attribute("nested", json!({"kvlistValue": {"values": [
                        attribute("a", json!({"kvlistValue": {"values": [attribute("b", json!({"intValue": "1"}))]}})),
                        attribute("e", json!({"kvlistValue": {"values": []}})),
                    ]}})),
                ],
            }],
        }],
    }]});
    assert_eq!(line(Schema::Otel, &event).1, expected);
}

#[test]
fn times_before_1970_are_unknown_to_otel() {
    let mut entry = LogEntry::new(Level::Info, "", "");
    entry.timestamp = "1969-12-31T23:59:59.5Z".parse().unwrap();
    let (text, _) = line(Schema::Otel, &entry.encode(&Rules::default()).event);
    assert!(text.contains(r#""timeUnixNano":"0""#), "{text}");
}

proptest! {
    #[test]
    fn any_entry_is_one_line_of_json_in_every_schema(
        message in any::<String>(),
        names in prop::collection::vec("[a-c._\"\n]{0,4}", 0..6),
        text in any::<String>(),
        quarters in any::<i32>(),
    ) {
        let values = [json!(text), json!([f64::from(quarters) / 4.0, null]), json!({"a": {"b": 1, "": text}}), json!({}), json!(i64::MIN)];
        let members = names.into_iter().zip(values.into_iter().cycle());
        let event = event(&message, Value::Object(members.collect()));
        for schema in [Schema::Nethical, Schema::Ecs, Schema::Otel, Schema::Flat] {
            let (text, _) = line(schema, &event);
            let ends = ['\n', '\u{2028}', '\u{2029}'];
            prop_assert!(!text.contains(ends));
        }
    }
}
