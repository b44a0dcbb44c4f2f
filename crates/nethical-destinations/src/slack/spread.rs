//! Blocks that a program made itself and that are longer than Slack takes them, over more blocks of the same message.

use serde_json::{Map, Value, json};

use super::limits::{ACTIONS, BLOCKS, CONTEXT, FIELD, FIELDS, SECTION, TOGETHER, weight};
use crate::support::webhook::split;

/// The same message with no block that is too long and can be split; `None` if it has no room then.
pub(super) fn message(native: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut whole = native.clone();
    let (mut count, mut weights) = (0, 0);
    each_list(&mut whole, |list| {
        *list = list.iter().flat_map(spread).collect();
        count += list.len();
        weights += list.iter().map(weight).sum::<usize>();
    });
    (count <= BLOCKS && weights <= TOGETHER).then_some(whole)
}

/// The blocks of the message itself, and those of each attachment.
fn each_list(message: &mut Map<String, Value>, mut each: impl FnMut(&mut Vec<Value>)) {
    message.get_mut("blocks").and_then(Value::as_array_mut).into_iter().for_each(&mut each);
    let attachments = message.get_mut("attachments").and_then(Value::as_array_mut);
    let blocks = attachments.into_iter().flatten().filter_map(|one| one.get_mut("blocks")?.as_array_mut());
    blocks.for_each(each);
}

fn spread(block: &Value) -> Vec<Value> {
    match (block.as_object(), kind(block)) {
        (Some(object), "section") => section(object),
        (Some(object), "context") => elements(object, CONTEXT, SECTION),
        _ => actions(block),
    }
}

/// A row of actions as several, where it is too long. Of a button nothing can be cut.
pub(super) fn actions(block: &Value) -> Vec<Value> {
    match block.as_object() {
        Some(object) if kind(block) == "actions" => elements(object, ACTIONS, usize::MAX),
        _ => vec![block.clone()],
    }
}

fn kind(block: &Value) -> &str {
    block.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// A section, and further ones for the rest of its text and fields.
fn section(block: &Map<String, Value>) -> Vec<Value> {
    let mut first = block.clone();
    let fields: Vec<Value> = match first.shift_remove("fields") {
        Some(Value::Array(fields)) => fields.iter().flat_map(|field| texts(field, FIELD)).collect(),
        _ => Vec::new(),
    };
    let mut parts: Vec<Value> = first.get("text").into_iter().flat_map(|text| texts(text, SECTION)).collect();
    let rest = parts.split_off(parts.len().min(1));
    if let Some(text) = parts.pop() {
        first.insert("text".to_owned(), text);
    }
    let mut all = vec![first];
    all.extend(rest.into_iter().map(|text| section_of("text", text)));
    for (index, some) in fields.chunks(FIELDS).enumerate() {
        match all.last_mut().filter(|_| index == 0) {
            Some(last) => _ = last.insert("fields".to_owned(), some.into()),
            None => all.push(section_of("fields", some.into())),
        }
    }
    all.into_iter().map(Value::Object).collect()
}

fn section_of(key: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), json!("section")), (key.to_owned(), value)])
}

/// A block of elements, and further ones for those beyond `most`.
fn elements(block: &Map<String, Value>, most: usize, limit: usize) -> Vec<Value> {
    let Some(Value::Array(list)) = block.get("elements") else { return vec![block.clone().into()] };
    let list: Vec<_> = list.iter().flat_map(|element| texts(element, limit)).collect();
    let row = |(index, some): (usize, &[Value])| {
        let mut row = block.clone();
        row.insert("elements".to_owned(), some.into());
        if index > 0 {
            row.shift_remove("block_id");
        }
        row.into()
    };
    list.chunks(most).enumerate().map(row).collect()
}

/// A text object, or several where its text is too long for one.
fn texts(object: &Value, limit: usize) -> Vec<Value> {
    let Some(Value::String(text)) = object.get("text") else { return vec![object.clone()] };
    let part = |part: &str| {
        let mut object = object.clone();
        object
            .as_object_mut()
            .into_iter()
            .for_each(|object| _ = object.insert("text".to_owned(), part.into()));
        object
    };
    split(text, limit).map(part).collect()
}
