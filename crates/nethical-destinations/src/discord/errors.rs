//! What Discord answers, and what it means for the events ("Opcodes and Status Codes", "Rate Limits"). The code in
//! the body decides before the status does.

use std::time::Duration;

use jiff::Timestamp;
use nethical_core::delivery::{Error, Kind, MAX_RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;

use crate::http::errors::sort as sort_by_status;
use crate::support::http::{Response, seconds};
use crate::support::webhook::{Context, line};

/// Discord's error, and that of its rate limits.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    code: Value,
    message: String,
    errors: Value,
    retry_after: Option<f64>,
    global: bool,
}

fn read(response: &Response) -> Body {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// Whether an answer says that everything from this address has to wait, not only this webhook.
pub(super) fn is_global(response: &Response) -> bool {
    response.status == 429 && (response.header("x-ratelimit-global").is_some() || read(response).global)
}

/// How long the next message has to wait after a good one: when the bucket is empty, until it is full again.
pub(super) fn pause(response: &Response, now: Timestamp) -> Option<Duration> {
    let is_empty = response.header("x-ratelimit-remaining")?.trim() == "0";
    is_empty.then(|| reset(response, now)).flatten()
}

/// When the bucket is full again: in so many seconds, or at a time since 1970; either may have a fraction.
fn reset(response: &Response, now: Timestamp) -> Option<Duration> {
    let number = |name: &str| seconds(response.header(name)?.trim());
    let at = || {
        let now = Duration::from_micros(u64::try_from(now.as_microsecond()).ok()?);
        number("x-ratelimit-reset").map(|at| at.saturating_sub(now))
    };
    number("x-ratelimit-reset-after").or_else(at).map(|wait| wait.min(MAX_RETRY_AFTER))
}

/// An answer other than success.
pub(super) fn sort(response: &Response, context: Context<'_>) -> Error {
    let body = read(response);
    let now = Timestamp::now();
    let said = line(&body.message, 200);
    let said = [said, line(&places(&body.errors), 300)].join(" ");
    let text = format!("Discord answered {}: {}", response.status, said.trim_end());
    match (body.code.as_i64().unwrap_or_default(), response.status) {
        (_, 200..300) => {
            let text = format!("{} answered {}, but not as Discord does", context.at, response.status);
            Error::unavailable("discord.no_answer", text)
                .with_hint("see the address, and whether a proxy answers")
                .in_doubt()
        }
        // "You are being rate limited."
        (_, 429) => {
            let exact = body.retry_after.and_then(|wait| Duration::try_from_secs_f64(wait).ok());
            let asked = exact.or_else(|| reset(response, now)).or_else(|| response.retry_after(now));
            let asked = asked.map(|wait| wait.min(MAX_RETRY_AFTER));
            Error::new(Kind::RateLimited(asked), "discord.rate_limited", text)
                .with_hint("nothing to do: it goes on when Discord allows it")
        }
        // "Unknown Webhook". "Webhooks [...] that were deleted [...] should no longer be used."
        (10015, _) | (_, 404) => Error::new(Kind::Gone, "discord.webhook", text)
            .with_hint("the webhook was deleted: make a new one and set its address"),
        // "Invalid Webhook Token"
        (50027, _) | (_, 401) => Error::new(Kind::Gone, "discord.token", text)
            .with_hint("the address is not that of the webhook any more: copy it anew"),
        // "You lack permissions to perform that action"
        (50013, _) | (_, 403) => Error::new(Kind::Gone, "discord.prohibited", text)
            .with_hint("whoever runs the server has to allow it; then open the destination again"),
        // "Webhooks posted to forum channels must have a thread_name or thread_id"
        (220_001..=220_003, _) => Error::refused("discord.thread", text)
            .with_hint("add `?thread_id=...` to the address for a forum, and leave it out elsewhere"),
        // "Invalid form body", "Cannot send an empty message", "The request body contains invalid JSON."
        (50035 | 50006 | 50109, _) => {
            Error::refused("discord.invalid", text).with_hint("see what Discord says of the message")
        }
        // "Request entity too large."
        (40005, _) => Error::refused("discord.too_large", text).with_hint("send less at once"),
        _ => sort_by_status(response, context),
    }
}

/// The first places that Discord complains of: `(embeds.0.title: BASE_TYPE_MAX_LENGTH)`.
fn places(errors: &Value) -> String {
    let mut found = Vec::new();
    walk(errors, "", &mut found);
    if found.is_empty() { String::new() } else { format!("({})", found.join(", ")) }
}

fn walk(errors: &Value, path: &str, found: &mut Vec<String>) {
    let Some(object) = errors.as_object() else { return };
    for (key, inner) in object {
        if found.len() >= 3 {
            return;
        }
        match inner.as_array().filter(|_| key == "_errors") {
            Some(list) => {
                // The published specification has numbers for these codes; they are texts.
                let code = list.first().and_then(|first| first.get("code"));
                let code = code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
                found.push(format!("{path}: {}", code.unwrap_or_default()));
            }
            None if path.is_empty() => walk(inner, key, found),
            None => walk(inner, &format!("{path}.{key}"), found),
        }
    }
}

/// Every webhook of Discord has to wait.
pub(super) fn held(wait: Duration) -> Error {
    let text = "Discord takes nothing from this address just now, from no webhook";
    Error::new(Kind::RateLimited(Some(wait)), "discord.rate_limited", text)
        .with_hint("nothing to do: it goes on when Discord allows it")
}

/// There is nothing to post.
pub(super) fn no_body(why: &str) -> Error {
    Error::refused("discord.body", format!("Discord cannot take the message: {why}"))
        .with_hint("give it a content")
}

/// An option that cannot work.
pub(super) fn option(key: &str, why: &str) -> Error {
    Error::config("discord.option", format!("`{key}`: {why}"))
        .with_hint("see the options in the guide to `discord`")
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
