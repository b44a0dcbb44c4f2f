//! Runs that were only written, and their upload.

use std::sync::Arc;
use std::time::Duration;

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::wandb::{Mode, Wandb, WandbConfig};
use nethical::tracking::{Platform, RunStatus, StartRun};
use nethical_receivers::wandb as fake;

use super::Sandbox;

/// An offline run of this many rows.
fn offline(sandbox: &Sandbox, url: &str, rows: u32) -> String {
    let mut config = WandbConfig::new("proj");
    config.mode = Some(Mode::Offline);
    config.directory = Some(sandbox.path(""));
    config.base_url = Some(url.to_owned());
    let spool = SpoolSettings { home: Some(sandbox.path("home")), ..SpoolSettings::default() };
    let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
    let platform = Wandb::open(&config, "wandb", settings, &Default::default()).unwrap();
    let id = platform.start_run(&StartRun { experiment: "e", ..StartRun::default() }).unwrap();
    for row in 0..rows {
        platform.log_metrics(&id, &[("loss", f64::from(row))], None).unwrap();
    }
    platform.end_run(&id, RunStatus::Completed, Some(Duration::from_secs(60))).unwrap();
    platform.close(Duration::from_secs(60));
    id
}

#[test]
fn sync_uploads_runs_that_were_only_written_and_says_so() {
    let (sandbox, server) = (Sandbox::new(), fake::Wandb::start().unwrap());
    let id = offline(&sandbox, &server.url(), 25);
    sandbox.write("nethical.toml", "[runs.wandb]\nproject = 'proj'\nupload_interval = 0.02\n");
    let command = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        let output = command
            .env("WANDB_BASE_URL", server.url())
            .env("WANDB_API_KEY", "0".repeat(40))
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
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
