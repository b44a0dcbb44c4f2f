//! Whether a message is one.

use serde_json::{Map, Value};

use super::{attachments, blocks};
use crate::http::Request;

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Slack's word for it: `invalid_blocks`.
    pub code: &'static str,
    /// What exactly.
    pub why: String,
}

impl Refused {
    pub(super) fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }
}

/// A part that is wrong, in words.
pub(super) type Checked = Result<(), String>;

/// The keys of a message, and what they hold.
const KEYS: &[(&str, Kind)] = &[
    ("attachments", Kind::List),
    ("blocks", Kind::List),
    ("channel", Kind::Text),
    ("delete_original", Kind::Flag),
    ("icon_emoji", Kind::Text),
    ("icon_url", Kind::Text),
    ("link_names", Kind::Flag),
    ("metadata", Kind::Object),
    ("mrkdwn", Kind::Flag),
    ("parse", Kind::Text),
    ("replace_original", Kind::Flag),
    ("response_type", Kind::Text),
    ("text", Kind::Text),
    ("thread_ts", Kind::Text),
    ("unfurl_links", Kind::Flag),
    ("unfurl_media", Kind::Flag),
    ("username", Kind::Text),
];

/// What a key holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Flag,
    List,
    Number,
    Object,
    Text,
}

/// The message in a request.
pub(super) fn read(request: &Request) -> Result<Value, Refused> {
    let invalid = |why: &str| Err(Refused::new("invalid_payload", why));
    if request.method != "POST" || !request.path().starts_with("/services/") {
        return invalid("messages are posted to /services/");
    }
    if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return invalid("the content type is not application/json");
    }
    let Ok(body) = request.json() else { return invalid("the body is no JSON") };
    check(&body).map(|()| body)
}

/// Whether Slack takes this message and loses nothing of it.
///
/// # Errors
/// What is wrong with it.
pub fn check(body: &Value) -> Result<(), Refused> {
    let invalid = |why| Refused::new("invalid_payload", why);
    let Some(message) = body.as_object() else { return Err(invalid("the body is no object".to_owned())) };
    known(message, KEYS).map_err(invalid)?;
    let text = message.get("text").and_then(Value::as_str).unwrap_or_default();
    if characters(text) > 40_000 {
        return Err(invalid("text: more than 40000 characters are cut off".to_owned()));
    }
    let (blocks, attachments) = (list(message, "blocks"), list(message, "attachments"));
    if text.is_empty() && blocks.is_empty() && attachments.is_empty() {
        return Err(Refused::new("no_text", "neither text nor blocks nor attachments"));
    }
    if attachments.len() > 100 {
        return Err(Refused::new("too_many_attachments", format!("{} of at most 100", attachments.len())));
    }
    blocks::check(blocks, "blocks").map_err(|why| Refused::new("invalid_blocks", why))?;
    attachments::check(attachments, blocks.len()).map_err(|why| Refused::new("invalid_attachments", why))?;
    let inner = attachments.iter().filter_map(Value::as_object).flat_map(|one| list(one, "blocks"));
    let together: usize = blocks.iter().chain(inner).map(texts).sum();
    if together > MOST_TOGETHER {
        let why = format!("the blocks have {together} characters together");
        return Err(Refused::new("msg_blocks_too_long", why));
    }
    Ok(())
}

/// Characters of all blocks together. Slack does not document it; it was measured at 13,172 with two blocks.
const MOST_TOGETHER: usize = 13_000;

/// The characters of all texts in a block.
fn texts(value: &Value) -> usize {
    match value {
        Value::String(text) => characters(text),
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(object) => object.values().map(texts).sum(),
        _ => 0,
    }
}

/// Whether all keys are known and hold what they should.
pub(super) fn known(object: &Map<String, Value>, keys: &[(&str, Kind)]) -> Checked {
    for (key, value) in object {
        let Some((_, kind)) = keys.iter().find(|(known, _)| known == key) else {
            return Err(format!("unknown key {key}"));
        };
        let fits = match kind {
            Kind::Flag => value.is_boolean(),
            Kind::List => value.is_array(),
            Kind::Number => value.is_number(),
            Kind::Object => value.is_object(),
            Kind::Text => value.is_string(),
        };
        if !fits {
            return Err(format!("{key} is of the wrong type"));
        }
    }
    Ok(())
}

/// A list under this key; empty if there is none.
pub(super) fn list<'v>(object: &'v Map<String, Value>, key: &str) -> &'v [Value] {
    object.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text under this key; empty if there is none.
pub(super) fn text<'v>(object: &'v Map<String, Value>, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a text under this key, if there is one, has at most so many characters.
pub(super) fn at_most(object: &Map<String, Value>, key: &str, most: usize) -> Checked {
    match characters(text(object, key)) {
        count if count > most => Err(format!("{key} has {count} characters, at most {most} are taken")),
        _ => Ok(()),
    }
}

/// Characters as JavaScript counts them, which is never less than others do.
pub(super) fn characters(text: &str) -> usize {
    text.encode_utf16().count()
}
