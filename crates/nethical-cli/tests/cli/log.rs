//! `nethical log MESSAGE`

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Ended, Sandbox};

#[test]
fn a_file_needs_no_configuration() {
    let sandbox = Sandbox::new();
    let arguments = [
        "log",
        "--file",
        "a/b.jsonl",
        "-l",
        "warn",
        "-s",
        "cron",
        "disk at 91%",
        "disk=/dev/sda1",
        "used=0.91",
    ];
    sandbox.run(&arguments).code(0).silent();
    let entry = &sandbox.entries("a/b.jsonl")[0];
    assert_eq!((&entry["level"], &entry["message"]), (&json!("WARNING"), &json!("disk at 91%")));
    assert_eq!(
        (&entry["source"], &entry["metadata"]),
        (&json!("cron"), &json!({"disk": "/dev/sda1", "used": 0.91}))
    );
}

#[test]
fn the_configuration_is_found() {
    let sandbox = Sandbox::new();
    let config = |file: &str| format!("[logging.jsonl]\nfilepath = '{file}'");
    sandbox.write("asked.toml", config("asked.jsonl"));
    sandbox.write("named.toml", config("named.jsonl"));
    std::fs::create_dir_all(sandbox.path("config-home/nethical")).unwrap();
    sandbox.write("config-home/nethical/nethical.toml", config("home.jsonl"));
    sandbox.run(&["log", "one"]).code(0).silent();
    sandbox.write("nethical.toml", config("here.jsonl"));
    sandbox.run(&["log", "two"]).code(0).silent();
    let named = sandbox.command(&["log", "three"]).env("NETHICAL_CONFIG", "named.toml").output().unwrap();
    Ended::from(named).code(0).silent();
    sandbox.run(&["log", "four", "--config", "asked.toml"]).code(0).silent();
    for (file, message) in [("home", "one"), ("here", "two"), ("named", "three"), ("asked", "four")] {
        assert_eq!(sandbox.messages(&format!("{file}.jsonl")), [message]);
    }
}

#[test]
fn only_the_named_destinations_get_it() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "nethical.toml",
        "[logging.a]\ntype = 'jsonl'\nfilepath = 'a'\n[logging.b]\ntype = 'jsonl'\nfilepath = 'b'\n\
         [logging.c]\ntype = 'jsonl'\nfilepath = 'c'\nlevel = 'error'",
    );
    sandbox.run(&["log", "--to", "b", "--to", "c", "hello"]).code(0).silent();
    assert!(!sandbox.path("a").exists());
    assert_eq!(sandbox.messages("b"), ["hello"]);
    assert!(sandbox.messages("c").is_empty());
    sandbox.run(&["log", "--to", "c", "hello"]).code(0).says("no destination takes entries of level INFO");
    sandbox
        .run(&["log", "--to", "d", "x"])
        .code(2)
        .says("has no destination `d`")
        .says("hint: did you mean `a`?");
}

#[test]
fn the_account_is_json_if_asked_for() {
    let sandbox = Sandbox::new();
    let account = sandbox.run(&["log", "--file", "x.jsonl", "--json", "hello"]).code(0).json();
    assert_eq!(account["outcome"], "delivered");
    let destination = &account["destinations"][0];
    assert_eq!((&destination["name"], &destination["confirmed"]), (&json!("x.jsonl"), &json!(1)));
}

#[test]
fn what_cannot_be_delivered_is_told_by_the_exit_code() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    let ended = sandbox.run(&["log", "--file", "folder", "hello"]).code(2);
    ended.says("Is a directory").says("hint: name a file in the directory");
    let ended = sandbox.run(&["log", "--file", "/dev/full", "--wait", "0.3", "hello"]).code(75);
    ended.says("warning: 1 event not delivered to `/dev/full` after 0.3 s").says("No space left on device");
    let account =
        sandbox.run(&["log", "--file", "/dev/full", "--wait", "0.1", "--json", "x"]).code(75).json();
    assert_eq!(account["outcome"], "waiting");
    assert_eq!(account["destinations"][0]["code"], "jsonl.disk_full");
}

#[test]
fn not_waiting_is_short_and_still_tells() {
    let sandbox = Sandbox::new();
    let started = Instant::now();
    sandbox.run(&["log", "--no-wait", "--file", "x.jsonl", "hello"]).code(0).silent();
    sandbox.run(&["log", "--no-wait", "--file", "/dev/full", "hello"]).code(75).says("1 event not delivered");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(sandbox.messages("x.jsonl"), ["hello"]);
}

#[test]
fn a_reader_of_the_account_that_leaves_changes_no_outcome() {
    let sandbox = Sandbox::new();
    for (file, code) in [("x.jsonl", 0), ("/dev/full", 75)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = sandbox.command(&["log", "--json", "--wait", "0.2", "--file", file, "hello"]);
        Ended::from(command.stdout(writer).output().unwrap()).code(code);
    }
    assert_eq!(sandbox.messages("x.jsonl"), ["hello"]);
}

#[test]
fn one_that_cannot_be_opened_keeps_the_others_from_nothing() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    sandbox.write(
        "nethical.toml",
        "[logging.bad]\ntype = 'jsonl'\nfilepath = 'folder'\n[logging.jsonl]\nfilepath = 'good'",
    );
    sandbox.run(&["log", "hello"]).code(2).says("error: `bad`: cannot open");
    assert_eq!(sandbox.messages("good"), ["hello"]);
}

#[test]
fn wrong_usage_says_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["log", "hello"])
        .code(2)
        .says("error: no configuration found")
        .says("hint: `nethical init`");
    sandbox.run(&["log"]).code(2).says("MESSAGE");
    sandbox.run(&["log", "-l", "30", "x"]).code(2).says("numbers mean different levels");
    sandbox.run(&["log", "--wait", "-1", "x"]).code(2);
    sandbox.run(&["log", "--wait", "nan", "x"]).code(2).says("from 0 to 604800");
    sandbox.run(&["log", "--file", "-", "hello"]).code(2).says("names no file").says("/dev/stdout | cat");
    sandbox.run(&["log", "--file", "x", "hello", "world"]).code(2).says("`world` is no field");
    sandbox.run(&["log", "--file", "x", "--config", "y", "hello"]).code(2).says("cannot be used with");
    sandbox.write("empty.toml", "");
    sandbox
        .run(&["log", "--config", "empty.toml", "x"])
        .code(2)
        .says("empty.toml has no destination for logs");
    assert!(!sandbox.path("x").exists() && !sandbox.path("-").exists());
    sandbox.run(&["log", "--file", "./-", "hello"]).code(0).silent();
    assert_eq!(sandbox.messages("-"), ["hello"]);
}

#[test]
fn any_bytes_are_a_message() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["log", "--file", "x.jsonl"]);
    command.arg(OsStr::from_bytes(b"a\xffb")).arg(OsStr::from_bytes(b"k=\xfe"));
    Ended::from(command.output().unwrap()).code(0).silent();
    sandbox.run(&["log", "--file", "x.jsonl", ""]).code(0).silent();
    assert_eq!(sandbox.messages("x.jsonl"), ["a\u{fffd}b", ""]);
}
