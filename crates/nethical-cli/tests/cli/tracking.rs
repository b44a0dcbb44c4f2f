//! Runs that are told and looked at in the shell.

use std::process::Command;

use serde_json::Value;

use super::{Ended, Sandbox};

impl Sandbox {
    /// Run a script with bash, in which `nethical` is the command.
    fn shell(&self, script: &str) -> Ended {
        let folder = std::path::Path::new(env!("CARGO_BIN_EXE_nethical")).parent().unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("set -euo pipefail\n{script}")]).current_dir(self.path(""));
        shell.env_clear().env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        shell.env("XDG_CONFIG_HOME", self.path("config-home")).env("NETHICAL_HOME", self.path("home"));
        shell.output().unwrap().into()
    }
}

const TRAINING: &str = r#"
export NETHICAL_RUN=$(nethical run start --experiment spirals --name first team=x)
nethical run params rate=0.003 batch=20 optimizer=adam
nethical run metrics loss=0.9 acc=0.5 --step 0
for step in 1 2 3; do echo "{\"step\": $step, \"loss\": 0.$((9 - step)), \"acc\": 0.$((5 + step))}"; done | nethical run metrics
nethical run tags stage=done
echo weights > model.bin
nethical run artifact model.bin --folder models
nethical run end --exit-code 3
"#;

#[test]
fn a_run_is_told_by_one_command_after_the_other() {
    let sandbox = Sandbox::new();
    sandbox.shell(TRAINING).code(0).silent();
    let shown = sandbox.run(&["runs", "show", "first", "--json"]).code(0).json();
    assert_eq!((&shown["status"], &shown["experiment_name"]), (&"failed".into(), &"spirals".into()));
    assert_eq!(shown["parameters"]["optimizer"], "adam");
    assert_eq!((&shown["tags"]["team"], &shown["tags"]["stage"]), (&"x".into(), &"done".into()));
    let losses: Vec<_> = shown["history"]["loss"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["value"].as_f64().unwrap())
        .collect();
    assert_eq!(losses, [0.9, 0.8, 0.7, 0.6]);
    assert_eq!(shown["artifacts"], serde_json::json!(["models/model.bin"]));
    assert!(!sandbox.path("mlruns").exists());

    let chart = sandbox.run(&["runs", "show", "first", "--metric", "acc"]).code(0).stdout;
    assert!(chart.contains("acc\n") && chart.contains("0.8 │") && chart.contains("step"), "{chart}");
    let csv = sandbox.run(&["runs", "show", "first", "--metric", "loss", "--csv"]).code(0).stdout;
    assert_eq!(csv.lines().count(), 5);
    sandbox.run(&["runs", "show", "first", "--metric", "none"]).code(2).says("there are acc, loss");
    sandbox.run(&["runs", "show", "second"]).code(2).says("there is no run `second`");
}

#[test]
fn runs_of_both_kinds_are_listed_and_compared() {
    let sandbox = Sandbox::new();
    sandbox.shell(TRAINING).code(0);
    sandbox
        .shell(&TRAINING.replace("first", "second").replace("0.003", "0.01").replace("--exit-code 3", ""))
        .code(0);
    super::runs::offline(&sandbox, "http://127.0.0.1:9", 25);
    let listed = sandbox.run(&["runs", "list", "--json"]).code(0).json();
    let kinds: Vec<_> =
        listed.as_array().unwrap().iter().map(|run| run["platform"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["wandb", "mlflow", "mlflow"]);
    assert_eq!(listed[0]["metrics"]["loss"], 24.0);
    let table = sandbox.run(&["runs", "list", "--experiment", "spirals"]).code(0).stdout;
    assert!(table.contains("second") && table.contains("completed") && table.contains("loss=0.6"), "{table}");
    assert!(!table.contains("wandb"), "{table}");
    let csv = sandbox.run(&["runs", "list", "--csv"]).code(0).stdout;
    assert!(
        csv.starts_with("platform,run_id,") && csv.contains("metric.loss") && csv.lines().count() == 4,
        "{csv}"
    );

    let wandb = listed[0]["run_id"].as_str().unwrap();
    let compared = sandbox.run(&["runs", "compare", "first", "second", wandb]).code(0).stdout;
    for text in ["param rate", "0.003", "0.01", "metric loss", "a first", "b second"] {
        assert!(compared.contains(text), "{text}: {compared}");
    }
    let same = sandbox.run(&["runs", "compare", "first", "second"]).code(0).stdout;
    assert!(!same.contains("param batch"), "{same}");
    let all = sandbox.run(&["runs", "compare", "first", "second", "--all", "--json"]).code(0).json();
    let batch = all["compared"].as_array().unwrap().iter().find(|line| line["name"] == "batch").unwrap();
    assert_eq!(batch["values"], serde_json::json!(["20", "20"]));
}

#[test]
fn a_run_that_has_ended_keeps_its_status() {
    let sandbox = Sandbox::new();
    sandbox.run(&["run", "start", "--run-file", "run.id"]).code(0);
    let end = |status: &str| sandbox.run(&["run", "end", "--run-file", "run.id", "--status", status]);
    end("running").code(1).says("a run cannot end as `running`");
    end("failed").code(0).silent();
    let listed = sandbox.run(&["runs", "list", "--json"]).code(0).stdout;
    end("completed").code(1).says("has ended already, as failed").says("hint: it stays as it is");
    sandbox.run(&["run", "end", "--run-file", "run.id"]).code(1).says("has ended already, as failed");
    end("failed").code(0).silent();
    assert_eq!(
        sandbox.run(&["runs", "list", "--json"]).code(0).stdout,
        listed,
        "with the time of the first end"
    );
    sandbox.run(&["run", "metrics", "--run-file", "run.id", "late=1"]).code(0).silent();
}

#[test]
fn what_cannot_be_right_is_refused_by_its_exit_code() {
    let sandbox = Sandbox::new();
    sandbox.run(&["run", "params", "a=1"]).code(2).says("which run is meant");
    sandbox.run(&["runs", "list"]).code(2).says("there are no runs here");
    sandbox.run(&["run", "start", "--run-file", "no/run.id"]).code(1).says("cannot write no/run.id");
    assert_eq!(sandbox.run(&["runs", "list"]).code(0).stdout, "there are no such runs\n");
    sandbox.run(&["run", "start", "--run-file", "run.id", "--json"]).code(0);
    let with = |arguments: &[&str]| sandbox.run(&[&["run"], arguments, &["--run-file", "run.id"]].concat());
    with(&["params", "a=1"]).code(0).silent();
    with(&["params", "a=2"]).code(1).says("MLflow changes no parameter");
    with(&["metrics", "a@=2"]).code(1).says("MLflow takes letters");
    with(&["metrics", "a=x"]).code(2).says("is no number");
    with(&["end", "--status", "done"]).code(2).says("is no status of a run");
    sandbox.write("points", "{\"a\": 1}\nnonsense\n{\"a\": 2, \"step\": 5}\n");
    let metrics = ["run", "metrics", "--run-file", "run.id", "--step", "3"];
    let ended = sandbox.run_with(&metrics, &sandbox.path("points"));
    ended.code(1).says("line 2: it is no JSON object").says("1 line of standard input logged nothing");
    let listed = sandbox.run(&["runs", "list", "--json"]).code(0).json();
    assert_eq!((&listed[0]["metrics"]["a"], &listed[0]["status"]), (&Value::from(2.0), &"running".into()));
    let shown = sandbox.run(&["runs", "show", listed[0]["run_id"].as_str().unwrap(), "--csv"]).code(0).stdout;
    assert!(shown.contains("\na,3,") && shown.contains("\na,5,"), "{shown}");
    let nobody = "0".repeat(32);
    sandbox.run(&["run", "end", "--run", &nobody]).code(1).says("there is no run");
}
