use nethical_core::event::Message;
use nethical_receivers::discord::check;
use proptest::prelude::*;

use super::*;

fn config() -> DiscordConfig {
    DiscordConfig::new("https://discord.com/api/webhooks/1/x".parse().unwrap())
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

pub(super) fn native(body: Value) -> Message {
    Message::new("message", json!({})).with_native("discord", body)
}

#[test]
fn an_alert_is_an_embed() {
    let body = body_of(&alert("Drift", "below threshold", "warning", json!({ "Model": "v2" })));
    let embed = &body["embeds"][0];
    assert_eq!(
        (embed["title"].as_str(), embed["description"].as_str()),
        (Some("[WARNING] Drift"), Some("below threshold"))
    );
    assert_eq!(embed["fields"][0], json!({ "name": "Model", "value": "v2", "inline": true }));
    assert_eq!(embed["color"], 0xda_a0_38);
    assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
}

#[test]
fn own_parts_are_kept_as_they_are() {
    let embeds = json!([{ "title": "Deployment Details", "color": 0x00_ff_00,
        "fields": [{ "name": "Version", "value": "2.0", "inline": true }] }]);
    let body = body_of(&native(
        json!({ "content": "🚀 deployed", "username": "Nethical Bot", "embeds": embeds, "avatar_url": null }),
    ));
    assert_eq!(
        (body["content"].as_str(), body["username"].as_str()),
        (Some("🚀 deployed"), Some("Nethical Bot"))
    );
    assert_eq!(body["embeds"], embeds);
}

#[test]
fn own_parts_are_brought_inside_the_limits_visibly() {
    let field = json!({ "name": "n".repeat(300), "value": "" });
    let embed = json!({ "title": "t".repeat(300), "description": "d".repeat(5_000), "color": 1 << 24,
        "footer": { "text": "f".repeat(3_000) }, "author": { "name": "a".repeat(300) }, "fields": vec![field; 30] });
    let body = body_of(&native(
        json!({ "content": "c".repeat(3_000), "username": "discord bot", "embeds": vec![embed; 12] }),
    ));
    let text = body.to_string();
    assert!(
        text.contains("[cut, 3000 characters]")
            && text.contains("more embeds]")
            && text.contains("more fields]")
    );
    assert!(body.get("username").is_none());
}

#[test]
fn long_alerts_say_what_is_missing() {
    let many: Map<String, Value> =
        (0..40).map(|number| (format!("f{number}"), json!("x".repeat(900)))).collect();
    let body = body_of(&alert("t", &"é".repeat(5_000), "info", json!(many)));
    let text = body.to_string();
    assert!(text.contains("[cut, 5000 characters]") && text.contains("more fields]"), "{text}");
}

#[test]
fn saved_messages_are_waited_for_and_a_thread_is_kept() {
    let url = Url::parse("https://discord.com/api/webhooks/1/x?thread_id=5&wait=false").unwrap();
    assert_eq!(post_url(&url).query(), Some("thread_id=5&wait=true"));
    let plain = Url::parse("https://discord.com/api/webhooks/1/x").unwrap();
    assert_eq!(post_url(&plain).as_str(), "https://discord.com/api/webhooks/1/x?wait=true");
}

#[test]
fn nothing_to_say_is_an_error() {
    for nothing in [json!({}), json!({ "content": " \n" }), json!({ "embeds": [{ "color": 1 }] })] {
        assert!(
            body(&config(), &native(nothing.clone()).encode().event).is_err() || nothing["embeds"].is_array()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_said_discord_takes_it(
        word in ".{1,12}",
        (title, text, name, value) in (0..60_usize, 0..900_usize, 0..40_usize, 0..200_usize),
        count in 0..30_usize,
    ) {
        let (title, text) = (word.repeat(title), word.repeat(text));
        let field = |number| (format!("{number}{}", word.repeat(name)), json!(word.repeat(value)));
        let fields: Map<String, Value> = (0..count).map(field).collect();
        body_of(&alert(&title, &text, "error", fields.clone()));
        body_of(&Message::new(title.clone(), fields.clone().into()));
        let fields: Vec<_> = fields.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let embed = json!({ "title": title, "description": text, "fields": fields });
        body_of(&native(json!({ "content": format!("{text}."), "embeds": vec![embed; 3] })));
    }
}
