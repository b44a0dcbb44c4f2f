//! Discord's answers.

use serde_json::{Value, json};

use crate::http::Answer;

/// Discord's answer with this code, at the status that goes with it.
pub fn error(code: u32) -> Answer {
    let (status, message) = match code {
        10015 => (404, "Unknown Webhook"),
        40005 => (413, "Request entity too large"),
        50006 => (400, "Cannot send an empty message"),
        50013 => (403, "Missing Permissions"),
        50027 => (401, "Invalid Webhook Token"),
        50035 => (400, "Invalid Form Body"),
        50109 => (400, "The request body contains invalid JSON."),
        220001 => (400, "Webhooks posted to forum channels must have a thread_name or thread_id"),
        220002 => (400, "Webhooks posted to forum channels cannot have both a thread_name and thread_id"),
        220003 => (400, "Webhooks can only create threads in forum channels"),
        _ => (500, "internal error"),
    };
    Answer::json(status, &json!({ "message": message, "code": code }))
}

/// Discord's answer to a body that breaks its rules.
pub(super) fn invalid_form(errors: &Value) -> Answer {
    Answer::json(400, &json!({ "message": "Invalid Form Body", "code": 50035, "errors": errors }))
}

/// Discord's answer to one message too many. `global`: for everything that comes from this address.
pub fn rate_limited(seconds: f64, global: bool) -> Answer {
    let seconds = (seconds * 1_000.0).ceil() / 1_000.0;
    let body = json!({ "message": "You are being rate limited.", "retry_after": seconds, "global": global });
    let scope = if global { "global" } else { "user" };
    let answer = Answer::json(429, &body)
        .header("retry-after", format!("{:.0}", seconds.ceil()))
        .header("x-ratelimit-scope", scope);
    if global { answer.header("x-ratelimit-global", "true") } else { answer }
}
