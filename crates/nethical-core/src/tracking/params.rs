//! Parameters as a program gives them, and as they are kept: flat, without secrets.

use serde_json::{Map, Value};

use crate::event::{Metadata, REDACTED, Redaction};

/// Deeper nesting stays as it is.
const DEEPEST: usize = 64;

/// Parameters with nested ones by their dotted names, in order: `{"optimizer": {"lr": 0.1}}` is `optimizer.lr`. The
/// values of names that look like secrets are replaced.
pub fn flatten(params: &Metadata, redaction: &Redaction) -> Vec<(String, Value)> {
    let mut flat = Vec::with_capacity(params.len());
    for (name, value) in params.iter() {
        add(&mut flat, name.to_owned(), value, redaction, DEEPEST);
    }
    flat
}

fn add(flat: &mut Vec<(String, Value)>, name: String, value: &Value, redaction: &Redaction, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() && depth > 0 && !redaction.hides(&name) => {
            for (key, inner) in map {
                add(flat, format!("{name}.{key}"), inner, redaction, depth - 1);
            }
        }
        _ if redaction.hides(&name) => flat.push((name, REDACTED.into())),
        _ => flat.push((name, masked(value, redaction))),
    }
}

/// A value without the secrets in the objects of its lists.
fn masked(value: &Value, redaction: &Redaction) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| masked(item, redaction)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, inner)| masked_entry(key, inner, redaction)).collect::<Map<_, _>>().into()
        }
        _ => value.clone(),
    }
}

fn masked_entry(key: &str, value: &Value, redaction: &Redaction) -> (String, Value) {
    let value = if redaction.hides(key) { REDACTED.into() } else { masked(value, redaction) };
    (key.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flat(value: Value) -> Value {
        let Value::Object(map) = value else { panic!() };
        flatten(&map.into(), &Redaction::default()).into_iter().collect::<Map<_, _>>().into()
    }

    #[test]
    fn nesting_becomes_dots() {
        let given = json!({ "model": "x", "optimizer": { "lr": 0.1, "inner": { "a": null } }, "none": {}, "list": [1, 2] });
        let kept = json!({ "model": "x", "optimizer.lr": 0.1, "optimizer.inner.a": null, "none": {}, "list": [1, 2] });
        assert_eq!(flat(given), kept);
    }

    #[test]
    fn secrets_are_hidden_at_any_depth_and_by_whole_words() {
        let given = json!({ "max_tokens": 5, "auth_token": "s", "db": { "password": "s" }, "credentials": { "user": "s" },
            "steps": [{ "api_key": "s", "name": "n" }] });
        let kept = json!({ "max_tokens": 5, "auth_token": REDACTED, "db.password": REDACTED, "credentials": REDACTED,
            "steps": [{ "api_key": REDACTED, "name": "n" }] });
        assert_eq!(flat(given), kept);
    }
}
