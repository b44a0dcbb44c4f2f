//! Blocks and attachments that a program made itself, inside the limits of Slack (Block Kit reference).

use serde_json::{Map, Value, json};

use super::wire::cut_escaped;
use crate::support::webhook::cut;

/// Attachments in a message.
const ATTACHMENTS: usize = 100;

/// The blocks that fit, and a word about those that do not.
pub(super) fn blocks(blocks: &mut Value, room: &mut usize) {
    let Some(list) = blocks.as_array_mut() else { return };
    let most = *room;
    if list.len() > most && most > 0 {
        let left = list.len() + 1 - most;
        list.truncate(most - 1);
        list.push(note(&format!("… [cut, {left} more blocks]")));
    }
    list.truncate(most);
    *room -= list.len();
    list.iter_mut().filter_map(Value::as_object_mut).for_each(block);
}

/// The attachments that fit, and a word about those that do not.
pub(super) fn attachments(attachments: &mut Value, room: &mut usize) {
    let Some(list) = attachments.as_array_mut() else { return };
    if list.len() > ATTACHMENTS {
        let left = list.len() + 1 - ATTACHMENTS;
        list.truncate(ATTACHMENTS - 1);
        list.push(json!({ "text": format!("… [cut, {left} more attachments]") }));
    }
    for attachment in list.iter_mut().filter_map(Value::as_object_mut) {
        text_at(attachment, "footer", 300);
        if let Some(inner) = attachment.get_mut("blocks") {
            blocks(inner, room);
        }
        // Without a block that fits there must be something else to show.
        if attachment.get("blocks").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            attachment.remove("blocks");
            attachment.entry("fallback").or_insert_with(|| "… [cut]".into());
        }
    }
}

/// A small remark below.
pub(super) fn note(text: &str) -> Value {
    let text = cut_escaped(text, 3_000);
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": text }] })
}

fn block(block: &mut Map<String, Value>) {
    text_at(block, "block_id", 255);
    match block.get("type").and_then(Value::as_str).unwrap_or_default() {
        "header" => object_at(block, 150),
        "section" => {
            object_at(block, 3_000);
            items(block, "fields", 10, 2_000);
        }
        "context" => items(block, "elements", 10, 3_000),
        "actions" => {
            if let Some(elements) = block.get_mut("elements").and_then(Value::as_array_mut) {
                elements.truncate(25);
            }
        }
        "markdown" => text_at(block, "text", 12_000),
        _ => {}
    }
}

/// A text in an object: `{"text": {"text": "..."}}`.
fn object_at(block: &mut Map<String, Value>, limit: usize) {
    if let Some(object) = block.get_mut("text").and_then(Value::as_object_mut) {
        text_at(object, "text", limit);
    }
}

fn items(block: &mut Map<String, Value>, key: &str, most: usize, limit: usize) {
    let Some(list) = block.get_mut(key).and_then(Value::as_array_mut) else { return };
    if list.len() > most {
        let left = list.len() + 1 - most;
        list.truncate(most - 1);
        list.push(json!({ "type": "mrkdwn", "text": format!("… [cut, {left} more]") }));
    }
    list.iter_mut().filter_map(Value::as_object_mut).for_each(|object| text_at(object, "text", limit));
}

fn text_at(object: &mut Map<String, Value>, key: &str, limit: usize) {
    if let Some(Value::String(text)) = object.get_mut(key) {
        *text = cut(text, limit).into_owned();
    }
}
