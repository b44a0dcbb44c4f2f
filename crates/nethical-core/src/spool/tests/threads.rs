//! With its own threads, on the real disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::cases::{reader, stats};
use super::sim::Sim;
use super::slow::Slow;
use crate::spool::{AppendError, Disk, Durability, Options, Spool};

#[test]
fn without_any_call_events_reach_the_kernel_and_the_reader() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(Arc::new(Disk), dir.path(), Options::default()).unwrap();
    let id = spool.destination("a").unwrap();
    let (send, woken) = std::sync::mpsc::channel();
    let reader = spool.reader(id, Arc::new(move || send.send(()).unwrap())).unwrap();
    for round in 0..5 {
        spool.append(b"hello", &[id]).unwrap();
        woken.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(reader.read(10, 1000).unwrap().len(), 1, "round {round}");
    }
}

#[test]
fn events_reach_the_kernel_while_an_fsync_takes_its_time() {
    for durability in [Durability::None, Durability::Interval] {
        let dir = tempfile::tempdir().unwrap();
        let disk = Slow::default();
        let options = Options { durability, segment_bytes: 1000, ..Options::default() };
        let (spool, _) = Spool::open(Arc::new(disk.clone()), dir.path(), options).unwrap();
        let id = spool.destination("a").unwrap();
        disk.hold();
        // Segments fill up meanwhile, which are to be synced as well.
        let (send, woken) = std::sync::mpsc::channel();
        let reader = spool.reader(id, Arc::new(move || send.send(()).unwrap())).unwrap();
        for number in 0..30 {
            spool.append(format!("{number:0100}").as_bytes(), &[id]).unwrap();
            while reader.read(10, 1000).unwrap().is_empty() {
                woken.recv_timeout(Duration::from_secs(60)).unwrap();
            }
        }
        let (found, _) = crate::spool::inspect(Arc::new(Disk), dir.path()).unwrap();
        assert_eq!(found[0].waiting.events, 30, "what another process finds after a kill");
        assert!(!spool.sync(Duration::from_millis(50)), "nothing is promised that is not on the medium");
        disk.go_on();
        assert!(spool.sync(Duration::from_secs(60)));
        assert!(spool.close());
    }
}

#[test]
fn many_callers_share_fsyncs_and_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Every, segment_bytes: 20_000, ..Options::default() };
    let (spool, _) = Spool::open(Arc::new(Disk), dir.path(), options).unwrap();
    let id = spool.destination("a").unwrap();
    let appended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (spool, appended) = (spool.clone(), &appended);
            scope.spawn(move || {
                for number in 0..50 {
                    spool.append(format!("{thread} {number}").as_bytes(), &[id]).unwrap();
                    appended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let reader = reader(&spool, id);
        let mut last = [None; 8];
        let mut seen = 0;
        while seen < 400 {
            let entries = reader.read(64, 10_000).unwrap();
            for entry in &entries {
                let text = str::from_utf8(&entry.payload).unwrap();
                let (thread, number) = text.split_once(' ').unwrap();
                let number: usize = number.parse().unwrap();
                let before = last[thread.parse::<usize>().unwrap()].replace(number);
                assert_eq!(before.map_or(0, |before| before + 1), number);
            }
            seen += reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
            std::thread::yield_now();
        }
    });
    assert_eq!(appended.into_inner(), 400);
    assert_eq!(stats(&spool, id).waiting.events, 0);
    assert!(spool.sync(Duration::from_secs(60)));
}

#[test]
fn in_mode_every_a_full_disk_is_left_behind_without_another_call() {
    let sim = Sim::new(3);
    let options = Options { durability: Durability::Every, ..Options::default() };
    let (spool, _) = Spool::open(Arc::new(sim.clone()), std::path::Path::new("/spool"), options).unwrap();
    let id = spool.destination("a").unwrap();
    spool.append(b"one", &[id]).unwrap();
    sim.set_capacity(Some(sim.used()));
    assert!(matches!(spool.append(b"two", &[id]), Err(AppendError::Storage(_))));
    sim.set_capacity(None);
    let deadline = Instant::now() + Duration::from_secs(60);
    while spool.stats().stalled.is_some() {
        assert!(Instant::now() < deadline, "the writer does not look at the disk again");
        std::thread::sleep(Duration::from_millis(10));
    }
    spool.append(b"three", &[id]).unwrap();
    let found = reader(&spool, id).read(10, 1000).unwrap();
    assert_eq!(found.iter().map(|entry| &entry.payload[..]).collect::<Vec<_>>(), [&b"one"[..], b"three"]);
    let books = stats(&spool, id);
    assert_eq!((books.accepted.events, books.rejected.events, books.waiting.events), (3, 1, 2));
}
