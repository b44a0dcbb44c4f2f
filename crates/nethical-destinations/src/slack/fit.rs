//! Blocks and attachments that a program made itself, inside the limits of Slack (Block Kit reference).

use serde_json::{Map, Value, json};

use super::limits::{
    ATTACHMENTS, BLOCKS, CONTEXT, FIELD, FIELDS, FOOTER, HEADER, ID, MARKDOWN, SECTION, TOGETHER, weight,
};
use super::spread;
use super::wire::cut_escaped;
use crate::support::webhook::cut;

/// What is left for blocks.
pub(super) struct Room {
    blocks: usize,
    weight: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { blocks: BLOCKS, weight: TOGETHER }
    }
}

impl Room {
    /// Take so much of it, if as much is left and something beside it.
    fn take(&mut self, weight: usize, beside: usize) -> bool {
        let fits = self.blocks > beside.min(1) && self.weight >= weight + beside;
        if fits {
            self.blocks -= 1;
            self.weight -= weight;
        }
        fits
    }
}

/// The blocks that fit, and a word about those that do not.
pub(super) fn blocks(blocks: &mut Value, room: &mut Room) {
    /// What the word weighs.
    const WORD: usize = 250;
    let Some(list) = blocks.as_array_mut() else { return };
    let mut all: Vec<_> = list.iter().flat_map(spread::actions).collect();
    list.clear();
    all.iter_mut().filter_map(Value::as_object_mut).for_each(block);
    let count = all.len();
    for (index, block) in all.into_iter().enumerate() {
        let is_last = index + 1 == count;
        if !room.take(weight(&block), if is_last { 0 } else { WORD }) {
            if room.take(0, 0) {
                list.push(note(&format!("… [cut, {} more blocks]", count - index)));
                room.weight = room.weight.saturating_sub(WORD);
            }
            return;
        }
        list.push(block);
    }
}

/// The attachments that fit, and a word about those that do not.
pub(super) fn attachments(attachments: &mut Value, room: &mut Room) {
    let Some(list) = attachments.as_array_mut() else { return };
    if list.len() > ATTACHMENTS {
        let left = list.len() + 1 - ATTACHMENTS;
        list.truncate(ATTACHMENTS - 1);
        list.push(json!({ "text": format!("… [cut, {left} more attachments]") }));
    }
    for attachment in list.iter_mut().filter_map(Value::as_object_mut) {
        text_at(attachment, "footer", FOOTER);
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
    let text = cut_escaped(text, SECTION);
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": text }] })
}

fn block(block: &mut Map<String, Value>) {
    text_at(block, "block_id", ID);
    match block.get("type").and_then(Value::as_str).unwrap_or_default() {
        "header" => object_at(block, HEADER),
        "section" => {
            object_at(block, SECTION);
            items(block, "fields", FIELDS, FIELD);
        }
        "context" => items(block, "elements", CONTEXT, SECTION),
        "markdown" => text_at(block, "text", MARKDOWN),
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
