//! The limits, as the service models `sagemaker-2017-07-24`, `sagemaker-metrics-2022-09-30` and `monitoring-2010-08-01`
//! state them.

use serde_json::{Map, Value};

/// An error that is answered: code and message.
pub(super) type Refused = (&'static str, String);

pub(super) fn refused(code: &'static str, message: &str) -> Refused {
    (code, message.to_owned())
}

/// A request that is outside a limit.
pub(super) fn invalid(what: &str) -> Refused {
    (
        "ValidationException",
        format!("1 validation error detected: Value at '{what}' failed to satisfy constraint"),
    )
}

/// `[a-zA-Z0-9](-*[a-zA-Z0-9]){0,n}`: between hyphens there is always something, and at most `most` of it.
pub(super) fn is_name(text: &str, most: usize) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    (1..=most).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && ends(bytes.first())
        && ends(bytes.last())
}

/// The JSON object of a request, in which nothing unknown may stand.
pub(super) fn object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, Refused> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| ("SerializationException", error.to_string()))?;
    let Value::Object(body) = body else {
        return Err(refused("SerializationException", "this is no object"));
    };
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(refused("SerializationException", &format!("unknown member {key}"))),
        None => Ok(body),
    }
}

/// A name that must be there.
pub(super) fn name(body: &Map<String, Value>, key: &str, most: usize) -> Result<String, Refused> {
    let name = body.get(key).and_then(Value::as_str).filter(|name| is_name(name, most));
    name.map(str::to_owned).ok_or_else(|| invalid(key))
}

/// A name that may be there.
pub(super) fn display_name(body: &Map<String, Value>) -> Result<Option<String>, Refused> {
    match body.get("DisplayName") {
        None => Ok(None),
        Some(_) => name(body, "DisplayName", 120).map(Some),
    }
}

/// `.*`, of so many characters.
pub(super) fn is_line(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

pub(super) fn line(body: &Map<String, Value>, key: &str, most: usize) -> Result<(), Refused> {
    let fits = body.get(key).is_none_or(|value| value.as_str().is_some_and(|text| is_line(text, most)));
    if fits { Ok(()) } else { Err(invalid(key)) }
}

/// The tags of a request.
pub(super) fn tags(body: &Map<String, Value>) -> Result<Vec<(String, String)>, Refused> {
    let Some(tags) = body.get("Tags") else { return Ok(Vec::new()) };
    let tags = tags.as_array().filter(|tags| tags.len() <= 50).ok_or_else(|| invalid("tags"))?;
    let tag = |tag: &Value| {
        let (key, value) = (tag.get("Key")?.as_str()?, tag.get("Value")?.as_str()?);
        let known = |char: char| char.is_alphanumeric() || char == ' ' || "_.:/=+-@".contains(char);
        let fits = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        let fits = fits && key.chars().chain(value.chars()).all(known) && !key.starts_with("aws:");
        fits.then(|| (key.to_owned(), value.to_owned()))
    };
    tags.iter().map(|one| tag(one).ok_or_else(|| invalid("tags"))).collect()
}

/// A map of parameters or artifacts, each of which `fits`.
pub(super) fn entries(
    body: &Map<String, Value>,
    key: &str,
    most: usize,
    most_key: usize,
    fits: impl Fn(&Map<String, Value>) -> bool,
) -> Result<Map<String, Value>, Refused> {
    let Some(map) = body.get(key) else { return Ok(Map::new()) };
    let map = map.as_object().filter(|map| map.len() <= most).ok_or_else(|| invalid(key))?;
    let good =
        |(name, value): (&String, &Value)| is_line(name, most_key) && value.as_object().is_some_and(&fits);
    if map.iter().all(good) { Ok(map.clone()) } else { Err(invalid(key)) }
}

/// One of `StringValue` and `NumberValue`.
pub(super) fn is_parameter(value: &Map<String, Value>) -> bool {
    let text = value.get("StringValue").and_then(Value::as_str).is_some_and(|text| is_line(text, 2_500));
    let number = value.get("NumberValue").is_some_and(Value::is_number);
    value.len() == 1 && (text || number)
}

pub(super) fn is_artifact(value: &Map<String, Value>) -> bool {
    let known = value.keys().all(|key| ["Value", "MediaType"].contains(&key.as_str()));
    let media =
        value.get("MediaType").is_none_or(|media| media.as_str().is_some_and(|text| is_line(text, 64)));
    known && media && value.get("Value").and_then(Value::as_str).is_some_and(|text| is_line(text, 2_048))
}
