//! Layout blocks: those that a message without interaction is made of.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::message::{Checked, Kind, at_most, characters, known, list, text};

const MOST_BLOCKS: usize = 50;

/// Whether these blocks are all right.
pub(super) fn check(blocks: &[Value], place: &str) -> Checked {
    if blocks.len() > MOST_BLOCKS {
        return Err(format!("{place}: {} blocks, at most {MOST_BLOCKS} are taken", blocks.len()));
    }
    let mut ids = BTreeSet::new();
    for (index, block) in blocks.iter().enumerate() {
        let within = |why| format!("{place}[{index}]: {why}");
        let Some(block) = block.as_object() else { return Err(within("no object".to_owned())) };
        one(block).map_err(within)?;
        let id = text(block, "block_id");
        if !id.is_empty() && !ids.insert(id) {
            return Err(within("its block_id is not the only one".to_owned()));
        }
    }
    Ok(())
}

fn one(block: &Map<String, Value>) -> Checked {
    at_most(block, "block_id", 255)?;
    match text(block, "type") {
        "divider" => keys(block, &[]),
        "header" => {
            keys(block, &[("text", Kind::Object)])?;
            text_object(block.get("text"), "text", 150, &["plain_text"])
        }
        "section" => section(block),
        "context" => context(block),
        "actions" => actions(block),
        "image" => image_block(block),
        "markdown" => {
            keys(block, &[("text", Kind::Text)])?;
            at_most(block, "text", 12_000)
        }
        other => Err(format!("a block of type {other:?} is unknown")),
    }
}

/// Whether the keys are those of any block and these.
fn keys(block: &Map<String, Value>, own: &[(&str, Kind)]) -> Checked {
    known(block, &[&[("type", Kind::Text), ("block_id", Kind::Text)], own].concat())
}

fn section(block: &Map<String, Value>) -> Checked {
    let own =
        [("text", Kind::Object), ("fields", Kind::List), ("accessory", Kind::Object), ("expand", Kind::Flag)];
    keys(block, &own)?;
    let fields = list(block, "fields");
    if block.contains_key("fields") && fields.is_empty() {
        return Err("fields are empty".to_owned());
    }
    if fields.len() > 10 {
        return Err(format!("{} fields, at most 10 are taken", fields.len()));
    }
    for field in fields {
        text_object(Some(field), "fields", 2_000, &["plain_text", "mrkdwn"])?;
    }
    if let Some(accessory) = block.get("accessory").and_then(Value::as_object) {
        element(accessory)?;
    }
    if block.contains_key("text") || fields.is_empty() {
        text_object(block.get("text"), "text", 3_000, &["plain_text", "mrkdwn"])?;
    }
    Ok(())
}

fn context(block: &Map<String, Value>) -> Checked {
    keys(block, &[("elements", Kind::List)])?;
    let elements = list(block, "elements");
    if !(1..=10).contains(&elements.len()) {
        return Err(format!("{} elements, 1 to 10 are taken", elements.len()));
    }
    for item in elements {
        match item.as_object() {
            Some(object) if text(object, "type") == "image" => image(object)?,
            _ => text_object(Some(item), "elements", 3_000, &["plain_text", "mrkdwn"])?,
        }
    }
    Ok(())
}

fn actions(block: &Map<String, Value>) -> Checked {
    keys(block, &[("elements", Kind::List)])?;
    let elements = list(block, "elements");
    if !(1..=25).contains(&elements.len()) {
        return Err(format!("{} elements, 1 to 25 are taken", elements.len()));
    }
    elements.iter().try_for_each(|item| {
        item.as_object().map_or_else(|| Err("an element is no object".to_owned()), element)
    })
}

/// Something beside or below a text.
fn element(object: &Map<String, Value>) -> Checked {
    match text(object, "type") {
        "image" => image(object),
        "button" => {
            let own = [
                ("type", Kind::Text),
                ("text", Kind::Object),
                ("action_id", Kind::Text),
                ("url", Kind::Text),
                ("value", Kind::Text),
                ("style", Kind::Text),
                ("accessibility_label", Kind::Text),
            ];
            known(object, &own)?;
            at_most(object, "action_id", 255)?;
            at_most(object, "url", 3_000)?;
            at_most(object, "value", 2_000)?;
            if !["", "primary", "danger"].contains(&text(object, "style")) {
                return Err("style is neither primary nor danger".to_owned());
            }
            text_object(object.get("text"), "text", 75, &["plain_text"])
        }
        other => Err(format!("an element of type {other:?} is unknown")),
    }
}

fn image(object: &Map<String, Value>) -> Checked {
    known(object, &[("type", Kind::Text), ("image_url", Kind::Text), ("alt_text", Kind::Text)])?;
    pictured(object)
}

fn image_block(block: &Map<String, Value>) -> Checked {
    keys(block, &[("image_url", Kind::Text), ("alt_text", Kind::Text), ("title", Kind::Object)])?;
    if block.contains_key("title") {
        text_object(block.get("title"), "title", 2_000, &["plain_text"])?;
    }
    pictured(block)
}

fn pictured(object: &Map<String, Value>) -> Checked {
    at_most(object, "image_url", 3_000)?;
    at_most(object, "alt_text", 2_000)?;
    if !text(object, "image_url").starts_with("http") || text(object, "alt_text").is_empty() {
        return Err("an image needs image_url and alt_text".to_owned());
    }
    Ok(())
}

/// Whether this is a text of one of these types, neither empty nor too long.
fn text_object(value: Option<&Value>, place: &str, most: usize, types: &[&str]) -> Checked {
    let Some(object) = value.and_then(Value::as_object) else {
        return Err(format!("{place} is no text object"));
    };
    let own = [("type", Kind::Text), ("text", Kind::Text), ("emoji", Kind::Flag), ("verbatim", Kind::Flag)];
    known(object, &own)?;
    let kind = text(object, "type");
    if !types.contains(&kind) {
        return Err(format!("{place} is of type {kind:?}, taken are {types:?}"));
    }
    let other = if kind == "mrkdwn" { "emoji" } else { "verbatim" };
    if object.contains_key(other) {
        return Err(format!("{place}: {other} does not go with {kind}"));
    }
    match characters(text(object, "text")) {
        0 => Err(format!("{place} is empty")),
        count if count > most => Err(format!("{place} has {count} characters, at most {most} are taken")),
        _ => Ok(()),
    }
}
