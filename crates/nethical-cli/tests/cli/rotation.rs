//! Files that are moved away: by the command itself, and by others.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Sandbox;

const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `nethical log --stdin` with these arguments.
fn start(sandbox: &Sandbox, arguments: &[&str]) -> (Child, ChildStdin) {
    let mut command = sandbox.command(&[&["log", "--stdin"], arguments].concat());
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let input = child.stdin.take().unwrap();
    (child, input)
}

fn end(mut child: Child, input: ChildStdin) {
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(done.success());
}

/// Files that were moved away from `out`, oldest first.
fn archived(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("out-")).collect();
    found.sort();
    found
}

/// The messages of `out` and of what was moved away from there, in order. Every line is whole.
fn messages(sandbox: &Sandbox) -> Vec<String> {
    let mut text = String::new();
    for path in archived(sandbox).into_iter().chain([sandbox.path("out")]) {
        // After a rotation there may be no file yet, and what is called so is not whole yet.
        let is_whole = path.exists() && path.extension().is_none_or(|ending| ending != "tmp");
        let Some(file) = is_whole.then(|| fs::File::open(&path).unwrap()) else { continue };
        let _ = match path.extension().is_some_and(|ending| ending == "gz") {
            true => flate2::read::GzDecoder::new(file).read_to_string(&mut text),
            false => (&file).read_to_string(&mut text),
        };
    }
    assert!(text.ends_with('\n'));
    let message = |line| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry["message"].as_str().unwrap().to_owned()
    };
    text.lines().map(message).collect()
}

#[test]
fn options_of_the_file_are_options_of_the_command() {
    let sandbox = Sandbox::new();
    sandbox.write("in", (0..2_000).map(|number| format!("{number}\n")).collect::<String>());
    let options = ["-o", "rotate_bytes=20000", "-o", "compress=gzip", "-o", "schema=flat"];
    let arguments = [&["log", "--stdin", "--file", "out"], options.as_slice()].concat();
    sandbox.run_with(&arguments, &sandbox.path("in")).code(0).says("out 2,000 confirmed");
    let files = archived(&sandbox);
    assert!(files.len() > 10 && files.iter().all(|path| path.extension().unwrap() == "gz"), "{files:?}");
    assert_eq!(messages(&sandbox), (0..2_000).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn wrong_options_are_told_before_anything_is_read() {
    let sandbox = Sandbox::new();
    let run = |option: &str| sandbox.run(&["log", "--file", "out", "-o", option, "hello"]).code(2);
    run("rotate_byte=1").says("unknown key `rotate_byte`").says("did you mean `rotate_bytes`?");
    run("rotate_bytes=lots").says("rotate_bytes: ").says("hint: ");
    run("compress=rar").says("compress: ");
    sandbox.run(&["log", "-o", "compress=gzip", "hello"]).code(2).says("--file");
    assert!(!sandbox.path("out").exists());
}

#[test]
fn a_file_that_was_moved_away_is_let_go_of_at_once_when_asked() {
    let sandbox = Sandbox::new();
    let (child, mut input) = start(&sandbox, &["--file", "out"]);
    writeln!(input, "before").unwrap();
    until("the first line is written", || sandbox.path("out").exists() && !sandbox.read("out").is_empty());
    fs::rename(sandbox.path("out"), sandbox.path("out.1")).unwrap();
    signal(&child, "-HUP");
    until("a new file is there", || sandbox.path("out").exists());
    let moved = sandbox.path("out.1").canonicalize().unwrap();
    until("the old one is let go of", || {
        let fds = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        fds.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok()).all(|path| path != moved)
    });
    writeln!(input, "after").unwrap();
    end(child, input);
    assert_eq!(
        (sandbox.messages("out.1"), sandbox.messages("out")),
        (vec!["before".to_owned()], vec!["after".to_owned()])
    );
}

#[test]
fn rotation_by_renaming_loses_nothing() {
    let sandbox = Sandbox::new();
    let (child, mut input) = start(&sandbox, &["--file", "out"]);
    let mut number = 0;
    for round in 0..20 {
        for _ in 0..200 {
            writeln!(input, "{number}").unwrap();
            number += 1;
        }
        until("something is written", || sandbox.path("out").exists());
        fs::rename(sandbox.path("out"), sandbox.path(&format!("out-{round:02}"))).unwrap();
        if round % 2 == 0 {
            signal(&child, "-HUP");
        }
    }
    end(child, input);
    assert_eq!(messages(&sandbox), (0..number).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn after_copytruncate_the_file_starts_anew_without_a_hole() {
    let sandbox = Sandbox::new();
    let (child, mut input) = start(&sandbox, &["--file", "out"]);
    for number in 0..100 {
        writeln!(input, "{number}").unwrap();
    }
    until("all are written", || sandbox.path("out").exists() && sandbox.messages("out").len() == 100);
    fs::copy(sandbox.path("out"), sandbox.path("out-1")).unwrap();
    fs::File::options().write(true).open(sandbox.path("out")).unwrap().set_len(0).unwrap();
    for number in 100..200 {
        writeln!(input, "{number}").unwrap();
    }
    end(child, input);
    assert_eq!(messages(&sandbox), (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// Each process is killed while it writes, rotates and compresses; the next one goes on. What a process took is
/// there without a gap, and no line is torn.
#[test]
fn kills_in_between_lose_nothing_and_tear_no_line() {
    const ROUNDS: usize = 8;
    let sandbox = Sandbox::new();
    let options =
        "filepath = 'out'\nrotate_bytes = 10000\ncompress = 'gzip'\nspool = true\nbuffer_size = 10\n";
    sandbox.write(
        "nethical.toml",
        format!("[spool]\ndurability = 'every'\n[logging.out]\ntype = 'jsonl'\n{options}"),
    );
    for round in 0..ROUNDS {
        let (mut child, mut input) = start(&sandbox, &[]);
        let files = archived(&sandbox).len();
        let feeder = std::thread::spawn(move || {
            (0..).find(|number| writeln!(input, "{round} {number}").is_err());
        });
        // A different number of files each time, so that the kills meet different steps.
        until("it rotates", || archived(&sandbox).len() > files + 2 + round);
        child.kill().unwrap();
        child.wait().unwrap();
        feeder.join().unwrap();
    }
    sandbox.run(&["sync", "--wait", "60"]).code(0);
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for message in messages(&sandbox) {
        let (round, number) = message.split_once(' ').unwrap();
        found.entry(round.parse().unwrap()).or_default().push(number.parse().unwrap());
    }
    assert_eq!(found.len(), ROUNDS);
    for (round, mut numbers) in found {
        numbers.sort_unstable();
        // What was written and not yet noted as such is written twice, and a file may be there compressed as well.
        numbers.dedup();
        assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>(), "a gap in round {round}");
    }
}
