//! The programs in `examples/` do what they say.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs an example in a folder in which there is nothing.
fn run(name: &str) -> tempfile::TempDir {
    // Examples are built with the tests, into the folder beside theirs.
    let here = std::env::current_exe().unwrap();
    let program = here.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(&program);
    command.current_dir(folder.path()).env_clear().env("NETHICAL_HOME", folder.path().join("home"));
    let ended = command.output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
    folder
}

fn lines(folder: &tempfile::TempDir, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn logs_go_where_their_level_belongs() {
    let folder = run("logs");
    assert_eq!(lines(&folder, "app.jsonl").len(), 2);
    let warnings = lines(&folder, "warnings.jsonl");
    assert_eq!((warnings.len(), &warnings[0]["metadata"]["memory_mb"]), (1, &1500.into()));
}

#[test]
fn an_alert_is_said_once_and_when_it_is_over() {
    let folder = run("alerts");
    let said: Vec<_> = lines(&folder, "alerts.jsonl").iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(said[0].contains("3 GB are left") && said[1].contains("resolved"), "{said:#?}");
    assert!(said[2].contains("accuracy"), "{said:#?}");
}

#[cfg(feature = "mlflow-embedded")]
#[test]
fn a_run_is_in_the_file_with_everything() {
    let folder = run("runs");
    assert!(folder.path().join("mlflow.db").is_file());
    let kept = std::fs::read_dir(folder.path().join("mlartifacts")).unwrap().count();
    assert_eq!(kept, 1, "the artifacts of one experiment");
}

#[test]
fn events_of_tracing_are_entries() {
    let folder = run("tracing");
    let entries = lines(&folder, "app.jsonl");
    assert_eq!(
        (&entries[0]["source"], &entries[0]["metadata"]["spans"][0]["number"]),
        (&"monitor".into(), &3.into())
    );
}
