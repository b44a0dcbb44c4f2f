//! A message that nobody made for Discord, as embeds.
//!
//! What one embed is too small for is spread over several of the same message, so that nothing is lost. Only what has no
//! room in all of them is cut, and says so.

use nethical_core::event::Level;
use serde_json::{Map, Value, json};

use super::limits::{DESCRIPTION, FIELDS, NAME, TITLE, TOGETHER, VALUE};
use crate::support::webhook::{Readable, cut, split, units};

/// Fields of a message: with the longest text before them they are in no more embeds than a message has.
const MOST: usize = 7 * FIELDS;

/// What a text keeps of the room if the fields would take all of it.
const TEXT: usize = 2_500;

type Field = (String, String);

/// The embeds of a message, at least one.
pub(super) fn of(message: &Readable) -> Vec<Value> {
    let title = cut(message.headline().trim(), TITLE).into_owned();
    let origin = cut(&message.origin, 200).into_owned();
    // Something for the footer beside the event's type.
    let room = TOGETHER - units(&title) - units(&origin) - 60;
    let (text, fields) = fitted(message, room);
    let left = message.fields.len().saturating_sub(fields.len());
    let footer = if left > 0 { format!("{origin} · … [cut, {left} more fields]") } else { origin };

    let parts = split(&text, DESCRIPTION).filter(|part| !part.trim().is_empty());
    let parts = parts.map(|part| Map::from_iter([("description".to_owned(), part.into())]));
    let mut embeds: Vec<Map<String, Value>> = parts.collect();
    for (index, some) in fields.chunks(FIELDS).enumerate() {
        if index > 0 || embeds.is_empty() {
            embeds.push(Map::new());
        }
        embeds.last_mut().into_iter().for_each(|embed| _ = embed.insert("fields".to_owned(), shown(some)));
    }
    if embeds.is_empty() {
        embeds.push(Map::new());
    }
    embeds
        .first_mut()
        .into_iter()
        .for_each(|embed| _ = embed.insert("title".to_owned(), title.as_str().into()));
    if let Some(embed) = embeds.last_mut() {
        embed.insert("timestamp".to_owned(), message.timestamp.as_str().into());
        embed.insert("footer".to_owned(), json!({ "text": filled(&footer) }));
    }
    let coloured = embeds.into_iter().map(|mut embed| {
        embed.insert("color".to_owned(), colour(message.level).into());
        embed.into()
    });
    coloured.collect()
}

/// The text and the fields in so much room: whole if they have it, and otherwise as much of each as there is.
fn fitted(message: &Readable, mut room: usize) -> (String, Vec<Field>) {
    let text = message.text.trim();
    let whole: Vec<Field> = message.fields.iter().flat_map(|(name, value)| parts(name, value)).collect();
    if whole.len() <= MOST && units(text) + length(&whole) <= room {
        return (text.to_owned(), whole);
    }
    let short = message
        .fields
        .iter()
        .take(MOST)
        .map(|(name, value)| (named(name), filled(&cut(value.trim(), VALUE))));
    let short: Vec<Field> = short.collect();
    let text = cut(text, room - length(&short).min(room - TEXT)).into_owned();
    room -= units(&text);
    let fits = |field: &Field| {
        let taken = length(std::slice::from_ref(field));
        let fits = taken <= room;
        room = room.saturating_sub(taken);
        fits
    };
    (text, short.into_iter().take_while(fits).collect())
}

/// A field, or several where its value is too long for one.
pub(super) fn parts(name: &str, value: &str) -> Vec<Field> {
    let parts = split(value.trim(), VALUE).enumerate().map(|(index, part)| {
        let name =
            if index == 0 { named(name) } else { format!("{} ({})", cut(name.trim(), NAME - 16), index + 1) };
        (name, filled(part))
    });
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { vec![(named(name), filled(""))] } else { parts }
}

fn named(name: &str) -> String {
    filled(&cut(name.trim(), NAME))
}

fn length(fields: &[Field]) -> usize {
    fields.iter().map(|(name, value)| units(name) + units(value)).sum()
}

fn shown(fields: &[Field]) -> Value {
    let field = |(name, value): &Field| json!({ "name": name, "value": value, "inline": units(value) <= 40 });
    fields.iter().map(field).collect()
}

/// A text that Discord does not take for an empty one.
pub(super) fn filled(text: &str) -> String {
    // A space that has no width, and is not trimmed.
    if text.trim().is_empty() { "\u{200b}".to_owned() } else { text.to_owned() }
}

const fn colour(level: Level) -> u32 {
    match level {
        Level::Debug => 0x9e_9e_9e,
        Level::Info => 0x2e_b8_86,
        Level::Warning => 0xda_a0_38,
        Level::Error => 0xd0_00_00,
        Level::Critical => 0x7b_00_00,
    }
}
