//! The limits of `PutLogEvents`, in the words of its reference.

use serde::Deserialize;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// The body of a put.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Put {
    pub(super) log_group_name: String,
    pub(super) log_stream_name: String,
    pub(super) log_events: Vec<Entry>,
    /// "The sequence token is now ignored in PutLogEvents actions."
    #[serde(rename = "sequenceToken", default)]
    _sequence_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) timestamp: i64,
    pub(super) message: String,
}

/// How a request is outside the limits.
pub(super) fn violation(put: &Put, now: i64, retention_days: Option<u32>) -> Option<String> {
    let Put { log_group_name, log_stream_name, log_events, .. } = put;
    if !is_group(log_group_name) || !is_stream(log_stream_name) {
        return Some("1 validation error detected: Value at 'logGroupName' or 'logStreamName' failed to satisfy constraint".to_owned());
    }
    let count = log_events.len();
    if !(1..=10_000).contains(&count) {
        return Some(format!(
            "1 validation error detected: Value at 'logEvents' has {count} members, not 1 to 10000"
        ));
    }
    if let Some(entry) = log_events.iter().find(|entry| entry.timestamp < 0 || entry.message.is_empty()) {
        return Some(format!(
            "1 validation error detected: empty message or timestamp {} below 0",
            entry.timestamp
        ));
    }
    if let Some(large) =
        log_events.iter().map(|entry| entry.message.len() + 26).find(|size| *size > 1_048_576)
    {
        return Some(format!("Log event too large: {large} bytes exceeds limit of 1048576"));
    }
    let bytes: usize = log_events.iter().map(|entry| entry.message.len() + 26).sum();
    if bytes > 1_048_576 {
        return Some(format!("Upload too large: {bytes} bytes exceeds limit of 1048576"));
    }
    if !log_events.is_sorted_by_key(|entry| entry.timestamp) {
        return Some(
            "Log events in a single PutLogEvents request must be in chronological order.".to_owned(),
        );
    }
    let window = window(now, retention_days);
    let mut valid = log_events
        .iter()
        .map(|entry| entry.timestamp)
        .filter(|time| (window.start..window.end).contains(time));
    let first = valid.next()?;
    let span = valid.next_back().unwrap_or(first) - first;
    (span > DAY_MS).then(|| format!("The batch of log events in a single PutLogEvents request cannot span more than 24 hours: {span} ms"))
}

/// Which times are taken.
pub(super) struct Window {
    /// Fourteen days ago.
    pub(super) oldest: i64,
    /// The same or later: what the retention of the group still keeps.
    pub(super) start: i64,
    /// In two hours.
    pub(super) end: i64,
}

pub(super) fn window(now: i64, retention_days: Option<u32>) -> Window {
    let oldest = now - 14 * DAY_MS;
    let kept = retention_days.map_or(oldest, |days| now - i64::from(days) * DAY_MS);
    Window { oldest, start: oldest.max(kept), end: now + 2 * HOUR_MS }
}

pub(super) fn is_group(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/#".contains(&byte);
    (1..=512).contains(&name.len()) && name.bytes().all(known) && !name.starts_with("aws/")
}

pub(super) fn is_stream(name: &str) -> bool {
    (1..=512).contains(&name.chars().count()) && !name.contains([':', '*'])
}
