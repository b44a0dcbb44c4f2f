//! Limits at the call, and one writer for each run.

use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::wandb::{MetricDefinition, WandbStart};

use crate::world::{PATIENCE, World, start};

#[test]
fn what_w_and_b_would_refuse_is_refused_at_the_call() {
    let world = World::new();
    let platform = world.open_with(&world.offline());
    let long = |length| "x".repeat(length);
    let begin = |experiment: &str, name: &str, id: &str, tag: &str| {
        let start = StartRun { experiment, name: Some(name), tags: &[] };
        let own = WandbStart { id: Some(id), tags: &[tag], ..WandbStart::default() };
        platform.start(&start, &own).map_err(|error| error.code())
    };
    assert_eq!(begin(&long(129), "n", "a", "t"), Err("wandb.experiment"));
    assert_eq!(begin("e", &long(129), "a", "t"), Err("wandb.run_name"));
    assert_eq!(begin("e", "n", "a/b", "t"), Err("wandb.run_id"));
    assert_eq!(begin("e", "n", "a", &long(65)), Err("wandb.tag"));
    let id = begin(&long(128), &long(128), &long(64), &long(64)).unwrap();
    let code = |result: Result<(), nethical_core::delivery::Error>| result.unwrap_err().code();
    assert_eq!(code(platform.set_tags(&id, &[("a", &long(63))])), "wandb.tag");
    platform.set_tags(&id, &[("a", &long(62))]).unwrap();
    assert_eq!(code(platform.log_metrics(&id, &[("", 1.0)], None)), "wandb.metric");
    assert_eq!(code(platform.log_metrics(&id, &[("_step", 1.0)], None)), "wandb.metric");
    assert_eq!(code(platform.log_metrics("nobody", &[("a", 1.0)], None)), "runs.unknown");
    let mut row = nethical_destinations::wandb::Row::default();
    row.json("large", &format!("\"{}\"", long(10_383_360)));
    assert_eq!(code(platform.log(&id, &row, None)), "wandb.row_size");
    let odd = MetricDefinition { name: "a", summary: &["median"], ..MetricDefinition::default() };
    assert_eq!(code(platform.define_metric(&id, &odd)), "wandb.metric");
    platform.log_metrics(&id, &[("loss", 1.0)], None).unwrap();
    platform.end_run(&id, RunStatus::Completed, None).unwrap();
    assert_eq!(code(platform.log_metrics(&id, &[("loss", 1.0)], None)), "runs.ended");
    assert!(platform.close(PATIENCE));
    world.assert_balance(&*platform);
}

#[test]
fn a_run_has_one_writer() {
    let world = World::new();
    let (one, two) = (world.open(), world.open());
    let id = start(&*one);
    assert_eq!(two.resume_run(&id).unwrap_err().code(), "wandb.run_open");
    assert_eq!(one.resume_run(&id).unwrap_err().code(), "wandb.run_open");
}

#[test]
fn open_runs_are_completed_at_the_end() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    platform.log_metrics(&id, &[("loss", 1.0)], None).unwrap();
    assert_eq!(platform.active_runs(), std::slice::from_ref(&id));
    assert!(platform.close(PATIENCE));
    assert!(platform.close(PATIENCE), "a second time is harmless");
    assert_eq!(world.at_server(&id).exit_code, Some(0));
}
