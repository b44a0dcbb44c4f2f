//! Runs in a file, without a server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::event::Metadata;
use nethical_core::tracking::{ArtifactOptions, Platform, RunStatus, StartRun};
use nethical_destinations::mlflow::{MlflowConfig, Replay, ReplayOutcome, ReplayReport, uri_of};
use nethical_destinations::stored::Stored;
use serde_json::Value;
use testkit::mlflow::Mlflow;
use testkit::proxy::Proxy;

use crate::runs::{a_whole_run_is_read_back, read_back};
use crate::{PATIENCE, config, home, ledger, name, open, start, write};

fn at(path: &Path, home: &Path) -> Arc<dyn Platform> {
    open(config(&uri_of(path)), home)
}

/// MLflow's own client brings the tables up to date; what is logged after that is read back as well.
#[test]
fn a_file_is_read_back_by_mlflows_own_client_before_and_after_it_upgraded_it() {
    let home = home();
    let path = home.path().join("a b/mlflow.db");
    let platform = at(&path, home.path());
    let first = a_whole_run_is_read_back(&*platform, &uri_of(&path), home.path());
    let second = start(&*platform, "later");
    platform.log_metrics(&second, &[("loss", 0.25)], Some(3)).unwrap();
    platform.log_parameters(&second, &Metadata::new().with("lr", 0.1)).unwrap();
    assert!(platform.end_run(&second, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let read = read_back(&uri_of(&path), &second, home.path());
    assert_eq!((&read["status"], &read["params"]["lr"]), (&"FINISHED".into(), &"0.1".into()));
    assert_eq!((&read["metrics"]["loss"][0][0], &read["metrics"]["loss"][0][1]), (&3.into(), &"0.25".into()));
    assert_eq!(read["name"].as_str().unwrap().split('-').count(), 3, "a name was found for it");

    // A process that comes later opens what MLflow has upgraded.
    drop(platform);
    let platform = at(&path, home.path());
    assert!(!platform.probe().unwrap().contains("97727af70f4d"));
    let third = start(&*platform, "later");
    platform.log_metrics(&third, &[("loss", f64::NAN)], None).unwrap();
    assert!(
        platform.end_run(&third, RunStatus::Failed, Some(PATIENCE)).unwrap(),
        "{:?}",
        platform.statuses()
    );
    assert_eq!(read_back(&uri_of(&path), &third, home.path())["metrics"]["loss"][0][1], "nan");
    assert!(!home.path().join("mlruns").exists() && !path.with_file_name("mlruns").exists());

    let stored = Stored::open(&path).unwrap();
    let runs = stored.runs().unwrap();
    let ids: Vec<_> = runs.iter().map(|run| run.run_id.as_str()).collect();
    assert_eq!(ids, [&*third, &*second, &*first]);
    assert_eq!((runs[1].experiment_name.as_str(), runs[1].status), ("later", RunStatus::Completed));
    assert_eq!(runs[1].metrics, [("loss".to_owned(), 0.25)]);
    assert_eq!(runs[2].artifacts, ["models/model é.bin"]);
    assert_eq!(stored.history(&first, "loss").unwrap().len(), 2_500);
    assert!(stored.history(&third, "loss").unwrap()[0].value.is_nan());
}

#[test]
fn what_is_refused_ends_as_a_dead_letter_and_the_rest_is_written() {
    let home = home();
    let path = home.path().join("mlflow.db");
    let platform = at(&path, home.path());
    let run = start(&*platform, "shared");
    platform.log_parameters(&run, &Metadata::new().with("lr", 0.1)).unwrap();
    assert!(platform.flush(PATIENCE));
    let other = at(&path, home.path());
    other.join_run(&run).unwrap();
    other.log_parameters(&run, &Metadata::new().with("lr", 0.2).with("depth", 3)).unwrap();
    other.log_metrics(&run, &[("loss", 1.0)], Some(0)).unwrap();
    other.join_run(&"0".repeat(32)).unwrap();
    other.log_metrics(&"0".repeat(32), &[("loss", 1.0)], Some(0)).unwrap();
    assert!(other.flush(PATIENCE));
    let ledger = ledger(&*other);
    assert_eq!((ledger.confirmed, ledger.dead_lettered), (1, 2));
    // A run that was joined is its starter's to end.
    drop(other);
    let found = &Stored::open(&path).unwrap().runs().unwrap()[0];
    assert_eq!(found.status, RunStatus::Running);
    assert_eq!(
        (&found.parameters["lr"], &found.parameters["depth"]),
        (&Value::from("0.1"), &Value::from("3"))
    );
    assert_eq!(found.metrics, [("loss".to_owned(), 1.0)]);
}

#[test]
fn a_run_that_was_left_open_by_its_platform_goes_on() {
    let home = home();
    let path = home.path().join("mlflow.db");
    let platform = at(&path, home.path());
    let run = platform.start_run(&StartRun { experiment: "e", name: Some("left"), tags: &[] }).unwrap();
    platform.leave_run(&run).unwrap();
    drop(platform);
    let next = at(&path, home.path());
    next.join_run(&run).unwrap();
    let file = write(home.path(), "model.bin", b"weights");
    next.log_artifact(&run, &file, &ArtifactOptions { folder: None, copy: false }).unwrap();
    next.log_artifact(&run, &file, &ArtifactOptions { folder: Some("copies"), copy: true }).unwrap();
    next.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap();
    let found = &Stored::open(&path).unwrap().runs().unwrap()[0];
    assert_eq!((found.run_name.as_deref(), found.status), (Some("left"), RunStatus::Completed));
    assert_eq!(found.artifacts, ["copies/model.bin", "model.bin"]);
    assert_eq!(std::fs::read(&file).unwrap(), b"weights");
}

fn replay(path: &Path, url: &str, home: &Path, patience: Duration) -> ReplayOutcome {
    replayed(path, url, home, patience).outcome
}

fn replayed(path: &Path, url: &str, home: &Path, patience: Duration) -> ReplayReport {
    let mut replay = Replay::open(path, &config(url), home, Arc::new(|_| {})).unwrap();
    let mut reports = replay.run(Instant::now() + patience, &|done, all| assert!(done <= all)).unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[test]
fn a_file_is_sent_to_a_server_once_whatever_gets_lost_on_the_way() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("replayed"));
    let path = home.path().join("mlflow.db");
    let platform = at(&path, home.path());
    let tags = [("team", "x")];
    let run =
        platform.start_run(&StartRun { experiment: &experiment, name: Some("first"), tags: &tags }).unwrap();
    platform.log_parameters(&run, &Metadata::new().with("rate", 2e-5)).unwrap();
    for step in 0..12_000 {
        platform.log_metrics(&run, &[("loss", step as f64)], Some(step)).unwrap();
    }
    platform.log_metrics(&run, &[("odd", f64::NAN)], None).unwrap();
    let file = write(home.path(), "model.bin", b"weights");
    platform.log_artifact(&run, &file, &ArtifactOptions { folder: Some("models"), copy: true }).unwrap();
    assert!(platform.end_run(&run, RunStatus::Failed, Some(PATIENCE)).unwrap());
    let known = platform.get_run(&run).unwrap();

    let proxy = Proxy::to(server.address());
    proxy.take_down();
    let pending = replay(&path, &proxy.url(), home.path(), Duration::from_millis(500));
    assert!(matches!(pending, ReplayOutcome::Pending(_)), "{pending:?}");
    proxy.bring_up();
    proxy.swallow_answers("runs/create", 1);
    proxy.swallow_answers("runs/log-batch", 2);
    let sent = replay(&path, &proxy.url(), home.path(), PATIENCE * 4);
    assert!(matches!(sent, ReplayOutcome::Sent), "{sent:?}");
    let again = replay(&path, &proxy.url(), home.path(), PATIENCE);
    assert!(matches!(again, ReplayOutcome::Already), "{again:?}");
    // Without the notes of it everything is sent again, and is the same.
    std::fs::remove_dir_all(home.path().join("runs/sent")).unwrap();
    let again = replay(&path, &proxy.url(), home.path(), PATIENCE * 4);
    assert!(matches!(again, ReplayOutcome::Sent), "{again:?}");

    let runs = server.runs(&experiment);
    assert_eq!(runs.len(), 1);
    let info = &runs[0]["info"];
    assert_eq!((&info["run_name"], &info["status"]), (&"first".into(), &"FAILED".into()));
    assert_eq!(info["start_time"], known.start_time.as_millisecond());
    assert_eq!(info["end_time"], known.end_time.unwrap().as_millisecond());
    let id = info["run_id"].as_str().unwrap();
    assert_eq!(server.history(id, "loss").len(), 12_000);
    let read = read_back(&server.url(), id, home.path());
    assert_eq!((&read["params"]["rate"], &read["tags"]["team"]), (&"2e-05".into(), &"x".into()));
    assert_eq!(read["metrics"]["odd"][0][1], "nan");
    assert!(read["artifacts"]["models/model.bin"].is_string());
}

#[test]
fn runs_of_a_file_keep_their_parents_on_the_server() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("family"));
    let path = home.path().join("mlflow.db");
    let platform = at(&path, home.path());
    let begin = |tags: &[(&str, &str)]| {
        let run = platform.start_run(&StartRun { experiment: &experiment, name: None, tags }).unwrap();
        assert!(platform.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap());
        run
    };
    let parent = begin(&[]);
    begin(&[("mlflow.parentRunId", &parent)]);
    begin(&[("mlflow.parentRunId", "of another file")]);
    let mut replay = Replay::open(&path, &config(&server.url()), home.path(), Arc::new(|_| {})).unwrap();
    let reports = replay.run(Instant::now() + PATIENCE, &|_, _| ()).unwrap();
    assert!(reports.iter().all(|report| matches!(report.outcome, ReplayOutcome::Sent)));
    let mut named: Vec<_> = server.runs(&experiment).iter().map(parent_of).collect();
    named.sort_unstable();
    let root = server.runs(&experiment).into_iter().find(|run| parent_of(run).is_none()).unwrap();
    let root = root["info"]["run_id"].as_str().unwrap().to_owned();
    let mut wanted = [None, Some(root), Some("of another file".to_owned())];
    wanted.sort_unstable();
    assert_eq!(named, wanted);
}

fn parent_of(run: &Value) -> Option<String> {
    let tags = run["data"]["tags"].as_array().unwrap();
    let tag = tags.iter().find(|tag| tag["key"] == "mlflow.parentRunId")?;
    Some(tag["value"].as_str().unwrap().to_owned())
}

/// A file that a server of MLflow's kept, to which we logged, with artifacts that the server served.
#[test]
fn the_file_of_a_server_is_sent_with_what_it_served() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("served"));
    let path = home.path().join("mlflow.db");
    let platform = at(&path, home.path());
    let tags = [("nethical.run_key", "local-of-another")];
    let run = platform.start_run(&StartRun { experiment: &experiment, name: None, tags: &tags }).unwrap();
    assert!(platform.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert!(platform.close(PATIENCE));
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute("UPDATE runs SET artifact_uri = 'mlflow-artifacts:/1/r/artifacts'", []).unwrap();
    drop(file);

    let report = replayed(&path, &server.url(), home.path(), PATIENCE);
    assert!(matches!(report.outcome, ReplayOutcome::Sent), "{report:?}");
    assert_eq!(report.artifacts_elsewhere.as_deref(), Some("mlflow-artifacts:/1/r/artifacts"));

    std::fs::remove_dir_all(home.path().join("runs/sent")).unwrap();
    let folder = home.path().join("mlartifacts/1/r/artifacts");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.txt"), "precious").unwrap();
    std::os::unix::fs::symlink("/nowhere", folder.join("gone")).unwrap();
    let report = replayed(&path, &server.url(), home.path(), PATIENCE);
    assert!(matches!(report.outcome, ReplayOutcome::Refused(_)), "one cannot be read: {report:?}");
    std::fs::remove_file(folder.join("gone")).unwrap();
    let report = replayed(&path, &server.url(), home.path(), PATIENCE);
    assert!(matches!(report.outcome, ReplayOutcome::Sent), "{report:?}");
    assert_eq!(report.artifacts_elsewhere, None);

    let runs = server.runs(&experiment);
    assert_eq!((runs.len(), &runs[0]["info"]["status"]), (1, &"FINISHED".into()));
    let read = read_back(&server.url(), runs[0]["info"]["run_id"].as_str().unwrap(), home.path());
    assert!(read["artifacts"]["model.txt"].is_string(), "{read}");
}

#[test]
fn a_file_that_was_removed_is_made_again_and_one_that_was_closed_is_whole() {
    let home = home();
    let path = home.path().join("mlflow.db");
    let platform = at(&path, home.path());
    let run = start(&*platform, "e");
    platform.end_run(&run, RunStatus::Completed, Some(PATIENCE)).unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(home.path().join(format!("mlflow.db{end}")));
    }
    let run = start(&*platform, "e");
    assert!(platform.close(PATIENCE));
    let runs = Stored::open(&path).unwrap().runs().unwrap();
    assert_eq!((runs.len(), &*runs[0].run_id, runs[0].status), (1, &*run, RunStatus::Completed));
    let journal = home.path().join("mlflow.db-wal");
    assert!(std::fs::metadata(journal).map_or(0, |about| about.len()) == 0);
}

#[test]
fn a_file_of_somebody_elses_is_refused_when_it_is_opened() {
    let home = home();
    let text = write(home.path(), "notes.txt", "no database, whatever it is called".repeat(50).as_bytes());
    let opened = nethical_destinations::Validated::open(&MlflowConfig::new(uri_of(&text)));
    let error = opened.err().unwrap();
    assert_eq!(error.code(), "mlflow.store_foreign");
    assert!(error.hint().unwrap().contains("tracking_uri"));
    assert!(std::fs::read(&text).unwrap().starts_with(b"no database"));
}
