//! What the machine itself does to a process: a thread that only sleeps and writes down when it woke.
//!
//! On a busy machine a process may not get to run, or not get a write through to the kernel, for longer than the
//! spool's 20 ms. Then this thread does not either, and its pauses say how much of a delay is not the spool's.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::oracle::now;

/// How long it sleeps.
pub(super) const NAP: Duration = Duration::from_millis(5);

/// Times that are kept.
const KEPT: u64 = 128;

fn path(delivered: &Path, lane: u64) -> PathBuf {
    delivered.with_extension(format!("control-{lane}"))
}

/// Starts the thread in this process. It lives as long.
pub(super) fn start(delivered: &Path, lane: u64) {
    let Ok(file) = File::create(path(delivered, lane)) else { return };
    std::thread::spawn(move || {
        for turn in 0_u64.. {
            let _ = file.write_all_at(&now().to_le_bytes(), turn % KEPT * 8);
            std::thread::sleep(NAP);
        }
    });
}

/// When it woke, in a process that is gone; ascending, in microseconds since 1970.
pub(super) fn read(delivered: &Path, lane: u64) -> Vec<u64> {
    let path = path(delivered, lane);
    let bytes = fs::read(&path).unwrap_or_default();
    let _ = fs::remove_file(path);
    let mut times: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|time| u64::from_le_bytes(*time)).collect();
    times.sort_unstable();
    times
}

/// The longest delay of the thread, in microseconds, that touches the time from `since` to `until`.
pub(super) fn delay(woke: &[u64], since: u64, until: u64) -> u64 {
    let ends = woke.iter().skip(1).copied().chain([until]);
    let gaps = woke.iter().zip(ends).filter(|(begin, end)| *end > since && **begin < until);
    let longest = gaps.map(|(begin, end)| end.saturating_sub(*begin)).max().unwrap_or_default();
    longest.saturating_sub(NAP.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_in_the_time_counts() {
        let woke = [0, 5_000, 90_000, 95_000, 107_000];
        assert_eq!(delay(&woke, 91_000, 112_000), 7_000);
        assert_eq!(delay(&woke, 89_000, 112_000), 80_000);
        assert_eq!(delay(&woke, 108_000, 140_000), 28_000);
        assert_eq!(delay(&[], 0, 10), 0);
    }
}
