//! Runs that are only written, and their upload.

use std::fs;
use std::time::{Duration, Instant};

use nethical_core::delivery::SpoolSettings;
use nethical_core::tracking::{ArtifactOptions, Platform, RunStatus};
use nethical_destinations::wandb::{SyncOutcome, SyncReport, Syncer, WandbConfig};

use crate::world::{PATIENCE, World, losses, parameters, start};

fn syncer(world: &World) -> Syncer {
    let spool = SpoolSettings { home: Some(world.home()), ..SpoolSettings::default() };
    Syncer::new("wandb", &world.config(), &spool, None).unwrap()
}

pub(crate) fn sync(world: &World) -> Vec<SyncReport> {
    let mut syncer = syncer(world);
    syncer.add(world.folder.path()).unwrap();
    finish(syncer)
}

fn finish(syncer: Syncer) -> Vec<SyncReport> {
    let until = Instant::now() + PATIENCE;
    while !syncer.is_done() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    syncer.finish(Duration::from_secs(1))
}

#[test]
fn an_offline_run_is_uploaded_later_and_once() {
    let world = World::new();
    let platform = world.open_with(&world.offline());
    let id = start(&*platform);
    platform.log_parameters(&id, &parameters()).unwrap();
    for row in 0..50 {
        platform.log_metrics(&id, &[("loss", f64::from(row))], None).unwrap();
    }
    let file = world.folder.path().join("model");
    fs::write(&file, "weights").unwrap();
    platform.log_artifact(&id, &file, &ArtifactOptions::default()).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(matches!(sync(&world)[0].outcome, SyncOutcome::Busy), "its writer is at work");
    assert!(platform.end_run(&id, RunStatus::Failed, Some(PATIENCE)).unwrap());
    assert!(platform.close(PATIENCE));
    drop(platform);
    assert!(world.server.calls().is_empty(), "nothing has gone out");
    assert_eq!(nethical_destinations::wandb::left(&world.home()).len(), 1);

    let reports = sync(&world);
    assert!(matches!(reports[0].outcome, SyncOutcome::Synced), "{reports:?}");
    assert_eq!((reports[0].rows, reports[0].waiting, reports[0].run.as_str()), (50, 0, id.as_str()));
    let run = world.at_server(&id);
    assert_eq!(losses(&run), (0..50).map(f64::from).collect::<Vec<_>>());
    assert_eq!((run.exit_code, run.display_name.as_deref()), (Some(1), Some("one")));
    assert!(world.server.artifacts()[0].committed);
    assert!(nethical_destinations::wandb::left(&world.home()).is_empty());

    let calls = world.server.calls().len();
    assert!(matches!(sync(&world)[0].outcome, SyncOutcome::Already));
    assert_eq!(world.server.calls().len(), calls);
    let marker = reports[0].path.join(format!("run-{id}.wandb.synced"));
    fs::remove_file(marker).unwrap();
    assert!(matches!(sync(&world)[0].outcome, SyncOutcome::Synced));
    assert_eq!(world.at_server(&id).history.len(), 50, "without the marker the server's count tells");
}

#[test]
fn a_sync_that_breaks_off_is_taken_up_again() {
    let world = World::new();
    let platform = world.open_with(&world.offline());
    let id = start(&*platform);
    for row in 0..30 {
        platform.log_metrics(&id, &[("loss", f64::from(row))], None).unwrap();
    }
    platform.end_run(&id, RunStatus::Completed, None).unwrap();
    platform.close(PATIENCE);
    drop(platform);
    world.server.behave(|behaviour| {
        // Everything is taken, and nobody hears of it.
        behaviour
            .next
            .insert("file_stream".to_owned(), vec![nethical_receivers::wandb::Trouble::DropAnswer; 1].into());
        behaviour.next.insert("RunResumeStatus".to_owned(), [].into());
    });
    let reports = sync(&world);
    assert!(matches!(reports[0].outcome, SyncOutcome::Synced), "{reports:?}");
    let run = world.at_server(&id);
    assert_eq!(losses(&run), (0..30).map(f64::from).collect::<Vec<_>>());
    assert_eq!(run.repeated, 30, "one repeat, which changed nothing");
}

#[test]
fn rows_of_somebody_else_are_never_written_over() {
    let world = World::new();
    let platform = world.open_with(&world.offline());
    let id = start(&*platform);
    for row in 0..5 {
        platform.log_metrics(&id, &[("loss", f64::from(row))], Some(row.into())).unwrap();
    }
    platform.end_run(&id, RunStatus::Completed, None).unwrap();
    platform.close(PATIENCE);
    drop(platform);
    let reports = sync(&world);
    assert!(matches!(reports[0].outcome, SyncOutcome::Synced), "{reports:?}");
    // Another client goes on with the run.
    let other = world.open();
    other.resume_run(&id).unwrap();
    other.log_metrics(&id, &[("loss", 100.0)], None).unwrap();
    assert!(other.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    other.close(PATIENCE);
    let first = fs::read_dir(world.folder.path().join("wandb")).unwrap().flatten();
    let first =
        first.map(|entry| entry.path()).find(|path| path.to_str().unwrap().contains("offline-run")).unwrap();
    fs::remove_file(first.join(format!("run-{id}.wandb.synced"))).unwrap();
    let reports = sync(&world);
    let SyncOutcome::Failed(error) = &reports[0].outcome else { panic!("{reports:?}") };
    assert_eq!(error.code(), "wandb.other_writer");
    assert_eq!(losses(&world.at_server(&id)), [0.0, 1.0, 2.0, 3.0, 4.0, 100.0]);
}

#[test]
fn without_a_run_there_is_nothing_to_sync() {
    let world = World::new();
    let spool = SpoolSettings { home: Some(world.home()), ..SpoolSettings::default() };
    let mut syncer = Syncer::new("wandb", &world.config(), &spool, None).unwrap();
    assert_eq!(syncer.add(world.folder.path()).unwrap_err().code(), "wandb.sync_path");
    assert_eq!(syncer.add_remembered(), 0);
    assert!(syncer.is_done());
}

/// An offline run for this server: its directory.
fn written_for(world: &World, url: &str) -> std::path::PathBuf {
    let config = WandbConfig { base_url: Some(url.to_owned()), ..world.offline() };
    let platform = world.open_with(&config);
    let id = start(&*platform);
    platform.log_metrics(&id, &[("loss", 1.0)], None).unwrap();
    platform.end_run(&id, RunStatus::Completed, None).unwrap();
    let directory = platform.directory(&id).unwrap().unwrap();
    assert!(platform.close(PATIENCE));
    directory
}

#[test]
fn a_run_for_another_server_is_left_and_said_where_it_belongs() {
    let world = World::new();
    let (other, ours) = ("http://127.0.0.1:9", world.server.url());
    let directory = written_for(&world, other);
    let mut remembered = syncer(&world);
    assert_eq!((remembered.add_unbound(), remembered.add_remembered()), (0, 0));
    let [report] = finish(remembered).try_into().unwrap();
    let SyncOutcome::Elsewhere(error) = &report.outcome else { panic!("{report:?}") };
    assert_eq!((error.code(), report.waiting), ("wandb.other_server", 3));
    assert!(error.to_string().contains(other) && error.to_string().contains(&ours), "{error}");
    let hint = error.hint().unwrap();
    let here = format!(
        "set `base_url` to {other} to send it there, `nethical sync {}` to {ours}",
        directory.display()
    );
    assert_eq!(hint, here);
    assert!(world.server.calls().is_empty());
    assert!(matches!(sync(&world)[0].outcome, SyncOutcome::Synced), "who names it means it");
    assert_eq!(world.server.runs().len(), 1);
}

#[test]
fn an_offline_run_for_no_server_goes_to_the_one_there_is() {
    let world = World::new();
    written_for(&world, "https://api.wandb.ai");
    let mut remembered = syncer(&world);
    assert_eq!((remembered.add_unbound(), remembered.add_remembered()), (1, 0));
    let [report] = finish(remembered).try_into().unwrap();
    assert!(matches!(report.outcome, SyncOutcome::Synced), "{report:?}");
    assert_eq!(world.at_server(&report.run).history.len(), 1);
}
