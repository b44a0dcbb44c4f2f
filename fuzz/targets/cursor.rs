//! Any file in place of a position, beside a sound segment.
#![no_main]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use nethical_core::spool::{Options, Spool};
use nethical_fuzz::{Memory, cursor, drain, open};

static SOUND: LazyLock<Memory> = LazyLock::new(|| {
    let memory = Memory::default();
    let (spool, _) = Spool::open(Arc::new(memory.clone()), Path::new("/s"), Options::default()).unwrap();
    let ids = ["one", "two"].map(|key| spool.destination(key).unwrap());
    for number in 0..20_u8 {
        spool.append(&[number], &ids[usize::from(number % 2)..]).unwrap();
    }
    assert!(spool.close());
    memory
});

fuzz_target!(|input: &[u8]| {
    let memory = SOUND.copy();
    memory.put("/s/00000.cursor", cursor(input));
    let spool = open(&memory);
    let seen = drain(&spool, &BTreeSet::new());
    assert!(seen.iter().filter(|(id, _)| *id == 1).count() == 20, "its neighbour has everything");
    assert!(spool.close());
    drop(spool);
    drain(&open(&memory), &seen);
});
