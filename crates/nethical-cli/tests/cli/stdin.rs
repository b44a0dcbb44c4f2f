//! `nethical log --stdin`

use std::fmt::Write;

use serde_json::json;

use crate::Sandbox;

#[test]
fn every_line_arrives_in_order() {
    let sandbox = Sandbox::new();
    let lines = (0..100_000).fold(String::new(), |mut lines, number| {
        let _ = writeln!(lines, "line {number}");
        lines
    });
    sandbox.write("in", lines);
    let ended = sandbox.run_with(&["log", "--stdin", "--file", "out"], &sandbox.path("in")).code(0);
    assert_eq!(ended.stdout, "");
    ended.says("100,000 lines in ").says("out 100,000 confirmed");
    let messages = sandbox.messages("out");
    assert_eq!(messages.len(), 100_000);
    assert!(messages.iter().enumerate().all(|(number, message)| *message == format!("line {number}")));
}

#[test]
fn odd_bytes_are_mended_visibly_and_counted() {
    let sandbox = Sandbox::new();
    let long = "x".repeat(2 << 20);
    sandbox.write("in", [b"a\0b\n\xff\n\n\r\n".as_slice(), long.as_bytes(), b"\nlast"].concat());
    let ended = sandbox.run_with(&["log", "--stdin", "--file", "out", "k=1"], &sandbox.path("in")).code(0);
    let ended = ended.says("6 lines").says("1 line held bytes that are not UTF-8");
    ended.says("1 line held NUL characters").says("1 line were longer than 1 MiB");
    let messages = sandbox.messages("out");
    assert_eq!(messages.len(), 6);
    assert_eq!((&*messages[0], &*messages[1], &*messages[5]), ("a\0b", "\u{fffd}", "last"));
    assert!(messages[4].ends_with("…[cut, 1048576 bytes]"));
    assert!(sandbox.entries("out").iter().all(|entry| entry["metadata"] == json!({"k": 1})));
}

#[test]
fn json_lines_become_entries() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "in",
        "{\"level\":\"error\",\"message\":\"m\",\"user\":7,\"n\":12345678901234567890123,\"api_key\":\"x\"}\n\nno json\n{\"level\":\"loud\"}\n",
    );
    let ended = sandbox.run_with(&["log", "--stdin", "--json", "--file", "out"], &sandbox.path("in")).code(0);
    let account = ended.json();
    assert_eq!((&account["lines"], &account["repaired"]["not_json"]), (&json!(4), &json!(1)));
    assert_eq!(
        (&account["repaired"]["odd"], &account["destinations"][0]["confirmed"]),
        (&json!(1), &json!(3))
    );
    let entries = sandbox.entries("out");
    assert_eq!((&entries[0]["level"], &entries[0]["message"]), (&json!("ERROR"), &json!("m")));
    assert_eq!(
        entries[0]["metadata"],
        json!({"user": 7, "n": "12345678901234567890123", "api_key": "[REDACTED]"})
    );
    assert_eq!(entries[1]["message"], "no json");
    assert_eq!(entries[2]["metadata"], json!({"level": "loud"}));
}

#[test]
fn a_name_at_the_top_and_in_the_metadata_loses_neither() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "in",
        "{\"message\":\"m\",\"k\":1,\"metadata\":{\"k\":2,\"token\":\"x\"},\"token\":\"s3cret\"}\n",
    );
    sandbox.run_with(&["log", "--stdin", "--json", "--file", "out"], &sandbox.path("in")).code(0);
    let expected = json!({"k": 2, "k_2": 1, "token": "[REDACTED]", "token_2": "[REDACTED]"});
    assert_eq!(sandbox.entries("out")[0]["metadata"], expected);
}

#[test]
fn its_own_lines_come_back_the_same() {
    let sandbox = Sandbox::new();
    sandbox.run(&["log", "--file", "a", "-l", "error", "-s", "app", "hello", "n=1"]).code(0);
    sandbox.run_with(&["log", "--stdin", "--json", "--file", "b"], &sandbox.path("a")).code(0);
    let (first, second) = (&sandbox.entries("a")[0], &sandbox.entries("b")[0]);
    for key in ["timestamp", "level", "message", "source", "id"] {
        assert_eq!(first[key], second[key]);
    }
}

#[test]
fn nothing_is_lost_although_the_configuration_would_drop() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "nethical.toml",
        "[logging.jsonl]\nfilepath = 'out'\nqueue = { max_events = 5, full = 'drop_newest' }",
    );
    sandbox.write("in", "x\n".repeat(2_000));
    sandbox.run_with(&["log", "--stdin"], &sandbox.path("in")).code(0).says("jsonl 2,000 confirmed");
    assert_eq!(sandbox.messages("out").len(), 2_000);
}

#[test]
fn standard_input_that_cannot_be_read_is_clear() {
    let sandbox = Sandbox::new();
    let ended = sandbox.run_with(&["log", "--stdin", "--file", "out"], &sandbox.path("")).code(1);
    ended.says("error: cannot read standard input: Is a directory");
    let endless = sandbox.run_with(&["log", "--stdin", "--file", "."], "/dev/zero".as_ref()).code(2);
    endless.says("Is a directory");
    let ended = sandbox.run(&["log", "--stdin", "--file", "out", "message"]).code(2);
    ended.says("`message` is no field");
}
