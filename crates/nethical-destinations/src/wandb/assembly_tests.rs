use prost::Message;
use std::io::Write;

use super::*;
use crate::wandb::log::frame::HEADER;
use crate::wandb::log::record::{Header, Time, Update, VersionInfo};

fn file(kinds: Vec<Kind>) -> tempfile::NamedTempFile {
    let mut out = HEADER.to_vec();
    let mut at = out.len() as u64;
    for (num, kind) in (1..).zip(kinds) {
        at = crate::wandb::log::frame_for_tests(
            &Record { num, kind: Some(kind) }.encode_to_vec(),
            at,
            &mut out,
        );
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&out).unwrap();
    file
}

fn row(items: &[(&str, &str)], step: Option<i64>) -> Kind {
    let item = items.iter().map(|(name, value)| Item::new(*name, *value)).collect();
    Kind::History(History { item, step: step.map(|num| Step { num }) })
}

fn header(producer: &str) -> Kind {
    let version_info = VersionInfo { producer: producer.to_owned(), min_consumer: String::new() };
    Kind::Header(Header { version_info: Some(version_info) })
}

fn run() -> Kind {
    Kind::Run(Run {
        run_id: "r".into(),
        start_time: Some(Time { seconds: 100, nanos: 500_000_000 }),
        config: Some(Update { update: vec![Item::new("lr", "NaN")], remove: Vec::new() }),
        ..Run::default()
    })
}

fn lines(assembly: &Assembly) -> Vec<&str> {
    assembly.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn rows_of_ours_are_merged_and_shifted() {
    let kinds = vec![
        header("nethical 0.1.0"),
        run(),
        row(&[("loss", "1"), ("_step", "0")], Some(0)),
        row(&[("acc", "2"), ("loss", "3"), ("_step", "0")], None),
        row(&[("loss", "NaN"), ("_step", "1")], Some(1)),
    ];
    let file = file(kinds);
    let mut assembly = Assembly::open(file.path()).unwrap();
    assert_eq!(assembly.first_step(), Some(0));
    assert!(assembly.lines.is_empty() && assembly.run.is_some());
    assembly.shift_steps(10);
    assembly.read(1 << 20).unwrap();
    assert_eq!(lines(&assembly), [r#"{"loss":3,"_step":10,"acc":2}"#], "the last row may get more");
    assert_eq!(assembly.lines[0].records, 2);
    assert_eq!(assembly.row_is_open(), Some(5));
    assembly.close_row();
    assert_eq!(lines(&assembly)[1], r#"{"loss":NaN,"_step":11}"#);
    assert_eq!(assembly.summary(), r#"{"loss":NaN,"_step":11,"acc":2}"#);
    assert_eq!(assembly.config.entries().next(), Some(("lr", "null".to_owned())));
}

#[test]
fn logs_of_others_are_taken_as_they_are() {
    let mut typed = Item { key: "typed".into(), integer: Some(-3), ..Item::default() };
    typed.value_json.clear();
    let nested = Item { nested_key: vec!["a".into(), "b".into()], value_json: "1".into(), ..Item::default() };
    let kinds = vec![
        run(),
        row(&[("loss", "1"), ("_step", "4")], None),
        Kind::History(History { item: vec![typed, nested], step: None }),
        Kind::Summary(Update { update: vec![Item::new("best", "9")], remove: Vec::new() }),
        Kind::Stats(Stats {
            timestamp: Some(Time { seconds: 102, nanos: 0 }),
            item: vec![Item::new("cpu", "5.5")],
        }),
        Kind::Output(OutputRaw {
            output_type: 0,
            timestamp: Some(Time { seconds: 0, nanos: 0 }),
            line: "half".into(),
        }),
        Kind::Output(OutputRaw {
            output_type: 0,
            timestamp: Some(Time { seconds: 0, nanos: 0 }),
            line: " a line\n".into(),
        }),
        Kind::Exit(Exit { exit_code: 3, runtime: 0, not_complete: false }),
    ];
    let file = file(kinds);
    let mut assembly = Assembly::open(file.path()).unwrap();
    assembly.read(1 << 20).unwrap();
    assert_eq!(lines(&assembly), [r#"{"loss":1,"_step":4}"#, r#"{"typed":-3,"a":{"b":1},"_step":5}"#]);
    assert_eq!(assembly.summary(), r#"{"best":9}"#);
    assert_eq!(assembly.events[0], r#"{"_wandb":true,"_timestamp":102.0,"_runtime":1.5,"system.cpu":5.5}"#);
    assert_eq!(assembly.output[0], "ERROR 1970-01-01T00:00:00.000000 half a line");
    assert_eq!(assembly.exit.unwrap().exit_code, 3);
}
