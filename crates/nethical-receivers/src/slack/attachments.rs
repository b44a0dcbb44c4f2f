//! Attachments: the older form, and the only one with a colour.

use serde_json::{Map, Value};

use super::blocks;
use super::message::{Checked, Kind, at_most, known, list, text};

const KEYS: &[(&str, Kind)] = &[
    ("author_icon", Kind::Text),
    ("author_link", Kind::Text),
    ("author_name", Kind::Text),
    ("blocks", Kind::List),
    ("color", Kind::Text),
    ("fallback", Kind::Text),
    ("fields", Kind::List),
    ("footer", Kind::Text),
    ("footer_icon", Kind::Text),
    ("image_url", Kind::Text),
    ("mrkdwn_in", Kind::List),
    ("pretext", Kind::Text),
    ("text", Kind::Text),
    ("thumb_url", Kind::Text),
    ("title", Kind::Text),
    ("title_link", Kind::Text),
    ("ts", Kind::Number),
];

/// Keys of which one must hold something.
const CONTENT: [&str; 7] = ["author_name", "fallback", "image_url", "pretext", "text", "thumb_url", "title"];

/// Whether these attachments are all right, in a message that has so many blocks already.
pub(super) fn check(attachments: &[Value], mut blocks: usize) -> Checked {
    for (index, attachment) in attachments.iter().enumerate() {
        let within = |why| format!("attachments[{index}]: {why}");
        let Some(attachment) = attachment.as_object() else { return Err(within("no object".to_owned())) };
        one(attachment).map_err(within)?;
        blocks += list(attachment, "blocks").len();
        if blocks > 50 {
            return Err(within("more than 50 blocks in all".to_owned()));
        }
    }
    Ok(())
}

fn one(attachment: &Map<String, Value>) -> Checked {
    known(attachment, KEYS)?;
    if !is_colour(text(attachment, "color")) {
        return Err(format!("{:?} is no color", text(attachment, "color")));
    }
    at_most(attachment, "footer", 300)?;
    let own = [("title", Kind::Text), ("value", Kind::Text), ("short", Kind::Flag)];
    for field in list(attachment, "fields") {
        known(field.as_object().ok_or("a field is no object")?, &own)?;
    }
    let blocks = list(attachment, "blocks");
    let nothing = blocks.is_empty() && list(attachment, "fields").is_empty();
    if nothing && CONTENT.iter().all(|key| text(attachment, key).is_empty()) {
        return Err("nothing to show".to_owned());
    }
    blocks::check(blocks, "blocks")
}

fn is_colour(text: &str) -> bool {
    let hex = text.strip_prefix('#').unwrap_or(text);
    ["", "good", "warning", "danger"].contains(&text)
        || (matches!(hex.len(), 3 | 6) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
