//! Runs that were only written, and their upload.

use std::sync::Arc;
use std::time::Duration;

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::wandb::{Mode, Wandb, WandbConfig};
use nethical::tracking::{Platform, RunStatus, StartRun};
use nethical_receivers::wandb as fake;

use super::Sandbox;

/// An offline run of this many rows.
pub(super) fn offline(sandbox: &Sandbox, url: &str, rows: u32) -> String {
    offline_with(sandbox, url, |platform| {
        let id = platform.start_run(&StartRun { experiment: "e", ..StartRun::default() }).unwrap();
        for row in 0..rows {
            platform.log_metrics(&id, &[("loss", f64::from(row))], None).unwrap();
        }
        id
    })
}

fn offline_with(sandbox: &Sandbox, url: &str, tell: impl FnOnce(&dyn Platform) -> String) -> String {
    let mut config = WandbConfig::new("proj");
    config.mode = Some(Mode::Offline);
    config.directory = Some(sandbox.path(""));
    config.base_url = Some(url.to_owned());
    let spool = SpoolSettings { home: Some(sandbox.path("home")), ..SpoolSettings::default() };
    let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
    let platform = Wandb::open(&config, "wandb", settings, &Default::default()).unwrap();
    let id = tell(&*platform);
    platform.end_run(&id, RunStatus::Completed, Some(Duration::from_secs(60))).unwrap();
    platform.close(Duration::from_secs(60));
    id
}

/// A command with a key for this server: its exit code, and what it printed.
fn online(sandbox: &Sandbox, server: &fake::Wandb, arguments: &[&str]) -> (i32, String, String) {
    let mut command = sandbox.command(arguments);
    command.env("WANDB_BASE_URL", server.url()).env("WANDB_API_KEY", "0".repeat(40));
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), out, err)
}

#[test]
fn a_run_that_was_resumed_is_one() {
    let (sandbox, nowhere) = (Sandbox::new(), "http://127.0.0.1:9");
    let id = offline(&sandbox, nowhere, 3);
    offline_with(&sandbox, nowhere, |platform| {
        platform.resume_run(&id).unwrap();
        platform.log_metrics(&id, &[("loss", 7.0)], Some(3)).unwrap();
        id.clone()
    });
    let listed = sandbox.run(&["runs", "list", "--json"]).code(0).json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["metrics"]["loss"]), (1, &7.0.into()));
    let shown = sandbox.run(&["runs", "show", &id, "--csv"]).code(0).stdout;
    assert_eq!(shown.lines().count(), 1 + 4, "{shown}");
}

#[test]
fn sync_uploads_runs_that_were_only_written_and_says_so() {
    let (sandbox, server) = (Sandbox::new(), fake::Wandb::start().unwrap());
    let id = offline(&sandbox, &server.url(), 25);
    sandbox.write("nethical.toml", "[runs.wandb]\nproject = 'proj'\nupload_interval = 0.02\n");
    let command = |arguments: &[&str]| online(&sandbox, &server, arguments);
    let (code, out, _) = command(&["status"]);
    assert!(code == 0 && out.contains("wandb") && out.contains("`nethical sync` delivers them"), "{out}");
    let (code, out, err) = command(&["sync"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains(&format!("run {id} of proj: 25 rows at the server, complete")), "{out}");
    let run = server.run(&id).unwrap();
    assert_eq!((run.history.len(), run.exit_code), (25, Some(0)));
    let (code, out, _) = command(&["sync", "wandb", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report["runs"][0]["outcome"].as_str()), (0, Some("already")), "{out}");
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[test]
fn what_waits_of_runs_is_counted_and_the_command_that_sends_it_is_named() {
    let (sandbox, ours) = (Sandbox::new(), fake::Wandb::start().unwrap());
    let theirs = fake::Wandb::start().unwrap();
    let json = |server, arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&online(&sandbox, server, arguments).1).unwrap()
    };
    let here = offline(&sandbox, &ours.url(), 3);
    let there = offline(&sandbox, &theirs.url(), 2);
    sandbox.write("nethical.toml", "[runs.wandb]\nproject = 'proj'\nupload_interval = 0.02\n");
    let status = json(&ours, &["status", "--json"]);
    let total = &status["total"];
    // Beside the rows their starts and ends.
    assert_eq!((&total["waiting"], &total["accepted"]), (&9.into(), &9.into()), "{status}");
    assert!(total["waiting_bytes"].as_u64() > Some(0) && total["oldest"].is_string(), "{status}");
    let of = |account: &serde_json::Value, server: &fake::Wandb| {
        let left = account["left"].as_array().unwrap().iter();
        left.clone().find(|left| left["server"] == server.url().as_str()).cloned()
    };
    let remedy = |account: &serde_json::Value, server: &fake::Wandb| {
        of(account, server).unwrap()["remedy"].as_str().unwrap().to_owned()
    };
    assert_eq!(remedy(&status, &ours), "`nethical sync` delivers them");
    let command = format!("`WANDB_BASE_URL={} nethical sync` delivers them", theirs.url());
    let wanted = format!("they are for {}: {command}", theirs.url());
    assert_eq!(remedy(&status, &theirs), wanted);
    let left = of(&status, &theirs).unwrap();
    assert_eq!((&left["waiting"], left["runs"].as_array().unwrap().len()), (&4.into(), 1));
    let table = online(&sandbox, &ours, &["status"]).1;
    assert!(table.contains("9 events waiting") && table.contains("4 events in 1 run"), "{table}");
    assert!(table.lines().any(|line| line.trim_start().starts_with("ended    wandb")), "{table}");

    let without_key =
        sandbox.command(&["sync", "--json"]).env("WANDB_BASE_URL", ours.url()).output().unwrap();
    let account: serde_json::Value = serde_json::from_slice(&without_key.stdout).unwrap();
    assert!(remedy(&account, &ours).contains("set `WANDB_API_KEY`"), "what sync was told: {account}");
    let account = json(&ours, &["sync", "--json"]);
    assert_eq!((of(&account, &ours), remedy(&account, &theirs)), (None, wanted), "{account}");
    assert!(ours.run(&here).is_some() && ours.run(&there).is_none());
    sandbox.write("nethical.toml", format!("[runs.wandb]\nproject = 'proj'\nbase_url = '{}'\n", ours.url()));
    let named = remedy(&json(&ours, &["status", "--json"]), &theirs);
    assert!(named.contains(&format!("with `base_url = \"{}\"` in it", theirs.url())), "{named}");
    // No configuration is needed for it.
    std::fs::remove_file(sandbox.path("nethical.toml")).unwrap();
    assert_eq!(
        remedy(&json(&ours, &["status", "--json"]), &theirs),
        format!("they are for {}: {command}", theirs.url())
    );
    let (code, out, err) = online(&sandbox, &theirs, &["sync"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(theirs.run(&there).unwrap().history.len(), 2);
    assert_eq!(json(&ours, &["status", "--json"])["total"]["waiting"], 0);
    assert_eq!(
        online(&sandbox, &ours, &["sync"]).0,
        2,
        "there is nothing left to sync, and no configuration"
    );
}

#[test]
fn sync_says_what_keeps_a_run_from_its_server() {
    let (sandbox, server) = (Sandbox::new(), fake::Wandb::start().unwrap());
    offline(&sandbox, &server.url(), 3);
    let without_key =
        sandbox.command(&["sync", "wandb"]).env("WANDB_BASE_URL", server.url()).output().unwrap();
    assert_eq!(without_key.status.code(), Some(1));
    assert!(String::from_utf8(without_key.stderr).unwrap().contains("WANDB_API_KEY"));
    server.stop();
    let mut command = sandbox.command(&["sync", "wandb", "--wait", "0.3"]);
    let down =
        command.env("WANDB_BASE_URL", server.url()).env("WANDB_API_KEY", "0".repeat(40)).output().unwrap();
    assert_eq!(down.status.code(), Some(75));
    let out = String::from_utf8(down.stdout).unwrap();
    assert!(out.contains("left") && out.contains("reached"), "{out}");
    let missing =
        sandbox.command(&["sync", "nowhere"]).env("WANDB_API_KEY", "0".repeat(40)).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn sync_uploads_a_run_of_the_official_client_once() {
    let (sandbox, server) = (Sandbox::new(), fake::Wandb::start().unwrap());
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let python = target.join("peers/wandb/bin/python");
    assert!(python.is_file(), "no {}: `cargo xtask peers` installs it", python.display());
    let script = "import wandb\n\
        settings = wandb.Settings(console='off', x_disable_stats=True, disable_git=True, disable_code=True)\n\
        run = wandb.init(project='proj', id='theirs', mode='offline', config={'lr': 0.1}, settings=settings)\n\
        for row in range(12): run.log({'loss': row})\n\
        run.finish()\n";
    let mut official = std::process::Command::new(python);
    official.args(["-c", script]).current_dir(sandbox.path("")).env_clear().env("HOME", sandbox.path(""));
    official.env("PATH", "/usr/bin:/bin").env("WANDB_ERROR_REPORTING", "false");
    let ended = official.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

    let (code, out, err) = online(&sandbox, &server, &["sync", "wandb"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(out, "run theirs of proj: 12 rows at the server, complete\n");
    assert_eq!(err, "", "a bar is for terminals");
    let (code, out, _) = online(&sandbox, &server, &["sync", "wandb"]);
    assert_eq!((code, out.as_str()), (0, "run theirs of proj: was uploaded before\n"));
    let directory = std::fs::read_dir(sandbox.path("wandb")).unwrap().flatten().map(|entry| entry.path());
    let directory =
        directory.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("offline-run"));
    std::fs::remove_file(directory.last().unwrap().join("run-theirs.wandb.synced")).unwrap();
    assert_eq!(online(&sandbox, &server, &["sync", "wandb"]).0, 0);
    let run = server.run("theirs").unwrap();
    let losses: Vec<_> = run.rows().iter().map(|row| row["loss"].as_i64().unwrap()).collect();
    assert_eq!(losses, (0..12).collect::<Vec<_>>(), "also without the marker");
    assert_eq!((run.exit_code, run.configured("lr").unwrap().as_f64()), (Some(0), Some(0.1)));
    assert_eq!(server.violations(), Vec::<String>::new());
}

#[test]
fn a_refused_row_stands_among_the_dead_letters_and_is_not_sent_again() {
    let (sandbox, server) = (Sandbox::new(), fake::Wandb::start().unwrap());
    let id = offline(&sandbox, &server.url(), 8);
    sandbox.write("nethical.toml", "[runs.wandb]\nproject = 'proj'\nupload_interval = 0.02\n");
    server.behave(|behaviour| behaviour.poison = Some("\"loss\\\":5.0".to_owned()));
    let (code, out, err) = online(&sandbox, &server, &["sync"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("8 rows at the server, 1 refused (see `nethical dead list`), complete"), "{out}");
    let listed = sandbox.run(&["dead", "list", "--json"]).code(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed[0]["destination"], &listed[0]["reason"]), (&"wandb".into(), &"wandb.refused".into()));
    let shown = sandbox.run(&["dead", "show", "--json"]).code(0).json();
    assert_eq!(shown[0]["event"]["run"], id.as_str());
    assert_eq!(
        shown[0]["event"]["change"]["metrics"],
        serde_json::json!({ "values": { "loss": 5.0 }, "step": 5 })
    );
    let replayed =
        sandbox.run(&["dead", "replay"]).code(1).says("W&B takes no row in the place of an earlier one");
    assert!(replayed.stdout.contains("takes nothing again, and listed as before"), "{}", replayed.stdout);
    assert_eq!(sandbox.run(&["dead", "list", "--json"]).code(0).json(), listed);
    sandbox.run(&["dead", "drop", "--yes"]).code(0);
    assert_eq!(sandbox.run(&["dead", "list", "--json"]).code(0).json(), serde_json::json!([]));
}

#[test]
fn check_asks_whose_the_key_is_and_whether_it_may_write_there() {
    let (sandbox, server) = (Sandbox::new(), fake::Wandb::start().unwrap());
    let check = |key: &str, entity: &str| {
        let text = format!(
            "[runs.wandb]\nproject = 'proj'\nentity = '{entity}'\nbase_url = '{}'\napi_key = '{key}'\n",
            server.url()
        );
        sandbox.write("nethical.toml", text);
        sandbox.run(&["check"])
    };
    let (good, other) = ("0".repeat(40), "1".repeat(40));
    server.behave(|behaviour| {
        (behaviour.entity, behaviour.key) = ("my-team".to_owned(), Some("0".repeat(40)));
    });
    let found = check(&good, "my-team").code(0).stdout;
    assert!(
        found.contains("project proj, which the first run makes, of my-team at 127.0.0.1, as my-team"),
        "{found}"
    );
    let asked: Vec<_> = server.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(asked, ["Viewer", "Project"], "a look makes nothing");
    let refused = check(&other, "my-team");
    assert!(
        refused.stdout.contains("failed") && refused.stdout.contains("https://wandb.ai/authorize"),
        "{refused:?}"
    );
    assert!(!refused.stdout.contains(&other) && !refused.stderr.contains(&other), "{refused:?}");
    let elsewhere = check(&good, "their-team");
    assert!(elsewhere.stdout.contains("this key does not belong to `their-team`"), "{elsewhere:?}");
    assert!(elsewhere.stdout.contains("hint: it belongs to my-team"), "{elsewhere:?}");
    check("short", "my-team").code(2).says("nethical.toml:5").says("this is no key of W&B's");
    check(&good, "my team").code(2).says("nethical.toml:3").says("cannot be an entity");
    server.stop();
    let down = check(&good, "my-team");
    assert!(down.stdout.contains("failed") && down.stdout.contains("hint:"), "{down:?}");
}
