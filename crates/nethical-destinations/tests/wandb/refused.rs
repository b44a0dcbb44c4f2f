//! Runs that are refused as a whole.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nethical_core::delivery::Settings;
use nethical_core::event::{Event, Redaction};
use nethical_core::tracking::{Platform, RunStatus, StartRun};
use nethical_destinations::wandb::{Resume, SyncOutcome, Wandb, WandbStart, left};

use crate::offline::sync;
use crate::world::{PATIENCE, World, losses, start};

/// A platform, and what people are told of it.
fn told(world: &World) -> (Arc<Wandb>, Arc<Mutex<Vec<String>>>) {
    let notices: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&notices);
    let observer = Arc::new(move |notice: &nethical_core::delivery::Notice| {
        heard.lock().unwrap().push(notice.to_string());
    });
    let settings = Settings { observer, ..world.settings() };
    (Wandb::open(&world.config(), "wandb", settings, &Redaction::default()).unwrap(), notices)
}

/// What was said, once this is in it.
fn said(notices: &Mutex<Vec<String>>, text: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let said = notices.lock().unwrap().join("\n");
        if said.contains(text) || Instant::now() > until {
            return said;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_run_that_cannot_be_resumed_is_refused_for_good_and_alone() {
    let world = World::new();
    let (platform, notices) = told(&world);
    let own = WandbStart { id: Some("missing"), resume: Some(Resume::Must), ..WandbStart::default() };
    platform.start(&StartRun { experiment: "e", ..StartRun::default() }, &own).unwrap();
    let until = Instant::now() + PATIENCE;
    while platform.failure("missing").unwrap().is_none() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    for loss in [1.0, 2.0] {
        platform.log_metrics("missing", &[("loss", loss)], None).unwrap();
    }
    let other = start(&*platform);
    platform.log_metrics(&other, &[("loss", 5.0)], None).unwrap();
    assert!(!platform.end_run("missing", RunStatus::Completed, Some(PATIENCE)).unwrap(), "it is not there");
    assert!(platform.end_run(&other, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let ledger = platform.statuses()[0].ledger;
    assert_eq!((ledger.dead_lettered, ledger.confirmed, ledger.waiting), (4, 3, 0), "{ledger:?}");
    assert!(ledger.balances() && platform.flush(PATIENCE), "what was refused is settled");
    let error = platform.failure("missing").unwrap().unwrap();
    let kept = platform.directory("missing").unwrap().unwrap();
    assert!(error.to_string().contains("there is no run `missing`"), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("resume='allow'"), "{hint}");
    assert!(hint.contains(&format!("`nethical sync {}`", kept.display())), "{hint}");
    assert!(platform.close(PATIENCE));
    let said = said(&notices, "there is no run `missing`");
    assert!(said.contains("there is no run `missing`") && !said.contains("is down"), "{said}");
    let [letter] = world.dead_letters().try_into().unwrap();
    assert_eq!(letter.reason, "wandb.resume_must");
    assert_eq!(Event::from_stored(&letter.payload).unwrap().run().unwrap().run, "missing");

    drop(platform);
    assert!(left(&world.home()).is_empty(), "nobody tries it again unasked");
    let (next, notices) = told(&world);
    let id = start(&*next);
    assert!(next.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert!(next.flush(PATIENCE) && next.close(PATIENCE));
    assert_eq!(next.statuses()[0].ledger.dead_lettered, 0);
    assert_eq!(notices.lock().unwrap().concat(), "");

    let of = |reports: Vec<nethical_destinations::wandb::SyncReport>| {
        reports.into_iter().find(|report| report.path == kept).unwrap()
    };
    let asked = of(sync(&world));
    let SyncOutcome::Failed(error) = &asked.outcome else { panic!("{asked:?}") };
    assert_eq!((error.code(), asked.waiting), ("wandb.resume_must", 0));
    let (later, _) = told(&world);
    later.resume_run("missing").unwrap();
    later.log_metrics("missing", &[("loss", 0.0)], None).unwrap();
    assert!(later.end_run("missing", RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert!(later.close(PATIENCE));
    drop(later);
    assert!(matches!(of(sync(&world)).outcome, SyncOutcome::Synced), "all of it was kept");
    assert_eq!(losses(&world.at_server("missing")), [0.0, 1.0, 2.0]);
}

#[test]
fn a_later_part_does_not_share_the_refusal() {
    let world = World::new();
    let platform = world.open();
    let own = WandbStart { id: Some("missing"), resume: Some(Resume::Must), ..WandbStart::default() };
    platform.start(&StartRun { experiment: "e", ..StartRun::default() }, &own).unwrap();
    assert!(!platform.end_run("missing", RunStatus::Completed, Some(PATIENCE)).unwrap());
    platform.resume_run("missing").unwrap();
    platform.log_metrics("missing", &[("loss", 3.0)], None).unwrap();
    assert!(platform.end_run("missing", RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert_eq!(losses(&world.at_server("missing")), [3.0]);
}

#[test]
fn a_run_that_was_deleted_keeps_its_rows_and_holds_nobody_up() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    platform.log_metrics(&id, &[("loss", 5.0)], None).unwrap();
    assert!(platform.flush(PATIENCE));
    world.server.delete(&id);
    platform.log_metrics(&id, &[("loss", 6.0)], None).unwrap();
    assert!(!platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let error = platform.failure(&id).unwrap().unwrap();
    assert_eq!(error.code(), "wandb.run_gone");
    let kept = platform.directory(&id).unwrap().unwrap();
    assert!(error.hint().unwrap().contains(kept.to_str().unwrap()));
    assert!(!kept.join(format!("run-{id}.wandb.synced")).exists());
    assert_eq!(platform.statuses()[0].ledger.waiting, 2);
    world.assert_balance(&*platform);
    platform.close(PATIENCE);
    drop(platform);
    let (next, notices) = told(&world);
    assert!(next.flush(PATIENCE) && next.close(PATIENCE));
    assert_eq!(next.statuses()[0].ledger.dead_lettered, 4);
    let said = said(&notices, "deleted");
    assert!(said.contains("deleted") && !said.contains("is down"), "{said}");
    assert!(left(&world.home()).is_empty());
    assert_eq!(world.dead_letters()[0].reason, "wandb.deleted");
}

#[test]
fn an_answer_that_was_lost_does_not_refuse_a_new_run() {
    let world = World::new();
    world.server.behave(|behaviour| {
        let lost = [nethical_receivers::wandb::Trouble::DropAnswer].into();
        behaviour.next.insert("UpsertBucket".to_owned(), lost);
    });
    let platform = world.open();
    let own = WandbStart { id: Some("fresh"), resume: Some(Resume::Never), ..WandbStart::default() };
    platform.start(&StartRun { experiment: "e", ..StartRun::default() }, &own).unwrap();
    platform.log_metrics("fresh", &[("loss", 1.0)], None).unwrap();
    assert!(platform.end_run("fresh", RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert_eq!(losses(&world.at_server("fresh")), [1.0]);
}
