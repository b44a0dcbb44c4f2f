use nethical_core::event::{EventId, Family, Level, LogEntry, Metadata, Rules, Timestamp};
use proptest::prelude::*;

use super::*;

const NOON: i64 = 1_772_366_400_000;

fn event(ms: i64, json: &[u8]) -> Event {
    Event::new(EventId::new(), Timestamp::from_millisecond(ms).unwrap(), Level::Info, Family::Logs, json)
}

fn stream(template: &str) -> StreamName {
    StreamName::new(template, "host", 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes in: every event goes out once, in requests that are inside every limit.
    #[test]
    fn every_event_is_in_one_request_inside_all_limits(
        parts in prop::collection::vec((-500_000_000_i64..500_000_000, 0_usize..300_000), 0..60),
        dated: bool,
    ) {
        let events: Vec<_> = parts.iter().map(|&(offset, size)| event(NOON + offset, &vec![b'x'; size])).collect();
        let (puts, refused) = plan(&events, &stream(if dated { "s-{date}" } else { "s" }));
        prop_assert!(refused.is_empty());
        let mut seen: Vec<_> = puts.iter().flat_map(|put| put.indices.clone()).collect();
        let times: Vec<_> = seen.iter().map(|&index| parts[index].0).collect();
        prop_assert!(times.is_sorted(), "oldest first, within and between requests");
        for put in &puts {
            let body: serde_json::Value = serde_json::from_slice(&body(&events, put, "group")).unwrap();
            let sent = body["logEvents"].as_array().unwrap();
            let bytes: usize = sent.iter().map(|event| event["message"].as_str().unwrap().len() + OVERHEAD).sum();
            prop_assert!(!sent.is_empty() && sent.len() <= MAX_EVENTS && bytes <= MAX_BYTES);
            prop_assert!(sent.iter().all(|event| (1..=MAX_MESSAGE).contains(&event["message"].as_str().unwrap().len())));
            let time = |event: &serde_json::Value| event["timestamp"].as_i64().unwrap();
            prop_assert!(time(sent.last().unwrap()) - time(&sent[0]) < MAX_SPAN_MS);
            let days: Vec<_> = sent.iter().map(|event| time(event).div_euclid(86_400_000)).collect();
            prop_assert!(!dated || days.iter().all(|day| *day == days[0]));
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..events.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_rejected_range_names_its_events(len in 1_usize..30, old in 0_usize..35, expired in 0_usize..35, new in 0_usize..35) {
        let put = Put { stream: "s".to_owned(), indices: (0..len).rev().collect() };
        let info = json!({ "tooOldLogEventEndIndex": old, "expiredLogEventEndIndex": expired, "tooNewLogEventStartIndex": new });
        let answer = json!({ "rejectedLogEventsInfo": info }).to_string();
        let refused = rejections(answer.as_bytes(), &put).unwrap();
        let places: Vec<_> = (0..len).filter(|&place| place < old.max(expired) || place >= new).collect();
        let named: Vec<_> = refused.iter().map(|refusal| len - 1 - refusal.index).collect();
        prop_assert_eq!(named, places);
    }
}

#[test]
fn ten_thousand_events_fill_a_request() {
    let events: Vec<_> = (0..10_001).map(|_| event(NOON, b"{}")).collect();
    let (puts, _) = plan(&events, &stream("s"));
    let counts: Vec<_> = puts.iter().map(|put| put.indices.len()).collect();
    assert_eq!(counts, [10_000, 1]);
    assert!(puts[0].indices.is_sorted(), "events of one millisecond keep their order");
}

#[test]
fn bytes_are_counted_to_the_last_one() {
    let full = MAX_BYTES / 4 - OVERHEAD;
    let exact: Vec<_> = (0..4).map(|_| event(NOON, &vec![b'x'; full])).collect();
    assert_eq!(plan(&exact, &stream("s")).0.len(), 1);
    let more: Vec<_> = exact.iter().cloned().chain([event(NOON, b"")]).collect();
    assert_eq!(plan(&more, &stream("s")).0.len(), 2);
}

#[test]
fn events_before_1970_are_refused_alone() {
    let events = [event(5, b"{}"), event(-1, b"{}"), event(0, b"{}")];
    let (puts, refused) = plan(&events, &stream("s"));
    assert_eq!(puts[0].indices, [2, 0]);
    assert_eq!((refused[0].index, refused[0].error.code()), (1, "cloudwatch.before_1970"));
}

#[test]
fn an_answer_without_rejections_took_everything_and_another_page_did_not() {
    let put = Put { stream: "s".to_owned(), indices: vec![0, 1] };
    assert_eq!(rejections(br#"{"nextSequenceToken":"1"}"#, &put).unwrap().len(), 0);
    assert!(rejections(b"<html>Please sign in</html>", &put).is_none());
}

#[test]
fn a_long_entry_is_shortened_and_stays_json() {
    let rules = Rules {
        limits: nethical_core::event::Limits {
            max_value_bytes: 1 << 20,
            max_entry_bytes: 1 << 20,
            ..Default::default()
        },
        ..Default::default()
    };
    let long = "é\"".repeat(200_000);
    let entries = [
        LogEntry::new(Level::Info, &*long, "tests"),
        LogEntry::new(Level::Info, "short", "tests").with(Metadata::new().with("long", &*long)),
    ];
    for entry in entries {
        let event = entry.encode(&rules).event;
        let text = message(&event);
        assert!(text.len() <= MAX_MESSAGE && text.len() > 100);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["_cut_from_bytes"], event.json().len());
        assert_eq!(value["id"], event.id().to_string());
    }
}

#[test]
fn other_long_and_empty_texts_are_valid() {
    assert_eq!(message(&event(0, b"")), "{}");
    let long = "é".repeat(MAX_MESSAGE);
    let event = event(0, long.as_bytes());
    let text = message(&event);
    assert!(text.len() <= MAX_MESSAGE && text.ends_with(" bytes]"));
}

#[test]
fn halves_end_at_one_event() {
    let put = Put { stream: "s".to_owned(), indices: vec![3, 1, 2] };
    let [first, rest] = put.halves().unwrap();
    assert_eq!((first.indices.clone(), rest.indices), (vec![3], vec![1, 2]));
    assert!(first.halves().is_none());
}
