//! A file that cannot grow for a while: what a full disk looks like to a writer, short writes included.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nethical_core::delivery::{Connector, Full, Ledger, QueueLimits, Settings};
use nethical_destinations::connect;
use nethical_destinations::jsonl::JsonlConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::{event, until};

const ROOM: u64 = 100_000;
const EVENTS: usize = 3_000;

/// The limit is the whole process's: one test at a time.
static LIMIT: Mutex<()> = Mutex::new(());

/// Let no file of this process grow beyond `bytes`.
fn limit_files(bytes: Option<u64>) {
    #[expect(unsafe_code, reason = "there is no safe way to ignore a signal")]
    // SAFETY: ignoring a signal runs no code.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

fn open(path: &Path, full: Full) -> Connector {
    let queue = QueueLimits { max_events: 500, full, ..QueueLimits::default() };
    let settings = Settings { queue, observer: Arc::new(|_| {}), ..Settings::default() };
    connect(Arc::new(JsonlConfig::new(path)), "jsonl", settings).unwrap()
}

/// Every line of the file, each of them whole.
fn messages(path: &Path) -> Vec<usize> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'));
    let message =
        |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].as_str().unwrap().parse();
    text.lines().map(|line| message(line).unwrap()).collect()
}

/// Send events while the file cannot grow, then let it grow. Returns the accounts and what is in the file.
fn outage(full: Full) -> (Ledger, Vec<usize>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    limit_files(Some(ROOM));
    let connector = open(&path, full);
    for number in 0..EVENTS {
        let _ = connector.send(event(&number.to_string()));
    }
    until("the file is full", || connector.status().unwrap().last_error.is_some());
    let status = connector.status().unwrap();
    assert_eq!(status.last_error.unwrap().code(), "jsonl.file_too_large");
    assert!(fs::metadata(&path).unwrap().len() <= ROOM);
    messages(&path);
    limit_files(None);
    assert!(connector.flush(Duration::from_secs(60)));
    (connector.status().unwrap().ledger, messages(&path))
}

#[test]
fn the_policy_says_what_is_given_up_and_nothing_else_is() {
    let _alone = LIMIT.lock();
    for full in [Full::DropNewest, Full::DropOldest] {
        let (ledger, messages) = outage(full);
        assert_eq!((ledger.accepted, ledger.waiting), (EVENTS as u64, 0));
        assert_eq!(ledger.confirmed + ledger.dropped(), ledger.accepted, "{ledger:?}");
        assert_eq!(messages.len() as u64, ledger.confirmed);
        assert!(
            messages.is_sorted() && messages.windows(2).all(|pair| pair[0] < pair[1]),
            "in order, none twice"
        );
        assert!(ledger.dropped() > 0, "3,000 events cannot wait in a queue of 500");
        if full == Full::DropOldest {
            assert_eq!(messages.last(), Some(&(EVENTS - 1)));
        }
    }
}

#[test]
fn a_caller_who_waits_for_room_loses_nothing() {
    let _alone = LIMIT.lock();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.jsonl");
    limit_files(Some(ROOM));
    let connector = open(&path, Full::Block(Duration::from_secs(30)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until("the file is full", || connector.status().unwrap().last_error.is_some());
            limit_files(None);
        });
        for number in 0..EVENTS {
            connector.send(event(&number.to_string())).unwrap();
        }
    });
    assert!(connector.flush(Duration::from_secs(60)));
    assert_eq!(messages(&path), (0..EVENTS).collect::<Vec<_>>());
    let ledger = connector.status().unwrap().ledger;
    assert_eq!((ledger.confirmed, ledger.accepted), (EVENTS as u64, EVENTS as u64));
}
