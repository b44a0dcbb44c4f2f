//! What every destination must do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nethical_core::delivery::{
    Connector, DropReason, Full, Ledger, QueueLimits, Rejected, Settings, SpoolSettings,
};
use nethical_core::event::{Alert, AlertStatus, Event, EventId, Severity};
use nethical_destinations::{Descriptor, connect};
use testkit::until;

use crate::{Peer, documents};

type OnPaper = (&'static str, fn(&'static Descriptor));
type WithPeer = (&'static str, fn(&dyn Peer));

/// Cases that open nothing.
pub(crate) const ON_PAPER: &[OnPaper] = &[
    ("every_option_is_described", every_option_is_described),
    ("the_table_of_options_is_that_of_the_type", documents::the_table_of_options_is_that_of_the_type),
    (
        "the_guide_says_what_confirmed_means_and_what_is_doubled",
        documents::the_guide_says_what_confirmed_means_and_what_is_doubled,
    ),
    ("its_folder_has_the_usual_files", its_folder_has_the_usual_files),
];

/// Cases that deliver.
pub(crate) const WITH_PEER: &[WithPeer] = &[
    ("one_event_arrives_once", one_event_arrives_once),
    ("a_full_batch_and_one_more_arrive_in_order", a_full_batch_and_one_more_arrive_in_order),
    ("awkward_texts_arrive_or_are_dead_letters", awkward_texts_arrive_or_are_dead_letters),
    ("an_outage_loses_nothing", an_outage_loses_nothing),
    ("a_full_queue_is_accounted_for", a_full_queue_is_accounted_for),
    ("probing_delivers_nothing", probing_delivers_nothing),
    ("closing_delivers_and_ends", closing_delivers_and_ends),
    ("dropping_delivers", dropping_delivers),
    ("many_threads_lose_nothing", many_threads_lose_nothing),
];

/// Cases for what takes alerts.
pub(crate) const WITH_ALERTS: &[WithPeer] = &[("an_alert_and_its_end_arrive", an_alert_and_its_end_arrive)];

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing is said, and nothing is found that others left.
pub(crate) fn quiet() -> Settings {
    static OPENED: AtomicU32 = AtomicU32::new(0);
    let folder = format!("conformance-{}-{}", std::process::id(), OPENED.fetch_add(1, Ordering::Relaxed));
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let _ = std::fs::remove_dir_all(&home);
    let spool = SpoolSettings { home: Some(home), ..SpoolSettings::default() };
    Settings { observer: Arc::new(|_| {}), spool, ..Settings::default() }
}

fn open(peer: &dyn Peer, settings: Settings) -> Connector {
    let settings = Settings { rate_limit_per_sec: peer.pace(), ..settings };
    connect(peer.config(), "conformance", settings).unwrap()
}

fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.id().to_string()).collect()
}

/// So many events, about `"0"`, `"1"`, ...
pub(crate) fn events(peer: &dyn Peer, count: usize) -> Vec<Event> {
    (0..count).map(|number| peer.event(&number.to_string())).collect()
}

/// What arrived is these events, and in this order where there is one.
#[track_caller]
fn assert_received(peer: &dyn Peer, mut expected: Vec<String>) {
    let mut received = peer.received();
    if !peer.is_ordered() {
        received.sort();
        expected.sort();
    }
    assert_eq!(received, expected);
}

fn send(connector: &Connector, events: &[Event]) {
    for event in events {
        assert_eq!(connector.send(event.clone()), Ok(()));
    }
}

#[track_caller]
pub(crate) fn ledger(connector: &Connector) -> Ledger {
    let ledger = connector.status().unwrap().ledger;
    assert!(ledger.balances(), "{ledger:?}");
    ledger
}

fn every_option_is_described(descriptor: &'static Descriptor) {
    let schema = (descriptor.schema)();
    let options = schema.as_object().unwrap()["properties"].as_object().unwrap().clone();
    assert!(!options.is_empty());
    for (name, option) in options {
        assert!(option.get("description").is_some(), "`{name}` has no doc comment");
    }
}

fn its_folder_has_the_usual_files(descriptor: &'static Descriptor) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(descriptor.name);
    for file in ["mod.rs", "config.rs", "docs.md", "example.toml"] {
        assert!(folder.join(file).is_file(), "{file} is missing");
    }
    assert!(descriptor.docs.starts_with(&format!("# {}\n", descriptor.name)));
    assert!(!descriptor.summary.is_empty() && !descriptor.summary.ends_with('.'));
}

fn one_event_arrives_once(peer: &dyn Peer) {
    let connector = open(peer, quiet());
    let events = events(peer, 1);
    send(&connector, &events);
    assert!(connector.flush(PATIENCE));
    assert_received(peer, ids(&events));
    let ledger = ledger(&connector);
    assert_eq!((ledger.accepted, ledger.confirmed + ledger.sent, ledger.waiting), (1, 1, 0));
}

fn a_full_batch_and_one_more_arrive_in_order(peer: &dyn Peer) {
    let most = peer.config().open().unwrap().profile().max_events;
    let connector = open(peer, quiet());
    let events = events(peer, most + 1);
    send(&connector, &events);
    assert!(connector.flush(PATIENCE));
    assert_received(peer, ids(&events));
    assert_eq!(ledger(&connector).waiting, 0);
}

fn awkward_texts_arrive_or_are_dead_letters(peer: &dyn Peer) {
    let connector = open(peer, quiet());
    let long = "x".repeat(1 << 20);
    let events = ["", "\0\n\r\t\u{1b}\u{2028}", "🚀 \"quoted\" \\", "<script>&amp;", &long, "after"]
        .map(|text| peer.event(text));
    send(&connector, &events);
    assert!(connector.flush(PATIENCE));
    let dead: Vec<_> = connector.dead_letters().into_iter().map(|letter| letter.event).collect();
    let expected: Vec<_> = ids(&events).into_iter().filter(|id| !ids(&dead).contains(id)).collect();
    assert_received(peer, expected.clone());
    assert!(expected.contains(&events[5].id().to_string()), "nothing after an awkward event is lost");
}

fn an_outage_loses_nothing(peer: &dyn Peer) {
    let connector = open(peer, quiet());
    let events = events(peer, 300);
    let (before, after) = events.split_at(100);
    send(&connector, before);
    assert!(connector.flush(PATIENCE));
    // Where there is no receipt, what was sent may still be on its way, and is lost with the receiver.
    until("what was sent has arrived", || peer.received().len() == before.len());
    if !peer.take_down() {
        return;
    }
    send(&connector, after);
    connector.request_flush();
    until("the destination is seen to be down", || connector.status().unwrap().down_for.is_some());
    assert_eq!(ledger(&connector).waiting, 200);
    peer.bring_up();
    assert!(connector.flush(PATIENCE), "{:?}", connector.status());
    assert_received(peer, ids(&events));
    let status = connector.status().unwrap();
    assert!(status.down_for.is_none() && status.last_error.is_some());
    assert_eq!(ledger(&connector).dead_lettered, 0);
}

fn a_full_queue_is_accounted_for(peer: &dyn Peer) {
    for full in [Full::DropNewest, Full::DropOldest] {
        let queue = QueueLimits { max_events: 50, full, ..QueueLimits::default() };
        let connector = open(peer, Settings { queue, ..quiet() });
        let already = peer.received().len();
        let taken =
            events(peer, 2_000).into_iter().filter(|event| connector.send(event.clone()).is_ok()).count();
        assert!(connector.flush(PATIENCE));
        let ledger = ledger(&connector);
        assert_eq!(ledger.accepted, 2_000);
        assert_eq!(ledger.confirmed + ledger.sent + ledger.dropped(), 2_000);
        assert_eq!(peer.received().len() - already, (ledger.confirmed + ledger.sent) as usize);
        assert!(taken as u64 >= ledger.confirmed + ledger.sent);
    }
}

fn probing_delivers_nothing(peer: &dyn Peer) {
    let connector = open(peer, quiet());
    let found = connector.probe().unwrap();
    assert!(!found.is_empty());
    assert_eq!(peer.received(), Vec::<String>::new());
    if peer.take_down() {
        let error = connector.probe().unwrap_err();
        assert!(error.hint().is_some(), "{error:?} has no hint");
    }
}

fn closing_delivers_and_ends(peer: &dyn Peer) {
    let connector = open(peer, quiet());
    let events = events(peer, 10);
    send(&connector, &events);
    assert!(connector.close(PATIENCE));
    assert_received(peer, ids(&events));
    assert_eq!(connector.send(peer.event("late")), Err(Rejected::Closed));
    assert!(connector.close(PATIENCE), "a second close is harmless");
    let ledger = ledger(&connector);
    assert_eq!((ledger.accepted, ledger.dropped_because(DropReason::Closed)), (11, 1), "{ledger:?}");
    assert!(ledger.balances());
}

fn dropping_delivers(peer: &dyn Peer) {
    let connector = open(peer, quiet());
    let events = events(peer, 10);
    send(&connector, &events);
    drop(connector);
    assert_received(peer, ids(&events));
}

fn many_threads_lose_nothing(peer: &dyn Peer) {
    let connector = open(peer, quiet());
    let shares = [(); 4].map(|()| events(peer, 500));
    std::thread::scope(|scope| {
        for share in &shares {
            scope.spawn(|| send(&connector, share));
        }
    });
    assert!(connector.flush(PATIENCE));
    let mut received = peer.received();
    received.sort();
    received.dedup();
    assert_eq!(received.len(), 2_000);
    assert_eq!(ledger(&connector).accepted, 2_000);
}

fn an_alert_and_its_end_arrive(peer: &dyn Peer) {
    let connector = open(peer, quiet());
    let firing = Alert::new(Severity::Critical, "Disk full", "/dev/sda1 is at 97 % & <rising>")
        .with_field("used", 0.97)
        .with_label("team", "ops")
        .with_key("disk");
    let over = Alert { status: AlertStatus::Resolved, id: EventId::new(), suppressed: 3, ..firing.clone() };
    // What people read does not show an id; these alerts say theirs.
    let event = |alert: Alert| {
        let id = alert.id.to_string();
        alert.with_field("ref", id).encode().event
    };
    let events = [event(firing), event(over)];
    send(&connector, &events);
    assert!(connector.flush(PATIENCE));
    assert_received(peer, ids(&events));
    let ledger = ledger(&connector);
    assert_eq!(ledger.confirmed + ledger.sent, 2);
}
