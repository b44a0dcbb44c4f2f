//! Limits at the call, and one writer for each run.

use nethical_core::event::Metadata;
use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::wandb::{ArtifactSpec, MetricDefinition, Row, WandbStart};

use crate::offline::sync;
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
    let job_type = |length: usize| {
        let job_type = long(length);
        let own = WandbStart { job_type: Some(&job_type), ..WandbStart::default() };
        platform.start(&StartRun { experiment: "e", ..StartRun::default() }, &own).map(drop)
    };
    assert_eq!(job_type(65).unwrap_err().code(), "wandb.job_type");
    job_type(64).unwrap();
    let id = begin(&long(128), &long(128), &long(64), &long(64)).unwrap();
    let code = |result: Result<(), nethical_core::delivery::Error>| result.unwrap_err().code();
    assert_eq!(code(platform.set_tags(&id, &[("a", &long(63))])), "wandb.tag");
    platform.set_tags(&id, &[("a", &long(62))]).unwrap();
    assert_eq!(code(platform.log_metrics(&id, &[("", 1.0)], None)), "wandb.metric");
    assert_eq!(code(platform.log_metrics(&id, &[("_step", 1.0)], None)), "wandb.metric");
    assert_eq!(code(platform.log_metrics("nobody", &[("a", 1.0)], None)), "runs.unknown");
    let mut row = Row::default();
    row.json("large", &format!("\"{}\"", long(10_383_360)));
    assert_eq!(code(platform.log(&id, &row, None)), "wandb.row_size");
    let half = |length: usize| {
        let mut row = Row::default();
        row.json("large", &format!("\"{}\"", long(length)));
        row
    };
    platform.log(&id, &half(6_000_000), Some(1)).unwrap();
    let merged = platform.log(&id, &half(5_000_000), Some(1));
    assert_eq!(code(merged), "wandb.row_size", "two calls with one step are one line");
    platform.log(&id, &half(5_000_000), Some(2)).unwrap();
    let configure =
        |name: &'static str, length| platform.log_parameters(&id, &Metadata::new().with(name, long(length)));
    assert_eq!(code(configure("large", 15_000_000)), "wandb.config_size");
    configure("large", 14_000_000).unwrap();
    assert_eq!(code(configure("more", 1_000_000)), "wandb.config_size", "it is sent whole");
    configure("large", 1_000_000).unwrap();
    configure("more", 1_000_000).unwrap();
    let file = world.folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let named = |name: &str| {
        platform
            .add_artifact(&id, &file, &ArtifactSpec { name: Some(name), ..ArtifactSpec::default() })
            .map(drop)
    };
    assert_eq!(code(named(&long(129))), "wandb.artifact_name");
    assert_eq!(code(named("a/b")), "wandb.artifact_name");
    named(&long(128)).unwrap();
    let odd = MetricDefinition { name: "a", summary: &["median"], ..MetricDefinition::default() };
    assert_eq!(code(platform.define_metric(&id, &odd)), "wandb.metric");
    platform.log_metrics(&id, &[("loss", 1.0)], None).unwrap();
    platform.end_run(&id, RunStatus::Completed, None).unwrap();
    assert_eq!(code(platform.log_metrics(&id, &[("loss", 1.0)], None)), "runs.ended");
    assert!(platform.close(PATIENCE));
    world.assert_balance(&*platform);
}

#[test]
fn a_row_as_large_as_w_and_b_takes_arrives() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    let mut row = Row::default();
    // Two quotes, and what stands around each value and row.
    row.json("large", &format!("\"{}\"", "x".repeat(10_383_360 - "large".len() - 2 - 4 - 96)));
    platform.log(&id, &row, None).unwrap();
    platform.log_metrics(&id, &[("loss", 1.0)], None).unwrap();
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let run = world.at_server(&id);
    let sizes: Vec<_> = run.history.iter().map(String::len).collect();
    assert!((10_383_200..=10_383_360).contains(&sizes[0]) && sizes.len() == 2, "{sizes:?}");
    assert_eq!(platform.statuses()[0].ledger.confirmed, 4);
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

#[test]
fn open_runs_are_completed_when_the_platform_is_dropped() {
    for offline in [false, true] {
        let world = World::new();
        let platform = world.open_with(&if offline { world.offline() } else { world.config() });
        let id = start(&*platform);
        platform.log_metrics(&id, &[("loss", 1.0)], None).unwrap();
        drop(platform);
        if offline {
            sync(&world);
        }
        let run = world.at_server(&id);
        assert_eq!(
            (run.state, run.exit_code, run.history.len()),
            ("finished", Some(0), 1),
            "offline: {offline}"
        );
    }
}

#[test]
fn open_runs_fail_when_a_panic_drops_the_platform() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    let panicked = std::thread::spawn(move || {
        let _platform = platform;
        panic!("the program went wrong");
    });
    assert!(panicked.join().is_err());
    assert_eq!(world.at_server(&id).exit_code, Some(1));
}
