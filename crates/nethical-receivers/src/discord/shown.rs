//! What people read of a message, and who is called to it.

use serde_json::Value;

fn string<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A message as plain text, one line per line.
pub(super) fn message(body: &Value) -> String {
    let mut lines: Vec<String> = string(body, "content").lines().map(plain).collect();
    for embed in items(body, "embeds") {
        let mut own = Vec::new();
        own.extend(embed.get("author").map(|author| string(author, "name").to_owned()));
        own.extend(string(embed, "title").lines().map(plain));
        own.extend(string(embed, "description").lines().map(plain));
        for field in items(embed, "fields") {
            own.push(format!("{}: {}", plain(string(field, "name")), plain(string(field, "value"))));
        }
        own.extend(embed.get("footer").map(|footer| string(footer, "text").to_owned()));
        lines.extend(own.into_iter().map(|line| format!("| {line}")));
    }
    lines.join("\n")
}

/// Without emphasis and escapes.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => shown.extend(letters.next()),
            '*' => {}
            _ => shown.push(letter),
        }
    }
    shown
}

/// Who the content calls, and `allowed_mentions` lets it: by default users, as for every webhook.
pub(super) fn notified(body: &Value) -> Vec<String> {
    let content = string(body, "content");
    let allowed = body.get("allowed_mentions").filter(|value| value.is_object());
    let parses = |kind: &str| match allowed {
        None => kind == "users",
        Some(allowed) => items(allowed, "parse").iter().any(|item| item == kind),
    };
    let names = |kind: &str, id: &str| {
        allowed.is_some_and(|allowed| items(allowed, kind).iter().any(|item| item == id))
    };
    let mut found = Vec::new();
    for word in ["everyone", "here"] {
        if content.contains(&format!("@{word}")) && parses("everyone") {
            found.push(word.to_owned());
        }
    }
    for part in content.split("<@").skip(1).filter_map(|part| part.split_once('>')).map(|(id, _)| id) {
        let (kind, id) = match part.strip_prefix('&') {
            Some(id) => ("roles", id),
            None => ("users", part.trim_start_matches('!')),
        };
        if parses(kind) || names(kind, id) {
            found.push(if kind == "roles" { format!("&{id}") } else { format!("@{id}") });
        }
    }
    found
}
