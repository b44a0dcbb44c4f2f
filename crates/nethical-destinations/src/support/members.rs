//! The members of a JSON object, without building it.

use std::borrow::Cow;

/// Call `visit` with the name and the JSON of each member of an object, in order, until it says `false`.
/// What is no object has no members, and what is damaged ends there.
pub(crate) fn members<'j>(object: &'j str, visit: &mut dyn FnMut(&str, &'j str) -> bool) {
    let mut rest = trimmed(object).strip_prefix('{');
    while let Some((name, value, after)) = rest.and_then(member) {
        if !visit(&text(name), value) {
            return;
        }
        rest = after.strip_prefix(',');
    }
}

/// The first `"name":value`, and what comes after it.
fn member(json: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = value(trimmed(json))?;
    let (value, rest) = value(trimmed(trimmed(rest).strip_prefix(':')?))?;
    name.starts_with('"').then_some((name, value, trimmed(rest)))
}

/// Without the blanks before it, of which there usually are none.
fn trimmed(json: &str) -> &str {
    if json.as_bytes().first().is_some_and(u8::is_ascii_whitespace) { json.trim_start() } else { json }
}

/// The value at the start of `json`, and what comes after it.
fn value(json: &str) -> Option<(&str, &str)> {
    let bytes = json.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match bytes.get(at)? {
            b'"' => at = end_of_string(bytes, at)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return json.split_at_checked(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        let is_whole = depth == 0 && matches!(bytes.get(at - 1), Some(b'"' | b'}' | b']'));
        if is_whole || depth == 0 && matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t' | b':')) {
            return json.split_at_checked(at);
        }
    }
}

/// Where the string ends that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// The text of a JSON string; of anything else its JSON.
pub(crate) fn text(value: &str) -> Cow<'_, str> {
    match value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => Cow::Borrowed(text),
        Some(_) => serde_json::from_str(value).map_or(Cow::Borrowed(value), Cow::Owned),
        None => Cow::Borrowed(value),
    }
}

/// Call `visit` with each value that is no object, and the names that lead to it joined by `joint`. An empty
/// object counts as a value.
pub(crate) fn leaves(object: &str, joint: char, visit: &mut dyn FnMut(&str, &str) -> bool) {
    descend(object, joint, &mut String::new(), visit);
}

fn descend(object: &str, joint: char, path: &mut String, visit: &mut dyn FnMut(&str, &str) -> bool) -> bool {
    let mut go_on = true;
    members(object, &mut |name, value| {
        let is_parent = value.starts_with('{') && value != "{}";
        let before = path.len();
        if before == 0 && !is_parent {
            go_on = visit(name, value);
            return go_on;
        }
        if before > 0 {
            path.push(joint);
        }
        path.push_str(name);
        go_on = if is_parent { descend(value, joint, path, visit) } else { visit(path, value) };
        path.truncate(before);
        go_on
    });
    go_on
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn leaves_of(json: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        leaves(json, '/', &mut |path, value| {
            found.push((path.to_owned(), text(value).into_owned()));
            true
        });
        found
    }

    #[test]
    fn objects_open_up_and_lists_stay() {
        let found =
            leaves_of(r#"{"a":{"b":{"c":1.50},"d":"x\n"},"e":[1,{"f":null}],"g":{},"h":null,"i":true}"#);
        let expected = [
            ("a/b/c", "1.50"),
            ("a/d", "x\n"),
            ("e", r#"[1,{"f":null}]"#),
            ("g", "{}"),
            ("h", "null"),
            ("i", "true"),
        ];
        assert_eq!(found, expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
    }

    #[test]
    fn visiting_can_end_early() {
        let mut seen = 0;
        leaves(r#"{"a":{"b":1,"c":2},"d":3}"#, '/', &mut |_, _| {
            seen += 1;
            false
        });
        assert_eq!(seen, 1);
    }

    proptest! {
        #[test]
        fn members_are_those_that_a_json_parser_finds(
            members in prop::collection::vec((any::<String>(), any::<String>(), any::<i64>()), 0..6),
            pretty in any::<bool>(),
        ) {
            let object: serde_json::Map<_, _> = members
                .into_iter()
                .map(|(name, text, number)| (name, json!([text, { text: [number, true] }, null, "\\"])))
                .collect();
            let written = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
            let mut found = serde_json::Map::new();
            super::members(&written.unwrap(), &mut |name, value| {
                found.insert(name.to_owned(), serde_json::from_str(value).unwrap());
                true
            });
            prop_assert_eq!(found, object);
        }

        #[test]
        fn damaged_metadata_ends_where_it_is_damaged(text in "[{}\\[\\]:,\"a1 \\\\]{0,30}") {
            leaves(&text, '/', &mut |_, _| true);
        }
    }
}
