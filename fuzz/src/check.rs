//! What must hold however damaged the files are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use nethical_core::delivery::{Error, MAX_RETRY_AFTER};
use nethical_core::spool::{DestinationStats, Options, Seq, Spool, inspect};

use crate::Memory;

/// Opens the spool in `/s`, after a look from outside that changes nothing.
pub fn open(memory: &Memory) -> Spool {
    let before = memory.files();
    let _ = inspect(Arc::new(memory.clone()), Path::new("/s"));
    assert!(memory.files() == before, "looking changed something");
    let options = Options { segment_bytes: 4096, ..Options::default() };
    let (spool, _) =
        Spool::open(Arc::new(memory.clone()), Path::new("/s"), options).expect("damage stops no start");
    spool
}

/// Reads and settles everything for every destination; says what that was. `before` was settled earlier and
/// may not come again.
pub fn drain(spool: &Spool, before: &BTreeSet<(u16, Seq)>) -> BTreeSet<(u16, Seq)> {
    let mut seen = BTreeSet::new();
    for destination in spool.stats().destinations {
        let reader = spool.reader(destination.id, Arc::new(|| {})).expect("nobody else reads");
        let mut last = Seq::default();
        loop {
            let entries = reader.read(100, 1 << 20).expect("this disk gives what it has");
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                assert!(entry.seq > last, "out of order");
                last = entry.seq;
                assert!(!before.contains(&(destination.id.get(), entry.seq)), "settled, and here again");
                seen.insert((destination.id.get(), entry.seq));
            }
            reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
            balance(&reader.stats());
        }
        balance(&reader.stats());
    }
    seen
}

fn balance(stats: &DestinationStats) {
    let gone = [&stats.settled, &stats.dropped_oldest, &stats.damaged, &stats.rejected, &stats.waiting];
    let sum: u128 = gone.iter().map(|tally| u128::from(tally.events)).sum();
    assert_eq!(u128::from(stats.accepted.events), sum, "{stats:?}");
}

/// In every address and key; never in what is said of an answer.
pub const SECRET: &str = "pL4nt3d";

/// Whether a service knows the secret already: then it may be in what is said of the answer.
pub fn knows_secret(said: &[u8]) -> bool {
    said.windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
}

/// An error is one line, waits no longer than is sensible, and shows nothing that is to be hidden.
pub fn is_sound(error: &Error) {
    assert!(!error.message().is_empty() && !error.message().contains(char::is_control), "{error:?}");
    assert!(error.retry_after().is_none_or(|pause| pause <= MAX_RETRY_AFTER), "{error:?}");
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
}
