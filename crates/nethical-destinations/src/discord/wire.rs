//! What goes to Discord: pure functions from an event to a body.

use nethical_core::event::Event;
use serde_json::{Map, Value, json};
use url::Url;

use super::config::DiscordConfig;
use super::{embeds, fit};
use crate::support::webhook::{Readable, units};

/// The body for an event.
///
/// # Errors
/// Why there is none.
pub(super) fn body(config: &DiscordConfig, event: &Event) -> Result<Vec<u8>, String> {
    let mut view = event.message().map_err(|error| error.to_string())?;
    let mut body = match view.native.remove("discord") {
        Some(Value::Object(native)) => fit::message(native),
        _ => {
            let embeds = embeds::of(&Readable::new(event, &view));
            Map::from_iter([("embeds".to_owned(), embeds.into())])
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

/// Whether a success says what Discord says: the message, or the webhook. What only speaks like it may say nothing; a page
/// is somebody else's.
pub(super) fn is_said_by_discord(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|first| *first == b'{')
}

/// Whether Discord takes this as the name of a webhook.
pub(super) fn is_username(name: &str) -> bool {
    let lower = name.to_lowercase();
    (1..=80).contains(&units(name.trim())) && !lower.contains("discord") && !lower.contains("clyde")
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod limits_tests;
#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
