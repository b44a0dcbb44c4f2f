//! The operations.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Trouble;
use super::limits::{self, Put};
use super::state::{LogEvent, State};
use crate::aws::Refused;
use crate::http::Request;

/// An answer. `None`: the connection is closed instead.
pub(super) type Answer = Option<(u16, String)>;

/// Treat a request.
pub(super) fn answer(state: &mut State, request: &Request) -> Answer {
    let Some(target) = request.header("x-amz-target") else {
        return Some(state.behaviour.access.caller(request));
    };
    let operation = target.trim_start_matches("Logs_20140328.");
    let trouble = state.trouble(operation);
    match trouble {
        Some(Trouble::Throttle) => return Some(Refused::new("ThrottlingException", "Rate exceeded").json()),
        Some(Trouble::Unavailable) => {
            return Some((503, json!({ "__type": "ServiceUnavailableException" }).to_string()));
        }
        Some(Trouble::DropRequest) => return None,
        Some(Trouble::DropAnswer) | None => {}
    }
    let before = state.taken;
    match permitted(state, operation, request).and_then(|()| operate(state, operation, &request.body)) {
        Ok(answer) if trouble.is_none() => Some((200, answer.to_string())),
        Ok(_) => {
            state.counts.dropped_events += state.taken - before;
            None
        }
        Err(refused) => Some(refused.json()),
    }
}

fn permitted(state: &mut State, operation: &str, request: &Request) -> Result<(), Refused> {
    const RESOURCE: &str = "arn:aws:logs:us-east-1:123456789012:log-group:x";
    let access = &state.behaviour.access;
    let key = access.identify(request, "logs")?;
    let allowed = access.allow(&format!("logs:{operation}"), RESOURCE);
    *state.counts.keys.entry(key).or_default() += 1;
    allowed
}

fn operate(state: &mut State, operation: &str, body: &[u8]) -> Result<Value, Refused> {
    match operation {
        "PutLogEvents" => put(state, body),
        "CreateLogGroup" => create_group(state, body),
        "CreateLogStream" => create_stream(state, body),
        "PutRetentionPolicy" => retention(state, body),
        _ => Err(Refused::new("UnknownOperationException", "")),
    }
}

fn invalid(state: &mut State, message: String) -> Refused {
    state.violations.push(message.clone());
    Refused::new("InvalidParameterException", message)
}

fn put(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let put: Put = serde_json::from_slice(body).map_err(|error| {
        state.violations.push(error.to_string());
        Refused::new("SerializationException", error.to_string())
    })?;
    let poisoned = state
        .behaviour
        .poison
        .as_ref()
        .is_some_and(|poison| put.log_events.iter().any(|entry| entry.message.contains(poison)));
    if poisoned {
        return Err(Refused::new("InvalidParameterException", "Log event is not acceptable"));
    }
    let now = Timestamp::now().as_millisecond() + state.behaviour.access.clock_ahead * 1_000;
    let retention_days = state.groups.get(&put.log_group_name).and_then(|group| group.retention_days);
    if let Some(violation) = limits::violation(&put, now, retention_days) {
        return Err(invalid(state, violation));
    }
    let Some(group) = state.groups.get_mut(&put.log_group_name) else {
        return Err(Refused::new("ResourceNotFoundException", "The specified log group does not exist."));
    };
    let Some(stream) = group.streams.get_mut(&put.log_stream_name) else {
        return Err(Refused::new("ResourceNotFoundException", "The specified log stream does not exist."));
    };
    let window = limits::window(now, retention_days);
    let before = |time: i64| put.log_events.partition_point(|entry| entry.timestamp < time);
    let (old, expired, new) = (before(window.oldest), before(window.start), before(window.end));
    let mut rejected = serde_json::Map::new();
    if old > 0 {
        rejected.insert("tooOldLogEventEndIndex".to_owned(), json!(old));
    }
    if expired > old {
        rejected.insert("expiredLogEventEndIndex".to_owned(), json!(expired));
    }
    if new < put.log_events.len() {
        rejected.insert("tooNewLogEventStartIndex".to_owned(), json!(new));
    }
    let taken = put.log_events.into_iter().take(new).skip(expired);
    let before = stream.len();
    stream.extend(taken.map(|entry| LogEvent { timestamp: entry.timestamp, message: entry.message }));
    state.taken += (stream.len() - before) as u64;
    let answer = json!({ "nextSequenceToken": "0" });
    Ok(if rejected.is_empty() {
        answer
    } else {
        json!({ "nextSequenceToken": "0", "rejectedLogEventsInfo": rejected })
    })
}

fn read(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::new("SerializationException", error.to_string()))
}

fn text<'v>(body: &'v Value, key: &str) -> &'v str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn create_group(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let body = read(body)?;
    let name = text(&body, "logGroupName");
    if !limits::is_group(name) {
        return Err(invalid(state, "Value at 'logGroupName' failed to satisfy constraint".to_owned()));
    }
    if state.groups.contains_key(name) {
        return Err(Refused::new("ResourceAlreadyExistsException", "The specified log group already exists"));
    }
    let group = state.groups.entry(name.to_owned()).or_default();
    group.class = body.get("logGroupClass").and_then(Value::as_str).unwrap_or("STANDARD").to_owned();
    group.tags =
        body.get("tags").and_then(|tags| serde_json::from_value(tags.clone()).ok()).unwrap_or_default();
    Ok(json!({}))
}

fn create_stream(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let body = read(body)?;
    let name = text(&body, "logStreamName");
    if !limits::is_stream(name) {
        return Err(invalid(state, "Value at 'logStreamName' failed to satisfy constraint".to_owned()));
    }
    let Some(group) = state.groups.get_mut(text(&body, "logGroupName")) else {
        return Err(Refused::new("ResourceNotFoundException", "The specified log group does not exist."));
    };
    if group.streams.contains_key(name) {
        return Err(Refused::new(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ));
    }
    group.streams.insert(name.to_owned(), Vec::new());
    Ok(json!({}))
}

fn retention(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    const DAYS: [u64; 22] = [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
        3653,
    ];
    let body = read(body)?;
    let days = body.get("retentionInDays").and_then(Value::as_u64).filter(|days| DAYS.contains(days));
    let Some(days) = days.and_then(|days| u32::try_from(days).ok()) else {
        return Err(invalid(state, "Value at 'retentionInDays' failed to satisfy constraint".to_owned()));
    };
    let Some(group) = state.groups.get_mut(text(&body, "logGroupName")) else {
        return Err(Refused::new("ResourceNotFoundException", "The specified log group does not exist."));
    };
    group.retention_days = Some(days);
    Ok(json!({}))
}
