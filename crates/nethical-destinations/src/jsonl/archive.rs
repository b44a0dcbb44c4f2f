//! Files that were moved away: what they are called, and which of them have had their time.
//!
//! `app.jsonl` becomes `app-20261125T190000.123456Z.jsonl`, so that names sort by time, and compressed
//! `app-20261125T190000.123456Z.jsonl.gz` or `.zst`. Whatever is called otherwise is not ours and stays.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::config::{Compress, JsonlConfig};

/// The time in a name.
const STAMP: &str = "%Y%m%dT%H%M%S.%6fZ";

/// What a file is called while it is written.
const UNFINISHED: &str = ".tmp";

/// A file that was moved away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Archived {
    /// When it was.
    pub(super) at: Timestamp,
    pub(super) path: PathBuf,
    pub(super) compressed: bool,
    pub(super) bytes: u64,
}

/// How long files that were moved away are kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Keep {
    pub(super) files: Option<usize>,
    pub(super) bytes: Option<u64>,
    pub(super) age: Option<Duration>,
}

impl From<&JsonlConfig> for Keep {
    fn from(config: &JsonlConfig) -> Self {
        Self { files: config.keep_files, bytes: config.keep_bytes, age: config.keep_age() }
    }
}

impl Compress {
    /// The end of a compressed file's name.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

/// The name of a file without its last ending, and that ending with its dot.
fn halves(path: &Path) -> (String, String) {
    let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
    (text(path.file_stem()), ending.unwrap_or_default())
}

/// A name under which the file at `path` can be moved away now: no file has it.
pub(super) fn free_name(path: &Path, now: Timestamp) -> PathBuf {
    let (stem, ending) = halves(path);
    let mut at = now;
    loop {
        let stamp = at.strftime(STAMP).to_string();
        let name = path.with_file_name(format!("{stem}-{stamp}{ending}"));
        if [Compress::None, Compress::Gzip, Compress::Zstd]
            .into_iter()
            .all(|kind| !with_ending(&name, kind).exists())
        {
            return name;
        }
        at += Duration::from_micros(1);
    }
}

/// What the file is called when it is compressed.
pub(super) fn with_ending(path: &Path, compress: Compress) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(compress.ending());
    name.into()
}

/// What it is called until it is whole.
pub(super) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// What stands beside the file at some path.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files that were moved away from there, oldest first.
    pub(super) files: Vec<Archived>,
    /// Compressed files that never got finished.
    pub(super) unfinished: Vec<PathBuf>,
}

impl Listing {
    /// Look into the folder of `path`.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let (stem, ending) = halves(path);
        let mut listing = Self::default();
        for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.strip_suffix(UNFINISHED) {
                Some(whole) if read_name(whole, &stem, &ending).is_some_and(|(_, compressed)| compressed) => {
                    listing.unfinished.push(entry.path());
                }
                Some(_) => {}
                None => {
                    let Some((at, compressed)) = read_name(&name, &stem, &ending) else { continue };
                    // Another process may have deleted it in the meantime.
                    let Ok(metadata) = entry.metadata() else { continue };
                    let (path, bytes) = (entry.path(), metadata.len());
                    listing.files.push(Archived { at, path, compressed, bytes });
                }
            }
        }
        listing.files.sort();
        Ok(listing)
    }
}

/// When the file of this name was moved away, and whether it is compressed; `None` if it is not one of ours.
fn read_name(name: &str, stem: &str, ending: &str) -> Option<(Timestamp, bool)> {
    let plain =
        [Compress::Gzip, Compress::Zstd].into_iter().find_map(|kind| name.strip_suffix(kind.ending()));
    let stamp = plain.unwrap_or(name).strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(ending)?;
    let at = DateTime::strptime(STAMP, stamp).ok()?.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp();
    // Parsing forgives what printing would not write.
    let is_exact = at.strftime(STAMP).to_string() == stamp;
    is_exact.then_some((at, plain.is_some()))
}

impl Keep {
    /// Which of these files, oldest first, are not to be kept.
    pub(super) fn victims<'f>(&self, files: &'f [Archived], now: Timestamp) -> &'f [Archived] {
        let age = |file: &Archived| Duration::try_from(now.duration_since(file.at)).unwrap_or_default();
        let mut bytes = 0_u64;
        let kept = files.iter().rev().enumerate().take_while(|(index, file)| {
            bytes = bytes.saturating_add(file.bytes);
            self.files.is_none_or(|most| *index < most)
                && self.bytes.is_none_or(|most| bytes <= most)
                && self.age.is_none_or(|most| age(file) <= most)
        });
        let kept = kept.count();
        files.get(..files.len() - kept).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn names_say_when_and_what_is_called_otherwise_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.jsonl");
        let now = at("2026-11-25T19:00:00.123456789Z");
        let first = free_name(&path, now);
        assert_eq!(first.file_name().unwrap(), "app-20261125T190000.123456Z.jsonl");
        fs::write(with_ending(&first, Compress::Zstd), "x").unwrap();
        let second = free_name(&path, now);
        assert_eq!(second.file_name().unwrap(), "app-20261125T190000.123457Z.jsonl");
        fs::write(&second, "").unwrap();
        let others = [
            "app.jsonl",
            "app.jsonl.1",
            "app-old.jsonl",
            "app-20261125T190000.123456Z.jsonl.bak",
            "app-20261125T190000.1234Z.jsonl",
            "app-20261325T190000.123456Z.jsonl",
            "app-2-20261125T190000.123456Z.jsonl",
            "app-20261125T190000.123456Z.jsonl.tmp",
        ];
        others.iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        let half = unfinished(&with_ending(&second, Compress::Gzip));
        fs::write(&half, "").unwrap();
        let listing = Listing::of(&path).unwrap();
        let found: Vec<_> =
            listing.files.iter().map(|file| (&file.path, file.compressed, file.bytes)).collect();
        assert_eq!(found, [(&with_ending(&first, Compress::Zstd), true, 1), (&second, false, 0)]);
        assert_eq!(listing.files[1].at, at("2026-11-25T19:00:00.123457Z"));
        assert_eq!(listing.unfinished, [half]);
    }

    #[test]
    fn files_without_an_ending_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let name = free_name(&path, at("2026-11-25T19:00:00Z"));
        assert_eq!(name.file_name().unwrap(), "events-20261125T190000.000000Z");
        fs::write(&name, "").unwrap();
        assert_eq!(Listing::of(&path).unwrap().files.len(), 1);
    }

    #[test]
    fn the_oldest_go_first_until_every_limit_holds() {
        let file = |hour: i64| Archived {
            at: at("2026-11-25T00:00:00Z") + Duration::from_secs(3_600 * hour as u64),
            path: PathBuf::from(hour.to_string()),
            compressed: false,
            bytes: 10,
        };
        let files: Vec<_> = (0..5).map(file).collect();
        let gone = |keep: Keep| keep.victims(&files, at("2026-11-25T05:00:00Z")).len();
        assert_eq!(gone(Keep::default()), 0);
        assert_eq!(
            [0, 1, 5, 9].map(|most| gone(Keep { files: Some(most), ..Keep::default() })),
            [5, 4, 0, 0]
        );
        assert_eq!(
            [0, 9, 10, 49, 50].map(|most| gone(Keep { bytes: Some(most), ..Keep::default() })),
            [5, 5, 4, 1, 0]
        );
        let hours = |hours: u64| Some(Duration::from_secs(3_600 * hours));
        assert_eq!([0, 1, 3, 5].map(|age| gone(Keep { age: hours(age), ..Keep::default() })), [5, 4, 2, 0]);
        assert_eq!(gone(Keep { files: Some(4), bytes: Some(25), age: hours(4) }), 3);
    }
}
