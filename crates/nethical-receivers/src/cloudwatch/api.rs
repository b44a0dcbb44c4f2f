//! The operations.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Trouble;
use super::limits::{self, Put};
use super::state::{LogEvent, State};

/// A request, as far as it is looked at.
pub(super) struct Request<'a> {
    pub(super) target: Option<&'a str>,
    pub(super) authorization: Option<&'a str>,
    pub(super) date: Option<&'a str>,
    pub(super) token: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// An answer. `None`: the connection is closed instead.
pub(super) type Answer = Option<(u16, String)>;

const ARN: &str = "arn:aws:iam::123456789012:user/tester";

/// Treat a request.
pub(super) fn answer(state: &mut State, request: &Request<'_>) -> Answer {
    let Some(target) = request.target else { return Some(identity(state, request)) };
    let operation = target.trim_start_matches("Logs_20140328.");
    let trouble = state.trouble(operation);
    match trouble {
        Some(Trouble::Throttle) => return Some(error("ThrottlingException", "Rate exceeded")),
        Some(Trouble::Unavailable) => {
            return Some((503, json!({ "__type": "ServiceUnavailableException" }).to_string()));
        }
        Some(Trouble::DropRequest) => return None,
        Some(Trouble::DropAnswer) | None => {}
    }
    let before = state.taken;
    let done = identified(state, request)
        .and_then(|()| allowed(state, operation))
        .and_then(|()| operate(state, operation, request.body));
    match done {
        Ok(answer) if trouble.is_none() => Some((200, answer.to_string())),
        Ok(_) => {
            state.counts.dropped_events += state.taken - before;
            None
        }
        Err((code, message)) => Some(error(code, &message)),
    }
}

type Refused = (&'static str, String);

fn error(code: &str, message: &str) -> (u16, String) {
    (400, json!({ "__type": code, "message": message }).to_string())
}

/// Who it is, which needs no permission.
fn identity(state: &State, request: &Request<'_>) -> (u16, String) {
    match identified(state, request) {
        Ok(()) => (
            200,
            format!(
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{ARN}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
            ),
        ),
        Err((code, message)) => (
            403,
            format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            ),
        ),
    }
}

/// Whether the signature has its form, a time near ours, and a key that is known.
fn identified(state: &State, request: &Request<'_>) -> Result<(), Refused> {
    let no = |code, message: &str| Err((code, message.to_owned()));
    let Some(credential) =
        request.authorization.and_then(|text| text.strip_prefix("AWS4-HMAC-SHA256 Credential="))
    else {
        return no("MissingAuthenticationTokenException", "Missing Authentication Token");
    };
    let (Some(key), Some(date)) = (credential.split('/').next(), request.date) else {
        return no("IncompleteSignatureException", "Authorization header requires 'Credential' parameter.");
    };
    if request.token.is_some_and(|token| state.behaviour.expired_tokens.contains(token)) {
        return no("ExpiredTokenException", "The security token included in the request is expired");
    }
    let known = &state.behaviour.known_keys;
    if !known.is_empty() && !known.contains(key) {
        return no("UnrecognizedClientException", "The security token included in the request is invalid.");
    }
    let ours = Timestamp::now().as_second() + state.behaviour.clock_ahead;
    let theirs = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok();
    let theirs = theirs
        .and_then(|date| jiff::tz::TimeZone::UTC.to_timestamp(date).ok())
        .map_or(0, Timestamp::as_second);
    if ours.abs_diff(theirs) > 300 {
        return no(
            "InvalidSignatureException",
            &format!("Signature expired: {date} is now earlier than the time of the server"),
        );
    }
    Ok(())
}

fn allowed(state: &State, operation: &str) -> Result<(), Refused> {
    let action = format!("logs:{operation}");
    if !state.behaviour.denied.contains(&action) {
        return Ok(());
    }
    let message = format!(
        "User: {ARN} is not authorized to perform: {action} on resource: arn:aws:logs:us-east-1:123456789012:log-group:x \
         because no identity-based policy allows the {action} action"
    );
    Err(("AccessDeniedException", message))
}

fn operate(state: &mut State, operation: &str, body: &[u8]) -> Result<Value, Refused> {
    match operation {
        "PutLogEvents" => put(state, body),
        "CreateLogGroup" => create_group(state, body),
        "CreateLogStream" => create_stream(state, body),
        "PutRetentionPolicy" => retention(state, body),
        _ => Err(("UnknownOperationException", String::new())),
    }
}

fn invalid(state: &mut State, message: String) -> Refused {
    state.violations.push(message.clone());
    ("InvalidParameterException", message)
}

fn put(state: &mut State, body: &[u8]) -> Result<Value, Refused> {
    let put: Put = serde_json::from_slice(body).map_err(|error| {
        state.violations.push(error.to_string());
        ("SerializationException", error.to_string())
    })?;
    let poisoned = state
        .behaviour
        .poison
        .as_ref()
        .is_some_and(|poison| put.log_events.iter().any(|entry| entry.message.contains(poison)));
    if poisoned {
        return Err(("InvalidParameterException", "Log event is not acceptable".to_owned()));
    }
    let now = Timestamp::now().as_millisecond() + state.behaviour.clock_ahead * 1_000;
    let retention_days = state.groups.get(&put.log_group_name).and_then(|group| group.retention_days);
    if let Some(violation) = limits::violation(&put, now, retention_days) {
        return Err(invalid(state, violation));
    }
    let Some(group) = state.groups.get_mut(&put.log_group_name) else {
        return Err(("ResourceNotFoundException", "The specified log group does not exist.".to_owned()));
    };
    let Some(stream) = group.streams.get_mut(&put.log_stream_name) else {
        return Err(("ResourceNotFoundException", "The specified log stream does not exist.".to_owned()));
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
    serde_json::from_slice(body).map_err(|error| ("SerializationException", error.to_string()))
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
        return Err(("ResourceAlreadyExistsException", "The specified log group already exists".to_owned()));
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
        return Err(("ResourceNotFoundException", "The specified log group does not exist.".to_owned()));
    };
    if group.streams.contains_key(name) {
        return Err(("ResourceAlreadyExistsException", "The specified log stream already exists".to_owned()));
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
        return Err(("ResourceNotFoundException", "The specified log group does not exist.".to_owned()));
    };
    group.retention_days = Some(days);
    Ok(json!({}))
}
