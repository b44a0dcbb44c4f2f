//! OTLP as JSON (OpenTelemetry Protocol File Exporter; `opentelemetry/proto/logs/v1/logs.proto`): one `LogsData` per
//! line, which the collector's `otlpjsonfile` receiver reads. 64-bit integers are texts, as Protobuf's JSON has them.

use nethical_core::event::{LogView, Timestamp};
use serde_json::value::RawValue;

use super::{number, string};
use crate::support::members;

pub(super) fn write(at: Timestamp, view: &LogView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"resourceLogs\":[{\"resource\":{\"attributes\":[");
    text_attribute("host.name", &view.host, out);
    out.extend_from_slice(b",{\"key\":\"process.pid\",\"value\":{\"intValue\":\"");
    number(out, view.pid);
    out.extend_from_slice(b"\"}}]},\"scopeLogs\":[{\"scope\":{\"name\":");
    string(out, &view.source);
    out.extend_from_slice(b"},\"logRecords\":[{\"timeUnixNano\":\"");
    nanoseconds(at, out);
    out.extend_from_slice(b"\",\"observedTimeUnixNano\":\"");
    nanoseconds(at, out);
    out.extend_from_slice(b"\",\"severityNumber\":");
    number(out, view.level.to_otel());
    out.extend_from_slice(b",\"severityText\":");
    string(out, view.level.as_str());
    out.extend_from_slice(b",\"body\":{\"stringValue\":");
    string(out, &view.message);
    out.extend_from_slice(b"},\"attributes\":[");
    text_attribute("log.record.uid", view.id.encode(&mut [0; 36]), out);
    members::members(view.metadata, &mut |name, json| {
        out.push(b',');
        attribute(name, json, out);
        true
    });
    out.extend_from_slice(b"]}]}]}]}");
}

/// Times before 1970 count as unknown, which is 0.
fn nanoseconds(at: Timestamp, out: &mut Vec<u8>) {
    number(out, u64::try_from(at.as_nanosecond()).unwrap_or(0));
}

fn text_attribute(key: &str, text: &str, out: &mut Vec<u8>) {
    key_and(key, out);
    out.extend_from_slice(b"{\"stringValue\":");
    string(out, text);
    out.extend_from_slice(b"}}");
}

fn attribute(key: &str, json: &str, out: &mut Vec<u8>) {
    key_and(key, out);
    value(json, out);
    out.push(b'}');
}

fn key_and(key: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"key\":");
    string(out, key);
    out.extend_from_slice(b",\"value\":");
}

/// JSON as an `AnyValue`; `null` is one without a value.
fn value(json: &str, out: &mut Vec<u8>) {
    out.push(b'{');
    match json.as_bytes().first() {
        Some(b'"') => wrap("stringValue", json, out),
        Some(b't' | b'f') => wrap("boolValue", json, out),
        Some(b'{') => list("kvlistValue", out, |out| {
            let start = out.len();
            members::members(json, &mut |name, json| {
                comma(start, out);
                attribute(name, json, out);
                true
            });
        }),
        Some(b'[') => list("arrayValue", out, |out| {
            let start = out.len();
            for item in serde_json::from_str::<Vec<&RawValue>>(json).unwrap_or_default() {
                comma(start, out);
                value(item.get(), out);
            }
        }),
        Some(b'-' | b'0'..=b'9') => numeric(json, out),
        _ => {}
    }
    out.push(b'}');
}

/// What is too large for a number keeps its digits as a text.
fn numeric(json: &str, out: &mut Vec<u8>) {
    let quoted = format!("\"{json}\"");
    if json.parse::<i64>().is_ok() {
        wrap("intValue", &quoted, out);
    } else if json.contains(['.', 'e', 'E']) && json.parse::<f64>().is_ok_and(f64::is_finite) {
        wrap("doubleValue", json, out);
    } else {
        wrap("stringValue", &quoted, out);
    }
}

fn wrap(kind: &str, json: &str, out: &mut Vec<u8>) {
    string(out, kind);
    out.push(b':');
    out.extend_from_slice(json.as_bytes());
}

fn list(kind: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    wrap(kind, "{\"values\":[", out);
    write(out);
    out.extend_from_slice(b"]}");
}

fn comma(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}
