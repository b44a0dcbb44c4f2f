//! Files of any names beside a log file that rotates: none is lost but those that were moved away from it.
#![no_main]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use nethical_core::delivery::{Batch, runtime};
use nethical_core::event::{Level, LogEntry, Rules};
use nethical_destinations::Validated;
use nethical_destinations::jsonl::{Compress, JsonlConfig};

/// Names may also be told apart from this one by a word: `log-20261125T190000.123456Z.jsonl`.
const STEM: &str = "log";

fuzz_target!(|input: &[u8]| {
    let [kind, names @ ..] = input else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let others = put(folder.path(), names);
    let mut config = JsonlConfig::new(folder.path().join(format!("{STEM}.jsonl")));
    config.rotate_bytes = Some(1);
    config.keep_files = (kind & 1 == 0).then_some(1);
    config.keep_bytes = (kind & 2 == 0).then_some(100);
    config.compress = [Compress::None, Compress::Gzip, Compress::Zstd][usize::from(kind >> 2) % 3];
    let entry = || LogEntry::new(Level::Info, "hello", "fuzz").encode(&Rules::default()).event;
    let batch: Batch = [entry(), entry()].into_iter().collect();
    let file = config.open().expect("a folder with whatever in it is one");
    runtime::wait(async move {
        // The file's own name may be that of a folder.
        let _ = file.deliver(&batch).await;
        file.close().await;
    })
    .expect("a runtime");
    let left = list(folder.path());
    for name in others {
        let is_another = !name.starts_with(format!("{STEM}-").as_bytes());
        assert!(!is_another || left.contains(&name), "{:?} is gone", OsStr::from_bytes(&name));
    }
});

/// Makes files of these names, one on a line. Says which.
fn put(folder: &Path, names: &[u8]) -> BTreeSet<Vec<u8>> {
    let can_be =
        |name: &&[u8]| !name.is_empty() && name.len() < 200 && !name.contains(&b'/') && !name.contains(&0);
    for name in names.split(|byte| *byte == b'\n').filter(can_be).take(32) {
        // `.` and `..` are taken.
        let _ = fs::write(folder.join(OsStr::from_bytes(name)), "x");
    }
    list(folder)
}

fn list(folder: &Path) -> BTreeSet<Vec<u8>> {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    names.map(|name| name.as_bytes().to_owned()).collect()
}
