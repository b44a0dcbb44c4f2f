//! Every limit, at it and over it: what is at it stays as it is; what is over it is split so that nothing is lost, or cut
//! so that everybody sees it. The strict receiver judges.

use super::tests::{alert, body_of};
use super::*;
use nethical_core::event::Message;

/// Makes a message with a part of this length.
type Make<'m> = &'m dyn Fn(usize) -> Value;

/// A letter that no text of ours has.
const LETTER: &str = "ж";

fn long(length: usize) -> String {
    LETTER.repeat(length)
}

/// How many of the letters arrive, and whether anything says that some do not.
fn fared(body: &Value) -> (usize, bool) {
    let text = body.to_string();
    (text.matches(LETTER).count(), text.contains('…'))
}

fn sent(body: Value) -> Value {
    body_of(&Message::new("message", json!({})).with_native("slack", body))
}

fn block(block: Value) -> Value {
    sent(json!({ "text": "t", "blocks": Value::Array(vec![block]) }))
}

fn text(kind: &str, length: usize) -> Value {
    json!({ "type": kind, "text": long(length) })
}

fn button() -> Value {
    json!({ "type": "button", "text": { "type": "plain_text", "text": LETTER } })
}

#[test]
fn what_is_too_long_for_its_block_is_split_over_more_of_them() {
    let section =
        |length| block(json!({ "type": "section", "text": text("mrkdwn", length), "block_id": "b" }));
    let field = |length| block(json!({ "type": "section", "fields": [text("mrkdwn", length)] }));
    let fields = |count| block(json!({ "type": "section", "fields": vec![text("mrkdwn", 1); count] }));
    let context = |count| block(json!({ "type": "context", "elements": vec![text("mrkdwn", 1); count] }));
    let element = |length| block(json!({ "type": "context", "elements": [text("mrkdwn", length)] }));
    let actions = |count| block(json!({ "type": "actions", "elements": vec![button(); count] }));
    let attached = |length| {
        let block = json!({ "type": "section", "text": text("mrkdwn", length) });
        sent(json!({ "text": "t", "attachments": [{ "color": "good", "blocks": [block] }] }))
    };
    let cases: [(&str, usize, usize, Make<'_>); 7] = [
        ("section", 3_000, 11_000, &section),
        ("attached section", 3_000, 11_000, &attached),
        ("field", 2_000, 11_000, &field),
        ("fields", 10, 100, &fields),
        ("context", 10, 100, &context),
        ("element", 3_000, 11_000, &element),
        ("actions", 25, 100, &actions),
    ];
    for (name, at, most, make) in cases {
        for length in [at, at + 1, most] {
            assert_eq!(fared(&make(length)), (length, false), "{name} of {length}");
        }
    }
    let two = section(3_001);
    assert_eq!(two["blocks"][1], json!({ "type": "section", "text": { "type": "mrkdwn", "text": LETTER } }));
}

#[test]
fn what_has_no_room_in_a_message_is_cut_and_says_so() {
    let whole = |length| sent(json!({ "text": long(length) }));
    let header = |length| block(json!({ "type": "header", "text": text("plain_text", length) }));
    let id = |length| block(json!({ "type": "divider", "block_id": long(length) }));
    let markdown = |length| block(json!({ "type": "markdown", "text": long(length) }));
    let footer = |length| sent(json!({ "attachments": [{ "text": "t", "footer": long(length) }] }));
    let blocks = |count| {
        let small = json!({ "type": "section", "text": text("mrkdwn", 1) });
        sent(json!({ "text": "t", "blocks": vec![small; count] }))
    };
    let attachments = |count| sent(json!({ "attachments": vec![json!({ "text": LETTER }); count] }));
    let cases: [(&str, usize, Make<'_>); 7] = [
        ("text", 40_000, &whole),
        ("header", 150, &header),
        ("block_id", 255, &id),
        ("markdown", 12_000, &markdown),
        ("footer", 300, &footer),
        ("blocks", 50, &blocks),
        ("attachments", 100, &attachments),
    ];
    for (name, most, make) in cases {
        assert_eq!(fared(&make(most)), (most, false), "{name} at its limit");
        let (count, says) = fared(&make(most + 1));
        assert!(count < most + 1 && says, "{name} over its limit: {count}, says so: {says}");
    }
}

#[test]
fn blocks_are_within_what_slack_takes_of_all_of_them() {
    let sections = |count| {
        let section = json!({ "type": "section", "text": text("mrkdwn", 2_900) });
        sent(json!({ "text": "t", "blocks": vec![section; count] }))
    };
    assert_eq!(fared(&sections(4)), (4 * 2_900, false));
    let (arrived, says) = fared(&sections(9));
    assert!(arrived == 4 * 2_900 && says, "{arrived}");
    let rows = |count| block(json!({ "type": "actions", "elements": vec![button(); count] }));
    let (arrived, says) = fared(&rows(400));
    assert!((25..400).contains(&arrived) && says, "{arrived} buttons");
}

#[test]
fn an_alert_is_whole_as_long_as_a_message_has_room_for_it() {
    let made = |text: usize, count: usize, length: usize| {
        let fields = (0..count).map(|number| (format!("f{number}"), json!(long(length))));
        body_of(&alert("t", &long(text), "info", fields.collect::<Map<_, _>>()))
    };
    // Beside the bar, and in the message's own text.
    assert_eq!(fared(&made(6_000, 0, 0)), (6_000, false));
    assert_eq!(made(6_000, 0, 0)["text"], "*t*");
    assert_eq!(made(6_001, 0, 0)["text"], format!("*t*\n{}", long(6_001)));
    for (text, count, length) in
        [(39_990, 0, 0), (0, 1, 1_701), (0, 5, 1_900), (39_000, 5, 1_900), (10, 100, 1)]
    {
        let sum = text + count * length;
        assert_eq!(fared(&made(text, count, length)), (sum, false), "{text}, {count} of {length}");
    }
    for (text, count, length) in [(40_000, 0, 0), (0, 1, 12_000), (10, 300, 1), (3_000, 100, 200)] {
        let (arrived, says) = fared(&made(text, count, length));
        assert!(arrived < text + count * length && says, "{text}, {count} of {length}");
        assert!(arrived >= 100, "much arrives: {arrived}");
    }
}
