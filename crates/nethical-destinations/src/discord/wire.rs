//! What goes to Discord: pure functions from an event to a body.

use nethical_core::event::{Event, Level};
use serde_json::{Map, Value, json};
use url::Url;

use super::config::DiscordConfig;
use super::fit;
use crate::support::webhook::{Readable, cut, units};

/// Characters of all embeds of a message together.
pub(super) const TOGETHER: usize = 6_000;

/// Fields of an embed.
pub(super) const FIELDS: usize = 25;

/// The body for an event.
///
/// # Errors
/// Why there is none.
pub(super) fn body(config: &DiscordConfig, event: &Event) -> Result<Vec<u8>, String> {
    let mut view = event.message().map_err(|error| error.to_string())?;
    let mut body = match view.native.remove("discord") {
        Some(Value::Object(native)) => fit::message(native),
        _ => {
            let embed = embed(&Readable::new(event, &view));
            Map::from_iter([("embeds".to_owned(), json!([embed]))])
        }
    };
    for (key, value) in [("username", &config.username), ("avatar_url", &config.avatar_url)] {
        if let Some(value) = value {
            body.entry(key).or_insert_with(|| value.as_str().into());
        }
    }
    // Nobody is called, whatever the message says.
    body.insert("allowed_mentions".to_owned(), json!({ "parse": [] }));
    let content = body.get("content").and_then(Value::as_str).unwrap_or_default();
    let embeds = body.get("embeds").and_then(Value::as_array).map_or(0, Vec::len);
    if content.trim().is_empty() && embeds == 0 {
        return Err("it has neither content nor embeds".to_owned());
    }
    serde_json::to_vec(&body).map_err(|error| error.to_string())
}

/// Where messages are posted: `wait=true`, since otherwise Discord answers before it knows whether it has them.
pub(super) fn post_url(webhook: &Url) -> Url {
    let mut url = webhook.clone();
    let kept: Vec<_> = webhook
        .query_pairs()
        .filter(|(name, _)| name != "wait")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept).append_pair("wait", "true");
    url
}

/// Whether Discord takes this as the name of a webhook.
pub(super) fn is_username(name: &str) -> bool {
    let lower = name.to_lowercase();
    (1..=80).contains(&units(name.trim())) && !lower.contains("discord") && !lower.contains("clyde")
}

/// A message as an embed. The fields that have no room any more are counted in its footer.
fn embed(message: &Readable) -> Value {
    let title = cut(message.headline().trim(), 256).into_owned();
    let origin = cut(&message.origin, 200).into_owned();
    // Something for the footer beside the event's type.
    let mut room = TOGETHER - units(&title) - units(&origin) - 60;
    let most = if message.fields.is_empty() { 4_096 } else { 2_500 };
    let text = cut(message.text.trim(), most).into_owned();
    room -= units(&text);
    let mut fields = Vec::new();
    for (name, value) in message.fields.iter().take(FIELDS) {
        let (name, value) = (filled(&cut(name.trim(), 256)), filled(&cut(value.trim(), 1_024)));
        let taken = units(&name) + units(&value);
        if taken > room {
            break;
        }
        room -= taken;
        let inline = units(&value) <= 40;
        fields.push(json!({ "name": name, "value": value, "inline": inline }));
    }
    let left = message.fields.len() - fields.len();
    let footer = if left > 0 { format!("{origin} · … [cut, {left} more fields]") } else { origin };
    let mut embed = json!({
        "title": title,
        "color": colour(message.level),
        "timestamp": message.timestamp,
        "footer": { "text": filled(&footer) },
    });
    if let Some(embed) = embed.as_object_mut() {
        if !text.is_empty() {
            embed.insert("description".to_owned(), text.into());
        }
        if !fields.is_empty() {
            embed.insert("fields".to_owned(), fields.into());
        }
    }
    embed
}

/// A text that Discord does not take for an empty one.
pub(super) fn filled(text: &str) -> String {
    // A space that has no width, and is not trimmed.
    if text.trim().is_empty() { "\u{200b}".to_owned() } else { text.to_owned() }
}

const fn colour(level: Level) -> u32 {
    match level {
        Level::Debug => 0x9e_9e_9e,
        Level::Info => 0x2e_b8_86,
        Level::Warning => 0xda_a0_38,
        Level::Error => 0xd0_00_00,
        Level::Critical => 0x7b_00_00,
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
