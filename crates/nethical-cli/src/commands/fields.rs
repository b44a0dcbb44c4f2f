//! `key=value` on the command line.

use std::ffi::OsString;

use nethical::Metadata;
use serde_json::Value;

use crate::failure::Failure;

pub(crate) fn read(words: Vec<&OsString>) -> Result<Metadata, Failure> {
    let mut metadata = Metadata::new();
    for word in words {
        let word = word.to_string_lossy();
        match word.split_once('=') {
            Some((key, text)) if !key.is_empty() => metadata.insert(key.to_owned(), value(text)),
            _ => {
                let hint = "write `key=value`, and put a message of several words in quotes";
                return Err(Failure::usage(format!("`{word}` is no field"), hint));
            }
        }
    }
    Ok(metadata)
}

/// A JSON scalar as such, all else as text. A number that JSON would write in another way (`1.10`,
/// `007`, one with more digits than a number can hold) is text, so that nothing is lost.
fn value(text: &str) -> Value {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Number(number)) if number.to_string().as_str() == text => Value::Number(number),
        Ok(scalar @ (Value::Null | Value::Bool(_) | Value::String(_))) => scalar,
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_are_json_and_all_else_is_text() {
        for (text, wanted) in [
            ("1500", json!(1500)),
            ("-3", json!(-3)),
            ("0.91", json!(0.91)),
            ("true", json!(true)),
            ("null", json!(null)),
            ("\"5\"", json!("5")),
            ("/dev/sda1", json!("/dev/sda1")),
            ("1.10", json!("1.10")),
            ("007", json!("007")),
            ("123456789012345678901234567890", json!("123456789012345678901234567890")),
            ("1e999", json!("1e999")),
            ("[1]", json!("[1]")),
            ("a=b", json!("a=b")),
            ("", json!("")),
        ] {
            assert_eq!(value(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_word_without_a_key_is_refused() {
        for word in ["word", "=value", ""] {
            assert!(read(vec![&OsString::from(word)]).is_err(), "{word}");
        }
    }
}
