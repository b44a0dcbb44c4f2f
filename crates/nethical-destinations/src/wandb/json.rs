//! JSON as W&B writes it: with bare `NaN`, `Infinity` and `-Infinity` in rows and summaries.

/// Appends a number. `-0.0` is `0`.
pub(crate) fn number(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(shown(value, &mut zmij::Buffer::new()).as_bytes());
}

/// A number as text, in a buffer of the caller's.
pub(crate) fn shown(value: f64, buffer: &mut zmij::Buffer) -> &str {
    match value {
        _ if value.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        0.0 => "0",
        _ => buffer.format_finite(value),
    }
}

/// Appends an integer.
pub(crate) fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a string in quotes.
pub(crate) fn text(value: &str, out: &mut Vec<u8>) {
    if value.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    } else {
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(out, value);
    }
}

/// The same text as strict JSON: numbers that JSON does not have are `null`. W&B wants that in configurations.
pub(crate) fn strict(loose: &str) -> String {
    replace_bare(loose, |_| "null")
}

/// Something that parses as strict JSON, with the numbers that JSON does not have as strings.
pub(crate) fn quoted(loose: &str) -> String {
    replace_bare(loose, |word| match word {
        "NaN" => "\"NaN\"",
        "Infinity" => "\"Infinity\"",
        _ => "\"-Infinity\"",
    })
}

fn replace_bare(loose: &str, with: impl Fn(&'static str) -> &'static str) -> String {
    let mut out = String::with_capacity(loose.len());
    let mut rest = loose;
    while !rest.is_empty() {
        let length = if rest.starts_with('"') { string_length(rest) } else { run_length(rest) };
        let (piece, behind) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| *word == piece);
        out.push_str(word.map_or(piece, |word| with(word)));
        rest = behind;
    }
    out
}

/// Up to the end of the string that starts here.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// A word, or one character of another kind.
fn run_length(text: &str) -> usize {
    let is_word = |character: char| character.is_ascii_alphanumeric() || "-+.".contains(character);
    match text.find(|character| !is_word(character)) {
        Some(0) => text.chars().next().map_or(1, char::len_utf8),
        Some(end) => end,
        None => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64) -> String {
        let mut out = Vec::new();
        number(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_that_json_does_not_have_are_bare() {
        let all = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1.0, 0.1, 1e300].map(written);
        assert_eq!(all, ["NaN", "Infinity", "-Infinity", "0", "1.0", "0.1", "1e+300"]);
    }

    #[test]
    fn strict_text_parses_and_leaves_strings_alone() {
        let loose = r#"{"a":NaN,"b":[-Infinity,Infinity,1.5e-3],"NaN":"NaN, \"Infinity","c":{"d":null}}"#;
        let expected = r#"{"a":null,"b":[null,null,1.5e-3],"NaN":"NaN, \"Infinity","c":{"d":null}}"#;
        assert_eq!(strict(loose), expected);
        serde_json::from_str::<serde_json::Value>(&quoted(loose)).unwrap();
        assert_eq!(strict("\"unterminated"), "\"unterminated");
    }
}
