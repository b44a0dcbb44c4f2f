//! Every limit, at it and over it: what is at it stays as it is; what is over it is split so that nothing is lost, or cut
//! so that everybody sees it. The strict receiver judges.

use super::tests::{alert, body_of, native};
use super::*;

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
    body_of(&native(body))
}

#[test]
fn what_is_too_long_for_its_place_is_split_over_more_embeds() {
    let embed = |embed: Value| sent(json!({ "embeds": [embed] }));
    let content = |length| sent(json!({ "content": long(length) }));
    let description = |length| embed(json!({ "description": long(length) }));
    let value = |length| embed(json!({ "fields": [{ "name": "n", "value": long(length), "inline": true }] }));
    let fields = |count| embed(json!({ "fields": vec![json!({ "name": "n", "value": LETTER }); count] }));
    let cases: [(&str, usize, usize, Make<'_>); 4] = [
        ("content", 2_000, 8_000, &content),
        ("description", 4_096, 6_000, &description),
        ("value", 1_024, 5_000, &value),
        ("fields", 25, 250, &fields),
    ];
    for (name, at, most, make) in cases {
        for length in [at, at + 1, most] {
            assert_eq!(fared(&make(length)), (length, false), "{name} of {length}");
        }
    }
    assert_eq!(content(2_000)["embeds"], Value::Null);
    assert_eq!(content(2_001)["embeds"][0]["description"], LETTER);
    assert_eq!(description(4_097)["embeds"].as_array().unwrap().len(), 2);
    assert_eq!(fields(26)["embeds"].as_array().unwrap().len(), 2);
    let split = value(1_025);
    assert_eq!(split["embeds"][0]["fields"][1], json!({ "name": "n (2)", "value": LETTER, "inline": true }));
}

#[test]
fn what_has_no_room_in_a_message_is_cut_and_says_so() {
    let embed = |embed: Value| sent(json!({ "embeds": [embed] }));
    let content = |length| sent(json!({ "content": long(length) }));
    let title = |length| embed(json!({ "title": long(length) }));
    let author = |length| embed(json!({ "author": { "name": long(length) } }));
    let footer = |length| embed(json!({ "footer": { "text": long(length) } }));
    let name = |length| embed(json!({ "fields": [{ "name": long(length), "value": "v" }] }));
    let description = |length| embed(json!({ "description": long(length) }));
    let fields = |count| embed(json!({ "fields": vec![json!({ "name": "n", "value": LETTER }); count] }));
    let embeds = |count| sent(json!({ "embeds": vec![json!({ "title": LETTER }); count] }));
    let together = |length| {
        let second = json!({ "title": "t".repeat(200), "description": long(length) });
        sent(json!({ "embeds": [{ "description": "d".repeat(4_000) }, second] }))
    };
    let cases: [(&str, usize, Make<'_>); 9] = [
        ("content", 8_000, &content),
        ("title", 256, &title),
        ("author", 256, &author),
        ("footer", 2_048, &footer),
        ("name", 256, &name),
        ("description", 6_000, &description),
        ("fields", 250, &fields),
        ("embeds", 10, &embeds),
        ("together", 1_800, &together),
    ];
    for (name, most, make) in cases {
        assert_eq!(fared(&make(most)), (most, false), "{name} at its limit");
        let (count, says) = fared(&make(most + 1));
        assert!(count < most + 1 && says, "{name} over its limit: {count}, says so: {says}");
    }
}

#[test]
fn what_is_no_name_or_colour_is_left_to_discord() {
    let name = |length| sent(json!({ "content": "c", "username": "n".repeat(length) }))["username"].clone();
    assert_eq!((name(80), name(81)), (json!("n".repeat(80)), Value::Null));
    let colour =
        |colour: u32| sent(json!({ "embeds": [{ "title": "t", "color": colour }] }))["embeds"][0].clone();
    assert_eq!(colour(0xff_ff_ff), json!({ "title": "t", "color": 0xff_ff_ff }));
    assert_eq!(colour(0x1_00_00_00), json!({ "title": "t" }));
}

#[test]
fn an_alert_is_whole_as_long_as_a_message_has_room_for_it() {
    let fields = |count: usize, length: usize| -> Map<String, Value> {
        (0..count).map(|number| (format!("f{number}"), json!(long(length)))).collect()
    };
    let fared = |text: usize, count: usize, length: usize| {
        let body = body_of(&alert("t", &long(text), "info", fields(count, length)));
        (fared(&body), body["embeds"].as_array().unwrap().len())
    };
    assert_eq!(fared(4_096, 0, 0), ((4_096, false), 1));
    assert_eq!(fared(4_097, 0, 0), ((4_097, false), 2));
    assert_eq!(fared(5_800, 0, 0), ((5_800, false), 2));
    assert_eq!(fared(0, 1, 1_025), ((1_025, false), 1));
    assert_eq!(fared(10, 25, 1), ((35, false), 1));
    assert_eq!(fared(10, 26, 1), ((36, false), 2));
    assert_eq!(fared(1_000, 175, 10), ((2_750, false), 7));
    for (text, count, length) in [(6_001, 0, 0), (0, 1, 6_001), (10, 176, 1), (4_000, 20, 500)] {
        let ((arrived, says), _) = fared(text, count, length);
        assert!(arrived < text + count * length && says, "{text}, {count} of {length}");
        assert!(arrived > 900.min(text + count * length - 10), "much arrives: {arrived}");
    }
}
