//! How many entries a second end in a file, beside what the file system takes with nothing in the way.
//!
//! No log line can be cheaper than the copy into a buffer that is written out in large pieces; a logger that
//! calls `write(2)` for every line cannot do better than that contestant. Both only write a line that is
//! ready; ours makes each line of a message and five fields, takes it through the queue and waits until
//! the last one is confirmed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nethical::delivery::Full;

use super::{Contest, Contestant, Needs, Unit, ours};
use crate::workspace::Workspace;

/// A line as the JSON Lines destination writes it.
const LINE: &[u8] = b"{\"timestamp\":\"2026-01-31T12:34:56.789012Z\",\"level\":\"WARNING\",\"message\":\"High memory \
    usage\",\"source\":\"monitor\",\"metadata\":{\"item\":123456,\"host_name\":\"web-1\",\"region\":\"eu-west-1\",\
    \"ratio\":0.91,\"healthy\":true},\"id\":\"019c1411-f8e8-7c6b-9a3c-8f62c1d1f0aa\",\"host\":\"train-7\",\"pid\":41210}\n";

/// As much as the buffered contestant gives the system at once.
const BUFFER: usize = 64 * 1024;

/// Lines per second into a file under `target/`, page cache only.
pub(super) fn contest(workspace: &Workspace) -> Contest {
    let folder = workspace.bench();
    let path = folder.join("limit.jsonl");
    let buffered = path.clone();
    Contest {
        name: "log-rate",
        about: "lines of 280 bytes appended to a file",
        unit: Unit::PerSecond("lines"),
        size: 500_000,
        quick: 20_000,
        needs: Needs::Nothing,
        contestants: vec![
            Contestant::new("nethical, end to end", move |n| nethical(&folder, n)),
            Contestant::new("write(2) per line", move |n| fill(&path, |file| write_each(file, n))),
            Contestant::new("buffered 64 KiB", move |n| {
                fill(&buffered, |file| {
                    let mut writer = BufWriter::with_capacity(BUFFER, file);
                    write_each(&mut writer, n)?;
                    writer.flush()
                })
            }),
        ],
    }
}

fn nethical(folder: &Path, lines: u64) -> Result<Duration> {
    let folder = ours::folder(folder)?;
    // As a caller who must not lose a line would have it: the usual queue, and waiting for room.
    let logs = ours::aggregator(folder.path(), 1, 65_536, Full::Block(Duration::from_secs(60)))?;
    let start = Instant::now();
    for number in 0..lines {
        ours::call(&logs, number);
    }
    ours::finish(&logs, lines)?;
    Ok(start.elapsed())
}

fn write_each(to: &mut impl Write, lines: u64) -> std::io::Result<()> {
    for _ in 0..lines {
        to.write_all(LINE)?;
    }
    Ok(())
}

/// Times `write` on a new file; making and removing the file is not part of it.
fn fill(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<Duration> {
    let error = || format!("could not write `{}`", path.display());
    File::create(path).with_context(error)?;
    let mut file = File::options().append(true).open(path).with_context(error)?;
    let start = Instant::now();
    let written = write(&mut file);
    let spent = start.elapsed();
    fs::remove_file(path).with_context(error)?;
    written.with_context(error)?;
    Ok(spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_contestants_write_and_leave_no_file_behind() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(folder.path());
        fs::create_dir_all(workspace.bench()).unwrap();
        for mut contestant in contest(&workspace).contestants {
            (contestant.body)(10).unwrap();
        }
        assert_eq!(fs::read_dir(workspace.bench()).unwrap().count(), 0);
    }

    #[test]
    fn the_line_is_one_line_of_the_length_that_is_told() {
        assert_eq!(LINE.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let folder = tempfile::tempdir().unwrap();
        assert!(contest(&Workspace::at(folder.path())).about.contains(&format!("{} bytes", LINE.len())));
    }
}
