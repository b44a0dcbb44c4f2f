use std::path::Path;
use std::process::Command;

use nethical_core::event::{Metadata, Timestamp};
use nethical_core::tracking::{ArtifactOptions, Platform, RunStatus, StartRun};
use serde_json::{Value, json};
use testkit::mlflow::{Mlflow, environment};

use crate::{PATIENCE, config, home, ledger, name, open, start, write};

#[test]
fn a_run_is_read_back_by_mlflows_own_client() {
    let (server, home) = (Mlflow::shared(), home());
    let platform = open(config(&server.url()), home.path());
    a_whole_run_is_read_back(&*platform, &server.url(), home.path());
}

/// What a program can log comes back as it was, to MLflow's own client. Returns the run's id.
pub(crate) fn a_whole_run_is_read_back(platform: &dyn Platform, uri: &str, home: &Path) -> String {
    let experiment = name("whole");
    let before = Timestamp::now().as_millisecond();
    let tags = [("team", "x"), ("mlflow.note.content", "a note")];
    let run =
        platform.start_run(&StartRun { experiment: &experiment, name: Some("first"), tags: &tags }).unwrap();
    let nested = json!({ "optimizer": { "lr": 2e-5, "betas": [0.9, 0.999] }, "flag": true, "none": null });
    let Value::Object(nested) = nested else { panic!() };
    let params = Metadata::from(nested).with("depth", 10).with("api_key", "hunter2").with("é", "日本");
    platform.log_parameters(&run, &params).unwrap();
    for step in 0..2_500 {
        let value = f64::from(step + 1) / 3.0;
        platform.log_metrics(&run, &[("loss", value), ("val/acc", -value)], Some(step.into())).unwrap();
    }
    platform.log_metrics(&run, &[("odd", f64::NAN), ("up", f64::INFINITY), ("tiny", 5e-324)], None).unwrap();
    platform.set_tags(&run, &[("stage", "one")]).unwrap();
    platform.set_tags(&run, &[("stage", "two")]).unwrap();
    let content: Vec<u8> = (0..300_000_u32).map(|byte| (byte % 251) as u8).collect();
    let file = write(home, "model é.bin", &content);
    platform.log_artifact(&run, &file, &ArtifactOptions { folder: Some("models"), copy: true }).unwrap();
    assert!(platform.end_run(&run, RunStatus::Failed, Some(PATIENCE)).unwrap(), "{:?}", platform.statuses());
    let after = Timestamp::now().as_millisecond();

    let read = read_back(uri, &run, home);
    assert_eq!(read["experiment"], experiment.as_str());
    assert_eq!((read["name"].as_str(), read["status"].as_str()), (Some("first"), Some("FAILED")));
    let (started, ended) = (read["start"].as_i64().unwrap(), read["end"].as_i64().unwrap());
    assert!(before <= started && started <= ended && ended <= after);
    let params = json!({ "optimizer.lr": "2e-05", "optimizer.betas": "[0.9, 0.999]", "flag": "True", "none": "None",
        "depth": "10", "api_key": "[REDACTED]", "é": "日本" });
    assert_eq!(read["params"], params);
    assert_eq!(read["tags"]["team"], "x");
    assert_eq!(read["tags"]["stage"], "two");
    assert_eq!(read["tags"]["mlflow.source.type"], "LOCAL");
    assert!(read["tags"]["mlflow.user"].is_string() && read["tags"]["mlflow.source.name"].is_string());
    for (metric, sign) in [("loss", 1.0), ("val/acc", -1.0)] {
        let points = read["metrics"][metric].as_array().unwrap();
        assert_eq!(points.len(), 2_500);
        let mut last = before;
        for (step, point) in points.iter().enumerate() {
            assert_eq!(point[0], step);
            let value: f64 = point[1].as_str().unwrap().parse().unwrap();
            assert_eq!(value.to_bits(), (sign * ((step + 1) as f64 / 3.0)).to_bits(), "step {step}");
            let time = point[2].as_i64().unwrap();
            assert!(last <= time && time <= after, "{time}");
            last = time;
        }
    }
    assert_eq!(read["metrics"]["odd"][0][1], "nan");
    assert_eq!(read["metrics"]["tiny"][0][1], "5e-324");
    assert_eq!(read["metrics"]["up"][0][1], "1.7976931348623157e+308");
    assert_eq!(read["artifacts"]["models/model é.bin"].as_str().unwrap(), digest(&content));
    let ledger = ledger(platform);
    assert_eq!((ledger.confirmed, ledger.accepted), (ledger.accepted, 2_500 + 6));
    run
}

/// What MLflow's own client reads of a run.
pub(crate) fn read_back(uri: &str, run: &str, folder: &Path) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mlflow/read_back.py");
    let mut python = Command::new(environment().join("bin/python"));
    let output = python.arg(script).args([uri, run]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// SHA-256 as the script prints it.
fn digest(content: &[u8]) -> String {
    let mut sum = nethical_core::tracking::artifact::Digester::default();
    sum.add(content);
    sum.finish()
}

#[test]
fn everything_at_a_limit_is_taken_and_everything_over_it_fails_at_the_call() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("limits"));
    let platform = open(config(&server.url()), home.path());
    let run = start(&*platform, &experiment);
    let (key, over) = ("k".repeat(250), "k".repeat(251));
    let metrics: Vec<_> = (0..2_300).map(|number| format!("m{number}")).collect();
    let metrics: Vec<_> = metrics.iter().map(|name| (name.as_str(), 1.0)).collect();
    platform.log_metrics(&run, &metrics, Some(i64::MAX)).unwrap();
    platform.log_metrics(&run, &[(&key, 1.0)], Some(i64::MIN)).unwrap();
    platform.log_parameters(&run, &Metadata::new().with(key.clone(), "é".repeat(6_000))).unwrap();
    platform.log_parameters(&run, &Metadata::new().with("long", "é".repeat(6_001))).unwrap();
    platform.set_tags(&run, &[(&key, &"é".repeat(8_000)), ("long", &"é".repeat(8_001))]).unwrap();
    let code = |result: Result<(), nethical_core::delivery::Error>| result.unwrap_err().code();
    assert_eq!(code(platform.log_metrics(&run, &[(&over, 1.0)], None)), "mlflow.name");
    assert_eq!(code(platform.log_metrics(&run, &[("a", 1.0), ("b@", 1.0)], None)), "mlflow.name");
    assert_eq!(code(platform.log_parameters(&run, &Metadata::new().with(over, 1))), "mlflow.name");
    assert_eq!(
        code(platform.log_parameters(&run, &Metadata::new().with("long", "x"))),
        "mlflow.param_changed"
    );
    assert_eq!(code(platform.set_tags(&run, &[("../a", "x")])), "mlflow.name");
    let long = StartRun { experiment: &"e".repeat(501), ..StartRun::default() };
    assert_eq!(platform.start_run(&long).unwrap_err().code(), "mlflow.name");
    assert!(platform.flush(PATIENCE));
    assert_eq!(ledger(&*platform).dead_lettered, 0);
    let (_, read) = server.ask(&format!("runs/get?run_id={run}"), None);
    let data = &read["run"]["data"];
    assert_eq!(data["metrics"].as_array().unwrap().len(), 2_301);
    let find = |what: &str, key: &str| {
        let all = data[what].as_array().unwrap();
        all.iter().find(|one| one["key"] == key).unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(find("params", &key), "é".repeat(6_000));
    assert!(find("params", "long").ends_with("…[cut, 6001 characters]"));
    assert_eq!(find("tags", &key), "é".repeat(8_000));
    assert!(find("tags", "long").ends_with("…[cut, 8001 characters]"));
}

#[test]
fn deleted_experiments_are_errors_and_many_starts_at_once_make_one() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("race"));
    let platforms: Vec<_> = (0..4).map(|_| open(config(&server.url()), home.path())).collect();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = platforms.iter().map(|one| scope.spawn(|| start(&**one, &experiment))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert_eq!(server.runs(&experiment).len(), 4);
    assert!(runs.iter().all(|run| run.len() == 32), "{runs:?}");
    let (_, found) = server.ask(&format!("experiments/get-by-name?experiment_name={experiment}"), None);
    let id = found["experiment"]["experiment_id"].clone();
    assert_eq!(server.ask("experiments/delete", Some(&json!({ "experiment_id": id }))).0, 200);
    let fresh = open(config(&server.url()), home.path());
    let wanted = StartRun { experiment: &experiment, ..StartRun::default() };
    let error = fresh.start_run(&wanted).unwrap_err();
    assert_eq!(error.code(), "mlflow.experiment_deleted");
    assert!(error.hint().is_some());
}

#[test]
fn what_a_server_refuses_ends_as_dead_letters_and_the_rest_arrives() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("refusals"));
    let platform = open(config(&server.url()), home.path());
    let run = start(&*platform, &experiment);
    platform.log_parameters(&run, &Metadata::new().with("taken", "ours")).unwrap();
    assert!(platform.flush(PATIENCE));
    let body = json!({ "run_id": run, "key": "theirs", "value": "first" });
    assert_eq!(server.ask("runs/log-parameter", Some(&body)).0, 200);
    for number in 0..20 {
        platform.log_parameters(&run, &Metadata::new().with(format!("p{number}"), number)).unwrap();
    }
    platform.log_parameters(&run, &Metadata::new().with("theirs", "second")).unwrap();
    assert!(platform.flush(PATIENCE));
    let (_, read) = server.ask(&format!("runs/get?run_id={run}"), None);
    assert_eq!(read["run"]["data"]["params"].as_array().unwrap().len(), 22);
    assert_eq!(ledger(&*platform).dead_lettered, 1);
    assert_eq!(platform.statuses()[0].last_error.as_ref().unwrap().code(), "mlflow.param_changed");

    let (gone, kept) = (start(&*platform, &experiment), start(&*platform, &experiment));
    assert_eq!(server.ask("runs/delete", Some(&json!({ "run_id": gone }))).0, 200);
    for step in 0..100 {
        platform.log_metrics(&gone, &[("loss", 1.0)], Some(step)).unwrap();
        platform.log_metrics(&kept, &[("loss", 1.0)], Some(step)).unwrap();
    }
    assert!(platform.flush(PATIENCE));
    assert_eq!(server.history(&kept, "loss").len(), 100);
    assert_eq!(ledger(&*platform).dead_lettered, 101);
}

#[test]
fn a_run_is_resumed_by_its_id() {
    let (server, home, experiment) = (Mlflow::shared(), home(), name("resumed"));
    let platform = open(config(&server.url()), home.path());
    let run = start(&*platform, &experiment);
    platform.log_metrics(&run, &[("loss", 1.0)], Some(0)).unwrap();
    platform.end_run(&run, RunStatus::Killed, None).unwrap();
    assert!(platform.close(PATIENCE));
    let elsewhere = crate::home();
    let other = open(config(&server.url()), elsewhere.path());
    assert_eq!(other.log_metrics(&run, &[("loss", 2.0)], None).unwrap_err().code(), "runs.unknown");
    assert_eq!(other.resume_run("what").unwrap_err().code(), "mlflow.run_id");
    other.resume_run(&run).unwrap();
    other.log_metrics(&run, &[("loss", 2.0)], Some(1)).unwrap();
    assert!(other.flush(PATIENCE));
    let status = || server.ask(&format!("runs/get?run_id={run}"), None).1["run"]["info"]["status"].clone();
    assert_eq!(status(), "RUNNING");
    // What is open at the end of a program ends with it.
    assert!(other.close(PATIENCE));
    assert_eq!(status(), "FINISHED");
    assert_eq!(server.history(&run, "loss").len(), 2);
}

#[test]
fn a_look_says_which_server_it_is_or_what_to_do() {
    let (server, home) = (Mlflow::shared(), home());
    let found = open(config(&server.url()), home.path()).probe().unwrap();
    assert!(found.starts_with("MLflow 3.") && found.contains(&server.url()), "{found}");
    let prefix = open(config(&format!("{}/nowhere", server.url())), home.path()).probe().unwrap_err();
    assert_eq!((prefix.code(), prefix.hint().is_some()), ("mlflow.no_api", true));
    // The server knows itself by its address only.
    let named = server.url().replace("127.0.0.1", "mlflow.localhost");
    if let Err(host) = open(config(&named), home.path()).probe() {
        assert!(["mlflow.host", "mlflow.lookup", "mlflow.connect"].contains(&host.code()), "{host:?}");
    }
    let down = open(config("http://127.0.0.1:9"), home.path());
    assert_eq!(down.probe().unwrap_err().code(), "mlflow.connect");
}
