//! Variables in a JSON Schema: wherever a value can stand, `${NAME}` can stand for it.

use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// A text with a variable in it.
const VARIABLE: &str = r"\$\{[A-Za-z_]";

/// Let a schema and all of its parts also take texts with variables in them.
pub(super) fn allow(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    parts(object).for_each(allow);
    if let Some(mut branches) = object.remove("oneOf").and_then(as_array) {
        branches.push(variable());
        object.insert("anyOf".to_owned(), branches.into());
    } else if let Some(values) = object.remove("enum") {
        object.remove("type");
        object.insert("anyOf".to_owned(), json!([{ "enum": values }, variable()]));
    } else {
        allow_in_type(object);
    }
}

/// What is made of a text need not look like the text.
fn allow_in_type(object: &mut Object) {
    let types = match object.get("type") {
        Some(Value::Array(types)) => types.clone(),
        Some(one) => vec![one.clone()],
        None => return,
    };
    let has = |wanted: &[&str]| types.iter().any(|one| one.as_str().is_some_and(|one| wanted.contains(&one)));
    if has(&["string"]) {
        if let Some(Value::String(pattern)) = object.get_mut("pattern") {
            *pattern = format!("(?:{pattern})|{VARIABLE}");
        }
        object.remove("format");
    } else if has(&["integer", "number", "boolean"]) {
        let also = types.iter().cloned().chain([Value::from("string")]).collect();
        object.insert("type".to_owned(), Value::Array(also));
        object.insert("pattern".to_owned(), VARIABLE.into());
    }
}

/// The schemas in which values are described, `oneOf` aside, which is dealt with as a whole.
fn parts(object: &mut Object) -> impl Iterator<Item = &mut Value> {
    object.iter_mut().flat_map(|(key, inner)| match (key.as_str(), inner) {
        ("properties" | "$defs", Value::Object(named)) => named.values_mut().collect::<Vec<_>>(),
        ("anyOf" | "prefixItems", Value::Array(all)) => all.iter_mut().collect(),
        // The name of a variant is written out; what it holds is a value.
        ("oneOf", Value::Array(all)) => all.iter_mut().filter(|one| one["type"] == "object").collect(),
        ("items" | "additionalProperties", one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    })
}

fn variable() -> Value {
    json!({ "type": "string", "pattern": VARIABLE })
}

fn as_array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(mut schema: Value, expected: &Value) {
        allow(&mut schema);
        assert_eq!(&schema, expected);
    }

    #[test]
    fn numbers_words_and_patterns_may_be_variables() {
        becomes(
            json!({ "type": ["integer", "null"], "minimum": 1 }),
            &json!({ "type": ["integer", "null", "string"], "minimum": 1, "pattern": VARIABLE }),
        );
        becomes(
            json!({ "type": "string", "enum": ["a"], "default": "a" }),
            &json!({ "default": "a", "anyOf": [{ "enum": ["a"] }, variable()] }),
        );
        becomes(
            json!({ "type": "string", "pattern": "^a" }),
            &json!({ "type": "string", "pattern": format!("(?:^a)|{VARIABLE}") }),
        );
        becomes(json!({ "type": "string" }), &json!({ "type": "string" }));
    }

    #[test]
    fn so_may_what_is_inside_tables_and_lists() {
        let number = json!({ "type": ["number", "string"], "pattern": VARIABLE });
        becomes(
            json!({ "type": "object", "properties": { "a": { "items": { "type": "number" } } } }),
            &json!({ "type": "object", "properties": { "a": { "items": number } } }),
        );
        let variant = json!({ "type": "object", "properties": { "block": { "type": "number" } } });
        let both = json!({ "type": "object", "properties": { "block": number } });
        becomes(
            json!({ "oneOf": [{ "const": "drop" }, variant] }),
            &json!({ "anyOf": [{ "const": "drop" }, both, variable()] }),
        );
    }
}
