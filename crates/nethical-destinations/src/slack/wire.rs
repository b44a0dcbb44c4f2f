//! What goes to Slack and what comes back: pure functions from an event to a body.

use std::borrow::Cow;

use nethical_core::event::{Event, Level};
use serde_json::{Map, Value, json};

use super::config::SlackConfig;
use super::limits::{SECTION, TEXT, TOGETHER, weight};
use super::{fields, fit, spread};
use crate::support::webhook::{Readable, cut, cut_as, split_as, units};

/// A text up to this stands beside the bar; a longer one in the message's own text, which takes more.
const BESIDE: usize = 6_000;

/// What the remarks at the end of a message weigh.
const REMARKS: usize = 1_000;

/// The body for an event.
///
/// # Errors
/// Why there is none.
pub(super) fn body(config: &SlackConfig, event: &Event) -> Result<Vec<u8>, String> {
    let mut view = event.message().map_err(|error| error.to_string())?;
    let mut body = match view.native.remove("slack") {
        Some(Value::Object(native)) => ready(native),
        _ => readable(&Readable::new(event, &view)),
    };
    for (key, value) in [("username", &config.username), ("icon_emoji", &config.icon_emoji)] {
        if let Some(value) = value {
            body.entry(key).or_insert_with(|| value.as_str().into());
        }
    }
    let is_filled = |key: &str| match body.get(key) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        _ => false,
    };
    if !["text", "blocks", "attachments"].into_iter().any(is_filled) {
        return Err("it has neither text nor blocks nor attachments".to_owned());
    }
    serde_json::to_vec(&body).map_err(|error| error.to_string())
}

/// A message that the program made itself: its text escaped, and all of it inside the limits. Blocks that are too long
/// are split if all of them have room so, and cut otherwise.
fn ready(mut native: Map<String, Value>) -> Map<String, Value> {
    native.retain(|_, value| !value.is_null());
    let mut native = spread::message(&native).unwrap_or(native);
    if let Some(Value::String(text)) = native.get_mut("text") {
        *text = cut_escaped(text, TEXT);
    }
    let mut room = fit::Room::default();
    if let Some(blocks) = native.get_mut("blocks") {
        fit::blocks(blocks, &mut room);
    }
    if let Some(attachments) = native.get_mut("attachments") {
        fit::attachments(attachments, &mut room);
    }
    native
}

/// A headline, and below it, beside a bar of the severity's colour, the text and the fields.
fn readable(message: &Readable) -> Map<String, Value> {
    let headline = cut_escaped(&message.headline().replace('\n', " "), SECTION);
    let mut text = format!("*{headline}*");
    let mut blocks = Vec::new();
    let own = message.text.trim();
    if units(&escape(own)) <= BESIDE {
        blocks = sections(own);
    } else {
        text = format!("{text}\n{}", cut_escaped(own, TEXT - units(&text) - 1));
    }
    let room = (TOGETHER - REMARKS).saturating_sub(blocks.iter().map(weight).sum());
    let (fields, left) = fields::sections(&message.fields, room);
    blocks.extend(fields);
    if left > 0 {
        blocks.push(fit::note(&format!("… [cut, {left} more fields]")));
    }
    blocks.push(fit::note(&format!("{} · {}", cut(&message.origin, 200), message.timestamp)));
    let attachment = json!({ "color": colour(message.level), "fallback": headline, "blocks": blocks });
    let mut body = Map::new();
    body.insert("text".to_owned(), text.into());
    body.insert("attachments".to_owned(), json!([attachment]));
    body
}

/// A long text takes several sections.
fn sections(text: &str) -> Vec<Value> {
    let filled = split_as(text, SECTION, escaped).filter(|part| !part.trim().is_empty());
    let section = |part| json!({ "type": "section", "text": { "type": "mrkdwn", "text": escape(part) } });
    filled.map(section).collect()
}

const fn colour(level: Level) -> &'static str {
    match level {
        Level::Debug => "#9e9e9e",
        Level::Info => "good",
        Level::Warning => "warning",
        Level::Error => "danger",
        Level::Critical => "#7b0000",
    }
}

/// The text with `&`, `<` and `>` as entities, so that it can neither call people nor disguise a link, and
/// nothing else changed ("Formatting text for app surfaces"); in at most `limit` characters.
pub(super) fn cut_escaped(text: &str, limit: usize) -> String {
    escape(&cut_as(text, limit, escaped)).into_owned()
}

/// How long a character is when it is escaped.
pub(super) const fn escaped(character: char) -> usize {
    match character {
        '&' => 5,
        '<' | '>' => 4,
        other => other.len_utf16(),
    }
}

pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod limits_tests;
#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
