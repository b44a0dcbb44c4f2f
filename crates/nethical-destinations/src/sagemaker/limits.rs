//! What SageMaker and CloudWatch take, checked at the call (service models `sagemaker-2017-07-24`,
//! `sagemaker-metrics-2022-09-30`, `monitoring-2010-08-01`).

use std::borrow::Cow;

use nethical_core::delivery::Error;
use serde_json::{Value, json};

/// Entries in `Parameters` of a trial component.
pub(super) const PARAMETERS: usize = 300;
/// Characters of the name of a parameter.
const PARAMETER_NAME: usize = 320;
/// Characters of a parameter that is a text.
pub(super) const PARAMETER_TEXT: usize = 2_500;
/// Entries in `OutputArtifacts` of a trial component.
pub(super) const ARTIFACTS: usize = 60;
/// Characters of the name of an artifact.
pub(super) const ARTIFACT_NAME: usize = 128;
/// Characters of the address of an artifact.
pub(super) const ARTIFACT_VALUE: usize = 2_048;
/// Characters of the message of a status.
pub(super) const MESSAGE: usize = 1_024;
/// Characters of the description of an experiment.
pub(super) const DESCRIPTION: usize = 3_072;
/// Characters of the name of a metric.
const METRIC_NAME: usize = 255;
/// Points in one `BatchPutMetrics`.
pub(super) const POINTS: usize = 10;
/// Points in one `PutMetricData`.
pub(super) const DATA: usize = 1_000;
/// Bytes of one `PutMetricData` before it is compressed, with some to spare of "1 MB in size for HTTP POST requests".
pub(super) const DATA_BYTES: usize = 1_000_000;
/// "Values must be in the range of -2^360 to 2^360. In addition, special values (for example, NaN, +Infinity, -Infinity)
/// are not supported."
pub(super) const LARGEST: f64 = f64::from_bits((360 + 1_023) << 52);
/// The largest number of a step: an integer of 32 bits.
pub(super) const STEP: i64 = i32::MAX as i64;
/// Tags of one resource.
pub(super) const TAGS: usize = 50;
/// Names of parameters that are ours.
const OWN: &str = "nethical.";

/// Whether a parameter may have this name.
pub(super) fn check_parameter(name: &str) -> Result<(), Error> {
    let length = name.chars().count();
    let why = if name.is_empty() {
        "is empty".to_owned()
    } else if length > PARAMETER_NAME {
        format!("has {length} characters, and SageMaker takes {PARAMETER_NAME}")
    } else if name.contains(['\n', '\r']) {
        "has a line end".to_owned()
    } else if name.starts_with(OWN) {
        format!("starts with `{OWN}`, which says what did not fit")
    } else {
        return Ok(());
    };
    Err(name_error("parameter", name, &why))
}

/// Whether a metric may have this name and step.
pub(super) fn check_metric(name: &str, step: Option<i64>) -> Result<(), Error> {
    let length = name.chars().count();
    if name.is_empty() || length > METRIC_NAME || name.contains(['\n', '\r']) {
        let why = format!("has {length} characters or a line end, and SageMaker takes 1 to {METRIC_NAME}");
        return Err(name_error("metric", name, &why));
    }
    match step {
        Some(step) if !(0..=STEP).contains(&step) => {
            let text = format!("step {step} of `{name}`: SageMaker counts steps from 0 to {STEP}");
            Err(Error::refused("sagemaker.step", text).with_hint("count from 0, or leave the step out"))
        }
        _ => Ok(()),
    }
}

/// Whether SageMaker takes this tag.
pub(super) fn check_tag(name: &str, value: &str) -> Result<(), Error> {
    let hint = "use letters, digits, spaces and `_ . : / = + - @`, at most 128 in a name and 256 in a value";
    let error = |text: String| Err(Error::refused("sagemaker.tag", text).with_hint(hint));
    let shown: String = name.chars().take(60).collect();
    if !(1..=128).contains(&name.chars().count()) || !name.chars().all(is_of_tag) {
        return error(format!("`{shown}` is no name of a tag in AWS"));
    }
    if name.to_lowercase().starts_with("aws:") {
        return error(format!("the tag `{shown}` starts with `aws:`, which AWS keeps for itself"));
    }
    if value.chars().count() > 256 || !value.chars().all(is_of_tag) {
        return error(format!(
            "the value of the tag `{shown}` is too long for AWS, or holds what it does not take"
        ));
    }
    Ok(())
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`
fn is_of_tag(char: char) -> bool {
    char.is_alphanumeric() || (char.is_whitespace() && !char.is_control()) || "_.:/=+-@".contains(char)
}

/// The nearest to this text that a tag can have as its value.
pub(super) fn tag_value(text: &str) -> String {
    text.chars().map(|char| if is_of_tag(char) { char } else { '_' }).take(256).collect()
}

fn name_error(what: &str, name: &str, why: &str) -> Error {
    let start: String = name.chars().take(60).collect();
    Error::refused("sagemaker.name", format!("the name of the {what} `{start}` {why}"))
        .with_hint("give it another name")
}

/// A parameter as SageMaker writes it.
pub(super) fn parameter(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64().filter(|float| is_exact(number, *float)) {
            Some(float) => json!({ "NumberValue": float }),
            None => text(&number.to_string()),
        },
        Value::String(string) => text(string),
        other => text(&other.to_string()),
    }
}

/// Whether the number stays the same as a float.
fn is_exact(number: &serde_json::Number, float: f64) -> bool {
    const EXACT: u64 = 1 << 53;
    float.is_finite()
        && (number.is_f64()
            || number
                .as_i64()
                .map(i64::unsigned_abs)
                .or_else(|| number.as_u64())
                .is_some_and(|whole| whole <= EXACT))
}

fn text(string: &str) -> Value {
    json!({ "StringValue": within(string, PARAMETER_TEXT) })
}

/// The text on one line and within a limit, with a mark where it was cut.
pub(super) fn within(text: &str, limit: usize) -> Cow<'_, str> {
    let text = one_line(text);
    let length = text.chars().count();
    if length <= limit {
        return text;
    }
    let mark = format!("…[cut, {length} characters]");
    let kept = limit.saturating_sub(mark.chars().count());
    text.chars().take(kept).chain(mark.chars()).collect::<String>().into()
}

/// SageMaker's texts are of one line.
fn one_line(text: &str) -> Cow<'_, str> {
    let breaks = |char: char| matches!(char, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if !text.contains(breaks) {
        return text.into();
    }
    text.chars()
        .map(|char| if breaks(char) { char.escape_default().to_string() } else { char.to_string() })
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<(), Error>) -> &'static str {
        result.map_or_else(|error| error.code(), |()| "fine")
    }

    #[test]
    fn names_at_and_over_their_limits() {
        assert_eq!(code(check_parameter(&"é".repeat(320))), "fine");
        for wrong in ["é".repeat(321), String::new(), "a\nb".to_owned(), "nethical.overflow".to_owned()] {
            assert_eq!(code(check_parameter(&wrong)), "sagemaker.name", "{wrong}");
        }
        assert_eq!(code(check_metric(&"m".repeat(255), Some(0))), "fine");
        assert_eq!(code(check_metric(&"m".repeat(256), None)), "sagemaker.name");
        assert_eq!(code(check_metric("", None)), "sagemaker.name");
        assert_eq!(code(check_metric("m", Some(STEP))), "fine");
        assert_eq!(code(check_metric("m", Some(-1))), "sagemaker.step");
        assert_eq!(code(check_metric("m", Some(STEP + 1))), "sagemaker.step");
        assert_eq!(code(check_tag(&"k".repeat(128), &"é".repeat(256))), "fine");
        assert_eq!(code(check_tag("team", "a b_c.d:e/f=g+h-i@j")), "fine");
        for (name, value) in [
            ("k".repeat(129), String::new()),
            (String::new(), String::new()),
            ("aws:x".into(), String::new()),
            ("a".into(), "v".repeat(257)),
            ("a".into(), "a,b".into()),
        ] {
            assert_eq!(code(check_tag(&name, &value)), "sagemaker.tag", "{name}={value}");
        }
        assert_eq!(tag_value("a,b é"), "a_b é");
    }

    #[test]
    fn parameters_keep_what_they_say() {
        assert_eq!(parameter(&json!(0.1)), json!({ "NumberValue": 0.1 }));
        assert_eq!(parameter(&json!(5)), json!({ "NumberValue": 5.0 }));
        assert_eq!(parameter(&json!(i64::MAX)), json!({ "StringValue": i64::MAX.to_string() }));
        assert_eq!(parameter(&json!(true)), json!({ "StringValue": "true" }));
        assert_eq!(parameter(&json!([1, "a"])), json!({ "StringValue": "[1,\"a\"]" }));
        assert_eq!(parameter(&json!("a\nb")), json!({ "StringValue": "a\\nb" }));
        assert_eq!(parameter(&json!("x".repeat(2_500))), json!({ "StringValue": "x".repeat(2_500) }));
        let cut = parameter(&json!("x".repeat(2_501)));
        let cut = cut["StringValue"].as_str().unwrap();
        assert!(cut.ends_with("…[cut, 2501 characters]") && cut.chars().count() == 2_500);
    }

    #[test]
    fn the_largest_number_is_that_of_cloudwatch() {
        assert_eq!(LARGEST.to_bits(), 2_f64.powi(360).to_bits());
    }
}
