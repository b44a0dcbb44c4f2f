//! The body of a message.

use serde_json::Value;

use super::embeds;
use super::faults::Faults;

/// `SUPPRESS_EMBEDS` and `SUPPRESS_NOTIFICATIONS`.
const FLAGS: u64 = 1 << 2 | 1 << 12;

/// Whether Discord takes this body and loses nothing of it. That a message must not be empty is asked
/// apart from it.
///
/// # Errors
/// The `errors` of its answer 50035.
pub fn check(body: &Value) -> Result<(), Value> {
    let mut faults = Faults::default();
    faults.object(body, key);
    faults.finish()
}

fn key(faults: &mut Faults, key: &str, value: &Value) -> bool {
    match key {
        "content" => {
            faults.text(value, 0, 2_000);
        }
        "embeds" => embeds::check(faults, value),
        "username" => username(faults, value),
        "avatar_url" => faults.url(value),
        "tts" => faults.flag(value),
        "allowed_mentions" => mentions(faults, value),
        "thread_name" => {
            faults.text(value, 1, 100);
        }
        "applied_tags" => faults.list(value, 5, snowflake),
        "flags" => {
            if value.as_u64().is_none_or(|flags| flags & !FLAGS != 0) {
                faults.add(
                    "BASE_TYPE_CHOICES",
                    "Only SUPPRESS_EMBEDS and SUPPRESS_NOTIFICATIONS are taken here.",
                );
            }
        }
        "components" | "poll" | "attachments" => {
            faults.add("BASE_TYPE_CHOICES", "This receiver takes messages of content and embeds only.");
        }
        _ => return false,
    }
    true
}

fn username(faults: &mut Faults, value: &Value) {
    faults.text(value, 1, 80);
    let name = value.as_str().unwrap_or_default().to_lowercase();
    for word in ["clyde", "discord"] {
        if name.contains(word) {
            faults.add("USERNAME_INVALID_CONTAINS", format!("Username cannot contain \"{word}\""));
        }
    }
}

fn snowflake(faults: &mut Faults, value: &Value) {
    let id = value.as_str().unwrap_or_default();
    if id.is_empty() || id.len() > 20 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        faults.add("NUMBER_TYPE_COERCE", format!("Value {value} is not snowflake."));
    }
}

fn mentions(faults: &mut Faults, value: &Value) {
    let parsed: Vec<_> = value
        .get("parse")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    faults.object(value, |faults, key, value| {
        match key {
            "parse" => faults.list(value, 3, |faults, kind| {
                if !["users", "roles", "everyone"].contains(&kind.as_str().unwrap_or_default()) {
                    faults.add("BASE_TYPE_CHOICES", "Value must be one of ('users', 'roles', 'everyone').");
                }
            }),
            "users" | "roles" => {
                faults.list(value, 100, snowflake);
                if parsed.contains(&key) && value.as_array().is_some_and(|ids| !ids.is_empty()) {
                    faults.add(
                        "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                        format!("parse:[\"{key}\"] and {key}: [ids...] are mutually exclusive."),
                    );
                }
            }
            "replied_user" => faults.flag(value),
            _ => return false,
        }
        true
    });
}

/// Whether there is nothing to show: answer 50006.
pub(super) fn is_empty(body: &Value) -> bool {
    let content = body.get("content").and_then(Value::as_str).unwrap_or_default();
    let embeds = body.get("embeds").and_then(Value::as_array).map_or(0, Vec::len);
    content.trim().is_empty() && embeds == 0
}
