//! Names and values beside each other.

use serde_json::{Value, json};

use super::limits::{FIELDS, weight};
use super::wire::{cut_escaped, escape, escaped};
use crate::support::webhook::split_as;

/// Characters of a name, and of the part of a value that stands in one field.
const NAME: usize = 250;
const VALUE: usize = 1_700;

/// Characters of a value where there is no room for the whole.
const SHORT: usize = 500;

/// Sections with these fields, in so much room: whole if they have it, otherwise cut, and then as many as there is room
/// for. Also how many have none.
pub(super) fn sections(fields: &[(String, String)], room: usize) -> (Vec<Value>, usize) {
    let whole: Vec<Value> = fields.iter().flat_map(|(name, value)| parts(name, value)).collect();
    let whole = rows(&whole);
    if whole.iter().map(weight).sum::<usize>() <= room {
        return (whole, 0);
    }
    let short: Vec<Value> =
        fields.iter().map(|(name, value)| field(name, &cut_escaped(value, SHORT))).collect();
    let mut taken = 0;
    let fits = |field: &&Value| {
        taken += weight(field);
        taken <= room
    };
    let count = short.iter().take_while(fits).count();
    (rows(short.get(..count).unwrap_or_default()), fields.len() - count)
}

fn rows(fields: &[Value]) -> Vec<Value> {
    fields.chunks(FIELDS).map(|some| json!({ "type": "section", "fields": some })).collect()
}

fn parts(name: &str, value: &str) -> Vec<Value> {
    let part = |(index, part): (usize, &str)| {
        let number = if index == 0 { String::new() } else { format!(" ({})", index + 1) };
        field(&format!("{name}{number}"), &escape(part))
    };
    let parts: Vec<_> = split_as(value, VALUE, escaped).enumerate().map(part).collect();
    if parts.is_empty() { vec![field(name, "")] } else { parts }
}

fn field(name: &str, value: &str) -> Value {
    json!({ "type": "mrkdwn", "text": format!("*{}*\n{value}", cut_escaped(name, NAME)) })
}
