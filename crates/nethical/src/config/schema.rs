//! The JSON Schema of a configuration, from the options of every destination.

use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

use super::alerting::{MonitorTable, RepeatsTable, RouteTable};
use super::feeding::Feeding;
use super::rules::{LimitsTable, RedactionTable};
use super::schema_variables;
use super::section::Section;
use super::spool::SpoolTable;

type Object = Map<String, Value>;

pub(super) fn whole() -> Value {
    let mut definitions = Object::new();
    let feeding = hoist(schema_for!(Feeding), "feeding", &mut definitions);
    let mut tables = Object::new();
    for one in Section::ALL {
        tables.insert(one.name().to_owned(), section(one, &feeding, &mut definitions));
    }
    let repeats = hoist(schema_for!(RepeatsTable), "repeats", &mut definitions);
    if let (Some(own), Some(common)) =
        (tables.get_mut("alerts").and_then(properties_mut), properties_of(&repeats))
    {
        own.extend(common.iter().map(|(key, schema)| (key.clone(), schema.clone())));
    }
    let route = hoist(schema_for!(RouteTable), "route", &mut definitions);
    let monitor = hoist(schema_for!(MonitorTable), "monitor", &mut definitions);
    for (name, item) in [("routes", route), ("monitors", monitor)] {
        let about = item.get("description").cloned();
        tables.insert(name.to_owned(), json!({ "description": about, "type": "array", "items": item }));
    }
    let spool = hoist(schema_for!(SpoolTable), "spool", &mut definitions);
    let redaction = hoist(schema_for!(RedactionTable), "redaction", &mut definitions);
    let limits = hoist(schema_for!(LimitsTable), "limits", &mut definitions);
    let others = [("spool", spool), ("redaction", redaction), ("limits", limits)];
    tables.extend(others.map(|(name, table)| (name.to_owned(), table)));
    let mut whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The configuration of Nethical",
        "type": "object",
        "properties": tables,
        "additionalProperties": false,
        "$defs": definitions,
    });
    schema_variables::allow(&mut whole);
    whole
}

/// The schema of a table that holds destinations.
fn section(section: Section, feeding: &Value, definitions: &mut Object) -> Value {
    let mut properties = Object::new();
    let enabled = json!({ "description": "`false`: the whole table is left alone.", "type": "boolean", "default": true });
    properties.insert("enabled".to_owned(), enabled);
    let mut others = Vec::new();
    for kind in section.kinds() {
        if !definitions.contains_key(kind.name) {
            let own = hoist((kind.schema)(), kind.name, definitions);
            definitions.insert(kind.name.to_owned(), with_feeding(own, feeding, kind.summary));
        }
        let destination = json!({ "$ref": format!("#/$defs/{}", kind.name) });
        others.push(named(&destination, kind.name));
        properties.insert(kind.name.to_owned(), destination);
    }
    json!({
        "description": about(section),
        "type": "object",
        "properties": properties,
        "additionalProperties": { "anyOf": others },
    })
}

/// What stands in a table, for whoever writes one.
const fn about(section: Section) -> &'static str {
    match section {
        Section::Logging => {
            "What takes log entries: a table for each destination, by its type or by a name of its own."
        }
        Section::Alerts => {
            "What takes alerts and webhook messages: a table for each destination, and how often alerts are sent."
        }
        Section::Runs => {
            "What keeps experiment runs: a table for each platform, by its type or by a name of its own."
        }
    }
}

/// A schema as a part of another one: its definitions move to the whole's, under names of their own.
fn hoist(schema: Schema, prefix: &str, definitions: &mut Object) -> Value {
    let mut value = schema.to_value();
    rename_references(&mut value, prefix);
    if let Some(object) = value.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
        if let Some(Value::Object(own)) = object.remove("$defs") {
            definitions.extend(own.into_iter().map(|(name, schema)| (format!("{prefix}.{name}"), schema)));
        }
    }
    value
}

fn rename_references(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                match inner {
                    Value::String(reference) if key == "$ref" => {
                        *reference = reference.replace("#/$defs/", &format!("#/$defs/{prefix}."));
                    }
                    _ => rename_references(inner, prefix),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename_references(item, prefix)),
        _ => {}
    }
}

/// A destination's own options, and those of all.
fn with_feeding(mut destination: Value, feeding: &Value, summary: &str) -> Value {
    if let Some(object) = destination.as_object_mut() {
        object.insert("description".to_owned(), summary.into());
        let properties = object.entry("properties").or_insert_with(|| json!({}));
        if let (Some(own), Some(common)) = (properties.as_object_mut(), properties_of(feeding)) {
            own.extend(common.iter().map(|(key, schema)| (key.clone(), schema.clone())));
        }
    }
    destination
}

fn properties_mut(schema: &mut Value) -> Option<&mut Object> {
    schema.get_mut("properties")?.as_object_mut()
}

fn properties_of(schema: &Value) -> Option<&Object> {
    schema.get("properties")?.as_object()
}

/// The schema of a table with another name: it must say its type.
fn named(destination: &Value, kind: &str) -> Value {
    json!({
        "allOf": [destination],
        "properties": { "type": { "const": kind } },
        "required": ["type"],
    })
}
