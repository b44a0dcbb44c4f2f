//! Several stores in one process, and what it holds without a use for it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nethical_core::delivery::{
    Batch, Connector, Destination, Error, Profile, Receipt, Settings, SpoolSettings, adopt, close_all,
    flush_all, homes, orphans, statuses, survey,
};
use nethical_core::event::{Event, Level, LogEntry, Rules};
use nethical_core::spool::{Durability, Options};

/// Well, or not.
struct Peer(bool);

#[async_trait]
impl Destination for Peer {
    fn profile(&self) -> Profile {
        Profile::default()
    }

    async fn deliver(&self, _: &Batch) -> Result<Receipt, Error> {
        if self.0 { Ok(Receipt::all()) } else { Err(Error::unavailable("test.down", "connection refused")) }
    }

    async fn probe(&self) -> Result<String, Error> {
        Ok("well".to_owned())
    }
}

fn open(home: &Path, name: &str, durability: Durability, well: bool) -> Connector {
    let options = Options { durability, ..Options::default() };
    let spool = SpoolSettings { home: Some(home.to_owned()), options, ..SpoolSettings::default() };
    let settings = Settings { spool, observer: Arc::new(|_| {}), ..Settings::default() };
    Connector::open(name, settings, move || Ok(Arc::new(Peer(well)))).unwrap()
}

fn event() -> Event {
    LogEntry::new(Level::Info, "message", "tests").encode(&Rules::default()).event
}

/// All in one, since the accounts of a process are what it is about.
#[test]
fn each_durability_has_a_store_and_nothing_is_told_twice() {
    let home = tempfile::tempdir().unwrap();
    let usual = open(home.path(), "usual", Durability::Interval, true);
    let safe = open(home.path(), "safe", Durability::Every, false);
    assert!(!usual.would_block() && safe.would_block());
    assert_ne!(usual.status().unwrap().directory, safe.status().unwrap().directory);
    assert_eq!(homes(), [home.path()]);

    assert!(Connector::send_to_all(&event(), [&usual, &safe].into_iter()));
    let left = flush_all(Duration::from_millis(300));
    assert_eq!(
        left.iter().map(|status| (&*status.name, status.ledger.waiting)).collect::<Vec<_>>(),
        [("safe", 1)]
    );
    assert!(orphans().is_empty());

    // Closed with something left: an orphan until it is opened again.
    assert!(!safe.close(Duration::from_millis(100)));
    let told = |statuses: Vec<nethical_core::delivery::Status>| {
        statuses
            .into_iter()
            .map(|status| (status.name.to_string(), status.ledger.waiting))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(orphans()), [("safe".to_owned(), 1)]);
    assert!(flush_all(Duration::from_secs(60)).is_empty(), "nobody waits for what is closed");
    std::thread::sleep(Duration::from_millis(1_500));
    let reported: Vec<_> =
        survey(home.path()).unwrap().into_iter().flat_map(|one| one.destinations).collect();
    let waiting: Vec<_> = reported.iter().filter(|one| one.ledger.waiting > 0).collect();
    assert_eq!(
        waiting.iter().map(|one| (one.key.as_str(), one.ledger.waiting)).collect::<Vec<_>>(),
        [("safe", 1)]
    );

    let again = open(home.path(), "safe", Durability::Every, true);
    assert_eq!(adopt(), 0);
    assert!(flush_all(Duration::from_secs(60)).is_empty() && orphans().is_empty());
    assert_eq!(told(statuses()), [("usual".to_owned(), 0), ("safe".to_owned(), 0)]);
    assert_eq!(again.status().unwrap().ledger.confirmed, 1);
    assert!(close_all(Duration::from_secs(60)).is_empty());
}
