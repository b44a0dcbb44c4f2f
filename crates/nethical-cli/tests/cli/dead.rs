//! `nethical dead`

use std::sync::Arc;

use nethical::event::Rules;
use nethical::spool::{DeadLetter, DeadLetterLog, Disk, Home, Retention};
use nethical::{Level, LogEntry};
use serde_json::json;

use crate::Sandbox;

const HOUR: u64 = 3_600_000_000;

fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64
}

/// A letter that was given up so many hours ago.
pub(super) fn letter(destination: &str, message: &str, reason: &str, hours: u64) -> DeadLetter {
    let event = LogEntry::new(Level::Error, message, "tests").encode(&Rules::default()).event;
    DeadLetter {
        destination: destination.to_owned(),
        id: event.id().to_string(),
        reason: reason.to_owned(),
        answer: format!("400: {message} is not for me"),
        attempts: 3,
        first_micros: now() - hours * HOUR,
        last_micros: now() - hours * HOUR,
        payload: event.to_stored(),
    }
}

pub(super) fn bury(sandbox: &Sandbox, letters: &[DeadLetter]) {
    let folder = Home::new(Arc::new(Disk), sandbox.path("home")).dead_letters();
    std::fs::create_dir_all(sandbox.path("home")).unwrap();
    let log = DeadLetterLog::open(Arc::new(Disk), &folder, Retention::default()).unwrap();
    letters.iter().for_each(|letter| log.append(letter).unwrap());
}

fn messages(sandbox: &Sandbox, filter: &[&str]) -> Vec<String> {
    let arguments = [&["dead", "list", "--json"], filter].concat();
    let letters = sandbox.run(&arguments).code(0).json();
    let message = |letter: &serde_json::Value| letter["message"].as_str().unwrap().to_owned();
    letters.as_array().unwrap().iter().map(message).collect()
}

#[test]
fn letters_are_listed_and_chosen() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["dead", "list"]).code(0).stdout, "no dead letters\n");
    assert!(!sandbox.path("home").exists(), "looking creates nothing");
    let old = letter("a", "old", "a.bad", 50);
    bury(&sandbox, &[letter("a", "new", "a.bad", 1), old.clone(), letter("b", "other\nline", "b.worse", 5)]);
    assert_eq!(messages(&sandbox, &[]), ["old", "other\nline", "new"], "the oldest first");
    assert_eq!(messages(&sandbox, &["--destination", "a"]), ["old", "new"]);
    assert_eq!(messages(&sandbox, &["--reason", "b.worse"]), ["other\nline"]);
    assert_eq!(messages(&sandbox, &["--id", &old.id]), ["old"]);
    assert_eq!(messages(&sandbox, &["--since", "6h"]), ["other\nline", "new"]);
    assert_eq!(messages(&sandbox, &["--since", "2d12h", "--until", "6h"]), ["old"]);
    assert_eq!(messages(&sandbox, &["--until", "2001-01-01T00:00:00Z"]), [""; 0]);
    let shown = sandbox.run(&["dead", "list"]).code(0).stdout;
    assert!(shown.contains("other line") && shown.ends_with("3 dead letters\n"), "{shown}");
    sandbox.run(&["dead", "list", "--since", "yesterday"]).code(2).says("90s, 2h or 3d");
    sandbox.run(&["dead"]).code(2);
}

#[test]
fn a_letter_is_shown_with_everything() {
    let sandbox = Sandbox::new();
    let one = letter("a", "one", "a.bad", 1);
    bury(&sandbox, &[one.clone(), DeadLetter { payload: b"\xff".to_vec(), ..letter("a", "odd", "x", 0) }]);
    let shown = sandbox.run(&["dead", "show", "--id", &one.id]).code(0).stdout;
    for part in [&*one.id, "a.bad", "400: one is not for me", "\n  \"message\": \"one\"", "attempts     3"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let all = sandbox.run(&["dead", "show", "--json"]).code(0).json();
    assert_eq!((&all[0]["event"]["id"], &all[0]["attempts"]), (&json!(one.id), &json!(3)));
    assert_eq!(all[1]["event"], json!(null));
    sandbox.run(&["dead", "show", "--id", "x"]).code(1).says("no such dead letter");
}

#[test]
fn letters_are_dropped_only_if_somebody_means_it() {
    let sandbox = Sandbox::new();
    bury(&sandbox, &[letter("a", "one", "x", 1), letter("b", "two", "x", 1), letter("b", "three", "x", 0)]);
    sandbox.run(&["dead", "drop"]).code(2).says("3 dead letters would be dropped").says("--yes");
    assert_eq!(messages(&sandbox, &[]).len(), 3);
    let ended = sandbox.run(&["dead", "drop", "--destination", "b", "--yes"]).code(0);
    assert_eq!(ended.stdout, "2 dead letters dropped\n");
    assert_eq!(messages(&sandbox, &[]), ["one"]);
    assert_eq!(sandbox.run(&["dead", "drop", "--yes", "--json"]).code(0).json(), json!({"dropped": 1}));
    assert_eq!(sandbox.run(&["dead", "drop"]).code(0).stdout, "0 dead letters dropped\n");
}

#[test]
fn a_replayed_letter_arrives_with_its_id() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    assert_eq!(sandbox.run(&["dead", "replay"]).code(0).stdout, "no dead letters to replay\n");
    let (one, two) = (letter("out", "one", "x", 2), letter("out", "two", "x", 1));
    let id = two.id.clone();
    bury(&sandbox, &[one, two, letter("gone", "three", "x", 0)]);
    let ended = sandbox.run(&["dead", "replay", "--id", &id]).code(0);
    assert_eq!(ended.stdout, "1 dead letter delivered\n");
    assert_eq!(sandbox.entries("out")[0]["id"], json!(id));
    let ended = sandbox.run(&["dead", "replay", "--json"]).code(2).says("no destination `gone`");
    assert_eq!(
        ended.json().as_array().unwrap().iter().map(|one| &one["outcome"]).collect::<Vec<_>>(),
        ["no_destination", "delivered"]
    );
    assert_eq!(sandbox.messages("out"), ["two", "one"]);
    assert_eq!(messages(&sandbox, &[]), ["three"]);
}

#[test]
fn a_replay_to_a_destination_that_is_down_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.write("nethical.toml", "[logging.out]\ntype = 'jsonl'\nfilepath = 'out'");
    sandbox.breaks("out");
    bury(
        &sandbox,
        &[letter("out", "one", "x", 2), DeadLetter { payload: Vec::new(), ..letter("out", "", "x", 1) }],
    );
    let ended = sandbox.run(&["dead", "replay", "--wait", "0.2", "--until", "90m"]).code(75);
    assert_eq!(ended.stdout, "1 dead letter kept for later: `nethical sync` delivers them\n");
    assert_eq!(messages(&sandbox, &["--until", "90m"]), [""; 0]);
    let ended = sandbox.run(&["dead", "replay", "--wait", "0.2"]).code(1);
    assert_eq!(ended.stdout, "1 dead letter not taken, and listed as before\n", "it cannot be read");
    assert_eq!(messages(&sandbox, &[]).len(), 1);
    sandbox.mends("out");
    sandbox.run(&["sync"]).code(0);
    assert_eq!(sandbox.messages("out"), ["one"]);
}

#[test]
fn a_replay_needs_to_know_where_to() {
    let sandbox = Sandbox::new();
    bury(&sandbox, &[letter("out", "one", "x", 2)]);
    sandbox.run(&["dead", "replay"]).code(2).says("no configuration found");
    sandbox.spooled();
    std::fs::create_dir(sandbox.path("out")).unwrap();
    sandbox.run(&["dead", "replay"]).code(2).says("error: `out`: cannot open");
    assert_eq!(messages(&sandbox, &[]), ["one"]);
}
