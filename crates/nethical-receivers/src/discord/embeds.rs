//! Embeds.

use serde_json::Value;

use super::faults::Faults;

const MOST_TOGETHER: usize = 6_000;

/// Whether these embeds are all right, each and together.
pub(super) fn check(faults: &mut Faults, value: &Value) {
    let mut together = 0;
    faults.list(value, 10, |faults, embed| together += one(faults, embed));
    if together > MOST_TOGETHER {
        faults.add("MAX_EMBED_SIZE_EXCEEDED", format!("Embed size exceeds maximum size of {MOST_TOGETHER}"));
    }
}

/// Returns the characters that count towards the limit over all embeds.
fn one(faults: &mut Faults, embed: &Value) -> usize {
    let mut counted = 0;
    let mut shows = false;
    faults.object(embed, |faults, key, value| {
        shows |= !["color", "timestamp", "url", "type"].contains(&key);
        match key {
            "title" => counted += faults.text(value, 0, 256),
            "description" => counted += faults.text(value, 0, 4_096),
            "url" => faults.url(value),
            "color" => colour(faults, value),
            "timestamp" => timestamp(faults, value),
            "author" => counted += named(faults, value, "name", 256),
            "footer" => counted += named(faults, value, "text", 2_048),
            "image" | "thumbnail" => {
                faults.object(value, |faults, key, value| {
                    faults.url(value);
                    key == "url"
                });
            }
            "fields" => faults.list(value, 25, |faults, value| counted += field(faults, value)),
            "type" if value == "rich" => {}
            _ => return false,
        }
        true
    });
    if !shows {
        faults.add("BASE_TYPE_REQUIRED", "This embed shows nothing.");
    }
    counted
}

fn colour(faults: &mut Faults, value: &Value) {
    match value.as_i64() {
        None => faults.add("NUMBER_TYPE_COERCE", format!("Value {value} is not int.")),
        Some(0..=0xff_ffff) => {}
        Some(_) => faults.add("NUMBER_TYPE_MAX", "int value should be between 0 and 16777215."),
    }
}

fn timestamp(faults: &mut Faults, value: &Value) {
    let text = value.as_str().unwrap_or_default();
    if text.parse::<jiff::Timestamp>().is_err() {
        faults.add("DATE_TIME_TYPE_PARSE", format!("Could not parse {text}. Should be ISO8601."));
    }
}

/// An author or a footer: a text and addresses.
fn named(faults: &mut Faults, value: &Value, text: &str, most: usize) -> usize {
    let mut counted = 0;
    faults.object(value, |faults, key, value| {
        if key == text {
            counted = faults.text(value, 1, most);
        } else {
            faults.url(value);
        }
        key == text || key == "icon_url" || (key == "url" && text == "name")
    });
    counted
}

fn field(faults: &mut Faults, value: &Value) -> usize {
    let mut counted = 0;
    for key in ["name", "value"] {
        if value.get(key).is_none_or(Value::is_null) {
            faults.within(key, |faults| faults.add("BASE_TYPE_REQUIRED", "This field is required"));
        }
    }
    faults.object(value, |faults, key, value| {
        match key {
            "name" => counted += faults.text(value, 1, 256),
            "value" => counted += faults.text(value, 1, 1_024),
            "inline" => faults.flag(value),
            _ => return false,
        }
        true
    });
    counted
}
