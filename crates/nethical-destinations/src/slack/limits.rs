//! How long the parts of a message may be (Block Kit reference, `chat.postMessage`): in characters, for which UTF-16 units
//! stand here, since they are never fewer.

use serde_json::Value;

use crate::support::webhook::units;

/// The text of a message. Slack cuts a longer one.
pub(super) const TEXT: usize = 40_000;
/// Blocks in a message, those in attachments included.
pub(super) const BLOCKS: usize = 50;
/// All blocks of a message together, by [`weight`]. Slack documents no such limit and has one: it refuses blocks of
/// about 13,200 characters (`msg_blocks_too_long`).
pub(super) const TOGETHER: usize = 12_500;
/// Attachments in a message.
pub(super) const ATTACHMENTS: usize = 100;
/// The text of a header.
pub(super) const HEADER: usize = 150;
/// The text of a section, and of an element of a context.
pub(super) const SECTION: usize = 3_000;
/// Fields of a section.
pub(super) const FIELDS: usize = 10;
/// The text of a field.
pub(super) const FIELD: usize = 2_000;
/// Elements of a context.
pub(super) const CONTEXT: usize = 10;
/// Elements of a row of actions.
pub(super) const ACTIONS: usize = 25;
/// The text of a block of Markdown.
pub(super) const MARKDOWN: usize = 12_000;
/// The id of a block.
pub(super) const ID: usize = 255;
/// The line at the foot of an attachment.
pub(super) const FOOTER: usize = 300;

/// What a block counts for among all of them: its texts, and something for what is around them.
pub(super) fn weight(block: &Value) -> usize {
    60 + texts(block)
}

fn texts(value: &Value) -> usize {
    match value {
        Value::String(text) => units(text),
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(object) => object.values().map(|value| 20 + texts(value)).sum(),
        _ => 0,
    }
}
