//! What a log call allocates in the thread that makes it.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use nethical::{Config, Level, Nethical, fields};

/// Files of JSON Lines, from memory or from the spool.
fn open(folder: &Path, files: usize, spooled: bool) -> Nethical {
    let table = |number: usize| {
        let path = folder.join(format!("{number}.jsonl"));
        format!("[logging.out{number}]\ntype = 'jsonl'\nfilepath = '{}'\nspool = {spooled}\n", path.display())
    };
    let home = format!("[spool]\nhome = '{}'\n", folder.join("home").display());
    let text: String = (0..files).map(table).collect();
    let config: Config = format!("{home}{text}").parse().unwrap();
    config.open().unwrap()
}

/// Allocations of a call when everything is warm: the median, for now and then a table grows.
fn allocations(nethical: &Nethical) -> u64 {
    let call = || {
        let metadata =
            fields! { item: 7, host_name: "web-1", region: "eu-west-1", ratio: 0.91, healthy: true };
        nethical.logs().log(Level::Warning, "High memory usage", "monitor", metadata);
    };
    (0..100).for_each(|_| call());
    let mut counts: Vec<_> = (0..99).map(|_| allocation_counter::measure(call).count_total).collect();
    counts.sort_unstable();
    counts.get(49).copied().unwrap()
}

#[test]
fn a_further_destination_costs_no_allocation() {
    for spooled in [false, true] {
        let [one, four] = [1, 4].map(|files| {
            let folder = tempfile::tempdir().unwrap();
            let nethical = open(folder.path(), files, spooled);
            let count = allocations(&nethical);
            assert!(nethical.close(Duration::from_secs(30)));
            count
        });
        assert_eq!(one, four, "spooled: {spooled}");
        assert!(one <= 6, "{one} allocations, spooled: {spooled}");
    }
}
