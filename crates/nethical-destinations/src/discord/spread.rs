//! Contents and embeds that a program made itself and that are longer than Discord takes them, over more embeds of
//! the same message.

use serde_json::{Map, Value, json};

use super::embeds::parts;
use super::limits::{AUTHOR, CONTENT, DESCRIPTION, EMBEDS, FIELDS, FOOTER, TITLE, TOGETHER};
use crate::support::webhook::{cut, split, units};

/// The same message with nothing in it that is too long and can be split; `None` if its embeds have no room then. Of the
/// content the start that has room stays, and says what is missing.
pub(super) fn message(native: &Map<String, Value>) -> Option<Map<String, Value>> {
    let own = native.get("embeds").and_then(Value::as_array);
    let own: Vec<_> = own.into_iter().flatten().flat_map(embed).collect();
    let free = EMBEDS.checked_sub(own.len())?;
    let room = TOGETHER.checked_sub(own.iter().map(length).sum())?;

    let mut whole = native.clone();
    let content = text(native, "content").trim();
    // A part that ends between words is no shorter than half.
    let content = cut(content, CONTENT + room.min(free * DESCRIPTION / 2));
    let mut embeds = Vec::new();
    if let Some(first) = split(&content, CONTENT).next() {
        let rest = content.get(first.len()..).unwrap_or_default();
        embeds.extend(split(rest, DESCRIPTION).map(|part| json!({ "description": part })));
        whole.insert("content".to_owned(), first.into());
    }
    embeds.extend(own);
    if !embeds.is_empty() {
        whole.insert("embeds".to_owned(), embeds.into());
    }
    Some(whole)
}

/// An embed, and more of them for what it has too much of. They show its parts in the order in which it would.
fn embed(embed: &Value) -> Vec<Value> {
    let Some(embed) = embed.as_object() else { return vec![embed.clone()] };
    let mut first = embed.clone();
    let fields = match first.shift_remove("fields") {
        Some(Value::Array(fields)) => fields.iter().flat_map(field).collect(),
        _ => Vec::new(),
    };
    let mut take = |key: &str| Some((key.to_owned(), first.shift_remove(key)?));
    let below: Vec<_> = ["image", "footer", "timestamp"].into_iter().filter_map(&mut take).collect();
    let description = take("description");
    let again = || Map::from_iter(embed.get("color").map(|colour| ("color".to_owned(), colour.clone())));
    let mut all = vec![first];
    let mut put = |index: usize, key: &str, value: Value| {
        if index > 0 {
            all.push(again());
        }
        all.last_mut().into_iter().for_each(|last| _ = last.insert(key.to_owned(), value.clone()));
    };
    if let Some((key, Value::String(text))) = &description {
        split(text.trim(), DESCRIPTION).enumerate().for_each(|(index, part)| put(index, key, part.into()));
    }
    fields.chunks(FIELDS).enumerate().for_each(|(index, some)| put(index, "fields", some.into()));
    all.last_mut().into_iter().for_each(|last| last.extend(below.clone()));
    all.into_iter().map(Value::Object).collect()
}

fn field(field: &Value) -> Vec<Value> {
    let (Some(Value::String(name)), Some(Value::String(value))) = (field.get("name"), field.get("value"))
    else {
        return vec![field.clone()];
    };
    let part = |(name, value): (String, String)| {
        let mut part = field.clone();
        if let Some(object) = part.as_object_mut() {
            object.extend([("name".to_owned(), name.into()), ("value".to_owned(), value.into())]);
        }
        part
    };
    parts(name, value).into_iter().map(part).collect()
}

/// The characters of an embed that count towards those of all, as far as each part may have them.
fn length(embed: &Value) -> usize {
    let at = |pointer: &str, most: usize| {
        embed.pointer(pointer).and_then(Value::as_str).map_or(0, |text| units(text.trim()).min(most))
    };
    let fields = embed.get("fields").and_then(Value::as_array).into_iter().flatten();
    let fields: usize =
        fields.map(|field| units(text_of(field, "name")) + units(text_of(field, "value"))).sum();
    at("/title", TITLE)
        + at("/description", DESCRIPTION)
        + at("/author/name", AUTHOR)
        + at("/footer/text", FOOTER)
        + fields
}

fn text<'v>(object: &'v Map<String, Value>, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn text_of<'v>(value: &'v Value, key: &str) -> &'v str {
    value.as_object().map_or("", |object| text(object, key))
}
