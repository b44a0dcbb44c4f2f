//! Any file among the dead letters.
#![no_main]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use nethical_core::spool::{DeadLetter, DeadLetterLog, Fate, Filter, Retention};
use nethical_fuzz::{Memory, segment};

/// The name is the time it was begun: 2025.
const BEGUN: u64 = 1_750_000_000_000_000;

fuzz_target!(|input: &[u8]| {
    let memory = Memory::default();
    memory.put(format!("/d/{BEGUN:016x}.dead"), segment(input, BEGUN));
    let retention = Retention { age: Duration::from_secs(100 * 365 * 24 * 3600), ..Retention::default() };
    let log = DeadLetterLog::open(Arc::new(memory), Path::new("/d"), retention).expect("it can be opened");
    let before = log.list(&Filter::default(), 1_000).expect("it can be listed");
    let letter = DeadLetter { destination: "new".into(), id: "new".into(), ..DeadLetter::default() };
    log.append(&letter).expect("there is room");
    let new = log.show("new", "new").expect("it can be listed").expect("it is there");
    assert_eq!(new, letter);
    for letter in &before {
        log.mark(&letter.destination, &letter.id, Fate::Dropped).expect("there is room");
    }
    let _ = log.retain();
});
