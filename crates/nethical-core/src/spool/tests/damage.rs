//! Files altered at random: whatever is in them, a spool opens, says only what was said, and goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::sim::{Crash, Sim};
use crate::spool::{DeadLetter, DeadLetterLog, Filter, Options, Retention, Seq, Spool, inspect};

const DIR: &str = "/spool";

/// One alteration, in parts of a file's length.
#[derive(Clone, Debug)]
enum Damage {
    Flip {
        at: u16,
        mask: u8,
    },
    Fill {
        at: u16,
        length: u16,
        with: u8,
    },
    Cut {
        at: u16,
    },
    Extend {
        with: Vec<u8>,
    },
    /// A part of the file again in another place of it.
    Move {
        from: u16,
        to: u16,
        length: u16,
    },
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let whole = bytes.len();
        let place = |at: u16| whole * usize::from(at) / 65_536;
        let reach = |at: usize, length: u16| at..(at + usize::from(length)).min(whole);
        match self {
            _ if whole == 0 => {}
            Self::Flip { at, mask } => bytes[place(*at)] ^= mask,
            Self::Fill { at, length, with } => bytes[reach(place(*at), *length)].fill(*with),
            Self::Cut { at } => bytes.truncate(place(*at)),
            Self::Extend { with } => bytes.extend_from_slice(with),
            Self::Move { from, to, length } => {
                let part = bytes[reach(place(*from), *length)].to_vec();
                let to = place(*to);
                let end = (to + part.len()).min(whole);
                bytes[to..end].copy_from_slice(&part[..end - to]);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<u16>(), 1..=255u8).prop_map(|(at, mask)| Damage::Flip { at, mask }),
        (any::<u16>(), 1..2000u16, any::<u8>()).prop_map(|(at, length, with)| Damage::Fill {
            at,
            length,
            with
        }),
        any::<u16>().prop_map(|at| Damage::Cut { at }),
        proptest::collection::vec(any::<u8>(), 1..300).prop_map(|with| Damage::Extend { with }),
        (any::<u16>(), any::<u16>(), 1..400u16).prop_map(|(from, to, length)| Damage::Move {
            from,
            to,
            length
        }),
    ]
}

fn options() -> Options {
    Options { segment_bytes: 1000, interval: Duration::ZERO, ..Options::default() }
}

fn open(sim: &Sim) -> Spool {
    Spool::open_manual(Arc::new(sim.clone()), Path::new(DIR), options(), false).unwrap().0
}

fn files(sim: &Sim, dir: &str) -> Vec<PathBuf> {
    sim.names(Path::new(dir)).iter().map(|name| Path::new(dir).join(name)).collect()
}

/// Reads and settles everything there is for anybody, and checks it against what was appended.
fn drain(spool: &Spool, events: u64) {
    for destination in spool.stats().destinations {
        let reader = spool.reader(destination.id, Arc::new(|| ())).unwrap();
        let mut last = 0;
        loop {
            let entries = reader.read(5, usize::MAX).unwrap();
            for entry in &entries {
                let number: u64 =
                    str::from_utf8(&entry.payload).unwrap().trim_end_matches('.').parse().unwrap();
                assert!(last < number && number <= events, "{number} after {last}");
                last = number;
            }
            if reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<Seq>>()) == 0 {
                break;
            }
        }
    }
    spool.turn();
    for destination in spool.stats().destinations {
        assert_eq!(destination.waiting.events, 0, "{destination:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn altered_files_stop_nothing_and_invent_nothing(
        damages in proptest::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        let sim = Sim::new(3);
        let spool = open(&sim);
        let ids = [spool.destination("a").unwrap(), spool.destination("b").unwrap()];
        for number in 1..=40 {
            spool.append(format!("{number}{}", ".".repeat(number % 60)).as_bytes(), &ids[..1 + number % 2]).unwrap();
            spool.turn();
        }
        let reader = spool.reader(ids[0], Arc::new(|| ())).unwrap();
        let some = reader.read(9, usize::MAX).unwrap();
        reader.ack(&some.iter().skip(3).map(|entry| entry.seq).collect::<Vec<_>>());
        drop(reader);
        spool.kill();
        sim.restart(Crash::Kill);
        let files = files(&sim, DIR);
        for (file, damage) in &damages {
            sim.edit(&files[file.index(files.len())], |bytes| damage.apply(bytes));
        }
        inspect(Arc::new(sim.clone()), Path::new(DIR)).unwrap();
        let spool = open(&sim);
        drain(&spool, 40);
        let id = spool.destination("c").unwrap();
        spool.append(b"41", &[id]).unwrap();
        prop_assert!(spool.sync(Duration::ZERO));
        drain(&spool, 41);
    }

    /// As long as there is a frame behind the damage, or a later file.
    #[test]
    fn what_is_damaged_is_counted(
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u16>(), 1..300usize), 1..6),
        restarts in 1..3,
    ) {
        let sim = Sim::new(3);
        let spool = open(&sim);
        let id = spool.destination("a").unwrap();
        for number in 1..=60 {
            spool.append(".".repeat(number % 60).as_bytes(), &[id]).unwrap();
            spool.turn();
        }
        let reader = spool.reader(id, Arc::new(|| ())).unwrap();
        let some = reader.read(20, usize::MAX).unwrap();
        let settled = reader.ack(&some.iter().skip(3).step_by(2).map(|entry| entry.seq).collect::<Vec<_>>());
        drop(reader);
        spool.kill();
        sim.restart(Crash::Kill);
        let segments: Vec<_> = files(&sim, DIR).into_iter().filter(|path| path.extension() == Some("seg".as_ref())).collect();
        for (file, at, length) in damages {
            let file = file.get(&segments);
            let last = Some(file) == segments.last();
            sim.edit(file, |bytes| {
                let room = bytes.len().saturating_sub(if last { 48 + 200 } else { 48 });
                let from = 48 + room * usize::from(at) / 65_536;
                let to = (from + length).min(48 + room);
                bytes[from..to].iter_mut().for_each(|byte| *byte ^= 0x55);
            });
        }
        let mut spool = open(&sim);
        for _ in 1..restarts {
            spool.kill();
            sim.restart(Crash::Kill);
            spool = open(&sim);
        }
        let waiting = |spool: &Spool| spool.stats().destinations[0].waiting.events;
        prop_assert_eq!(waiting(&spool), 60 - settled as u64);
        let reader = spool.reader(id, Arc::new(|| ())).unwrap();
        let mut found = 0;
        loop {
            let entries = reader.read(usize::MAX, usize::MAX).unwrap();
            found += reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<_>>()) as u64;
            if entries.is_empty() {
                break;
            }
        }
        let books = reader.stats();
        prop_assert_eq!((books.waiting.events, found + books.damaged.events), (0, 60 - settled as u64));
    }

    #[test]
    fn altered_dead_letters_invent_nothing(
        damages in proptest::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        let sim = Sim::new(3);
        let dir = Path::new("/dead");
        let retention = Retention { segment_bytes: 500, ..Retention::default() };
        let log = DeadLetterLog::open(Arc::new(sim.clone()), dir, retention).unwrap();
        let letter = |number: usize| DeadLetter {
            destination: "slack".into(),
            id: number.to_string(),
            payload: vec![number as u8; number],
            ..DeadLetter::default()
        };
        (0..20).for_each(|number| log.append(&letter(number)).unwrap());
        let files = files(&sim, "/dead");
        for (file, damage) in &damages {
            sim.edit(&files[file.index(files.len())], |bytes| damage.apply(bytes));
        }
        let log = DeadLetterLog::open(Arc::new(sim), dir, retention).unwrap();
        for found in log.list(&Filter::default(), 100).unwrap() {
            prop_assert_eq!(&letter(found.id.parse().unwrap()), &found);
        }
        log.append(&letter(20)).unwrap();
        prop_assert!(log.show("slack", "20").unwrap().is_some());
    }
}
