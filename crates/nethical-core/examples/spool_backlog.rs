//! How a spool opens when much waits in it: how long that takes, and what memory reading all of it takes.
//!
//! ```text
//! spool_backlog DIR fill EVENTS     events of 300 bytes, which nobody has taken
//! spool_backlog DIR open            open them in a process of its own, take and settle all; prints JSON
//! ```

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::spool::{Disk, Durability, Entry, Full, Options, Spool};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [dir, "fill", events] => fill(Path::new(dir), events.parse()?),
        [dir, "open"] => open(Path::new(dir)),
        _ => Err("usage: spool_backlog DIR fill EVENTS | spool_backlog DIR open".into()),
    }
}

fn options() -> Options {
    Options {
        full: Full::Block(Duration::from_secs(60)),
        durability: Durability::None,
        max_bytes: 16 << 30,
        destination_bytes: 16 << 30,
        ..Options::default()
    }
}

fn fill(dir: &Path, events: usize) -> Result<(), Failure> {
    let (spool, _) = Spool::open(Arc::new(Disk), dir, options())?;
    let id = spool.destination("d")?;
    for _ in 0..events {
        spool.append(&[b'x'; 300], &[id])?;
    }
    Ok(())
}

fn open(dir: &Path) -> Result<(), Failure> {
    let idle = memory();
    let start = Instant::now();
    let (spool, recovery) = Spool::open(Arc::new(Disk), dir, options())?;
    let opened = start.elapsed();
    let id = spool.destination("d")?;
    let reader = spool.reader(id, Arc::new(|| ()))?;
    let waiting = reader.waiting();
    let start = Instant::now();
    let (mut read, mut most) = (0, memory());
    loop {
        let entries: Vec<Entry> = reader.read(1000, 1 << 20)?;
        if entries.is_empty() {
            break;
        }
        read += entries.len();
        most = most.max(memory());
        reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
    }
    let report = serde_json::json!({
        "waiting_mib": waiting.bytes >> 20,
        "segments": recovery.segments,
        "opened_ms": opened.as_secs_f64() * 1e3,
        "read_per_s": read as f64 / start.elapsed().as_secs_f64(),
        "grown_mib": (most.saturating_sub(idle)) as f64 / 1024.0,
    });
    println!("{report}");
    Ok(())
}

/// KiB of this process in memory.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
