//! What MLflow takes, checked before anything is sent: one bad name would have a whole batch refused.

use std::borrow::Cow;

use nethical_core::delivery::Error;
use serde_json::Value;

/// Characters of a name of a parameter, metric or tag.
const KEY: usize = 250;
/// Characters of the name of an experiment.
const EXPERIMENT: usize = 500;
/// Characters of the name of a run that every database behind a server has room for.
pub(super) const RUN_NAME: usize = 250;
/// Characters of the name of a user that every database behind a server has room for.
pub(super) const USER: usize = 256;
/// Characters of the value of a parameter.
pub(super) const PARAM: usize = 6_000;
/// Characters of the value of a tag.
pub(super) const TAG: usize = 8_000;

/// Whether a name may be used for a parameter, metric or tag.
///
/// # Errors
/// If MLflow would refuse it.
pub(super) fn check_key(what: &str, key: &str) -> Result<(), Error> {
    let length = key.chars().count();
    let why = if key.is_empty() {
        "is empty".to_owned()
    } else if length > KEY {
        format!("has {length} characters, and MLflow takes {KEY}")
    } else if let Some(bad) = key.chars().find(|char| !is_allowed(*char)) {
        format!("holds {bad:?}; MLflow takes letters, digits and `_ - . : /` and spaces")
    } else if key.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        "is no plain path: no part between `/` may be empty, `.` or `..`".to_owned()
    } else {
        return Ok(());
    };
    let start: String = key.chars().take(60).collect();
    Err(Error::refused("mlflow.name", format!("the name of the {what} `{start}` {why}"))
        .with_hint("give it another name"))
}

/// What `\w` is in Python, and a few more.
fn is_allowed(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | ':' | '/' | ' ')
}

/// Whether an experiment may have this name.
///
/// # Errors
/// If MLflow would refuse it.
pub(super) fn check_experiment(name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    if length <= EXPERIMENT {
        return Ok(());
    }
    let text = format!("the name of the experiment has {length} characters, and MLflow takes {EXPERIMENT}");
    Err(Error::refused("mlflow.name", text).with_hint("give it a shorter name"))
}

/// Whether an artifact may be at this path.
///
/// # Errors
/// If MLflow would refuse it.
pub(super) fn check_path(path: &str) -> Result<(), Error> {
    let bad = |part: &str| part.is_empty() || part == "." || part == "..";
    if !path.contains(['#', '\0', '\n']) && !path.split('/').any(bad) {
        return Ok(());
    }
    let text = format!("MLflow keeps no artifact at `{}`", path.escape_debug());
    Err(Error::refused("mlflow.artifact_path", text)
        .with_hint("use no `#` and no line breaks in names, and no empty ones, `.` or `..`"))
}

/// The value of a parameter as MLflow's own client writes it: Python's text of it.
pub(super) fn param_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "None".into(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => python_float(float).into(),
            None => number.to_string().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(_) | Value::Object(_) => spaced(value).into(),
    }
}

/// The text within a limit, with a mark where it was cut.
pub(super) fn within(text: &str, limit: usize) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= limit {
        return text.into();
    }
    let mark = format!("…[cut, {length} characters]");
    let kept = limit.saturating_sub(mark.chars().count());
    text.chars().take(kept).chain(mark.chars()).collect::<String>().into()
}

/// A float as Python prints it: `2e-05`, where others write `2e-5` or `0.00002`.
fn python_float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// JSON with a space after `,` and `:`.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(spaced).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let fields: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), spaced(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_those_that_the_server_takes() {
        let long = "k".repeat(KEY);
        for good in ["loss", "val/f1", "a b", "a.b-c_d:e", "é日本", " x ", "...", &long] {
            check_key("metric", good).unwrap();
        }
        let over = "é".repeat(KEY + 1);
        for bad in [
            "", "/a", "a/", "a//b", "./a", "../a", ".", "..", "a/../b", "a,b", "a@b", "a(b)", "a%", "a\nb",
            &over,
        ] {
            assert!(check_key("metric", bad).is_err(), "{bad}");
        }
        check_experiment(&"e".repeat(EXPERIMENT)).unwrap();
        assert!(check_experiment(&"e".repeat(EXPERIMENT + 1)).is_err());
        check_path("a b/c%?:é.txt").unwrap();
        for bad in ["a#b", "../a", "a//b", "/a", "", "a\nb"] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_read_as_in_python() {
        for (value, text) in [
            (json!(null), "None"),
            (json!(true), "True"),
            (json!(10), "10"),
            (json!(0.1), "0.1"),
            (json!(2e-5), "2e-05"),
            (json!(1.5e-7), "1.5e-07"),
            (json!(0.0001), "0.0001"),
            (json!(1e16), "1e+16"),
            (json!(123456789012345.0), "123456789012345.0"),
            (json!(1.0), "1.0"),
            (json!(-0.0), "-0.0"),
            (json!("x"), "x"),
            (json!([1, "a", { "b": [true] }]), r#"[1, "a", {"b": [true]}]"#),
        ] {
            assert_eq!(param_text(&value), text);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_visibly() {
        assert_eq!(within("é", 1), "é");
        let cut = within(&"é".repeat(PARAM + 1), PARAM).into_owned();
        assert_eq!(cut.chars().count(), PARAM);
        assert!(cut.ends_with("…[cut, 6001 characters]"));
    }
}
