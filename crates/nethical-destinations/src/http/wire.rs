//! What goes out: pure functions from an event to a request.

use nethical_core::event::Event;

use super::config::Body;
use super::template::Template;
use crate::support::webhook::signature::{Key, sign, sign_plain};

/// What is the same for every request.
#[derive(Default)]
pub(crate) struct Shape {
    /// Whose ready bodies are taken.
    pub(crate) native: &'static str,
    pub(crate) body: Body,
    pub(crate) template: Option<Template>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) keys: Vec<Key>,
    pub(crate) sha256_header: Option<String>,
}

/// The body for an event.
///
/// # Errors
/// Why there is none.
pub(super) fn body(shape: &Shape, event: &Event) -> Result<Vec<u8>, String> {
    if let Some(template) = &shape.template {
        return template.render(event);
    }
    let view = event.message().map_err(|error| error.to_string())?;
    if let Some(ready) = view.native.get(shape.native) {
        return Ok(ready.to_string().into_bytes());
    }
    let quoted = serde_json::to_string(&view.event_type).map_err(|error| error.to_string())?;
    let (data, timestamp, metadata) = (view.data.get(), view.timestamp, view.metadata.get());
    Ok(match shape.body {
        Body::Guide if view.native.is_empty() => event.json().to_vec(),
        Body::Guide | Body::Template(_) => format!(
            "{{\"event_type\":{quoted},\"data\":{data},\"timestamp\":\"{timestamp}\",\"metadata\":{metadata}}}"
        )
        .into_bytes(),
        Body::Standard if metadata == "{}" => {
            format!("{{\"type\":{quoted},\"timestamp\":\"{timestamp}\",\"data\":{data}}}").into_bytes()
        }
        Body::Standard => format!(
            "{{\"type\":{quoted},\"timestamp\":\"{timestamp}\",\"data\":{data},\"metadata\":{metadata}}}"
        )
        .into_bytes(),
    })
}

/// The headers of one attempt. The id stays the same through all of them; the time, and with it the signature,
/// is new for each.
pub(super) fn headers(shape: &Shape, id: &str, now: i64, body: &[u8]) -> Vec<(String, String)> {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("webhook-id".to_owned(), id.to_owned()),
        ("webhook-timestamp".to_owned(), now.to_string()),
    ];
    if let Ok(signature) = sign(&shape.keys, id, now, body) {
        headers.push(("webhook-signature".to_owned(), signature));
    }
    if let (Some(name), Some(key)) = (&shape.sha256_header, shape.keys.first()) {
        headers.push((name.clone(), sign_plain(key, body)));
    }
    let is_own = |name: &str| shape.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    headers.retain(|(name, _)| !is_own(name));
    headers.extend(shape.headers.iter().cloned());
    headers
}

#[cfg(test)]
mod tests {
    use nethical_core::event::Message;
    use serde_json::{Value, json};

    use super::*;
    use crate::support::webhook::signature::{Headers, TOLERANCE, verify};

    fn shape(body: Body) -> Shape {
        Shape { body, ..Shape::default() }
    }

    fn message() -> Message {
        let metadata = json!({ "environment": "production" }).as_object().unwrap().clone();
        Message::new("model_deployed", json!({ "accuracy": 0.95, "token": "kept" })).with_metadata(metadata)
    }

    #[test]
    fn the_bodies_hold_all_that_was_said() {
        let event = message().with_native("slack", json!({ "text": "no" })).encode().event;
        let guide: Value = serde_json::from_slice(&body(&shape(Body::Guide), &event).unwrap()).unwrap();
        assert_eq!(guide["event_type"], "model_deployed");
        assert_eq!((&guide["data"]["token"], guide.as_object().unwrap().len()), (&json!("kept"), 4));
        let standard: Value = serde_json::from_slice(&body(&shape(Body::Standard), &event).unwrap()).unwrap();
        assert_eq!(standard["type"], "model_deployed");
        assert_eq!(standard["metadata"]["environment"], "production");
        let plain = message().encode().event;
        assert_eq!(body(&shape(Body::Guide), &plain).unwrap(), plain.json());
    }

    #[test]
    fn own_headers_are_added_and_take_the_place_of_ours() {
        let own = [("X-API-Key", "k"), ("Content-Type", "application/cloudevents+json")];
        let headers_of_one = own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let shape = Shape { headers: headers_of_one, ..shape(Body::Guide) };
        let sent = headers(&shape, "id", 1, b"{}");
        let types: Vec<_> =
            sent.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type")).collect();
        assert_eq!(types.len(), 1);
        assert_eq!(types[0].1, "application/cloudevents+json");
        assert!(sent.iter().any(|(name, value)| name == "X-API-Key" && value == "k"));
    }

    #[test]
    fn each_attempt_is_signed_afresh_with_all_secrets() {
        let keys: Vec<Key> =
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "plain"].map(|key| key.parse().unwrap()).into();
        let shape =
            Shape { keys: keys.clone(), sha256_header: Some("X-Sig".to_owned()), ..shape(Body::Guide) };
        let [first, second] = [100, 200].map(|now| headers(&shape, "id", now, b"{}"));
        let get = |headers: &[(String, String)], name: &str| {
            headers.iter().find(|(key, _)| key == name).unwrap().1.clone()
        };
        assert_ne!(get(&first, "webhook-signature"), get(&second, "webhook-signature"));
        assert_eq!(get(&first, "webhook-id"), get(&second, "webhook-id"));
        assert!(get(&first, "X-Sig").starts_with("sha256="));
        for key in keys {
            let (timestamp, signature) =
                (get(&second, "webhook-timestamp"), get(&second, "webhook-signature"));
            let given = Headers { id: "id", timestamp: &timestamp, signature: &signature };
            assert_eq!(verify(&[key], &given, b"{}", 250, TOLERANCE), Ok(()));
        }
    }
}
