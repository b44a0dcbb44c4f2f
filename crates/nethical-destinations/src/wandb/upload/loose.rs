//! Objects in JSON as W&B writes it, with bare `NaN`, taken apart at their top without reading their values.

use super::super::json;

/// Names and values, these as they are written.
pub(in super::super) fn members(text: &str) -> Vec<(String, &str)> {
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let pieces = inner.map(|inner| split(inner, b',')).unwrap_or_default();
    pieces.into_iter().filter_map(member).collect()
}

fn member(piece: &str) -> Option<(String, &str)> {
    let name = *split(piece, b':').first()?;
    let value = piece.get(name.len() + 1..)?;
    Some((serde_json::from_str(name).ok()?, value.trim()))
}

/// An object of these members.
pub(super) fn object<'m>(members: impl Iterator<Item = (&'m str, String)>) -> String {
    let mut out = vec![b'{'];
    for (name, value) in members {
        if out.len() > 1 {
            out.push(b',');
        }
        json::text(name, &mut out);
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}

/// The parts between separators that stand neither in a string nor inside brackets.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped, mut start) = (0_i64, false, false, 0);
    let mut parts = Vec::new();
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ if byte == separator && depth == 0 => {
                parts.extend(text.get(start..index));
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_taken_apart_at_their_top() {
        let text = r#" {"a,b":NaN, "c\":\"" : {"d":[1,{"e":2}]},"f":"},{:\"", "é":-Infinity} "#;
        let parts = members(text);
        let shown: Vec<_> = parts.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let wanted =
            [("a,b", "NaN"), ("c\":\"", r#"{"d":[1,{"e":2}]}"#), ("f", r#""},{:\"""#), ("é", "-Infinity")];
        assert_eq!(shown, wanted);
        let again = object(shown.iter().map(|(name, value)| (*name, (*value).to_owned())));
        assert_eq!(members(&again), parts);
        assert_eq!(members("{}"), []);
        assert_eq!(members("nonsense"), []);
    }
}
