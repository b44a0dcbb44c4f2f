//! Counts that go from one directory to another, with a crash at every step.

use std::path::Path;
use std::sync::Arc;

use super::sim::{Crash, Sim};
use crate::spool::{Options, Reader, Spool, Storage, clear_handed_over, hand_over, handed_over, inspect};

const OLD: &str = "/old";
const HEIR: &str = "/heir";
const KEY: &str = "a";

fn number(note: &[u8]) -> u64 {
    note.try_into().map_or(0, u64::from_le_bytes)
}

/// All that is counted in a directory.
fn sum(sim: &Sim, dir: &str) -> u64 {
    let (backlogs, _) = inspect(Arc::new(sim.clone()), Path::new(dir)).unwrap();
    let handed = handed_over(sim, Path::new(dir)).unwrap();
    let notes = backlogs.iter().map(|backlog| number(&backlog.note));
    notes.chain(handed.iter().map(|handed| number(&handed.note))).sum()
}

fn open(sim: &Sim, dir: &str) -> Option<(Spool, Reader)> {
    let storage = Arc::new(sim.clone());
    let (spool, _) = Spool::open_manual(storage, Path::new(dir), Options::default(), false).ok()?;
    let reader = spool.destination(KEY).ok().and_then(|id| spool.reader(id, Arc::new(|| ())).ok());
    Some((spool, reader?))
}

/// The whole way; `None` when a crash came in between.
fn go(sim: &Sim) -> Option<()> {
    let (old, reader) = open(sim, OLD)?;
    let id = reader.destination();
    drop(reader);
    old.kill();
    hand_over(sim, Path::new(OLD), id, Path::new(HEIR)).ok()?;
    let (heir, reader) = open(sim, HEIR)?;
    for handed in handed_over(sim, Path::new(HEIR)).ok()? {
        let together = number(&reader.note()) + number(&handed.note);
        reader.take_in(&handed, together.to_le_bytes().to_vec()).ok()?;
        if !heir.sync(std::time::Duration::ZERO) {
            return None;
        }
    }
    clear_handed_over(sim, Path::new(HEIR)).ok()?;
    drop(reader);
    heir.kill();
    Some(())
}

/// Two directories with 5 and 37.
fn prepared(seed: u64) -> Sim {
    let sim = Sim::new(seed);
    for (dir, count) in [(OLD, 5_u64), (HEIR, 37)] {
        let (spool, reader) = open(&sim, dir).unwrap();
        reader.ack_noting(&[], count.to_le_bytes().to_vec());
        assert!(spool.sync(std::time::Duration::ZERO));
        drop(reader);
        spool.kill();
    }
    sim
}

#[test]
fn nothing_is_counted_twice_or_never_wherever_a_crash_comes() {
    let whole = prepared(1);
    let before = whole.steps();
    go(&whole).unwrap();
    let steps = whole.steps() - before;
    assert!(steps > 8, "{steps}");
    for step in 0..steps {
        for seed in 0..20 {
            for crash in [Crash::Kill, Crash::Power] {
                let sim = prepared(seed * 2 + 1);
                sim.crash_after(step);
                let done = go(&sim);
                assert!(done.is_none() || sim.has_crashed());
                sim.restart(crash);
                assert_eq!(sum(&sim, OLD) + sum(&sim, HEIR), 42, "{crash:?} in step {step}");
                go(&sim).unwrap();
                assert_eq!((sum(&sim, OLD), sum(&sim, HEIR)), (0, 42), "{crash:?} in step {step}");
                let left = sim.names(Path::new(HEIR));
                assert!(!left.iter().any(|name| name.ends_with(".handover")), "{left:?}");
            }
        }
    }
}

#[test]
fn where_there_is_no_note_there_is_nothing_to_hand_over() {
    let sim = prepared(1);
    sim.unlink(&Path::new(OLD).join("00000.cursor")).unwrap();
    let (old, reader) = open(&sim, OLD).unwrap();
    let id = reader.destination();
    drop(reader);
    old.kill();
    hand_over(&sim, Path::new(OLD), id, Path::new(HEIR)).unwrap();
    assert_eq!((sum(&sim, OLD), sum(&sim, HEIR)), (0, 37));
    assert!(handed_over(&sim, Path::new(HEIR)).unwrap().is_empty());
}
