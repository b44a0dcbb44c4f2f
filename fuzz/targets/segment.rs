//! Any file in place of a segment: it is opened, read, settled and opened again.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use nethical_fuzz::{Memory, drain, open, segment};

fuzz_target!(|input: &[u8]| {
    let memory = Memory::default();
    memory.put("/s/0000000000000001.seg", segment(input, 1));
    let spool = open(&memory);
    let seen = drain(&spool, &BTreeSet::new());
    let id = spool.destination("new").expect("there is room");
    spool.append(b"later", &[id]).expect("there is room");
    assert!(spool.close());
    drop(spool);
    let again = drain(&open(&memory), &seen);
    assert!(again.iter().any(|(of, _)| *of == id.get()), "what came later is there");
});
