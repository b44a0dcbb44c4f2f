//! Single situations: each fault a start can meet, each limit, each way to wait.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sim::{Crash, Sim};
use crate::spool::storage::Storage;
use crate::spool::{
    AppendError, DestinationId, Disk, Durability, Entry, Full, Options, Reader, Recovery, Seq, Spool,
    SpoolError, Tally,
};

const DIR: &str = "/spool";

fn small() -> Options {
    Options { segment_bytes: 1000, interval: Duration::ZERO, ..Options::default() }
}

fn open(sim: &Sim, options: Options) -> (Spool, Recovery) {
    Spool::open_manual(Arc::new(sim.clone()), Path::new(DIR), options, false).unwrap()
}

pub(super) fn reader(spool: &Spool, id: DestinationId) -> Reader {
    spool.reader(id, Arc::new(|| ())).unwrap()
}

/// Opens, and appends so many events of 100 bytes to one destination.
fn filled(sim: &Sim, options: Options, count: usize) -> (Spool, DestinationId) {
    let (spool, _) = open(sim, options);
    let id = spool.destination("a").unwrap();
    append(&spool, &[id], 0..count);
    (spool, id)
}

fn append(spool: &Spool, to: &[DestinationId], numbers: std::ops::Range<usize>) {
    for number in numbers {
        spool.append(format!("{number:0100}").as_bytes(), to).unwrap();
        spool.turn();
    }
}

fn numbers(entries: &[Entry]) -> Vec<usize> {
    entries.iter().map(|entry| str::from_utf8(&entry.payload).unwrap().parse().unwrap()).collect()
}

fn drain(spool: &Spool, id: DestinationId) -> Vec<usize> {
    numbers(&reader(spool, id).read(usize::MAX, usize::MAX).unwrap())
}

fn segment(ordinal: u64) -> PathBuf {
    Path::new(DIR).join(format!("{ordinal:016x}.seg"))
}

fn segments(sim: &Sim) -> usize {
    sim.names(Path::new(DIR)).iter().filter(|name| name.ends_with(".seg")).count()
}

pub(super) fn stats(spool: &Spool, id: DestinationId) -> crate::spool::DestinationStats {
    spool.stats().destinations.into_iter().find(|destination| destination.id == id).unwrap()
}

// ---- starts -------------------------------------------------------------------------------------

/// A spool with 30 events in four segments or so, closed, and one of its files altered.
fn after(alter: impl FnOnce(&Sim)) -> (Sim, Spool, Recovery, DestinationId) {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, small(), 30);
    spool.close();
    drop(spool);
    alter(&sim);
    let (spool, recovery) = open(&sim, small());
    (sim, spool, recovery, id)
}

#[test]
fn a_clean_start_reads_footers_only_and_keeps_the_ids() {
    let (_, spool, recovery, id) = after(|_| ());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert!(recovery.segments >= 4 && recovery.scanned <= 1, "{recovery:?}");
    assert_eq!(spool.destination("a").unwrap(), id);
    assert_ne!(spool.destination("b").unwrap(), id);
    assert_eq!(stats(&spool, id).waiting.events, 30);
    assert_eq!(drain(&spool, id), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let (sim, spool, recovery, id) = after(|sim| {
        let last = segment(segments(sim) as u64);
        sim.edit(&last, |bytes| bytes.truncate(bytes.len() - 3));
    });
    assert_eq!((recovery.torn, recovery.cut_bytes, recovery.quarantined), (1, 129, 0));
    assert_eq!(drain(&spool, id), (0..29).collect::<Vec<_>>());
    append(&spool, &[id], 30..31);
    assert_eq!(drain(&spool, id), (0..29).chain(30..31).collect::<Vec<_>>());
    drop(spool);
    assert!(open(&sim, small()).1.is_clean());
}

#[test]
fn garbage_behind_the_end_is_cut() {
    let (_, spool, recovery, id) = after(|sim| {
        let last = segment(segments(sim) as u64);
        sim.edit(&last, |bytes| bytes.extend_from_slice(&[0xA5; 4096]));
    });
    assert_eq!((recovery.torn, recovery.cut_bytes), (1, 4096));
    assert_eq!(drain(&spool, id), (0..30).collect::<Vec<_>>());
}

#[test]
fn damage_in_the_middle_costs_one_event_and_is_kept_aside() {
    // The second segment is sealed, so its damage is found by the reader; the last one by the scan.
    let (sim, spool, recovery, id) = after(|sim| {
        sim.edit(&segment(2), |bytes| bytes[250] ^= 1);
        let last = segment(segments(sim) as u64);
        sim.edit(&last, |bytes| bytes[80] ^= 1);
    });
    assert_eq!((recovery.quarantined, recovery.quarantined_bytes), (1, 132));
    assert_eq!(stats(&spool, id).waiting.events, 30);
    let reader = reader(&spool, id);
    let entries = reader.read(usize::MAX, usize::MAX).unwrap();
    assert_eq!(entries.len(), 28);
    reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
    let books = stats(&spool, id);
    assert_eq!((books.damaged, books.waiting.events), (Tally { events: 2, bytes: 200 }, 0));
    assert_eq!(spool.stats().damaged_bytes, 132);
    assert_eq!(sim.names(&Path::new(DIR).join("quarantine")).len(), 2);
}

#[test]
fn a_lost_header_costs_nothing() {
    let (_, spool, recovery, id) = after(|sim| sim.edit(&segment(2), |bytes| bytes[..48].fill(0)));
    assert_eq!(recovery.salvaged, [segment(2)]);
    assert_eq!(drain(&spool, id), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_lost_first_block_costs_what_was_in_it() {
    let (_, spool, recovery, id) = after(|sim| sim.edit(&segment(2), |bytes| bytes[..200].fill(0xEE)));
    assert_eq!(recovery.salvaged, [segment(2)]);
    assert_eq!(drain(&spool, id), (0..7).chain(9..30).collect::<Vec<_>>());
}

#[test]
fn a_lost_footer_costs_nothing() {
    let (sim, spool, recovery, id) = after(|sim| {
        sim.edit(&segment(2), |bytes| {
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        });
    });
    assert_eq!(recovery.torn, 1);
    assert_eq!(drain(&spool, id), (0..30).collect::<Vec<_>>());
    drop(spool);
    assert!(open(&sim, small()).1.is_clean());
}

#[test]
fn strange_files_stop_nothing_and_are_reported() {
    let (sim, spool, recovery, id) = after(|sim| {
        sim.edit(&segment(1), |bytes| bytes.fill(0));
        sim.edit(&segment(2), |bytes| bytes[8] = 9);
        sim.edit(&segment(3), |bytes| {
            *bytes = b"somebody else's file, rather a long one to be sure".repeat(2);
        });
    });
    assert_eq!(recovery.zero_filled, [segment(1)]);
    assert_eq!(recovery.newer, [segment(2)]);
    assert_eq!(recovery.foreign, [segment(3)]);
    assert_eq!(drain(&spool, id), (21..30).collect::<Vec<_>>());
    append(&spool, &[id], 30..40);
    assert_eq!(drain(&spool, id), (21..40).collect::<Vec<_>>());
    assert!(sim.names(Path::new(DIR)).contains(&"0000000000000002.seg".to_owned()));
}

#[test]
fn a_missing_segment_is_reported() {
    let (_, spool, recovery, id) = after(|sim| {
        sim.unlink(&segment(2)).unwrap();
    });
    assert_eq!(recovery.missing, [2]);
    assert_eq!(drain(&spool, id), (0..7).chain(14..30).collect::<Vec<_>>());
}

#[test]
fn a_cursor_of_garbage_makes_an_orphan() {
    let cursor = Path::new(DIR).join("00000.cursor");
    let (_, spool, recovery, id) = after(|sim| sim.edit(&cursor, |bytes| bytes.fill(0x5A)));
    assert_eq!(recovery.orphans, [id]);
    assert_eq!(&*stats(&spool, id).key, "");
    assert_eq!(drain(&spool, id), (0..30).collect::<Vec<_>>());
    assert_ne!(spool.destination("a").unwrap(), id);
}

#[test]
fn a_missing_cursor_makes_an_orphan() {
    let (_, spool, recovery, id) = after(|sim| {
        sim.unlink(&Path::new(DIR).join("00000.cursor")).unwrap();
    });
    assert_eq!(recovery.orphans, [id]);
    assert_eq!(drain(&spool, id), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_cursor_ahead_of_the_log_raises_the_next_number() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, small(), 3);
    let reader = reader(&spool, id);
    let entries = reader.read(9, 9999).unwrap();
    reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
    drop(reader);
    spool.kill();
    // The frames never reached the medium, the cursor did.
    sim.edit(&segment(1), |bytes| bytes.truncate(48));
    let (spool, recovery) = open(&sim, small());
    assert_eq!(recovery.mended, [id]);
    assert_eq!(spool.append(b"4", &[id]), Ok(Seq(4)));
    spool.turn();
    assert_eq!(drain(&spool, id), [4]);
}

#[test]
fn a_cursor_behind_the_log_starts_at_what_there_is() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, small(), 30);
    spool.kill();
    sim.unlink(&segment(1)).unwrap();
    let (spool, recovery) = open(&sim, small());
    assert!(recovery.mended.is_empty() && recovery.missing.is_empty());
    assert_eq!(drain(&spool, id), (7..30).collect::<Vec<_>>());
}

#[test]
fn settled_events_above_the_low_water_mark_stay_settled() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, small(), 30);
    let first = reader(&spool, id);
    let entries = first.read(usize::MAX, usize::MAX).unwrap();
    let odd: Vec<Seq> = entries.iter().map(|entry| entry.seq).filter(|seq| seq.get() % 2 == 0).collect();
    assert_eq!(first.ack(&odd), 15);
    assert_eq!(first.ack(&odd), 0);
    drop(first);
    spool.kill();
    sim.restart(Crash::Kill);
    let (spool, _) = open(&sim, small());
    assert_eq!(stats(&spool, id).waiting.events, 15);
    assert_eq!(drain(&spool, id), (0..30).step_by(2).collect::<Vec<_>>());
}

// ---- readers ------------------------------------------------------------------------------------

#[test]
fn a_segment_goes_when_everybody_has_settled_it() {
    let sim = Sim::new(5);
    let (spool, _) = open(&sim, small());
    let (a, b) = (spool.destination("a").unwrap(), spool.destination("b").unwrap());
    append(&spool, &[a, b], 0..30);
    let all = |id| {
        let reader = reader(&spool, id);
        let seqs: Vec<Seq> = reader.read(99, 99_999).unwrap().iter().map(|entry| entry.seq).collect();
        reader.ack(&seqs);
        spool.turn();
    };
    let before = segments(&sim);
    all(a);
    assert_eq!(segments(&sim), before);
    all(b);
    assert_eq!(segments(&sim), 1);
}

#[test]
fn a_reader_gets_only_what_is_addressed_to_it_and_there_is_one() {
    let sim = Sim::new(5);
    let (spool, _) = open(&sim, small());
    let (a, b) = (spool.destination("a").unwrap(), spool.destination("b").unwrap());
    append(&spool, &[a], 0..20);
    append(&spool, &[b, b], 20..22);
    append(&spool, &[a, b], 22..23);
    assert_eq!(drain(&spool, b), [20, 21, 22]);
    assert_eq!(stats(&spool, b).waiting.events, 3);
    let first = reader(&spool, a);
    assert!(matches!(spool.reader(a, Arc::new(|| ())), Err(SpoolError::ReaderTaken(_))));
    assert_eq!(first.read(3, usize::MAX).unwrap().len(), 3);
    assert_eq!(first.read(100, 250).unwrap().len(), 2);
    assert_eq!(first.read(100, 1).unwrap().len(), 1);
}

#[test]
fn at_most_a_window_of_events_is_out() {
    let sim = Sim::new(5);
    let (spool, _) = open(&sim, Options { interval: Duration::ZERO, ..Options::default() });
    let id = spool.destination("a").unwrap();
    for _ in 0..5000 {
        spool.append(b"x", &[id]).unwrap();
    }
    spool.turn();
    let reader = reader(&spool, id);
    let entries = reader.read(usize::MAX, usize::MAX).unwrap();
    assert_eq!(entries.len(), 4096);
    reader.ack(&entries[1..].iter().map(|entry| entry.seq).collect::<Vec<_>>());
    assert!(reader.read(1, 1).unwrap().is_empty());
    reader.ack(&[entries[0].seq]);
    assert_eq!(reader.read(usize::MAX, usize::MAX).unwrap().len(), 904);
}

#[test]
fn wrong_calls_are_refused() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, small(), 0);
    let stranger = DestinationId(9);
    assert_eq!(spool.append(b"x", &[]), Err(AppendError::NoDestination));
    assert_eq!(spool.append(b"x", &[stranger]), Err(AppendError::UnknownDestination(stranger)));
    assert!(matches!(spool.append(&vec![0; 9 << 20], &[id]), Err(AppendError::TooLarge { .. })));
    assert!(matches!(spool.destination(""), Err(SpoolError::Key(_))));
    spool.close();
    spool.close();
    assert_eq!(spool.append(b"x", &[id]), Err(AppendError::Closed));
    assert!(!spool.sync(Duration::from_secs(1)));
}

#[test]
fn a_spool_can_be_looked_into_without_touching_it() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, small(), 30);
    let reader = reader(&spool, id);
    let entries = reader.read(8, usize::MAX).unwrap();
    assert_eq!(spool.waiting(id).unwrap().oldest_micros, Some(entries[0].time));
    reader.ack(&entries[..7].iter().map(|entry| entry.seq).collect::<Vec<_>>());
    let expected = spool.waiting(id).unwrap();
    assert_eq!((expected.events, expected.bytes, expected.oldest_micros), (23, 2300, Some(entries[7].time)));
    let last = segment(segments(&sim) as u64);
    sim.edit(&last, |bytes| bytes.extend_from_slice(b"torn"));
    let before = (sim.steps(), sim.used());
    let (backlogs, report) = crate::spool::inspect(Arc::new(sim.clone()), Path::new(DIR)).unwrap();
    assert_eq!((sim.steps(), sim.used()), before);
    assert_eq!(report.cut_bytes, 4);
    assert_eq!((backlogs.len(), backlogs[0].key.as_str()), (1, "a"));
    assert_eq!(backlogs[0].waiting, expected);
    drop(reader);
    assert_eq!(spool.waiting(id).unwrap(), expected);
}

// ---- limits -------------------------------------------------------------------------------------

#[test]
fn over_budget_the_oldest_go_and_are_counted() {
    let sim = Sim::new(5);
    let options = Options { max_bytes: 5000, ..small() };
    let (spool, id) = filled(&sim, options, 100);
    let books = stats(&spool, id);
    assert!(spool.stats().disk_bytes <= 5000 && sim.used() < 5000 + 65_000);
    assert_eq!(books.accepted.events, 100);
    assert!(books.dropped_oldest.events >= 60);
    assert_eq!(books.waiting.events, 100 - books.dropped_oldest.events);
    assert_eq!(books.waiting.bytes, 100 * books.waiting.events);
    let left = drain(&spool, id);
    assert_eq!(left, (books.dropped_oldest.events as usize..100).collect::<Vec<_>>());
}

#[test]
fn what_is_dropped_stays_dropped() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, small(), 30);
    assert_eq!(spool.drop_oldest(id).unwrap(), Tally { events: 7, bytes: 700 });
    spool.kill();
    let (spool, _) = open(&sim, small());
    assert_eq!(drain(&spool, id), (7..30).collect::<Vec<_>>());
}

#[test]
fn a_lagging_destination_pays_alone() {
    let sim = Sim::new(5);
    let options = Options { destination_bytes: 2000, ..small() };
    let (spool, _) = open(&sim, options);
    let (slow, fast) = (spool.destination("slow").unwrap(), spool.destination("fast").unwrap());
    let fast_reader = reader(&spool, fast);
    for number in 0..100 {
        append(&spool, &[slow, fast], number..number + 1);
        let entries = fast_reader.read(9, 9999).unwrap();
        assert_eq!(numbers(&entries), [number]);
        fast_reader.ack(&[entries[0].seq]);
    }
    let (slow_books, fast_books) = (stats(&spool, slow), stats(&spool, fast));
    assert_eq!((fast_books.settled.events, fast_books.dropped_oldest.events), (100, 0));
    assert!(slow_books.waiting.bytes <= 2000 && slow_books.waiting.events >= 10);
    assert_eq!(slow_books.waiting.events + slow_books.dropped_oldest.events, 100);
    assert_eq!(drain(&spool, slow), (100 - slow_books.waiting.events as usize..100).collect::<Vec<_>>());
}

#[test]
fn one_event_for_a_destination_that_is_down_does_not_keep_the_rest() {
    let sim = Sim::new(5);
    let options = Options { max_bytes: 8000, full: Full::DropNewest, ..small() };
    let (spool, _) = open(&sim, options.clone());
    let (down, fast) = (spool.destination("down").unwrap(), spool.destination("fast").unwrap());
    let fast_reader = reader(&spool, fast);
    let mut expected = Vec::new();
    for number in 0..400 {
        let both = number % 40 == 7;
        append(&spool, [&[down, fast][..], &[fast]][usize::from(!both)], number..number + 1);
        expected.extend(both.then_some(number));
        let entries = fast_reader.read(9, 9999).unwrap();
        assert_eq!(numbers(&entries), [number]);
        fast_reader.ack(&[entries[0].seq]);
    }
    assert!(spool.stats().disk_bytes <= 9000, "{}", spool.stats().disk_bytes);
    assert_eq!(stats(&spool, down).dropped_newest.events, 0);
    let down_reader = reader(&spool, down);
    assert_eq!(numbers(&down_reader.read(3, 9999).unwrap()), &expected[..3]);
    drop(down_reader);
    spool.close();
    drop(spool);
    let (spool, recovery) = open(&sim, options);
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!(drain(&spool, down), expected);
    assert_eq!(stats(&spool, down).waiting.events, 10);
}

#[test]
fn under_drop_newest_the_full_destination_is_left_out() {
    let sim = Sim::new(5);
    let options = Options { destination_bytes: 500, full: Full::DropNewest, ..small() };
    let (spool, _) = open(&sim, options);
    let (a, b) = (spool.destination("a").unwrap(), spool.destination("b").unwrap());
    append(&spool, &[a], 0..5);
    assert_eq!(spool.append(b"x", &[a]), Err(AppendError::Full));
    append(&spool, &[a, b], 5..6);
    assert_eq!(drain(&spool, a), [0, 1, 2, 3, 4]);
    assert_eq!(drain(&spool, b), [5]);
    assert_eq!(stats(&spool, a).dropped_newest, Tally { events: 2, bytes: 101 });
}

#[test]
fn under_block_the_caller_waits_for_room() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        Options { destination_bytes: 3, full: Full::Block(Duration::from_millis(300)), ..Options::default() };
    let (spool, _) = Spool::open(Arc::new(Disk), dir.path(), options).unwrap();
    let id = spool.destination("a").unwrap();
    let first = spool.append(b"abc", &[id]).unwrap();
    let start = Instant::now();
    assert_eq!(spool.append(b"d", &[id]), Err(AppendError::Full));
    assert!(start.elapsed() >= Duration::from_millis(300));
    let reader = reader(&spool, id);
    assert!(spool.sync(Duration::from_secs(60)));
    assert_eq!(reader.read(1, 1).unwrap()[0].seq, first);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| spool.append(b"d", &[id]));
        std::thread::sleep(Duration::from_millis(50));
        reader.ack(&[first]);
        assert!(waiting.join().unwrap().is_ok());
    });
}

#[test]
fn a_full_disk_is_survived_and_left_behind() {
    let sim = Sim::new(5);
    let options = Options { full: Full::DropNewest, buffer_bytes: 2000, ..small() };
    let (spool, id) = filled(&sim, options, 10);
    sim.set_capacity(Some(sim.used() + 60));
    let accepted = (10..60).take_while(|number| {
        let taken = spool.append(format!("{number:0100}").as_bytes(), &[id]);
        spool.turn();
        assert!(taken.is_ok() || taken == Err(AppendError::Storage(io::ErrorKind::StorageFull)));
        taken.is_ok()
    });
    let accepted = 10 + accepted.count();
    assert!((11..40).contains(&accepted), "{accepted}");
    assert!(!spool.sync(Duration::ZERO));
    assert_eq!(drain(&spool, id), (0..10).collect::<Vec<_>>());
    sim.set_capacity(None);
    assert!(spool.sync(Duration::from_secs(1)));
    assert_eq!(spool.stats().stalled, None);
    assert_eq!(drain(&spool, id), (0..accepted).collect::<Vec<_>>());
}

#[test]
fn on_a_full_disk_the_oldest_make_room() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, small(), 30);
    sim.set_capacity(Some(sim.used() + 10));
    append(&spool, &[id], 30..60);
    let books = stats(&spool, id);
    assert_eq!(books.waiting.events + books.dropped_oldest.events, 60);
    assert!(books.waiting.events >= 14 && books.dropped_oldest.events >= 14, "{books:?}");
    assert_eq!(drain(&spool, id), (60 - books.waiting.events as usize..60).collect::<Vec<_>>());
}

#[test]
fn a_failed_fsync_costs_nothing() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, Options { durability: Durability::None, ..small() }, 5);
    sim.fail_fsyncs(1);
    assert!(spool.sync(Duration::ZERO));
    assert_eq!(spool.stats().poisoned, 1);
    assert_eq!(stats(&spool, id).waiting.events, 5);
    append(&spool, &[id], 5..8);
    assert!(spool.sync(Duration::ZERO));
    spool.kill();
    sim.restart(Crash::Power);
    let (spool, _) = open(&sim, small());
    assert_eq!(drain(&spool, id), (0..8).collect::<Vec<_>>());
}

#[test]
fn when_the_fsync_of_a_full_segment_fails_all_that_came_after_it_is_written_again() {
    let sim = Sim::new(5);
    let (spool, _) = Spool::open_manual(Arc::new(sim.clone()), Path::new(DIR), small(), true).unwrap();
    let id = spool.destination("a").unwrap();
    // Three segments are full before the first of their fsyncs is done, which fails.
    append(&spool, &[id], 0..25);
    sim.fail_fsyncs(1);
    assert_eq!(segments(&sim), 4);
    while spool.work_on_the_side() {}
    assert!(spool.sync(Duration::ZERO));
    assert_eq!((spool.stats().poisoned, stats(&spool, id).waiting.events), (1, 25));
    let reader = reader(&spool, id);
    let entries = reader.read(usize::MAX, usize::MAX).unwrap();
    assert_eq!(numbers(&entries), (0..25).collect::<Vec<_>>());
    reader.ack(&entries[..5].iter().map(|entry| entry.seq).collect::<Vec<_>>());
    drop(reader);
    assert!(spool.sync(Duration::ZERO));
    spool.kill();
    sim.restart(Crash::Power);
    let (spool, _) = open(&sim, small());
    assert_eq!(drain(&spool, id), (5..25).collect::<Vec<_>>());
}

#[test]
fn when_the_writer_has_to_wait_for_an_fsync_and_it_fails_nothing_is_lost() {
    let sim = Sim::new(5);
    let options = Options { interval: Duration::from_secs(3600), ..Options::default() };
    let (spool, _) = Spool::open_manual(Arc::new(sim.clone()), Path::new(DIR), options, true).unwrap();
    let id = spool.destination("a").unwrap();
    // More than may be written and not be durable.
    let events = 24;
    for number in 0..events {
        spool.append(&vec![number; 1 << 20], &[id]).unwrap();
    }
    sim.fail_fsyncs(1);
    (0..events).for_each(|_| spool.turn());
    assert_eq!(spool.stats().poisoned, 1);
    let reader = reader(&spool, id);
    for number in 0..events {
        let entries = reader.read(1, usize::MAX).unwrap();
        assert_eq!((entries.len(), entries[0].payload[0]), (1, number));
    }
    assert_eq!(stats(&spool, id).waiting.events, u64::from(events));
}

#[test]
fn in_mode_every_a_refusing_disk_is_told_to_the_caller() {
    let sim = Sim::new(5);
    let (spool, id) = filled(&sim, Options { durability: Durability::Every, ..small() }, 3);
    sim.fail_fsyncs(2);
    assert!(matches!(spool.append(b"3", &[id]), Err(AppendError::Storage(_))));
    assert_eq!(stats(&spool, id).rejected.events, 1);
    assert!(spool.append(b"4", &[id]).is_ok());
    assert_eq!(stats(&spool, id).waiting.events, 4);
}
