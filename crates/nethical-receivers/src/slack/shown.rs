//! What people read of a message.

use serde_json::Value;

fn string<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A message as plain text, one line per line. Blocks stand for `text`, as they do in Slack.
pub(super) fn message(body: &Value) -> String {
    let mut lines = Vec::new();
    let blocks = items(body, "blocks");
    if blocks.is_empty() {
        lines.extend(plain(string(body, "text")));
    }
    for item in blocks {
        lines.extend(block(item));
    }
    for attachment in items(body, "attachments") {
        let mut own = Vec::new();
        for key in ["pretext", "author_name", "title", "text"] {
            own.extend(plain(string(attachment, key)));
        }
        for field in items(attachment, "fields") {
            own.extend(plain(&format!("{}: {}", string(field, "title"), string(field, "value"))));
        }
        own.extend(items(attachment, "blocks").iter().flat_map(block));
        own.extend(plain(string(attachment, "footer")));
        lines.extend(own.into_iter().map(|line| format!("| {line}")));
    }
    lines.join("\n")
}

fn block(item: &Value) -> Vec<String> {
    let text_of = |value: &Value| string(value, "text").to_owned();
    let mut lines = match string(item, "type") {
        "divider" => vec!["----".to_owned()],
        "markdown" => plain(string(item, "text")),
        "image" => plain(string(item, "alt_text")),
        _ => item.get("text").map(text_of).iter().flat_map(|text| plain(text)).collect(),
    };
    for part in items(item, "fields").iter().chain(items(item, "elements")) {
        let text = match string(part, "type") {
            "image" => string(part, "alt_text").to_owned(),
            "button" => part.get("text").map(text_of).unwrap_or_default(),
            _ => text_of(part),
        };
        lines.push(plain(&text).join(" "));
    }
    lines
}

/// Text without emphasis, entities and controls.
fn plain(text: &str) -> Vec<String> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        shown += before;
        match after.split_once('>') {
            Some((control, after)) => {
                shown += &label(control);
                rest = after;
            }
            None => {
                shown += "<";
                rest = after;
            }
        }
    }
    shown += rest;
    let shown = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    shown.lines().map(|line| line.replace('*', "").trim_end().to_owned()).collect()
}

fn label(control: &str) -> String {
    match control.split_once('|') {
        Some((_, label)) => label.to_owned(),
        None => control.strip_prefix('!').map_or_else(|| control.to_owned(), |name| format!("@{name}")),
    }
}

/// Everything between `<` and `>` in any text of the message.
pub(super) fn controls(body: &Value) -> Vec<String> {
    match body {
        Value::String(text) => {
            let parts = text.split('<').skip(1).filter_map(|part| part.split_once('>'));
            parts.map(|(control, _)| control.to_owned()).collect()
        }
        Value::Array(items) => items.iter().flat_map(controls).collect(),
        Value::Object(object) => object.values().flat_map(controls).collect(),
        _ => Vec::new(),
    }
}
