//! A disk of two megabytes that is really full: a file system in memory that only the child sees.

use std::process::Command;

use nethical_core::delivery::{DropReason, Ledger};

use crate::worker::{Folder, Worker};

/// Three times as much as fits.
const EVENTS: u64 = 16_000;

/// A worker whose home is a full disk's. The mount is in a name space of its own, which goes with it; without
/// the right to mount, a user's name space gives it.
fn start(folder: &Folder, full: &str) -> Worker {
    let root = rustix::process::geteuid().is_root();
    let spaces: &[&str] = if root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    std::fs::create_dir(folder.home()).unwrap();
    let mut command = Command::new("unshare");
    command.args(spaces).args(["sh", "-c", "mount -t tmpfs -o size=2m tmpfs \"$1\" && exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_worker")).arg(folder.home()).arg("a").arg(folder.file());
    command.env("WORKER_FULL", full).current_dir(folder.path());
    Worker::run(command)
}

fn settled(worker: &mut Worker) -> Ledger {
    assert_eq!(worker.order("flush 30000"), "ok");
    let ledger = worker.ledger();
    assert!(ledger.balances(), "{ledger:?}");
    assert_eq!((ledger.accepted, ledger.waiting), (EVENTS, 0), "{ledger:?}");
    ledger
}

#[test]
fn drop_oldest_keeps_the_newest() {
    let folder = Folder::new();
    let mut worker = start(&folder, "oldest");
    worker.order(&format!("send 0 {EVENTS}"));
    worker.order("up");
    let ledger = settled(&mut worker);
    let delivered = folder.delivered();
    assert_eq!(delivered.len() as u64, ledger.confirmed);
    assert!(ledger.dropped() > 0, "{ledger:?}");
    assert_eq!(delivered.last(), Some(&(EVENTS - 1)), "{ledger:?}");
    assert!(delivered.is_sorted());
}

#[test]
fn drop_newest_keeps_the_oldest_and_tells_the_caller() {
    let folder = Folder::new();
    let mut worker = start(&folder, "newest");
    assert_eq!(worker.order(&format!("send 0 {EVENTS}")), "no");
    worker.order("up");
    let ledger = settled(&mut worker);
    let delivered = folder.delivered();
    assert_eq!(delivered.len() as u64, ledger.confirmed);
    assert_eq!(ledger.dropped(), ledger.dropped_because(DropReason::QueueFull), "{ledger:?}");
    assert!(ledger.dropped() > 0, "{ledger:?}");
    assert_eq!(delivered.first(), Some(&0));
    worker.order("send 16000 16100");
    assert_eq!(worker.order("flush 30000"), "ok");
    assert_eq!(folder.delivered().last(), Some(&16_099), "it has recovered by itself");
}

#[test]
fn block_loses_nothing_when_there_is_room_in_time() {
    let folder = Folder::new();
    let mut worker = start(&folder, "block");
    worker.order("up");
    assert_eq!(worker.order(&format!("send 0 {EVENTS}")), "ok");
    let ledger = settled(&mut worker);
    assert_eq!((ledger.confirmed, ledger.dropped()), (EVENTS, 0));
    assert_eq!(folder.delivered(), (0..EVENTS).collect::<Vec<_>>());
}
