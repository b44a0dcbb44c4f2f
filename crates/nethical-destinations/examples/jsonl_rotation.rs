//! Rotation, measured: `cargo run --release --example jsonl_rotation`.
//!
//! ```text
//! jsonl_rotation speed COUNT    lines into one file, into files of 1 MB, and compressed: how fast, and are all there
//! jsonl_rotation kill COUNT     the same while the writer is killed and restarted: what was promised, and what is there
//! ```

#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nethical_core::delivery::{Connector, Full, QueueLimits, Settings};
use nethical_core::event::{Level, LogEntry, Metadata, Rules};
use nethical_destinations::connect;
use nethical_destinations::jsonl::{Compress, JsonlConfig};

/// Lines between two promises of the writer that is killed.
const BETWEEN: usize = 1_000;

const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["speed", count] => {
            for (rotate_bytes, compress) in [
                (None, Compress::None),
                (Some(1_000_000), Compress::None),
                (Some(1_000_000), Compress::Gzip),
                (Some(1_000_000), Compress::Zstd),
            ] {
                speed(rotate_bytes, compress, count.parse().unwrap());
            }
        }
        ["kill", count] => kill(count.parse().unwrap()),
        ["writer", folder, first, count] => {
            writer(Path::new(folder), first.parse().unwrap(), count.parse().unwrap());
        }
        _ => println!("speed or kill, and how many lines"),
    }
}

fn config(folder: &Path, rotate_bytes: Option<u64>, compress: Compress) -> JsonlConfig {
    JsonlConfig { rotate_bytes, compress, ..JsonlConfig::new(folder.join("app.jsonl")) }
}

fn open(config: JsonlConfig) -> Connector {
    let queue = QueueLimits { full: Full::Block(PATIENCE), ..QueueLimits::default() };
    connect(Arc::new(config), "jsonl", Settings { queue, ..Settings::default() }).unwrap()
}

fn send(connector: &Connector, number: usize) {
    let metadata = Metadata::new().with("memory_mb", 1500).with("host_group", "train").with("ratio", 0.75);
    let entry = LogEntry::new(Level::Warning, number.to_string(), "monitor").with(metadata);
    connector.send(entry.encode(&Rules::default()).event).unwrap();
}

/// Every file, oldest first; of one that is there twice only the compressed one.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_none_or(|ending| ending != "tmp"));
    // The one that is being written has no time in its name.
    files.sort_by_key(|path| (path.ends_with("app.jsonl"), path.clone()));
    let compressed: Vec<_> = files
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending != "jsonl"))
        .cloned()
        .collect();
    files.retain(|path| !compressed.contains(&PathBuf::from(format!("{}.zst", path.display()))));
    files
}

/// The numbers in every file; a line that is not whole ends the program.
fn numbers(folder: &Path) -> Vec<usize> {
    let mut text = String::new();
    for path in files(folder) {
        let file = std::fs::File::open(&path).unwrap();
        let read = match path.extension().unwrap().to_str().unwrap() {
            "gz" => flate2::read::GzDecoder::new(file).read_to_string(&mut text),
            "zst" => zstd::Decoder::new(file).unwrap().read_to_string(&mut text),
            _ => (&file).read_to_string(&mut text),
        };
        read.unwrap();
        assert!(text.ends_with('\n'), "{} ends in half a line", path.display());
    }
    let number = |line| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry["message"].as_str().unwrap().parse().unwrap()
    };
    text.lines().map(number).collect()
}

fn speed(rotate_bytes: Option<u64>, compress: Compress, count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let connector = open(config(folder.path(), rotate_bytes, compress));
    let began = Instant::now();
    (0..count).for_each(|number| send(&connector, number));
    assert!(connector.flush(PATIENCE));
    let written = began.elapsed();
    assert!(connector.close(PATIENCE));
    let all = files(folder.path());
    let bytes: u64 = all.iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
    let found = numbers(folder.path());
    println!(
        "rotate_bytes {rotate_bytes:?}, {compress:?}: {:.0} lines/s; {} files, {:.1} MB; {} lines, in order: {}",
        count as f64 / written.as_secs_f64(),
        all.len(),
        bytes as f64 / 1e6,
        found.len(),
        found.iter().copied().eq(0..count),
    );
}

/// Writes lines, and tells up to which number they are in the file.
fn writer(folder: &Path, first: usize, count: usize) {
    let connector = open(config(folder, Some(1_000_000), Compress::Zstd));
    let mut out = std::io::stdout().lock();
    for number in first..count {
        send(&connector, number);
        if (number + 1).is_multiple_of(BETWEEN) {
            assert!(connector.flush(PATIENCE));
            writeln!(out, "{number}").unwrap();
            out.flush().unwrap();
        }
    }
    assert!(connector.close(PATIENCE));
}

fn kill(count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (mut next, mut kills) = (0, 0_u32);
    while next < count {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("writer").arg(folder.path()).args([next.to_string(), count.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        // It is killed at another moment each time, somewhere after a promise.
        let promises = 10 + 7 * kills as usize % 23;
        for (heard, line) in out.lines().map_while(Result::ok).enumerate() {
            next = line.parse::<usize>().unwrap() + 1;
            if heard == promises && next < count {
                std::thread::sleep(Duration::from_micros(u64::from(kills) * 137 % 3_000));
                child.kill().unwrap();
                kills += 1;
            }
        }
        child.wait().unwrap();
    }
    let mut found = numbers(folder.path());
    let all = found.len();
    found.sort_unstable();
    found.dedup();
    println!(
        "{kills} kills: {count} promised, {} there, {} written twice; {} files, every line whole",
        found.iter().filter(|number| **number < count).count(),
        all - found.len(),
        files(folder.path()).len(),
    );
}
