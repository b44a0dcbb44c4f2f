//! What goes out and what comes back (CloudWatch Logs API reference, `PutLogEvents`).

use std::borrow::Cow;

use nethical_core::delivery::{Error, Refusal};
use nethical_core::event::{Event, LogView};
use serde::Deserialize;
use serde_json::json;

use super::config::CloudWatchConfig;
use super::errors;
use super::stream::StreamName;

/// "The maximum number of log events in a batch is 10,000."
pub(super) const MAX_EVENTS: usize = 10_000;
/// "The maximum batch size is 1,048,576 bytes. This size is calculated as the sum of all event messages in
/// UTF-8, plus 26 bytes for each log event."
pub(super) const MAX_BYTES: usize = 1_048_576;
/// See [`MAX_BYTES`].
pub(super) const OVERHEAD: usize = 26;
/// Bytes of a message that every endpoint takes: 256 KiB with the overhead. Some take a megabyte.
pub(super) const MAX_MESSAGE: usize = 262_144 - OVERHEAD;
/// "A batch of log events in a single request cannot span more than 24 hours."
const MAX_SPAN_MS: i64 = 86_400_000;

/// One request: some events of a batch, by their places, in the order of their times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) stream: String,
    pub(super) indices: Vec<usize>,
}

impl Put {
    /// Two of half the size, unless it is of one event.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let (first, rest) = self.indices.split_at(self.indices.len() / 2);
        let half = |indices: &[usize]| Self { stream: self.stream.clone(), indices: indices.to_vec() };
        (!first.is_empty()).then(|| [half(first), half(rest)])
    }
}

/// The requests for a batch, oldest first, and the events that no request can hold.
pub(super) fn plan(events: &[Event], stream: &StreamName) -> (Vec<Put>, Vec<Refusal>) {
    let mut order: Vec<(i64, usize)> =
        events.iter().enumerate().map(|(index, event)| (event.at().as_millisecond(), index)).collect();
    order.sort_unstable();
    let before_1970 = order.partition_point(|(ms, _)| *ms < 0);
    let (early, order) = order.split_at(before_1970);
    let refused = early.iter().map(|&(_, index)| Refusal { index, error: errors::before_1970() }).collect();
    let mut puts: Vec<Put> = Vec::new();
    let (mut bytes, mut first, mut key) = (0, 0, 0);
    for &(ms, index) in order {
        let size = events.get(index).map_or(0, |event| message(event).len() + OVERHEAD);
        let full = |put: &&mut Put| {
            put.indices.len() < MAX_EVENTS
                && bytes + size <= MAX_BYTES
                && ms - first < MAX_SPAN_MS
                && key == stream.key(ms)
        };
        match puts.last_mut().filter(full) {
            Some(put) => {
                bytes += size;
                put.indices.push(index);
            }
            None => {
                (bytes, first, key) = (size, ms, stream.key(ms));
                puts.push(Put { stream: stream.at(ms), indices: vec![index] });
            }
        }
    }
    (puts, refused)
}

/// The message of an event: its JSON, shortened so that it can be seen if it is too long.
pub(super) fn message(event: &Event) -> Cow<'_, str> {
    let json = String::from_utf8_lossy(event.json());
    match json.len() {
        // "Minimum length of 1."
        0 => "{}".into(),
        1..=MAX_MESSAGE => json,
        long => LogView::read(json.as_bytes())
            .ok()
            .and_then(|view| shortened(&view, long))
            .unwrap_or_else(|| cut(&json, MAX_MESSAGE - MARK_ROOM, long))
            .into(),
    }
}

const MARK_ROOM: usize = 64;

fn cut(text: &str, most: usize, was: usize) -> String {
    let end = text.floor_char_boundary(most);
    format!("{}… [cut from {was} bytes]", text.get(..end).unwrap_or_default())
}

/// The entry as valid JSON with a shorter message, and without its metadata if those are what is long.
fn shortened(entry: &LogView<'_>, was: usize) -> Option<String> {
    let metadata_bytes = entry.metadata.len();
    let metadata = match metadata_bytes {
        0..=131_072 => serde_json::from_str(entry.metadata).ok()?,
        long => json!({ "_omitted_bytes": long }),
    };
    let mut room = MAX_MESSAGE;
    while room > 0 {
        let (message, source) = (cut(&entry.message, room, entry.message.len()), cut_if(&entry.source, room));
        let whole = json!({
            "timestamp": entry.timestamp, "level": entry.level.as_str(), "message": message, "source": source,
            "metadata": metadata, "id": entry.id.to_string(), "host": entry.host, "pid": entry.pid,
            "_cut_from_bytes": was,
        });
        let text = whole.to_string();
        if text.len() <= MAX_MESSAGE {
            return Some(text);
        }
        room /= 2;
    }
    None
}

fn cut_if(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most { text.into() } else { cut(text, most, text.len()).into() }
}

/// The body of the request.
pub(super) fn body(events: &[Event], put: &Put, group: &str) -> Vec<u8> {
    let chosen = || put.indices.iter().filter_map(|&index| events.get(index));
    let size: usize = chosen().map(|event| event.json().len() * 5 / 4 + 48).sum();
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(b"{\"logGroupName\":");
    quote(&mut out, group);
    out.extend_from_slice(b",\"logStreamName\":");
    quote(&mut out, &put.stream);
    out.extend_from_slice(b",\"logEvents\":[");
    for (number, event) in chosen().enumerate() {
        out.extend_from_slice(if number == 0 { b"{\"timestamp\":" } else { b",{\"timestamp\":" });
        out.extend_from_slice(event.at().as_millisecond().to_string().as_bytes());
        out.extend_from_slice(b",\"message\":");
        quote(&mut out, &message(event));
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

fn quote(out: &mut Vec<u8>, text: &str) {
    // Text is always JSON, and a vector takes all that is written.
    let _ = serde_json::to_writer(out, text);
}

/// The body of a request with one entry from 1970, which AWS answers as it would a delivery and rejects as too
/// old: nothing is stored.
pub(super) fn probe_body(group: &str, stream: &str) -> Vec<u8> {
    let event = json!({ "timestamp": 0, "message": "nethical check" });
    json!({ "logGroupName": group, "logStreamName": stream, "logEvents": [event] }).to_string().into_bytes()
}

/// The bodies of the requests that create what is missing.
pub(super) fn create_stream(group: &str, stream: &str) -> Vec<u8> {
    json!({ "logGroupName": group, "logStreamName": stream }).to_string().into_bytes()
}

pub(super) fn create_group(config: &CloudWatchConfig) -> Vec<u8> {
    let mut body = json!({ "logGroupName": config.log_group });
    if let Some(object) = body.as_object_mut() {
        if !config.tags.is_empty() {
            object.insert("tags".to_owned(), json!(config.tags));
        }
        if config.log_group_class != Default::default() {
            object.insert("logGroupClass".to_owned(), json!(config.log_group_class.as_str()));
        }
    }
    body.to_string().into_bytes()
}

pub(super) fn retention(group: &str, days: u32) -> Vec<u8> {
    json!({ "logGroupName": group, "retentionInDays": days }).to_string().into_bytes()
}

/// The answer to a put.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    rejected_log_events_info: Option<Rejected>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rejected {
    /// "The index of the last log event that is too old. This field is exclusive."
    too_old_log_event_end_index: Option<usize>,
    /// "The expired log events." Exclusive as well.
    expired_log_event_end_index: Option<usize>,
    /// "The index of the first log event that is too new. This field is inclusive."
    too_new_log_event_start_index: Option<usize>,
}

/// The events that a put was answered not to have taken, and why. `None`: this is no answer of CloudWatch's.
pub(super) fn rejections(answer: &[u8], put: &Put) -> Option<Vec<Refusal>> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let Some(rejected) = answer.rejected_log_events_info else { return Some(Vec::new()) };
    let old = rejected.too_old_log_event_end_index.unwrap_or(0);
    let expired = rejected.expired_log_event_end_index.unwrap_or(0);
    let new = rejected.too_new_log_event_start_index.unwrap_or(usize::MAX);
    let why = |place: usize| -> Option<Error> {
        match place {
            _ if place < old => Some(errors::too_old()),
            _ if place < expired => Some(errors::expired()),
            _ if place >= new => Some(errors::too_new()),
            _ => None,
        }
    };
    let places = put.indices.iter().enumerate();
    Some(places.filter_map(|(place, &index)| Some(Refusal { index, error: why(place)? })).collect())
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
