//! Runs that are gone on with: what was there stays, and steps rise.

use std::time::{Duration, Instant};

use nethical_core::event::{Event, RunChange};
use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::wandb::{MetricDefinition, SyncOutcome, Wandb, WandbStart};
use nethical_receivers::wandb::{Run, Trouble};

use crate::offline::sync;
use crate::world::{PATIENCE, World, losses, parameters, start};

/// A run with steps 0 to 9, by a process that is gone.
fn first_part(world: &World) -> String {
    let platform = world.open();
    let id = start(&*platform);
    platform.log_parameters(&id, &parameters()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    for step in 0..10 {
        platform.log_metrics(&id, &[("loss", step as f64), ("acc", 0.5)], Some(step)).unwrap();
    }
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert!(platform.close(PATIENCE));
    id
}

fn steps(run: &Run) -> Vec<i64> {
    run.rows().iter().map(|row| row["_step"].as_i64().unwrap()).collect()
}

fn summary(run: &Run) -> serde_json::Value {
    serde_json::from_str(run.summary.as_ref().unwrap()).unwrap()
}

#[test]
fn what_the_server_has_stays_below_what_is_logged() {
    let world = World::new();
    let id = first_part(&world);
    let platform = world.open();
    platform.resume_run(&id).unwrap();
    platform.log_metrics(&id, &[("loss", 7.0), ("again", 1.0)], None).unwrap();
    platform.set_tags(&id, &[("b", "1")]).unwrap();
    assert!(platform.flush(PATIENCE));
    assert_eq!(world.at_server(&id).tags, ["team:vision", "b:1"]);
    platform.set_tags(&id, &[("team", "audio")]).unwrap();
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let run = world.at_server(&id);
    assert_eq!(run.tags, ["b:1", "team:audio"], "one of the same name gives way");
    assert_eq!(run.configured("lr").unwrap(), 0.1);
    let shown = summary(&run);
    assert_eq!((&shown["acc"], &shown["loss"], &shown["again"]), (&0.5.into(), &7.0.into(), &1.0.into()));
    assert_eq!(shown["_step"], 10);
    let rows = run.rows();
    let times: Vec<_> = rows.iter().map(|row| row["_runtime"].as_f64().unwrap()).collect();
    assert!(times.is_sorted() && times[10] > 0.3, "the time of the run goes on: {times:?}");
    assert!(shown["_runtime"].as_f64().unwrap() >= times[10], "{shown}");
}

#[test]
fn rows_that_are_not_above_the_last_step_are_dead_letters_also_after_a_restart() {
    let world = World::new();
    let id = first_part(&world);
    world.server.behave(|behaviour| {
        drop(behaviour.next.insert("file_stream".to_owned(), vec![Trouble::Status(503); 500].into()));
    });
    let platform = world.open();
    platform.resume_run(&id).unwrap();
    for step in [5, 9, 12, 13] {
        platform.log_metrics(&id, &[("loss", 100.0 + step as f64)], Some(step)).unwrap();
        if step < 10 {
            platform.log_metrics(&id, &[("lost", 1.0), ("acc", 9.0)], Some(step)).unwrap();
        }
    }
    platform.end_run(&id, RunStatus::Completed, None).unwrap();
    let until = Instant::now() + PATIENCE;
    while platform.statuses()[0].ledger.dead_lettered < 4 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    let ledger = platform.statuses()[0].ledger;
    assert_eq!((ledger.dead_lettered, ledger.balances()), (4, true), "{ledger:?}");
    platform.close(Duration::from_millis(100));
    drop(platform);
    let letters = world.dead_letters();
    let step = |payload: &[u8]| match Event::from_stored(payload).unwrap().run().unwrap().change {
        RunChange::Metrics(metrics) => metrics.step.unwrap(),
        other => panic!("{other:?}"),
    };
    let mut refused: Vec<_> = letters.iter().map(|letter| step(&letter.payload)).collect();
    refused.sort_unstable();
    assert_eq!(refused, [5, 9]);
    assert_eq!(letters[0].reason, "wandb.step_back");
    assert!(letters[0].answer.contains(&format!("the run `{id}` had step 9")), "{}", letters[0].answer);

    world.server.behave(|behaviour| behaviour.next.clear());
    let next = world.open();
    assert!(next.flush(PATIENCE));
    assert!(next.close(PATIENCE));
    world.assert_balance(&*next);
    let run = world.at_server(&id);
    assert_eq!(steps(&run), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13]);
    assert_eq!(losses(&run)[10..], [112.0, 113.0]);
    let shown = summary(&run);
    assert_eq!(
        (&shown["acc"], &shown["loss"]),
        (&0.5.into(), &113.0.into()),
        "a refused row sums up nothing"
    );
    assert!(shown.get("lost").is_none(), "{shown}");
    assert_eq!(world.dead_letters().len(), 2, "once each");
}

#[test]
fn only_a_first_row_in_step_0_moves_the_steps() {
    let world = World::new();
    let id = first_part(&world);
    let platform = world.open();
    for (given, wanted) in [(Some(10), 10), (None, 11), (Some(0), 12), (Some(20), 20)] {
        let before = world.server.calls().len();
        platform.resume_run(&id).unwrap();
        // The server is asked before there is any row.
        let until = Instant::now() + PATIENCE;
        let asked =
            || world.server.calls()[before..].iter().any(|call| call.operation == "ServerFeaturesQuery");
        while !asked() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_millis(50));
        platform.log_metrics(&id, &[("loss", 1.0)], given).unwrap();
        assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
        assert_eq!(*steps(&world.at_server(&id)).last().unwrap(), wanted, "{given:?}");
    }
    assert_eq!(world.dead_letters().len(), 0);
}

#[test]
fn an_id_that_is_used_again_goes_on_behind_the_rows_that_are_there() {
    let world = World::new();
    let id = first_part(&world);
    let platform = world.open();
    let own = WandbStart { id: Some(&id), ..WandbStart::default() };
    platform.start(&StartRun { experiment: "exp", ..StartRun::default() }, &own).unwrap();
    for loss in [20.0, 21.0] {
        platform.log_metrics(&id, &[("loss", loss)], None).unwrap();
    }
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let run = world.at_server(&id);
    assert_eq!(steps(&run), (0..12).collect::<Vec<_>>());
    assert_eq!(losses(&run)[10..], [20.0, 21.0]);
    assert_eq!((&summary(&run)["acc"], run.tags.as_slice()), (&0.5.into(), &["team:vision".to_owned()][..]));
}

#[test]
fn metrics_that_were_defined_stay_so() {
    let world = World::new();
    let define = |platform: &Wandb, id: &str, name, step_metric, summary: &[&str]| {
        let definition = MetricDefinition { name, step_metric, summary, hidden: false };
        platform.define_metric(id, &definition).unwrap();
    };
    let part = |rows: &[f64], begin: &dyn Fn(&Wandb) -> String| {
        let platform = world.open();
        let id = begin(&platform);
        for row in rows {
            platform.log_metrics(&id, &[("epoch", *row), ("val/loss", *row), ("acc", *row)], None).unwrap();
        }
        assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
        assert!(platform.close(PATIENCE));
        id
    };
    let id = part(&[2.0, 5.0], &|platform| {
        let id = start(platform);
        define(platform, &id, "val/*", Some("epoch"), &["min", "max"]);
        define(platform, &id, "acc", None, &["max"]);
        id
    });
    let before = world.at_server(&id).config["_wandb"]["value"]["m"].clone();
    part(&[3.0, 4.0], &|platform| {
        platform.resume_run(&id).unwrap();
        id.clone()
    });
    let run = world.at_server(&id);
    assert_eq!(run.config["_wandb"]["value"]["m"], before);
    assert_eq!(summary(&run)["val/loss"], serde_json::json!({ "min": 2.0, "max": 5.0 }), "of the whole run");
    part(&[6.0], &|platform| {
        platform.resume_run(&id).unwrap();
        define(platform, &id, "acc", None, &["last"]);
        id.clone()
    });
    let run = world.at_server(&id);
    assert_eq!(run.config["_wandb"]["value"]["m"].as_array().unwrap().len(), 3, "one of each name");
    let shown = summary(&run);
    assert_eq!(
        (&shown["acc"], &shown["val/loss"]["max"]),
        (&serde_json::json!({ "last": 6.0 }), &6.0.into())
    );
}

/// So many rows more under this id, by a process that ends before the server has heard of it.
fn unheard(world: &World, id: &str, rows: u32, begin: impl FnOnce(&Wandb)) {
    world.server.behave(|behaviour| {
        for operation in ["RunResumeStatus", "UpsertBucket"] {
            behaviour.next.insert(operation.to_owned(), vec![Trouble::Status(503); 500].into());
        }
    });
    let platform = world.open();
    begin(&platform);
    for row in 0..rows {
        platform.log_metrics(id, &[("loss", 100.0 + f64::from(row))], None).unwrap();
    }
    platform.end_run(id, RunStatus::Completed, None).unwrap();
    assert!(!platform.close(Duration::from_millis(50)));
    drop(platform);
    world.server.behave(|behaviour| behaviour.next.clear());
}

#[test]
fn what_a_process_logged_before_the_server_heard_of_it_goes_behind_what_is_there() {
    // Ten rows in the same steps could be taken for those that are there.
    for (rows, again) in [(3, true), (10, true), (12, true), (10, false)] {
        let world = World::new();
        let id = first_part(&world);
        unheard(&world, &id, rows, |platform| {
            if again {
                let own = WandbStart { id: Some(&id), ..WandbStart::default() };
                platform.start(&StartRun { experiment: "exp", ..StartRun::default() }, &own).unwrap();
            } else {
                platform.resume_run(&id).unwrap();
            }
        });
        let next = world.open();
        assert!(next.flush(PATIENCE), "{:?}", next.statuses());
        assert!(next.close(PATIENCE));
        let run = world.at_server(&id);
        assert_eq!(steps(&run), (0..10 + i64::from(rows)).collect::<Vec<_>>());
        let logged: Vec<_> = (0..rows).map(|row| 100.0 + f64::from(row)).collect();
        assert_eq!(losses(&run)[10..], logged);
        assert_eq!(summary(&run)["acc"], 0.5, "what was there stays below");
        assert_eq!(run.configured("lr").is_some(), !again, "a start describes the run anew");
        assert!(world.dead_letters().is_empty());
    }
}

#[test]
fn rows_in_the_same_steps_are_not_taken_for_each_other() {
    let world = World::new();
    let begin = |platform: &Wandb, first: f64| {
        let own = WandbStart { id: Some("shared"), ..WandbStart::default() };
        platform.start(&StartRun { experiment: "exp", ..StartRun::default() }, &own).unwrap();
        for row in 0..5 {
            platform.log_metrics("shared", &[("loss", first + f64::from(row))], None).unwrap();
        }
        platform.end_run("shared", RunStatus::Completed, Some(PATIENCE)).unwrap();
        let kept = platform.directory("shared").unwrap().unwrap();
        assert!(platform.close(PATIENCE));
        kept
    };
    let kept = begin(&world.open_with(&world.offline()), 10.0);
    // Far more than what a server may be off when it writes a time.
    std::thread::sleep(Duration::from_millis(100));
    begin(&world.open(), 0.0);
    let report = sync(&world).into_iter().find(|report| report.path == kept).unwrap();
    let SyncOutcome::Failed(error) = &report.outcome else { panic!("{report:?}") };
    assert_eq!(error.code(), "wandb.other_writer");
    assert_eq!(losses(&world.at_server("shared")), [0.0, 1.0, 2.0, 3.0, 4.0]);
}
