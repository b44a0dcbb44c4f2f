//! What rsyslog and syslog-ng make of messages: `table.json` says it, and both are asked.
//!
//! Rows with `bytes` are sent as they are; they show why the formatter does what it does. Rows with
//! `event` go through the destination with their `options`. `NETHICAL_TABLE=write` writes down what the
//! servers made of them, for a person to read before it is committed. `cargo xtask peers` unpacks the
//! servers.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod check;
mod ends;
mod rows;

use std::path::Path;

use serde_json::{Value, json};
use testkit::peers::{Kind, Server, Setup};

use crate::rows::Asked;

/// Every row, on one server.
fn ask_all(kind: Kind, rows: &[Value]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(kind, folder.path(), Setup::default()).unwrap();
    let mut asked = Asked::new(&server);
    rows.iter().map(|row| Value::Array(asked.row(row))).collect()
}

#[test]
fn both_servers_parse_every_row_as_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syslog_servers/table.json");
    let mut rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let answers = std::thread::scope(|scope| {
        let threads = Kind::ALL.map(|kind| {
            (
                kind,
                scope.spawn({
                    let rows = &rows;
                    move || ask_all(kind, rows)
                }),
            )
        });
        threads.map(|(kind, thread)| (kind, thread.join().unwrap()))
    });
    if std::env::var_os("NETHICAL_TABLE").is_some() {
        for (kind, answers) in &answers {
            rows.iter_mut().zip(answers).for_each(|(row, answer)| row[kind.name()] = answer.clone());
        }
        let text = rows.iter().map(|row| format!(" {row}")).collect::<Vec<_>>().join(",\n");
        std::fs::write(&path, format!("[\n{text}\n]\n")).unwrap();
        return;
    }
    let mut wrong = Vec::new();
    for (kind, answers) in &answers {
        let right = rows.iter().zip(answers).filter(|(row, answer)| row[kind.name()] == **answer).count();
        println!("{}: {right} of {}", kind.name(), rows.len());
        for (row, answer) in rows.iter().zip(answers).filter(|(row, answer)| row[kind.name()] != **answer) {
            wrong.push(
                json!({ "row": row["name"], "on": kind.name(), "expected": row[kind.name()], "got": answer }),
            );
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {:#}", wrong.len(), Value::Array(wrong));
}
