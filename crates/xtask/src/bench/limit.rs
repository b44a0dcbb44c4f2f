//! The limit: what the file system takes, with nothing of ours in the way.
//!
//! No log line can be cheaper than the copy into a buffer that is written out in large pieces; a logger that
//! calls `write(2)` for every line cannot do better than the first contestant.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{Contest, Contestant, Needs, Unit};
use crate::workspace::Workspace;

/// A line as the JSON Lines destination writes it.
const LINE: &[u8] =
    b"{\"timestamp\":\"2026-01-31T12:34:56.789012Z\",\"level\":\"WARNING\",\"message\":\"High memory \
    usage\",\"source\":\"monitor\",\"metadata\":{\"memory_mb\":1500}}\n";

/// As much as the buffered contestant gives the system at once.
const BUFFER: usize = 64 * 1024;

/// Lines per second into a file under `target/`, page cache only: neither contestant syncs.
pub(super) fn contest(workspace: &Workspace) -> Contest {
    let path = workspace.bench().join("limit.jsonl");
    let buffered = path.clone();
    Contest {
        name: "limit",
        about: "lines of 141 bytes appended to a file, not synced",
        unit: Unit::PerSecond("lines"),
        size: 500_000,
        quick: 20_000,
        needs: Needs::Nothing,
        contestants: vec![
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
