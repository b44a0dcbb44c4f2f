#![allow(clippy::needless_pass_by_value, reason = "bodies are written where they are checked")]

use std::time::Duration;

use serde_json::{Value, json};

use super::{Slack, check, error, rate_limited};
use crate::Clock;
use crate::http::Answer;
use crate::http::client::post;

fn refusal(body: Value) -> &'static str {
    check(&body).map_or_else(|refused| refused.code, |()| "ok")
}

fn with_block(block: Value) -> &'static str {
    refusal(json!({ "text": "t", "blocks": [block] }))
}

fn with_attachment(attachment: Value) -> &'static str {
    refusal(json!({ "attachments": [attachment] }))
}

fn text(kind: &str, size: usize) -> Value {
    json!({ "type": kind, "text": "x".repeat(size) })
}

#[test]
fn a_message_needs_something_to_say() {
    assert_eq!(refusal(json!({ "text": "done" })), "ok");
    assert_eq!(refusal(json!({ "text": "" })), "no_text");
    assert_eq!(refusal(json!({ "event_type": "x", "data": {} })), "invalid_payload");
    assert_eq!(refusal(json!({ "text": 1 })), "invalid_payload");
    assert_eq!(refusal(json!([])), "invalid_payload");
    assert_eq!(refusal(json!({ "text": "x".repeat(40_001) })), "invalid_payload");
    let many = vec![json!({ "text": "x" }); 101];
    assert_eq!(refusal(json!({ "attachments": many })), "too_many_attachments");
}

#[test]
fn all_blocks_together_have_a_limit_too() {
    let sections = |count| vec![json!({ "type": "section", "text": text("mrkdwn", 3_000) }); count];
    assert_eq!(refusal(json!({ "text": "t", "blocks": sections(4) })), "ok");
    assert_eq!(refusal(json!({ "text": "t", "blocks": sections(5) })), "msg_blocks_too_long");
    let attached = json!([{ "blocks": sections(3) }]);
    assert_eq!(refusal(json!({ "blocks": sections(2), "attachments": attached })), "msg_blocks_too_long");
}

#[test]
fn every_limit_of_blocks_is_kept_to_the_character() {
    let section = |size| json!({ "type": "section", "text": text("mrkdwn", size) });
    let header = |size| json!({ "type": "header", "text": text("plain_text", size) });
    let fields = |count, size| json!({ "type": "section", "fields": vec![text("mrkdwn", size); count] });
    let context = |count| json!({ "type": "context", "elements": vec![text("mrkdwn", 1); count] });
    let id = |size| json!({ "type": "divider", "block_id": "x".repeat(size) });
    let right = [section(3_000), header(150), fields(10, 1_000), fields(1, 2_000), context(10), id(255)];
    let wrong = [
        section(0),
        section(3_001),
        header(151),
        fields(11, 1),
        fields(1, 2_001),
        fields(0, 1),
        context(11),
        context(0),
        id(256),
        json!({ "type": "section" }),
        json!({ "type": "header", "text": text("mrkdwn", 1) }),
        json!({ "type": "sparkles" }),
        json!({ "type": "divider", "colour": "red" }),
    ];
    assert!(right.iter().all(|block| with_block(block.clone()) == "ok"));
    for block in wrong {
        assert_eq!(with_block(block.clone()), "invalid_blocks", "{block}");
    }
    assert_eq!(refusal(json!({ "blocks": vec![json!({ "type": "divider" }); 50] })), "ok");
    assert_eq!(refusal(json!({ "blocks": vec![json!({ "type": "divider" }); 51] })), "invalid_blocks");
    assert_eq!(refusal(json!({ "blocks": [id(9), id(9)] })), "invalid_blocks", "ids are unique");
    assert_eq!(with_block(header(150)), "ok");
    let astral = json!({ "type": "header", "text": { "type": "plain_text", "text": "🚀".repeat(76) } });
    assert_eq!(with_block(astral), "invalid_blocks", "counted as Slack's clients count");
}

#[test]
fn attachments_have_colours_and_the_same_blocks() {
    for colour in ["good", "warning", "danger", "#d00", "#dd0000", "dd0000"] {
        assert_eq!(with_attachment(json!({ "color": colour, "text": "x" })), "ok", "{colour}");
    }
    assert_eq!(with_attachment(json!({ "color": "purple", "text": "x" })), "invalid_attachments");
    assert_eq!(with_attachment(json!({ "color": "good" })), "invalid_attachments", "nothing to show");
    let footer = |size| json!({ "text": "x", "footer": "x".repeat(size) });
    assert_eq!((with_attachment(footer(300)), with_attachment(footer(301))), ("ok", "invalid_attachments"));
    let block = json!({ "blocks": [{ "type": "section", "text": text("mrkdwn", 3_001) }] });
    assert_eq!(with_attachment(block), "invalid_attachments");
    let thirty = json!({ "blocks": vec![json!({ "type": "divider" }); 30] });
    assert_eq!(refusal(json!({ "attachments": [thirty, thirty] })), "invalid_attachments", "60 in all");
}

#[test]
fn it_answers_as_slack_does() {
    let slack = Slack::start().unwrap();
    let url = slack.webhook_url();
    let answer = post(&url, r#"{"text":"a &amp; b"}"#);
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    let answer = post(&url, r#"{"content":"for Discord"}"#);
    assert_eq!((answer.status, answer.body.as_str()), (400, "invalid_payload"));
    slack.answer(error("channel_is_archived"));
    slack.answer(error("no_service"));
    let answers = [post(&url, "{}"), post(&url, "{}")].map(|answer| (answer.status, answer.body));
    assert_eq!(answers, [(410, "channel_is_archived".to_owned()), (404, "no_service".to_owned())]);
    assert_eq!(slack.messages().len(), 1);
    assert_eq!(slack.messages()[0].shown(), "a & b");
    assert_eq!(slack.violations().len(), 1);
}

#[test]
fn an_answer_may_be_lost_after_the_message_was_taken() {
    let slack = Slack::start().unwrap();
    slack.answer(Answer::dropped());
    assert!(crate::http::client::try_post(&slack.webhook_url(), r#"{"text":"once"}"#).is_err());
    assert_eq!(slack.wait_for(1).len(), 1);
}

#[test]
fn one_message_a_second_is_taken_after_a_short_burst() {
    let slack = Slack::start().unwrap();
    let answers: Vec<_> = (0..5).map(|_| post(&slack.webhook_url(), r#"{"text":"x"}"#)).collect();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(answers[3].header("retry-after"), Some("1"));
    assert_eq!(answers[3].body, r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#);
    let counts = slack.counts();
    assert_eq!((counts.requests, counts.limited, counts.impatient), (5, 2, 1));
    assert_eq!(rate_limited(7).status, 429);
}

#[test]
fn a_faster_clock_lets_more_through() {
    let slack = Slack::start_with(Clock::sped_up(1_000.0)).unwrap();
    for _ in 0..3 {
        assert_eq!(post(&slack.webhook_url(), r#"{"text":"x"}"#).status, 200);
    }
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(post(&slack.webhook_url(), r#"{"text":"x"}"#).status, 200);
}

#[test]
fn what_is_shown_is_what_people_would_read() {
    let body = json!({
        "text": "fallback",
        "blocks": [{ "type": "header", "text": { "type": "plain_text", "text": "Dropped" } }],
        "attachments": [{ "color": "danger", "blocks": [
            { "type": "section", "text": { "type": "mrkdwn", "text": "85% &lt; 90% <!channel>" } },
            { "type": "section", "fields": [{ "type": "mrkdwn", "text": "*Model*\nfraud" }] },
        ] }],
    });
    assert_eq!(super::shown::message(&body), "Dropped\n| 85% < 90% @channel\n| Model fraud");
    assert_eq!(super::shown::controls(&body), ["!channel"]);
}
