//! Saying for people what serde says for programmers.

use serde::de::Unexpected;

/// The one of `names` that somebody who wrote `name` most likely meant.
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_lowercase();
    let far = (name.chars().count() / 3).max(1);
    let distance = |other: &str| strsim::damerau_levenshtein(&name, &other.to_lowercase());
    let ranked = names.into_iter().map(|other| (distance(other), other));
    ranked
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// `a`, `b` and `c`, with this word before the last one.
pub fn one_of<'n>(names: impl IntoIterator<Item = &'n str>, word: &str) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match (names.pop(), names.is_empty()) {
        (Some(last), false) => format!("{} {word} {last}", names.join(", ")),
        (last, _) => last.unwrap_or_default(),
    }
}

pub(super) fn expected(wanted: &str) -> String {
    match wanted {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" | "u128" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" | "i128" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "str" | "string" => "text",
        "path string" => "a path",
        "a sequence" => "a list",
        "a map" => "a table",
        _ if wanted.starts_with("a nonzero ") => "a whole number, 1 or more",
        _ if wanted.starts_with("struct ") => "a table",
        _ if wanted.starts_with("enum ") => "text or a table",
        other => other,
    }
    .to_owned()
}

pub(super) fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value:?}`"),
        Unexpected::Str(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}
