//! What people type into a shell or write for systemd and containers runs too, each in the situation that its page
//! speaks of.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nethical_receivers::wandb::Wandb;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use testkit::mlflow::{Mlflow, environment};
use testkit::peers::systemd_analyze;

use super::blocks::in_language;
use super::machine::Machine;
use super::{documents, root};
use crate::{dead, runs};

/// The languages, and how many blocks of them a page has. Each is run below.
const BLOCKS: [(&str, &str, usize); 9] = [
    ("docs/alerts.md", "sh", 1),
    ("docs/coming-from.md", "sh", 2),
    ("docs/deployment.md", "sh", 1),
    ("docs/deployment.md", "ini", 2),
    ("docs/deployment.md", "yaml", 1),
    ("docs/deployment.md", "dockerfile", 1),
    ("docs/performance.md", "sh", 1),
    ("docs/spool.md", "sh", 2),
    ("docs/destinations/mlflow.md", "sh", 1),
];

fn block(page: &str, language: &str, number: usize) -> String {
    let page = documents().into_iter().find(|found| found.path == root().join(page)).unwrap();
    in_language(&page, &[language]).nth(number).unwrap().to_owned()
}

/// The values of `NAME=VALUE` lines of a unit, in order.
fn values<'u>(unit: &'u str, name: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

/// A command that does not end by itself, with all that it has started.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// One destination that keeps what it cannot deliver.
const SPOOLED: &str =
    "[spool]\ndurability = 'every'\n[logging.out]\ntype = 'jsonl'\nfilepath = 'out'\nspool = true\n";

/// A service to alert, and a file for its routes.
const ALERTS: &str = "[alerts.ops]\ntype = 'http'\nurl = 'https://hooks.example.com/ops'\n";

#[test]
fn every_block_has_its_test() {
    for page in documents().iter().filter(|page| page.path.starts_with(root().join("docs"))) {
        for language in ["sh", "ini", "yaml", "dockerfile"] {
            let found = in_language(page, &[language]).count();
            let name = page.path.strip_prefix(root()).unwrap();
            let known = BLOCKS.iter().find(|(page, of, _)| Path::new(page) == name && *of == language);
            assert_eq!(found, known.map_or(0, |(_, _, count)| *count), "{language} in {}", name.display());
        }
    }
}

#[test]
fn an_alert_is_raised_resolved_and_listed() {
    let machine = Machine::new(ALERTS);
    let ended = machine.run(&block("docs/alerts.md", "sh", 0));
    assert!(ended.stdout.contains("Disk full"), "{ended:?}");
    let said: Vec<_> =
        machine.service.requests().iter().map(|request| request.json().unwrap().to_string()).collect();
    assert!(said.len() == 2 && said[0].contains("97 %") && said[1].contains("resolved"), "{said:#?}");
}

#[test]
fn who_comes_from_apprise_sends_a_message_and_an_alert() {
    let machine = Machine::new(ALERTS);
    machine.run(&block("docs/coming-from.md", "sh", 1));
    let paths: Vec<_> = machine.service.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(paths, ["/x", "/ops"]);
}

#[test]
fn runs_are_synced_by_the_official_client_and_by_ours() {
    let mut machine = Machine::new("");
    let server = Wandb::start().unwrap();
    let id = runs::offline(&machine.sandbox, &server.url(), 12);
    let client = environment().parent().unwrap().join("wandb/bin/wandb");
    machine.program(
        "/usr/local/bin/wandb",
        &format!("exec {} \"$@\"", client.canonicalize().unwrap().display()),
    );
    let home = format!("HOME={}", machine.sandbox.folder.display());
    for assignment in [&*home, &format!("WANDB_BASE_URL={}", server.url()), "WANDB_ERROR_REPORTING=false"] {
        machine.set(assignment);
    }
    machine.set(&format!("WANDB_API_KEY={}", "0".repeat(40)));
    let ended = machine.run(&block("docs/coming-from.md", "sh", 0));
    assert!(ended.stdout.contains(&format!("run {id} of proj: was uploaded before")), "{ended:?}");
    assert_eq!(server.run(&id).unwrap().history.len(), 12);
}

/// What systemd has to say of a unit whose programs are there.
fn said_of(unit: &str) -> String {
    let machine = Machine::new("");
    machine.program("/opt/trainer/bin/train", "");
    machine.sandbox.write("of-the-book.service", machine.here(unit));
    let mut verify = systemd_analyze();
    verify.args(["verify", "--man=no"]).arg(machine.sandbox.path("of-the-book.service"));
    let output = verify.env("SYSTEMD_LOG_LEVEL", "warning").output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    for number in 0..2 {
        assert_eq!(said_of(&block("docs/deployment.md", "ini", number)), "");
    }
    let mistaken = block("docs/deployment.md", "ini", 0).replace("KillSignal=", "KilSignal=");
    assert!(said_of(&mistaken).contains("Unknown key"), "{}", said_of(&mistaken));
}

#[test]
fn a_service_delivers_what_it_left_when_it_stops() {
    let unit = block("docs/deployment.md", "ini", 0);
    let mut machine = Machine::new("");
    machine.write("/etc/trainer/nethical.toml", &SPOOLED.replace("'out'", "'${OUT}'"));
    machine.program("/opt/trainer/bin/train", "exec nethical log --wait 0 'the last words'");
    let secrets = values(&unit, "EnvironmentFile")[0];
    machine.write(secrets, "OUT=out");
    for assignment in values(&unit, "Environment").into_iter().chain(["OUT=out"]) {
        machine.set(assignment);
    }
    let working = values(&unit, "WorkingDirectory")[0];
    let folder = machine.path(working);
    std::fs::create_dir_all(&folder).unwrap();
    let within = |command: &str| format!("cd {working}\n{command}");
    std::os::unix::fs::symlink("/dev/full", folder.join("out")).unwrap();
    let left = machine.shell(&within(values(&unit, "ExecStart")[0])).output().unwrap();
    assert_eq!(left.status.code(), Some(75), "{left:?}");
    std::fs::remove_file(folder.join("out")).unwrap();
    machine.run(&within(values(&unit, "ExecStopPost")[0].trim_start_matches('-')));
    assert_eq!(machine.messages(folder.join("out")), ["the last words"]);
}

#[test]
fn a_timer_delivers_what_programs_left() {
    let unit = block("docs/deployment.md", "ini", 1);
    let mut machine = Machine::new(SPOOLED);
    values(&unit, "Environment").into_iter().for_each(|assignment| machine.set(assignment));
    machine.write("/etc/trainer/nethical.toml", SPOOLED);
    machine.sandbox.breaks("out");
    let left = machine.shell("nethical log --wait 0 'short and seldom'").output().unwrap();
    assert_eq!(left.status.code(), values(&unit, "SuccessExitStatus")[0].parse().ok(), "{left:?}");
    machine.sandbox.mends("out");
    machine.run(values(&unit, "ExecStart")[0]);
    assert_eq!(machine.messages("out"), ["short and seldom"]);
}

#[test]
fn the_output_of_another_program_is_logged() {
    let machine = Machine::new(SPOOLED);
    machine.program("/opt/legacy/bin/serve", "echo ready\necho 'to the error output' >&2");
    machine.run(&block("docs/deployment.md", "sh", 0));
    assert_eq!(machine.messages("out"), ["ready", "to the error output"]);
    assert!(machine.sandbox.entries("out").iter().all(|entry| entry["source"] == "legacy"));
}

/// The words of a JSON list after this in a text.
fn words(text: &str, after: &str) -> Vec<String> {
    let list = text.lines().find_map(|line| line.trim().strip_prefix(after)).unwrap();
    serde_json::from_str(list).unwrap_or_else(|error| panic!("{error}: {list}"))
}

/// A machine with the environment of the container, and a program in it.
fn container() -> (Machine, Vec<String>) {
    let file = block("docs/deployment.md", "dockerfile", 0);
    let mut machine = Machine::new("");
    machine.write("/etc/nethical/nethical.toml", SPOOLED);
    let environment = file.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap();
    environment.split(' ').for_each(|assignment| machine.set(assignment));
    let program = "import subprocess, sys\n\
        sys.exit(subprocess.run(['nethical', 'log', '--wait', '0', 'from the container']).returncode)\n";
    machine.sandbox.write("trainer.py", program);
    (machine, words(&file, "CMD "))
}

#[test]
fn a_container_keeps_what_waits_where_its_volume_is_and_a_second_one_delivers_it() {
    let (machine, trainer) = container();
    machine.sandbox.breaks("out");
    let trainer = trainer.join(" ").replace("python ", "python3 ");
    assert_eq!(machine.shell(&trainer).output().unwrap().status.code(), Some(75));
    assert!(machine.path("/var/lib/nethical").is_dir(), "the volume");
    let status: Value = machine.run("nethical status --json").json();
    assert_eq!(status["total"]["waiting"], 1);

    machine.sandbox.mends("out");
    let pod = block("docs/deployment.md", "yaml", 0);
    let words = words(&pod, "command: ");
    let [shell, option, script] = &words[..] else { panic!("{words:?}") };
    let mut command = machine.shell(&format!("exec {shell} {option} '{script}'"));
    let beside = Running::start(&mut command);
    let (started, out) = (Instant::now(), machine.sandbox.path("out"));
    while std::fs::read(&out).map_or(0, |bytes| bytes.len()) == 0
        && started.elapsed() < Duration::from_secs(60)
    {
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(beside);
    assert_eq!(machine.messages("out"), ["from the container"]);
}

#[test]
fn orphans_are_delivered_by_the_configuration_that_knew_them() {
    let machine = Machine::new(SPOOLED);
    machine.sandbox.breaks("out");
    machine.shell("nethical log --wait 0 orphan").output().unwrap();
    machine.sandbox.mends("out");
    std::fs::rename(machine.sandbox.path("nethical.toml"), machine.sandbox.path("old.toml")).unwrap();
    machine.sandbox.write("nethical.toml", "[logging.other]\ntype = 'jsonl'\nfilepath = 'other'\n");
    machine.run(&block("docs/spool.md", "sh", 0));
    assert_eq!(machine.messages("out"), ["orphan"]);
}

#[test]
fn dead_letters_are_seen_repeated_and_dropped() {
    let machine = Machine::new(&SPOOLED.replace("logging.out", "logging.audit"));
    let letters = [
        dead::letter("audit", "too large", "audit.too_large", 40),
        dead::letter("audit", "of old", "audit.other", 200),
    ];
    dead::bury(&machine.sandbox, &letters);
    let text = block("docs/spool.md", "sh", 1);
    let shown = text.split_once("--id ").unwrap().1.lines().next().unwrap();
    let ended = machine.run(&text.replace(shown, &letters[0].id));
    for part in ["400: too large is not for me", "1 dead letter delivered", "1 dead letter dropped"] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
    assert_eq!(machine.messages("out"), ["too large"]);
}

#[test]
fn mlflow_opens_the_file() {
    let mut machine = Machine::new("[runs.mlflow]\ntracking_uri = 'sqlite:////data/runs.db'\n");
    machine.run(
        "nethical run start --experiment spirals --run-file run.id
         nethical run metrics --run-file run.id loss=0.4 --step 1
         nethical run end --run-file run.id",
    );
    let client = environment().join("bin/mlflow").canonicalize().unwrap();
    machine.program("/usr/local/bin/mlflow", &format!("exec {} \"$@\"", client.display()));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // One worker, and nothing else beside the server: the test is not about those.
    let port = format!("MLFLOW_PORT={}", free.port());
    let home = format!("HOME={}", machine.sandbox.folder.display());
    let server =
        ["MLFLOW_WORKERS=1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true"];
    server.iter().for_each(|assignment| machine.set(assignment));
    [port, home].iter().for_each(|assignment| machine.set(assignment));
    let text = block("docs/destinations/mlflow.md", "sh", 0);
    let mut command = machine.shell(&text);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let _running = Running::start(&mut command);
    let server = Mlflow::at(free);
    server.wait();
    let runs = server.runs("spirals");
    assert_eq!((runs.len(), &runs[0]["data"]["metrics"][0]["value"]), (1, &0.4.into()), "{runs:#?}");
}
