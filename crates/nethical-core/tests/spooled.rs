//! Connectors whose events wait on disk: outages, restarts, adoption, several destinations.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nethical_core::delivery::{
    Batch, Change, Connector, Destination, DropReason, Error, Flushed, Ledger, Notice, Profile, Receipt,
    Refusal, Rejected, Settings, SpoolSettings, adopt, survey, sync,
};
use nethical_core::event::{Event, Level, LogEntry, Rules};
use nethical_core::spool::{
    DeadLetterLog, Disk, Durability, Filter, Full, Home, Options, Retention, Spool, hand_over, handed_over,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A receiver that several connectors, one after the other, deliver to.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<String>>>,
    down: Arc<AtomicBool>,
}

#[async_trait]
impl Destination for Receiver {
    fn profile(&self) -> Profile {
        Profile { max_events: 100, repeat_safe: true, ..Profile::default() }
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        if self.down.load(Ordering::Acquire) {
            return Err(Error::unavailable("test.down", "connection refused"));
        }
        let mut receipt = Receipt::all();
        for (index, event) in batch.iter().enumerate() {
            let message = event.log().unwrap().message.into_owned();
            if message.starts_with("bad") {
                receipt.refused.push(Refusal { index, error: Error::refused("test.bad", "bad thing") });
            } else {
                self.got.lock().unwrap().push(message);
            }
        }
        Ok(receipt)
    }

    async fn probe(&self) -> Result<String, Error> {
        Ok("well".to_owned())
    }
}

impl Receiver {
    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }

    fn is_down(&self, down: bool) {
        self.down.store(down, Ordering::Release);
    }

    fn connect(&self, home: &Path, name: &str) -> Connector {
        self.connect_with(home, name, Options::default())
    }

    fn connect_with(&self, home: &Path, name: &str, options: Options) -> Connector {
        let spool = SpoolSettings { home: Some(home.to_owned()), options, ..SpoolSettings::default() };
        let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
        let receiver = self.clone();
        Connector::open(name, settings, move || Ok(Arc::new(receiver.clone()))).unwrap()
    }
}

fn event(message: &str) -> Event {
    LogEntry::new(Level::Info, message, "tests").encode(&Rules::default()).event
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn send(connector: &Connector, messages: &[String]) {
    messages.iter().for_each(|message| connector.send(event(message)).unwrap());
}

#[track_caller]
fn ledger(connector: &Connector) -> Ledger {
    let ledger = connector.status().unwrap().ledger;
    assert!(ledger.balances(), "{ledger:?}");
    ledger
}

#[test]
fn delivers_in_order_and_accounts() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    let connector = receiver.connect(home.path(), "a");
    send(&connector, &numbers(0..1_000));
    assert!(connector.flush(PATIENCE));
    assert_eq!(receiver.got(), numbers(0..1_000));
    let ledger = ledger(&connector);
    assert_eq!((ledger.accepted, ledger.confirmed, ledger.waiting), (1_000, 1_000, 0));
}

#[test]
fn what_one_leaves_the_next_delivers_and_the_accounts_go_on() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    let connector = receiver.connect(home.path(), "a");
    send(&connector, &numbers(0..150));
    assert!(connector.flush(PATIENCE));
    receiver.is_down(true);
    send(&connector, &numbers(150..400));
    assert!(!connector.close(Duration::from_millis(100)));
    assert_eq!(ledger(&connector).waiting, 250);
    assert_eq!(connector.flush_or_keep(PATIENCE * 60), Flushed::Kept, "there is nothing to wait for");
    assert_eq!(connector.send(event("late")), Err(Rejected::Closed));
    assert!(!Connector::send_to_all(&event("later"), [&connector].into_iter()));
    assert_eq!(connector.deliver_now(event("latest"), None).unwrap_err(), Rejected::Closed);
    let late = ledger(&connector);
    assert_eq!((late.accepted, late.waiting, late.dropped_because(DropReason::Closed)), (403, 250, 3));
    assert!(late.balances());

    receiver.is_down(false);
    let connector = receiver.connect(home.path(), "a");
    assert!(connector.flush(PATIENCE));
    assert_eq!(receiver.got(), numbers(0..400));
    let ledger = ledger(&connector);
    assert_eq!((ledger.accepted, ledger.confirmed, ledger.waiting), (400, 400, 0));
}

#[test]
fn one_that_is_down_does_not_delay_another() {
    let home = tempfile::tempdir().unwrap();
    let (well, sick) = (Receiver::default(), Receiver::default());
    sick.is_down(true);
    let (to_well, to_sick) = (well.connect(home.path(), "well"), sick.connect(home.path(), "sick"));
    for message in numbers(0..500) {
        assert!(Connector::send_to_all(&event(&message), [&to_well, &to_sick].into_iter()));
    }
    assert!(to_well.flush(PATIENCE));
    assert_eq!(well.got(), numbers(0..500));
    assert_eq!((ledger(&to_well).waiting, ledger(&to_sick).waiting), (0, 500));
    sick.is_down(false);
    assert!(to_sick.flush(PATIENCE));
    assert_eq!(sick.got(), numbers(0..500));
}

#[test]
fn refused_events_are_dead_letters_on_disk() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    let connector = receiver.connect(home.path(), "a");
    send(&connector, &["one".to_owned(), "bad two".to_owned(), "three".to_owned()]);
    assert!(connector.flush(PATIENCE));
    assert_eq!(receiver.got(), ["one", "three"]);
    assert_eq!(ledger(&connector).dead_lettered, 1);
    let dead = Home::new(Arc::new(Disk), home.path()).dead_letters();
    let log = DeadLetterLog::open(Arc::new(Disk), &dead, Retention::default()).unwrap();
    let letters = log.list(&Filter::default(), 10).unwrap();
    assert_eq!(letters.len(), 1);
    let letter = letters.first().unwrap();
    assert_eq!((letter.destination.as_str(), letter.reason.as_str(), letter.attempts), ("a", "test.bad", 1));
}

#[test]
fn two_destinations_of_one_name_do_not_share_a_backlog() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (Receiver::default(), Receiver::default());
    let (to_first, to_second) = (first.connect(home.path(), "same"), second.connect(home.path(), "same"));
    send(&to_first, &numbers(0..10));
    send(&to_second, &numbers(10..30));
    assert!(to_first.flush(PATIENCE) && to_second.flush(PATIENCE));
    assert_eq!((first.got(), second.got()), (numbers(0..10), numbers(10..30)));
}

/// What a process that was killed leaves for destination `key`.
fn leave_behind(home: &Path, key: &str, messages: &[String]) -> PathBuf {
    let directory = Home::new(Arc::new(Disk), home).create().unwrap();
    let (spool, _) = Spool::open(Arc::new(Disk), directory.path(), Options::default()).unwrap();
    let id = spool.destination(key).unwrap();
    for message in messages {
        spool.append(&event(message).to_stored(), &[id]).unwrap();
    }
    assert!(spool.close());
    directory.path().to_owned()
}

#[test]
fn the_accounts_of_an_adopted_directory_outlive_it_and_are_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    let connector = receiver.connect(home.path(), "a");
    send(&connector, &numbers(0..5));
    assert!(connector.flush(PATIENCE));
    let left = leave_behind(home.path(), "a", &numbers(5..25));
    adopt();
    assert!(connector.flush(PATIENCE));
    assert_eq!(receiver.got().len(), 25);
    let status = connector.status().unwrap();
    assert_eq!((status.inherited.accepted, status.inherited.waiting), (20, 20));
    let own = status.ledger.since(&status.inherited);
    assert_eq!((own.accepted, own.confirmed, own.waiting), (5, 25, 0), "its own, and what it made up for");
    adopt();
    assert!(!left.exists(), "nothing is left in it");
    assert_eq!(ledger(&connector).confirmed, 25);
    assert!(connector.close(PATIENCE));
    drop(connector);
    assert!(sync(PATIENCE));
    let reports = survey(home.path()).unwrap();
    let [process] = &reports[..] else { panic!("{reports:?}") };
    let report = process.destinations.first().unwrap();
    assert_eq!((process.running, report.open, report.ledger.confirmed), (true, false, 25));
}

/// What a process leaves that has delivered everything, to destination `key`.
fn leave_counts(home: &Path, key: &str, messages: &[String]) -> PathBuf {
    let left = leave_behind(home, key, messages);
    let free = Home::new(Arc::new(Disk), home).adopt().unwrap();
    let directory = free.iter().find(|directory| directory.path() == left).unwrap();
    let (spool, _) = Spool::open(Arc::new(Disk), directory.path(), Options::default()).unwrap();
    let reader = spool.reader(spool.destination(key).unwrap(), Arc::new(|| {})).unwrap();
    let seqs: Vec<_> = reader.read(1_000, 1 << 20).unwrap().iter().map(|entry| entry.seq).collect();
    let confirmed = seqs.len() as u64;
    assert_eq!(reader.ack_noting(&seqs, confirmed.to_le_bytes().to_vec()), messages.len());
    left
}

#[test]
fn the_counts_of_an_emptied_directory_outlive_it() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    let connector = receiver.connect(home.path(), "a");
    send(&connector, &numbers(0..2));
    assert!(connector.flush(PATIENCE));
    let (a, b) =
        (leave_counts(home.path(), "a", &numbers(0..3)), leave_counts(home.path(), "b", &numbers(0..7)));
    adopt();
    assert!(!a.exists() && !b.exists());
    let status = connector.status().unwrap();
    assert_eq!((status.ledger.confirmed, status.ledger.since(&status.inherited).confirmed), (5, 2));
    assert!(status.ledger.balances());
    let reports = survey(home.path()).unwrap();
    let counts = reports.iter().flat_map(|process| &process.destinations);
    let counts: Vec<_> =
        counts.map(|report| (report.key.as_str(), report.open, report.ledger.confirmed)).collect();
    assert_eq!(counts, [("a", true, 5), ("b", false, 7)]);
}

#[test]
fn the_counts_of_several_emptied_directories_are_counted_once_each() {
    let home = tempfile::tempdir().unwrap();
    let connector = Receiver::default().connect(home.path(), "a");
    for confirmed in 1..=4 {
        leave_counts(home.path(), "a", &numbers(0..confirmed));
        leave_counts(home.path(), "b", &numbers(0..confirmed));
    }
    adopt();
    let own = connector.status().unwrap().directory.unwrap();
    assert!(handed_over(&Disk, &own).unwrap().is_empty());
    assert!(
        !fs::read_dir(&own)
            .unwrap()
            .any(|file| file.unwrap().path().extension() == Some("handover".as_ref()))
    );
    let reports = survey(home.path()).unwrap();
    let counts = reports.iter().flat_map(|process| &process.destinations);
    let counts: Vec<_> = counts.map(|report| (report.key.as_str(), report.ledger.confirmed)).collect();
    assert_eq!(counts, [("a", 10), ("b", 10)]);
}

#[test]
fn counts_on_their_way_when_a_process_is_killed_are_counted_once() {
    let home = tempfile::tempdir().unwrap();
    let (old, heir) =
        (leave_counts(home.path(), "a", &numbers(0..3)), leave_counts(home.path(), "a", &numbers(0..4)));
    let confirmed = || {
        let reports = survey(home.path()).unwrap();
        let all = reports.iter().flat_map(|process| &process.destinations);
        all.map(|report| report.ledger.confirmed).sum::<u64>()
    };
    assert_eq!(confirmed(), 7);
    let id = {
        let (spool, _) = Spool::open(Arc::new(Disk), &old, Options::default()).unwrap();
        spool.destination("a").unwrap()
    };
    // The process is killed when the counts have left the one directory and are not part of the other's.
    let handed = hand_over(&Disk, &old, id, &heir).unwrap().unwrap();
    assert_eq!(handed_over(&Disk, &heir).unwrap(), std::slice::from_ref(&handed));
    assert_eq!(confirmed(), 7);
    let receiver = Receiver::default();
    let connector = receiver.connect(home.path(), "a");
    assert_eq!((ledger(&connector).confirmed, confirmed()), (7, 7));
    assert!(handed_over(&Disk, &heir).unwrap_or_default().is_empty());
    adopt();
    assert_eq!((ledger(&connector).confirmed, confirmed()), (7, 7));
    assert_eq!(Home::new(Arc::new(Disk), home.path()).list().unwrap().len(), 1);
}

#[test]
fn a_directory_that_others_still_need_keeps_no_counts_of_ours() {
    let home = tempfile::tempdir().unwrap();
    let left = leave_behind(home.path(), "a", &numbers(0..3));
    {
        let home = Home::new(Arc::new(Disk), home.path());
        let _directory = home.adopt().unwrap();
        let (spool, _) = Spool::open(Arc::new(Disk), &left, Options::default()).unwrap();
        spool.append(&event("lonely").to_stored(), &[spool.destination("b").unwrap()]).unwrap();
        assert!(spool.close());
    }
    let receiver = Receiver::default();
    let connector = receiver.connect(home.path(), "a");
    assert!(connector.flush(PATIENCE));
    adopt();
    assert_eq!(ledger(&connector).confirmed, 3);
    let reports = survey(home.path()).unwrap();
    let rows = reports.iter().flat_map(|process| &process.destinations);
    let mut rows: Vec<_> =
        rows.map(|row| (row.key.as_str(), row.ledger.confirmed, row.ledger.waiting)).collect();
    rows.sort_unstable();
    assert_eq!(rows, [("a", 0, 0), ("a", 3, 0), ("b", 0, 1)]);
}

#[test]
fn a_report_names_what_waits_for_destinations_that_are_not_open() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    let _connector = receiver.connect(home.path(), "a");
    let left = leave_behind(home.path(), "a", &numbers(0..3));
    let directory = Home::new(Arc::new(Disk), home.path()).adopt_one(|_| true).unwrap().unwrap();
    assert_eq!(directory.path(), left);
    let (spool, _) = Spool::open(Arc::new(Disk), &left, Options::default()).unwrap();
    spool.append(&event("lonely").to_stored(), &[spool.destination("b").unwrap()]).unwrap();
    assert!(spool.close());
    drop((spool, directory));
    receiver.is_down(true);
    adopt();
    let waiting = |key: &str| {
        let reports = survey(home.path()).unwrap();
        let all = reports.iter().flat_map(|process| &process.destinations).filter(|report| report.key == key);
        all.map(|report| (report.open, report.ledger.waiting)).collect::<Vec<_>>()
    };
    assert_eq!((waiting("a"), waiting("b")), (vec![(true, 3)], vec![(false, 1)]), "each is told once");
}

#[test]
fn closing_does_not_wait_for_what_stays_on_disk() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    receiver.is_down(true);
    let connector = receiver.connect(home.path(), "a");
    send(&connector, &numbers(0..3));
    assert!(!connector.close(Duration::ZERO));
    let started = Instant::now();
    assert!(!connector.close(PATIENCE), "its worker has ended, so nothing more comes");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn a_batch_waits_for_its_age_and_not_for_a_flush() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    let spool = SpoolSettings { home: Some(home.path().to_owned()), ..SpoolSettings::default() };
    let settings = Settings { spool, batch_age: 10 * PATIENCE, ..Settings::default() };
    let taking = receiver.clone();
    let connector = Connector::open("a", settings, move || Ok(Arc::new(taking.clone()))).unwrap();
    send(&connector, &numbers(0..3));
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(receiver.got().len(), 0, "a batch of three is closed by its age");
    assert!(connector.flush(PATIENCE), "a flush does not wait for that");
    assert_eq!(receiver.got(), numbers(0..3));
}

#[test]
fn every_event_is_durable_when_the_mode_says_so() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    receiver.is_down(true);
    let options = Options { durability: Durability::Every, ..Options::default() };
    let connector = receiver.connect_with(home.path(), "a", options);
    assert!(connector.would_block());
    send(&connector, &numbers(0..20));
    assert_eq!(ledger(&connector).waiting, 20);
    receiver.is_down(false);
    assert!(connector.flush(PATIENCE));
    assert_eq!(receiver.got(), numbers(0..20));
}

#[test]
fn what_another_process_left_does_not_end_a_flush() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    receiver.is_down(true);
    let connector = receiver.connect(home.path(), "a");
    send(&connector, &numbers(0..10));
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| connector.flush(Duration::from_millis(1_500)));
        std::thread::sleep(Duration::from_millis(200));
        leave_counts(home.path(), "a", &numbers(0..100));
        adopt();
        assert_eq!((ledger(&connector).confirmed, ledger(&connector).waiting), (100, 10));
        assert!(!flush.join().unwrap(), "none of the ten is delivered");
    });
    receiver.is_down(false);
    assert!(connector.flush(PATIENCE));
    assert_eq!(receiver.got(), numbers(0..10));
}

#[test]
fn what_the_spool_drops_is_told() {
    let home = tempfile::tempdir().unwrap();
    let receiver = Receiver::default();
    receiver.is_down(true);
    let (told, notices) = std::sync::mpsc::channel();
    let options = Options { destination_bytes: 2_000, full: Full::DropNewest, ..Options::default() };
    let spool = SpoolSettings { home: Some(home.path().to_owned()), options, ..SpoolSettings::default() };
    let observer = Arc::new(move |notice: &Notice| drop(told.send(notice.change.clone())));
    let settings = Settings { spool, observer, ..Settings::default() };
    let connector = Connector::open("a", settings, move || Ok(Arc::new(receiver.clone()))).unwrap();
    for number in numbers(0..50) {
        Connector::send_to_all(&event(&number), std::iter::once(&connector));
    }
    let dropping =
        std::iter::from_fn(|| notices.recv_timeout(PATIENCE).ok()).find_map(|change| match change {
            Change::Dropping { reason, total } => Some((reason, total)),
            _ => None,
        });
    assert_eq!(dropping, Some((DropReason::QueueFull, ledger(&connector).dropped())));
    assert_eq!(connector.flush_or_keep(Duration::ZERO), Flushed::Kept);
}

#[test]
fn a_home_that_cannot_be_used_does_not_stop_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let receiver = Receiver::default();
    let connector = receiver.connect(&file, "a");
    send(&connector, &numbers(0..5));
    assert!(connector.flush(PATIENCE));
    assert_eq!(receiver.got(), numbers(0..5));
    let spool = SpoolSettings { enabled: Some(true), home: Some(file), ..SpoolSettings::default() };
    let settings = Settings { spool, ..Settings::default() };
    let error = Connector::open("a", settings, move || Ok(Arc::new(receiver.clone()))).unwrap_err();
    assert_eq!(error.code(), "spool.open");
}
