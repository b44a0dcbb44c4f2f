use nethical_core::event::Message;
use nethical_receivers::slack::check;
use proptest::prelude::*;

use super::*;

fn config() -> SlackConfig {
    SlackConfig::new("https://hooks.slack.com/services/T/B/x".parse().unwrap())
}

/// The body, which the strict receiver takes.
#[track_caller]
pub(super) fn body_of(message: &Message) -> Value {
    let body = serde_json::from_slice(&body(&config(), &message.encode().event).unwrap()).unwrap();
    assert_eq!(check(&body), Ok(()), "{body}");
    body
}

pub(super) fn alert(title: &str, text: &str, severity: &str, fields: impl Into<Value>) -> Message {
    Message::new(
        "alert",
        json!({ "title": title, "message": text, "severity": severity, "fields": fields.into() }),
    )
}

#[test]
fn an_alert_has_a_headline_a_colour_and_its_fields() {
    let fields = json!({ "Model": "fraud_detector_v2", "Current Accuracy": "0.88" });
    let body = body_of(&alert("Performance Degradation", "below threshold", "warning", fields));
    assert_eq!(body["text"], "*[WARNING] Performance Degradation*");
    let attachment = &body["attachments"][0];
    assert_eq!(attachment["color"], "warning");
    assert_eq!(attachment["blocks"][0]["text"]["text"], "below threshold");
    assert_eq!(attachment["blocks"][1]["fields"][1]["text"], "*Current Accuracy*\n0.88");
}

#[test]
fn nobody_is_called_and_no_link_is_disguised() {
    let nasty = "<!channel> <@U1> <https://evil.test|bank> & co";
    let native = json!({ "text": nasty });
    for message in [
        alert(nasty, nasty, "critical", json!({ nasty: nasty })),
        Message::new(nasty, json!({ "x": nasty })),
        Message::new("message", json!({})).with_native("slack", native),
    ] {
        let body = body_of(&message).to_string();
        assert!(!body.contains('<') && !body.contains('>') && body.contains("&lt;!channel&gt;"), "{body}");
    }
}

#[test]
fn own_parts_are_kept_and_brought_inside_the_limits() {
    let section = json!({ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(3_001) } });
    let header = json!({ "type": "header", "text": { "type": "plain_text", "text": "h".repeat(151) } });
    let field = json!({ "type": "mrkdwn", "text": "f".repeat(2_001) });
    let fields = json!({ "type": "section", "fields": vec![field; 11] });
    let mut blocks = vec![header, section, fields];
    blocks.extend(vec![json!({ "type": "divider" }); 60]);
    let inner = json!({ "color": "good", "blocks": [{ "type": "divider" }] });
    let native = json!({
        "text": "hello", "username": "Nethical Bot", "icon_emoji": ":robot_face:", "thread_ts": null,
        "blocks": blocks, "attachments": vec![inner; 120],
    });
    let body = body_of(&Message::new("message", json!({})).with_native("slack", native));
    assert_eq!(
        (body["username"].as_str(), body["icon_emoji"].as_str()),
        (Some("Nethical Bot"), Some(":robot_face:"))
    );
    let text = body.to_string();
    assert!(
        text.contains("more blocks]") && text.contains("more attachments]") && text.contains("[cut, 3001")
    );
}

#[test]
fn a_long_text_is_escaped_wherever_it_stands() {
    for length in [2_000, 20_000] {
        let body = body_of(&alert("t", &"é<".repeat(length), "info", json!({}))).to_string();
        assert!(!body.contains('<') && body.contains("é&lt;é&lt;"), "{length}");
    }
}

#[test]
fn nothing_to_say_is_an_error() {
    let message = Message::new("message", json!({})).with_native("slack", json!({ "text": "" }));
    assert!(body(&config(), &message.encode().event).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_said_slack_takes_it(
        word in ".{1,12}",
        (title, text, name, value) in (0..60_usize, 0..900_usize, 0..40_usize, 0..400_usize),
        count in 0..30_usize,
        severity in "info|error|critical|odd",
    ) {
        let text = word.repeat(text);
        let field = |number| (format!("{number}{}", word.repeat(name)), json!(word.repeat(value)));
        let fields: Map<String, Value> = (0..count).map(field).collect();
        body_of(&alert(&word.repeat(title), &text, &severity, fields.clone()));
        body_of(&Message::new(word.repeat(title), fields.into()));
        let native = json!({ "text": format!("{text}.") });
        body_of(&Message::new("message", json!({})).with_native("slack", native));
    }
}
