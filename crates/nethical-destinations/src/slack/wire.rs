//! What goes to Slack and what comes back: pure functions from an event to a body.

use std::borrow::Cow;

use nethical_core::event::{Event, Level};
use serde_json::{Map, Value, json};

use super::config::SlackConfig;
use super::fit;
use crate::support::webhook::{Readable, cut, cut_as};

/// Blocks in a message, those in attachments included.
pub(super) const BLOCKS: usize = 50;

/// Characters of `text` at which Slack cuts.
const TEXT: usize = 40_000;

/// Sections that a long text is split into.
const SECTIONS: usize = 10;

/// Fields that are shown; each section takes ten.
const FIELDS: usize = 100;

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

/// A message that the program made itself: its text escaped, and all of it inside the limits.
fn ready(mut native: Map<String, Value>) -> Map<String, Value> {
    native.retain(|_, value| !value.is_null());
    if let Some(Value::String(text)) = native.get_mut("text") {
        *text = cut_escaped(text, TEXT);
    }
    let mut room = BLOCKS;
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
    let headline = cut_escaped(&message.headline().replace('\n', " "), 3_000);
    let mut blocks: Vec<Value> = sections(&message.text);
    let shown = message.fields.get(..FIELDS).unwrap_or(&message.fields);
    blocks.extend(shown.chunks(10).map(fields));
    if message.fields.len() > FIELDS {
        blocks.push(fit::note(&format!("… [cut, {} more fields]", message.fields.len() - FIELDS)));
    }
    blocks.push(fit::note(&format!("{} · {}", cut(&message.origin, 200), message.timestamp)));
    let attachment = json!({ "color": colour(message.level), "fallback": headline, "blocks": blocks });
    let mut body = Map::new();
    body.insert("text".to_owned(), format!("*{headline}*").into());
    body.insert("attachments".to_owned(), json!([attachment]));
    body
}

/// A long text takes several sections, and is cut when those are full.
fn sections(text: &str) -> Vec<Value> {
    const EACH: usize = 3_000;
    let text = cut_escaped(text.trim(), SECTIONS * EACH - SECTIONS * 8);
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut length = 0;
    // An entity is never torn: pieces end before `&`, or after a whole character.
    for piece in pieces(&text) {
        let taken: usize = piece.chars().map(char::len_utf16).sum();
        if length + taken > EACH {
            parts.push(std::mem::take(&mut part));
            length = 0;
        }
        length += taken;
        part.push_str(piece);
    }
    parts.push(part);
    let filled = parts.into_iter().filter(|part| !part.trim().is_empty());
    filled.map(|part| json!({ "type": "section", "text": { "type": "mrkdwn", "text": part } })).collect()
}

/// Characters, and entities as a whole.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = match rest.find(';') {
            Some(end) if first == '&' && end <= 4 => end + 1,
            _ => first.len_utf8(),
        };
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(piece)
    })
}

fn fields(fields: &[(String, String)]) -> Value {
    let field = |(name, value): &(String, String)| {
        let text = format!("*{}*\n{}", cut_escaped(name, 250), cut_escaped(value, 1_700));
        json!({ "type": "mrkdwn", "text": text })
    };
    json!({ "type": "section", "fields": fields.iter().map(field).collect::<Vec<_>>() })
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
    let length = |character: char| match character {
        '&' => 5,
        '<' | '>' => 4,
        other => other.len_utf16(),
    };
    escape(&cut_as(text, limit, length)).into_owned()
}

fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
