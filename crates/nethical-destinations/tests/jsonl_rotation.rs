//! Files that are moved away, compressed and deleted while they are written.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use nethical_core::delivery::{Connector, QueueLimits, Settings};
use nethical_destinations::connect;
use nethical_destinations::jsonl::{Compress, JsonlConfig};
use serde_json::Value;
use testkit::event;

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder, and what was moved away from `app.jsonl` in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("app.jsonl")
    }

    /// Options by which a file holds some forty events.
    fn config(&self) -> JsonlConfig {
        JsonlConfig { rotate_bytes: Some(10_000), buffer_size: 10, ..JsonlConfig::new(self.path()) }
    }

    /// Files that were moved away, oldest first.
    fn archived(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries.filter(|path| *path != self.path()).collect();
        found.sort();
        found
    }

    /// The messages of all files, in their order. Every line is whole.
    fn messages(&self) -> Vec<usize> {
        let files = self.archived().into_iter().chain([self.path()]);
        files.flat_map(|path| messages(&text(&path))).collect()
    }

    fn endings(&self, ending: &str) -> usize {
        self.archived().iter().filter(|path| path.to_str().unwrap().ends_with(ending)).count()
    }
}

fn text(path: &Path) -> String {
    let file = File::open(path).unwrap();
    let mut text = String::new();
    match path.extension().unwrap().to_str().unwrap() {
        "gz" => MultiGzDecoder::new(file).read_to_string(&mut text).unwrap(),
        "zst" => zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap(),
        _ => (&file).read_to_string(&mut text).unwrap(),
    };
    text
}

fn messages(text: &str) -> Vec<usize> {
    assert!(text.is_empty() || text.ends_with('\n'), "half a line");
    let message = |line| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().parse();
    text.lines().map(|line| message(line).unwrap()).collect()
}

fn open(config: JsonlConfig) -> Connector {
    let queue =
        QueueLimits { full: nethical_core::delivery::Full::Block(PATIENCE), ..QueueLimits::default() };
    let settings = Settings { queue, observer: Arc::new(|_| {}), ..Settings::default() };
    connect(Arc::new(config), "jsonl", settings).unwrap()
}

fn send(connector: &Connector, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| connector.send(event(&number.to_string())).unwrap());
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn no_file_grows_beyond_its_size_and_nothing_is_lost_between_two() {
    let folder = Folder::new();
    let connector = open(folder.config());
    send(&connector, 0..2_000);
    assert!(connector.close(PATIENCE));
    assert_eq!(folder.messages(), (0..2_000).collect::<Vec<_>>());
    let sizes: Vec<_> = folder.archived().iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert!(sizes.len() > 30 && sizes.iter().all(|size| (9_000..=10_000).contains(size)), "{sizes:?}");
    assert_eq!(connector.status().unwrap().ledger.confirmed, 2_000);
}

#[test]
fn a_line_longer_than_a_file_has_one_for_itself() {
    let folder = Folder::new();
    let connector = open(JsonlConfig { rotate_bytes: Some(10), ..folder.config() });
    send(&connector, 0..20);
    assert!(connector.close(PATIENCE));
    assert_eq!((folder.messages(), folder.archived().len()), ((0..20).collect(), 19));
}

#[test]
fn a_file_is_moved_away_when_it_is_old_enough_also_one_of_an_earlier_process() {
    let folder = Folder::new();
    let config = JsonlConfig { rotate_bytes: None, rotate_hours: Some(0.5 / 3_600.0), ..folder.config() };
    for number in 0..4 {
        // The second and the fourth find a file that another one has begun.
        let connector = open(config.clone());
        send(&connector, number..number + 1);
        assert!(connector.close(PATIENCE));
        std::thread::sleep(Duration::from_millis(600));
    }
    let connector = open(config);
    send(&connector, 4..5);
    assert!(connector.flush(PATIENCE));
    std::thread::sleep(Duration::from_millis(600));
    send(&connector, 5..6);
    assert!(connector.close(PATIENCE));
    assert_eq!((folder.messages(), folder.archived().len()), ((0..6).collect(), 5));
}

#[test]
fn files_that_were_moved_away_are_compressed_by_the_end() {
    for (compress, ending) in [(Compress::Gzip, ".jsonl.gz"), (Compress::Zstd, ".jsonl.zst")] {
        let folder = Folder::new();
        fs::write(folder.path(), "").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o640)).unwrap();
        let connector = open(JsonlConfig { compress, ..folder.config() });
        send(&connector, 0..1_000);
        assert!(connector.close(PATIENCE));
        assert_eq!(folder.endings(ending), folder.archived().len());
        assert!(folder.archived().len() > 15);
        assert_eq!(folder.messages(), (0..1_000).collect::<Vec<_>>());
        let mode = |path: &PathBuf| fs::metadata(path).unwrap().mode() & 0o777;
        assert!(folder.archived().iter().chain([&folder.path()]).all(|path| mode(path) == 0o640));
    }
}

#[test]
fn the_newest_are_kept() {
    let folder = Folder::new();
    let stranger = folder.0.path().join("app-old.jsonl");
    fs::write(&stranger, "").unwrap();
    let connector = open(JsonlConfig { keep_files: Some(3), ..folder.config() });
    send(&connector, 0..1_000);
    assert!(connector.close(PATIENCE));
    assert_eq!(folder.archived().len(), 4, "three, and one that is not ours");
    let messages = folder.messages();
    assert_eq!(messages, (1_000 - messages.len()..1_000).collect::<Vec<_>>());

    let folder = Folder::new();
    let connector = open(JsonlConfig { keep_bytes: Some(25_000), ..folder.config() });
    send(&connector, 0..1_000);
    assert!(connector.close(PATIENCE));
    assert_eq!(folder.archived().len(), 2);
}

#[test]
fn bytes_count_as_they_are_on_the_disk() {
    let folder = Folder::new();
    let config = JsonlConfig { keep_bytes: Some(9_000), compress: Compress::Zstd, ..folder.config() };
    let connector = open(config);
    for round in 0..10 {
        send(&connector, round * 50..(round + 1) * 50);
        assert!(connector.flush(PATIENCE));
        until("all is compressed", || folder.endings(".jsonl") == 0 && folder.endings(".tmp") == 0);
    }
    assert!(connector.close(PATIENCE));
    let bytes: u64 = folder.archived().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(folder.archived().len() > 1 && bytes <= 9_000, "{bytes} in {:?}", folder.archived());
    let messages = folder.messages();
    assert_eq!(messages, (500 - messages.len()..500).collect::<Vec<_>>());
}

#[test]
fn a_file_that_somebody_may_still_write_to_is_not_compressed() {
    let folder = Folder::new();
    let config = JsonlConfig { compress: Compress::Gzip, ..folder.config() };
    let idle = open(config.clone());
    send(&idle, 0..1);
    assert!(idle.flush(PATIENCE));
    let busy = open(config);
    send(&busy, 1..200);
    assert!(busy.flush(PATIENCE));
    until("all others are compressed", || folder.endings(".jsonl") == 1 && folder.endings(".tmp") == 0);
    assert_eq!(folder.archived()[0].extension().unwrap(), "jsonl");
    idle.reopen();
    let mut next = 200;
    until("it is compressed at a rotation after it was let go of", || {
        send(&busy, next..next + 50);
        next += 50;
        busy.flush(PATIENCE) && folder.archived()[0].extension().unwrap() == "gz"
    });
    send(&idle, next..next + 1);
    assert!(idle.close(PATIENCE) && busy.close(PATIENCE));
    assert_eq!(folder.messages(), (0..=next).collect::<Vec<_>>());
}

#[test]
fn writers_of_one_file_rotate_it_together() {
    let folder = Folder::new();
    let config = JsonlConfig { compress: Compress::Zstd, ..folder.config() };
    let connectors: Vec<_> = (0..4).map(|_| open(config.clone())).collect();
    std::thread::scope(|scope| {
        for (writer, connector) in connectors.iter().enumerate() {
            scope.spawn(move || {
                for number in writer * 1_000..(writer + 1) * 1_000 {
                    connector.send(event(&number.to_string())).unwrap();
                    if number.is_multiple_of(10) {
                        assert!(connector.flush(PATIENCE));
                    }
                }
            });
        }
    });
    connectors.iter().for_each(|connector| assert!(connector.close(PATIENCE)));
    let mut messages = folder.messages();
    for writer in 0..4 {
        let own = messages.iter().filter(|number| **number / 1_000 == writer);
        assert!(own.is_sorted(), "each one's entries stand in order");
    }
    messages.sort_unstable();
    assert_eq!(messages, (0..4_000).collect::<Vec<_>>());
    let files = folder.archived().len();
    // While one is at it the others write on, so files may be longer.
    assert!(files > 20, "{files}");
}

#[test]
fn what_a_killed_process_left_half_compressed_is_begun_anew() {
    let folder = Folder::new();
    let left = folder.0.path().join("app-20261125T190000.000000Z.jsonl");
    let line = format!("{}\n", String::from_utf8_lossy(event("0").json()));
    fs::write(&left, &line).unwrap();
    fs::write(left.with_extension("jsonl.zst.tmp"), "half").unwrap();
    let orphan = folder.0.path().join("app-20261125T180000.000000Z.jsonl.gz.tmp");
    fs::write(&orphan, "half").unwrap();
    // Killed between the last two steps: both are there.
    fs::write(left.with_extension("jsonl.zst"), "whatever").unwrap();
    let connector = open(JsonlConfig { compress: Compress::Zstd, ..folder.config() });
    send(&connector, 1..2);
    assert!(connector.flush(PATIENCE));
    until("it is compressed", || !left.exists() && !orphan.exists());
    assert_eq!(folder.archived(), [left.with_extension("jsonl.zst")]);
    assert!(connector.close(PATIENCE));
    assert_eq!(folder.messages(), [0, 1]);
}

#[test]
fn a_rotation_that_fails_keeps_nobody_from_writing() {
    let folder = Folder::new();
    // With a time in it the name is longer than names can be.
    let path = folder.0.path().join("x".repeat(250));
    let connector = open(JsonlConfig { rotate_bytes: Some(10_000), ..JsonlConfig::new(&path) });
    send(&connector, 0..500);
    assert!(connector.close(PATIENCE));
    assert_eq!(messages(&fs::read_to_string(&path).unwrap()), (0..500).collect::<Vec<_>>());
}

#[test]
fn a_link_stays_where_it_is() {
    let folder = Folder::new();
    let real = folder.0.path().join("elsewhere");
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(real.join("real.jsonl"), folder.path()).unwrap();
    let connector = open(JsonlConfig { compress: Compress::Gzip, ..folder.config() });
    send(&connector, 0..100);
    assert!(connector.close(PATIENCE));
    assert!(fs::symlink_metadata(folder.path()).unwrap().is_symlink());
    let mut files: Vec<_> = fs::read_dir(&real).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 1);
    let all: Vec<_> = files.iter().flat_map(|path| messages(&text(path))).collect();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}
