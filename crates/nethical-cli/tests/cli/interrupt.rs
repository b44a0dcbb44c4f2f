//! Ctrl-C while standard input goes on.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Sandbox;

fn start(sandbox: &Sandbox, file: &str) -> Child {
    let mut command = sandbox.command(&["log", "--stdin", "--file", file, "--wait", "1"]);
    command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: &Child) {
    let done = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(done.success());
}

fn end(child: &mut Child) -> (Option<i32>, String) {
    let code = child.wait().unwrap().code();
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    (code, told)
}

#[test]
fn what_was_read_is_delivered_before_the_end() {
    let sandbox = Sandbox::new();
    let mut child = start(&sandbox, "out");
    let mut input = child.stdin.take().unwrap();
    input.write_all(&b"x\n".repeat(1_000)).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !sandbox.path("out").exists() || sandbox.messages("out").len() < 1_000 {
        assert!(Instant::now() < patience, "the first batch never came");
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(&child);
    let (code, told) = end(&mut child);
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("1,000 lines"), "{told}");
    drop(input);
}

#[test]
fn a_full_destination_is_told_and_does_not_hold_it_up() {
    let sandbox = Sandbox::new();
    let mut child = start(&sandbox, "/dev/full");
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || while input.write_all(&b"x\n".repeat(1_000)).is_ok() {});
    let mut first = String::new();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    told.read_line(&mut first).unwrap();
    assert!(first.starts_with("warning: /dev/full is down, its events are held: "), "{first}");
    assert!(first.contains("hint: free some space"), "{first}");
    let asked = Instant::now();
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(40));
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("not delivered to `/dev/full` after 1 s"), "{rest}");
    feeder.join().unwrap();
}
