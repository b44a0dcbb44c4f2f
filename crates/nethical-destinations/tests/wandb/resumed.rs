//! Runs that are gone on with: what was there stays, and steps rise.

use std::time::{Duration, Instant};

use nethical_core::event::{Event, RunChange};
use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::wandb::WandbStart;
use nethical_receivers::wandb::{Run, Trouble};

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
