//! Any file in place of a W&B run log: it is read at once, and while it grows.
#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use nethical_core::spool::Storage;
use nethical_destinations::wandb::RunLogContents;
use nethical_fuzz::{Memory, run_log};

fuzz_target!(|input: &[u8]| {
    let bytes = run_log(input);
    let (memory, path) = (Memory::default(), PathBuf::from("/r.wandb"));
    memory.put(&path, bytes.clone());
    let open = |path: &Path| memory.open(path).expect("it is there");
    let Ok(whole) = RunLogContents::read(open(&path), || false) else { return };
    assert!(whole.torn <= bytes.len() as u64, "no more is torn than there is");
    for row in &whole.rows {
        assert!(row.starts_with('{') && row.ends_with('}'), "a row is one object: {row}");
    }
});
