//! What goes wrong on the way.

use std::time::{Duration, Instant};

use nethical_core::event::{Event, RunChange};
use nethical_core::tracking::{Platform, RunStatus};
use nethical_receivers::wandb::{Chances, Trouble};

use crate::world::{PATIENCE, World, losses, start};

#[test]
fn faults_and_dropped_answers_lose_and_double_nothing() {
    let world = World::new();
    let platform = world.open();
    world.server.behave(|behaviour| {
        behaviour.per_mille = Chances { rate_limited: 100, unavailable: 100, conflict: 100, dropped: 200 };
    });
    let id = start(&*platform);
    let dropped = || world.server.calls().iter().any(|call| call.trouble == Some(Trouble::DropAnswer));
    let (begun, mut rows) = (Instant::now(), 0..);
    // What comes when decides into how many calls it is put, and so what becomes of it.
    for round in 0.. {
        for row in rows.by_ref().take(100) {
            platform.log_metrics(&id, &[("loss", f64::from(row))], None).unwrap();
        }
        if round >= 20 && dropped() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "no answer is dropped");
        std::thread::sleep(Duration::from_millis(5));
    }
    platform.end_run(&id, RunStatus::Completed, None).unwrap();
    let until = Instant::now() + PATIENCE * 2;
    while world.server.run(&id).is_none_or(|run| run.exit_code.is_none()) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    world.server.behave(|behaviour| behaviour.per_mille = Chances::default());
    assert!(platform.flush(PATIENCE));
    let run = world.at_server(&id);
    assert_eq!(losses(&run), (0..rows.start).map(f64::from).collect::<Vec<_>>());
    world.assert_balance(&*platform);
}

#[test]
fn a_row_that_is_refused_keeps_its_place_without_its_values() {
    let world = World::new();
    let platform = world.open();
    // Long enough not to stand in a timestamp by chance.
    let poison = 666_666_666_666.0;
    world.server.behave(|behaviour| behaviour.poison = Some(poison.to_string()));
    let id = start(&*platform);
    for row in 0..100 {
        platform
            .log_metrics(&id, &[("loss", if row == 63 { poison } else { f64::from(row) })], None)
            .unwrap();
    }
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let run = world.at_server(&id);
    assert_eq!(run.history.len(), 100);
    assert_eq!(run.history[63], r#"{"_step":63}"#);
    assert_eq!(run.rows()[64]["loss"], 64.0);
    let ledger = platform.statuses()[0].ledger;
    assert_eq!((ledger.dead_lettered, ledger.waiting), (1, 0));
    world.assert_balance(&*platform);
    let [letter] = world.dead_letters().try_into().unwrap();
    assert_eq!((letter.destination.as_str(), letter.reason.as_str()), ("wandb", "wandb.refused"));
    assert!(letter.answer.contains("this cannot be processed"), "the server's words: {}", letter.answer);
    let update = Event::from_stored(&letter.payload).unwrap().run().unwrap();
    let RunChange::Metrics(metrics) = update.change else { panic!("{update:?}") };
    assert_eq!((update.run, metrics.step), (id, Some(63)));
    assert_eq!(metrics.values.0[0].1.get().parse::<f64>().unwrap(), poison);
}

#[test]
fn the_pace_is_kept_and_the_servers_wishes_too() {
    let world = World::new();
    let mut config = world.config();
    config.upload_interval = 0.3;
    let platform = world.open_with(&config);
    world.server.behave(|behaviour| behaviour.rate_limit = Some((2, 1)));
    let id = start(&*platform);
    for row in 0..24 {
        platform.log_metrics(&id, &[("loss", f64::from(row))], None).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let calls = world.server.calls();
    let times: Vec<_> =
        calls.iter().filter(|call| call.operation == "file_stream").map(|call| call.at).collect();
    assert!(times.len() > 3, "{times:?}");
    // Together: one alone may have been late on a machine with other work.
    let each = (times[times.len() - 1] - times[0]) / (times.len() as u32 - 1);
    assert!(each > Duration::from_millis(420), "two a second, as the headers say: {each:?}");
    world.server.behave(|behaviour| {
        behaviour.rate_limit = None;
        behaviour.next.insert("UpsertBucket".to_owned(), [Trouble::RateLimited(0.5)].into());
    });
    let before = world.server.calls().len();
    let second = start(&*platform);
    assert!(platform.end_run(&second, RunStatus::Completed, Some(PATIENCE)).unwrap());
    let upserts: Vec<_> = world.server.calls()[before..]
        .iter()
        .filter(|call| call.operation == "UpsertBucket")
        .map(|call| call.at)
        .collect();
    assert!(upserts[1] - upserts[0] >= Duration::from_millis(500), "Retry-After");
}

#[test]
fn only_what_is_offered_is_compressed() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap();
    assert!(world.server.calls().iter().all(|call| !call.zipped));
    world.server.behave(|behaviour| behaviour.features.extend(["FILESTREAM_GZIP".to_owned()]));
    let id = start(&*platform);
    platform.log_metrics(&id, &[("loss", 5.0)], None).unwrap();
    platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap();
    assert!(world.server.calls().iter().any(|call| call.zipped));
    assert_eq!(losses(&world.at_server(&id)), [5.0]);
}

#[test]
fn somebody_who_wants_a_run_to_stop_is_heard() {
    let world = World::new();
    let platform = world.open();
    let id = start(&*platform);
    world.server.behave(|behaviour| behaviour.stopped.extend([id.clone()]));
    assert!(!platform.is_stopped(&id).unwrap());
    platform.log_metrics(&id, &[("loss", 5.0)], None).unwrap();
    assert!(platform.flush(PATIENCE));
    assert!(platform.is_stopped(&id).unwrap());
    platform.log_metrics(&id, &[("loss", 6.0)], None).unwrap();
    assert!(platform.end_run(&id, RunStatus::Killed, Some(PATIENCE)).unwrap());
    assert_eq!(losses(&world.at_server(&id)), [5.0, 6.0], "rows go on being taken");
}

#[test]
fn a_login_page_is_no_confirmation() {
    let world = World::new();
    let platform = world.open();
    world.server.behave(|behaviour| {
        drop(behaviour.next.insert("file_stream".to_owned(), vec![Trouble::Page; 3].into()));
    });
    let id = start(&*platform);
    platform.log_metrics(&id, &[("loss", 5.0)], None).unwrap();
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert_eq!(losses(&world.at_server(&id)), [5.0]);
    assert_eq!(platform.statuses()[0].last_error.as_ref().unwrap().code(), "wandb.not_an_answer");
}

#[test]
fn a_key_that_is_refused_holds_everything() {
    let world = World::new();
    world.server.behave(|behaviour| behaviour.key = Some("1".repeat(40)));
    let platform = world.open();
    let id = start(&*platform);
    platform.log_metrics(&id, &[("loss", 5.0)], None).unwrap();
    assert!(!platform.flush(Duration::from_millis(300)));
    let error = platform.statuses()[0].last_error.clone().unwrap();
    assert_eq!(error.code(), "wandb.key");
    assert!(error.hint().unwrap().contains("nethical check"));
    assert_eq!(platform.probe().unwrap_err().code(), "wandb.key");
    world.server.behave(|behaviour| behaviour.key = None);
    assert!(platform.end_run(&id, RunStatus::Completed, Some(PATIENCE)).unwrap());
    assert!(platform.probe().unwrap_err().hint().unwrap().contains("fake-team"), "not of this team");
    world.server.behave(|behaviour| behaviour.entity = "my-team".to_owned());
    assert!(
        platform.probe().unwrap().starts_with("project proj of my-team at 127.0.0.1"),
        "{:?}",
        platform.probe()
    );
}
