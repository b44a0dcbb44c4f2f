//! Events that could not be delivered, with the reason, until somebody has dealt with them.
//!
//! Another log of the same kind: segments of frames, here `<ordinal>.dead`, the ordinal being the time the
//! file was begun. All processes share one directory without a lock, since each writes to files of its own
//! and reads those of everybody. Nothing is ever altered: that a letter was replayed or dropped is one
//! more frame, a *mark*, in the file of whoever did it. A letter counts unless a mark of its destination
//! and id is as young as it is; of several with the same destination and id only the youngest counts.
//!
//! Letters are rare and slow next to the log, so everything here is synchronous: a letter is durable when
//! `append` returns, which is what allows the event to be settled in the log. Files go as a whole, oldest
//! first, when they are too old or too many; no file is written to for more than a day.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::Fields;
use super::frame::{self, Frame, Payload};
use super::scan::{Scanner, Step};
use super::segment::{self, HEADER, Header, Opening};
use super::storage::{Storage, StorageFile};
use super::{DestinationId, Seq, SpoolError, lock, now_micros, random_marker};

const SUFFIX: &str = ".dead";
const DAY: u64 = 24 * 3600 * 1_000_000;

/// The two kinds of frames, in the place where the log has destinations.
const LETTER: DestinationId = DestinationId(0);
const MARK: DestinationId = DestinationId(1);

/// An event that its destination did not take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Key of the destination.
    pub destination: String,
    /// Id of the event.
    pub id: String,
    /// Short code of the reason.
    pub reason: String,
    /// What the receiver answered, as far as it was kept.
    pub answer: String,
    /// How often it was tried.
    pub attempts: u32,
    /// First attempt, in microseconds since 1970.
    pub first_micros: u64,
    /// Last attempt, in microseconds since 1970.
    pub last_micros: u64,
    /// The event itself.
    #[serde(skip)]
    pub payload: Vec<u8>,
}

/// What has become of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Given to delivery again.
    Replayed,
    /// Thrown away by somebody.
    Dropped,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    destination: String,
    id: String,
    fate: Fate,
}

/// Which letters; those not given do not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this destination.
    pub destination: Option<String>,
    /// With this id.
    pub id: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// Last tried at or after this time, in microseconds since 1970.
    pub since_micros: Option<u64>,
    /// Last tried before this time.
    pub until_micros: Option<u64>,
}

impl Filter {
    fn matches(&self, letter: &DeadLetter) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        same(&self.destination, &letter.destination)
            && same(&self.id, &letter.id)
            && same(&self.reason, &letter.reason)
            && self.since_micros.is_none_or(|since| letter.last_micros >= since)
            && self.until_micros.is_none_or(|until| letter.last_micros < until)
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Bytes of all files.
    pub bytes: u64,
    /// Age of a letter.
    pub age: Duration,
    /// Size at which a new file begins.
    pub segment_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            bytes: 256 * 1024 * 1024,
            age: Duration::from_secs(14 * 24 * 3600),
            segment_bytes: 4 * 1024 * 1024,
        }
    }
}

/// The dead letters in a directory.
pub struct DeadLetterLog {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    retention: Retention,
    hasher: RandomState,
    current: Mutex<Option<Current>>,
}

/// The file this process writes to.
struct Current {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    marker: u32,
    begun: u64,
    end: u64,
    next: Seq,
}

/// The youngest letter and mark of one destination and id.
#[derive(Clone, Copy, Default)]
struct Youngest {
    letter: u64,
    mark: u64,
}

impl DeadLetterLog {
    /// Opens the dead letters in a directory, creating it if need be.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn open(storage: Arc<dyn Storage>, dir: &Path, retention: Retention) -> Result<Self, SpoolError> {
        storage.create_dir(dir).map_err(SpoolError::io("create", dir))?;
        let (dir, hasher) = (dir.to_owned(), RandomState::new());
        Ok(Self { storage, dir, retention, hasher, current: Mutex::new(None) })
    }

    /// Keeps a letter; it is durable when this returns.
    ///
    /// # Errors
    /// When the disk does not take it, or it is larger than an event may be.
    pub fn append(&self, letter: &DeadLetter) -> io::Result<()> {
        let head = serde_json::to_vec(letter)?;
        self.write(LETTER, &head, &letter.payload)
    }

    /// Notes what has become of a letter; from now on it does not count any more.
    ///
    /// # Errors
    /// When the disk does not take the note.
    pub fn mark(&self, destination: &str, id: &str, fate: Fate) -> io::Result<()> {
        let mark = Mark { destination: destination.to_owned(), id: id.to_owned(), fate };
        self.write(MARK, &serde_json::to_vec(&mark)?, &[])
    }

    /// Shows the letters that count and match until told to stop: file by file, oldest first in each.
    ///
    /// # Errors
    /// When the directory cannot be listed. Files that cannot be read are left out.
    pub fn visit(
        &self,
        filter: &Filter,
        mut show: impl FnMut(DeadLetter) -> ControlFlow<()>,
    ) -> io::Result<()> {
        let files = self.files()?;
        let youngest = self.youngest(&files);
        let oldest = now_micros().saturating_sub(self.retention.age.as_micros() as u64);
        for ordinal in files {
            let flow = self.scan(ordinal, |frame| {
                let Some(letter) = read_letter(frame) else { return ControlFlow::Continue(()) };
                let known = self.entry(&youngest, &letter);
                let counts = frame.time == known.letter && frame.time > known.mark && frame.time >= oldest;
                if counts && filter.matches(&letter) { show(letter) } else { ControlFlow::Continue(()) }
            });
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The letters that count and match, in the same order, at most so many.
    ///
    /// # Errors
    /// As for [`DeadLetterLog::visit`].
    pub fn list(&self, filter: &Filter, limit: usize) -> io::Result<Vec<DeadLetter>> {
        let mut letters = Vec::new();
        self.visit(filter, |letter| {
            if letters.len() < limit {
                letters.push(letter);
            }
            if letters.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(letters)
    }

    /// One letter.
    ///
    /// # Errors
    /// As for [`DeadLetterLog::visit`].
    pub fn show(&self, destination: &str, id: &str) -> io::Result<Option<DeadLetter>> {
        let filter = Filter {
            destination: Some(destination.to_owned()),
            id: Some(id.to_owned()),
            ..Filter::default()
        };
        Ok(self.list(&filter, 1)?.pop())
    }

    /// Removes what is too old or too much; says how many letters that still counted were lost by it.
    /// Happens by itself whenever a new file begins.
    ///
    /// # Errors
    /// When the directory cannot be listed or a file cannot be removed.
    pub fn retain(&self) -> io::Result<u64> {
        let files = self.files()?;
        let size = |ordinal: &u64| self.storage.open_read(&self.path(*ordinal)).and_then(|file| file.size());
        let sizes: Vec<u64> = files.iter().map(|ordinal| size(ordinal).unwrap_or(0)).collect();
        let mut total: u64 = sizes.iter().sum();
        let too_old = now_micros().saturating_sub(self.retention.age.as_micros() as u64 + DAY);
        let mut youngest = None;
        let mut lost = 0;
        for (ordinal, size) in files.iter().zip(sizes) {
            if *ordinal >= too_old && total <= self.retention.bytes {
                break;
            }
            let youngest = youngest.get_or_insert_with(|| self.youngest(&files));
            lost += self.counting(*ordinal, youngest);
            self.storage.unlink(&self.path(*ordinal))?;
            total -= size;
        }
        if lost > 0 || youngest.is_some() {
            self.storage.sync_dir(&self.dir)?;
        }
        Ok(lost)
    }

    // ---- writing ----------------------------------------------------------------------------------

    fn write(&self, kind: DestinationId, head: &[u8], payload: &[u8]) -> io::Result<()> {
        let mut body = Vec::with_capacity(4 + head.len() + payload.len());
        body.extend_from_slice(&(head.len() as u32).to_le_bytes());
        body.extend_from_slice(head);
        body.extend_from_slice(payload);
        if frame::encoded_len(body.len(), 1) > frame::MAX_FRAME {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut slot = lock(&self.current);
        let mut current = match slot.take().filter(|current| self.is_usable(current)) {
            Some(current) => current,
            None => self.begin()?,
        };
        // On an error the file is left behind as it is; the next letter begins a new one.
        current.append(kind, &body)?;
        *slot = Some(current);
        Ok(())
    }

    /// Small and young enough, and not removed by another process.
    fn is_usable(&self, current: &Current) -> bool {
        current.end < self.retention.segment_bytes
            && now_micros() < current.begun.saturating_add(DAY)
            && self.storage.open_read(&current.path).is_ok()
    }

    fn begin(&self) -> io::Result<Current> {
        self.retain()?;
        let mut ordinal = now_micros();
        let (file, path) = loop {
            let path = self.path(ordinal);
            match self.storage.create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => ordinal += 1,
                file => break (file?, path),
            }
        };
        let header = Header { marker: random_marker(), ordinal, first: Seq(1), created: now_micros() };
        file.write_all_at(&header.encode(), 0)?;
        self.storage.sync_dir(&self.dir)?;
        Ok(Current { file, path, marker: header.marker, begun: ordinal, end: HEADER, next: Seq(1) })
    }

    // ---- reading ----------------------------------------------------------------------------------

    fn path(&self, ordinal: u64) -> PathBuf {
        self.dir.join(format!("{ordinal:016x}{SUFFIX}"))
    }

    fn files(&self) -> io::Result<Vec<u64>> {
        let ordinal = |name: &str| u64::from_str_radix(name.strip_suffix(SUFFIX)?, 16).ok();
        let listed = self.storage.list(&self.dir)?;
        let mut files: Vec<u64> = listed.iter().filter_map(|entry| ordinal(&entry.name)).collect();
        files.sort_unstable();
        Ok(files)
    }

    /// Goes through the frames of a file as far as it can be read.
    fn scan(&self, ordinal: u64, mut each: impl FnMut(&Frame<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        let Ok(file) = self.storage.open_read(&self.path(ordinal)) else { return ControlFlow::Continue(()) };
        let (Ok(Opening::Header(header) | Opening::Salvaged(header)), Ok(size)) =
            (segment::open_header(&*file, ordinal), file.size())
        else {
            return ControlFlow::Continue(());
        };
        let mut scanner = Scanner::new(header.marker, HEADER, size);
        loop {
            match scanner.next(&*file) {
                Ok(Step::Frame { frame, .. }) => each(&frame)?,
                Ok(Step::Damaged { .. }) => {}
                Ok(Step::Torn { .. } | Step::End) | Err(_) => return ControlFlow::Continue(()),
            }
        }
    }

    /// The youngest letter and mark by destination and id.
    fn youngest(&self, files: &[u64]) -> HashMap<u64, Youngest> {
        let mut found: HashMap<u64, Youngest> = HashMap::new();
        for ordinal in files {
            let _ = self.scan(*ordinal, |frame| {
                if let Some(letter) = read_letter(frame) {
                    let entry = found.entry(self.hash(&letter.destination, &letter.id)).or_default();
                    entry.letter = entry.letter.max(frame.time);
                } else if let Some(mark) = read_mark(frame) {
                    let entry = found.entry(self.hash(&mark.destination, &mark.id)).or_default();
                    entry.mark = entry.mark.max(frame.time);
                }
                ControlFlow::Continue(())
            });
        }
        found
    }

    fn hash(&self, destination: &str, id: &str) -> u64 {
        self.hasher.hash_one((destination, id))
    }

    fn entry(&self, youngest: &HashMap<u64, Youngest>, letter: &DeadLetter) -> Youngest {
        youngest.get(&self.hash(&letter.destination, &letter.id)).copied().unwrap_or_default()
    }

    /// How many letters in a file still count.
    fn counting(&self, ordinal: u64, youngest: &HashMap<u64, Youngest>) -> u64 {
        let mut count = 0;
        let _ = self.scan(ordinal, |frame| {
            if let Some(letter) = read_letter(frame) {
                let known = self.entry(youngest, &letter);
                count += u64::from(frame.time == known.letter && frame.time > known.mark);
            }
            ControlFlow::Continue(())
        });
        count
    }
}

impl Current {
    fn append(&mut self, kind: DestinationId, body: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame::encode(&mut bytes, self.next, now_micros(), &[kind], &Payload::new([body, &[]]));
        frame::place(&mut bytes, self.marker, self.end);
        self.file.write_all_at(&bytes, self.end)?;
        self.file.sync()?;
        self.end += bytes.len() as u64;
        self.next = Seq(self.next.0 + 1);
        Ok(())
    }
}

fn parts<'a>(frame: &Frame<'a>, kind: DestinationId) -> Option<(&'a [u8], &'a [u8])> {
    let mut fields = Fields::new(frame.payload);
    let length = fields.u32().filter(|_| frame.is_for(kind))?;
    Some((fields.bytes(length as usize)?, fields.rest()))
}

fn read_letter(frame: &Frame<'_>) -> Option<DeadLetter> {
    let (head, payload) = parts(frame, LETTER)?;
    let letter: DeadLetter = serde_json::from_slice(head).ok()?;
    Some(DeadLetter { payload: payload.to_vec(), ..letter })
}

fn read_mark(frame: &Frame<'_>) -> Option<Mark> {
    serde_json::from_slice(parts(frame, MARK)?.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Disk;

    fn open(dir: &Path, retention: Retention) -> DeadLetterLog {
        DeadLetterLog::open(Arc::new(Disk), dir, retention).unwrap()
    }

    fn letter(destination: &str, id: &str, reason: &str) -> DeadLetter {
        DeadLetter {
            destination: destination.into(),
            id: id.into(),
            reason: reason.into(),
            answer: "no such channel".into(),
            attempts: 3,
            first_micros: 1,
            last_micros: 2,
            payload: vec![0, 159, 146, 150],
        }
    }

    fn ids(log: &DeadLetterLog, filter: &Filter) -> Vec<String> {
        log.list(filter, 100).unwrap().into_iter().map(|letter| letter.id).collect()
    }

    #[test]
    fn letters_are_listed_shown_and_marked_by_anybody() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (open(dir.path(), Retention::default()), open(dir.path(), Retention::default()));
        one.append(&letter("slack", "a", "refused")).unwrap();
        other.append(&letter("slack", "b", "too_large")).unwrap();
        one.append(&letter("discord", "a", "refused")).unwrap();
        assert_eq!(ids(&other, &Filter::default()).len(), 3);
        let slack = Filter { destination: Some("slack".into()), ..Filter::default() };
        assert_eq!(ids(&one, &slack), ["a", "b"]);
        let refused = Filter { reason: Some("refused".into()), ..Filter::default() };
        assert_eq!(ids(&one, &refused), ["a", "a"]);
        assert_eq!(one.show("slack", "b").unwrap(), Some(letter("slack", "b", "too_large")));
        other.mark("slack", "a", Fate::Replayed).unwrap();
        assert_eq!(ids(&one, &slack), ["b"]);
        assert_eq!(ids(&open(dir.path(), Retention::default()), &slack), ["b"]);
        one.append(&letter("slack", "a", "refused")).unwrap();
        assert_eq!(ids(&one, &slack), ["a", "b"], "back again, after another replay failed");
    }

    #[test]
    fn a_letter_written_twice_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), Retention::default());
        log.append(&letter("slack", "a", "refused")).unwrap();
        std::thread::sleep(Duration::from_millis(1));
        log.append(&letter("slack", "a", "gone")).unwrap();
        let letters = log.list(&Filter::default(), 10).unwrap();
        assert_eq!(letters, [letter("slack", "a", "gone")]);
    }

    #[test]
    fn what_is_too_much_goes_oldest_first_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let small = Retention { bytes: 2000, segment_bytes: 400, ..Retention::default() };
        let log = open(dir.path(), small);
        for number in 0..40 {
            log.append(&letter("slack", &number.to_string(), "refused")).unwrap();
        }
        let lost = log.retain().unwrap();
        let left = ids(&log, &Filter::default());
        assert!(left.len() < 12 && left.last().is_some_and(|last| last == "39"), "{left:?}");
        assert_eq!(lost, 0, "appending keeps the limit by itself, give or take a file");
    }

    #[test]
    fn what_is_too_old_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), Retention::default()).append(&letter("slack", "a", "refused")).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        let strict = open(dir.path(), Retention { age: Duration::from_millis(1), ..Retention::default() });
        assert!(ids(&strict, &Filter::default()).is_empty());
    }

    #[test]
    fn damage_costs_only_what_it_hits() {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), Retention::default());
        for id in ["a", "b", "c"] {
            log.append(&letter("slack", id, "refused")).unwrap();
        }
        let path = log.path(log.files().unwrap()[0]);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xFF;
        bytes.extend_from_slice(&[7; 100]);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(ids(&log, &Filter::default()), ["a", "c"]);
    }
}
