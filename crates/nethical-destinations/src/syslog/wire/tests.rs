use nethical_core::event::{Level, LogEntry, Metadata, Rules};
use nethical_receivers::syslog::{Message, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn formatter(format: Format, framing: Framing) -> Formatter {
    Formatter {
        format,
        framing,
        local: false,
        facility: 16,
        app_name: None,
        proc_id: None,
        msg_id: None,
        enterprise_id: 32473,
        max_size: 8192,
    }
}

fn entry(message: &str, source: &str, metadata: Value) -> Event {
    let Value::Object(metadata) = metadata else { panic!("an object is needed") };
    let mut entry = LogEntry::new(Level::Warning, message, source).with(Metadata::from(metadata));
    entry.timestamp = "2026-03-01T12:34:56.123456Z".parse().unwrap();
    entry.encode(&Rules::default()).event
}

fn text_of(formatter: &Formatter, event: &Event) -> String {
    let frames = formatter.frames(&Batch::from(vec![event.clone()]));
    assert!(frames.refused.is_empty());
    String::from_utf8(frames.bytes).unwrap()
}

fn message_of(formatter: &Formatter, event: &Event) -> Message {
    let text = text_of(&Formatter { framing: Framing::Datagram, ..formatter.clone() }, event);
    assert!(text.len() <= formatter.max_size, "{} bytes", text.len());
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn rfc5424_in_full() {
    let formatter = formatter(Format::Rfc5424, Framing::Octet);
    let event = entry("High memory\nusage", "monitor", json!({"memory_mb": 1500, "gpu": {"0": {"t": 71.5}}}));
    let host = event.log().unwrap().host.into_owned();
    let message = format!(
        "<132>1 2026-03-01T12:34:56.123456Z {host} monitor {} - [nethical@32473 id=\"{}\"]\
         [meta@32473 memory_mb=\"1500\" gpu/0/t=\"71.5\"] High memory\nusage",
        std::process::id(),
        event.id()
    );
    assert_eq!(text_of(&formatter, &event), format!("{} {message}", message.len()));
}

#[test]
fn rfc3164_in_all_forms() {
    let event = entry("High memory\nusage", "app/é x", json!({"memory_mb": 1500}));
    let (pid, host) = (std::process::id(), event.log().unwrap().host.into_owned());
    let iso = formatter(Format::Rfc3164Iso, Framing::Datagram);
    let expected = format!(
        "<132>2026-03-01T12:34:56.123456Z {host} app___x[{pid}]: High memory\nusage {{\"memory_mb\":1500}}"
    );
    assert_eq!(text_of(&iso, &event), expected);
    let lines = Formatter { framing: Framing::Lf, ..iso };
    assert_eq!(text_of(&lines, &event), format!("{}\n", expected.replace('\n', "\\n")));
    let old = Formatter { local: true, ..formatter(Format::Rfc3164, Framing::Datagram) };
    let text = text_of(&old, &event);
    assert!(text.starts_with("<132>Mar  1 ") || text.starts_with("<132>Feb 28 "), "{text}");
    assert_eq!(parse(text.as_bytes()).unwrap().host, None);
    assert!(text.ends_with(&format!(" app___x[{pid}]: High memory\nusage {{\"memory_mb\":1500}}")), "{text}");
}

#[test]
fn options_stand_in_the_header_and_the_source_is_kept() {
    let named = Formatter {
        app_name: Some("my app".to_owned()),
        proc_id: Some("worker 7".to_owned()),
        msg_id: Some("TRAIN".to_owned()),
        enterprise_id: 7,
        ..formatter(Format::Rfc5424, Framing::Octet)
    };
    let message = message_of(&named, &entry("", "", json!({})));
    assert_eq!(message.app_name.as_deref(), Some("my_app"));
    assert_eq!((message.proc_id.as_deref(), message.msg_id.as_deref()), (Some("worker_7"), Some("TRAIN")));
    assert_eq!(message.param("nethical", "source"), Some(""));
    assert_eq!(message.structured.len(), 1);
    let source = "a source with spaces, and longer than any APP-NAME may be";
    let message = message_of(&formatter(Format::Rfc5424, Framing::Octet), &entry("", source, json!({})));
    assert_eq!(message.param("nethical", "source"), Some(source));
    assert_eq!(message.app_name.unwrap().len(), 48);
}

#[test]
fn too_long_texts_are_cut_visibly() {
    let event = entry(&"é".repeat(10_000), "s", json!({"answer": 42, "trace": "x".repeat(9_000), "last": 1}));
    for max_size in [480, 2048, 8192] {
        let sized = Formatter { max_size, ..formatter(Format::Rfc5424, Framing::Octet) };
        let message = message_of(&sized, &event);
        assert!(message.text.ends_with("…[cut, 20000 bytes]"), "{}", message.text);
        assert_eq!(message.param("nethical", "truncated"), Some("1"));
        assert_eq!(message.param("nethical", "length"), Some("20000"));
        assert!(message.param("nethical", "omitted").is_some());
        assert_eq!(message.param("meta", "answer"), Some("42"));
        let text = text_of(&Formatter { framing: Framing::Datagram, ..sized }, &event);
        assert!(text.len() > max_size * 3 / 4, "{} of {max_size}", text.len());
        let old = Formatter { max_size, ..formatter(Format::Rfc3164Iso, Framing::Datagram) };
        let message = message_of(&old, &event);
        let (text, json) = message.text.split_once(" {").unwrap();
        assert!(text.ends_with("…[cut, 20000 bytes]"), "{text}");
        let json: Value = serde_json::from_str(&format!("{{{json}")).unwrap();
        assert_eq!(json["answer"], 42);
        assert!(json["_omitted"].is_number());
    }
}

#[test]
fn what_is_not_too_long_is_whole_to_the_byte() {
    let exact = formatter(Format::Rfc5424, Framing::Octet);
    let size = |text: usize| {
        let event = entry(&"x".repeat(text), "s", json!({"a": 1}));
        text_of(&Formatter { framing: Framing::Datagram, ..exact.clone() }, &event).len()
    };
    let overhead = size(1) - 1;
    assert_eq!(size(8192 - overhead), 8192);
    let event = entry(&"x".repeat(8193 - overhead), "s", json!({"a": 1}));
    assert_eq!(message_of(&exact, &event).param("nethical", "truncated"), Some("1"));
}

#[test]
fn damage_is_refused_and_the_rest_goes() {
    let good = entry("m", "s", json!({}));
    let bad = Event::new(good.id(), good.at(), good.level(), good.family(), b"{");
    let frames = formatter(Format::Rfc3164Iso, Framing::Lf).frames(&vec![good.clone(), bad, good].into());
    assert_eq!(frames.refused.len(), 1);
    assert_eq!(frames.refused[0].0, 1);
    let each: Vec<_> = frames.each().map(<[u8]>::len).collect();
    assert_eq!((each.len(), each[1]), (3, 0));
    assert_eq!(frames.whole(each[0]), 2);
    assert_eq!(frames.whole(each[0] - 1), 0);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[\"\\\\\\]\n\r\0=\\[ a-c]{0,300}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c. =\"\\]é]{0,40}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_logged_is_read_back(
        text in any::<String>(),
        source in any::<String>(),
        metadata in prop::collection::btree_map(any::<String>(), any_value(), 0..8),
        max_size in 480_usize..4_000,
        one_line in any::<bool>(),
    ) {
        let framing = if one_line { Framing::Lf } else { Framing::Datagram };
        let event = entry(&text, &source, Value::Object(metadata.into_iter().collect()));
        let sized = Formatter { max_size, ..formatter(Format::Rfc5424, framing) };
        for format in [Format::Rfc5424, Format::Rfc3164Iso, Format::Rfc3164] {
            let written = text_of(&Formatter { format, ..sized.clone() }, &event);
            let message = if one_line { written.strip_suffix('\n').unwrap() } else { &written };
            prop_assert!(!(one_line && message.contains(['\n', '\r'])), "{message}");
            prop_assert!(message.len() <= max_size);
            prop_assert!(!message.contains('\0'));
            let read = parse(message.as_bytes()).map_err(|error| TestCaseError::fail(format!("{error}: {message}")))?;
            prop_assert_eq!(read.priority, 132);
            if format == Format::Rfc5424 {
                let id = event.id().to_string();
                prop_assert_eq!(read.param("nethical", "id"), Some(id.as_str()));
                if read.param("nethical", "truncated").is_none() {
                    let mut expected = Vec::new();
                    text::message(&mut expected, &event.log().unwrap().message, one_line);
                    prop_assert_eq!(read.text.into_bytes(), expected);
                }
            }
        }
    }
}
