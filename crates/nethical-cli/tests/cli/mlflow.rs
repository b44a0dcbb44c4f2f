//! Runs on a real MLflow server: what `check` says, and what becomes of what waits or was refused.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nethical::delivery::{Settings, SpoolSettings};
use nethical::destinations::Validated;
use nethical::destinations::mlflow::{MlflowConfig, StartTimeout};
use nethical::tracking::{ArtifactOptions, Platform, RunStatus, StartRun};
use serde_json::{Value, json};
use testkit::mlflow::Mlflow;
use testkit::proxy::Proxy;

use crate::Sandbox;

const PATIENCE: Duration = Duration::from_secs(60);

fn configure(sandbox: &Sandbox, url: &str) {
    sandbox.write("nethical.toml", format!("[runs.mlflow]\ntracking_uri = '{url}'\n"));
}

/// The platform that the configuration describes, in this process.
fn open(sandbox: &Sandbox, url: &str) -> Arc<dyn Platform> {
    let spool = SpoolSettings { home: Some(sandbox.path("home")), ..SpoolSettings::default() };
    let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
    let mut config = MlflowConfig::new(url);
    config.start_timeout = StartTimeout(0.0);
    let settings = config.settings(settings);
    Arc::new(config).platform("mlflow", settings, &Default::default()).unwrap().unwrap()
}

/// A name that no other test uses.
fn name(what: &str) -> String {
    format!("{what}-{}", nethical::event::EventId::new())
}

fn log_a_run(platform: &dyn Platform, sandbox: &Sandbox, experiment: &str) {
    let run = platform.start_run(&StartRun { experiment, ..StartRun::default() }).unwrap();
    platform.log_metrics(&run, &[("loss", 0.5)], Some(1)).unwrap();
    sandbox.write("model", "weights");
    platform.log_artifact(&run, &sandbox.path("model"), &ArtifactOptions::default()).unwrap();
    platform.end_run(&run, RunStatus::Completed, None).unwrap();
}

fn arrived(server: &Mlflow, experiment: &str) {
    let runs = server.runs(experiment);
    assert_eq!((runs.len(), &runs[0]["info"]["status"]), (1, &json!("FINISHED")));
    assert_eq!(runs[0]["data"]["metrics"][0]["value"], 0.5);
    let uri = runs[0]["info"]["artifact_uri"].as_str().unwrap();
    let place = uri.replace("mlflow-artifacts:", "/api/2.0/mlflow-artifacts/artifacts");
    assert_eq!(server.download(&format!("{place}/model")), b"weights");
}

fn copies(home: &Path) -> usize {
    std::fs::read_dir(home.join("runs/artifacts")).unwrap().count()
}

#[test]
fn check_says_which_server_answers_or_what_to_do() {
    let (server, sandbox) = (Mlflow::shared(), Sandbox::new());
    configure(&sandbox, &server.url());
    let found = sandbox.run(&["check"]).code(0).stdout;
    assert!(found.contains("mlflow  ok      MLflow 3."), "{found}");
    assert!(found.contains(&format!(" at {}", server.url())), "{found}");
    assert!(server.runs("Default").iter().all(|run| run["info"]["run_name"] != "check"));

    let proxy = Proxy::on("127.0.0.2:0", server.address());
    configure(&sandbox, &proxy.url());
    let found = sandbox.run(&["check"]).code(1).stdout;
    assert!(found.contains("Invalid Host header") && found.contains("hint: "), "{found}");
    assert!(found.contains("--allowed-hosts"), "{found}");
    proxy.take_down();
    configure(&sandbox, "http://127.0.0.1:9");
    let found = sandbox.run(&["check"]).code(1).stdout;
    assert!(found.contains("cannot reach http://127.0.0.1:9"), "{found}");
    assert!(found.contains("hint: see whether the server runs (`mlflow server`)"), "{found}");
}

#[test]
fn sync_delivers_updates_and_artifacts_of_a_program_that_is_gone() {
    const CHILD: &str = "NETHICAL_TEST_PROGRAM";
    if let Ok(text) = std::env::var(CHILD) {
        let (url, experiment) = text.split_once('\n').unwrap();
        let sandbox = Sandbox::at(std::env::var_os("NETHICAL_TEST_FOLDER").unwrap().as_ref());
        let program = open(&sandbox, url);
        log_a_run(&*program, &sandbox, experiment);
        assert!(!program.close(Duration::ZERO));
        return;
    }
    let (server, sandbox, experiment) = (Mlflow::shared(), Sandbox::new(), name("synced"));
    let proxy = Proxy::to(server.address());
    proxy.take_down();
    configure(&sandbox, &proxy.url());
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "mlflow::sync_delivers_updates_and_artifacts_of_a_program_that_is_gone"]);
    program.env(CHILD, format!("{}\n{experiment}", proxy.url()));
    let ended = program.env("NETHICAL_TEST_FOLDER", sandbox.path("")).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let shown = sandbox.run(&["status", "--json"]).code(0).stdout;
    assert!(shown.contains("\"mlflow\"") && shown.contains("\"mlflow.artifacts\""), "{shown}");
    proxy.bring_up();
    let synced = sandbox.run(&["sync"]).code(0).stdout;
    assert!(synced.contains("mlflow: 3 events delivered"), "{synced}");
    assert!(synced.contains("mlflow.artifacts: 1 event delivered"), "{synced}");
    arrived(&server, &experiment);
    assert_eq!(copies(&sandbox.path("home")), 0);
}

/// What a command without a configuration leaves belongs to the destination that leads to the same server.
#[test]
fn sync_delivers_what_was_left_without_a_name() {
    let (server, sandbox, experiment) = (Mlflow::shared(), Sandbox::new(), name("nameless"));
    let proxy = Proxy::to(server.address());
    proxy.take_down();
    let uri = proxy.url();
    let start = ["run", "start", "--experiment", &experiment, "--tracking-uri", &uri, "--run-file", "id"];
    sandbox.run(&[&start[..], &["--wait", "0"]].concat()).code(75);
    sandbox.run(&["run", "end", "--tracking-uri", &uri, "--run-file", "id", "--wait", "0"]).code(75);
    proxy.bring_up();
    sandbox.write("nethical.toml", format!("[runs.ours]\ntype = 'mlflow'\ntracking_uri = '{uri}'\n"));
    let synced = sandbox.run(&["sync"]).code(0).stdout;
    assert!(synced.contains("nothing of ended processes is left"), "{synced}");
    assert_eq!(server.runs(&experiment)[0]["info"]["status"], "FINISHED");
}

/// Also one that waited for the server.
#[test]
fn a_run_on_a_server_that_has_ended_keeps_its_status() {
    let (server, sandbox, experiment) = (Mlflow::shared(), Sandbox::new(), name("ended"));
    let proxy = Proxy::to(server.address());
    let uri = proxy.url();
    let told = |verb: &[&str]| {
        sandbox.run(&[&["run"], verb, &["--tracking-uri", &uri, "--run-file", "id"]].concat())
    };
    for is_up in [true, false] {
        if !is_up {
            proxy.take_down();
        }
        let (code, wait) = if is_up { (0, "60") } else { (75, "1") };
        told(&["start", "--experiment", &experiment, "--wait", wait]).code(code);
        told(&["end", "--status", "failed", "--wait", wait]).code(code);
        proxy.bring_up();
        told(&["end", "--wait", "60"]).code(1).says("has ended already, as failed");
        told(&["end", "--status", "failed", "--wait", "60"]).code(0);
        assert!(server.runs(&experiment).iter().all(|run| run["info"]["status"] == "FAILED"));
    }
    assert_eq!(server.runs(&experiment).len(), 2);
}

/// Have a run end among the dead letters: its experiment is deleted.
fn bury(server: &Mlflow, sandbox: &Sandbox, experiment: &str) -> Value {
    let (_, made) = server.ask("experiments/create", Some(&json!({ "name": experiment })));
    let id = json!({ "experiment_id": made["experiment_id"] });
    assert_eq!(server.ask("experiments/delete", Some(&id)).0, 200);
    let program = open(sandbox, &server.url());
    log_a_run(&*program, sandbox, experiment);
    assert!(program.close(PATIENCE), "{:?}", program.statuses());
    let letters = sandbox.run(&["dead", "list", "--json"]).code(0).json();
    let of = |name: &str| letters.as_array().unwrap().iter().filter(|one| one["destination"] == name).count();
    assert_eq!((of("mlflow"), of("mlflow.artifacts")), (3, 1), "{letters}");
    assert_eq!(copies(&sandbox.path("home")), 1, "a letter needs its copy");
    id
}

#[test]
fn a_run_that_was_refused_is_replayed_with_its_artifact() {
    let (server, sandbox, experiment) = (Mlflow::shared(), Sandbox::new(), name("replayed"));
    configure(&sandbox, &server.url());
    let id = bury(&server, &sandbox, &experiment);
    assert_eq!(server.ask("experiments/restore", Some(&id)).0, 200);
    let ended = sandbox.run(&["dead", "replay"]).code(0);
    assert_eq!(ended.stdout, "4 dead letters delivered\n");
    arrived(&server, &experiment);
    assert_eq!(copies(&sandbox.path("home")), 0);
}

#[test]
fn the_copy_of_an_artifact_goes_with_its_letter() {
    let (server, sandbox, experiment) = (Mlflow::shared(), Sandbox::new(), name("dropped"));
    configure(&sandbox, &server.url());
    bury(&server, &sandbox, &experiment);
    let ended = sandbox.run(&["dead", "drop", "--yes"]).code(0);
    assert_eq!(ended.stdout, "4 dead letters dropped\n");
    assert_eq!(copies(&sandbox.path("home")), 0);
}
