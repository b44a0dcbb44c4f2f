//! Whether the guide to a destination says what its types say.

use std::collections::BTreeSet;

use nethical_destinations::Descriptor;
use serde_json::Value;

/// A row of the table of options: names and default, without the marks.
struct Row {
    names: Vec<String>,
    default: String,
}

/// The first table whose columns are option, default and meaning.
fn table(docs: &str) -> Vec<Row> {
    let (_, table) = docs.split_once("| option | default | meaning |\n|---|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let mut cells = line.split('|').skip(1).map(|cell| cell.trim().replace('`', ""));
        let names = cells.next().unwrap().split(", ").map(str::to_owned).collect();
        Row { names, default: cells.next().unwrap() }
    };
    rows.map(row).collect()
}

/// Whether a cell says this value.
fn says(cell: &str, value: &Value) -> bool {
    let plain = cell.trim_matches('"');
    match value {
        Value::String(text) => plain == text,
        Value::Number(number) => plain.replace(',', "").parse().ok() == number.as_f64(),
        other => serde_json::from_str::<Value>(cell).is_ok_and(|written| written == *other),
    }
}

/// The table of options has each option of the type, no other, and the defaults of the type.
pub(crate) fn the_table_of_options_is_that_of_the_type(descriptor: &'static Descriptor) {
    let schema = (descriptor.schema)();
    let properties = schema.as_object().unwrap()["properties"].as_object().unwrap();
    let rows = table(descriptor.docs);
    let documented: BTreeSet<_> = rows.iter().flat_map(|row| &row.names).collect();
    assert_eq!(documented, properties.keys().collect::<BTreeSet<_>>());
    for row in rows {
        for name in &row.names {
            let default = properties[name].get("default").filter(|default| !is_empty(default));
            if let Some(default) = default {
                assert!(says(&row.default, default), "`{name}`: {default} is not {:?}", row.default);
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(|object| object.is_empty())
}

/// What everybody wants to know of a destination stands in its guide.
pub(crate) fn the_guide_says_what_confirmed_means_and_what_is_doubled(descriptor: &'static Descriptor) {
    let docs = descriptor.docs.to_lowercase();
    for word in ["confirmed", "duplicate"] {
        assert!(docs.contains(word), "docs.md says nothing of what is {word}");
    }
    let asks_a_service = descriptor.name != "memory";
    let trouble = ["## when something is wrong", "## when it does not work"];
    assert_eq!(trouble.iter().any(|heading| docs.contains(heading)), asks_a_service);
}
