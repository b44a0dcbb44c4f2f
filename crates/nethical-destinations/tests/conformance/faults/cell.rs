//! One cell: a destination, a fault, and what became of the events.

use std::any::Any;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nethical_core::delivery::{Batch, Connector, Destination, Error, Kind, Profile, Receipt, Settings};
use nethical_core::event::{Event, EventId};
use nethical_destinations::Validated;
use testkit::until;

use super::disk::Disk;
use super::{Fault, Row, clock};
use crate::{Peer, cases};

/// Events that are handed over while the fault is there.
pub(super) const MEANWHILE: usize = 200;

/// What ends a fault.
pub(super) type Heal = Box<dyn FnOnce() + Send>;

/// A receiving side with a fault.
pub(super) struct SetUp {
    pub(super) peer: Box<dyn Peer>,
    /// Options that lead there through the fault.
    pub(super) config: Arc<dyn Validated>,
    pub(super) heal: Mutex<Option<Heal>>,
    #[expect(dead_code, reason = "it ends when it is dropped")]
    /// What stands in between.
    pub(super) standing: Box<dyn Any>,
}

/// What is seen of the attempts.
struct Watch {
    first: EventId,
    heal: Mutex<Option<Heal>>,
    seen: Mutex<Seen>,
}

#[derive(Default, Clone)]
struct Seen {
    /// Attempts at the first event.
    attempts: usize,
    failures: usize,
    error: Option<Error>,
}

impl Watch {
    fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    fn begin(&self, batch: &Batch) {
        let is_first = batch.iter().any(|event| event.id() == self.first);
        self.seen.lock().unwrap().attempts += usize::from(is_first);
    }

    /// The fault is over after its second failure, or when it has nothing more to do.
    fn end(&self, result: &Result<Receipt, Error>, repeat_safe: bool) {
        let failure = match result {
            Err(error) => Some(error),
            Ok(receipt) => {
                let unfinished = receipt.unfinished.as_ref().map(|unfinished| &unfinished.error);
                unfinished.or_else(|| receipt.refused.first().map(|refusal| &refusal.error))
            }
        };
        let is_final = failure.is_none_or(|error| {
            error.kind() == Kind::Refused || error.is_in_doubt() && !repeat_safe && result.is_err()
        });
        let mut seen = self.seen.lock().unwrap();
        seen.failures += usize::from(failure.is_some());
        if seen.error.is_none() {
            seen.error = failure.cloned();
        }
        if let Some(heal) = self.heal.lock().unwrap().take_if(|_| is_final || seen.failures >= 2) {
            heal();
        }
    }
}

/// A destination that is watched.
struct Watched {
    inner: Arc<dyn Destination>,
    watch: Arc<Watch>,
}

#[async_trait]
impl Destination for Watched {
    fn profile(&self) -> Profile {
        self.inner.profile()
    }

    async fn deliver(&self, batch: &Batch) -> Result<Receipt, Error> {
        self.watch.begin(batch);
        let result = self.inner.deliver(batch).await;
        self.watch.end(&result, self.inner.profile().repeat_safe);
        result
    }

    async fn probe(&self) -> Result<String, Error> {
        self.inner.probe().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

fn open(set_up: &SetUp, watch: &Arc<Watch>, disk: Option<&Disk>) -> Connector {
    let usual = Settings { rate_limit_per_sec: set_up.peer.pace(), ..cases::quiet() };
    let mut settings = set_up.config.settings(usual);
    if let Some(disk) = disk {
        settings.spool.home = Some(disk.path().join("home"));
    }
    let (config, watch) = (Arc::clone(&set_up.config), Arc::clone(watch));
    let build = move || {
        let watched = Watched { inner: config.open()?, watch: Arc::clone(&watch) };
        Ok(Arc::new(watched) as Arc<dyn Destination>)
    };
    Connector::open("faults", settings, build).unwrap()
}

pub(super) fn run(set_up: &SetUp, fault: Fault, disk: Option<&Disk>) -> Row {
    let first = set_up.peer.event("0");
    let watch = Arc::new(Watch {
        first: first.id(),
        heal: Mutex::new(disk.map_or_else(|| set_up.heal.lock().unwrap().take(), |disk| Some(disk.room()))),
        seen: Mutex::default(),
    });
    let connector = open(set_up, &watch, disk);
    disk.iter().for_each(|disk| disk.fill());
    if fault == Fault::ClockJump {
        clock::set_ahead(25 * 3_600);
    }
    let sent = connector.send(first.clone());
    connector.request_flush();
    // Nothing leaves through a spool that cannot write.
    let is_kept_back = disk.is_some() && set_up.peer.is_remote();
    until("the first event is on its way", || is_kept_back || watch.seen().attempts > 0);
    if fault == Fault::ClockJump {
        until("the first event has ended", || connector.status().unwrap().ledger.waiting == 0);
        clock::set_ahead(-3_600);
    }
    let p99 = send(&connector, &*set_up.peer, MEANWHILE);
    connector.request_flush();
    if let Some(heal) = watch.heal.lock().unwrap().take_if(|_| is_kept_back) {
        heal();
    }
    wait_for_the_end(&connector, &watch, fault);
    let row = read(&connector, &*set_up.peer, &first, &watch, (fault, p99));
    clock::set_ahead(0);
    assert_eq!(sent, Ok(()), "{fault:?}");
    row
}

/// Hands events over. 99 of 100 calls took no longer than what is returned.
fn send(connector: &Connector, peer: &dyn Peer, count: usize) -> Duration {
    let events: Vec<_> = (1..=count).map(|number| peer.event(&number.to_string())).collect();
    let mut times: Vec<_> = events
        .into_iter()
        .map(|event| {
            timed(|| {
                let _ = connector.send(event);
            })
        })
        .collect();
    p99(&mut times)
}

pub(super) fn timed(call: impl FnOnce()) -> Duration {
    let start = Instant::now();
    call();
    start.elapsed()
}

pub(super) fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Everything has come to its end, or will not.
fn wait_for_the_end(connector: &Connector, watch: &Watch, fault: Fault) {
    until(&format!("{fault:?} has an end"), || {
        let status = connector.status().unwrap();
        let seen = watch.seen();
        let kind = status.last_error.as_ref().map(Error::kind);
        let never = fault == Fault::NoSuchName && seen.failures >= 2 || kind == Some(Kind::Gone);
        status.ledger.waiting == 0 || never
    });
}

fn read(
    connector: &Connector,
    peer: &dyn Peer,
    first: &Event,
    watch: &Watch,
    (fault, p99): (Fault, Duration),
) -> Row {
    let ledger = cases::ledger(connector);
    let accounted = ledger.dead_lettered + ledger.waiting + ledger.dropped();
    let deadline = Instant::now() + Duration::from_secs(5);
    let (received, different) = loop {
        let received = peer.received();
        let different: HashSet<_> = received.iter().cloned().collect();
        // What was sent without a receipt may be on its way.
        if different.len() as u64 + accounted >= ledger.accepted || Instant::now() > deadline {
            break (received, different);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let seen = watch.seen();
    let id = first.id();
    let is_dead = connector.dead_letters().iter().any(|letter| letter.event.id() == id);
    let receipt = match () {
        () if is_dead => "dead letter",
        () if ledger.waiting == ledger.accepted => "held",
        () if ledger.sent > 0 => "sent",
        () => "delivered",
    };
    Row {
        outcome: outcome(receipt, seen.error.as_ref()),
        // Where the fault does not end, they go on.
        attempts: (fault != Fault::NoSuchName).then_some(seen.attempts),
        p99: p99.as_nanos() as u64,
        lost: ledger.accepted - accounted.min(ledger.accepted) - different.len() as u64,
        duplicated: received.len() - different.len(),
    }
}

pub(super) fn outcome(end: &str, error: Option<&Error>) -> String {
    match (end, error.map(Error::code)) {
        (end, None) => end.to_owned(),
        ("delivered" | "sent", Some(code)) => format!("{end} after `{code}`"),
        (end, Some(code)) => format!("{end}: `{code}`"),
    }
}
