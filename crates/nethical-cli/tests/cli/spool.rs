//! What waits on disk: `nethical log`, `status` and `sync`

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Ended, Sandbox};

/// A process that takes entries for a destination that is down.
struct Feeder {
    child: Child,
    input: ChildStdin,
}

impl Feeder {
    fn start(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.command(&["log", "--stdin"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        Self { child, input }
    }

    fn feed(&mut self, lines: std::ops::Range<usize>) {
        lines.for_each(|line| writeln!(self.input, "line {line}").unwrap());
    }

    /// As by `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Look until the status is as wanted.
#[track_caller]
fn wait_for(sandbox: &Sandbox, wanted: impl Fn(&Value) -> bool) -> Value {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let status = sandbox.status();
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < patience, "{status:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn waiting(process: &Value) -> u64 {
    let destinations = process["destinations"].as_array().unwrap();
    destinations.iter().map(|destination| destination["ledger"]["waiting"].as_u64().unwrap()).sum()
}

#[test]
fn an_outage_is_kept_seen_and_made_up_for() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    sandbox.breaks("out");
    let ended = sandbox.run(&["log", "--wait", "0.2", "one"]).code(75);
    ended.says("kept for later: 1 event not delivered to `out` after 0.2 s").says("`nethical sync` delivers");
    let account = sandbox.run(&["log", "--wait", "0.2", "--json", "two"]).code(75).json();
    assert_eq!(account["outcome"], "kept");
    let destination = &account["destinations"][0];
    assert_eq!((&destination["accepted"], &destination["earlier"]), (&json!(1), &json!(1)));
    assert_eq!((&destination["waiting"], &destination["kept"]), (&json!(2), &json!(2)));

    let status = sandbox.status();
    assert_eq!((&status["total"]["waiting"], &status["left"][0]["waiting"]), (&json!(2), &json!(2)));
    let seen = &status["processes"][0]["destinations"][0];
    assert_eq!((&seen["key"], &seen["last_error"]["code"]), (&json!("out"), &json!("jsonl.disk_full")));
    assert!(seen["oldest"].is_string() && seen["last_error"]["hint"].is_string(), "{seen}");
    let shown = sandbox.run(&["status"]).code(0).stdout;
    for part in
        ["No space left on device", "hint: free some space", "`nethical sync` delivers", "2 events waiting"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    let ended = sandbox.run(&["sync", "--wait", "0.2"]).code(75).says("No space left on device");
    assert!(ended.stdout.contains("out: 2 events"), "{ended:?}");
    sandbox.mends("out");
    sandbox.run(&["check"]).code(0);
    assert_eq!(sandbox.status()["total"]["waiting"], 2, "a check delivers nothing");
    let ended = sandbox.run(&["sync"]).code(0);
    assert_eq!(ended.stdout, "out: 2 events delivered\nnothing of ended processes is left\n");
    assert_eq!(sandbox.messages("out"), ["one", "two"]);
    sandbox.run(&["log", "three"]).code(0).silent();
    let total = &sandbox.status()["total"];
    assert_eq!(
        (&total["accepted"], &total["confirmed"], &total["waiting"]),
        (&json!(3), &json!(3), &json!(0))
    );
}

#[test]
fn what_was_left_before_is_told_apart_from_what_is_new() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    sandbox.breaks("out");
    sandbox.run(&["log", "--wait", "0.2", "before"]).code(75);
    sandbox.write("in", "1\n2\n3\n4\n5\n");
    let feed = |code| sandbox.run_with(&["log", "--stdin", "--wait", "0.2"], &sandbox.path("in")).code(code);
    let ended = feed(75).says("5 lines in ").says(": out 5 kept, 1 from before still waiting\n");
    ended.says("5 events and 1 from before not delivered to `out` after 0.2 s");
    sandbox.write("in", "");
    feed(75).says("6 events from before not delivered to `out`");
    let account = sandbox.run(&["log", "--wait", "0.2", "--json", "new"]).code(75).json();
    let destination = &account["destinations"][0];
    assert_eq!((&destination["waiting"], &destination["earlier_waiting"]), (&json!(7), &json!(6)));
    sandbox.mends("out");
    sandbox.write("in", "last\n");
    let ended = sandbox.run_with(&["log", "--stdin"], &sandbox.path("in")).code(0);
    ended.says("1 line in ").says(": out 8 confirmed, 7 of them from before\n");
}

#[test]
fn a_kill_in_mid_stream_loses_nothing_that_was_taken() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    sandbox.breaks("out");
    let mut feeder = Feeder::start(&sandbox);
    feeder.feed(0..500);
    let status = wait_for(&sandbox, |status| status["total"]["waiting"] == 500);
    let process = &status["processes"][0];
    assert_eq!((&process["running"], &process["pid"]), (&json!(true), &json!(feeder.child.id())));
    assert_eq!(status["left"], json!([]));
    feeder.kill();
    let status = sandbox.status();
    assert_eq!((&status["processes"][0]["running"], waiting(&status["processes"][0])), (&json!(false), 500));
    sandbox.mends("out");
    let account = sandbox.run(&["sync", "--json"]).code(0).json();
    assert_eq!(
        (&account["outcome"], &account["destinations"][0]["confirmed"]),
        (&json!("delivered"), &json!(500))
    );
    let messages = sandbox.messages("out");
    assert_eq!(messages, (0..500).map(|line| format!("line {line}")).collect::<Vec<_>>());
}

#[test]
fn what_running_processes_hold_is_theirs() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    sandbox.breaks("out");
    let (mut one, mut other) = (Feeder::start(&sandbox), Feeder::start(&sandbox));
    one.feed(0..30);
    other.feed(30..70);
    let status = wait_for(&sandbox, |status| status["total"]["waiting"] == 70);
    let processes = status["processes"].as_array().unwrap();
    assert_eq!(processes.iter().filter(|process| process["running"] == true).count(), 2);
    let ended = sandbox.run(&["sync", "--wait", "5"]).code(0);
    assert!(ended.stdout.contains("70 events with running processes"), "{ended:?}");
    one.kill();
    other.kill();
    sandbox.mends("out");
    sandbox.run(&["sync"]).code(0);
    let mut messages = sandbox.messages("out");
    messages.sort_by_key(|message| message.strip_prefix("line ").unwrap().parse::<usize>().unwrap());
    assert_eq!(messages, (0..70).map(|line| format!("line {line}")).collect::<Vec<_>>());
    let total = &sandbox.status()["total"];
    assert_eq!(
        (&total["confirmed"], &total["waiting"]),
        (&json!(70), &json!(0)),
        "the counts outlive adoption"
    );
}

#[test]
fn orphans_are_named_with_what_empties_them() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    sandbox.breaks("out");
    sandbox.run(&["log", "--wait", "0.1", "lonely"]).code(75);
    sandbox.mends("out");
    std::fs::rename(sandbox.path("nethical.toml"), sandbox.path("old.toml")).unwrap();
    sandbox.write("nethical.toml", "[logging.new]\ntype = 'jsonl'\nfilepath = 'new'\nspool = true");
    sandbox.run(&["log", "hello"]).code(0).silent();
    let status = sandbox.status();
    assert_eq!((&status["left"][0]["key"], &status["left"][0]["orphan"]), (&json!("out"), &json!(true)));
    let shown = sandbox.run(&["status"]).code(0).stdout;
    assert!(
        shown.contains("out: orphans: 1 event") && shown.contains("nethical sync --config FILE"),
        "{shown}"
    );
    let ended = sandbox.run(&["sync"]).code(75);
    assert!(ended.stdout.contains("no destination `out`"), "{ended:?}");
    sandbox.run(&["sync", "--config", "old.toml"]).code(0);
    assert_eq!(sandbox.messages("out"), ["lonely"]);
    assert_eq!(sandbox.status()["left"], json!([]));
}

#[test]
fn a_running_process_leaves_alone_what_is_not_its_own() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    sandbox.breaks("out");
    sandbox.run(&["log", "--wait", "0.1", "lonely"]).code(75);
    sandbox.write("nethical.toml", "[logging.new]\ntype = 'jsonl'\nfilepath = 'new'\nspool = true");
    let mut feeder = Feeder::start(&sandbox);
    feeder.feed(0..3);
    let patience = Instant::now() + Duration::from_secs(60);
    while !sandbox.path("new").exists() || sandbox.messages("new").len() < 3 {
        assert!(Instant::now() < patience, "nothing was delivered");
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = wait_for(&sandbox, |status| status["total"]["confirmed"] == 3);
    let running: Vec<_> = status["processes"].as_array().unwrap().iter().map(|one| &one["running"]).collect();
    assert_eq!(running, [&json!(false), &json!(true)], "{status:#}");
    assert_eq!((&status["left"][0]["key"], &status["left"][0]["orphan"]), (&json!("out"), &json!(true)));
    sandbox.run(&["sync"]).code(75);
    feeder.kill();
}

#[test]
fn nothing_is_kept_where_the_environment_says_so() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    sandbox.breaks("out");
    let off = |arguments: &[&str]| -> Ended {
        sandbox.command(arguments).env("NETHICAL_SPOOL", "off").output().unwrap().into()
    };
    let ended = off(&["log", "--wait", "0.1", "hello"]).code(75);
    assert!(!ended.stderr.contains("kept"), "{ended:?}");
    ended.says("warning: 1 event not delivered to `out` after 0.1 s");
    assert_eq!(off(&["log", "--wait", "0.1", "--json", "hello"]).code(75).json()["outcome"], "waiting");
    off(&["sync"]).code(2).says("$NETHICAL_SPOOL").says("hint: unset it");
    assert!(!sandbox.path("home").exists());
    let ended = off(&["status"]).code(0);
    assert!(ended.stdout.contains("nothing was ever kept in "), "{ended:?}");
}

#[test]
fn the_table_switches_it_off_and_moves_it() {
    let sandbox = Sandbox::new();
    sandbox.spooled();
    let config = sandbox.read("nethical.toml").replace("durability = 'every'", "home = 'elsewhere'");
    sandbox.write("nethical.toml", &config);
    sandbox.breaks("out");
    sandbox.run(&["log", "--wait", "0.1", "hello"]).code(75).says("kept for later");
    assert!(sandbox.path("elsewhere").exists() && !sandbox.path("home").exists());
    assert_eq!(sandbox.status()["total"]["waiting"], 1);
    let asked = sandbox.run(&["status", "--json", "--home", "home"]).code(0).json();
    assert_eq!(asked["total"]["waiting"], 0);
    sandbox.write("nethical.toml", config.replace("spool = true", "spool = false"));
    let ended = sandbox.run(&["log", "--wait", "0.1", "hello"]).code(75);
    assert!(!ended.stderr.contains("kept"), "{ended:?}");
    sandbox.mends("out");
    sandbox.run(&["sync"]).code(0);
    assert_eq!(sandbox.messages("out"), ["hello"], "what was left is delivered all the same");
}

#[test]
fn wrong_usage_is_clear() {
    let sandbox = Sandbox::new();
    sandbox.run(&["sync"]).code(2).says("no configuration found");
    sandbox.run(&["status"]).code(0);
    sandbox.write("nethical.toml", "[logging.out]\ntype = 'jsonl'\nfilepath = 'out'\n[spool]\nhom = 'x'");
    sandbox.run(&["sync"]).code(2).says("unknown key `spool.hom`").says("did you mean `home`?");
    sandbox.run(&["status"]).code(0).says("nethical.toml is wrong, so it is not looked at");
    sandbox.run(&["status", "--config", "nethical.toml"]).code(2);
    sandbox.spooled();
    sandbox.breaks("out");
    sandbox.run(&["log", "--wait", "0.1", "hello"]).code(75);
    sandbox.mends("out");
    std::fs::create_dir(sandbox.path("out")).unwrap();
    sandbox.run(&["sync", "--wait", "1"]).code(2).says("error: `out`: cannot open");
}

#[test]
fn it_can_be_watched() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["status", "--watch", "0.1", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen: Vec<Value> = lines.take(3).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(seen.iter().all(|status| status["total"]["waiting"] == 0));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_home_that_cannot_be_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("nethical.toml", "[logging.syslog]\nhost = '127.0.0.1'\nport = 9\nprotocol = 'TCP'\n");
    let mut command = sandbox.command(&["log", "hello", "--wait", "0.1"]);
    let ended: Ended = command.env("NETHICAL_HOME", "/dev/null").output().unwrap().into();
    ended.code(75).says("warning: syslog: events wait in memory only: ");
}
