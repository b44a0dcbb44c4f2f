//! Whole numbers that no machine's number holds.

use std::borrow::Cow;

/// Fewer digits always fit into 64 bits.
const DIGITS: usize = 19;

/// The same JSON, in which whole numbers beyond 64 bits are text with all of their digits: to be read by what would
/// round them.
pub fn whole_numbers(json: &str) -> Cow<'_, str> {
    if !has_many_digits(json) {
        return Cow::Borrowed(json);
    }
    let (mut out, mut rest) = (String::with_capacity(json.len() + 2), json);
    while let Some(at) = rest.find(|letter: char| letter == '"' || letter == '-' || letter.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let (token, after) = from.split_at(length(from));
        let quote = if is_beyond(token) { "\"" } else { "" };
        [before, quote, token, quote].iter().for_each(|part| out.push_str(part));
        rest = after;
    }
    Cow::Owned(out + rest)
}

fn has_many_digits(json: &str) -> bool {
    let mut digits = 0;
    json.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits >= DIGITS
    })
}

/// How long the text or number is that begins here.
fn length(from: &str) -> usize {
    let in_number = |letter: char| letter.is_ascii_digit() || "+-.eE".contains(letter);
    // As if it were, for the first one.
    let mut escaped = true;
    let ends = |letter: char| {
        let ends = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        ends
    };
    let end = if from.starts_with('"') {
        from.find(ends).map(|at| at + 1)
    } else {
        from.find(|letter| !in_number(letter))
    };
    end.unwrap_or(from.len())
}

fn is_beyond(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    is_whole && !digits.is_empty() && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_fits_stays_a_number() {
        for (text, wanted) in [
            ("[18446744073709551615,-9223372036854775808]", "[18446744073709551615,-9223372036854775808]"),
            ("18446744073709551616", "\"18446744073709551616\""),
            ("-9223372036854775809", "\"-9223372036854775809\""),
            ("[1.00000000000000000000001, 1e5]", "[1.00000000000000000000001, 1e5]"),
            ("12345678901234567890e5", "12345678901234567890e5"),
            (
                r#"{"é 12345678901234567890123": "\"12345678901234567890123", "n": [12345678901234567890123 ]}"#,
                r#"{"é 12345678901234567890123": "\"12345678901234567890123", "n": ["12345678901234567890123" ]}"#,
            ),
            (r#""a\\",12345678901234567890123"#, r#""a\\","12345678901234567890123""#),
            ("00000000000000000000000001", "00000000000000000000000001"),
            ("\"1234567890123456789 open", "\"1234567890123456789 open"),
        ] {
            assert_eq!(whole_numbers(text), wanted);
        }
    }

    proptest! {
        #[test]
        fn all_else_is_read_as_before(text in any::<String>(), number in any::<i64>(), float in any::<f64>()) {
            let json = serde_json::json!({ text.as_str(): [text, number, float, u64::MAX] }).to_string();
            let read = |json: &str| serde_json::from_str::<Value>(json).unwrap();
            prop_assert_eq!(read(&whole_numbers(&json)), read(&json));
        }

        #[test]
        fn any_text_is_gone_through(text in "[\"\\\\0-9eE.+\\-é{}:,]{0,60}") {
            whole_numbers(&text);
        }
    }
}
