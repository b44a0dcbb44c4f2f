//! Contents and embeds that a program made itself, inside the limits of Discord ("Embed limits").

use serde_json::{Map, Value, json};

use super::embeds::filled;
use super::limits::{AUTHOR, CONTENT, DESCRIPTION, EMBEDS, FIELDS, FOOTER, NAME, TITLE, TOGETHER, VALUE};
use super::spread;
use super::wire::is_username;
use crate::support::webhook::{cut, units};

/// A message inside the limits. What is too long is split if all of it has room so, and cut otherwise; then it says
/// so in its place.
pub(super) fn message(mut native: Map<String, Value>) -> Map<String, Value> {
    native.retain(|_, value| !value.is_null());
    let mut native = spread::message(&native).unwrap_or(native);
    // A name that Discord refuses would cost the message; the webhook has one of its own.
    if native.get("username").and_then(Value::as_str).is_some_and(|name| !is_username(name)) {
        native.remove("username");
    }
    let mut left_out = 0;
    if let Some(embeds) = native.get_mut("embeds").and_then(Value::as_array_mut) {
        left_out = embeds.len().saturating_sub(EMBEDS);
        embeds.truncate(EMBEDS);
        let mut room = TOGETHER;
        embeds.iter_mut().filter_map(Value::as_object_mut).for_each(|one| embed(one, &mut room));
        let shown = embeds.len();
        embeds.retain(|embed| embed.as_object().is_none_or(shows));
        left_out += shown - embeds.len();
    }
    let note = format!("\n… [cut, {left_out} more embeds]");
    let most = if left_out > 0 { CONTENT - units(&note) } else { CONTENT };
    let content = native.get("content").and_then(Value::as_str).unwrap_or_default();
    let content = cut(content, most) + if left_out > 0 { note.as_str() } else { "" };
    if !content.is_empty() {
        native.insert("content".to_owned(), content.into_owned().into());
    }
    native
}

/// Whether there is anything to see in an embed.
fn shows(embed: &Map<String, Value>) -> bool {
    let own = ["title", "description", "fields", "author", "footer", "image", "thumbnail"];
    own.iter().any(|key| embed.contains_key(*key))
}

/// One embed, in what room there is left for all of them: first its shortest parts.
fn embed(embed: &mut Map<String, Value>, room: &mut usize) {
    embed.retain(|key, value| !value.is_null() && key != "provider" && key != "video");
    if embed.get("color").is_some_and(|colour| colour.as_u64().is_none_or(|colour| colour > 0xff_ff_ff)) {
        embed.remove("color");
    }
    text_at(embed, "title", TITLE, room);
    inner_text(embed, "author", "name", AUTHOR, room);
    inner_text(embed, "footer", "text", FOOTER, room);
    fields(embed, room);
    text_at(embed, "description", DESCRIPTION, room);
}

fn text_at(object: &mut Map<String, Value>, key: &str, limit: usize, room: &mut usize) {
    let Some(Value::String(text)) = object.get_mut(key) else { return };
    let most = limit.min(*room);
    *text = if most == 0 { String::new() } else { cut(text.trim(), most).into_owned() };
    *room -= units(text);
    if text.is_empty() {
        object.remove(key);
    }
}

fn inner_text(embed: &mut Map<String, Value>, key: &str, text: &str, limit: usize, room: &mut usize) {
    let Some(object) = embed.get_mut(key).and_then(Value::as_object_mut) else { return };
    text_at(object, text, limit, room);
    if !object.contains_key(text) {
        embed.remove(key);
    }
}

fn fields(embed: &mut Map<String, Value>, room: &mut usize) {
    let Some(fields) = embed.get_mut("fields").and_then(Value::as_array_mut) else { return };
    let all = std::mem::take(fields);
    let count = all.len();
    // A last field that says how many are missing.
    let note = |left: usize| json!({ "name": "…", "value": format!("[cut, {left} more fields]") });
    const NOTE: usize = 40;
    for (index, field) in all.into_iter().enumerate() {
        let is_last = index + 1 == count;
        let reserved = if is_last { 0 } else { NOTE };
        let Some((field, taken)) = fitted(field, room.saturating_sub(reserved)) else {
            push_note(fields, note(count - index), room);
            break;
        };
        if index + 1 == FIELDS && !is_last {
            push_note(fields, note(count - index), room);
            break;
        }
        *room -= taken;
        fields.push(field);
    }
    if fields.is_empty() {
        embed.remove("fields");
    }
}

fn push_note(fields: &mut Vec<Value>, note: Value, room: &mut usize) {
    let length = |key: &str| note.get(key).and_then(Value::as_str).map_or(0, units);
    let taken = length("name") + length("value");
    if taken <= *room && fields.len() < FIELDS {
        *room -= taken;
        fields.push(note);
    }
}

/// A field in its limits, and its length; `None` if there is no room for it.
fn fitted(field: Value, room: usize) -> Option<(Value, usize)> {
    let Value::Object(mut field) = field else { return None };
    let mut taken = 0;
    for (key, limit) in [("name", NAME), ("value", VALUE)] {
        let text = match field.get(key) {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        let text = filled(&cut(text.trim(), limit));
        taken += units(&text);
        field.insert(key.to_owned(), text.into());
    }
    field.retain(|key, value| !value.is_null() && matches!(key.as_str(), "name" | "value" | "inline"));
    (taken <= room).then_some((Value::Object(field), taken))
}
