//! How fast the spool takes events in, gives them out and opens: `spool_speed DIR [EVENTS]`, and with
//! `spool_speed DIR fill [EVENTS]` and `spool_speed DIR open` how it opens a backlog, reads the whole of it
//! without settling more than it must, and what memory that takes.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::spool::{Disk, Durability, Entry, Full, Options, Spool};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: spool_speed DIR [EVENTS]")?;
    let second = args.next();
    match second.as_deref() {
        Some("open") => return open(Path::new(&dir)),
        Some("fill") => {
            return fill(Path::new(&dir), args.next().map_or(Ok(3_600_000), |count| count.parse())?);
        }
        _ => {}
    }
    let events: usize = second.map_or(Ok(1_000_000), |count| count.parse())?;
    for (mode, producers) in [(Durability::None, 1), (Durability::Interval, 1), (Durability::Interval, 8)] {
        append(Path::new(&dir), mode, producers, events, 1)?;
    }
    for destinations in [1, 4, 10] {
        append(Path::new(&dir), Durability::Interval, 1, events, destinations)?;
    }
    every(Path::new(&dir), 1, events / 500)?;
    every(Path::new(&dir), 64, events / 10)?;
    raw(Path::new(&dir), events)?;
    fill(Path::new(&dir), events)?;
    open(Path::new(&dir))
}

fn fresh(dir: &Path, mode: Durability) -> Result<Spool, Failure> {
    let _ = std::fs::remove_dir_all(dir);
    let full = Full::Block(Duration::from_secs(60));
    let options = Options {
        full,
        durability: mode,
        max_bytes: 16 << 30,
        destination_bytes: 16 << 30,
        ..Options::default()
    };
    Ok(Spool::open(Arc::new(Disk), dir, options)?.0)
}

fn append(
    dir: &Path,
    mode: Durability,
    producers: usize,
    events: usize,
    destinations: usize,
) -> Result<(), Failure> {
    let spool = fresh(dir, mode)?;
    let ids =
        (0..destinations).map(|n| spool.destination(&format!("d{n}"))).collect::<Result<Vec<_>, _>>()?;
    let payload = [b'x'; 300];
    let start = Instant::now();
    let slowest = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..producers)
            .map(|_| {
                scope.spawn(|| {
                    let mut slowest = Duration::ZERO;
                    for _ in 0..events / producers {
                        let before = Instant::now();
                        let _ = spool.append(&payload, &ids);
                        slowest = slowest.max(before.elapsed());
                    }
                    slowest
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).max().unwrap_or_default()
    });
    let taken = start.elapsed();
    let durable = spool.sync(Duration::from_secs(60));
    let refused = spool.stats().destinations.iter().map(|d| d.dropped_newest.events).max().unwrap_or(0);
    println!(
        "append {mode:?} x{producers} to {destinations}: {:.0}/s in the caller, {:.0}/s durable ({durable}), slowest {slowest:?}, refused {refused}",
        events as f64 / taken.as_secs_f64(),
        events as f64 / start.elapsed().as_secs_f64(),
    );
    Ok(())
}

fn every(dir: &Path, producers: usize, events: usize) -> Result<(), Failure> {
    let spool = fresh(dir, Durability::Every)?;
    let id = spool.destination("d")?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..producers {
            scope.spawn(|| {
                for _ in 0..events / producers {
                    let _ = spool.append(&[b'x'; 300], &[id]);
                }
            });
        }
    });
    println!(
        "append Every x{producers}: {:.0}/s, {} fsyncs for {events}",
        events as f64 / start.elapsed().as_secs_f64(),
        spool.stats().fsyncs
    );
    Ok(())
}

/// What the disk gives to somebody who only writes: the same bytes, an fsync every 10 ms.
fn raw(dir: &Path, events: usize) -> Result<(), Failure> {
    use std::io::Write;
    let mut file = std::fs::File::create(dir.join("raw"))?;
    let batch = vec![b'x'; 332 * 800];
    let start = Instant::now();
    let mut synced = start;
    for _ in 0..events / 800 {
        file.write_all(&batch)?;
        if synced.elapsed() > Duration::from_millis(10) {
            file.sync_data()?;
            synced = Instant::now();
        }
    }
    file.sync_data()?;
    println!(
        "raw writes of the same bytes, fsync every 10 ms: {:.0}/s",
        events as f64 / start.elapsed().as_secs_f64()
    );
    Ok(())
}

fn fill(dir: &Path, events: usize) -> Result<(), Failure> {
    let spool = fresh(dir, Durability::None)?;
    let id = spool.destination("d")?;
    for _ in 0..events {
        spool.append(&[b'x'; 300], &[id])?;
    }
    Ok(())
}

fn open(dir: &Path) -> Result<(), Failure> {
    let idle = memory();
    let options = Options { max_bytes: 16 << 30, destination_bytes: 16 << 30, ..Options::default() };
    let start = Instant::now();
    let (spool, recovery) = Spool::open(Arc::new(Disk), dir, options)?;
    let opened = start.elapsed();
    let id = spool.destination("d")?;
    let reader = spool.reader(id, Arc::new(|| ()))?;
    let waiting = reader.waiting();
    println!(
        "open: {opened:?} with {} MiB waiting in {} segments, {} scanned",
        waiting.bytes >> 20,
        recovery.segments,
        recovery.scanned
    );
    let start = Instant::now();
    let (mut read, mut most) = (0, memory());
    loop {
        let entries: Vec<Entry> = reader.read(1000, 1 << 20)?;
        if entries.is_empty() {
            break;
        }
        read += entries.len();
        if read % 64_000 == 0 {
            most = most.max(memory());
        }
        reader.ack(&entries.iter().map(|entry| entry.seq).collect::<Vec<_>>());
    }
    println!(
        "read and settle: {:.0}/s, memory {idle} KiB before, {} KiB at most",
        read as f64 / start.elapsed().as_secs_f64(),
        most.max(memory())
    );
    Ok(())
}

fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
