//! The spool between real processes: killed, adopted, restarted, looked at, and on a disk that is really full.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod full_disk;
mod worker;

use std::collections::BTreeSet;

use nethical_core::delivery::{ProcessReport, survey};
use testkit::until;

use self::worker::{Folder, Worker};

/// The report about one process.
fn report(folder: &Folder, pid: u32) -> Option<ProcessReport> {
    survey(&folder.home()).unwrap().into_iter().find(|report| report.pid == pid)
}

fn waiting(report: &ProcessReport, key: &str) -> u64 {
    let of_key = report.destinations.iter().filter(|destination| destination.key == key);
    of_key.map(|destination| destination.ledger.waiting).sum()
}

#[test]
fn what_a_killed_process_left_is_delivered_by_one_with_its_destination() {
    let folder = Folder::new();
    let (mut killed, mut heir) = (Worker::start(&folder, "a"), Worker::start(&folder, "a"));
    heir.order("up");
    killed.order("send 0 500");
    killed.order("flush 1");
    killed.kill();
    until("the other has delivered all", || folder.delivered().len() == 500);
    assert_eq!(folder.delivered(), (0..500).collect::<Vec<_>>());
    until("the accounts show it", || heir.ledger().confirmed == 500);
    assert!(heir.ledger().balances());
}

#[test]
fn one_without_its_destination_leaves_it_alone_and_does_not_hold_it() {
    let folder = Folder::new();
    let mut killed = Worker::start(&folder, "a");
    killed.order("send 0 100");
    killed.order("flush 1");
    killed.kill();
    let mut stranger = Worker::start(&folder, "b");
    stranger.order("up");
    stranger.order("adopt");
    until("nobody has it", || {
        let reports = survey(&folder.home()).unwrap();
        reports.iter().any(|report| !report.running && waiting(report, "a") == 100)
    });
    assert_eq!(folder.delivered().len(), 0);
    let mut heir = Worker::start(&folder, "a");
    heir.order("up");
    until("it is delivered beside the stranger", || folder.delivered().len() == 100);
    assert_eq!(stranger.ledger().accepted, 0);
}

#[test]
fn accounts_survive_kills_and_the_directories_they_were_in() {
    let folder = Folder::new();
    for round in 1..=3_u64 {
        // Two at a time, so that there is always a directory that the next one does not take for itself.
        let mut workers = [Worker::start(&folder, "a"), Worker::start(&folder, "a")];
        for (worker, from) in workers.iter_mut().zip([0, 50]) {
            worker.order("up");
            worker.order(&format!("send {from} {}", from + 50));
            assert_eq!(worker.order("flush 10000"), "ok");
        }
        workers.into_iter().for_each(|worker| {
            worker.kill();
        });
        let mut next = Worker::start(&folder, "a");
        next.order("adopt");
        until("everything ever confirmed is shown", || {
            next.order("adopt");
            next.ledger().confirmed == round * 100
        });
        assert!(next.ledger().balances());
        next.kill();
    }
}

#[test]
fn a_running_process_can_be_looked_at() {
    let folder = Folder::new();
    let mut worker = Worker::start(&folder, "a");
    worker.order("send 0 70");
    until("its report shows what waits and why", || {
        report(&folder, worker.pid()).is_some_and(|report| {
            let why = report.destinations.iter().filter_map(|destination| destination.last_error.as_ref());
            let codes: BTreeSet<&str> = why.map(|error| error.code.as_str()).collect();
            report.running && waiting(&report, "a") == 70 && codes.contains("worker.down")
        })
    });
    worker.order("up");
    worker.order("flush 10000");
    until("its report shows that it is delivered", || {
        report(&folder, worker.pid()).is_some_and(|report| {
            let one = report.destinations.first();
            one.is_some_and(|one| one.ledger.confirmed == 70 && one.ledger.waiting == 0)
        })
    });
}
