//! The spool against a model of what it promises, on a disk that crashes anywhere.
//!
//! The model knows each event ever appended, for whom it was, whether its durability was confirmed, and
//! what was settled. After every crash the spool is opened again and what it hands out is checked:
//!
//! - nothing is invented: each payload is one that was appended, for that destination;
//! - nothing promised is lost: confirmed events that were not settled come back, after a power cut as well;
//!   after a kill, all that was written;
//! - order is kept: sequence numbers and events rise together;
//! - what was settled does not come back after a kill, and after a power cut only if no sync confirmed it;
//! - the books balance, and are empty once everything has been settled.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::sim::{Crash, Fault, Sim};
use crate::spool::{DestinationId, Durability, Entry, Full, Options, Reader, Seq, Spool};

const DESTINATIONS: usize = 3;
const DIR: &str = "/spool";

#[derive(Clone, Debug)]
enum Act {
    Append {
        size: usize,
        to: u8,
    },
    Turn,
    /// What waits for the disk gets on by one step.
    Disk,
    Sync,
    Read {
        by: usize,
        count: usize,
    },
    /// Settles every `step`-th of what is out, from the back or the front.
    Ack {
        by: usize,
        step: usize,
        back: bool,
    },
    Reopen {
        by: usize,
    },
    Fail {
        after: u64,
        fault: Fault,
    },
    FailFsyncs(u32),
    Capacity(Option<usize>),
    CrashAfter(u64),
    Crash(Crash),
    Close,
}

#[derive(Debug)]
struct Event {
    to: u8,
    /// Accepted, and no crash has put it in doubt.
    sure: bool,
    /// Written to the kernel in a turn that went well.
    written: bool,
    promised: bool,
    /// Settled at some time, though a crash may have undone it.
    touched: [bool; DESTINATIONS],
    acked: [bool; DESTINATIONS],
    ack_durable: [bool; DESTINATIONS],
}

struct Harness {
    sim: Sim,
    options: Options,
    spool: Option<Spool>,
    ids: Vec<DestinationId>,
    readers: Vec<Option<Reader>>,
    /// What each reader has been given and not settled.
    out: Vec<Vec<(Seq, usize)>>,
    last: Vec<Option<(Seq, usize)>>,
    events: Vec<Event>,
    /// Something went wrong on purpose since the last start, so a kill may cost what was only written.
    disturbed: bool,
    /// Fsyncs and removals happen while the writer goes on.
    later: bool,
}

fn payload(event: usize, size: usize) -> Vec<u8> {
    let mut bytes = format!("{event}:").into_bytes();
    bytes.resize(bytes.len() + size, b'a' + (event % 26) as u8);
    bytes
}

fn event_of(entry: &Entry) -> usize {
    let text = str::from_utf8(&entry.payload).unwrap();
    let (number, rest) = text.split_once(':').unwrap();
    let event = number.parse().unwrap();
    assert_eq!(entry.payload, payload(event, rest.len()), "altered payload");
    event
}

impl Harness {
    fn new(seed: u64, durability: Durability, later: bool) -> Self {
        let options = Options {
            durability,
            interval: Duration::ZERO,
            segment_bytes: 900,
            full: Full::DropNewest,
            max_bytes: 4000,
            unreadable_after: Duration::ZERO,
            ..Options::default()
        };
        let mut harness = Self {
            sim: Sim::new(seed),
            options,
            spool: None,
            ids: Vec::new(),
            readers: Vec::new(),
            out: Vec::new(),
            last: Vec::new(),
            events: Vec::new(),
            disturbed: false,
            later: later && durability != Durability::Every,
        };
        assert!(harness.open());
        harness
    }

    /// Opens the spool and its readers; false when a planned crash got in the way.
    fn open(&mut self) -> bool {
        let storage = Arc::new(self.sim.clone());
        let opened = Spool::open_manual(storage, Path::new(DIR), self.options.clone(), self.later);
        let Ok((spool, _)) = opened else {
            return self.excused();
        };
        self.ids.clear();
        self.readers.clear();
        for number in 0..DESTINATIONS {
            let Ok(id) = spool.destination(&format!("destination {number}")) else {
                spool.kill();
                return self.excused();
            };
            self.ids.push(id);
            self.readers.push(Some(spool.reader(id, Arc::new(|| ())).unwrap()));
        }
        self.out = vec![Vec::new(); DESTINATIONS];
        self.last = vec![None; DESTINATIONS];
        self.spool = Some(spool);
        true
    }

    fn excused(&self) -> bool {
        assert!(self.sim.has_crashed() || self.disturbed, "opening failed for no reason");
        false
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Append { size, to } => self.append(*size, *to),
            Act::Turn => self.turn(),
            Act::Disk => drop(self.spool().work_on_the_side()),
            Act::Sync => self.sync(),
            Act::Read { by, count } => drop(self.read(*by, *count)),
            Act::Ack { by, step, back } => self.ack(*by, *step, *back),
            Act::Reopen { by } => self.reopen(*by),
            Act::Fail { after, fault } => {
                self.disturbed = true;
                self.sim.fail_after(*after, *fault);
            }
            Act::FailFsyncs(count) => {
                self.disturbed = true;
                self.sim.fail_fsyncs(*count);
            }
            Act::Capacity(room) => {
                self.disturbed = true;
                self.sim.set_capacity(room.map(|room| self.sim.used() + room));
            }
            Act::CrashAfter(steps) => self.sim.crash_after(*steps),
            Act::Crash(crash) => self.crash(*crash),
            Act::Close => self.close(),
        }
    }

    fn spool(&self) -> &Spool {
        self.spool.as_ref().unwrap()
    }

    fn append(&mut self, size: usize, to: u8) {
        let ids: Vec<_> =
            (0..DESTINATIONS).filter(|bit| to >> bit & 1 == 1).map(|bit| self.ids[bit]).collect();
        let event = self.events.len();
        let before = self.accepted();
        let accepted = self.spool().append(&payload(event, size), &ids).is_ok();
        // A destination that lags while the budget is used up is left out.
        let to = self.accepted().into_iter().zip(before).enumerate();
        let to = to.fold(0, |to, (bit, (after, before))| to | u8::from(after > before) << bit);
        let promised = accepted && self.options.durability == Durability::Every;
        self.events.push(Event {
            to,
            sure: accepted,
            written: promised,
            promised,
            touched: Default::default(),
            acked: Default::default(),
            ack_durable: Default::default(),
        });
    }

    fn accepted(&self) -> Vec<u64> {
        self.spool().stats().destinations.iter().map(|destination| destination.accepted.events).collect()
    }

    fn turn(&mut self) {
        self.spool().turn();
        if self.spool().stats().stalled.is_none() && !self.sim.has_crashed() {
            self.events.iter_mut().for_each(|event| event.written = event.sure);
        }
    }

    fn sync(&mut self) {
        if self.spool().sync(Duration::ZERO) {
            for event in &mut self.events {
                (event.written, event.promised) = (event.sure, event.sure);
                event.ack_durable = event.acked;
            }
        }
    }

    fn read(&mut self, by: usize, count: usize) -> usize {
        let Some(reader) = &self.readers[by] else { return 0 };
        let entries = reader.read(count, 400).unwrap();
        for entry in &entries {
            let event = event_of(entry);
            let known = &self.events[event];
            assert_eq!(known.to >> by & 1, 1, "event {event} is not for {by}");
            assert!(!known.acked[by], "event {event} was settled by {by}");
            if let Some(last) = self.last[by] {
                assert!(last < (entry.seq, event) && last.1 < event, "{by} got {event} after {last:?}");
            }
            self.last[by] = Some((entry.seq, event));
            self.out[by].push((entry.seq, event));
        }
        entries.len()
    }

    fn ack(&mut self, by: usize, step: usize, back: bool) {
        let mut out = std::mem::take(&mut self.out[by]);
        if back {
            out.reverse();
        }
        let (acked, left): (Vec<_>, Vec<_>) = out.into_iter().enumerate().partition(|(at, _)| at % step == 0);
        self.out[by] = left.into_iter().map(|(_, pair)| pair).collect();
        self.out[by].sort_unstable();
        let seqs: Vec<Seq> = acked.iter().map(|(_, (seq, _))| *seq).collect();
        if let Some(reader) = &self.readers[by] {
            // In mode `Every` an event whose caller was told of a failure is off the books already.
            assert!(reader.ack(&seqs) == seqs.len() || self.disturbed || self.sim.has_crashed());
        }
        // A crash in the middle of a write leaves open whether it is settled.
        let sure = !self.sim.has_crashed();
        for (_, (_, event)) in acked {
            self.events[event].touched[by] = true;
            self.events[event].acked[by] = sure;
        }
    }

    fn reopen(&mut self, by: usize) {
        self.readers[by] = None;
        self.readers[by] = Some(self.spool().reader(self.ids[by], Arc::new(|| ())).unwrap());
        self.out[by].clear();
        self.last[by] = None;
    }

    fn close(&mut self) {
        let spool = self.spool.take().unwrap();
        let sound = spool.close();
        assert!(sound || self.disturbed || self.sim.has_crashed());
        for event in self.events.iter_mut().filter(|_| sound) {
            (event.written, event.promised) = (event.sure, event.sure);
            // A position that could not be made durable costs repeated deliveries, not events.
            if !self.disturbed {
                event.ack_durable = event.acked;
            }
        }
        self.readers.clear();
        drop(spool);
        self.again(Crash::Kill);
    }

    fn crash(&mut self, crash: Crash) {
        self.readers.clear();
        if let Some(spool) = self.spool.take() {
            spool.kill();
        }
        self.again(crash);
    }

    /// Starts again, until no planned crash interferes, and forgets what may be lost.
    fn again(&mut self, crash: Crash) {
        let disturbed = std::mem::take(&mut self.disturbed);
        self.sim.restart(crash);
        self.sim.set_capacity(None);
        for event in &mut self.events {
            let kept = event.promised || (event.written && crash == Crash::Kill && !disturbed);
            (event.written, event.sure) = (kept, kept);
            if crash == Crash::Power || disturbed {
                event.acked = event.ack_durable;
            }
        }
        assert!(self.open());
    }

    /// Reads and settles everything; promised events must all have been seen.
    fn drain(&mut self) {
        self.crash(Crash::Kill);
        for by in 0..DESTINATIONS {
            let due: Vec<bool> =
                self.events.iter().map(|e| e.sure && e.to >> by & 1 == 1 && !e.touched[by]).collect();
            let mut seen = vec![false; due.len()];
            while self.read(by, 7) > 0 {
                self.out[by].iter().for_each(|(_, event)| seen[*event] = true);
                self.ack(by, 1, false);
            }
            for (number, due) in due.into_iter().enumerate() {
                assert!(!due || seen[number], "{by} lost event {number}");
            }
        }
        self.turn();
        while self.spool().work_on_the_side() {}
        self.turn();
        for destination in self.spool().stats().destinations {
            assert_eq!(destination.waiting.events, 0, "{destination:?}");
            assert_eq!(destination.rejected.events, 0, "{destination:?}");
        }
        assert!(self.spool().stats().segments <= 1);
    }
}

fn act() -> impl Strategy<Value = Act> {
    let by = 0..DESTINATIONS;
    let crash = prop_oneof![Just(Crash::Kill), Just(Crash::Power)];
    prop_oneof![
        12 => (0..300usize, 1..8u8).prop_map(|(size, to)| Act::Append { size, to }),
        4 => Just(Act::Turn),
        4 => Just(Act::Disk),
        3 => Just(Act::Sync),
        6 => (by.clone(), 1..9usize).prop_map(|(by, count)| Act::Read { by, count }),
        6 => (by.clone(), 1..4usize, any::<bool>()).prop_map(|(by, step, back)| Act::Ack { by, step, back }),
        1 => by.prop_map(|by| Act::Reopen { by }),
        1 => (0..12u64, prop_oneof![Just(Fault::NoSpace), Just(Fault::Io), Just(Fault::Short)])
            .prop_map(|(after, fault)| Act::Fail { after, fault }),
        1 => (1..4u32).prop_map(Act::FailFsyncs),
        1 => prop_oneof![Just(None), (0..2000usize).prop_map(Some)].prop_map(Act::Capacity),
        1 => (0..12u64).prop_map(Act::CrashAfter),
        1 => crash.prop_map(Act::Crash),
        1 => Just(Act::Close),
    ]
}

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::None), Just(Durability::Interval), Just(Durability::Every)]
}

fn run(seed: u64, durability: Durability, later: bool, acts: &[Act], last: Crash) {
    let mut harness = Harness::new(seed, durability, later);
    for act in acts {
        harness.act(act);
        if harness.sim.has_crashed() {
            harness.crash(last);
        }
    }
    harness.crash(last);
    harness.drain();
}

/// More of them on request; a few hundred take a second or two.
fn cases() -> u32 {
    std::env::var("SPOOL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keeps_its_promises(
        seed: u64,
        mode in durability(),
        acts in proptest::collection::vec(act(), 1..80),
        power: bool,
        later: bool,
    ) {
        run(seed, mode, later, &acts, if power { Crash::Power } else { Crash::Kill });
    }
}

/// A little of everything, with rotation, settling out of order and trimming.
fn script() -> Vec<Act> {
    let mut acts = Vec::new();
    for round in 0..12usize {
        for number in 0..4usize {
            acts.push(Act::Append { size: 40 * number + round, to: (round + number) as u8 % 7 + 1 });
        }
        acts.push(if round % 3 == 2 { Act::Sync } else { Act::Turn });
        acts.extend((0..round % 4).map(|_| Act::Disk));
        for by in 0..DESTINATIONS {
            acts.push(Act::Read { by, count: 3 + by });
            acts.push(Act::Ack { by, step: 1 + (round + by) % 2, back: by == 1 });
        }
    }
    acts
}

#[test]
fn survives_a_crash_at_every_single_step() {
    let modes = [Durability::None, Durability::Interval, Durability::Every].map(|mode| (mode, false));
    for (durability, later) in
        modes.into_iter().chain([(Durability::None, true), (Durability::Interval, true)])
    {
        let mut whole = Harness::new(1, durability, later);
        let before = whole.sim.steps();
        script().iter().for_each(|act| whole.act(act));
        let steps = whole.sim.steps() - before;
        assert!(steps > 100, "{steps}");
        for step in 0..steps {
            for crash in [Crash::Kill, Crash::Power] {
                let mut acts = vec![Act::CrashAfter(step)];
                acts.extend(script());
                run(step * 31 + 7, durability, later, &acts, crash);
            }
        }
    }
}

/// Found by the model: what is settled ahead of a segment that is stepped over stands before what was met behind it.
#[test]
fn what_was_settled_on_both_sides_of_a_segment_is_off_the_books() {
    use Act::{Ack, Append, Close, Read, Turn};
    let acts = [
        Append { size: 0, to: 3 },
        Append { size: 249, to: 2 },
        Append { size: 221, to: 2 },
        Append { size: 138, to: 1 },
        Append { size: 73, to: 1 },
        Append { size: 118, to: 7 },
        Append { size: 145, to: 1 },
        Append { size: 144, to: 2 },
        Append { size: 79, to: 6 },
        Turn,
        Read { by: 0, count: 4 },
        Read { by: 0, count: 1 },
        Append { size: 82, to: 3 },
        Ack { by: 0, step: 2, back: false },
        Ack { by: 0, step: 2, back: true },
        Close,
        Read { by: 0, count: 2 },
        Ack { by: 0, step: 2, back: true },
    ];
    run(0, Durability::None, false, &acts, Crash::Kill);
}
