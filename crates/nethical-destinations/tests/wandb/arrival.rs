//! What arrives.

use std::fs;
use std::time::Duration;

use nethical_core::tracking::{ArtifactOptions, Platform, RunStatus, StartRun};
use nethical_destinations::wandb::{ArtifactSpec, ArtifactState, MetricDefinition, Resume, Row, WandbStart};

use crate::world::{PATIENCE, World, losses, parameters, start};

#[test]
fn a_run_arrives_with_everything_that_was_logged() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    platform.log_parameters(&id, &parameters()).unwrap();
    for epoch in 0..10_i64 {
        platform
            .log_metrics(&id, &[("loss", 1.0 / (epoch + 1) as f64), ("acc", f64::NAN)], Some(epoch))
            .unwrap();
    }
    platform.set_tags(&id, &[("team", "audio"), ("best", "")]).unwrap();
    platform.set_notes(&id, "some notes").unwrap();
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());

    let run = world.at_server(&id);
    assert_eq!((run.entity.as_str(), run.project.as_str()), ("my-team", "proj"));
    assert_eq!((run.display_name.as_deref(), run.group.as_deref()), (Some("one"), Some("exp")));
    assert_eq!((run.state, run.exit_code, run.notes.as_deref()), ("finished", Some(0), Some("some notes")));
    assert_eq!(run.tags, ["team:audio", "best"]);
    assert_eq!(run.configured("lr").unwrap(), 0.1);
    assert_eq!(run.configured("net").unwrap()["depth"], 3);
    assert_eq!(run.configured("net").unwrap()["api_key"], "[REDACTED]");
    assert!(run.config["_wandb"]["value"]["t"].is_object(), "or the official client does not find the run");
    assert_eq!(losses(&run), (0..10).map(|epoch| 1.0 / f64::from(epoch + 1)).collect::<Vec<_>>());
    let rows = run.rows();
    assert_eq!(
        rows.iter().map(|row| row["_step"].as_i64().unwrap()).collect::<Vec<_>>(),
        (0..10).collect::<Vec<_>>()
    );
    assert!(rows.iter().all(|row| row["acc"] == "NaN" && row["_timestamp"].as_f64().unwrap() > 1.7e9));
    assert!(run.history[0].contains("\"acc\":NaN"), "bare: {}", run.history[0]);
    let summary = run.summary.unwrap();
    assert!(summary.contains("\"loss\":0.1,") && summary.contains("\"acc\":NaN"), "{summary}");

    world.assert_balance(&*platform);
    let ledger = platform.statuses()[0].ledger;
    assert_eq!((ledger.accepted, ledger.confirmed, ledger.waiting), (15, 15, 0));
    let page = platform.get_run(&id).unwrap();
    assert_eq!(page.status, RunStatus::Completed);
    assert!(page.metrics.contains(&("loss".to_owned(), 0.1)));
    assert!(platform.close(PATIENCE));
}

#[test]
fn starting_a_run_needs_no_server() {
    let world = World::new();
    world.server.stop();
    let platform = world.open();
    let id = start(&*platform);
    platform.log_metrics(&id, &[("loss", 1.0)], None).unwrap();
    assert!(!platform.end_run(&id, RunStatus::Completed, Some(Duration::from_millis(300))).unwrap());
    let status = &platform.statuses()[0];
    assert_eq!(status.ledger.waiting, 3, "the start, a row and the end wait");
    assert!(
        status.down_for.is_some() && status.last_error.as_ref().unwrap().code() == "wandb.connect",
        "{status:?}"
    );
    world.assert_balance(&*platform);
    assert!(!platform.close(Duration::from_millis(50)));
}

#[test]
fn calls_with_one_step_make_one_row() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    platform.log_metrics(&id, &[("train", 1.0)], Some(3)).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    platform.log_metrics(&id, &[("val", 2.0), ("train", 1.5)], Some(3)).unwrap();
    platform.log_metrics(&id, &[("train", 0.5)], Some(4)).unwrap();
    let back = platform.log_metrics(&id, &[("train", 0.5)], Some(3)).unwrap_err();
    assert_eq!(back.code(), "wandb.step_back");
    assert!(back.hint().unwrap().contains("define_metric"));
    assert!(platform.flush(PATIENCE), "an open row is closed by a flush");
    platform.log_metrics(&id, &[("late", 9.0)], Some(4)).unwrap();
    platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap();
    let rows = world.at_server(&id).rows();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["_step"].as_i64().unwrap(),
                row.get("train").and_then(|v| v.as_f64()),
                row.contains_key("val"),
            )
        })
        .collect();
    assert_eq!(seen, [(3, Some(1.5), true), (4, Some(0.5), false), (4, None, false)]);
}

#[test]
fn every_status_has_its_exit_code() {
    let world = World::new();
    let platform = world.open();
    for (status, code, state) in [
        (RunStatus::Completed, 0, "finished"),
        (RunStatus::Failed, 1, "failed"),
        (RunStatus::Killed, 255, "failed"),
    ] {
        let id = start(&*platform);
        assert!(platform.end_run(&id, status, Some(PATIENCE)).unwrap());
        let run = world.at_server(&id);
        assert_eq!((run.exit_code, run.state), (Some(code), state));
    }
    let id = start(&*platform);
    assert_eq!(platform.end_run(&id, RunStatus::Running, None).unwrap_err().code(), "runs.no_end");
}

#[test]
fn rows_of_any_values_and_defined_metrics() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    let definition =
        MetricDefinition { name: "val/*", step_metric: Some("epoch"), summary: &["min"], hidden: false };
    platform.define_metric(&id, &definition).unwrap();
    for (epoch, loss) in [(5, 0.5), (2, 0.2), (9, 0.9)] {
        let mut row = Row::default();
        row.integer("epoch", epoch);
        row.number("val/loss", loss);
        row.json("nested", r#"{"x":{"y":NaN}}"#);
        platform.log(&id, &row, None).unwrap();
    }
    platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap();
    let run = world.at_server(&id);
    assert_eq!(
        run.config["_wandb"]["value"]["m"],
        serde_json::json!([{ "1": "epoch", "6": [3], "7": [] }, { "2": "val/*", "5": 1, "6": [1], "7": [1] }])
    );
    assert!(run.summary.as_ref().unwrap().contains(r#""val/loss":{"min":0.2}"#), "{:?}", run.summary);
    assert!(run.history[0].contains(r#""nested":{"x":{"y":NaN}}"#));
}

#[test]
fn artifacts_and_files_arrive_byte_by_byte() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    let models = world.folder.path().join("models");
    fs::create_dir_all(models.join("sub")).unwrap();
    fs::write(models.join("model.pkl"), vec![7; 300_000]).unwrap();
    fs::write(models.join("sub/empty"), b"").unwrap();
    let number = platform
        .add_artifact(
            &id,
            &models,
            &ArtifactSpec {
                name: Some("bert"),
                kind: Some("model"),
                aliases: &["best"],
                ..ArtifactSpec::default()
            },
        )
        .unwrap();
    platform
        .log_artifact(&id, &models.join("model.pkl"), &ArtifactOptions { folder: Some("in"), copy: true })
        .unwrap();
    platform.add_file(&id, &models.join("model.pkl"), "out/model.pkl").unwrap();
    assert_eq!(
        platform.add_file(&id, &models.join("model.pkl"), "../x").unwrap_err().code(),
        "wandb.file_path"
    );
    fs::remove_dir_all(&models).unwrap();
    let committed = platform.artifact(&id, number, PATIENCE).unwrap();
    assert!(matches!(committed, ArtifactState::Committed(_)), "{committed:?}");
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());

    let run = world.at_server(&id);
    assert_eq!(run.files["out/model.pkl"].len(), 300_000);
    assert_eq!(run.uploaded, ["out/model.pkl"]);
    let artifacts = world.server.artifacts();
    assert!(artifacts.iter().all(|artifact| artifact.committed), "{artifacts:?}");
    assert_eq!((artifacts[0].name.as_str(), artifacts[0].kind.as_str()), ("bert", "model"));
    assert_eq!(artifacts[0].aliases, ["best", "latest"]);
    assert_eq!(artifacts[0].files["model.pkl"], vec![7; 300_000]);
    assert_eq!(artifacts[0].files["sub/empty"], b"");
    assert_eq!(artifacts[1].name, format!("run-{id}-model.pkl"));
    assert!(artifacts[1].files.contains_key("in/model.pkl"));
    let kept = platform.directory(&id).unwrap().unwrap();
    assert!(!kept.join("artifacts").exists(), "copies are gone when they have arrived");
    world.assert_balance(&*platform);
}

#[test]
fn a_file_that_changes_in_its_place_is_refused_and_concerns_nothing_else() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    let file = world.folder.path().join("weights");
    fs::write(&file, "before").unwrap();
    world.server.behave(|behaviour| behaviour.always = Some(nethical_receivers::wandb::Trouble::Status(503)));
    let number = platform
        .add_artifact(&id, &file, &ArtifactSpec { in_place: true, ..ArtifactSpec::default() })
        .unwrap();
    fs::write(&file, "after!").unwrap();
    world.server.behave(|behaviour| behaviour.always = None);
    let ArtifactState::Failed(error) = platform.artifact(&id, number, PATIENCE).unwrap() else { panic!() };
    assert_eq!(error.code(), "wandb.artifact_changed");
    platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap();
    assert_eq!(world.at_server(&id).exit_code, Some(0));
    let ledger = platform.statuses()[0].ledger;
    assert_eq!((ledger.dead_lettered, ledger.waiting), (1, 0));
}

#[test]
fn a_run_that_is_resumed_goes_on_behind_its_last_row() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    platform.log_parameters(&id, &parameters()).unwrap();
    for _ in 0..3 {
        platform.log_metrics(&id, &[("loss", 1.0)], None).unwrap();
    }
    platform.end_run(&id, RunStatus::Completed, None).unwrap();
    platform.resume_run(&id).unwrap();
    for _ in 0..2 {
        platform.log_metrics(&id, &[("loss", 2.0)], None).unwrap();
    }
    assert!(platform.end_run(&id, RunStatus::Failed, Some(PATIENCE)).unwrap());
    let run = world.at_server(&id);
    assert_eq!(losses(&run), [1.0, 1.0, 1.0, 2.0, 2.0]);
    assert_eq!(
        run.rows().iter().map(|row| row["_step"].as_i64().unwrap()).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    assert_eq!((run.exit_code, run.display_name.as_deref()), (Some(1), Some("one")));
    assert_eq!(run.configured("lr").unwrap(), 0.1, "its configuration stays");
    assert_eq!(run.tags, ["team:vision"], "its tags stay");
}

#[test]
fn must_and_never_are_kept() {
    let world = World::new();
    let platform = world.open();
    let begin = |id: &str, resume| {
        let own = WandbStart { id: Some(id), resume: Some(resume), ..WandbStart::default() };
        platform.start(&StartRun { experiment: "e", ..StartRun::default() }, &own).unwrap();
        platform.log_metrics(id, &[("loss", 1.0)], None).unwrap();
        platform.end_run(id, RunStatus::Completed, Some(PATIENCE)).unwrap()
    };
    assert!(!begin("missing", Resume::Must));
    assert_eq!(platform.failure("missing").unwrap().unwrap().code(), "wandb.resume_must");
    assert!(begin("fresh", Resume::Never));
    drop(platform);
    let platform = world.open();
    let own = WandbStart { id: Some("fresh"), resume: Some(Resume::Never), ..WandbStart::default() };
    platform.start(&StartRun { experiment: "e", ..StartRun::default() }, &own).unwrap();
    assert!(!platform.end_run("fresh", RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert_eq!(platform.failure("fresh").unwrap().unwrap().code(), "wandb.resume_never");
    assert_eq!(world.server.run("fresh").unwrap().history.len(), 1);
}
